//! Settings from a file: every one with the line it stands in, and everything that is wrong with the file.

use std::path::Path;

use serde::Deserialize;
use toml::{
    Spanned, Value,
    de::{DeTable, DeValue, ValueDeserializer},
};

use super::{
    Given, Origin, Setting, layer, nearest, plain,
    problem::{File, Problem},
    why,
};

/// The text of a file with only those values left that are known to be no secrets: not those of secrets, nor those of
/// names that are not known, which may be misspelled. What is covered keeps its length.
fn cover(text: &str) -> String {
    let shown = |name: &str| {
        let name = name.trim().rsplit('.').next().unwrap_or_default().trim_matches(['"', '\'']);
        Setting::all().any(|setting| setting.name == name && !setting.is_secret())
    };
    let covered = |text: &str| -> String {
        let (blank, value) = text.split_at(text.len() - text.trim_start().len());
        let star = |byte: u8| if byte == b'\n' { '\n' } else { '*' };
        blank.chars().chain(value.bytes().map(star)).collect()
    };
    let mut whole = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find('\n').map_or(rest.len(), |at| at + 1);
        let (line, behind) = rest.split_at(end);
        rest = behind;
        match line.split_once('=') {
            Some((name, value)) if !name.trim_start().starts_with('#') && !shown(name) => {
                whole.push_str(name);
                whole.push('=');
                whole.push_str(&covered(value));
                // A text of several lines has no end that could be relied on.
                if value.contains("\"\"\"") || value.contains("'''") {
                    whole.push_str(&covered(rest));
                    rest = "";
                }
            }
            _ => whole.push_str(line),
        }
    }
    whole
}

/// What a file gives, and what is wrong with it.
pub(super) fn read(path: &Path, text: &str) -> (Vec<Given>, Vec<Problem>) {
    let file = File::new(path, &cover(text));
    let (mut given, mut problems) = (Vec::new(), Vec::new());
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        // What stands behind a slip of the pen is anybody's guess.
        let problem = |error: &toml::de::Error| {
            let span = error.span().unwrap_or_default();
            let (wrong, right) = plain::of_syntax(error.message());
            Problem::new(wrong).hint(right).at(&file, span)
        };
        return (given, errors.iter().map(problem).collect());
    }
    for (section, content) in table.get_ref() {
        let name = section.get_ref().as_ref();
        if !Setting::all().any(|setting| setting.section == name) {
            let sections = Setting::all().map(|setting| setting.section.to_owned());
            let meant = nearest(name, sections);
            let problem = Problem::new(format!("there is no section [{name}]"));
            let hint = meant.map(|meant| format!("did you mean [{meant}]?"));
            problems.push(problem.at(&file, section.span()).hint(hint));
        } else if let DeValue::Table(content) = content.get_ref() {
            for (key, value) in content {
                match setting(path, &file, name, key, value) {
                    Ok(one) => given.push(one),
                    Err(problem) => problems.push(problem),
                }
            }
        } else {
            let problem = Problem::new(format!("{name} is a section: write [{name}]"));
            problems.push(problem.at(&file, section.span()));
        }
    }
    (given, problems)
}

/// Reads one line of a section.
fn setting(
    path: &Path,
    file: &File,
    section: &str,
    key: &Spanned<impl AsRef<str>>,
    value: &Spanned<DeValue<'_>>,
) -> Result<Given, Problem> {
    let name = key.get_ref().as_ref();
    let known = |setting: &Setting| setting.section == section && setting.name == name;
    let Some(setting) = Setting::all().find(known) else {
        return Err(unknown(section, name).at(file, key.span()));
    };
    let span = value.span();
    let refuse = |error: toml::de::Error| {
        let (why, hint) = why(setting, &error);
        Problem::new(format!("{}: {why}", setting.key())).hint(hint).at(file, span.clone())
    };
    let value = Value::deserialize(ValueDeserializer::from(value.clone())).map_err(&refuse)?;
    layer(setting, &value).map_err(&refuse)?;
    let origin = Origin::File { path: path.to_owned(), line: file.line(span.start) };
    let problem = Problem::new("").at(file, span);
    Ok(Given { setting, value, origin, place: problem })
}

fn unknown(section: &str, name: &str) -> Problem {
    let beside = Setting::all().filter(|setting| setting.section == section);
    let meant = Setting::all()
        .find(|setting| setting.name == name)
        .map(Setting::key)
        .or_else(|| nearest(name, beside.map(|setting| setting.name.to_owned())))
        .or_else(|| nearest(&format!("{section}.{name}"), Setting::all().map(Setting::key)));
    Problem::new(format!("{section}.{name} is no setting"))
        .hint(meant.map(|meant| format!("did you mean {meant}?")))
}
