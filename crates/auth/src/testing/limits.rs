//! What the limits on guessing promise, one function for each promise, to be run on every engine.

#![expect(
    clippy::unwrap_used,
    reason = "a promise that is not kept fails the test where it stands"
)]

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use futures_util::future::join_all;

use super::{PASSWORD, Place, TestAuth, TestClock};
use crate::{
    Auth, Client, Config, Error,
    users::{Email, NewUser, User},
};

const WRONG: &str = "four unrelated gravel word";

/// A client at an IPv4 address of its own.
fn at(number: u32) -> Client {
    from(Ipv4Addr::from(0x0a00_0000 + number).into())
}

fn from(address: IpAddr) -> Client {
    Client { address: Some(address), ..Client::default() }
}

async fn registered(test: &TestAuth) -> User {
    let (email, password, name) = ("a@example.com", PASSWORD, None);
    test.auth.user_create(NewUser { email, password, name, roles: &["user"] }).await.unwrap()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Makes a wrong guess: all of a login but the look-up of the account and the hash.
///
/// # Errors
/// [`Error::RateLimited`] when it was not let in, or not told that it is wrong; storage errors.
pub async fn guess_wrong(auth: &Auth, email: &str, client: &Client) -> Result<(), Error> {
    auth.limits().login(email, client).await?.wrong(crate::testing::refusal()).await
}

/// Makes a right guess, in the same way.
///
/// # Errors
/// As those of [`guess_wrong`].
pub async fn guess_right(auth: &Auth, email: &str, client: &Client) -> Result<(), Error> {
    auth.limits().login(email, client).await?.right().await
}

/// What became of a wrong guess: `None` when it was told that it is wrong, else the seconds to wait.
async fn wrong(auth: &Auth, email: &str, client: &Client) -> Option<u64> {
    wait(guess_wrong(auth, email, client).await)
}

/// The same of a right one.
async fn right(auth: &Auth, email: &str, client: &Client) -> Option<u64> {
    wait(guess_right(auth, email, client).await)
}

fn wait<T>(outcome: Result<T, Error>) -> Option<u64> {
    match outcome {
        Ok(_) => None,
        Err(Error::RateLimited { retry_after }) => Some(retry_after),
        Err(error) => panic_of(&error),
    }
}

#[expect(clippy::panic, reason = "no promise says that this may happen")]
fn panic_of(error: &Error) -> ! {
    panic!("{error:?}")
}

/// All that is kept, as text: to see whether something was written.
async fn kept(auth: &Auth) -> Vec<String> {
    let mut rows = Vec::new();
    for row in
        auth.db().all("SELECT id, times, expires_at FROM limits ORDER BY id", []).await.unwrap()
    {
        let (id, times) = (row.get::<Vec<u8>>("id").unwrap(), row.get::<Vec<u8>>("times").unwrap());
        rows.push(format!("{id:?} {times:?} {}", row.get::<i64>("expires_at").unwrap()));
    }
    let known = "SELECT account, address, seen_at FROM known_addresses ORDER BY account, address";
    for row in auth.db().all(known, []).await.unwrap() {
        let account: Vec<u8> = row.get("account").unwrap();
        let address: Vec<u8> = row.get("address").unwrap();
        rows.push(format!("{account:?} {address:?} {}", row.get::<i64>("seen_at").unwrap()));
    }
    rows
}

/// Instances that share a database and nothing else; their clocks agree.
async fn three(place: &Place) -> (Vec<TestAuth>, TestClock) {
    let clock = TestClock::default();
    let mut instances = Vec::new();
    for _ in 0..3 {
        let one = TestAuth::on_clock(place, Config::default(), clock.clone()).await;
        instances.push(one.unwrap());
    }
    (instances, clock)
}

/// Lets guesses be under way on all instances in turn, and then all be wrong at once; returns how many were told so.
async fn at_once(instances: &[TestAuth], guesses: &[(String, Client)]) -> usize {
    let mut under_way = Vec::new();
    for (number, (email, client)) in guesses.iter().enumerate() {
        let instance = instances.get(number % instances.len()).unwrap();
        let attempt = instance.auth.limits().login(email, client).await;
        if wait(attempt.as_ref().map(drop).map_err(again)).is_none() {
            under_way.push(attempt.unwrap());
        }
    }
    let outcomes =
        join_all(under_way.into_iter().map(|attempt| attempt.wrong(crate::testing::refusal())))
            .await;
    outcomes.into_iter().filter(|outcome| wait(outcome.as_ref().map_err(again)).is_none()).count()
}

fn again(error: &Error) -> Error {
    match error {
        Error::RateLimited { retry_after } => Error::RateLimited { retry_after: *retry_after },
        other => Error::internal(other.to_string()),
    }
}

/// Guesses without a pause on all instances at the same time; returns how many were told that they are wrong.
async fn hammered(instances: &[TestAuth], guesses: Vec<(String, Client)>) -> usize {
    let tasks = guesses.into_iter().enumerate().map(|(number, (email, client))| {
        let auth = instances.get(number % instances.len()).unwrap().auth.clone();
        tokio::spawn(async move { wrong(&auth, &email, &client).await })
    });
    let outcomes = join_all(tasks).await;
    outcomes.into_iter().filter(|outcome| outcome.as_ref().unwrap().is_none()).count()
}

/// Thirty attempts a minute from one address, whoever they are for; `Retry-After` is neither early nor late.
pub async fn an_address_has_thirty_attempts_in_any_minute(place: Place) {
    let test = TestAuth::new(&place).await.unwrap();
    for number in 0..30 {
        let email = format!("user{number}@example.com");
        assert_eq!(wrong(&test.auth, &email, &at(1)).await, None, "{number}");
        test.clock.advance(seconds(1));
    }
    assert_eq!(wrong(&test.auth, "other@example.com", &at(1)).await, Some(30));
    assert_eq!(wrong(&test.auth, "other@example.com", &at(2)).await, None);
    assert_eq!(wait(test.auth.limits().admit(&at(1)).await), Some(30));
    test.clock.advance(seconds(29));
    assert_eq!(right(&test.auth, "other@example.com", &at(1)).await, Some(1));
    test.clock.advance(seconds(1));
    assert_eq!(right(&test.auth, "other@example.com", &at(1)).await, None);
    // One has left the minute, not all.
    assert_eq!(wrong(&test.auth, "other@example.com", &at(1)).await, Some(1));
    // Another instance, which has seen none of it.
    let (instances, clock) = three(&place).await;
    clock.advance(seconds(60));
    let other = &instances.first().unwrap().auth;
    assert_eq!(wrong(other, "other@example.com", &at(1)).await, None, "one of them left");
    assert_eq!(wrong(other, "other@example.com", &at(1)).await, Some(1));
}

/// What is not a login counts against the same budget, written or not, on every instance.
pub async fn other_requests_share_the_budget_of_an_address(place: Place) {
    let (instances, _) = three(&place).await;
    for number in 0..30 {
        let instance = instances.get(number % 3).unwrap();
        assert_eq!(wait(instance.auth.limits().admit(&at(1)).await), None, "{number}");
    }
    for instance in &instances {
        assert_eq!(wait(instance.auth.limits().admit(&at(1)).await), Some(60));
        assert_eq!(wrong(&instance.auth, "a@example.com", &at(1)).await, Some(60));
    }
}

/// Right logins count as well, on the instance that sees them, and nothing of them is written.
pub async fn right_logins_count_and_are_not_written(place: Place) {
    let test = TestAuth::new(&place).await.unwrap();
    let user = registered(&test).await;
    let nowhere = Client::default();
    let login = || test.auth.login(user.email.as_str(), PASSWORD, &nowhere);
    login().await.unwrap();
    assert_eq!(right(&test.auth, "a@example.com", &at(1)).await, None);
    let before = kept(&test.auth).await;
    assert_eq!(before.len(), 2, "the two addresses are known now");
    test.clock.advance(seconds(1));
    login().await.unwrap();
    for _ in 0..29 {
        assert_eq!(right(&test.auth, "a@example.com", &at(1)).await, None);
    }
    assert_eq!(right(&test.auth, "a@example.com", &at(1)).await, Some(59));
    assert_eq!(kept(&test.auth).await, before);
}

/// The tenth failure of one account from one address brings a second of delay, each further one twice as much, up to a
/// minute; another address and another account have none.
pub async fn failures_bring_delays_that_double_to_a_minute(place: Place) {
    let test = TestAuth::new(&place).await.unwrap();
    let (email, client) = ("a@example.com", at(1));
    for _ in 0..10 {
        assert_eq!(wrong(&test.auth, email, &client).await, None);
    }
    for delay in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
        assert_eq!(wrong(&test.auth, email, &client).await, Some(delay));
        assert_eq!(right(&test.auth, email, &client).await, Some(delay));
        test.clock.advance(seconds(delay - 1));
        assert_eq!(wrong(&test.auth, email, &client).await, Some(1), "a second before");
        // Another account from there, and this one from elsewhere, wait for nothing.
        for (email, client) in [("b@example.com", &client), (email, &at(2))] {
            assert_eq!(right(&test.auth, email, client).await, None);
        }
        test.clock.advance(seconds(1));
        assert_eq!(wrong(&test.auth, email, &client).await, None);
    }
}

