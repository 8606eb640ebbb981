//! The worker that takes errands, has their letters made, and sends them; one on each instance, sharing the work.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use jwt::Timestamp;
use tokio::{
    sync::Notify,
    task::{AbortHandle, JoinSet},
    time::{Instant, sleep, timeout},
};

use super::{
    Composer, Outbox, Templates,
    smtp::{Mailer, Trouble},
    storage::{self, Fate, Taken},
};
use crate::{Clock, Error, Ids, storage::Db};

/// Letters that are on their way at once.
const AT_ONCE: usize = 4;
/// So often the table is looked at where nobody says that there is something new,
const POLL: Duration = Duration::from_millis(250);
/// and where somebody does.
const POLL_HEARING: Duration = Duration::from_secs(2);
/// A listener that was lost is replaced after this long.
const LISTEN_AGAIN: Duration = Duration::from_secs(1);
/// The first rest after the server could not be used; each further one is twice as long,
const REST: Duration = Duration::from_secs(1);
/// but no longer than this.
const LONGEST_REST: Duration = Duration::from_secs(60);
/// Seconds after which a letter is tried again that was put off, by how often it was; from then on hourly.
const PUT_OFF: [i64; 5] = [5, 30, 120, 600, 1_800];
const PUT_OFF_AGAIN: i64 = 3_600;
/// Seconds after which a letter is no longer of use to anyone.
const MAX_AGE: i64 = 2 * 24 * 3_600;
/// So often what is too old is removed,
const SWEEP: Duration = Duration::from_secs(60);
/// and what waits is counted.
const COUNT: Duration = Duration::from_secs(10);
/// How often it is tried to note what became of a letter, and how long after each other.
const NOTES: usize = 5;
const NOTE_AGAIN: Duration = Duration::from_secs(1);

/// Which way letters go.
#[derive(Debug)]
pub(crate) enum Way {
    /// To the mail server.
    Server(Box<Mailer>),
    /// Nowhere: a developer looks at them.
    Keep(Outbox),
}

/// Letters are delivered until this is dropped.
pub(crate) struct Deliverer(Vec<AbortHandle>);

impl Deliverer {
    /// Begins to deliver.
    pub(crate) fn start(
        db: &Db,
        clock: &Clock,
        ids: &Ids,
        composer: Composer,
        templates: Templates,
        way: Way,
    ) -> Self {
        let worker = Arc::new(Worker {
            db: db.clone(),
            clock: clock.clone(),
            ids: ids.clone(),
            composer,
            templates,
            way,
        });
        let heard = Arc::new(Heard { told: Notify::new(), hears: AtomicBool::new(false) });
        let listening = tokio::spawn(listen(db.clone(), Arc::clone(&heard)));
        let delivering = tokio::spawn(async move { worker.run(&heard).await });
        Self(vec![listening.abort_handle(), delivering.abort_handle()])
    }
}

impl Deliverer {
    pub(crate) fn stop(&self) {
        self.0.iter().for_each(AbortHandle::abort);
    }
}

impl Drop for Deliverer {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for Deliverer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Deliverer")
    }
}

struct Heard {
    told: Notify,
    hears: AtomicBool,
}

/// Passes on what other instances say.
async fn listen(db: Db, heard: Arc<Heard>) {
    loop {
        match db.listen(storage::CHANNEL).await {
            Ok(None) => return,
            Ok(Some(mut listener)) => {
                heard.hears.store(true, Ordering::Relaxed);
                while listener.heard().await {
                    heard.told.notify_one();
                }
                heard.hears.store(false, Ordering::Relaxed);
            }
            Err(error) => tracing::debug!(%error, "nothing is heard of the outbox"),
        }
        sleep(LISTEN_AGAIN).await;
    }
}

struct Worker {
    db: Db,
    clock: Clock,
    ids: Ids,
    composer: Composer,
    templates: Templates,
    way: Way,
}

/// How the mail server was when a letter came to it.
enum Met {
    /// It answered, whatever it made of the letter.
    Well,
    /// It could not be used, and why.
    Unwell(String),
    /// The letter did not come to it.
    Nobody,
}

/// Whether the mail server can be used, as far as the last letter tells.
struct Server {
    rest: Duration,
    until: Instant,
}

impl Server {
    fn is_well(&self) -> bool {
        self.rest.is_zero()
    }

    /// A letter met it in order.
    fn was_well(&mut self) {
        if !self.is_well() {
            tracing::info!("the mail server can be used again");
        }
        self.rest = Duration::ZERO;
    }

    /// A letter could not be handed to it.
    fn was_not(&mut self, why: &str) {
        if self.is_well() {
            tracing::error!(why, "the mail server cannot be used; letters wait");
        } else {
            tracing::debug!(why, "the mail server cannot be used yet");
        }
        self.rest = if self.is_well() { REST } else { (self.rest * 2).min(LONGEST_REST) };
        self.until = Instant::now() + self.rest;
    }

