//! What keys and their rotation promise, one function for each promise, to be run on every engine.

#![expect(
    clippy::unwrap_used,
    reason = "a promise that is not kept fails the test where it stands"
)]

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use jwt::{Algorithm, SigningKey};

use super::{Place, TestAuth, TestClock, conformance::account, logins::bearer};
use crate::{
    Auth, Client, Clock, Config, Error,
    keys::{Key, Keys, State},
    tokens::Tokens,
    users::User,
};

const DAY: u64 = 86_400;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn of(algorithm: Algorithm) -> Config {
    let mut config = Config::default();
    config.tokens.algorithm = algorithm;
    config
}

async fn instance(place: &Place, config: &Config, clock: &TestClock) -> TestAuth {
    TestAuth::on_clock(place, config.clone(), clock.clone()).await.unwrap()
}

/// Two instances of one installation, on one clock.
async fn two(place: &Place, config: &Config) -> (TestAuth, TestAuth) {
    let clock = TestClock::default();
    (instance(place, config, &clock).await, instance(place, config, &clock).await)
}

fn signing(auth: &Auth) -> (String, Algorithm) {
    let ring = auth.keys().now();
    (ring.signing.kid().unwrap().to_owned(), ring.signing.algorithm())
}

fn verifies(auth: &Auth, kid: &str) -> bool {
    auth.keys().now().verifier.keys().get(kid).is_some()
}

async fn code(auth: &Auth, tokens: &Tokens) -> &'static str {
    bearer(auth, tokens).await.map_or_else(|denied| denied.code(), |_| "accepted")
}

/// Waits until it holds; the feed takes less than a second, a busy machine perhaps more.
async fn until(holds: impl AsyncFn() -> bool) {
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < seconds(20), "it never does");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn login(test: &TestAuth, user: &User) -> Tokens {
    test.auth.tokens_create(user, &Client::default()).await.unwrap()
}

async fn in_state(auth: &Auth, state: State) -> Vec<Key> {
    let mut keys = auth.keys_list().await.unwrap();
    keys.retain(|key| key.state == state);
    keys
}

async fn only(auth: &Auth, state: State) -> Key {
    let keys = in_state(auth, state).await;
    assert_eq!(keys.len(), 1, "{keys:?}");
    keys.into_iter().next().unwrap()
}

async fn job(test: &TestAuth) {
    assert!(test.auth.run_job("keys").await.unwrap());
}

async fn count(test: &TestAuth) -> usize {
    test.auth.keys_list().await.unwrap().len()
}

