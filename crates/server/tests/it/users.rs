//! `countersign user`, beside a server that runs and without one.

use std::{
    io::Write,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Output, Stdio},
    time::{Duration, Instant},
};

use auth::testing::Place;
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::process::{PASSWORD, Server, countersign, secret_file};

/// Hashes by the tools that other systems use, with their passwords.
const VECTORS: &str = include_str!("../../../auth/tests/vectors/passwords.json");

/// `countersign user …` on the data in this folder, with this on stdin.
fn user_with(data: &Path, arguments: &[&str], input: &str) -> Output {
    let mut command = countersign();
    command.arg("user").args(arguments).arg("--data-dir").arg(data);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it runs");
    // A command that refuses may not wait for it.
    drop(child.stdin.take().expect("stdin").write_all(input.as_bytes()));
    child.wait_with_output().expect("it ends")
}

fn user(data: &Path, arguments: &[&str]) -> Output {
    user_with(data, arguments, "")
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", said(output));
    String::from_utf8(output.stdout.clone()).expect("text")
}

fn json(output: &Output) -> Value {
    serde_json::from_str(&text(output)).expect("JSON")
}

#[track_caller]
fn ends_with(output: &Output, code: i32, says: &str) {
    assert_eq!(output.status.code(), Some(code), "{}", said(output));
    assert!(said(output).contains(says), "{says:?} is missing: {}", said(output));
}

fn serve(data: &Path) -> Server {
    let mut command = countersign();
    // Many log in from here.
    command.args(["serve", "--listen", "127.0.0.1:0", "--limits-enabled", "false", "--data-dir"]);
    command.arg(data);
    Server::start(command)
}

async fn login(server: &Server, email: &str, password: &str) -> u16 {
    let body = json!({ "email": email, "password": password });
    server.post("/login", body).await.status.as_u16()
}

#[tokio::test]
async fn the_first_administrator_is_made_before_the_first_start() {
    let folder = tempdir().expect("folder");
    let data = folder.path().join("data");
    let add = ["add", "admin@example.com", "--role", "admin", "--password", "-", "--json"];
    let made = json(&user_with(&data, &add, &format!("{PASSWORD}\n")));
    assert_eq!(made["roles"], json!(["admin", "user"]));
    let server = serve(&data);
    assert_eq!(login(&server, "admin@example.com", PASSWORD).await, 200);
    // Beside the server that runs.
    let file = secret_file(folder.path(), "password", PASSWORD);
    let source = format!("@{}", file.display());
    text(&user(&data, &["add", "b@example.com", "--name", "Bee", "--password", &source]));
    assert_eq!(login(&server, "b@example.com", PASSWORD).await, 200);
    ends_with(&user_with(&data, &add, PASSWORD), 1, "an account with this email exists");
    let weak = ["add", "c@example.com", "--password", "-"];
    ends_with(&user_with(&data, &weak, "password\n"), 1, "most common passwords");
    let root = ["add", "c@example.com", "--role", "root", "--password", "-"];
    ends_with(&user_with(&data, &root, PASSWORD), 2, "there is no such role");
    ends_with(&user(&data, &["add", "nobody", "--password", "-"]), 2, "it is not an address");
    let bare = ["add", "c@example.com", "--password", PASSWORD];
    ends_with(&user(&data, &bare), 2, "never the password itself");
    ends_with(&user(&data, &["add", "c@example.com"]), 2, "no terminal");
}

