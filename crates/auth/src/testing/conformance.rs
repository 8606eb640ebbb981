//! What storage promises, one function for each promise, to be run on every engine.
//!
//! [`on_every_engine!`](crate::on_every_engine) makes a test of each for SQLite in memory, SQLite on disk
//! and PostgreSQL.

#![expect(
    clippy::unwrap_used,
    reason = "a promise that is not kept fails the test where it stands"
)]

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use jwt::Timestamp;

use super::{PASSWORD, Place, TestAuth};
use crate::{
    Client, Config, Error, OpaqueSecret, SecretHash,
    config::Store,
    passwords::{self, Login},
    roles::Roles,
    sessions::Session,
    users::{self, Email, NewUser, User, UserId},
};

/// Makes a `#[tokio::test]` of each function for each engine. The functions take a [`Place`].
///
/// PostgreSQL takes part when `COUNTERSIGN_TEST_POSTGRES` holds the URL of a database in which databases
/// may be made; otherwise its variants say that they are skipped.
#[macro_export]
macro_rules! on_every_engine {
    ($($name:ident),* $(,)?) => {
        mod sqlite_in_memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::testing::Place::memory().await).await;
            })*
        }
        mod sqlite_on_disk {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::testing::Place::disk().await).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                if let Some(place) = $crate::testing::Place::postgres().await {
                    super::$name(place.clone()).await;
                    place.remove().await;
                }
            })*
        }
    };
}

fn somebody(auth: &TestAuth, email: &str) -> User {
    User {
        id: UserId(auth.auth.ids().next()),
        email: Email::parse(email).unwrap(),
        name: Some("Somebody".to_owned()),
        roles: Roles::new(&["user", "admin"], &Config::default().accounts.roles).unwrap(),
        generation: 7,
        disabled: false,
        pending: false,
        created_at: Timestamp::new(1_800_000_000),
    }
}

fn new_user(email: &str) -> NewUser<'_> {
    NewUser { email, password: PASSWORD, name: None, roles: &["user"] }
}

/// An account is found again by id and by address, with every member as it was.
pub async fn an_account_is_found_as_it_was_made(place: Place) {
    let test = TestAuth::new(&place).await.unwrap();
    let (db, user) = (test.auth.db(), somebody(&test, "a@example.com"));
    crate::testing::user_add(db, &user, "hash".to_owned()).await.unwrap();
    let other = User { name: None, disabled: true, ..somebody(&test, "b@example.com") };
    crate::testing::user_add(db, &other, "other".to_owned()).await.unwrap();
    for user in [user, other] {
        let found = users::storage::user_by_id(db, user.id).await.unwrap();
        assert_eq!(found.as_ref(), Some(&user));
        assert_eq!(users::storage::user_by_email(db, &user.email).await.unwrap(), found);
        let account = passwords::storage::account_by_email(db, &user.email).await.unwrap();
        assert_eq!(account.unwrap().0, user);
    }
    let nobody = Email::parse("nobody@example.com").unwrap();
    assert_eq!(users::storage::user_by_email(db, &nobody).await.unwrap(), None);
    assert!(passwords::storage::account_by_email(db, &nobody).await.unwrap().is_none());
}

/// A second account with one address is refused and leaves nothing behind, not even its password.
pub async fn an_account_is_made_whole_or_not_at_all(place: Place) {
    let test = TestAuth::new(&place).await.unwrap();
    let db = test.auth.db();
    let first = somebody(&test, "a@example.com");
    crate::testing::user_add(db, &first, "first".to_owned()).await.unwrap();
    let second = somebody(&test, "a@example.com");
    let refused = crate::testing::user_add(db, &second, "second".to_owned()).await;
    assert!(matches!(refused, Err(Error::EmailTaken)));
    assert_eq!(users::storage::user_by_id(db, second.id).await.unwrap(), None);
    let rows = db.all("SELECT user_id FROM passwords", []).await.unwrap();
    assert_eq!(rows.len(), 1);
}

/// Of many registrations of one address at the same moment exactly one succeeds.
pub async fn one_of_many_equal_registrations_wins(place: Place) {
    let test = TestAuth::new(&place).await.unwrap();
    let tasks = (0..16).map(|_| {
        let test = test.clone();
        tokio::spawn(async move {
            let user = somebody(&test, "a@example.com");
            crate::testing::user_add(test.auth.db(), &user, "hash".to_owned()).await
        })
    });
    let mut made = 0;
    for outcome in join_all(tasks).await {
        match outcome.unwrap() {
            Ok(()) => made += 1,
            Err(error) => assert!(matches!(error, Error::EmailTaken), "{error:?}"),
        }
    }
    assert_eq!(made, 1);
}