fn key_file(folder: &tempfile::TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

/// A key waits twenty minutes before it signs, signs for thirty days, is kept for an hour after its last token, and is
/// then erased.
pub async fn a_key_goes_from_pending_to_gone(place: Place) {
    let test = TestAuth::with(&place, of(Algorithm::Es256)).await.unwrap();
    let (auth, user) = (&test.auth, account(&test).await);
    let first = only(auth, State::Active).await;
    assert_eq!(first.active_at, first.created_at);
    test.clock.advance(seconds(30 * DAY - 1_201));
    job(&test).await;
    assert_eq!(count(&test).await, 1);
    test.clock.advance(seconds(1));
    job(&test).await;
    let second = only(auth, State::Pending).await;
    assert_eq!(second.active_at, first.active_at.map(|at| at.saturating_add(seconds(30 * DAY))));
    assert_eq!(signing(auth).0, first.kid);
    assert!(verifies(auth, &second.kid), "what it signs elsewhere is good here");
    assert!(auth.keys().now().published.contains(&second.kid));
    test.clock.advance(seconds(1_199));
    job(&test).await;
    assert_eq!(signing(auth).0, first.kid);
    let old = login(&test, &user).await;
    test.clock.advance(seconds(1));
    job(&test).await;
    assert_eq!(signing(auth), (second.kid.clone(), Algorithm::Es256));
    assert_eq!(only(auth, State::Active).await.kid, second.kid);
    let retiring = only(auth, State::Retiring).await;
    assert_eq!(retiring.kid, first.kid);
    let kept = retiring.gone_at.unwrap().duration_since(retiring.retired_at.unwrap());
    assert_eq!(kept, seconds(600 + 3_600));
    assert_eq!(code(auth, &old).await, "accepted");
    test.clock.advance(kept - seconds(1));
    job(&test).await;
    assert_eq!(code(auth, &old).await, "token_expired", "the key is still known");
    test.clock.advance(seconds(1));
    job(&test).await;
    assert_eq!(code(auth, &old).await, "unknown_key");
    assert!(!auth.keys().now().published.contains(&first.kid));
    let gone = only(auth, State::Gone).await;
    assert_eq!((&gone.kid, gone.revoked_at), (&first.kid, None));
    let erased = "SELECT material FROM keys WHERE kid = $1";
    let row = auth.db().optional(erased, [first.kid.into()]).await.unwrap().unwrap();
    assert!(row.get::<Vec<u8>>("material").unwrap().is_empty());
    test.clock.advance(seconds(91 * DAY));
    auth.run_job("sweep").await.unwrap();
    assert_eq!(count(&test).await, 1, "nor is it listed for ever");
}

/// Instances that make the same motion at the same moment make it once.
pub async fn a_motion_that_is_made_twice_is_made_once(place: Place) {
    let clock = TestClock::default();
    let mut instances = Vec::new();
    for _ in 0..3 {
        instances.push(instance(&place, &Config::default(), &clock).await);
    }
    let auth = instances.first().unwrap().auth.clone();
    let turn = async || {
        // Without the lease, as if it were lost on every one of them.
        let turns = instances.iter().flat_map(|test| [test, test]);
        for turned in join_all(turns.map(|test| test.auth.keys().keys().turn())).await {
            turned.unwrap();
        }
    };
    clock.advance(seconds(5_000));
    for rotation in 1..4 {
        clock.advance(seconds(30 * DAY - 1_200 - 5_000));
        turn().await;
        only(&auth, State::Pending).await;
        assert_eq!(in_state(&auth, State::Gone).await.len(), rotation - 1);
        clock.advance(seconds(1_200));
        turn().await;
        only(&auth, State::Active).await;
        only(&auth, State::Retiring).await;
        assert!(in_state(&auth, State::Pending).await.is_empty());
        clock.advance(seconds(5_000));
        turn().await;
        assert_eq!(in_state(&auth, State::Gone).await.len(), rotation);
    }
}

/// Every instance follows within seconds, and accepts at each moment what the others sign.
pub async fn every_instance_follows_a_rotation(place: Place) {
    let (here, there) = two(&place, &Config::default()).await;
    let user = account(&here).await;
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Hs512] {
        let before = signing(&here.auth).0;
        let pending = here.auth.key_rotate(Some(algorithm), false).await.unwrap();
        assert_eq!((pending.state, pending.algorithm.as_str()), (State::Pending, algorithm.name()));
        until(async || verifies(&there.auth, &pending.kid)).await;
        assert_eq!(signing(&there.auth).0, before, "it does not sign yet");
        let again = here.auth.key_rotate(Some(algorithm), false).await.unwrap();
        assert_eq!(again.kid, pending.kid, "it waits already");

        let old = login(&there, &user).await;
        here.clock.advance(seconds(1_200));
        job(&here).await;
        let new = login(&here, &user).await;
        assert_eq!(signing(&here.auth), (pending.kid.clone(), algorithm));
        assert_eq!(code(&there.auth, &new).await, "accepted", "at once, also before it follows");
        until(async || signing(&there.auth).0 == pending.kid).await;
        let other = login(&there, &user).await;
        for auth in [&here.auth, &there.auth] {
            assert_eq!(code(auth, &new).await, "accepted");
            assert_eq!(code(auth, &other).await, "accepted");
            assert_eq!(code(auth, &old).await, "token_expired");
        }
    }
}

/// A rotation at once takes the key that waits, or makes one; the one before verifies on.
pub async fn a_rotation_at_once_signs_at_once(place: Place) {
    let test = TestAuth::new(&place).await.unwrap();
    let (auth, user) = (&test.auth, account(&test).await);
    let old = login(&test, &user).await;
    let pending = auth.key_rotate(Some(Algorithm::Es384), false).await.unwrap();
    let active = auth.key_rotate(Some(Algorithm::Es384), true).await.unwrap();
    assert_eq!((active.kid, active.state), (pending.kid, State::Active));
    assert_eq!(code(auth, &old).await, "accepted");
    let next = auth.key_rotate(None, true).await.unwrap();
    assert_eq!((next.state, next.algorithm.as_str()), (State::Active, "ES384"));
    assert_eq!(signing(auth).0, next.kid);
    assert_eq!(in_state(auth, State::Retiring).await.len(), 2);
    assert_eq!(code(auth, &old).await, "accepted");
}

