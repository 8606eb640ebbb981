//! HS256 beside the raw HMAC of the same bytes and beside other libraries.
//!
//! All routines take turns in each round, and the table has the median of the rounds' ratios, so that it holds on a
//! machine that drifts; criterion reports each by itself before that. At the end the same verifier works in one thread and in two.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench stops where it fails and prints its table"
)]

mod peers;
mod work;

use std::{
    hint::black_box,
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use criterion::Criterion;
use peers::{PEERS, Peers};
use work::{OWN, RAW, Work};

const ROUNDS: usize = 2001;
/// Few enough that most turns end before something else gets the processor.
const CALLS: u32 = 400;

/// A routine, its name, and nanoseconds per call in each round.
type Row<'r> = (&'static str, Box<dyn FnMut() + 'r>, Vec<f64>);

fn measure(rows: &mut [Row<'_>], rounds: usize) {
    for _ in 0..rounds {
        for (_, routine, times) in rows.iter_mut() {
            let start = Instant::now();
            for _ in 0..CALLS {
                routine();
            }
            times.push(start.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS));
        }
    }
}

/// The value that so many of a hundred are below.
fn percentile(percent: usize, values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() * percent / 100).copied().unwrap_or(f64::NAN)
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    percentile(50, values)
}

fn table(rows: &[Row<'_>]) {
    let times = |name: &str| {
        let row = rows.iter().find(|row| row.0 == name);
        row.map(|(_, _, times)| times).expect("a routine of this name")
    };
    // What shares a core with us takes from wide code more than from the chain of a hash: so also the rounds that nothing
    // disturbed, the fastest tenth.
    let fastest = |times: &[f64]| percentile(10, times.iter().copied());
    // The ratio of each round, then their median: what slows a round slows both.
    let ratio = |of: &[f64], to: &[f64]| median(of.iter().zip(to).map(|(of, to)| of / to));
    println!(
        "| HS256, token of 324 bytes | ns per call | × raw HMAC | the same undisturbed | jsonwebtoken takes × as long: aws_lc_rs | rust_crypto |\n\
         |---|---|---|---|---|---|"
    );
    for (name, _, own) in rows {
        let peer = |backend: &str| match name.split_once([' ', ',']) {
            Some((verb @ ("sign" | "verify"), _)) => {
                format!("{:.2}", ratio(times(&format!("{verb}, jsonwebtoken {backend}")), own))
            }
            _ => String::new(),
        };
        let (aws_lc, rust_crypto) = (peer("aws_lc_rs"), peer("rust_crypto"));
        let (ns, raw) = (median(own.iter().copied()), ratio(own, times(RAW)));
        let (quiet, quiet_raw) = (fastest(own), fastest(own) / fastest(times(RAW)));
        println!(
            "| {name} | {ns:.0} | {raw:.2} | {quiet:.0}, {quiet_raw:.2} | {aws_lc} | {rust_crypto} |"
        );
    }
}

/// Verifies for a while in so many threads at once; returns calls per second of all together.
fn throughput(threads: usize) -> f64 {
    const TIME: Duration = Duration::from_millis(200);
    let (_, verify) = OWN.iter().find(|own| own.0 == work::VERIFY).expect("a routine of this name");
    let work = Work::new();
    let barrier = Barrier::new(threads);
    let run = || {
        let mut work = work.share();
        barrier.wait();
        let (start, mut calls) = (Instant::now(), 0_u32);
        while start.elapsed() < TIME {
            for _ in 0..CALLS {
                verify(&mut work);
            }
            calls += CALLS;
        }
        f64::from(calls) / start.elapsed().as_secs_f64()
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        threads.into_iter().map(|thread| thread.join().expect("it verifies")).sum()
    })
}

fn scaling(rounds: usize) {
    let ratios: Vec<_> = (0..rounds).map(|_| throughput(2) / throughput(1)).collect();
    let best = ratios.iter().copied().fold(0.0, f64::max);
    println!(
        "\nVerifying in two threads at once: {:.2} × one thread in the median of {rounds} rounds, {best:.2} × in the best; \
         what else runs here takes from it ({} processors).",
        median(ratios.into_iter()),
        thread::available_parallelism().map_or(0, usize::from)
    );
}

fn main() {
    let work = Work::new();
    let peers = Peers::new(&work);
    let own = OWN.map(|(name, routine)| {
        let mut work = work.share();
        (name, Box::new(move || routine(&mut work)) as Box<dyn FnMut()>, Vec::new())
    });
    let others = PEERS.map(|(name, routine)| {
        let (peers, token) = (&peers, &work.token);
        (name, Box::new(move || routine(peers, black_box(token))) as Box<dyn FnMut()>, Vec::new())
    });
    let mut rows: Vec<Row<'_>> = own.into_iter().chain(others).collect();
    // Criterion keeps each routine's history and says what changed since the last run.
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    for (name, routine, _) in &mut rows {
        criterion.bench_function(name, |bencher| bencher.iter(&mut *routine));
    }
    criterion.final_summary();
    // `cargo test --benches` only wants to see that it runs.
    let rounds = if std::env::args().any(|argument| argument == "--bench") { ROUNDS } else { 1 };
    measure(&mut rows, rounds);
    table(&rows);
    scaling(rounds.min(25));
}
