use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};

use crate::connection::{Connection, header};

/// So often somebody who waits looks whether it is over.
const STEP: Duration = Duration::from_millis(10);

/// What connections of one kind were answered within a time.
#[derive(Default)]
pub(crate) struct Answers {
    pub(crate) took: Duration,
    /// The time of each answer that was a success.
    pub(crate) times: Vec<Duration>,
    /// Answers 503, which say when to come back.
    pub(crate) busy: usize,
}

impl Answers {
    pub(crate) fn rate(&self) -> f64 {
        let count = u32::try_from(self.times.len()).unwrap_or(u32::MAX);
        f64::from(count) / self.took.as_secs_f64()
    }

    /// The time that so many of a hundred successes do not exceed.
    pub(crate) fn at(&self, percent: usize) -> Duration {
        let mut times = self.times.clone();
        times.sort_unstable();
        let rank = (times.len() * percent).div_ceil(100);
        times.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }
}

/// Sends each request over a connection of its own, again and again, until it is told to stop; whoever is told to come
/// back later does.
///
/// # Errors
/// An answer that is neither a success nor 503.
pub(crate) fn drive(
    address: &str,
    requests: &[Vec<u8>],
    stop: &AtomicBool,
) -> anyhow::Result<Answers> {
    let begun = Instant::now();
    let one = |request: &[u8]| -> anyhow::Result<Answers> {
        let mut connection = Connection::open(address)?;
        let mut answers = Answers::default();
        while !stop.load(Ordering::Relaxed) {
            let asked = Instant::now();
            let answer = connection.ask(request)?;
            match answer.status {
                200 => answers.times.push(asked.elapsed()),
                503 => {
                    answers.busy += 1;
                    let until =
                        Instant::now() + retry_after(answer.head).context("no Retry-After")?;
                    while Instant::now() < until && !stop.load(Ordering::Relaxed) {
                        thread::sleep(STEP);
                    }
                }
                _ => bail!("answered {}", answer.head),
            }
        }
        Ok(answers)
    };
    thread::scope(|scope| {
        let threads: Vec<_> = requests.iter().map(|request| scope.spawn(|| one(request))).collect();
        let mut all = Answers::default();
        for thread in threads {
            let answers = thread.join().ok().context("a connection panicked")??;
            all.times.extend(answers.times);
            all.busy += answers.busy;
        }
        all.took = begun.elapsed();
        Ok(all)
    })
}

fn retry_after(head: &str) -> Option<Duration> {
    header(head, "retry-after")?.parse().ok().map(Duration::from_secs)
}
