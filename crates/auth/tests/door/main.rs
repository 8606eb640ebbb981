//! The storage's door: one suite of promises, run on SQLite in memory, SQLite on disk and PostgreSQL.
//!
//! PostgreSQL takes part when `COUNTERSIGN_TEST_POSTGRES` holds the URL of a database in which a database may be made
//! for each test; otherwise its variants say that they are skipped.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::needless_pass_by_value,
    reason = "the whole binary is tests, their helpers too"
)]

mod conflicts;
mod faults;
mod group_commit;
mod migrations;
mod place;
mod postgres_recovery;
mod transactions;
mod values;

use countersign_auth::storage::{Db, StorageError};

/// Makes a test of each function for each engine.
macro_rules! on_every_engine {
    ($($name:ident),* $(,)?) => {
        mod sqlite_in_memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(crate::place::Place::memory().await).await;
            })*
        }
        mod sqlite_on_disk {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(crate::place::Place::disk().await).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                if let Some(place) = crate::place::Place::postgres().await {
                    super::$name(place.clone()).await;
                    place.remove().await;
                }
            })*
        }
    };
}
pub(crate) use on_every_engine;

/// A table with one counter, as several tests use it.
async fn counter(db: &Db) {
    db.execute("CREATE TABLE counters (id BIGINT PRIMARY KEY, n BIGINT NOT NULL)", [])
        .await
        .unwrap();
    db.execute("INSERT INTO counters (id, n) VALUES (1, 0), (2, 0)", []).await.unwrap();
}

async fn count(db: &Db, id: i64) -> i64 {
    let row = db.optional("SELECT n FROM counters WHERE id = $1", [id.into()]).await.unwrap();
    row.unwrap().get("n").unwrap()
}

#[track_caller]
fn assert_unavailable<T: std::fmt::Debug>(result: Result<T, StorageError>) {
    assert!(matches!(result, Err(StorageError::Unavailable(_))), "{result:?}");
}

#[track_caller]
fn assert_refused<T: std::fmt::Debug>(result: Result<T, StorageError>) {
    assert!(matches!(result, Err(StorageError::Refused(_))), "{result:?}");
}
