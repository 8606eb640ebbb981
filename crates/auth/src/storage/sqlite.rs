//! SQLite: one writer that commits its queue together, a few readers beside it, each on a thread of its own.
//!
//! Nothing here blocks a tokio worker: jobs go to the threads through bounded queues, answers come back through
//! oneshots. Dropping the senders is what ends the threads, after they have done what was queued.

mod connection;
mod solo;
mod writer;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    pin::Pin,
    sync::{Mutex, PoisonError, RwLock},
    task::{Context, Poll, Waker},
    thread::{self, JoinHandle},
};

use flume::TrySendError;
use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

pub(super) use connection::{Connection, classify};
pub(super) use solo::{Solo, inspect, vacuum_into};
use writer::{Job, Task};

use super::{
    StorageError, Tx, Value,
    tx::{Engine, Output},
};

/// So many jobs may wait for the writer, and as many for the readers; more are told to come back later.
const QUEUE: usize = 4096;

pub(super) struct Sqlite {
    /// `None` once closed.
    queues: RwLock<Option<Queues>>,
    /// `None` in memory.
    path: Option<PathBuf>,
    /// The writer's, which ends after the readers'; `None` once closed.
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Queues {
    writer: flume::Sender<Job>,
    /// `None` in memory: another connection would be another database.
    readers: Option<flume::Sender<Read>>,
}

struct Read {
    sql: &'static str,
    binds: Vec<Value>,
    reply: oneshot::Sender<Result<Output, StorageError>>,
}

impl Sqlite {
    /// Opens a file, or a database in memory, and starts the threads.
    pub(super) async fn open(path: Option<PathBuf>, read_only: bool) -> Result<Self, StorageError> {
        tokio::task::spawn_blocking(move || Self::start(path.as_deref(), read_only))
            .await
            .map_err(StorageError::unavailable)?
    }

    fn start(path: Option<&Path>, read_only: bool) -> Result<Self, StorageError> {
        let connection = match read_only {
            true => Connection::reader(path)?,
            false => Connection::writer(path)?,
        };
        let mut threads = Vec::new();
        let mut readers = None;
        if path.is_some() {
            let (sender, reads) = flume::bounded::<Read>(QUEUE);
            let count = thread::available_parallelism().map_or(2, usize::from).clamp(2, 4);
            for _ in 0..count {
                let connection = Connection::reader(path)?;
                let reads = reads.clone();
                threads.push(spawn("sqlite-reader", move || {
                    serve_reads(connection, &reads);
                })?);
            }
            readers = Some(sender);
        }
        let (writer, jobs) = flume::bounded(QUEUE);
        let thread = spawn("sqlite-writer", move || {
            let connection = writer::serve(connection, &jobs);
            // The last connection to close copies the log into the database and removes it. Of several that close at
            // the same moment none is the last.
            if !threads.into_iter().map(JoinHandle::join).all(|end| end.is_ok()) {
                tracing::error!("a reader of the storage ended with a panic");
            }
            drop(connection);
        })?;
        Ok(Self {
            queues: RwLock::new(Some(Queues { writer, readers })),
            path: path.map(Path::to_owned),
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Runs a `SELECT` on a reader.
    pub(super) async fn read(
        &self,
        sql: &'static str,
        binds: Vec<Value>,
    ) -> Result<Output, StorageError> {
        let (reply, answer) = oneshot::channel();
        let rest = self.hand_in(|queues| match &queues.readers {
            Some(readers) => sent(readers.try_send(Read { sql, binds, reply })).map(|()| None),
            None => Ok(Some(binds)),
        })?;
        match rest {
            None => answered(answer).await,
            Some(binds) => self.write(sql, binds).await,
        }
    }

    /// Runs one statement on the writer.
    pub(super) async fn write(
        &self,
        sql: &'static str,
        binds: Vec<Value>,
    ) -> Result<Output, StorageError> {
        self.batched(move |tx| match &mut tx.engine {
            Engine::Sqlite(connection) => connection.run(sql, &binds),
            Engine::Postgres(_) => Err(StorageError::refused("the writer has a SQLite connection")),
        })
        .await
    }

    /// Runs a closure in a savepoint of the writer's transaction.
    pub(super) async fn transaction<T, F>(&self, f: F) -> Result<T, StorageError>
    where
        F: for<'a> Fn(&'a mut Tx) -> BoxFuture<'a, Result<T, StorageError>> + Send + Sync + 'static,
        T: Send + 'static,
    {
        self.batched(move |tx| {
            // A thread of neighbours waits for this closure: its statements complete at once, so one poll is enough.
            let mut future = f(tx);
            match Pin::new(&mut future).poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(result) => result,
                Poll::Pending => Err(StorageError::refused(
                    "a transaction awaited something other than its own statements",
                )),
            }
        })
        .await
    }

    /// The file; a database in memory has no connection but its own.
    pub(super) fn file(&self) -> Result<PathBuf, StorageError> {
        self.path
            .clone()
            .ok_or_else(|| StorageError::refused("a database in memory ends with its process"))
    }

    /// Runs a closure on the writer's connection outside of any transaction.
    pub(super) async fn alone<T, F>(&self, f: F) -> Result<T, StorageError>
    where
        F: FnOnce(&mut rusqlite::Connection) -> Result<T, StorageError> + Send + 'static,
        T: Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let task = Box::new(move |connection: &mut rusqlite::Connection| {
            let result = catch_unwind(AssertUnwindSafe(|| f(connection)));
            let result = result.unwrap_or_else(|_| {
                Err(StorageError::refused("the work on the database panicked"))
            });
            // Whoever asked may have gone.
            let _ = reply.send(result);
        });
        self.hand_in(|queues| sent(queues.writer.try_send(Job::Alone(task))))?;
        answered(answer).await
    }

