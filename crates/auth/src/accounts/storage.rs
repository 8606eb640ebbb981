use jwt::Timestamp;
use uuid::Uuid;

use super::{CHANGE_LIFETIME, Linked, PENDING_LIFETIME, Purpose};
use crate::{
    Error, SecretHash,
    audit::{self, Act, Recorded, Scribe},
    jobs::BATCH,
    mail::{Errand, storage::errand_add},
    storage::{Db, StorageError, Tx, Value},
    users::{Email, User, UserId},
};

/// A registration whose address is to be confirmed.
#[derive(Debug, Clone)]
pub(crate) struct Registration {
    pub(crate) user: User,
    /// The hash of its password, unless the address had a pending registration.
    pub(crate) hash: Option<String>,
    /// The hash of that earlier registration, if the password is the same.
    pub(crate) same: Option<String>,
    /// The letter that is owed to an address without an account.
    pub(crate) confirm: Option<Errand>,
    /// The letter that is owed to the address of an account.
    pub(crate) known: Option<Errand>,
}

/// The hash of the pending registration of this address: `None` where there is no such registration, `Some(None)` for one
/// whose password is in dispute.
pub(crate) async fn registration_by_email(
    db: &Db,
    email: &Email,
) -> Result<Option<Option<String>>, Error> {
    let row = db
        .optional(
            "SELECT p.hash FROM users u LEFT JOIN passwords p ON p.user_id = u.id
              WHERE u.email = $1 AND u.pending",
            [email.as_str().into()],
        )
        .await?;
    Ok(row.map(|row| row.get("hash")).transpose()?)
}

/// Makes a pending registration of an address that has none, takes the password from one whose password is another, and
/// leaves an account alone. The statements are the same in each case.
pub(crate) async fn registration_add(
    db: &Db,
    registration: Registration,
    scribe: Scribe,
) -> Result<(), Error> {
    let added = audit::act(db, move |tx| {
        let scribe = scribe.clone();
        let Registration { user, hash, same, confirm, known } = registration.clone();
        Box::pin(async move {
            let email = user.email.as_str();
            let found =
                tx.optional("SELECT pending FROM users WHERE email = $1", [email.into()]).await?;
            let pending: Option<bool> = found.map(|row| row.get("pending")).transpose()?;
            let made = tx.execute(
                "INSERT INTO users (id, email, name, roles, generation, disabled, pending, created_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (email) DO NOTHING",
                user.to_row(),
            )
            .await?;
            tx.execute(
                "INSERT INTO passwords (user_id, hash, changed_at) SELECT $1, $2, $3
                  WHERE $2 IS NOT NULL AND EXISTS (SELECT 1 FROM users WHERE id = $1)",
                [user.id.0.into(), hash.into(), user.created_at.seconds().into()],
            )
            .await?;
            tx.execute(
                "DELETE FROM passwords WHERE hash <> $2 AND user_id IN
                     (SELECT id FROM users WHERE email = $1 AND pending AND id <> $3)",
                [email.into(), same.unwrap_or_default().into(), user.id.0.into()],
            )
            .await?;
            tx.execute(
                "UPDATE users SET name = NULL, search = NULL WHERE email = $1 AND pending
                    AND NOT EXISTS (SELECT 1 FROM passwords WHERE user_id = users.id)",
                [email.into()],
            )
            .await?;
            let errand = if pending == Some(false) { known } else { confirm };
            errand_add(tx, errand.as_ref()).await?;
            let made = Some(user.id).filter(|_| made > 0);
            Ok(((), scribe.record(tx, made, None, &Act::RegistrationAsked).await?))
        })
    });
    Ok(added.await?)
}

