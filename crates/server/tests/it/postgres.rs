//! `serve` on PostgreSQL: several instances with nothing but the database in common.

use std::process::Command;

use auth::testing::{Place, master_key};
use reqwest::{
    Method, StatusCode,
    header::{COOKIE, ORIGIN},
};
use tempfile::{TempDir, tempdir};

use crate::process::{PASSWORD, Server, answer, countersign, secret_file};

fn serve(place: &Place, folder: &TempDir, more: &[&str]) -> Command {
    let mut command = countersign();
    command.args(["serve", "--listen", "127.0.0.1:0", "--database-url", &place.url]);
    command.arg("--data-dir").arg(folder.path().join("unused")).args(more);
    command
}

#[tokio::test]
async fn instances_share_accounts_keys_and_sessions() {
    let Some(place) = Place::postgres().await else { return };
    let folder = tempdir().expect("folder");
    let master = secret_file(folder.path(), "master", &master_key(1));
    let options = ["--keys-master-key-file", master.to_str().expect("a path")];
    // Both start on an empty database at once.
    let start = || {
        let command = serve(&place, &folder, &options);
        tokio::task::spawn_blocking(move || Server::start(command))
    };
    let (one, two) = tokio::join!(start(), start());
    let (one, two) = (one.expect("started"), two.expect("started"));

    one.register("a@example.com").await;
    let token = one.login("a@example.com", PASSWORD).await;
    assert_eq!(two.get("/me", &token).await.status, StatusCode::OK);
    let cookie = two.login_session("a@example.com", PASSWORD).await;
    let me = |server: &Server| answer(server.request(Method::GET, "/me").header(COOKIE, &cookie));
    assert_eq!(me(&one).await.status, StatusCode::OK);
    let logout = one.request(Method::POST, "/logout").header(COOKIE, &cookie);
    assert_eq!(answer(logout.header(ORIGIN, &one.url)).await.status, StatusCode::OK);
    for server in [&one, &two] {
        assert_eq!(me(server).await.problem(), (401, "session_expired".to_owned()));
    }

    let keys = place.db.all("SELECT sealed, material FROM keys", []).await.expect("keys");
    assert_eq!(keys.len(), 1, "one of the two made it");
    assert!(keys[0].get::<bool>("sealed").expect("a flag"));
    assert_eq!(keys[0].get::<Vec<u8>>("material").expect("bytes").len(), 12 + 64 + 16);
    assert!(one.stop().success() && two.stop().success());
    place.remove().await;
}

#[tokio::test]
async fn a_database_that_goes_away_is_503_and_tokens_go_on() {
    let Some(place) = Place::postgres().await else { return };
    let folder = tempdir().expect("folder");
    let secret = secret_file(folder.path(), "secret", "k8Jq2vXr7TzLw0NfYbHdGm4sPcEa9UiO");
    let options = ["--secret-file", secret.to_str().expect("a path")];
    let server = Server::start(serve(&place, &folder, &options));
    server.register("a@example.com").await;
    let token = server.login("a@example.com", PASSWORD).await;
    assert_eq!(answer(server.request(Method::GET, "/readyz")).await.status, StatusCode::OK);
    place.remove().await;

    let me = server.get("/me", &token).await;
    assert_eq!(me.problem(), (503, "storage_unavailable".to_owned()));
    assert!(me.headers.contains_key("retry-after"));
    // The token itself is still told from a bad one, without a database.
    let bad = server.get("/me", &format!("{token}A")).await;
    assert_eq!(bad.status, StatusCode::UNAUTHORIZED);
    assert_eq!(answer(server.request(Method::GET, "/healthz")).await.status, StatusCode::OK);
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    let ready = answer(server.request(Method::GET, "/readyz")).await;
    assert_eq!(ready.problem(), (503, "storage_unavailable".to_owned()));
    assert!(server.stop().success());
}