/// The right password logs in; a wrong one, an unknown address and a disabled account answer the same.
pub async fn a_login_says_no_in_one_way(place: Place) {
    let test = TestAuth::new(&place).await.unwrap();
    let user = test.auth.user_create(new_user("A@example.com")).await.unwrap();
    let Login::Complete(found) =
        test.auth.login("a@EXAMPLE.com", PASSWORD, &Client::default()).await.unwrap();
    assert_eq!(found, user);
    for (email, password) in [
        ("a@example.com", "four unrelated gravel word"),
        ("b@example.com", PASSWORD),
        ("no address", PASSWORD),
        ("a@example.com", ""),
    ] {
        let refused = test.auth.login(email, password, &Client::default()).await;
        assert!(matches!(refused, Err(Error::InvalidCredentials)), "{email}");
    }
    let disabled = "UPDATE users SET disabled = $2 WHERE id = $1";
    test.auth.db().execute(disabled, [user.id.0.into(), true.into()]).await.unwrap();
    let refused = test.auth.login("a@example.com", PASSWORD, &Client::default()).await;
    assert!(matches!(refused, Err(Error::InvalidCredentials)));
}

/// A session begins, is found by its secret alone, is used, and ends once; in both stores.
pub async fn a_session_lives_until_it_is_ended(place: Place) {
    for store in [Store::Database, Store::Memory] {
        let test = in_store(&place, store).await;
        let user = account(&test).await;
        let (session, secret) = begin(&test, &user, None).await;
        let store = test.auth.sessions().store();
        assert_eq!(store.find(secret.hash()).await.unwrap(), Some(session.clone()));
        let stranger = OpaqueSecret::generate().unwrap();
        assert_eq!(store.find(stranger.hash()).await.unwrap(), None);

        let later = Timestamp::new(session.created_at.seconds() + 100);
        store.touch(secret.hash(), later).await.unwrap();
        store.touch(secret.hash(), session.created_at).await.unwrap();
        let used = store.find(secret.hash()).await.unwrap().unwrap();
        assert_eq!(used.last_used_at, later, "the last use never goes back");
        let listed = test.auth.sessions_of(user.id, None, 100).await.unwrap();
        assert_eq!(listed, [used]);

        let other = account(&test).await;
        assert_eq!(test.auth.session_end(other.id, session.id).await.unwrap(), None);
        assert!(test.auth.sessions().resume(&secret).await.unwrap().is_some());
        let ending = test.auth.session_end(user.id, session.id).await.unwrap().unwrap();
        assert_eq!(ending.sessions, [session.id]);
        assert_eq!(store.find(secret.hash()).await.unwrap(), None);
        assert!(test.auth.sessions().resume(&secret).await.unwrap().is_none());
        assert_eq!(test.auth.session_end(user.id, session.id).await.unwrap(), None);
    }
}

/// A new session ends the one it replaces, in the same step, and no other.
pub async fn a_new_session_ends_the_one_it_replaces(place: Place) {
    for store in [Store::Database, Store::Memory] {
        let test = in_store(&place, store).await;
        let user = account(&test).await;
        let (_, first) = begin(&test, &user, None).await;
        let (_, other) = begin(&test, &user, None).await;
        assert!(test.auth.sessions().resume(&first).await.unwrap().is_some());
        let (_, second) = begin(&test, &user, Some(first.hash())).await;
        let sessions = test.auth.sessions();
        assert!(sessions.resume(&first).await.unwrap().is_none());
        assert!(sessions.resume(&other).await.unwrap().is_some());
        assert!(sessions.resume(&second).await.unwrap().is_some());
    }
}