/// Makes an account of a registration; `false` when the link is not good for that. All links that would do the same go.
pub(crate) async fn registration_confirm(
    db: &Db,
    secret: SecretHash,
    scribe: Scribe,
) -> Result<bool, Error> {
    let confirmed = audit::act(db, move |tx| {
        let scribe = scribe.clone();
        Box::pin(async move {
            let taken = take(tx, secret, Purpose::Confirm, scribe.at()).await?;
            let Some((id, email)) = taken else { return Ok((false, Recorded::nothing())) };
            let confirmed = tx
                .execute(
                    "UPDATE users SET pending = $3 WHERE id = $1 AND email = $2 AND pending
                        AND disabled = $3 AND EXISTS (SELECT 1 FROM passwords WHERE user_id = $1)",
                    [id.into(), email.into(), false.into()],
                )
                .await?;
            if confirmed == 0 {
                tx.roll_back();
                return Ok((false, Recorded::nothing()));
            }
            tx.execute(
                "DELETE FROM links WHERE user_id = $1 AND purpose = $2",
                [id.into(), Purpose::Confirm.name().into()],
            )
            .await?;
            let act = &Act::UserConfirmed;
            Ok((true, scribe.record(tx, Some(UserId(id)), None, act).await?))
        })
    });
    Ok(confirmed.await?)
}

/// Notes the address that an account is to have, in place of one noted before; `false` when this is not the hash of its
/// password any more.
pub(crate) async fn email_change_ask(
    db: &Db,
    id: UserId,
    email: Email,
    hash: String,
    errand: Option<Errand>,
    scribe: Scribe,
) -> Result<bool, Error> {
    let now = scribe.at();
    let asked = audit::act(db, move |tx| {
        let (email, hash, errand) = (email.clone(), hash.clone(), errand.clone());
        let scribe = scribe.clone();
        Box::pin(async move {
            let asked = tx
                .execute(
                    "INSERT INTO email_changes (user_id, email, created_at) SELECT $1, $2, $3
                      WHERE EXISTS (SELECT 1 FROM passwords WHERE user_id = $1 AND hash = $4)
                     ON CONFLICT (user_id)
                     DO UPDATE SET email = excluded.email, created_at = excluded.created_at",
                    [id.0.into(), email.as_str().into(), now.seconds().into(), hash.into()],
                )
                .await?;
            if asked == 0 {
                return Ok((false, Recorded::nothing()));
            }
            tx.execute(
                "DELETE FROM links WHERE user_id = $1 AND purpose = $2",
                [id.0.into(), Purpose::Change.name().into()],
            )
            .await?;
            errand_add(tx, errand.as_ref()).await?;
            Ok((true, scribe.record(tx, Some(id), None, &Act::EmailChangeAsked).await?))
        })
    });
    Ok(asked.await?)
}

/// Gives an account the address that its link was sent to; `false` when the link is not good for that, or somebody has the
/// address. All links of the account go.
pub(crate) async fn email_change(
    db: &Db,
    secret: SecretHash,
    linked: Linked,
    told: Option<Errand>,
    scribe: Scribe,
) -> Result<bool, Error> {
    let outcome = audit::act(db, move |tx| {
        let (old, told, scribe) = (linked.user.email.clone(), told.clone(), scribe.clone());
        Box::pin(async move {
            let taken = take(tx, secret, Purpose::Change, scribe.at()).await?;
            let Some((id, new)) = taken else { return Ok((false, Recorded::nothing())) };
            let asked = tx
                .execute(
                    "DELETE FROM email_changes WHERE user_id = $1 AND email = $2",
                    [id.into(), new.as_str().into()],
                )
                .await?;
            registration_give_way(tx, &new).await?;
            let changed = tx
                .execute(
                    "UPDATE users SET email = $2, search = NULL
                          WHERE id = $1 AND email = $3 AND disabled = $4 AND pending = $4",
                    [id.into(), new.into(), old.as_str().into(), false.into()],
                )
                .await?;
            if asked == 0 || changed == 0 {
                tx.roll_back();
                return Ok((false, Recorded::nothing()));
            }
            links_drop(tx, UserId(id)).await?;
            errand_add(tx, told.as_ref()).await?;
            let act = &Act::EmailChanged;
            Ok((true, scribe.record(tx, Some(UserId(id)), None, act).await?))
        })
    })
    .await;
    match outcome {
        Err(StorageError::Conflict { constraint }) if constraint == "users_email" => Ok(false),
        other => Ok(other?),
    }
}

