//! What a server on one core does while logins flood it: logins a second against what its hashing could do at best,
//! reads beside them against reads alone, and its memory.
//!
//! `scripts/login-flood` builds and starts this. The server has the first processor to itself and this program the second,
//! as far as what else runs here lets them. In each round the hash, the reads, the logins, and both at once take turns.
#![expect(clippy::print_stdout, reason = "it prints its table")]

#[path = "../serving/connection.rs"]
mod connection;
mod load;
#[path = "../serving/server.rs"]
mod server;

use std::{
    path::PathBuf,
    process::{Command, ExitCode},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use argon2::{Argon2, Block, Params};
use auth::testing::PASSWORD;
use clap::Parser;
use serde_json::{Value, json};

use self::{
    connection::{Connection, request},
    load::{Answers, drive},
    server::Server,
};

/// Posts in each answer to a read.
const POSTS: usize = 10;
/// Hashes of each round.
const HASHES: u32 = 32;

/// What connections of one kind send, each its own.
type Requests = Vec<Vec<u8>>;

/// Measures logins, and reads beside them.
#[derive(Parser)]
struct Options {
    /// The binary `countersign` to measure.
    #[arg(long)]
    server: PathBuf,
    /// Rounds; each figure is the median of them.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of each part of a round.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Connections that log in.
    #[arg(long, default_value_t = 64)]
    logins: usize,
    /// Connections that read.
    #[arg(long, default_value_t = 16)]
    reads: usize,
    /// Prints an object in place of the table.
    #[arg(long)]
    json: bool,
    /// Only hashes, so many times, and prints nanoseconds for each: what the program runs on the server's processor.
    #[arg(long, hide = true)]
    hash: Option<u32>,
}

/// What the parts of one round gave.
struct Round {
    hash: Duration,
    reads: Answers,
    logins: Answers,
    reads_beside: Answers,
    logins_beside: Answers,
}

fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    if let Some(times) = options.hash {
        println!("{}", hash(times)?.as_nanos());
        return Ok(ExitCode::SUCCESS);
    }
    ensure!(options.rounds > 0 && options.seconds > 0, "no rounds, no figures");
    let server = start(&options)?;
    let address = server.url.strip_prefix("http://").context("an address")?.to_owned();
    let (logins, reads) = prepare(&address, &options)?;
    let idle = memory(&server, "VmRSS")?;
    let mut rounds = Vec::new();
    for _ in 0..options.rounds {
        let part = |logins: &[_], reads: &[_]| run(&address, &options, logins, reads);
        let hash = hash_beside(&options)?;
        let (_, reads_alone) = part(&[], &reads)?;
        let (logins_alone, _) = part(&logins, &[])?;
        let (logins_beside, reads_beside) = part(&logins, &reads)?;
        rounds.push(Round {
            hash,
            reads: reads_alone,
            logins: logins_alone,
            reads_beside,
            logins_beside,
        });
    }
    let figures = Figures::of(&rounds, idle, memory(&server, "VmHWM")?);
    drop(server);
    if options.json {
        println!("{:#}", figures.json());
    } else {
        figures.print(&options);
    }
    Ok(if figures.are_met() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn start(options: &Options) -> anyhow::Result<Server> {
    let mut command = Command::new("taskset");
    command
        .args(["--cpu-list", "0"])
        .arg(&options.server)
        .args(["dev", "--ephemeral", "--listen", "127.0.0.1:0"])
        // One address logs in as fast as it can.
        .env("COUNTERSIGN_LIMITS__ENABLED", "false")
        .env("COUNTERSIGN_TOKENS__ACCESS_LIFETIME", "1d");
    Server::start(command)
}

/// Makes an account for each connection that logs in, and posts; returns the requests of the connections.
fn prepare(address: &str, options: &Options) -> anyhow::Result<(Requests, Requests)> {
    let mut connection = Connection::open(address)?;
    let mut make = |path: &str, headers: &[&str], body: &Value, expected: u16| {
        let answer = connection.ask(&request("POST", path, headers, Some(&body.to_string())))?;
        ensure!(answer.status == expected, "{path} answered {}", answer.head);
        Ok(serde_json::from_slice::<Value>(answer.body)?)
    };
    let mut logins = Vec::new();
    for number in 0..=options.logins {
        let credentials =
            json!({ "email": format!("a{number}@example.com"), "password": PASSWORD });
        make("/register", &[], &credentials, 201)?;
        logins.push(request("POST", "/login", &[], Some(&credentials.to_string())));
    }
    let credentials = json!({ "email": "a0@example.com", "password": PASSWORD });
    let login = make("/login", &[], &credentials, 200)?;
    let token = login.get("access_token").and_then(Value::as_str).context("no token")?;
    let bearer = format!("authorization: Bearer {token}");
    for number in 0..POSTS {
        let post = json!({ "title": format!("Post {number}"), "content": "text ".repeat(20) });
        make("/posts", &[&bearer], &post, 201)?;
    }
    logins.truncate(options.logins);
    Ok((logins, vec![request("GET", "/posts", &[&bearer], None); options.reads]))
}

/// Logins and reads at once.
fn run(
    address: &str,
    options: &Options,
    logins: &[Vec<u8>],
    reads: &[Vec<u8>],
) -> anyhow::Result<(Answers, Answers)> {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let logins = scope.spawn(|| drive(address, logins, &stop));
        let reads = scope.spawn(|| drive(address, reads, &stop));
        thread::sleep(Duration::from_secs(options.seconds));
        stop.store(true, Ordering::Relaxed);
        let joined = |answers: thread::ScopedJoinHandle<'_, anyhow::Result<Answers>>| {
            answers.join().ok().context("a thread panicked")?
        };
        Ok((joined(logins)?, joined(reads)?))
    })
}