#[tokio::test]
async fn accounts_are_listed_changed_and_removed_beside_a_server() {
    let folder = tempdir().expect("folder");
    let data = folder.path();
    let server = serve(data);
    for name in ["a", "b", "c"] {
        server.register(&format!("{name}@example.com")).await;
    }
    let first = json(&user(data, &["list", "--limit", "2", "--json"]));
    assert_eq!(first["items"][1]["email"], "b@example.com");
    let next = first["next"].as_str().expect("a cursor");
    let rest = json(&user(data, &["list", "--after", next, "--json"]));
    assert_eq!((rest["items"].as_array().map(Vec::len), &rest["next"]), (Some(1), &Value::Null));
    let shown = text(&user(data, &["list", "--limit", "2"]));
    assert!(shown.contains("a@example.com") && !shown.contains("c@example.com"), "{shown}");

    let a = json(&user(data, &["show", "A@EXAMPLE.com", "--json"]));
    let members: Vec<&String> = a.as_object().expect("an object").keys().collect();
    assert_eq!(members, ["created_at", "disabled", "email", "id", "name", "roles"]);
    let by_id = json(&user(data, &["show", a["id"].as_str().expect("an id"), "--json"]));
    assert_eq!(by_id, a);
    ends_with(
        &user(data, &["show", "x@example.com"]),
        1,
        "there is no account \"x@example.com\" here; `countersign user list`",
    );

    let promoted = json(&user(data, &["set-role", "a@example.com", "admin", "--json"]));
    assert_eq!(promoted["roles"], json!(["admin", "user"]));
    ends_with(&user(data, &["set-role", "a@example.com", "user"]), 1, "the last administrator");
    ends_with(&user(data, &["delete", "a@example.com", "--yes"]), 1, "the last administrator");

    let token = server.login("b@example.com", PASSWORD).await;
    ends_with(&user(data, &["disable", "b@example.com"]), 2, "pass --yes");
    text(&user(data, &["disable", "b@example.com", "--yes"]));
    refused(&server, &token).await;
    assert_eq!(login(&server, "b@example.com", PASSWORD).await, 401);
    text(&user(data, &["enable", "b@example.com"]));
    let token = server.login("b@example.com", PASSWORD).await;
    let other = "another long gravel phrase";
    text(&user_with(data, &["set-password", "b@example.com", "--password", "-"], other));
    refused(&server, &token).await;
    assert_eq!(login(&server, "b@example.com", PASSWORD).await, 401);
    assert_eq!(login(&server, "b@example.com", other).await, 200);

    ends_with(&user(data, &["delete", "c@example.com"]), 2, "pass --yes");
    let was = json(&user(data, &["delete", "c@example.com", "--yes", "--json"]));
    assert_eq!(was["was"]["email"], "c@example.com");
    assert_eq!(login(&server, "c@example.com", PASSWORD).await, 401);
    let nowhere = folder.path().join("nowhere");
    ends_with(&user(&nowhere, &["list"]), 2, "there is no database");
    assert!(!nowhere.exists());
}

