//! PostgreSQL goes away and comes back.

use std::time::{Duration, Instant};

use countersign_auth::storage::{Db, DbOptions, StorageError};

use countersign_auth::testing::{Place, administer};

use super::{assert_refused, assert_unavailable, count, counter};

/// Ends every connection to the test's database, as a restart of the server does.
async fn cut(place: &Place) {
    let sql = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'",
        place.database()
    );
    administer(&sql).await;
}

/// Opens as many connections as the pool has.
async fn fill(db: &Db) {
    let tasks: Vec<_> = (0..32)
        .map(|_| {
            let db = db.clone();
            tokio::spawn(async move { db.optional("SELECT pg_sleep(0.05)", []).await.map(drop) })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_died_while_idle_are_no_error() {
    let Some(place) = Place::postgres().await else {
        return;
    };
    let db = &place.db;
    counter(db).await;
    for round in 1..=5 {
        fill(db).await;
        cut(&place).await;
        let reads: Vec<_> = (0..32)
            .map(|_| {
                let db = db.clone();
                tokio::spawn(async move { count(&db, 1).await })
            })
            .collect();
        for read in reads {
            read.await.unwrap();
        }
        fill(db).await;
        cut(&place).await;
        let write = db.transaction(|tx| {
            Box::pin(
                async move { tx.execute("UPDATE counters SET n = n + 1 WHERE id = 1", []).await },
            )
        });
        write.await.unwrap();
        assert_eq!(count(db, 1).await, round);
    }
    place.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_cut_in_the_middle_runs_again() {
    let Some(place) = Place::postgres().await else {
        return;
    };
    let db = &place.db;
    counter(db).await;
    let work = {
        let db = db.clone();
        tokio::spawn(async move {
            db.transaction(|tx| {
                Box::pin(async move {
                    tx.execute("UPDATE counters SET n = n + 1 WHERE id = 1", []).await?;
                    tokio::time::sleep(Duration::from_millis(300)).await;
                    tx.execute("UPDATE counters SET n = n + 1 WHERE id = 2", []).await
                })
            })
            .await
        })
    };
    tokio::time::sleep(Duration::from_millis(100)).await;
    cut(&place).await;
    work.await.unwrap().unwrap();
    assert_eq!((count(db, 1).await, count(db, 2).await), (1, 1));
    place.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_goes_away_is_unavailable_and_comes_back() {
    let Some(place) = Place::postgres().await else {
        return;
    };
    let db = &place.db;
    counter(db).await;
    let name = place.database();
    administer(&format!("ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false")).await;
    cut(&place).await;
    let start = Instant::now();
    assert_unavailable(db.ping().await);
    assert_unavailable(db.execute("UPDATE counters SET n = 1", []).await);
    assert_unavailable(db.transaction(|_| Box::pin(async { Ok(()) })).await);
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    administer(&format!("ALTER DATABASE {name} WITH ALLOW_CONNECTIONS true")).await;
    assert_eq!(count(db, 1).await, 0);
    place.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_not_there_is_unavailable_at_once() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let start = Instant::now();
    assert_unavailable(Db::open(&DbOptions::new(format!("postgres://me@{free}/db"))).await);
    assert!(start.elapsed() < Duration::from_secs(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_does_not_answer_is_unavailable_in_two_seconds() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let start = Instant::now();
    assert_unavailable(
        Db::open(&DbOptions::new(format!("postgres://me@{}/db", silent.local_addr().unwrap())))
            .await,
    );
    assert!(start.elapsed() < Duration::from_millis(2_500), "{:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_that_is_used_up_is_unavailable_in_two_seconds() {
    let Some(place) = Place::postgres().await else {
        return;
    };
    let db = &place.db;
    let sleepers: Vec<_> = (0..16)
        .map(|_| {
            let db = db.clone();
            tokio::spawn(async move { db.optional("SELECT pg_sleep(3)", []).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let start = Instant::now();
    assert_unavailable(db.ping().await);
    assert!(start.elapsed() < Duration::from_millis(2_500), "{:?}", start.elapsed());
    for sleeper in sleepers {
        sleeper.await.unwrap().unwrap();
    }
    db.ping().await.unwrap();
    place.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_takes_too_long_is_unavailable() {
    let Some(place) = Place::postgres().await else {
        return;
    };
    let start = Instant::now();
    assert_unavailable(place.db.optional("SELECT pg_sleep(30)", []).await);
    assert!(start.elapsed() < Duration::from_millis(5_500), "{:?}", start.elapsed());
    place.db.ping().await.unwrap();
    place.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_prepared_before_a_migration_go_on_after_it() {
    let Some(place) = Place::postgres().await else {
        return;
    };
    let db = &place.db;
    counter(db).await;
    let read = "SELECT * FROM counters WHERE id = 1";
    for n in ["a", "b", "c"] {
        fill_with(db, read).await;
        let sql: &'static str = match n {
            "a" => "ALTER TABLE counters ADD COLUMN a TEXT",
            "b" => "ALTER TABLE counters ADD COLUMN b TEXT",
            _ => "ALTER TABLE counters DROP COLUMN a",
        };
        db.execute(sql, []).await.unwrap();
        let changed = db
            .transaction(move |tx| {
                Box::pin(async move { tx.optional(read, []).await.map(|row| row.is_some()) })
            })
            .await;
        assert!(changed.unwrap());
        fill_with(db, read).await;
    }
    place.remove().await;
}

async fn fill_with(db: &Db, sql: &'static str) {
    let tasks: Vec<_> = (0..32)
        .map(|_| {
            let db = db.clone();
            tokio::spawn(async move { db.all(sql, []).await.map(drop) })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_pooler_there_are_no_named_statements() {
    let Some(place) = Place::postgres().await else {
        return;
    };
    let mut options = DbOptions::new(&place.url);
    options.pooler = true;
    let db = Db::open(&options).await.unwrap();
    counter(&db).await;
    db.transaction(|tx| {
        Box::pin(async move {
            tx.execute("UPDATE counters SET n = $1 WHERE id = $2", [3.into(), 1.into()]).await?;
            let names = tx.all("SELECT name FROM pg_prepared_statements", []).await?;
            assert!(names.is_empty());
            Ok(())
        })
    })
    .await
    .unwrap();
    assert_eq!(count(&db, 1).await, 3);
    let error =
        db.execute("INSERT INTO counters (id, n) VALUES ($1, 1)", [1.into()]).await.unwrap_err();
    assert_eq!(error.conflict(), Some("counters_pkey"));
    assert_refused(db.all("SELECT nothing FROM counters WHERE id = $1", [1.into()]).await);
    db.close().await;
    place.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_url_that_asks_for_tls_is_refused() {
    for mode in ["require", "verify-ca", "verify-full"] {
        let url = format!("postgres://me@127.0.0.1:1/db?sslmode={mode}");
        let error = Db::open(&DbOptions::new(url)).await.unwrap_err();
        assert!(
            matches!(&error, StorageError::Refused(cause) if cause.to_string().contains("TLS")),
            "{error:?}"
        );
    }
}
