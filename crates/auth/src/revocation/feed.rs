//! How revocations come to this instance: read when another one says that there is something new, and every
//! fifth of a second in case nobody could say so.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{
    sync::Notify,
    task::AbortHandle,
    time::{Instant, sleep, timeout},
};

use super::{Revocations, storage};
use crate::{Clock, Error, storage::Db};

/// So often the table is read without being told to.
const POLL: Duration = Duration::from_millis(200);
/// Within this every instance that can read the table has read what was written: [`POLL`], and time to do it.
pub(super) const WITHIN_MILLIS: u64 = 300;
/// After this long without an answer the feed is lost.
const STALE_AFTER: Duration = Duration::from_secs(2);
/// One read takes no longer.
const ANSWER: Duration = Duration::from_secs(1);
/// A number that is taken may be written this much later: longer than any transaction lives.
const LATE: Duration = Duration::from_secs(30);
/// So often what has expired is forgotten.
const FORGET: Duration = Duration::from_secs(60);
/// A listener that was lost is replaced after this long.
const LISTEN_AGAIN: Duration = Duration::from_secs(1);

/// Reading goes on until this is dropped.
pub(crate) struct Feed(Vec<AbortHandle>);

impl Feed {
    /// Reads what is there, then goes on in the background.
    ///
    /// # Errors
    /// Storage errors of the first read.
    pub(crate) async fn start(
        db: &Db,
        clock: &Clock,
        revocations: &Arc<Revocations>,
    ) -> Result<Self, Error> {
        let mut reader = Reader {
            db: db.clone(),
            clock: clock.clone(),
            revocations: Arc::clone(revocations),
            read: 0,
            recent: VecDeque::new(),
        };
        reader.read().await?;
        let told = Arc::new(Notify::new());
        let listening = tokio::spawn(listen(db.clone(), Arc::clone(&told)));
        let reading = tokio::spawn(async move { reader.run(&told).await });
        Ok(Self(vec![listening.abort_handle(), reading.abort_handle()]))
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.0.iter().for_each(AbortHandle::abort);
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Feed")
    }
}

struct Reader {
    db: Db,
    clock: Clock,
    revocations: Arc<Revocations>,
    /// Nothing new can come with a number up to this one.
    read: i64,
    /// The highest numbers that were read of late, and when: numbers are taken in their order and written in any.
    recent: VecDeque<(Instant, i64)>,
}

impl Reader {
    async fn read(&mut self) -> Result<(), Error> {
        let started = Instant::now();
        let found = storage::revocations_after(&self.db, self.read).await?;
        // Without a gap in the numbers nothing can be missing.
        for (number, _) in &found {
            if *number == self.read + 1 {
                self.read = *number;
            }
        }
        let highest = self.recent.back().map_or(self.read, |(_, number)| *number);
        if let Some((number, _)) = found.last().filter(|(number, _)| *number > highest) {
            self.recent.push_back((started, *number));
        }
        self.revocations.add(found.into_iter().map(|(_, revocation)| revocation));
        while let Some((at, number)) = self.recent.front().copied()
            && started.duration_since(at) > LATE
        {
            self.read = self.read.max(number);
            self.recent.pop_front();
        }
        Ok(())
    }

    async fn run(mut self, told: &Notify) {
        let (mut answered, mut forgot) = (Instant::now(), Instant::now());
        loop {
            // Whichever comes first; what is said while this reads is heard afterwards.
            let _ = timeout(POLL, told.notified()).await;
            let asked = Instant::now();
            let error = match timeout(ANSWER, self.read()).await {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(_) => Some("no answer in time".to_owned()),
            };
            match error {
                None => {
                    answered = asked;
                    if self.revocations.stale.swap(false, Ordering::Relaxed) {
                        tracing::info!("the feed of revocations is back");
                    }
                }
                Some(error) => {
                    if answered.elapsed() > STALE_AFTER
                        && !self.revocations.stale.swap(true, Ordering::Relaxed)
                    {
                        tracing::error!(
                            %error,
                            "the feed of revocations is lost: logins that end elsewhere are not known here"
                        );
                    }
                    sleep(POLL).await;
                }
            }
            if forgot.elapsed() > FORGET {
                forgot = Instant::now();
                self.revocations.forget_expired(self.clock.now());
                if let Err(error) = storage::revocations_purge(&self.db, self.clock.now()).await {
                    tracing::warn!(%error, "revocations that have expired were not removed");
                }
            }
        }
    }
}

/// Passes on what other instances say.
async fn listen(db: Db, told: Arc<Notify>) {
    loop {
        match db.listen(storage::CHANNEL).await {
            Ok(None) => return,
            Ok(Some(mut listener)) => {
                while listener.heard().await {
                    told.notify_one();
                }
            }
            Err(error) => tracing::debug!(%error, "nothing is heard of revocations"),
        }
        sleep(LISTEN_AGAIN).await;
    }
}
