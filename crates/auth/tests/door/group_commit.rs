//! SQLite's writer commits its neighbours together, and no one pays for another one's mistake, or is told a lie.

use std::{os::unix::fs::PermissionsExt, time::Duration};

use countersign_auth::storage::{Db, DbOptions, StorageError};

use crate::{
    assert_refused, assert_unavailable, count, counter,
    place::{Place, open},
};

async fn notes(db: &Db) {
    db.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT", [])
        .await
        .unwrap();
}

const NOTE: &str = "INSERT INTO notes (id, body) VALUES ($1, $2)";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_fails_or_panics_does_not_hurt_its_neighbours() {
    for place in [Place::memory().await, Place::disk().await] {
        notes(&place.db).await;
        let tasks: Vec<_> = (0..200)
            .map(|n: i64| {
                let db = place.db.clone();
                tokio::spawn(async move {
                    let result = db
                        .transaction(move |tx| {
                            Box::pin(async move {
                                tx.execute(NOTE, [n.into(), vec![1].into()]).await?;
                                match n % 5 {
                                    1 => return Err(StorageError::Refused("on purpose".into())),
                                    2 => panic!("on purpose"),
                                    3 => tokio::task::yield_now().await,
                                    4 => {
                                        tx.execute(NOTE, [n.into(), vec![1].into()]).await?;
                                    }
                                    _ => {}
                                }
                                Ok(())
                            })
                        })
                        .await;
                    match n % 5 {
                        0 => result.unwrap(),
                        4 => assert_eq!(result.unwrap_err().conflict(), Some("notes_pkey")),
                        _ => assert_refused(result),
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let kept = place.db.all("SELECT id FROM notes ORDER BY id", []).await.unwrap();
        let kept: Vec<i64> = kept.iter().map(|row| row.get("id").unwrap()).collect();
        assert_eq!(kept, (0..200).step_by(5).collect::<Vec<_>>());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn awaiting_something_else_is_refused_and_says_so() {
    let place = Place::disk().await;
    counter(&place.db).await;
    let inner = place.db.clone();
    let result = place
        .db
        .transaction(move |tx| {
            let inner = inner.clone();
            Box::pin(async move {
                tx.execute("UPDATE counters SET n = 1 WHERE id = 1", []).await?;
                // Would wait for the thread that it runs on.
                inner.execute("UPDATE counters SET n = 2 WHERE id = 2", []).await
            })
        })
        .await;
    let error = result.unwrap_err();
    assert!(
        matches!(&error, StorageError::Refused(cause) if cause.to_string().contains("awaited")),
        "{error:?}"
    );
    let result = place
        .db
        .transaction(|_| {
            Box::pin(async {
                tokio::time::sleep(Duration::from_millis(1)).await;
                Ok(())
            })
        })
        .await;
    assert_refused(result);
    assert_eq!((count(&place.db, 1).await, count(&place.db, 2).await), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_fails_what_it_must_and_nothing_is_kept_that_was_not_answered() {
    let place = Place::disk().await;
    let db = &place.db;
    notes(db).await;
    db.limit_pages(Some(40)).await.unwrap();
    let mut answered = Vec::new();
    let mut refused = 0;
    for round in 0..5 {
        let tasks: Vec<_> = (0..64)
            .map(|n: i64| {
                let (db, id) = (db.clone(), round * 64 + n);
                tokio::spawn(async move {
                    let body = vec![7_u8; if n % 2 == 0 { 10 } else { 9_000 }];
                    let result = db
                        .transaction(move |tx| {
                            let body = body.clone();
                            Box::pin(async move {
                                tx.execute(NOTE, [id.into(), body.clone().into()]).await?;
                                tx.execute(NOTE, [(id + 1_000_000).into(), body.into()]).await
                            })
                        })
                        .await;
                    (id, result)
                })
            })
            .collect();
        for task in tasks {
            match task.await.unwrap() {
                (id, Ok(_)) => answered.push(id),
                (_, Err(StorageError::Unavailable(_))) => refused += 1,
                (id, Err(error)) => panic!("{id}: {error:?}"),
            }
        }
    }
    assert!(refused > 0);
    assert_eq!(stored(db).await, sorted(&answered));

    // Reads go on, and so do writes once there is space.
    assert_unavailable(db.execute(NOTE, [5_000_000.into(), vec![7_u8; 900_000].into()]).await);
    db.ping().await.unwrap();
    db.limit_pages(None).await.unwrap();
    db.execute(NOTE, [5_000_000.into(), vec![7_u8; 900_000].into()]).await.unwrap();
    db.execute("DELETE FROM notes WHERE id = 5000000", []).await.unwrap();
    db.close().await;

    let db = open(&place.url).await;
    assert_eq!(stored(&db).await, sorted(&answered));
    let check = db
        .optional("SELECT integrity_check AS verdict FROM pragma_integrity_check", [])
        .await
        .unwrap()
        .unwrap();
    assert_eq!(check.get::<String>("verdict").unwrap(), "ok");
}

/// The engine ends the transaction itself: without a look after each job the next one would commit alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_the_engine_ended_takes_its_whole_batch_along() {
    let place = Place::disk().await;
    let db = &place.db;
    notes(db).await;
    db.execute(NOTE, [1.into(), vec![1].into()]).await.unwrap();
    for round in 0..20_i64 {
        let tasks: Vec<_> = (0..30)
            .map(|n: i64| {
                let (db, id) = (db.clone(), 1_000 * (round + 1) + n);
                tokio::spawn(async move {
                    let result = db
                        .transaction(move |tx| {
                            Box::pin(async move {
                                tx.execute(NOTE, [id.into(), vec![1].into()]).await?;
                                if n == 15 {
                                    tx.execute("INSERT OR ROLLBACK INTO notes (id, body) VALUES (1, x'00')", []).await?;
                                }
                                Ok(())
                            })
                        })
                        .await;
                    (id, result)
                })
            })
            .collect();
        let mut answered = Vec::new();
        for task in tasks {
            match task.await.unwrap() {
                (id, Ok(())) => answered.push(id),
                (_, result) => assert_unavailable(result),
            }
        }
        let from = 1_000 * (round + 1);
        let kept =
            db.all("SELECT id FROM notes WHERE id >= $1 ORDER BY id", [from.into()]).await.unwrap();
        let kept: Vec<i64> = kept.iter().map(|row| row.get("id").unwrap()).collect();
        assert_eq!(kept, sorted(&answered));
        assert!(!kept.contains(&(from + 15)));
    }
}

async fn stored(db: &Db) -> Vec<i64> {
    let rows = db.all("SELECT id FROM notes WHERE id < 1000000 ORDER BY id", []).await.unwrap();
    let first: Vec<i64> = rows.iter().map(|row| row.get("id").unwrap()).collect();
    let rows = db.all("SELECT id FROM notes WHERE id >= 1000000 ORDER BY id", []).await.unwrap();
    let second: Vec<i64> =
        rows.iter().map(|row| row.get::<i64>("id").unwrap() - 1_000_000).collect();
    assert_eq!(first, second, "half a transaction was kept");
    first
}

fn sorted(ids: &[i64]) -> Vec<i64> {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    ids
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_is_there_after_the_process_was_killed() {
    let place = Place::disk().await;
    counter(&place.db).await;
    place.db.execute("UPDATE counters SET n = 42 WHERE id = 1", []).await.unwrap();
    // The files as a killed process leaves them: log not yet copied into the database.
    let folder = tempfile::tempdir().unwrap();
    for suffix in ["", "-wal"] {
        let from = format!("{}{suffix}", place.file().display());
        std::fs::copy(from, folder.path().join(format!("data.db{suffix}"))).unwrap();
    }
    let db = open(&format!("sqlite://{}", folder.path().join("data.db").display())).await;
    assert_eq!(count(&db, 1).await, 42);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_finishes_what_was_handed_in() {
    let place = Place::disk().await;
    counter(&place.db).await;
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let db = place.db.clone();
            tokio::spawn(async move {
                db.execute("UPDATE counters SET n = n + 1 WHERE id = 1", []).await.is_ok()
            })
        })
        .collect();
    tokio::task::yield_now().await;
    place.db.close().await;
    let mut done = 0;
    for task in tasks {
        done += i64::from(task.await.unwrap());
    }
    assert_unavailable(place.db.ping().await);
    assert_unavailable(place.db.execute("UPDATE counters SET n = 0", []).await);
    place.db.close().await;
    let wal = format!("{}-wal", place.file().display());
    assert!(
        !std::path::Path::new(&wal).exists(),
        "the log is copied and removed by the last one who closes"
    );
    let db = open(&place.url).await;
    assert_eq!(count(&db, 1).await, done);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_the_last_handle_ends_the_threads() {
    let place = Place::disk().await;
    counter(&place.db).await;
    let wal = format!("{}-wal", place.file().display());
    let Place { db, .. } = place.clone();
    drop(db);
    assert!(std::path::Path::new(&wal).exists());
    let (file, url) = (place.file(), place.url.clone());
    let keep = tempfile::tempdir().unwrap();
    place.db.execute("UPDATE counters SET n = 9", []).await.unwrap();
    std::fs::hard_link(&file, keep.path().join("data.db")).unwrap();
    let again = place.again().await.unwrap();
    drop(again);
    drop(url);
    drop(place);
    for _ in 0..200 {
        if !std::path::Path::new(&wal).exists() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the connections are still open");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_files_are_readable_by_their_owner_only() {
    let place = Place::disk().await;
    counter(&place.db).await;
    for suffix in ["", "-wal", "-shm"] {
        let file = format!("{}{suffix}", place.file().display());
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_process_that_holds_the_lock_is_waited_for() {
    let place = Place::disk().await;
    counter(&place.db).await;
    let other = rusqlite::Connection::open(place.file()).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let holder = tokio::task::spawn_blocking(move || {
        std::thread::sleep(Duration::from_millis(1_500));
        other.execute_batch("ROLLBACK").unwrap();
    });
    let writes: Vec<_> = (0..16)
        .map(|_| {
            let db = place.db.clone();
            tokio::spawn(async move {
                db.execute("UPDATE counters SET n = n + 1 WHERE id = 1", []).await
            })
        })
        .collect();
    // WAL: whoever reads does not wait.
    assert_eq!(count(&place.db, 1).await, 0);
    for write in writes {
        write.await.unwrap().unwrap();
    }
    holder.await.unwrap();
    assert_eq!(count(&place.db, 1).await, 16);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_is_not_released_is_unavailable_and_recovers() {
    let place = Place::disk().await;
    counter(&place.db).await;
    let other = rusqlite::Connection::open(place.file()).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    assert_unavailable(place.db.execute("UPDATE counters SET n = 1", []).await);
    other.execute_batch("ROLLBACK").unwrap();
    place.db.execute("UPDATE counters SET n = 2", []).await.unwrap();
    assert_eq!(count(&place.db, 1).await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_handles_on_one_file_take_turns() {
    let place = Place::disk().await;
    counter(&place.db).await;
    let other = place.again().await.unwrap();
    let tasks: Vec<_> = (0..32)
        .map(|n| {
            let db = if n % 2 == 0 { place.db.clone() } else { other.clone() };
            tokio::spawn(async move {
                for _ in 0..10 {
                    db.execute("UPDATE counters SET n = n + 1 WHERE id = 1", []).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(count(&place.db, 1).await, 320);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_cannot_be_opened_says_which() {
    let folder = tempfile::tempdir().unwrap();
    let missing = format!("sqlite://{}", folder.path().join("none").join("data.db").display());
    let error = Db::open(&DbOptions::new(missing)).await.unwrap_err();
    assert!(
        matches!(&error, StorageError::Unavailable(cause) if cause.to_string().contains("none/data.db")),
        "{error:?}"
    );

    let text = folder.path().join("text");
    std::fs::write(&text, "this is no database, but it is long enough to be looked at".repeat(100))
        .unwrap();
    assert_refused(Db::open(&DbOptions::new(format!("sqlite://{}", text.display()))).await);
    for url in ["mysql://x", "sqlite://", "sqlite://a?mode=ro", "/tmp/x", ""] {
        assert_refused(Db::open(&DbOptions::new(url)).await);
    }
}
