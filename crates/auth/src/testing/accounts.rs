//! What accounts and links promise, one function for each promise, to be run on every engine.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a promise that is not kept fails the test where it stands"
)]

use std::time::Duration;

use futures_util::future::join_all;

use super::{PASSWORD, Place, TestAuth, letters::Letters, logins::bearer};
use crate::{
    Client, Config, Error, OpaqueSecret,
    accounts::{Registered, storage},
    mail::Kind,
    passwords::Login,
    users::{Email, NewUser, User},
};

const OTHER: &str = "three further unrelated pebbles";
const CHOSEN: &str = "yet another quiet harbour lamp";
const ADDRESS: &str = "a@example.com";

/// An installation that has addresses confirmed; its letters wait for [`Letters`].
async fn confirming(place: &Place) -> TestAuth {
    let mut config = Config::default();
    config.accounts.verify_email = true;
    let test = TestAuth::with(place, config).await.unwrap();
    test.auth.stop_mail();
    test
}

async fn register(test: &TestAuth, password: &str) {
    let registered =
        test.auth.register(ADDRESS, password, Some("Somebody"), &Client::default()).await.unwrap();
    assert!(matches!(registered, Registered::Pending));
}

/// An account whose address is confirmed.
async fn account(test: &TestAuth, email: &str) -> User {
    let new = NewUser { email, password: PASSWORD, name: Some("Somebody"), roles: &["user"] };
    test.auth.user_create(new).await.unwrap()
}

async fn verify(test: &TestAuth, token: &str) -> Result<(), Error> {
    test.auth.email_verify(token, &Client::default()).await
}

async fn forget(test: &TestAuth, email: &str) {
    test.auth.password_forgot(email, &Client::default()).await.unwrap();
}

async fn reset(test: &TestAuth, token: &str, password: &str) -> Result<(), Error> {
    test.auth.password_reset(token, password, &Client::default()).await
}

async fn ask_for(test: &TestAuth, user: &User, email: &str) {
    test.auth.email_change(user, email, PASSWORD, &Client::default()).await.unwrap();
}

async fn logs_in(test: &TestAuth, email: &str, password: &str) -> bool {
    match test.auth.login(email, password, &Client::default()).await {
        Ok(Login::Complete(_)) => true,
        Err(Error::InvalidCredentials) => false,
        Err(error) => panic!("{error:?}"),
    }
}

