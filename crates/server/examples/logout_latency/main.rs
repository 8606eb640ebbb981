//! How long after the answer of `/logout` each of three instances on one PostgreSQL still accepts the token.
//!
//! `scripts/logout-latency` builds and starts this with a PostgreSQL. Each logout goes to one of the three in turn;
//! from the arrival of its answer all three are asked `GET /me` a millisecond after each answer, until the first 401.
//! So what is measured includes one request, and the pause before it; and at least the processors that the three, the
//! database and this program share.
#![expect(clippy::print_stdout, reason = "it prints its table")]

mod instance;
#[path = "../serving/server.rs"]
mod server;

use std::{
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use auth::{Clock, testing::Place};
use clap::Parser;
use serde_json::{Value, json};
use tokio::time::sleep;

use self::instance::{Instance, Seen};

/// The time in which 99 of 100 logouts are to be known everywhere, where the database tells of them.
const TARGET: Duration = Duration::from_millis(100);
/// Between an answer and the next question to the same instance.
const PAUSE: Duration = Duration::from_millis(1);
/// A token that is accepted for longer will be accepted for ever.
const PATIENCE: Duration = Duration::from_secs(10);
/// Logouts before those that count.
const WARM_UP: usize = 6;

/// Measures how long after a logout its token is accepted.
#[derive(Parser)]
struct Options {
    /// The binary `countersign` to measure.
    #[arg(long)]
    server: PathBuf,
    /// So many logouts for each figure.
    #[arg(long, default_value_t = 500)]
    logouts: usize,
    /// Prints an object in place of the table.
    #[arg(long)]
    json: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    ensure!(options.logouts > 0, "no logouts, no figures");
    let runs =
        [("LISTEN", measure(&options, false).await?), ("polling", measure(&options, true).await?)];
    if options.json {
        println!(
            "{:#}",
            Value::Object(
                runs.iter().map(|(name, run)| ((*name).to_owned(), run.json())).collect()
            )
        );
    } else {
        println!(
            "| milliseconds | from | until | p50 | p99 | max | n |\n|---|---|---|---|---|---|---|"
        );
        for (name, run) in &runs {
            run.print(name);
        }
    }
    let [(_, told), (_, asking)] = &runs;
    let kept = told.late + asking.late == 0 && told.others.at(99) < TARGET;
    Ok(if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What the logouts of one run took.
#[derive(Default)]
struct Run {
    /// From the request to the answer of `/logout`.
    logout: Times,
    /// From that answer to the first 401, on the instance that gave it.
    same: Times,
    /// The same on the two others.
    others: Times,
    /// Tokens that were accepted after the second that `effective_by` named had begun.
    late: usize,
}

async fn measure(options: &Options, pooler: bool) -> anyhow::Result<Run> {
    ensure!(
        std::env::var_os("COUNTERSIGN_TEST_POSTGRES").is_some(),
        "COUNTERSIGN_TEST_POSTGRES names no server: start this with scripts/logout-latency"
    );
    let place = Place::postgres().await.context("no PostgreSQL")?;
    let start = || Instance::start(&options.server, &place.url, pooler);
    let instances = [start()?, start()?, start()?];
    let run = log_out(&instances, options.logouts).await;
    drop(instances);
    place.remove().await;
    run
}

async fn log_out(instances: &[Instance; 3], logouts: usize) -> anyhow::Result<Run> {
    let [one, two, three] = instances;
    one.register().await?;
    // Passwords take their time to check, on purpose: all logins come first.
    let each = (logouts + WARM_UP).div_ceil(3);
    let logins = tokio::try_join!(one.log_in(each), two.log_in(each), three.log_in(each))?;
    let tokens: Vec<String> = logins.0.into_iter().chain(logins.1).chain(logins.2).collect();

    let (mut run, clock) = (Run::default(), Clock::system());
    let turns = tokens.iter().take(logouts + WARM_UP).zip(instances.iter().enumerate().cycle());
    for (number, (token, (by, answering))) in turns.enumerate() {
        for instance in instances {
            ensure!(instance.sees(token).await? == Seen::Accepted, "a fresh token is refused");
        }
        let asked = Instant::now();
        let effective_by = answering.log_out(token).await?;
        let answered = Instant::now();
        let until = |instance| until_refused(instance, token, answered, &clock, effective_by);
        let (one, two, three) = tokio::try_join!(until(one), until(two), until(three))?;
        if number < WARM_UP {
            continue;
        }
        run.logout.0.push(answered - asked);
        for (place, (took, late)) in [one, two, three].into_iter().enumerate() {
            if place == by { &mut run.same } else { &mut run.others }.0.push(took);
            run.late += usize::from(late);
        }
    }
    // What is refused once stays refused.
    for token in tokens.iter().take(logouts + WARM_UP) {
        for instance in instances {
            ensure!(instance.sees(token).await? == Seen::Revoked, "an ended login lives again");
        }
    }
    Ok(run)
}

/// Asks until the token is refused; returns how long after the answer that was, and whether the token was accepted
/// when it no longer might be.
async fn until_refused(
    instance: &Instance,
    token: &str,
    answered: Instant,
    clock: &Clock,
    effective_by: u64,
) -> anyhow::Result<(Duration, bool)> {
    let mut late = false;
    loop {
        let asked = clock.unix_millis();
        match instance.sees(token).await? {
            Seen::Revoked => return Ok((answered.elapsed(), late)),
            Seen::Accepted if answered.elapsed() > PATIENCE => bail!("a logout is never heard of"),
            Seen::Accepted => late |= asked >= effective_by * 1_000,
        }
        sleep(PAUSE).await;
    }
}

impl Run {
    fn print(&self, name: &str) {
        let Self { logout, same, others, late } = self;
        let row = |from: &str, until: &str, times: &Times| {
            let [p50, p99, max] = [50, 99, 100].map(|percent| millis(times.at(percent)));
            let n = times.0.len();
            println!("| {name} | {from} | {until} | {p50:.1} | {p99:.1} | {max:.1} | {n} |");
        };
        row("`/logout`", "its answer", logout);
        row("its answer", "401 there", same);
        row("its answer", "401 on each of the two others", others);
        println!("| {name} | the second in `effective_by` | a token accepted | | | | {late} |");
    }

    fn json(&self) -> Value {
        let Self { logout, same, others, late } = self;
        json!({
            "logout": logout.json(),
            "same_instance": same.json(),
            "other_instances": others.json(),
            "accepted_after_effective_by": late,
        })
    }
}

#[derive(Default)]
struct Times(Vec<Duration>);

impl Times {
    /// The time that so many of a hundred do not exceed.
    fn at(&self, percent: usize) -> Duration {
        let mut times = self.0.clone();
        times.sort_unstable();
        let rank = (times.len() * percent).div_ceil(100);
        times.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }

    fn json(&self) -> Value {
        let [p50, p99, max] = [50, 99, 100].map(|percent| millis(self.at(percent)));
        json!({ "p50_ms": p50, "p99_ms": p99, "max_ms": max, "n": self.0.len() })
    }
}

fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 10_000.0).round() / 10.0
}
