use std::net::IpAddr;

use jwt::Timestamp;

use super::refresh::{FirstUses, RefreshToken, Use};
use crate::{
    Error,
    audit::{self, Act, Proof, Recorded, Scribe},
    jobs::BATCH,
    revocation::{Revocation, storage::revoke},
    sessions::{Dead, PER_USER, Session},
    storage::Db,
    users::{User, UserId},
};

/// A login by tokens that begins.
#[derive(Debug, Clone)]
pub(crate) struct Begun {
    pub(crate) session: Session,
    /// The generation of the account when its password was checked.
    pub(crate) generation: i64,
    pub(crate) access_expires_at: Timestamp,
    /// Sessions of this user that have not been used since, or began before these times, are over.
    pub(crate) dead: Dead,
}

/// One use of a refresh token.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    pub(crate) token: RefreshToken,
    pub(crate) now: Timestamp,
    /// When the access token expires that is the answer.
    pub(crate) access_expires_at: Timestamp,
    pub(crate) address: Option<IpAddr>,
    pub(crate) dead: Dead,
}

/// What became of a use of a refresh token.
#[derive(Debug)]
pub(crate) enum Refreshed {
    /// It is answered: with the newest token, for this user, in a session that began then and is used now.
    Answered { user: User, newest: RefreshToken, created_at: Timestamp, used_at: Timestamp },
    /// It had been used before: the session is over.
    Replayed(Session, Revocation),
    /// There is no such session, or it is over.
    Gone,
}

/// Begins a session and ends this user's dead ones; `false` when there is no such user, or the account was
/// disabled or changed since the password was checked.
pub(crate) async fn session_begin(db: &Db, begun: Begun, scribe: Scribe) -> Result<bool, Error> {
    let Begun { session, generation, access_expires_at, dead } = begun;
    let (id, user_id) = (session.id, session.user_id.0);
    let row = [
        session.id.into(),
        user_id.into(),
        FirstUses::default().to_stored().into(),
        access_expires_at.seconds().into(),
        session.device.as_str().into(),
        session.address_to_stored().into(),
        session.created_at.seconds().into(),
        generation.into(),
        false.into(),
    ];
    let begun = audit::act(db, move |tx| {
        let (row, scribe) = (row.clone(), scribe.clone());
        Box::pin(async move {
            tx.execute(
                "DELETE FROM refresh_tokens
                      WHERE user_id = $1 AND (created_at < $2 OR last_used_at < $3)",
                [user_id.into(), dead.created_before.into(), dead.used_before.into()],
            )
            .await?;
            tx.execute(
                "DELETE FROM refresh_tokens WHERE session_id IN
                         (SELECT session_id FROM refresh_tokens WHERE user_id = $1
                           ORDER BY last_used_at DESC LIMIT 1000 OFFSET $2)",
                [user_id.into(), (PER_USER - 1).into()],
            )
            .await?;
            let begun = tx
                .execute(
                    "INSERT INTO refresh_tokens (session_id, user_id, counter, first_uses,
                         access_expires_at, device, address, created_at, last_used_at)
                     SELECT $1, $2, 1, $3, $4, $5, $6, $7, $7
                      WHERE EXISTS (SELECT 1 FROM users
                                     WHERE id = $2 AND generation = $8
                                       AND disabled = $9 AND pending = $9)",
                    row,
                )
                .await?;
            if begun == 0 {
                return Ok((false, Recorded::nothing()));
            }
            let act = Act::LoginSucceeded { proof: Proof::Tokens };
            let user = Some(UserId(user_id));
            Ok((true, scribe.record(tx, user, Some(id), &act).await?))
        })
    })
    .await?;
    Ok(begun)
}