/// Another algorithm in the settings is a rotation: published first, and nobody is signed out.
pub async fn a_change_of_algorithm_is_a_rotation(place: Place) {
    let clock = TestClock::default();
    let before = instance(&place, &Config::default(), &clock).await;
    let user = account(&before).await;
    let config = of(Algorithm::Es256);
    let after = instance(&place, &config, &clock).await;
    let pending = only(&after.auth, State::Pending).await;
    assert_eq!(pending.algorithm, "ES256");
    assert_eq!(signing(&after.auth), signing(&before.auth), "the old one signs");
    assert!(after.auth.keys().now().published.contains(&pending.kid));
    // Another start in between changes nothing.
    let other = instance(&place, &config, &clock).await;
    assert_eq!(only(&other.auth, State::Pending).await, pending);
    let old = login(&before, &user).await;
    clock.advance(seconds(1_200));
    // The instance with the old setting does it, and does not pull back.
    job(&before).await;
    assert_eq!(signing(&before.auth), (pending.kid.clone(), Algorithm::Es256));
    let new = login(&before, &user).await;
    until(async || signing(&after.auth).0 == pending.kid).await;
    for test in [&before, &after, &other] {
        assert_eq!(code(&test.auth, &new).await, "accepted");
        assert!(matches!(code(&test.auth, &old).await, "accepted" | "token_expired"));
    }
    clock.advance(seconds(30 * DAY));
    job(&before).await;
    assert_eq!(only(&before.auth, State::Pending).await.algorithm, "ES256");
}

/// Where nobody else verifies the change may take effect at once; what the old key signed stays good.
pub async fn a_change_of_algorithm_at_once_keeps_the_old_key_verifying(place: Place) {
    let clock = TestClock::default();
    let first = instance(&place, &Config::default(), &clock).await;
    let old = login(&first, &account(&first).await).await;
    for algorithm in [Algorithm::Hs512, Algorithm::Es256, Algorithm::EdDsa, Algorithm::Hs256] {
        let builder = Auth::builder(of(algorithm)).db(place.db.clone()).switch_keys_at_once();
        let auth = builder.clock(Clock::new(clock.clone())).build().await.unwrap();
        assert_eq!(signing(&auth).1, algorithm);
        assert_eq!(code(&auth, &old).await, "accepted");
    }
}

/// A rotation to another algorithm outlasts a restart with the setting as it was.
pub async fn a_rotation_outlasts_a_restart(place: Place) {
    let clock = TestClock::default();
    let before = instance(&place, &Config::default(), &clock).await;
    let pending = before.auth.key_rotate(Some(Algorithm::Es256), false).await.unwrap();
    drop(before);
    // In the middle of it.
    let between = instance(&place, &Config::default(), &clock).await;
    assert_eq!(signing(&between.auth).1, Algorithm::Hs256);
    assert!(verifies(&between.auth, &pending.kid));
    drop(between);
    clock.advance(seconds(1_200));
    let after = instance(&place, &Config::default(), &clock).await;
    job(&after).await;
    assert_eq!(signing(&after.auth), (pending.kid.clone(), Algorithm::Es256));
    let again = instance(&place, &Config::default(), &clock).await;
    assert_eq!(signing(&again.auth).0, pending.kid);
    assert_eq!(count(&again).await, 2);
}

/// A key is kept for as long as the longest token that any instance signs with it.
pub async fn a_key_outlives_the_longest_token(place: Place) {
    let clock = TestClock::default();
    let short = instance(&place, &Config::default(), &clock).await;
    let mut config = Config::default();
    config.tokens.access_lifetime = seconds(7_200);
    let long = instance(&place, &config, &clock).await;
    let tokens = login(&long, &account(&long).await).await;
    short.auth.key_rotate(None, true).await.unwrap();
    let old = only(&short.auth, State::Retiring).await;
    assert_eq!(
        old.gone_at.unwrap().duration_since(old.retired_at.unwrap()),
        seconds(7_200 + 3_600)
    );
    clock.advance(seconds(7_199));
    job(&short).await;
    assert_eq!(code(&short.auth, &tokens).await, "accepted");
}

