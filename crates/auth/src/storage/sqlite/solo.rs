//! A connection for work that takes long: one transaction from its beginning to its end, beside the writer and the readers.

use std::path::PathBuf;

use rusqlite::Error;

use super::{Connection, classify};
use crate::storage::{StorageError, Value, tx::Output};

pub(in crate::storage) struct Solo {
    /// `None` while it works, and when that was given up.
    connection: Option<Connection>,
}

impl Solo {
    /// Begins to read: whatever is written from here on is not seen.
    pub(in crate::storage) async fn reading(path: PathBuf) -> Result<Self, StorageError> {
        Self::begin(move || {
            let connection = Connection::reader(Some(&path))?;
            // The first read is what the snapshot is of.
            connection.command("BEGIN; SELECT count(*) FROM sqlite_master")?;
            Ok(connection)
        })
        .await
    }

    /// Begins to write: nobody else does until the end.
    pub(in crate::storage) async fn writing(path: PathBuf) -> Result<Self, StorageError> {
        Self::begin(move || {
            let connection = Connection::beside(&path)?;
            connection.command("BEGIN IMMEDIATE")?;
            Ok(connection)
        })
        .await
    }

    async fn begin(
        open: impl FnOnce() -> Result<Connection, StorageError> + Send + 'static,
    ) -> Result<Self, StorageError> {
        let connection = blocking(open).await?;
        Ok(Self { connection: Some(connection) })
    }

    /// Runs a statement once for each row of values.
    pub(in crate::storage) async fn run(
        &mut self,
        sql: String,
        rows: Vec<Vec<Value>>,
    ) -> Result<Output, StorageError> {
        let connection = self.take()?;
        let (connection, output) = blocking(move || {
            let output = connection.run_made(&sql, rows);
            Ok((connection, output))
        })
        .await?;
        self.connection = Some(connection);
        output
    }

    /// Keeps what was written; without it, nothing is.
    pub(in crate::storage) async fn commit(mut self) -> Result<(), StorageError> {
        let connection = self.take()?;
        blocking(move || connection.command("COMMIT")).await
    }

    fn take(&mut self) -> Result<Connection, StorageError> {
        self.connection.take().ok_or_else(|| StorageError::refused("the connection is gone"))
    }
}

impl Connection {
    fn command(&self, sql: &str) -> Result<(), StorageError> {
        self.raw.execute_batch(sql).map_err(|error| classify(&self.raw, error))
    }
}

/// Writes all that the file holds, as of one moment, into another that is empty.
pub(in crate::storage) async fn vacuum_into(
    from: PathBuf,
    to: PathBuf,
) -> Result<(), StorageError> {
    let Some(name) = to.to_str().map(str::to_owned) else {
        return Err(StorageError::refused("the name of the file is not UTF-8"));
    };
    blocking(move || {
        let connection = Connection::beside(&from)?;
        let done = connection.raw.execute("VACUUM INTO ?1", [name]);
        done.map(drop).map_err(|error| classify(&connection.raw, error))
    })
    .await
}

/// Looks at every page and every reference of a file that nobody else uses, and makes it one file without a log.
pub(in crate::storage) async fn inspect(path: PathBuf) -> Result<Vec<String>, StorageError> {
    blocking(move || {
        let connection = Connection::beside(&path)?;
        let look = || findings(&connection.raw);
        look().map_err(|error| classify(&connection.raw, error))
    })
    .await
}

fn findings(raw: &rusqlite::Connection) -> Result<Vec<String>, Error> {
    raw.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))?;
    let mut found = Vec::new();
    raw.pragma_query(None, "integrity_check", |row| {
        found.push(row.get::<_, String>(0)?);
        Ok(())
    })?;
    found.retain(|finding| finding != "ok");
    raw.pragma_query(None, "foreign_key_check", |row| {
        let (table, parent) = (row.get::<_, String>(0)?, row.get::<_, String>(2)?);
        found.push(format!("a row of {table} refers to one of {parent} that is not there"));
        Ok(())
    })?;
    Ok(found)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StorageError> + Send + 'static,
) -> Result<T, StorageError> {
    tokio::task::spawn_blocking(work).await.map_err(StorageError::unavailable)?
}
