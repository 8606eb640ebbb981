use std::{
    error::Error as _,
    sync::atomic::{AtomicUsize, Ordering},
};

use jwt::Clock as _;

use super::*;
use crate::{storage::DbOptions, testing::TestClock};

async fn db() -> Db {
    let db = Db::open(&DbOptions::new("sqlite::memory:")).await.expect("open");
    db.execute(
        "CREATE TABLE leases (name TEXT PRIMARY KEY, holder BLOB NOT NULL, expires_at INTEGER NOT NULL) STRICT",
        [],
    )
    .await
    .expect("made");
    db
}

fn jobs(db: &Db, holder: u128, clock: &TestClock, job: Job) -> Jobs {
    Jobs::start(db, &Clock::new(clock.clone()), Uuid::from_u128(holder), vec![job])
}

#[tokio::test]
async fn a_run_that_fails_or_panics_ends_alone() {
    let (db, clock) = (db().await, TestClock::default());
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let job = Job::new("work", Duration::from_millis(2), move || {
        let run = counted.fetch_add(1, Ordering::Relaxed);
        async move {
            match run {
                0 => Err(Error::NotFound),
                1 => panic!("on purpose"),
                _ => Ok(()),
            }
        }
    });
    let jobs = jobs(&db, 1, &clock, job);
    while runs.load(Ordering::Relaxed) < 4 {
        sleep(Duration::from_millis(1)).await;
    }
    drop(jobs);
}

#[tokio::test]
async fn a_run_that_hangs_is_given_up_and_its_lease_renewed_until_then() {
    let (db, clock) = (db().await, TestClock::default());
    let hangs = Job {
        timeout: Duration::from_millis(200),
        ..Job::new("work", Duration::from_millis(1), std::future::pending)
    };
    let here = jobs(&db, 1, &clock, hangs);
    let idle = Job::new("work", Duration::from_secs(60), async || Ok(()));
    let there = jobs(&db, 2, &clock, idle);
    let run = tokio::spawn(async move { here.run("work").await });
    let expires_at = async || {
        let row = db.optional("SELECT expires_at FROM leases", []).await.expect("read");
        row.map_or(0, |row| row.get::<i64>("expires_at").expect("a time"))
    };
    for _ in 0..5 {
        while expires_at().await != clock.now().seconds() + 3 {
            tokio::task::yield_now().await;
        }
        clock.advance(Duration::from_secs(2));
        assert!(!there.run("work").await.expect("asked"), "it is renewed");
    }
    let outcome = run.await.expect("it ends");
    assert!(
        outcome
            .expect_err("given up")
            .source()
            .is_some_and(|why| why.to_string().contains("too long"))
    );
}

#[tokio::test]
async fn jobs_end_with_what_holds_them() {
    let (db, clock) = (db().await, TestClock::default());
    let held = Arc::new(());
    let inside = Arc::clone(&held);
    let job = Job::new("work", Duration::from_secs(60), move || {
        let inside = Arc::clone(&inside);
        async move {
            drop(inside);
            Ok(())
        }
    });
    drop(jobs(&db, 1, &clock, job));
    while Arc::strong_count(&held) > 1 {
        tokio::task::yield_now().await;
    }
}
