//! What goes in and what comes out: typed parameters and rows.

use std::{fmt, ops::Range, sync::Arc};

use uuid::Uuid;

use super::StorageError;

/// A parameter of a statement; a NULL keeps its type, which PostgreSQL needs to know.
///
/// Made with `From` from the type itself or an `Option` of it. `Debug` shows the kind and the length only.
#[derive(Clone, PartialEq)]
pub enum Value {
    /// An integer, also a time in unix seconds: `BIGINT` / `INTEGER`.
    Int(Option<i64>),
    /// A truth value: `BOOLEAN` / `INTEGER` 0 or 1.
    Bool(Option<bool>),
    /// Text without U+0000: `TEXT` on both.
    Text(Option<String>),
    /// Bytes: `BYTEA` / `BLOB`.
    Blob(Option<Vec<u8>>),
    /// An id: `UUID` / `BLOB` of 16 bytes.
    Id(Option<Uuid>),
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, length) = match self {
            Self::Int(value) => ("Int", value.map(|_| 8)),
            Self::Bool(value) => ("Bool", value.map(|_| 1)),
            Self::Text(value) => ("Text", value.as_ref().map(String::len)),
            Self::Blob(value) => ("Blob", value.as_ref().map(Vec::len)),
            Self::Id(value) => ("Id", value.map(|_| 16)),
        };
        match length {
            Some(length) => write!(f, "{kind}({length} bytes)"),
            None => write!(f, "{kind}(NULL)"),
        }
    }
}

macro_rules! value_from {
    ($($type:ty => $variant:ident, |$value:ident| $convert:expr;)*) => {$(
        impl From<$type> for Value {
            fn from($value: $type) -> Self {
                Self::$variant(Some($convert))
            }
        }
        impl From<Option<$type>> for Value {
            fn from(value: Option<$type>) -> Self {
                Self::$variant(value.map(|$value| $convert))
            }
        }
    )*};
}

value_from! {
    i64 => Int, |value| value;
    bool => Bool, |value| value;
    &str => Text, |value| value.to_owned();
    String => Text, |value| value;
    &[u8] => Blob, |value| value.to_vec();
    Vec<u8> => Blob, |value| value;
    Uuid => Id, |value| value;
}

/// One column of a row as it came from the engine.
#[derive(Clone, Copy)]
pub(super) enum Cell<'a> {
    Null,
    Int(i64),
    Bool(bool),
    Text(&'a str),
    Blob(&'a [u8]),
    Id(Uuid),
    /// A type that no [`Value`] has; an error when it is read.
    Foreign(&'a str),
}

impl<'a> Cell<'a> {
    pub(super) fn kind(self) -> &'a str {
        match self {
            Self::Null => "NULL",
            Self::Int(_) => "an integer",
            Self::Bool(_) => "a boolean",
            Self::Text(_) => "text",
            Self::Blob(_) => "bytes",
            Self::Id(_) => "an id",
            Self::Foreign(name) => name,
        }
    }
}

/// The column names of one answer, from call to call the same.
pub(super) type Columns = Arc<[String]>;

/// All rows of an answer in one piece. It is made on one thread and read on another, where to free each text by itself
/// would take longer than to copy it.
#[derive(Default)]
pub(super) struct Answer {
    columns: Columns,
    /// Row after row.
    places: Vec<Place>,
    texts: String,
    bytes: Vec<u8>,
}

/// A [`Cell`] of an [`Answer`], where texts and bytes are ranges of what it holds.
enum Place {
    Null,
    Int(i64),
    Bool(bool),
    Text(Range<usize>),
    Blob(Range<usize>),
    Id(Uuid),
    Foreign(Range<usize>),
}

impl Answer {
    pub(super) fn new(columns: Columns) -> Self {
        Self { columns, ..Self::default() }
    }

    /// Adds the next cell of a row, or the first of another one.
    pub(super) fn push(&mut self, cell: Cell<'_>) {
        self.places.push(match cell {
            Cell::Null => Place::Null,
            Cell::Int(value) => Place::Int(value),
            Cell::Bool(value) => Place::Bool(value),
            Cell::Text(value) => Place::Text(added(&mut self.texts, value)),
            Cell::Blob(value) => {
                let start = self.bytes.len();
                self.bytes.extend_from_slice(value);
                Place::Blob(start..self.bytes.len())
            }
            Cell::Id(value) => Place::Id(value),
            Cell::Foreign(name) => Place::Foreign(added(&mut self.texts, name)),
        });
    }

    pub(super) fn into_rows(self) -> Vec<Row> {
        let (cells, width) = (self.places.len(), self.columns.len().max(1));
        let answer = Arc::new(self);
        (0..cells).step_by(width).map(|first| Row { answer: Arc::clone(&answer), first }).collect()
    }

    fn cell(&self, place: &Place) -> Cell<'_> {
        // The ranges are our own, so there is something in each.
        let text = |range: &Range<usize>| self.texts.get(range.clone()).unwrap_or_default();
        match place {
            Place::Null => Cell::Null,
            Place::Int(value) => Cell::Int(*value),
            Place::Bool(value) => Cell::Bool(*value),
            Place::Text(range) => Cell::Text(text(range)),
            Place::Blob(range) => Cell::Blob(self.bytes.get(range.clone()).unwrap_or_default()),
            Place::Id(value) => Cell::Id(*value),
            Place::Foreign(range) => Cell::Foreign(text(range)),
        }
    }
}

