//! What is said when something went wrong: what, where, and what to try.

use std::io::{ErrorKind, IsTerminal, stderr};

use anstyle::{AnsiColor, Style};
use miette::{GraphicalReportHandler, GraphicalTheme};

use crate::{
    cli::{No, output},
    settings::{Problem, Problems},
};

const ERROR: Style = AnsiColor::Red.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default();

/// Says what went wrong.
pub(crate) fn error(error: &anyhow::Error) {
    if error.is::<No>() {
        return;
    }
    if let Some(Problems(problems)) = error.downcast_ref() {
        return self::problems(problems);
    }
    output::talk(&format!("{ERROR}error:{ERROR:#} {error:#}"));
    if let Some(hint) = hint(error) {
        hint_line(hint);
    }
}

/// Says all that is wrong with the settings: drawn for a terminal, in plain lines for anything else.
pub(crate) fn problems(problems: &[Problem]) {
    let drawn = stderr().is_terminal();
    for problem in problems {
        match problem.excerpt() {
            Some(_) if drawn => draw(problem),
            excerpt => {
                output::talk(&format!("{ERROR}error:{ERROR:#} {problem}"));
                excerpt.iter().for_each(|excerpt| output::talk(excerpt));
                problem.help_text().into_iter().for_each(hint_line);
            }
        }
    }
}

fn hint_line(hint: &str) {
    output::talk(&format!("{HINT}hint:{HINT:#} {hint}"));
}

fn draw(problem: &Problem) {
    let mut text = String::new();
    let theme = GraphicalTheme::unicode();
    // What is not to be coloured loses its colours on the way out.
    if GraphicalReportHandler::new_themed(theme).render_report(&mut text, problem).is_ok() {
        output::talk(text.trim_end());
    }
}

/// What to try next, where the error does not say so itself.
fn hint(error: &anyhow::Error) -> Option<&'static str> {
    let storage = |cause: &(dyn std::error::Error + 'static)| {
        matches!(cause.downcast_ref(), Some(auth::Error::StorageUnavailable(_)))
    };
    if error.chain().any(storage) {
        return Some("check that the database of database.url runs and can be reached from here");
    }
    match error.chain().find_map(|cause| cause.downcast_ref::<std::io::Error>())?.kind() {
        ErrorKind::AddrInUse => {
            Some("choose another address with --listen; port 0 asks for a free one")
        }
        ErrorKind::AddrNotAvailable => Some("--listen takes an address of this machine"),
        ErrorKind::PermissionDenied => {
            Some("start it as the user who owns the files, or choose others")
        }
        _ => None,
    }
}
