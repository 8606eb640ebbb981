//! The program of `docs/guides/embed.md`, run.

use std::{fs, path::Path};

use auth::{Auth, Client, testing::Place, users::NewUser};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::{
    docs::text,
    guides::{EMBED, follow, is_there},
    process::PASSWORD,
};

#[expect(
    dead_code,
    missing_debug_implementations,
    unreachable_pub,
    reason = "it is a program of its own, which waits for ever"
)]
mod notes {
    use auth as countersign_auth;
    use guard as countersign_guard;

    include!("docs/notes.rs");
}

#[test]
fn the_program_of_the_guide_is_the_one_that_is_run() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let guide = fs::read_to_string(root.join("../../docs/guides/embed.md")).expect("the guide");
    let program = fs::read_to_string(root.join("tests/it/docs/notes.rs")).expect("the program");
    let (_, shown) = guide.split_once("```rust\n").expect("a block");
    let (shown, rest) = shown.split_once("```").expect("its end");
    assert_eq!(shown, program);
    assert!(!rest.contains("```rust"), "there is one program");
}

struct Api(String);

impl Api {
    async fn ask(
        &self,
        method: Method,
        path: &str,
        token: &str,
        body: Value,
    ) -> (StatusCode, Value) {
        let request = reqwest::Client::new().request(method, format!("{}{path}", self.0));
        let request = if token.is_empty() { request } else { request.bearer_auth(token) };
        let request = if body.is_null() { request } else { request.json(&body) };
        let response = request.send().await.expect("an answer");
        let status = response.status();
        (status, response.json().await.unwrap_or(Value::Null))
    }

    async fn login(&self, email: &str, password: &str) -> String {
        let body = json!({ "email": email, "password": password });
        let (_, tokens) = self.ask(Method::POST, "/auth/login", "", body).await;
        tokens["access_token"].as_str().unwrap_or_default().to_owned()
    }
}

/// Starts it on a free port; as long as the runtime lives.
async fn run(url: &str) -> (Auth, Api) {
    let auth = notes::start(url).await.expect("it starts");
    let app = notes::routes(&auth).into_make_service_with_connect_info::<std::net::SocketAddr>();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let api = Api(format!("http://{}", listener.local_addr().expect("an address")));
    tokio::spawn(async move { axum::serve(listener, app).await });
    (auth, api)
}

async fn the_program_does_what_the_guide_says(url: &str) {
    let (auth, api) = run(url).await;
    let account = json!({ "email": "ada@example.com", "password": PASSWORD });
    let (status, ada) = api.ask(Method::POST, "/auth/register", "", account).await;
    assert_eq!(status, 201, "{ada}");
    let token = api.login("ada@example.com", PASSWORD).await;
    assert_eq!(api.ask(Method::GET, "/notes", "", Value::Null).await.0, 401);
    assert_eq!(
        api.ask(Method::POST, "/notes", &token, json!({ "text": "a first note" })).await.0,
        201
    );
    let (_, notes) = api.ask(Method::GET, "/notes", &token, Value::Null).await;
    assert_eq!(notes, json!({ "team": "example.com", "notes": ["a first note"] }));

    let (_, data) = api.ask(Method::GET, "/my-data", &token, Value::Null).await;
    assert_eq!(data["notes"], json!(["a first note"]));
    assert!(data.to_string().contains("ada@example.com"), "{data}");
    let newest = auth.log().page(&Default::default(), None, 1).await.expect("events");
    assert_eq!(newest[0].to_json()["actor"], json!({ "type": "user", "id": ada["id"] }));

    // A role of the application's own, and the one that administers.
    let somewhere = "/notes/01a3185c-5000-75d8-904a-f611e3c596a9";
    assert_eq!(api.ask(Method::DELETE, somewhere, &token, Value::Null).await.0, 403);
    notes::hire(&auth, "editor@example.com", PASSWORD).await.expect("hired");
    let editor = api.login("editor@example.com", PASSWORD).await;
    assert_eq!(api.ask(Method::DELETE, somewhere, &editor, Value::Null).await.0, 404);
    assert_eq!(api.login("ada@example.com", "wrong").await, "");
    assert_eq!(api.ask(Method::GET, "/admin/strangers", &token, Value::Null).await.0, 403);
    let roles = &["admin", "user"];
    let admin = NewUser { email: "root@example.com", password: PASSWORD, name: None, roles };
    let admin = auth.user_create(admin).await.expect("an account");
    let admin = auth.tokens_create(&admin, &Client::default()).await.expect("a login").access;
    let (status, failed) = api.ask(Method::GET, "/admin/strangers", &admin, Value::Null).await;
    assert_eq!((status.as_u16(), &failed[0][1]), (200, &json!("127.0.0.1")), "{failed}");
}

#[tokio::test]
async fn what_the_guide_to_embedding_lets_a_reader_paste_answers_what_it_shows() {
    if !is_there("curl") {
        eprintln!("skipped: it takes curl");
        return;
    }
    let place = Place::disk().await;
    let (_, api) = run(&place.url).await;
    let guide = text(EMBED).replace("http://127.0.0.1:8000", &api.0);
    let steps = tokio::task::spawn_blocking(move || {
        let folder = tempdir().expect("folder");
        follow(EMBED, &guide, folder.path(), "")
    });
    assert!(steps.await.expect("it ends") > 2);
}

#[tokio::test]
async fn the_guide_to_embedding_runs_on_sqlite() {
    let place = Place::disk().await;
    the_program_does_what_the_guide_says(&place.url).await;
}

#[tokio::test]
async fn the_guide_to_embedding_runs_on_postgres() {
    let Some(place) = Place::postgres().await else { return };
    the_program_does_what_the_guide_says(&place.url).await;
    place.remove().await;
}
