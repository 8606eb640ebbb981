//! SQLite's writer commits its neighbours together, and no one pays for another one's mistake, or is told a lie.

use std::time::Duration;

use countersign_auth::storage::{Db, StorageError};

use countersign_auth::testing::{Place, open};

use super::{assert_refused, assert_unavailable, count, counter};

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
