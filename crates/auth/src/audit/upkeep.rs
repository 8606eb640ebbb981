//! What is done with the log when its time has come: events are sealed, and what is too old or belongs to nobody any more
//! is removed.

use std::{sync::Arc, time::Duration};

use super::{
    Actor, By,
    log::Log,
    storage::{self, Removed, Sealed},
};
use crate::{Clock, Error, jobs::Job, storage::Db, users::UserId, webhooks::Chosen};

/// So often events are sealed.
const SEAL_EVERY: Duration = Duration::from_secs(1);
/// So often what is to go is looked for.
const CLEAN_EVERY: Duration = Duration::from_secs(60);
/// Longer than any request is under way.
const SETTLED_AFTER: Duration = Duration::from_secs(3_600);
/// What is logged of a log that is not what was sealed.
const CHANGED: &str = "the audit log was changed: `countersign audit verify` says where";
/// Batches of one run, so that a lease is renewed in between and shutting down does not wait.
const BATCHES: usize = 100;

/// Seals the events that are not sealed yet. An instance that finds none does not even ask for the lease.
pub(crate) fn seal(log: &Log, chosen: &Arc<Chosen>) -> Job {
    let (log, waits, chosen) = (log.clone(), log.db.clone(), Arc::clone(chosen));
    Job::new("audit-seal", SEAL_EVERY, move || seal_all(log.clone(), Arc::clone(&chosen)))
        .only_when(move || storage::any_unsealed(waits.clone()))
}

pub(crate) async fn seal_all(log: Log, chosen: Arc<Chosen>) -> Result<(), Error> {
    for _ in 0..BATCHES {
        match storage::events_seal(&log.db, &log.chain, &chosen, log.clock.now()).await? {
            Sealed::All => break,
            Sealed::Some => {}
            Sealed::HeadChanged => {
                tracing::error!("{CHANGED}");
                return Err(Error::internal(CHANGED));
            }
        }
    }
    Ok(())
}

/// Removes the personal data of accounts that are gone, and events that are older than the retention.
pub(crate) fn clean(log: &Log, retention: Duration) -> Job {
    let log = Arc::new(log.clone());
    Job::new("audit-clean", CLEAN_EVERY, move || clean_all(Arc::clone(&log), retention))
}

/// Removes the personal data of an account that is gone from its events; where they are very many, only some of them now.
pub(crate) async fn erase(db: &Db, clock: &Clock, user: UserId) -> Result<(), Error> {
    let settled = clock.now().saturating_sub(SETTLED_AFTER);
    for _ in 0..BATCHES {
        if storage::erase(db, user, settled).await? {
            break;
        }
    }
    Ok(())
}

async fn clean_all(log: Arc<Log>, retention: Duration) -> Result<(), Error> {
    for user in storage::erasures(&log.db).await? {
        erase(&log.db, &log.clock, user).await?;
    }
    let before = log.clock.now().saturating_sub(retention);
    for _ in 0..BATCHES {
        let scribe = log.scribe_of(By::actor(Actor::Server));
        match storage::events_remove(&log.db, &log.chain, before, scribe).await? {
            Removed::All => break,
            Removed::Some => {}
            Removed::LogChanged => {
                tracing::error!("{CHANGED}");
                return Err(Error::internal(CHANGED));
            }
        }
    }
    Ok(())
}
