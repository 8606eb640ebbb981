//! What is done with the log when its time has come: events are sealed, and what is too old or belongs to nobody any more
//! is removed.

use std::{sync::Arc, time::Duration};

use super::{
    Actor, By,
    log::Log,
    storage::{self, Sealed},
};
use crate::{Error, jobs::Job, storage::Db, users::UserId, webhooks::Chosen};

/// So often events are sealed.
const SEAL_EVERY: Duration = Duration::from_secs(1);
/// So often what is to go is looked for.
const CLEAN_EVERY: Duration = Duration::from_secs(60);
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
                return Err(Error::internal(
                    "the head of the audit chain was changed: run `countersign audit verify`",
                ));
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
pub(crate) async fn erase(db: &Db, user: UserId) -> Result<(), Error> {
    for _ in 0..BATCHES {
        if storage::erase(db, user).await? {
            break;
        }
    }
    Ok(())
}

async fn clean_all(log: Arc<Log>, retention: Duration) -> Result<(), Error> {
    for user in storage::erasures(&log.db).await? {
        erase(&log.db, user).await?;
    }
    let before = log.clock.now().saturating_sub(retention);
    for _ in 0..BATCHES {
        let scribe = log.scribe_of(By::actor(Actor::Server));
        if !storage::events_remove(&log.db, &log.chain, before, scribe).await? {
            break;
        }
    }
    Ok(())
}
