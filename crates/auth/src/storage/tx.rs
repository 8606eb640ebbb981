//! A transaction as its closure sees it, the same on both engines.

use std::fmt;

use super::{Row, StorageError, Value, postgres, sql, sqlite};

/// What a statement answered: its rows, and how many rows it changed.
#[derive(Default)]
pub(super) struct Output {
    pub(super) rows: Vec<Row>,
    pub(super) changed: u64,
}

impl Output {
    /// The only row, or none; more are a mistake in the statement.
    pub(super) fn optional(self) -> Result<Option<Row>, StorageError> {
        if self.rows.len() > 1 {
            return Err(StorageError::refused("more than one row where at most one is expected"));
        }
        Ok(self.rows.into_iter().next())
    }
}

pub(super) enum Engine {
    Sqlite(sqlite::Connection),
    Postgres(postgres::Session),
}

/// A running transaction; [`Db::transaction`](super::Db::transaction) hands it to its closure.
///
/// After a statement that failed, nothing more can be done in the transaction: the closure ends with that error, or
/// calls [`roll_back`](Tx::roll_back) and ends with a value. Going on as if nothing had happened is refused, on both
/// engines alike.
pub struct Tx {
    pub(super) engine: Engine,
    failed: bool,
    undo: bool,
    /// How many statements it ran, also for those who had it before.
    #[cfg(feature = "testing")]
    pub(crate) statements: u64,
}

impl Tx {
    pub(super) fn new(engine: Engine) -> Self {
        Self {
            engine,
            failed: false,
            undo: false,
            #[cfg(feature = "testing")]
            statements: 0,
        }
    }

    /// Runs a statement and returns its rows.
    ///
    /// # Errors
    ///
    /// As [`Db::all`](super::Db::all).
    pub async fn all(
        &mut self,
        sql: &'static str,
        binds: impl Into<Vec<Value>>,
    ) -> Result<Vec<Row>, StorageError> {
        Ok(self.run(sql, binds.into()).await?.rows)
    }

    /// Runs a statement and returns its row, if there is one.
    ///
    /// # Errors
    ///
    /// As [`Db::optional`](super::Db::optional).
    pub async fn optional(
        &mut self,
        sql: &'static str,
        binds: impl Into<Vec<Value>>,
    ) -> Result<Option<Row>, StorageError> {
        let output = self.run(sql, binds.into()).await?;
        output.optional().inspect_err(|_| self.failed = true)
    }

    /// Runs a statement and returns how many rows it changed.
    ///
    /// # Errors
    ///
    /// As [`Db::execute`](super::Db::execute).
    pub async fn execute(
        &mut self,
        sql: &'static str,
        binds: impl Into<Vec<Value>>,
    ) -> Result<u64, StorageError> {
        Ok(self.run(sql, binds.into()).await?.changed)
    }

    /// Wakes everyone who [listens](super::Db::listen) on this channel when the transaction is kept, on PostgreSQL; nobody
    /// can listen elsewhere.
    ///
    /// # Errors
    ///
    /// As [`Db::all`](super::Db::all).
    pub async fn notify(&mut self, channel: &'static str) -> Result<(), StorageError> {
        if matches!(&self.engine, Engine::Postgres(session) if session.carries_notifications()) {
            self.run("SELECT pg_notify($1, '') AS notified", vec![channel.into()]).await?;
        }
        Ok(())
    }

    /// Marks the transaction to be rolled back when its closure ends; a value it ends with is still handed to the
    /// caller.
    pub fn roll_back(&mut self) {
        self.undo = true;
    }

    async fn run(&mut self, sql: &'static str, binds: Vec<Value>) -> Result<Output, StorageError> {
        if self.failed {
            return Err(StorageError::refused("an earlier statement of the transaction failed"));
        }
        #[cfg(feature = "testing")]
        {
            self.statements += 1;
        }
        let result = match sql::admit(sql, &binds) {
            Err(error) => Err(error),
            Ok(_) => match &mut self.engine {
                Engine::Sqlite(connection) => connection.run(sql, &binds),
                Engine::Postgres(session) => session.run(sql, &binds).await,
            },
        };
        self.failed |= result.is_err();
        result
    }

    /// Forgets what the previous transaction on this connection left.
    pub(super) fn reset(&mut self) {
        self.failed = false;
        self.undo = false;
    }

    /// Decides whether what the closure did is kept, and what its caller is told.
    pub(super) fn verdict<T>(
        &self,
        result: Result<T, StorageError>,
    ) -> (bool, Result<T, StorageError>) {
        match result {
            Ok(value) if self.undo => (false, Ok(value)),
            Ok(_) if self.failed => (
                false,
                Err(StorageError::refused("the transaction went on after a statement that failed")),
            ),
            result => (result.is_ok(), result),
        }
    }
}

impl fmt::Debug for Tx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tx")
            .field("failed", &self.failed)
            .field("undo", &self.undo)
            .finish_non_exhaustive()
    }
}
