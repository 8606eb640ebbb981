//! What is said when something went wrong: what, where, and what to try.

use std::io::{ErrorKind, IsTerminal, stderr};

use anstyle::{AnsiColor, Style};
use miette::{GraphicalReportHandler, GraphicalTheme};

use crate::{
    cli::{No, output},
    settings::{Drawn, Problem, Problems},
};

const ERROR: Style = AnsiColor::Red.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default();

/// Says what went wrong.
pub(crate) fn error(error: &anyhow::Error) {
    if error.downcast_ref().is_some_and(|No(said)| said.is_empty()) {
        return;
    }
    if let Some(Problems(problems)) = error.downcast_ref() {
        return self::problems(problems);
    }
    output::talk(&format!("{ERROR}error:{ERROR:#} {error:#}"));
    if let Some(hint) = hint(error) {
        hint_line(&hint);
    }
}

/// Says all that is wrong with the settings: drawn for a terminal, in plain lines for anything else.
pub(crate) fn problems(problems: &[Problem]) {
    let drawn = stderr().is_terminal();
    for problem in problems {
        match problem.excerpt() {
            Some(_) if drawn => output::talk(draw(problem).trim_end()),
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

/// For a terminal; where no colours are wanted they are lost on the way out.
fn draw(problem: &Problem) -> String {
    let mut text = String::new();
    let drawn = GraphicalReportHandler::new_themed(GraphicalTheme::unicode())
        .render_report(&mut text, &Drawn(problem));
    if drawn.is_ok() { text } else { problem.to_string() }
}

/// What to try next, where the error does not say so itself.
fn hint(error: &anyhow::Error) -> Option<String> {
    let hint = |hint: &str| Some(hint.to_owned());
    let storage = |cause: &(dyn std::error::Error + 'static)| {
        matches!(cause.downcast_ref(), Some(auth::Error::StorageUnavailable(_)))
    };
    if error.chain().any(storage) {
        if let Some(hint) = refusal(&format!("{error:#}")) {
            return Some(hint);
        }
        return hint("check that the database of database.url runs and can be reached from here");
    }
    match error.chain().find_map(|cause| cause.downcast_ref::<std::io::Error>())?.kind() {
        ErrorKind::AddrInUse => {
            hint("choose another address with --listen; port 0 asks for a free one")
        }
        ErrorKind::AddrNotAvailable => hint("--listen takes an address of this machine"),
        ErrorKind::PermissionDenied => {
            hint("start it as the user who owns the files, or choose others")
        }
        _ => None,
    }
}

/// What to do where PostgreSQL answers, and does not let us in.
pub(crate) fn refusal(said: &str) -> Option<String> {
    let answered = |code: &str| said.contains(&format!("the database answered {code}:"));
    if answered("3D000") {
        // The server says it in its own language, with the name in quotes of some kind.
        let name = said.split('"').nth(1).filter(|name| !name.is_empty());
        let plain =
            |name: &&str| name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
        let name = name.filter(plain).unwrap_or("NAME");
        return Some(format!(
            "make it first, as somebody who may: createdb {name} (with -h, -p and -U as in database.url); or correct \
             the name at the end of database.url"
        ));
    }
    if answered("28P01") || answered("28000") {
        let hint = "see that user and password in database.url are right, and that pg_hba.conf lets them in from here";
        return Some(hint.to_owned());
    }
    None
}

#[cfg(test)]
mod tests {
    use crate::settings::Settings;

    use super::*;

    #[test]
    fn a_database_that_is_not_there_is_to_be_made_by_its_name() {
        let said = |name: &str| {
            refusal(&format!(
                "--to: the database answered 3D000: database \"{name}\" does not exist"
            ))
        };
        assert!(said("posts").is_some_and(|hint| hint.contains("createdb posts ")));
        assert!(said("a; rm").is_some_and(|hint| hint.contains("createdb NAME ")));
        let password = refusal("the database answered 28P01: no");
        assert!(password.is_some_and(|hint| hint.contains("password")));
        assert_eq!(refusal("the database answered 53300: too many"), None);
    }

    #[test]
    fn a_problem_is_drawn_with_its_line_and_what_to_try() {
        let folder = tempfile::tempdir().expect("folder");
        let file = folder.path().join("x.toml");
        std::fs::write(&file, "[mail]\nurll = \"smtps://u:hunter2@h\"\n").expect("written");
        let settings = Settings::read(Some(&file), std::iter::empty(), &[]).expect("read");
        let [problem] = settings.problems() else { panic!("one problem: {settings:?}") };
        let drawn = anstream::adapter::strip_str(&draw(problem)).to_string();
        for text in
            ["× mail.urll is no setting", "x.toml:2:1", "2 │ urll = ****", "did you mean url?"]
        {
            assert!(drawn.contains(text), "{text}: {drawn}");
        }
        assert!(!drawn.contains("hunter2"), "{drawn}");
    }
}
