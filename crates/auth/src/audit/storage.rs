use jwt::Timestamp;
use uuid::Uuid;

use super::{
    Act, Actor, Event, Filter, Scribe,
    chain::{self, Chain, Head, Sealable},
};
use crate::{
    Error,
    storage::{BoxFuture, Db, Row, StorageError, Tx, Value},
    users::UserId,
    webhooks::{Chosen, storage::deliveries_add},
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

/// Events that one statement or one step takes on.
const BATCH: usize = 1_000;

/// Events that one statement seals.
const FEW: usize = 32;

/// The lowest id that an event of a time can have: ids begin with their time (RFC 9562 §5.7).
fn first_id(at: Timestamp) -> Uuid {
    let millis = u128::try_from(at.seconds()).unwrap_or_default().saturating_mul(1_000);
    Uuid::from_u128(millis.min((1 << 48) - 1) << 80)
}

/// Events before an id, the newest first.
pub(super) async fn events_before(
    db: &Db,
    filter: &Filter,
    before: Option<Uuid>,
    limit: u32,
) -> Result<Vec<Event>, Error> {
    macro_rules! select {
        ($by:literal) => {
            concat!(
                "SELECT id, at, type, user_id, actor, actor_id, session_id, request_id, details, personal,
                        number
                   FROM events WHERE id < $1 AND id >= $2 AND ",
                $by,
                " AND ($3 IS NULL OR type = $3) AND ($4 IS NULL OR user_id = $4)
                  AND ($5 IS NULL OR session_id = $5)
                  AND ($6 IS NULL OR actor_id = $6 OR (actor = 'owner' AND user_id = $6))
                  ORDER BY id DESC LIMIT $7"
            )
        };
    }
    // Said apart, what an index can find.
    let sql = match filter {
        Filter { user: Some(_), .. } => select!("user_id = $4"),
        Filter { actor: Some(_), .. } => select!("(actor_id = $6 OR user_id = $6)"),
        Filter { kind: Some(_), .. } => select!("type = $3"),
        _ => select!("1 = 1"),
    };
    let until = filter.until.map_or(Uuid::max(), first_id);
    let rows = db
        .all(
            sql,
            [
                before.map_or(until, |before| before.min(until)).into(),
                filter.since.map_or(Uuid::nil(), first_id).into(),
                filter.kind.clone().into(),
                filter.user.map(|user| user.0).into(),
                filter.session.into(),
                filter.actor.map(|actor| actor.0).into(),
                i64::from(limit).into(),
            ],
        )
        .await?;
    Ok(rows.iter().map(event).collect::<Result<_, _>>()?)
}

/// Spans of time that one statement counts in.
pub(super) const SPANS: usize = 32;

/// How many events of four types there were in each span of time, [`SPANS`] at most: one range of the index on types and
/// ids for each, without a look at an event.
pub(super) async fn events_count(
    db: &Db,
    kinds: [&'static str; 4],
    spans: &[(Timestamp, Timestamp)],
) -> Result<Vec<[u64; 4]>, Error> {
    let mut binds: Vec<Value> = kinds.map(Value::from).into();
    for place in 0..SPANS {
        // What is not asked for is a span without time.
        let (from, until) =
            spans.get(place).copied().unwrap_or((Timestamp::new(0), Timestamp::new(0)));
        let number = i64::try_from(place).map_err(Error::internal)?;
        binds.extend([number.into(), first_id(from).into(), first_id(until).into()]);
    }
    let rows = db.all(COUNT, binds).await?;
    let mut counts = Vec::with_capacity(spans.len());
    for row in rows.iter().take(spans.len()) {
        let count = |column| row.get::<i64>(column).map(i64::unsigned_abs);
        counts.push([count("first")?, count("second")?, count("third")?, count("fourth")?]);
    }
    Ok(counts)
}

/// Counts in [`SPANS`] spans.
const COUNT: &str = "SELECT v.column1 AS place,
       (SELECT COUNT(*) FROM events WHERE type = $1 AND id >= v.column2 AND id < v.column3) AS first,
       (SELECT COUNT(*) FROM events WHERE type = $2 AND id >= v.column2 AND id < v.column3) AS second,
       (SELECT COUNT(*) FROM events WHERE type = $3 AND id >= v.column2 AND id < v.column3) AS third,
       (SELECT COUNT(*) FROM events WHERE type = $4 AND id >= v.column2 AND id < v.column3) AS fourth
  FROM (VALUES ($5, $6, $7), ($8, $9, $10), ($11, $12, $13), ($14, $15, $16), ($17, $18, $19),
               ($20, $21, $22), ($23, $24, $25), ($26, $27, $28), ($29, $30, $31), ($32, $33, $34),
               ($35, $36, $37), ($38, $39, $40), ($41, $42, $43), ($44, $45, $46), ($47, $48, $49),
               ($50, $51, $52), ($53, $54, $55), ($56, $57, $58), ($59, $60, $61), ($62, $63, $64),
               ($65, $66, $67), ($68, $69, $70), ($71, $72, $73), ($74, $75, $76), ($77, $78, $79),
               ($80, $81, $82), ($83, $84, $85), ($86, $87, $88), ($89, $90, $91), ($92, $93, $94),
               ($95, $96, $97), ($98, $99, $100)) AS v
 ORDER BY v.column1";

/// Events after an id, the oldest first.
pub(super) async fn events_after(
    db: &Db,
    since: Option<Timestamp>,
    after: Option<Uuid>,
    limit: u32,
) -> Result<Vec<Event>, Error> {
    let since = since.map_or(Uuid::nil(), first_id);
    let rows = db
        .all(
            "SELECT id, at, type, user_id, actor, actor_id, session_id, request_id, details, personal, number
               FROM events WHERE id > $1 ORDER BY id LIMIT $2",
            [after.map_or(since, |after| after.max(since)).into(), i64::from(limit).into()],
        )
        .await?;
    Ok(rows.iter().map(event).collect::<Result<_, _>>()?)
}

/// An event as the chain has it.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) event: Sealable,
    pub(super) personal: Option<(String, Vec<u8>)>,
    pub(super) number: Option<i64>,
    pub(super) link: Option<Vec<u8>>,
    /// Whether the account is gone whose data the personal ones are.
    pub(super) person_is_gone: bool,
}

fn stored(row: &Row) -> Result<Stored, StorageError> {
    let personal: Option<String> = row.get("personal")?;
    let salt: Option<Vec<u8>> = row.get("salt")?;
    Ok(Stored {
        event: Sealable {
            id: row.get("id")?,
            at: row.get("at")?,
            kind: row.get("type")?,
            user: row.get("user_id")?,
            actor: row.get("actor")?,
            actor_id: row.get("actor_id")?,
            session: row.get("session_id")?,
            request: row.get("request_id")?,
            details: row.get("details")?,
            commitment: row.get("commitment")?,
        },
        personal: personal.map(|personal| (personal, salt.unwrap_or_default())),
        number: row.get("number")?,
        link: row.get("link")?,
        person_is_gone: row.get::<Option<Uuid>>("person")?.is_some()
            && row.get::<Option<Uuid>>("living")?.is_none(),
    })
}

/// Sealed events behind a number and an id, in the order of their numbers, a [`BATCH`] at most.
pub(super) async fn sealed_after(
    db: &Db,
    after: Option<(i64, Uuid)>,
) -> Result<Vec<Stored>, Error> {
    let (number, id) = after.unwrap_or((i64::MIN, Uuid::nil()));
    let rows = db
        .all(
            "SELECT e.id, e.at, e.type, e.user_id, e.actor, e.actor_id, e.session_id, e.request_id,
                    e.details, e.personal, e.salt, e.number, e.commitment, e.link,
                    COALESCE(e.actor_id, e.user_id) AS person, u.id AS living
               FROM events e LEFT JOIN users u ON u.id = COALESCE(e.actor_id, e.user_id)
              WHERE (e.number, e.id) > ($1, $2)
              ORDER BY e.number, e.id LIMIT 1000",
            [number.into(), id.into()],
        )
        .await?;
    Ok(rows.iter().map(stored).collect::<Result<_, _>>()?)
}

/// The head of the chain and its seal; `None` where it is gone.
pub(super) async fn head(db: &Db) -> Result<Option<(Head, Vec<u8>)>, Error> {
    let row = db.optional(HEAD, []).await?;
    Ok(row.map(|row| head_of(&row)).transpose()?)
}

const HEAD: &str =
    "SELECT first_number, first_link, last_number, last_link, seal FROM event_chain WHERE id = 1";

fn head_of(row: &Row) -> Result<(Head, Vec<u8>), StorageError> {
    let head = Head {
        first: (row.get("first_number")?, row.get("first_link")?),
        last: (row.get("last_number")?, row.get("last_link")?),
    };
    Ok((head, row.get("seal")?))
}

/// Begins the chain, as part of the step that makes the server secret. A chain that is gone later is not begun anew by
/// itself: whoever took it away would have a log without a past.
pub(crate) async fn chain_begin(tx: &mut Tx, chain: &Chain) -> Result<(), StorageError> {
    set_head(tx, chain, Head::default()).await
}

/// The head as part of a step; `None` where it is gone or not what was sealed.
async fn head_in(tx: &mut Tx, chain: &Chain) -> Result<Option<Head>, StorageError> {
    let Some(row) = tx.optional(HEAD, []).await? else { return Ok(None) };
    let (head, seal) = head_of(&row)?;
    Ok(chain::equal(&chain.seal(&head), &seal).then_some(head))
}

async fn set_head(tx: &mut Tx, chain: &Chain, head: Head) -> Result<(), StorageError> {
    let seal = chain.seal(&head);
    tx.execute(
        "INSERT INTO event_chain (id, first_number, first_link, last_number, last_link, seal)
         VALUES (1, $1, $2, $3, $4, $5)
         ON CONFLICT (id) DO UPDATE SET first_number = excluded.first_number,
             first_link = excluded.first_link, last_number = excluded.last_number,
             last_link = excluded.last_link, seal = excluded.seal",
        [
            head.first.0.into(),
            head.first.1.into(),
            head.last.0.into(),
            head.last.1.into(),
            seal.into(),
        ],
    )
    .await?;
    Ok(())
}

/// How many events are not sealed.
pub(super) async fn unsealed(db: &Db) -> Result<u64, Error> {
    let row = db.optional("SELECT COUNT(*) AS events FROM events WHERE number IS NULL", []).await?;
    let events: i64 = row.map(|row| row.get("events")).transpose()?.unwrap_or_default();
    Ok(events.unsigned_abs())
}

/// Says whether there are events that are not sealed.
pub(super) async fn any_unsealed(db: Db) -> Result<bool, Error> {
    Ok(db.optional("SELECT id FROM events WHERE number IS NULL LIMIT 1", []).await?.is_some())
}

/// How far events are sealed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sealed {
    /// All that there were.
    All,
    /// Some; there may be more.
    Some,
    /// None: the head of the chain is gone or not what was sealed.
    HeadChanged,
}

