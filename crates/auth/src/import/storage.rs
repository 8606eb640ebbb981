use jwt::Timestamp;

use super::ExportedAccount;
use crate::{
    Error,
    accounts::storage::registration_give_way,
    audit::{self, Act, Recorded, Scribe},
    roles::Roles,
    storage::Db,
    users::{Email, User, UserId, folded},
};

/// An account as it is written, with what is stored of its password.
#[derive(Clone)]
pub(crate) struct NewAccount {
    pub(crate) id: UserId,
    pub(crate) email: Email,
    pub(crate) name: Option<String>,
    pub(crate) roles: Roles,
    pub(crate) disabled: bool,
    pub(crate) created_at: Timestamp,
    pub(crate) hash: String,
}

/// Says of each address whether it has an account.
pub(crate) async fn emails_known(db: &Db, emails: Vec<Email>) -> Result<Vec<bool>, Error> {
    let known = db
        .transaction(move |tx| {
            let emails = emails.clone();
            Box::pin(async move {
                let mut known = Vec::with_capacity(emails.len());
                for email in &emails {
                    let row = tx
                        .optional(
                            // A registration that waits gives way to an account.
                            "SELECT id FROM users WHERE email = $1 AND (disabled OR NOT pending)",
                            [email.as_str().into()],
                        )
                        .await?;
                    known.push(row.is_some());
                }
                Ok(known)
            })
        })
        .await?;
    Ok(known)
}

/// Makes all of these accounts in one step, but those whose address has one; says of each whether it was made.
pub(crate) async fn accounts_add(
    db: &Db,
    accounts: Vec<NewAccount>,
    scribe: Scribe,
) -> Result<Vec<bool>, Error> {
    let made = audit::act(db, move |tx| {
            let (accounts, scribe) = (accounts.clone(), scribe.clone());
            Box::pin(async move {
                let mut recorded = Recorded::nothing();
                let mut made = Vec::with_capacity(accounts.len());
                for account in accounts {
                    let (id, created_at) = (account.id.0, account.created_at.seconds());
                    let search = folded(account.email.as_str(), account.name.as_deref());
                    let row = [
                        id.into(),
                        account.email.as_str().into(),
                        account.name.into(),
                        account.roles.to_stored().into(),
                        account.disabled.into(),
                        created_at.into(),
                        search.into(),
                    ];
                    registration_give_way(tx, account.email.as_str()).await?;
                    let added = tx
                        .execute(
                            "INSERT INTO users (id, email, name, roles, generation, disabled, created_at, search)
                             VALUES ($1, $2, $3, $4, 0, $5, $6, $7) ON CONFLICT (email) DO NOTHING",
                            row,
                        )
                        .await?;
                    if added == 1 {
                        tx.execute(
                            "INSERT INTO passwords (user_id, hash, changed_at) VALUES ($1, $2, $3)",
                            [id.into(), account.hash.into(), created_at.into()],
                        )
                        .await?;
                        let act = Act::UserImported { roles: account.roles };
                        recorded = scribe.record(tx, Some(account.id), None, &act).await?;
                    }
                    made.push(added == 1);
                }
                Ok((made, recorded))
            })
        })
        .await?;
    Ok(made)
}

/// Accounts and the hashes of their passwords by their ids, after this one.
pub(crate) async fn accounts_after(
    db: &Db,
    after: Option<UserId>,
    limit: u32,
) -> Result<Vec<ExportedAccount>, Error> {
    let rows = db
        .all(
            "SELECT u.id, u.email, u.name, u.roles, u.generation, u.disabled, u.pending,
                    u.created_at, p.hash
               FROM users u JOIN passwords p ON p.user_id = u.id
              WHERE u.id > $1 ORDER BY u.id LIMIT $2",
            [after.map_or(uuid::Uuid::nil(), |id| id.0).into(), i64::from(limit).into()],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(ExportedAccount { user: User::from_row(row)?, password_hash: row.get("hash")? })
        })
        .collect()
}
