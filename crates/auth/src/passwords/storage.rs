use jwt::Timestamp;
use uuid::Uuid;

use crate::{
    Error, SecretHash,
    accounts::{
        Purpose,
        storage::{links_drop, take},
    },
    audit::{self, Act, Recorded, Scribe},
    mail::{Errand, storage::errand_add},
    revocation::{Revocation, storage::revoke},
    sessions::{Ended, Which, storage::delete},
    storage::Db,
    users::{Email, User, UserId},
};

/// The user with this address and the hash of the password, when the account has one.
pub(crate) async fn account_by_email(
    db: &Db,
    email: &Email,
) -> Result<Option<(User, String)>, Error> {
    let row = db
        .optional(
            "SELECT u.id, u.email, u.name, u.roles, u.generation, u.disabled, u.pending, u.created_at,
                    p.hash
               FROM users u JOIN passwords p ON p.user_id = u.id WHERE u.email = $1",
            [email.as_str().into()],
        )
        .await?;
    row.map(|row| Ok((User::from_row(&row)?, row.get("hash")?))).transpose()
}

/// The hash of an account's password.
pub(crate) async fn password_by_user(db: &Db, id: UserId) -> Result<Option<String>, Error> {
    let row = db.optional("SELECT hash FROM passwords WHERE user_id = $1", [id.0.into()]).await?;
    Ok(row.map(|row| row.get("hash")).transpose()?)
}

/// Puts another hash of the same password in the place of this old one; says whether it was still there. Nothing of the
/// account's logins changes.
pub(crate) async fn password_rehash(
    db: &Db,
    id: UserId,
    old: String,
    new: String,
) -> Result<bool, Error> {
    let changed = db
        .execute(
            "UPDATE passwords SET hash = $3 WHERE user_id = $1 AND hash = $2",
            [id.0.into(), old.into(), new.into()],
        )
        .await?;
    Ok(changed == 1)
}

/// A password that its owner chooses.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    /// The hash of the one before.
    pub(crate) old: String,
    pub(crate) new: String,
    /// The session that goes on.
    pub(crate) keep: Uuid,
    pub(crate) notice: Option<Errand>,
    /// How many sessions end that are held outside of the database.
    pub(crate) held: usize,
}

/// Puts a new hash in the place of this old one, ends all sessions of the account but one and voids its links; returns
/// what ended as [`sessions_end`](crate::sessions::storage::sessions_end) does, or `None` where the old hash is another
/// by now.
pub(crate) async fn password_change(
    db: &Db,
    id: UserId,
    change: Change,
    scribe: Scribe,
) -> Result<Option<Vec<Ended>>, Error> {
    let now = scribe.at();
    let ended = audit::act(db, move |tx| {
        let Change { old, new, keep, notice, held } = change.clone();
        let scribe = scribe.clone();
        Box::pin(async move {
            let changed = tx
                .execute(
                    "UPDATE passwords SET hash = $3, changed_at = $4
                          WHERE user_id = $1 AND hash = $2",
                    [id.0.into(), old.into(), new.into(), now.seconds().into()],
                )
                .await?;
            if changed == 0 {
                return Ok((None, Recorded::nothing()));
            }
            // A login that has checked the old password and not yet begun its session begins none. No revocation
            // tells of this generation: the tokens of the login that stays are good.
            tx.execute("UPDATE users SET generation = generation + 1 WHERE id = $1", [id.0.into()])
                .await?;
            let ended = delete(tx, Which::AllBut(id, keep), now).await?;
            let revocations: Vec<_> = ended.iter().map(Ended::revocation).collect();
            revoke(tx, &revocations).await?;
            links_drop(tx, id).await?;
            errand_add(tx, notice.as_ref()).await?;
            let act = Act::PasswordChanged { sessions: held + ended.len() };
            let recorded = scribe.record(tx, Some(id), Some(keep), &act).await?;
            Ok((Some(ended), recorded))
        })
    })
    .await?;
    Ok(ended)
}

