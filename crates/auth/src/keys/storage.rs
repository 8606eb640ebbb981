use jwt::Timestamp;
use zeroize::Zeroizing;

use super::{
    State,
    derived::StoredSecret,
    stored::{Entry, Resealed, StoredKey},
};
use crate::{
    Error,
    audit::{self, Act, Chain, Recorded, Scribe, storage::chain_begin},
    revocation::storage::keys_changed,
    storage::{Db, Row, StorageError, Tx, Value},
};

/// The time, and the waits of a rotation in seconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    pub(super) now: Timestamp,
    /// How long a key is published before it signs.
    pub(super) ahead: i64,
    /// How long a key is kept after the last token it signed has expired.
    pub(super) retain: i64,
}

/// Why a key is added.
#[derive(Debug, Clone, Copy)]
pub(super) enum Cause {
    /// A start: only where no key signs yet, or the setting names another algorithm than at the start before and the
    /// newest key is not of it.
    Start { immediate: bool },
    /// Its time has come: only where no key waits. It signs from then on.
    Age { at: Timestamp },
    /// Somebody asked for it: only where none of this algorithm waits already.
    Request { immediate: bool },
}

/// All keys there are and were, the one that signs last first.
pub(super) async fn keys_all(db: &Db) -> Result<Vec<Entry>, Error> {
    let rows = db
        .all(
            "SELECT kid, algorithm, material, sealed, state, created_at, active_at, retired_at, gone_at,
                    revoked_at, lifetime
               FROM keys ORDER BY active_at DESC, created_at DESC, kid",
            [],
        )
        .await?;
    rows.iter().map(|row| Ok(entry(row)?)).collect()
}

/// Says whether a start with this algorithm as its setting adds a key.
pub(super) async fn key_wanted(db: &Db, algorithm: &'static str) -> Result<bool, Error> {
    let row = db
        .optional(
            "SELECT 1 AS one FROM key_setting WHERE id = 1 AND algorithm = $1
                AND EXISTS (SELECT 1 FROM keys WHERE state = 'active')",
            [algorithm.into()],
        )
        .await?;
    Ok(row.is_none())
}

/// Adds a fresh key where its cause still holds, and returns the kid of the key that is there for it: its own, or of one
/// that another instance or request made before.
///
/// Where no key is active it is at once; where it waits, it becomes active later by [`keys_turn`].
pub(super) async fn key_add(
    db: &Db,
    fresh: StoredKey,
    cause: Cause,
    pace: Pace,
    scribe: Scribe,
) -> Result<String, Error> {
    let kid = audit::act(db, move |tx| {
        let (fresh, scribe) = (fresh.clone(), scribe.clone());
        Box::pin(async move {
            let none = Recorded::nothing;
            let waiting = newest(tx, State::Pending, Some(&fresh.algorithm)).await?;
            let active = newest(tx, State::Active, None).await?;
            let now = pace.now.seconds();
            if let Cause::Start { .. } = cause {
                let known = setting(tx, &fresh.algorithm).await?;
                if let (true, Some((active, _))) = (known, &active) {
                    return Ok((active.clone(), none()));
                }
            }
            let Some((active, algorithm)) = active else {
                let kid = match waiting {
                    Some((kid, _)) => kid,
                    None => added(tx, &fresh, now, pace, &scribe).await?.0,
                };
                let recorded = activate(tx, &kid, pace, &scribe).await?;
                return Ok((kid, recorded));
            };
            let newest = newest(tx, State::Pending, None).await?;
            if let Cause::Start { immediate } = cause {
                let last = if immediate { None } else { newest.clone() };
                let (kid, algorithm) = last.unwrap_or((active, algorithm));
                if algorithm == fresh.algorithm {
                    return Ok((kid, none()));
                }
            }
            match (cause, newest, waiting) {
                (Cause::Age { .. }, Some((kid, _)), _) => Ok((kid, none())),
                (Cause::Request { immediate: false }, _, Some((kid, _))) => Ok((kid, none())),
                (
                    Cause::Start { immediate: true } | Cause::Request { immediate: true },
                    _,
                    waiting,
                ) => {
                    let kid = match waiting {
                        Some((kid, _)) => kid,
                        None => added(tx, &fresh, now, pace, &scribe).await?.0,
                    };
                    retire(tx, None, pace, &scribe).await?;
                    let recorded = activate(tx, &kid, pace, &scribe).await?;
                    Ok((kid, recorded))
                }
                (Cause::Age { at }, None, _) => {
                    let at = at.seconds().max(now.saturating_add(pace.ahead));
                    added(tx, &fresh, at, pace, &scribe).await
                }
                (Cause::Start { .. } | Cause::Request { .. }, _, _) => {
                    let at = now.saturating_add(pace.ahead);
                    added(tx, &fresh, at, pace, &scribe).await
                }
            }
        })
    })
    .await?;
    Ok(kid)
}

