use jwt::Timestamp;

use super::{
    ADMIN,
    first::{Claimant, LIFETIME, TOGETHER},
};
use crate::{
    Error, SecretHash,
    audit::{Act, Recorded, Scribe, act},
    jobs::BATCH,
    revocation::{Revocation, storage::revoke},
    storage::{Db, StorageError, Tx},
    users::{User, storage::user_add},
};

/// Makes the link for the first administrator and voids those of earlier starts; `false`, and nothing of it, where an
/// administrator can log in.
pub(super) async fn admin_link_add(
    db: &Db,
    secret: SecretHash,
    now: Timestamp,
    scribe: Scribe,
) -> Result<bool, Error> {
    let expires_at = now.saturating_add(LIFETIME).seconds();
    let earlier = now.saturating_sub(TOGETHER).seconds();
    let made = act(db, move |tx| {
        let scribe = scribe.clone();
        Box::pin(async move {
            if administrator_exists(tx).await? {
                tx.execute("DELETE FROM admin_links", []).await?;
                return Ok((false, Recorded::nothing()));
            }
            tx.execute("DELETE FROM admin_links WHERE created_at < $1", [earlier.into()]).await?;
            tx.execute(
                "INSERT INTO admin_links (secret_hash, created_at, expires_at) VALUES ($1, $2, $3)",
                [secret.as_bytes().into(), now.seconds().into(), expires_at.into()],
            )
            .await?;
            Ok((true, scribe.record(tx, None, None, &Act::AdministratorInvited).await?))
        })
    });
    Ok(made.await?)
}

/// Says whether a link is one that [`admin_claim`] would take now: a look before a password is hashed.
pub(super) async fn admin_link_is_good(
    db: &Db,
    secret: SecretHash,
    now: Timestamp,
) -> Result<bool, Error> {
    let row = db
        .optional(
            "SELECT secret_hash FROM admin_links
              WHERE secret_hash = $1 AND expires_at > $2
                AND NOT EXISTS (SELECT 1 FROM users WHERE disabled = $3 AND pending = $3
                                   AND (' ' || roles || ' ') LIKE $4)",
            [
                secret.as_bytes().into(),
                now.seconds().into(),
                false.into(),
                format!("% {ADMIN} %").into(),
            ],
        )
        .await?;
    Ok(row.is_some())
}

/// Uses up a link, and all others with it: makes an administrator of this account. `None`, and nothing of it, when the
/// link is not good for that, there is an administrator by now, or the account has changed since its password was
/// checked.
///
/// # Errors
/// [`Error::EmailTaken`] when an account of this address was made at the same moment.
pub(super) async fn admin_claim(
    db: &Db,
    secret: SecretHash,
    claimant: Claimant,
    (now, until): (Timestamp, Timestamp),
    scribe: Scribe,
) -> Result<Option<User>, Error> {
    let claimed = act(db, move |tx| {
        let (claimant, scribe) = (claimant.clone(), scribe.clone());
        Box::pin(async move {
            let link = tx
                .optional(
                    "SELECT expires_at FROM admin_links WHERE secret_hash = $1 AND expires_at > $2",
                    [secret.as_bytes().into(), now.seconds().into()],
                )
                .await?;
            let user = match claimant {
                _ if link.is_none() || administrator_exists(tx).await? => None,
                Claimant::New(user, hash) => {
                    user_add(tx, &user, hash).await?;
                    Some(user)
                }
                Claimant::Known(id, hash) => promote(tx, id.0, hash, until).await?,
            };
            let Some(user) = user else {
                tx.roll_back();
                return Ok((None, Recorded::nothing()));
            };
            // All at once, in one order: of two that claim at the same moment one waits, and none for the other.
            tx.execute("DELETE FROM admin_links", []).await?;
            let recorded =
                scribe.record(tx, Some(user.id), None, &Act::AdministratorClaimed).await?;
            Ok((Some(user), recorded))
        })
    });
    match claimed.await {
        Err(StorageError::Conflict { constraint }) if constraint == "users_email" => {
            Err(Error::EmailTaken)
        }
        other => Ok(other?),
    }
}

/// Gives an account that can log in, and has this hash, the role; its tokens without it are dead.
async fn promote(
    tx: &mut Tx,
    id: uuid::Uuid,
    hash: String,
    until: Timestamp,
) -> Result<Option<User>, StorageError> {
    let row = tx
        .optional(
            "SELECT u.id, u.email, u.name, u.roles, u.generation, u.disabled, u.pending, u.created_at
               FROM users u JOIN passwords p ON p.user_id = u.id
              WHERE u.id = $1 AND p.hash = $2 AND u.disabled = $3 AND u.pending = $3",
            [id.into(), hash.into(), false.into()],
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    let user = User::from_row(&row)?;
    let user = User { roles: user.roles.with(ADMIN), generation: user.generation + 1, ..user };
    tx.execute(
        "UPDATE users SET roles = $2, generation = $3 WHERE id = $1",
        [id.into(), user.roles.to_stored().into(), user.generation.into()],
    )
    .await?;
    revoke(tx, &[Revocation::of_generation(user.id, user.generation, until)]).await?;
    Ok(Some(user))
}

/// Says whether some administrator can log in.
async fn administrator_exists(tx: &mut Tx) -> Result<bool, StorageError> {
    let row = tx
        .optional(
            "SELECT id FROM users
              WHERE disabled = $1 AND pending = $1 AND (' ' || roles || ' ') LIKE $2 LIMIT 1",
            [false.into(), format!("% {ADMIN} %").into()],
        )
        .await?;
    Ok(row.is_some())
}

/// Removes links that have expired, a [`BATCH`] at most.
pub(crate) async fn admin_links_purge(db: &Db, now: Timestamp) -> Result<u64, Error> {
    let removed = db
        .execute(
            "DELETE FROM admin_links WHERE secret_hash IN
                 (SELECT secret_hash FROM admin_links WHERE expires_at <= $1 LIMIT $2)",
            [now.seconds().into(), BATCH.into()],
        )
        .await?;
    Ok(removed)
}