/// A right login clears the failures of its account from its address, and an hour without one does.
pub async fn a_success_or_an_hour_clears_failures(place: Place) {
    let test = TestAuth::new(&place).await.unwrap();
    let (email, client) = ("a@example.com", at(1));
    for clear in [true, false] {
        for _ in 0..10 {
            assert_eq!(wrong(&test.auth, email, &client).await, None);
        }
        assert_eq!(wrong(&test.auth, email, &client).await, Some(1));
        if clear {
            test.clock.advance(seconds(1));
            assert_eq!(right(&test.auth, email, &client).await, None);
            test.clock.advance(seconds(60));
        } else {
            test.clock.advance(seconds(3600));
        }
    }
    for _ in 0..10 {
        assert_eq!(wrong(&test.auth, email, &client).await, None);
    }
    assert_eq!(wrong(&test.auth, email, &client).await, Some(1));
}

/// Guessing from everywhere: after a hundred failures in an hour, addresses that the account does not know wait. Its
/// owner, at an address from which he has signed in, does not.
pub async fn an_owner_at_a_known_address_is_not_kept_out_by_others(place: Place) {
    let test = TestAuth::new(&place).await.unwrap();
    let user = registered(&test).await;
    let email = user.email.as_str();
    let home = at(1_000_000);
    test.auth.login(email, PASSWORD, &home).await.unwrap();
    for number in 0..100 {
        assert_eq!(wrong(&test.auth, email, &at(number)).await, None, "{number}");
        test.clock.advance(seconds(10));
    }
    for number in [0, 50, 1_000] {
        assert_eq!(wrong(&test.auth, email, &at(number)).await, Some(2600), "{number}");
    }
    let refused = test.auth.login(email, PASSWORD, &at(1_001)).await;
    assert!(matches!(refused, Err(Error::RateLimited { retry_after: 2600 })), "{refused:?}");
    // Other accounts know nothing of it.
    assert_eq!(wrong(&test.auth, "b@example.com", &at(1_000)).await, None);

    test.auth.login(email, PASSWORD, &home).await.unwrap();
    let mistyped = test.auth.login(email, WRONG, &home).await;
    assert!(matches!(mistyped, Err(Error::InvalidCredentials)), "{mistyped:?}");
    test.auth.login(email, PASSWORD, &home).await.unwrap();
    let (instances, clock) = three(&place).await;
    clock.advance(seconds(1000));
    for instance in &instances {
        instance.auth.login(email, PASSWORD, &home).await.unwrap();
        assert!(instance.auth.login(email, PASSWORD, &at(1_001)).await.is_err());
    }
    // Whoever proves by mail that the account is his is welcome from where he did so.
    let traveller = at(2_000_000);
    assert!(test.auth.login(email, PASSWORD, &traveller).await.is_err());
    test.auth.limits().welcome(&user.email, &traveller).await.unwrap();
    test.auth.login(email, PASSWORD, &traveller).await.unwrap();

    // The failure from home has taken the place of the first, so that the second decides.
    test.clock.advance(seconds(2609));
    assert_eq!(wrong(&test.auth, email, &at(1_002)).await, Some(1));
    test.clock.advance(seconds(1));
    assert_eq!(wrong(&test.auth, email, &at(1_002)).await, None);
    assert_eq!(wrong(&test.auth, email, &at(1_003)).await, Some(10));
}

