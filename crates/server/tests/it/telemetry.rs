//! What a request leaves in the log, and what it does not.

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::tempdir;
use tokio::time::sleep;

use crate::process::{Answer, PASSWORD, Server, answer};

const EMAIL: &str = "somebody.special@example.com";
/// As long as a line may take to be read on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn id_of(answer: &Answer) -> String {
    answer.headers["x-request-id"].to_str().expect("text").to_owned()
}

/// The first line of the log with this in it, once it is there.
async fn line(server: &Server, text: &str) -> String {
    let begun = Instant::now();
    loop {
        let log = server.log();
        if let Some(line) = log.lines().find(|line| line.contains(text)) {
            return line.to_owned();
        }
        assert!(begun.elapsed() < PATIENCE, "{text}: {log}");
        sleep(Duration::from_millis(10)).await;
    }
}

fn object(line: &str) -> Value {
    serde_json::from_str(line).expect("an object")
}

#[tokio::test]
async fn a_request_has_one_id_in_its_answer_its_problem_its_log_lines_and_its_events() {
    let folder = tempdir().expect("folder");
    let level = ["--log-format", "json", "--log-level", "info,countersign::requests=debug"];
    let server = Server::dev(folder.path(), &level);

    for path in ["/healthz", "/posts", "/nowhere", "/me", "/openapi.json", "/docs/errors"] {
        let found = server.get(path, "no token").await;
        let id = id_of(&found);
        assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        if found.status.is_client_error() {
            assert_eq!(found.json()["request_id"], id.as_str(), "{path}");
        }
        let line = object(&line(&server, &id).await);
        assert_eq!((&line["message"], &line["request_id"]), (&json!("answered"), &json!(id)));
        assert_eq!(line["status"], found.status.as_u16());
        assert!(line.get("span").is_none() && line.get("spans").is_none(), "{line}");
    }

    let made = server.post("/register", json!({ "email": EMAIL, "password": PASSWORD })).await;
    let id = id_of(&made);
    line(&server, &id).await;
    let log = server.log();
    let of_account = log.lines().filter(|line| line.contains("account made")).map(object);
    // Those that were made for the start are of no request.
    let ids: Vec<Value> = of_account.map(|line| line["request_id"].clone()).collect();
    assert_eq!(ids, [Value::Null, Value::Null, json!(id)]);

    let wrong = server.post("/login", json!({ "email": EMAIL, "password": "another one" })).await;
    let unknown = json!({ "email": "nobody@example.com", "password": "another one" });
    let unknown = server.post("/login", unknown).await;
    assert_eq!((wrong.status, &wrong.text), (StatusCode::UNAUTHORIZED, &unknown.text));
    assert_ne!(id_of(&wrong), id_of(&unknown));

    let log = server.log();
    for secret in [EMAIL, PASSWORD, "another one", "no token", "nowhere"] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
}

#[tokio::test]
async fn lines_for_people_name_the_request_too() {
    let folder = tempdir().expect("folder");
    let server = Server::dev(folder.path(), &[]);
    let made = server.post("/register", json!({ "email": EMAIL, "password": PASSWORD })).await;
    let named = format!(" request_id={}", id_of(&made));
    let line = line(&server, &named).await;
    assert!(line.contains("account made") && line.ends_with(&named), "{line}");
    // There is no line for each request unless it is asked for.
    assert!(!server.log().contains("answered"), "{}", server.log());
}

#[tokio::test]
async fn an_id_is_taken_over_from_a_proxy_that_is_believed_and_from_nobody_else() {
    let folder = tempdir().expect("folder");
    let server = Server::dev(folder.path(), &[]);
    let ask = async |server: &Server, id: &str| {
        id_of(&answer(server.request(Method::GET, "/healthz").header("x-request-id", id)).await)
    };
    assert_ne!(ask(&server, "of-a-client").await, "of-a-client");
    drop(server);

    let proxies = ["--http-trusted-proxies", "127.0.0.1/32"];
    let server = Server::dev(folder.path(), &proxies);
    for id in ["of-a-proxy", "A.b_c-9", &"x".repeat(64)] {
        assert_eq!(ask(&server, id).await, id);
    }
    for id in ["", "two words", "a\"b", "a=b", "{}", &"x".repeat(65)] {
        assert_eq!(ask(&server, id).await.len(), 32, "{id}");
    }
    // A proxy that adds its own and leaves the client's is none whose word could be told from the client's.
    let both = server.request(Method::GET, "/healthz").header("x-request-id", "of-a-client");
    assert_eq!(id_of(&answer(both.header("x-request-id", "of-a-proxy")).await).len(), 32);
}
