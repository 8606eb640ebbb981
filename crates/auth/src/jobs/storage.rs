use std::time::Duration;

use jwt::Timestamp;
use uuid::Uuid;

use super::Lease;
use crate::{Error, storage::Db};

/// A lease that outlasts one taken now by more than this was written by a clock that is ahead of ours, and holds nothing.
const AHEAD: Duration = Duration::from_secs(300);

/// Takes a lease until then: one that is free, has run out, or is this holder's already. Says whether it did.
///
/// One that runs out later than any clock near ours could have written is free too: without that, an instance whose clock
/// was a year ahead for a minute would keep the others from the work for a year.
pub(super) async fn lease_take(
    db: &Db,
    name: &'static str,
    holder: Uuid,
    now: Timestamp,
    until: Timestamp,
) -> Result<bool, Error> {
    let taken = db
        .execute(
            "INSERT INTO leases (name, holder, expires_at) VALUES ($1, $2, $4)
             ON CONFLICT (name) DO UPDATE SET holder = $2, expires_at = $4
              WHERE leases.holder = $2 OR leases.expires_at <= $3 OR leases.expires_at > $5",
            [
                name.into(),
                holder.into(),
                now.seconds().into(),
                until.seconds().into(),
                until.saturating_add(AHEAD).seconds().into(),
            ],
        )
        .await?;
    Ok(taken > 0)
}

/// All leases, by the names of their jobs.
pub(super) async fn leases(db: &Db) -> Result<Vec<Lease>, Error> {
    let rows = db.all("SELECT name, holder, expires_at FROM leases ORDER BY name", []).await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let until = Timestamp::new(row.get("expires_at")?);
        found.push(Lease { job: row.get("name")?, instance: row.get("holder")?, until });
    }
    Ok(found)
}