    #[cfg(feature = "testing")]
    pub(super) async fn limit_pages(&self, pages: Option<u32>) -> Result<(), StorageError> {
        self.alone(move |connection| {
            let limit = match pages {
                None => i64::from(u32::MAX),
                Some(pages) => {
                    let used = connection
                        .pragma_query_value(None, "page_count", |row| row.get::<_, i64>(0));
                    used.map_err(|error| classify(connection, error))? + i64::from(pages)
                }
            };
            let set = connection.pragma_update_and_check(None, "max_page_count", limit, |_| Ok(()));
            set.map_err(|error| classify(connection, error))
        })
        .await
    }

    pub(super) async fn close(&self) {
        // With the last sender gone the threads end after what is queued.
        drop(self.queues.write().unwrap_or_else(PoisonError::into_inner).take());
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let joined = tokio::task::spawn_blocking(move || thread.map(JoinHandle::join)).await;
        if !matches!(joined, Ok(None | Some(Ok(())))) {
            tracing::error!("the writer of the storage ended with a panic");
        }
    }

    async fn batched<T, F>(&self, work: F) -> Result<T, StorageError>
    where
        F: FnOnce(&mut Tx) -> Result<T, StorageError> + Send + 'static,
        T: Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let task = Task::new(work, reply);
        self.hand_in(|queues| sent(queues.writer.try_send(Job::Batched(Box::new(task)))))?;
        answered(answer).await
    }

    fn hand_in<T>(
        &self,
        send: impl FnOnce(&Queues) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let queues = self.queues.read().unwrap_or_else(PoisonError::into_inner);
        queues
            .as_ref()
            .map_or_else(|| Err(StorageError::unavailable("the database is closed")), send)
    }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StorageError> {
    let thread = thread::Builder::new().name(name.to_owned());
    thread.spawn(body).map_err(StorageError::unavailable)
}

fn sent<T>(result: Result<(), TrySendError<T>>) -> Result<(), StorageError> {
    result.map_err(|error| match error {
        TrySendError::Full(_) => StorageError::unavailable("too many statements are waiting"),
        TrySendError::Disconnected(_) => StorageError::unavailable("the database is closed"),
    })
}

async fn answered<T>(
    answer: oneshot::Receiver<Result<T, StorageError>>,
) -> Result<T, StorageError> {
    answer.await.unwrap_or_else(|_| Err(StorageError::unavailable("the statement was not reached")))
}

/// A reader's thread: answers until there is no one left who could ask.
fn serve_reads(mut connection: Connection, reads: &flume::Receiver<Read>) {
    while let Ok(Read { sql, binds, reply }) = reads.recv() {
        if reply.is_closed() {
            continue;
        }
        // A thread that ended would leave its queue unanswered.
        let result = catch_unwind(AssertUnwindSafe(|| connection.run(sql, &binds)));
        let _ = reply
            .send(result.unwrap_or_else(|_| Err(StorageError::refused("the statement panicked"))));
    }
}