/// What a hash takes on the server's processor, with nothing beside it.
fn hash_beside(options: &Options) -> anyhow::Result<Duration> {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", "0"]).arg(std::env::current_exe()?);
    command.arg("--server").arg(&options.server).args(["--hash", &HASHES.to_string()]);
    let output = command.output()?;
    ensure!(output.status.success(), "hashing: {}", String::from_utf8_lossy(&output.stderr));
    Ok(Duration::from_nanos(String::from_utf8(output.stdout)?.trim().parse()?))
}

/// The mean of so many hashes in one thread that keeps its memory, as the server's hashing threads do.
fn hash(times: u32) -> anyhow::Result<Duration> {
    let mut memory = vec![Block::new(); Params::DEFAULT.block_count()];
    let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
    let mut one = || {
        Argon2::default()
            .hash_password_into_with_memory(PASSWORD.as_bytes(), &[7; 16], &mut output, &mut memory)
            .map_err(|error| anyhow::anyhow!("{error}"))
    };
    one()?;
    let begun = Instant::now();
    for _ in 0..times {
        one()?;
    }
    Ok(begun.elapsed() / times.max(1))
}

/// A figure of the server's memory, in MiB.
fn memory(server: &Server, name: &str) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.child.id()))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kib: u32 = line.context(name.to_owned())?.trim().trim_end_matches(" kB").parse()?;
    Ok(f64::from(kib) / 1024.0)
}

/// The medians of all rounds, and what they are held against.
struct Figures {
    hash_ms: f64,
    logins: f64,
    logins_of_best: f64,
    login_p99_ms: f64,
    busy: usize,
    reads_alone: f64,
    reads_beside: f64,
    reads_kept: f64,
    reads_p99_alone_ms: f64,
    reads_p99_ms: f64,
    logins_beside: f64,
    idle_mib: f64,
    peak_mib: f64,
}

impl Figures {
    fn of(rounds: &[Round], idle_mib: f64, peak_mib: f64) -> Self {
        let over = |figure: &dyn Fn(&Round) -> f64| median(rounds.iter().map(figure).collect());
        Self {
            hash_ms: over(&|round| millis(round.hash)),
            logins: over(&|round| round.logins.rate()),
            logins_of_best: over(&|round| round.logins.rate() * round.hash.as_secs_f64()),
            login_p99_ms: over(&|round| millis(round.logins.at(99))),
            busy: rounds.iter().map(|round| round.logins.busy + round.logins_beside.busy).sum(),
            reads_alone: over(&|round| round.reads.rate()),
            reads_beside: over(&|round| round.reads_beside.rate()),
            reads_kept: over(&|round| round.reads_beside.rate() / round.reads.rate()),
            reads_p99_alone_ms: over(&|round| millis(round.reads.at(99))),
            reads_p99_ms: over(&|round| millis(round.reads_beside.at(99))),
            logins_beside: over(&|round| round.logins_beside.rate()),
            idle_mib,
            peak_mib,
        }
    }

    /// One hashing thread and its 19 MiB, and 64 MiB for everything else.
    const MEMORY: f64 = 19.0 + 64.0;

    fn are_met(&self) -> bool {
        self.logins_of_best >= 0.95
            && self.reads_kept >= 0.8
            && self.reads_p99_ms <= 5.0
            && self.peak_mib <= Self::MEMORY
    }

    fn print(&self, options: &Options) {
        let Options { logins, reads, rounds, seconds, .. } = options;
        println!(
            "One core, {logins} connections log in, {reads} read {POSTS} posts; medians of {rounds} rounds of {seconds} s a part.\n"
        );
        println!("| | measured | aimed at |\n|---|---|---|");
        println!("| one hash on that core, ms | {:.1} | |", self.hash_ms);
        println!("| logins a second | {:.1} | |", self.logins);
        println!("| of what the hash allows | {:.2} | ≥ 0.95 |", self.logins_of_best);
        println!("| a login's p99, ms | {:.0} | |", self.login_p99_ms);
        println!("| logins answered 503 | {} | |", self.busy);
        println!("| reads a second, alone | {:.0} | |", self.reads_alone);
        println!("| reads a second, beside the logins | {:.0} | |", self.reads_beside);
        println!("| of those alone | {:.2} | ≥ 0.80 |", self.reads_kept);
        println!("| a read's p99 alone, ms | {:.1} | |", self.reads_p99_alone_ms);
        println!("| a read's p99 beside the logins, ms | {:.1} | ≤ 5.0 |", self.reads_p99_ms);
        println!("| logins a second, beside the reads | {:.1} | |", self.logins_beside);
        println!("| memory before, MiB | {:.0} | |", self.idle_mib);
        println!("| memory at most, MiB | {:.0} | ≤ {:.0} |", self.peak_mib, Self::MEMORY);
    }

    fn json(&self) -> Value {
        json!({
            "hash_ms": self.hash_ms,
            "logins_per_second": self.logins,
            "logins_of_best": self.logins_of_best,
            "login_p99_ms": self.login_p99_ms,
            "logins_busy": self.busy,
            "reads_per_second_alone": self.reads_alone,
            "reads_per_second_beside_logins": self.reads_beside,
            "reads_kept": self.reads_kept,
            "reads_p99_alone_ms": self.reads_p99_alone_ms,
            "reads_p99_beside_logins_ms": self.reads_p99_ms,
            "logins_per_second_beside_reads": self.logins_beside,
            "memory_idle_mib": self.idle_mib,
            "memory_peak_mib": self.peak_mib,
        })
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