/// An address is known for thirty days after the last login from it; that is written once a day, and for a hundred
/// addresses of an account.
pub async fn an_address_is_known_for_thirty_days(place: Place) {
    let test = TestAuth::new(&place).await.unwrap();
    let (email, home) = ("a@example.com", at(1_000_000));
    let day = 86_400;
    let attack = async || {
        for number in 0..100 {
            wrong(&test.auth, email, &at(number)).await;
        }
    };
    assert_eq!(right(&test.auth, email, &home).await, None);
    let first = kept(&test.auth).await;
    test.clock.advance(seconds(day - 1));
    assert_eq!(right(&test.auth, email, &home).await, None);
    assert_eq!(kept(&test.auth).await, first);
    test.clock.advance(seconds(1));
    assert_eq!(right(&test.auth, email, &home).await, None);
    assert_ne!(kept(&test.auth).await, first);
    test.clock.advance(seconds(30 * day - 1));
    attack().await;
    assert_eq!(wrong(&test.auth, email, &home).await, None);
    test.clock.advance(seconds(1));
    assert_eq!(wrong(&test.auth, email, &home).await, Some(3599));

    for number in 0..110 {
        assert_eq!(right(&test.auth, "b@example.com", &at(number)).await, None);
        test.clock.advance(seconds(1));
    }
    let rows = test.auth.db().all("SELECT seen_at FROM known_addresses ORDER BY seen_at", []);
    let seen: Vec<i64> =
        rows.await.unwrap().iter().map(|row| row.get("seen_at").unwrap()).collect();
    assert_eq!(seen.len(), 101);
    assert_eq!(seen.last().unwrap() - seen.get(1).unwrap(), 99, "the newest hundred");
}

