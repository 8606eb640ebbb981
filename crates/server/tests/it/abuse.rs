//! Bad input of every kind at every route: a clear refusal, never a 5xx, never a hang, nothing kept.

use reqwest::{
    Method,
    header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, ORIGIN},
};
use serde_json::json;
use tempfile::tempdir;

use crate::process::{PASSWORD, Server, answer};

const JSON: &str = "application/json";

fn with(name: &str, value: &serde_json::Value) -> String {
    let mut body = json!({ "email": "a@example.com", "password": PASSWORD });
    body[name] = value.clone();
    body.to_string()
}

#[tokio::test]
async fn every_bad_body_is_named_and_nothing_of_it_is_repeated() {
    let folder = tempdir().expect("folder");
    let server = Server::dev(folder.path(), &[]);
    let send = |path: &str, kind: &str, body: Vec<u8>| {
        answer(server.request(Method::POST, path).header(CONTENT_TYPE, kind).body(body))
    };
    let credentials = json!({ "email": "a@example.com", "password": PASSWORD }).to_string();
    let cases: Vec<(&str, Vec<u8>, u16, &str, &str)> = vec![
        (JSON, b"".to_vec(), 400, "body_malformed", "ends early"),
        (JSON, b"{".to_vec(), 400, "body_malformed", "ends early"),
        (JSON, b"hunter2".to_vec(), 400, "body_malformed", "not JSON"),
        (JSON, b"\"hunter2\"".to_vec(), 422, "body_invalid", "a JSON object"),
        (JSON, b"[\"a@example.com\",\"hunter2\"]".to_vec(), 422, "body_invalid", "a JSON object"),
        (JSON, b"null".to_vec(), 422, "body_invalid", "a JSON object"),
        (
            JSON,
            b"{\"email\":\"a@example.com\",\"password\":\"hunter2\xff\"}".to_vec(),
            400,
            "body_malformed",
            "UTF-8",
        ),
        (JSON, b"\xef\xbb\xbf{}".to_vec(), 400, "body_malformed", "not JSON"),
        (
            JSON,
            b"{\"email\":\"\\ud800\",\"password\":\"hunter2\"}".to_vec(),
            400,
            "body_malformed",
            "not JSON",
        ),
        (JSON, format!("{credentials}x").into_bytes(), 400, "body_malformed", "after its end"),
        (JSON, vec![b'['; 60_000], 422, "body_invalid", "a JSON object"),
        (
            JSON,
            [b"{\"email\":".to_vec(), vec![b'['; 60_000]].concat(),
            422,
            "body_invalid",
            "email",
        ),
        (JSON, with("email", &json!(["hunter2"])).into_bytes(), 422, "body_invalid", "\"email\""),
        (JSON, with("email", &json!(null)).into_bytes(), 422, "body_invalid", "\"email\""),
        (
            JSON,
            with("password", &json!(1_234_567)).into_bytes(),
            422,
            "body_invalid",
            "\"password\"",
        ),
        (
            JSON,
            with("password", &json!({ "hunter2": 1 })).into_bytes(),
            422,
            "body_invalid",
            "\"password\"",
        ),
        (JSON, with("role", &json!("hunter2")).into_bytes(), 422, "body_invalid", "\"role\""),
        (JSON, with("is_admin", &json!(true)).into_bytes(), 422, "body_invalid", "\"is_admin\""),
        (
            JSON,
            json!({ "email": "a@example.com" }).to_string().into_bytes(),
            422,
            "body_invalid",
            "\"password\"",
        ),
        (
            JSON,
            b"{\"email\":\"a@example.com\",\"email\":\"b@example.com\",\"password\":\"hunter2\"}"
                .to_vec(),
            422,
            "body_invalid",
            "\"email\" stands twice",
        ),
        (
            "text/plain",
            credentials.clone().into_bytes(),
            415,
            "content_type_unsupported",
            "application/json",
        ),
        (
            "multipart/form-data; boundary=x",
            credentials.clone().into_bytes(),
            415,
            "content_type_unsupported",
            "application/json",
        ),
        (
            "application/jsonp",
            credentials.clone().into_bytes(),
            415,
            "content_type_unsupported",
            "application/json",
        ),
        (
            JSON,
            [b"{\"email\":\"".to_vec(), vec![b'a'; 1 << 20], b"\"}".to_vec()].concat(),
            413,
            "body_too_large",
            "65536 bytes",
        ),
    ];
    for path in ["/register", "/login", "/login/session"] {
        for (kind, body, status, code, detail) in &cases {
            let start = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
            let answer = send(path, kind, body.clone()).await;
            assert_eq!(
                answer.problem(),
                (*status, (*code).to_owned()),
                "{path} {start}: {}",
                answer.text
            );
            let said = answer.json()["detail"].as_str().expect("a detail").to_owned();
            assert!(said.contains(detail), "{path} {start}: {said}");
            assert!(
                !answer.text.contains("hunter2") && !answer.text.contains("1234567"),
                "{}",
                answer.text
            );
            assert!(!answer.headers.contains_key("set-cookie"));
        }
    }
    // None of them made an account.
    let made = send("/register", JSON, credentials.into_bytes()).await;
    assert_eq!(made.status, 201);
}

