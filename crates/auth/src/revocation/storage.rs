use std::time::Duration;

use jwt::Timestamp;

use super::{Ended, News, Revocation};
use crate::{
    Error,
    storage::{Db, Row, StorageError, Tx, Value},
    users::UserId,
};

/// Where instances say that there is something new.
pub(super) const CHANNEL: &str = "countersign_revocations";

/// Revocations that are read at once.
pub(super) const BATCH: usize = 1_000;
/// Numbers that are asked for at once.
pub(super) const FEW: usize = 32;

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

/// An entry of the feed that names no login says that the keys have changed, for this long: whoever starts, or comes back
/// later than that, reads the keys anyway.
const KEYS_NEWS: Duration = Duration::from_secs(3_600);

/// Tells every instance that a key has changed, as part of the step that changes it.
pub(crate) async fn keys_changed(
    tx: &mut Tx,
    kid: &str,
    now: Timestamp,
) -> Result<(), StorageError> {
    let until = now.saturating_add(KEYS_NEWS).seconds();
    tx.execute(
        "INSERT INTO revocations (kid, expires_at) VALUES ($1, $2)",
        [kid.into(), until.into()],
    )
    .await?;
    tx.notify(CHANNEL).await
}

/// The next entries with a number above this one, in their order, [`BATCH`] at most.
pub(super) async fn revocations_after(db: &Db, number: i64) -> Result<Vec<(i64, News)>, Error> {
    let rows = db
        .all(
            "SELECT number, session_id, user_id, generation, kid, expires_at FROM revocations
              WHERE number > $1 ORDER BY number LIMIT 1000",
            [number.into()],
        )
        .await?;
    rows.iter().map(from_row).collect()
}

/// Those of a [`FEW`] numbers that are there.
pub(super) async fn revocations_of(db: &Db, numbers: &[i64]) -> Result<Vec<(i64, News)>, Error> {
    let mut binds: Vec<Value> = numbers.iter().map(|number| (*number).into()).collect();
    // No row has the number 0.
    binds.resize(FEW, 0.into());
    let rows = db
        .all(
            "SELECT number, session_id, user_id, generation, kid, expires_at FROM revocations
              WHERE number IN ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16,
                  $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32)",
            binds,
        )
        .await?;
    rows.iter().map(from_row).collect()
}

fn from_row(row: &Row) -> Result<(i64, News), Error> {
    let number = row.get("number")?;
    if row.get::<Option<String>>("kid")?.is_some() {
        return Ok((number, News::Keys));
    }
    let ended = match (row.get("session_id")?, row.get("user_id")?, row.get("generation")?) {
        (Some(id), None, None) => Ended::Session(id),
        (None, Some(id), Some(generation)) => Ended::Generation(UserId(id), generation),
        _ => return Err(Error::internal("a revocation names neither a session nor an account")),
    };
    let expires_at = Timestamp::new(row.get("expires_at")?);
    Ok((number, News::Ended(Revocation { ended, expires_at })))
}

/// Removes the revocations that no token can meet any more.
pub(super) async fn revocations_purge(db: &Db, now: Timestamp) -> Result<u64, Error> {
    let removed = db
        .execute("DELETE FROM revocations WHERE expires_at <= $1", [now.seconds().into()])
        .await?;
    Ok(removed)
}
