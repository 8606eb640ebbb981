//! The order of the gates that docs/concepts/a-request.md promises: of two faults, the one of the earlier gate answers.

use reqwest::{
    Method, RequestBuilder,
    header::{CONTENT_TYPE, COOKIE, HOST},
};
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::process::{Answer, Server, answer};

async fn code(request: RequestBuilder) -> (u16, String) {
    answer(request).await.problem()
}

fn judged(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[tokio::test]
async fn of_two_faults_the_one_of_the_earlier_gate_answers() {
    let folder = tempdir().expect("folder");
    let server = Server::dev(folder.path(), &["--limits-enabled", "false"]);
    let accounts =
        std::fs::read_to_string(folder.path().join("dev-accounts.json")).expect("accounts");
    let accounts: Value = serde_json::from_str(&accounts).expect("JSON");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let [user, admin] =
        [0, 1].map(|of| (text(&accounts[of]["email"]), text(&accounts[of]["password"])));
    let user_token = server.login(&user.0, &user.1).await;
    let admin_token = server.login(&admin.0, &admin.1).await;
    let large = || "x".repeat(70_000);
    let post = |path: &str| server.request(Method::POST, path);
    let bad = |request: RequestBuilder| {
        request.header(CONTENT_TYPE, "application/json").body(r#"{"unknown":1}"#)
    };

    // Host before body.
    let strange = post("/posts").header(HOST, "evil.example").body(large());
    assert_eq!(code(strange).await, judged(421, "host_not_allowed"));
    // Body before route.
    assert_eq!(code(post("/nowhere").body(large())).await, judged(413, "body_too_large"));
    // Route before caller.
    let nowhere = post("/nowhere").bearer_auth("no token");
    assert_eq!(code(nowhere).await, judged(404, "not_found"));
    let method = server.request(Method::DELETE, "/login").bearer_auth("no token");
    assert_eq!(code(method).await, judged(405, "method_not_allowed"));
    // Caller before meaning, with a bad credential and with none.
    let refused = bad(post("/posts")).bearer_auth("no token");
    assert_eq!(code(refused).await, judged(401, "token_malformed"));
    assert_eq!(code(bad(post("/posts"))).await, judged(401, "credentials_missing"));
    // Role before meaning, meaning after both.
    let role = bad(post("/admin/users")).bearer_auth(&user_token);
    assert_eq!(code(role).await, judged(403, "insufficient_scope"));
    let meaning = bad(post("/admin/users")).bearer_auth(&admin_token);
    assert_eq!(code(meaning).await, judged(422, "body_invalid"));
    // Meaning before rule.
    let taken = json!({ "email": user.0, "password": "four unrelated gravel words", "more": 1 });
    let rule = post("/admin/users").bearer_auth(&admin_token).json(&taken);
    assert_eq!(code(rule).await, judged(422, "body_invalid"));
}

#[tokio::test]
async fn a_header_is_looked_at_alone_and_a_cookie_by_where_it_comes_from_first() {
    let folder = tempdir().expect("folder");
    let server = Server::dev(folder.path(), &["--limits-enabled", "false"]);
    let ask = |method: Method| server.request(method, "/posts");
    let cookie = "session=not-of-this-form";

    // A cookie of another site is refused before it is read, and a header is read in its place.
    let foreign = ask(Method::POST).header(COOKIE, cookie).header("sec-fetch-site", "cross-site");
    assert_eq!(code(foreign).await, judged(403, "cross_site"));
    let both = ask(Method::POST)
        .header(COOKIE, cookie)
        .header("sec-fetch-site", "cross-site")
        .bearer_auth("no token");
    assert_eq!(code(both).await, judged(401, "token_malformed"));
    let own = ask(Method::POST).header(COOKIE, cookie).header("sec-fetch-site", "same-origin");
    assert_eq!(code(own).await, judged(401, "session_malformed"));
    let reads = ask(Method::GET).header(COOKIE, cookie).header("sec-fetch-site", "cross-site");
    assert_eq!(code(reads).await, judged(401, "session_malformed"));
    let two = ask(Method::POST)
        .header(COOKIE, "session=a; session=b")
        .header("sec-fetch-site", "cross-site");
    assert_eq!(code(two).await, judged(401, "session_ambiguous"));

    // Signing in looks at no header.
    let login = server
        .request(Method::POST, "/login")
        .bearer_auth("no token")
        .json(&json!({ "email": "nobody@example.com", "password": "four unrelated gravel words" }));
    assert_eq!(code(login).await, judged(401, "invalid_credentials"));
    // The cross-site rule stands before the body, and the body before the password.
    let session = |site: &str, body: Value| {
        let request = server.request(Method::POST, "/login/session");
        request.header("sec-fetch-site", site.to_owned()).json(&body)
    };
    assert_eq!(code(session("cross-site", json!({}))).await, judged(403, "cross_site"));
    assert_eq!(code(session("same-origin", json!({}))).await, judged(422, "body_invalid"));
    let nobody: Answer = answer(server.request(Method::GET, "/posts")).await;
    assert_eq!(nobody.problem(), judged(401, "credentials_missing"));
}
