//! Reading rows out of CSV and JSON lines, one at a time.

use std::io::{BufRead, Read};

use jwt::Timestamp;
use serde_json::{Map, Value};

use self::lines::UnixLines;
use super::{
    Refused,
    fields::Fields,
    source::{Candidate, Options, Source},
};

mod lines;

/// Bytes that one row may have.
const MAX_ROW: u64 = 64 * 1024;

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// RFC 4180, with the names of the columns in the first line.
    Csv,
    /// One JSON object on each line.
    JsonLines,
}

/// A file is not what it is taken for, from its first line or from some line on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub String);

/// The rows of a file.
pub struct Rows<R> {
    lines: Lines<R>,
    source: &'static Source,
    options: Options,
    now: Timestamp,
}

impl<R> std::fmt::Debug for Rows<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows").field("source", &self.source.name).finish_non_exhaustive()
    }
}

enum Lines<R> {
    Csv { records: csv::StringRecordsIntoIter<UnixLines<R>>, columns: Vec<String> },
    Json { reader: R, line: u64, over: bool },
}

impl<R: BufRead> Rows<R> {
    /// Begins to read; `now` decides whether an account is still barred that is barred until some time.
    ///
    /// # Errors
    /// [`Unreadable`] when the first line does not name the columns that rows of this source have.
    pub fn open(
        reader: R,
        format: Format,
        source: &'static Source,
        options: Options,
        now: Timestamp,
    ) -> Result<Self, Unreadable> {
        let lines = match format {
            Format::JsonLines => Lines::Json { reader, line: 0, over: false },
            Format::Csv => {
                let mut reader = csv::ReaderBuilder::new().from_reader(UnixLines::new(reader));
                let header = reader.headers().map_err(|error| said(&error))?;
                let columns = header
                    .iter()
                    .map(|column| column.trim().trim_start_matches('\u{feff}').to_owned());
                let columns: Vec<String> = columns.collect();
                let named: Vec<&str> = columns.iter().map(String::as_str).collect();
                if let Some(why) = source.misfit(&named) {
                    return Err(Unreadable(why));
                }
                Lines::Csv { records: reader.into_records(), columns }
            }
        };
        Ok(Self { lines, source, options, now })
    }
}

/// What is wrong with a file, without its content.
fn said(error: &csv::Error) -> Unreadable {
    Unreadable(match error.kind() {
        csv::ErrorKind::Io(error) => error.to_string(),
        csv::ErrorKind::Utf8 { .. } => "it is not UTF-8".to_owned(),
        csv::ErrorKind::UnequalLengths { .. } => {
            "it has more or fewer columns than the first line".to_owned()
        }
        _ => "it is no CSV".to_owned(),
    })
}

impl<R: BufRead> Iterator for Rows<R> {
    type Item = Result<Candidate, Refused>;

    fn next(&mut self) -> Option<Self::Item> {
        let (line, fields) = match self.lines.next()? {
            Ok(row) => row,
            Err(refused) => return Some(Err(refused)),
        };
        Some(self.source.read(line, &fields, &self.options, self.now))
    }
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = Result<(u64, Fields), Refused>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Csv { records, columns } => {
                let record = records.next()?;
                // Where the next one begins, less its own lines: blank ones may stand before it.
                let next = records.reader().position().line();
                let record = match record {
                    Ok(record) => record,
                    Err(error) => {
                        let line = next.saturating_sub(1);
                        return Some(Err(Refused { line, email: None, reason: said(&error).0 }));
                    }
                };
                let within = record.iter().map(|field| field.matches('\n').count()).sum::<usize>();
                let line = next.saturating_sub(1 + u64::try_from(within).unwrap_or_default());
                let values = record.iter().map(|value| Value::String(value.to_owned()));
                Some(Ok((line, Fields(columns.iter().cloned().zip(values).collect()))))
            }
            Self::Json { reader, line, over } => json(reader, line, over),
        }
    }
}

/// The next line that is not blank.
fn json<R: BufRead>(
    reader: &mut R,
    line: &mut u64,
    over: &mut bool,
) -> Option<Result<(u64, Fields), Refused>> {
    while !*over {
        *line += 1;
        let refuse = |reason: &str| {
            Some(Err(Refused { line: *line, email: None, reason: reason.to_owned() }))
        };
        let mut text = Vec::new();
        match reader.by_ref().take(MAX_ROW).read_until(b'\n', &mut text) {
            Ok(0) => *over = true,
            Ok(_) => {
                let whole = text.ends_with(b"\n") || reader.fill_buf().is_ok_and(<[u8]>::is_empty);
                if !whole {
                    let skipped = skip_line(reader);
                    *over = skipped.is_err();
                    return refuse("it is longer than 64 KiB");
                }
                if text.trim_ascii().is_empty() {
                    continue;
                }
                return match serde_json::from_slice::<Map<String, Value>>(text.trim_ascii()) {
                    Ok(members) => Some(Ok((*line, Fields(members)))),
                    Err(_) => refuse("it is no JSON object"),
                };
            }
            Err(error) => {
                *over = true;
                return refuse(&error.to_string());
            }
        }
    }
    None
}

fn skip_line(reader: &mut impl BufRead) -> std::io::Result<()> {
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            return Ok(());
        }
        match buffer.iter().position(|byte| *byte == b'\n') {
            Some(at) => {
                reader.consume(at + 1);
                return Ok(());
            }
            None => {
                let all = buffer.len();
                reader.consume(all);
            }
        }
    }
}

#[cfg(test)]
mod tests;
