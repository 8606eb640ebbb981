//! The posts' own table, behind the same door as the accounts.

use auth::storage::{Db, Migration, Migrations, Row, StorageError};
use guard::Principal;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// The table of posts, on both engines.
pub const MIGRATIONS: Migrations = Migrations {
    table: "posts_migrations",
    steps: &[Migration {
        name: "V1__posts",
        sqlite: include_str!("../migrations/sqlite/V1__posts.sql"),
        postgres: include_str!("../migrations/postgres/V1__posts.sql"),
    }],
};

/// A post as clients see it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Post {
    id: Uuid,
    title: String,
    content: String,
    author_id: String,
    author_name: Option<String>,
    created_at: i64,
    updated_at: i64,
}

/// What came of a change to a post.
#[derive(Debug)]
pub(crate) enum Change<T> {
    /// It was made.
    Done(T),
    /// The post is somebody else's.
    NotYours,
    /// There is no such post.
    NoPost,
}

impl Post {
    pub(crate) fn id(&self) -> Uuid {
        self.id
    }

    fn from_row(row: &Row) -> Result<Self, StorageError> {
        Ok(Self {
            id: row.get("id")?,
            title: row.get("title")?,
            content: row.get("content")?,
            author_id: row.get("author_id")?,
            author_name: row.get("author_name")?,
            created_at: row.get("created_at")?,
            updated_at: row.get("updated_at")?,
        })
    }
}

/// Posts from the newest on, those older than `after` when it is given.
pub(crate) async fn posts(
    db: &Db,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Post>, StorageError> {
    let rows = db
        .all(
            "SELECT id, title, content, author_id, author_name, created_at, updated_at
               FROM posts WHERE $1 IS NULL OR id < $1 ORDER BY id DESC LIMIT $2",
            [after.into(), limit.into()],
        )
        .await?;
    rows.iter().map(Post::from_row).collect()
}

/// One post.
pub(crate) async fn post(db: &Db, id: Uuid) -> Result<Option<Post>, StorageError> {
    let row = db
        .optional(
            "SELECT id, title, content, author_id, author_name, created_at, updated_at
               FROM posts WHERE id = $1",
            [id.into()],
        )
        .await?;
    row.map(|row| Post::from_row(&row)).transpose()
}

/// Adds a post under the author's name.
pub(crate) async fn post_create(
    db: &Db,
    id: Uuid,
    author: &Principal,
    (title, content): (String, String),
    now: i64,
) -> Result<Post, StorageError> {
    let post = Post {
        id,
        title,
        content,
        author_id: author.subject().to_owned(),
        author_name: author.name().map(str::to_owned),
        created_at: now,
        updated_at: now,
    };
    db.execute(
        "INSERT INTO posts (id, title, content, author_id, author_name, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $6)",
        [
            id.into(),
            post.title.as_str().into(),
            post.content.as_str().into(),
            post.author_id.as_str().into(),
            post.author_name.clone().into(),
            now.into(),
        ],
    )
    .await?;
    Ok(post)
}

/// Replaces title and content, for the author or an administrator.
pub(crate) async fn post_update(
    db: &Db,
    id: Uuid,
    caller: &Principal,
    (title, content): (String, String),
    now: i64,
) -> Result<Change<Post>, StorageError> {
    let row = db
        .optional(
            "UPDATE posts SET title = $4, content = $5, updated_at = $6
              WHERE id = $1 AND (author_id = $2 OR $3)
             RETURNING id, title, content, author_id, author_name, created_at, updated_at",
            [
                id.into(),
                caller.subject().into(),
                caller.has_role("admin").into(),
                title.into(),
                content.into(),
                now.into(),
            ],
        )
        .await?;
    match row {
        Some(row) => Ok(Change::Done(Post::from_row(&row)?)),
        None => unchanged(db, id).await,
    }
}

/// Removes a post, for the author or an administrator.
pub(crate) async fn post_delete(
    db: &Db,
    id: Uuid,
    caller: &Principal,
) -> Result<Change<()>, StorageError> {
    let removed = db
        .execute(
            "DELETE FROM posts WHERE id = $1 AND (author_id = $2 OR $3)",
            [id.into(), caller.subject().into(), caller.has_role("admin").into()],
        )
        .await?;
    if removed > 0 { Ok(Change::Done(())) } else { unchanged(db, id).await }
}

async fn unchanged<T>(db: &Db, id: Uuid) -> Result<Change<T>, StorageError> {
    Ok(if post(db, id).await?.is_some() { Change::NotYours } else { Change::NoPost })
}
