//! The page that looks into tokens, and the tokens that `dev` makes to be refused.

use reqwest::{
    Method,
    header::{ACCEPT, COOKIE, ORIGIN},
};
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::process::{Answer, PASSWORD, Server, answer, base64url_decode, countersign};

fn payload(token: &str) -> Value {
    let part = token.split('.').nth(1).expect("a payload");
    serde_json::from_str(&base64url_decode(part)).expect("JSON")
}

async fn page(server: &Server) -> Answer {
    let request = server.request(Method::GET, "/debugger").header(ACCEPT, "text/html");
    answer(request).await
}

/// What the script is told, as it stands in the page.
fn known(page: &str) -> Value {
    let (_, rest) = page.split_once("data-site=\"").expect("the data");
    let (text, _) = rest.split_once('"').expect("its end");
    let text = text.replace("&#34;", "\"").replace("&#60;", "<").replace("&#62;", ">");
    serde_json::from_str(&text.replace("&#39;", "'").replace("&#38;", "&")).expect("JSON")
}

fn serve(arguments: &[&str]) -> (tempfile::TempDir, Server) {
    let folder = tempdir().expect("folder");
    let mut command = countersign();
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(folder.path().join("data"));
    command.args(arguments);
    let server = Server::start(command);
    (folder, server)
}

#[tokio::test]
async fn the_debugger_is_told_public_keys_and_rules_and_nothing_of_the_secret() {
    let folder = tempdir().expect("folder");
    let server = Server::dev(folder.path(), &["--tokens-algorithm", "ES256"]);
    let found = page(&server).await;
    assert_eq!(found.status, 200);
    let policy = found.headers["content-security-policy"].to_str().expect("text");
    assert!(policy.contains("script-src 'self';") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(found.headers["cache-control"], "no-store");
    assert!(
        found.text.contains("countersign token explain -"),
        "without scripts it names the command"
    );
    let told = known(&found.text);
    let published = answer(server.request(Method::GET, "/.well-known/jwks.json")).await.json();
    assert_eq!(told["keys"], published["keys"]);
    assert_eq!(told["keys"].as_array().map(Vec::len), Some(1));
    assert_eq!((&told["secret"], &told["tokens"]), (&Value::Null, &json!("/dev/tokens")));
    assert_eq!(told["elsewhere"]["EdDSA"]["refused_by"].as_array().map(Vec::len), Some(4));
    drop(server);

    let folder = tempdir().expect("folder");
    let server = Server::dev(folder.path(), &[]);
    let told = known(&page(&server).await.text);
    assert_eq!((&told["keys"], &told["secret"]), (&json!([]), &json!("HS256")));
    let program = answer(server.request(Method::GET, "/debugger")).await;
    assert_eq!(program.problem(), (405, "method_not_allowed".to_owned()));
}

#[tokio::test]
async fn the_debugger_is_in_production_only_where_docs_are_and_makes_no_tokens_there() {
    let (_folder, server) = serve(&[]);
    assert_eq!(page(&server).await.status, 404);
    let program = answer(server.request(Method::GET, "/debugger")).await;
    assert_eq!(program.problem(), (404, "not_found".to_owned()));
    drop(server);

    let (_folder, server) = serve(&["--http-docs", "true"]);
    let found = page(&server).await;
    assert_eq!(
        (found.status, &known(&found.text)["tokens"]),
        (200.try_into().expect("a status"), &Value::Null)
    );
    let made = server.post("/dev/tokens", json!({ "kind": "expired" })).await;
    assert_eq!(made.problem(), (404, "not_found".to_owned()));
}

#[tokio::test]
async fn dev_signs_tokens_that_are_refused_for_the_flaw_that_was_asked_for() {
    for algorithm in ["HS256", "ES256"] {
        let folder = tempdir().expect("folder");
        let server = Server::dev(folder.path(), &["--tokens-algorithm", algorithm]);
        server.register("a@example.com").await;
        let token = server.login("a@example.com", PASSWORD).await;
        let make = async |kind: &str| {
            let request = server.request(Method::POST, "/dev/tokens").bearer_auth(&token);
            answer(request.json(&json!({ "kind": kind }))).await
        };
        for (kind, code) in [("expired", "token_expired"), ("wrong_audience", "audience_mismatch")]
        {
            let made = make(kind).await;
            assert_eq!(
                (made.status.as_u16(), &made.headers["cache-control"]),
                (201, &"no-store".parse().expect("a value"))
            );
            let flawed = made.json()["access_token"].as_str().expect("a token").to_owned();
            assert_eq!(server.get("/me", &flawed).await.problem(), (401, code.to_owned()));
            let (own, other) = (payload(&token), payload(&flawed));
            for same in ["iss", "sub", "sid", "roles", "gen"] {
                assert_eq!(own[same], other[same], "{same}");
            }
            assert_ne!(own["jti"], other["jti"]);
        }
        let wrong = make("unsigned").await;
        assert_eq!(wrong.problem(), (422, "body_invalid".to_owned()));
        assert_eq!(server.get("/me", &token).await.status, 200, "the own one is as good as before");
    }
}

#[tokio::test]
async fn flawed_tokens_are_made_for_who_is_signed_in_alone() {
    let folder = tempdir().expect("folder");
    let server = Server::dev(folder.path(), &[]);
    let nobody = server.post("/dev/tokens", json!({ "kind": "expired" })).await;
    assert_eq!(nobody.problem(), (401, "credentials_missing".to_owned()));
    server.register("a@example.com").await;
    let cookie = server.login_session("a@example.com", PASSWORD).await;
    let request = || {
        let request = server.request(Method::POST, "/dev/tokens").header(COOKIE, &cookie);
        request.json(&json!({ "kind": "expired" }))
    };
    let site = request().header(ORIGIN, "https://evil.example");
    assert_eq!(answer(site).await.problem(), (403, "cross_site".to_owned()));
    let made = answer(request().header(ORIGIN, &server.url)).await;
    assert_eq!(made.status, 201);
    let flawed = made.json()["access_token"].as_str().expect("a token").to_owned();
    assert_eq!(server.get("/me", &flawed).await.problem(), (401, "token_expired".to_owned()));
}
