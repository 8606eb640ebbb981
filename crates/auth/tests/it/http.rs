//! The routes over the real router, as snapshots.

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, header},
};
use countersign_auth::testing::{PASSWORD, Place, TestAuth};
use serde_json::{Value, json};
use tower::ServiceExt;

pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) request_id: Option<String>,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

pub(crate) async fn ask(app: &Router, request: Request<Body>) -> Answer {
    let response = app.clone().oneshot(request).await.expect("infallible");
    let (mut parts, body) = response.into_parts();
    let bytes = to_bytes(body, 1 << 20).await.expect("a body");
    // It is another one each time; an application's own routes have none.
    let request_id = parts.headers.remove("x-request-id");
    let request_id = request_id.map(|id| id.to_str().expect("text").to_owned());
    let mut headers: Vec<(String, String)> = parts
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().expect("text").to_owned()))
        .collect();
    headers.sort();
    headers.retain(|(name, _)| name != "content-length");
    let mut body: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    // So it is in a problem, which names its request; one of a login does not, so that it is the same for everybody.
    if let Some(id) = body.as_object_mut().and_then(|body| body.remove("request_id")) {
        assert_eq!((id.as_str(), id.is_string()), (request_id.as_deref(), true));
    } else if body.get("code").is_some_and(|code| code != "invalid_credentials") {
        assert_eq!(request_id, None, "{body}");
    }
    Answer { status: parts.status.as_u16(), headers, request_id, body }
}

pub(crate) fn post(path: &str, body: &Value) -> Request<Body> {
    Request::post(path)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body.to_string()))
        .expect("a request")
}

pub(crate) fn get(path: &str, name: header::HeaderName, value: &str) -> Request<Body> {
    Request::get(path).header(name, value).body(Body::empty()).expect("a request")
}

/// Hides what differs from run to run.
fn masked(answer: &Answer) -> String {
    let mut body = answer.body.clone();
    for member in ["id", "access_token", "refresh_token"] {
        if let Some(value) = body.get_mut(member) {
            *value = json!(format!("[{member}]"));
        }
    }
    if let Some(revoked) = body.get_mut("revoked").and_then(Value::as_array_mut) {
        revoked.fill(json!("[sid]"));
    }
    let headers: Vec<String> = answer
        .headers
        .iter()
        .map(|(name, value)| match value.split_once("session=") {
            Some((_, rest)) if rest.len() > 64 => {
                format!("{name}: session=[secret]{}", &rest[64..])
            }
            _ => format!("{name}: {value}"),
        })
        .collect();
    format!("{}\n{}\n\n{:#}", answer.status, headers.join("\n"), body)
}

async fn app() -> (TestAuth, Router) {
    let test = TestAuth::new(&Place::memory().await).await.expect("an installation");
    let app = test.auth.router();
    (test, app)
}

fn credentials() -> Value {
    json!({ "email": "a@example.com", "password": PASSWORD })
}

#[tokio::test]
async fn the_answers_of_the_main_job_are_these() {
    let (_test, app) = app().await;
    let mut tour = Vec::new();
    let registration =
        json!({ "email": "A@example.com", "password": PASSWORD, "name": "Somebody" });
    tour.push(("POST /register", ask(&app, post("/register", &registration)).await));
    tour.push(("POST /register again", ask(&app, post("/register", &registration)).await));
    let login = ask(&app, post("/login", &credentials())).await;
    let token = format!("Bearer {}", login.body["access_token"].as_str().expect("a token"));
    tour.push(("POST /login", login));
    let wrong = json!({ "email": "a@example.com", "password": "wrong" });
    tour.push(("POST /login, wrong", ask(&app, post("/login", &wrong)).await));
    tour.push(("GET /me", ask(&app, get("/me", header::AUTHORIZATION, &token)).await));
    tour.push((
        "GET /me, tampered",
        ask(&app, get("/me", header::AUTHORIZATION, &token.replace("Bearer ey", "Bearer ez")))
            .await,
    ));
    tour.push(("GET /me, nobody", ask(&app, get("/me", header::ACCEPT, "*/*")).await));

    let session = ask(&app, post("/login/session", &credentials())).await;
    let cookie = session.header("set-cookie").expect("a cookie");
    let cookie = cookie.split(';').next().expect("a value").to_owned();
    tour.push(("POST /login/session", session));
    tour.push(("GET /me, session", ask(&app, get("/me", header::COOKIE, &cookie)).await));
    let logout = || {
        Request::post("/logout")
            .header(header::COOKIE, &cookie)
            .header(header::ORIGIN, "http://127.0.0.1:8000")
            .body(Body::empty())
            .expect("a request")
    };
    tour.push(("POST /logout", ask(&app, logout()).await));
    tour.push(("POST /logout again", ask(&app, logout()).await));
    tour.push(("GET /me, session over", ask(&app, get("/me", header::COOKIE, &cookie)).await));
    tour.push((
        "GET /.well-known/jwks.json",
        ask(&app, get("/.well-known/jwks.json", header::ACCEPT, "*/*")).await,
    ));
    tour.push(("GET /login", ask(&app, get("/login", header::ACCEPT, "*/*")).await));

    let text: Vec<String> =
        tour.iter().map(|(name, answer)| format!("# {name}\n{}", masked(answer))).collect();
    insta::assert_snapshot!(text.join("\n\n"));
}

