//! The storage taken away.

use countersign_auth::{on_every_engine, testing::Place};

use super::{assert_unavailable, count, counter};

on_every_engine! {
    a_storage_that_is_taken_away_is_unavailable_until_it_is_back,
    the_next_calls_fail_and_no_more,
    a_closed_storage_is_unavailable,
}

async fn a_storage_that_is_taken_away_is_unavailable_until_it_is_back(place: Place) {
    let db = &place.db;
    counter(db).await;
    db.set_unavailable(true);
    assert_unavailable(db.ping().await);
    assert_unavailable(db.all("SELECT id FROM counters", []).await);
    assert_unavailable(db.execute("UPDATE counters SET n = 1", []).await);
    assert_unavailable(db.transaction(|_| Box::pin(async { Ok(()) })).await);
    db.set_unavailable(false);
    assert_eq!(count(db, 1).await, 0);
}

async fn the_next_calls_fail_and_no_more(place: Place) {
    let db = &place.db;
    counter(db).await;
    db.fail_next(2);
    assert_unavailable(db.execute("UPDATE counters SET n = 1", []).await);
    assert_unavailable(db.transaction(|_| Box::pin(async { Ok(()) })).await);
    db.execute("UPDATE counters SET n = n + 2", []).await.unwrap();
    assert_eq!(count(db, 1).await, 2);
}

async fn a_closed_storage_is_unavailable(place: Place) {
    counter(&place.db).await;
    place.db.close().await;
    assert_unavailable(place.db.ping().await);
    assert_unavailable(place.db.execute("UPDATE counters SET n = 1", []).await);
    assert_unavailable(place.db.transaction(|_| Box::pin(async { Ok(()) })).await);
}