/// Adds a key that was made elsewhere; a kid that is or was here is a conflict.
pub(super) async fn key_import(
    db: &Db,
    key: StoredKey,
    immediate: bool,
    pace: Pace,
    scribe: Scribe,
) -> Result<(), Error> {
    let added = audit::act(db, move |tx| {
        let (key, scribe) = (key.clone(), scribe.clone());
        Box::pin(async move {
            let now = pace.now.seconds();
            let at = if immediate { now } else { now.saturating_add(pace.ahead) };
            insert(tx, &key, at, pace).await?;
            let act = Act::KeyImported { kid: key.kid.clone(), algorithm: key.algorithm };
            let mut recorded = scribe.record(tx, None, None, &act).await?;
            if immediate {
                retire(tx, None, pace, &scribe).await?;
                recorded = activate(tx, &key.kid, pace, &scribe).await?;
            }
            Ok(((), recorded))
        })
    })
    .await;
    added.map_err(|error| match error.conflict() {
        Some("keys_pkey") => Error::KeyExists,
        _ => error.into(),
    })
}

/// Makes the motions that are due, and says whether there was one: of the keys that wait and whose time has come the
/// last signs from now on, the one that signed retires, and a key no token of which can be alive is gone. `signs` is
/// whether keys of the database sign; where a file does, none becomes active.
pub(super) async fn keys_turn(
    db: &Db,
    signs: bool,
    pace: Pace,
    scribe: Scribe,
) -> Result<bool, Error> {
    let turned = audit::act(db, move |tx| {
        let scribe = scribe.clone();
        Box::pin(async move {
            let mut recorded = Recorded::nothing();
            let now = pace.now.seconds();
            let mut turned = false;
            let due = tx
                .all(
                    "SELECT kid FROM keys WHERE state = 'pending' AND active_at <= $1
                          ORDER BY active_at DESC, created_at DESC, kid",
                    [now.into()],
                )
                .await?;
            let mut due = due.iter().filter(|_| signs);
            if let Some(row) = due.next() {
                turned = true;
                retire(tx, None, pace, &scribe).await?;
                recorded = activate(tx, &row.get::<String>("kid")?, pace, &scribe).await?;
            }
            // Those that were passed over have signed nothing.
            for row in due {
                recorded = gone(tx, row.get("kid")?, now, &scribe).await?;
            }
            let over = tx
                .all(
                    "SELECT kid FROM keys WHERE state = 'retiring' AND gone_at <= $1",
                    [now.into()],
                )
                .await?;
            for row in &over {
                turned = true;
                recorded = gone(tx, row.get("kid")?, now, &scribe).await?;
            }
            // From a version that did not say when.
            tx.execute(
                "UPDATE keys SET retired_at = $1, gone_at = $1 + lifetime + $2
                      WHERE state = 'retiring' AND gone_at IS NULL",
                [now.into(), pace.retain.into()],
            )
            .await?;
            Ok((turned, recorded))
        })
    })
    .await?;
    Ok(turned)
}

