//! The handle: which engine, and one way in for statements, transactions and migrations.

use std::{fmt, path::PathBuf, sync::Arc};

use futures_util::future::BoxFuture;
use tracing::{Instrument, debug_span};

use super::{
    Condition, Listener, Migrations, Row, Standing, StorageError, Tx, Value,
    postgres::Postgres,
    sql::{self, Kind},
    sqlite::Sqlite,
    tx::Output,
};

/// Which engine stands behind a [`Db`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// SQLite, inside this process.
    Sqlite,
    /// A PostgreSQL server, or an engine that speaks its protocol.
    Postgres,
}

/// Where the database is and how to reach it. `Debug` does not show the URL, which may hold a password.
#[derive(Clone)]
#[non_exhaustive]
pub struct DbOptions {
    /// `sqlite://path` (everything after `//` is the path, relative or absolute), `sqlite::memory:`, or
    /// `postgres://user:password@host:port/database`.
    pub url: String,
    /// Whether a transaction pooler stands before PostgreSQL: no named statements, no session settings. Default false.
    pub pooler: bool,
    /// Whether the database is only read: every write, transaction and migration is refused, and no file is made. Default
    /// false.
    pub read_only: bool,
}

impl DbOptions {
    /// Options for this URL, everything else at its default.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), pooler: false, read_only: false }
    }
}

impl fmt::Debug for DbOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DbOptions")
            .field("pooler", &self.pooler)
            .field("read_only", &self.read_only)
            .finish_non_exhaustive()
    }
}

/// The database. Cheap to clone; the last clone that is dropped closes it.
#[derive(Clone)]
pub struct Db {
    inner: Arc<Inner>,
}

struct Inner {
    backend: Backend,
    read_only: bool,
    #[cfg(feature = "testing")]
    faults: faults::Faults,
}

pub(super) enum Backend {
    Sqlite(Sqlite),
    Postgres(Box<Postgres>),
}

impl Db {
    /// Opens the database and makes sure that it answers.
    ///
    /// SQLite makes the file when there is none, with mode 0600; its folder must exist. Opened on disk it runs in WAL
    /// mode with `synchronous=FULL`: what was answered survives a power failure. To be read only, the file must be there
    /// and stays as it is.
    ///
    /// # Errors
    ///
    /// [`StorageError::Unavailable`] when the database cannot be reached, [`StorageError::Refused`] when the URL makes
    /// no sense, asks PostgreSQL for TLS (not supported yet, so it is not silently left out), or names a file that is
    /// no SQLite database.
    pub async fn open(options: &DbOptions) -> Result<Self, StorageError> {
        let url = options.url.as_str();
        let backend = if matches!(url, "sqlite::memory:" | "sqlite://:memory:") {
            Backend::Sqlite(Sqlite::open(None, options.read_only).await?)
        } else if let Some(path) = url.strip_prefix("sqlite://") {
            if path.is_empty() || path.contains('?') {
                return Err(StorageError::refused("sqlite:// takes a path and no options"));
            }
            Backend::Sqlite(Sqlite::open(Some(PathBuf::from(path)), options.read_only).await?)
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            Backend::Postgres(Box::new(Postgres::open(url, options.pooler).await?))
        } else {
            return Err(StorageError::refused(
                "a database URL starts with sqlite:// or postgres://",
            ));
        };
        let db = Self {
            inner: Arc::new(Inner {
                backend,
                read_only: options.read_only,
                #[cfg(feature = "testing")]
                faults: faults::Faults::default(),
            }),
        };
        db.ping().await?;
        Ok(db)
    }

    /// Which engine this is; for messages, not for writing statements twice.
    pub fn engine(&self) -> Engine {
        match self.inner.backend {
            Backend::Sqlite(_) => Engine::Sqlite,
            Backend::Postgres(_) => Engine::Postgres,
        }
    }

    /// Runs a statement and returns its rows: a `SELECT`, or a write with `RETURNING`.
    ///
    /// A future that is dropped before it is ready may have done its statement or not; never half of it.
    ///
    /// # Errors
    ///
    /// Every variant of [`StorageError`], as described there.
    pub async fn all(
        &self,
        sql: &'static str,
        binds: impl Into<Vec<Value>>,
    ) -> Result<Vec<Row>, StorageError> {
        Ok(self.run(sql, binds.into()).await?.rows)
    }

