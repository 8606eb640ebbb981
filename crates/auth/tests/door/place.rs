//! Where a test keeps its database, and how it is taken away afterwards.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use countersign_auth::storage::{Db, DbOptions};
use tempfile::TempDir;

/// One test's own database.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) url: String,
    pub(crate) db: Db,
    folder: Option<Arc<TempDir>>,
    name: Option<String>,
}

static NUMBER: AtomicU32 = AtomicU32::new(0);

impl Place {
    pub(crate) async fn memory() -> Self {
        let url = "sqlite::memory:".to_owned();
        Self { db: open(&url).await, url, folder: None, name: None }
    }

    pub(crate) async fn disk() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("data.db").display());
        Self { db: open(&url).await, url, folder: Some(Arc::new(folder)), name: None }
    }

    pub(crate) async fn postgres() -> Option<Self> {
        let Some(admin) = admin_url() else {
            println!("skipped: COUNTERSIGN_TEST_POSTGRES is not set");
            return None;
        };
        let name =
            format!("door_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        administer(&format!("CREATE DATABASE {name}")).await;
        let (server, rest) = admin.rsplit_once('/').unwrap();
        let options =
            rest.split_once('?').map_or(String::new(), |(_, options)| format!("?{options}"));
        let url = format!("{server}/{name}{options}");
        Some(Self { db: open(&url).await, url, folder: None, name: Some(name) })
    }

    /// Another handle on the same database, as another process would have one; `None` in memory.
    pub(crate) async fn again(&self) -> Option<Db> {
        if self.url.contains(":memory:") { None } else { Some(open(&self.url).await) }
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.as_ref().unwrap().path().join("data.db")
    }

    pub(crate) fn database(&self) -> &str {
        self.name.as_deref().unwrap()
    }

    pub(crate) async fn remove(&self) {
        self.db.close().await;
        administer(&format!("DROP DATABASE {} WITH (FORCE)", self.database())).await;
    }
}

pub(crate) async fn open(url: &str) -> Db {
    Db::open(&DbOptions::new(url)).await.unwrap()
}

fn admin_url() -> Option<String> {
    std::env::var("COUNTERSIGN_TEST_POSTGRES").ok().filter(|url| !url.is_empty())
}

/// Runs a command in the database the tests were given, over a connection of its own.
pub(crate) async fn administer(sql: &str) {
    let (client, connection) =
        tokio_postgres::connect(&admin_url().unwrap(), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute(sql).await.unwrap();
}
