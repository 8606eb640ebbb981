//! What a copy of an installation promises, one function for each promise, to be run from each engine to each.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a promise that is not kept fails the test where it stands"
)]

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use super::{
    PASSWORD, Place, TestAuth, TestClock, conformance::account, imports::import, letters::Letters,
    limits::guess_wrong, logins::bearer,
};
use crate::{
    Auth, Client, Config, Error, OpaqueSecret,
    import::Mode,
    keys::State,
    passwords::Login,
    storage::{
        Copied, CopyError, CopyPlan, Db, Engine, Migration, Migrations, Progress, StorageError,
    },
    tokens::Tokens,
    users::{NewUser, User},
    webhooks::storage::deliveries_add,
};

/// Makes a `#[tokio::test]` of each function for each pair of engines. The functions take two [`Place`]s, the first to be
/// copied into the second.
#[macro_export]
macro_rules! from_every_engine_to_every_engine {
    ($($name:ident),* $(,)?) => {
        mod sqlite_to_postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let Some(to) = $crate::testing::Place::postgres().await else { return };
                super::$name($crate::testing::Place::disk().await, to.clone()).await;
                to.remove().await;
            })*
        }
        mod postgres_to_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let Some(from) = $crate::testing::Place::postgres().await else { return };
                super::$name(from.clone(), $crate::testing::Place::disk().await).await;
                from.remove().await;
            })*
        }
        mod sqlite_to_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let (from, to) = ($crate::testing::Place::disk().await, $crate::testing::Place::disk().await);
                super::$name(from, to).await;
            })*
        }
        mod postgres_to_postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let Some(from) = $crate::testing::Place::postgres().await else { return };
                let Some(to) = $crate::testing::Place::postgres().await else { return };
                super::$name(from.clone(), to.clone()).await;
                from.remove().await;
                to.remove().await;
            })*
        }
    };
}

/// Somebody else's tables, with an order of text and a key of two columns.
const NOTES: Migrations = Migrations {
    table: "notes_migrations",
    steps: &[Migration {
        name: "V1__notes",
        sqlite: "CREATE TABLE notes (title TEXT NOT NULL, part INTEGER NOT NULL, body BLOB, done INTEGER,
                     PRIMARY KEY (title, part)) STRICT",
        postgres: "CREATE TABLE notes (title TEXT NOT NULL, part BIGINT NOT NULL, body BYTEA, done BOOLEAN,
                     PRIMARY KEY (title, part))",
    }],
};
const OWNERS: &[Migrations] = &[Auth::MIGRATIONS, NOTES];

async fn copy(from: &Place, to: &Place) -> Result<Copied, CopyError> {
    from.db.copy_to(&to.db, CopyPlan { owners: OWNERS, leave_others: false }, |_| {}).await
}

/// What people hold who are signed in, and what the installation looks like.
struct Before {
    test: TestAuth,
    config: Config,
    user: User,
    cookie: OpaqueSecret,
    tokens: Tokens,
    ended: Tokens,
    link: String,
    keys: Vec<(String, State, bool)>,
    _folder: tempfile::TempDir,
}

fn client() -> Client {
    Client {
        address: Some("192.0.2.7".parse().unwrap()),
        device: "Firefox on Linux".to_owned(),
        ..Client::default()
    }
}

