//! What deliveries of events promise, one function for each promise, to be run on every engine, against a receiver on
//! loopback.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a promise that is not kept fails the test where it stands"
)]

use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

use jwt::{Clock as _, Timestamp};
use serde_json::json;
use tempfile::NamedTempFile;
use uuid::Uuid;

use super::{
    PASSWORD, Place, TestAuth, TestClock,
    post_office::closed_address,
    receiver::{Receiver, Reply, Request},
    work::counted,
};
use crate::{
    Auth, Client, Clock, Config,
    audit::{
        Act, Actor, By,
        storage::{event_by_id, record_alone},
    },
    roles::Roles,
    storage::Db,
    users::{NewUser, UserId},
    webhooks::storage::{CLAIM, deliveries_add, deliveries_due, deliveries_waiting, delivery_take},
};

/// As long as it may take on a busy machine until something that has to come has come.
const PATIENCE: Duration = Duration::from_secs(60);
/// The secret of the tests, 24 bytes.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// An installation that sends its events to this address.
async fn sending(db: &Db, to: SocketAddr, clock: &TestClock) -> TestAuth {
    let secret = NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), SECRET).unwrap();
    let mut config = Config::default();
    config.webhooks.url = Some(format!("http://{to}/in").parse().unwrap());
    config.webhooks.secret_file = Some(secret.path().to_owned());
    config.webhooks.allow_private = true;
    // Nothing that the promises do is owed by itself: they say what is.
    config.webhooks.events = vec!["administrator.*".to_owned()];
    let builder = Auth::builder(config).db(db.clone()).clock(Clock::new(clock.clone()));
    TestAuth { auth: builder.build().await.unwrap(), clock: clock.clone() }
}

/// Something happens, by somebody at an address.
async fn event(test: &TestAuth, act: Act) -> Uuid {
    let client = Client { address: "198.51.100.7".parse().ok(), ..Client::default() };
    let by = By { actor: Actor::Operator, client, session: None };
    let (db, user) = (test.auth.db(), UserId(test.auth.ids().next()));
    record_alone(db, test.auth.acting(by).scribe(), Some(user), None, act).await.unwrap();
    let row = db.optional("SELECT id FROM events WHERE user_id = $1", [user.0.into()]).await;
    row.unwrap().unwrap().get("id").unwrap()
}

/// It is owed to the receiver, as the step that seals events says it.
async fn owe(test: &TestAuth, id: Uuid) {
    let now = test.clock.now();
    let added = test
        .auth
        .db()
        .transaction(move |tx| Box::pin(async move { deliveries_add(tx, &[id], now).await }));
    added.await.unwrap();
}

async fn happens(test: &TestAuth) -> Uuid {
    let id = event(test, Act::UserRenamed).await;
    owe(test, id).await;
    id
}

