use crate::{Error, storage::Db};

/// The newest event by its id, which begins with its time: the newest by its time would be looked for among all.
pub(super) async fn newest_event(db: &Db) -> Result<Option<i64>, Error> {
    let row = db.optional("SELECT at FROM events ORDER BY id DESC LIMIT 1", []).await?;
    Ok(row.map(|row| row.get("at")).transpose()?)
}

/// The time of the oldest event that is not sealed.
pub(super) async fn oldest_unsealed(db: &Db) -> Result<Option<i64>, Error> {
    let row = db.optional("SELECT MIN(at) AS at FROM events WHERE number IS NULL", []).await?;
    Ok(row.map(|row| row.get::<Option<i64>>("at")).transpose()?.flatten())
}

/// When the last lease of all runs out.
pub(super) async fn work_taken_until(db: &Db) -> Result<Option<i64>, Error> {
    let row = db.optional("SELECT MAX(expires_at) AS until FROM leases", []).await?;
    Ok(row.map(|row| row.get::<Option<i64>>("until")).transpose()?.flatten())
}