/// Seals the oldest events that are not sealed yet, a [`BATCH`] at most. Where another instance is quicker, nothing is
/// done.
///
/// In the same step the chosen ones are owed to the receiver of webhooks.
pub(super) async fn events_seal(
    db: &Db,
    chain: &Chain,
    chosen: &Chosen,
    now: Timestamp,
) -> Result<Sealed, Error> {
    // Read before the step, so that acts that write events meanwhile do not collide with it.
    let rows = db
        .all(
            "SELECT id, at, type, user_id, actor, actor_id, session_id, request_id, details, personal, salt,
                    number, commitment, link, user_id AS person, user_id AS living
               FROM events WHERE number IS NULL ORDER BY id LIMIT 1000",
            [],
        )
        .await?;
    let events: Vec<Stored> = rows.iter().map(stored).collect::<Result<_, _>>()?;
    if events.is_empty() {
        return Ok(Sealed::All);
    }
    let is_full = events.len() == BATCH;
    let wanted: Vec<Uuid> = events
        .iter()
        .filter(|stored| chosen.wants(&stored.event.kind))
        .map(|stored| stored.event.id)
        .collect();
    let chain = chain.clone();
    let sealed = db.transaction(move |tx| {
        let (chain, events, wanted) = (chain.clone(), events.clone(), wanted.clone());
        Box::pin(async move {
            let Some(mut head) = head_in(tx, &chain).await? else { return Ok(Sealed::HeadChanged) };
            for few in events.chunks(FEW) {
                let mut binds = Vec::with_capacity(FEW * 4);
                for Stored { event, personal, .. } in few {
                    let personal = personal.as_ref();
                    let commitment = personal.map(|(data, salt)| chain::commitment(data, salt));
                    let number = head.last.0 + 1;
                    let event = Sealable { commitment: commitment.clone(), ..event.clone() };
                    let link = chain.link(&head.last.1, number, &event);
                    head.last = (number, link.clone());
                    binds.extend([event.id.into(), number.into(), commitment.into(), link.into()]);
                }
                while binds.len() < FEW * 4 {
                    let nobody: [Value; 4] =
                        [Uuid::nil().into(), 0.into(), Value::Blob(None), Vec::new().into()];
                    binds.extend(nobody);
                }
                if tx.execute(SEAL, binds).await? != u64::try_from(few.len()).unwrap_or(u64::MAX) {
                    // Another instance has sealed them, or their personal data have gone.
                    tx.roll_back();
                    return Ok(Sealed::All);
                }
            }
            set_head(tx, &chain, head).await?;
            deliveries_add(tx, &wanted, now).await?;
            Ok(if is_full { Sealed::Some } else { Sealed::All })
        })
    });
    Ok(sealed.await?)
}

