use jwt::Timestamp;
use uuid::Uuid;

use super::{
    Answer, Begun, COUNTED, Dead, Ended, PER_USER, Page, Refused, Session, SessionStore, Which,
};
use crate::{
    Error,
    audit::{self, Act, Cause, Proof, Recorded, Scribe},
    jobs::BATCH,
    revocation::{Revocation, storage::revoke},
    secret::SecretHash,
    storage::{Db, Row, StorageError, Tx, Value},
    users::UserId,
};

/// Sessions in the database: they outlast a restart, and every instance sees them.
pub(crate) struct DatabaseSessions(Db);

impl DatabaseSessions {
    pub(crate) fn new(db: Db) -> Self {
        Self(db)
    }
}

impl SessionStore for DatabaseSessions {
    fn create(&self, begun: Begun, scribe: Scribe) -> Answer<'_, Result<Option<Uuid>, Refused>> {
        let Begun { session, secret, generation, replaced, dead } = begun;
        let id = session.id;
        let (user_id, now) = (session.user_id.0, session.created_at);
        let row = [
            session.id.into(),
            secret.as_bytes().into(),
            user_id.into(),
            session.created_at.seconds().into(),
            session.last_used_at.seconds().into(),
            session.device.as_str().into(),
            session.address_to_stored().into(),
            generation.into(),
            false.into(),
        ];
        let work = audit::act(&self.0, move |tx| {
            let (row, scribe) = (row.clone(), scribe.clone());
            Box::pin(async move {
                tx.execute(
                    "DELETE FROM sessions
                      WHERE user_id = $1 AND (created_at < $2 OR last_used_at < $3)",
                    [user_id.into(), dead.created_before.into(), dead.used_before.into()],
                )
                .await?;
                tx.execute(
                    "DELETE FROM sessions WHERE id IN
                         (SELECT id FROM sessions WHERE user_id = $1
                           ORDER BY last_used_at DESC LIMIT 1000 OFFSET $2)",
                    [user_id.into(), (PER_USER - 1).into()],
                )
                .await?;
                let begun = tx.execute(
                    "INSERT INTO sessions (id, secret_hash, user_id, created_at, last_used_at, device, address)
                     SELECT $1, $2, $3, $4, $5, $6, $7
                      WHERE EXISTS (SELECT 1 FROM users
                                     WHERE id = $3 AND generation = $8
                                       AND disabled = $9 AND pending = $9)",
                    row,
                )
                .await?;
                if begun == 0 {
                    return Ok((Err(Refused), Recorded::nothing()));
                }
                let act = Act::LoginSucceeded { proof: Proof::Cookie };
                let recorded = scribe.record(tx, Some(UserId(user_id)), Some(id), &act).await?;
                let Some(replaced) = replaced else { return Ok((Ok(None), recorded)) };
                let gone = tx
                    .optional(
                        "DELETE FROM sessions WHERE secret_hash = $1 RETURNING id, user_id",
                        [replaced.as_bytes().into()],
                    )
                    .await?;
                let Some(gone) = gone else { return Ok((Ok(None), recorded)) };
                let (id, owner) = (gone.get("id")?, UserId(gone.get("user_id")?));
                revoke(tx, &[Revocation::of_session(id, now)]).await?;
                let act = Act::SessionEnded { reason: Cause::Replaced };
                Ok((Ok(Some(id)), scribe.record(tx, Some(owner), Some(id), &act).await?))
            })
        });
        Box::pin(async move { Ok(work.await?) })
    }

    fn find(&self, secret: SecretHash) -> Answer<'_, Option<Session>> {
        Box::pin(async move {
            let row = self
                .0
                .optional(
                    "SELECT id AS session_id, user_id, created_at AS began_at, last_used_at, device, address
                       FROM sessions WHERE secret_hash = $1",
                    [secret.as_bytes().into()],
                )
                .await?;
            row.map(|row| Ok(Session::from_row(&row)?)).transpose()
        })
    }

    fn touch(&self, secret: SecretHash, now: Timestamp) -> Answer<'_, ()> {
        Box::pin(async move {
            self.0
                .execute(
                    "UPDATE sessions SET last_used_at = $2
                      WHERE secret_hash = $1 AND last_used_at < $2",
                    [secret.as_bytes().into(), now.seconds().into()],
                )
                .await?;
            Ok(())
        })
    }

    fn list(&self, page: Page) -> Answer<'_, Vec<Session>> {
        Box::pin(async move {
            let rows = self
                .0
                .all(
                    "SELECT id AS session_id, user_id, created_at AS began_at, last_used_at, device, address
                       FROM sessions
                      WHERE user_id = $1 AND created_at >= $2 AND last_used_at >= $3 AND id < $4
                      ORDER BY id DESC LIMIT $5",
                    page.binds(),
                )
                .await?;
            rows.iter().map(|row| Ok(Session::from_row(row)?)).collect()
        })
    }

    fn count(&self, dead: Dead) -> Answer<'_, u64> {
        Box::pin(async move {
            let sql = "SELECT COUNT(*) AS sessions
                         FROM (SELECT id FROM sessions
                                WHERE last_used_at >= $1 AND created_at >= $2 LIMIT $3) AS live";
            count(&self.0, sql, dead).await
        })
    }

    fn held(&self, _: Which) -> Vec<Ended> {
        Vec::new()
    }

    fn forget(&self, _: Which) -> Vec<Uuid> {
        Vec::new()
    }
}

