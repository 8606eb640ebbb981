use jwt::Timestamp;
use uuid::Uuid;

use super::{Act, Actor, Event, Scribe};
use crate::{
    Error,
    storage::{BoxFuture, Db, Row, StorageError, Tx},
    users::UserId,
};

/// Shows that what a step does is written down in it, or that there was nothing to write down. Only [`Scribe::record`] and
/// [`Recorded::nothing`] make one.
#[derive(Debug)]
#[must_use]
pub(crate) struct Recorded(());

impl Recorded {
    /// Nothing was done in the end.
    pub(crate) fn nothing() -> Self {
        Self(())
    }
}

/// Runs a step that does something: it ends with what it answers and with the proof that it is written down.
pub(crate) async fn act<T, F>(db: &Db, f: F) -> Result<T, StorageError>
where
    F: for<'a> Fn(&'a mut Tx) -> BoxFuture<'a, Result<(T, Recorded), StorageError>>
        + Send
        + Sync
        + 'static,
    T: Send + 'static,
{
    let step = std::sync::Arc::new(f);
    db.transaction(move |tx| {
        let step = std::sync::Arc::clone(&step);
        Box::pin(async move {
            let (value, Recorded(())) = step(tx).await?;
            Ok(value)
        })
    })
    .await
}

impl Scribe {
    /// Writes down an act that concerns this account and this login.
    pub(crate) async fn record(
        &self,
        tx: &mut Tx,
        user: Option<UserId>,
        session: Option<Uuid>,
        act: &Act,
    ) -> Result<Recorded, StorageError> {
        let event = self.event(user, session, act).map_err(StorageError::refused)?;
        let (actor, actor_id) = event.actor.to_stored();
        tx.execute(
            "INSERT INTO events (id, at, type, user_id, actor, actor_id, session_id, request_id, details,
                 personal, salt)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
            [
                event.id.into(),
                event.at.seconds().into(),
                event.kind.into(),
                event.user.map(|user| user.0).into(),
                actor.into(),
                actor_id.into(),
                event.session.into(),
                event.request.into(),
                event.details.into(),
                event.personal.into(),
                event.salt.into(),
            ],
        )
        .await?;
        Ok(Recorded(()))
    }
}

/// Asks for the personal data of an account's events to be removed, as part of the step that removes the account.
pub(crate) async fn erasure_add(
    tx: &mut Tx,
    user: UserId,
    now: Timestamp,
) -> Result<(), StorageError> {
    tx.execute(
        "INSERT INTO erasures (user_id, asked_at) VALUES ($1, $2) ON CONFLICT (user_id) DO NOTHING",
        [user.0.into(), now.seconds().into()],
    )
    .await?;
    Ok(())
}

/// Writes down what is done outside of the database, or what only reads it.
pub(crate) async fn record_alone(
    db: &Db,
    scribe: Scribe,
    user: Option<UserId>,
    session: Option<Uuid>,
    act: Act,
) -> Result<(), StorageError> {
    self::act(db, move |tx| {
        let (scribe, act) = (scribe.clone(), act.clone());
        Box::pin(async move { Ok(((), scribe.record(tx, user, session, &act).await?)) })
    })
    .await
}

/// The event with this id.
pub(crate) async fn event_by_id(db: &Db, id: Uuid) -> Result<Option<Event>, Error> {
    let row = db
        .optional(
            "SELECT id, at, type, user_id, actor, actor_id, session_id, request_id, details, personal, number
               FROM events WHERE id = $1",
            [id.into()],
        )
        .await?;
    Ok(row.map(|row| event(&row)).transpose()?)
}

pub(super) fn event(row: &Row) -> Result<Event, StorageError> {
    let user: Option<Uuid> = row.get("user_id")?;
    let json = |column| -> Result<Option<serde_json::Value>, StorageError> {
        let text: Option<String> = row.get(column)?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    };
    let personal = json("personal")?;
    let member = |name| personal.as_ref()?.get(name)?.as_str();
    Ok(Event {
        id: row.get("id")?,
        at: Timestamp::new(row.get("at")?),
        kind: row.get("type")?,
        user: user.map(UserId),
        actor: Actor::from_stored(&row.get::<String>("actor")?, row.get("actor_id")?),
        session: row.get("session_id")?,
        request: row.get("request_id")?,
        address: member("address").and_then(|address| address.parse().ok()),
        device: member("device").map(str::to_owned),
        details: json("details")?,
        number: row.get("number")?,
    })
}
