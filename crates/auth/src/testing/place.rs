#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test without its database fails where it stands"
)]

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use tempfile::TempDir;

use crate::{
    secret::{fill, hex},
    storage::{Db, DbOptions},
};

/// One test's own database, and how it is taken away afterwards.
#[derive(Debug, Clone)]
pub struct Place {
    /// Its address.
    pub url: String,
    /// A handle on it.
    pub db: Db,
    folder: Option<Arc<TempDir>>,
    name: Option<String>,
}

static NUMBER: AtomicU32 = AtomicU32::new(0);

impl Place {
    /// SQLite in memory.
    pub async fn memory() -> Self {
        let url = "sqlite::memory:".to_owned();
        Self { db: open(&url).await, url, folder: None, name: None }
    }

    /// SQLite in a temporary folder, removed with the last clone.
    pub async fn disk() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite://{}", folder.path().join("data.db").display());
        Self { db: open(&url).await, url, folder: Some(Arc::new(folder)), name: None }
    }

    /// A database of its own on the server of `COUNTERSIGN_TEST_POSTGRES`; `None` where that is not set.
    pub async fn postgres() -> Option<Self> {
        let Some(admin) = admin_url() else {
            println!("skipped: COUNTERSIGN_TEST_POSTGRES is not set");
            return None;
        };
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        // Another process may have had this number, and left its databases behind.
        let mut chance = [0; 4];
        fill(&mut chance).expect("randomness");
        let name = format!("test_{}_{number}_{}", std::process::id(), hex(&chance));
        administer(&format!("CREATE DATABASE {name}")).await;
        let (server, rest) = admin.rsplit_once('/').expect("a database in the URL");
        let options =
            rest.split_once('?').map_or(String::new(), |(_, options)| format!("?{options}"));
        let url = format!("{server}/{name}{options}");
        Some(Self { db: open(&url).await, url, folder: None, name: Some(name) })
    }

    /// Another handle on the same database, as another process would have one; `None` in memory.
    pub async fn again(&self) -> Option<Db> {
        if self.url.contains(":memory:") { None } else { Some(open(&self.url).await) }
    }

    /// The file of SQLite on disk.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.folder.as_ref().expect("SQLite on disk").path().join("data.db")
    }

    /// The name of the database on PostgreSQL.
    #[must_use]
    pub fn database(&self) -> &str {
        self.name.as_deref().expect("PostgreSQL")
    }

    /// Keeps the folder and lets go of the database.
    #[must_use]
    pub fn keep(self) -> Arc<TempDir> {
        self.folder.expect("SQLite on disk")
    }

    /// Removes the database from the PostgreSQL server.
    pub async fn remove(&self) {
        self.db.close().await;
        administer(&format!("DROP DATABASE {} WITH (FORCE)", self.database())).await;
    }
}

/// Opens a database.
pub async fn open(url: &str) -> Db {
    Db::open(&DbOptions::new(url)).await.expect("a database")
}

fn admin_url() -> Option<String> {
    std::env::var("COUNTERSIGN_TEST_POSTGRES").ok().filter(|url| !url.is_empty())
}

/// Runs a command in the database the tests were given, over a connection of its own.
pub async fn administer(sql: &str) {
    let (client, connection) =
        tokio_postgres::connect(&admin_url().expect("a server"), tokio_postgres::NoTls)
            .await
            .expect("the PostgreSQL of the tests");
    tokio::spawn(connection);
    client.batch_execute(sql).await.expect("done");
}