#[tokio::test]
async fn what_no_account_can_have_is_refused_with_its_reason() {
    let folder = tempdir().expect("folder");
    let server = Server::dev(folder.path(), &[]);
    for (member, value, code) in [
        ("email", json!(""), "email_invalid"),
        ("email", json!("a"), "email_invalid"),
        ("email", json!("a@b@c"), "email_invalid"),
        ("email", json!("a\u{0}@example.com"), "email_invalid"),
        ("email", json!("\u{212a}ate@example.com"), "email_invalid"),
        ("email", json!("a".repeat(300)), "email_invalid"),
        ("password", json!(""), "password_refused"),
        ("password", json!("gravel7"), "password_refused"),
        ("password", json!("password1234"), "password_refused"),
        ("password", json!("a@example.com"), "password_refused"),
        ("password", json!("x".repeat(129)), "password_refused"),
        ("password", json!("four unrelated\u{0} gravel words"), "password_refused"),
        ("name", json!(""), "name_invalid"),
        ("name", json!("  \t "), "name_invalid"),
        ("name", json!("a\u{0}b"), "name_invalid"),
        ("name", json!("a\u{1b}[31mb"), "name_invalid"),
        ("name", json!("n".repeat(101)), "name_invalid"),
    ] {
        let body: serde_json::Value = serde_json::from_str(&with(member, &value)).expect("JSON");
        let answer = server.post("/register", body).await;
        assert_eq!(answer.problem(), (422, code.to_owned()), "{member} {value}: {}", answer.text);
    }
    // The whole of a long password counts.
    let long = format!("{} end", "gravel words ".repeat(9));
    let body = json!({ "email": "long@example.com", "password": long });
    assert_eq!(server.post("/register", body).await.status, 201);
    let cut = json!({ "email": "long@example.com", "password": &long[..100] });
    assert_eq!(server.post("/login", cut).await.status, 401);
    server.login("long@example.com", &long).await;
}

#[tokio::test]
async fn one_address_has_one_account_however_it_is_spelled() {
    let folder = tempdir().expect("folder");
    let server = Server::dev(folder.path(), &[]);
    server.register("A.b@bücher.example").await;
    for email in ["a.b@bücher.example", "A.B@BÜCHER.example", "a.b@xn--bcher-kva.example"] {
        let body = json!({ "email": email, "password": PASSWORD });
        let again = server.post("/register", body).await;
        assert_eq!(again.problem(), (409, "email_taken".to_owned()), "{email}");
    }
}

#[tokio::test]
async fn paths_methods_and_queries_that_are_not_there_are_refused() {
    let folder = tempdir().expect("folder");
    let server = Server::dev(folder.path(), &[]);
    let token = {
        server.register("a@example.com").await;
        server.login("a@example.com", PASSWORD).await
    };
    for path in
        ["/", "/nothing", "/posts/", "/.well-known/", "/login/", "/%00", "/posts/../me", "//me"]
    {
        let answer = answer(server.request(Method::PUT, path).bearer_auth(&token)).await;
        assert!(answer.status == 404 || answer.status == 405, "{path}: {}", answer.status);
        answer.problem();
    }
    for (method, path, allow) in [
        (Method::GET, "/login", "POST"),
        (Method::GET, "/register", "POST"),
        (Method::GET, "/logout", "POST"),
        (Method::POST, "/me", "GET,HEAD,PATCH"),
        (Method::DELETE, "/posts", "GET,HEAD,POST"),
    ] {
        let answer = answer(server.request(method, path)).await;
        assert_eq!(answer.problem(), (405, "method_not_allowed".to_owned()), "{path}");
        assert_eq!(answer.headers["allow"], allow, "{path}");
    }
    for query in [
        "limit=0",
        "limit=101",
        "limit=x",
        "limit=-1",
        "after=x",
        "limit=1&limit=2",
        "limit=99999999999999999999",
    ] {
        let answer = server.get(&format!("/posts?{query}"), &token).await;
        assert_eq!(answer.problem(), (400, "query_invalid".to_owned()), "{query}");
    }
    for body in [
        json!({}),
        json!({ "title": "t" }),
        json!({ "title": "", "content": "c" }),
        json!({ "title": "t".repeat(201), "content": "c" }),
        json!({ "title": "t\u{0}", "content": "c" }),
        json!({ "title": "t", "content": "\u{0}" }),
        json!({ "title": 1, "content": "c" }),
        json!({ "title": "t", "content": "c", "author_id": "x" }),
    ] {
        let request = server.request(Method::POST, "/posts").bearer_auth(&token).json(&body);
        assert_eq!(answer(request).await.problem(), (422, "body_invalid".to_owned()), "{body}");
    }
}