/// Waits until the server refuses a token; it follows within a second, on a busy machine a little later.
async fn refused(server: &Server, token: &str) {
    let start = Instant::now();
    while server.get("/me", token).await.status != 401 {
        assert!(start.elapsed() < Duration::from_secs(20), "it is still accepted");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Accounts with hashes by other tools, one for each vector that a login checks quickly.
fn mixed() -> Vec<(String, String, String)> {
    let vectors: Vec<Value> = serde_json::from_str(VECTORS).expect("vectors");
    let costly =
        |hash: &str| ["$2b$12$", "=535000$", "=656000$"].iter().any(|part| hash.contains(part));
    let member = |vector: &Value, name: &str| vector[name].as_str().expect("text").to_owned();
    let vectors = vectors.iter().map(|vector| (member(vector, "hash"), member(vector, "password")));
    vectors
        .filter(|(hash, _)| !costly(hash))
        .enumerate()
        .map(|(number, (hash, password))| (format!("user{number}@example.com"), hash, password))
        .collect()
}

fn rows(accounts: impl Iterator<Item = (String, String)>) -> String {
    let row = |(email, hash)| json!({ "email": email, "password_hash": hash }).to_string() + "\n";
    accounts.map(row).collect()
}

#[tokio::test]
async fn who_moves_in_keeps_the_password_and_nothing_weak_lies_on_disk() {
    let folder = tempdir().expect("folder");
    let (data, file) = (folder.path().join("data"), folder.path().join("users.jsonl"));
    let accounts = mixed();
    let lines = rows(accounts.iter().map(|(email, hash, _)| (email.clone(), hash.clone())));
    std::fs::write(&file, lines).expect("written");
    let path = file.to_str().expect("a path");

    let planned = json(&user(&data, &["import", path, "--dry-run", "--json"]));
    assert_eq!((&planned["what"], &planned["new"]), (&json!("dry run"), &json!(accounts.len())));
    assert!(planned["first_login_ms"].as_u64() >= planned["login_ms"].as_u64());
    let done = json(&user(&data, &["import", path, "--json"]));
    assert_eq!(done["new"], accounts.len());
    assert_eq!(
        (&done["wrapped"], &done["schemes"][0]["scheme"]),
        (&planned["wrapped"], &json!("argon2"))
    );

    let server = serve(&data);
    for (email, _, password) in &accounts {
        assert_eq!(login(&server, email, &password.to_uppercase()).await, 401, "{email}");
        assert_eq!(login(&server, email, password).await, 200, "{email}: {password}");
    }
    let exported = text(&user(&data, &["export", "--with-hashes"]));
    let ours = |line: &str| line.contains("$argon2id$v=19$m=19456,t=2,p=1$");
    assert_eq!(exported.lines().filter(|line| ours(line)).count(), accounts.len());
    assert!(server.stop().success());
    for (email, hash, _) in &accounts {
        assert!(!exported.contains(hash.as_str()), "{email} still has {hash}");
    }
}

#[tokio::test]
async fn an_import_that_is_killed_goes_on_and_leaves_nothing_half_made() {
    killed_and_started_again(&Place::disk().await).await;
}

#[tokio::test]
async fn an_import_into_postgresql_that_is_killed_goes_on_as_well() {
    let Some(place) = Place::postgres().await else { return };
    killed_and_started_again(&place).await;
    place.remove().await;
}

async fn killed_and_started_again(place: &Place) {
    let folder = tempdir().expect("folder");
    let (data, file) = (folder.path().join("data"), folder.path().join("users.jsonl"));
    let secret = secret_file(folder.path(), "secret", "k8Jq2vXr7TzLw0NfYbHdGm4sPcEa9UiO");
    let secret = secret.to_str().expect("a path");
    let here = ["--database-url", &*place.url, "--secret-file", secret];
    // Weak ones, so that it takes its time.
    let weak = mixed().into_iter().find(|(_, hash, _)| hash.starts_with("$2b$04$"));
    let (_, hash, password) = weak.expect("a weak hash");
    let total = 1_000_usize;
    let lines = rows((0..total).map(|number| (format!("user{number}@example.com"), hash.clone())));
    std::fs::write(&file, lines).expect("written");
    let path = file.to_str().expect("a path");
    // There are tables to look at before the first batch.
    let add = [&["add", "first@example.com", "--password", "-"][..], &here].concat();
    text(&user_with(&data, &add, PASSWORD));
    let count = async |sql| place.db.all(sql, []).await.expect("rows").len() - 1;
    let users = async || count("SELECT id FROM users").await;

    let mut command = countersign();
    command.args(["user", "import", path, "--data-dir"]).arg(&data).args(here);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it runs");
    let start = Instant::now();
    while users().await == 0 {
        assert!(start.elapsed() < Duration::from_secs(120), "it does nothing");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    child.kill().expect("killed");
    child.wait().expect("gone");
    let made = users().await;
    assert!(made > 0 && made < total && made.is_multiple_of(200), "{made}");
    assert_eq!(count("SELECT user_id FROM passwords").await, made);

    let import = [&["import", path, "--json"][..], &here].concat();
    let done = json(&user(&data, &import));
    assert_eq!((&done["new"], &done["existing"]), (&json!(total - made), &json!(made)));
    assert_eq!(users().await, total);
    let exported = text(&user(&data, &[&["export", "--with-hashes"][..], &here].concat()));
    let wrapped = |line: &&str| line.contains("\"$wrapped$l=31$argon2id$v=19$m=19456,t=2,p=1$");
    assert_eq!(exported.lines().filter(wrapped).count(), total);

    let mut command = countersign();
    command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(&data).args(here);
    let server = Server::start(command);
    for email in ["user0@example.com", "user999@example.com"] {
        assert_eq!(login(&server, email, &password).await, 200);
        assert_eq!(login(&server, email, "another long gravel phrase").await, 401);
    }
}

#[test]
fn rows_that_are_refused_are_named_and_stop_the_import() {
    let folder = tempdir().expect("folder");
    let (data, file) = (folder.path().join("data"), folder.path().join("users.csv"));
    let secret = "5f4dcc3b5aa765d61d8327deb882cf99";
    let text_of = format!(
        "email,name,password_hash\na@example.com,A,\nb@example.com,B,{secret}\nno address,C,\na@example.com,A,\n"
    );
    std::fs::write(&file, text_of).expect("written");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).expect("set");
    let path = file.to_str().expect("a path");
    let planned = user(&data, &["import", path, "--dry-run"]);
    ends_with(&planned, 1, "line 3: b@example.com: no scheme that is known here wrote this hash");
    assert!(said(&planned).contains("line 4: no address: email: it is not an address"));
    assert!(said(&planned).contains("others can read it"));
    assert!(
        !said(&planned).contains(secret)
            && !String::from_utf8_lossy(&planned.stdout).contains(secret)
    );
    let listed =
        |data: &Path| json(&user(data, &["list", "--json"]))["items"].as_array().map(Vec::len);
    ends_with(&user(&data, &["import", path]), 1, "nothing was imported");
    assert_eq!(listed(&data), Some(0));
    let done = json(&user(&data, &["import", path, "--skip-refused", "--json"]));
    assert_eq!(
        (&done["new"], &done["refused"], &done["repeated"]),
        (&json!(1), &json!(2), &json!(1))
    );
    assert_eq!(done["refusals"][0]["line"], 3);
    assert_eq!(listed(&data), Some(1));
    ends_with(
        &user(&data, &["import", path, "--from", "django"]),
        2,
        "there is no column password",
    );
    ends_with(&user(&data, &["import", path, "--from", "firebase"]), 2, "--firebase-parameters");
    ends_with(&user(&data, &["import", "-"]), 2, "pass --format");
    ends_with(&user(&data, &["import", "nowhere.csv"]), 3, "nowhere.csv");
}

#[tokio::test]
async fn the_users_of_a_firebase_project_move_in() {
    let folder = tempdir().expect("folder");
    let data = folder.path().join("data");
    let parameters = folder.path().join("parameters");
    // The example of github.com/firebase/scrypt.
    let shown = "hash_config {\n  algorithm: SCRYPT,\n  base64_signer_key: jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==,\n  base64_salt_separator: Bw==,\n  rounds: 8,\n  mem_cost: 14,\n}\n";
    std::fs::write(&parameters, shown).expect("written");
    let row = json!({
        "localId": "x", "email": "a@example.com", "emailVerified": true, "displayName": "Ada",
        "passwordHash": "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==",
        "salt": "42xEC+ixf3L2lw==", "createdAt": "1700000000123",
    });
    let import = [
        "import",
        "-",
        "--format",
        "jsonl",
        "--from",
        "firebase",
        "--firebase-parameters",
        parameters.to_str().expect("a path"),
        "--json",
    ];
    let done = json(&user_with(&data, &import, &row.to_string()));
    assert_eq!(done["schemes"][0]["scheme"], "firebase scrypt");
    let server = serve(&data);
    assert_eq!(login(&server, "a@example.com", "user1passwort").await, 401);
    assert_eq!(login(&server, "a@example.com", "user1password").await, 200);
    let ada = json(&user(&data, &["show", "a@example.com", "--json"]));
    assert_eq!((&ada["name"], &ada["created_at"]), (&json!("Ada"), &json!(1_700_000_000)));
}

#[tokio::test]
async fn an_export_moves_into_another_installation() {
    let folder = tempdir().expect("folder");
    let (old, new) = (folder.path().join("old"), folder.path().join("new"));
    let file = folder.path().join("users.jsonl");
    let path = file.to_str().expect("a path");
    text(&user_with(
        &old,
        &["add", "a@example.com", "--role", "admin", "--password", "-"],
        PASSWORD,
    ));
    let plain = text(&user(&old, &["export"]));
    assert!(plain.contains("a@example.com") && !plain.contains("argon2"), "{plain}");
    let exported = user(&old, &["export", "--with-hashes", "--out", path]);
    ends_with(&exported, 0, "warning: whoever has these hashes");
    let mode = std::fs::metadata(&file).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    ends_with(&user(&old, &["export", "--out", path]), 3, "cannot write");
    let done = json(&user(&new, &["import", path, "--json"]));
    assert_eq!(
        (&done["new"], &done["administrators"], &done["wrapped"]),
        (&json!(1), &json!(1), &json!(0))
    );
    let server = serve(&new);
    assert_eq!(login(&server, "a@example.com", PASSWORD).await, 200);
}
