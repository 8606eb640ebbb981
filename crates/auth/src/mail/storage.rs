use jwt::Timestamp;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{
    Errand, Facts, Kind,
    pace::{self, Pace},
};
use crate::{
    Error,
    audit::{self, Act, Scribe},
    storage::{Db, Row, StorageError, Tx},
    users::{Email, UserId},
};

/// Where instances say that a letter is owed.
pub(super) const CHANNEL: &str = "countersign_outbox";

/// Errands that are looked at together, at most.
pub(super) const BATCH: usize = 32;

/// Seconds for which an errand is its taker's alone; longer than anyone may take to send a letter.
pub(crate) const CLAIM: i64 = 300;

/// Notes a letter that is owed, as part of the step that makes it so; nothing where no mail is sent.
pub(crate) async fn errand_add(tx: &mut Tx, errand: Option<&Errand>) -> Result<(), StorageError> {
    let Some(errand) = errand else { return Ok(()) };
    tx.execute(
        "INSERT INTO outbox (id, kind, recipient, user_id, facts, created_at, due_at, attempts)
         VALUES ($1, $2, $3, $4, $5, $6, $6, 0)",
        [
            errand.id.into(),
            errand.kind.name().into(),
            errand.recipient.as_str().into(),
            errand.user.map(|user| user.0).into(),
            // A struct of optional texts always becomes JSON.
            serde_json::to_string(&errand.facts).unwrap_or_default().into(),
            errand.created_at.seconds().into(),
        ],
    )
    .await?;
    tx.notify(CHANNEL).await
}

/// Notes that somebody asked for a letter, and the letter that is owed, where any is sent.
pub(crate) async fn errand_ask(
    db: &Db,
    errand: Option<Errand>,
    scribe: Scribe,
    act: Act,
) -> Result<(), Error> {
    let asked = audit::act(db, move |tx| {
        let (errand, scribe, act) = (errand.clone(), scribe.clone(), act.clone());
        Box::pin(async move {
            errand_add(tx, errand.as_ref()).await?;
            Ok(((), scribe.record(tx, None, None, &act).await?))
        })
    });
    Ok(asked.await?)
}

/// An errand whose time has come, and since when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Due {
    id: Uuid,
    at: i64,
}

/// The errands whose time has come, those that wait the longest first, [`BATCH`] at most.
pub(crate) async fn errands_due(db: &Db, now: Timestamp) -> Result<Vec<Due>, Error> {
    let rows = db
        .all(
            "SELECT id, due_at FROM outbox WHERE due_at <= $1 ORDER BY due_at, id LIMIT 32",
            [now.seconds().into()],
        )
        .await?;
    let due = |row: &Row| Ok(Due { id: row.get("id")?, at: row.get("due_at")? });
    rows.iter().map(due).collect()
}

/// An errand that is its taker's alone until a time.
#[derive(Debug, Clone)]
pub(crate) struct Taken {
    pub(crate) errand: Errand,
    /// How often its letter was put off by the mail server.
    pub(crate) attempts: i64,
    until: i64,
    /// The letters to this recipient before this one, and with it, where somebody counts them.
    pace: Option<(Option<Pace>, Pace)>,
}

/// Takes an errand, unless somebody else has it by now, or (where letters are paced) it is too early for another one of
/// this kind to this recipient: then its time comes later.
pub(crate) async fn errand_take(
    db: &Db,
    due: Due,
    is_paced: bool,
    now: Timestamp,
) -> Result<Option<Taken>, Error> {
    let taken = db.transaction(move |tx| Box::pin(take(tx, due, is_paced, now.seconds())));
    Ok(taken.await?)
}

async fn take(
    tx: &mut Tx,
    due: Due,
    is_paced: bool,
    now: i64,
) -> Result<Option<Taken>, StorageError> {
    let row = tx
        .optional(
            "SELECT id, kind, recipient, user_id, facts, created_at, attempts
               FROM outbox WHERE id = $1 AND due_at = $2",
            [due.id.into(), due.at.into()],
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    let until = now + CLAIM;
    let Some(errand) = from_row(&row)? else {
        // Of a later version: for an instance of it.
        set_due(tx, due.id, until).await?;
        return Ok(None);
    };
    let attempts = row.get("attempts")?;
    if !is_paced {
        set_due(tx, due.id, until).await?;
        return Ok(Some(Taken { errand, attempts, until, pace: None }));
    }
    let key = key(&errand);
    let before = pace(tx, &key).await?;
    match pace::next(before, now) {
        Err(later) => {
            set_due(tx, due.id, later).await?;
            Ok(None)
        }
        Ok(with) => {
            set_due(tx, due.id, until).await?;
            set_pace(tx, key, Some(with)).await?;
            Ok(Some(Taken { errand, attempts, until, pace: Some((before, with)) }))
        }
    }
}

async fn set_due(tx: &mut Tx, id: Uuid, at: i64) -> Result<u64, StorageError> {
    tx.execute("UPDATE outbox SET due_at = $2 WHERE id = $1", [id.into(), at.into()]).await
}

async fn pace(tx: &mut Tx, key: &[u8]) -> Result<Option<Pace>, StorageError> {
    let row = tx
        .optional("SELECT sent_at, letters FROM outbox_pace WHERE recipient = $1", [key.into()])
        .await?;
    let pace = |row: Row| Ok(Pace { sent_at: row.get("sent_at")?, letters: row.get("letters")? });
    row.map(pace).transpose()
}

async fn set_pace(tx: &mut Tx, key: Vec<u8>, pace: Option<Pace>) -> Result<u64, StorageError> {
    let Some(pace) = pace else {
        return tx.execute("DELETE FROM outbox_pace WHERE recipient = $1", [key.into()]).await;
    };
    tx.execute(
        "INSERT INTO outbox_pace (recipient, sent_at, letters) VALUES ($1, $2, $3)
         ON CONFLICT (recipient) DO UPDATE SET sent_at = $2, letters = $3",
        [key.into(), pace.sent_at.into(), pace.letters.into()],
    )
    .await
}

/// What became of a letter that was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// There was none to send.
    Needless,
    /// It did not get to the point where the server could have taken it; the errand's time comes again then.
    Unsent(Timestamp),
    /// The server put it off: not taken; the errand's time comes again then.
    PutOff(Timestamp),
    /// Nobody knows whether the server has taken it; the errand's time comes again then.
    Unsure(Timestamp),
}

