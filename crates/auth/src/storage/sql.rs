//! What the door needs to know of a statement's text.

use super::{StorageError, Value};

/// What a statement does, by its first word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `SELECT`: reads only, may run on any connection and may be run again.
    Read,
    /// Everything else.
    Write,
}

/// Looks at a statement before an engine does, so that both refuse the same.
pub(super) fn admit(sql: &str, binds: &[Value]) -> Result<Kind, StorageError> {
    // PostgreSQL cannot store U+0000 in a text, SQLite can.
    if binds.iter().any(|value| matches!(value, Value::Text(Some(text)) if text.contains('\0'))) {
        return Err(StorageError::refused("a text contains U+0000"));
    }
    kind(sql)
}

/// Classifies a statement and refuses the ones that would end a transaction behind the door's back.
fn kind(sql: &str) -> Result<Kind, StorageError> {
    let first = first_word(sql);
    let is = |word: &str| first.eq_ignore_ascii_case(word);
    if is("SELECT") {
        return Ok(Kind::Read);
    }
    if ["BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "SAVEPOINT", "RELEASE", "PREPARE"]
        .iter()
        .any(|w| is(w))
    {
        return Err(StorageError::refused(format!(
            "{first}: transactions are made by Db::transaction"
        )));
    }
    Ok(Kind::Write)
}

/// The first word after white space and `--` comments.
fn first_word(sql: &str) -> &str {
    let mut rest = sql.trim_start();
    while let Some(comment) = rest.strip_prefix("--") {
        rest = comment.split_once('\n').map_or("", |(_, after)| after).trim_start();
    }
    rest.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or("")
}

/// Rewrites `$1` to `?1` outside of literals, quoted names and comments.
///
/// SQLite takes `$1` too, but as a *name*, numbered by where it first appears; `?1` is the first value on both.
pub(super) fn to_sqlite(sql: &str) -> String {
    let mut out = String::with_capacity(sql.len());
    let mut characters = sql.chars().peekable();
    // The end of the literal, quoted name or comment that the position is in.
    let mut until: Option<&str> = None;
    let mut previous = ' ';
    while let Some(character) = characters.next() {
        let next = characters.peek().copied();
        match until {
            None => {
                until = match (character, next) {
                    ('\'', _) => Some("'"),
                    ('"', _) => Some("\""),
                    ('-', Some('-')) => Some("\n"),
                    ('/', Some('*')) => Some("*/"),
                    _ => None,
                };
                let named = previous.is_ascii_alphanumeric() || previous == '_';
                if character == '$' && !named && next.is_some_and(|next| next.is_ascii_digit()) {
                    out.push('?');
                } else {
                    out.push(character);
                }
                // The star that opens a comment does not also close it.
                if until == Some("*/") {
                    out.extend(characters.next());
                    previous = ' ';
                    continue;
                }
            }
            Some(end) => {
                out.push(character);
                let closed = match end {
                    "*/" => previous == '*' && character == '/',
                    _ => end.starts_with(character),
                };
                if closed {
                    until = None;
                }
            }
        }
        previous = character;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_become_numbers_outside_of_literals_only() {
        for (from, to) in [
            ("SELECT $1, $12", "SELECT ?1, ?12"),
            ("SELECT '$1', $1, 'it''s $2', $2", "SELECT '$1', ?1, 'it''s $2', ?2"),
            ("SELECT \"$1\", $1", "SELECT \"$1\", ?1"),
            ("SELECT $1 -- it's $1\n, $2", "SELECT ?1 -- it's $1\n, ?2"),
            ("SELECT /* $1 ' */ $1", "SELECT /* $1 ' */ ?1"),
            ("SELECT /*/ $1 */ $1", "SELECT /*/ $1 */ ?1"),
            ("SELECT a$1, $a, '€$1', $1", "SELECT a$1, $a, '€$1', ?1"),
            ("($1)", "(?1)"),
        ] {
            assert_eq!(to_sqlite(from), to);
        }
    }

    #[test]
    fn the_first_word_tells_what_a_statement_does() {
        for sql in ["SELECT 1", "  select 1", "-- note\n SELECT 1", "SELECT(1)"] {
            assert_eq!(kind(sql).unwrap(), Kind::Read, "{sql}");
        }
        for sql in [
            "INSERT INTO t VALUES (1) RETURNING id",
            "WITH a AS (SELECT 1) SELECT 1",
            "SELECTED",
            "",
            "--",
        ] {
            assert_eq!(kind(sql).unwrap(), Kind::Write, "{sql}");
        }
        for sql in ["BEGIN", "commit", " ROLLBACK TO a", "-- x\nSAVEPOINT a", "END;"] {
            assert!(kind(sql).is_err(), "{sql}");
        }
    }
}