#[tokio::test]
async fn bad_credentials_of_every_kind_are_refused_at_every_protected_route() {
    let folder = tempdir().expect("folder");
    let server = Server::dev(folder.path(), &[]);
    server.register("a@example.com").await;
    let good = server.login("a@example.com", PASSWORD).await;
    let routes = [
        (Method::GET, "/me"),
        (Method::GET, "/posts"),
        (Method::POST, "/posts"),
        (Method::DELETE, "/posts/1"),
        (Method::POST, "/logout"),
    ];
    for (method, path) in routes {
        for value in [
            "Bearer".to_owned(),
            "Bearer ".to_owned(),
            "Bearer x".to_owned(),
            format!("Bearer {}", ".".repeat(8000)),
            format!("Bearer {}", "a".repeat(9000)),
            format!("Bearer {good}."),
            format!("Bearer {good} {good}"),
            format!("Bearer {}", good.replace('.', "..")),
            format!("Bearer \"{good}\""),
            format!("Basic {good}"),
            good.clone(),
        ] {
            let request = server.request(method.clone(), path).header(AUTHORIZATION, &value);
            let answer = answer(request).await;
            let (status, _) = answer.problem();
            assert_eq!(status, 401, "{path} {value}: {}", answer.text);
            assert!(answer.headers.contains_key("www-authenticate"));
            assert_eq!(answer.headers["cache-control"], "no-store");
        }
        let twice = server
            .request(method.clone(), path)
            .header(AUTHORIZATION, format!("Bearer {good}"))
            .header(AUTHORIZATION, format!("Bearer {good}"));
        assert_eq!(answer(twice).await.problem(), (400, "authorization_repeated".to_owned()));
        let none = answer(server.request(method.clone(), path)).await;
        assert_eq!(none.problem(), (401, "credentials_missing".to_owned()), "{path}");
    }
    // A token in the query or in the body is no credential.
    let query = answer(server.request(Method::GET, &format!("/posts?access_token={good}"))).await;
    assert_eq!(query.problem().1, "credentials_missing");
    let form = server.request(Method::POST, "/posts").form(&[("access_token", &good)]);
    assert_eq!(answer(form).await.problem().1, "credentials_missing");
    for cookie in ["session=", "session=x", "session=0000", "session=%00"] {
        let request = server.request(Method::GET, "/posts").header(COOKIE, cookie);
        assert_eq!(
            answer(request).await.problem(),
            (401, "session_malformed".to_owned()),
            "{cookie}"
        );
    }
    let unknown = format!("session={}", "0".repeat(64));
    let request = server.request(Method::GET, "/posts").header(COOKIE, unknown);
    assert_eq!(answer(request).await.problem(), (401, "session_expired".to_owned()));
}

#[tokio::test]
async fn another_site_can_neither_use_a_session_nor_plant_one() {
    let folder = tempdir().expect("folder");
    let server = Server::dev(folder.path(), &[]);
    server.register("a@example.com").await;
    let cookie = server.login_session("a@example.com", PASSWORD).await;
    let credentials = json!({ "email": "a@example.com", "password": PASSWORD });
    let foreign = [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ];
    for (name, value) in foreign {
        for path in ["/posts", "/logout", "/login/session"] {
            let request = server.request(Method::POST, path).header(COOKIE, &cookie);
            let answer = answer(request.header(name, value).json(&credentials)).await;
            assert_eq!(answer.problem(), (403, "cross_site".to_owned()), "{path} {name}");
        }
        // Without a cookie too: a login that another site sends would sign the victim in as somebody else.
        let request = server.request(Method::POST, "/login/session").header(name, value);
        let answer = answer(request.json(&credentials)).await;
        assert_eq!(answer.problem(), (403, "cross_site".to_owned()));
        assert!(!answer.headers.contains_key("set-cookie"));
    }
    // With the cookie but no word on where it comes from: refused.
    let bare = server.request(Method::POST, "/logout").header(COOKIE, &cookie);
    assert_eq!(answer(bare).await.problem(), (403, "cross_site".to_owned()));
    let own = server.request(Method::POST, "/logout").header(COOKIE, &cookie);
    assert_eq!(answer(own.header(ORIGIN, &server.url)).await.status, 200);
}