async fn until_waiting(db: &Db, deliveries: i64) {
    let begun = std::time::Instant::now();
    loop {
        let (waiting, _) = deliveries_waiting(db).await.unwrap();
        if waiting == deliveries {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{waiting} deliveries wait");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// How often each delivery was tried in vain, and when it is tried again.
async fn notes(db: &Db) -> Vec<(i64, i64)> {
    let rows =
        db.all("SELECT attempts, due_at FROM deliveries ORDER BY event_id", []).await.unwrap();
    rows.iter().map(|row| (row.get("attempts").unwrap(), row.get("due_at").unwrap())).collect()
}

/// Waits until the first delivery was tried in vain so often, and returns when it is tried again.
async fn until_tried(db: &Db, attempts: i64) -> i64 {
    let begun = std::time::Instant::now();
    loop {
        let notes = notes(db).await;
        if let Some((_, due)) = notes.first().filter(|(tried, _)| *tried == attempts) {
            return *due;
        }
        assert!(begun.elapsed() < PATIENCE, "{notes:?} in place of {attempts} attempts");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn ids(requests: &[Request]) -> BTreeSet<String> {
    requests.iter().map(|request| request.id().to_owned()).collect()
}

/// What the receiver computes, with a library of its own.
fn is_signed(request: &Request) -> bool {
    let secret = base64_turbo::STANDARD.decode(&SECRET["whsec_".len()..]).unwrap();
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &secret);
    let signed =
        format!("{}.{}.{}", request.id(), request.header("webhook-timestamp"), request.body);
    let signature = request.header("webhook-signature").strip_prefix("v1,").unwrap();
    let signature = base64_turbo::STANDARD.decode(signature).unwrap();
    aws_lc_rs::hmac::verify(&key, signed.as_bytes(), &signature).is_ok()
}

/// An event arrives as the log has it, signed, and leaves nothing behind.
pub async fn an_event_is_sent_signed_and_its_delivery_vanishes(place: Place) {
    let receiver = Receiver::open().await;
    let test = sending(&place.db, receiver.address(), &TestClock::default()).await;
    let (from, to) = (Roles::from_stored("user"), Roles::from_stored("admin user"));
    let act = Act::UserRolesChanged { from, to };
    let id = event(&test, act).await;
    owe(&test, id).await;
    let request = &receiver.until(1).await[0];
    until_waiting(&place.db, 0).await;
    assert_eq!((request.line.as_str(), request.id()), ("POST /in HTTP/1.1", &*id.to_string()));
    assert_eq!(request.header("webhook-timestamp"), "1800000000");
    assert!(is_signed(request));
    let mut known = event_by_id(&place.db, id).await.unwrap().unwrap().to_json();
    // It may be sealed by now.
    known["number"] = request.json()["data"]["number"].clone();
    let expected =
        json!({ "type": "user.roles_changed", "timestamp": "2027-01-15T08:00:00Z", "data": known });
    assert_eq!(request.json(), expected);
    assert_eq!(known["details"]["to"], json!(["admin", "user"]));
    assert_eq!(known["address"], "198.51.100.7");
}

/// What was done while the receiver was down, and this server after it, arrives when both are back.
pub async fn events_outlast_a_receiver_that_is_down(place: Place) {
    let (address, clock) = (closed_address().await, TestClock::default());
    let test = sending(&place.db, address, &clock).await;
    for _ in 0..3 {
        happens(&test).await;
    }
    drop(test);
    // What the first one had taken is nobody's by now.
    clock.advance(Duration::from_secs(CLAIM.unsigned_abs()));
    let test = sending(&place.db, address, &clock).await;
    let receiver = Receiver::at(address, false).await;
    let begun = std::time::Instant::now();
    while ids(&receiver.requests()).len() < 3 {
        assert!(begun.elapsed() < PATIENCE, "{} of 3 events came", receiver.requests().len());
        test.clock.advance(Duration::from_secs(1));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    until_waiting(&place.db, 0).await;
    assert_eq!(receiver.requests().len(), 3);
}

/// Of two instances one sends an event.
pub async fn two_instances_send_each_event_once(place: Place) {
    let (receiver, clock) = (Receiver::open().await, TestClock::default());
    let here = sending(&place.db, receiver.address(), &clock).await;
    let db = place.again().await.unwrap_or_else(|| place.db.clone());
    let _there = sending(&db, receiver.address(), &clock).await;
    let mut all = BTreeSet::new();
    for _ in 0..40 {
        let (id, now) = (event(&here, Act::UserRenamed).await, clock.now());
        let twice = place.db.transaction(move |tx| {
            Box::pin(async move {
                deliveries_add(tx, &[id], now).await?;
                deliveries_add(tx, &[id], now).await
            })
        });
        twice.await.unwrap();
        all.insert(id.to_string());
    }
    receiver.until(all.len()).await;
    until_waiting(&place.db, 0).await;
    let requests = receiver.requests();
    assert_eq!((ids(&requests), requests.len()), (all, 40));
}

/// What an instance had taken when it died is taken by another one, when nobody can have it any more and not before.
pub async fn what_a_dead_instance_had_taken_is_sent_by_another(place: Place) {
    let (clock, receiver) = (TestClock::default(), Receiver::open().await);
    let noting = TestAuth::on_clock(&place, Config::default(), clock.clone()).await.unwrap();
    let id = happens(&noting).await;
    let due = deliveries_due(&place.db, clock.now()).await.unwrap()[0];
    let taken = delivery_take(&place.db, due, clock.now()).await.unwrap();
    assert_eq!(taken.map(|taken| taken.event), Some(id));
    assert!(delivery_take(&place.db, due, clock.now()).await.unwrap().is_none(), "it is taken");
    let test = sending(&place.db, receiver.address(), &clock).await;
    clock.advance(Duration::from_secs(CLAIM.unsigned_abs() - 1));
    let other = happens(&test).await;
    assert_eq!(receiver.until(1).await[0].id(), other.to_string());
    until_waiting(&place.db, 1).await;
    clock.advance(Duration::from_secs(1));
    assert_eq!(receiver.until(2).await[1].id(), id.to_string());
    until_waiting(&place.db, 0).await;
}

/// What the receiver does not take is sent again later, as the same event with a signature of its own.
pub async fn an_event_that_is_not_taken_is_sent_again_as_the_same(place: Place) {
    let receiver = Receiver::open().await;
    let replies = [
        Reply::Status(404),
        Reply::With(302, "location", "/elsewhere"),
        Reply::Status(500),
        Reply::HangsUp,
    ];
    receiver.next(&replies);
    let test = sending(&place.db, receiver.address(), &TestClock::default()).await;
    let id = happens(&test).await;
    for attempts in 1..=replies.len() {
        let due = until_tried(&place.db, i64::try_from(attempts).unwrap()).await;
        assert!(due > test.clock.now().seconds());
        // Not before.
        test.clock.set(Timestamp::new(due - 1));
        assert!(deliveries_due(&place.db, test.clock.now()).await.unwrap().is_empty());
        assert_eq!(receiver.requests().len(), attempts);
        test.clock.set(Timestamp::new(due));
        receiver.until(attempts + 1).await;
    }
    until_waiting(&place.db, 0).await;
    let requests = receiver.requests();
    assert_eq!(ids(&requests), BTreeSet::from([id.to_string()]));
    assert!(requests.iter().all(|request| is_signed(request) && request.line.contains(" /in ")));
    let of =
        |name| requests.iter().map(|request| request.header(name)).collect::<BTreeSet<_>>().len();
    assert_eq!((of("webhook-timestamp"), of("webhook-signature")), (5, 5));
}

/// After ten attempts an event is dropped, and the next one is sent.
pub async fn after_ten_attempts_an_event_is_dropped(place: Place) {
    let receiver = Receiver::open().await;
    receiver.behave(Reply::Status(404));
    let test = sending(&place.db, receiver.address(), &TestClock::default()).await;
    let begun = test.clock.now();
    happens(&test).await;
    for attempts in 1..10 {
        let due = until_tried(&place.db, attempts).await;
        test.clock.set(Timestamp::new(due));
    }
    receiver.until(10).await;
    until_waiting(&place.db, 0).await;
    assert_eq!(receiver.requests().len(), 10);
    let took = test.clock.now().seconds() - begun.seconds();
    assert!(took > 3 * 86_400 && took < 4 * 86_400, "{took}");
    receiver.behave(Reply::Status(200));
    let id = happens(&test).await;
    assert_eq!(receiver.until(11).await[10].id(), id.to_string());
}

/// A receiver that wants to be left alone for a while is, and so is one that wants no more.
pub async fn a_receiver_that_asks_for_it_is_left_alone(place: Place) {
    for (reply, wait) in [
        (Reply::With(429, "retry-after", "600"), 600),
        (Reply::With(503, "retry-after", "864000"), 3_600),
        (Reply::Status(410), 3_600),
    ] {
        let receiver = Receiver::open().await;
        receiver.behave(reply);
        let test = sending(&place.db, receiver.address(), &TestClock::default()).await;
        happens(&test).await;
        let due = until_tried(&place.db, 1).await;
        assert_eq!(due - test.clock.now().seconds(), wait, "{reply:?}");
        // Nothing else that is owed is sent meanwhile; a start anew tries it again.
        tokio::time::sleep(Duration::from_millis(100)).await;
        happens(&test).await;
        let late = tokio::time::timeout(Duration::from_millis(600), receiver.until(2)).await;
        assert!(late.is_err(), "{reply:?}");
        drop(test);
        receiver.behave(Reply::Status(200));
        let test = sending(&place.db, receiver.address(), &TestClock::default()).await;
        receiver.until(2).await;
        test.clock.set(Timestamp::new(due));
        receiver.until(3).await;
        until_waiting(&place.db, 0).await;
    }
}

/// A receiver that says nothing to one event gets the others, and holds up nobody here.
pub async fn an_event_that_is_not_answered_holds_up_no_other(place: Place) {
    let receiver = Receiver::open().await;
    receiver.next(&[Reply::Nothing]);
    let test = sending(&place.db, receiver.address(), &TestClock::default()).await;
    let first = happens(&test).await;
    assert_eq!(receiver.until(1).await[0].id(), first.to_string());
    for _ in 0..12 {
        happens(&test).await;
    }
    assert_eq!(ids(&receiver.until(13).await).len(), 13);
    until_waiting(&place.db, 1).await;
}

/// What somebody does takes no statement more where events are sent.
pub async fn whoever_does_something_pays_nothing_for_its_event(place: Place) {
    let receiver = Receiver::open().await;
    let without = TestAuth::new(&place).await.unwrap();
    let with = sending(&place.db, receiver.address(), &TestClock::default()).await;
    let mut costs = Vec::new();
    for (test, email) in [(&without, "a@example.com"), (&with, "b@example.com")] {
        let new = NewUser { email, password: PASSWORD, name: None, roles: &["user"] };
        let (created, creation) = counted(test.auth.user_create(new)).await;
        created.unwrap();
        let client = Client::default();
        let (entered, login) = counted(test.auth.login(email, PASSWORD, &client)).await;
        entered.unwrap();
        costs.push((creation, login));
    }
    assert_eq!(costs[0], costs[1]);
}

/// An event that is gone by its time is not sent, and what could not be sent for five days is given up.
pub async fn what_is_gone_or_too_old_is_not_sent(place: Place) {
    let clock = TestClock::default();
    let noting = TestAuth::on_clock(&place, Config::default(), clock.clone()).await.unwrap();
    happens(&noting).await;
    clock.advance(Duration::from_secs(5 * 86_400 + 1));
    owe(&noting, Uuid::from_u128(7)).await;
    let receiver = Receiver::open().await;
    let _test = sending(&place.db, receiver.address(), &clock).await;
    until_waiting(&place.db, 0).await;
    assert!(receiver.requests().is_empty());
}

/// While an event waits, nothing lies in the table but its id and its times.
pub async fn a_delivery_holds_nothing_of_its_event(place: Place) {
    let test = TestAuth::new(&place).await.unwrap();
    let id = happens(&test).await;
    let row = place.db.optional("SELECT * FROM deliveries", []).await.unwrap().unwrap();
    assert_eq!(row.get::<Uuid>("event_id").unwrap(), id);
    let now = test.clock.now().seconds();
    for (column, value) in [("created_at", now), ("due_at", now), ("attempts", 0)] {
        assert_eq!(row.get::<i64>(column).unwrap(), value, "{column}");
    }
    assert!(
        format!("{row:?}").contains(r#"["event_id", "created_at", "due_at", "attempts"]"#),
        "{row:?}"
    );
}
