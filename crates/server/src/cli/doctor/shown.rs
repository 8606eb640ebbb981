//! What was found, as people read it: told apart by a sign and a word, not by colour alone.

use anstyle::{AnsiColor, Style};

use super::{Line, Outcome, Report};
use crate::cli::output::harmless;

const OK: Style = AnsiColor::Green.on_default();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const FAILURE: Style = AnsiColor::Red.on_default().bold();
const DIM: Style = Style::new().dimmed();
const GROUP: Style = Style::new().bold();

fn mark(outcome: Outcome) -> (Style, char) {
    match outcome {
        Outcome::Ok => (OK, '✓'),
        Outcome::Warning => (WARNING, '!'),
        Outcome::Failure => (FAILURE, '✗'),
        Outcome::Skipped => (DIM, '-'),
    }
}

/// A line for each finding, in groups; below those that are not in order what they mean and how to mend them.
pub(super) fn text(lines: &[Line]) -> String {
    let width = lines.iter().map(|line| line.id.len()).max().unwrap_or_default();
    let (mut text, mut group) = (Vec::new(), "");
    for line in lines {
        if line.group != group {
            if !group.is_empty() {
                text.push(String::new());
            }
            group = line.group;
            text.push(format!("{GROUP}{group}{GROUP:#}"));
        }
        let found = &line.finding;
        let (style, sign) = mark(found.outcome);
        let word = found.outcome.to_string();
        let said = harmless(&found.finding).replace('\n', " ");
        text.push(format!("  {style}{sign} {word:<7}{style:#}  {:<width$}  {said}", line.id));
        for (name, what) in [("means", &found.means), ("mend", &found.mend)] {
            if let Some(what) = what {
                let what = harmless(what).replace('\n', " ");
                text.push(format!("{:13}{DIM}{name:<width$}{DIM:#}  {what}", ""));
            }
        }
    }
    text.join("\n")
}

/// How many are not in order.
pub(super) fn summary(report: &Report) -> String {
    let number = |count: usize, one: &str| match count {
        1 => format!("one {one}"),
        several => format!("{several} {one}s"),
    };
    match (report.failures, report.warnings) {
        (0, 0) => "the installation is in order".to_owned(),
        (0, warnings) => number(warnings, "warning"),
        (failures, 0) => number(failures, "failure"),
        (failures, warnings) => {
            format!("{}, {}", number(failures, "failure"), number(warnings, "warning"))
        }
    }
}
