//! The writer's thread: all queued jobs in one transaction, a savepoint for each, answers only after the commit.
//!
//! A commit waits for the disk; sixty-four jobs that share one wait once. The price is that they share its fate, so the
//! rules are strict: a job that fails is undone alone; a transaction that the engine ended (disk full, I/O error) and a
//! commit that failed take the whole batch along, and no one is told that his work was kept when it was not.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rusqlite::TransactionBehavior;
use tokio::sync::oneshot;

use super::Connection;
use crate::storage::{StorageError, Tx, tx::Engine};

/// So many jobs share a commit at most, so that the first of them does not wait long.
const BATCH: usize = 256;

/// What the writer is handed.
pub(super) enum Job {
    /// Part of a batch.
    Batched(Box<dyn Work>),
    /// Between two batches, outside of a transaction: migrations.
    Alone(Box<dyn FnOnce(&mut rusqlite::Connection) + Send>),
}

/// A job of a batch: run first, answered when its fate is known.
pub(super) trait Work: Send {
    /// Does the work and says whether it is to be kept.
    fn run(&mut self, tx: &mut Tx) -> bool;
    /// Tells the caller; with an error, that the whole batch was lost.
    fn answer(self: Box<Self>, batch: Result<(), &str>);
}

/// The one kind of [`Work`]: a closure, and where its answer goes.
pub(super) struct Task<T, F> {
    work: Option<F>,
    result: Option<Result<T, StorageError>>,
    reply: oneshot::Sender<Result<T, StorageError>>,
}

impl<T, F> Task<T, F> {
    pub(super) fn new(work: F, reply: oneshot::Sender<Result<T, StorageError>>) -> Self {
        Self { work: Some(work), result: None, reply }
    }
}

impl<T, F> Work for Task<T, F>
where
    T: Send,
    F: FnOnce(&mut Tx) -> Result<T, StorageError> + Send,
{
    fn run(&mut self, tx: &mut Tx) -> bool {
        // Whoever asked has gone before the work began: a request that timed out, a client that hung up.
        let Some(work) = self.work.take_if(|_| !self.reply.is_closed()) else {
            return false;
        };
        tx.reset();
        let result = catch_unwind(AssertUnwindSafe(|| work(tx)));
        let result =
            result.unwrap_or_else(|_| Err(StorageError::refused("the transaction panicked")));
        let (keep, result) = tx.verdict(result);
        self.result = Some(result);
        keep
    }

    fn answer(self: Box<Self>, batch: Result<(), &str>) {
        let answer = match (batch, self.result) {
            // Also for a job that failed by itself: what it saw of its neighbours is gone with them.
            (Err(reason), _) => Err(StorageError::unavailable(reason.to_owned())),
            (Ok(()), Some(result)) => result,
            (Ok(()), None) => return,
        };
        let _ = self.reply.send(answer);
    }
}

/// Works until there is no one left who could ask, then hands the connection back to be closed.
pub(super) fn serve(connection: Connection, jobs: &flume::Receiver<Job>) -> Tx {
    let mut tx = Tx::new(Engine::Sqlite(connection));
    loop {
        // Jobs catch their own panics. One in this file drops the batch, which answers it, and the next one goes on:
        // a thread that ended would leave its queue unanswered.
        let served = catch_unwind(AssertUnwindSafe(|| {
            while let Ok(job) = jobs.recv() {
                serve_one(&mut tx, job, jobs);
            }
        }));
        match served {
            Ok(()) => return tx,
            Err(_) => tracing::error!("the storage's writer panicked"),
        }
    }
}

/// Takes what is queued behind `first` into one batch.
fn serve_one(tx: &mut Tx, first: Job, jobs: &flume::Receiver<Job>) {
    let mut batch = Vec::new();
    let mut alone = None;
    let mut next = Some(first);
    while let Some(job) = next {
        match job {
            Job::Batched(work) => batch.push(work),
            Job::Alone(task) => {
                alone = Some(task);
                break;
            }
        }
        next = if batch.len() < BATCH { jobs.try_recv().ok() } else { None };
    }

    if !batch.is_empty() {
        let result = run(tx, &mut batch);
        if let Err(reason) = &result {
            tracing::warn!(jobs = batch.len(), reason, "a batch of writes was not kept");
        }
        for work in batch {
            work.answer(result.as_ref().copied().map_err(String::as_str));
        }
    }
    if let (Some(task), Engine::Sqlite(connection)) = (alone, &mut tx.engine) {
        connection.raw.set_transaction_behavior(TransactionBehavior::Immediate);
        task(&mut connection.raw);
    }
}

/// Runs a batch as one transaction; an error, which is its reason, means that nothing of it was kept.
fn run(tx: &mut Tx, batch: &mut [Box<dyn Work>]) -> Result<(), String> {
    let result = run_open(tx, batch);
    if result.is_err()
        && let Err(reason) = command(tx, "ROLLBACK", |raw| !raw.is_autocommit())
    {
        tracing::error!(reason, "the storage could not roll back");
    }
    result
}

fn run_open(tx: &mut Tx, batch: &mut [Box<dyn Work>]) -> Result<(), String> {
    // A transaction may have been left by a rollback that failed.
    command(tx, "ROLLBACK", |raw| !raw.is_autocommit())?;
    // IMMEDIATE: a transaction that begins by reading and becomes a writer later may be told to go away, at once and
    // whatever the busy timeout says.
    command(tx, "BEGIN IMMEDIATE", |_| true)?;
    for work in batch {
        command(tx, "SAVEPOINT job", |_| true)?;
        let keep = work.run(tx);
        // A full disk or an I/O error may have ended the transaction, and with it what the neighbours did. Going on
        // would commit the next job alone, and lose the ones before it that were answered.
        if autocommit(tx) {
            return Err("the engine ended the transaction: the disk may be full".to_owned());
        }
        if !keep {
            command(tx, "ROLLBACK TO job", |_| true)?;
        }
        command(tx, "RELEASE job", |_| true)?;
    }
    command(tx, "COMMIT", |_| true)
}

fn autocommit(tx: &Tx) -> bool {
    matches!(&tx.engine, Engine::Sqlite(connection) if connection.raw.is_autocommit())
}

/// Runs a statement of the transaction itself, if it is needed.
fn command(
    tx: &Tx,
    sql: &str,
    needed: impl Fn(&rusqlite::Connection) -> bool,
) -> Result<(), String> {
    let Engine::Sqlite(connection) = &tx.engine else {
        return Err("the writer has no connection".to_owned());
    };
    if !needed(&connection.raw) {
        return Ok(());
    }
    let done = connection.raw.prepare_cached(sql).and_then(|mut statement| statement.raw_execute());
    done.map(drop).map_err(|error| format!("{sql}: {error}"))
}