/// Removes the pending registration of an address that somebody has proof for, as part of the step that gives it away.
pub(crate) async fn registration_give_way(tx: &mut Tx, email: &str) -> Result<(), StorageError> {
    tx.execute(
        "DELETE FROM users WHERE email = $1 AND pending AND disabled = $2",
        [email.into(), false.into()],
    )
    .await?;
    Ok(())
}

/// A link that is about to be sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewLink {
    pub(crate) secret: SecretHash,
    pub(crate) expires_at: Timestamp,
}

/// Makes the link that a pending registration is owed, and says what it does; `None` when there is no such registration.
pub(super) async fn confirmation_link(
    db: &Db,
    email: Email,
    link: NewLink,
) -> Result<Option<Purpose>, Error> {
    let made = db.transaction(move |tx| {
        let email = email.clone();
        Box::pin(async move {
            let row = tx
                .optional(
                    "SELECT u.id, p.user_id FROM users u LEFT JOIN passwords p ON p.user_id = u.id
                      WHERE u.email = $1 AND u.pending AND u.disabled = $2",
                    [email.as_str().into(), false.into()],
                )
                .await?;
            let Some(row) = row else { return Ok(None) };
            let purpose = match row.get::<Option<Uuid>>("user_id")? {
                Some(_) => Purpose::Confirm,
                None => Purpose::Reset,
            };
            link_add(tx, link, purpose, row.get("id")?, &email).await?;
            Ok(Some(purpose))
        })
    });
    Ok(made.await?)
}

/// Makes a link that gives the account of this address another password; `None` when there is none that may have one.
pub(super) async fn reset_link(
    db: &Db,
    email: Email,
    link: NewLink,
) -> Result<Option<User>, Error> {
    let made = db.transaction(move |tx| {
        let email = email.clone();
        Box::pin(async move {
            let Some(user) = user_by_email(tx, &email).await?.filter(|user| !user.disabled) else {
                return Ok(None);
            };
            link_add(tx, link, Purpose::Reset, user.id.0, &email).await?;
            Ok(Some(user))
        })
    });
    Ok(made.await?)
}

/// What became of a change of address that is asked for.
#[derive(Debug)]
pub(super) enum Asked {
    /// The address is free, and the link is made.
    Free,
    /// This account has it.
    Taken(User),
}

/// Makes the link that gives an account the address it asked for; `None` when it does not ask for that any more, or there
/// is nobody to write to.
pub(super) async fn change_link(
    db: &Db,
    id: UserId,
    email: Email,
    link: NewLink,
) -> Result<Option<Asked>, Error> {
    let made = db.transaction(move |tx| {
        let email = email.clone();
        Box::pin(async move {
            let asked = tx
                .optional(
                    "SELECT u.id FROM users u JOIN email_changes c ON c.user_id = u.id
                      WHERE u.id = $1 AND c.email = $2 AND u.disabled = $3",
                    [id.0.into(), email.as_str().into(), false.into()],
                )
                .await?;
            if asked.is_none() {
                return Ok(None);
            }
            match user_by_email(tx, &email).await? {
                Some(holder) if !holder.pending => {
                    let told = holder.id != id && !holder.disabled;
                    Ok(told.then_some(Asked::Taken(holder)))
                }
                _ => {
                    link_add(tx, link, Purpose::Change, id.0, &email).await?;
                    Ok(Some(Asked::Free))
                }
            }
        })
    });
    Ok(made.await?)
}

async fn user_by_email(tx: &mut Tx, email: &Email) -> Result<Option<User>, StorageError> {
    let row = tx
        .optional(
            "SELECT id, email, name, roles, generation, disabled, pending, created_at
               FROM users WHERE email = $1",
            [email.as_str().into()],
        )
        .await?;
    row.map(|row| User::from_row(&row)).transpose()
}