/// An account that is not there, and what is no address at all, is counted and answered as one that is.
pub async fn unknown_accounts_are_counted_like_others(place: Place) {
    let test = TestAuth::new(&place).await.unwrap();
    let user = registered(&test).await;
    test.auth.user_set_disabled(user.id, true).await.unwrap();
    let mut seen = Vec::new();
    for (number, email) in
        [user.email.as_str(), "nobody@example.com", "no address", ""].into_iter().enumerate()
    {
        let client = at(number.try_into().unwrap());
        let before = kept(&test.auth).await.len();
        let mut outcomes = Vec::new();
        for _ in 0..12 {
            let refused = test.auth.login(email, PASSWORD, &client).await;
            outcomes.push(refused.unwrap_err().problem());
        }
        seen.push((outcomes, kept(&test.auth).await.len() - before));
    }
    let (outcomes, rows) = seen.first().unwrap();
    assert_eq!((outcomes.first().unwrap().code(), *rows), ("invalid_credentials", 3));
    assert_eq!(outcomes.last().unwrap().code(), "rate_limited");
    assert!(seen.iter().all(|own| Some(own) == seen.first()), "{seen:?}");
    // Another spelling of an address is the same account.
    let spelled = test.auth.login("  NOBODY@Example.com".trim(), PASSWORD, &at(1)).await;
    assert!(matches!(spelled, Err(Error::RateLimited { .. })), "{spelled:?}");
}

/// Three instances on one database let no more pass than the limits and a tenth, however the guesses are spread and
/// however many are under way at the same moment.
pub async fn three_instances_keep_the_limits_together(place: Place) {
    let (instances, clock) = three(&place).await;
    let of = |number: u32| format!("user{number}@example.com");
    let one_address = |first: u32| (0..120).map(|n| (of(first + n), at(first))).collect::<Vec<_>>();
    let one_account = |first: u32| (0..360).map(|n| (of(first), at(first + n))).collect::<Vec<_>>();
    let one_pair = |first: u32| vec![(of(first), at(first)); 60];

    for (guesses, limit) in
        [(one_address(0), 30), (one_account(10_000), 100), (one_pair(20_000), 10)]
    {
        let told = at_once(&instances, &guesses).await;
        assert!(
            (limit..=limit + limit / 10).contains(&told),
            "{told} of {limit} under way at once"
        );
        assert_eq!(at_once(&instances, &guesses).await, 0, "{limit}");
    }
    clock.advance(seconds(3600));
    for (guesses, limit) in
        [(one_address(30_000), 30), (one_account(40_000), 100), (one_pair(50_000), 10)]
    {
        let told = hammered(&instances, guesses.clone()).await;
        assert!((limit..=limit + limit / 10).contains(&told), "{told} of {limit} hammered");
        assert_eq!(hammered(&instances, guesses).await, 0, "{limit}");
    }
}

