//! `dev` and `serve`: what they print, and what they refuse to start with.

use std::{
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
};

use auth::testing::master_key;
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::process::{PASSWORD, Server, answer, countersign, secret_file};

const SECRET: &str = "k8Jq2vXr7TzLw0NfYbHdGm4sPcEa9UiO";

/// Runs a command that is to refuse, and returns its exit code and what it said.
fn refusal(mut command: Command) -> (i32, String) {
    let output = command.stdin(Stdio::null()).output().expect("the process runs");
    let said = String::from_utf8(output.stderr).expect("text");
    assert!(!said.contains("listening on"), "it started: {said}");
    (output.status.code().expect("an exit code"), said)
}

fn serve(folder: &Path, options: &[&str]) -> Command {
    let mut command = countersign();
    command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(folder).args(options);
    command
}

#[track_caller]
fn refuses(options: &[&str], code: i32, says: &[&str]) {
    let folder = tempdir().expect("folder");
    let (exit, said) = refusal(serve(&folder.path().join("data"), options));
    assert_eq!(exit, code, "{said}");
    for text in says {
        assert!(said.contains(text), "{text:?} is missing: {said}");
    }
}

#[tokio::test]
async fn dev_json_prints_one_object_that_is_enough_to_log_in() {
    let mut command = countersign();
    command.args(["dev", "--json", "--ephemeral", "--listen", "127.0.0.1:0"]);
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("stdout")).read_line(&mut line).expect("a line");
    let started: Value = serde_json::from_str(&line).expect("JSON");
    let data_dir = Path::new(started["data_dir"].as_str().expect("a folder")).to_owned();
    assert!(data_dir.join("countersign.db").exists());
    let accounts = started["accounts"].as_array().expect("accounts");
    let roles: Vec<&Value> = accounts.iter().map(|account| &account["roles"]).collect();
    assert_eq!(roles, [&json!(["user"]), &json!(["admin", "user"])]);
    let url = started["url"].as_str().expect("an address");
    let client = reqwest::Client::new();
    for account in accounts {
        let body = json!({ "email": account["email"], "password": account["password"] });
        let login = answer(client.post(format!("{url}/login")).json(&body)).await;
        assert_eq!(login.status, 200);
    }
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill").success());
    assert!(child.wait().expect("it ends").success());
    assert!(!data_dir.exists(), "a temporary folder is removed at the end");
}

#[tokio::test]
async fn what_dev_keeps_is_for_its_owner_only() {
    let folder = tempdir().expect("folder");
    let data = folder.path().join("data");
    let server = Server::dev(&data, &[]);
    server.register("a@example.com").await;
    let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    let mut files = 0;
    for file in std::fs::read_dir(&data).expect("a folder") {
        let path = file.expect("a file").path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        files += 1;
    }
    assert!(files >= 2);
}

#[test]
fn dev_is_for_loopback_only() {
    for listen in ["0.0.0.0:0", "[::]:0", "192.0.2.1:8000"] {
        let mut command = countersign();
        command.args(["dev", "--ephemeral", "--listen", listen]);
        let (code, said) = refusal(command);
        assert_eq!(code, 2, "{said}");
        assert!(said.contains("loopback"), "{said}");
    }
}

#[tokio::test]
async fn serve_runs_without_sample_api_and_without_accounts() {
    let folder = tempdir().expect("folder");
    let secret = secret_file(folder.path(), "secret", SECRET);
    let data = folder.path().join("data");
    let server = Server::start(serve(&data, &["--secret-file", secret.to_str().expect("a path")]));
    server.register("a@example.com").await;
    let token = server.login("a@example.com", PASSWORD).await;
    assert_eq!(server.get("/me", &token).await.status, 200);
    assert_eq!(server.get("/posts", &token).await.problem(), (404, "not_found".to_owned()));
    for path in ["/healthz", "/readyz"] {
        let alive = answer(server.request(Method::GET, path)).await;
        assert_eq!((alive.status.as_u16(), alive.json()), (200, json!({ "status": "ok" })));
    }
    assert!(server.stop().success());
}

#[test]
fn serve_refuses_secrets_that_can_be_guessed() {
    let folder = tempdir().expect("folder");
    for (number, secret) in [
        "",
        "short",
        "your-256-bit-secret",
        "your-256-bit-secret-your-256-bit-secret",
        "secretsecretsecretsecretsecretsecret",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "0123456789abcdef0123456789abcdef",
        "passwordpasswordpasswordpassword1",
        "changeme-changeme-changeme-changeme",
        "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
    ]
    .into_iter()
    .enumerate()
    {
        let file = secret_file(folder.path(), &format!("secret{number}"), secret);
        let options = ["--secret-file", file.to_str().expect("a path")];
        let (code, said) = refusal(serve(&folder.path().join("data"), &options));
        assert_eq!(code, 2, "{secret}: {said}");
        assert!(said.contains("openssl rand"), "it says what to do: {said}");
        assert!(secret.len() < 8 || !said.contains(secret), "{said}");
    }
}