/// An installation in which every table has rows, as months of use would leave them.
async fn populated(place: &Place) -> Before {
    let folder = tempfile::tempdir().unwrap();
    let master = folder.path().join("master");
    std::fs::write(&master, super::master_key(7)).unwrap();
    let mut config = Config::default();
    config.keys.master_key_file = Some(master);
    let clock = TestClock::default();
    let test = TestAuth::on_clock(place, config.clone(), clock.clone()).await.unwrap();
    test.auth.stop_mail();
    let auth = &test.auth;

    let new = |email, name| NewUser { email, password: PASSWORD, name, roles: &["user"] };
    let user = auth.user_create(new("ada@example.com", Some("Zoë 日本 \u{10ffff}"))).await.unwrap();
    let other = auth.user_create(new("b@example.com", None)).await.unwrap();
    auth.user_set_disabled(account(&test).await.id, true).await.unwrap();
    let bcrypt = "$2b$10$L6Jtm.g9ttaxyAqelgOCfOjO/Br.RoCaip1mgXiBUceJb/WprV.qK";
    let line = format!("{{\"email\":\"i@example.com\",\"password_hash\":\"{bcrypt}\"}}\n");
    import(auth, &line, Mode::Write).await.unwrap();

    let (_, cookie) = auth.session_create(&user, &client(), None).await.unwrap();
    let tokens = auth.tokens_create(&user, &client()).await.unwrap();
    let ended = auth.tokens_create(&user, &client()).await.unwrap();
    auth.session_end(user.id, ended.session).await.unwrap();
    let newest = auth.tokens_refresh(&tokens.refresh, &client()).await.unwrap();
    let login = auth.login("ada@example.com", PASSWORD, &client()).await.unwrap();
    assert!(matches!(login, Login::Complete(_)));

    auth.password_forgot("ada@example.com", &client()).await.unwrap();
    let letter = Letters::of(&test).all().await.pop().unwrap();
    auth.email_change(&other, "new@example.com", PASSWORD, &client()).await.unwrap();
    auth.password_forgot("b@example.com", &client()).await.unwrap();
    place
        .db
        .execute(
            "INSERT INTO outbox_pace (recipient, sent_at, letters) VALUES ($1, 1, 2)",
            [vec![0_u8, 255, 1].into()],
        )
        .await
        .unwrap();

    for _ in 0..12 {
        drop(guess_wrong(auth, "b@example.com", &client()).await);
    }
    auth.key_rotate(None, true).await.unwrap();
    auth.key_rotate(Some(jwt::Algorithm::Es256), false).await.unwrap();
    assert!(auth.run_job("sweep").await.unwrap());

    place.db.migrate(NOTES).await.unwrap();
    for (number, title) in ["b", "B", "ä", "", "a b", "a", "Ä", "日", "_"].iter().enumerate() {
        for part in [-1, i64::MIN, i64::MAX] {
            let body = (number % 3 > 0).then(|| vec![u8::try_from(number).unwrap(); number - 1]);
            let done = (number % 2 > 0).then_some(part > 0);
            place
                .db
                .execute(
                    "INSERT INTO notes (title, part, body, done) VALUES ($1, $2, $3, $4)",
                    [(*title).into(), part.into(), body.into(), done.into()],
                )
                .await
                .unwrap();
        }
    }
    // More than a batch, with a key of bytes.
    place
        .db
        .transaction(|tx| {
            Box::pin(async move {
                for number in 0_u32..1_234 {
                    let id = number.wrapping_mul(2_654_435_761).to_be_bytes().to_vec();
                    let sql = "INSERT INTO limits (id, times, expires_at) VALUES ($1, $2, $3)";
                    tx.execute(sql, [id.into(), Vec::new().into(), 9_999_999_999.into()]).await?;
                }
                Ok(())
            })
        })
        .await
        .unwrap();
    auth.administrator_invite().await.unwrap().unwrap();
    let gone = auth.ids().next();
    let erasure = "INSERT INTO erasures (user_id, asked_at) VALUES ($1, 1)";
    place.db.execute(erasure, [gone.into()]).await.unwrap();
    // Nothing is written by itself from here on: all events are sealed.
    auth.seal_events_now().await.unwrap();
    let event = auth.log().after(None, None, 1).await.unwrap().pop().unwrap().id;
    let now = auth.clock().now();
    place
        .db
        .transaction(move |tx| Box::pin(async move { deliveries_add(tx, &[event], now).await }))
        .await
        .unwrap();
    let keys = keys(auth).await;
    Before {
        test,
        config,
        user,
        cookie,
        tokens: newest,
        ended,
        link: letter.token.unwrap(),
        keys,
        _folder: folder,
    }
}

async fn keys(auth: &Auth) -> Vec<(String, State, bool)> {
    let keys = auth.keys_list().await.unwrap();
    keys.into_iter().map(|key| (key.kid, key.state, key.sealed)).collect()
}

async fn numbers(db: &Db) -> Vec<i64> {
    let rows = db.all("SELECT number FROM revocations ORDER BY number", []).await.unwrap();
    rows.iter().map(|row| row.get("number").unwrap()).collect()
}