/// A session ends when it was not used for long, and at its absolute end however much it was used.
pub async fn a_session_ends_by_itself(place: Place) {
    for store in [Store::Database, Store::Memory] {
        let test = in_store(&place, store).await;
        let user = account(&test).await;
        let sessions = test.auth.sessions();
        let hours = |hours: u64| Duration::from_secs(hours * 3600);

        let (_, idle) = begin(&test, &user, None).await;
        test.clock.advance(hours(12));
        assert!(sessions.resume(&idle).await.unwrap().is_some());
        test.clock.advance(hours(12) + Duration::from_secs(1));
        assert!(sessions.resume(&idle).await.unwrap().is_none());

        let (_, busy) = begin(&test, &user, None).await;
        for _ in 0..72 {
            test.clock.advance(hours(10));
            assert!(sessions.resume(&busy).await.unwrap().is_some());
        }
        test.clock.advance(Duration::from_secs(1));
        assert!(sessions.resume(&busy).await.unwrap().is_none());
        // The next login sweeps out what is dead.
        begin(&test, &user, None).await;
        assert_eq!(sessions.store().find(idle.hash()).await.unwrap(), None);
        assert_eq!(sessions.store().find(busy.hash()).await.unwrap(), None);
    }
}

/// A session of an account that is disabled, signed out or gone is over, also where it is remembered.
pub async fn a_session_ends_with_its_account(place: Place) {
    for store in [Store::Database, Store::Memory] {
        let test = in_store(&place, store).await;
        let user = account(&test).await;
        let (auth, sessions) = (&test.auth, test.auth.sessions());
        let (_, secret) = begin(&test, &user, None).await;
        assert!(sessions.resume(&secret).await.unwrap().is_some());
        auth.user_set_disabled(user.id, true).await.unwrap();
        assert!(sessions.resume(&secret).await.unwrap().is_none());
        auth.user_set_disabled(user.id, false).await.unwrap();
        assert!(sessions.resume(&secret).await.unwrap().is_none(), "it does not come back");

        let user = auth.user(user.id).await.unwrap().unwrap();
        let (_, secret) = begin(&test, &user, None).await;
        assert!(sessions.resume(&secret).await.unwrap().is_some());
        auth.user_sign_out(user.id).await.unwrap();
        assert!(sessions.resume(&secret).await.unwrap().is_none());

        let user = auth.user(user.id).await.unwrap().unwrap();
        let (_, secret) = begin(&test, &user, None).await;
        assert!(sessions.resume(&secret).await.unwrap().is_some());
        auth.user_delete(user.id).await.unwrap();
        assert!(sessions.resume(&secret).await.unwrap().is_none());
        assert!(matches!(auth.user_delete(user.id).await, Err(Error::NotFound)));
        if store == Store::Database {
            let late = auth.session_create(&user, &Client::default(), None).await;
            assert!(matches!(late, Err(Error::InvalidCredentials)), "{late:?}");
        }
        let left = auth.db().all("SELECT id FROM sessions", []).await.unwrap();
        assert!(left.is_empty(), "deleting the account removes its rows");
    }
}

/// Other roles are those of a session at once, and the session goes on.
pub async fn a_session_has_the_roles_of_its_account_at_once(place: Place) {
    for store in [Store::Database, Store::Memory] {
        let test = in_store(&place, store).await;
        let user = account(&test).await;
        let (_, secret) = begin(&test, &user, None).await;
        let roles = async || {
            let resumed = test.auth.sessions().resume(&secret).await.unwrap().unwrap();
            resumed.user.roles.names().to_vec()
        };
        assert_eq!(roles().await, ["user"]);
        test.auth.user_set_roles(user.id, &["user", "admin"]).await.unwrap();
        assert_eq!(roles().await, ["admin", "user"]);
    }
}

/// The last administrator who can log in cannot be taken, also not by two requests at once.
pub async fn the_last_administrator_stays(place: Place) {
    let test = TestAuth::new(&place).await.unwrap();
    let (one, two, user) = (account(&test).await, account(&test).await, account(&test).await);
    for admin in [&one, &two] {
        test.auth.user_set_roles(admin.id, &["admin", "user"]).await.unwrap();
    }
    let is_last = |outcome: &Result<(), Error>| matches!(outcome, Err(Error::LastAdmin));
    for _ in 0..8 {
        let (first, second) = tokio::join!(
            test.auth.user_set_disabled(one.id, true),
            test.auth.user_set_roles(two.id, &["user"])
        );
        assert!(first.is_ok() && is_last(&second) || is_last(&first) && second.is_ok());
        test.auth.user_set_disabled(one.id, false).await.unwrap();
        test.auth.user_set_roles(two.id, &["admin", "user"]).await.unwrap();
    }
    test.auth.user_delete(one.id).await.unwrap();
    assert!(is_last(&test.auth.user_delete(two.id).await));
    assert!(is_last(&test.auth.user_set_disabled(two.id, true).await));
    assert!(is_last(&test.auth.user_set_roles(two.id, &["user"]).await));
    test.auth.user_set_roles(two.id, &["admin"]).await.unwrap();
    test.auth.user_delete(user.id).await.unwrap();
}

