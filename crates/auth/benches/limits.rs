//! What the limits on guessing add to a login on SQLite, without the hash: 64 tasks at once, each with 16 addresses that
//! log in to an account of their own. Beside it what a login does anyway: to look for the account, and to begin its
//! session, durably. And what it costs to turn somebody away.
//!
//! `cargo bench -p countersign-auth --bench limits [-- folder]`; the folder decides which disk is measured. All routines
//! take turns; each figure is the median of its rounds. The clock is one of tests and goes on by a second with each call.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench prints its figures and stops where it fails"
)]

mod rounds;

use std::{net::Ipv4Addr, sync::Arc, thread, time::Duration};

use countersign_auth::{
    Auth, Client, Clock, Config, Error,
    storage::{Db, DbOptions},
    testing::{
        PASSWORD, TestClock,
        limits::{guess_right, guess_wrong},
    },
    users::{Email, NewUser, User},
};
use rounds::{Routine, take_turns};
use tokio::runtime::Runtime;

const TASKS: usize = 64;
const ADDRESSES: usize = 16;
const ROUNDS: usize = 11;
const CALLS: u32 = 1024;

/// An address, and the account that is tried from it.
#[derive(Clone)]
struct Caller {
    client: Client,
    email: String,
}

struct Site {
    auth: Auth,
    clock: TestClock,
    user: User,
    email: Email,
}

fn main() {
    let folder = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let folder = tempfile::tempdir_in(folder.map_or_else(std::env::temp_dir, Into::into)).unwrap();
    let url = format!("sqlite://{}", folder.path().join("data.db").display());
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let site = Arc::new(runtime.block_on(site(url)));
    let mut routines = [
        routine(&runtime, &site, "look for the account", async |site: &Site, _| {
            assert!(site.auth.user_by_email(&site.email).await.unwrap().is_some());
        }),
        routine(
            &runtime,
            &site,
            "begin the session, sign its tokens",
            async |site: &Site, caller| {
                site.auth.tokens_create(&site.user, &caller.client).await.unwrap();
            },
        ),
        routine(&runtime, &site, "limits: a right login", async |site: &Site, caller| {
            guess_right(&site.auth, &caller.email, &caller.client).await.unwrap();
        }),
        routine(&runtime, &site, "limits: a wrong login", async |site: &Site, caller| {
            guess_wrong(&site.auth, &caller.email, &caller.client).await.unwrap();
        }),
        refusals(&runtime, &site),
    ];
    take_turns(&mut routines, ROUNDS, CALLS);
    let [_, begin, ..] = &routines;
    println!("| {TASKS} tasks | µs | × the session |\n|---|---|---|");
    for routine in &routines {
        println!(
            "| {} | {:.2} | {:.3} |",
            routine.name,
            routine.median() / 1e3,
            begin.speed(routine)
        );
    }
    println!(
        "\nMedians of {} rounds on {} processors.",
        begin.times.len(),
        thread::available_parallelism().unwrap()
    );
    drop(routines);
    runtime.block_on(site.auth.db().close());
}

async fn site(url: String) -> Site {
    let db = Db::open(&DbOptions::new(url)).await.unwrap();
    let clock = TestClock::default();
    let builder = Auth::builder(Config::default()).db(db).clock(Clock::new(clock.clone()));
    let auth = builder.build().await.unwrap();
    let (email, name) = ("a@example.com", Some("Ada Lovelace"));
    let new = NewUser { email, password: PASSWORD, name, roles: &["user"] };
    let user = auth.user_create(new).await.unwrap();
    let email = user.email.clone();
    Site { auth, clock, user, email }
}

fn address(number: u32) -> Client {
    Client { address: Some(Ipv4Addr::from(number).into()), ..Client::default() }
}

/// A routine of [`TASKS`] at once, each of which lets its callers take turns.
fn routine<'r, W>(runtime: &'r Runtime, site: &Arc<Site>, name: &str, work: W) -> Routine<'r>
where
    W: for<'a> AsyncFn(&'a Site, Caller) + Copy + Send + Sync + 'r,
{
    let site = Arc::clone(site);
    Routine::new(name, move |calls| {
        // A login looks through the sessions of its account: they are as few in each round.
        let sweep = site.auth.db().execute("DELETE FROM refresh_tokens", []);
        runtime.block_on(sweep).unwrap();
        let each = usize::try_from(calls).unwrap().div_ceil(TASKS);
        let task = |task: usize| {
            let site = &site;
            async move {
                for turn in 0..each {
                    let number = u32::try_from(task * ADDRESSES + turn % ADDRESSES).unwrap();
                    let email = format!("user{number}@example.com");
                    work(site, Caller { client: address(number), email }).await;
                    site.clock.advance(Duration::from_secs(1));
                }
            }
        };
        runtime.block_on(futures_util::future::join_all((0..TASKS).map(task)));
    })
}

/// An address that has spent its budget tries on, one call after the other.
fn refusals<'r>(runtime: &'r Runtime, site: &Arc<Site>) -> Routine<'r> {
    let site = Arc::clone(site);
    let client = address(u32::MAX);
    Routine::new("limits: an address is turned away", move |calls| {
        runtime.block_on(async {
            while site.auth.limits().admit(&client).await.is_ok() {}
            for _ in 0..calls {
                let refused = guess_wrong(&site.auth, "b@example.com", &client).await;
                assert!(matches!(refused, Err(Error::RateLimited { .. })));
            }
        });
    })
}
