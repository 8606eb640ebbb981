//! How revocations, and the news that keys have changed, come to this instance: read when another one says that there is something new, and every
//! fifth of a second in case nobody could say so.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{
    sync::Notify,
    task::AbortHandle,
    time::{Instant, sleep, timeout},
};

use super::{News, Revocations, storage};
use crate::{
    Clock, Error,
    storage::{Db, Told},
};

/// So often the table is read without being told to.
const POLL: Duration = Duration::from_millis(200);
/// Within this every instance that can read the table has read what was written: [`POLL`], and time to do it.
pub(super) const WITHIN_MILLIS: u64 = 300;
/// After this long without an answer the feed is lost.
const STALE_AFTER: Duration = Duration::from_secs(2);
/// One read takes no longer.
const ANSWER: Duration = Duration::from_secs(1);
/// Between two reads, so that a flood of news is read in batches.
const PAUSE: Duration = Duration::from_millis(5);
/// Numbers that are waited for at most. Most never come: a transaction that starts again takes a new one.
const MISSING: i64 = 256;
/// A number that is taken may be written this much later: longer than any transaction lives.
const LATE: Duration = Duration::from_secs(30);
/// So often what has expired is forgotten.
const FORGET: Duration = Duration::from_secs(60);

/// Reading goes on until this is dropped.
pub(crate) struct Feed(AbortHandle);

impl Feed {
    /// Reads what is there, then goes on in the background.
    ///
    /// # Errors
    /// Storage errors of the first read.
    pub(crate) async fn start(
        db: &Db,
        clock: &Clock,
        revocations: &Arc<Revocations>,
        keys_changed: &Arc<Notify>,
    ) -> Result<Self, Error> {
        let mut reader = Reader {
            db: db.clone(),
            clock: clock.clone(),
            revocations: Arc::clone(revocations),
            keys_changed: Arc::clone(keys_changed),
            highest: 0,
            missing: BTreeMap::new(),
        };
        reader.read().await?;
        let told = Told::start(db, storage::CHANNEL);
        Ok(Self(tokio::spawn(reader.run(told)).abort_handle()))
    }
}