/// The tokens of a revoked key are dead at once, on every instance; logins go on, and the key never comes back.
pub async fn a_revoked_key_is_dead_everywhere(place: Place) {
    let (here, there) = two(&place, &of(Algorithm::Es256)).await;
    let (one, other) = (account(&here).await, account(&here).await);
    login(&here, &other).await;
    here.clock.advance(seconds(601));
    let tokens = login(&there, &one).await;
    let key = only(&here.auth, State::Active).await;
    let pem = here.auth.key_export(&key.kid, true).await.unwrap();
    let pending = here.auth.key_rotate(None, false).await.unwrap();

    let consequences = here.auth.key_consequences(&key.kid).await.unwrap();
    assert_eq!((consequences.logins, &consequences.key), (1, &key));
    let cached = consequences.cached_until.unwrap().duration_since(here.auth.clock().now());
    assert_eq!(cached, seconds(600 + 86_400));
    let unused = here.auth.key_consequences(&pending.kid).await.unwrap();
    assert_eq!(unused.logins, 0);
    assert_eq!(code(&there.auth, &tokens).await, "accepted");

    assert_eq!(here.auth.key_revoke(&key.kid).await.unwrap(), key);
    assert_eq!(code(&here.auth, &tokens).await, "unknown_key");
    until(async || code(&there.auth, &tokens).await == "unknown_key").await;
    let active = only(&here.auth, State::Active).await;
    assert_ne!((&active.kid, &active.kid), (&key.kid, &pending.kid));
    assert_eq!(active.algorithm, "ES256");
    assert_eq!(only(&here.auth, State::Gone).await.revoked_at, Some(here.auth.clock().now()));
    let fresh = there.auth.tokens_refresh(&tokens.refresh, &Client::default()).await.unwrap();
    for auth in [&here.auth, &there.auth] {
        assert_eq!(code(auth, &fresh).await, "accepted");
        assert!(!auth.keys().now().published.contains(&key.kid));
    }

    here.auth.key_revoke(&key.kid).await.unwrap();
    assert_eq!(only(&here.auth, State::Active).await, active, "once is enough");
    let again = here.auth.key_import(&pem, None, false).await;
    assert!(matches!(again, Err(Error::KeyExists)), "{again:?}");
    here.auth.key_revoke(&pending.kid).await.unwrap();
    assert_eq!(only(&here.auth, State::Active).await, active, "one that waits is just gone");
    for asked in [here.auth.key_revoke("nothing").await, here.auth.key_revoke("").await] {
        assert!(matches!(asked, Err(Error::NotFound)), "{asked:?}");
    }
    here.clock.advance(seconds(200 * DAY));
    here.auth.run_job("sweep").await.unwrap();
    let again = here.auth.key_import(&pem, None, false).await;
    assert!(matches!(again, Err(Error::KeyExists)), "{again:?}");
}

/// Revoked by several at once, a key is followed by one.
pub async fn a_key_that_several_revoke_has_one_successor(place: Place) {
    let (here, there) = two(&place, &Config::default()).await;
    let kid = signing(&here.auth).0;
    let revokes = (0..6).map(|n| if n % 2 == 0 { &here } else { &there });
    for revoked in join_all(revokes.map(|test| test.auth.key_revoke(&kid))).await {
        revoked.unwrap();
    }
    only(&here.auth, State::Active).await;
    assert_eq!(count(&here).await, 2);
}

/// A key in a file signs where it is named; the one in the database retires, and nothing rotates the file.
pub async fn a_key_in_a_file_rules_where_it_is_named(place: Place) {
    let folder = tempfile::tempdir().unwrap();
    let clock = TestClock::default();
    let before = instance(&place, &Config::default(), &clock).await;
    let user = account(&before).await;
    let old = login(&before, &user).await;
    let mut config = Config::default();
    let secrets = [b"k8Jq2vXr7TzLw0NfYbHdGm4sPcEa9UiO", b"Zt5Rk1WqYx8Nv3LpMb6JhGd0CsFa7EuQ"];
    config.keys.secret_file =
        secrets.iter().enumerate().map(|(n, s)| key_file(&folder, &n.to_string(), *s)).collect();
    let file = instance(&place, &config, &clock).await;
    assert_eq!(code(&file.auth, &old).await, "accepted", "the move signs nobody out");
    let active = only(&file.auth, State::Active).await;
    assert_eq!((active.place.name(), active.created_at), ("file", None));
    assert_eq!(signing(&file.auth).0, active.kid);
    assert_eq!(
        in_state(&file.auth, State::Retiring).await.len(),
        2,
        "the other file, and the old key"
    );
    // An instance that is still without the file signs on with what it has, and is believed.
    before.auth.keys().reload().await.unwrap();
    let late = login(&before, &user).await;
    assert_eq!(code(&file.auth, &late).await, "accepted");
    let kid = signing(&before.auth).0;
    drop(before);

    clock.advance(seconds(40 * DAY));
    job(&file).await;
    assert_eq!(signing(&file.auth).0, active.kid);
    assert_eq!(in_state(&file.auth, State::Pending).await, []);
    assert_eq!(only(&file.auth, State::Gone).await.kid, kid);
    let refused = [
        file.auth.key_rotate(None, false).await,
        file.auth.key_rotate(None, true).await,
        file.auth.key_revoke(&active.kid).await,
    ];
    assert!(refused.iter().all(|outcome| matches!(outcome, Err(Error::KeyInFile))), "{refused:?}");
    // Back: without the file there is no active key, so one is made.
    let back = instance(&place, &Config::default(), &clock).await;
    assert_eq!(only(&back.auth, State::Active).await.place.name(), "database");
}

