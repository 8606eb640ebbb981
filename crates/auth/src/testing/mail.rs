//! What the outbox promises, one function for each promise, to be run on every engine, against a mail server on
//! loopback.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a promise that is not kept fails the test where it stands"
)]

use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

use super::{
    PASSWORD, Place, TestAuth, TestClock,
    post_office::{Manners, PostOffice, Protection, closed_address},
};
use crate::{
    Auth, Client, Clock, Config,
    mail::storage::{CLAIM, errand_take, errands_due, errands_waiting},
    storage::Db,
    users::{Email, NewUser, User, UserId},
};

/// As long as it may take on a busy machine until something that has to come has come.
const PATIENCE: Duration = Duration::from_secs(60);

/// An installation that sends its mail to this address.
async fn sending(db: &Db, to: SocketAddr, clock: &TestClock) -> TestAuth {
    let mut config = Config::default();
    config.mail.url = Some(format!("smtp://{to}").parse().unwrap());
    config.mail.from = Some("Countersign <auth@example.com>".to_owned());
    let builder = Auth::builder(config).db(db.clone()).clock(Clock::new(clock.clone()));
    TestAuth { auth: builder.build().await.unwrap(), clock: clock.clone() }
}

async fn accounts(test: &TestAuth, emails: &[&str]) {
    for email in emails {
        let new = NewUser { email, password: PASSWORD, name: Some("Somebody"), roles: &["user"] };
        test.auth.user_create(new).await.unwrap();
    }
}

async fn forgot(test: &TestAuth, email: &str) {
    test.auth.password_forgot(email, &Client::default()).await.unwrap();
}

async fn waiting(db: &Db) -> i64 {
    errands_waiting(db).await.unwrap().0
}

