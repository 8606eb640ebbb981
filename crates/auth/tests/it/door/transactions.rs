//! All or nothing, one after the other.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use countersign_auth::storage::{Engine, StorageError, Tx};

use countersign_auth::{on_every_engine, testing::Place};

use super::{assert_refused, count, counter};

on_every_engine! {
    a_transaction_is_kept_when_it_ends_well,
    an_error_rolls_back,
    a_panic_rolls_back,
    a_value_may_roll_back,
    going_on_after_a_failed_statement_is_refused,
    a_caught_conflict_may_end_with_a_value,
    a_transaction_sees_its_own_writes,
    concurrent_transactions_count_exactly,
    concurrent_statements_count_exactly,
    check_and_insert_is_serializable,
    a_dropped_transaction_leaves_nothing,
    transaction_commands_are_refused_inside,
    readers_see_what_was_answered,
}

async fn add(tx: &mut Tx, id: i64, n: i64) -> Result<i64, StorageError> {
    let row = tx
        .optional("UPDATE counters SET n = n + $2 WHERE id = $1 RETURNING n", [id.into(), n.into()])
        .await?;
    row.ok_or_else(|| StorageError::Refused("no such counter".into()))?.get("n")
}

async fn a_transaction_is_kept_when_it_ends_well(place: Place) {
    counter(&place.db).await;
    let sum = place
        .db
        .transaction(|tx| {
            Box::pin(async move {
                let one = add(tx, 1, 5).await?;
                let two = add(tx, 2, -5).await?;
                assert_eq!(tx.all("SELECT id FROM counters", []).await?.len(), 2);
                Ok(one + two)
            })
        })
        .await
        .unwrap();
    assert_eq!(sum, 0);
    assert_eq!((count(&place.db, 1).await, count(&place.db, 2).await), (5, -5));
}

async fn an_error_rolls_back(place: Place) {
    counter(&place.db).await;
    let result: Result<(), _> = place
        .db
        .transaction(|tx| {
            Box::pin(async move {
                add(tx, 1, 5).await?;
                Err(StorageError::Refused("on purpose".into()))
            })
        })
        .await;
    assert!(
        matches!(&result, Err(StorageError::Refused(cause)) if cause.to_string() == "on purpose")
    );
    let failing = place
        .db
        .transaction(|tx| {
            Box::pin(async move {
                add(tx, 1, 5).await?;
                tx.execute("INSERT INTO counters (id, n) VALUES (1, 1)", []).await
            })
        })
        .await;
    assert_eq!(failing.unwrap_err().conflict(), Some("counters_pkey"));
    assert_eq!(count(&place.db, 1).await, 0);
}

async fn a_panic_rolls_back(place: Place) {
    counter(&place.db).await;
    let result: Result<(), _> = place
        .db
        .transaction(|tx| {
            Box::pin(async move {
                add(tx, 1, 5).await?;
                panic!("on purpose")
            })
        })
        .await;
    assert_refused(result);
    let result: Result<(), _> = place.db.transaction(|_| panic!("on purpose, earlier")).await;
    assert_refused(result);
    assert_eq!(count(&place.db, 1).await, 0);
}

async fn a_value_may_roll_back(place: Place) {
    counter(&place.db).await;
    let seen = place
        .db
        .transaction(|tx| {
            Box::pin(async move {
                let seen = add(tx, 1, 5).await?;
                tx.roll_back();
                Ok(seen)
            })
        })
        .await;
    assert_eq!(seen.unwrap(), 5);
    assert_eq!(count(&place.db, 1).await, 0);
}

async fn going_on_after_a_failed_statement_is_refused(place: Place) {
    counter(&place.db).await;
    let result = place
        .db
        .transaction(|tx| {
            Box::pin(async move {
                add(tx, 1, 5).await?;
                let _ = tx.execute("INSERT INTO counters (id, n) VALUES (1, 1)", []).await;
                Ok(())
            })
        })
        .await;
    assert_refused(result);
    let result = place
        .db
        .transaction(|tx| {
            Box::pin(async move {
                let _ = tx.execute("INSERT INTO counters (id, n) VALUES (1, 1)", []).await;
                add(tx, 1, 5).await
            })
        })
        .await;
    assert_refused(result);
    assert_eq!(count(&place.db, 1).await, 0);
}

async fn a_caught_conflict_may_end_with_a_value(place: Place) {
    counter(&place.db).await;
    let result = place
        .db
        .transaction(|tx| {
            Box::pin(async move {
                add(tx, 2, 5).await?;
                match tx.execute("INSERT INTO counters (id, n) VALUES (1, 1)", []).await {
                    Err(StorageError::Conflict { .. }) => {
                        tx.roll_back();
                        Ok("taken")
                    }
                    result => result.map(|_| "new"),
                }
            })
        })
        .await;
    assert_eq!(result.unwrap(), "taken");
    assert_eq!(count(&place.db, 2).await, 0);
}

