//! A connection for work that takes long: one transaction from its beginning to its end, outside of the pool and without
//! its limits.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_postgres::{Client, NoTls, types::Type};

use super::{Postgres, classify, configure, session};
use crate::storage::{StorageError, Value, tx::Output};

/// The connection of a process that has ended is still counted for a moment.
const LEAVING: Duration = Duration::from_secs(2);

/// Dropped before its end, it is rolled back.
pub(in crate::storage) struct Solo {
    client: Client,
}

impl Solo {
    /// Begins to read: whatever is written from here on is not seen.
    pub(in crate::storage) async fn reading(postgres: &Postgres) -> Result<Self, StorageError> {
        Self::begin(postgres, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await
    }

    /// Begins to write. What others commit meanwhile is seen, so that it is not taken for one's own.
    pub(in crate::storage) async fn writing(postgres: &Postgres) -> Result<Self, StorageError> {
        Self::begin(postgres, "BEGIN ISOLATION LEVEL READ COMMITTED").await
    }

    async fn begin(postgres: &Postgres, how: &str) -> Result<Self, StorageError> {
        let client = postgres.connect().await?;
        let solo = Self { client };
        let unlimited =
            "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0";
        solo.command(&format!("{how}; {unlimited}")).await?;
        Ok(solo)
    }

    pub(in crate::storage) async fn run(
        &mut self,
        sql: &str,
        binds: &[Value],
    ) -> Result<Output, StorageError> {
        session::run_made(&self.client, sql, binds).await.map_err(|error| classify(&error).error)
    }

    /// Keeps what was written; without it, nothing is.
    pub(in crate::storage) async fn commit(self) -> Result<(), StorageError> {
        self.command("COMMIT").await
    }

    async fn command(&self, sql: &str) -> Result<(), StorageError> {
        self.client.batch_execute(sql).await.map_err(|error| classify(&error).error)
    }
}

/// How many connections like ours, those of servers and commands, are on this database; our own is not counted.
pub(in crate::storage) async fn others(url: &str) -> Result<u64, StorageError> {
    let mut config = configure(url)?;
    let name = config.get_application_name().unwrap_or_default().to_owned();
    config.application_name("countersign db");
    let failed = |error: tokio_postgres::Error| classify(&error).error;
    let (client, connection) = config.connect(NoTls).await.map_err(failed)?;
    tokio::spawn(connection);
    let deadline = Instant::now() + LEAVING;
    loop {
        let row = client
            .query_typed_one(
                "SELECT COUNT(*) AS others FROM pg_stat_activity
                  WHERE datname = current_database() AND application_name = $1",
                &[(&name, Type::TEXT)],
            )
            .await
            .map_err(failed)?;
        let others: i64 = row.try_get("others").map_err(failed)?;
        if others == 0 || Instant::now() > deadline {
            return Ok(others.unsigned_abs());
        }
        sleep(Duration::from_millis(50)).await;
    }
}