/// Lets the active key retire where one in a file signs; that key itself stays, when it is in the database too.
pub(super) async fn keys_step_back(
    db: &Db,
    signing: String,
    pace: Pace,
    scribe: Scribe,
) -> Result<bool, Error> {
    let retired = audit::act(db, move |tx| {
        let (signing, scribe) = (signing.clone(), scribe.clone());
        Box::pin(async move {
            let retired = retire(tx, Some(&signing), pace, &scribe).await?;
            Ok((retired.is_some(), retired.unwrap_or_else(Recorded::nothing)))
        })
    });
    Ok(retired.await?)
}

/// Ends a key at once, and puts `fresh` in its place if it is the one that signs. Says in which state it was; `None`
/// when there is no such key.
pub(super) async fn key_revoke(
    db: &Db,
    kid: String,
    fresh: StoredKey,
    pace: Pace,
    scribe: Scribe,
) -> Result<Option<State>, Error> {
    let was = audit::act(db, move |tx| {
        let (kid, fresh, scribe) = (kid.clone(), fresh.clone(), scribe.clone());
        Box::pin(async move {
            let row =
                tx.optional("SELECT state FROM keys WHERE kid = $1", [kid.as_str().into()]).await?;
            let mut recorded = Recorded::nothing();
            let Some(row) = row else { return Ok((None, recorded)) };
            let state = State::from_stored(&row.get::<String>("state")?);
            let now = pace.now.seconds();
            if state != State::Gone {
                erase(tx, &kid, now, Some(now)).await?;
                let act = Act::KeyRevoked { kid };
                recorded = scribe.record(tx, None, None, &act).await?;
            }
            if state == State::Active {
                let (fresh, _) = added(tx, &fresh, now, pace, &scribe).await?;
                recorded = activate(tx, &fresh, pace, &scribe).await?;
            }
            Ok((Some(state), recorded))
        })
    })
    .await?;
    Ok(was)
}

/// Notes how long the tokens live that the keys of today sign, where an instance makes longer ones than was known.
pub(super) async fn keys_outlive(db: &Db, lifetime: i64) -> Result<(), Error> {
    db.execute(
        "UPDATE keys SET lifetime = $1 WHERE state IN ('pending', 'active') AND lifetime < $1",
        [lifetime.into()],
    )
    .await?;
    Ok(())
}

/// Puts what was sealed anew in the place of what it was made of, all in one step; what has changed since stays.
pub(super) async fn reseal(db: &Db, resealed: Vec<Resealed>, scribe: Scribe) -> Result<(), Error> {
    if resealed.is_empty() {
        return Ok(());
    }
    audit::act(db, move |tx| {
        let (resealed, scribe) = (resealed.clone(), scribe.clone());
        Box::pin(async move {
            let act = Act::KeysSealed { keys: resealed.len() };
            for Resealed { kid, before, after } in resealed {
                let (before, after) = (before.as_slice().into(), after.into());
                match kid {
                    Some(kid) => {
                        tx.execute(
                            "UPDATE keys SET material = $2, sealed = $3 WHERE kid = $4 AND material = $1",
                            [before, after, true.into(), kid.into()],
                        )
                        .await?
                    }
                    None => {
                        tx.execute(
                            "UPDATE server_secret SET material = $2, sealed = $3
                              WHERE id = 1 AND material = $1",
                            [before, after, true.into()],
                        )
                        .await?
                    }
                };
            }
            Ok(((), scribe.record(tx, None, None, &act).await?))
        })
    })
    .await?;
    Ok(())
}

/// Sessions by tokens that have an access token alive and were begun by then, and last given one since then.
pub(super) async fn logins_between(
    db: &Db,
    now: Timestamp,
    since: Timestamp,
    until: Timestamp,
) -> Result<u64, Error> {
    let row = db
        .optional(
            "SELECT COUNT(*) AS logins FROM refresh_tokens
              WHERE access_expires_at > $1 AND last_used_at >= $2 AND created_at <= $3",
            [now.seconds().into(), since.seconds().into(), until.seconds().into()],
        )
        .await?;
    let logins: i64 = row.map(|row| row.get("logins")).transpose()?.unwrap_or_default();
    Ok(logins.unsigned_abs())
}

