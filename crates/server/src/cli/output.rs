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

/// Writes rows as columns, each as wide as its widest cell.
pub(crate) fn table(rows: &[Vec<String>]) {
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let cells = rows.iter().filter_map(|row| row.get(column));
            let width = cells.map(|cell| cell.chars().count()).max().unwrap_or_default();
            line.push_str(&format!("{cell:<width$}  "));
        }
        data(line.trim_end());
    }
}