/// One instance is exact in what it lets begin: as many as the limit are under way, and no further one is hashed. Many
/// right logins of one account at once are none too many as long as nothing has failed.
pub async fn one_instance_lets_no_more_begin_than_the_limit(place: Place) {
    let test = TestAuth::new(&place).await.unwrap();
    let one_address = (0..60).map(|number| (format!("user{number}@example.com"), at(0)));
    let one_account = (0..120).map(|number| ("a@example.com".to_owned(), at(number + 1)));
    let one_pair = vec![("b@example.com".to_owned(), at(1_000)); 20];
    assert_eq!(wrong(&test.auth, "b@example.com", &at(1_000)).await, None);
    let unhurt = vec![("c@example.com".to_owned(), at(1_001)); 20];
    let before = kept(&test.auth).await;
    for (guesses, limit) in
        [(one_address.collect(), 30), (one_account.collect(), 100), (one_pair, 9), (unhurt, 20)]
    {
        let guesses: Vec<(String, Client)> = guesses;
        let begun = guesses.iter().map(|(email, client)| test.auth.limits().login(email, client));
        let begun = join_all(begun).await.into_iter().flatten().collect::<Vec<_>>();
        assert_eq!(begun.len(), limit);
        // They end without an outcome: the server was too busy. Nothing was failed.
        drop(begun);
        if limit != 30 {
            let (email, client) = guesses.last().unwrap();
            assert!(test.auth.limits().login(email, client).await.is_ok(), "{limit}");
        }
    }
    assert_eq!(kept(&test.auth).await, before);
}

/// A right guess that comes to its end after the limit was reached elsewhere is not told from a wrong one.
pub async fn a_guess_that_was_under_way_too_long_learns_nothing(place: Place) {
    let (instances, _) = three(&place).await;
    let [here, there, _] = instances.as_slice() else { return };
    let (email, client) = ("a@example.com", at(1));
    let late = here.auth.limits().login(email, &client).await.unwrap();
    let later = there.auth.limits().login(email, &client).await.unwrap();
    for _ in 0..9 {
        assert_eq!(wrong(&there.auth, email, &client).await, None);
    }
    assert_eq!(wait(later.wrong(crate::testing::refusal()).await), None);
    assert_eq!(wait(late.right().await), Some(1));
}

/// Addresses of one network of IPv6 are one client, neighbours are not; IPv4 inside IPv6 is IPv4.
pub async fn an_ipv6_network_is_one_client(place: Place) {
    let test = TestAuth::new(&place).await.unwrap();
    let client = |text: &str| from(text.parse().unwrap());
    for number in 0..30 {
        let own = client(&format!("2001:db8:0:7:{number:x}::{number:x}"));
        assert_eq!(wait(test.auth.limits().admit(&own).await), None);
    }
    assert_eq!(wait(test.auth.limits().admit(&client("2001:db8:0:7:ffff::1")).await), Some(60));
    assert_eq!(wait(test.auth.limits().admit(&client("2001:db8:0:8::1")).await), None);
    for number in 0..30 {
        assert_eq!(wait(test.auth.limits().admit(&at(number)).await), None);
        let mapped = client("::ffff:192.0.2.1");
        assert_eq!(wait(test.auth.limits().admit(&mapped).await), None);
    }
    assert_eq!(wait(test.auth.limits().admit(&client("192.0.2.1")).await), Some(60));
}

/// A client without an address shares no budget with others like it; what is said of accounts holds.
pub async fn without_an_address_the_rules_of_accounts_hold(place: Place) {
    let test = TestAuth::new(&place).await.unwrap();
    let nowhere = Client::default();
    for number in 0..40 {
        assert_eq!(wait(test.auth.limits().admit(&nowhere).await), None);
        let email = format!("user{number}@example.com");
        assert_eq!(wrong(&test.auth, &email, &nowhere).await, None);
    }
    for _ in 0..10 {
        assert_eq!(wrong(&test.auth, "a@example.com", &nowhere).await, None);
    }
    assert_eq!(wrong(&test.auth, "a@example.com", &nowhere).await, Some(1));
}

/// A wrong password of somebody who is signed in is a failure like one at login, and keeps to the same delays.
pub async fn the_password_of_a_caller_is_guessed_no_faster(place: Place) {
    let test = TestAuth::new(&place).await.unwrap();
    let user = registered(&test).await;
    let home = at(7);
    let check = |password: &'static str| test.auth.password_check(&user, password, &home);
    for _ in 0..10 {
        assert!(matches!(check(WRONG).await, Err(Error::PasswordWrong)));
    }
    assert!(matches!(check(PASSWORD).await, Err(Error::RateLimited { retry_after: 1 })));
    assert_eq!(right(&test.auth, user.email.as_str(), &home).await, Some(1));
    test.clock.advance(seconds(1));
    check(PASSWORD).await.unwrap();
    assert!(matches!(check(WRONG).await, Err(Error::PasswordWrong)));
}

