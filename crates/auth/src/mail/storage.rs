use jwt::Timestamp;

use super::{Errand, Facts, Kind};
use crate::{
    Error,
    storage::{Db, Row, StorageError, Tx, Value},
    users::{Email, UserId},
};

/// Where instances say that a letter is owed.
pub(super) const CHANNEL: &str = "countersign_outbox";

const ADD: &str =
    "INSERT INTO outbox (id, kind, recipient, user_id, facts, created_at, due_at, attempts)
     VALUES ($1, $2, $3, $4, $5, $6, $6, 0)";

/// Notes a letter that is owed, as part of the step that makes it so; nothing where no mail is sent.
pub(crate) async fn errand_add(tx: &mut Tx, errand: Option<&Errand>) -> Result<(), StorageError> {
    let Some(errand) = errand else { return Ok(()) };
    tx.execute(ADD, binds(errand)).await?;
    tx.notify(CHANNEL).await
}

/// Notes a letter that is owed, where that is all there is to do; nothing where no mail is sent.
pub(crate) async fn errand_add_alone(db: &Db, errand: Option<Errand>) -> Result<(), Error> {
    let Some(errand) = errand else { return Ok(()) };
    let added = db.transaction(move |tx| {
        let errand = errand.clone();
        Box::pin(async move { errand_add(tx, Some(&errand)).await })
    });
    Ok(added.await?)
}

fn binds(errand: &Errand) -> [Value; 6] {
    // A struct of optional texts always becomes JSON.
    let facts = serde_json::to_string(&errand.facts).unwrap_or_default();
    [
        errand.id.into(),
        errand.kind.name().into(),
        errand.recipient.as_str().into(),
        errand.user.map(|user| user.0).into(),
        facts.into(),
        errand.created_at.seconds().into(),
    ]
}