    /// Runs a statement and returns its row, if there is one.
    ///
    /// # Errors
    ///
    /// As [`all`](Self::all), and [`StorageError::Refused`] when there is more than one row.
    pub async fn optional(
        &self,
        sql: &'static str,
        binds: impl Into<Vec<Value>>,
    ) -> Result<Option<Row>, StorageError> {
        self.run(sql, binds.into()).await?.optional()
    }

    /// Runs a statement and returns how many rows it changed; 0 for one that changes the schema.
    ///
    /// # Errors
    ///
    /// As [`all`](Self::all).
    pub async fn execute(
        &self,
        sql: &'static str,
        binds: impl Into<Vec<Value>>,
    ) -> Result<u64, StorageError> {
        Ok(self.run(sql, binds.into()).await?.changed)
    }

    /// Runs a closure as one serializable transaction: all of it is kept and durable when this answers `Ok`, none of it
    /// when the closure ends with an error, panics or calls [`Tx::roll_back`].
    ///
    /// On PostgreSQL the closure runs again when the transaction collided with another one, so it must do nothing that
    /// cannot be done twice. On SQLite it runs on the writer's thread, together with its neighbours, and may await
    /// nothing but the calls of its `Tx`. Compute hashes and fetch keys before.
    ///
    /// ```
    /// # use countersign_auth::storage::{Db, StorageError, Value};
    /// # async fn example(db: Db, id: i64) -> Result<bool, StorageError> {
    /// db.transaction(move |tx| {
    ///     Box::pin(async move {
    ///         let taken = tx.optional("SELECT 1 AS one FROM seats WHERE id = $1", [id.into()]).await?.is_some();
    ///         if !taken {
    ///             tx.execute("INSERT INTO seats (id) VALUES ($1)", [id.into()]).await?;
    ///         }
    ///         Ok(!taken)
    ///     })
    /// })
    /// .await
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The closure's own error; [`StorageError::Refused`] when it panicked, awaited something else, or passed over a
    /// statement that failed; [`StorageError::Unavailable`] when the transaction could not be kept.
    pub async fn transaction<T, F>(&self, f: F) -> Result<T, StorageError>
    where
        F: for<'a> Fn(&'a mut Tx) -> BoxFuture<'a, Result<T, StorageError>> + Send + Sync + 'static,
        T: Send + 'static,
    {
        self.admit()?;
        self.admit_writes()?;
        #[cfg(feature = "testing")]
        let f = crate::testing::work::of_transaction(f);
        let transaction = async {
            match &self.inner.backend {
                Backend::Sqlite(sqlite) => sqlite.transaction(f).await,
                Backend::Postgres(postgres) => postgres.transaction(f).await,
            }
        };
        transaction.instrument(debug_span!("transaction")).await
    }

    /// Brings the tables of one owner up to date, and says which steps that took; several processes may do so at once.
    ///
    /// # Errors
    ///
    /// [`StorageError::Refused`] when the database has a migration that this program does not know, when one that was
    /// applied has been changed since, or when one fails; [`StorageError::Unavailable`] when another process holds the
    /// migration lock for more than a minute.
    pub async fn migrate(&self, migrations: Migrations) -> Result<Vec<String>, StorageError> {
        self.admit()?;
        self.admit_writes()?;
        match &self.inner.backend {
            Backend::Sqlite(sqlite) => super::migrate::sqlite(sqlite, migrations).await,
            Backend::Postgres(postgres) => super::migrate::postgres(postgres, migrations).await,
        }
    }

    /// Says how the tables of one owner are against what this program knows, whatever that is, and changes nothing.
    ///
    /// # Errors
    ///
    /// As [`all`](Self::all).
    pub async fn condition(&self, migrations: Migrations) -> Result<Condition, StorageError> {
        super::migrate::condition(self, migrations).await
    }

    /// The clock of the database server in milliseconds since 1970; `None` where the engine has none of its own (SQLite).
    ///
    /// # Errors
    ///
    /// As [`all`](Self::all).
    pub async fn server_millis(&self) -> Result<Option<i64>, StorageError> {
        if self.engine() == Engine::Sqlite {
            return Ok(None);
        }
        let clock = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) AS at";
        let row = self.optional(clock, []).await?;
        row.map(|row| row.get("at")).transpose()
    }

    /// Says how far the tables of one owner are, and changes nothing.
    ///
    /// # Errors
    ///
    /// As [`migrate`](Self::migrate) would refuse.
    pub async fn standing(&self, migrations: Migrations) -> Result<Standing, StorageError> {
        super::migrate::standing(self, migrations).await
    }

    /// Counts the other connections of servers and commands on a PostgreSQL database, as far as they go by the name
    /// that ours have there; 0 for SQLite, whose file tells by its locks.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub async fn others(options: &DbOptions) -> Result<u64, StorageError> {
        if options.url.starts_with("postgres") {
            return super::postgres::others(&options.url).await;
        }
        Ok(0)
    }

    /// Listens on a channel for what [`Tx::notify`] says in any process; `None` where the engine carries no such word
    /// (SQLite, or a pooler before PostgreSQL) and only looking again tells.
    ///
    /// # Errors
    ///
    /// [`StorageError::Unavailable`] when the database cannot be reached.
    pub async fn listen(&self, channel: &'static str) -> Result<Option<Listener>, StorageError> {
        self.admit()?;
        match &self.inner.backend {
            Backend::Sqlite(_) => Ok(None),
            Backend::Postgres(postgres) => postgres.listen(channel).await,
        }
    }

    /// Asks the database for an answer.
    ///
    /// # Errors
    ///
    /// [`StorageError::Unavailable`] when there is none.
    pub async fn ping(&self) -> Result<(), StorageError> {
        self.all("SELECT 1 AS one", []).await.map(drop)
    }

    /// Finishes what was handed in before, then closes; every later call is [`StorageError::Unavailable`].
    pub async fn close(&self) {
        match &self.inner.backend {
            Backend::Sqlite(sqlite) => sqlite.close().await,
            Backend::Postgres(postgres) => postgres.close(),
        }
    }

    async fn run(&self, sql: &'static str, binds: Vec<Value>) -> Result<Output, StorageError> {
        self.admit()?;
        let kind = sql::admit(sql, &binds)?;
        if kind == Kind::Write {
            self.admit_writes()?;
        }
        #[cfg(feature = "testing")]
        crate::testing::work::of_statement();
        let statement = async {
            match (&self.inner.backend, kind) {
                (Backend::Sqlite(sqlite), Kind::Read) => sqlite.read(sql, binds).await,
                (Backend::Sqlite(sqlite), Kind::Write) => sqlite.write(sql, binds).await,
                (Backend::Postgres(postgres), kind) => postgres.run(sql, &binds, kind).await,
            }
        };
        // Statements are texts of ours; what is bound to them stays out of every trace.
        statement.instrument(debug_span!("statement", "db.query.text" = sql)).await
    }

    fn admit_writes(&self) -> Result<(), StorageError> {
        if self.inner.read_only {
            return Err(StorageError::refused("the database was opened to be read only"));
        }
        Ok(())
    }

    pub(super) fn backend(&self) -> &Backend {
        &self.inner.backend
    }

    /// Where tests take the storage away.
    fn admit(&self) -> Result<(), StorageError> {
        #[cfg(feature = "testing")]
        self.inner.faults.admit()?;
        Ok(())
    }
}

