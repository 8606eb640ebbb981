//! What has run out by itself is removed here, table by table, whosever it was.

use std::{sync::Arc, time::Duration};

use super::Job;
use crate::{
    Clock, Config, Error, accounts, keys, limits, roles,
    sessions::{self, Dead},
    storage::Db,
    tokens,
};

/// So often dead rows are looked for. They are refused by themselves; this is for the size of the tables.
const EVERY: Duration = Duration::from_secs(300);
/// Rows that one statement removes: a large table is swept in many short steps.
pub(crate) const BATCH: i64 = 1_000;
/// Statements for one table and run, so that the others have their turn.
const BATCHES: usize = 1_000;
/// A key that is gone stays in the list for as long.
const KEYS_LISTED: Duration = Duration::from_secs(90 * 86_400);

/// Removes the rows of all tables that have run out.
pub(crate) fn job(config: &Config, db: &Db, clock: &Clock) -> Job {
    let (config, db, clock) = (Arc::new(config.clone()), db.clone(), clock.clone());
    Job::new("sweep", EVERY, move || sweep(Arc::clone(&config), db.clone(), clock.clone()))
}

/// One line for each table: a function that removes a [`BATCH`] of dead rows at most, and says how many it did.
async fn sweep(config: Arc<Config>, db: Db, clock: Clock) -> Result<(), Error> {
    let (now, db) = (clock.now(), &db);
    let by_cookie = Dead::by_cookie(&config, now);
    let by_tokens = Dead::by_tokens(&config, now);
    let keys_before = now.saturating_sub(KEYS_LISTED);
    let outcomes = [
        drain("sessions", || sessions::storage::purge(db, by_cookie)).await,
        drain("keys", || keys::purge(db, keys_before, BATCH)).await,
        drain("refresh_tokens", || tokens::storage::purge(db, by_tokens)).await,
        drain("links", || accounts::storage::links_purge(db, now)).await,
        drain("email_changes", || accounts::storage::email_changes_purge(db, now)).await,
        drain("admin_links", || roles::storage::admin_links_purge(db, now)).await,
        drain("users", || accounts::storage::registrations_purge(db, now)).await,
        drain("limits", || limits::storage::purge(db, now)).await,
        drain("known_addresses", || limits::storage::purge_known(db, now)).await,
    ];
    outcomes.into_iter().collect()
}

/// Removes batch after batch until there is no full one left.
async fn drain<W>(table: &'static str, batch: impl Fn() -> W) -> Result<(), Error>
where
    W: Future<Output = Result<u64, Error>>,
{
    let mut removed = 0;
    for _ in 0..BATCHES {
        let count = batch().await?;
        removed += count;
        if count < BATCH.unsigned_abs() {
            break;
        }
    }
    if removed > 0 {
        tracing::debug!(table, removed, "swept");
    }
    Ok(())
}
