//! What an overview of an installation is told, one function for each promise, to be run on every engine.

#![expect(
    clippy::unwrap_used,
    reason = "a promise that is not kept fails the test where it stands"
)]

use std::time::Duration;

use jwt::{Clock as _, Timestamp};

use super::{PASSWORD, Place, TestAuth, conformance::account};
use crate::{Client, Config, Error, audit::Traffic, config::Store};

const HOUR: u64 = 3_600;

/// Spans of an hour each, so many, up to now and a second more.
fn hours(test: &TestAuth, count: i64) -> Vec<(Timestamp, Timestamp)> {
    let end = test.clock.now().seconds() + 1;
    let edge = |back: i64| Timestamp::new(end - back * 3_600);
    (0..count).rev().map(|back| (edge(back + 1), edge(back))).collect()
}

async fn wrong_login(test: &TestAuth) {
    let email = "nobody@example.com";
    let refused = test.auth.login(email, PASSWORD, &Client::default()).await;
    assert!(matches!(refused, Err(Error::InvalidCredentials)));
}

/// Logins, failures, refreshes and replays count where they happened, each event once.
pub async fn traffic_is_counted_in_the_span_it_was_in(place: Place) {
    let test = TestAuth::new(&place).await.unwrap();
    let user = account(&test).await;
    wrong_login(&test).await;
    wrong_login(&test).await;
    test.clock.advance(Duration::from_secs(HOUR));
    let first = test.auth.tokens_create(&user, &Client::default()).await.unwrap();
    test.auth.tokens_refresh(&first.refresh, &Client::default()).await.unwrap();
    test.clock.advance(Duration::from_secs(HOUR));
    let replayed = test.auth.tokens_refresh(&first.refresh, &Client::default()).await;
    assert!(matches!(replayed, Err(Error::InvalidGrant)));

    let found = test.auth.log().traffic(&hours(&test, 4)).await.unwrap();
    let none = Traffic::default();
    let expected = [
        none,
        Traffic { failures: 2, ..none },
        Traffic { logins: 1, refreshes: 1, ..none },
        Traffic { replays: 1, ..none },
    ];
    assert_eq!(found, expected);
    // Before the edge of a span, and not on it.
    let now = test.clock.now();
    let later = Timestamp::new(now.seconds() + 1);
    let ends_now = [(Timestamp::new(0), now), (now, later)];
    let found = test.auth.log().traffic(&ends_now).await.unwrap();
    assert_eq!(found.iter().map(|span| span.replays).collect::<Vec<_>>(), [0, 1]);
    assert!(test.auth.log().traffic(&[]).await.unwrap().is_empty());
}

/// As many spans as are asked for are answered, in their order.
pub async fn more_spans_are_counted_than_one_statement_takes(place: Place) {
    let test = TestAuth::new(&place).await.unwrap();
    for _ in 0..3 {
        wrong_login(&test).await;
        test.clock.advance(Duration::from_secs(35 * HOUR));
    }
    let spans = hours(&test, 106);
    let found = test.auth.log().traffic(&spans).await.unwrap();
    assert_eq!(found.len(), spans.len());
    let at: Vec<usize> =
        (0..found.len()).filter(|place| found.get(*place).unwrap().failures > 0).collect();
    assert_eq!(at, [0, 35, 70]);
}

/// Sessions by cookie, in either store, and by tokens are counted while they live.
pub async fn live_sessions_are_counted_and_dead_ones_are_not(place: Place) {
    for store in [Store::Database, Store::Memory] {
        let mut config = Config::default();
        config.sessions.store = store;
        let test = TestAuth::with(&place, config).await.unwrap();
        let user = account(&test).await;
        let before = test.auth.sessions_count().await.unwrap();
        let (session, _) = test.auth.session_create(&user, &Client::default(), None).await.unwrap();
        test.auth.session_create(&user, &Client::default(), None).await.unwrap();
        let tokens = test.auth.tokens_create(&user, &Client::default()).await.unwrap();
        let now = test.auth.sessions_count().await.unwrap();
        assert_eq!(now, (before.0 + 2, before.1 + 1));

        test.auth.session_end(user.id, session.id).await.unwrap();
        test.auth.session_end(user.id, tokens.session).await.unwrap();
        let ended = test.auth.sessions_count().await.unwrap();
        assert_eq!(ended, (before.0 + 1, before.1));
        // Idle for longer than it may be: its row is still there.
        test.clock.advance(Duration::from_secs(13 * HOUR));
        assert_eq!(test.auth.sessions_count().await.unwrap(), (0, 0));
    }
}

/// Who looks learns which instance does the periodic work, and until when.
pub async fn the_instance_that_does_the_work_is_named(place: Place) {
    let test = TestAuth::new(&place).await.unwrap();
    let other = TestAuth::on_clock(&place, Config::default(), test.clock.clone()).await.unwrap();
    assert_ne!(test.auth.instance(), other.auth.instance());
    assert!(test.auth.run_job("sweep").await.unwrap());
    assert!(!other.auth.run_job("sweep").await.unwrap());
    for auth in [&test.auth, &other.auth] {
        let leases = auth.leases().await.unwrap();
        let lease = leases.iter().find(|lease| lease.job == "sweep").unwrap();
        assert_eq!(lease.instance, test.auth.instance());
        assert!(lease.until > test.clock.now());
    }
}
