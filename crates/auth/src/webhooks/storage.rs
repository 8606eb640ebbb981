use jwt::Timestamp;
use uuid::Uuid;

use crate::{
    Error,
    checkup::DeliveriesFound,
    storage::{Db, Row, StorageError, Tx},
};

/// Where instances say that an event is owed.
pub(super) const CHANNEL: &str = "countersign_deliveries";

/// Deliveries that are looked at together, at most.
pub(super) const BATCH: usize = 32;

/// Seconds for which a delivery is its taker's alone; longer than an attempt takes, and the note of what became of it.
pub(crate) const CLAIM: i64 = 120;

/// Notes that events are owed to the receiver, as part of the step that seals them; once, however often it is said.
pub(crate) async fn deliveries_add(
    tx: &mut Tx,
    events: &[Uuid],
    now: Timestamp,
) -> Result<(), StorageError> {
    for event in events {
        tx.execute(
            "INSERT INTO deliveries (event_id, created_at, due_at, attempts) VALUES ($1, $2, $2, 0)
             ON CONFLICT (event_id) DO NOTHING",
            [(*event).into(), now.seconds().into()],
        )
        .await?;
    }
    if events.is_empty() { Ok(()) } else { tx.notify(CHANNEL).await }
}

/// A delivery whose time has come, and since when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Due {
    event: Uuid,
    at: i64,
    attempts: i64,
}

/// The deliveries whose time has come, those that wait the longest first, [`BATCH`] at most.
pub(crate) async fn deliveries_due(db: &Db, now: Timestamp) -> Result<Vec<Due>, Error> {
    let rows = db
        .all(
            "SELECT event_id, due_at, attempts FROM deliveries WHERE due_at <= $1
              ORDER BY due_at, event_id LIMIT 32",
            [now.seconds().into()],
        )
        .await?;
    let due = |row: &Row| {
        Ok(Due {
            event: row.get("event_id")?,
            at: row.get("due_at")?,
            attempts: row.get("attempts")?,
        })
    };
    rows.iter().map(due).collect()
}

/// A delivery that is its taker's alone until a time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken {
    /// The event that is to be delivered.
    pub(crate) event: Uuid,
    /// How often it was tried in vain.
    pub(crate) attempts: i64,
    until: i64,
}

/// Takes a delivery, unless somebody else has it by now.
pub(crate) async fn delivery_take(
    db: &Db,
    due: Due,
    now: Timestamp,
) -> Result<Option<Taken>, Error> {
    let until = now.seconds().saturating_add(CLAIM);
    let taken = db
        .execute(
            "UPDATE deliveries SET due_at = $3 WHERE event_id = $1 AND due_at = $2",
            [due.event.into(), due.at.into(), until.into()],
        )
        .await?;
    Ok((taken > 0).then_some(Taken { event: due.event, attempts: due.attempts, until }))
}

/// Removes a delivery: the receiver has the event, or never will.
pub(crate) async fn delivery_done(db: &Db, taken: Taken) -> Result<(), Error> {
    db.execute("DELETE FROM deliveries WHERE event_id = $1", [taken.event.into()]).await?;
    Ok(())
}

/// Notes when a delivery is to be tried again, and so many attempts; nothing where somebody else has taken it by now.
pub(crate) async fn delivery_put_off(
    db: &Db,
    taken: Taken,
    until: Timestamp,
    attempts: i64,
) -> Result<(), Error> {
    db.execute(
        "UPDATE deliveries SET due_at = $3, attempts = attempts + $4 WHERE event_id = $1 AND due_at = $2",
        [taken.event.into(), taken.until.into(), until.seconds().into(), attempts.into()],
    )
    .await?;
    Ok(())
}

/// Removes deliveries that were noted before this time, and returns how many there were.
pub(crate) async fn deliveries_purge(db: &Db, before: Timestamp) -> Result<u64, Error> {
    let old = [before.seconds().into()];
    Ok(db.execute("DELETE FROM deliveries WHERE created_at < $1", old).await?)
}

/// How many deliveries wait, and since when the oldest does.
pub(crate) async fn deliveries_waiting(db: &Db) -> Result<(i64, Option<Timestamp>), Error> {
    let row = db
        .optional("SELECT COUNT(*) AS waiting, MIN(created_at) AS oldest FROM deliveries", [])
        .await?;
    let Some(row) = row else { return Ok((0, None)) };
    let oldest: Option<i64> = row.get("oldest")?;
    Ok((row.get("waiting")?, oldest.map(Timestamp::new)))
}

/// All that can be told of deliveries without looking at each.
pub(crate) async fn deliveries_found(db: &Db) -> Result<DeliveriesFound, Error> {
    let row = db
        .optional(
            "SELECT COUNT(*) AS waiting, MIN(created_at) AS oldest, MIN(due_at) AS due,
                    COUNT(CASE WHEN attempts > 0 THEN 1 END) AS refused, MAX(attempts) AS attempts
               FROM deliveries",
            [],
        )
        .await?;
    let Some(row) = row else { return Ok(DeliveriesFound::default()) };
    let count = |number: i64| u64::try_from(number).unwrap_or_default();
    let time = |seconds: Option<i64>| seconds.map(Timestamp::new);
    Ok(DeliveriesFound {
        waiting: count(row.get("waiting")?),
        oldest: time(row.get("oldest")?),
        due: time(row.get("due")?),
        refused: count(row.get("refused")?),
        attempts: count(row.get::<Option<i64>>("attempts")?.unwrap_or_default()),
    })
}