/// Seals [`FEW`] events.
const SEAL: &str = "UPDATE events SET number = v.column2, commitment = v.column3, link = v.column4
     FROM (VALUES ($1, $2, $3, $4), ($5, $6, $7, $8), ($9, $10, $11, $12), ($13, $14, $15, $16),
                  ($17, $18, $19, $20), ($21, $22, $23, $24), ($25, $26, $27, $28), ($29, $30, $31, $32),
                  ($33, $34, $35, $36), ($37, $38, $39, $40), ($41, $42, $43, $44), ($45, $46, $47, $48),
                  ($49, $50, $51, $52), ($53, $54, $55, $56), ($57, $58, $59, $60), ($61, $62, $63, $64),
                  ($65, $66, $67, $68), ($69, $70, $71, $72), ($73, $74, $75, $76), ($77, $78, $79, $80),
                  ($81, $82, $83, $84), ($85, $86, $87, $88), ($89, $90, $91, $92), ($93, $94, $95, $96),
                  ($97, $98, $99, $100), ($101, $102, $103, $104), ($105, $106, $107, $108),
                  ($109, $110, $111, $112), ($113, $114, $115, $116), ($117, $118, $119, $120),
                  ($121, $122, $123, $124), ($125, $126, $127, $128)) AS v
      WHERE events.id = v.column1 AND events.number IS NULL
        AND (events.personal IS NULL) = (v.column3 IS NULL)";

