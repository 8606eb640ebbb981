//! Refreshes a second on SQLite, each durable before it is answered: 64 tasks at once, each with 16 logins.
//!
//! `cargo bench -p countersign-auth --bench refresh [-- folder --rounds=21]`; the folder decides which disk is measured. Beside them
//! what they come to: the door's price of a transaction that looks and replaces. All take turns; each figure is the
//! median of its rounds.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench prints its figures and stops where it fails"
)]

mod rounds;

use std::{sync::Arc, thread};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, StatusCode, header::CONTENT_TYPE},
};
use countersign_auth::{
    Auth, Client, Config,
    storage::{Db, DbOptions},
    testing::PASSWORD,
    tokens::Tokens,
    users::{NewUser, User},
};
use rounds::{Routine, take_turns};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tower::ServiceExt as _;

const TASKS: usize = 64;
const LOGINS: usize = 16;
/// Unless `--rounds` says otherwise.
const ROUNDS: usize = 21;
const CALLS: u32 = 16 * 1024;

fn main() {
    let folder = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let rounds =
        std::env::args().find_map(|argument| argument.strip_prefix("--rounds=")?.parse().ok());
    let folder = tempfile::tempdir_in(folder.map_or_else(std::env::temp_dir, Into::into)).unwrap();
    let url = format!("sqlite://{}", folder.path().join("data.db").display());
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (auth, user) = runtime.block_on(async {
        let db = Db::open(&DbOptions::new(url)).await.unwrap();
        let auth = Auth::builder(Config::default()).db(db).build().await.unwrap();
        let (email, name) = ("a@example.com", Some("Ada Lovelace"));
        let new = NewUser { email, password: PASSWORD, name, roles: &["user"] };
        let user = auth.user_create(new).await.unwrap();
        auth.db()
            .execute("CREATE TABLE plain (id INTEGER PRIMARY KEY, secret BLOB NOT NULL, used INTEGER NOT NULL) STRICT", [])
            .await
            .unwrap();
        (auth, user)
    });
    let router = auth.router();
    let mut routines = [
        routine(&runtime, "a transaction of two statements", rows(&runtime, auth.db()), {
            let db = auth.db().clone();
            move |id| replace(db.clone(), id)
        }),
        routine(&runtime, "`Auth::tokens_refresh`", logins(&runtime, &auth, &user), {
            let auth = auth.clone();
            move |token| refresh(auth.clone(), token)
        }),
        routine(&runtime, "`POST /refresh` through the router", logins(&runtime, &auth, &user), {
            move |token| post(router.clone(), token)
        }),
    ];
    take_turns(&mut routines, rounds.unwrap_or(ROUNDS), CALLS);
    let [plain, ..] = &routines;
    println!("| {TASKS} tasks, durable | a second | × the first |\n|---|---|---|");
    for routine in &routines {
        println!(
            "| {} | {:.0} | {:.2} |",
            routine.name,
            1e9 / routine.median(),
            routine.speed(plain)
        );
    }
    println!(
        "\nMedians of {} rounds on {} processors.",
        plain.times.len(),
        thread::available_parallelism().unwrap()
    );
    drop(routines);
    runtime.block_on(auth.db().close());
}

/// A routine of [`TASKS`] at once, each of which does its work in turn on what is its own.
fn routine<'r, T, W, F>(
    runtime: &'r Runtime,
    name: &str,
    mut own: Vec<Vec<T>>,
    work: W,
) -> Routine<'r>
where
    T: Send + 'static,
    W: Fn(T) -> F + Send + Sync + 'static,
    F: Future<Output = T> + Send,
{
    let work = Arc::new(work);
    Routine::new(name, move |calls| {
        let each = usize::try_from(calls).unwrap().div_ceil(TASKS);
        runtime.block_on(async {
            let tasks: Vec<_> = std::mem::take(&mut own)
                .into_iter()
                .map(|mut own| {
                    let work = Arc::clone(&work);
                    tokio::spawn(async move {
                        for _ in 0..each {
                            let next = work(own.remove(0)).await;
                            own.push(next);
                        }
                        own
                    })
                })
                .collect();
            for task in tasks {
                own.push(task.await.unwrap());
            }
        });
    })
}

/// [`LOGINS`] for each task, as their refresh tokens.
fn logins(runtime: &Runtime, auth: &Auth, user: &User) -> Vec<Vec<String>> {
    let create = || async {
        let mut tokens = Vec::new();
        for _ in 0..LOGINS {
            tokens.push(auth.tokens_create(user, &Client::default()).await.unwrap().refresh);
        }
        tokens
    };
    runtime.block_on(futures_util::future::join_all((0..TASKS).map(|_| create())))
}

async fn refresh(auth: Auth, token: String) -> String {
    let Tokens { refresh, .. } = auth.tokens_refresh(&token, &Client::default()).await.unwrap();
    refresh
}

async fn post(router: Router, token: String) -> String {
    let body = Body::from(json!({ "refresh_token": token }).to_string());
    let request =
        Request::post("/refresh").header(CONTENT_TYPE, "application/json").body(body).unwrap();
    let response = router.oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    body.get("refresh_token").and_then(Value::as_str).unwrap().to_owned()
}

/// As many rows as there are logins.
fn rows(runtime: &Runtime, db: &Db) -> Vec<Vec<i64>> {
    let own = |task: usize| async move {
        let mut ids = Vec::new();
        for login in 0..LOGINS {
            let id = i64::try_from(task * LOGINS + login).unwrap();
            let secret = vec![7_u8; 32].into();
            db.execute(
                "INSERT INTO plain (id, secret, used) VALUES ($1, $2, 0)",
                [id.into(), secret],
            )
            .await
            .unwrap();
            ids.push(id);
        }
        ids
    };
    runtime.block_on(futures_util::future::join_all((0..TASKS).map(own)))
}

async fn replace(db: Db, id: i64) -> i64 {
    db.transaction(move |tx| {
        Box::pin(async move {
            let row = tx.optional("SELECT used FROM plain WHERE id = $1", [id.into()]).await?;
            let used: i64 = row.map_or(Ok(0), |row| row.get("used"))?;
            tx.execute(
                "UPDATE plain SET used = $2, secret = $3 WHERE id = $1",
                [id.into(), (used + 1).into(), vec![9_u8; 32].into()],
            )
            .await
        })
    })
    .await
    .unwrap();
    id
}
