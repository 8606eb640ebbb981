//! The one door to the database: every statement is written once and runs on SQLite and on PostgreSQL.
//!
//! [`Db`] takes `&'static str` with numbered parameters (`$1`, `$2` …) and typed [`Value`]s, and answers with [`Row`]s.
//! Both engines keep the same promises:
//!
//! - A single statement is atomic. [`Db::transaction`] is atomic and serializable; what it answered is durable.
//! - A violated unique index is [`StorageError::Conflict`] with the same name on both.
//! - What a caller cannot help, and what may be better in a moment, is [`StorageError::Unavailable`]; every call ends
//!   within bounded time. Everything else is [`StorageError::Refused`]: a mistake in our code or broken data.
//! - No error and no `Debug` shows a bound value: it may be a secret.
//!
//! # Writing a statement for both
//!
//! | | do | because |
//! |---|---|---|
//! | integers | `BIGINT` / `INTEGER` | `i64` in Rust |
//! | booleans | `BOOLEAN` / `INTEGER`; in SQL compare with a parameter or write `WHERE flag` | SQLite stores 0 and 1 |
//! | ids | `UUID` / `BLOB` | [`Value::Id`] on both |
//! | bytes | `BYTEA` / `BLOB` | `Vec<u8>` in Rust |
//! | a computed column | give it a name with `AS` | the engines make up different ones |
//! | a sum | `CAST(SUM(n) AS BIGINT)` | PostgreSQL sums into `NUMERIC` |
//! | a unique index | `CREATE UNIQUE INDEX users_email ON users (email)` | its name is the name of the conflict |
//! | a table | give it a primary key, and names of `a` to `z`, digits and `_` | [`Db::copy_to`] takes it along |
//! | a number that counts itself | `GENERATED ALWAYS AS IDENTITY PRIMARY KEY` / `INTEGER PRIMARY KEY AUTOINCREMENT` | none is given out twice |
//! | a foreign key | not `DEFERRABLE` | on SQLite it would fail the commit that neighbours share |
//!
//! Statements that start with `SELECT` only read, and go to SQLite's readers. No data-modifying `WITH`, no `now()`, no
//! `lower()`, no cast to `UUID`. Transactions are made by [`Db::transaction`] only: `BEGIN` and its kin are refused.
//!
//! ```
//! # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
//! use countersign_auth::storage::{Db, DbOptions, StorageError, Value};
//!
//! let db = Db::open(&DbOptions::new("sqlite::memory:")).await?;
//! db.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT", []).await?;
//! db.execute("INSERT INTO notes (id, body) VALUES ($1, $2)", [Value::from(1), "hello".into()]).await?;
//!
//! let row = db.optional("SELECT body FROM notes WHERE id = $1", [1.into()]).await?;
//! assert_eq!(row.map(|row| row.get::<String>("body")).transpose()?, Some("hello".to_owned()));
//!
//! let again = db.execute("INSERT INTO notes (id, body) VALUES (1, 'again')", []).await;
//! assert_eq!(again.unwrap_err().conflict(), Some("notes_pkey"));
//! # Ok::<_, StorageError>(()) }).unwrap();
//! ```

mod backup;
mod copy;
mod db;
mod migrate;
mod postgres;
mod schema;
mod solo;
mod sql;
mod sqlite;
mod told;
mod tx;
mod value;

pub use backup::{Backup, BackupError, examine};
pub use copy::{Copied, CopiedTable, CopyError, CopyPlan, Progress};
pub use db::{Db, DbOptions, Engine};
pub use futures_util::future::BoxFuture;
pub use migrate::{Condition, Migration, Migrations, Standing};
pub use postgres::Listener;
pub(crate) use told::Told;
pub use tx::Tx;
pub use value::{FromValue, Row, Value};

/// The source of an error, as the errors here carry it.
type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A call on [`Db`] or [`Tx`] did not do what was asked; nothing of it was kept, unless the variant says otherwise.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// A unique index or primary key already holds this value. Other constraints, foreign keys too, are `Refused`.
    #[error("the unique index {constraint} already holds this value")]
    Conflict {
        /// The name of the index without a final `_key`: `users_email` for `CREATE UNIQUE INDEX users_email …` as for
        /// a column `email … UNIQUE` of table `users`, `members_team_name` for `UNIQUE (team, name)`, `users_pkey` for
        /// the primary key. The same on both engines; `CONSTRAINT … UNIQUE` inside a table is not to be used, because
        /// SQLite forgets its name. Of several that are violated at once the engine names one.
        constraint: String,
    },

    /// The storage cannot do it now and may in a moment: not reached, no connection free within two seconds, disk
    /// full, locked by another process, queue full, closed. The caller answers 503 with `Retry-After`.
    ///
    /// A write may still have been done when the connection broke after it was sent, as with any database.
    #[error("the storage is not available")]
    Unavailable(#[source] Cause),

    /// The storage will not do it, now or later: a mistake in a statement or broken data. An internal error.
    #[error("the storage refused")]
    Refused(#[source] Cause),
}

impl StorageError {
    /// Returns the name of the violated unique index, if that is what happened.
    pub fn conflict(&self) -> Option<&str> {
        match self {
            Self::Conflict { constraint } => Some(constraint),
            Self::Unavailable(_) | Self::Refused(_) => None,
        }
    }

    fn unavailable(cause: impl Into<Cause>) -> Self {
        Self::Unavailable(cause.into())
    }

    pub(crate) fn refused(cause: impl Into<Cause>) -> Self {
        Self::Refused(cause.into())
    }
}
