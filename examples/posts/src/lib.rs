//! The sample API: `/posts`, as an application of your own would write it.
//!
//! Any signed-in caller lists and writes; only the author or an administrator changes or deletes. How the
//! caller proved who they are is the guard's business: this file does not know tokens from cookies.

mod storage;

use auth::{
    Clock, Ids, Json,
    openapi::Document,
    storage::{Db, StorageError},
};
use axum::{
    Router,
    extract::{FromRef, Path, Query, State, rejection::QueryRejection},
    http::StatusCode,
    middleware,
    response::{IntoResponse, Response},
    routing::get,
};
use guard::{Guard, Principal, Problem};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

pub use self::storage::MIGRATIONS;
use self::storage::{Change, Post};

/// Posts on a page when the client does not say, and at most.
const PAGE: i64 = 50;
const LONGEST_PAGE: i64 = 100;

/// What the handlers share.
#[derive(Debug, Clone, FromRef)]
pub struct App {
    /// Who is calling?
    pub guard: Guard,
    /// Where the posts lie.
    pub db: Db,
    /// What time it is.
    pub clock: Clock,
    /// Ids for new posts.
    pub ids: Ids,
}

/// Brings the table up to date and returns the routes.
///
/// # Errors
/// Storage errors.
pub async fn router(app: App) -> Result<Router, StorageError> {
    app.db.migrate(MIGRATIONS).await?;
    Ok(Router::new()
        .route("/posts", get(list).post(create))
        .route("/posts/{id}", get(read).put(update).delete(remove))
        .layer(middleware::from_fn(guard::no_store))
        .with_state(app))
}

/// Says what the routes take and answer.
pub fn openapi(document: &mut Document) {
    let draft = || json!({ "title": "Hello", "content": "My first post" });
    let post = || {
        json!({
            "id": "01a202d9-dfb6-747a-a7ed-fb2221cd19b4",
            "title": "Hello",
            "content": "My first post",
            "author_id": "01a202d9-deef-747d-b51c-d9e0b5f1c8ef",
            "author_name": "Me",
            "created_at": 1_795_344_162,
            "updated_at": 1_795_344_162
        })
    };
    document.get("/posts", "the posts").signed_in().lists::<Post>(
        "posts, the newest first",
        100,
        post(),
    );
    document.post("/posts", "writes a post").signed_in().takes::<Draft>(draft()).answers::<Post>(
        201,
        "the post",
        post(),
    );
    document
        .get("/posts/{id}", "one post")
        .signed_in()
        .answers::<Post>(200, "the post", post())
        .refuses(404, &["not_found"]);
    document
        .put("/posts/{id}", "another text, by its author or an administrator")
        .signed_in()
        .takes::<Draft>(draft())
        .answers::<Post>(200, "the post", post())
        .refuses(403, &["forbidden"])
        .refuses(404, &["not_found"]);
    document
        .delete("/posts/{id}", "removes a post, by its author or an administrator")
        .signed_in()
        .done(204, "the post is gone")
        .refuses(403, &["forbidden"])
        .refuses(404, &["not_found"]);
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Draft {
    title: String,
    content: String,
}

impl Draft {
    fn checked(self) -> Result<(String, String), Error> {
        let Self { title, content } = self;
        if title.trim().is_empty() || title.chars().count() > 200 {
            return Err(Error::Invalid("title must have 1 to 200 characters"));
        }
        if title.contains('\0') || content.contains('\0') {
            return Err(Error::Invalid("title and content must not contain NUL"));
        }
        Ok((title, content))
    }
}

#[derive(Deserialize)]
struct Page {
    after: Option<Uuid>,
    limit: Option<i64>,
}

#[derive(Serialize)]
struct List {
    items: Vec<Post>,
    next: Option<Uuid>,
}

async fn list(
    State(db): State<Db>,
    _: Principal,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Json<List>, Error> {
    let Ok(Query(Page { after, limit })) = page else { return Err(Error::PageInvalid) };
    let limit = limit.unwrap_or(PAGE);
    if !(1..=LONGEST_PAGE).contains(&limit) {
        return Err(Error::PageInvalid);
    }
    // One more than asked for tells whether there is a next page.
    let mut items = storage::posts(&db, after, limit + 1).await?;
    let full = usize::try_from(limit).unwrap_or_default();
    let more = items.len() > full;
    items.truncate(full);
    let next = items.last().filter(|_| more).map(Post::id);
    Ok(Json(List { items, next }))
}

async fn create(
    State(app): State<App>,
    author: Principal,
    Json(draft): Json<Draft>,
) -> Result<(StatusCode, Json<Post>), Error> {
    let (id, now) = (app.ids.next(), app.clock.now().seconds());
    let post = storage::post_create(&app.db, id, &author, draft.checked()?, now).await?;
    Ok((StatusCode::CREATED, Json(post)))
}

async fn read(
    State(db): State<Db>,
    _: Principal,
    Path(id): Path<String>,
) -> Result<Json<Post>, Error> {
    storage::post(&db, parse(&id)?).await?.map(Json).ok_or(Error::NotFound)
}

async fn update(
    State(app): State<App>,
    caller: Principal,
    Path(id): Path<String>,
    Json(draft): Json<Draft>,
) -> Result<Json<Post>, Error> {
    let (id, now) = (parse(&id)?, app.clock.now().seconds());
    storage::post_update(&app.db, id, &caller, draft.checked()?, now).await?.outcome().map(Json)
}

async fn remove(
    State(db): State<Db>,
    caller: Principal,
    Path(id): Path<String>,
) -> Result<StatusCode, Error> {
    storage::post_delete(&db, parse(&id)?, &caller).await?.outcome()?;
    Ok(StatusCode::NO_CONTENT)
}

/// What is no id is the id of nothing.
fn parse(id: &str) -> Result<Uuid, Error> {
    Uuid::try_parse(id).map_err(|_| Error::NotFound)
}

impl<T> Change<T> {
    fn outcome(self) -> Result<T, Error> {
        match self {
            Self::Done(value) => Ok(value),
            Self::NotYours => Err(Error::NotYours),
            Self::NoPost => Err(Error::NotFound),
        }
    }
}

enum Error {
    NotFound,
    NotYours,
    Invalid(&'static str),
    PageInvalid,
    Storage(StorageError),
}

impl From<StorageError> for Error {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let (status, code, detail) = match self {
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found", "there is no such post"),
            Self::NotYours => (StatusCode::FORBIDDEN, "forbidden", "the post is somebody else's"),
            Self::Invalid(detail) => (StatusCode::UNPROCESSABLE_ENTITY, "body_invalid", detail),
            Self::PageInvalid => (
                StatusCode::BAD_REQUEST,
                "query_invalid",
                "after must be an id and limit a number from 1 to 100",
            ),
            Self::Storage(error) => return auth::Error::from(error).into_response(),
        };
        Problem::new(status, code, detail).into_response()
    }
}