#[test]
fn a_file_that_systemd_hands_over_may_be_its_groups_by_an_access_control_list() {
    let folder = tempdir().expect("folder");
    let file = secret_file(folder.path(), "secret", SECRET);
    let set = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("set");
    };
    let credentials = folder.path().to_str().expect("a path");
    let check = |path: &str, of_systemd: bool| {
        let mut command = countersign();
        command.args(["config", "check", "--secret-file", path]);
        if of_systemd {
            command.env("CREDENTIALS_DIRECTORY", credentials);
        }
        command.output().expect("it runs").status.code()
    };
    let path = file.to_str().expect("a path");
    set(&file, 0o440);
    set(folder.path(), 0o550);
    assert_eq!(check(path, true), Some(0));
    assert_eq!(check(path, false), Some(1), "elsewhere a group is others");
    for mode in [0o444, 0o460, 0o420, 0o404] {
        set(&file, mode);
        assert_eq!(check(path, true), Some(1), "{mode:o}");
    }
    set(&file, 0o440);
    let around =
        format!("{credentials}/../{}/secret", folder.path().file_name().expect("a name").display());
    assert_eq!(check(&around, true), Some(1), "a way out of the folder");
    set(folder.path(), 0o755);
    assert_eq!(check(path, true), Some(1), "a folder that all may enter");
    set(folder.path(), 0o700);
}

#[test]
fn serve_refuses_what_others_can_read() {
    let folder = tempdir().expect("folder");
    let file = secret_file(folder.path(), "secret", SECRET);
    let path = file.to_str().expect("a path");
    for mode in [0o644, 0o640, 0o604, 0o666] {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).expect("set");
        refuses(&["--secret-file", path], 2, &["can be read by others", "chmod 600"]);
    }
    let data = folder.path().join("data");
    std::fs::create_dir(&data).expect("made");
    std::fs::write(data.join("countersign.db"), "").expect("written");
    std::fs::set_permissions(data.join("countersign.db"), std::fs::Permissions::from_mode(0o644))
        .expect("set");
    let (code, said) = refusal(serve(&data, &[]));
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("countersign.db can be read by others"), "{said}");
}

#[test]
fn serve_refuses_to_be_reached_in_the_clear() {
    refuses(&["--public-url", "http://auth.example.com"], 2, &["http.public_url", "https://"]);
    refuses(&["--listen", "0.0.0.0:0"], 2, &["http.public_url"]);
    refuses(
        &["--public-url", "https://auth.example.com", "--limits-enabled", "false"],
        2,
        &["limits.enabled"],
    );
}

#[test]
fn serve_refuses_a_postgres_that_would_not_be_safe() {
    let url = ["--database-url", "postgres://countersign@127.0.0.1:1/none"];
    refuses(&url, 2, &["keys.master_key_file", "--allow-plain-keys"]);
    refuses(&[&url[..], &["--sessions-store", "memory"]].concat(), 2, &["sessions.store"]);
    refuses(
        &[&url[..], &["--allow-plain-keys"]].concat(),
        3,
        &["storage is not available", "hint: "],
    );
    refuses(&["--database-url", "mysql://localhost/x"], 2, &["database.url"]);
    refuses(&["--database-url", "sqlite:///nowhere/x.db"], 3, &["/nowhere/x.db", "hint: "]);
}

#[test]
fn serve_refuses_the_data_folder_of_dev_while_its_accounts_are_there() {
    let folder = tempdir().expect("folder");
    let dev = Server::dev(folder.path(), &[]);
    assert!(dev.stop().success());
    let (code, said) = refusal(serve(folder.path(), &[]));
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("accounts of dev"), "{said}");
}

#[test]
fn settings_that_are_wrong_end_the_start_with_code_2() {
    refuses(&["--tokens-access-lifetime", "10"], 2, &["--tokens-access-lifetime"]);
    refuses(&["--tokens-algorithm", "none"], 2, &["--tokens-algorithm"]);
    refuses(&["--keys-private-key-file", "/nowhere/key.pem"], 2, &["tokens.algorithm"]);
    refuses(&["--accounts-verify-email", "true"], 2, &["accounts.verify_email"]);
    refuses(&["--http-cors-origins", "https://a.example/"], 2, &["http.cors_origins"]);
    refuses(&["--http-cors-origins", "*"], 2, &["http.cors_origins"]);
    refuses(&["--secret-file", "/nowhere/secret"], 2, &["/nowhere/secret"]);
    refuses(&["--config", "/nowhere/countersign.toml"], 3, &["/nowhere/countersign.toml"]);
    refuses(&["--no-such-flag"], 2, &["--no-such-flag"]);
    let folder = tempdir().expect("folder");
    let mut command = serve(folder.path(), &[]);
    command.env("COUNTERSIGN_HTTP__LISTEM", "x");
    let (code, said) = refusal(command);
    assert_eq!(code, 2);
    assert!(said.contains("COUNTERSIGN_HTTP__LISTEM is no setting"), "{said}");
}

#[tokio::test]
async fn keys_in_the_database_are_sealed_under_a_master_key() {
    let folder = tempdir().expect("folder");
    let master = secret_file(folder.path(), "master", &master_key(1));
    let master = ["--keys-master-key-file", master.to_str().expect("a path")];
    let data = folder.path().join("data");
    // A key that was made plain is sealed by the first start with a master key.
    let plain = Server::start(serve(&data, &[]));
    plain.register("a@example.com").await;
    let token = plain.login("a@example.com", PASSWORD).await;
    assert!(plain.stop().success());
    for _ in 0..2 {
        let sealed = Server::start(serve(&data, &master));
        assert_eq!(sealed.get("/me", &token).await.status, 200);
        assert!(sealed.stop().success());
    }
    let (code, said) = refusal(serve(&data, &[]));
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("keys.master_key_file"), "{said}");
    let other = secret_file(folder.path(), "other", &master_key(2));
    let (code, said) =
        refusal(serve(&data, &["--keys-master-key-file", other.to_str().expect("a path")]));
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("another master key"), "{said}");
}
