//! What was answered is kept: through kill -9, through restarts.

use std::sync::Arc;

use reqwest::{Method, StatusCode, header::COOKIE};
use serde_json::json;
use tempfile::tempdir;
use tokio::{sync::Semaphore, task::JoinSet};

use crate::process::{PASSWORD, Server, answer};

#[tokio::test]
async fn a_restart_keeps_accounts_keys_tokens_and_sessions() {
    let folder = tempdir().expect("folder");
    let first = Server::dev(folder.path(), &[]);
    let seeded =
        std::fs::read(folder.path().join("dev-accounts.json")).expect("the seeded accounts");
    first.register("a@example.com").await;
    let token = first.login("a@example.com", PASSWORD).await;
    let cookie = first.login_session("a@example.com", PASSWORD).await;
    assert!(first.stop().success());

    let second = Server::dev(folder.path(), &[]);
    assert_eq!(second.get("/posts", &token).await.status, StatusCode::OK);
    let session = second.request(Method::GET, "/posts").header(COOKIE, &cookie);
    assert_eq!(answer(session).await.status, StatusCode::OK);
    second.login("a@example.com", PASSWORD).await;
    let again =
        std::fs::read(folder.path().join("dev-accounts.json")).expect("the seeded accounts");
    assert_eq!(seeded, again);
}

#[tokio::test]
async fn kill_9_during_200_registrations_loses_none_that_was_answered() {
    let folder = tempdir().expect("folder");
    // One address registers hundreds of times.
    let unlimited = ["--limits-enabled", "false"];
    let server = Server::dev(folder.path(), &unlimited);
    let open = Arc::new(Semaphore::new(32));
    let mut tasks = JoinSet::new();
    for number in 0..200 {
        let email = format!("user{number}@example.com");
        let body = json!({ "email": email, "password": PASSWORD });
        let request = server.request(Method::POST, "/register").json(&body);
        let open = Arc::clone(&open);
        tasks.spawn(async move {
            let _permit = open.acquire_owned().await.expect("open");
            loop {
                let again = request.try_clone().expect("a body that is there");
                match again.send().await.map(|answer| answer.status().as_u16()) {
                    Ok(201) => return Some(email),
                    // A machine with other work hashes slowly, and says when to come back.
                    Ok(503) => tokio::time::sleep(std::time::Duration::from_millis(100)).await,
                    _ => return None,
                }
            }
        });
    }
    let mut answered = Vec::new();
    // Half of them are answered, then the process dies in the middle of the rest.
    while answered.len() < 100 {
        let done = tasks.join_next().await.expect("more to come").expect("a task");
        answered.extend(done);
    }
    server.kill();
    while let Some(done) = tasks.join_next().await {
        answered.extend(done.expect("a task"));
    }
    assert!((100..200).contains(&answered.len()), "killed in the middle: {}", answered.len());

    let server = Server::dev(folder.path(), &unlimited);
    for email in &answered {
        let body = json!({ "email": email, "password": PASSWORD });
        let again = server.post("/register", body).await;
        assert_eq!(again.problem(), (409, "email_taken".to_owned()), "{email} was lost");
    }
    // Whole, not half: the password is there as well.
    for email in answered.iter().step_by(20) {
        server.login(email, PASSWORD).await;
    }
}
