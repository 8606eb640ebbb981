//! What periodic work promises, one function for each promise, to be run on every engine.

#![expect(
    clippy::unwrap_used,
    reason = "a promise that is not kept fails the test where it stands"
)]

use std::time::Duration;

use futures_util::future::join_all;

use super::{Place, TestAuth, conformance::account};
use crate::{Client, Config};

/// Of several instances one does the work, however often and however close together they ask.
pub async fn one_of_several_instances_does_a_job(place: Place) {
    let mut instances = Vec::new();
    for _ in 0..4 {
        instances.push(TestAuth::new(&place).await.unwrap());
    }
    let mut holders = Vec::new();
    for _ in 0..5 {
        let asked = join_all(instances.iter().map(|test| test.auth.run_job("sweep"))).await;
        let ran: Vec<bool> = asked.into_iter().map(Result::unwrap).collect();
        assert_eq!(ran.iter().filter(|ran| **ran).count(), 1, "{ran:?}");
        holders.push(ran);
    }
    assert!(holders.windows(2).all(|pair| pair.first() == pair.last()), "{holders:?}");
}

/// The lease of an instance that is gone passes to another one, when it has run out and not before.
pub async fn the_lease_of_a_dead_instance_passes_on(place: Place) {
    let (dead, alive) =
        (TestAuth::new(&place).await.unwrap(), TestAuth::new(&place).await.unwrap());
    assert!(dead.auth.run_job("sweep").await.unwrap());
    let seconds = Duration::from_secs;
    for test in [&dead, &alive] {
        test.clock.advance(seconds(600));
    }
    assert!(dead.auth.run_job("sweep").await.unwrap(), "renewed");
    drop(dead);
    alive.clock.advance(seconds(899));
    assert!(!alive.auth.run_job("sweep").await.unwrap());
    alive.clock.advance(seconds(1));
    assert!(alive.auth.run_job("sweep").await.unwrap());
    assert!(alive.auth.run_job("sweep").await.unwrap());
}

/// The lease of an instance whose clock was far ahead passes to one whose clock is right, and not one of a clock that is a
/// little ahead.
pub async fn a_lease_from_the_future_keeps_nobody_from_the_work(place: Place) {
    let (ahead, right) =
        (TestAuth::new(&place).await.unwrap(), TestAuth::new(&place).await.unwrap());
    ahead.clock.advance(Duration::from_secs(300));
    assert!(ahead.auth.run_job("sweep").await.unwrap());
    assert!(!right.auth.run_job("sweep").await.unwrap());
    ahead.clock.advance(Duration::from_secs(86_400));
    assert!(ahead.auth.run_job("sweep").await.unwrap());
    assert!(right.auth.run_job("sweep").await.unwrap());
}

/// Logins that have run out are swept, whosever they are and however many; those alive stay.
pub async fn dead_logins_are_swept(place: Place) {
    let test = TestAuth::new(&place).await.unwrap();
    let rows = async |sql| test.auth.db().all(sql, []).await.unwrap().len();
    let counts = async || {
        (rows("SELECT id FROM sessions").await, rows("SELECT session_id FROM refresh_tokens").await)
    };
    for _ in 0..2 {
        let user = account(&test).await;
        for _ in 0..3 {
            test.auth.session_create(&user, &Client::default(), None).await.unwrap();
            test.auth.tokens_create(&user, &Client::default()).await.unwrap();
        }
    }
    assert!(test.auth.run_job("sweep").await.unwrap());
    assert_eq!(counts().await, (6, 6));
    let config = Config::default();
    test.clock.advance(config.sessions.idle + Duration::from_secs(1));
    let user = account(&test).await;
    test.auth.session_create(&user, &Client::default(), None).await.unwrap();
    test.auth.run_job("sweep").await.unwrap();
    assert_eq!(counts().await, (1, 6));
    test.clock.advance(config.tokens.refresh_lifetime - config.sessions.idle);
    test.auth.tokens_create(&user, &Client::default()).await.unwrap();
    test.auth.run_job("sweep").await.unwrap();
    assert_eq!(counts().await, (0, 1));
}

/// More dead rows than one statement removes are gone after one run.
pub async fn a_sweep_goes_on_batch_after_batch(place: Place) {
    let test = TestAuth::new(&place).await.unwrap();
    let user = account(&test).await;
    let id = user.id.0;
    test.auth
        .db()
        .transaction(move |tx| {
            Box::pin(async move {
                for number in 0..2_500_u128 {
                    let session = uuid::Uuid::from_u128(number);
                    tx.execute(
                        "INSERT INTO refresh_tokens (session_id, user_id, counter, first_uses,
                             access_expires_at, device, address, created_at, last_used_at)
                         VALUES ($1, $2, 1, $3, 1, '', '', 1, 1)",
                        [session.into(), id.into(), Vec::<u8>::new().into()],
                    )
                    .await?;
                }
                Ok(())
            })
        })
        .await
        .unwrap();
    test.auth.run_job("sweep").await.unwrap();
    let left = test.auth.db().all("SELECT session_id FROM refresh_tokens", []).await.unwrap();
    assert!(left.is_empty(), "{}", left.len());
}
