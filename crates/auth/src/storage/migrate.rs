//! Migrations: each owner of tables brings its own, in both dialects, under its own history table.

use std::time::Duration;

use refinery::{Runner, error::Kind};
use tokio::time::{Instant, sleep};
use tokio_postgres::types::Type;

use super::{
    Db, Engine, StorageError,
    db::Backend,
    postgres::{self, Postgres},
    schema,
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
pub enum Condition {
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

/// How far the tables of one owner are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The steps that were taken, the oldest first.
    pub applied: Vec<String>,
    /// Those that are yet to be taken.
    pub missing: Vec<String>,
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

    fn unknown(self, found: &str) -> StorageError {
        StorageError::refused(format!(
            "the database has migration {found} in {}, which this program does not know: it was used by a newer \
             version",
            self.table
        ))
    }

    fn changed(self, found: &str) -> StorageError {
        StorageError::refused(format!(
            "migration {found} in {} is not the one this program has: it was changed after it was applied",
            self.table
        ))
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
                self.unknown(&found.to_string())
            }
            Kind::DivergentVersion(found, _) => self.changed(&found.to_string()),
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

/// Compares what the history table says with the steps there are.
pub(super) async fn standing(db: &Db, migrations: Migrations) -> Result<Standing, StorageError> {
    let (own, applied) = steps(db, migrations).await?;
    let applied = applied.unwrap_or_default();
    match compare(&own, &applied) {
        Condition::Newer(found) => Err(migrations.unknown(&found.join(", "))),
        Condition::Changed(found) => Err(migrations.changed(&found)),
        Condition::Missing | Condition::Current | Condition::Behind(_) => Ok(Standing {
            missing: only_in(&own, &applied),
            applied: applied.iter().map(shown).collect(),
        }),
    }
}

/// The same for whoever wants to know what is wrong.
pub(super) async fn condition(db: &Db, migrations: Migrations) -> Result<Condition, StorageError> {
    let (own, applied) = steps(db, migrations).await?;
    Ok(applied.map_or(Condition::Missing, |applied| compare(&own, &applied)))
}

/// A step: its version, its name, and the checksum of its statements.
type Step = (i32, String, String);

/// A step as its files are called.
fn shown((version, name, _): &Step) -> String {
    format!("V{version}__{name}")
}

/// The names of those of these steps that are not among the others.
fn only_in(these: &[Step], others: &[Step]) -> Vec<String> {
    let missing = |one: &&Step| others.iter().all(|other| other.0 != one.0);
    these.iter().filter(missing).map(shown).collect()
}

fn compare(own: &[Step], applied: &[Step]) -> Condition {
    let newer = only_in(applied, own);
    if !newer.is_empty() {
        return Condition::Newer(newer);
    }
    if let Some(changed) = applied.iter().find(|one| !own.contains(one)) {
        return Condition::Changed(shown(changed));
    }
    let behind = only_in(own, applied);
    if behind.is_empty() { Condition::Current } else { Condition::Behind(behind) }
}

/// The steps there are, and those that the history table has, where there is one; the oldest first.
async fn steps(
    db: &Db,
    migrations: Migrations,
) -> Result<(Vec<Step>, Option<Vec<Step>>), StorageError> {
    let runner = match db.engine() {
        Engine::Sqlite => migrations.runner(|step| step.sqlite)?,
        Engine::Postgres => migrations.runner(|step| step.postgres)?,
    };
    let own = runner.get_migrations().iter();
    let own = own.map(|one| (one.version(), one.name().to_owned(), one.checksum().to_string()));
    let mut own: Vec<Step> = own.collect();
    own.sort();
    if !schema::found(db).await?.contains_key(migrations.table) {
        return Ok((own, None));
    }
    // Not through the runner, whose transaction is one that writes; it has looked at the name of the table.
    let history =
        format!("SELECT version, name, checksum FROM {} ORDER BY version", migrations.table);
    let applied = match db.backend() {
        Backend::Sqlite(sqlite) => {
            let look = move |connection: &mut rusqlite::Connection| {
                let applied = connection.prepare(&history).and_then(|mut statement| {
                    let rows = statement
                        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
                    rows.collect::<Result<Vec<Step>, _>>()
                });
                applied.map_err(|error| sqlite::classify(connection, error))
            };
            sqlite.alone(look).await?
        }
        Backend::Postgres(postgres) => {
            let failed = |error: tokio_postgres::Error| postgres::classify(&error).error;
            let client = postgres.connect().await?;
            let rows = client.query_typed(&history, &[]).await.map_err(failed)?;
            let steps =
                rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?)));
            steps.collect::<Result<Vec<Step>, _>>().map_err(failed)?
        }
    };
    Ok((own, Some(applied)))
}

/// What SQLite says.
fn explained(
    connection: &rusqlite::Connection,
    cause: &(dyn std::error::Error + 'static),
) -> Option<StorageError> {
    let rusqlite::Error::SqliteFailure(code, text) = cause.downcast_ref()? else {
        return None;
    };
    Some(sqlite::classify(connection, rusqlite::Error::SqliteFailure(*code, text.clone())))
}

/// What PostgreSQL says.
fn answered(cause: &(dyn std::error::Error + 'static)) -> Option<StorageError> {
    Some(postgres::classify(cause.downcast_ref()?).error)
}

/// The steps of a run, by their names.
fn names(report: &refinery::Report) -> Vec<String> {
    report.applied_migrations().iter().map(ToString::to_string).collect()
}

pub(super) async fn sqlite(
    sqlite: &Sqlite,
    migrations: Migrations,
) -> Result<Vec<String>, StorageError> {
    let runner = migrations.runner(|step| step.sqlite)?;
    sqlite
        .alone(move |connection| {
            loop {
                let applied = |connection: &mut _| {
                    runner.get_applied_migrations(connection).map_or(0, |all| all.len())
                };
                let before = applied(connection);
                let error = match runner.run(connection) {
                    Ok(report) => return Ok(names(&report)),
                    Err(error) => error,
                };
                // Another process did it between our look and our turn; its rows in the history made ours fail as a
                // whole. Look again: there are only so many migrations.
                if applied(connection) > before {
                    continue;
                }
                return Err(migrations.explain(&error, |cause| explained(connection, cause)));
            }
        })
        .await
}

pub(super) async fn postgres(
    postgres: &Postgres,
    migrations: Migrations,
) -> Result<Vec<String>, StorageError> {
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
    result.map(|report| names(&report)).map_err(|error| migrations.explain(&error, answered))
}
