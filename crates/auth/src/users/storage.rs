use jwt::Timestamp;
use uuid::Uuid;

use super::{
    Email, End, Search, User, UserId,
    search::{Order, Wanted, folded},
    update::Update,
};
use crate::{
    Error,
    accounts::storage::{links_drop, registration_give_way},
    audit::{self, Act, Recorded, Scribe, storage::erasure_add},
    revocation::{Revocation, storage::revoke},
    roles::ADMIN,
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
    let user = user.clone();
    let outcome = audit::act(db, move |tx| {
        let (user, hash) = (user.clone(), hash.clone());
        let (scribe, act) = (scribe.clone(), act.clone());
        Box::pin(async move {
            user_add(tx, &user, hash).await?;
            Ok(((), scribe.record(tx, Some(user.id), None, &act).await?))
        })
    })
    .await;
    match outcome {
        Err(StorageError::Conflict { constraint }) if constraint == "users_email" => {
            Err(Error::EmailTaken)
        }
        other => other.map_err(Error::from),
    }
}

/// Makes an account and its password, as part of a step; a pending registration of the address gives way.
pub(crate) async fn user_add(tx: &mut Tx, user: &User, hash: String) -> Result<(), StorageError> {
    registration_give_way(tx, user.email.as_str()).await?;
    tx.execute(
        "INSERT INTO users (id, email, name, roles, generation, disabled, pending, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        user.to_row(),
    )
    .await?;
    tx.execute(
        "INSERT INTO passwords (user_id, hash, changed_at) VALUES ($1, $2, $3)",
        [user.id.0.into(), hash.into(), user.created_at.seconds().into()],
    )
    .await?;
    Ok(())
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

/// Accounts that are looked for have their text to be searched first: one that is new, or has another name or address
/// since, has none. Done batch by batch, so that the first search over many accounts holds nobody up.
pub(super) async fn search_fill(db: &Db) -> Result<(), Error> {
    while db.optional("SELECT id FROM users WHERE search IS NULL LIMIT 1", []).await?.is_some() {
        db.transaction(|tx| {
            Box::pin(async move {
                let rows = tx
                    .all("SELECT id, email, name FROM users WHERE search IS NULL LIMIT 500", [])
                    .await?;
                for row in rows {
                    let (id, name): (Uuid, Option<String>) = (row.get("id")?, row.get("name")?);
                    let text = folded(&row.get::<String>("email")?, name.as_deref());
                    tx.execute(
                        "UPDATE users SET search = $2 WHERE id = $1",
                        [id.into(), text.into()],
                    )
                    .await?;
                }
                Ok(())
            })
        })
        .await?;
    }
    Ok(())
}

/// Accounts that are wanted, in one direction of their ids.
macro_rules! find {
    ($after:literal, $direction:literal) => {
        concat!(
            "SELECT id, email, name, roles, generation, disabled, pending, created_at
               FROM users
              WHERE id ",
            $after,
            " $1 AND ($2 IS NULL OR search LIKE $2 ESCAPE '!')
                AND ($3 IS NULL OR (' ' || roles || ' ') LIKE $3 ESCAPE '!')
                AND ($4 IS NULL OR disabled = $4)
              ORDER BY id ",
            $direction,
            " LIMIT $5"
        )
    };
}

/// A page of the accounts that are looked for.
pub(super) async fn users_find(db: &Db, search: &Search<'_>) -> Result<Vec<User>, Error> {
    let Wanted { text, role } = search.wanted()?;
    let (sql, start) = match search.order {
        Order::OldestFirst => (find!(">", "ASC"), Uuid::nil()),
        Order::NewestFirst => (find!("<", "DESC"), Uuid::max()),
    };
    let rows = db
        .all(
            sql,
            [
                search.after.map_or(start, |id| id.0).into(),
                text.into(),
                role.into(),
                search.disabled.into(),
                i64::from(search.limit).into(),
            ],
        )
        .await?;
    Ok(rows.iter().map(User::from_row).collect::<Result<_, _>>()?)
}

/// What became of an account in [`user_update`].
#[derive(Debug, Clone)]
pub(crate) struct Updated {
    pub(crate) before: User,
    pub(crate) after: User,
    /// When the last access token that was made before expires.
    pub(crate) until: Timestamp,
}

/// Changes several things of an account in one step. What is as it is to be already changes nothing; other roles and the
/// end of logins raise the generation once. So many sessions are `held` outside of the database.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::LastAdmin`], also when two administrators are taken at the same moment: then nothing of
/// it is done.
pub(crate) async fn user_update(
    db: &Db,
    id: UserId,
    update: Update,
    held: usize,
    until: Timestamp,
    scribe: Scribe,
) -> Result<Updated, Error> {
    audit::act(db, move |tx| {
        let (update, scribe) = (update.clone(), scribe.clone());
        Box::pin(async move {
            let row = tx
                .optional(
                    "SELECT id, email, name, roles, generation, disabled, pending, created_at
                       FROM users WHERE id = $1",
                    [id.0.into()],
                )
                .await?;
            let Some(row) = row else { return Ok((Err(Error::NotFound), Recorded::nothing())) };
            let before = User::from_row(&row)?;
            let mut after = update.of(&before);
            if before == after {
                return Ok((Ok(Updated { before, after, until }), Recorded::nothing()));
            }
            if before.administers() && !after.administers() && is_last_admin(tx, id).await? {
                return Ok((Err(Error::LastAdmin), Recorded::nothing()));
            }
            let concerns_tokens = before.roles != after.roles || before.disabled != after.disabled;
            after.generation += i64::from(concerns_tokens);
            tx.execute(
                "UPDATE users SET name = $2, roles = $3, disabled = $4, generation = $5, search = $6
                  WHERE id = $1",
                [
                    id.0.into(),
                    after.name.clone().into(),
                    after.roles.to_stored().into(),
                    after.disabled.into(),
                    after.generation.into(),
                    folded(after.email.as_str(), after.name.as_deref()).into(),
                ],
            )
            .await?;
            let (mut until, mut sessions) = (until, 0);
            if after.disabled && !before.disabled {
                let ended = delete(tx, Which::All(id), until).await?;
                sessions = held + ended.len();
                until = ended.into_iter().map(|ended| ended.until).fold(until, Timestamp::max);
                links_drop(tx, id).await?;
            }
            if concerns_tokens {
                revoke(tx, &[Revocation::of_generation(id, after.generation, until)]).await?;
            }
            let mut recorded = Recorded::nothing();
            for act in acts(&before, &after, sessions) {
                recorded = scribe.record(tx, Some(id), None, &act).await?;
            }
            Ok((Ok(Updated { before, after, until }), recorded))
        })
    })
    .await?
}

/// What is recorded of a change: one act for each thing that is another one now.
fn acts(before: &User, after: &User, sessions: usize) -> Vec<Act> {
    let mut acts = Vec::new();
    if before.name != after.name {
        acts.push(Act::UserRenamed);
    }
    if before.roles != after.roles {
        let (from, to) = (before.roles.clone(), after.roles.clone());
        acts.push(Act::UserRolesChanged { from, to });
    }
    match (before.disabled, after.disabled) {
        (false, true) => acts.push(Act::UserDisabled { sessions }),
        (true, false) => acts.push(Act::UserEnabled),
        _ => {}
    }
    acts
}

/// What became of an account in [`user_end`].
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    pub(crate) generation: i64,
    /// When the last access token that was made before expires.
    pub(crate) until: Timestamp,
    pub(crate) sessions: Vec<Uuid>,
}

