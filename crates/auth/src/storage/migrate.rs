//! Migrations: each owner of tables brings its own, in both dialects, under its own history table.

use std::time::Duration;

use refinery::{Runner, error::Kind};
use tokio::time::{Instant, sleep};
use tokio_postgres::types::Type;

use super::{
    StorageError,
    postgres::{self, Postgres},
    sqlite::{self, Sqlite},
};

/// How long a process waits for another one that is migrating.
const WAIT: Duration = Duration::from_secs(60);

/// The advisory lock on PostgreSQL: "csgn", so that it is no number another program takes.
const LOCK: i64 = 0x6373_676e;

/// The migrations of one owner of tables: this crate, or an application that keeps its own in the same database.
#[derive(Clone, Copy, Debug)]
pub struct Migrations {
    /// The table that remembers which were applied, one for each owner: `[a-z0-9_]`, not beginning with a digit.
    pub table: &'static str,
    /// All of them, oldest first. One that was released is never changed and never removed.
    pub steps: &'static [Migration],
}

/// One migration, in both dialects.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// `V1__name`, counting from 1.
    pub name: &'static str,
    /// The statements for SQLite.
    pub sqlite: &'static str,
    /// The statements for PostgreSQL; they run in one transaction.
    pub postgres: &'static str,
}

/// How the tables of one owner in a database stand against what a program knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// There are none yet.
    Missing,
    /// They are as this program makes them.
    Current,
    /// These migrations of this program were not applied yet.
    Behind(Vec<String>),
    /// These migrations were applied by a newer program.
    Newer(Vec<String>),
    /// This migration was applied in another form than this program has it in.
    Changed(String),
}

impl Migrations {
    fn runner(self, sql: impl Fn(&Migration) -> &'static str) -> Result<Runner, StorageError> {
        let named = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if !self.table.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
            || !self.table.chars().all(named)
        {
            return Err(StorageError::refused(format!("{} cannot name a table", self.table)));
        }
        let steps =
            self.steps.iter().map(|step| refinery::Migration::unapplied(step.name, sql(step)));
        let steps = steps.collect::<Result<Vec<_>, _>>().map_err(StorageError::refused)?;
        // Grouped: all in one transaction. One by one, SQLite's driver records a migration in a transaction after the
        // one that made it, and a process that dies in between never starts again.
        let mut runner = Runner::new(&steps).set_grouped(true);
        runner.set_migration_table_name(self.table);
        Ok(runner)
    }