/// Notes what became of an errand whose letter was not sent; nothing where somebody else has taken it by now.
pub(crate) async fn errand_settle(db: &Db, taken: &Taken, fate: Fate) -> Result<(), Error> {
    let (id, until) = (taken.errand.id, taken.until);
    let (key, paced) = (key(&taken.errand), taken.pace);
    let settled = db.transaction(move |tx| {
        let key = key.clone();
        Box::pin(async move {
            let (due_at, tried) = match fate {
                Fate::Needless => (None, 0),
                Fate::Unsent(at) => (Some(at.seconds()), 0),
                Fate::PutOff(at) | Fate::Unsure(at) => (Some(at.seconds()), 1),
            };
            let settled = match due_at {
                None => {
                    let own = [id.into(), until.into()];
                    tx.execute("DELETE FROM outbox WHERE id = $1 AND due_at = $2", own).await?
                }
                Some(at) => {
                    tx.execute(
                        "UPDATE outbox SET due_at = $3, attempts = attempts + $4
                          WHERE id = $1 AND due_at = $2",
                        [id.into(), until.into(), at.into(), tried.into()],
                    )
                    .await?
                }
            };
            let Some((before, with)) = paced.filter(|_| settled > 0) else { return Ok(()) };
            // A letter that was not sent does not count against the next one.
            let pace = match fate {
                Fate::Unsure(_) => Some(Pace { letters: before.map_or(0, |b| b.letters), ..with }),
                _ => before,
            };
            set_pace(tx, key, pace).await.map(drop)
        })
    });
    Ok(settled.await?)
}

/// Removes an errand whose letter was sent, or never will be, and with it those that the same letter answers: of its
/// kind, to its recipient, about its account, noted before the letter was made (`made` is an id of that moment).
pub(crate) async fn errand_done(db: &Db, errand: &Errand, made: Uuid) -> Result<(), Error> {
    db.execute(
        "DELETE FROM outbox WHERE id = $1
             OR (recipient = $2 AND kind = $3 AND user_id IS NOT DISTINCT FROM $4 AND id < $5)",
        [
            errand.id.into(),
            errand.recipient.as_str().into(),
            errand.kind.name().into(),
            errand.user.map(|user| user.0).into(),
            made.into(),
        ],
    )
    .await?;
    Ok(())
}

/// Removes errands that were noted before this time, and returns how many there were; and what has no bearing on the
/// pace any more.
pub(crate) async fn errands_purge(
    db: &Db,
    before: Timestamp,
    now: Timestamp,
) -> Result<u64, Error> {
    db.execute(
        "DELETE FROM outbox_pace WHERE sent_at <= $1",
        [(now.seconds() - pace::FORGOTTEN_AFTER).into()],
    )
    .await?;
    let old = [before.seconds().into()];
    Ok(db.execute("DELETE FROM outbox WHERE created_at < $1", old).await?)
}

/// How many errands wait, and since when the oldest does.
pub(crate) async fn errands_waiting(db: &Db) -> Result<(i64, Option<Timestamp>), Error> {
    let row = db
        .optional("SELECT COUNT(*) AS waiting, MIN(created_at) AS oldest FROM outbox", [])
        .await?;
    let Some(row) = row else { return Ok((0, None)) };
    let oldest: Option<i64> = row.get("oldest")?;
    Ok((row.get("waiting")?, oldest.map(Timestamp::new)))
}

/// Under which the pace of an errand is kept: no address lies there longer than its letter is owed.
fn key(errand: &Errand) -> Vec<u8> {
    let mut hash = Sha256::new_with_prefix(errand.kind.name());
    hash.update([0]);
    hash.update(errand.recipient.as_str());
    hash.finalize().to_vec()
}

/// The errand of a row; `None` when it is of a kind that this version does not know.
fn from_row(row: &Row) -> Result<Option<Errand>, StorageError> {
    let Some(kind) = Kind::by_name(&row.get::<String>("kind")?) else { return Ok(None) };
    let user: Option<Uuid> = row.get("user_id")?;
    // What cannot be read is left out of the letter.
    let facts: Facts = serde_json::from_str(&row.get::<String>("facts")?).unwrap_or_default();
    Ok(Some(Errand {
        id: row.get("id")?,
        kind,
        recipient: Email::from_stored(row.get("recipient")?),
        user: user.map(UserId),
        facts,
        created_at: Timestamp::new(row.get("created_at")?),
    }))
}
