//! The chain: what was sealed cannot be changed without its being found.

use countersign_auth::{
    Client,
    audit::{Actor, By, Fault},
    on_every_engine,
    storage::Value as Bind,
    testing::{PASSWORD, Place, TestAuth},
    users::User,
};
use serde_json::json;
use uuid::Uuid;

use super::Installation;

on_every_engine!(
    a_sealed_log_that_nobody_touched_is_sound,
    every_change_of_a_sealed_log_is_found,
    instances_that_seal_at_once_make_one_chain,
    old_events_go_and_the_chain_holds,
    the_personal_data_go_with_the_account,
);

/// Forty events and more, all sealed: more than one statement seals.
async fn sealed(place: &Place) -> (Installation, User) {
    let here = Installation::new(place).await;
    let user = here.user("a@example.com").await;
    let client =
        Client { address: Some(here.address.ip()), device: "curl".to_owned(), ..Client::default() };
    let acting = here.auth().acting(By { actor: Actor::Owner, client, session: None });
    for number in 0..40 {
        acting.user_set_name(user.id, Some(&format!("Name {number}"))).await.expect("renamed");
        if number == 20 {
            here.seal().await;
        }
    }
    here.seal().await;
    (here, user)
}

async fn a_sealed_log_that_nobody_touched_is_sound(place: Place) {
    let (here, user) = sealed(&place).await;
    let report = here.verify().await;
    assert_eq!((report.faults, report.fault_count), (Vec::new(), 0));
    assert_eq!((report.checked, report.numbers), (43, Some((1, 43))));
    assert_eq!((report.unsealed, report.erased), (0, 0));
    // Nothing new: nobody asks for the lease.
    assert!(!here.auth().run_job("audit-seal").await.expect("nothing to do"));
    here.auth().user_set_name(user.id, None).await.expect("renamed");
    let noted = report.head;
    here.seal().await;
    let log = here.auth().log();
    let report = log.verify(Some((noted.0, &noted.1)), |_| {}).await.expect("read");
    assert_eq!((report.checked, report.fault_count), (44, 0));
    let other = "11".repeat(32);
    for noted in [(43, &other), (99, &noted.1), (0, &other)] {
        let report = log.verify(Some((noted.0, noted.1)), |_| {}).await.expect("read");
        let faults = report.faults;
        assert!(matches!(faults.as_slice(), [Fault::Noted(_)]), "{noted:?}: {faults:?}");
    }
}

