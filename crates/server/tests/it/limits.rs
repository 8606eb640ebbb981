//! Limits on guessing, on the real server: from loopback, over a restart, and on two instances.

use auth::testing::{Place, master_key};
use reqwest::{Method, StatusCode};
use serde_json::json;
use tempfile::tempdir;

use crate::process::{Answer, PASSWORD, Server, countersign, secret_file};

/// A wrong login to an account of its own.
async fn wrong(server: &Server, number: u32) -> Answer {
    let email = format!("user{number}@example.com");
    server.post("/login", json!({ "email": email, "password": "wrong gravel" })).await
}

fn refused(answer: &Answer) {
    assert_eq!(answer.problem(), (429, "rate_limited".to_owned()), "{}", answer.text);
    let wait: u64 = answer.headers["retry-after"].to_str().expect("text").parse().expect("seconds");
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(answer.headers["ratelimit-policy"], r#""address";q=30;w=60"#);
}

#[tokio::test]
async fn wrong_logins_are_slowed_down_and_everything_else_goes_on() {
    let folder = tempdir().expect("folder");
    let server = Server::dev(folder.path(), &[]);
    server.register("a@example.com").await;
    let login =
        server.post("/login", json!({ "email": "a@example.com", "password": PASSWORD })).await;
    assert_eq!(login.headers["ratelimit"], r#""address";r=28;t=60"#, "{:?}", login.headers);
    let tokens = login.json();
    let mut told = 2;
    let last = loop {
        let answer = wrong(&server, told).await;
        if answer.status != StatusCode::UNAUTHORIZED {
            break answer;
        }
        told += 1;
        assert!(told < 1_000, "nothing slows it down");
    };
    assert!(told >= 30, "{told}");
    refused(&last);
    assert_eq!(last.json()["error"], "temporarily_unavailable");

    let token = tokens["access_token"].as_str().expect("a token");
    for path in ["/posts", "/me", "/sessions"] {
        assert_eq!(server.get(path, token).await.status, StatusCode::OK, "{path}");
    }
    let refresh = json!({ "refresh_token": tokens["refresh_token"] });
    assert_eq!(server.post("/refresh", refresh).await.status, StatusCode::OK);
    let logout = server.request(Method::POST, "/logout").bearer_auth(token).send().await;
    assert_eq!(logout.expect("an answer").status(), StatusCode::OK);

    // What was counted outlasts the process that counted it.
    server.kill();
    let server = Server::dev(folder.path(), &[]);
    let mut told = 0;
    while wrong(&server, 2_000 + told).await.status == StatusCode::UNAUTHORIZED {
        told += 1;
        assert!(told < 30, "all was forgotten");
    }
}

#[tokio::test]
async fn limits_can_be_switched_off_on_loopback() {
    let folder = tempdir().expect("folder");
    let options = ["--limits-enabled", "false", "--accounts-registration", "closed"];
    let server = Server::dev(folder.path(), &options);
    let body = json!({ "email": "a@example.com", "password": PASSWORD });
    for _ in 0..40 {
        let closed = server.post("/register", body.clone()).await;
        assert_eq!(closed.problem(), (403, "registration_closed".to_owned()));
        assert!(!closed.headers.contains_key("ratelimit"));
    }
}

#[tokio::test]
async fn two_instances_count_together() {
    let Some(place) = Place::postgres().await else { return };
    let folder = tempdir().expect("folder");
    let master = secret_file(folder.path(), "master", &master_key(1));
    let start = || {
        let mut command = countersign();
        command.args(["serve", "--listen", "127.0.0.1:0", "--database-url", &place.url]);
        command.arg("--keys-master-key-file").arg(&master);
        command.arg("--data-dir").arg(folder.path().join("unused"));
        Server::start(command)
    };
    let instances = [start(), start()];
    let mut told = [0, 0];
    let last = loop {
        let turn = usize::from(told[1] < told[0]);
        let answer = wrong(&instances[turn], told[0] + told[1]).await;
        if answer.status != StatusCode::UNAUTHORIZED {
            break answer;
        }
        told[turn] += 1;
        assert!(told[turn] < 500, "nothing slows it down");
    };
    refused(&last);
    assert!(told[0] + told[1] >= 30, "{told:?}");
    // Each of them knows of the other's.
    for instance in &instances {
        let wait = wrong(instance, 2_000).await;
        assert!(wait.status == 429 || told[0] + told[1] > 30, "{told:?}: {}", wait.text);
    }
    for instance in instances {
        assert!(instance.stop().success());
    }
    place.remove().await;
}
