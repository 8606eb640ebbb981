//! What a request costs, counted rather than timed: two that must not be told apart by their time do the same work.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use crate::storage::{BoxFuture, StorageError, Tx};

tokio::task_local! {
    /// The counts of the future that is being counted; work that is done beside it, by others, is not in them.
    static COUNTS: Arc<Counts>;
}

#[derive(Default)]
struct Counts {
    statements: AtomicU64,
    transactions: AtomicU64,
    hashes: AtomicU64,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work {
    /// Statements, those in transactions included.
    pub statements: u64,
    /// Transactions.
    pub transactions: u64,
    /// Passwords hashed, or checked against a hash or nothing.
    pub hashes: u64,
}

/// Waits for a future and counts what it does.
pub async fn counted<F: Future>(future: F) -> (F::Output, Work) {
    let counts = Arc::new(Counts::default());
    let output = COUNTS.scope(Arc::clone(&counts), future).await;
    let work = Work {
        statements: counts.statements.load(Ordering::Relaxed),
        transactions: counts.transactions.load(Ordering::Relaxed),
        hashes: counts.hashes.load(Ordering::Relaxed),
    };
    (output, work)
}

fn add(count: impl FnOnce(&Counts) -> &AtomicU64) {
    if let Ok(counts) = COUNTS.try_with(Arc::clone) {
        count(&counts).fetch_add(1, Ordering::Relaxed);
    }
}

pub(crate) fn of_statement() {
    add(|counts| &counts.statements);
}

pub(crate) fn of_hash() {
    add(|counts| &counts.hashes);
}

/// A transaction that is counted, on whichever thread it runs; when it has to run again, its last run counts.
pub(crate) fn of_transaction<T, F>(
    f: F,
) -> impl for<'a> Fn(&'a mut Tx) -> BoxFuture<'a, Result<T, StorageError>> + Send + Sync + 'static
where
    F: for<'a> Fn(&'a mut Tx) -> BoxFuture<'a, Result<T, StorageError>> + Send + Sync + 'static,
    T: Send + 'static,
{
    let counts = COUNTS.try_with(Arc::clone).ok();
    if let Some(counts) = &counts {
        counts.transactions.fetch_add(1, Ordering::Relaxed);
    }
    let (f, last) = (Arc::new(f), Arc::new(AtomicU64::new(0)));
    move |tx: &mut Tx| {
        let (f, counts, last) = (Arc::clone(&f), counts.clone(), Arc::clone(&last));
        Box::pin(async move {
            let before = tx.statements;
            let result = f(&mut *tx).await;
            if let Some(counts) = counts {
                let now = tx.statements - before;
                let earlier = last.swap(now, Ordering::Relaxed);
                counts.statements.fetch_add(now, Ordering::Relaxed);
                counts.statements.fetch_sub(earlier, Ordering::Relaxed);
            }
            result
        })
    }
}