async fn every_change_of_a_sealed_log_is_found(place: Place) {
    let (here, user) = sealed(&place).await;
    let number = 30_i64;
    let event = here.events().await.into_iter().find(|event| event.number == Some(number));
    let id = event.expect("an event").id;
    let changed = Fault::Changed { number, id };
    let same: [(&'static str, Fault); 8] = [
        ("UPDATE events SET type = 'user.enabled' WHERE number = $1", changed.clone()),
        ("UPDATE events SET at = at + 1 WHERE number = $1", changed.clone()),
        ("UPDATE events SET actor = 'operator' WHERE number = $1", changed.clone()),
        ("UPDATE events SET user_id = NULL WHERE number = $1", changed.clone()),
        ("UPDATE events SET details = '{}' WHERE number = $1", changed.clone()),
        ("UPDATE events SET session_id = id WHERE number = $1", changed.clone()),
        ("UPDATE events SET request_id = '' WHERE number = $1", changed.clone()),
        (
            "UPDATE events SET personal = '{\"address\":\"192.0.2.1\"}' WHERE number = $1",
            Fault::PersonalChanged { number, id },
        ),
    ];
    for (sql, fault) in same {
        let row = row(&here, number).await;
        assert_eq!(here.execute(sql, [number.into()]).await, 1, "{sql}");
        let report = here.verify().await;
        // Without an account the personal data belong to nobody, so of them there may be more to say.
        assert_eq!(report.faults.first(), Some(&fault), "{sql}");
        assert_eq!(report.fault_count, 1, "{sql}: {:?}", report.faults);
        put_back(&here, row).await;
        assert_eq!(here.verify().await.faults, [], "{sql}");
    }

    let kept = row(&here, number).await;
    here.execute(
        "UPDATE events SET personal = NULL, salt = NULL WHERE number = $1",
        [number.into()],
    )
    .await;
    assert_eq!(here.verify().await.faults, [Fault::PersonalMissing { number, id }]);
    put_back(&here, kept).await;

    let kept = row(&here, number).await;
    here.execute("DELETE FROM events WHERE number = $1", [number.into()]).await;
    assert_eq!(here.verify().await.faults, [Fault::Missing { from: number, to: number }]);
    put_back(&here, kept).await;
    assert_eq!(here.verify().await.faults, []);

    // Two that change places.
    here.execute("UPDATE events SET number = -1 WHERE number = 30", []).await;
    here.execute("UPDATE events SET number = 30 WHERE number = 31", []).await;
    here.execute("UPDATE events SET number = 31 WHERE number = -1", []).await;
    assert!(here.verify().await.fault_count >= 2);
    here.execute("UPDATE events SET number = -1 WHERE number = 30", []).await;
    here.execute("UPDATE events SET number = 30 WHERE number = 31", []).await;
    here.execute("UPDATE events SET number = 31 WHERE number = -1", []).await;
    assert_eq!(here.verify().await.faults, []);

    // One that is put in.
    let copy = Uuid::from_u128(7);
    let put_in = "INSERT INTO events (id, at, type, user_id, actor, number, link)
                  SELECT $1, at, type, user_id, actor, $2, link FROM events WHERE number = 30";
    here.execute(put_in, [copy.into(), 43.into()]).await;
    let faults = here.verify().await.faults;
    assert!(
        faults.iter().any(|fault| matches!(fault, Fault::Doubled { number: 43, .. })),
        "{faults:?}"
    );
    here.execute("UPDATE events SET number = 44 WHERE id = $1", [copy.into()]).await;
    let faults = here.verify().await.faults;
    assert!(faults.contains(&Fault::Beyond { number: 44, id: copy }), "{faults:?}");
    here.execute("DELETE FROM events WHERE id = $1", [copy.into()]).await;

    // The end that is cut off, and a head that is made to fit.
    here.execute("DELETE FROM events WHERE number > 40", []).await;
    assert_eq!(here.verify().await.faults, [Fault::Missing { from: 41, to: 43 }]);
    here.execute(
        "UPDATE event_chain SET last_number = 40, last_link = (SELECT link FROM events WHERE number = 40)",
        [],
    )
    .await;
    assert_eq!(here.verify().await.faults, [Fault::Head]);
    // Nothing is sealed on top of that.
    here.auth().user_set_name(user.id, None).await.expect("renamed");
    assert!(here.auth().run_job("audit-seal").await.is_err());
}

async fn row(here: &Installation, number: i64) -> Vec<Bind> {
    let row = here
        .auth()
        .db()
        .optional(
            "SELECT id, at, type, user_id, actor, session_id, request_id, details, personal, salt, number,
                    commitment, link
               FROM events WHERE number = $1",
            [number.into()],
        )
        .await
        .expect("read")
        .expect("a row");
    vec![
        row.get::<Uuid>("id").expect("an id").into(),
        row.get::<i64>("at").expect("a time").into(),
        row.get::<String>("type").expect("a type").into(),
        row.get::<Option<Uuid>>("user_id").expect("an account").into(),
        row.get::<String>("actor").expect("an actor").into(),
        row.get::<Option<Uuid>>("session_id").expect("a login").into(),
        row.get::<Option<String>>("request_id").expect("a request").into(),
        row.get::<Option<String>>("details").expect("details").into(),
        row.get::<Option<String>>("personal").expect("personal").into(),
        row.get::<Option<Vec<u8>>>("salt").expect("a salt").into(),
        row.get::<i64>("number").expect("a number").into(),
        row.get::<Option<Vec<u8>>>("commitment").expect("a commitment").into(),
        row.get::<Vec<u8>>("link").expect("a link").into(),
    ]
}

async fn put_back(here: &Installation, row: Vec<Bind>) {
    let id = row.first().cloned().expect("an id");
    here.execute("DELETE FROM events WHERE id = $1", [id]).await;
    let insert = "INSERT INTO events (id, at, type, user_id, actor, session_id, request_id, details, personal,
                      salt, number, commitment, link)
                  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
    assert_eq!(here.execute(insert, row).await, 1);
}