/// A key moves from a file into the database by an import, and from one file to another, and nobody is signed out.
pub async fn an_imported_key_bridges_files_and_database(place: Place) {
    let folder = tempfile::tempdir().unwrap();
    let clock = TestClock::default();
    let secret = b"k8Jq2vXr7TzLw0NfYbHdGm4sPcEa9UiO";
    let mut config = Config::default();
    config.keys.secret_file = vec![key_file(&folder, "secret", secret)];
    let file = instance(&place, &config, &clock).await;
    let tokens = login(&file, &account(&file).await).await;
    let imported = file.auth.key_import(secret, Some(Algorithm::Hs256), true).await.unwrap();
    assert_eq!(imported.kid, signing(&file.auth).0);
    job(&file).await;
    let database = instance(&place, &Config::default(), &clock).await;
    assert_eq!(signing(&database.auth).0, imported.kid);
    assert_eq!(code(&database.auth, &tokens).await, "accepted");
    database.auth.key_rotate(None, true).await.unwrap();
    assert_eq!(code(&database.auth, &tokens).await, "accepted");
}

/// What is imported waits its twenty minutes and comes out as it came in; what cannot be used is refused.
pub async fn keys_come_in_and_go_out(place: Place) {
    let test = TestAuth::new(&place).await.unwrap();
    let auth = &test.auth;
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256] {
        let key = SigningKey::generate(algorithm).unwrap().with_derived_kid();
        let pem = key.expose_pkcs8_pem().unwrap();
        let imported = auth.key_import(pem.as_bytes(), None, false).await.unwrap();
        assert_eq!(imported.algorithm, algorithm.name(), "found out from the key");
        assert_eq!((imported.state, Some(&*imported.kid)), (State::Pending, key.kid()));
        let private = auth.key_export(&imported.kid, true).await.unwrap();
        assert_eq!(&*private, pem.trim_end().as_bytes());
        let public = auth.key_export(&imported.kid, false).await.unwrap();
        assert_eq!(&*public, key.verifying_key().to_spki_pem().unwrap().trim_end().as_bytes());
        let again = auth.key_import(pem.as_bytes(), None, true).await;
        assert!(matches!(again, Err(Error::KeyExists)));
        let public = auth.key_import(&public, None, false).await;
        assert!(matches!(public, Err(Error::KeyRefused(_))), "{public:?}");
        test.clock.advance(seconds(1_200));
        job(&test).await;
        assert_eq!(signing(auth).0, imported.kid);
    }
    // The secret that the database made for itself is text, to be handed on.
    auth.key_rotate(Some(Algorithm::Hs256), true).await.unwrap();
    let secret = auth.key_export(&signing(auth).0, true).await.unwrap();
    assert!(secret.len() == 64 && secret.iter().all(u8::is_ascii_hexdigit));
    let holder = SigningKey::from_secret(Algorithm::Hs256, &secret).unwrap().with_derived_kid();
    assert_eq!(holder.kid(), Some(&*signing(auth).0));
    assert!(matches!(auth.key_export(&signing(auth).0, false).await, Err(Error::KeyRefused(_))));
    assert!(matches!(auth.key_export("nothing", true).await, Err(Error::NotFound)));
    for (text, algorithm) in [
        (&b""[..], None),
        (b"no key", Some(Algorithm::Es256)),
        (b"secretsecretsecretsecretsecretsecret", Some(Algorithm::Hs256)),
        (b"\xff\xfe", None),
    ] {
        let refused = auth.key_import(text, algorithm, false).await;
        assert!(matches!(refused, Err(Error::KeyRefused(_))), "{refused:?}");
    }
}

