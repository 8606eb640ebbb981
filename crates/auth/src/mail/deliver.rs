//! What takes errands, has their letters made, and sends them; one on each instance, sharing the work.

use std::time::Duration;

use jwt::Timestamp;
use tokio::time::timeout;
use uuid::Uuid;

use super::{
    Composer, Outbox, Templates,
    smtp::{Mailer, Trouble},
    storage::{self, Due, Fate, Taken},
};
use crate::{
    Clock, Error, Ids,
    courier::{COUNT, Carry, Courier, Met, gauge, note},
    storage::Db,
};

/// Seconds after which a letter is tried again that was put off, by how often it was; from then on hourly.
const PUT_OFF: [i64; 5] = [5, 30, 120, 600, 1_800];
const PUT_OFF_AGAIN: i64 = 3_600;
/// Seconds after which a letter is no longer of use to anyone.
const MAX_AGE: i64 = 2 * 24 * 3_600;

/// Which way letters go.
#[derive(Debug)]
pub(crate) enum Way {
    /// To the mail server.
    Server(Box<Mailer>),
    /// Nowhere: a developer looks at them.
    Keep(Outbox),
}

/// Delivers letters.
pub(crate) struct Deliverer {
    db: Db,
    clock: Clock,
    ids: Ids,
    composer: Composer,
    templates: Templates,
    way: Way,
}

impl Deliverer {
    /// Begins to deliver.
    pub(crate) fn start(
        db: &Db,
        clock: &Clock,
        ids: &Ids,
        composer: Composer,
        templates: Templates,
        way: Way,
    ) -> Courier {
        let (clock, ids) = (clock.clone(), ids.clone());
        Courier::start(db, Self { db: db.clone(), clock, ids, composer, templates, way })
    }
}

impl Carry for Deliverer {
    const CHANNEL: &'static str = storage::CHANNEL;
    const RECIPIENT: &'static str = "the mail server";
    const AT_ONCE: usize = 4;

    const BATCH: usize = storage::BATCH;

    type Due = Due;
    type Piece = Taken;

    async fn due(&self) -> Result<Vec<Due>, Error> {
        storage::errands_due(&self.db, self.clock.now()).await
    }

    async fn take(&self, due: Due) -> Result<Option<Taken>, Error> {
        let is_paced = matches!(self.way, Way::Server(_));
        storage::errand_take(&self.db, due, is_paced, self.clock.now()).await
    }

    /// Makes the letter of an errand, sends it and notes what became of it.
    async fn carry(&self, taken: Taken) -> Met {
        let (id, kind) = (taken.errand.id, taken.errand.kind.name());
        let now = self.clock.now();
        let later = |attempts: i64| {
            let attempts = usize::try_from(attempts).unwrap_or_default();
            let seconds = PUT_OFF.get(attempts).copied().unwrap_or(PUT_OFF_AGAIN);
            Timestamp::new(now.seconds().saturating_add(seconds))
        };
        // Whatever was asked for before this moment is in the letter.
        let made = self.ids.next();
        let letter = match self.composer.compose(taken.errand.clone()).await {
            Ok(Some(letter)) => letter,
            Ok(None) => {
                self.settle(&taken, Fate::Needless).await;
                return Met::Nobody;
            }
            Err(error) => {
                tracing::error!(%id, kind, %error, "a letter could not be made yet");
                self.settle(&taken, Fate::PutOff(later(taken.attempts))).await;
                return Met::Nobody;
            }
        };
        let content = match self.templates.render(&letter) {
            Ok(content) => content,
            Err(error) => {
                tracing::error!(%id, kind, %error, "a letter could not be written");
                self.settle(&taken, Fate::PutOff(later(taken.attempts))).await;
                return Met::Nobody;
            }
        };
        let mailer = match &self.way {
            Way::Keep(outbox) => {
                outbox.keep(id, &letter, content, now);
                self.done(&taken, made).await;
                return Met::Nobody;
            }
            Way::Server(mailer) => mailer,
        };
        match mailer.send(id, &letter.to, &content, now).await {
            Ok(()) => {
                tracing::info!(%id, kind, "letter sent");
                metrics::counter!("countersign_mail_sent_total", "kind" => kind).increment(1);
                self.done(&taken, made).await;
            }
            Err(Trouble::Refused(why)) => {
                tracing::warn!(%id, kind, why, "the mail server refuses a letter: dropped");
                metrics::counter!("countersign_mail_dropped_total", "kind" => kind).increment(1);
                self.done(&taken, made).await;
            }
            Err(Trouble::PutOff(why)) => {
                tracing::info!(%id, kind, why, "the mail server puts a letter off");
                self.settle(&taken, Fate::PutOff(later(taken.attempts))).await;
            }
            Err(Trouble::Unsure(why)) => {
                tracing::warn!(%id, kind, why, "the mail server may have a letter or not: sent again");
                self.settle(&taken, Fate::Unsure(later(taken.attempts))).await;
            }
            Err(Trouble::Server(why)) => {
                self.settle(&taken, Fate::Unsent(now)).await;
                return Met::Unwell { why, wish: Duration::ZERO };
            }
        }
        Met::Well
    }

    async fn sweep(&self) {
        let now = self.clock.now();
        let before = Timestamp::new(now.seconds().saturating_sub(MAX_AGE));
        match storage::errands_purge(&self.db, before, now).await {
            Ok(0) => {}
            Ok(letters) => {
                tracing::error!(letters, "letters could not be sent for two days: dropped");
                metrics::counter!("countersign_mail_dropped_total", "kind" => "any")
                    .increment(letters);
            }
            Err(error) => tracing::debug!(%error, "the outbox was not swept"),
        }
    }

    async fn count(&self) {
        if let Way::Server(mailer) = &self.way {
            let _ = timeout(COUNT, mailer.close_idle()).await;
        }
        let Ok((waiting, oldest)) = storage::errands_waiting(&self.db).await else { return };
        let now = self.clock.now().seconds();
        let age = oldest.map_or(0, |oldest| now.saturating_sub(oldest.seconds()));
        metrics::gauge!("countersign_mail_waiting").set(gauge(waiting));
        metrics::gauge!("countersign_mail_oldest_seconds").set(gauge(age));
    }
}

impl Deliverer {
    /// Removes an errand; what is not noted is sent again.
    async fn done(&self, taken: &Taken, made: Uuid) {
        if !note(|| storage::errand_done(&self.db, &taken.errand, made)).await {
            tracing::warn!(id = %taken.errand.id, "a letter will be sent twice: the storage was away");
        }
    }

    /// Notes what became of an errand; where that fails, its time comes again when nobody has it any more.
    async fn settle(&self, taken: &Taken, fate: Fate) {
        note(|| storage::errand_settle(&self.db, taken, fate)).await;
    }
}