async fn until_waiting(db: &Db, errands: i64) {
    let begun = std::time::Instant::now();
    while waiting(db).await != errands {
        assert!(begun.elapsed() < PATIENCE, "{} errands wait", waiting(db).await);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Moves the clock on, again and again, until the server has so many letters.
async fn until_later(test: &TestAuth, office: &PostOffice, letters: usize) {
    let begun = std::time::Instant::now();
    while office.received().len() < letters {
        assert!(
            begun.elapsed() < PATIENCE,
            "{} of {letters} letters came",
            office.received().len()
        );
        test.clock.advance(Duration::from_secs(1));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A letter goes from the act to the server, with all its headers, and leaves nothing in the outbox.
pub async fn a_letter_is_sent_and_its_errand_vanishes(place: Place) {
    let office = PostOffice::open().await;
    let test = sending(&place.db, office.address(), &TestClock::default()).await;
    accounts(&test, &["a@example.com"]).await;
    forgot(&test, "A@Example.com").await;
    let received = office.until(1).await;
    until_waiting(&place.db, 0).await;
    let letter = &received[0];
    assert_eq!((letter.from.as_str(), letter.to.as_str()), ("auth@example.com", "a@example.com"));
    let header = |name| letter.header(name).unwrap();
    assert_eq!(header("From"), "Countersign <auth@example.com>");
    assert_eq!(header("To"), "a@example.com");
    assert_eq!(header("Subject"), "A new password for 127.0.0.1:8000");
    assert_eq!(header("Auto-Submitted"), "auto-generated");
    assert!(header("Date").contains("15 Jan 2027 08:00:00"), "{}", header("Date"));
    assert!(header("Message-ID").ends_with("@example.com>"));
    assert!(header("Content-Type").starts_with("multipart/alternative"));
    // The link works.
    let (token, client) = (letter.token().unwrap(), Client::default());
    test.auth.password_reset(&token, "five unrelated gravel words", &client).await.unwrap();
    let notice = &office.until(2).await[1];
    assert_eq!(notice.header("Subject").unwrap(), "Your password at 127.0.0.1:8000 was changed");
}

/// While the server is down requests are answered; their letters arrive when it is back.
pub async fn letters_outlast_a_mail_server_that_is_down(place: Place) {
    let address = closed_address().await;
    let test = sending(&place.db, address, &TestClock::default()).await;
    let emails = ["a@example.com", "b@example.com", "c@example.com"];
    accounts(&test, &emails).await;
    for email in emails {
        forgot(&test, email).await;
    }
    assert_eq!(waiting(&place.db).await, 3);
    drop(test);
    // Another process, and the server is still down; then it is back. What the first one had taken is nobody's by now.
    let clock = TestClock::default();
    clock.advance(Duration::from_secs(CLAIM.unsigned_abs()));
    let test = sending(&place.db, address, &clock).await;
    forgot(&test, "nobody@example.com").await;
    let office = PostOffice::at(address, Protection::None).await;
    let received = office.until(3).await;
    until_waiting(&place.db, 0).await;
    let to: BTreeSet<&str> = received.iter().map(|letter| letter.to.as_str()).collect();
    assert_eq!(to, BTreeSet::from(emails));
    assert_eq!(office.received().len(), 3);
}

/// A server that accepts connections and says nothing holds up no request.
pub async fn a_mail_server_that_says_nothing_holds_up_nobody(place: Place) {
    let office = PostOffice::open().await;
    office.behave(Manners::Silent);
    let test = sending(&place.db, office.address(), &TestClock::default()).await;
    accounts(&test, &["a@example.com"]).await;
    forgot(&test, "a@example.com").await;
    office.until_called(1).await;
    // All of it is done while the first letter hangs.
    forgot(&test, "a@example.com").await;
    forgot(&test, "b@example.com").await;
    test.auth.login("a@example.com", PASSWORD, &Client::default()).await.unwrap();
    assert!(office.received().is_empty());
}

/// Of two instances one sends a letter.
pub async fn two_instances_send_each_letter_once(place: Place) {
    let (office, clock) = (PostOffice::open().await, TestClock::default());
    let here = sending(&place.db, office.address(), &clock).await;
    let db = place.again().await.unwrap_or_else(|| place.db.clone());
    let there = sending(&db, office.address(), &clock).await;
    let emails: Vec<String> = (0..24).map(|number| format!("user{number}@example.com")).collect();
    accounts(&here, &[emails[0].as_str()]).await;
    // Accounts without a hash to compute.
    let first = Email::parse(&emails[0]).unwrap();
    let first = here.auth.user_by_email(&first).await.unwrap().unwrap();
    for email in &emails[1..] {
        let (id, email) = (UserId(here.auth.ids().next()), Email::parse(email).unwrap());
        let user = User { id, email, ..first.clone() };
        crate::testing::user_add(&place.db, &user, "hash".to_owned()).await.unwrap();
    }
    for (number, email) in emails.iter().enumerate() {
        forgot(if number % 2 == 0 { &here } else { &there }, email).await;
    }
    office.until(emails.len()).await;
    until_waiting(&place.db, 0).await;
    let received = office.received();
    let to: BTreeSet<&str> = received.iter().map(|letter| letter.to.as_str()).collect();
    assert_eq!((to.len(), received.len()), (emails.len(), emails.len()));
}

/// A recipient whom the server does not know is dropped, and the others get their letters.
pub async fn a_refused_recipient_is_dropped_and_the_rest_goes_on(place: Place) {
    let office = PostOffice::open().await;
    office.behave(Manners::Refuses("a@"));
    let test = sending(&place.db, office.address(), &TestClock::default()).await;
    accounts(&test, &["a@example.com", "b@example.com"]).await;
    forgot(&test, "a@example.com").await;
    until_waiting(&place.db, 0).await;
    forgot(&test, "b@example.com").await;
    assert_eq!(office.until(1).await[0].to, "b@example.com");
    until_waiting(&place.db, 0).await;
}

/// A letter that the server puts off is sent again, not at once, with a link of its own.
pub async fn a_letter_that_is_put_off_is_sent_later(place: Place) {
    let office = PostOffice::open().await;
    office.behave(Manners::Greylists);
    let test = sending(&place.db, office.address(), &TestClock::default()).await;
    accounts(&test, &["a@example.com"]).await;
    forgot(&test, "a@example.com").await;
    office.until_called(1).await;
    until_later(&test, &office, 1).await;
    until_waiting(&place.db, 0).await;
    let token = office.received()[0].token().unwrap();
    let client = Client::default();
    test.auth.password_reset(&token, "five unrelated gravel words", &client).await.unwrap();
}

/// A letter of which nobody knows whether it arrived is sent again under the same `Message-ID`.
pub async fn a_letter_that_may_have_arrived_is_sent_again_as_the_same(place: Place) {
    let office = PostOffice::open().await;
    office.behave(Manners::ForgetsToSaySo);
    let test = sending(&place.db, office.address(), &TestClock::default()).await;
    accounts(&test, &["a@example.com"]).await;
    forgot(&test, "a@example.com").await;
    office.until(1).await;
    office.behave(Manners::HangsUp);
    office.until_called(1).await;
    office.behave(Manners::Polite);
    until_later(&test, &office, 2).await;
    until_waiting(&place.db, 0).await;
    let ids: BTreeSet<_> =
        office.received().iter().map(|letter| letter.header("Message-ID").unwrap()).collect();
    assert_eq!((ids.len(), office.received().len()), (1, 2));
}

/// Who asks again and again gets one letter, and the next one not before a minute has passed.
pub async fn letters_to_one_address_keep_a_distance(place: Place) {
    let address = closed_address().await;
    let test = sending(&place.db, address, &TestClock::default()).await;
    accounts(&test, &["a@example.com"]).await;
    for _ in 0..5 {
        forgot(&test, "a@example.com").await;
    }
    let office = PostOffice::at(address, Protection::None).await;
    office.until(1).await;
    until_waiting(&place.db, 0).await;
    assert_eq!(office.received().len(), 1, "one letter answers all");
    // It waits, however often it is looked at: another kind to the same address and the same kind to another do not.
    forgot(&test, "a@example.com").await;
    accounts(&test, &["b@example.com"]).await;
    forgot(&test, "b@example.com").await;
    assert_eq!(office.until(2).await[1].to, "b@example.com");
    until_waiting(&place.db, 1).await;
    test.clock.advance(Duration::from_secs(59));
    forgot(&test, "c@example.com").await;
    until_waiting(&place.db, 1).await;
    assert_eq!(office.received().len(), 2);
    test.clock.advance(Duration::from_secs(1));
    assert_eq!(office.until(3).await[2].to, "a@example.com");
}

/// What an instance had taken when it died is taken by another one, when nobody can have it any more and not before.
pub async fn what_a_dead_instance_had_taken_is_sent_by_another(place: Place) {
    let clock = TestClock::default();
    let noting = sending(&place.db, closed_address().await, &clock).await;
    accounts(&noting, &["a@example.com"]).await;
    forgot(&noting, "a@example.com").await;
    drop(noting);
    let begun = std::time::Instant::now();
    let taken = loop {
        // The worker that was dropped may have had it for a moment.
        let now = jwt::Clock::now(&clock);
        let due = errands_due(&place.db, now).await.unwrap();
        if let Some(due) = due.first()
            && let Some(taken) = errand_take(&place.db, *due, true, now).await.unwrap()
        {
            break taken;
        }
        assert!(begun.elapsed() < PATIENCE);
        clock.advance(Duration::from_secs(1));
    };
    let now = jwt::Clock::now(&clock);
    assert!(errands_due(&place.db, now).await.unwrap().is_empty(), "it is taken");
    let office = PostOffice::open().await;
    let test = sending(&place.db, office.address(), &clock).await;
    let claim = Duration::from_secs(u64::try_from(CLAIM).unwrap());
    test.clock.advance(claim - Duration::from_secs(1));
    accounts(&test, &["b@example.com"]).await;
    forgot(&test, "b@example.com").await;
    assert_eq!(office.until(1).await[0].to, "b@example.com");
    until_waiting(&place.db, 1).await;
    test.clock.advance(Duration::from_secs(1));
    assert_eq!(office.until(2).await[1].to, taken.errand.recipient.as_str());
    until_waiting(&place.db, 0).await;
}

/// An address without an account leaves the same errand as any other, and no letter.
pub async fn an_unknown_address_leaves_an_errand_and_gets_no_letter(place: Place) {
    let address = closed_address().await;
    let test = sending(&place.db, address, &TestClock::default()).await;
    accounts(&test, &["a@example.com"]).await;
    forgot(&test, "a@example.com").await;
    forgot(&test, "nobody@example.com").await;
    let office = PostOffice::at(address, Protection::None).await;
    office.until(1).await;
    until_waiting(&place.db, 0).await;
    assert_eq!(office.received().len(), 1);
}

/// What could not be sent for two days is given up.
pub async fn a_letter_of_the_day_before_yesterday_is_dropped(place: Place) {
    let clock = TestClock::default();
    let test = sending(&place.db, closed_address().await, &clock).await;
    accounts(&test, &["a@example.com"]).await;
    forgot(&test, "a@example.com").await;
    drop(test);
    assert_eq!(waiting(&place.db).await, 1);
    clock.advance(Duration::from_secs(2 * 24 * 3_600 + 1));
    let _test = sending(&place.db, closed_address().await, &clock).await;
    until_waiting(&place.db, 0).await;
}

/// No link and no token lies in the database, while a letter waits, while it is on its way, and afterwards.
pub async fn the_database_holds_no_link(place: Place) {
    let address = closed_address().await;
    let test = sending(&place.db, address, &TestClock::default()).await;
    accounts(&test, &["a@example.com"]).await;
    forgot(&test, "a@example.com").await;
    let while_waiting = dump(&place.db).await;
    let office = PostOffice::at(address, Protection::None).await;
    office.behave(Manners::ForgetsToSaySo);
    let first = office.until(1).await[0].token().unwrap();
    let on_its_way = dump(&place.db).await;
    office.behave(Manners::Polite);
    until_later(&test, &office, 2).await;
    let second = office.received()[1].token().unwrap();
    assert!(first != second && first.len() == 64 && second.len() == 64);
    for dump in [while_waiting, on_its_way, dump(&place.db).await] {
        assert!(!dump.contains("token=") && !dump.contains(&first) && !dump.contains(&second));
    }
}

/// What the tables of mail hold, as text.
async fn dump(db: &Db) -> String {
    let rows = db
        .all("SELECT kind, recipient, facts FROM outbox UNION ALL SELECT purpose, email, '' FROM links", [])
        .await
        .unwrap();
    let text = |row: &crate::storage::Row, column| row.get::<String>(column).unwrap();
    let hashes = db.all("SELECT secret_hash FROM links", []).await.unwrap();
    let hashes = hashes.iter().map(|row| {
        let bytes = row.get::<Vec<u8>>("secret_hash").unwrap();
        format!("{} {}", crate::secret::hex(&bytes), String::from_utf8_lossy(&bytes))
    });
    rows.iter()
        .map(|row| [text(row, "kind"), text(row, "recipient"), text(row, "facts")].join(" "))
        .chain(hashes)
        .collect::<Vec<_>>()
        .join("\n")
}
