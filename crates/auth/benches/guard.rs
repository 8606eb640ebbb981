//! What the guard costs a request: a route of ten posts by access token, by session cookie, and without a guard.
//!
//! `cargo bench -p countersign-auth --bench guard`. The whole router answers, in one thread and without a socket, so that
//! the rest of a request weighs as little as it can. All take turns; each figure is the median of its rounds, and each
//! difference and ratio is taken in every round.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench prints its figures and stops where it fails"
)]

mod rounds;

use std::{hint::black_box, sync::LazyLock};

use axum::{
    Router,
    body::Body,
    http::{
        HeaderName, HeaderValue, Request, StatusCode,
        header::{AUTHORIZATION, CONTENT_TYPE, COOKIE},
    },
    response::IntoResponse,
    routing::get,
};
use countersign_auth::{
    Auth, Client, Config,
    testing::{PASSWORD, Place},
    users::NewUser,
};
use guard::{Guard, Principal};
use rounds::{Routine, median, take_turns};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::runtime::Runtime;
use tower::ServiceExt as _;

const ROUNDS: usize = 501;
const CALLS: u32 = 1_024;
/// Callers that come in turn.
const CALLERS: usize = 256;

/// Ten posts.
static POSTS: LazyLock<String> = LazyLock::new(|| {
    let content = "So long is what is said in it. ".repeat(4);
    let post = |id| json!({ "id": id, "title": "A title of some words", "content": content });
    json!({ "items": (0..10).map(post).collect::<Vec<_>>(), "next": null }).to_string()
});

async fn guarded(caller: Principal) -> impl IntoResponse {
    black_box(&caller);
    open().await
}

async fn open() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], POSTS.as_str())
}

fn main() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (auth, tokens, cookies) = runtime.block_on(callers());
    let guard = auth.guard();
    let app: Router =
        Router::new().route("/posts", get(guarded)).route("/open", get(open)).with_state(auth);

    let routine = |name, path, header, values| ask(&runtime, &app, name, path, header, values);
    let alone = |name, header, values| check(&runtime, &guard, name, header, values);
    let mut routines = [
        routine("no guard, a token unread", "/open", AUTHORIZATION, &tokens),
        routine("access token, HS256", "/posts", AUTHORIZATION, &tokens),
        routine("no guard, a cookie unread", "/open", COOKIE, &cookies),
        routine("session cookie", "/posts", COOKIE, &cookies),
        alone("`Guard::authenticate` of an access token", &AUTHORIZATION, &tokens),
        alone("`Guard::authenticate` of a session cookie", &COOKIE, &cookies),
        hash("SHA-256 of the same token, for scale", &tokens),
    ];
    take_turns(&mut routines, ROUNDS, CALLS);
    let [no_token, token, no_cookie, cookie, ..] = &routines;
    println!("| | µs |\n|---|---|");
    for routine in &routines {
        println!("| {} | {:.2} |", routine.name, routine.median() / 1e3);
    }
    for (own, other) in [(token, no_token), (cookie, no_cookie)] {
        let guard = own.times.iter().zip(&other.times).map(|(own, other)| own - other);
        println!(
            "| {}, less the same without a guard | {:.2} |",
            own.name,
            median(guard.collect()) / 1e3
        );
    }
    println!(
        "\nBy session cookie {:.2} × the requests a second by access token; by token {:.2} × those without a guard.",
        cookie.speed(token),
        token.speed(no_token)
    );
}

/// An installation, and the headers of its callers: access tokens and session cookies.
async fn callers() -> (Auth, Vec<HeaderValue>, Vec<HeaderValue>) {
    let place = Place::memory().await;
    let auth = Auth::builder(Config::default()).db(place.db).build().await.unwrap();
    let (email, name) = ("a@example.com", Some("Ada Lovelace"));
    let new = NewUser { email, password: PASSWORD, name, roles: &["user"] };
    let user = auth.user_create(new).await.unwrap();
    let (mut tokens, mut cookies) = (Vec::new(), Vec::new());
    for _ in 0..CALLERS {
        let made = auth.tokens_create(&user, &Client::default()).await.unwrap();
        tokens.push(HeaderValue::try_from(format!("Bearer {}", made.access)).unwrap());
        let (_, secret) = auth.session_create(&user, &Client::default(), None).await.unwrap();
        cookies.push(HeaderValue::try_from(format!("session={}", secret.reveal())).unwrap());
    }
    (auth, tokens, cookies)
}

/// Sends requests with this header, its values in turn.
fn ask<'r>(
    runtime: &'r Runtime,
    app: &Router,
    name: &str,
    path: &'static str,
    header: HeaderName,
    values: &'r [HeaderValue],
) -> Routine<'r> {
    let app = app.clone();
    Routine::new(name, move |calls| {
        runtime.block_on(async {
            for value in values.iter().cycle().take(calls.try_into().unwrap()) {
                let request =
                    Request::get(path).header(&header, value).body(Body::empty()).unwrap();
                let response = app.clone().oneshot(request).await.unwrap();
                assert_eq!(response.status(), StatusCode::OK);
                black_box(response);
            }
        });
    })
}

/// Asks the guard alone.
fn check<'r>(
    runtime: &'r Runtime,
    guard: &Guard,
    name: &str,
    header: &HeaderName,
    values: &[HeaderValue],
) -> Routine<'r> {
    let guard = guard.clone();
    let parts =
        |value| Request::get("/posts").header(header, value).body(()).unwrap().into_parts().0;
    let requests: Vec<_> = values.iter().map(parts).collect();
    Routine::new(name, move |calls| {
        runtime.block_on(async {
            for request in requests.iter().cycle().take(calls.try_into().unwrap()) {
                black_box(guard.authenticate(request).await.unwrap());
            }
        });
    })
}

fn hash<'r>(name: &str, values: &'r [HeaderValue]) -> Routine<'r> {
    Routine::new(name, |calls| {
        for value in values.iter().cycle().take(calls.try_into().unwrap()) {
            black_box(Sha256::digest(value));
        }
    })
}