/// Whoever is signed in stays so, whoever was signed out stays so, and links, keys, limits and counters go on.
pub async fn users_stay_signed_in_by_a_copy(from: Place, to: Place) {
    let before = populated(&from).await;
    let mut seen = Vec::new();
    let plan = CopyPlan { owners: OWNERS, leave_others: false };
    let copied = from.db.copy_to(&to.db, plan, |progress| seen.push(progress)).await.unwrap();
    let rows: u64 = copied.tables.iter().map(|table| table.rows).sum();
    assert_eq!(seen.first(), Some(&Progress { done: 0, total: 2 * rows }));
    assert_eq!(seen.last(), Some(&Progress { done: 2 * rows, total: 2 * rows }));
    assert!(seen.is_sorted_by_key(|progress| progress.done));
    let filled: BTreeSet<&str> =
        copied.tables.iter().filter(|table| table.rows > 0).map(|table| &*table.name).collect();
    for table in [
        "users",
        "passwords",
        "sessions",
        "refresh_tokens",
        "revocations",
        "server_secret",
        "keys",
        "key_setting",
        "leases",
        "outbox",
        "outbox_pace",
        "links",
        "email_changes",
        "limits",
        "known_addresses",
        "events",
        "event_chain",
        "erasures",
        "admin_links",
        "deliveries",
        "notes",
    ] {
        assert!(filled.contains(table), "{table} is empty: {filled:?}");
    }

    let Before { test: before_it, config, user, cookie, tokens, ended, link, keys: were, .. } =
        &before;
    let clock = &before_it.clock;
    let log = before_it.auth.log().verify(None, |_| {}).await.unwrap();
    let test = TestAuth::on_clock(&to, config.clone(), clock.clone()).await.unwrap();
    let auth = &test.auth;
    assert_eq!(&keys(auth).await, were);
    assert!(were.iter().any(|(_, state, _)| *state == State::Retiring));
    assert!(were.iter().all(|(_, _, sealed)| *sealed));
    let there = auth.log().verify(Some((log.head.0, &log.head.1)), |_| {}).await.unwrap();
    assert_eq!((there.fault_count, there.checked), (0, log.checked));
    assert_eq!(auth.user(user.id).await.unwrap().as_ref(), Some(user));
    assert!(auth.sessions().resume(cookie).await.unwrap().is_some());
    bearer(auth, tokens).await.unwrap();
    assert_eq!(bearer(auth, ended).await.unwrap_err().code(), "token_revoked");
    let next = auth.tokens_refresh(&tokens.refresh, &client()).await.unwrap();
    assert_eq!(next.session, tokens.session);
    assert!(matches!(
        auth.tokens_refresh(&ended.refresh, &client()).await,
        Err(Error::InvalidGrant)
    ));
    let limited = guess_wrong(auth, "b@example.com", &client()).await;
    assert!(matches!(limited, Err(Error::RateLimited { .. })), "{limited:?}");
    clock.advance(Duration::from_secs(60));
    for email in ["i@example.com", "ada@example.com"] {
        assert!(matches!(
            auth.login(email, PASSWORD, &Client::default()).await.unwrap(),
            Login::Complete(_)
        ));
    }
    let chosen = "yet another quiet harbour lamp";
    auth.password_reset(link, chosen, &client()).await.unwrap();
    assert!(auth.sessions().resume(cookie).await.unwrap().is_none());
}

/// A number that an entry of the feed once had is given to no other, also when that entry was gone before the copy.
pub async fn numbers_go_on_after_a_copy(from: Place, to: Place) {
    let test = TestAuth::new(&from).await.unwrap();
    let user = account(&test).await;
    let end = async |test: &TestAuth| {
        let tokens = test.auth.tokens_create(&user, &Client::default()).await.unwrap();
        test.auth.session_end(user.id, tokens.session).await.unwrap();
    };
    for _ in 0..5 {
        end(&test).await;
    }
    let highest = numbers(&from.db).await.pop().unwrap();
    from.db.execute("DELETE FROM revocations WHERE number > 1", []).await.unwrap();
    copy(&from, &to).await.unwrap();
    let there = TestAuth::on_clock(&to, Config::default(), test.clock.clone()).await.unwrap();
    end(&there).await;
    assert_eq!(numbers(&to.db).await.pop().unwrap(), highest + 1);
}

/// What is copied is all that is there: every table of the migrations, and the same rows.
pub async fn no_table_is_forgotten_by_a_copy(from: Place, to: Place) {
    populated(&from).await;
    let copied = copy(&from, &to).await.unwrap();
    let names: BTreeSet<String> = copied.tables.iter().map(|table| table.name.clone()).collect();
    let mut all = tables(&to.db).await;
    assert_eq!(all, tables(&from.db).await);
    for history in ["countersign_migrations", "notes_migrations"] {
        assert!(all.remove(history));
    }
    assert_eq!(names, all);
    let digests = from.db.digests(OWNERS).await.unwrap();
    assert_eq!(digests, copied.tables);
    assert_eq!(to.db.digests(OWNERS).await.unwrap(), digests);
}

