//! What administration promises, one function for each promise, to be run on every engine.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a promise that is not kept fails the test where it stands"
)]

use std::time::Duration;

use futures_util::future::join_all;
use uuid::Uuid;

use super::{PASSWORD, Place, TestAuth, conformance::account, letters::Letters, logins::bearer};
use crate::{
    Auth, Client, Config, Error, OpaqueSecret,
    audit::{Act, Actor, By, Filter, Recorded, act},
    config::Store,
    passwords,
    rights::EVENTS,
    roles::{Claimed, Roles},
    secret::hex,
    users::{Email, NewUser, Order, Search, User, UserId, UserUpdate, storage},
};

const OTHER: &str = "three further unrelated pebbles";

/// An account with no password that anybody knows.
async fn named(test: &TestAuth, email: &str, name: Option<&str>, roles: &[&str]) -> User {
    let roles = Roles::new(roles, &Config::default().accounts.roles).unwrap();
    let user = User {
        id: UserId(test.auth.ids().next()),
        email: Email::parse(email).unwrap(),
        name: name.map(str::to_owned),
        roles,
        generation: 0,
        disabled: false,
        pending: false,
        created_at: test.auth.clock().now(),
    };
    let act = Act::UserCreated { roles: user.roles.clone() };
    let hash = "hash".to_owned();
    storage::user_create(test.auth.db(), &user, hash, test.auth.scribe(), act).await.unwrap();
    user
}

async fn administrator(test: &TestAuth) -> User {
    let email = format!("{}@example.com", test.auth.ids().next());
    named(test, &email, None, &["admin", "user"]).await
}

async fn found(auth: &Auth, search: Search<'_>) -> Vec<String> {
    let users = auth.users_find(&Search { limit: 100, ..search }).await.unwrap();
    users.iter().map(|user| user.email.to_string()).collect()
}

/// The types of the events about an account, in their order.
async fn recorded(test: &TestAuth, user: UserId) -> Vec<String> {
    let about = Filter { user: Some(user), ..Filter::default() };
    let events = test.auth.log().page(&about, None, 100).await.unwrap();
    events.into_iter().rev().map(|event| event.kind).collect()
}

async fn by_text(auth: &Auth, text: &str) -> Vec<String> {
    found(auth, Search { text: Some(text), ..Search::default() }).await
}

