//! `countersign audit`, beside a server that runs.

use std::{path::Path, process::Output};

use auth::{
    storage::{Db, DbOptions},
    testing::Place,
};
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::process::{PASSWORD, Server, countersign};

fn audit(arguments: &[&str], database: &[&str]) -> Output {
    countersign().arg("audit").args(arguments).args(database).output().expect("it runs")
}

fn text(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    String::from_utf8(output.stdout.clone()).expect("text")
}

fn lines(output: &Output) -> Vec<Value> {
    text(output).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn verdict(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn serve(database: &[&str], data: &Path) -> Server {
    let mut command = countersign();
    command.args(["serve", "--listen", "127.0.0.1:0", "--allow-plain-keys"]).args(database);
    if !database.contains(&"--data-dir") {
        command.arg("--data-dir").arg(data);
    }
    Server::start(command)
}

async fn tour(server: &Server) {
    server.register("a@example.com").await;
    for password in [PASSWORD, "wrong"] {
        server.post("/login", json!({ "email": "a@example.com", "password": password })).await;
    }
}

/// Waits until all events are sealed.
fn sealed(database: &[&str]) -> Value {
    let start = std::time::Instant::now();
    loop {
        let verdict = verdict(&audit(&["verify", "--json"], database));
        if verdict["unsealed"] == 0 {
            return verdict;
        }
        assert!(start.elapsed() < std::time::Duration::from_secs(60), "nothing is sealed");
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
}

async fn a_log_is_checked(database: &[&str], data: &Path, db: &str) {
    let server = serve(database, data);
    tour(&server).await;
    let sound = sealed(database);
    assert_eq!(sound["sound"], json!(true), "{sound}");
    assert_eq!((&sound["first"], &sound["last"]), (&json!(1), &sound["checked"]));
    let events = lines(&audit(&["export"], database));
    let types: Vec<&str> = events.iter().filter_map(|event| event["type"].as_str()).collect();
    assert_eq!(
        types,
        [
            "key.added",
            "key.activated",
            "administrator.invited",
            "user.registered",
            "login.succeeded",
            "login.failed",
            "events.exported",
        ]
    );
    let failed = lines(&audit(&["list", "--type", "login.failed", "--json"], database));
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0]["address"], "127.0.0.1");
    let user = failed[0]["user_id"].as_str().expect("an account");
    let shown = text(&audit(&["list", "--user", user, "--since", "1h"], database));
    assert_eq!(shown.lines().count(), 4, "{shown}");
    assert!(shown.contains("login.failed") && shown.contains("stranger"), "{shown}");
    let head = sound["head"].as_str().expect("a head");
    text(&audit(&["verify", "--head", head], database));

    sealed(database);
    server.kill();
    let handle = Db::open(&DbOptions::new(db)).await.expect("the database");
    let sql = "UPDATE events SET user_id = NULL WHERE type = 'login.failed'";
    assert_eq!(handle.execute(sql, []).await.expect("changed"), 1);
    handle.close().await;
    let changed = audit(&["verify"], database);
    assert_eq!(changed.status.code(), Some(1));
    let told = String::from_utf8_lossy(&changed.stdout).into_owned();
    assert!(told.starts_with("event 6 (") && told.trim_end().ends_with("was changed"), "{told}");
    let noted = format!("6:{}", "00".repeat(32));
    let other = audit(&["verify", "--head", &noted, "--json"], database);
    assert_eq!(verdict(&other)["fault_count"], 2);
}

#[tokio::test]
async fn a_log_that_was_changed_is_told_by_the_command() {
    let folder = tempdir().expect("folder");
    let data = folder.path().join("data");
    let path = data.display().to_string();
    let file = format!("sqlite://{path}/countersign.db");
    a_log_is_checked(&["--data-dir", &path], &data, &file).await;
}

#[tokio::test]
async fn a_log_on_postgres_that_was_changed_is_told_by_the_command() {
    let Some(place) = Place::postgres().await else { return };
    let folder = tempdir().expect("folder");
    a_log_is_checked(&["--database-url", &place.url], folder.path(), &place.url).await;
    place.remove().await;
}

#[test]
fn what_makes_no_sense_is_a_usage_error() {
    let folder = tempdir().expect("folder");
    let data = folder.path().display().to_string();
    let at = ["--data-dir", data.as_str()];
    for (arguments, says) in [
        (&["verify", "--head", "nonsense"][..], "a head is a number"),
        (&["list", "--type", "nothing"], "there are no events of type"),
        (&["list", "--since", "yesterday"], "is no duration"),
        (&["verify"], "there is no database"),
    ] {
        let output = audit(arguments, &at);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(says), "{arguments:?}: {said}");
    }
}