#[tokio::test]
async fn a_token_expires_ten_minutes_and_the_leeway_after_its_login() {
    let (test, app) = app().await;
    ask(&app, post("/register", &credentials())).await;
    let login = ask(&app, post("/login", &credentials())).await;
    let token = format!("Bearer {}", login.body["access_token"].as_str().expect("a token"));
    let me = || get("/me", header::AUTHORIZATION, &token);
    test.clock.advance(std::time::Duration::from_secs(629));
    assert_eq!(ask(&app, me()).await.status, 200);
    test.clock.advance(std::time::Duration::from_secs(1));
    let refused = ask(&app, me()).await;
    assert_eq!((refused.status, &refused.body["code"]), (401, &json!("token_expired")));
}

#[tokio::test]
async fn over_https_the_cookie_is_bound_to_the_host() {
    let place = Place::memory().await;
    let mut config = countersign_auth::Config::default();
    config.http.public_url = Some("https://auth.example.com".parse().expect("a URL"));
    let app = TestAuth::with(&place, config).await.expect("an installation").auth.router();
    ask(&app, post("/register", &credentials())).await;
    let session = ask(&app, post("/login/session", &credentials())).await;
    let cookie = session.header("set-cookie").expect("a cookie");
    assert!(cookie.starts_with("__Host-session="), "{cookie}");
    assert!(cookie.ends_with("; HttpOnly; SameSite=Lax; Secure; Path=/"), "{cookie}");
}

#[tokio::test]
async fn registration_can_be_closed() {
    for registration in ["closed", "invite"] {
        let place = Place::memory().await;
        let mut config = countersign_auth::Config::default();
        config.accounts.registration = match registration {
            "closed" => countersign_auth::config::Registration::Closed,
            _ => countersign_auth::config::Registration::Invite,
        };
        let app = TestAuth::with(&place, config).await.expect("an installation").auth.router();
        let refused = ask(&app, post("/register", &credentials())).await;
        assert_eq!((refused.status, &refused.body["code"]), (403, &json!("registration_closed")));
    }
}

#[tokio::test]
async fn the_router_can_be_nested_under_a_prefix() {
    let test = TestAuth::new(&Place::memory().await).await.expect("an installation");
    let app = Router::new().nest("/auth", test.auth.router());
    let made = ask(&app, post("/auth/register", &credentials())).await;
    assert_eq!(made.status, 201);
    assert_eq!(ask(&app, post("/auth/login", &credentials())).await.status, 200);
}

#[tokio::test]
async fn a_token_of_an_account_that_is_gone_says_so_at_me() {
    let (test, app) = app().await;
    ask(&app, post("/register", &credentials())).await;
    let login = ask(&app, post("/login", &credentials())).await;
    let token = format!("Bearer {}", login.body["access_token"].as_str().expect("a token"));
    test.auth.db().execute("DELETE FROM users", []).await.expect("deleted");
    let refused = ask(&app, get("/me", header::AUTHORIZATION, &token)).await;
    assert_eq!((refused.status, &refused.body["code"]), (401, &json!("account_unknown")));
}

#[tokio::test]
async fn ids_in_a_token_must_be_canonical() {
    use countersign_auth::keys::read_secret;
    use jwt::{Algorithm, Claims, SigningKey};

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("secret");
    std::fs::write(&path, "k8Jq2vXr7TzLw0NfYbHdGm4sPcEa9UiO").expect("written");
    let mut config = countersign_auth::Config::default();
    config.keys.secret_file = vec![path.clone()];
    let place = Place::memory().await;
    let test = TestAuth::with(&place, config).await.expect("an installation");
    let app = test.auth.router();
    let secret = read_secret(&path).expect("read");
    let key = SigningKey::from_secret(Algorithm::Hs256, &secret).expect("a key").with_derived_kid();
    let token = |sub: &str, sid: Option<&str>| {
        let claims = Claims::at(json!({ "sid": sid }), test.auth.clock().now())
            .issuer("countersign")
            .audience("countersign")
            .subject(sub)
            .expires_in(std::time::Duration::from_secs(60));
        format!("Bearer {}", key.sign(&claims).expect("signed"))
    };
    let id = "01980b1e-7a4c-7def-8123-456789abcdef";
    let upper = id.to_uppercase();
    for (sub, sid, code) in [
        (id, Some(id), "account_unknown"),
        (&*upper, Some(id), "token_malformed"),
        (id, Some(&*upper), "token_malformed"),
        (id, None, "token_malformed"),
        ("1", Some(id), "token_malformed"),
        ("", Some(id), "token_malformed"),
    ] {
        let refused = ask(&app, get("/me", header::AUTHORIZATION, &token(sub, sid))).await;
        assert_eq!((refused.status, &refused.body["code"]), (401, &json!(code)), "{sub} {sid:?}");
    }
}
