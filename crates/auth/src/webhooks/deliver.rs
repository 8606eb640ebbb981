//! What takes deliveries and sends them; on each instance, sharing the work.

use std::time::Duration;

use serde_json::json;

use super::{
    Answer, Trouble, Webhook,
    storage::{self, Due, Taken},
};
use crate::{
    Clock, Error,
    audit::{Event, storage::event_by_id},
    courier::{Carry, Courier, Met, gauge, note},
    secret,
    storage::Db,
};

/// Seconds after which an event is sent again that the receiver did not take, by how often it was: the schedule that
/// Standard Webhooks proposes, over three days. After the last it is dropped.
const AGAIN: [u64; 9] = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];
/// How often an event is sent before it is dropped.
pub const ATTEMPTS: usize = AGAIN.len() + 1;
/// A wait is longer by up to this part of it, so that what failed together does not come back together.
const JITTER: u64 = 5;
/// Seconds for which a receiver may ask to be left alone at most, and for which one is that wants no more.
const LONGEST_WISH: u64 = 3_600;
/// Seconds after which an event is no longer of use: longer than all attempts take.
const MAX_AGE: u64 = 5 * 24 * 3_600;
/// Seconds after which an event that could not be read is looked for again.
const READ_AGAIN: Duration = Duration::from_secs(5);

/// Sends events to the receiver.
pub(crate) struct Deliverer {
    db: Db,
    clock: Clock,
    webhook: Webhook,
}

impl Deliverer {
    /// Begins to send.
    pub(crate) fn start(db: &Db, clock: &Clock, webhook: Webhook) -> Courier {
        Courier::start(db, Self { db: db.clone(), clock: clock.clone(), webhook })
    }
}

impl Carry for Deliverer {
    const CHANNEL: &'static str = storage::CHANNEL;
    const RECIPIENT: &'static str = "the receiver of webhooks";
    const AT_ONCE: usize = 8;

    const BATCH: usize = storage::BATCH;

    type Due = Due;
    type Piece = Taken;

    async fn due(&self) -> Result<Vec<Due>, Error> {
        storage::deliveries_due(&self.db, self.clock.now()).await
    }

    async fn take(&self, due: Due) -> Result<Option<Taken>, Error> {
        storage::delivery_take(&self.db, due, self.clock.now()).await
    }

    /// Makes the body of an event, sends it and notes what became of it.
    async fn carry(&self, taken: Taken) -> Met {
        let (id, now) = (taken.event, self.clock.now());
        let event = match event_by_id(&self.db, id).await {
            Ok(Some(event)) => event,
            Ok(None) => {
                // It was kept for long enough, and is gone.
                self.done(taken).await;
                return Met::Nobody;
            }
            Err(error) => {
                tracing::debug!(%id, %error, "an event cannot be read yet");
                note(|| {
                    storage::delivery_put_off(&self.db, taken, now.saturating_add(READ_AGAIN), 0)
                })
                .await;
                return Met::Nobody;
            }
        };
        let kind = event.kind.clone();
        let sent = self.webhook.send(id, now, body(&event)).await;
        let Some(failure) = Failure::of(&sent) else {
            tracing::debug!(%id, kind, "event sent");
            metrics::counter!("countersign_webhooks_sent_total", "type" => kind).increment(1);
            self.done(taken).await;
            return Met::Well;
        };
        let why = failure.why.as_str();
        match wait(taken.attempts, failure.wish) {
            Some(wait) => {
                tracing::info!(%id, kind, why, again_in = wait.as_secs(), "the receiver did not take an event");
                note(|| storage::delivery_put_off(&self.db, taken, now.saturating_add(wait), 1))
                    .await;
            }
            None => {
                tracing::error!(%id, kind, why, "the receiver did not take an event in all attempts: dropped");
                metrics::counter!("countersign_webhooks_dropped_total", "type" => kind)
                    .increment(1);
                self.done(taken).await;
            }
        }
        match failure.is_general {
            true => Met::Unwell { why: failure.why, wish: failure.wish },
            false => Met::Well,
        }
    }

    async fn sweep(&self) {
        let before = self.clock.now().saturating_sub(Duration::from_secs(MAX_AGE));
        match storage::deliveries_purge(&self.db, before).await {
            Ok(0) => {}
            Ok(events) => {
                tracing::error!(events, "events could not be sent for five days: dropped");
                metrics::counter!("countersign_webhooks_dropped_total", "type" => "any")
                    .increment(events);
            }
            Err(error) => tracing::debug!(%error, "deliveries were not swept"),
        }
    }

    async fn count(&self) {
        let Ok((waiting, oldest)) = storage::deliveries_waiting(&self.db).await else { return };
        let now = self.clock.now().seconds();
        let age = oldest.map_or(0, |oldest| now.saturating_sub(oldest.seconds()));
        metrics::gauge!("countersign_webhooks_waiting").set(gauge(waiting));
        metrics::gauge!("countersign_webhooks_oldest_seconds").set(gauge(age));
    }
}

impl Deliverer {
    /// Removes a delivery; what is not noted is sent again.
    async fn done(&self, taken: Taken) {
        if !note(|| storage::delivery_done(&self.db, taken)).await {
            tracing::warn!(id = %taken.event, "an event will be sent twice: the storage was away");
        }
    }
}

/// What is sent of an event: its type and its time, and all that is known of it.
pub(super) fn body(event: &Event) -> String {
    // Beyond the years that have four digits there is no such text.
    let at = jiff::Timestamp::from_second(event.at.seconds()).map(|at| at.to_string()).ok();
    json!({ "type": event.kind, "timestamp": at, "data": event.to_json() }).to_string()
}