async fn instances_that_seal_at_once_make_one_chain(place: Place) {
    let (here, user) = sealed(&place).await;
    let others: Vec<TestAuth> = {
        let mut others = Vec::new();
        for _ in 0..3 {
            others.push(TestAuth::new(&place).await.expect("an instance"));
        }
        others
    };
    let writing = async {
        for number in 0..60 {
            let name = format!("Later {number}");
            here.auth().user_set_name(user.id, Some(&name)).await.expect("renamed");
        }
    };
    let sealing = futures_util::future::join_all(others.iter().map(|other| async {
        for _ in 0..20 {
            other.auth.seal_events_now().await.expect("sealed");
            tokio::task::yield_now().await;
        }
    }));
    futures_util::future::join(writing, sealing).await;
    here.auth().seal_events_now().await.expect("sealed");
    let report = here.verify().await;
    assert_eq!((report.faults, report.checked, report.unsealed), (Vec::new(), 103, 0));
}

async fn old_events_go_and_the_chain_holds(place: Place) {
    let (here, user) = sealed(&place).await;
    let noted = here.verify().await.head;
    here.test.clock.advance(std::time::Duration::from_secs(364 * 86_400));
    here.auth().user_set_name(user.id, Some("Young")).await.expect("renamed");
    here.seal().await;
    here.test.clock.advance(std::time::Duration::from_secs(2 * 86_400));
    here.auth().run_job("audit-clean").await.expect("cleaned");
    here.auth().seal_events_now().await.expect("sealed");
    let events = here.events().await;
    let told: Vec<_> = events.iter().map(|event| (event.kind.as_str(), event.number)).collect();
    assert_eq!(told, [("user.renamed", Some(44)), ("events.removed", Some(45))]);
    assert_eq!(events[1].details, Some(json!({ "number": 43, "events": 43 })));
    assert_eq!(events[1].actor, Actor::Server);
    let log = here.auth().log();
    // The link of the last one that went is where the chain begins: a head noted then is still met.
    let report = log.verify(Some((noted.0, &noted.1)), |_| {}).await.expect("read");
    assert_eq!((report.faults, report.numbers), (Vec::new(), Some((44, 45))));
    // The beginning cannot be cut off by hand.
    here.execute("DELETE FROM events WHERE number = 44", []).await;
    assert_eq!(here.verify().await.faults, [Fault::Missing { from: 44, to: 44 }]);
}

async fn the_personal_data_go_with_the_account(place: Place) {
    let (here, user) = sealed(&place).await;
    let other = here.user("b@example.com").await;
    for account in ["a@example.com", "b@example.com"] {
        here.login(account, "wrong").await;
        here.login(account, PASSWORD).await;
    }
    here.auth().user_delete(user.id).await.expect("deleted");
    here.auth().run_job("audit-clean").await.expect("cleaned");
    for event in here.events().await {
        let is_told = event.address.is_some() || event.device.is_some();
        if event.user == Some(user.id) {
            assert!(!is_told, "{}", event.kind);
        } else if event.user == Some(other.id) && event.kind.starts_with("login.") {
            assert!(is_told, "{}", event.kind);
        }
    }
    let left = here.auth().db().all("SELECT user_id FROM erasures", []).await.expect("rows");
    assert!(left.is_empty(), "what was asked for is done");
    here.seal().await;
    let report = here.verify().await;
    assert_eq!(report.faults, []);
    // What an instance had sealed by itself before the account went is among them.
    assert!(report.erased >= 40, "{}", report.erased);
}
