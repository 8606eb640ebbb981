//! Whether answers tell which accounts exist: the same request for an account that is there and for one that is not, in
//! turn, many times; status, headers and body have to be equal, and the medians of the times within five per cent.
//!
//! `scripts/enumeration` builds and starts this. Every request comes from another client address, through a proxy that
//! the server believes, so that limits are on and charged, and none is reached.
#![expect(clippy::print_stdout, reason = "it prints its table")]

#[path = "../serving/connection.rs"]
mod connection;
#[path = "../serving/server.rs"]
mod server;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use auth::testing::PASSWORD;
use clap::Parser;
use serde_json::{Value, json};

use self::{
    connection::{Connection, request},
    server::Server,
};

/// By how much the medians may differ.
const TOLERANCE: f64 = 0.05;
/// Pairs before those that count.
const WARM_UP: usize = 8;

/// Compares the answers for accounts that are there with those for accounts that are not.
#[derive(Parser)]
struct Options {
    /// The binary `countersign` to measure.
    #[arg(long)]
    server: PathBuf,
    /// So many pairs for each request.
    #[arg(long, default_value_t = 300)]
    pairs: usize,
    /// Prints an array in place of the table.
    #[arg(long)]
    json: bool,
}

/// A request that names an account.
struct Case {
    name: &'static str,
    path: &'static str,
    body: fn(email: &str) -> Value,
    /// Whose accounts are there: confirmed ones, or such as wait to be.
    known: &'static str,
}

const CASES: [Case; 5] = [
    Case { name: "a wrong password, `/login`", path: "/login", body: wrong, known: "confirmed" },
    Case {
        name: "a wrong password, `/login/session`",
        path: "/login/session",
        body: wrong,
        known: "confirmed",
    },
    Case { name: "`/register`", path: "/register", body: registration, known: "confirmed" },
    Case {
        name: "`/password/forgot`",
        path: "/password/forgot",
        body: address,
        known: "confirmed",
    },
    Case { name: "`/email/resend`", path: "/email/resend", body: address, known: "waiting" },
];

fn wrong(email: &str) -> Value {
    json!({ "email": email, "password": "four unrelated gravel stones" })
}

fn registration(email: &str) -> Value {
    json!({ "email": email, "password": PASSWORD })
}

fn address(email: &str) -> Value {
    json!({ "email": email })
}

fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    ensure!(options.pairs > 0, "no pairs, no figures");
    let data = tempfile::tempdir()?;
    let mut clients = Clients::default();
    let all = WARM_UP + options.pairs;
    // Without confirmation an account is there as soon as it is made.
    register(&start(&options.server, data.path(), false)?, &mut clients, "confirmed", all)?;
    let server = start(&options.server, data.path(), true)?;
    register(&server, &mut clients, "waiting", all)?;
    let mut outcomes = Vec::new();
    for case in &CASES {
        outcomes.push(compare(&server, &mut clients, case, options.pairs)?);
    }
    if options.json {
        println!("{:#}", outcomes.iter().map(Outcome::json).collect::<Value>());
    } else {
        println!("Of {} pairs each, one account there and one not.\n", options.pairs);
        println!(
            "| request | there, ms | not there, ms | ratio of medians | middle halves overlap | answers alike |"
        );
        println!("|---|---|---|---|---|---|");
        outcomes.iter().for_each(Outcome::print);
    }
    let told = outcomes.iter().any(|outcome| !outcome.tells_nothing());
    Ok(if told { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn start(server: &Path, data: &Path, verify_email: bool) -> anyhow::Result<Server> {
    let mut command = Command::new(server);
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(data.join("data"))
        .env("COUNTERSIGN_HTTP__TRUSTED_PROXIES", "127.0.0.1/32")
        .env("COUNTERSIGN_ACCOUNTS__VERIFY_EMAIL", verify_email.to_string())
        // Nobody listens there: letters are owed and not sent, which no answer may show.
        .env("COUNTERSIGN_MAIL__URL", "smtp://127.0.0.1:9")
        .env("COUNTERSIGN_MAIL__FROM", "countersign@example.com");
    Server::start(command)
}

/// Client addresses, each another one.
#[derive(Default)]
struct Clients(u32);

impl Clients {
    /// A request from the next of them.
    fn post(&mut self, path: &str, body: &Value) -> Vec<u8> {
        self.0 += 1;
        let [_, a, b, c] = self.0.to_be_bytes();
        let from = format!("x-forwarded-for: 10.{a}.{b}.{c}");
        request("POST", path, &[&from], Some(&body.to_string()))
    }
}

fn connect(server: &Server) -> anyhow::Result<Connection> {
    Connection::open(server.url.strip_prefix("http://").context("an address")?)
}

fn email(kind: &str, number: usize) -> String {
    format!("{kind}{number}@example.com")
}

fn register(
    server: &Server,
    clients: &mut Clients,
    kind: &str,
    count: usize,
) -> anyhow::Result<()> {
    let mut connection = connect(server)?;
    for number in 0..count {
        let request = clients.post("/register", &registration(&email(kind, number)));
        let answer = connection.ask(&request)?;
        ensure!(matches!(answer.status, 201 | 202), "/register answered {}", answer.head);
    }
    Ok(())
}

/// What one request told.
struct Outcome {
    name: &'static str,
    there: Side,
    not_there: Side,
}

/// What was answered for accounts of one kind.
struct Side {
    kind: String,
    times: Vec<Duration>,
    /// Each answer that was given, but for the time in it.
    answers: BTreeSet<(String, Vec<u8>)>,
}

impl Side {
    fn new(kind: String) -> Self {
        Self { kind, times: Vec::new(), answers: BTreeSet::new() }
    }

    /// The time that so many quarters of them do not exceed.
    fn at(&self, quarters: usize) -> Duration {
        let mut times = self.times.clone();
        times.sort_unstable();
        times.get(times.len() * quarters / 4).copied().unwrap_or_default()
    }
}

fn compare(
    server: &Server,
    clients: &mut Clients,
    case: &Case,
    pairs: usize,
) -> anyhow::Result<Outcome> {
    let mut connection = connect(server)?;
    let mut there = Side::new(case.known.to_owned());
    let mut not_there = Side::new(format!("nobody-{}", case.path.replace('/', "")));
    for number in 0..WARM_UP + pairs {
        let mut turn = |side: &mut Side| -> anyhow::Result<()> {
            let request = clients.post(case.path, &(case.body)(&email(&side.kind, number)));
            let asked = Instant::now();
            let answer = connection.ask(&request)?;
            let took = asked.elapsed();
            if number >= WARM_UP {
                side.times.push(took);
                side.answers.insert((without_date(answer.head), answer.body.to_vec()));
            }
            Ok(())
        };
        // What one request leaves to be done in the background meets either kind as often.
        if number % 2 == 0 {
            turn(&mut there)?;
            turn(&mut not_there)?;
        } else {
            turn(&mut not_there)?;
            turn(&mut there)?;
        }
    }
    Ok(Outcome { name: case.name, there, not_there })
}

/// The head of an answer without the one header that tells the time.
fn without_date(head: &str) -> String {
    let lines = head.lines().filter(|line| !line.to_ascii_lowercase().starts_with("date:"));
    lines.collect::<Vec<_>>().join("\n")
}

impl Outcome {
    fn medians(&self) -> (f64, f64) {
        (millis(self.there.at(2)), millis(self.not_there.at(2)))
    }

    fn ratio(&self) -> f64 {
        let (there, not_there) = self.medians();
        there / not_there
    }

    fn overlap(&self) -> bool {
        self.there.at(1) <= self.not_there.at(3) && self.not_there.at(1) <= self.there.at(3)
    }

    fn alike(&self) -> bool {
        self.there.answers.len() == 1 && self.there.answers == self.not_there.answers
    }

    fn tells_nothing(&self) -> bool {
        self.alike() && self.overlap() && (self.ratio() - 1.0).abs() <= TOLERANCE
    }

    fn print(&self) {
        let (there, not_there) = self.medians();
        let says = |yes| if yes { "yes" } else { "NO" };
        println!(
            "| {} | {there:.2} | {not_there:.2} | {:.3} | {} | {} |",
            self.name,
            self.ratio(),
            says(self.overlap()),
            says(self.alike())
        );
        if !self.alike() {
            for (head, body) in self.there.answers.iter().chain(&self.not_there.answers).take(4) {
                println!("\n{head}\n\n{}\n", String::from_utf8_lossy(body));
            }
        }
    }

    fn json(&self) -> Value {
        let (there, not_there) = self.medians();
        json!({
            "request": self.name,
            "there_ms": there,
            "not_there_ms": not_there,
            "ratio": self.ratio(),
            "middle_halves_overlap": self.overlap(),
            "answers_alike": self.alike(),
            "pairs": self.there.times.len(),
        })
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