    /// What an error means; `engine` reads the driver's own.
    fn explain(
        self,
        error: &refinery::Error,
        engine: impl FnOnce(&(dyn std::error::Error + 'static)) -> Option<StorageError>,
    ) -> StorageError {
        match error.kind() {
            Kind::MissingVersion(found)
                if !self.steps.iter().any(|step| step.name == found.to_string()) =>
            {
                StorageError::refused(format!(
                    "the database has migration {found} in {}, which this program does not know: \
                     it was used by a newer version",
                    self.table
                ))
            }
            Kind::DivergentVersion(found, _) => StorageError::refused(format!(
                "migration {found} in {} is not the one this program has: it was changed after it was applied",
                self.table
            )),
            Kind::Connection(_, cause) => match engine(cause.as_ref()) {
                // A conflict is an answer to a caller who inserts, not to one who migrates.
                Some(StorageError::Conflict { constraint }) => StorageError::refused(format!(
                    "a migration of {} met a conflict in {constraint}",
                    self.table
                )),
                Some(StorageError::Unavailable(cause)) => StorageError::Unavailable(cause),
                Some(StorageError::Refused(cause)) => StorageError::refused(format!(
                    "a migration of {} is refused: {cause}",
                    self.table
                )),
                None => StorageError::refused(format!("a migration of {} is refused", self.table)),
            },
            other => StorageError::refused(format!("the migrations of {}: {other}", self.table)),
        }
    }
}

pub(super) async fn sqlite(sqlite: &Sqlite, migrations: Migrations) -> Result<(), StorageError> {
    let runner = migrations.runner(|step| step.sqlite)?;
    sqlite
        .alone(move |connection| {
            loop {
                let applied = |connection: &mut _| {
                    runner.get_applied_migrations(connection).map_or(0, |all| all.len())
                };
                let before = applied(connection);
                let Err(error) = runner.run(connection) else {
                    return Ok(());
                };
                // Another process did it between our look and our turn; its rows in the history made ours fail as a
                // whole. Look again: there are only so many migrations.
                if applied(connection) > before {
                    continue;
                }
                return Err(migrations.explain(&error, |cause| {
                    let rusqlite::Error::SqliteFailure(code, text) = cause.downcast_ref()? else {
                        return None;
                    };
                    Some(sqlite::classify(
                        connection,
                        rusqlite::Error::SqliteFailure(*code, text.clone()),
                    ))
                }));
            }
        })
        .await
}

pub(super) async fn postgres(
    postgres: &Postgres,
    migrations: Migrations,
) -> Result<(), StorageError> {
    let runner = migrations.runner(|step| step.postgres)?;
    let failed = |error: tokio_postgres::Error| postgres::classify(&error).error;

    // The lock belongs to a transaction, which a pooler keeps on one connection; the migrations run on another one.
    // Asked for again and again instead of waited for: those who wait hold no transaction meanwhile.
    let guard = postgres.connect().await?;
    let deadline = Instant::now() + WAIT;
    loop {
        guard
            .batch_execute("BEGIN; SET LOCAL idle_in_transaction_session_timeout = 0")
            .await
            .map_err(failed)?;
        let row = guard
            .query_typed_one(
                "SELECT pg_try_advisory_xact_lock($1) AS locked",
                &[(&LOCK, Type::INT8)],
            )
            .await
            .map_err(failed)?;
        if row.try_get("locked").map_err(failed)? {
            break;
        }
        guard.batch_execute("ROLLBACK").await.map_err(failed)?;
        if Instant::now() > deadline {
            return Err(StorageError::unavailable(
                "another process has been migrating for a minute",
            ));
        }
        sleep(Duration::from_millis(50)).await;
    }

    let mut worker = postgres.connect().await?;
    let result = runner.run_async(&mut worker).await;
    // Dropping the connection would free the lock as well, a moment later.
    guard.batch_execute("COMMIT").await.map_err(failed)?;
    result.map(drop).map_err(|error| {
        migrations.explain(&error, |cause| Some(postgres::classify(cause.downcast_ref()?).error))
    })
}

/// A migration as the history has it: its version, its name, and the checksum of its statements.
type Applied = (i32, String, String);

impl Migrations {
    /// The history, oldest first. The name of the table was looked at by [`Migrations::runner`].
    fn history(self) -> String {
        format!("SELECT version, name, checksum FROM {} ORDER BY version", self.table)
    }
}

/// Compares what was applied with what there is.
fn stand(runner: &Runner, applied: &[Applied]) -> Standing {
    let own: Vec<Applied> = runner
        .get_migrations()
        .iter()
        .map(|one| (one.version(), one.name().to_owned(), one.checksum().to_string()))
        .collect();
    // As refinery writes it, and as the files are called.
    let shown = |(version, name, _): &Applied| format!("V{version}__{name}");
    let missing_in = |others: &[Applied], all: &[Applied]| -> Vec<String> {
        let missing = |one: &&Applied| others.iter().all(|other| other.0 != one.0);
        all.iter().filter(missing).map(shown).collect()
    };
    let newer = missing_in(&own, applied);
    if !newer.is_empty() {
        return Standing::Newer(newer);
    }
    if let Some(changed) = applied.iter().find(|one| !own.contains(one)) {
        return Standing::Changed(shown(changed));
    }
    let behind = missing_in(applied, &own);
    if behind.is_empty() { Standing::Current } else { Standing::Behind(behind) }
}

pub(super) async fn sqlite_standing(
    sqlite: &Sqlite,
    migrations: Migrations,
) -> Result<Standing, StorageError> {
    let runner = migrations.runner(|step| step.sqlite)?;
    sqlite
        .alone(move |connection| {
            // Not through the runner, whose transaction is one that writes.
            let applied = connection.prepare(&migrations.history()).and_then(|mut statement| {
                let rows =
                    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
                rows.collect::<Result<Vec<Applied>, _>>()
            });
            let applied = applied.map_err(|error| sqlite::classify(connection, error))?;
            Ok(stand(&runner, &applied))
        })
        .await
}

pub(super) async fn postgres_standing(
    postgres: &Postgres,
    migrations: Migrations,
) -> Result<Standing, StorageError> {
    let runner = migrations.runner(|step| step.postgres)?;
    let failed = |error: tokio_postgres::Error| postgres::classify(&error).error;
    let client = postgres.connect().await?;
    let rows = client.query_typed(&migrations.history(), &[]).await.map_err(failed)?;
    let applied = rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?)));
    let applied: Vec<Applied> = applied.collect::<Result<_, _>>().map_err(failed)?;
    Ok(stand(&runner, &applied))
}
