//! The one place that writes to the terminal: data to stdout, talk to stderr.

use std::io::{Write, stderr, stdout};

/// Writes data, for the next program or the person in front.
///
/// A reader that has gone away is not an error worth ending a server for.
pub(crate) fn data(text: &str) {
    drop(writeln!(stdout(), "{text}"));
}

/// Writes data that need not be text, and ends the line.
pub(crate) fn bytes(bytes: &[u8]) {
    let mut stdout = stdout().lock();
    drop(stdout.write_all(bytes).and_then(|()| stdout.write_all(b"\n")));
}

/// Writes talk: what happens, what went wrong.
pub(crate) fn talk(text: &str) {
    drop(writeln!(stderr(), "{text}"));
}
