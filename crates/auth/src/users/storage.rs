use jwt::Timestamp;
use uuid::Uuid;

use super::{Change, Email, User, UserId};
use crate::{
    Error,
    accounts::storage::{links_drop, registration_give_way},
    audit::{self, Act, Recorded, Scribe, storage::erasure_add},
    revocation::{Revocation, storage::revoke},
    roles::{ADMIN, Roles},
    sessions::{Which, storage::delete},
    storage::{Db, StorageError, Tx},
};

/// Makes an account and its password in one step.
///
/// # Errors
/// [`Error::EmailTaken`] when another account has the address, also one made at the same moment.
pub(crate) async fn user_create(
    db: &Db,
    user: &User,
    hash: String,
    scribe: Scribe,
    act: Act,
) -> Result<(), Error> {
    let id = user.id.0;
    let created_at = user.created_at.seconds();
    let (email, row) = (user.email.clone(), user.to_row());
    let outcome = audit::act(db, move |tx| {
            let (email, row, hash) = (email.clone(), row.clone(), hash.clone());
            let (scribe, act) = (scribe.clone(), act.clone());
            Box::pin(async move {
                registration_give_way(tx, email.as_str()).await?;
                tx.execute(
                    "INSERT INTO users (id, email, name, roles, generation, disabled, pending, created_at)
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
                    row,
                )
                .await?;
                tx.execute(
                    "INSERT INTO passwords (user_id, hash, changed_at) VALUES ($1, $2, $3)",
                    [id.into(), hash.into(), created_at.into()],
                )
                .await?;
                Ok(((), scribe.record(tx, Some(UserId(id)), None, &act).await?))
            })
        })
        .await;
    match outcome {
        Err(StorageError::Conflict { constraint }) if constraint == "users_email" => {
            Err(Error::EmailTaken)
        }
        other => other.map(drop).map_err(Error::from),
    }
}

/// The account with this id.
pub(crate) async fn user_by_id(db: &Db, id: UserId) -> Result<Option<User>, Error> {
    let row = db
        .optional(
            "SELECT id, email, name, roles, generation, disabled, pending, created_at
               FROM users WHERE id = $1",
            [id.0.into()],
        )
        .await?;
    Ok(row.map(|row| User::from_row(&row)).transpose()?)
}

/// The account with this address.
pub(crate) async fn user_by_email(db: &Db, email: &Email) -> Result<Option<User>, Error> {
    let row = db
        .optional(
            "SELECT id, email, name, roles, generation, disabled, pending, created_at
               FROM users WHERE email = $1",
            [email.as_str().into()],
        )
        .await?;
    Ok(row.map(|row| User::from_row(&row)).transpose()?)
}

/// Gives an account another name, or none; `None` when there is no such account.
pub(crate) async fn user_set_name(
    db: &Db,
    id: UserId,
    name: Option<String>,
    scribe: Scribe,
) -> Result<Option<User>, Error> {
    let renamed = audit::act(db, move |tx| {
        let (name, scribe) = (name.clone(), scribe.clone());
        Box::pin(async move {
            let row = tx
                .optional(
                    "UPDATE users SET name = $2 WHERE id = $1
                     RETURNING id, email, name, roles, generation, disabled, pending, created_at",
                    [id.0.into(), name.into()],
                )
                .await?;
            let Some(row) = row else { return Ok((None, Recorded::nothing())) };
            let recorded = scribe.record(tx, Some(id), None, &Act::UserRenamed).await?;
            Ok((Some(User::from_row(&row)?), recorded))
        })
    });
    Ok(renamed.await?)
}

/// Accounts by their ids, after this one.
pub(crate) async fn users_after(
    db: &Db,
    after: Option<UserId>,
    limit: u32,
) -> Result<Vec<User>, Error> {
    let rows = db
        .all(
            "SELECT id, email, name, roles, generation, disabled, pending, created_at
               FROM users WHERE id > $1 ORDER BY id LIMIT $2",
            [after.map_or(Uuid::nil(), |id| id.0).into(), i64::from(limit).into()],
        )
        .await?;
    Ok(rows.iter().map(User::from_row).collect::<Result<_, _>>()?)
}

/// Changes an account and raises its generation, so that its tokens made before are dead, in one step; returns the
/// new generation and when the last of those tokens expires, `until` at least.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::LastAdmin`], also when two administrators are taken at the same moment.
pub(crate) async fn user_change(
    db: &Db,
    id: UserId,
    change: Change,
    until: Timestamp,
    scribe: Scribe,
) -> Result<(i64, Timestamp), Error> {
    audit::act(db, move |tx| {
        let (change, scribe) = (change.clone(), scribe.clone());
        Box::pin(async move {
            let (disabled, roles) = match &change {
                Change::Roles(roles) => (None, Some(roles.to_stored())),
                Change::Disabled => (Some(true), None),
                Change::Enabled => (Some(false), None),
                Change::Deleted | Change::SignedOut => (None, None),
            };
            if change.takes_an_admin() && is_last_admin(tx, id).await? {
                return Ok((Err(Error::LastAdmin), Recorded::nothing()));
            }
            let before =
                tx.optional("SELECT roles FROM users WHERE id = $1", [id.0.into()]).await?;
            let Some(before) = before else {
                return Ok((Err(Error::NotFound), Recorded::nothing()));
            };
            let before = Roles::from_stored(&before.get::<String>("roles")?);
            let row = tx
                .optional(
                    "UPDATE users SET generation = generation + 1,
                                disabled = COALESCE($2, disabled), roles = COALESCE($3, roles)
                          WHERE id = $1 RETURNING generation",
                    [id.0.into(), disabled.into(), roles.into()],
                )
                .await?;
            let Some(row) = row else {
                return Ok((Err(Error::NotFound), Recorded::nothing()));
            };
            let (mut until, mut sessions) = (until, 0);
            if change.ends_sessions() {
                let ended = delete(tx, Which::All(id), until).await?;
                sessions = ended.len();
                until = ended.into_iter().map(|ended| ended.until).fold(until, Timestamp::max);
                links_drop(tx, id).await?;
            }
            if matches!(change, Change::Deleted) {
                tx.execute("DELETE FROM users WHERE id = $1", [id.0.into()]).await?;
                erasure_add(tx, id, scribe.at()).await?;
            }
            let generation = row.get("generation")?;
            revoke(tx, &[Revocation::of_generation(id, generation, until)]).await?;
            let act = change.act(before, sessions);
            Ok((Ok((generation, until)), scribe.record(tx, Some(id), None, &act).await?))
        })
    })
    .await?
}

/// Says whether this account is an administrator who can log in, and no other is.
async fn is_last_admin(tx: &mut Tx, id: UserId) -> Result<bool, StorageError> {
    let rows = tx
        .all(
            "SELECT id FROM users
              WHERE disabled = $1 AND pending = $1 AND (' ' || roles || ' ') LIKE $2 LIMIT 2",
            [false.into(), format!("% {ADMIN} %").into()],
        )
        .await?;
    let ids: Vec<Uuid> = rows.iter().map(|row| row.get("id")).collect::<Result<_, _>>()?;
    Ok(ids == [id.0])
}
