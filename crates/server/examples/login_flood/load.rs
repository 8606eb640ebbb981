use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};

use crate::connection::Connection;

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

/// Sends one request over so many connections, again and again, until it is told to stop.
///
/// # Errors
/// An answer that is neither a success nor 503.
pub(crate) fn drive(
    address: &str,
    connections: usize,
    request: &[u8],
    stop: &AtomicBool,
) -> anyhow::Result<Answers> {
    let begun = Instant::now();
    let one = || -> anyhow::Result<Answers> {
        let mut connection = Connection::open(address)?;
        let mut answers = Answers::default();
        while !stop.load(Ordering::Relaxed) {
            let asked = Instant::now();
            match connection.ask(request)?.status {
                200 => answers.times.push(asked.elapsed()),
                503 => answers.busy += 1,
                other => bail!("answered {other}"),
            }
        }
        Ok(answers)
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..connections).map(|_| scope.spawn(one)).collect();
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
