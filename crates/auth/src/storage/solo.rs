//! One long transaction on a connection of its own, for work that takes longer than a request: statements are made at run
//! time, and it never starts again.

use super::{Db, Row, StorageError, Value, db::Backend, postgres, sql, sqlite, tx::Output};

/// Dropped before [`commit`](Solo::commit), it leaves nothing behind.
pub(super) enum Solo {
    Sqlite(sqlite::Solo),
    Postgres(postgres::Solo),
}

impl Solo {
    /// Begins to read what there is at this moment.
    pub(super) async fn reading(db: &Db) -> Result<Self, StorageError> {
        Ok(match db.backend() {
            Backend::Sqlite(sqlite) => Self::Sqlite(sqlite::Solo::reading(sqlite.file()?).await?),
            Backend::Postgres(server) => Self::Postgres(postgres::Solo::reading(server).await?),
        })
    }

    /// Begins to write.
    pub(super) async fn writing(db: &Db) -> Result<Self, StorageError> {
        Ok(match db.backend() {
            Backend::Sqlite(sqlite) => Self::Sqlite(sqlite::Solo::writing(sqlite.file()?).await?),
            Backend::Postgres(server) => Self::Postgres(postgres::Solo::writing(server).await?),
        })
    }

    /// Runs a statement and returns its rows.
    pub(super) async fn all(
        &mut self,
        sql: String,
        binds: Vec<Value>,
    ) -> Result<Vec<Row>, StorageError> {
        Ok(self.run(sql, binds).await?.rows)
    }

    /// Runs a statement that answers one integer, or nothing.
    pub(super) async fn number(
        &mut self,
        sql: String,
        binds: Vec<Value>,
    ) -> Result<Option<i64>, StorageError> {
        match self.all(sql, binds).await?.first() {
            Some(row) => row.get("number"),
            None => Ok(None),
        }
    }

    pub(super) async fn run(
        &mut self,
        sql: String,
        binds: Vec<Value>,
    ) -> Result<Output, StorageError> {
        sql::admit(&sql, &binds)?;
        match self {
            Self::Sqlite(solo) => solo.run(sql, vec![binds]).await,
            Self::Postgres(solo) => solo.run(&sql, &binds).await,
        }
    }

    /// Adds rows to a table; `numbered` where the engine would number them by itself.
    pub(super) async fn insert(
        &mut self,
        table: &str,
        columns: &[String],
        numbered: bool,
        rows: Vec<Vec<Value>>,
    ) -> Result<(), StorageError> {
        // As many as a statement of PostgreSQL has parameters.
        let at_once = (usize::from(u16::MAX) / columns.len().max(1)).max(1);
        let into = format!("INSERT INTO {} ({})", quoted(table), list(columns));
        for row in &rows {
            sql::admit(&into, row)?;
        }
        match self {
            Self::Sqlite(solo) => {
                let sql = format!("{into} VALUES {}", places(1, columns.len()));
                solo.run(sql, rows).await?;
            }
            Self::Postgres(solo) => {
                let own = if numbered { " OVERRIDING SYSTEM VALUE" } else { "" };
                for rows in rows.chunks(at_once) {
                    let all = places(rows.len(), columns.len());
                    let sql = format!("{into}{own} VALUES {all}");
                    solo.run(&sql, &rows.concat()).await?;
                }
            }
        }
        Ok(())
    }

    /// Keeps what was written.
    pub(super) async fn commit(self) -> Result<(), StorageError> {
        match self {
            Self::Sqlite(solo) => solo.commit().await,
            Self::Postgres(solo) => solo.commit().await,
        }
    }
}

/// A name as both engines read it, whatever it is.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Names between commas.
pub(super) fn list(names: &[String]) -> String {
    names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ")
}

/// `($1, $2), ($3, $4)` for two rows of two.
fn places(rows: usize, columns: usize) -> String {
    let row = |row: usize| {
        let places = (1..=columns).map(|column| format!("${}", row * columns + column));
        format!("({})", places.collect::<Vec<_>>().join(", "))
    };
    (0..rows).map(row).collect::<Vec<_>>().join(", ")
}
