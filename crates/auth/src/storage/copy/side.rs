//! One side of a copy: reading its tables in the order of their keys, and writing them.

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{CopiedTable, CopyError};
use crate::storage::{
    Engine, Row, StorageError, Value,
    schema::{Found, Kind, Table},
    solo::{Solo, list, quoted},
    value::Cell,
};

/// Rows that are in memory at once.
const BATCH: usize = 500;

/// One of the two databases, in one transaction.
pub(super) struct Side {
    solo: Solo,
    engine: Engine,
    kinds: Found,
}

impl Side {
    pub(super) fn new(solo: Solo, engine: Engine, kinds: Found) -> Self {
        Self { solo, engine, kinds }
    }

    fn kind(&self, table: &str, column: &str) -> Kind {
        let kind = self.kinds.get(table).and_then(|columns| columns.get(column));
        kind.copied().unwrap_or(Kind::Foreign)
    }

    /// How many rows a table has.
    pub(super) async fn count(&mut self, table: &Table) -> Result<u64, StorageError> {
        let sql = format!("SELECT COUNT(*) AS number FROM {}", quoted(&table.name));
        let number = self.solo.number(sql, Vec::new()).await?;
        Ok(number.unwrap_or_default().unsigned_abs())
    }

    /// Refuses where one of these tables holds something.
    pub(super) async fn refuse_rows(&mut self, tables: &[&Table]) -> Result<(), CopyError> {
        let mut there = Vec::new();
        for table in tables {
            let rows = self.count(table).await.map_err(CopyError::Target)?;
            if rows > 0 {
                there.push((table.name.clone(), rows));
            }
        }
        if there.is_empty() { Ok(()) } else { Err(CopyError::NotEmpty(there)) }
    }

    /// Keeps what was written.
    pub(super) async fn commit(self) -> Result<(), StorageError> {
        self.solo.commit().await
    }

    /// Adds rows as they were read from the other side.
    pub(super) async fn write(&mut self, table: &Table, rows: Vec<Row>) -> Result<(), CopyError> {
        let kinds: Vec<Kind> =
            table.columns.iter().map(|column| self.kind(&table.name, column)).collect();
        let mut values = Vec::with_capacity(rows.len());
        for row in rows {
            let mut converted = Vec::with_capacity(kinds.len());
            for ((cell, kind), column) in row.cells().zip(&kinds).zip(&table.columns) {
                converted.push(value(cell, *kind).ok_or_else(|| {
                    let (table, what) = (&table.name, cell.kind());
                    CopyError::Shape(format!(
                        "a row of {table} holds {what} in {column}, which the target cannot take"
                    ))
                })?);
            }
            values.push(converted);
        }
        let done = self.solo.insert(&table.name, &table.columns, table.counted, values).await;
        done.map_err(CopyError::Target)
    }

    /// The number that the engine gave out last, which may be of a row that is gone.
    pub(super) async fn last_number(&mut self, table: &Table) -> Result<i64, StorageError> {
        let Some(column) = table.key.first().filter(|_| table.counted) else { return Ok(0) };
        let highest =
            format!("SELECT MAX({}) AS number FROM {}", quoted(column), quoted(&table.name));
        let highest = self.solo.number(highest, Vec::new()).await?.unwrap_or(0);
        let given = match self.engine {
            Engine::Sqlite => {
                let sql = "SELECT seq AS number FROM sqlite_sequence WHERE name = $1".to_owned();
                self.solo.number(sql, vec![table.name.as_str().into()]).await?
            }
            Engine::Postgres => match self.sequence(table, column).await? {
                Some(sequence) => {
                    let sql = format!(
                        "SELECT CASE WHEN is_called THEN last_value ELSE 0 END AS number FROM {sequence}"
                    );
                    self.solo.number(sql, Vec::new()).await?
                }
                None => None,
            },
        };
        Ok(highest.max(given.unwrap_or(0)))
    }