/// Another password ends all other logins in one step; a wrong one changes nothing.
pub async fn another_password_ends_all_other_logins(place: Place) {
    let test = TestAuth::new(&place).await.unwrap();
    let auth = &test.auth;
    let user = auth.user_create(new_user("a@example.com")).await.unwrap();
    let (kept, _) = begin(&test, &user, None).await;
    let (_, other) = begin(&test, &user, None).await;
    let tokens = auth.tokens_create(&user, &Client::default()).await.unwrap();
    let new = "three further unrelated pebbles";
    for (current, new) in
        [("wrong", new), ("", new), (PASSWORD, "weak"), (PASSWORD, "a@example.com")]
    {
        auth.password_change(&user, kept.id, current, new, &Client::default()).await.unwrap_err();
    }
    assert_eq!(auth.sessions_of(user.id, None, 100).await.unwrap().len(), 3);
    let ending =
        auth.password_change(&user, kept.id, PASSWORD, new, &Client::default()).await.unwrap();
    assert_eq!(ending.sessions.len(), 2);
    assert!(ending.sessions.contains(&tokens.session));
    assert!(auth.sessions().resume(&other).await.unwrap().is_none());
    let left = auth.sessions_of(user.id, None, 100).await.unwrap();
    assert_eq!(left.iter().map(|session| session.id).collect::<Vec<_>>(), [kept.id]);
    assert!(auth.login("a@example.com", PASSWORD, &Client::default()).await.is_err());
    auth.login("a@example.com", new, &Client::default()).await.unwrap();
    // Who had passed the check of the old password begins no login with it.
    for refused in [
        auth.tokens_create(&user, &Client::default()).await.map(drop),
        auth.session_create(&user, &Client::default(), None).await.map(drop),
    ] {
        assert!(matches!(refused, Err(Error::InvalidCredentials)), "{refused:?}");
    }
}

/// A password counts to its last character, as long as one may be, and in whichever form it is typed.
pub async fn a_password_counts_whole_and_in_normal_form(place: Place) {
    let test = TestAuth::new(&place).await.unwrap();
    let auth = &test.auth;
    let filler = "four unrelated gravel words, seven lanterns and a quiet harbour; ";
    let longest: String = filler.chars().cycle().take(passwords::MAX_LENGTH - 1).collect();
    let long = format!("{longest}Z");
    for (email, password, same, others) in [
        ("long@example.com", &*long, &*long, [&*format!("{longest}Y"), &*longest]),
        (
            "typed@example.com",
            "caf\u{e9} au lait, s'il vous pla\u{ee}t",
            "cafe\u{301} au lait, s'il vous plai\u{302}t",
            ["cafe au lait, s'il vous plait", "CAF\u{c9} au lait, s'il vous pla\u{ee}t"],
        ),
    ] {
        auth.user_create(NewUser { password, ..new_user(email) }).await.unwrap();
        auth.login(email, same, &Client::default()).await.unwrap();
        for other in others {
            auth.login(email, other, &Client::default()).await.unwrap_err();
        }
    }
    let longer = format!("{long}Z");
    let refused = auth.user_create(NewUser { password: &longer, ..new_user("c@example.com") });
    assert!(matches!(refused.await, Err(Error::PasswordRefused(_))));
}