#[tokio::test]
async fn scripts_of_other_origins_are_let_in_only_when_listed() {
    let folder = tempdir().expect("folder");
    let closed = Server::dev(folder.path(), &[]);
    let preflight = |server: &Server, origin: &str| {
        let request = server.request(Method::OPTIONS, "/posts").header(ORIGIN, origin);
        let request = request.header("access-control-request-method", "PUT");
        answer(request.header("access-control-request-headers", "authorization, content-type"))
    };
    let allowed = "access-control-allow-origin";
    for origin in ["https://app.example.com", "null", "https://evil.example"] {
        assert!(!preflight(&closed, origin).await.headers.contains_key(allowed));
        let read = closed.request(Method::GET, "/healthz").header(ORIGIN, origin);
        assert!(!answer(read).await.headers.contains_key(allowed));
    }
    closed.kill();

    let origins = ["--http-cors-origins", "https://app.example.com"];
    let open = Server::dev(folder.path(), &origins);
    let listed = preflight(&open, "https://app.example.com").await;
    assert_eq!(listed.headers[allowed], "https://app.example.com");
    assert_eq!(listed.headers["access-control-allow-credentials"], "true");
    // Also what is refused before it reaches a route can be read by the script.
    let big = open.request(Method::POST, "/login").header(ORIGIN, "https://app.example.com");
    let big = answer(big.header(CONTENT_TYPE, JSON).body(vec![b'x'; 1 << 20])).await;
    assert_eq!((big.status.as_u16(), &big.headers[allowed]), (413, &listed.headers[allowed]));
    let names = listed.headers["access-control-allow-headers"].to_str().expect("text");
    assert_eq!(names, "authorization,content-type,x-requested-with");
    let names = big.headers["access-control-expose-headers"].to_str().expect("text");
    assert_eq!(names, "retry-after,www-authenticate,ratelimit,ratelimit-policy");
    for origin in [
        "null",
        "https://evil.example",
        "https://app.example.com.evil.example",
        "http://app.example.com",
    ] {
        assert!(!preflight(&open, origin).await.headers.contains_key(allowed), "{origin}");
    }
}

#[tokio::test]
async fn dev_answers_to_names_of_this_machine_only() {
    let folder = tempdir().expect("folder");
    let server = Server::dev(folder.path(), &[]);
    for host in ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80"] {
        let request = server.request(Method::GET, "/healthz").header("host", host);
        assert_eq!(answer(request).await.problem(), (421, "host_not_allowed".to_owned()), "{host}");
    }
    for host in ["localhost", "localhost:1", "app.localhost", "[::1]:8000", "127.0.0.1"] {
        let request = server.request(Method::GET, "/healthz").header("host", host);
        assert_eq!(answer(request).await.status, 200, "{host}");
    }
}

#[tokio::test]
async fn a_flood_of_bad_input_leaves_the_process_small() {
    let folder = tempdir().expect("folder");
    let server = Server::dev(folder.path(), &[]);
    server.register("a@example.com").await;
    server.login("a@example.com", PASSWORD).await;
    let before = server.peak_memory();
    for round in 0..40 {
        let big = vec![b'x'; 1 << 20];
        let send = |path: &str| {
            answer(server.request(Method::POST, path).header(CONTENT_TYPE, JSON).body(big.clone()))
        };
        for path in ["/register", "/login", "/posts", "/me", "/nothing"] {
            assert_eq!(send(path).await.status, 413, "{path} {round}");
        }
        let token = format!("{}.{}.{}", "a".repeat(2000), "b".repeat(3000), "c".repeat(3000));
        assert_eq!(server.get("/posts", &token).await.status, 401);
    }
    let grown = server.peak_memory().saturating_sub(before);
    assert!(grown < 24 * 1024, "{grown} KiB more than before");
}