    /// Lets the engine go on after this number: one that was given out once is not given out again.
    pub(super) async fn count_on(&mut self, table: &Table, last: i64) -> Result<(), StorageError> {
        let Some(column) = table.key.first().filter(|_| table.counted && last > 0) else {
            return Ok(());
        };
        match self.engine {
            Engine::Sqlite => {
                let name = Value::from(table.name.as_str());
                let set = "UPDATE sqlite_sequence SET seq = $2 WHERE name = $1".to_owned();
                let done = self.solo.run(set, vec![name.clone(), last.into()]).await?;
                if done.changed == 0 {
                    let add = "INSERT INTO sqlite_sequence (name, seq) VALUES ($1, $2)".to_owned();
                    self.solo.run(add, vec![name, last.into()]).await?;
                }
            }
            Engine::Postgres => {
                let Some(sequence) = self.sequence(table, column).await? else {
                    return Err(StorageError::refused(format!("{} has no sequence", table.name)));
                };
                let set = "SELECT setval(CAST(CAST($1 AS TEXT) AS REGCLASS), $2) AS number";
                self.solo.run(set.to_owned(), vec![sequence.into(), last.into()]).await?;
            }
        }
        Ok(())
    }

    /// The sequence behind a column on PostgreSQL, quoted where it has to be.
    async fn sequence(
        &mut self,
        table: &Table,
        column: &str,
    ) -> Result<Option<String>, StorageError> {
        let sql = "SELECT pg_get_serial_sequence($1, $2) AS name".to_owned();
        let rows = self.solo.all(sql, vec![quoted(&table.name).into(), column.into()]).await?;
        rows.first().map_or(Ok(None), |row| row.get("name"))
    }
}

/// Reads one table from its first key to its last, a batch at a time, and digests what it reads.
pub(super) struct Reader<'a> {
    table: &'a Table,
    digest: Sha256,
    rows: u64,
    /// The key of the last row that was read.
    after: Option<Vec<Value>>,
    begun: bool,
    ended: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(table: &'a Table) -> Self {
        let mut digest = Sha256::new();
        for name in std::iter::once(&table.name).chain(&table.columns) {
            put(&mut digest, b'n', name.as_bytes());
        }
        Self { table, digest, rows: 0, after: None, begun: false, ended: false }
    }

    /// The next rows, or `None` after the last.
    pub(super) async fn next(&mut self, side: &mut Side) -> Result<Option<Vec<Row>>, StorageError> {
        if self.ended {
            return Ok(None);
        }
        let rows = match side.engine {
            Engine::Sqlite => self.page(side).await?,
            Engine::Postgres => self.fetch(side).await?,
        };
        self.ended = rows.len() < BATCH;
        self.rows += rows.len() as u64;
        for cell in rows.iter().flat_map(Row::cells) {
            digest(&mut self.digest, cell);
        }
        Ok(if rows.is_empty() { None } else { Some(rows) })
    }

    fn select(&self, side: &Side) -> (String, String) {
        let table = self.table;
        let select = format!("SELECT {} FROM {}", list(&table.columns), quoted(&table.name));
        let in_bytes = |column: &String| match (side.engine, side.kind(&table.name, column)) {
            // The order of the bytes, which is SQLite's, and not that of a language.
            (Engine::Postgres, Kind::Text) => format!("{} COLLATE \"C\"", quoted(column)),
            _ => quoted(column),
        };
        let order = table.key.iter().map(in_bytes).collect::<Vec<_>>().join(", ");
        (select, format!("ORDER BY {order}"))
    }

    /// SQLite: those after the last key, found in its index.
    async fn page(&mut self, side: &mut Side) -> Result<Vec<Row>, StorageError> {
        let (select, order) = self.select(side);
        let (condition, binds) = match self.after.take() {
            None => (String::new(), Vec::new()),
            Some(after) => {
                let places: Vec<_> = (1..=after.len()).map(|place| format!("${place}")).collect();
                let key = list(&self.table.key);
                (format!("WHERE ({key}) > ({})", places.join(", ")), after)
            }
        };
        let sql = format!("{select} {condition} {order} LIMIT {BATCH}");
        let rows = side.solo.all(sql, binds).await?;
        if let Some(last) = rows.last() {
            let place = |column: &String| self.table.columns.iter().position(|name| name == column);
            let cell = |column| place(column).and_then(|place| last.cells().nth(place));
            let key = self.table.key.iter().map(|column| cell(column).and_then(as_it_is));
            let key = key.collect::<Option<Vec<_>>>();
            self.after = Some(key.ok_or_else(|| {
                StorageError::refused(format!("a key of {} is of no type", self.table.name))
            })?);
        }
        Ok(rows)
    }

    /// PostgreSQL: the next of a cursor, so that it sorts once where a key has no index in the order of its bytes.
    async fn fetch(&mut self, side: &mut Side) -> Result<Vec<Row>, StorageError> {
        if !self.begun {
            let (select, order) = self.select(side);
            let declare = format!("DECLARE copying NO SCROLL CURSOR FOR {select} {order}");
            side.solo.run(declare, Vec::new()).await?;
            self.begun = true;
        }
        let rows = side.solo.all(format!("FETCH {BATCH} FROM copying"), Vec::new()).await?;
        if rows.len() < BATCH {
            side.solo.run("CLOSE copying".to_owned(), Vec::new()).await?;
        }
        Ok(rows)
    }

    pub(super) fn finish(self) -> CopiedTable {
        let digest = self.digest.finalize();
        let digest = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        CopiedTable { name: self.table.name.clone(), rows: self.rows, digest }
    }
}