/// Without its database nobody is told whether a guess was right, nothing is forgotten, and who has to wait is told so
/// from memory.
pub async fn an_outage_is_no_way_around(place: Place) {
    let test = TestAuth::new(&place).await.unwrap();
    let user = registered(&test).await;
    let (email, limits) = (user.email.as_str(), test.auth.limits());
    let unavailable =
        |outcome: Result<(), Error>| matches!(outcome, Err(Error::StorageUnavailable(_)));
    for _ in 0..9 {
        assert_eq!(wrong(&test.auth, email, &at(1)).await, None);
    }
    let (first, second) =
        (limits.login(email, &at(2)).await.unwrap(), limits.login(email, &at(2)).await.unwrap());
    test.auth.db().set_unavailable(true);
    for _ in 0..50 {
        assert!(unavailable(limits.login(email, &at(1)).await.map(drop)));
        assert!(unavailable(limits.admit(&at(3)).await));
    }
    assert!(unavailable(first.wrong(crate::testing::refusal()).await));
    assert!(unavailable(second.right().await));
    test.auth.db().set_unavailable(false);
    // Those that nothing came of were not counted.
    assert_eq!(wait(limits.admit(&at(3)).await), None);
    assert_eq!(wrong(&test.auth, email, &at(1)).await, None);
    assert_eq!(wrong(&test.auth, email, &at(1)).await, Some(1));
    test.auth.db().set_unavailable(true);
    for _ in 0..1_000 {
        assert_eq!(wrong(&test.auth, email, &at(1)).await, Some(1));
    }
    test.auth.db().set_unavailable(false);
}

/// Nobody who reads the tables sees an address or an account; and what no longer counts is swept.
pub async fn the_tables_tell_nothing_and_are_emptied(place: Place) {
    let test = TestAuth::new(&place).await.unwrap();
    let email = Email::parse("somebody@example.com").unwrap();
    let client = from("2001:db8:1:2:3:4:5:6".parse().unwrap());
    assert_eq!(wrong(&test.auth, email.as_str(), &client).await, None);
    assert_eq!(right(&test.auth, email.as_str(), &at(1)).await, None);
    let (mut ids, prefix) = (Vec::new(), [0x20, 0x01, 0x0d, 0xb8]);
    for (sql, columns) in [
        ("SELECT id FROM limits", &["id"][..]),
        ("SELECT account, address FROM known_addresses", &["account", "address"]),
    ] {
        for row in test.auth.db().all(sql, []).await.unwrap() {
            ids.extend(columns.iter().map(|column| row.get::<Vec<u8>>(column).unwrap()));
        }
    }
    assert_eq!(ids.len(), 5);
    for id in &ids {
        assert_eq!(id.len(), 16);
        assert!(!id.windows(4).any(|part| part == prefix || part == b"some" || part == b"exam"));
    }
    // Another installation, another key: the same client and account are other entries.
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 4, "the account is one in both tables");

    // What no longer counts is swept: at first nothing, then the address, the failures, and the known address.
    for (after, left) in [(0, 4), (62, 3), (3600, 1), (30 * 86_400, 0)] {
        test.clock.advance(seconds(after));
        assert!(test.auth.run_job("sweep").await.unwrap());
        assert_eq!(kept(&test.auth).await.len(), left);
    }
}

/// Where limits are switched off nothing is counted, looked at or written.
pub async fn limits_that_are_off_count_nothing(place: Place) {
    let mut config = Config::default();
    config.limits.enabled = false;
    let test = TestAuth::with(&place, config).await.unwrap();
    let user = registered(&test).await;
    for _ in 0..40 {
        assert_eq!(wait(test.auth.limits().admit(&at(1)).await), None);
        assert_eq!(wrong(&test.auth, user.email.as_str(), &at(1)).await, None);
    }
    test.auth.login(user.email.as_str(), PASSWORD, &at(1)).await.unwrap();
    assert_eq!(kept(&test.auth).await, Vec::<String>::new());
}
