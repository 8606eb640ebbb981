//! The clock of `dev`, moved at its start and while it runs.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use reqwest::{
    Method,
    header::{CONTENT_TYPE, COOKIE, HOST, ORIGIN},
};
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::process::{PASSWORD, Server, answer, base64url_decode, countersign};

async fn move_clock(server: &Server, body: Value) -> Value {
    let moved = server.post("/dev/clock", body).await;
    assert_eq!(moved.status, 200, "{}", moved.text);
    assert_eq!(moved.headers["cache-control"], "no-store");
    moved.json()
}

#[tokio::test]
async fn a_token_and_a_session_expire_when_the_clock_is_moved() {
    let folder = tempdir().expect("folder");
    let server = Server::dev(folder.path(), &[]);
    server.register("a@example.com").await;
    let token = server.login("a@example.com", PASSWORD).await;
    let ended = server.login("a@example.com", PASSWORD).await;
    let cookie = server.login_session("a@example.com", PASSWORD).await;
    let by_token = async |token: &str| server.get("/posts", token).await;
    let by_cookie =
        async || answer(server.request(Method::GET, "/posts").header(COOKIE, &cookie)).await;
    let logout = server.request(Method::POST, "/logout").bearer_auth(&ended);
    assert_eq!(answer(logout).await.status, 200);

    let at_first = answer(server.request(Method::GET, "/dev/clock")).await.json();
    assert_eq!(at_first["offset"], "0s");
    let moved = move_clock(&server, json!({ "by": "10m" })).await;
    let passed = moved["now"].as_i64().expect("a time") - at_first["now"].as_i64().expect("a time");
    assert!((600..660).contains(&passed), "{passed}");
    assert_eq!(by_token(&token).await.status, 200, "there is a leeway");
    assert_eq!(move_clock(&server, json!({ "by": "1m" })).await["offset"], "11m");
    assert_eq!(by_token(&token).await.problem(), (401, "token_expired".to_owned()));
    assert_eq!(by_cookie().await.status, 200);
    assert_eq!(move_clock(&server, json!({ "offset": "13h" })).await["offset"], "13h");
    assert_eq!(by_cookie().await.problem(), (401, "session_expired".to_owned()));

    let later = server.login("a@example.com", PASSWORD).await;

    // And back: what had only expired is good again, what was ended is not.
    assert_eq!(move_clock(&server, json!({ "offset": "0s" })).await["offset"], "0s");
    assert_eq!(by_token(&token).await.status, 200);
    assert_eq!(by_token(&later).await.status, 200, "its time is ahead, and no less good");
    assert_eq!(by_token(&ended).await.problem(), (401, "token_revoked".to_owned()));
    let end = server.request(Method::POST, "/logout").bearer_auth(&token);
    assert_eq!(answer(end).await.status, 200);
    assert_eq!(by_token(&token).await.problem(), (401, "token_revoked".to_owned()));
}

#[tokio::test]
async fn dev_starts_with_its_clock_moved() {
    let folder = tempdir().expect("folder");
    let iat = async |server: &Server| {
        let token = server.login("a@example.com", PASSWORD).await;
        let payload = base64url_decode(token.split('.').nth(1).expect("a payload"));
        let claims: Value = serde_json::from_str(&payload).expect("JSON");
        claims["iat"].as_i64().expect("a time")
    };
    let now = Server::dev(folder.path(), &[]);
    now.register("a@example.com").await;
    let before = iat(&now).await;
    assert!(now.stop().success());
    // Also back: ids, leases and sessions of the time before are there.
    for (offset, written, seconds) in
        [("+2h", "2h", 7_200), ("-10m", "-10m", -600), ("-2d", "-2d", -172_800)]
    {
        let server = Server::dev(folder.path(), &["--clock", offset]);
        let clock = answer(server.request(Method::GET, "/dev/clock")).await.json();
        assert_eq!(clock["offset"], written);
        let off = iat(&server).await - before - seconds;
        assert!((0..120).contains(&off), "{offset}: {off}");
        let token = server.login("a@example.com", PASSWORD).await;
        assert_eq!(server.get("/posts", &token).await.status, 200);
        assert!(server.stop().success());
    }
    for wrong in ["2x", "tomorrow", "3651d", ""] {
        let mut command = countersign();
        let output = command.args(["dev", "--ephemeral", "--clock", wrong]).output().expect("runs");
        assert_eq!(output.status.code(), Some(2), "{wrong}");
    }
}

