use super::{Email, User, UserId};
use crate::{
    Error,
    storage::{Db, StorageError},
};

/// Makes an account and its password in one step.
///
/// # Errors
/// [`Error::EmailTaken`] when another account has the address, also one made at the same moment.
pub(crate) async fn user_create(db: &Db, user: &User, hash: String) -> Result<(), Error> {
    let id = user.id.0;
    let created_at = user.created_at.seconds();
    let row = [
        id.into(),
        user.email.as_str().into(),
        user.name.clone().into(),
        user.roles.to_stored().into(),
        user.generation.into(),
        user.disabled.into(),
        created_at.into(),
    ];
    let outcome = db
        .transaction(move |tx| {
            let row = row.clone();
            let hash = hash.clone();
            Box::pin(async move {
                tx.execute(
                    "INSERT INTO users (id, email, name, roles, generation, disabled, created_at)
                     VALUES ($1, $2, $3, $4, $5, $6, $7)",
                    row,
                )
                .await?;
                tx.execute(
                    "INSERT INTO passwords (user_id, hash, changed_at) VALUES ($1, $2, $3)",
                    [id.into(), hash.into(), created_at.into()],
                )
                .await
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
            "SELECT id, email, name, roles, generation, disabled, created_at
               FROM users WHERE id = $1",
            [id.0.into()],
        )
        .await?;
    row.map(|row| User::from_row(&row)).transpose()
}

/// The account with this address.
pub(crate) async fn user_by_email(db: &Db, email: &Email) -> Result<Option<User>, Error> {
    let row = db
        .optional(
            "SELECT id, email, name, roles, generation, disabled, created_at
               FROM users WHERE email = $1",
            [email.as_str().into()],
        )
        .await?;
    row.map(|row| User::from_row(&row)).transpose()
}