impl fmt::Debug for Db {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Db").field("engine", &self.engine()).finish_non_exhaustive()
    }
}

/// Faults for tests, at the door: whatever stands behind it is then as good as gone.
#[cfg(feature = "testing")]
mod faults {
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

    use super::{Backend, Db, StorageError};

    #[derive(Default)]
    pub(super) struct Faults {
        unavailable: AtomicBool,
        fail_next: AtomicU32,
    }

    impl Faults {
        pub(super) fn admit(&self) -> Result<(), StorageError> {
            let counted =
                self.fail_next
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
            if counted.is_ok() || self.unavailable.load(Ordering::Relaxed) {
                return Err(StorageError::unavailable("taken away by a test"));
            }
            Ok(())
        }
    }

    impl Db {
        /// Takes the storage away, or gives it back: meanwhile every call is [`StorageError::Unavailable`].
        pub fn set_unavailable(&self, unavailable: bool) {
            self.inner.faults.unavailable.store(unavailable, Ordering::Relaxed);
        }

        /// Makes the next `calls` calls [`StorageError::Unavailable`]; a transaction counts as one.
        pub fn fail_next(&self, calls: u32) {
            self.inner.faults.fail_next.store(calls, Ordering::Relaxed);
        }

        /// Lets a SQLite database grow by so many pages of 4 KiB and then behaves as a full disk; `None` gives the
        /// space back.
        ///
        /// # Errors
        ///
        /// [`StorageError::Refused`] on PostgreSQL.
        pub async fn limit_pages(&self, pages: Option<u32>) -> Result<(), StorageError> {
            match &self.inner.backend {
                Backend::Sqlite(sqlite) => sqlite.limit_pages(pages).await,
                Backend::Postgres(_) => Err(StorageError::refused("only SQLite counts pages")),
            }
        }
    }
}
