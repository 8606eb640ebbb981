//! `countersign migrate` and `countersign db`: installations that move, are kept, and come back.

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Output, Stdio},
    time::{Duration, Instant},
};

use auth::{
    Auth,
    storage::{Db, DbOptions, Migrations},
    testing::{Place, master_key, open},
};
use reqwest::{Method, header::COOKIE};
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::process::{PASSWORD, Server, answer, countersign, secret_file};

fn run(arguments: &[&str]) -> Output {
    let mut command = countersign();
    command.args(arguments).stdin(Stdio::null()).output().expect("it runs")
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", said(output));
    String::from_utf8(output.stdout.clone()).expect("text")
}

fn as_json(output: &Output) -> Value {
    serde_json::from_str(&text(output)).expect("JSON")
}

#[track_caller]
fn ends_with(output: &Output, code: i32, says: &str) {
    assert_eq!(output.status.code(), Some(code), "{}", said(output));
    assert!(said(output).contains(says), "{says:?} is missing: {}", said(output));
}

fn path(path: &Path) -> &str {
    path.to_str().expect("text")
}

fn sqlite(folder: &Path) -> String {
    format!("sqlite://{}", folder.join("countersign.db").display())
}

fn serve(url: &str, master: &Path) -> Server {
    let mut command = countersign();
    command.args(["serve", "--listen", "127.0.0.1:0", "--limits-enabled", "false"]);
    command.args(["--database-url", url, "--keys-master-key-file", path(master)]);
    Server::start(command)
}

fn copy(from: &str, to: &str, more: &[&str]) -> Output {
    run(&[&["db", "copy", "--from", from, "--to", to], more].concat())
}

/// What somebody holds who is signed in.
struct SignedIn {
    token: String,
    refresh: String,
    cookie: String,
}

async fn sign_in(server: &Server) -> SignedIn {
    let body = json!({ "email": "a@example.com", "password": PASSWORD });
    let tokens = server.post("/login", body).await.json();
    let member = |name: &str| tokens[name].as_str().expect("text").to_owned();
    SignedIn {
        token: member("access_token"),
        refresh: member("refresh_token"),
        cookie: server.login_session("a@example.com", PASSWORD).await,
    }
}

async fn is_signed_in(server: &Server, held: &mut SignedIn) {
    assert_eq!(server.get("/me", &held.token).await.status, 200);
    let me = server.request(Method::GET, "/me").header(COOKIE, &held.cookie);
    assert_eq!(answer(me).await.status, 200);
    let next = server.post("/refresh", json!({ "refresh_token": held.refresh })).await;
    assert_eq!(next.status, 200, "{}", next.text);
    held.refresh = next.json()["refresh_token"].as_str().expect("text").to_owned();
}

// Several threads: one of them closes connections while this one waits for a command.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_installation_moves_to_postgres_and_back_and_nobody_is_signed_out() {
    let Some(place) = Place::postgres().await else { return };
    let folder = tempdir().expect("folder");
    let master = secret_file(folder.path(), "master", &master_key(1));
    let (here, back) = (folder.path().join("here"), folder.path().join("there/back"));
    fs::create_dir(&here).expect("made");
    let server = serve(&sqlite(&here), &master);
    server.register("a@example.com").await;
    let mut held = sign_in(&server).await;
    let ended = sign_in(&server).await;
    let logout = server.request(Method::POST, "/logout").bearer_auth(&ended.token);
    assert_eq!(answer(logout).await.status, 200);
    let running = copy(&sqlite(&here), &place.url, &[]);
    ends_with(&running, 2, "a server or a command is on this database");
    assert!(server.stop().success());

    let done = as_json(&copy(&sqlite(&here), &place.url, &["--json"]));
    let tables = done["tables"].as_array().expect("tables");
    let rows: u64 = tables.iter().map(|table| table["rows"].as_u64().expect("a number")).sum();
    assert_eq!((done["rows"].as_u64(), &done["left"]), (Some(rows), &json!([])));
    assert!(tables.iter().all(|table| table["sha256"].as_str().is_some_and(|hex| hex.len() == 64)));
    ends_with(&copy(&sqlite(&here), &place.url, &[]), 2, "the target is not empty");

    let server = serve(&place.url, &master);
    is_signed_in(&server, &mut held).await;
    assert_eq!(server.get("/me", &ended.token).await.problem().1, "token_revoked");
    place.db.close().await;
    let running = copy(&place.url, &sqlite(&back), &[]);
    ends_with(&running, 2, "a server or a command is on this database");
    assert!(server.stop().success());

    // The URL need not stand on the command line.
    let source = secret_file(folder.path(), "url", &format!("{}\n", place.url));
    let shown = copy(&format!("@{}", source.display()), &sqlite(&back), &[]);
    assert!(text(&shown).contains("refresh_tokens"), "{shown:?}");
    assert!(said(&shown).contains("are the same on both sides"), "{shown:?}");
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!((mode(&back), mode(&back.join("countersign.db"))), (0o700, 0o600));
    let server = serve(&sqlite(&back), &master);
    is_signed_in(&server, &mut held).await;
    assert_eq!(server.get("/me", &ended.token).await.problem().1, "token_revoked");
    place.remove().await;
}