/// A part of an address or a name finds an account, however it is written; what means something in a pattern finds
/// itself alone.
pub async fn accounts_are_found_by_parts_of_their_address_and_name(place: Place) {
    let test = TestAuth::new(&place).await.unwrap();
    let auth = &test.auth;
    let ada = named(&test, "Ada.L@example.com", Some("Ada Lovelace"), &["user"]).await;
    named(&test, "b_2@example.org", Some("Zoë Straße 100% \\ fun!"), &["admin", "user"]).await;
    named(&test, "b12@example.org", None, &["user"]).await;
    let (a, b, c) = ("ada.l@example.com", "b_2@example.org", "b12@example.org");
    for (text, expected) in [
        ("", vec![a, b, c]),
        ("  ", vec![a, b, c]),
        ("EXAMPLE.org", vec![b, c]),
        (" lovelace ", vec![a]),
        ("ADA LOVE", vec![a]),
        ("zoE\u{308} STRASSE", vec![b]),
        ("zoe", vec![]),
        ("b_2", vec![b]),
        ("100%", vec![b]),
        ("%", vec![b]),
        ("_", vec![b]),
        ("\\", vec![b]),
        ("!", vec![b]),
        ("%%", vec![]),
        ("com ada", vec![]),
        ("'; DROP TABLE users; --", vec![]),
    ] {
        assert_eq!(by_text(auth, text).await, expected, "{text:?}");
    }
    for refused in ["a\0b", "a\nb", &"x".repeat(255)] {
        let search = Search { text: Some(refused), limit: 1, ..Search::default() };
        assert!(matches!(auth.users_find(&search).await, Err(Error::QueryInvalid(_))));
    }
    // What is found follows every change of what is searched.
    auth.user_set_name(ada.id, Some("Countess")).await.unwrap();
    assert_eq!(by_text(auth, "countess").await, [a]);
    assert!(by_text(auth, "lovelace").await.is_empty());
    let update = UserUpdate { name: Some(Some("Byron")), ..UserUpdate::default() };
    auth.user_update(ada.id, update).await.unwrap();
    assert_eq!((by_text(auth, "BYRON").await.len(), by_text(auth, "countess").await.len()), (1, 0));

    let by_role = |role| Search { role: Some(role), ..Search::default() };
    assert_eq!(found(auth, by_role("admin")).await, [b]);
    assert_eq!(found(auth, by_role("user")).await, [a, b, c]);
    assert!(
        found(auth, by_role("use_")).await.is_empty() && found(auth, by_role("s")).await.is_empty()
    );
    auth.user_set_disabled(ada.id, true).await.unwrap();
    let by_end = |disabled| Search { disabled: Some(disabled), ..Search::default() };
    assert_eq!(found(auth, by_end(true)).await, [a]);
    assert_eq!(found(auth, by_end(false)).await, [b, c]);
    let both = Search {
        text: Some("example"),
        role: Some("user"),
        disabled: Some(false),
        ..Search::default()
    };
    assert_eq!(found(auth, both).await, [b, c]);
    let newest = Search { order: Order::NewestFirst, ..both };
    assert_eq!(found(auth, newest).await, [c, b]);
}

/// An account that has another address is found by that one alone.
pub async fn another_address_is_found_and_the_old_one_is_not(place: Place) {
    let test = TestAuth::new(&place).await.unwrap();
    test.auth.stop_mail();
    let new =
        NewUser { email: "old@example.com", password: PASSWORD, name: None, roles: &["user"] };
    let user = test.auth.user_create(new).await.unwrap();
    assert_eq!(by_text(&test.auth, "old@").await.len(), 1);
    test.auth.email_change(&user, "new@example.com", PASSWORD, &Client::default()).await.unwrap();
    let token = Letters::of(&test).only().await.token.unwrap();
    test.auth.email_verify(&token, &Client::default()).await.unwrap();
    assert!(by_text(&test.auth, "old@").await.is_empty());
    assert_eq!(by_text(&test.auth, "new@").await, ["new@example.com"]);
}

/// Whoever goes from page to page meets each account that was there once, whatever is added in the meantime.
pub async fn pages_of_accounts_stay_while_accounts_are_added(place: Place) {
    let test = TestAuth::new(&place).await.unwrap();
    let mut there = Vec::new();
    for number in 0..7 {
        there.push(named(&test, &format!("{number}@example.com"), None, &["user"]).await.id);
    }
    for order in [Order::NewestFirst, Order::OldestFirst] {
        let (mut met, mut after) = (Vec::new(), None);
        loop {
            let search =
                Search { text: Some("example"), after, limit: 2, order, ..Search::default() };
            let page = test.auth.users_find(&search).await.unwrap();
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            met.extend(page.iter().map(|user| user.id));
            // They come from nowhere in the order, as far as the pages are concerned.
            if met.len() < 12 {
                account(&test).await;
            }
        }
        met.retain(|id| there.contains(id));
        if order == Order::NewestFirst {
            met.reverse();
        }
        assert_eq!(met, there);
    }
}

