//! The first administrator, and what he does beside others, on the real binary.

use std::{
    path::Path,
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use auth::testing::Place;
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::process::{PASSWORD, Server, answer, countersign, secret_file};

fn serving(data: &Path, more: &[&str]) -> Command {
    let mut command = countersign();
    command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(data).args(more);
    command
}

/// The token of the link that a server printed; it comes right after the line that says that it listens.
fn token(server: &Server) -> String {
    let begun = Instant::now();
    loop {
        let log = server.log();
        if let Some((_, rest)) = log.split_once("/admin/claim?token=") {
            // The last line is there: the link is whole.
            if log.contains("a password of yours") {
                return rest.chars().take(64).collect();
            }
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "no link: {log}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn user(data: &Path, arguments: &[&str]) -> Output {
    let mut command = countersign();
    command.arg("user").args(arguments).arg("--data-dir").arg(data).stdin(Stdio::null());
    command.output().expect("it runs")
}

fn json_of(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

async fn claim(server: &Server, token: &str, email: &str) -> u16 {
    let body = json!({ "token": token, "email": email, "password": PASSWORD });
    server.post("/admin/claim", body).await.status.as_u16()
}

#[tokio::test]
async fn the_first_start_prints_a_link_that_makes_one_administrator() {
    let folder = tempdir().expect("folder");
    let (data, url) = (folder.path(), "https://auth.example.com");
    let more = ["--log-format", "json", "--log-level", "trace", "--http-public-url", url];
    let first = Server::start(serving(data, &more));
    let old = token(&first);
    assert!(first.log().contains(&format!("\n  {url}/admin/claim?token={old}\n")));
    // On the terminal, and in no line of the log.
    let logged = |log: &str| log.lines().any(|line| line.starts_with('{') && line.contains(&old));
    assert!(!logged(&first.log()));
    assert!(first.stop().success());

    // As long as nobody used it, a start prints another one.
    let server = Server::start(serving(data, &more));
    let new = token(&server);
    assert_ne!(old, new);
    assert_eq!(claim(&server, &new.replace(char::is_alphabetic, "0"), "a@example.com").await, 400);
    assert_eq!(claim(&server, &new, "a@example.com").await, 201);
    for used in [&new, &old] {
        assert_eq!(claim(&server, used, "b@example.com").await, 400);
    }
    let credential = server.login("a@example.com", PASSWORD).await;
    let users = server.get("/admin/users", &credential).await;
    assert_eq!(
        (users.status.as_u16(), users.json()["items"].as_array().map(Vec::len)),
        (200, Some(1))
    );
    let log = server.log();
    assert!(!log.lines().any(|line| line.starts_with('{') && line.contains(&new)), "{log}");
    assert!(server.stop().success());

    let again = Server::start(serving(data, &more));
    assert_eq!(claim(&again, &new, "b@example.com").await, 400);
    assert!(!again.log().contains("claim?token"), "there is one");
}

#[tokio::test]
async fn where_an_administrator_was_added_no_link_is_printed() {
    let folder = tempdir().expect("folder");
    let data = folder.path().join("data");
    let file = secret_file(folder.path(), "password", PASSWORD);
    let source = format!("@{}", file.display());
    let add = ["add", "a@example.com", "--role", "admin", "--password", &source, "--json"];
    let added = json_of(&user(&data, &add));
    assert_eq!(added["roles"], json!(["admin", "user"]));
    let server = Server::start(serving(&data, &[]));
    let credential = server.login("a@example.com", PASSWORD).await;
    assert_eq!(server.get("/admin/keys", &credential).await.status, 200);
    assert!(!server.log().contains("claim?token"));
    // `dev` seeds its own.
    let dev = Server::dev(&folder.path().join("dev"), &[]);
    assert_eq!(dev.get("/healthz", "").await.status, 200);
    assert!(!dev.log().contains("claim?token"));
}

#[tokio::test]
async fn instances_that_start_together_print_a_link_each_and_one_counts() {
    let Some(place) = Place::postgres().await else { return };
    let folder = tempdir().expect("folder");
    let secret = secret_file(folder.path(), "secret", "k8Jq2vXr7TzLw0NfYbHdGm4sPcEa9UiO");
    let secret = secret.to_str().expect("a path");
    let more =
        ["--database-url", &*place.url, "--secret-file", secret, "--limits-enabled", "false"];
    let start = || {
        let (data, more) = (folder.path().to_owned(), more.map(str::to_owned));
        tokio::task::spawn_blocking(move || {
            let more: Vec<&str> = more.iter().map(String::as_str).collect();
            Server::start(serving(&data, &more))
        })
    };
    let (one, two) = tokio::join!(start(), start());
    let (one, two) = (one.expect("it runs"), two.expect("it runs"));
    let (first, second) = (token(&one), token(&two));
    assert_ne!(first, second);
    // Either at either instance, at the same moment.
    let (made, refused) =
        tokio::join!(claim(&one, &second, "a@example.com"), claim(&two, &first, "b@example.com"));
    let mut outcomes = [made, refused];
    outcomes.sort_unstable();
    assert_eq!(outcomes, [201, 400]);
    drop((one, two));
    place.remove().await;
}

#[tokio::test]
async fn accounts_are_looked_for_and_handed_out_on_the_command_line() {
    let folder = tempdir().expect("folder");
    let data = folder.path();
    let server = Server::start(serving(data, &[]));
    let token = token(&server);
    assert_eq!(claim(&server, &token, "root@example.com").await, 201);
    let id = server.register("ada@example.com").await;
    let credential = server.login("ada@example.com", PASSWORD).await;
    let name = server.request(Method::PATCH, "/me").bearer_auth(&credential);
    assert_eq!(answer(name.json(&json!({ "name": "Ada Lovelace" }))).await.status, 200);

    let found = |arguments: &[&str]| -> Vec<String> {
        let listed = json_of(&user(data, &[&["list", "--json"], arguments].concat()));
        let items = listed["items"].as_array().expect("items").clone();
        items.iter().map(|item| item["email"].as_str().expect("an address").to_owned()).collect()
    };
    assert_eq!(found(&[]), ["root@example.com", "ada@example.com"]);
    assert_eq!(found(&["--search", "LOVE"]), ["ada@example.com"]);
    assert_eq!(found(&["--search", "%"]), [""; 0]);
    assert_eq!(found(&["--role", "admin"]), ["root@example.com"]);
    assert_eq!(
        found(&["--role", "user", "--search", "example", "--limit", "1"]),
        ["root@example.com"]
    );
    let wrong = user(data, &["list", "--role", "No Role"]);
    assert_eq!(wrong.status.code(), Some(2), "{}", String::from_utf8_lossy(&wrong.stderr));

    let by_id = json_of(&user(data, &["export", "--id", &id]));
    assert_eq!(by_id["account"]["name"], "Ada Lovelace");
    assert_eq!(by_id["sessions"].as_array().map(Vec::len), Some(1));
    assert!(!by_id.to_string().contains("argon2"));
    let file = data.join("ada.json");
    let path = file.to_str().expect("a path");
    assert!(user(data, &["export", "--email", "Ada@example.com", "--out", path]).status.success());
    let written = std::fs::read(&file).expect("written");
    let written: Value = serde_json::from_slice(&written).expect("JSON");
    assert_eq!(written["account"], by_id["account"]);
    let nobody = user(data, &["export", "--email", "nobody@example.com"]);
    assert_eq!(nobody.status.code(), Some(1));
    let both = user(data, &["export", "--id", &id, "--with-hashes"]);
    assert_eq!(both.status.code(), Some(2));
}