#[tokio::test]
async fn the_sample_posts_come_along_and_so_does_a_word_of_warning() {
    let folder = tempdir().expect("folder");
    let (here, there) = (folder.path().join("here"), folder.path().join("there"));
    let server = Server::dev(&here, &[]);
    server.register("a@example.com").await;
    let token = server.login("a@example.com", PASSWORD).await;
    let post = json!({ "title": "Hello", "content": "World" });
    let made = server.request(Method::POST, "/posts").bearer_auth(&token).json(&post);
    assert_eq!(answer(made).await.status, 201);
    // A copy of a running one is asked for; a developer may.
    let copied = copy(&sqlite(&here), &sqlite(&there), &["--while-running"]);
    assert!(text(&copied).contains("posts"), "{copied:?}");
    assert!(said(&copied).contains("admin@example.com is an account of dev"), "{copied:?}");
    assert!(server.stop().success());
    let server = Server::dev(&there, &[]);
    let posts = server.get("/posts", &token).await.json();
    assert_eq!(posts["items"][0]["title"], "Hello");
}

#[test]
fn a_copy_says_what_is_wrong_with_its_urls_and_shows_no_password() {
    let folder = tempdir().expect("folder");
    let there = sqlite(&folder.path().join("there"));
    let none = sqlite(&folder.path().join("none"));
    ends_with(&copy(&none, &there, &[]), 2, "--from: there is no database");
    assert!(!folder.path().join("none").exists());
    ends_with(&copy("mysql://a:hunter2@b/c", &there, &[]), 2, "--from takes sqlite://PATH");
    ends_with(&copy("sqlite::memory:", &there, &[]), 2, "--from takes sqlite://PATH");
    ends_with(&copy("-", "-", &[]), 2, "only one of");
    let gone = copy("postgres://me:hunter2@127.0.0.1:1/none", &there, &[]);
    ends_with(&gone, 3, "--from: the storage is not available");
    assert!(!said(&gone).contains("hunter2"));
    let port = copy("postgres://me:hunter2@127.0.0.1:port/none", &there, &[]);
    ends_with(&port, 2, "--from: the database URL cannot be read");
    assert!(!said(&port).contains("hunter2"));
    let mut command = countersign();
    command.args(["db", "copy"]).env("COUNTERSIGN_DB_FROM", &none).env("COUNTERSIGN_DB_TO", &there);
    ends_with(&command.output().expect("it runs"), 2, "--from: there is no database");
    let mut command = countersign();
    command.args(["db", "copy", "--help"]).env("COUNTERSIGN_DB_FROM", "postgres://a:hunter2@b/c");
    assert!(!text(&command.output().expect("it runs")).contains("hunter2"));
}