    /// How many letters may be on their way: one, to see, until it can be used again.
    fn room(&self) -> usize {
        match self.is_well() {
            true => AT_ONCE,
            false if Instant::now() < self.until => 0,
            false => 1,
        }
    }
}

impl Worker {
    async fn run(self: Arc<Self>, heard: &Heard) {
        let mut server = Server { rest: Duration::ZERO, until: Instant::now() };
        let mut running: JoinSet<Met> = JoinSet::new();
        let (mut swept, mut counted) = (None::<Instant>, None::<Instant>);
        let is_time =
            |last: Option<Instant>, every| last.is_none_or(|last| last.elapsed() >= every);
        loop {
            let room = server.room().saturating_sub(running.len());
            if room > 0 {
                match self.take(room).await {
                    Ok(taken) => {
                        for taken in taken {
                            let worker = Arc::clone(&self);
                            running.spawn(async move { worker.deliver(taken).await });
                        }
                    }
                    Err(error) => tracing::debug!(%error, "the outbox cannot be read"),
                }
            }
            if is_time(swept, SWEEP) {
                swept = Some(Instant::now());
                self.sweep().await;
            }
            if is_time(counted, COUNT) {
                counted = Some(Instant::now());
                self.count().await;
            }
            let poll = if heard.hears.load(Ordering::Relaxed) { POLL_HEARING } else { POLL };
            tokio::select! {
                Some(done) = running.join_next() => match done {
                    Ok(Met::Well) => server.was_well(),
                    Ok(Met::Unwell(why)) => server.was_not(&why),
                    Ok(Met::Nobody) => {}
                    Err(error) => tracing::error!(%error, "a letter was not delivered"),
                },
                () = heard.told.notified(), if room > 0 => {}
                () = sleep(poll) => {}
            }
        }
    }

    /// Takes so many errands at most whose time has come.
    async fn take(&self, room: usize) -> Result<Vec<Taken>, Error> {
        let mut all = Vec::new();
        loop {
            let due = storage::errands_due(&self.db, self.clock.now()).await?;
            let is_last = due.len() < storage::BATCH;
            for due in due {
                let is_paced = matches!(self.way, Way::Server(_));
                match storage::errand_take(&self.db, due, is_paced, self.clock.now()).await {
                    Ok(taken) => all.extend(taken),
                    // What was taken is not left lying.
                    Err(_) if !all.is_empty() => return Ok(all),
                    Err(error) => return Err(error),
                }
                if all.len() == room {
                    return Ok(all);
                }
            }
            if is_last || !all.is_empty() {
                return Ok(all);
            }
        }
    }

    /// Makes the letter of an errand, sends it and notes what became of it.
    async fn deliver(&self, taken: Taken) -> Met {
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
                return Met::Unwell(why);
            }
        }
        Met::Well
    }

    /// Removes an errand, also where the storage is away for a moment: what is not noted is sent again.
    async fn done(&self, taken: &Taken, made: uuid::Uuid) {
        for _ in 0..NOTES {
            match storage::errand_done(&self.db, &taken.errand, made).await {
                Ok(()) => return,
                Err(error) => tracing::debug!(%error, "it is not noted yet that a letter was sent"),
            }
            sleep(NOTE_AGAIN).await;
        }
        tracing::warn!(id = %taken.errand.id, "a letter will be sent twice: the storage was away");
    }

    /// Notes what became of an errand; where that fails, its time comes again when nobody has it any more.
    async fn settle(&self, taken: &Taken, fate: Fate) {
        for _ in 0..NOTES {
            match storage::errand_settle(&self.db, taken, fate).await {
                Ok(()) => return,
                Err(error) => {
                    tracing::debug!(%error, "it is not noted yet what became of a letter");
                }
            }
            sleep(NOTE_AGAIN).await;
        }
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
        metrics::gauge!("countersign_mail_waiting").set(number(waiting));
        metrics::gauge!("countersign_mail_oldest_seconds").set(number(age));
    }
}

/// A count as metrics have it.
fn number(count: i64) -> f64 {
    u32::try_from(count.max(0)).map_or(f64::from(u32::MAX), f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_cannot_be_used_is_asked_less_and_less_often_and_by_one_letter() {
        let mut server = Server { rest: Duration::ZERO, until: Instant::now() };
        assert_eq!(server.room(), AT_ONCE);
        let mut rests = Vec::new();
        for _ in 0..8 {
            server.was_not("it is down");
            assert_eq!(server.room(), 0);
            rests.push(server.rest.as_secs());
            server.until = Instant::now();
            assert_eq!(server.room(), 1);
        }
        assert_eq!(rests, [1, 2, 4, 8, 16, 32, 60, 60]);
        server.was_well();
        assert_eq!(server.room(), AT_ONCE);
    }
}
