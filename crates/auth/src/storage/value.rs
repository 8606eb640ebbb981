//! What goes in and what comes out: typed parameters and rows.

use std::{fmt, sync::Arc};

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
pub(super) enum Cell {
    Null,
    Int(i64),
    Bool(bool),
    Text(String),
    Blob(Vec<u8>),
    Id(Uuid),
    /// A type that no [`Value`] has; an error when it is read.
    Foreign(String),
}

impl Cell {
    pub(super) fn kind(&self) -> &str {
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

/// The column names of one answer, shared by its rows.
pub(super) type Columns = Arc<[String]>;

/// One row of an answer.
///
/// `Debug` shows the column names only.
pub struct Row {
    columns: Columns,
    cells: Vec<Cell>,
}

impl Row {
    pub(super) fn new(columns: Columns, cells: Vec<Cell>) -> Self {
        Self { columns, cells }
    }

    /// All columns in their order, for who knows it.
    pub(super) fn into_cells(self) -> Vec<Cell> {
        self.cells
    }

    /// Reads a column by its name: `i64`, `bool`, `String`, `Vec<u8>`, [`Uuid`] or an `Option` of one of them.
    ///
    /// # Errors
    ///
    /// [`StorageError::Refused`] when there is no such column, when it holds another type, and when it is NULL and `T`
    /// is no `Option`.
    pub fn get<T: FromValue>(&self, column: &str) -> Result<T, StorageError> {
        let cell = self
            .columns
            .iter()
            .zip(&self.cells)
            .find(|(name, _)| *name == column)
            .map(|(_, cell)| cell);
        let cell = cell
            .ok_or_else(|| StorageError::refused(format!("the answer has no column {column}")))?;
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
        f.debug_struct("Row").field("columns", &self.columns).finish_non_exhaustive()
    }
}

/// A column's content on its way to a [`FromValue`]; nothing outside this module can make or open one.
#[derive(Clone, Copy)]
pub struct Private<'a>(&'a Cell);

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
    i64, "an integer": Cell::Int(value) => Some(*value);
    bool, "a boolean": Cell::Bool(value) => Some(*value), Cell::Int(0) => Some(false), Cell::Int(1) => Some(true);
    String, "text": Cell::Text(value) => Some(value.clone());
    Vec<u8>, "bytes": Cell::Blob(value) => Some(value.clone());
    Uuid, "an id": Cell::Id(value) => Some(*value), Cell::Blob(value) => Uuid::from_slice(value).ok();
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let row = Row::new(Arc::from(["a".to_owned()]), vec![Cell::Text("hunter2".into())]);
        assert!(!format!("{row:?}").contains("hunter2"));
    }

    #[test]
    fn a_column_is_read_as_what_it_is_or_refused() {
        let row = Row::new(
            Arc::from(["n", "two", "null", "real"].map(String::from)),
            vec![Cell::Int(1), Cell::Int(2), Cell::Null, Cell::Foreign("REAL".into())],
        );
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