/// The receiver did not take an event.
#[derive(Debug, PartialEq, Eq)]
struct Failure {
    why: String,
    /// Whether it would be the same for any other event just now.
    is_general: bool,
    /// For how long it wants to be left alone.
    wish: Duration,
}

impl Failure {
    fn of(sent: &Result<Answer, Trouble>) -> Option<Self> {
        let answer = match sent {
            Ok(answer) => answer,
            Err(trouble) => {
                return Some(Self {
                    why: trouble.to_string(),
                    is_general: true,
                    wish: Duration::ZERO,
                });
            }
        };
        if answer.is_success() {
            return None;
        }
        let (status, asked) = (answer.status, answer.retry_after.unwrap_or_default());
        let (why, is_general, wish) = match status {
            300..400 => (format!("it answered {status}; redirects are not followed"), false, 0),
            410 => (
                "it answered 410: it wants no more, remove webhooks.url".to_owned(),
                true,
                LONGEST_WISH,
            ),
            429 | 500.. => (format!("it answered {status}"), true, asked.min(LONGEST_WISH)),
            _ => (format!("it answered {status}"), false, 0),
        };
        Some(Self { why, is_general, wish: Duration::from_secs(wish) })
    }
}

/// How long to wait until the next attempt, after so many and one more; `None` when that was the last.
fn wait(attempts: i64, wish: Duration) -> Option<Duration> {
    let usual = *AGAIN.get(usize::try_from(attempts).ok()?)?;
    // Chance that is missing makes the wait the usual one.
    let mut bytes = [0; 8];
    let _ = secret::fill(&mut bytes);
    let more = u64::from_be_bytes(bytes) % (usual / JITTER + 1);
    Some(Duration::from_secs(usual.saturating_add(more)).max(wish))
}

#[cfg(test)]
mod tests {
    use jwt::Timestamp;
    use uuid::Uuid;

    use super::*;

    fn answered(status: u16, retry_after: Option<u64>) -> Option<Failure> {
        Failure::of(&Ok(Answer { status, text: String::new(), retry_after }))
    }

    #[test]
    fn only_2xx_says_that_the_receiver_has_an_event() {
        for status in [200, 201, 202, 204, 299] {
            assert_eq!(answered(status, None), None, "{status}");
        }
        for (status, is_general) in [
            (300, false),
            (301, false),
            (302, false),
            (307, false),
            (308, false),
            (400, false),
            (401, false),
            (404, false),
            (410, true),
            (413, false),
            (422, false),
            (429, true),
            (500, true),
            (502, true),
            (503, true),
            (599, true),
        ] {
            assert_eq!(
                answered(status, None).map(|failure| failure.is_general),
                Some(is_general),
                "{status}"
            );
        }
        let silent = Failure::of(&Err(Trouble::Silent("it did not answer in time".to_owned())));
        assert_eq!(silent.map(|failure| failure.is_general), Some(true));
    }

    #[test]
    fn a_receiver_is_left_alone_for_as_long_as_it_asks_up_to_an_hour() {
        let wish = |status, asked| answered(status, asked).map(|failure| failure.wish.as_secs());
        assert_eq!(wish(429, Some(600)), Some(600));
        assert_eq!(wish(503, Some(86_400)), Some(3_600));
        assert_eq!(wish(503, None), Some(0));
        assert_eq!(wish(410, None), Some(3_600));
        assert_eq!(wish(404, Some(600)), Some(0));
    }

    #[test]
    fn attempts_are_ten_over_three_days_and_never_earlier_than_asked_for() {
        let mut least = 0;
        for (attempts, usual) in AGAIN.into_iter().enumerate() {
            least += usual;
            let attempts = i64::try_from(attempts).expect("small");
            let waits: Vec<u64> = (0..200)
                .filter_map(|_| wait(attempts, Duration::ZERO))
                .map(|wait| wait.as_secs())
                .collect();
            assert!(
                waits.iter().all(|wait| (usual..=usual + usual / 5).contains(wait)),
                "{attempts}"
            );
            assert!(waits.iter().any(|wait| *wait != waits[0]), "{attempts}");
            assert!(wait(attempts, Duration::from_secs(3_600)) >= Some(Duration::from_secs(3_600)));
        }
        assert!(least > 3 * 86_400 && least + least / 5 < MAX_AGE);
        assert_eq!(wait(9, Duration::ZERO), None);
    }

    #[test]
    fn a_body_is_the_event_and_nothing_else() {
        let event = Event {
            id: Uuid::from_u128(1),
            at: Timestamp::new(1_800_000_000),
            kind: "user.deleted".to_owned(),
            user: None,
            actor: crate::audit::Actor::Operator,
            session: None,
            request: None,
            address: None,
            device: None,
            details: Some(json!({ "sessions": 2 })),
            number: Some(7),
        };
        let body: serde_json::Value = serde_json::from_str(&body(&event)).expect("JSON");
        let expected = json!({ "type": "user.deleted", "timestamp": "2027-01-15T08:00:00Z", "data": event.to_json() });
        assert_eq!(body, expected);
    }

    /// What an event may tell is what its kind names: nothing that lets somebody in.
    #[test]
    fn no_kind_of_event_has_a_member_for_a_secret() {
        for kind in crate::audit::Kind::ALL {
            for member in kind.details {
                for secret in ["password", "token", "secret", "hash", "link", "email", "material"] {
                    assert!(!member.contains(secret), "{}: {member}", kind.name);
                }
            }
        }
    }
}