/// How far old events are removed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Removed {
    /// All that there were.
    All,
    /// Some; there may be more.
    Some,
    /// None of them: one is not what was sealed, or the head is not.
    LogChanged,
}

/// Removes the oldest sealed events that are from before a time, a [`BATCH`] at most, in one step with the record of
/// where the chain begins now. Each is checked before.
pub(super) async fn events_remove(
    db: &Db,
    chain: &Chain,
    before: Timestamp,
    scribe: Scribe,
) -> Result<Removed, Error> {
    let chain = chain.clone();
    let removed = act(db, move |tx| {
        let (chain, scribe) = (chain.clone(), scribe.clone());
        Box::pin(async move {
            let none = Recorded::nothing();
            let Some(mut head) = head_in(tx, &chain).await? else {
                return Ok((Removed::LogChanged, none));
            };
            let rows = tx
                .all(
                    "SELECT id, at, type, user_id, actor, actor_id, session_id, request_id, details, personal,
                            salt, number, commitment, link, user_id AS person, user_id AS living
                       FROM events WHERE number > $1 ORDER BY number, id LIMIT 1000",
                    [head.first.0.into()],
                )
                .await?;
            let mut last = head.first.clone();
            for row in &rows {
                let Stored { event, number: Some(number), link: Some(link), .. } = stored(row)?
                else {
                    return Ok((Removed::LogChanged, none));
                };
                if event.at >= before.seconds() || number > head.last.0 {
                    break;
                }
                // What was changed, to look old or otherwise, is not helped to vanish.
                let is_next = number == last.0 + 1;
                if !is_next || !chain::equal(&chain.link(&last.1, number, &event), &link) {
                    return Ok((Removed::LogChanged, none));
                }
                last = (number, link);
            }
            if last == head.first {
                return Ok((Removed::All, none));
            }
            let events =
                tx.execute("DELETE FROM events WHERE number <= $1", [last.0.into()]).await?;
            let act = Act::EventsRemoved { number: last.0, events };
            head.first = last;
            set_head(tx, &chain, head).await?;
            let is_full = events >= u64::try_from(BATCH).unwrap_or(u64::MAX);
            let removed = if is_full { Removed::Some } else { Removed::All };
            Ok((removed, scribe.record(tx, None, None, &act).await?))
        })
    });
    Ok(removed.await?)
}

/// Accounts that are gone, and whose events still say something of them.
pub(super) async fn erasures(db: &Db) -> Result<Vec<UserId>, Error> {
    let rows = db.all("SELECT user_id FROM erasures ORDER BY asked_at LIMIT 1000", []).await?;
    Ok(rows.iter().map(|row| row.get("user_id").map(UserId)).collect::<Result<_, _>>()?)
}

/// Removes the personal data of an account that is gone from some of its events, and says whether those were all. What was
/// under way when the account went may yet write one: so it is looked for again until `settled`.
pub(super) async fn erase(db: &Db, user: UserId, settled: Timestamp) -> Result<bool, Error> {
    let erased = db.transaction(move |tx| {
        Box::pin(async move {
            let mut erased = 0;
            // What others did to the account is theirs.
            for sql in [
                "UPDATE events SET personal = NULL, salt = NULL WHERE id IN
                     (SELECT id FROM events
                       WHERE user_id = $1 AND actor_id IS NULL AND personal IS NOT NULL LIMIT 1000)",
                "UPDATE events SET personal = NULL, salt = NULL WHERE id IN
                     (SELECT id FROM events WHERE actor_id = $1 AND personal IS NOT NULL LIMIT 1000)",
            ] {
                erased += tx.execute(sql, [user.0.into()]).await?;
            }
            if erased == 0 {
                tx.execute(
                    "DELETE FROM erasures WHERE user_id = $1 AND asked_at < $2",
                    [user.0.into(), settled.seconds().into()],
                )
                .await?;
            }
            Ok(erased == 0)
        })
    });
    Ok(erased.await?)
}
