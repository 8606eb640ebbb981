//! `countersign key`, beside a server that runs and without one.

use std::{
    io::Write,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use auth::testing::master_key;
use reqwest::Method;
use serde_json::Value;
use tempfile::tempdir;

use crate::process::{PASSWORD, Server, answer, countersign, secret_file};

/// `countersign key …` on the data in this folder.
fn key(data: &Path, arguments: &[&str]) -> Output {
    let (command, rest) = arguments.split_first().expect("a command");
    let mut key = countersign();
    key.args(["key", command, "--data-dir"]).arg(data).args(rest).stdin(Stdio::null());
    key.output().expect("it runs")
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", said(output));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", said(output));
    String::from_utf8(output.stdout.clone()).expect("text")
}

fn kid(token: &str) -> String {
    let read = jwt::dangerous::decode_unverified::<Value>(token).expect("a token");
    read.kid.expect("a kid")
}

fn serve(data: &Path, options: &[&str]) -> Command {
    let mut command = countersign();
    command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(data).args(options);
    command
}

/// Asks until the answer is this one; a server follows within a second, on a busy machine a little later.
async fn until(asked: impl AsyncFn() -> String, expected: &str) {
    let start = Instant::now();
    loop {
        let answer = asked().await;
        if answer == expected {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "{answer} in place of {expected}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_running_server_follows_the_commands() {
    let data = tempdir().expect("folder");
    let server = Server::start(serve(data.path(), &["--tokens-algorithm", "ES256"]));
    server.register("a@example.com").await;
    let login = async || server.login("a@example.com", PASSWORD).await;
    let old = login().await;
    let code = async |token: &str| match server.get("/me", token).await {
        answer if answer.status == 200 => "accepted".to_owned(),
        answer => answer.problem().1,
    };
    let published = async || {
        let set = answer(server.request(Method::GET, "/.well-known/jwks.json")).await;
        set.json()["keys"].as_array().expect("keys").len().to_string()
    };

    // What waits is published and signs nothing yet.
    let pending = json(&key(data.path(), &["rotate", "--json"]));
    assert_eq!((&pending["state"], &pending["algorithm"]), (&"pending".into(), &"ES256".into()));
    until(published, "2").await;
    assert_eq!(kid(&login().await), kid(&old));
    let again = key(data.path(), &["rotate"]);
    assert_eq!(text(&again).trim(), pending["kid"].as_str().expect("a kid"));
    assert!(said(&again).contains("pending: signs in "), "{}", said(&again));

    // At once, in another algorithm.
    let active =
        json(&key(data.path(), &["rotate", "--immediate", "--algorithm", "RS256", "--json"]));
    let active = active["kid"].as_str().expect("a kid");
    until(async || kid(&login().await), active).await;
    assert_eq!(code(&old).await, "accepted");
    let listed = json(&key(data.path(), &["list", "--json"]));
    let mut states: Vec<(&str, &str)> = listed["items"]
        .as_array()
        .expect("keys")
        .iter()
        .map(|key| {
            (key["state"].as_str().expect("a state"), key["algorithm"].as_str().expect("one"))
        })
        .collect();
    states.sort_unstable();
    assert_eq!(states, [("active", "RS256"), ("pending", "ES256"), ("retiring", "ES256")]);
    let table = text(&key(data.path(), &["list"]));
    assert_eq!(table.lines().count(), 4, "{table}");

    // An end at once has to be meant.
    let fresh = login().await;
    let asked = key(data.path(), &["revoke", active]);
    assert_eq!(asked.status.code(), Some(2), "{}", said(&asked));
    for part in ["logins at most", "or 1 d 0 h while", "a fresh key signs at once", "--yes"] {
        assert!(said(&asked).contains(part), "{part}: {}", said(&asked));
    }
    assert_eq!(code(&fresh).await, "accepted", "nothing was changed");
    let revoked = json(&key(data.path(), &["revoke", active, "--yes", "--json"]));
    assert_eq!(revoked["was"]["state"], "active");
    assert!(revoked["logins"].as_u64().expect("a number") >= 1);
    until(async || code(&fresh).await, "unknown_key").await;
    assert_eq!(code(&old).await, "accepted", "that of another key");
    assert_eq!(code(&login().await).await, "accepted");
    assert!(said(&key(data.path(), &["revoke", active])).contains("gone already"));

    // What is imported is good at once, for whoever signs with it elsewhere.
    let made = json(
        &countersign()
            .args(["key", "generate", "--algorithm", "EdDSA", "--json"])
            .output()
            .expect("it runs"),
    );
    let pem = made["key"].as_str().expect("a key");
    let elsewhere =
        jwt::SigningKey::from_pem(jwt::Algorithm::EdDsa, pem).expect("PEM").with_derived_kid();
    let token = elsewhere.sign(&claims_of(&fresh)).expect("signed");
    assert_eq!(code(&token).await, "algorithm_mismatch", "no key here is of this algorithm");
    let mut import = countersign();
    import.args(["key", "import", "-", "--json", "--data-dir"]).arg(data.path());
    let mut import = import.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it runs");
    import.stdin.take().expect("stdin").write_all(pem.as_bytes()).expect("written");
    let imported = json(&import.wait_with_output().expect("it ends"));
    assert_eq!((&imported["kid"], &imported["state"]), (&made["kid"], &"pending".into()));
    until(async || code(&token).await, "accepted").await;
    let imported = imported["kid"].as_str().expect("a kid");
    assert_eq!(text(&key(data.path(), &["export", imported, "--private"])).trim(), pem.trim());
    let public = text(&key(data.path(), &["export", imported]));
    assert!(public.starts_with("-----BEGIN PUBLIC KEY-----"), "{public}");
    assert!(server.stop().success());
}

fn claims_of(token: &str) -> jwt::Claims<serde_json::Map<String, Value>> {
    let read = jwt::dangerous::decode_unverified::<serde_json::Map<String, Value>>(token);
    let mut claims = read.expect("a token").claims;
    let text = |claims: &mut serde_json::Map<String, Value>, name: &str| {
        claims.remove(name).and_then(|value| value.as_str().map(str::to_owned)).expect("a text")
    };
    let (iss, sub, aud) = (text(&mut claims, "iss"), text(&mut claims, "sub"), "countersign");
    for registered in ["aud", "exp", "iat", "jti", "nbf"] {
        claims.remove(registered);
    }
    let claims = jwt::Claims::new(claims).issuer(iss).subject(sub).audience(aud);
    claims.expires_in(Duration::from_secs(60))
}

#[test]
fn a_generated_key_is_one_for_a_file() {
    let folder = tempdir().expect("folder");
    for algorithm in ["HS256", "HS512", "ES256", "EdDSA", "RS256"] {
        let file = folder.path().join(algorithm);
        let mut command = countersign();
        command.args(["key", "generate", "--algorithm", algorithm, "--out"]).arg(&file);
        let made = command.output().expect("it runs");
        assert!(made.status.success() && made.stdout.is_empty(), "{}", said(&made));
        let mode = std::fs::metadata(&file).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        let again = command.output().expect("it runs");
        assert_eq!(again.status.code(), Some(3), "it is not written over: {}", said(&again));
        let text = std::fs::read_to_string(&file).expect("text");
        let known = algorithm.parse().expect("an algorithm");
        let key = if algorithm.starts_with("HS") {
            assert_eq!(auth::keys::weakness(text.trim().as_bytes()), None);
            jwt::SigningKey::from_secret(known, text.trim().as_bytes())
        } else {
            jwt::SigningKey::from_pem(known, &text)
        };
        let key = key.expect("a key").with_derived_kid();
        assert!(said(&made).contains(key.kid().expect("a kid")), "{}", said(&made));
    }
    let secret = text(&countersign().args(["key", "generate"]).output().expect("it runs"));
    assert_eq!(secret.trim().len(), 64);
    let unknown = countersign().args(["key", "generate", "--algorithm", "none"]).output();
    assert_eq!(unknown.expect("it runs").status.code(), Some(2));
}

#[test]
fn a_command_on_keys_says_no_in_its_exit_code() {
    let folder = tempdir().expect("folder");
    let missing = key(&folder.path().join("nothing"), &["list"]);
    assert_eq!(missing.status.code(), Some(2), "{}", said(&missing));
    assert!(said(&missing).contains("--data-dir") && !folder.path().join("nothing").exists());

    let data = folder.path().join("data");
    let secret = secret_file(folder.path(), "secret", "k8Jq2vXr7TzLw0NfYbHdGm4sPcEa9UiO");
    let secret = secret.to_str().expect("a path");
    assert!(Server::start(serve(&data, &["--secret-file", secret])).stop().success());
    let no = |arguments: &[&str], code: i32, says: &str| {
        let output = key(&data, arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", said(&output));
        assert!(said(&output).contains(says), "{arguments:?}: {}", said(&output));
        assert!(output.stdout.is_empty());
    };
    no(&["revoke", "nothing", "--yes"], 1, "key nothing");
    no(&["export", "nothing"], 1, "key nothing");
    no(&["rotate", "--secret-file", secret], 1, "lies in a file");
    no(&["import", secret], 2, "key: ");
    no(&["import", "/nowhere/key.pem"], 3, "/nowhere/key.pem");
    no(&["rotate", "--keys-master-key-file", secret], 2, "master key");
    let listed = json(&key(&data, &["list", "--json", "--secret-file", secret]));
    let item = &listed["items"][0];
    assert_eq!((&item["state"], &item["place"]), (&"active".into(), &"file".into()));
    let arguments = ["import", secret, "--algorithm", "HS256"];
    assert!(key(&data, &arguments).status.success());
    no(&arguments, 1, "is here already");
    std::fs::set_permissions(secret, std::fs::Permissions::from_mode(0o644)).expect("set");
    no(&arguments, 2, "can be read by others");
}

#[tokio::test]
async fn the_master_key_comes_from_the_environment_and_is_never_a_flag() {
    let folder = tempdir().expect("folder");
    let data = folder.path().join("data");
    let master = master_key(1);
    let with = |mut command: Command| {
        command.env("COUNTERSIGN_KEYS__MASTER_KEY", &master);
        command
    };
    let server = Server::start(with(serve(&data, &[])));
    server.register("a@example.com").await;
    let token = server.login("a@example.com", PASSWORD).await;
    assert!(!server.log().contains(&master));
    assert!(server.stop().success());
    let mut list = countersign();
    list.args(["key", "list", "--json", "--data-dir"]).arg(&data);
    assert_eq!(json(&list.output().expect("it runs"))["items"][0]["encrypted"], true);
    let refused = key(&data, &["rotate"]);
    assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
    let flag = countersign().args(["serve", "--keys-master-key", &master]).output();
    assert_eq!(flag.expect("it runs").status.code(), Some(2));
    // Another one, from a file; the one before it, from a file too.
    let old = secret_file(folder.path(), "old", &master);
    let new = secret_file(folder.path(), "new", &master_key(2));
    let (old, new) = (old.to_str().expect("a path"), new.to_str().expect("a path"));
    let change = ["--keys-master-key-file", new, "--keys-previous-master-key-file", old];
    for options in [&change[..], &change[..2]] {
        let server = Server::start(serve(&data, options));
        assert_eq!(server.get("/me", &token).await.status, 200);
        assert!(server.stop().success());
    }
    let back = serve(&data, &["--keys-master-key-file", old]).stdin(Stdio::null()).output();
    assert_eq!(back.expect("it runs").status.code(), Some(2));
}