/// A password that is given to the account of a link.
#[derive(Debug, Clone)]
pub(crate) struct Reset {
    pub(crate) secret: SecretHash,
    pub(crate) hash: String,
    pub(crate) notice: Option<Errand>,
    /// When an access token expires that is made now.
    pub(crate) until: Timestamp,
}

/// Uses up a link: gives its account this password, ends all sessions of it, voids its links, and makes an account of a
/// registration. Returns the new generation and when the last access token before it expires; `None` when the link is
/// not good for that.
pub(crate) async fn password_reset(
    db: &Db,
    reset: Reset,
    held: usize,
    scribe: Scribe,
) -> Result<Option<(i64, Timestamp)>, Error> {
    let now = scribe.at();
    let done = audit::act(db, move |tx| {
        let Reset { secret, hash, notice, until } = reset.clone();
        let scribe = scribe.clone();
        Box::pin(async move {
            let Some((id, email)) = take(tx, secret, Purpose::Reset, now).await? else {
                return Ok((None, Recorded::nothing()));
            };
            let raised = tx
                .optional(
                    "UPDATE users SET generation = generation + 1, pending = $3
                      WHERE id = $1 AND email = $2 AND disabled = $3 RETURNING generation",
                    [id.into(), email.into(), false.into()],
                )
                .await?;
            let Some(raised) = raised else {
                tx.roll_back();
                return Ok((None, Recorded::nothing()));
            };
            tx.execute(
                "INSERT INTO passwords (user_id, hash, changed_at) VALUES ($1, $2, $3)
                 ON CONFLICT (user_id)
                 DO UPDATE SET hash = excluded.hash, changed_at = excluded.changed_at",
                [id.into(), hash.into(), now.seconds().into()],
            )
            .await?;
            let id = UserId(id);
            links_drop(tx, id).await?;
            let ended = delete(tx, Which::All(id), until).await?;
            let act = Act::PasswordReset { sessions: held + ended.len() };
            let until = ended.into_iter().map(|ended| ended.until).fold(until, Timestamp::max);
            let generation = raised.get("generation")?;
            revoke(tx, &[Revocation::of_generation(id, generation, until)]).await?;
            errand_add(tx, notice.as_ref()).await?;
            Ok((Some((generation, until)), scribe.record(tx, Some(id), None, &act).await?))
        })
    });
    Ok(done.await?)
}

/// Puts a new hash in the place of any other, raises the generation, voids the links of the account and ends all its
/// sessions; returns the generation and when the last token before it expires, `until` at least, or `None` where there is no such account.
pub(crate) async fn password_set(
    db: &Db,
    id: UserId,
    hash: String,
    notice: Option<Errand>,
    held: usize,
    until: Timestamp,
    scribe: Scribe,
) -> Result<Option<(i64, Timestamp)>, Error> {
    let now = scribe.at();
    let set = audit::act(db, move |tx| {
            let (hash, notice, scribe) = (hash.clone(), notice.clone(), scribe.clone());
            Box::pin(async move {
                let row = tx
                    .optional(
                        "UPDATE users SET generation = generation + 1 WHERE id = $1 RETURNING generation",
                        [id.0.into()],
                    )
                    .await?;
                let Some(row) = row else { return Ok((None, Recorded::nothing())) };
                let generation = row.get("generation")?;
                tx.execute(
                    "INSERT INTO passwords (user_id, hash, changed_at) VALUES ($1, $2, $3)
                     ON CONFLICT (user_id)
                     DO UPDATE SET hash = excluded.hash, changed_at = excluded.changed_at",
                    [id.0.into(), hash.into(), now.seconds().into()],
                )
                .await?;
                links_drop(tx, id).await?;
                let ended = delete(tx, Which::All(id), until).await?;
                let act = Act::PasswordSet { sessions: held + ended.len() };
                let until = ended.into_iter().map(|ended| ended.until).fold(until, Timestamp::max);
                revoke(tx, &[Revocation::of_generation(id, generation, until)]).await?;
                errand_add(tx, notice.as_ref()).await?;
                Ok((Some((generation, until)), scribe.record(tx, Some(id), None, &act).await?))
            })
        })
        .await?;
    Ok(set)
}