/// Ends all logins of an account, with the account or without it, and raises its generation, so that its tokens made
/// before are dead, in one step; the last of those tokens expires at `until` or later. So many sessions are `held` outside
/// of the database.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::LastAdmin`], also when two administrators are taken at the same moment.
pub(crate) async fn user_end(
    db: &Db,
    id: UserId,
    end: End,
    held: usize,
    until: Timestamp,
    scribe: Scribe,
) -> Result<Ended, Error> {
    audit::act(db, move |tx| {
        let scribe = scribe.clone();
        Box::pin(async move {
            if end == End::Deleted && is_last_admin(tx, id).await? {
                return Ok((Err(Error::LastAdmin), Recorded::nothing()));
            }
            let row = tx
                .optional(
                    "UPDATE users SET generation = generation + 1 WHERE id = $1 RETURNING generation",
                    [id.0.into()],
                )
                .await?;
            let Some(row) = row else { return Ok((Err(Error::NotFound), Recorded::nothing())) };
            let (mut until, mut sessions) = (until, Vec::new());
            for ended in delete(tx, Which::All(id), until).await? {
                sessions.push(ended.id);
                until = until.max(ended.until);
            }
            links_drop(tx, id).await?;
            if end == End::Deleted {
                tx.execute("DELETE FROM users WHERE id = $1", [id.0.into()]).await?;
                erasure_add(tx, id, scribe.at()).await?;
            }
            let generation = row.get("generation")?;
            revoke(tx, &[Revocation::of_generation(id, generation, until)]).await?;
            let act = end.act(held + sessions.len());
            let recorded = scribe.record(tx, Some(id), None, &act).await?;
            Ok((Ok(Ended { generation, until, sessions }), recorded))
        })
    })
    .await?
}

/// Says whether this account is an administrator who can log in, and no other is.
async fn is_last_admin(tx: &mut Tx, id: UserId) -> Result<bool, StorageError> {
    // Most are none, and then nobody else is looked at.
    let own = tx.optional("SELECT roles FROM users WHERE id = $1", [id.0.into()]).await?;
    let own: Option<String> = own.map(|row| row.get("roles")).transpose()?;
    if own.is_none_or(|roles| roles.split(' ').all(|role| role != ADMIN)) {
        return Ok(false);
    }
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
