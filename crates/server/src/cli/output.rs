//! The one place that writes to the terminal: data to stdout, talk to stderr.
//!
//! Colours reach a terminal only, and not one that asks for none (`NO_COLOR`).

use std::io::{self, IsTerminal, Write};

use anstream::{stderr, stdout};
use indicatif::{ProgressBar, ProgressStyle};

/// Writes data, for the next program or the person in front.
///
/// A reader that has gone away is not an error worth ending a server for.
pub(crate) fn data(text: &str) {
    drop(writeln!(stdout(), "{text}"));
}

/// Writes data as it is, without a line end of its own.
pub(crate) fn bytes(bytes: &[u8]) {
    let mut stdout = io::stdout().lock();
    drop(stdout.write_all(bytes).and_then(|()| stdout.flush()));
}

/// Writes talk: what happens, what went wrong.
pub(crate) fn talk(text: &str) {
    drop(writeln!(stderr(), "{text}"));
}

/// A bar for long work; without a terminal it is not drawn.
pub(crate) fn bar(total: u64) -> ProgressBar {
    let drawn = io::stderr().is_terminal();
    let bar = if drawn { ProgressBar::new(total) } else { ProgressBar::hidden() };
    if let Ok(style) = ProgressStyle::with_template("{pos}/{len} [{wide_bar}] {eta} left") {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
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
        data(&harmless(line.trim_end()));
    }
}

/// A text as one word of a shell.
pub(crate) fn shell(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@,=".contains(&byte);
    match !text.is_empty() && text.bytes().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

/// A text of somebody else as it may be shown: what would move the cursor, or turn the direction of reading, as the
/// escape that JSON has for it.
pub(crate) fn harmless(text: &str) -> String {
    let acts = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if acts(c) {
            shown.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            shown.push(c);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_act_upon_is_shown_as_its_escape() {
        assert_eq!(harmless("a\u{1b}[2Jb\u{9b}c"), "a\\u001b[2Jb\\u009bc");
        assert_eq!(harmless("\u{202e}abc\u{7f}"), "\\u202eabc\\u007f");
        assert_eq!(harmless("Zoë 日本\n{}"), "Zoë 日本\n{}");
    }
}
