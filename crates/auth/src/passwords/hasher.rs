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

use argon2::{Algorithm, Argon2, Block, Params, Version, password_hash::phc};
use subtle::ConstantTimeEq;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use crate::{Error, secret};

/// How many may wait for each thread.
const QUEUE_PER_THREAD: usize = 64;
/// Nobody waits longer than this; who would have to is told to come back.
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// Argon2id, m = 19456 KiB, t = 2, p = 1 (OWASP Password Storage Cheat Sheet).
const PARAMS: Params = Params::DEFAULT;
const SALT_LEN: usize = 16;
const OUTPUT_LEN: usize = Params::DEFAULT_OUTPUT_LEN;

type Memory = Vec<Block>;
type Job = Box<dyn FnOnce(&mut Memory) + Send>;

/// Hashes and checks passwords on threads of its own; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Hasher {
    queue: flume::Sender<Job>,
    load: Arc<Load>,
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
        Ok(Self { queue, load: Arc::new(load) })
    }

    /// Hashes a password under the parameters in force, as a PHC string.
    pub(crate) async fn hash(&self, password: Zeroizing<String>) -> Result<String, Error> {
        self.run(move |memory| {
            let mut salt = [0; SALT_LEN];
            secret::fill(&mut salt)?;
            let output = argon2id(&PARAMS, password.as_bytes(), &salt, memory)?;
            let hash = phc::PasswordHash {
                algorithm: Algorithm::Argon2id.ident(),
                version: Some(Version::V0x13.into()),
                params: (&PARAMS).try_into().map_err(refuse)?,
                salt: Some(phc::Salt::new(&salt).map_err(refuse)?),
                hash: Some(output),
            };
            Ok(hash.to_string())
        })
        .await
    }

    /// Says whether a password is the one of this hash.
    ///
    /// Without a hash (an unknown account) the same work is done and the answer is no.
    pub(crate) async fn verify(
        &self,
        password: Zeroizing<String>,
        hash: Option<String>,
    ) -> Result<bool, Error> {
        self.run(move |memory| match hash {
            Some(hash) => {
                let hash = phc::PasswordHash::new(&hash).map_err(refuse)?;
                let (Some(salt), Some(expected)) = (hash.salt, hash.hash) else {
                    return Err(Error::internal("a stored password hash is incomplete"));
                };
                let params = Params::try_from(&hash).map_err(refuse)?;
                let output = argon2id(&params, password.as_bytes(), salt.as_ref(), memory)?;
                Ok(output.as_bytes().ct_eq(expected.as_bytes()).into())
            }
            None => {
                argon2id(&PARAMS, password.as_bytes(), &[0; SALT_LEN], memory)?;
                Ok(false)
            }
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
            let _waiting = waiting;
            // Whoever asked has gone away: a flood of dropped connections costs nothing.
            if sender.is_closed() {
                return;
            }
            let start = Instant::now();
            let result = task(memory);
            load.observe(start.elapsed());
            drop(sender.send(result));
        });
        self.queue.try_send(job).map_err(|_| busy())?;
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

fn argon2id(
    params: &Params,
    password: &[u8],
    salt: &[u8],
    memory: &mut Memory,
) -> Result<phc::Output, Error> {
    if memory.len() < params.block_count() {
        memory.resize(params.block_count(), Block::new());
    }
    let mut output = [0; OUTPUT_LEN];
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
    let blocks = memory.get_mut(..params.block_count()).unwrap_or_default();
    argon2.hash_password_into_with_memory(password, salt, &mut output, blocks).map_err(refuse)?;
    phc::Output::new(&output).map_err(refuse)
}

/// A fault of a hash or of the hashing itself: its message names no password.
fn refuse(error: impl std::fmt::Display) -> Error {
    Error::internal(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Zeroizing<String> {
        Zeroizing::new(text.to_owned())
    }

    #[tokio::test]
    async fn a_hash_has_the_parameters_of_the_contract_and_verifies() {
        let hasher = Hasher::start().expect("threads");
        let hash = hasher.hash(password("a long enough phrase")).await.expect("hash");
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        let right = hasher.verify(password("a long enough phrase"), Some(hash.clone())).await;
        let wrong = hasher.verify(password("a long enough phrasf"), Some(hash)).await;
        let unknown = hasher.verify(password("a long enough phrase"), None).await;
        assert!(right.expect("verify"));
        assert!(!wrong.expect("verify"));
        assert!(!unknown.expect("verify"));
    }

    #[tokio::test]
    async fn hashes_of_the_reference_library_and_other_parameters_verify() {
        let hasher = Hasher::start().expect("threads");
        // RFC 9106's reference implementation: echo -n password | argon2 somesalt -id -t 2 -k 65536 -p 1 -l 24
        let hash =
            "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        let right = hasher.verify(password("password"), Some(hash.to_owned())).await;
        assert!(right.expect("verify"));
    }

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
        while hasher.load.expected_wait() < Duration::from_millis(500) {
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