#[test]
fn the_banner_names_a_clock_that_is_moved() {
    for (offset, says) in [("+2h", Some("2h ahead")), ("-10m", Some("10m behind")), ("0s", None)] {
        let mut command = countersign();
        command.args(["dev", "--ephemeral", "--listen", "127.0.0.1:0", "--clock", offset]);
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
        let mut banner = String::new();
        for line in BufReader::new(child.stdout.take().expect("stdout")).lines() {
            banner.push_str(&line.expect("text"));
            banner.push('\n');
            if banner.matches("curl ").count() == 3 {
                break;
            }
        }
        let pid = child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill").success());
        assert!(child.wait().expect("it ends").success());
        assert!(!banner.contains('\u{1b}'), "colours are for a terminal: {banner}");
        let row = banner.lines().find(|line| line.trim_start().starts_with("clock"));
        assert_eq!(row.is_some(), says.is_some(), "{banner}");
        let (row, says) = (row.unwrap_or_default(), says.unwrap_or_default());
        assert!(row.contains(says) && (row.is_empty() || row.ends_with("/dev/clock")), "{row}");
    }
}

#[tokio::test]
async fn the_clock_is_moved_by_sound_requests_of_this_machine_alone() {
    let folder = tempdir().expect("folder");
    let server = Server::dev(folder.path(), &[]);
    let wrong = [
        json!({}),
        json!({ "offset": "2h", "by": "2h" }),
        json!({ "offset": "2x" }),
        json!({ "by": "" }),
        json!({ "by": 7 }),
        json!({ "by": "3651d" }),
        json!({ "offset": "2h", "more": 1 }),
    ];
    for body in wrong {
        let refused = server.post("/dev/clock", body.clone()).await;
        assert_eq!(refused.problem(), (422, "body_invalid".to_owned()), "{body}");
        assert!(!refused.text.contains("2x") && !refused.text.contains("3651"), "{}", refused.text);
    }
    move_clock(&server, json!({ "offset": "3650d" })).await;
    let farther = server.post("/dev/clock", json!({ "by": "1s" })).await;
    assert_eq!(farther.problem(), (422, "body_invalid".to_owned()));
    move_clock(&server, json!({ "offset": "0s" })).await;

    let body = r#"{"offset":"2h"}"#;
    let request = || server.request(Method::POST, "/dev/clock").body(body);
    // What a page of another site could send without being asked, and what it could not.
    let form = request().header(CONTENT_TYPE, "text/plain");
    assert_eq!(answer(form).await.problem(), (415, "content_type_unsupported".to_owned()));
    let typed = || request().header(CONTENT_TYPE, "application/json");
    let site =
        typed().header("sec-fetch-site", "cross-site").header(ORIGIN, "https://evil.example");
    assert_eq!(answer(site).await.problem(), (403, "cross_site".to_owned()));
    let origin = typed().header(ORIGIN, "https://evil.example");
    assert_eq!(answer(origin).await.problem(), (403, "cross_site".to_owned()));
    let host = typed().header(HOST, "evil.example");
    assert_eq!(answer(host).await.problem(), (421, "host_not_allowed".to_owned()));
    assert_eq!(
        answer(server.request(Method::GET, "/dev/clock")).await.json()["offset"],
        "0s",
        "nobody moved it"
    );
    let own = typed().header("sec-fetch-site", "same-origin").header(ORIGIN, &server.url);
    assert_eq!(answer(own).await.json()["offset"], "2h");
}

#[tokio::test]
async fn serve_has_no_clock_to_move() {
    let folder = tempdir().expect("folder");
    let mut command = countersign();
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(folder.path().join("data"));
    let server = Server::start(command);
    let asked = answer(server.request(Method::GET, "/dev/clock")).await;
    assert_eq!(asked.problem(), (404, "not_found".to_owned()));
    let moved = server.post("/dev/clock", json!({ "by": "2h" })).await;
    assert_eq!(moved.problem(), (404, "not_found".to_owned()));
}
