use jwt::Timestamp;
use uuid::Uuid;

use crate::{Error, storage::Db};

/// Takes a lease until then: one that is free, has run out, or is this holder's already. Says whether it did.
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
              WHERE leases.holder = $2 OR leases.expires_at <= $3",
            [name.into(), holder.into(), now.seconds().into(), until.seconds().into()],
        )
        .await?;
    Ok(taken > 0)
}