async fn a_transaction_sees_its_own_writes(place: Place) {
    counter(&place.db).await;
    let result = place
        .db
        .transaction(|tx| {
            Box::pin(async move {
                add(tx, 1, 5).await?;
                tx.optional("SELECT n FROM counters WHERE id = 1", [])
                    .await?
                    .unwrap()
                    .get::<i64>("n")
            })
        })
        .await;
    assert_eq!(result.unwrap(), 5);
}

async fn concurrent_transactions_count_exactly(place: Place) {
    counter(&place.db).await;
    let tasks: Vec<_> = (0..64)
        .map(|_| {
            let db = place.db.clone();
            tokio::spawn(async move {
                for _ in 0..4 {
                    let done = db.transaction(|tx| {
                        Box::pin(async move {
                            let row =
                                tx.optional("SELECT n FROM counters WHERE id = 1", []).await?;
                            let n: i64 = row.unwrap().get("n")?;
                            tx.execute("UPDATE counters SET n = $1 WHERE id = 1", [(n + 1).into()])
                                .await?;
                            add(tx, 2, 1).await
                        })
                    });
                    done.await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!((count(&place.db, 1).await, count(&place.db, 2).await), (256, 256));
}

async fn concurrent_statements_count_exactly(place: Place) {
    counter(&place.db).await;
    let tasks: Vec<_> = (0..64)
        .map(|_| {
            let db = place.db.clone();
            tokio::spawn(async move {
                for _ in 0..20 {
                    let done = db.execute("UPDATE counters SET n = n + 1 WHERE id = 1", []).await;
                    assert_eq!(done.unwrap(), 1);
                    assert!(count(&db, 1).await > 0);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(count(&place.db, 1).await, 64 * 20);
}

/// Two transactions that each look, find room for one, and take it: on PostgreSQL this is what 40001 is for.
async fn check_and_insert_is_serializable(place: Place) {
    counter(&place.db).await;
    let runs = Arc::new(AtomicU32::new(0));
    let pause = if place.db.engine() == Engine::Postgres {
        Duration::from_millis(200)
    } else {
        Duration::ZERO
    };
    let take = |id: i64| {
        let (db, runs) = (place.db.clone(), runs.clone());
        tokio::spawn(async move {
            db.transaction(move |tx| {
                let runs = runs.clone();
                Box::pin(async move {
                    runs.fetch_add(1, Ordering::Relaxed);
                    let taken = tx.all("SELECT id FROM counters WHERE n > 0", []).await?.len();
                    if !pause.is_zero() {
                        tokio::time::sleep(pause).await;
                    }
                    if taken > 0 {
                        return Ok(false);
                    }
                    add(tx, id, 1).await?;
                    Ok(true)
                })
            })
            .await
        })
    };
    let (one, two) = tokio::join!(take(1), take(2));
    let won = [one.unwrap().unwrap(), two.unwrap().unwrap()];
    assert_eq!(won.iter().filter(|won| **won).count(), 1, "{won:?}");
    assert_eq!(count(&place.db, 1).await + count(&place.db, 2).await, 1);
    let expected = if place.db.engine() == Engine::Postgres { 3 } else { 2 };
    assert_eq!(runs.load(Ordering::Relaxed), expected);
}

async fn a_dropped_transaction_leaves_nothing(place: Place) {
    counter(&place.db).await;
    for milliseconds in 0..20 {
        let db = place.db.clone();
        let work = db.transaction(|tx| {
            Box::pin(async move {
                add(tx, 1, 1).await?;
                let row = tx.optional("SELECT n FROM counters WHERE id = 2", []).await?.unwrap();
                let n: i64 = row.get("n")?;
                tx.execute("UPDATE counters SET n = $1 WHERE id = 2", [(n + 1).into()]).await
            })
        });
        let _ = tokio::time::timeout(Duration::from_micros(milliseconds * 100), work).await;
    }
    // Both moved or none did, also while the last ones are still on their way, and no connection was left inside of a
    // transaction.
    let both = "SELECT SUM(CASE id WHEN 1 THEN n ELSE -n END) = 0 AS equal FROM counters";
    for _ in 0..40 {
        let row = place.db.optional(both, []).await.unwrap().unwrap();
        assert!(row.get::<bool>("equal").unwrap());
    }
    for _ in 0..40 {
        place.db.execute("UPDATE counters SET n = 7", []).await.unwrap();
    }
    assert_eq!(count(&place.db, 1).await, 7);
}

async fn transaction_commands_are_refused_inside(place: Place) {
    counter(&place.db).await;
    for sql in ["COMMIT", "ROLLBACK", "RELEASE job"] {
        let result = place
            .db
            .transaction(move |tx| {
                Box::pin(async move {
                    add(tx, 1, 1).await?;
                    tx.execute(sql, []).await
                })
            })
            .await;
        assert_refused(result);
    }
    assert_eq!(count(&place.db, 1).await, 0);
}

async fn readers_see_what_was_answered(place: Place) {
    counter(&place.db).await;
    for n in 1..200 {
        place.db.execute("UPDATE counters SET n = $1 WHERE id = 1", [n.into()]).await.unwrap();
        assert_eq!(count(&place.db, 1).await, n);
    }
}
