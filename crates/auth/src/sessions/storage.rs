use jwt::Timestamp;

use super::{Answer, Begun, Session, SessionStore};
use crate::{
    Error,
    secret::SecretHash,
    storage::{Db, Row},
    users::UserId,
};

/// Sessions in the database: they outlast a restart, and every instance sees them.
pub(crate) struct DatabaseSessions(Db);

impl DatabaseSessions {
    pub(crate) fn new(db: Db) -> Self {
        Self(db)
    }
}

impl SessionStore for DatabaseSessions {
    fn create(&self, begun: Begun) -> Answer<'_, bool> {
        let Begun { session, secret, replaced, dead } = begun;
        let user_id = session.user_id.0;
        // Without a session to replace, the new one's own secret, which no row has yet.
        let replaced = replaced.unwrap_or(secret);
        let (created_at, used_at) = (session.created_at.seconds(), session.last_used_at.seconds());
        let work = self.0.transaction(move |tx| {
            Box::pin(async move {
                tx.execute(
                    "DELETE FROM sessions WHERE secret_hash = $1
                         OR (user_id = $2 AND (created_at < $3 OR last_used_at < $4))",
                    [
                        replaced.as_bytes().into(),
                        user_id.into(),
                        dead.created_before.into(),
                        dead.used_before.into(),
                    ],
                )
                .await?;
                tx.execute(
                    "INSERT INTO sessions (id, secret_hash, user_id, created_at, last_used_at)
                     SELECT $1, $2, $3, $4, $5
                      WHERE EXISTS (SELECT 1 FROM users WHERE id = $3 AND NOT disabled)",
                    [
                        session.id.into(),
                        secret.as_bytes().into(),
                        user_id.into(),
                        created_at.into(),
                        used_at.into(),
                    ],
                )
                .await
            })
        });
        Box::pin(async move { Ok(work.await? > 0) })
    }

    fn find(&self, secret: SecretHash) -> Answer<'_, Option<Session>> {
        Box::pin(async move {
            let row = self
                .0
                .optional(
                    "SELECT id, user_id, created_at, last_used_at
                       FROM sessions WHERE secret_hash = $1",
                    [secret.as_bytes().into()],
                )
                .await?;
            row.map(|row| from_row(&row)).transpose()
        })
    }

    fn touch(&self, secret: SecretHash, now: Timestamp) -> Answer<'_, ()> {
        Box::pin(async move {
            self.0
                .execute(
                    "UPDATE sessions SET last_used_at = $2
                      WHERE secret_hash = $1 AND last_used_at < $2",
                    [secret.as_bytes().into(), now.seconds().into()],
                )
                .await?;
            Ok(())
        })
    }

    fn remove(&self, secret: SecretHash) -> Answer<'_, Option<Session>> {
        Box::pin(async move {
            let row = self
                .0
                .optional(
                    "DELETE FROM sessions WHERE secret_hash = $1
                     RETURNING id, user_id, created_at, last_used_at",
                    [secret.as_bytes().into()],
                )
                .await?;
            row.map(|row| from_row(&row)).transpose()
        })
    }
}

fn from_row(row: &Row) -> Result<Session, Error> {
    Ok(Session {
        id: row.get("id")?,
        user_id: UserId(row.get("user_id")?),
        created_at: Timestamp::new(row.get("created_at")?),
        last_used_at: Timestamp::new(row.get("last_used_at")?),
    })
}