/// Removes a batch of the rows of keys that have long been gone. What was revoked is remembered, so that it never comes
/// back.
pub(crate) async fn purge(db: &Db, gone_before: Timestamp, batch: i64) -> Result<u64, Error> {
    let removed = db
        .execute(
            "DELETE FROM keys WHERE kid IN
                 (SELECT kid FROM keys
                   WHERE state = 'gone' AND revoked_at IS NULL AND gone_at < $1 LIMIT $2)",
            [gone_before.seconds().into(), batch.into()],
        )
        .await?;
    Ok(removed)
}

/// The server's secret: the one that is there, else `fresh`, which every instance then finds, and with it the beginning
/// of the audit log.
pub(crate) async fn server_secret_open(
    db: &Db,
    fresh: StoredSecret,
    chain: Chain,
) -> Result<StoredSecret, Error> {
    db.transaction(move |tx| {
        let (material, sealed) = (fresh.material.clone(), fresh.sealed);
        let chain = chain.clone();
        Box::pin(async move {
            let made = tx
                .execute(
                    "INSERT INTO server_secret (id, material, sealed) VALUES (1, $1, $2)
                     ON CONFLICT (id) DO NOTHING",
                    [material.as_slice().into(), sealed.into()],
                )
                .await?;
            if made > 0 { chain_begin(tx, &chain).await } else { Ok(()) }
        })
    })
    .await?;
    server_secret(db).await?.ok_or_else(|| Error::internal("the server secret has gone"))
}

/// The server's secret, if there is one yet.
pub(crate) async fn server_secret(db: &Db) -> Result<Option<StoredSecret>, Error> {
    let row = db.optional("SELECT material, sealed FROM server_secret WHERE id = 1", []).await?;
    let stored = |row: Row| -> Result<StoredSecret, StorageError> {
        let material = Zeroizing::new(row.get("material")?);
        Ok(StoredSecret { material, sealed: row.get("sealed")? })
    };
    Ok(row.map(stored).transpose()?)
}

/// The kid and the algorithm of the key in this state, and perhaps of this algorithm, that is to sign last.
async fn newest(
    tx: &mut Tx,
    state: State,
    algorithm: Option<&str>,
) -> Result<Option<(String, String)>, StorageError> {
    let row = tx
        .optional(
            "SELECT kid, algorithm FROM keys WHERE state = $1 AND algorithm = COALESCE($2, algorithm)
              ORDER BY active_at DESC, created_at DESC, kid LIMIT 1",
            [state.to_stored().into(), algorithm.map(str::to_owned).into()],
        )
        .await?;
    row.map(|row| Ok((row.get("kid")?, row.get("algorithm")?))).transpose()
}

/// Notes the algorithm of the settings; says whether it was the same at the start before.
async fn setting(tx: &mut Tx, algorithm: &str) -> Result<bool, StorageError> {
    let changed = tx
        .execute(
            "INSERT INTO key_setting (id, algorithm) VALUES (1, $1)
             ON CONFLICT (id) DO UPDATE SET algorithm = $1 WHERE key_setting.algorithm <> $1",
            [algorithm.into()],
        )
        .await?;
    Ok(changed == 0)
}

async fn insert(
    tx: &mut Tx,
    key: &StoredKey,
    active_at: i64,
    pace: Pace,
) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO keys (kid, algorithm, material, sealed, state, created_at, active_at, lifetime)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        [
            key.kid.as_str().into(),
            key.algorithm.as_str().into(),
            key.material.as_slice().into(),
            key.sealed.into(),
            State::Pending.to_stored().into(),
            pace.now.seconds().into(),
            active_at.into(),
            key.lifetime.into(),
        ],
    )
    .await?;
    keys_changed(tx, &key.kid, pace.now).await
}

