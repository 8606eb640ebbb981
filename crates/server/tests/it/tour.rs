//! The main job: credentials, a token or a session, `/posts`.

use reqwest::{
    Method, StatusCode,
    header::{AUTHORIZATION, COOKIE, ORIGIN},
};
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::process::{
    Answer, PASSWORD, Server, answer, base64url, base64url_decode, forge, secret_file,
};

fn header_and_payload(token: &str) -> (Value, Value) {
    let parts: Vec<&str> = token.split('.').collect();
    let read = |part| serde_json::from_str(&base64url_decode(part)).expect("JSON");
    (read(parts[0]), read(parts[1]))
}

fn refused(answer: &Answer, code: &str) {
    assert_eq!(answer.problem(), (401, code.to_owned()), "{}", answer.text);
    let challenge = answer.headers["www-authenticate"].to_str().expect("text");
    if code == "credentials_missing" {
        assert_eq!(challenge, r#"Bearer realm="countersign""#);
    } else {
        assert!(challenge.starts_with(r#"Bearer error="invalid_token", error_description=""#));
    }
}

#[tokio::test]
async fn register_log_in_write_and_read_posts() {
    let folder = tempdir().expect("folder");
    let server = Server::dev(folder.path(), &[]);

    let body = json!({ "email": "Some.One@Example.com", "password": PASSWORD, "name": "Some One" });
    let made = server.post("/register", body).await;
    assert_eq!(made.status, StatusCode::CREATED);
    let account = made.json();
    assert_eq!(account["email"], "some.one@example.com");
    assert_eq!(account["name"], "Some One");
    assert_eq!(account["roles"], json!(["user"]));
    assert!(account["created_at"].is_i64());
    assert_eq!(account.as_object().expect("object").len(), 5);

    let login = server
        .post("/login", json!({ "email": "some.one@EXAMPLE.com", "password": PASSWORD }))
        .await;
    assert_eq!(login.status, StatusCode::OK);
    assert_eq!(login.headers["cache-control"], "no-store");
    let tokens = login.json();
    assert_eq!((&tokens["token_type"], &tokens["expires_in"]), (&json!("Bearer"), &json!(600)));
    let token = tokens["access_token"].as_str().expect("a token");
    assert!(token.len() < 500, "{}", token.len());

    let (header, payload) = header_and_payload(token);
    assert_eq!((&header["alg"], &header["typ"]), (&json!("HS256"), &json!("JWT")));
    assert_eq!(header["kid"].as_str().expect("a kid").len(), 12);
    assert_eq!(header.as_object().expect("object").len(), 3);
    let members: Vec<&str> =
        payload.as_object().expect("object").keys().map(String::as_str).collect();
    assert_eq!(members, ["aud", "exp", "gen", "iat", "iss", "jti", "name", "roles", "sid", "sub"]);
    assert_eq!((&payload["iss"], &payload["aud"]), (&json!("countersign"), &json!("countersign")));
    assert_eq!((&payload["sub"], &payload["name"]), (&account["id"], &json!("Some One")));
    assert_eq!(payload["exp"].as_i64().expect("exp") - payload["iat"].as_i64().expect("iat"), 600);

    let empty = server.get("/posts", token).await;
    assert_eq!((empty.status.as_u16(), empty.json()), (200, json!({ "items": [], "next": null })));
    for title in ["first", "second"] {
        let body = json!({ "title": title, "content": "…" });
        let made =
            answer(server.request(Method::POST, "/posts").bearer_auth(token).json(&body)).await;
        assert_eq!(made.status, StatusCode::CREATED);
        assert_eq!(made.json()["author_name"], "Some One");
        assert_eq!(made.json()["author_id"], account["id"]);
    }
    let list = server.get("/posts", token).await.json();
    let titles: Vec<&Value> =
        list["items"].as_array().expect("items").iter().map(|post| &post["title"]).collect();
    assert_eq!(titles, ["second", "first"], "newest first");
    let page = server.get("/posts?limit=1", token).await.json();
    let next = page["next"].as_str().expect("a cursor");
    let rest = server.get(&format!("/posts?limit=1&after={next}"), token).await.json();
    assert_eq!((&rest["items"][0]["title"], &rest["next"]), (&json!("first"), &Value::Null));

    let me = server.get("/me", token).await;
    assert_eq!((me.status.as_u16(), me.json()), (200, account));
    assert_eq!(me.headers["cache-control"], "no-store");
}

#[tokio::test]
async fn a_token_that_was_altered_in_any_way_is_refused() {
    let folder = tempdir().expect("folder");
    let server = Server::dev(folder.path(), &[]);
    server.register("a@example.com").await;
    let token = server.login("a@example.com", PASSWORD).await;
    assert_eq!(server.get("/posts", &token).await.status, StatusCode::OK);

    refused(&answer(server.request(Method::GET, "/posts")).await, "credentials_missing");

    let promoted = forge(&token, |payload| payload.replace(r#"["user"]"#, r#"["admin"]"#));
    refused(&server.get("/posts", &promoted).await, "signature_invalid");

    let payload = token.split('.').nth(1).expect("a payload");
    for alg in ["none", "None", "NONE", "nOnE", "RS256", "HS384", "hs256", ""] {
        let header = base64url(json!({ "alg": alg, "typ": "JWT" }).to_string().as_bytes());
        refused(&server.get("/posts", &format!("{header}.{payload}.")).await, "algorithm_mismatch");
    }

    let (head, signature) = token.rsplit_once('.').expect("three parts");
    for (place, letter) in signature.char_indices() {
        let other = if letter == 'A' { 'B' } else { 'A' };
        let changed = format!("{head}.{}{other}{}", &signature[..place], &signature[place + 1..]);
        let answer = server.get("/posts", &changed).await;
        let (status, code) = answer.problem();
        assert_eq!(status, 401);
        assert!(code == "signature_invalid" || code == "token_malformed", "{code}");
    }

    let foreign = tempdir().expect("folder");
    let other = Server::dev(foreign.path(), &[]);
    refused(&other.get("/posts", &token).await, "unknown_key");
    // The same kid, another secret: the signature tells.
    let header = token.split('.').next().expect("a header");
    other.register("a@example.com").await;
    let theirs = other.login("a@example.com", PASSWORD).await;
    let stolen_kid = format!("{header}.{}", theirs.split_once('.').expect("two dots").1);
    refused(&server.get("/posts", &stolen_kid).await, "signature_invalid");
}

#[tokio::test]
async fn an_expired_token_is_refused() {
    let folder = tempdir().expect("folder");
    let server =
        Server::dev(folder.path(), &["--tokens-access-lifetime", "1s", "--tokens-leeway", "0s"]);
    server.register("a@example.com").await;
    let token = server.login("a@example.com", PASSWORD).await;
    // That it is good until then is shown on a clock that stands still, in auth's tests.
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    refused(&server.get("/posts", &token).await, "token_expired");
}

#[tokio::test]
async fn a_session_works_until_logout_in_both_stores() {
    for store in ["database", "memory"] {
        let folder = tempdir().expect("folder");
        let server = Server::dev(folder.path(), &["--sessions-store", store]);
        server.register("a@example.com").await;
        let body = json!({ "email": "a@example.com", "password": PASSWORD });
        let begun = server.post("/login/session", body).await;
        assert_eq!(begun.status, StatusCode::OK);
        assert_eq!(begun.json()["email"], "a@example.com");
        let flags = begun.headers["set-cookie"].to_str().expect("text");
        let (cookie, flags) = flags.split_once("; ").expect("flags");
        assert_eq!(flags, "HttpOnly; SameSite=Lax; Path=/");
        assert!(cookie.starts_with("session=") && cookie.len() > 30);

        let posts =
            |cookie: String| answer(server.request(Method::GET, "/posts").header(COOKIE, cookie));
        assert_eq!(posts(cookie.to_owned()).await.status, StatusCode::OK);
        let write = |origin: &str| {
            let request = server.request(Method::POST, "/posts").header(COOKIE, cookie);
            answer(request.header(ORIGIN, origin).json(&json!({ "title": "t", "content": "c" })))
        };
        assert_eq!(write(&server.url).await.status, StatusCode::CREATED);
        assert_eq!(write("https://evil.example").await.problem(), (403, "cross_site".to_owned()));

        // A second login under the first one's cookie ends the first: no fixation.
        let body = json!({ "email": "a@example.com", "password": PASSWORD });
        let request = server.request(Method::POST, "/login/session").header(COOKIE, cookie);
        let again = answer(request.header(ORIGIN, &server.url).json(&body)).await;
        assert_eq!(again.status, StatusCode::OK);
        let second = again.headers["set-cookie"].to_str().expect("text");
        let second = second.split(';').next().expect("a cookie").to_owned();
        assert_ne!(second, cookie);
        refused(&posts(cookie.to_owned()).await, "session_expired");
        assert_eq!(posts(second.clone()).await.status, StatusCode::OK);

        let both = format!("{cookie}; {second}");
        refused(&posts(both).await, "session_ambiguous");

        let logout = |cookie: &str| {
            let request = server.request(Method::POST, "/logout").header(COOKIE, cookie);
            answer(request.header(ORIGIN, &server.url))
        };
        let ended = logout(&second).await;
        assert_eq!(ended.status, StatusCode::OK);
        assert_eq!(ended.json()["revoked"].as_array().expect("ids").len(), 1);
        assert!(ended.headers["set-cookie"].to_str().expect("text").contains("Max-Age=0"));
        refused(&posts(second.clone()).await, "session_expired");
        // Logging out of a session that is dead already is no error.
        let again = logout(&second).await;
        assert_eq!((again.status.as_u16(), &again.json()["revoked"]), (200, &json!([])));
    }
}

#[tokio::test]
async fn only_the_author_or_an_admin_changes_a_post() {
    let folder = tempdir().expect("folder");
    let server = Server::dev(folder.path(), &[]);
    let seeded: Value = serde_json::from_slice(
        &std::fs::read(folder.path().join("dev-accounts.json")).expect("the seeded accounts"),
    )
    .expect("JSON");
    server.register("a@example.com").await;
    server.register("b@example.com").await;
    let author = server.login("a@example.com", PASSWORD).await;
    let other = server.login("b@example.com", PASSWORD).await;
    let admin = seeded[1]["password"].as_str().expect("a password");
    let admin = server.login("admin@example.com", admin).await;

    let body = json!({ "title": "mine", "content": "…" });
    let post =
        answer(server.request(Method::POST, "/posts").bearer_auth(&author).json(&body)).await;
    let id = post.json()["id"].as_str().expect("an id").to_owned();
    let path = format!("/posts/{id}");
    let change = |token: &str, title: &str| {
        let body = json!({ "title": title, "content": "…" });
        answer(server.request(Method::PUT, &path).bearer_auth(token).json(&body))
    };
    let remove =
        |token: &str, path: &str| answer(server.request(Method::DELETE, path).bearer_auth(token));

    assert_eq!(change(&other, "theirs").await.problem(), (403, "forbidden".to_owned()));
    assert_eq!(remove(&other, &path).await.problem(), (403, "forbidden".to_owned()));
    assert_eq!(server.get(&path, &other).await.json()["title"], "mine");
    assert_eq!(change(&author, "still mine").await.json()["title"], "still mine");
    assert_eq!(change(&admin, "moderated").await.json()["title"], "moderated");
    assert_eq!(remove(&admin, &path).await.status, StatusCode::NO_CONTENT);
    assert_eq!(server.get(&path, &author).await.problem(), (404, "not_found".to_owned()));
    assert_eq!(change(&author, "gone").await.problem(), (404, "not_found".to_owned()));
    for path in ["/posts/1", "/posts/x", "/posts/00000000-0000-0000-0000-000000000000"] {
        assert_eq!(remove(&author, path).await.problem(), (404, "not_found".to_owned()));
    }
}

#[tokio::test]
async fn the_form_that_oauth_clients_send_logs_in() {
    let folder = tempdir().expect("folder");
    let server = Server::dev(folder.path(), &[]);
    server.register("a@example.com").await;
    let form =
        |fields: &[(&str, &str)]| answer(server.request(Method::POST, "/login").form(fields));
    let credentials = [("username", "a@example.com"), ("password", PASSWORD)];
    assert_eq!(form(&credentials).await.status, StatusCode::OK);
    let more =
        [("grant_type", "password"), ("scope", ""), ("client_id", "x"), ("client_secret", "")];
    assert_eq!(form(&[&credentials[..], &more].concat()).await.status, StatusCode::OK);
    assert_eq!(
        form(&[&credentials[..], &[("grant_type", "")]].concat()).await.status,
        StatusCode::OK
    );

    let other = form(&[&credentials[..], &[("grant_type", "client_credentials")]].concat()).await;
    assert_eq!(other.problem(), (400, "grant_unsupported".to_owned()));
    assert_eq!(other.json()["error"], "unsupported_grant_type");
    let twice = form(&[&credentials[..], &[("username", "b@example.com")]].concat()).await;
    assert_eq!(twice.problem(), (422, "body_invalid".to_owned()));
    assert_eq!(form(&credentials[..1]).await.problem().0, 422);

    // Documentation pages send an empty Basic header along.
    let request = server.request(Method::POST, "/login").header(AUTHORIZATION, "Basic Og==");
    assert_eq!(answer(request.form(&credentials)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_account_answer_the_same() {
    let folder = tempdir().expect("folder");
    let server = Server::dev(folder.path(), &[]);
    server.register("a@example.com").await;
    for path in ["/login", "/login/session"] {
        let ask = |email: &str, password: &str| {
            server.post(path, json!({ "email": email, "password": password }))
        };
        let wrong = ask("a@example.com", "wrong gravel unrelated words").await;
        assert_eq!(wrong.problem(), (401, "invalid_credentials".to_owned()));
        assert_eq!(wrong.json()["error"], "invalid_grant");
        assert!(wrong.json()["error_description"].is_string());
        let long = "x".repeat(5000);
        for (email, password) in [
            ("b@example.com", PASSWORD),
            ("not an address", PASSWORD),
            ("a@example.com", ""),
            ("a@example.com", &*long),
            ("a@example.com", "with\0nul and more"),
        ] {
            let other = ask(email, password).await;
            assert_eq!(other.text, wrong.text);
            assert_eq!(other.status, wrong.status);
            let names = |answer: &Answer| answer.headers.keys().cloned().collect::<Vec<_>>();
            assert_eq!(names(&other), names(&wrong));
        }
    }
}

#[tokio::test]
async fn the_mode_switches_logins_off_and_leaves_credentials_good() {
    let folder = tempdir().expect("folder");
    let both = Server::dev(folder.path(), &[]);
    both.register("a@example.com").await;
    let token = both.login("a@example.com", PASSWORD).await;
    let cookie = both.login_session("a@example.com", PASSWORD).await;
    both.kill();
    let body = json!({ "email": "a@example.com", "password": PASSWORD });
    for (mode, off) in [("session", "/login"), ("jwt", "/login/session")] {
        let server = Server::dev(folder.path(), &["--auth-mode", mode]);
        assert_eq!(
            server.post(off, body.clone()).await.problem(),
            (404, "mode_disabled".to_owned())
        );
        assert_eq!(server.get("/posts", &token).await.status, StatusCode::OK);
        let posts = server.request(Method::GET, "/posts").header(COOKIE, &cookie);
        assert_eq!(answer(posts).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn the_key_set_is_public_cacheable_and_without_secrets() {
    let folder = tempdir().expect("folder");
    let server = Server::dev(folder.path(), &[]);
    let keys = answer(server.request(Method::GET, "/.well-known/jwks.json")).await;
    assert_eq!((keys.status.as_u16(), &*keys.text), (200, r#"{"keys":[]}"#));
    assert_eq!(keys.headers["cache-control"], "public, max-age=600, stale-if-error=86400");
    let etag = keys.headers["etag"].clone();
    let again = server.request(Method::GET, "/.well-known/jwks.json").header("if-none-match", etag);
    assert_eq!(answer(again).await.status, StatusCode::NOT_MODIFIED);
}

#[tokio::test]
async fn the_log_carries_no_secret() {
    let folder = tempdir().expect("folder");
    let secret = "k8Jq2vXr7TzLw0NfYbHdGm4sPcEa9UiO";
    let file = secret_file(folder.path(), "secret", secret);
    let file = file.to_str().expect("a path");
    for format in ["text", "json"] {
        let data = tempdir().expect("folder");
        let options = ["--secret-file", file, "--log-level", "trace", "--log-format", format];
        let server = Server::dev(data.path(), &options);
        server.register("a@example.com").await;
        let token = server.login("a@example.com", PASSWORD).await;
        let cookie = server.login_session("a@example.com", PASSWORD).await;
        server.get("/posts", &token).await;
        server.get("/posts", &format!("{token}x")).await;
        answer(server.request(Method::GET, "/posts").header(COOKIE, &cookie)).await;
        server
            .post("/login", json!({ "email": "a@example.com", "password": "wrong gravel" }))
            .await;
        server.post("/login", json!({ "email": "a@example.com", "pasword": PASSWORD })).await;
        let log = server.log();
        assert!(log.contains("account made"), "{log}");
        let signature = token.rsplit('.').next().expect("a signature");
        for leak in [PASSWORD, "wrong gravel", signature, &cookie["session=".len()..], secret] {
            assert!(!log.contains(leak), "{leak} in {log}");
        }
    }
}
