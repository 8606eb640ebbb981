//! What is wrong with the settings: each problem with its place, none with a password.

use std::{fmt, ops::Range, path::Path, sync::Arc};

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};

/// Everything that is wrong with the settings of a start, as far as it can be found at once.
#[derive(Debug)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<String> = self.0.iter().map(Problem::to_string).collect();
        f.write_str(&texts.join("\n"))
    }
}

impl std::error::Error for Problems {}

/// One thing that has to be changed before a server can start.
#[derive(Debug, Clone)]
pub struct Problem {
    message: String,
    hint: Option<String>,
    place: Place,
}

/// Where something stands.
#[derive(Debug, Clone)]
enum Place {
    /// It concerns no single place, or the message says it.
    Unnamed,
    /// An environment variable or a flag.
    Named(String),
    /// A range of bytes of a file.
    File { source: Arc<NamedSource<String>>, span: Range<usize> },
}

impl Problem {
    /// A problem without a place.
    pub(crate) fn new(message: impl AsRef<str>) -> Self {
        Self { message: hide(message.as_ref()), hint: None, place: Place::Unnamed }
    }

    /// It stands in this variable or flag.
    pub(crate) fn named(self, name: impl Into<String>) -> Self {
        Self { place: Place::Named(name.into()), ..self }
    }

    /// The same place, with something to say about it.
    pub(super) fn says(self, message: &str) -> Self {
        Self { message: hide(message), ..self }
    }

    /// It stands in these bytes of this file.
    pub(super) fn at(self, file: &File, span: Range<usize>) -> Self {
        Self { place: Place::File { source: Arc::clone(&file.shown), span }, ..self }
    }

    /// What to try instead.
    pub(crate) fn hint(self, hint: Option<String>) -> Self {
        Self { hint, ..self }
    }

    /// In which order problems are told: those of the file as they stand there, then all others.
    pub(crate) fn rank(&self) -> (bool, usize) {
        match &self.place {
            Place::File { span, .. } => (false, span.start),
            Place::Unnamed | Place::Named(_) => (true, 0),
        }
    }

    /// What is wrong, without where.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to try instead, where there is something to say.
    #[must_use]
    pub fn help_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// The variable, the flag, or the file with its line and column.
    #[must_use]
    pub fn origin(&self) -> Option<String> {
        match &self.place {
            Place::Unnamed => None,
            Place::Named(name) => Some(name.clone()),
            Place::File { source, span } => {
                let (line, column) = position(source.inner(), span.start);
                Some(format!("{}:{line}:{column}", source.name()))
            }
        }
    }

    /// The line of the file with a caret below what is meant; nothing for what stands in no file.
    #[must_use]
    pub fn excerpt(&self) -> Option<String> {
        let Place::File { source, span } = &self.place else { return None };
        let text = source.inner();
        let (number, column) = position(text, span.start);
        let line = text.lines().nth(number - 1)?;
        let number = number.to_string();
        let marked = text.get(span.clone()).unwrap_or_default().lines().next().unwrap_or_default();
        let room = line.chars().count().saturating_sub(column - 1).max(1);
        let carets = "^".repeat(marked.chars().count().clamp(1, room));
        // Tabs stay tabs, so that the caret stands where it should.
        let blank = |c: char| if c == '\t' { '\t' } else { ' ' };
        let before: String = line.chars().take(column - 1).map(blank).collect();
        Some(format!("{number} | {line}\n{} | {before}{carets}", " ".repeat(number.len())))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(origin) = self.origin() {
            write!(f, "{origin}: ")?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

/// A problem as it is drawn on a terminal: the message, the place in the file with its line, and what to try.
#[derive(Debug)]
pub(crate) struct Drawn<'p>(pub(crate) &'p Problem);

impl fmt::Display for Drawn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Drawn<'_> {}

impl Diagnostic for Drawn<'_> {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.0.hint.as_ref().map(|hint| Box::new(hint) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        match &self.0.place {
            Place::File { source, .. } => Some(source.as_ref()),
            Place::Unnamed | Place::Named(_) => None,
        }
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        match &self.0.place {
            Place::File { span, .. } => {
                let label = LabeledSpan::new(None, span.start, span.len());
                Some(Box::new(std::iter::once(label)))
            }
            Place::Unnamed | Place::Named(_) => None,
        }
    }
}