fn added(texts: &mut String, text: &str) -> Range<usize> {
    let start = texts.len();
    texts.push_str(text);
    start..texts.len()
}

/// One row of an answer, all of whose rows are in memory as long as one of them is.
///
/// `Debug` shows the column names only.
pub struct Row {
    answer: Arc<Answer>,
    /// Where its first cell is among those of the answer.
    first: usize,
}

impl Row {
    /// All columns in their order, for who knows it.
    pub(super) fn cells(&self) -> impl Iterator<Item = Cell<'_>> {
        self.places().iter().map(|place| self.answer.cell(place))
    }

    fn places(&self) -> &[Place] {
        let end = self.first + self.answer.columns.len();
        self.answer.places.get(self.first..end).unwrap_or_default()
    }

    /// Reads a column by its name: `i64`, `bool`, `String`, `Vec<u8>`, [`Uuid`] or an `Option` of one of them.
    ///
    /// # Errors
    ///
    /// [`StorageError::Refused`] when there is no such column, when it holds another type, and when it is NULL and `T`
    /// is no `Option`.
    pub fn get<T: FromValue>(&self, column: &str) -> Result<T, StorageError> {
        let mut named = self.answer.columns.iter().zip(self.places());
        let (_, place) = named
            .find(|(name, _)| *name == column)
            .ok_or_else(|| StorageError::refused(format!("the answer has no column {column}")))?;
        let cell = self.answer.cell(place);
        T::from_cell(Private(cell)).ok_or_else(|| {
            StorageError::refused(format!(
                "column {column} is {} where {} is expected",
                cell.kind(),
                T::EXPECTED
            ))
        })
    }
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Row").field("columns", &self.answer.columns).finish_non_exhaustive()
    }
}

/// A column's content on its way to a [`FromValue`]; nothing outside this module can make or open one.
#[derive(Clone, Copy)]
pub struct Private<'a>(Cell<'a>);

impl fmt::Debug for Private<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.kind())
    }
}

/// A type that [`Row::get`] can read; sealed, because each means one column type on both engines.
pub trait FromValue: Sized {
    #[doc(hidden)]
    const EXPECTED: &'static str;
    #[doc(hidden)]
    fn from_cell(cell: Private<'_>) -> Option<Self>;
}

impl<T: FromValue> FromValue for Option<T> {
    const EXPECTED: &'static str = T::EXPECTED;

