use jwt::Timestamp;

use super::{
    memory::Key,
    rules::{Counted, DAY, HOUR, KNOWN, MINUTE, Others, SECOND, Times},
};
use crate::{
    Error,
    audit::{self, Act, Recorded, Scribe},
    jobs::BATCH,
    storage::{Db, Row, StorageError, Value},
    users::UserId,
};

/// Addresses of one account that are known; a further one takes the place of the one seen longest ago.
const KNOWN_PER_ACCOUNT: i64 = 100;

/// Under which keys an attempt counts: its address, where that is known and limited, and what it guesses at.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Keys {
    pub(crate) address: Option<Key>,
    pub(crate) guess: Option<Guess>,
}

/// The account that a password is tried for, alone and together with the address.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Guess {
    pub(crate) pair: Key,
    pub(crate) account: Key,
}

impl Keys {
    fn binds(&self) -> [Value; 3] {
        let guess = self.guess.map(|guess| (guess.pair, guess.account)).unzip();
        // No key is empty.
        let bind = |key: Option<Key>| Value::from(key.map(Vec::from).unwrap_or_default());
        [bind(self.address), bind(guess.0), bind(guess.1)]
    }

    fn read(&self, rows: &[Row]) -> Result<Counted, StorageError> {
        let mut counted = Counted::default();
        for row in rows {
            let id: Vec<u8> = row.get("id")?;
            if let Some(seen_at) = row.get("seen_at")? {
                counted.known_at = Some(seen_at);
                continue;
            }
            let is = |key: Option<Key>| key.is_some_and(|key| key.as_slice() == id);
            let times = Times::from_stored(&row.get::<Vec<u8>>("times")?);
            if is(self.address) {
                counted.address = times;
            } else if is(self.guess.map(|guess| guess.pair)) {
                counted.pair = times;
            } else {
                counted.account = times;
            }
        }
        Ok(counted)
    }
}

const LOOK: &str = "SELECT id, times, NULL AS seen_at FROM limits WHERE id IN ($1, $2, $3)
     UNION ALL
     SELECT address AS id, NULL AS times, seen_at FROM known_addresses
      WHERE account = $3 AND address = $2";

/// What counts against an attempt.
pub(crate) async fn limits_look(db: &Db, keys: &Keys) -> Result<Counted, StorageError> {
    keys.read(&db.all(LOOK, keys.binds()).await?)
}

/// What is written down of an attempt that was refused.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) scribe: Scribe,
    /// The account that was tried, where there is one.
    pub(crate) user: Option<UserId>,
    pub(crate) act: Act,
}

/// Counts an attempt that began then and failed now, unless what others have counted in the meantime closes a limit.
/// Returns what counts, and whether this one does. Its event is written in either case.
pub(crate) async fn limits_fail(
    db: &Db,
    keys: Keys,
    began: i64,
    now: i64,
    refusal: Option<Refusal>,
) -> Result<(Counted, bool), StorageError> {
    audit::act(db, move |tx| {
        let refusal = refusal.clone();
        Box::pin(async move {
            let recorded = match refusal {
                Some(Refusal { scribe, user, act }) => scribe.record(tx, user, None, &act).await?,
                None => Recorded::nothing(),
            };
            let mut counted = keys.read(&tx.all(LOOK, keys.binds()).await?)?;
            if counted.opens(Others::default(), now).all() > now {
                return Ok(((counted, false), recorded));
            }
            counted.fail(began, now);
            let Counted { address, pair, account, .. } = &counted;
            let rows = [
                (keys.address, address, MINUTE),
                (keys.guess.map(|guess| guess.pair), pair, HOUR),
                (keys.guess.map(|guess| guess.account), account, HOUR),
            ];
            // In one order everywhere: nobody waits for somebody who waits for him.
            for (key, times, kept) in rows {
                let Some(key) = key else { continue };
                let expires_at = (now + kept) / SECOND + 1;
                tx.execute(
                    "INSERT INTO limits (id, times, expires_at) VALUES ($1, $2, $3)
                     ON CONFLICT (id) DO UPDATE SET times = excluded.times, expires_at = excluded.expires_at",
                    [Vec::from(key).into(), times.to_stored().into(), expires_at.into()],
                )
                .await?;
            }
            Ok(((counted, true), recorded))
        })
    })
    .await
}

/// Clears the failures of an account from an address, and remembers that its owner is there.
pub(crate) async fn limits_succeed(db: &Db, guess: Guess, now: i64) -> Result<(), StorageError> {
    db.transaction(move |tx| {
        Box::pin(async move {
            let (pair, account) = (Vec::from(guess.pair), Vec::from(guess.account));
            tx.execute("DELETE FROM limits WHERE id = $1", [pair.clone().into()]).await?;
            tx.execute(
                "INSERT INTO known_addresses (account, address, seen_at) VALUES ($1, $2, $3)
                 ON CONFLICT (account, address) DO UPDATE SET seen_at = excluded.seen_at",
                [account.clone().into(), pair.into(), (now / SECOND).into()],
            )
            .await?;
            tx.execute(
                "DELETE FROM known_addresses WHERE account = $1 AND address IN
                     (SELECT address FROM known_addresses WHERE account = $1
                       ORDER BY seen_at DESC, address LIMIT 1000 OFFSET $2)",
                [account.into(), KNOWN_PER_ACCOUNT.into()],
            )
            .await
            .map(drop)
        })
    })
    .await
}

/// Clears the failures of an account from an address.
pub(crate) async fn limits_clear(db: &Db, guess: Guess) -> Result<(), StorageError> {
    let pair = Vec::from(guess.pair);
    db.execute("DELETE FROM limits WHERE id = $1", [pair.into()]).await.map(drop)
}

/// Removes counts that have run out, so many at most; returns how many. One that is renewed meanwhile stays.
pub(crate) async fn purge(db: &Db, now: Timestamp) -> Result<u64, Error> {
    let removed = db
        .execute(
            "DELETE FROM limits WHERE expires_at < $1 AND id IN
                 (SELECT id FROM limits WHERE expires_at < $1 LIMIT $2)",
            [now.seconds().into(), BATCH.into()],
        )
        .await?;
    Ok(removed)
}

/// Forgets addresses that are known no longer, in the same way.
pub(crate) async fn purge_known(db: &Db, now: Timestamp) -> Result<u64, Error> {
    let removed = db
        .execute(
            "DELETE FROM known_addresses WHERE seen_at < $1 AND (account, address) IN
                 (SELECT account, address FROM known_addresses WHERE seen_at < $1 LIMIT $2)",
            [(now.seconds() - KNOWN / SECOND).into(), BATCH.into()],
        )
        .await?;
    Ok(removed)
}

/// Whether it is time to write again that the owner of an account is at an address: once a day.
pub(crate) fn is_due(known_at: Option<i64>, now: i64) -> bool {
    known_at.is_none_or(|seen| seen.saturating_mul(SECOND) <= now - DAY)
}
