//! What a look at an installation promises, one function for each promise, to be run on every engine.

#![expect(
    clippy::unwrap_used,
    reason = "a promise that is not kept fails the test where it stands"
)]

use std::time::Duration;

use jwt::Timestamp;
use uuid::Uuid;

use super::{PASSWORD, Place, TestAuth, TestClock};
use crate::{
    Auth, Clock, Config, MovableClock,
    checkup::{Checkup, DeliveriesFound},
    keys::State,
    storage::{Condition, Db, DbOptions, Engine, StorageError, Value},
    users::{Email, NewUser},
};

const NEW: NewUser<'_> =
    NewUser { email: "a@example.com", password: PASSWORD, name: None, roles: &["user"] };

async fn look(place: &Place, clock: &Clock) -> Checkup {
    let builder = Auth::builder(Config::default()).db(place.db.clone()).clock(clock.clone());
    builder.checkup().await.unwrap()
}

async fn run(place: &Place, sql: &'static str) {
    assert_eq!(place.db.execute(sql, []).await.unwrap(), 1, "{sql}");
}

/// A look at a sound installation finds its keys, its log and its accounts.
pub async fn a_look_finds_what_there_is(place: Place) {
    let test = TestAuth::new(&place).await.unwrap();
    let clock = Clock::new(test.clock.clone());
    let found = look(&place, &clock).await;
    assert_eq!(found.tables().await.unwrap(), Condition::Current);
    assert_eq!(found.work_taken_until().await.unwrap(), None);
    assert!(test.auth.run_job("sweep").await.unwrap());
    assert!(found.work_taken_until().await.unwrap() > Some(clock.now()));

    let user = test.auth.user_create(NEW).await.unwrap();
    assert!(found.can_log_in(&user.email).await.unwrap());
    assert!(!found.can_log_in(&Email::parse("b@example.com").unwrap()).await.unwrap());
    test.auth.user_set_disabled(user.id, true).await.unwrap();
    assert!(!found.can_log_in(&user.email).await.unwrap());

    let keys = found.keys().await.unwrap();
    assert_eq!(keys.all.iter().map(|key| key.state).collect::<Vec<_>>(), [State::Active]);
    assert_eq!((keys.weak, keys.trouble), (Vec::new(), None));
    assert_eq!(keys.server_secret_sealed, Some(false));

    test.auth.seal_events_now().await.unwrap();
    let log = found.log().await.unwrap();
    assert_eq!((log.newest, log.oldest_unsealed), (Some(clock.now()), None));
    assert!(log.head_is_sound);
}

/// What is wrong with keys and log is told.
pub async fn a_look_finds_what_is_wrong(place: Place) {
    let hand = TestClock::default();
    let clock = Clock::new(hand.clone());
    // Beside servers, so that nobody seals but this test.
    let builder = Auth::builder(Config::default()).db(place.db.clone()).clock(clock.clone());
    let auth = builder.beside_servers().build().await.unwrap();
    let found = look(&place, &clock).await;
    auth.seal_events_now().await.unwrap();
    assert_eq!(found.log().await.unwrap().oldest_unsealed, None);
    hand.advance(Duration::from_secs(90));
    auth.user_create(NEW).await.unwrap();
    assert_eq!(found.log().await.unwrap().oldest_unsealed, Some(clock.now()));
    // The seal of the head is one of its content.
    run(&place, "UPDATE event_chain SET last_number = last_number - 1").await;
    assert!(!found.log().await.unwrap().head_is_sound);

    let weak = "your-256-bit-secret-your-256-bit-secret";
    let sql = "UPDATE keys SET material = $1";
    place.db.execute(sql, [weak.as_bytes().to_vec().into()]).await.unwrap();
    let keys = found.keys().await.unwrap();
    assert_eq!(keys.weak.len(), 1);
    assert_eq!(keys.weak.first().map(|(kid, _)| kid), keys.all.first().map(|key| &key.kid));
    place.db.execute("UPDATE keys SET sealed = $1", [true.into()]).await.unwrap();
    let trouble = found.keys().await.unwrap().trouble.unwrap();
    assert!(trouble.contains("keys.master_key_file"), "{trouble}");
}

/// What is owed to the receiver of webhooks is told: how much, since when, and how often it was tried in vain.
pub async fn events_that_are_owed_are_told(place: Place) {
    let test = TestAuth::new(&place).await.unwrap();
    let clock = Clock::new(test.clock.clone());
    let found = look(&place, &clock).await;
    assert_eq!(found.deliveries().await.unwrap(), DeliveriesFound::default());
    let now = clock.now().seconds();
    for (number, created, due, attempts) in
        [(1, now - 90, now - 60, 0), (2, now - 500, now + 300, 3), (3, now - 400, now + 9, 1)]
    {
        let sql = "INSERT INTO deliveries (event_id, created_at, due_at, attempts) VALUES ($1, $2, $3, $4)";
        let row: [Value; 4] =
            [Uuid::from_u128(number).into(), created.into(), due.into(), attempts.into()];
        assert_eq!(place.db.execute(sql, row).await.unwrap(), 1);
    }
    let at = |seconds| Some(Timestamp::new(seconds));
    let (oldest, due) = (at(now - 500), at(now - 60));
    let all = DeliveriesFound { waiting: 3, oldest, due, refused: 2, attempts: 3 };
    assert_eq!(found.deliveries().await.unwrap(), all);
}