/// A hash with weaker parameters than those in force is replaced by the first login with the right password, and no
/// login ends by it.
pub async fn a_weaker_hash_is_replaced_at_login(place: Place) {
    let test = TestAuth::new(&place).await.unwrap();
    let (db, user) = (test.auth.db(), somebody(&test, "a@example.com"));
    // echo -n password | argon2 somesalt -id -t 2 -k 256 -p 1 -l 32
    let weaker =
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
    crate::testing::user_add(db, &user, weaker.to_owned()).await.unwrap();
    let tokens = test.auth.tokens_create(&user, &Client::default()).await.unwrap();
    let hash =
        || async { passwords::storage::password_by_user(db, user.id).await.unwrap().unwrap() };
    test.auth.login("a@example.com", "Password", &Client::default()).await.unwrap_err();
    assert_eq!(hash().await, weaker);
    test.auth.login("a@example.com", "password", &Client::default()).await.unwrap();
    let stronger = hash().await;
    assert!(stronger.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stronger}");
    test.auth.login("a@example.com", "password", &Client::default()).await.unwrap();
    assert_eq!(hash().await, stronger);
    test.auth.tokens_refresh(&tokens.refresh, &Client::default()).await.unwrap();
    // Another has replaced it in the meantime.
    let lost =
        passwords::storage::password_rehash(db, user.id, weaker.to_owned(), "lost".to_owned());
    assert!(!lost.await.unwrap());
    assert_eq!(hash().await, stronger);
}

/// A list has the live sessions after an id, so many at most, the newest first.
pub async fn sessions_are_listed_page_by_page(place: Place) {
    for store in [Store::Database, Store::Memory] {
        let test = in_store(&place, store).await;
        let user = account(&test).await;
        begin(&test, &user, None).await;
        test.clock.advance(Duration::from_secs(91 * 86_400));
        let mut all = Vec::new();
        for number in 0..7 {
            all.push(if number % 2 == 0 {
                begin(&test, &user, None).await.0.id
            } else {
                test.auth.tokens_create(&user, &Client::default()).await.unwrap().session
            });
        }
        all.reverse();
        let page = async |after, limit| {
            let page = test.auth.sessions_of(user.id, after, limit).await.unwrap();
            page.iter().map(|session| session.id).collect::<Vec<_>>()
        };
        assert_eq!(page(None, 100).await, all);
        assert_eq!(page(None, 3).await, all.iter().copied().take(3).collect::<Vec<_>>());
        let after = all.iter().copied().nth(2);
        assert_eq!(page(after, 3).await, all.iter().copied().skip(3).take(3).collect::<Vec<_>>());
        assert!(page(all.last().copied(), 3).await.is_empty());
    }
}

/// The database holds no secret of a session, only its hash.
pub async fn the_database_holds_no_session_secret(place: Place) {
    let test = TestAuth::new(&place).await.unwrap();
    let user = account(&test).await;
    let (_, secret) = begin(&test, &user, None).await;
    let rows = test.auth.db().all("SELECT secret_hash FROM sessions", []).await.unwrap();
    let stored: Vec<u8> = rows.first().unwrap().get("secret_hash").unwrap();
    assert_eq!(stored, secret.hash().as_bytes());
    assert_ne!(crate::secret::hex(&stored), secret.reveal());
}

/// The first start makes a key; every later one, and every other instance, finds it.
pub async fn instances_that_start_at_once_agree_on_the_key(place: Place) {
    let place = Arc::new(place);
    let starts = (0..4).map(|_| {
        let place = Arc::clone(&place);
        tokio::spawn(async move { TestAuth::new(&place).await })
    });
    let started: Vec<TestAuth> =
        join_all(starts).await.into_iter().map(|start| start.unwrap().unwrap()).collect();
    let kid = |test: &TestAuth| test.auth.keys().now().signing.kid().map(str::to_owned);
    let first = started.first().unwrap();
    assert!(kid(first).is_some());
    for test in &started {
        assert_eq!(kid(test), kid(first));
    }
    let again = TestAuth::new(&place).await.unwrap();
    assert_eq!(kid(&again), kid(first));
}

async fn begin(
    test: &TestAuth,
    user: &User,
    replaced: Option<SecretHash>,
) -> (Session, OpaqueSecret) {
    test.auth.session_create(user, &Client::default(), replaced).await.unwrap()
}

async fn in_store(place: &Place, store: Store) -> TestAuth {
    let mut config = Config::default();
    config.sessions.store = store;
    TestAuth::with(place, config).await.unwrap()
}

/// An account that is made once for each database.
pub(super) async fn account(test: &TestAuth) -> User {
    let email = format!("{}@example.com", test.auth.ids().next());
    let roles = Roles::new(&["user"], &Config::default().accounts.roles).unwrap();
    let user = User { roles, ..somebody(test, &email) };
    crate::testing::user_add(test.auth.db(), &user, "hash".to_owned()).await.unwrap();
    user
}