#[tokio::test]
async fn a_copy_takes_the_side_that_is_not_named_from_the_settings() {
    let folder = tempdir().expect("folder");
    let server = Server::dev(&folder.path().join("here"), &[]);
    assert!(server.stop().success());
    let here = folder.path().join("here");
    let to = sqlite(&folder.path().join("one"));
    assert!(text(&run(&["db", "copy", "--data-dir", path(&here), "--to", &to])).contains("users"));
    let other = sqlite(&folder.path().join("two"));
    let config = folder.path().join("c.toml");
    fs::write(&config, format!("[database]\nurl = {other:?}\n")).expect("written");
    let copied = run(&["db", "copy", "--from", &to, "--config", path(&config)]);
    assert!(text(&copied).contains("users"));
    let again = run(&["db", "copy", "--from", &to, "--config", path(&config)]);
    ends_with(&again, 2, "name an empty database");

    let both = run(&["db", "copy", "--config", path(&config)]);
    ends_with(&both, 2, "name one of the two databases");
    let nowhere = folder.path().join("nowhere");
    let none = run(&["db", "copy", "--data-dir", path(&nowhere), "--to", &other]);
    ends_with(&none, 2, "--data-dir: there is no database");
    let pooled = "[database]\nurl = \"postgres://me:hunter2@127.0.0.1:1/x\"\npooler = true\n";
    fs::write(&config, pooled).expect("written");
    let pooled = run(&["db", "copy", "--from", &to, "--config", path(&config)]);
    ends_with(&pooled, 2, "name the address of PostgreSQL itself with --to");
    assert!(!said(&pooled).contains("hunter2"));
}

/// Rows enough that a copy of them is seen in the middle of its work.
async fn many(url: &str, rows: u32) {
    let db = open(url).await;
    db.migrate(Auth::MIGRATIONS).await.expect("tables");
    for batch in 0..rows / 1_000 {
        let fill = db.transaction(move |tx| {
            Box::pin(async move {
                for number in 0..1_000 {
                    let id = (batch * 1_000 + number).to_be_bytes().to_vec();
                    let sql = "INSERT INTO limits (id, times, expires_at) VALUES ($1, $2, 1)";
                    tx.execute(sql, [id.into(), vec![7_u8; 200].into()]).await?;
                }
                Ok(())
            })
        });
        fill.await.expect("filled");
    }
    db.close().await;
}