    fn from_cell(cell: Private<'_>) -> Option<Self> {
        match cell.0 {
            Cell::Null => Some(None),
            _ => T::from_cell(cell).map(Some),
        }
    }
}

macro_rules! from_cell {
    ($($type:ty, $expected:literal: $($pattern:pat => $value:expr),+;)*) => {$(
        impl FromValue for $type {
            const EXPECTED: &'static str = $expected;

            fn from_cell(cell: Private<'_>) -> Option<Self> {
                match cell.0 {
                    $($pattern => $value,)+
                    _ => None,
                }
            }
        }
    )*};
}

from_cell! {
    i64, "an integer": Cell::Int(value) => Some(value);
    bool, "a boolean": Cell::Bool(value) => Some(value), Cell::Int(0) => Some(false), Cell::Int(1) => Some(true);
    String, "text": Cell::Text(value) => Some(value.to_owned());
    Vec<u8>, "bytes": Cell::Blob(value) => Some(value.to_vec());
    Uuid, "an id": Cell::Id(value) => Some(value), Cell::Blob(value) => Uuid::from_slice(value).ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made<const WIDTH: usize>(
        columns: [&str; WIDTH],
        cells: impl IntoIterator<Item = Cell<'static>>,
    ) -> Vec<Row> {
        let mut answer = Answer::new(Arc::from(columns.map(String::from)));
        cells.into_iter().for_each(|cell| answer.push(cell));
        answer.into_rows()
    }

    #[test]
    fn each_row_has_its_own_cells() {
        let cells = [
            [Cell::Text("grün"), Cell::Blob(&[1, 2]), Cell::Id(Uuid::from_u128(1))],
            [Cell::Null, Cell::Blob(&[]), Cell::Id(Uuid::from_u128(2))],
            [Cell::Text(""), Cell::Blob(&[3]), Cell::Id(Uuid::from_u128(3))],
            [Cell::Text("blau"), Cell::Null, Cell::Id(Uuid::from_u128(4))],
        ];
        let rows = made(["text", "blob", "id"], cells.into_iter().flatten());
        let read = |row: &Row| {
            let text: Option<String> = row.get("text").unwrap();
            let blob: Option<Vec<u8>> = row.get("blob").unwrap();
            (text, blob, row.get::<Uuid>("id").unwrap().as_u128())
        };
        assert_eq!(
            rows.iter().map(read).collect::<Vec<_>>(),
            [
                (Some("grün".to_owned()), Some(vec![1, 2]), 1),
                (None, Some(vec![]), 2),
                (Some(String::new()), Some(vec![3]), 3),
                (Some("blau".to_owned()), None, 4),
            ]
        );
        assert!(made(["text"], []).is_empty());
    }

    #[test]
    fn debug_shows_no_content() {
        let values = [
            Value::from("hunter2"),
            Value::from(&[104, 117, 110][..]),
            Value::from(4711),
            Value::from(Uuid::from_u128(0x4711)),
            Value::Text(None),
        ];
        assert_eq!(
            format!("{values:?}"),
            "[Text(7 bytes), Blob(3 bytes), Int(8 bytes), Id(16 bytes), Text(NULL)]"
        );
        let [row] = made(["a"], [Cell::Text("hunter2")]).try_into().unwrap();
        assert!(!format!("{row:?}").contains("hunter2"));
    }

    #[test]
    fn a_column_is_read_as_what_it_is_or_refused() {
        let cells = [Cell::Int(1), Cell::Int(2), Cell::Null, Cell::Foreign("REAL")];
        let [row] = made(["n", "two", "null", "real"], cells).try_into().unwrap();
        assert!(row.get::<bool>("n").unwrap());
        assert_eq!(row.get::<Option<i64>>("null").unwrap(), None);
        for error in [
            row.get::<bool>("two").err(),
            row.get::<i64>("null").err(),
            row.get::<i64>("real").err(),
            row.get::<String>("n").err(),
            row.get::<i64>("missing").err(),
        ] {
            assert!(matches!(error, Some(StorageError::Refused(_))));
        }
    }
}