async fn tables(db: &Db) -> BTreeSet<String> {
    let sql = match db.engine() {
        Engine::Sqlite => {
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'sqlite_sequence'"
        }
        Engine::Postgres => {
            "SELECT CAST(tablename AS TEXT) AS name FROM pg_tables WHERE schemaname = 'public'"
        }
    };
    let rows = db.all(sql, []).await.unwrap();
    rows.iter().map(|row| row.get("name").unwrap()).collect()
}

/// The digest of a table tells a changed byte, a changed order of two cells, and a missing row.
pub async fn a_digest_tells_what_has_changed(from: Place, to: Place) {
    populated(&from).await;
    copy(&from, &to).await.unwrap();
    let digest = async |table: &str| {
        let all = to.db.digests(OWNERS).await.unwrap();
        all.into_iter().find(|one| one.name == table).unwrap()
    };
    for (table, change) in [
        ("users", "UPDATE users SET name = 'x' WHERE email = 'b@example.com'"),
        ("sessions", "UPDATE sessions SET created_at = created_at + 1"),
        ("users", "UPDATE users SET pending = $1 WHERE email = 'b@example.com'"),
        ("notes", "UPDATE notes SET body = NULL WHERE title = 'B'"),
        ("limits", "DELETE FROM limits WHERE id = (SELECT MAX(id) FROM limits)"),
        ("keys", "UPDATE keys SET kid = 'x' WHERE state = 'active'"),
    ] {
        let before = digest(table).await;
        let binds = if change.contains("$1") { vec![true.into()] } else { Vec::new() };
        if table == "limits" && to.db.engine() == Engine::Postgres {
            to.db.execute("DELETE FROM limits WHERE id = '\\x00000000'", []).await.unwrap();
        } else {
            to.db.execute(change, binds).await.unwrap();
        }
        assert_ne!(digest(table).await, before, "{change}");
    }
}

/// A copy that goes wrong half-way, or whose process is gone, leaves nothing, and is made anew.
pub async fn a_copy_that_stops_leaves_nothing(from: Place, to: Place) {
    populated(&from).await;
    let plan = CopyPlan { owners: OWNERS, leave_others: false };
    let whole = from.db.digests(OWNERS).await.unwrap();
    let total: u64 = 2 * whole.iter().map(|table| table.rows).sum::<u64>();
    for stop_at in [1, total / 2 - 1, total / 2 + 1, total] {
        let (from, db) = (from.db.clone(), to.db.clone());
        let reached = Arc::new(tokio::sync::Notify::new());
        let told = Arc::clone(&reached);
        let task = tokio::spawn(async move {
            let copying = from.copy_to(&db, plan, move |progress| {
                if progress.done >= stop_at {
                    told.notify_one();
                    panic!("stopped on purpose");
                }
            });
            drop(copying.await);
        });
        reached.notified().await;
        assert!(task.await.is_err(), "it was stopped");
        let left = to.db.digests(OWNERS).await.unwrap();
        assert!(left.iter().all(|table| table.rows == 0), "{left:?}");
    }
    assert_eq!(copy(&from, &to).await.unwrap().tables, whole);
}

/// Nothing is copied into what is not empty, out of what is no installation or not up to date, and nothing that others
/// keep there is left behind without a word.
pub async fn a_copy_refuses_what_would_lose_something(from: Place, to: Place) {
    assert!(matches!(copy(&from, &to).await, Err(CopyError::NoInstallation)));
    let steps = Auth::MIGRATIONS.steps.split_last().unwrap().1;
    from.db.migrate(Migrations { steps, ..Auth::MIGRATIONS }).await.unwrap();
    let outdated = copy(&from, &to).await;
    assert!(matches!(outdated, Err(CopyError::Outdated(missing)) if missing.len() == 1));
    assert!(tables(&to.db).await.is_empty(), "nothing was made");
    let older = Migrations { steps, ..Auth::MIGRATIONS };
    to.db.migrate(older).await.unwrap();
    let pace = "INSERT INTO outbox_pace (recipient, sent_at, letters) VALUES ($1, 1, 1)";
    to.db.execute(pace, [vec![1_u8].into()]).await.unwrap();

    let test = TestAuth::new(&from).await.unwrap();
    let there = copy(&from, &to).await;
    assert!(
        matches!(there, Err(CopyError::NotEmpty(rows)) if rows == [("outbox_pace".to_owned(), 1)])
    );
    assert_eq!(to.db.standing(Auth::MIGRATIONS).await.unwrap().missing.len(), 1, "it is as it was");
    to.db.execute("DELETE FROM outbox_pace", []).await.unwrap();
    from.db.execute("CREATE TABLE extra (id BIGINT PRIMARY KEY)", []).await.unwrap();
    let others = copy(&from, &to).await;
    assert!(matches!(others, Err(CopyError::Others(left)) if left == ["extra"]));
    let plan = CopyPlan { owners: OWNERS, leave_others: true };
    let copied = from.db.copy_to(&to.db, plan, |_| {}).await.unwrap();
    assert_eq!(copied.left, ["extra"]);
    assert!(!tables(&to.db).await.contains("extra"));
    let again = from.db.copy_to(&to.db, plan, |_| {}).await.unwrap_err();
    let CopyError::NotEmpty(there) = &again else { panic!("{again:?}") };
    assert!(there.iter().any(|(name, rows)| name == "keys" && *rows == 1), "{there:?}");
    assert!(again.to_string().contains("keys 1"));

    from.db.execute("DROP TABLE extra", []).await.unwrap();
    from.db.execute("ALTER TABLE users ADD COLUMN extra TEXT", []).await.unwrap();
    let shape = copy(&from, &to).await;
    assert!(matches!(shape, Err(CopyError::Shape(why)) if why.contains("extra")));
    drop(test);
}