/// Name, roles and end of an account change together or not at all; what is so already changes nothing.
pub async fn several_things_of_an_account_change_in_one_step(place: Place) {
    for store in [Store::Database, Store::Memory] {
        let mut config = Config::default();
        config.sessions.store = store;
        let test = TestAuth::with(&place, config).await.unwrap();
        let auth = &test.auth;
        let user = account(&test).await;
        let update = |name, roles, disabled| UserUpdate { name, roles, disabled };

        let same = auth.user_update(user.id, UserUpdate::default()).await.unwrap();
        assert_eq!(same, user);
        let same = update(Some(Some("Somebody")), Some(&["user"][..]), Some(false));
        assert_eq!(auth.user_update(user.id, same).await.unwrap(), user);

        // A name ends nothing.
        let tokens = auth.tokens_create(&user, &Client::default()).await.unwrap();
        let named =
            auth.user_update(user.id, update(Some(Some(" Ada ")), None, None)).await.unwrap();
        assert_eq!((named.name.as_deref(), named.generation), (Some("Ada"), user.generation));
        assert!(bearer(auth, &tokens).await.is_ok());

        let (session, secret) =
            auth.session_create(&named, &Client::default(), None).await.unwrap();
        let all = update(Some(None), Some(&["admin", "user"][..]), Some(true));
        let changed = auth.user_update(user.id, all).await.unwrap();
        assert_eq!((changed.name.as_deref(), changed.disabled), (None, true));
        assert_eq!(changed.roles.names(), ["admin", "user"]);
        assert_eq!(changed.generation, user.generation + 1, "one step, one rise");
        assert_eq!(auth.user(user.id).await.unwrap().unwrap(), changed);
        assert_eq!(bearer(auth, &tokens).await.unwrap_err().code(), "token_revoked");
        assert!(auth.sessions().resume(&secret).await.unwrap().is_none());
        assert!(auth.session_end(user.id, session.id).await.unwrap().is_none());
        assert!(auth.sessions_of(user.id, None, 10).await.unwrap().is_empty());
        assert_eq!(auth.user_update(user.id, all).await.unwrap().generation, changed.generation);

        // One event for each thing that changed, by whoever did it; none for what did not.
        let kinds = recorded(&test, user.id).await;
        let changes: Vec<&str> = kinds
            .iter()
            .map(String::as_str)
            .filter(|kind| ["user.renamed", "user.roles_changed", "user.disabled"].contains(kind))
            .collect();
        assert_eq!(
            changes,
            ["user.renamed", "user.renamed", "user.roles_changed", "user.disabled"]
        );

        for (refused, why) in [
            (update(Some(Some("x")), Some(&["root"][..]), None), "there is no such role"),
            (update(Some(Some("\n")), None, Some(false)), "name: it is empty"),
        ] {
            let error = auth.user_update(user.id, refused).await.unwrap_err();
            assert_eq!(error.to_string(), why);
            assert_eq!(auth.user(user.id).await.unwrap().unwrap(), changed);
        }
        let nobody = auth.user_update(UserId(Uuid::max()), UserUpdate::default()).await;
        assert!(matches!(nobody, Err(Error::NotFound)));
    }
}

