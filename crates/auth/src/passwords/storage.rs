use crate::{
    Error,
    storage::Db,
    users::{Email, User},
};

/// The user with this address and the hash of the password, when the account has one.
pub(crate) async fn account_by_email(
    db: &Db,
    email: &Email,
) -> Result<Option<(User, String)>, Error> {
    let row = db
        .optional(
            "SELECT u.id, u.email, u.name, u.roles, u.generation, u.disabled, u.created_at, p.hash
               FROM users u JOIN passwords p ON p.user_id = u.id WHERE u.email = $1",
            [email.as_str().into()],
        )
        .await?;
    row.map(|row| Ok((User::from_row(&row)?, row.get("hash")?))).transpose()
}