/// Reads what is there, once.
///
/// # Errors
/// Storage errors.
pub(crate) async fn read_once(db: &Db, revocations: &Revocations) -> Result<(), Error> {
    let mut highest = 0;
    loop {
        let found = storage::revocations_after(db, highest).await?;
        let is_last = found.len() < storage::BATCH;
        highest = found.last().map_or(highest, |(number, _)| *number);
        revocations.add(found.into_iter().filter_map(|(_, news)| match news {
            News::Ended(revocation) => Some(revocation),
            News::Keys => None,
        }));
        if is_last {
            return Ok(());
        }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.0.abort();
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
    /// Whom to tell that the keys have changed.
    keys_changed: Arc<Notify>,
    /// The highest number that was read.
    highest: i64,
    /// Numbers below it that nobody has written yet, and until when somebody still may: numbers are taken in their
    /// order and written in any.
    missing: BTreeMap<i64, Instant>,
}

impl Reader {
    async fn read(&mut self) -> Result<(), Error> {
        let now = Instant::now();
        loop {
            let found = storage::revocations_after(&self.db, self.highest).await?;
            let is_last = found.len() < storage::BATCH;
            self.take(found, now);
            if is_last {
                break;
            }
        }
        self.missing.retain(|_, until| *until > now);
        let missing: Vec<i64> = self.missing.keys().copied().collect();
        for numbers in missing.chunks(storage::FEW) {
            let found = storage::revocations_of(&self.db, numbers).await?;
            for (number, news) in found {
                self.missing.remove(&number);
                self.hear([news]);
            }
        }
        Ok(())
    }

    /// Notes what was read beyond the highest number, and which numbers were passed over.
    fn take(&mut self, found: Vec<(i64, News)>, now: Instant) {
        for (number, _) in &found {
            let passed = (self.highest + 1).max(number - MISSING)..*number;
            self.missing.extend(passed.map(|number| (number, now + LATE)));
            self.highest = *number;
        }
        while i64::try_from(self.missing.len()).is_ok_and(|missing| missing > MISSING) {
            self.missing.pop_first();
        }
        self.hear(found.into_iter().map(|(_, news)| news));
    }

    fn hear(&self, all: impl IntoIterator<Item = News>) {
        self.revocations.add(all.into_iter().filter_map(|news| match news {
            News::Ended(revocation) => Some(revocation),
            News::Keys => {
                self.keys_changed.notify_one();
                None
            }
        }));
    }

    async fn run(mut self, told: Told) {
        let (mut answered, mut forgot) = (Instant::now(), Instant::now());
        loop {
            // Whichever comes first; what is said while this reads is heard afterwards.
            sleep(PAUSE).await;
            let _ = timeout(POLL, told.word()).await;
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
            metrics::gauge!("countersign_revocations").set(count(self.revocations.len()));
            metrics::gauge!("countersign_revocations_stale").set(if self.revocations.is_stale() {
                1.0
            } else {
                0.0
            });
            if forgot.elapsed() > FORGET {
                forgot = Instant::now();
                self.forget().await;
            }
        }
    }

    /// Forgets what has expired, unless the time may come again in which it had not: the token of a login that ended
    /// would be good again with it.
    async fn forget(&self) {
        if self.clock.may_go_back() {
            return;
        }
        self.revocations.forget_expired(self.clock.now());
        if let Err(error) = storage::revocations_purge(&self.db, self.clock.now()).await {
            tracing::warn!(%error, "revocations that have expired were not removed");
        }
    }
}

/// A count as metrics have it; more than fit are not held.
fn count(entries: usize) -> f64 {
    f64::from(u32::try_from(entries).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use jwt::Timestamp;
    use uuid::Uuid;

    use super::*;
    use crate::{MovableClock, users::UserId};

    async fn reader(clock: Clock) -> Reader {
        let db = Db::open(&crate::storage::DbOptions::new("sqlite::memory:")).await.expect("open");
        db.execute(
            "CREATE TABLE revocations (number INTEGER PRIMARY KEY, session_id BLOB, user_id BLOB,
                 generation INTEGER, kid TEXT, expires_at INTEGER NOT NULL) STRICT",
            [],
        )
        .await
        .expect("made");
        Reader {
            db,
            clock,
            revocations: Arc::default(),
            keys_changed: Arc::default(),
            highest: 0,
            missing: BTreeMap::new(),
        }
    }

    /// Writes that a session ended, to be forgotten at second 9.
    async fn write(db: &Db, number: i64) {
        let id = Uuid::from_u128(u128::try_from(number).expect("positive"));
        db.execute(
            "INSERT INTO revocations (number, session_id, expires_at) VALUES ($1, $2, 9)",
            [number.into(), id.into()],
        )
        .await
        .expect("written");
    }

    #[tokio::test]
    async fn a_clock_that_may_go_back_forgets_no_login_that_ended() {
        let forgotten = async |clock: Clock| {
            let mut reader = reader(clock).await;
            write(&reader.db, 1).await;
            reader.read().await.expect("read");
            reader.forget().await;
            let left = storage::revocations_after(&reader.db, 0).await.expect("read");
            (reader.revocations.len(), left.len())
        };
        assert_eq!(forgotten(Clock::new(Timestamp::new(8))).await, (1, 1));
        assert_eq!(forgotten(Clock::new(Timestamp::new(9))).await, (0, 0));
        assert_eq!(forgotten(Clock::movable(&MovableClock::default())).await, (1, 1));
    }

    #[tokio::test]
    async fn a_number_that_is_written_late_is_found() {
        let mut reader = reader(Clock::new(Timestamp::new(1))).await;
        let (db, revocations) = (reader.db.clone(), Arc::clone(&reader.revocations));
        let write = async |number: i64| write(&db, number).await;
        let knows =
            |number: u128| revocations.concern(Uuid::from_u128(number), UserId(Uuid::nil()), 0);
        // As after a start: what was removed before is not waited for without end.
        write(5_000).await;
        reader.read().await.expect("read");
        assert!(knows(5_000));
        assert_eq!(reader.missing.len(), 256);
        // Two transactions took a number each, and the second was written first.
        write(5_003).await;
        reader.read().await.expect("read");
        assert!(knows(5_003) && !knows(5_002));
        write(5_002).await;
        write(4_999).await;
        reader.read().await.expect("read");
        assert!(knows(5_002) && knows(4_999));
        assert!(!reader.missing.contains_key(&5_002) && reader.missing.contains_key(&5_001));
        // Many at once.
        for number in 5_004..5_004 + 3_000 {
            write(number).await;
        }
        reader.read().await.expect("read");
        assert!((5_004..5_004 + 3_000).all(knows));
        assert_eq!(revocations.len(), 3_004);
    }
}
