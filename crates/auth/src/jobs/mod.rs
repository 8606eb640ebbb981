//! Periodic work, done by one instance of an installation at a time.
//!
//! Each job has a row in the table `leases`. The instance that holds it does the work and renews it; when that instance
//! is gone the lease runs out, and the next one that asks has it. Two may work at once all the same, after a pause of a
//! process or with clocks that differ: so every step of a job is one that changes nothing when it is done twice.

mod storage;
mod sweep;

use std::{fmt, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use jwt::Timestamp;
use tokio::{
    task::AbortHandle,
    time::{sleep, timeout},
};
use uuid::Uuid;

pub(crate) use self::sweep::{BATCH, job as sweep};
use crate::{
    Auth, Clock, Error,
    storage::{BoxFuture, Db},
};

/// A run that takes longer hangs, and is given up.
const TIMEOUT: Duration = Duration::from_secs(300);
/// A lease outlasts so many intervals, so that one that was missed does not lose it.
const INTERVALS: u32 = 3;
/// Clocks have whole seconds, so a lease has a few of them.
const SHORTEST_LEASE: Duration = Duration::from_secs(3);

type Run = dyn Fn() -> BoxFuture<'static, Result<(), Error>> + Send + Sync;
type Ask = dyn Fn() -> BoxFuture<'static, Result<bool, Error>> + Send + Sync;

/// Work that is done again and again.
#[derive(Clone)]
pub(crate) struct Job {
    name: &'static str,
    every: Duration,
    timeout: Duration,
    run: Arc<Run>,
    /// Whether there is anything to do.
    asks: Option<Arc<Ask>>,
}

impl Job {
    /// Work of this name, which is that of its lease, to be done so often.
    pub(crate) fn new<W>(
        name: &'static str,
        every: Duration,
        run: impl Fn() -> W + Send + Sync + 'static,
    ) -> Self
    where
        W: Future<Output = Result<(), Error>> + Send + 'static,
    {
        let run = Arc::new(move || -> BoxFuture<'static, _> { Box::pin(run()) });
        Self { name, every, timeout: TIMEOUT, run, asks: None }
    }

    /// Asks this before it asks for the lease, which costs a write.
    pub(crate) fn only_when<A>(mut self, asks: impl Fn() -> A + Send + Sync + 'static) -> Self
    where
        A: Future<Output = Result<bool, Error>> + Send + 'static,
    {
        self.asks = Some(Arc::new(move || Box::pin(asks())));
        self
    }
}

/// Who does a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The name of the job.
    pub job: String,
    /// The instance that does it, by the name that it gave itself when it started.
    pub instance: Uuid,
    /// Until when, unless it says so again.
    pub until: Timestamp,
}

/// The jobs of an instance; they end when this is dropped.
pub(crate) struct Jobs {
    holder: Uuid,
    #[cfg(feature = "testing")]
    workers: Vec<Arc<Worker>>,
    tasks: Vec<AbortHandle>,
}

impl Jobs {
    /// Starts all of them, each for the first time after its interval. `holder` is the name of this instance.
    pub(crate) fn start(db: &Db, clock: &Clock, holder: Uuid, jobs: Vec<Job>) -> Self {
        let worker = |job| Worker { db: db.clone(), clock: clock.clone(), holder, job };
        let workers: Vec<_> = jobs.into_iter().map(|job| Arc::new(worker(job))).collect();
        let spawn = |worker: &Arc<Worker>| {
            let worker = Arc::clone(worker);
            tokio::spawn(async move { worker.go_on().await }).abort_handle()
        };
        Self {
            holder,
            tasks: workers.iter().map(spawn).collect(),
            #[cfg(feature = "testing")]
            workers,
        }
    }
}

impl Auth {
    /// The name of this instance, which it gave itself when it started.
    #[must_use]
    pub fn instance(&self) -> Uuid {
        self.jobs().holder
    }

    /// Which instance does each of the periodic jobs, by their names; one whose lease has run out does no more.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn leases(&self) -> Result<Vec<Lease>, Error> {
        storage::leases(self.db()).await
    }
}

impl Drop for Jobs {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl fmt::Debug for Jobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Jobs")
    }
}

/// One job on one instance.
struct Worker {
    db: Db,
    clock: Clock,
    holder: Uuid,
    job: Job,
}

impl Worker {
    async fn go_on(&self) {
        loop {
            sleep(self.job.every).await;
            if let Err(error) = self.turn().await {
                // Tried again next time; a database that is away is nothing of the job's.
                metrics::counter!("countersign_job_failures_total", "job" => self.job.name)
                    .increment(1);
                tracing::warn!(job = self.job.name, %error, "a job was not done");
            }
        }
    }

    /// Does the work once if this instance has the lease; says whether it has.
    async fn turn(&self) -> Result<bool, Error> {
        if let Some(asks) = &self.job.asks
            && !asks().await?
        {
            return Ok(false);
        }
        if !self.lease().await? {
            return Ok(false);
        }
        // A panic ends this run, and not those after it.
        let work = AssertUnwindSafe((self.job.run)()).catch_unwind();
        let mut work = Box::pin(timeout(self.job.timeout, work));
        loop {
            tokio::select! {
                outcome = &mut work => return match outcome {
                    Ok(Ok(done)) => done.map(|()| true),
                    Ok(Err(_)) => Err(Error::internal("it panicked")),
                    Err(_) => Err(Error::internal("it took too long and was given up")),
                },
                () = sleep(self.job.every) => {
                    if !self.lease().await? {
                        return Err(Error::internal("its lease went to another instance"));
                    }
                }
            }
        }
    }

    /// Takes or renews the lease.
    async fn lease(&self) -> Result<bool, Error> {
        let now = self.clock.now();
        let until = now.saturating_add((self.job.every * INTERVALS).max(SHORTEST_LEASE));
        storage::lease_take(&self.db, self.job.name, self.holder, now, until).await
    }
}

#[cfg(feature = "testing")]
impl Jobs {
    /// Does a job now, as it would be done after its interval: by the instance that has the lease. Says whether this one
    /// has it.
    pub(crate) async fn run(&self, name: &str) -> Result<bool, Error> {
        let worker = self.workers.iter().find(|worker| worker.job.name == name);
        worker.ok_or_else(|| Error::internal("there is no such job"))?.turn().await
    }
}

#[cfg(test)]
#[cfg(feature = "testing")]
mod tests;