async fn link_add(
    tx: &mut Tx,
    link: NewLink,
    purpose: Purpose,
    id: Uuid,
    email: &Email,
) -> Result<(), StorageError> {
    let row: [Value; 5] = [
        link.secret.as_bytes().into(),
        purpose.name().into(),
        id.into(),
        email.as_str().into(),
        link.expires_at.seconds().into(),
    ];
    tx.execute(
        "INSERT INTO links (secret_hash, purpose, user_id, email, expires_at)
         VALUES ($1, $2, $3, $4, $5)",
        row,
    )
    .await?;
    Ok(())
}

/// What a link concerns; `None` for one that is unknown, used or expired, or of an account that is disabled or gone.
pub(crate) async fn link(
    db: &Db,
    secret: SecretHash,
    now: Timestamp,
) -> Result<Option<Linked>, Error> {
    let row = db
        .optional(
            "SELECT l.purpose, l.email AS sent_to, u.id, u.email, u.name, u.roles, u.generation,
                    u.disabled, u.pending, u.created_at
               FROM links l JOIN users u ON u.id = l.user_id
              WHERE l.secret_hash = $1 AND l.expires_at > $2 AND u.disabled = $3",
            [secret.as_bytes().into(), now.seconds().into(), false.into()],
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    let Some(purpose) = Purpose::by_name(&row.get::<String>("purpose")?) else { return Ok(None) };
    let email = Email::from_stored(row.get("sent_to")?);
    Ok(Some(Linked { purpose, email, user: User::from_row(&row)? }))
}

/// Uses up a link, as part of the step that it is for, and says whose it is and where it was sent.
pub(crate) async fn take(
    tx: &mut Tx,
    secret: SecretHash,
    purpose: Purpose,
    now: Timestamp,
) -> Result<Option<(Uuid, String)>, StorageError> {
    let row = tx
        .optional(
            "DELETE FROM links WHERE secret_hash = $1 AND purpose = $2 AND expires_at > $3
             RETURNING user_id, email",
            [secret.as_bytes().into(), purpose.name().into(), now.seconds().into()],
        )
        .await?;
    row.map(|row| Ok((row.get("user_id")?, row.get("email")?))).transpose()
}

/// Voids all links of an account, and forgets the address that it asked for.
pub(crate) async fn links_drop(tx: &mut Tx, id: UserId) -> Result<(), StorageError> {
    tx.execute("DELETE FROM links WHERE user_id = $1", [id.0.into()]).await?;
    tx.execute("DELETE FROM email_changes WHERE user_id = $1", [id.0.into()]).await?;
    Ok(())
}

/// Removes links that have expired, a [`BATCH`] at most.
pub(crate) async fn links_purge(db: &Db, now: Timestamp) -> Result<u64, Error> {
    let removed =
        db.execute(
            "DELETE FROM links WHERE secret_hash IN
                 (SELECT secret_hash FROM links WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
            [now.seconds().into(), BATCH.into()],
        ).await?;
    Ok(removed)
}

/// Forgets the addresses that were asked for and not confirmed in time, a [`BATCH`] at most.
pub(crate) async fn email_changes_purge(db: &Db, now: Timestamp) -> Result<u64, Error> {
    let before = now.saturating_sub(CHANGE_LIFETIME).seconds();
    let removed =
        db.execute(
            "DELETE FROM email_changes WHERE user_id IN
                 (SELECT user_id FROM email_changes WHERE created_at < $1 ORDER BY created_at LIMIT $2)",
            [before.into(), BATCH.into()],
        ).await?;
    Ok(removed)
}

/// Removes registrations that nobody confirmed in time, a [`BATCH`] at most.
pub(crate) async fn registrations_purge(db: &Db, now: Timestamp) -> Result<u64, Error> {
    let before = now.saturating_sub(PENDING_LIFETIME).seconds();
    let removed = db
        .execute(
            "DELETE FROM users WHERE pending AND id IN
                 (SELECT id FROM users WHERE pending AND disabled = $2 AND created_at < $1
                   ORDER BY created_at LIMIT $3)",
            [before.into(), false.into(), BATCH.into()],
        )
        .await?;
    Ok(removed)
}