/// Uses a refresh token: replaces it, repeats an answer, or ends the session on a replay.
///
/// An answer that is only repeated leaves no event: it changes nothing, and can be asked for as often as one likes.
pub(crate) async fn refresh(db: &Db, attempt: Attempt, scribe: Scribe) -> Result<Refreshed, Error> {
    let refreshed = audit::act(db, move |tx| {
            let (attempt, scribe) = (attempt.clone(), scribe.clone());
            Box::pin(async move {
                let Attempt { token, now, access_expires_at, address, dead } = attempt;
                let id = token.session;
                let address = address.map(|address| address.to_string());
                let row = tx
                    .optional(
                        "SELECT r.session_id, r.user_id, r.counter, r.first_uses, r.access_expires_at,
                                r.device, r.address, r.created_at AS began_at, r.last_used_at,
                                u.id, u.email, u.name, u.roles, u.generation, u.disabled, u.pending,
                                u.created_at
                           FROM refresh_tokens r JOIN users u ON u.id = r.user_id
                          WHERE r.session_id = $1",
                        [id.into()],
                    )
                    .await?;
                let mut recorded = Recorded::nothing();
                let Some(row) = row else { return Ok((Refreshed::Gone, recorded)) };
                let session = Session::from_row(&row)?;
                let user = User::from_row(&row)?;
                if dead.holds(&session) || user.disabled {
                    tx.execute("DELETE FROM refresh_tokens WHERE session_id = $1", [id.into()])
                        .await?;
                    return Ok((Refreshed::Gone, recorded));
                }
                let stored: i64 = row.get("counter")?;
                let first_uses = FirstUses::from_stored(&row.get::<Vec<u8>>("first_uses")?);
                let known: i64 = row.get("access_expires_at")?;
                let access_expires_at = access_expires_at.seconds().max(known);
                let (newest, used_at) = match first_uses.judge(token.counter, stored, now) {
                    Use::First(first_uses) => {
                        // A counter above the stored one comes from before a backup was restored.
                        let next = token.counter.max(stored).saturating_add(1);
                        tx.execute(
                            "UPDATE refresh_tokens SET counter = $2, first_uses = $3,
                                 access_expires_at = $4, address = COALESCE($5, address), last_used_at = $6
                              WHERE session_id = $1",
                            [
                                id.into(),
                                next.into(),
                                first_uses.to_stored().into(),
                                access_expires_at.into(),
                                address.into(),
                                now.max(session.last_used_at).seconds().into(),
                            ],
                        )
                        .await?;
                        let act = &Act::SessionRefreshed;
                        recorded = scribe.record(tx, Some(user.id), Some(id), act).await?;
                        (next, now.max(session.last_used_at))
                    }
                    Use::Repeated => {
                        if access_expires_at > known {
                            tx.execute(
                                "UPDATE refresh_tokens SET access_expires_at = $2 WHERE session_id = $1",
                                [id.into(), access_expires_at.into()],
                            )
                            .await?;
                        }
                        (stored, session.last_used_at)
                    }
                    Use::Replayed => {
                        tx.execute("DELETE FROM refresh_tokens WHERE session_id = $1", [id.into()])
                            .await?;
                        let revocation =
                            Revocation::of_session(id, Timestamp::new(access_expires_at));
                        revoke(tx, &[revocation]).await?;
                        let act = &Act::SessionReplayed;
                        recorded = scribe.record(tx, Some(user.id), Some(id), act).await?;
                        return Ok((Refreshed::Replayed(session, revocation), recorded));
                    }
                };
                let newest = RefreshToken { session: id, counter: newest };
                let created_at = session.created_at;
                Ok((Refreshed::Answered { user, newest, created_at, used_at }, recorded))
            })
        })
        .await?;
    Ok(refreshed)
}

/// Removes a batch of the sessions by tokens that have run out, whosever they are.
pub(crate) async fn purge(db: &Db, dead: Dead) -> Result<u64, Error> {
    let removed = db
        .execute(
            "DELETE FROM refresh_tokens WHERE session_id IN
                 (SELECT session_id FROM refresh_tokens
                   WHERE created_at < $1 OR last_used_at < $2 LIMIT $3)",
            [dead.created_before.into(), dead.used_before.into(), BATCH.into()],
        )
        .await?;
    Ok(removed)
}
