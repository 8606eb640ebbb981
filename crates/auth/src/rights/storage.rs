use jwt::Timestamp;

use super::{Held, HeldChange, HeldLetter, HeldLink, HeldPassword, scheme};
use crate::{
    Error,
    storage::{Db, Row, StorageError, Tx},
    users::User,
};

/// What the tables hold on an account at one moment; `account` is the name that limits have for its address.
pub(super) async fn held(db: &Db, user: &User, account: Vec<u8>) -> Result<Held, Error> {
    let (id, email) = (user.id.0, user.email.as_str().to_owned());
    let held = db.transaction(move |tx| {
        let (email, account) = (email.clone(), account.clone());
        Box::pin(async move {
            let password = tx
                .optional("SELECT hash, changed_at FROM passwords WHERE user_id = $1", [id.into()])
                .await?;
            let links = tx
                .all(
                    "SELECT purpose, email, expires_at FROM links WHERE user_id = $1
                      ORDER BY expires_at",
                    [id.into()],
                )
                .await?;
            let change = tx
                .optional(
                    "SELECT email, created_at FROM email_changes WHERE user_id = $1",
                    [id.into()],
                )
                .await?;
            let letters = tx
                .all(
                    "SELECT kind, recipient, facts, created_at FROM outbox
                      WHERE recipient = $1 OR user_id = $2 ORDER BY id",
                    [email.into(), id.into()],
                )
                .await?;
            Ok(Held {
                password: password.map(|row| read_password(&row)).transpose()?,
                links: links.iter().map(read_link).collect::<Result<_, _>>()?,
                email_change: change.map(|row| read_change(&row)).transpose()?,
                letters: letters.iter().map(read_letter).collect::<Result<_, _>>()?,
                known_addresses: count_known(tx, account).await?,
            })
        })
    });
    Ok(held.await?)
}

async fn count_known(tx: &mut Tx, account: Vec<u8>) -> Result<i64, StorageError> {
    let row = tx
        .optional(
            "SELECT COUNT(*) AS known FROM known_addresses WHERE account = $1",
            [account.into()],
        )
        .await?;
    row.map_or(Ok(0), |row| row.get("known"))
}

fn read_password(row: &Row) -> Result<HeldPassword, StorageError> {
    Ok(HeldPassword {
        scheme: scheme(&row.get::<String>("hash")?),
        changed_at: Timestamp::new(row.get("changed_at")?),
    })
}

fn read_link(row: &Row) -> Result<HeldLink, StorageError> {
    Ok(HeldLink {
        purpose: row.get("purpose")?,
        sent_to: row.get("email")?,
        expires_at: Timestamp::new(row.get("expires_at")?),
    })
}

fn read_change(row: &Row) -> Result<HeldChange, StorageError> {
    Ok(HeldChange { email: row.get("email")?, asked_at: Timestamp::new(row.get("created_at")?) })
}

fn read_letter(row: &Row) -> Result<HeldLetter, StorageError> {
    let facts: String = row.get("facts")?;
    Ok(HeldLetter {
        kind: row.get("kind")?,
        to: row.get("recipient")?,
        // A later version may have written more than this one knows.
        facts: serde_json::from_str(&facts).unwrap_or_default(),
        created_at: Timestamp::new(row.get("created_at")?),
    })
}