/// Another master key seals everything anew, by several instances at once; the one before it is then needed no more. A
/// wrong one changes nothing.
pub async fn another_master_key_seals_everything_anew(place: Place) {
    let folder = tempfile::tempdir().unwrap();
    let file =
        |name: &str, number| Some(key_file(&folder, name, super::master_key(number).as_bytes()));
    let clock = TestClock::default();
    let with = |current: Option<PathBuf>, previous: Option<PathBuf>| {
        let mut config = of(Algorithm::Es256);
        (config.keys.master_key_file, config.keys.previous_master_key_file) = (current, previous);
        config
    };
    let build =
        async |config: &Config| TestAuth::on_clock(&place, config.clone(), clock.clone()).await;
    let stored = async || {
        let rows = "SELECT material FROM keys WHERE state <> 'gone' UNION ALL SELECT material FROM server_secret";
        let rows = place.db.all(rows, []).await.unwrap();
        rows.iter().map(|row| row.get("material").unwrap()).collect::<Vec<Vec<u8>>>()
    };
    let (one, two, three) = (file("one", 1), file("two", 2), file("three", 3));

    let plain = build(&with(None, None)).await.unwrap();
    let tokens = login(&plain, &account(&plain).await).await;
    plain.auth.key_rotate(None, true).await.unwrap();
    plain.auth.key_rotate(Some(Algorithm::Hs256), false).await.unwrap();
    let before = stored().await;
    let sealed = build(&with(one.clone(), None)).await.unwrap();
    let keys = sealed.auth.keys_list().await.unwrap();
    assert!(keys.len() == 3 && keys.iter().all(|key| key.sealed), "{keys:?}");
    let first = stored().await;
    assert!(before.iter().all(|plain| !first.contains(plain)));

    for wrong in [
        with(None, None),
        with(two.clone(), None),
        with(two.clone(), three.clone()),
        with(three.clone(), two.clone()),
    ] {
        let refused = build(&wrong).await;
        assert!(matches!(refused, Err(Error::Configuration(_))), "{refused:?}");
        assert_eq!(stored().await, first, "it changed nothing");
    }

    let changed = with(two.clone(), one.clone());
    let started = join_all((0..3).map(|_| build(&changed))).await;
    let started: Vec<TestAuth> = started.into_iter().map(Result::unwrap).collect();
    let second = stored().await;
    assert!(first.iter().all(|old| !second.contains(old)), "each is sealed anew");
    build(&changed).await.unwrap();
    assert_eq!(stored().await, second, "once");
    assert!(matches!(build(&with(one, None)).await, Err(Error::Configuration(_))));
    let last = build(&with(two, None)).await.unwrap();
    for test in started.iter().chain([&last]) {
        assert_eq!(code(&test.auth, &tokens).await, "accepted");
    }
    last.auth.tokens_refresh(&tokens.refresh, &Client::default()).await.unwrap();
}

/// Who changes keys beside the instances has to have their master key; nothing plain gets among what is sealed.
pub async fn keys_are_changed_under_the_master_key_of_the_installation(place: Place) {
    let folder = tempfile::tempdir().unwrap();
    let beside = async |config: &Config| -> Keys {
        Auth::builder(config.clone()).db(place.db.clone()).keys().await.unwrap()
    };
    let plain = Config::default();
    let mut sealed = Config::default();
    sealed.keys.master_key = Some(super::master_key(9).into());
    let mut other = Config::default();
    other.keys.master_key_file = Some(key_file(&folder, "other", super::master_key(1).as_bytes()));
    let refused = async |config: &Config| {
        let keys = beside(config).await;
        assert_eq!(keys.list().await.unwrap().len(), 1, "a list needs no key");
        let kid = keys.list().await.unwrap().first().unwrap().kid.clone();
        let outcomes = [
            keys.rotate(None, true).await,
            keys.revoke(&kid).await,
            keys.import(b"k8Jq2vXr7TzLw0NfYbHdGm4sPcEa9UiO", Some(Algorithm::Hs256), false).await,
        ];
        outcomes.iter().all(|outcome| matches!(outcome, Err(Error::Configuration(_))))
    };
    assert!(beside(&plain).await.list().await.unwrap().is_empty(), "to look makes nothing");
    let running = TestAuth::with(&place, plain.clone()).await.unwrap();
    assert!(refused(&sealed).await, "the instance could not open it");
    drop(running);
    let running = TestAuth::with(&place, sealed.clone()).await.unwrap();
    assert!(refused(&plain).await && refused(&other).await);
    let rotated = beside(&sealed).await.rotate(None, true).await.unwrap();
    assert!(rotated.sealed);
    until(async || signing(&running.auth).0 == rotated.kid).await;
}
