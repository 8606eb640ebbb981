//! What it costs a request to learn that its login has not been ended, with none, a thousand and a hundred thousand
//! logins that have; in one thread and in two; and what it costs to add one.
//!
//! `cargo bench -p countersign-auth --bench revocation`. All routines take turns; each figure is the median of its rounds.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench prints its figures and stops where it fails"
)]

mod rounds;

use std::{
    cell::Cell,
    hint::black_box,
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use countersign_auth::{
    Clock, Ids,
    revocation::{Revocation, Revocations},
    users::UserId,
};
use jwt::Timestamp;
use rounds::{Routine, measures, median, take_turns};
use uuid::Uuid;

const ENTRIES: [usize; 3] = [0, 1_000, 100_000];
const ROUNDS: usize = 501;
const CALLS: u32 = 2_000;
/// Requests of so many logins come in turn: what a check needs is not always at hand.
const LOGINS: usize = 4_096;
/// Of so many entries one ends all logins of an account, the others one login each.
const GENERATION_OF: usize = 10;

/// A login as its token names it: session, account, generation.
type Login = (Uuid, UserId, i64);

/// Logins of which some have ended.
struct Work {
    revocations: Revocations,
    ended: Vec<Login>,
    alive: Vec<Login>,
}

impl Work {
    fn new(ids: &Ids, entries: usize) -> Self {
        let login = || (ids.next(), UserId(ids.next()), 1);
        let ended: Vec<Login> = (0..entries).map(|_| login()).collect();
        let revocations = Revocations::default();
        revocations.add(ended.iter().enumerate().map(|(number, login)| revocation(number, login)));
        assert_eq!(revocations.len(), entries);
        // They end in any order, and not in the one in which they began.
        let mut order: Vec<usize> = (0..entries).collect();
        order.sort_by_key(|number| number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let ended =
            order.iter().take(LOGINS).filter_map(|number| ended.get(*number).copied()).collect();
        Self { revocations, ended, alive: (0..LOGINS).map(|_| login()).collect() }
    }

    /// Looks for so many logins; those of one list have all ended, or none has.
    fn look(&self, logins: &[Login], calls: u32) {
        let mut found = 0;
        for (session, user, generation) in logins.iter().cycle().take(calls.try_into().unwrap()) {
            found += u32::from(self.revocations.concern(*black_box(session), *user, *generation));
        }
        assert!(found == 0 || found == calls);
    }
}

fn revocation(number: usize, (session, user, generation): &Login) -> Revocation {
    let expires_at = Timestamp::new(2_000_000_000);
    if number.is_multiple_of(GENERATION_OF) {
        Revocation::of_generation(*user, generation + 1, expires_at)
    } else {
        Revocation::of_session(*session, expires_at)
    }
}

/// Looks for logins that are alive, in so many threads at once; returns checks per second of all together.
fn throughput(threads: usize, work: &Work, calls: u32) -> f64 {
    let barrier = Barrier::new(threads);
    let run = || {
        barrier.wait();
        let start = Instant::now();
        work.look(&work.alive, calls);
        f64::from(calls) / start.elapsed().as_secs_f64()
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

fn main() {
    let ids = Ids::new(Clock::system());
    let works = ENTRIES.map(|entries| (entries, Work::new(&ids, entries)));
    let mut routines = Vec::new();
    for (entries, work) in &works {
        routines.push(Routine::new(format!("{entries} entries, a login that goes on"), |calls| {
            work.look(&work.alive, calls);
        }));
        if *entries > 0 {
            routines.push(Routine::new(
                format!("{entries} entries, a login that has ended"),
                |calls| {
                    work.look(&work.ended, calls);
                },
            ));
        }
    }
    take_turns(&mut routines, ROUNDS, CALLS);
    let [none, ..] = routines.as_slice() else { return };
    println!("| a check among | ns | × the first |\n|---|---|---|");
    for routine in &routines {
        println!("| {} | {:.1} | {:.2} |", routine.name, routine.median(), none.speed(routine));
    }

    let [.., (entries, full)] = &works;
    let (rounds, calls) = if measures() { (51, 1_000_000) } else { (1, 2) };
    let ratio = |_| throughput(2, full, calls) / throughput(1, full, calls);
    let mut ratios: Vec<f64> = (0..rounds).map(ratio).collect();
    ratios.sort_by(f64::total_cmp);
    println!(
        "\nIn two threads at once: {:.2} × the checks of one in the median of {rounds} rounds, {:.2} × in the best; what else \
         runs here takes from it ({} processors).",
        median(ratios.clone()),
        ratios.last().unwrap(),
        thread::available_parallelism().unwrap()
    );

    let slowest = Cell::new(Duration::ZERO);
    let mut added = Routine::new("add", |calls| {
        for number in 0..calls {
            let login = (ids.next(), UserId(ids.next()), 1);
            let start = Instant::now();
            full.revocations.add([revocation(number.try_into().unwrap(), &login)]);
            slowest.set(slowest.get().max(start.elapsed()));
        }
    });
    take_turns(std::slice::from_mut(&mut added), 21, 1_024);
    println!(
        "Adding one to {entries} entries: {:.1} µs in the mean of 1024, {:.1} ms at most, when the small table becomes part of \
         the large one.",
        added.median() / 1e3,
        slowest.get().as_secs_f64() * 1e3
    );
}
