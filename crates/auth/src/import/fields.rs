//! The members of one row, and what their texts mean: every exporter writes truth and time in a way of its own.

use jiff::{civil::DateTime, fmt::temporal::DateTimeParser, tz::TimeZone};
use jwt::Timestamp;
use serde_json::{Map, Value};

/// A point in time beyond this many seconds is meant in milliseconds: the year 5138.
const MOST_SECONDS: i64 = 100_000_000_000;

/// One row by the names of its columns.
pub(super) struct Fields(pub(super) Map<String, Value>);

type Read<T> = Result<T, String>;

impl Fields {
    /// The text of the first of these columns that has one.
    pub(super) fn text(&self, columns: &[&str]) -> Read<Option<String>> {
        for column in columns {
            match self.0.get(*column) {
                None | Some(Value::Null) => {}
                Some(Value::String(text)) if text.is_empty() => {}
                Some(Value::String(text)) => return Ok(Some(text.clone())),
                Some(_) => return Err(format!("{column} is no text")),
            }
        }
        Ok(None)
    }

    /// Whether the first of these columns that says anything says yes.
    pub(super) fn truth(&self, columns: &[&str]) -> Read<Option<bool>> {
        for column in columns {
            let said = match self.0.get(*column) {
                None | Some(Value::Null) => continue,
                Some(Value::Bool(truth)) => Some(*truth),
                Some(Value::Number(number)) => match number.as_i64() {
                    Some(0) => Some(false),
                    Some(1) => Some(true),
                    _ => None,
                },
                Some(Value::String(text)) => match text.to_ascii_lowercase().as_str() {
                    "" => continue,
                    "true" | "t" | "yes" | "1" => Some(true),
                    "false" | "f" | "no" | "0" => Some(false),
                    _ => None,
                },
                Some(_) => None,
            };
            return said.map(Some).ok_or_else(|| format!("{column} is neither true nor false"));
        }
        Ok(None)
    }

    /// The time in the first of these columns that has one: seconds or milliseconds since 1970, or a date and time as
    /// ISO 8601 and SQL write it, in UTC where no offset is given.
    pub(super) fn time(&self, columns: &[&str]) -> Read<Option<Timestamp>> {
        for column in columns {
            let read = match self.0.get(*column) {
                None | Some(Value::Null) => continue,
                Some(Value::Number(number)) => number.as_i64().map(seconds),
                Some(Value::String(text)) if text.is_empty() => continue,
                Some(Value::String(text)) => {
                    text.parse().ok().map(seconds).or_else(|| date_and_time(text))
                }
                Some(_) => None,
            };
            let sound = read.filter(|seconds| (0..MOST_SECONDS).contains(seconds));
            let time = sound.ok_or_else(|| format!("{column} is no time"))?;
            return Ok(Some(Timestamp::new(time)));
        }
        Ok(None)
    }

    /// The words in the first of these columns that has any: an array, or a text with blanks, commas or semicolons.
    pub(super) fn words(&self, columns: &[&str]) -> Read<Vec<String>> {
        for column in columns {
            match self.0.get(*column) {
                None | Some(Value::Null) => {}
                Some(Value::String(text)) => {
                    let words = text.split([' ', ',', ';']).filter(|word| !word.is_empty());
                    return Ok(words.map(str::to_owned).collect());
                }
                Some(Value::Array(words)) => {
                    let words = words.iter().map(|word| word.as_str().map(str::to_owned));
                    let words: Option<Vec<String>> = words.collect();
                    return words.ok_or_else(|| format!("{column} has something else than texts"));
                }
                Some(_) => return Err(format!("{column} is no list")),
            }
        }
        Ok(Vec::new())
    }

    /// The members of an object in this column, also of one that stands there as text.
    pub(super) fn object(&self, column: &str) -> Option<Self> {
        match self.0.get(column)? {
            Value::Object(members) => Some(Self(members.clone())),
            Value::String(text) => serde_json::from_str(text).ok().map(Self),
            _ => None,
        }
    }
}

fn seconds(number: i64) -> i64 {
    if number >= MOST_SECONDS { number / 1_000 } else { number }
}

fn date_and_time(text: &str) -> Option<i64> {
    const PARSER: DateTimeParser = DateTimeParser::new();
    if let Ok(time) = PARSER.parse_timestamp(text) {
        return Some(time.as_second());
    }
    let time: DateTime = PARSER.parse_datetime(text).ok()?;
    time.to_zoned(TimeZone::UTC).ok().map(|time| time.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn one(value: Value) -> Fields {
        Fields([("x".to_owned(), value)].into_iter().collect())
    }

    #[test]
    fn time_is_read_as_every_exporter_writes_it() {
        for text in [
            json!(1_704_164_645),
            json!(1_704_164_645_123_i64),
            json!("1704164645"),
            json!("1704164645123"),
            json!("2024-01-02T03:04:05Z"),
            json!("2024-01-02T03:04:05.123456Z"),
            json!("2024-01-02T05:04:05+02:00"),
            json!("2024-01-02 03:04:05.123456+00"),
            json!("2024-01-02 03:04:05.123Z"),
            json!("2024-01-02 03:04:05"),
            json!("2024-01-02T03:04:05.123456"),
        ] {
            let time = one(text.clone()).time(&["x"]).unwrap_or_else(|why| panic!("{text}: {why}"));
            assert_eq!(time.map(Timestamp::seconds), Some(1_704_164_645), "{text}");
        }
        for text in [json!("yesterday"), json!(-1), json!(1.5), json!(true), json!("2024-13-01")] {
            assert!(one(text.clone()).time(&["x"]).is_err(), "{text}");
        }
        assert_eq!(one(json!("")).time(&["x"]), Ok(None));
    }

    #[test]
    fn truth_is_read_as_every_exporter_writes_it() {
        for text in [json!(true), json!(1), json!("True"), json!("t"), json!("1"), json!("yes")] {
            assert_eq!(one(text.clone()).truth(&["x"]), Ok(Some(true)), "{text}");
        }
        for text in [json!(false), json!(0), json!("False"), json!("f"), json!("0"), json!("no")] {
            assert_eq!(one(text.clone()).truth(&["x"]), Ok(Some(false)), "{text}");
        }
        assert!(one(json!("perhaps")).truth(&["x"]).is_err());
        assert_eq!(one(json!(null)).truth(&["x", "y"]), Ok(None));
    }
}