/// How many live sessions there are by tokens, [`COUNTED`] at most.
pub(super) async fn count_by_tokens(db: &Db, dead: Dead) -> Result<u64, Error> {
    let sql = "SELECT COUNT(*) AS sessions
                 FROM (SELECT session_id FROM refresh_tokens
                        WHERE last_used_at >= $1 AND created_at >= $2 LIMIT $3) AS live";
    count(db, sql, dead).await
}

async fn count(db: &Db, sql: &'static str, dead: Dead) -> Result<u64, Error> {
    let most = i64::try_from(COUNTED).map_err(Error::internal)?;
    let binds = [dead.used_before.into(), dead.created_before.into(), most.into()];
    let row = db.optional(sql, binds).await?;
    let sessions: i64 = row.map(|row| row.get("sessions")).transpose()?.unwrap_or_default();
    Ok(sessions.unsigned_abs())
}

impl Session {
    pub(crate) fn from_row(row: &Row) -> Result<Self, StorageError> {
        Ok(Self {
            id: row.get("session_id")?,
            user_id: UserId(row.get("user_id")?),
            created_at: Timestamp::new(row.get("began_at")?),
            last_used_at: Timestamp::new(row.get("last_used_at")?),
            device: row.get("device")?,
            // Empty where it was not known.
            address: row.get::<String>("address")?.parse().ok(),
        })
    }

    pub(crate) fn address_to_stored(&self) -> String {
        self.address.map(|address| address.to_string()).unwrap_or_default()
    }
}

impl Page {
    fn binds(self) -> [Value; 5] {
        [
            self.user.0.into(),
            self.dead.created_before.into(),
            self.dead.used_before.into(),
            self.after.unwrap_or(Uuid::max()).into(),
            i64::try_from(self.limit).unwrap_or(i64::MAX).into(),
        ]
    }
}

/// A page of a user's live sessions that are held by tokens, the newest first.
pub(super) async fn sessions_by_tokens(db: &Db, page: Page) -> Result<Vec<Session>, Error> {
    let rows = db
        .all(
            "SELECT session_id, user_id, created_at AS began_at, last_used_at, device, address
               FROM refresh_tokens
              WHERE user_id = $1 AND created_at >= $2 AND last_used_at >= $3 AND session_id < $4
              ORDER BY session_id DESC LIMIT $5",
            page.binds(),
        )
        .await?;
    rows.iter().map(|row| Ok(Session::from_row(row)?)).collect()
}

/// Sessions that are to end.
#[derive(Debug, Clone)]
pub(super) struct End {
    pub(super) which: Vec<Which>,
    /// Those of them that are held outside of the database.
    pub(super) held: Vec<Ended>,
    pub(super) reason: Cause,
    pub(super) now: Timestamp,
    /// When access tokens have expired at the latest, where no row tells.
    pub(super) until: Timestamp,
}

/// Ends sessions, by cookie and by tokens, and revokes them in the same step.
///
/// One that is named without its user ends also when there is no row of it: its tokens may be alive.
pub(super) async fn sessions_end(db: &Db, end: End, scribe: Scribe) -> Result<Vec<Ended>, Error> {
    let ended = audit::act(db, move |tx| {
        let (end, scribe) = (end.clone(), scribe.clone());
        Box::pin(async move {
            let End { which, held: mut ended, reason, now, until } = end;
            for which in which {
                let mut deleted = delete(tx, which, now).await?;
                if let (Which::One(id), true) = (which, deleted.is_empty()) {
                    deleted.push(Ended { id, user: None, until });
                }
                ended.append(&mut deleted);
            }
            let revocations: Vec<_> = ended.iter().map(Ended::revocation).collect();
            revoke(tx, &revocations).await?;
            let mut recorded = Recorded::nothing();
            for Ended { id, user, .. } in &ended {
                recorded =
                    scribe.record(tx, *user, Some(*id), &Act::SessionEnded { reason }).await?;
            }
            Ok((ended, recorded))
        })
    });
    Ok(ended.await?)
}

