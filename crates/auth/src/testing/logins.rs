//! What refresh tokens and revocation promise, one function for each promise, to be run on every engine.

#![expect(
    clippy::unwrap_used,
    reason = "a promise that is not kept fails the test where it stands"
)]

use std::time::{Duration, Instant};

use axum::http::{Request, header::AUTHORIZATION};
use futures_util::future::join_all;
use guard::{Denied, Principal};
use jwt::Timestamp;

use super::{Place, TestAuth, conformance::account};
use crate::{Auth, Client, Error, tokens::Tokens, users::User};

/// Who the bearer of an access token is, as a guard of this installation sees it.
pub async fn bearer(auth: &Auth, tokens: &Tokens) -> Result<Principal, Denied> {
    bearer_of(auth, &tokens.access).await
}

pub(super) async fn bearer_of(auth: &Auth, access: &str) -> Result<Principal, Denied> {
    let request = Request::get("/").header(AUTHORIZATION, format!("Bearer {access}"));
    let (parts, ()) = request.body(()).unwrap().into_parts();
    auth.guard().authenticate(&parts).await.map(Option::unwrap)
}

async fn code(auth: &Auth, tokens: &Tokens) -> &'static str {
    bearer(auth, tokens).await.map_or_else(|denied| denied.code(), |_| "accepted")
}

/// Waits until an instance refuses a token; the feed takes less than a second, a busy machine perhaps more.
async fn until_refused(auth: &Auth, tokens: &Tokens) -> &'static str {
    let start = Instant::now();
    loop {
        match code(auth, tokens).await {
            "accepted" if start.elapsed() < Duration::from_secs(20) => {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            code => return code,
        }
    }
}

async fn login(test: &TestAuth, user: &User) -> Tokens {
    test.auth.tokens_create(user, &Client::default()).await.unwrap()
}

async fn refresh(test: &TestAuth, tokens: &Tokens) -> Result<Tokens, Error> {
    test.auth.tokens_refresh(&tokens.refresh, &Client::default()).await
}