/// Of several administrators who are taken at once, each in another way, one stays.
pub async fn one_administrator_stays_of_several_who_are_taken_at_once(place: Place) {
    let test = TestAuth::new(&place).await.unwrap();
    for _ in 0..4 {
        let mut admins = Vec::new();
        for _ in 0..6 {
            admins.push(administrator(&test).await.id);
        }
        // Those of the rounds before.
        for user in test.auth.users(None, 100).await.unwrap() {
            if !admins.contains(&user.id) {
                test.auth.user_delete(user.id).await.unwrap();
            }
        }
        let taken = admins.iter().enumerate().map(async |(number, id)| {
            let demoted = UserUpdate { roles: Some(&["user"]), ..UserUpdate::default() };
            let disabled = UserUpdate { disabled: Some(true), ..UserUpdate::default() };
            match number % 5 {
                0 => test.auth.user_update(*id, demoted).await.map(drop),
                1 => test.auth.user_update(*id, disabled).await.map(drop),
                2 => test.auth.user_delete(*id).await,
                3 => test.auth.user_set_roles(*id, &["user"]).await,
                _ => test.auth.user_set_disabled(*id, true).await,
            }
        });
        let outcomes = join_all(taken).await;
        let (done, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
        assert_eq!(done.len(), 5, "{refused:?}");
        assert!(refused.iter().all(|outcome| matches!(outcome, Err(Error::LastAdmin))));
        let by_role = Search { role: Some("admin"), disabled: Some(false), ..Search::default() };
        assert_eq!(found(&test.auth, by_role).await.len(), 1);
    }
}

/// A change that would take the last administrator changes nothing else either.
pub async fn a_change_that_is_refused_changes_nothing(place: Place) {
    let test = TestAuth::new(&place).await.unwrap();
    let admin = administrator(&test).await;
    let tokens = test.auth.tokens_create(&admin, &Client::default()).await.unwrap();
    for update in [
        UserUpdate { name: Some(Some("Other")), roles: Some(&["user"]), disabled: None },
        UserUpdate { name: Some(Some("Other")), roles: None, disabled: Some(true) },
        UserUpdate { name: Some(Some("Other")), roles: Some(&["admin"]), disabled: Some(true) },
    ] {
        let refused = test.auth.user_update(admin.id, update).await;
        assert!(matches!(refused, Err(Error::LastAdmin)), "{refused:?}");
        assert_eq!(test.auth.user(admin.id).await.unwrap().unwrap(), admin);
    }
    assert!(bearer(&test.auth, &tokens).await.is_ok());
    // One that cannot log in is not counted.
    let second = administrator(&test).await;
    test.auth.user_set_disabled(second.id, true).await.unwrap();
    assert!(matches!(test.auth.user_delete(admin.id).await, Err(Error::LastAdmin)));
    let both = UserUpdate { disabled: Some(true), roles: Some(&["user"]), name: None };
    test.auth.user_update(second.id, both).await.unwrap();
    assert!(matches!(test.auth.user_update(admin.id, both).await, Err(Error::LastAdmin)));
}

/// The end of all logins says which they were.
pub async fn the_end_of_all_logins_names_them(place: Place) {
    for store in [Store::Database, Store::Memory] {
        let mut config = Config::default();
        config.sessions.store = store;
        let test = TestAuth::with(&place, config).await.unwrap();
        let (user, other) = (account(&test).await, account(&test).await);
        let tokens = test.auth.tokens_create(&user, &Client::default()).await.unwrap();
        let (cookie, _) = test.auth.session_create(&user, &Client::default(), None).await.unwrap();
        let theirs = test.auth.tokens_create(&other, &Client::default()).await.unwrap();
        let ending = test.auth.user_sign_out(user.id).await.unwrap();
        assert_eq!(ending.sessions, [tokens.session, cookie.id]);
        let (now, lifetime) = (test.auth.clock().now(), Duration::from_secs(600));
        assert!(ending.access_expires_at >= now.saturating_add(lifetime));
        assert!(ending.effective_by <= now.saturating_add(Duration::from_secs(2)));
        assert_eq!(bearer(&test.auth, &tokens).await.unwrap_err().code(), "token_revoked");
        assert!(bearer(&test.auth, &theirs).await.is_ok());
        assert!(test.auth.user_sign_out(user.id).await.unwrap().sessions.is_empty());
    }
    let test = TestAuth::new(&place).await.unwrap();
    let nobody = test.auth.user_sign_out(UserId(Uuid::nil())).await;
    assert!(matches!(nobody, Err(Error::NotFound)));
}

async fn invite(test: &TestAuth) -> Option<String> {
    let invitation = test.auth.administrator_invite().await.unwrap();
    invitation.map(|invitation| invitation.token().to_string())
}

async fn claim(test: &TestAuth, token: &str, email: &str) -> Result<Claimed, Error> {
    test.auth.administrator_claim(token, email, PASSWORD, Some("First"), &Client::default()).await
}

fn is_invalid(outcome: &Result<Claimed, Error>) -> bool {
    matches!(outcome, Err(Error::LinkInvalid))
}

/// The link makes one administrator, once; then there is none any more.
pub async fn the_first_administrator_is_made_once(place: Place) {
    let test = TestAuth::new(&place).await.unwrap();
    let token = invite(&test).await.unwrap();
    for wrong in ["", "0", &"0".repeat(64), &token.to_uppercase(), &format!("{token} ")] {
        assert!(is_invalid(&claim(&test, wrong, "a@example.com").await), "{wrong}");
    }
    // What is refused leaves the link as it is.
    let client = Client::default();
    let weak = test.auth.administrator_claim(&token, "a@example.com", "password", None, &client);
    assert!(matches!(weak.await, Err(Error::PasswordRefused(_))));
    let Claimed::Made(user) = claim(&test, &token, "a@example.com").await.unwrap() else {
        panic!("the account was not there")
    };
    assert_eq!(user.roles.names(), ["admin", "user"]);
    assert_eq!(test.auth.user(user.id).await.unwrap().unwrap(), user);
    test.auth.login("a@example.com", PASSWORD, &Client::default()).await.unwrap();
    assert!(is_invalid(&claim(&test, &token, "b@example.com").await));
    assert_eq!(invite(&test).await, None);
    // It is recorded as the act of the account that it made.
    let about = Filter { user: Some(user.id), ..Filter::default() };
    let events = test.auth.log().page(&about, None, 10).await.unwrap();
    let event = events.iter().find(|event| event.kind == "administrator.claimed").unwrap();
    assert_eq!(event.actor, Actor::Owner);
}

/// An administrator who was made by other means voids the link, and so do a day and a later start.
pub async fn a_link_for_the_first_administrator_does_not_outlive_its_reason(place: Place) {
    let test = TestAuth::new(&place).await.unwrap();
    let first = invite(&test).await.unwrap();
    test.clock.advance(Duration::from_secs(61));
    let second = invite(&test).await.unwrap();
    assert!(is_invalid(&claim(&test, &first, "a@example.com").await));
    test.clock.advance(Duration::from_secs(86_400));
    assert!(is_invalid(&claim(&test, &second, "a@example.com").await));

    let third = invite(&test).await.unwrap();
    administrator(&test).await;
    assert!(is_invalid(&claim(&test, &third, "a@example.com").await));
    // Where none can log in any more there is a link again.
    test.auth.db().execute("UPDATE users SET disabled = $1", [true.into()]).await.unwrap();
    let fourth = invite(&test).await.unwrap();
    assert!(matches!(claim(&test, &fourth, "a@example.com").await, Ok(Claimed::Made(_))));
}

/// Instances that start together have a link each; of many claims at once one wins.
pub async fn of_many_claims_at_once_one_wins(place: Place) {
    let test = TestAuth::new(&place).await.unwrap();
    let (one, two) = tokio::join!(invite(&test), invite(&test));
    let tokens = [one.unwrap(), two.unwrap()];
    let claims = (0..6).zip(tokens.iter().cycle());
    let claims = claims
        .map(async |(number, token)| claim(&test, token, &format!("{number}@example.com")).await);
    let outcomes = join_all(claims).await;
    let (done, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!(done.len(), 1, "{refused:?}");
    assert!(refused.iter().all(is_invalid), "{refused:?}");
    assert_eq!(found(&test.auth, Search::default()).await.len(), 1);
}

/// An account that is there gets the role by its own password alone, and keeps its name and its logins.
pub async fn an_account_claims_with_its_own_password(place: Place) {
    let test = TestAuth::new(&place).await.unwrap();
    let auth = &test.auth;
    let email = "a@example.com";
    let new = NewUser { email, password: OTHER, name: Some("Ada"), roles: &["user"] };
    let user = auth.user_create(new).await.unwrap();
    let token = invite(&test).await.unwrap();
    let by_owner = async |client: Client| {
        auth.administrator_claim(&token, "A@example.com", OTHER, Some("X"), &client).await
    };
    // The token takes nobody's account over, and brings no disabled one back.
    let wrong = claim(&test, &token, email).await;
    assert!(matches!(wrong, Err(Error::PasswordWrong)), "{wrong:?}");
    auth.user_set_disabled(user.id, true).await.unwrap();
    assert!(is_invalid(&by_owner(Client::default()).await));
    auth.user_set_disabled(user.id, false).await.unwrap();

    let user = auth.user(user.id).await.unwrap().unwrap();
    let tokens = auth.tokens_create(&user, &Client::default()).await.unwrap();
    let claimed = by_owner(Client::default()).await.unwrap();
    let Claimed::Promoted(promoted) = claimed else { panic!("the account was there") };
    let expected =
        User { roles: user.roles.with("admin"), generation: user.generation + 1, ..user };
    assert_eq!(promoted, expected);
    assert_eq!(auth.user(promoted.id).await.unwrap().unwrap(), expected);
    // The token without the role is dead; the login goes on and has it.
    assert_eq!(bearer(auth, &tokens).await.unwrap_err().code(), "token_revoked");
    let next = auth.tokens_refresh(&tokens.refresh, &Client::default()).await.unwrap();
    assert!(bearer(auth, &next).await.unwrap().has_role("admin"));
}

/// Nothing in the database is the link.
pub async fn the_link_for_the_first_administrator_is_stored_as_its_hash(place: Place) {
    let test = TestAuth::new(&place).await.unwrap();
    let token = OpaqueSecret::parse(&invite(&test).await.unwrap()).unwrap();
    let rows = test.auth.db().all("SELECT secret_hash FROM admin_links", []).await.unwrap();
    let stored: Vec<Vec<u8>> = rows.iter().map(|row| row.get("secret_hash").unwrap()).collect();
    assert_eq!(stored, [token.hash().as_bytes()]);
}

/// All that is held on an account is in its export: nothing of others, no hash, no secret.
pub async fn all_that_is_held_on_an_account_is_handed_out(place: Place) {
    let test = TestAuth::new(&place).await.unwrap();
    let auth = &test.auth;
    auth.stop_mail();
    let client = Client {
        address: Some([192, 0, 2, 7].into()),
        device: "Firefox on Linux".to_owned(),
        request_id: None,
    };
    let email = "ada@example.com";
    let new = NewUser { email, password: PASSWORD, name: Some("Ada"), roles: &["user"] };
    let user = auth.user_create(new).await.unwrap();
    let other =
        NewUser { email: "other@example.com", password: PASSWORD, name: None, roles: &["user"] };
    let other = auth.user_create(other).await.unwrap();
    auth.login(email, PASSWORD, &client).await.unwrap();
    let tokens = auth.tokens_create(&user, &client).await.unwrap();
    let (cookie, secret) = auth.session_create(&user, &client, None).await.unwrap();
    auth.tokens_create(&other, &client).await.unwrap();
    auth.email_change(&user, "next@example.com", PASSWORD, &client).await.unwrap();
    let link = Letters::of(&test).only().await.token.unwrap();
    auth.password_forgot(email, &client).await.unwrap();

    let text = auth.user_export(user.id, None).await.unwrap().to_json();
    let members: Vec<&String> = text.as_object().unwrap().keys().collect();
    let expected = [
        "account",
        "email_change",
        "events",
        "known_addresses",
        "letters",
        "links",
        "password",
        "sessions",
    ];
    assert_eq!(members, expected);
    assert_eq!(text["account"]["email"], email);
    assert_eq!(text["password"]["scheme"], "countersign");
    let ids: Vec<&str> = text["sessions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, [cookie.id.to_string(), tokens.session.to_string()]);
    assert_eq!(text["sessions"][0]["address"], "192.0.2.7");
    assert_eq!(text["sessions"][0]["device"], "Firefox on Linux");
    assert_eq!(text["links"][0]["purpose"], "change");
    assert_eq!(text["links"][0]["sent_to"], "next@example.com");
    assert_eq!(text["email_change"]["email"], "next@example.com");
    assert_eq!(text["letters"][0]["kind"], "reset_password");
    assert_eq!(text["letters"][0]["facts"]["address"], "192.0.2.7");
    assert_eq!(text["known_addresses"], 1);

    let whole = text.to_string();
    let hash = passwords::storage::password_by_user(auth.db(), user.id).await.unwrap().unwrap();
    let link_hash = OpaqueSecret::parse(&link).unwrap().hash();
    for secret in [
        hash.as_str(),
        hash.rsplit('$').next().unwrap(),
        &link,
        &hex(link_hash.as_bytes()),
        &secret.reveal(),
        &hex(secret.hash().as_bytes()),
        &tokens.refresh,
        &tokens.access,
        PASSWORD,
        "argon2",
        "other@example.com",
        &other.id.0.to_string(),
    ] {
        assert!(!whole.contains(secret), "{secret} is in {whole}");
    }
    let nobody = auth.user_export(UserId(Uuid::max()), None).await;
    assert!(matches!(nobody, Err(Error::NotFound)));
}

/// The events about an account come page by page; of somebody else who did something, it is not told who or from where.
pub async fn events_of_an_export_come_in_pages_and_tell_on_nobody(place: Place) {
    let test = TestAuth::new(&place).await.unwrap();
    let (auth, user, admin) = (&test.auth, account(&test).await, administrator(&test).await);
    let client = Client { address: Some([198, 51, 100, 9].into()), ..Client::default() };
    let record = async |actor, times: usize| {
        let scribe = auth.acting(By { actor, client: client.clone(), session: None }).scribe();
        let step = act(auth.db(), move |tx| {
            let scribe = scribe.clone();
            Box::pin(async move {
                let mut recorded = Recorded::nothing();
                for _ in 0..times {
                    recorded = scribe.record(tx, Some(user.id), None, &Act::UserRenamed).await?;
                }
                Ok(((), recorded))
            })
        });
        step.await.unwrap();
    };
    let whole = || async {
        let (mut events, mut after, mut pages) = (Vec::new(), None, 0);
        loop {
            let export = auth.user_export(user.id, after).await.unwrap();
            let page = export.events_to_json();
            let items = page["items"].as_array().unwrap().iter();
            // Each look at it is an event too.
            events.extend(items.filter(|item| item["type"] == "user.renamed").cloned());
            pages += 1;
            after = export.next;
            if after.is_none() {
                return (events, pages);
            }
        }
    };
    record(Actor::User(user.id), 1).await;
    record(Actor::User(admin.id), 1).await;
    let (events, pages) = whole().await;
    assert_eq!((events.len(), pages), (2, 1));
    let (foreign, own) = (&events[0], &events[1]);
    assert_eq!(own["address"], "198.51.100.9");
    assert_eq!(own["actor"]["id"], user.id.0.to_string());
    assert_eq!(foreign["actor"], serde_json::json!({ "type": "user", "id": null }));
    assert!(foreign["address"].is_null() && foreign["request_id"].is_null());
    assert!(!foreign.to_string().contains(&admin.id.0.to_string()));

    record(Actor::User(user.id), usize::try_from(EVENTS).unwrap()).await;
    let (events, pages) = whole().await;
    assert_eq!((events.len(), pages), (2 + 1_000, 2));
    let mut ids: Vec<&str> = events.iter().map(|event| event["id"].as_str().unwrap()).collect();
    assert!(ids.is_sorted_by(|first, second| first > second));
    ids.dedup();
    assert_eq!(ids.len(), events.len());
}