/// A file of settings, as it may be shown.
pub(super) struct File {
    shown: Arc<NamedSource<String>>,
}

impl File {
    pub(super) fn new(path: &Path, text: &str) -> Self {
        let name = path.display().to_string();
        Self { shown: Arc::new(NamedSource::new(name, hide(text))) }
    }

    /// The line in which this byte stands, from 1.
    pub(super) fn line(&self, at: usize) -> usize {
        position(self.shown.inner(), at).0
    }
}

/// Line and column of a byte, both from 1.
fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at.min(text.len())).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

/// A text with the passwords of its URLs covered, byte for byte, so that places in it stay where they are.
#[must_use]
pub(crate) fn hide(text: &str) -> String {
    cover(text, |password| "*".repeat(password.len()))
}

/// A value as it may be shown: the password of a URL covered, and its length with it.
#[must_use]
pub(crate) fn redact(value: &str) -> String {
    cover(value, |_| "***".to_owned())
}

fn cover(text: &str, with: impl Fn(&str) -> String) -> String {
    let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | ',');
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        shown.push_str(before);
        let (url, behind) = after.split_at(after.find(ends).unwrap_or(after.len()));
        // Up to the last @: a password that should have been encoded is one all the same.
        let (user, host) =
            url.rsplit_once('@').map_or((None, url), |(user, host)| (Some(user), host));
        if let Some(user) = user {
            match user.split_once(':') {
                Some((name, password)) => {
                    shown.push_str(name);
                    shown.push(':');
                    shown.push_str(&with(password));
                }
                None => shown.push_str(user),
            }
            shown.push('@');
        }
        match host.split_once("password=") {
            Some((before, value)) => {
                let (value, more) = value.split_at(value.find('&').unwrap_or(value.len()));
                shown.push_str(before);
                shown.push_str("password=");
                shown.push_str(&with(value));
                shown.push_str(more);
            }
            None => shown.push_str(host),
        }
        rest = behind;
    }
    shown.push_str(rest);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::nearest;

    #[test]
    fn passwords_in_urls_are_covered_and_nothing_else() {
        for (text, shown) in [
            ("postgres://u:secret@h/db", "postgres://u:***@h/db"),
            ("postgres://u:p@ss/w@h:5432/db", "postgres://u:***@h:5432/db"),
            ("url = \"postgres://u:secret@h\" # x", "url = \"postgres://u:***@h\" # x"),
            ("postgres://u@h/db?password=secret&a=b", "postgres://u@h/db?password=***&a=b"),
            (
                "smtps://user@mail:465 http://127.0.0.1:8000",
                "smtps://user@mail:465 http://127.0.0.1:8000",
            ),
            ("sqlite://data/x.db", "sqlite://data/x.db"),
            ("postgres://u:secret", "postgres://u:secret"),
        ] {
            assert_eq!(redact(text), shown);
            assert_eq!(hide(text).len(), text.len());
        }
        assert!(!hide("postgres://u:sécret@h").contains("cret"));
    }

    #[test]
    fn the_caret_stands_below_what_is_meant() {
        let file = File::new(Path::new("x.toml"), "[auth]\n\n\tmode = \"jws\"\n");
        let problem = Problem::new("auth.mode: no").at(&file, 16..21);
        assert_eq!(problem.to_string(), "x.toml:3:9: auth.mode: no");
        assert_eq!(problem.excerpt().expect("lines"), "3 | \tmode = \"jws\"\n  | \t       ^^^^^");
        let end = Problem::new("unfinished").at(&file, 22..22);
        assert_eq!(end.origin().expect("a place"), "x.toml:4:1");
    }

    #[test]
    fn the_nearest_name_is_offered_and_a_far_one_is_not() {
        let known = || ["listen", "public_url", "cors_origins"].map(str::to_owned);
        assert_eq!(nearest("listn", known()).as_deref(), Some("listen"));
        assert_eq!(nearest("publicurl", known()).as_deref(), Some("public_url"));
        assert_eq!(nearest("frobnicate", known()), None);
    }
}
