//! What the door costs: durable transactions and reads on SQLite, 64 tasks at once.
//!
//! `cargo bench -p countersign-auth --bench storage [-- folder]`; the folder decides which disk is measured. Each line
//! is the median of five rounds.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench prints its figures and stops where it fails"
)]

use std::{
    future::Future,
    time::{Duration, Instant},
};

use countersign_auth::storage::{Db, DbOptions, Value};

const TASKS: i64 = 64;
const ROUND: Duration = Duration::from_secs(1);
const ROUNDS: usize = 5;

fn main() {
    let folder = std::env::args()
        .nth(1)
        .filter(|argument| !argument.starts_with("--"))
        .map_or_else(std::env::temp_dir, Into::into);
    let folder = tempfile::tempdir_in(folder).unwrap();
    let url = format!("sqlite://{}", folder.path().join("data.db").display());
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let db = Db::open(&DbOptions::new(url)).await.unwrap();
        db.execute(
            "CREATE TABLE tokens (id INTEGER PRIMARY KEY, secret BLOB NOT NULL, used INTEGER NOT NULL) STRICT",
            [],
        )
        .await
        .unwrap();
        for id in 0..10_000_i64 {
            let secret: Value = vec![7_u8; 32].into();
            let insert = "INSERT INTO tokens (id, secret, used) VALUES ($1, $2, 0)";
            if id % 100 == 0 {
                db.execute(insert, [id.into(), secret]).await.unwrap();
            } else {
                db.execute("INSERT INTO tokens (secret, used) VALUES ($1, 0)", [secret])
                    .await
                    .unwrap();
            }
        }

        measure("transactions of two statements", TASKS, &db, rotate).await;
        measure("transactions of two statements, one task", 1, &db, rotate).await;
        measure("single writes", TASKS, &db, |db, n| async move {
            let id = n % 10_000;
            db.execute("UPDATE tokens SET used = used + 1 WHERE id = $1", [id.into()])
                .await
                .unwrap();
        })
        .await;
        measure("reads of one row", TASKS, &db, |db, n| async move {
            let id = n % 10_000;
            db.optional("SELECT secret, used FROM tokens WHERE id = $1", [id.into()])
                .await
                .unwrap();
        })
        .await;
        db.close().await;
    });
}

/// What the rotation of a refresh token does: look and replace.
async fn rotate(db: Db, n: i64) {
    let id = n % 10_000;
    db.transaction(move |tx| {
        Box::pin(async move {
            let row = tx.optional("SELECT used FROM tokens WHERE id = $1", [id.into()]).await?;
            let used: i64 = row.map_or(Ok(0), |row| row.get("used"))?;
            tx.execute(
                "UPDATE tokens SET used = $2, secret = $3 WHERE id = $1",
                [id.into(), (used + 1).into(), vec![9_u8; 32].into()],
            )
            .await
        })
    })
    .await
    .unwrap();
}

async fn measure<F, R>(name: &str, tasks: i64, db: &Db, work: F)
where
    F: Fn(Db, i64) -> R + Copy + Send + 'static,
    R: Future<Output = ()> + Send,
{
    let mut rates = Vec::new();
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let tasks: Vec<_> = (0..tasks)
            .map(|task| {
                let db = db.clone();
                tokio::spawn(async move {
                    let mut done = 0_u32;
                    while start.elapsed() < ROUND {
                        work(db.clone(), task * 157 + i64::from(done) * 31).await;
                        done += 1;
                    }
                    done
                })
            })
            .collect();
        let mut done = 0.0;
        for task in tasks {
            done += f64::from(task.await.unwrap());
        }
        rates.push(done / start.elapsed().as_secs_f64());
    }
    rates.sort_by(f64::total_cmp);
    println!("{name:45} {:>9.0}/s", rates.get(ROUNDS / 2).unwrap());
}