async fn refused(test: &TestAuth, tokens: &Tokens) -> bool {
    matches!(refresh(test, tokens).await, Err(Error::InvalidGrant))
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A refresh gives the next token of the same session, which is listed with when it was last refreshed.
pub async fn a_refresh_goes_on_with_the_session(place: Place) {
    let test = TestAuth::new(&place).await.unwrap();
    let user = account(&test).await;
    let first = login(&test, &user).await;
    test.clock.advance(seconds(3600));
    let second = refresh(&test, &first).await.unwrap();
    assert_eq!(second.session, first.session);
    assert_ne!((&second.refresh, &second.access), (&first.refresh, &first.access));
    assert_eq!((second.expires_in, second.refresh_expires_in), (600, 30 * 86_400));
    let caller = bearer(&test.auth, &second).await.unwrap();
    assert_eq!(caller.session(), Some(&*first.session.to_string()));
    assert_eq!(caller.subject(), user.id.0.to_string());

    let sessions = test.auth.sessions_of(user.id, None, 100).await.unwrap();
    let session = sessions.first().unwrap();
    assert_eq!((session.id, sessions.len()), (first.session, 1));
    assert_eq!(session.last_used_at.duration_since(session.created_at), seconds(3600));
}

/// Within ten seconds of its first use a token is answered with the newest one, however many steps back.
pub async fn a_token_used_twice_at_once_is_answered_with_the_newest(place: Place) {
    let test = TestAuth::new(&place).await.unwrap();
    let user = account(&test).await;
    let first = login(&test, &user).await;
    let second = refresh(&test, &first).await.unwrap();
    test.clock.advance(seconds(4));
    let third = refresh(&test, &second).await.unwrap();
    test.clock.advance(seconds(6));
    assert_eq!(refresh(&test, &first).await.unwrap().refresh, third.refresh);
    assert_eq!(refresh(&test, &second).await.unwrap().refresh, third.refresh);
    let fourth = refresh(&test, &third).await.unwrap();
    test.clock.advance(seconds(1));
    assert_eq!(refresh(&test, &second).await.unwrap().refresh, fourth.refresh);
    assert!(refused(&test, &first).await, "its eleventh second");
    assert!(refused(&test, &fourth).await, "the session is over");
}

/// A token has its ten seconds on an instance also when one whose clock is ahead has used the next one.
pub async fn a_clock_that_is_ahead_ends_no_window_on_another(place: Place) {
    let (here, ahead) =
        (TestAuth::new(&place).await.unwrap(), TestAuth::new(&place).await.unwrap());
    ahead.clock.advance(seconds(5));
    let user = account(&here).await;
    let first = login(&here, &user).await;
    let second = refresh(&here, &first).await.unwrap();
    here.clock.advance(seconds(7));
    ahead.clock.advance(seconds(7));
    let third = refresh(&ahead, &second).await.unwrap();
    assert_eq!(refresh(&here, &first).await.unwrap().refresh, third.refresh);
}

/// Of many refreshes with one token at the same moment all get the same next token.
pub async fn refreshes_at_the_same_moment_agree(place: Place) {
    let test = TestAuth::new(&place).await.unwrap();
    let user = account(&test).await;
    let first = login(&test, &user).await;
    let all = join_all((0..10).map(|_| refresh(&test, &first))).await;
    let next: Vec<String> = all.into_iter().map(|tokens| tokens.unwrap().refresh).collect();
    assert!(next.windows(2).all(|pair| pair.first() == pair.last()));
    test.clock.advance(seconds(60));
    let text = next.first().unwrap();
    test.auth.tokens_refresh(text, &Client::default()).await.unwrap();
}

/// A token that comes back later than that ends its session, its access tokens too, and no other session.
pub async fn a_replay_ends_its_session_alone(place: Place) {
    let test = TestAuth::new(&place).await.unwrap();
    let user = account(&test).await;
    let (stolen, other) = (login(&test, &user).await, login(&test, &user).await);
    let newest = refresh(&test, &stolen).await.unwrap();
    test.clock.advance(seconds(11));
    assert_eq!(code(&test.auth, &newest).await, "accepted");
    assert!(refused(&test, &stolen).await);
    assert!(refused(&test, &newest).await);
    assert_eq!(code(&test.auth, &newest).await, "token_revoked");
    assert_eq!(code(&test.auth, &other).await, "accepted");
    refresh(&test, &other).await.unwrap();
}

/// A session ends when it is not refreshed for thirty days, and after ninety however often it is.
pub async fn refresh_tokens_end_by_themselves(place: Place) {
    let test = TestAuth::new(&place).await.unwrap();
    let user = account(&test).await;
    let day = 86_400;
    let idle = login(&test, &user).await;
    let mut busy = login(&test, &user).await;
    for days in 1..=4 {
        test.clock.advance(seconds(20 * day));
        busy = refresh(&test, &busy).await.unwrap();
        let left = if days == 4 { 10 } else { 30 };
        assert_eq!(busy.refresh_expires_in, left * day);
    }
    assert!(refused(&test, &idle).await);
    test.clock.advance(seconds(10 * day));
    busy = refresh(&test, &busy).await.unwrap();
    assert_eq!(busy.refresh_expires_in, 0);
    test.clock.advance(seconds(1));
    assert!(refused(&test, &busy).await);
    assert_eq!(test.auth.sessions_of(user.id, None, 100).await.unwrap(), []);
}

/// A text that this server did not write is refused without a look at the storage.
pub async fn a_made_up_refresh_token_reaches_no_storage(place: Place) {
    let test = TestAuth::new(&place).await.unwrap();
    let user = account(&test).await;
    let own = login(&test, &user).await;
    test.auth.db().set_unavailable(true);
    let long = "A".repeat(60_000);
    for text in ["", "A", &*own.refresh.to_lowercase(), &*own.access, &long] {
        let refused = test.auth.tokens_refresh(text, &Client::default()).await;
        assert!(matches!(refused, Err(Error::InvalidGrant)), "{text}");
    }
    assert!(matches!(refresh(&test, &own).await, Err(Error::StorageUnavailable(_))));
    test.auth.db().set_unavailable(false);
    refresh(&test, &own).await.unwrap();
}

/// A login that ends is over at once where it ended, soon on every other instance, and on one that starts later.
pub async fn the_end_of_a_login_reaches_every_instance(place: Place) {
    let (here, there) =
        (TestAuth::new(&place).await.unwrap(), TestAuth::new(&place).await.unwrap());
    let user = account(&here).await;
    let (first, second) = (login(&here, &user).await, login(&here, &user).await);
    assert_eq!(code(&there.auth, &first).await, "accepted");

    let ending = here.auth.session_end(user.id, first.session).await.unwrap().unwrap();
    assert_eq!(ending.sessions, [first.session]);
    assert_eq!(ending.effective_by, Timestamp::new(1_800_000_001));
    assert_eq!(ending.access_expires_at, Timestamp::new(1_800_000_600));
    assert_eq!(code(&here.auth, &first).await, "token_revoked");
    assert_eq!(until_refused(&there.auth, &first).await, "token_revoked");
    let later = TestAuth::new(&place).await.unwrap();
    assert_eq!(code(&later.auth, &first).await, "token_revoked");
    assert!(refused(&there, &first).await);

    for instance in [&here, &there, &later] {
        assert_eq!(code(&instance.auth, &second).await, "accepted");
    }
    refresh(&there, &second).await.unwrap();
}

/// All other sessions end, by token and by cookie, and the one that asks goes on.
pub async fn all_other_sessions_end(place: Place) {
    let test = TestAuth::new(&place).await.unwrap();
    let (user, stranger) = (account(&test).await, account(&test).await);
    let (own, other) = (login(&test, &user).await, login(&test, &user).await);
    let foreign = login(&test, &stranger).await;
    let (session, secret) =
        test.auth.session_create(&user, &Client::default(), None).await.unwrap();
    assert_eq!(test.auth.sessions_of(user.id, None, 100).await.unwrap().len(), 3);

    let mut ended = vec![other.session, session.id];
    ended.sort_unstable();
    let ending = test.auth.sessions_end_others(user.id, own.session).await.unwrap();
    assert_eq!(ending.sessions, ended);
    assert_eq!(code(&test.auth, &own).await, "accepted");
    assert_eq!(code(&test.auth, &other).await, "token_revoked");
    assert_eq!(code(&test.auth, &foreign).await, "accepted");
    assert!(test.auth.sessions().resume(&secret).await.unwrap().is_none());
    let left = test.auth.sessions_of(user.id, None, 100).await.unwrap();
    assert_eq!(left.iter().map(|session| session.id).collect::<Vec<_>>(), [own.session]);
}

/// Other roles end the tokens with the old ones on every instance; the session goes on and its next token has them.
pub async fn other_roles_end_tokens_and_no_session(place: Place) {
    let (here, there) =
        (TestAuth::new(&place).await.unwrap(), TestAuth::new(&place).await.unwrap());
    let user = account(&here).await;
    let before = login(&here, &user).await;
    here.auth.user_set_roles(user.id, &["admin", "user"]).await.unwrap();
    assert_eq!(code(&here.auth, &before).await, "token_revoked");
    assert_eq!(until_refused(&there.auth, &before).await, "token_revoked");
    let after = refresh(&there, &before).await.unwrap();
    for instance in [&here, &there] {
        let caller = bearer(&instance.auth, &after).await.unwrap();
        assert_eq!(caller.roles(), ["admin", "user"]);
    }
}

/// A disabled, a signed out and a deleted account has no login left, and one that was read before begins none.
pub async fn the_end_of_an_account_ends_its_tokens(place: Place) {
    let test = TestAuth::new(&place).await.unwrap();
    let user = account(&test).await;
    let tokens = login(&test, &user).await;
    test.auth.user_set_disabled(user.id, true).await.unwrap();
    assert_eq!(code(&test.auth, &tokens).await, "token_revoked");
    assert!(refused(&test, &tokens).await);
    test.auth.user_set_disabled(user.id, false).await.unwrap();
    assert!(refused(&test, &tokens).await);

    let begun = test.auth.tokens_create(&user, &Client::default()).await;
    assert!(matches!(begun, Err(Error::InvalidCredentials)), "changed since it was read");
    let user = test.auth.user(user.id).await.unwrap().unwrap();
    let tokens = login(&test, &user).await;
    test.auth.user_sign_out(user.id).await.unwrap();
    assert_eq!(code(&test.auth, &tokens).await, "token_revoked");
    assert!(refused(&test, &tokens).await);

    let user = test.auth.user(user.id).await.unwrap().unwrap();
    let tokens = login(&test, &user).await;
    test.auth.user_delete(user.id).await.unwrap();
    assert_eq!(code(&test.auth, &tokens).await, "token_revoked");
    assert!(refused(&test, &tokens).await);
}

/// A deed that could not be written has no effect, here or elsewhere.
pub async fn a_login_that_could_not_be_ended_goes_on(place: Place) {
    let test = TestAuth::new(&place).await.unwrap();
    let user = account(&test).await;
    let tokens = login(&test, &user).await;
    test.auth.db().set_unavailable(true);
    let ended = test.auth.session_end(user.id, tokens.session).await;
    assert!(matches!(ended, Err(Error::StorageUnavailable(_))), "{ended:?}");
    let changed = test.auth.user_set_disabled(user.id, true).await;
    assert!(matches!(changed, Err(Error::StorageUnavailable(_))), "{changed:?}");
    test.auth.db().set_unavailable(false);
    assert_eq!(code(&test.auth, &tokens).await, "accepted");
    refresh(&test, &tokens).await.unwrap();
}
