use jwt::Timestamp;

use super::{Ended, Revocation};
use crate::{
    Error,
    storage::{Db, StorageError, Tx},
    users::UserId,
};

/// Where instances say that there is something new.
pub(super) const CHANNEL: &str = "countersign_revocations";

/// Writes revocations, as part of the step that ends what they name.
pub(crate) async fn revoke(tx: &mut Tx, revocations: &[Revocation]) -> Result<(), StorageError> {
    for Revocation { ended, expires_at } in revocations {
        let (session, user, generation) = match *ended {
            Ended::Session(id) => (Some(id), None, None),
            Ended::Generation(UserId(id), generation) => (None, Some(id), Some(generation)),
        };
        tx.execute(
            "INSERT INTO revocations (session_id, user_id, generation, expires_at)
             VALUES ($1, $2, $3, $4)",
            [session.into(), user.into(), generation.into(), expires_at.seconds().into()],
        )
        .await?;
    }
    if revocations.is_empty() { Ok(()) } else { tx.notify(CHANNEL).await }
}

/// The revocations with a number above this one, in their order.
pub(super) async fn revocations_after(
    db: &Db,
    number: i64,
) -> Result<Vec<(i64, Revocation)>, Error> {
    let rows = db
        .all(
            "SELECT number, session_id, user_id, generation, expires_at FROM revocations
              WHERE number > $1 ORDER BY number",
            [number.into()],
        )
        .await?;
    let mut revocations = Vec::with_capacity(rows.len());
    for row in rows {
        let ended = match (row.get("session_id")?, row.get("user_id")?, row.get("generation")?) {
            (Some(id), None, None) => Ended::Session(id),
            (None, Some(id), Some(generation)) => Ended::Generation(UserId(id), generation),
            _ => {
                return Err(Error::internal("a revocation names neither a session nor an account"));
            }
        };
        let expires_at = Timestamp::new(row.get("expires_at")?);
        revocations.push((row.get("number")?, Revocation { ended, expires_at }));
    }
    Ok(revocations)
}

/// Removes the revocations that no token can meet any more.
pub(super) async fn revocations_purge(db: &Db, now: Timestamp) -> Result<u64, Error> {
    let removed = db
        .execute("DELETE FROM revocations WHERE expires_at <= $1", [now.seconds().into()])
        .await?;
    Ok(removed)
}
