//! The posts of a file behind the guard, and without it, in a server that is otherwise the one of production.
//!
//! `scripts/bench` builds and starts this beside its peers, whose posts lie in memory too. `/posts` asks who is calling;
//! `/open/posts` is the same handler for everyone, so what the guard costs is the difference.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use anyhow::Context as _;
use auth::{Config, Json};
use axum::{
    Router,
    extract::{FromRef, State},
    middleware,
    response::{IntoResponse, Response},
    routing::get,
};
use clap::Parser;
use guard::{Guard, Principal};
use serde::{Deserialize, Serialize};

/// Serves posts from memory.
#[derive(Parser)]
struct Options {
    /// The address to listen on.
    #[arg(long)]
    listen: SocketAddr,
    /// Where the accounts lie.
    #[arg(long)]
    data_dir: PathBuf,
    /// The HS256 secret.
    #[arg(long)]
    secret_file: PathBuf,
    /// The posts, as a list of them is answered.
    #[arg(long)]
    posts: PathBuf,
}

#[derive(Serialize, Deserialize)]
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

#[derive(Clone, FromRef)]
struct App {
    guard: Guard,
    posts: Arc<Vec<Post>>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let text = std::fs::read_to_string(&options.posts).context("the posts")?;
    let Page::<Vec<Post>> { items, .. } = serde_json::from_str(&text)?;
    let mut config = Config::default();
    config.http.listen = options.listen;
    config.keys.secret_file = vec![options.secret_file];
    countersign_server::cli::serve_with(config, &options.data_dir, |auth| {
        Router::new()
            .route("/posts", get(posts))
            .route("/open/posts", get(open))
            .layer(middleware::from_fn(guard::no_store))
            .with_state(App { guard: auth.guard(), posts: Arc::new(items) })
    })
    .await
}

async fn posts(State(posts): State<Arc<Vec<Post>>>, _: Principal) -> Response {
    page(&posts)
}

async fn open(State(posts): State<Arc<Vec<Post>>>) -> Response {
    page(&posts)
}

/// A page of the newest, made anew for each answer.
fn page(posts: &[Post]) -> Response {
    let items: Vec<&Post> = posts.iter().take(50).collect();
    Json(Page { items, next: None }).into_response()
}
