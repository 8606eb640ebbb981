//! The threads that hash passwords.
//!
//! Argon2id is memory and time by design, so it runs beside the request threads: one thread per core at
//! the lowest priority, each keeping its memory (fresh pages cost half a hash), behind a short queue that
//! says no early. A flood of logins then takes what the other requests leave over, and no more.

use std::{
    num::NonZero,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::sync::oneshot;
use tracing::{Instrument, debug_span};
use zeroize::Zeroizing;

use super::{
    Password,
    hash::{self, Checked, Memory},
};
use crate::Error;

/// How many may wait for each thread.
const QUEUE_PER_THREAD: usize = 64;
/// Nobody waits longer than this; who would have to is told to come back.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

type Job = Box<dyn FnOnce(&mut Memory) + Send>;

/// Hashes and checks passwords on threads of its own; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Hasher {
    queue: flume::Sender<Job>,
    load: Arc<Load>,
    /// What is checked for an account that is not there.
    decoy: Arc<str>,
}

#[derive(Debug)]
struct Load {
    threads: usize,
    waiting: AtomicUsize,
    /// A moving mean of what one hash takes, in nanoseconds.
    mean: AtomicU64,
}

impl Hasher {
    /// Starts the threads; they end when the last clone is dropped.
    pub(crate) fn start() -> Result<Self, Error> {
        let threads = thread::available_parallelism().map_or(1, NonZero::get);
        let (queue, jobs) = flume::bounded::<Job>(threads * QUEUE_PER_THREAD);
        for number in 0..threads {
            let jobs = jobs.clone();
            thread::Builder::new()
                .name(format!("hashing-{number}"))
                .spawn(move || work(&jobs))
                .map_err(Error::internal)?;
        }
        let load = Load { threads, waiting: AtomicUsize::new(0), mean: AtomicU64::new(25_000_000) };
        Ok(Self { queue, load: Arc::new(load), decoy: hash::decoy()?.into() })
    }

    /// Hashes a password under the parameters in force, as a PHC string.
    pub(crate) async fn hash(&self, password: Zeroizing<String>) -> Result<String, Error> {
        #[cfg(feature = "testing")]
        crate::testing::work::of_hash();
        self.run(move |memory| hash::make(password.as_bytes(), memory)).await
    }

    /// Says whether a password is the one of this hash.
    ///
    /// Without a hash (an unknown account) the same work is done and the answer is no.
    pub(crate) async fn verify(
        &self,
        password: Password,
        hash: Option<String>,
    ) -> Result<Checked, Error> {
        #[cfg(feature = "testing")]
        crate::testing::work::of_hash();
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.decoy.to_string());
        self.run(move |memory| {
            let checked = hash::check(&password, &hash, memory)?;
            Ok(Checked { right: checked.right && known, ..checked })
        })
        .await
    }

    /// Runs other work that takes a core for a while (scoring a password) on the same threads.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        task: impl FnOnce(&mut Memory) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let wait = self.load.expected_wait();
        let busy = || Error::HashingBusy { retry_after: wait.as_secs().max(1) };
        if wait > LONGEST_WAIT {
            return Err(busy());
        }
        let (sender, answer) = oneshot::channel();
        let waiting = Waiting::enter(&self.load);
        let load = Arc::clone(&self.load);
        let job: Job = Box::new(move |memory| {
            // Whoever asked has gone away: a flood of dropped connections costs nothing.
            if sender.is_closed() {
                return;
            }
            let start = Instant::now();
            let result = task(memory);
            load.observe(start.elapsed());
            // Before the answer: whoever gets it may come back before this thread goes on.
            drop(waiting);
            drop(sender.send(result));
        });
        self.queue.try_send(job).map_err(|_| busy())?;
        let answer = answer.instrument(debug_span!("hashing"));
        answer.await.map_err(|_| Error::internal("a hashing thread ended"))?
    }
}

/// Counts one waiting job for as long as it exists, whatever becomes of it.
struct Waiting(Arc<Load>);

impl Waiting {
    fn enter(load: &Arc<Load>) -> Self {
        load.waiting.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(load))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Load {
    fn expected_wait(&self) -> Duration {
        let waiting = u64::try_from(self.waiting.load(Ordering::Relaxed)).unwrap_or(u64::MAX);
        let threads = u64::try_from(self.threads).unwrap_or(1).max(1);
        Duration::from_nanos(waiting.saturating_mul(self.mean.load(Ordering::Relaxed)) / threads)
    }

    fn observe(&self, took: Duration) {
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let mean = self.mean.load(Ordering::Relaxed);
        self.mean.store(mean - mean / 8 + took / 8, Ordering::Relaxed);
    }
}

fn work(jobs: &flume::Receiver<Job>) {
    // Best effort: a sandbox may forbid it, and then logins compete with reads as equals.
    if let Err(error) = thread_priority::ThreadPriority::Min.set_for_current() {
        tracing::warn!(?error, "hashing threads run at normal priority");
    }
    let mut memory = Memory::new();
    for job in jobs {
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| job(&mut memory)));
        if outcome.is_err() {
            tracing::error!("a hashing job panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_queue_says_no_and_recovers() {
        let hasher = Hasher::start().expect("threads");
        let block = |release: flume::Receiver<()>| {
            let hasher = hasher.clone();
            tokio::spawn(async move { hasher.run(move |_| Ok(release.recv().is_ok())).await })
        };
        let (release, gate) = flume::bounded::<()>(0);
        let held: Vec<_> = (0..hasher.load.threads).map(|_| block(gate.clone())).collect();
        while hasher.load.waiting.load(Ordering::Relaxed) < hasher.load.threads {
            tokio::task::yield_now().await;
        }
        let floods: Vec<_> = (0..hasher.load.threads * QUEUE_PER_THREAD * 4)
            .map(|_| {
                let hasher = hasher.clone();
                tokio::spawn(async move { hasher.run(|_| Ok(())).await })
            })
            .collect();
        // While all threads are held, nobody else can be answered but with a refusal.
        while !floods.iter().any(tokio::task::JoinHandle::is_finished) {
            tokio::task::yield_now().await;
        }
        drop((release, gate));
        let mut refused = 0;
        for flood in floods {
            match flood.await.expect("task") {
                Ok(()) => {}
                Err(Error::HashingBusy { retry_after }) => {
                    assert!(retry_after >= 1);
                    refused += 1;
                }
                Err(other) => panic!("{other}"),
            }
        }
        for task in held {
            task.await.expect("task").expect("released");
        }
        assert!(refused > 0);
        assert!(hasher.run(|_| Ok(())).await.is_ok());
    }

    #[tokio::test]
    async fn a_panic_fails_its_own_job_only() {
        let hasher = Hasher::start().expect("threads");
        for _ in 0..8 {
            let answer = hasher.run::<()>(|_| panic!("on purpose")).await;
            assert!(matches!(answer, Err(Error::Internal(_))));
        }
        assert!(hasher.run(|_| Ok(())).await.is_ok());
    }
}
