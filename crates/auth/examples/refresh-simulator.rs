//! Runs seeded schedules of refreshes on the real service and prints what happened in them.
//!
//! ```sh
//! cargo run --release -p countersign-auth --features testing --example refresh-simulator
//! ```
//!
//! What a schedule is and what is checked in it stands in `src/testing/simulator/mod.rs`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it prints its table")]

use std::{
    error::Error,
    hash::{BuildHasher, Hasher, RandomState},
    io::{IsTerminal, stderr},
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use countersign_auth::testing::{
    Place,
    simulator::{Figures, Outcome, Simulator, schedule_seed},
};

const USAGE: &str = "\
usage: refresh-simulator [OPTION VALUE]…

  --schedules N        run so many schedules (100000)
  --seed N             the seed of the run; without it, any
  --engine ENGINE      memory or disk: where SQLite keeps its data (memory)
  --workers N          run so many at once, each on a database of its own (two for each core)
  --replay SEED        run the one schedule with this seed, and say what happens in it

Exit code: 0 every promise was kept, 1 one was not, 2 usage.";

/// More failing schedules than this are not told one by one.
const TOLD: usize = 10;

struct Options {
    schedules: u64,
    seed: u64,
    on_disk: bool,
    workers: usize,
    replay: Option<u64>,
}

fn main() -> ExitCode {
    let options = match Options::read() {
        Ok(options) => options,
        Err(reason) => {
            eprintln!("{reason}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let outcome = match options.replay {
        Some(seed) => options.replay(seed),
        None => options.run(),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

impl Options {
    fn read() -> Result<Self, String> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let mut options = Self {
            schedules: 100_000,
            seed: RandomState::new().build_hasher().finish(),
            on_disk: false,
            workers: 2 * cores,
            replay: None,
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{name} takes a value"))?;
            let number = || value.parse::<u64>().map_err(|_| format!("{name} takes a number"));
            match &*name {
                "--schedules" => options.schedules = number()?,
                "--seed" => options.seed = number()?,
                "--workers" => options.workers = usize::try_from(number()?).unwrap_or(1).max(1),
                "--replay" => options.replay = Some(number()?),
                "--engine" => match &*value {
                    "memory" => options.on_disk = false,
                    "disk" => options.on_disk = true,
                    _ => return Err("--engine takes memory or disk".to_owned()),
                },
                _ => return Err(format!("there is no {name}")),
            }
        }
        Ok(options)
    }

    /// Runs all schedules, prints the table, and says whether every promise was kept.
    fn run(&self) -> Result<bool, Box<dyn Error>> {
        let engine = if self.on_disk { "on disk" } else { "in memory" };
        println!("seed {}; SQLite {engine}; {} workers", self.seed, self.workers);
        let started = Instant::now();
        let shared = Shared::default();
        thread::scope(|scope| {
            let workers: Vec<_> =
                (0..self.workers).map(|_| scope.spawn(|| self.work(&shared))).collect();
            if stderr().is_terminal() {
                scope.spawn(|| self.show_progress(&shared));
            }
            let mut result = Ok(());
            for worker in workers {
                let ended = worker.join().unwrap_or_else(|_| Err("a worker panicked".to_owned()));
                result = result.and(ended);
            }
            shared.over.store(true, Ordering::Relaxed);
            result
        })?;

        let (figures, failed) = shared.found.into_inner().unwrap_or_else(PoisonError::into_inner);
        let seconds = started.elapsed().as_secs_f64();
        print!("\n{figures}");
        println!("{:<40}{seconds:>12.1} s", "time");
        let rate = u32::try_from(figures.refreshes).map_or(f64::INFINITY, f64::from) / seconds;
        println!("{:<40}{rate:>14.0}", "refreshes per second");
        for (seed, what) in failed.iter().take(TOLD) {
            println!("\nschedule {seed}: {what}");
        }
        match failed.first() {
            None => Ok(true),
            Some((seed, _)) => {
                println!("\nto see one again: --replay {seed}");
                self.replay(*seed)?;
                Ok(false)
            }
        }
    }

    /// Runs schedules until none is left.
    fn work(&self, shared: &Shared) -> Result<(), String> {
        let runtime = runtime()?;
        runtime.block_on(async {
            let mut simulator = self.simulator().await?;
            loop {
                let number = shared.next.fetch_add(1, Ordering::Relaxed);
                if number >= self.schedules {
                    return Ok(());
                }
                let seed = schedule_seed(self.seed, number);
                let outcome = simulator.run(seed).await;
                let mut found = shared.found.lock().unwrap_or_else(PoisonError::into_inner);
                found.0 += &outcome.figures;
                found.1.extend(outcome.violation.map(|what| (seed, what)));
            }
        })
    }

    /// Runs one schedule, prints what happens in it, and says whether every promise was kept.
    fn replay(&self, seed: u64) -> Result<bool, Box<dyn Error>> {
        let Outcome { violation, trace, .. } = runtime()?
            .block_on(async { Ok::<_, String>(self.simulator().await?.replay(seed).await) })?;
        println!("\nschedule {seed}");
        for line in trace {
            println!("{line}");
        }
        match &violation {
            None => println!("every promise was kept"),
            Some(what) => println!("not kept: {what}"),
        }
        Ok(violation.is_none())
    }

    async fn simulator(&self) -> Result<Simulator, String> {
        let place = if self.on_disk { Place::disk().await } else { Place::memory().await };
        Simulator::new(&place).await.map_err(|error| error.to_string())
    }

    fn show_progress(&self, shared: &Shared) {
        while !shared.over.load(Ordering::Relaxed) {
            let done = shared.next.load(Ordering::Relaxed).min(self.schedules);
            eprint!("\r{done} of {} schedules", self.schedules);
            thread::sleep(Duration::from_secs(1));
        }
        eprint!("\r\x1b[K");
    }
}

/// What the workers share.
#[derive(Default)]
struct Shared {
    next: AtomicU64,
    over: AtomicBool,
    found: Mutex<(Figures, Vec<(u64, String)>)>,
}

fn runtime() -> Result<tokio::runtime::Runtime, String> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())
}