/// The source is read as it was at one moment, and its users are not kept waiting.
pub async fn a_copy_is_of_one_moment(from: Place, to: Place) {
    let before = populated(&from).await;
    let (auth, user) = (before.test.auth.clone(), before.user.clone());
    let whole = from.db.digests(OWNERS).await.unwrap();
    let (moment, waits) = std::sync::mpsc::channel();
    let (written, goes_on) = std::sync::mpsc::channel();
    let writer = tokio::spawn(async move {
        tokio::task::spawn_blocking(move || waits.recv()).await.unwrap().unwrap();
        let tokens = auth.tokens_create(&user, &Client::default()).await.unwrap();
        auth.session_end(user.id, tokens.session).await.unwrap();
        auth.user_delete(user.id).await.unwrap();
        written.send(()).unwrap();
    });
    let plan = CopyPlan { owners: OWNERS, leave_others: false };
    let mut told = false;
    let copied = from.db.copy_to(&to.db, plan, |_| {
        if !std::mem::replace(&mut told, true) {
            moment.send(()).unwrap();
            tokio::task::block_in_place(|| goes_on.recv().unwrap());
        }
    });
    let copied = copied.await.unwrap();
    writer.await.unwrap();
    assert_eq!(copied.tables, whole);
    assert_ne!(from.db.digests(OWNERS).await.unwrap(), whole);
}

/// What somebody else writes into the target meanwhile is not taken for a part of the copy, and nothing of it is kept.
pub async fn a_target_that_others_write_to_is_refused() {
    let Some(to) = Place::postgres().await else { return };
    let from = Place::disk().await;
    populated(&from).await;
    to.db.migrate(Auth::MIGRATIONS).await.unwrap();
    let plan = CopyPlan { owners: OWNERS, leave_others: false };
    let stranger = to.db.clone();
    let (begun, begins) = std::sync::mpsc::channel();
    let (written, goes_on) = std::sync::mpsc::channel();
    let writer = tokio::spawn(async move {
        tokio::task::spawn_blocking(move || begins.recv()).await.unwrap().unwrap();
        let pace = "INSERT INTO outbox_pace (recipient, sent_at, letters) VALUES ($1, 1, 1)";
        stranger.execute(pace, [vec![9_u8; 9].into()]).await.unwrap();
        written.send(()).unwrap();
    });
    let mut told = false;
    let copying = from.db.copy_to(&to.db, plan, |_| {
        if !std::mem::replace(&mut told, true) {
            begun.send(()).unwrap();
            tokio::task::block_in_place(|| goes_on.recv().unwrap());
        }
    });
    let outcome = copying.await;
    assert!(
        matches!(&outcome, Err(CopyError::Differs(table)) if table == "outbox_pace"),
        "{outcome:?}"
    );
    writer.await.unwrap();
    let left = to.db.digests(OWNERS).await.unwrap();
    assert_eq!(left.iter().map(|table| table.rows).sum::<u64>(), 1, "that of the other alone");
    to.remove().await;
}

/// A database in memory has nothing to be copied beside.
pub async fn a_database_in_memory_is_not_copied() {
    let (from, to) = (Place::memory().await, Place::disk().await);
    TestAuth::new(&from).await.unwrap();
    let refused = copy(&from, &to).await;
    assert!(matches!(refused, Err(CopyError::Source(StorageError::Refused(_)))), "{refused:?}");
}