/// Adds a cell as it is on both engines: an id is its bytes, a truth value 0 or 1.
fn digest(digest: &mut Sha256, cell: Cell<'_>) {
    match cell {
        Cell::Null => put(digest, b'0', &[]),
        Cell::Int(value) => put(digest, b'i', &value.to_be_bytes()),
        Cell::Bool(value) => put(digest, b'i', &i64::from(value).to_be_bytes()),
        Cell::Text(value) => put(digest, b't', value.as_bytes()),
        Cell::Blob(value) => put(digest, b'b', value),
        Cell::Id(value) => put(digest, b'b', value.as_bytes()),
        // Never equal to anything that can be written.
        Cell::Foreign(name) => put(digest, b'?', name.as_bytes()),
    }
}

/// Kind, length, content: no two rows of cells read the same.
fn put(digest: &mut Sha256, kind: u8, content: &[u8]) {
    digest.update([kind]);
    digest.update((content.len() as u64).to_be_bytes());
    digest.update(content);
}

/// A cell as a parameter of the engine it came from.
fn as_it_is(cell: Cell<'_>) -> Option<Value> {
    Some(match cell {
        Cell::Int(value) => value.into(),
        Cell::Bool(value) => value.into(),
        Cell::Text(value) => value.into(),
        Cell::Blob(value) => value.into(),
        Cell::Id(value) => value.into(),
        Cell::Null | Cell::Foreign(_) => return None,
    })
}

/// A cell as what a column holds; `None` if it is something else.
fn value(cell: Cell<'_>, kind: Kind) -> Option<Value> {
    Some(match (kind, cell) {
        (Kind::Int, Cell::Null) => Value::Int(None),
        (Kind::Int, Cell::Int(value)) => value.into(),
        (Kind::Int, Cell::Bool(value)) => i64::from(value).into(),
        (Kind::Bool, Cell::Null) => Value::Bool(None),
        (Kind::Bool, Cell::Bool(value)) => value.into(),
        (Kind::Bool, Cell::Int(value @ (0 | 1))) => (value == 1).into(),
        (Kind::Text, Cell::Null) => Value::Text(None),
        (Kind::Text, Cell::Text(value)) if !value.contains('\0') => value.into(),
        (Kind::Blob, Cell::Null) => Value::Blob(None),
        (Kind::Blob, Cell::Blob(value)) => value.into(),
        (Kind::Blob, Cell::Id(value)) => value.as_bytes().as_slice().into(),
        (Kind::Id, Cell::Null) => Value::Id(None),
        (Kind::Id, Cell::Id(value)) => value.into(),
        (Kind::Id, Cell::Blob(value)) => Uuid::from_slice(value).ok()?.into(),
        _ => return None,
    })
}
