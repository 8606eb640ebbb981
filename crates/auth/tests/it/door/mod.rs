//! The storage's door: one suite of promises, run on SQLite in memory, SQLite on disk and PostgreSQL.
//!
//! PostgreSQL takes part when `COUNTERSIGN_TEST_POSTGRES` holds the URL of a database in which a database may be made
//! for each test; otherwise its variants say that they are skipped.

mod faults;
mod group_commit;
mod migrations;
mod postgres_recovery;
mod refusals;
mod sqlite_file;
mod transactions;
mod values;

use countersign_auth::storage::{Db, StorageError};

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
#[expect(clippy::needless_pass_by_value, reason = "results are asserted where they are made")]
fn assert_unavailable<T: std::fmt::Debug>(result: Result<T, StorageError>) {
    assert!(matches!(result, Err(StorageError::Unavailable(_))), "{result:?}");
}

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "results are asserted where they are made")]
fn assert_refused<T: std::fmt::Debug>(result: Result<T, StorageError>) {
    assert!(matches!(result, Err(StorageError::Refused(_))), "{result:?}");
}