/// Adds a key that was made for it, and returns its kid.
async fn added(
    tx: &mut Tx,
    key: &StoredKey,
    active_at: i64,
    pace: Pace,
    scribe: &Scribe,
) -> Result<(String, Recorded), StorageError> {
    insert(tx, key, active_at, pace).await?;
    let (kid, algorithm) = (key.kid.clone(), key.algorithm.clone());
    let act = Act::KeyAdded { kid: kid.clone(), algorithm };
    Ok((kid, scribe.record(tx, None, None, &act).await?))
}

/// `pending → active`.
async fn activate(
    tx: &mut Tx,
    kid: &str,
    pace: Pace,
    scribe: &Scribe,
) -> Result<Recorded, StorageError> {
    tx.execute(
        "UPDATE keys SET state = 'active', active_at = $2 WHERE kid = $1 AND state = 'pending'",
        [kid.into(), pace.now.seconds().into()],
    )
    .await?;
    keys_changed(tx, kid, pace.now).await?;
    scribe.record(tx, None, None, &Act::KeyActivated { kid: kid.to_owned() }).await
}

/// `active → retiring`, for the one that signs, unless it is this one; `None` where there was none.
async fn retire(
    tx: &mut Tx,
    but: Option<&str>,
    pace: Pace,
    scribe: &Scribe,
) -> Result<Option<Recorded>, StorageError> {
    let retired = tx
        .optional(
            "UPDATE keys SET state = 'retiring', retired_at = $1, gone_at = $1 + lifetime + $2
              WHERE state = 'active' AND kid <> $3 RETURNING kid",
            [pace.now.seconds().into(), pace.retain.into(), but.unwrap_or_default().into()],
        )
        .await?;
    let Some(row) = retired else { return Ok(None) };
    let kid: String = row.get("kid")?;
    keys_changed(tx, &kid, pace.now).await?;
    scribe.record(tx, None, None, &Act::KeyRetired { kid }).await.map(Some)
}

/// `→ gone`, because its time is over.
async fn gone(
    tx: &mut Tx,
    kid: String,
    now: i64,
    scribe: &Scribe,
) -> Result<Recorded, StorageError> {
    erase(tx, &kid, now, None).await?;
    scribe.record(tx, None, None, &Act::KeyGone { kid }).await
}

/// `→ gone`: the row stays for the list, the key itself does not.
async fn erase(
    tx: &mut Tx,
    kid: &str,
    now: i64,
    revoked_at: Option<i64>,
) -> Result<(), StorageError> {
    tx.execute(
        "UPDATE keys SET state = 'gone', material = $2, sealed = $3, gone_at = $4,
             retired_at = COALESCE(retired_at, $4), revoked_at = $5
          WHERE kid = $1 AND state <> 'gone'",
        [kid.into(), Vec::<u8>::new().into(), false.into(), now.into(), Value::Int(revoked_at)],
    )
    .await?;
    keys_changed(tx, kid, Timestamp::new(now)).await
}

fn entry(row: &Row) -> Result<Entry, StorageError> {
    let time = |name| -> Result<Option<Timestamp>, StorageError> {
        Ok(row.get::<Option<i64>>(name)?.map(Timestamp::new))
    };
    Ok(Entry {
        key: StoredKey {
            kid: row.get("kid")?,
            algorithm: row.get("algorithm")?,
            material: Zeroizing::new(row.get("material")?),
            sealed: row.get("sealed")?,
            lifetime: row.get("lifetime")?,
        },
        state: State::from_stored(&row.get::<String>("state")?),
        created_at: Timestamp::new(row.get("created_at")?),
        active_at: Timestamp::new(row.get("active_at")?),
        retired_at: time("retired_at")?,
        gone_at: time("gone_at")?,
        revoked_at: time("revoked_at")?,
    })
}
