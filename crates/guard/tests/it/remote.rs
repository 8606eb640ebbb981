use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{FromRef, State},
    http::{Request, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use countersign_guard::{Guard, Principal, RemoteKeys};
use jwt::{Algorithm, Claims, Jwks, SigningKey, Verifier};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tower::ServiceExt;

/// An issuer on loopback whose answers a test can set, and which counts who asks.
#[derive(Clone)]
struct Issuer {
    url: String,
    keys: Arc<Mutex<Answer>>,
    asked: Arc<AtomicUsize>,
}

#[derive(Clone)]
struct Answer {
    status: StatusCode,
    headers: Vec<(header::HeaderName, String)>,
    body: String,
}

impl Answer {
    fn keys(keys: &[&SigningKey]) -> Self {
        let keys = Jwks::new(keys.iter().map(|key| key.verifying_key())).expect("a set");
        Self { status: StatusCode::OK, headers: Vec::new(), body: keys.to_json() }
    }

    fn error(status: StatusCode) -> Self {
        Self { status, headers: Vec::new(), body: "{}".to_owned() }
    }
}

impl Issuer {
    async fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let issuer = Self {
            url: format!("http://{}", listener.local_addr().expect("an address")),
            keys: Arc::new(Mutex::new(answer)),
            asked: Arc::default(),
        };
        let metadata = |State(issuer): State<Self>| async move {
            json!({ "issuer": issuer.url, "jwks_uri": format!("{}/keys", issuer.url) }).to_string()
        };
        let liar = |State(issuer): State<Self>| async move {
            json!({ "issuer": "https://good.example", "jwks_uri": format!("{}/keys", issuer.url) })
                .to_string()
        };
        let app = Router::new()
            .route("/keys", get(keys))
            .route("/.well-known/openid-configuration", get(metadata))
            .route("/liar/.well-known/openid-configuration", get(liar))
            .with_state(issuer.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        issuer
    }

    fn answers(&self, answer: Answer) {
        *self.keys.lock().expect("the answer") = answer;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn api(&self, cool_down: Duration) -> Router {
        let verifier = Verifier::new(Jwks::default()).issuer("issuer").audience("posts");
        let keys = RemoteKeys::at(&format!("{}/keys", self.url), verifier).expect("loopback");
        api(keys.cool_down(cool_down))
    }
}

async fn keys(State(issuer): State<Issuer>) -> Response {
    issuer.asked.fetch_add(1, Ordering::SeqCst);
    let answer = issuer.keys.lock().expect("the answer").clone();
    let mut response = (answer.status, answer.body).into_response();
    for (name, value) in answer.headers {
        response.headers_mut().insert(name, value.parse().expect("a header"));
    }
    response
}

#[derive(Clone, FromRef)]
struct App {
    guard: Guard,
}

fn api(keys: RemoteKeys) -> Router {
    Router::new()
        .route("/posts", get(async |caller: Principal| caller.subject().to_owned()))
        .with_state(App { guard: Guard::new(keys) })
}

fn key() -> SigningKey {
    SigningKey::generate(Algorithm::Es256).expect("a key").with_derived_kid()
}

fn token(key: &SigningKey, issuer: &str) -> String {
    let claims = Claims::new(json!({}))
        .issuer(issuer)
        .subject("u1")
        .audience("posts")
        .expires_in(Duration::from_secs(60));
    key.sign(&claims).expect("signed")
}

async fn ask(api: &Router, token: &str) -> (u16, String) {
    let request = Request::get("/posts").header(header::AUTHORIZATION, format!("Bearer {token}"));
    let request = request.body(Body::empty()).expect("a request");
    let response = api.clone().oneshot(request).await.expect("infallible");
    let status = response.status().as_u16();
    if status == 503 {
        assert!(response.headers().contains_key(header::RETRY_AFTER));
    }
    let body = to_bytes(response.into_body(), 1 << 16).await.expect("a body");
    let body = String::from_utf8(body.to_vec()).expect("text");
    let code = serde_json::from_str::<Value>(&body).ok();
    (status, code.and_then(|body| body["code"].as_str().map(str::to_owned)).unwrap_or(body))
}

fn refused(code: &str) -> (u16, String) {
    (401, code.to_owned())
}

const LONG: Duration = Duration::from_secs(3600);
const NONE: Duration = Duration::ZERO;

#[tokio::test]
async fn the_keys_are_fetched_once_for_many_tokens() {
    let key = key();
    let issuer = Issuer::start(Answer::keys(&[&key])).await;
    let api = issuer.api(NONE);
    let request = Request::get("/posts").body(Body::empty()).expect("a request");
    let anonymous = api.clone().oneshot(request).await.expect("infallible");
    assert_eq!(anonymous.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(issuer.asked(), 0, "without a token nothing is fetched");
    let token = token(&key, "issuer");
    let asks = (0..50).map(|_| ask(&api, &token));
    for answer in futures_util::future::join_all(asks).await {
        assert_eq!(answer, (200, "u1".to_owned()));
    }
    assert_eq!(issuer.asked(), 1);
}

#[tokio::test]
async fn unknown_keys_make_one_fetch_each_cool_down_and_no_more() {
    let key = key();
    let issuer = Issuer::start(Answer::keys(&[&key])).await;
    let api = issuer.api(LONG);
    assert_eq!(ask(&api, &token(&key, "issuer")).await.0, 200);
    for number in 0..200 {
        let stranger = key.clone().with_kid(format!("stranger-{number}"));
        assert_eq!(ask(&api, &token(&stranger, "issuer")).await, refused("unknown_key"));
    }
    assert_eq!(issuer.asked(), 1);
}

#[tokio::test]
async fn a_new_key_is_found_when_a_token_names_it() {
    let (old, new) = (key(), key());
    let issuer = Issuer::start(Answer::keys(&[&old])).await;
    let api = issuer.api(NONE);
    assert_eq!(ask(&api, &token(&old, "issuer")).await.0, 200);
    assert_eq!(ask(&api, &token(&new, "issuer")).await, refused("unknown_key"));
    issuer.answers(Answer::keys(&[&old, &new]));
    assert_eq!(ask(&api, &token(&new, "issuer")).await.0, 200);
    assert_eq!(ask(&api, &token(&old, "issuer")).await.0, 200);
    // A key that is withdrawn is forgotten with the next fetch.
    issuer.answers(Answer::keys(&[&new]));
    assert_eq!(ask(&api, &token(&key(), "issuer")).await, refused("unknown_key"));
    assert_eq!(ask(&api, &token(&old, "issuer")).await, refused("unknown_key"));
}

#[tokio::test]
async fn an_outage_keeps_the_keys_that_were_had() {
    let key = key();
    let issuer = Issuer::start(Answer::error(StatusCode::INTERNAL_SERVER_ERROR)).await;
    let api = issuer.api(NONE);
    let token = token(&key, "issuer");
    assert_eq!(ask(&api, &token).await, (503, "keys_unavailable".to_owned()));
    issuer.answers(Answer::keys(&[&key]));
    assert_eq!(ask(&api, &token).await.0, 200);
    for outage in [
        Answer::error(StatusCode::INTERNAL_SERVER_ERROR),
        Answer { body: "{".to_owned(), ..Answer::keys(&[]) },
        Answer { body: "x".repeat(300 * 1024), ..Answer::keys(&[]) },
    ] {
        issuer.answers(outage);
        let stranger = key.clone().with_kid("stranger");
        assert_eq!(ask(&api, &self::token(&stranger, "issuer")).await, refused("unknown_key"));
        assert_eq!(ask(&api, &token).await.0, 200);
    }
}

#[tokio::test]
async fn a_program_that_runs_once_gets_the_key_set_or_the_reason() {
    let key = key();
    let issuer = Issuer::start(Answer::keys(&[&key])).await;
    let remote = RemoteKeys::at(&format!("{}/keys", issuer.url), Verifier::new(Jwks::default()));
    let remote = remote.expect("loopback");
    let keys = remote.fetch().await.expect("keys");
    assert!(keys.len() == 1 && keys.get(key.kid().expect("a kid")).is_some());
    // Each call asks anew; no cool-down stands between a person and an answer.
    issuer.answers(Answer::error(StatusCode::NOT_FOUND));
    let refused = remote.fetch().await.expect_err("refused").to_string();
    assert!(refused.contains("404"), "{refused}");
    assert_eq!(issuer.asked(), 2);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let key = key();
    let good = Issuer::start(Answer::keys(&[&key])).await;
    let location = (header::LOCATION, format!("{}/keys", good.url));
    for status in [StatusCode::FOUND, StatusCode::TEMPORARY_REDIRECT] {
        let answer = Answer { headers: vec![location.clone()], ..Answer::error(status) };
        let api = Issuer::start(answer).await.api(NONE);
        assert_eq!(ask(&api, &token(&key, "issuer")).await.0, 503);
    }
    assert_eq!(good.asked(), 0);
}

#[tokio::test]
async fn a_key_set_with_a_secret_in_it_is_refused() {
    let key = SigningKey::generate(Algorithm::Hs256).expect("a key").with_kid("k");
    let secret = r#"{"keys":[{"kty":"oct","alg":"HS256","kid":"k","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}]}"#;
    let answer = Answer { body: secret.to_owned(), ..Answer::keys(&[]) };
    let api = Issuer::start(answer).await.api(NONE);
    assert_eq!(ask(&api, &token(&key, "issuer")).await.0, 503);
}

#[tokio::test]
async fn an_issuer_is_found_by_its_metadata_and_must_be_named_by_them() {
    let key = key();
    let issuer = Issuer::start(Answer::keys(&[&key])).await;
    let verifier = || Verifier::new(Jwks::default()).audience("posts");
    let found = api(RemoteKeys::discover(&issuer.url, verifier()).expect("loopback"));
    assert_eq!(ask(&found, &token(&key, &issuer.url)).await.0, 200);
    assert_eq!(
        ask(&found, &token(&key, "https://other.example")).await,
        refused("issuer_mismatch")
    );
    let liar = format!("{}/liar", issuer.url);
    let lied_to = api(RemoteKeys::discover(&liar, verifier()).expect("loopback"));
    assert_eq!(ask(&lied_to, &token(&key, &liar)).await.0, 503);
}

#[tokio::test]
async fn a_key_set_that_is_no_longer_fresh_is_fetched_in_the_background() {
    let (old, new) = (key(), key());
    let no_store = |keys: &[&SigningKey]| Answer {
        headers: vec![(header::CACHE_CONTROL, "no-store".to_owned())],
        ..Answer::keys(keys)
    };
    let issuer = Issuer::start(no_store(&[&old])).await;
    let api = issuer.api(NONE);
    let token = token(&old, "issuer");
    assert_eq!(ask(&api, &token).await.0, 200);
    issuer.answers(no_store(&[&new]));
    // Nobody waits for the fetch: the answer is that of the set at hand, until the new one is there.
    for _ in 0..500 {
        if ask(&api, &token).await == refused("unknown_key") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the withdrawn key went on verifying");
}

#[tokio::test]
async fn an_issuer_that_allows_no_caching_is_not_asked_for_each_token() {
    let key = key();
    let issuer = Issuer::start(Answer {
        headers: vec![(header::CACHE_CONTROL, "no-store".to_owned())],
        ..Answer::keys(&[&key])
    })
    .await;
    let api = issuer.api(LONG);
    for _ in 0..20 {
        assert_eq!(ask(&api, &token(&key, "issuer")).await.0, 200);
    }
    assert_eq!(issuer.asked(), 1);
}
