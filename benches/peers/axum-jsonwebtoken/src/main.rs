//! Posts behind a token: axum and jsonwebtoken. In memory, or with `POSTS_DB` from SQLite through sqlx.
//!
//! `/open/posts` answers the posts in memory to everyone: what the token costs is the difference.

use std::{fs, sync::Arc};

use anyhow::Context;
use axum::{
    Json, Router,
    extract::{FromRef, FromRequestParts, State},
    http::{StatusCode, header::AUTHORIZATION, request::Parts},
    response::{IntoResponse, Response},
    routing::get,
};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, SqlitePool, sqlite::SqliteConnectOptions};

#[derive(Clone, Serialize, Deserialize, FromRow)]
struct Post {
    id: String,
    title: String,
    content: String,
    author_id: String,
    author_name: Option<String>,
    created_at: i64,
    updated_at: i64,
}

#[derive(Serialize, Deserialize)]
struct Page<T> {
    items: T,
    next: Option<String>,
}

struct Keys {
    key: DecodingKey,
    validation: Validation,
}

#[derive(Clone, FromRef)]
struct App {
    keys: Arc<Keys>,
    posts: Arc<Vec<Post>>,
    pool: Option<SqlitePool>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "as any API would have it")]
struct Caller {
    sub: String,
    name: Option<String>,
    roles: Vec<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Caller
where
    Arc<Keys>: FromRef<S>,
{
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, StatusCode> {
        let keys = Arc::from_ref(state);
        let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = header.and_then(|value| value.strip_prefix("Bearer "));
        let token = token.ok_or(StatusCode::UNAUTHORIZED)?;
        decode(token, &keys.key, &keys.validation)
            .map(|token| token.claims)
            .map_err(|_| StatusCode::UNAUTHORIZED)
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let setting = |name: &str| std::env::var(name).with_context(|| name.to_owned());
    let secret = fs::read_to_string(setting("SECRET_FILE")?)?;
    let key = DecodingKey::from_secret(secret.trim_end_matches('\n').as_bytes());
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_issuer(&["countersign"]);
    validation.set_audience(&["countersign"]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);

    let page: Page<Vec<Post>> = serde_json::from_str(&fs::read_to_string(setting("POSTS_JSON")?)?)?;
    let pool = match setting("POSTS_DB") {
        Ok(path) => {
            let options = SqliteConnectOptions::new().filename(path);
            Some(SqlitePool::connect_with(options).await?)
        }
        Err(_) => None,
    };
    let listed = if pool.is_some() { get(stored) } else { get(posts) };
    let app =
        Router::new().route("/posts", listed).route("/open/posts", get(open)).with_state(App {
            keys: Arc::new(Keys { key, validation }),
            posts: Arc::new(page.items),
            pool,
        });
    let port: u16 = setting("PORT")?.parse()?;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    axum::serve(listener, app).await?;
    Ok(())
}

async fn posts(State(posts): State<Arc<Vec<Post>>>, _: Caller) -> Response {
    page(&posts)
}

async fn open(State(posts): State<Arc<Vec<Post>>>) -> Response {
    page(&posts)
}

fn page(posts: &[Post]) -> Response {
    let items: Vec<&Post> = posts.iter().take(50).collect();
    Json(Page { items, next: None }).into_response()
}

async fn stored(
    State(pool): State<Option<SqlitePool>>,
    _: Caller,
) -> Result<Json<Page<Vec<Post>>>, StatusCode> {
    let pool = pool.ok_or(StatusCode::SERVICE_UNAVAILABLE)?;
    let items = sqlx::query_as("SELECT * FROM posts ORDER BY id DESC LIMIT 50")
        .fetch_all(&pool)
        .await
        .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(Json(Page { items, next: None }))
}