fn is_invalid(outcome: &Result<(), Error>) -> bool {
    matches!(outcome, Err(Error::LinkInvalid))
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Nobody logs in to a registration until its link was used, which is good once; only the right password is told why.
pub async fn a_registration_is_an_account_when_its_address_is_confirmed(place: Place) {
    let test = confirming(&place).await;
    register(&test, PASSWORD).await;
    let unverified = test.auth.login(ADDRESS, PASSWORD, &Client::default()).await;
    assert!(matches!(unverified, Err(Error::EmailUnverified)));
    assert!(!logs_in(&test, ADDRESS, OTHER).await);
    let user = test.auth.user_by_email(&Email::parse(ADDRESS).unwrap()).await.unwrap().unwrap();
    // Also an application that begins a login by itself is refused.
    let begun = test.auth.tokens_create(&user, &Client::default()).await;
    assert!(matches!(begun, Err(Error::InvalidCredentials)));
    let begun = test.auth.session_create(&user, &Client::default(), None).await;
    assert!(matches!(begun, Err(Error::InvalidCredentials)));

    let letter = Letters::of(&test).only().await;
    assert_eq!((letter.kind, letter.to.as_str()), (Kind::ConfirmEmail, ADDRESS));
    assert_eq!(letter.page.as_deref(), Some("/email/verify"));
    let token = letter.token.unwrap();
    verify(&test, &token).await.unwrap();
    assert!(logs_in(&test, ADDRESS, PASSWORD).await);
    let user = test.auth.user(user.id).await.unwrap().unwrap();
    assert_eq!((user.pending, user.name.as_deref()), (false, Some("Somebody")));
    assert!(is_invalid(&verify(&test, &token).await));
    // The address is confirmed: there is nothing to send again.
    test.auth.email_resend(ADDRESS, &Client::default()).await.unwrap();
    Letters::of(&test).none().await;
}

/// To register the address of an account tells nothing and changes nothing; its owner is told.
pub async fn a_registered_address_is_told_to_its_owner_alone(place: Place) {
    let test = confirming(&place).await;
    let before = account(&test, ADDRESS).await;
    register(&test, OTHER).await;
    let letter = Letters::of(&test).only().await;
    assert_eq!((letter.kind, letter.token), (Kind::AddressKnown, None));
    assert_eq!(test.auth.user(before.id).await.unwrap(), Some(before));
    assert!(logs_in(&test, ADDRESS, PASSWORD).await);
    assert!(!logs_in(&test, ADDRESS, OTHER).await);
}

/// Where an address is registered with two passwords, neither is that of the account: whoever reads its mail chooses.
/// So it is whether the stranger was the first or the second, and whichever letter is used.
pub async fn no_password_of_a_stranger_becomes_that_of_the_account(place: Place) {
    let test = confirming(&place).await;
    let letters = Letters::of(&test);
    for (first, second) in [(OTHER, PASSWORD), (PASSWORD, OTHER)] {
        register(&test, first).await;
        let before = letters.only().await.token.unwrap();
        register(&test, second).await;
        let letter = letters.only().await;
        assert_eq!((letter.kind, letter.name), (Kind::ConfirmEmail, None));
        assert_eq!(letter.page.as_deref(), Some("/password/reset"));
        assert!(is_invalid(&verify(&test, &before).await), "the first letter confirms");
        for password in [first, second] {
            assert!(!logs_in(&test, ADDRESS, password).await, "{password} is still there");
        }
        // A third one, and one that comes back with a password that was used before, change nothing of it.
        register(&test, first).await;
        assert_eq!(letters.only().await.page.as_deref(), Some("/password/reset"));
        let chosen = letter.token.unwrap();
        assert!(is_invalid(&verify(&test, &chosen).await), "a reset link confirms");
        reset(&test, &chosen, CHOSEN).await.unwrap();
        letters.none().await;
        for (password, good) in [(first, false), (second, false), (CHOSEN, true)] {
            assert_eq!(logs_in(&test, ADDRESS, password).await, good, "{password}");
        }
        assert!(is_invalid(&verify(&test, &before).await));
        let user = test.auth.user_by_email(&Email::parse(ADDRESS).unwrap()).await.unwrap().unwrap();
        assert_eq!((user.pending, user.name), (false, None));
        test.auth.user_delete(user.id).await.unwrap();
    }
}

/// Many registrations of one address at the same moment make one of them, and no password of them survives another.
pub async fn registrations_at_the_same_moment_are_one(place: Place) {
    let test = confirming(&place).await;
    let passwords: Vec<String> = (0..4).map(|n| format!("{PASSWORD} and {n} more")).collect();
    let all = passwords.iter().map(|password| register(&test, password));
    join_all(all).await;
    let rows = place.db.all("SELECT id FROM users", []).await.unwrap();
    assert_eq!(rows.len(), 1);
    for password in &passwords {
        assert!(!logs_in(&test, ADDRESS, password).await, "{password}");
    }
    let letter = Letters::of(&test).all().await.pop().unwrap();
    assert_eq!(letter.page.as_deref(), Some("/password/reset"));
}

/// Registered again with the same password it is the same person: another letter, and one link of them confirms.
pub async fn registering_again_with_the_same_password_sends_another_letter(place: Place) {
    let test = confirming(&place).await;
    let letters = Letters::of(&test);
    register(&test, PASSWORD).await;
    let first = letters.only().await.token.unwrap();
    register(&test, PASSWORD).await;
    let second = letters.only().await.token.unwrap();
    test.auth.email_resend("A@EXAMPLE.com", &Client::default()).await.unwrap();
    let third = letters.only().await.token.unwrap();
    verify(&test, &second).await.unwrap();
    for token in [first, second, third] {
        assert!(is_invalid(&verify(&test, &token).await));
    }
    assert!(logs_in(&test, ADDRESS, PASSWORD).await);
}

/// A link does what it is for, once, for half an hour, and is told from no other that is not good.
pub async fn a_link_is_good_once_for_one_thing_and_half_an_hour(place: Place) {
    let test = confirming(&place).await;
    let letters = Letters::of(&test);
    register(&test, PASSWORD).await;
    let confirm = letters.only().await.token.unwrap();
    assert!(is_invalid(&reset(&test, &confirm, OTHER).await), "a confirmation resets");
    account(&test, "b@example.com").await;
    forget(&test, "B@example.com").await;
    let letter = letters.only().await;
    assert_eq!((letter.kind, letter.name.as_deref()), (Kind::ResetPassword, Some("Somebody")));
    let token = letter.token.unwrap();
    assert!(is_invalid(&verify(&test, &token).await), "a reset confirms");
    let unknown = OpaqueSecret::generate().unwrap().reveal();
    for nothing in [unknown.as_str(), "", "x", &token.to_uppercase(), &token[1..]] {
        assert!(is_invalid(&reset(&test, nothing, OTHER).await), "{nothing}");
        assert!(is_invalid(&verify(&test, nothing).await), "{nothing}");
    }
    test.clock.advance(seconds(30 * 60 - 1));
    // A password that is refused uses up nothing.
    let refused = reset(&test, &token, "b@example.com").await;
    assert!(matches!(refused, Err(Error::PasswordRefused(_))));
    verify(&test, &confirm).await.unwrap();
    reset(&test, &token, OTHER).await.unwrap();
    assert!(is_invalid(&reset(&test, &token, CHOSEN).await), "it is good twice");
    assert!(logs_in(&test, "b@example.com", OTHER).await);
    letters.all().await;

    forget(&test, "b@example.com").await;
    let late = letters.only().await.token.unwrap();
    test.clock.advance(seconds(30 * 60));
    assert!(is_invalid(&reset(&test, &late, CHOSEN).await), "it does not expire");
    assert!(logs_in(&test, "b@example.com", OTHER).await);
}

/// Of many uses of one link at the same moment exactly one does what it is for.
pub async fn of_many_uses_of_a_link_at_once_one_wins(place: Place) {
    let test = confirming(&place).await;
    let letters = Letters::of(&test);
    register(&test, PASSWORD).await;
    let confirm = letters.only().await.token.unwrap();
    let uses = join_all((0..8).map(|_| verify(&test, &confirm))).await;
    assert_eq!(uses.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert_eq!(uses.iter().filter(|outcome| is_invalid(outcome)).count(), 7);

    forget(&test, ADDRESS).await;
    let token = letters.only().await.token.unwrap();
    let passwords: Vec<String> = (0..6).map(|n| format!("{OTHER} and {n} more")).collect();
    let uses = join_all(passwords.iter().map(|password| reset(&test, &token, password))).await;
    assert_eq!(uses.iter().filter(|outcome| is_invalid(outcome)).count(), 5);
    for (password, outcome) in passwords.iter().zip(&uses) {
        assert_eq!(logs_in(&test, ADDRESS, password).await, outcome.is_ok());
    }
    letters.all().await;

    let user = account(&test, "b@example.com").await;
    ask_for(&test, &user, "c@example.com").await;
    let change = letters.only().await.token.unwrap();
    let uses = join_all((0..8).map(|_| verify(&test, &change))).await;
    assert_eq!(uses.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert_eq!(uses.iter().filter(|outcome| is_invalid(outcome)).count(), 7);
}

/// A reset ends every login at once and voids every other link; the account is told. It also confirms a registration.
pub async fn a_reset_ends_all_logins_and_links(place: Place) {
    let test = confirming(&place).await;
    let letters = Letters::of(&test);
    let user = account(&test, ADDRESS).await;
    let tokens = test.auth.tokens_create(&user, &Client::default()).await.unwrap();
    let (_, cookie) = test.auth.session_create(&user, &Client::default(), None).await.unwrap();
    ask_for(&test, &user, "new@example.com").await;
    let change = letters.only().await.token.unwrap();
    forget(&test, ADDRESS).await;
    let other = letters.only().await.token.unwrap();
    forget(&test, ADDRESS).await;
    let token = letters.only().await.token.unwrap();
    assert!(bearer(&test.auth, &tokens).await.is_ok());

    reset(&test, &token, OTHER).await.unwrap();
    assert_eq!(bearer(&test.auth, &tokens).await.unwrap_err().code(), "token_revoked");
    let refreshed = test.auth.tokens_refresh(&tokens.refresh, &Client::default()).await;
    assert!(matches!(refreshed, Err(Error::InvalidGrant)));
    assert!(test.auth.sessions().resume(&cookie).await.unwrap().is_none());
    assert!(test.auth.sessions_of(user.id, None, 10).await.unwrap().is_empty());
    // A login whose password was checked before it begins none.
    let late = test.auth.tokens_create(&user, &Client::default()).await;
    assert!(matches!(late, Err(Error::InvalidCredentials)));
    assert!(is_invalid(&reset(&test, &other, CHOSEN).await));
    assert!(is_invalid(&verify(&test, &change).await));
    let notice = letters.only().await;
    assert_eq!((notice.kind, notice.to.as_str()), (Kind::PasswordChanged, ADDRESS));

    let email = "b@example.com";
    test.auth.register(email, PASSWORD, None, &Client::default()).await.unwrap();
    let confirm = letters.only().await.token.unwrap();
    forget(&test, email).await;
    let letter = letters.only().await;
    assert_eq!(letter.name, None);
    reset(&test, &letter.token.unwrap(), OTHER).await.unwrap();
    assert!(logs_in(&test, email, OTHER).await);
    assert!(!logs_in(&test, email, PASSWORD).await);
    assert!(is_invalid(&verify(&test, &confirm).await));
    letters.none().await;
}

/// Nothing of an account changes until the new address is confirmed; then the old one is told, its links are void, and
/// the logins go on.
pub async fn an_address_changes_when_the_new_one_is_confirmed(place: Place) {
    let test = confirming(&place).await;
    let letters = Letters::of(&test);
    let user = account(&test, ADDRESS).await;
    let tokens = test.auth.tokens_create(&user, &Client::default()).await.unwrap();
    forget(&test, ADDRESS).await;
    let reset_at_old = letters.only().await.token.unwrap();
    let wrong = test.auth.email_change(&user, "New@example.com", OTHER, &Client::default()).await;
    assert!(matches!(wrong, Err(Error::PasswordWrong)));
    letters.none().await;
    ask_for(&test, &user, "New@example.com").await;
    assert_eq!(test.auth.user(user.id).await.unwrap().as_ref(), Some(&user));
    assert!(!logs_in(&test, "new@example.com", PASSWORD).await);
    let letter = letters.only().await;
    assert_eq!((letter.kind, letter.to.as_str()), (Kind::ConfirmNewAddress, "new@example.com"));
    assert_eq!(letter.name, None, "a stranger is told a name");

    let token = letter.token.unwrap();
    verify(&test, &token).await.unwrap();
    assert!(logs_in(&test, "new@example.com", PASSWORD).await);
    assert!(!logs_in(&test, ADDRESS, PASSWORD).await);
    let told = letters.only().await;
    assert_eq!((told.kind, told.to.as_str()), (Kind::AddressChanged, ADDRESS));
    assert!(is_invalid(&verify(&test, &token).await));
    assert!(is_invalid(&reset(&test, &reset_at_old, OTHER).await));
    assert!(bearer(&test.auth, &tokens).await.is_ok());
    test.auth.tokens_refresh(&tokens.refresh, &Client::default()).await.unwrap();
    // The old address is free.
    account(&test, ADDRESS).await;
}

/// An address that somebody has is given to no other: its owner is told, and a link to it that is out already is void.
pub async fn an_address_that_is_taken_is_told_to_its_owner_alone(place: Place) {
    let test = confirming(&place).await;
    let letters = Letters::of(&test);
    let user = account(&test, ADDRESS).await;
    account(&test, "taken@example.com").await;
    ask_for(&test, &user, "taken@example.com").await;
    let letter = letters.only().await;
    assert_eq!((letter.kind, letter.to.as_str()), (Kind::AddressKnown, "taken@example.com"));
    assert_eq!(letter.token, None);
    // The own one is no news to anybody.
    ask_for(&test, &user, ADDRESS).await;
    letters.none().await;

    ask_for(&test, &user, "free@example.com").await;
    let token = letters.only().await.token.unwrap();
    let other = account(&test, "free@example.com").await;
    assert!(is_invalid(&verify(&test, &token).await));
    assert_eq!(test.auth.user(user.id).await.unwrap().as_ref(), Some(&user));
    assert_eq!(test.auth.user(other.id).await.unwrap(), Some(other));
}

/// A pending registration keeps an address from nobody who has proof of it, nor from an administrator.
pub async fn a_registration_gives_way_to_whoever_has_proof(place: Place) {
    let test = confirming(&place).await;
    let letters = Letters::of(&test);
    register(&test, OTHER).await;
    let confirm = letters.only().await.token.unwrap();
    let user = account(&test, "b@example.com").await;
    ask_for(&test, &user, ADDRESS).await;
    let change = letters.only().await.token.unwrap();
    verify(&test, &change).await.unwrap();
    assert!(logs_in(&test, ADDRESS, PASSWORD).await);
    assert!(!logs_in(&test, ADDRESS, OTHER).await);
    assert!(is_invalid(&verify(&test, &confirm).await));
    letters.all().await;

    test.auth.register("c@example.com", OTHER, None, &Client::default()).await.unwrap();
    let confirm = letters.only().await.token.unwrap();
    account(&test, "c@example.com").await;
    assert!(logs_in(&test, "c@example.com", PASSWORD).await);
    assert!(is_invalid(&verify(&test, &confirm).await));
}

/// One change of address waits at a time, and none survives another password or the end of all logins: neither its link
/// nor a letter that is still to be sent.
pub async fn a_change_of_address_that_waits_is_dropped(place: Place) {
    let test = confirming(&place).await;
    let letters = Letters::of(&test);
    let mut user = account(&test, ADDRESS).await;
    ask_for(&test, &user, "one@example.com").await;
    let first = letters.only().await.token.unwrap();
    ask_for(&test, &user, "two@example.com").await;
    assert!(is_invalid(&verify(&test, &first).await));
    letters.only().await;

    for (number, act) in ["change", "reset", "sign out", "disable"].into_iter().enumerate() {
        let (sent, unsent) =
            (format!("sent{number}@example.com"), format!("not{number}@example.com"));
        ask_for(&test, &user, &sent).await;
        let token = letters.only().await.token.unwrap();
        forget(&test, ADDRESS).await;
        let forgotten = letters.only().await.token.unwrap();
        if number % 2 == 0 {
            ask_for(&test, &user, &unsent).await;
        }
        let (session, _) = test.auth.session_create(&user, &Client::default(), None).await.unwrap();
        match act {
            "change" => {
                let client = Client::default();
                test.auth
                    .password_change(&user, session.id, PASSWORD, OTHER, &client)
                    .await
                    .unwrap();
                let user = test.auth.user(user.id).await.unwrap().unwrap();
                test.auth
                    .password_change(&user, session.id, OTHER, PASSWORD, &client)
                    .await
                    .unwrap();
            }
            "reset" => reset(&test, &forgotten, PASSWORD).await.unwrap(),
            "sign out" => drop(test.auth.user_sign_out(user.id).await.unwrap()),
            _ => {
                test.auth.user_set_disabled(user.id, true).await.unwrap();
                test.auth.user_set_disabled(user.id, false).await.unwrap();
            }
        }
        let sent = letters.all().await;
        let kinds = sent.iter().map(|letter| letter.kind);
        assert!(kinds.into_iter().all(|kind| kind == Kind::PasswordChanged), "{act}: {sent:?}");
        assert!(is_invalid(&verify(&test, &token).await), "{act}");
        assert!(is_invalid(&reset(&test, &forgotten, OTHER).await), "{act}");
        user = test.auth.user(user.id).await.unwrap().unwrap();
        assert_eq!(user.email.as_str(), ADDRESS);
    }
}

/// A letter is made of what is true when it is sent, not when it was asked for.
pub async fn letters_are_made_when_they_are_sent(place: Place) {
    let test = confirming(&place).await;
    let letters = Letters::of(&test);
    let (gone, off) =
        (account(&test, "gone@example.com").await, account(&test, "off@example.com").await);
    for user in [&gone, &off] {
        forget(&test, user.email.as_str()).await;
        let (email, client) = (user.email.as_str(), Client::default());
        test.auth.register(email, OTHER, None, &client).await.unwrap();
        let moved = format!("new-{email}");
        test.auth.email_change(user, &moved, PASSWORD, &client).await.unwrap();
    }
    forget(&test, "nobody@example.com").await;
    test.auth.email_resend("nobody@example.com", &Client::default()).await.unwrap();
    register(&test, PASSWORD).await;
    test.auth.user_delete(gone.id).await.unwrap();
    test.auth.user_set_disabled(off.id, true).await.unwrap();
    // Half an hour later a link that is made now has all of its time.
    test.clock.advance(seconds(40 * 60));
    let letter = letters.only().await;
    assert_eq!((letter.kind, letter.to.as_str()), (Kind::ConfirmEmail, ADDRESS));
    test.clock.advance(seconds(29 * 60));
    verify(&test, &letter.token.unwrap()).await.unwrap();
}

/// The links of an account that is disabled or gone are no good, like any other that is not.
pub async fn links_end_with_their_account(place: Place) {
    let test = confirming(&place).await;
    let letters = Letters::of(&test);
    let mut tokens = Vec::new();
    for number in 0..2 {
        let email = format!("{number}@example.com");
        let user = account(&test, &email).await;
        forget(&test, &email).await;
        let forgotten = letters.only().await.token.unwrap();
        ask_for(&test, &user, &format!("new-{email}")).await;
        tokens.push((user, forgotten, letters.only().await.token.unwrap()));
    }
    register(&test, PASSWORD).await;
    let confirm = letters.only().await.token.unwrap();
    let pending = test.auth.user_by_email(&Email::parse(ADDRESS).unwrap()).await.unwrap().unwrap();
    test.auth.user_set_disabled(pending.id, true).await.unwrap();
    assert!(is_invalid(&verify(&test, &confirm).await));
    for (number, (user, forgotten, change)) in tokens.iter().enumerate() {
        match number {
            0 => test.auth.user_set_disabled(user.id, true).await.unwrap(),
            _ => test.auth.user_delete(user.id).await.unwrap(),
        }
        assert!(is_invalid(&reset(&test, forgotten, OTHER).await));
        assert!(is_invalid(&verify(&test, change).await));
    }
    let left = place.db.all("SELECT purpose FROM links", []).await.unwrap();
    assert!(left.is_empty(), "links are left");
}

/// A registration that nobody confirms is removed after seven days, and its address is free; links go when they expire.
/// Accounts stay.
pub async fn what_nobody_confirms_is_swept(place: Place) {
    let test = confirming(&place).await;
    let letters = Letters::of(&test);
    let user = account(&test, "b@example.com").await;
    ask_for(&test, &user, "new@example.com").await;
    register(&test, PASSWORD).await;
    letters.all().await;
    let (db, clock) = (test.auth.db(), &test.clock);
    let now = || test.auth.clock().now();
    assert_eq!(storage::links_purge(db, now()).await.unwrap(), 0);
    clock.advance(seconds(30 * 60));
    assert_eq!(storage::links_purge(db, now()).await.unwrap(), 2);
    clock.advance(seconds(3 * 86_400));
    assert_eq!(storage::email_changes_purge(db, now()).await.unwrap(), 1);
    assert_eq!(storage::registrations_purge(db, now()).await.unwrap(), 0);
    clock.advance(seconds(4 * 86_400));
    assert_eq!(storage::registrations_purge(db, now()).await.unwrap(), 1);
    assert!(!logs_in(&test, ADDRESS, PASSWORD).await);
    assert!(logs_in(&test, "b@example.com", PASSWORD).await);
    register(&test, OTHER).await;
    verify(&test, &letters.only().await.token.unwrap()).await.unwrap();
    assert!(logs_in(&test, ADDRESS, OTHER).await);
}

/// Accounts that were made while addresses were not confirmed, or before there was such a thing, log in as before.
pub async fn accounts_from_before_need_no_confirmation(place: Place) {
    let before = TestAuth::new(&place).await.unwrap();
    let registered = before.auth.register(ADDRESS, PASSWORD, None, &Client::default()).await;
    let Ok(Registered::Complete(user)) = registered else { panic!("{registered:?}") };
    let old = "INSERT INTO users (id, email, roles, generation, disabled, created_at)
               SELECT $1, 'old@example.com', roles, generation, disabled, created_at FROM users";
    let id = before.auth.ids().next();
    place.db.execute(old, [id.into()]).await.unwrap();
    place
        .db
        .execute(
            "INSERT INTO passwords (user_id, hash, changed_at)
             SELECT $1, hash, changed_at FROM passwords WHERE user_id = $2",
            [id.into(), user.id.0.into()],
        )
        .await
        .unwrap();
    let test = confirming(&place).await;
    assert!(logs_in(&test, ADDRESS, PASSWORD).await);
    assert!(logs_in(&test, "old@example.com", PASSWORD).await);
    // And what waits for its confirmation goes on waiting when the setting is off again.
    test.auth.register("c@example.com", PASSWORD, None, &Client::default()).await.unwrap();
    let waiting = before.auth.login("c@example.com", PASSWORD, &Client::default()).await;
    assert!(matches!(waiting, Err(Error::EmailUnverified)));
    before.auth.register("c@example.com", OTHER, None, &Client::default()).await.unwrap();
    assert!(logs_in(&before, "c@example.com", OTHER).await);
}

/// Who uses a link is at an address of the owner's; who made the registration need not be.
pub async fn a_link_makes_an_address_known_and_a_registration_does_not(place: Place) {
    let test = confirming(&place).await;
    let letters = Letters::of(&test);
    let at = |address: &str| Client { address: address.parse().ok(), ..Client::default() };
    let known =
        async || place.db.all("SELECT account FROM known_addresses", []).await.unwrap().len();
    register(&test, PASSWORD).await;
    let unverified = test.auth.login(ADDRESS, PASSWORD, &at("192.0.2.1")).await;
    assert!(matches!(unverified, Err(Error::EmailUnverified)));
    assert_eq!(known().await, 0);
    let confirm = letters.only().await.token.unwrap();
    test.auth.email_verify(&confirm, &at("192.0.2.2")).await.unwrap();
    assert_eq!(known().await, 1);
    forget(&test, ADDRESS).await;
    let token = letters.only().await.token.unwrap();
    test.auth.password_reset(&token, OTHER, &at("192.0.2.3")).await.unwrap();
    assert_eq!(known().await, 2);
}

/// The database holds no secret of a link, only its hash.
pub async fn the_database_holds_no_link(place: Place) {
    let test = confirming(&place).await;
    register(&test, PASSWORD).await;
    let token = Letters::of(&test).only().await.token.unwrap();
    let rows = place.db.all("SELECT secret_hash FROM links", []).await.unwrap();
    let stored: Vec<u8> = rows.first().unwrap().get("secret_hash").unwrap();
    assert_eq!(stored, OpaqueSecret::parse(&token).unwrap().hash().as_bytes());
    assert_ne!(crate::secret::hex(&stored), token);
}

/// Another name, or none, is that of tokens made from now on and of sessions at once.
pub async fn another_name_is_in_the_next_tokens(place: Place) {
    let test = confirming(&place).await;
    let user = account(&test, ADDRESS).await;
    let (_, cookie) = test.auth.session_create(&user, &Client::default(), None).await.unwrap();
    let tokens = test.auth.tokens_create(&user, &Client::default()).await.unwrap();
    for name in [Some("Another"), None] {
        test.auth.sessions().resume(&cookie).await.unwrap().unwrap();
        let changed = test.auth.user_set_name(user.id, name).await.unwrap();
        assert_eq!(changed, User { name: name.map(str::to_owned), ..user.clone() });
        let next = test.auth.tokens_refresh(&tokens.refresh, &Client::default()).await.unwrap();
        assert_eq!(bearer(&test.auth, &next).await.unwrap().name(), name);
        let resumed = test.auth.sessions().resume(&cookie).await.unwrap().unwrap();
        assert_eq!(resumed.user.name.as_deref(), name);
    }
    for name in ["", " ", "a\nb", &"x".repeat(101)] {
        let refused = test.auth.user_set_name(user.id, Some(name)).await;
        assert!(matches!(refused, Err(Error::NameInvalid(_))), "{name:?}");
    }
    test.auth.user_delete(user.id).await.unwrap();
    assert!(matches!(test.auth.user_set_name(user.id, None).await, Err(Error::NotFound)));
}