fn begin(from: &str, to: &str) -> Child {
    let mut command = countersign();
    command.args(["db", "copy", "--from", from, "--to", to]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("it starts")
}

/// Kills a copy when this holds, which it does only in the middle of one.
async fn kill_when(mut child: Child, holds: impl AsyncFn() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        let over = child.try_wait().expect("a process");
        assert!(over.is_none() && begun.elapsed() < Duration::from_secs(60), "{over:?}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    child.kill().expect("killed");
    assert_eq!(child.wait().expect("gone").code(), None, "it was still at work");
}

async fn rows(url: &str) -> i64 {
    let db = open(url).await;
    let row = db.optional("SELECT COUNT(*) AS n FROM limits", []).await.expect("read");
    db.close().await;
    row.expect("a row").get("n").expect("a number")
}

#[tokio::test]
async fn a_copy_that_is_killed_leaves_an_empty_target_and_is_made_anew() {
    let folder = tempdir().expect("folder");
    let there = folder.path().join("there");
    let source = format!("sqlite://{}", folder.path().join("source.db").display());
    many(&source, 30_000).await;
    let log = there.join("countersign.db-wal");
    let begun = begin(&source, &sqlite(&there));
    // Half of it is in the log, and none of it kept.
    kill_when(begun, async || fs::metadata(&log).is_ok_and(|log| log.len() > 3_000_000)).await;
    assert_eq!(rows(&sqlite(&there)).await, 0);
    assert!(text(&copy(&source, &sqlite(&there), &[])).contains("30000"));
    assert_eq!(rows(&sqlite(&there)).await, 30_000);

    let Some(place) = Place::postgres().await else { return };
    // Whoever reads the table, or wants to write what the copy has written, waits for nothing but the copy.
    place.db.migrate(Auth::MIGRATIONS).await.expect("tables");
    let begun = begin(&source, &place.url);
    let writes = "SELECT COUNT(*) AS n FROM pg_stat_activity
                   WHERE datname = current_database() AND query LIKE 'INSERT INTO \"limits\"%'";
    kill_when(begun, async || {
        let row = place.db.optional(writes, []).await.expect("read").expect("a row");
        row.get::<i64>("n").expect("a number") > 0
    })
    .await;
    assert_eq!(rows(&place.url).await, 0);
    let done = copy(&source, &place.url, &[]);
    assert!(text(&done).contains("30000"), "{done:?}");
    place.remove().await;
}

#[tokio::test]
async fn a_backup_is_made_beside_a_server_and_restored_without_one() {
    let folder = tempdir().expect("folder");
    let master = secret_file(folder.path(), "master", &master_key(1));
    let data = folder.path().join("data");
    fs::create_dir(&data).expect("made");
    let at = ["--data-dir", path(&data)];
    let to = folder.path().join("backup.db");
    let backup =
        |file: &Path| run(&[&["db", "backup", "--json", "--to", path(file)][..], &at].concat());
    let restore = |more: &[&str]| {
        run(&[&["db", "restore", "--json", "--from", path(&to)][..], &at, more].concat())
    };
    ends_with(&backup(&to), 2, "there is no database");

    let server = serve(&sqlite(&data), &master);
    server.register("a@example.com").await;
    let mut held = sign_in(&server).await;
    let made = as_json(&backup(&to));
    assert_eq!(made["bytes"].as_u64(), Some(fs::metadata(&to).expect("a file").len()));
    assert_eq!(fs::metadata(&to).expect("a file").permissions().mode() & 0o777, 0o600);
    ends_with(&backup(&to), 2, "is there already");
    server.register("later@example.com").await;
    ends_with(&restore(&["--yes"]), 2, "is in use");
    assert_eq!(server.get("/me", &held.token).await.status, 200);
    // Killed: what it answered last lies in the log only.
    server.kill();

    ends_with(&restore(&[]), 2, "pass --yes");
    // What a restore that was killed has left is no obstacle.
    fs::write(data.join("countersign.db.restoring"), "half").expect("written");
    let done = restore(&["--yes"]);
    let kept = PathBuf::from(as_json(&done)["kept"].as_str().expect("a path"));
    assert!(said(&done).contains("countersign key revoke"), "{done:?}");
    let of_before = open(&format!("sqlite://{}", kept.display())).await;
    let later = "SELECT COUNT(*) AS n FROM users WHERE email = 'later@example.com'";
    let count = async |db: &Db| -> i64 {
        db.optional(later, []).await.expect("read").expect("a row").get("n").expect("a number")
    };
    assert_eq!(count(&of_before).await, 1, "nothing of it is lost");
    of_before.close().await;
    let server = serve(&sqlite(&data), &master);
    is_signed_in(&server, &mut held).await;
    let late = json!({ "email": "later@example.com", "password": PASSWORD });
    assert_eq!(server.post("/login", late).await.status, 401);
    assert!(server.stop().success());
    let mut names: Vec<String> = fs::read_dir(&data)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("text"))
        .collect();
    names.sort();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(names[1].starts_with("countersign.db.before-20"), "{names:?}");
}

#[tokio::test]
async fn what_is_no_backup_is_not_restored_and_what_is_damaged_is_replaced() {
    let folder = tempdir().expect("folder");
    let data = folder.path().join("data");
    let at = ["--data-dir", path(&data), "--yes"];
    let restore = |file: &Path| run(&[&["db", "restore", "--from", path(file)][..], &at].concat());
    let file = data.join("countersign.db");
    ends_with(&restore(&folder.path().join("none")), 3, "none");
    let text_file = secret_file(folder.path(), "text", &"no database ".repeat(99));
    ends_with(&restore(&text_file), 1, "the file is damaged");
    assert!(!file.exists(), "nothing is made of it");

    let server = Server::dev(&data, &[]);
    let to = folder.path().join("backup.db");
    text(&run(&["db", "backup", "--to", path(&to), "--data-dir", path(&data)]));
    assert!(server.stop().success());
    ends_with(&restore(&file), 2, "is the database itself");
    let before = fs::read(&file).expect("the file");
    ends_with(&restore(&text_file), 1, "the file is damaged");
    let newer = folder.path().join("newer.db");
    fs::copy(&to, &newer).expect("copied");
    let db = open(&format!("sqlite://{}", newer.display())).await;
    let step = "INSERT INTO countersign_migrations (version, name, applied_on, checksum)
                VALUES (999, 'later', '2027-01-01T00:00:00Z', '1')";
    db.execute(step, []).await.expect("written");
    // Still in use: a log lies beside it.
    ends_with(&restore(&newer), 2, "has a log beside it");
    db.close().await;
    ends_with(&restore(&newer), 2, "it was used by a newer version");
    assert_eq!(fs::read(&file).expect("the file"), before, "what was there is untouched");

    fs::write(&file, "this is no database any more").expect("written");
    text(&restore(&to));
    let server = Server::dev(&data, &[]);
    assert!(server.stop().success());
    let postgres = ["--database-url", "postgres://me@127.0.0.1:1/none"];
    let backup = run(&[&["db", "backup", "--to", "x"][..], &postgres].concat());
    ends_with(&backup, 2, "pg_dump");
    let restore = run(&[&["db", "restore", "--from", path(&to)][..], &postgres].concat());
    ends_with(&restore, 2, "pg_restore");
}

#[tokio::test]
async fn migrate_brings_tables_up_to_date_and_check_says_what_is_missing() {
    let folder = tempdir().expect("folder");
    let data = folder.path().join("data");
    let migrate = |more: &[&str]| run(&[&["migrate", "--data-dir", path(&data)], more].concat());
    ends_with(&migrate(&["--check"]), 2, "there is no database");
    assert!(!data.exists());
    let (last, first) = Auth::MIGRATIONS.steps.split_last().expect("steps");
    fs::create_dir(&data).expect("made");
    let db = open(&sqlite(&data)).await;
    db.migrate(Migrations { steps: first, ..Auth::MIGRATIONS }).await.expect("tables");
    db.close().await;
    for _ in 0..2 {
        let missing = migrate(&["--check", "--json"]);
        assert_eq!(missing.status.code(), Some(1));
        let answer: Value = serde_json::from_slice(&missing.stdout).expect("JSON");
        assert_eq!((&answer["missing"], &answer["applied"]), (&json!([last.name]), &json!([])));
    }
    ends_with(&migrate(&["--check"]), 1, "one step missing");
    assert_eq!(text(&migrate(&[])).trim(), last.name);
    let again = as_json(&migrate(&["--json"]));
    assert_eq!((&again["missing"], &again["applied"]), (&json!([]), &json!([])));
    assert_eq!(again["present"].as_array().map(Vec::len), Some(Auth::MIGRATIONS.steps.len()));
    ends_with(&migrate(&["--check"]), 0, "up to date");

    let fresh = folder.path().join("fresh");
    let made = text(&run(&["migrate", "--data-dir", path(&fresh)]));
    assert_eq!(made.lines().count(), Auth::MIGRATIONS.steps.len());
    let Some(place) = Place::postgres().await else { return };
    let at = ["migrate", "--database-url", &place.url];
    ends_with(&run(&[&at[..], &["--check"]].concat()), 1, "steps missing");
    assert_eq!(text(&run(&at)), made);
    ends_with(&run(&[&at[..], &["--check"]].concat()), 0, "up to date");
    place.remove().await;
}

#[tokio::test]
async fn a_copy_reads_its_source_from_stdin() {
    let folder = tempdir().expect("folder");
    let source = format!("sqlite://{}", folder.path().join("source.db").display());
    let db = Db::open(&DbOptions::new(&source)).await.expect("a database");
    db.migrate(Auth::MIGRATIONS).await.expect("tables");
    db.close().await;
    let there = sqlite(&folder.path().join("there"));
    let mut command = countersign();
    command.args(["db", "copy", "--from", "-", "--to", &there]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it runs");
    let mut stdin = child.stdin.take().expect("stdin");
    writeln!(stdin, "{source}").expect("written");
    drop(stdin);
    assert!(text(&child.wait_with_output().expect("it ends")).contains("users"));
}