/// Tables that are missing, older, newer or other than those of this version are told apart.
pub async fn tables_that_differ_are_told(place: Place) {
    let clock = Clock::system();
    let found = look(&place, &clock).await;
    assert_eq!(found.tables().await.unwrap(), Condition::Missing);
    drop(TestAuth::new(&place).await.unwrap());
    assert_eq!(found.tables().await.unwrap(), Condition::Current);
    let change = "UPDATE countersign_migrations SET checksum = '1' WHERE version = 2";
    run(&place, change).await;
    assert_eq!(found.tables().await.unwrap(), Condition::Changed("V2__logins".to_owned()));
    run(&place, "DELETE FROM countersign_migrations WHERE version = 2").await;
    assert_eq!(found.tables().await.unwrap(), Condition::Behind(vec!["V2__logins".to_owned()]));
    let newer = "INSERT INTO countersign_migrations (version, name, applied_on, checksum)
                 SELECT 99, 'to_come', applied_on, '1' FROM countersign_migrations WHERE version = 1";
    run(&place, newer).await;
    assert_eq!(found.tables().await.unwrap(), Condition::Newer(vec!["V99__to_come".to_owned()]));
}

/// A database that is opened to be read only is not written to by anybody.
pub async fn a_database_that_is_only_read_stays_as_it_is(place: Place) {
    if place.again().await.is_none() {
        return;
    }
    drop(TestAuth::new(&place).await.unwrap());
    let options = DbOptions { read_only: true, ..DbOptions::new(place.url.as_str()) };
    let db = Db::open(&options).await.unwrap();
    assert_eq!(db.all("SELECT kid FROM keys", []).await.unwrap().len(), 1);
    assert_eq!(db.condition(crate::auth::MIGRATIONS).await.unwrap(), Condition::Current);
    let refused = |result: Result<(), StorageError>| {
        assert!(matches!(result, Err(StorageError::Refused(_))), "{result:?}");
    };
    refused(db.execute("DELETE FROM keys", []).await.map(drop));
    let step = db.transaction(|tx| {
        Box::pin(async move { tx.execute("DELETE FROM keys", []).await.map(drop) })
    });
    refused(step.await);
    refused(db.migrate(crate::auth::MIGRATIONS).await.map(drop));
    db.close().await;
    assert_eq!(place.db.all("SELECT kid FROM keys", []).await.unwrap().len(), 1);
}

/// The clock of this machine is compared with that of a database server, where there is one.
pub async fn the_clock_of_the_database_is_compared(place: Place) {
    let hand = MovableClock::default();
    let clock = Clock::movable(&hand);
    let found = look(&place, &clock).await;
    let before = found.clock_difference().await.unwrap();
    assert_eq!(before.is_some(), found.engine() == Engine::Postgres);
    let Some(before) = before else { return };
    hand.move_by(7_200).unwrap();
    let moved = found.clock_difference().await.unwrap().unwrap();
    // An hour of patience for the machine between the two.
    let ahead = moved.ahead - before.ahead;
    assert!((3_600_000..=10_800_000).contains(&ahead), "{ahead}");
}

/// A question to a server is answered for what it is, and stands for a minute.
pub async fn a_question_is_good_for_a_minute_and_one_installation(place: Place) {
    let test = TestAuth::new(&place).await.unwrap();
    let clock = Clock::new(test.clock.clone());
    let probe = look(&place, &clock).await.probe().await.unwrap().unwrap();
    let asked = probe.ask(&clock).unwrap();
    let admitted = |header: &str| test.auth.probe().admit(header, &clock);
    let nonce = admitted(asked.header()).unwrap();
    let body = serde_json::json!({
        "peer": null, "peer_is_trusted": false, "client": null, "forwarded_for": ["1"],
        "forwarded_proto": null, "host": null, "public_url": null,
    });
    let body = body.to_string();
    let mac = test.auth.probe().sign(&nonce, body.as_bytes());
    assert_eq!(asked.read(body.as_bytes(), &mac).unwrap().forwarded_for, ["1"]);
    assert_eq!(asked.read(body.replace('1', "2").as_bytes(), &mac), None);
    assert_eq!(probe.ask(&clock).unwrap().read(body.as_bytes(), &mac), None, "of another question");

    for bad in
        ["", "1.2.3", "..", &asked.header().replace('.', ""), &format!("{}.", asked.header())]
    {
        assert!(admitted(bad).is_none(), "{bad}");
    }
    let later = asked.header().replacen("18", "19", 1);
    assert!(admitted(&later).is_none(), "the time is part of what is proved");
    test.clock.advance(Duration::from_secs(60));
    assert!(admitted(asked.header()).is_some());
    test.clock.advance(Duration::from_secs(1));
    assert!(admitted(asked.header()).is_none());
}