/// A login whose session is held outside of the database.
#[derive(Debug, Clone, Copy)]
pub(super) struct Login {
    pub(super) id: Uuid,
    pub(super) user: UserId,
    /// The generation of the account when its password was checked.
    pub(super) generation: i64,
    /// The session that it replaces, and whose that is.
    pub(super) replaced: Option<(Uuid, UserId)>,
}

/// Writes down a login, and the end of the one that it replaces; `false` where there is no such account, or none who may
/// log in, or it was changed since the password was checked.
pub(super) async fn login_record(db: &Db, login: Login, scribe: Scribe) -> Result<bool, Error> {
    let recorded = audit::act(db, move |tx| {
        let scribe = scribe.clone();
        Box::pin(async move {
            let account = tx
                .optional(
                    "SELECT id FROM users
                      WHERE id = $1 AND generation = $2 AND disabled = $3 AND pending = $3",
                    [login.user.0.into(), login.generation.into(), false.into()],
                )
                .await?;
            if account.is_none() {
                return Ok((false, Recorded::nothing()));
            }
            let act = Act::LoginSucceeded { proof: Proof::Cookie };
            let mut recorded = scribe.record(tx, Some(login.user), Some(login.id), &act).await?;
            if let Some((id, owner)) = login.replaced {
                let act = Act::SessionEnded { reason: Cause::Replaced };
                recorded = scribe.record(tx, Some(owner), Some(id), &act).await?;
            }
            Ok((true, recorded))
        })
    });
    Ok(recorded.await?)
}

/// Removes the rows of sessions, and returns what ended.
pub(crate) async fn delete(
    tx: &mut Tx,
    which: Which,
    now: Timestamp,
) -> Result<Vec<Ended>, StorageError> {
    let (by_tokens, by_cookie) = match which {
        Which::One(id) => (
            tx.all(
                "DELETE FROM refresh_tokens WHERE session_id = $1
                 RETURNING session_id AS id, user_id, access_expires_at",
                [id.into()],
            )
            .await?,
            tx.all("DELETE FROM sessions WHERE id = $1 RETURNING id, user_id", [id.into()]).await?,
        ),
        Which::Own(user, id) => (
            tx.all(
                "DELETE FROM refresh_tokens WHERE session_id = $1 AND user_id = $2
                 RETURNING session_id AS id, user_id, access_expires_at",
                [id.into(), user.0.into()],
            )
            .await?,
            tx.all(
                "DELETE FROM sessions WHERE id = $1 AND user_id = $2 RETURNING id, user_id",
                [id.into(), user.0.into()],
            )
            .await?,
        ),
        Which::AllBut(user, keep) => (
            tx.all(
                "DELETE FROM refresh_tokens WHERE user_id = $1 AND session_id <> $2
                 RETURNING session_id AS id, user_id, access_expires_at",
                [user.0.into(), keep.into()],
            )
            .await?,
            tx.all(
                "DELETE FROM sessions WHERE user_id = $1 AND id <> $2 RETURNING id, user_id",
                [user.0.into(), keep.into()],
            )
            .await?,
        ),
        Which::All(user) => (
            tx.all(
                "DELETE FROM refresh_tokens WHERE user_id = $1
                 RETURNING session_id AS id, user_id, access_expires_at",
                [user.0.into()],
            )
            .await?,
            tx.all(
                "DELETE FROM sessions WHERE user_id = $1 RETURNING id, user_id",
                [user.0.into()],
            )
            .await?,
        ),
    };
    let mut ended = Vec::with_capacity(by_tokens.len() + by_cookie.len());
    for row in by_tokens {
        let until = Timestamp::new(row.get("access_expires_at")?);
        ended.push(Ended { id: row.get("id")?, user: Some(UserId(row.get("user_id")?)), until });
    }
    for row in by_cookie {
        let user = Some(UserId(row.get("user_id")?));
        ended.push(Ended { id: row.get("id")?, user, until: now });
    }
    Ok(ended)
}

/// Removes a batch of the sessions by cookie that have run out, whosever they are.
pub(crate) async fn purge(db: &Db, dead: Dead) -> Result<u64, Error> {
    let removed = db
        .execute(
            "DELETE FROM sessions WHERE id IN
                 (SELECT id FROM sessions WHERE created_at < $1 OR last_used_at < $2 LIMIT $3)",
            [dead.created_before.into(), dead.used_before.into(), BATCH.into()],
        )
        .await?;
    Ok(removed)
}
