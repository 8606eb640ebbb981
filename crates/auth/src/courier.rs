//! What is owed to somebody who may be away, carried there from a table: letters to a mail server, events to a receiver
//! of webhooks. Each instance has a [`Courier`] for each, and they share the work: what is carried is what each of them
//! has taken.

use std::{fmt, sync::Arc, time::Duration};

use tokio::{
    task::{AbortHandle, JoinSet},
    time::{Instant, sleep},
};

use crate::{
    Error,
    storage::{Db, Told},
};

/// So often the table is looked at where nobody says that there is something new,
const POLL: Duration = Duration::from_millis(250);
/// and where somebody does.
const POLL_HEARING: Duration = Duration::from_secs(2);
/// The first rest after the recipient could not be used; each further one is twice as long,
const REST: Duration = Duration::from_secs(1);
/// but no longer than this, unless he asks for it.
const LONGEST_REST: Duration = Duration::from_secs(60);
/// So often what is too old is removed,
const SWEEP: Duration = Duration::from_secs(60);
/// and what waits is counted.
pub(crate) const COUNT: Duration = Duration::from_secs(10);
/// How often it is tried to note what became of something, and how long after each other.
const NOTES: usize = 5;
const NOTE_AGAIN: Duration = Duration::from_secs(1);

/// How the recipient was when something was brought to him.
pub(crate) enum Met {
    /// He answered, whatever he made of it.
    Well,
    /// He could not be used, and why.
    Unwell {
        /// For the log.
        why: String,
        /// For how long he wants to be left alone.
        wish: Duration,
    },
    /// It did not come to him.
    Nobody,
}

/// What is carried, from where, and to whom.
pub(crate) trait Carry: Send + Sync + 'static {
    /// Where instances say that there is something new.
    const CHANNEL: &'static str;
    /// The recipient, as the log calls him.
    const RECIPIENT: &'static str;
    /// Pieces that are on their way at once.
    const AT_ONCE: usize;

    /// Pieces that are looked at together, at most.
    const BATCH: usize;

    /// A piece whose time has come.
    type Due: Send;
    /// One that was taken: nobody else has it.
    type Piece: Send + 'static;

    /// The pieces whose time has come, those that wait the longest first, [`BATCH`](Self::BATCH) at most.
    fn due(&self) -> impl Future<Output = Result<Vec<Self::Due>, Error>> + Send;

    /// Takes a piece, unless somebody else has it by now, or it is too early for it after all.
    fn take(
        &self,
        due: Self::Due,
    ) -> impl Future<Output = Result<Option<Self::Piece>, Error>> + Send;

    /// Brings a piece to the recipient, and notes what became of it.
    fn carry(&self, piece: Self::Piece) -> impl Future<Output = Met> + Send;

    /// Removes what is too old to be of use.
    fn sweep(&self) -> impl Future<Output = ()> + Send;

    /// How many pieces wait, for the metrics.
    fn count(&self) -> impl Future<Output = ()> + Send;
}

/// Things are carried until this is dropped.
pub(crate) struct Courier(AbortHandle);

impl Courier {
    /// Begins to carry.
    pub(crate) fn start<C: Carry>(db: &Db, carry: C) -> Self {
        let told = Told::start(db, C::CHANNEL);
        Self(tokio::spawn(run(Arc::new(carry), told)).abort_handle())
    }

    pub(crate) fn stop(&self) {
        self.0.abort();
    }
}

impl Drop for Courier {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for Courier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Courier")
    }
}

async fn run<C: Carry>(carry: Arc<C>, told: Told) {
    let mut recipient = Recipient::new(C::RECIPIENT, C::AT_ONCE);
    let mut running: JoinSet<Met> = JoinSet::new();
    let (mut swept, mut counted) = (None::<Instant>, None::<Instant>);
    let is_time = |last: Option<Instant>, every| last.is_none_or(|last| last.elapsed() >= every);
    loop {
        if is_time(swept, SWEEP) {
            swept = Some(Instant::now());
            carry.sweep().await;
        }
        let room = recipient.room().saturating_sub(running.len());
        if room > 0 {
            match take(&*carry, room).await {
                Ok(taken) => {
                    for piece in taken {
                        let carry = Arc::clone(&carry);
                        running.spawn(async move { carry.carry(piece).await });
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, to = C::RECIPIENT, "what is owed cannot be read");
                }
            }
        }
        if is_time(counted, COUNT) {
            counted = Some(Instant::now());
            carry.count().await;
        }
        let poll = if told.hears() { POLL_HEARING } else { POLL };
        tokio::select! {
            Some(done) = running.join_next() => match done {
                Ok(Met::Well) => recipient.was_well(),
                Ok(Met::Unwell { why, wish }) => recipient.was_not(&why, wish),
                Ok(Met::Nobody) => {}
                Err(error) => tracing::error!(%error, to = C::RECIPIENT, "something was not delivered"),
            },
            () = told.word(), if room > 0 => {}
            () = sleep(poll) => {}
        }
    }
}

/// Takes so many pieces at most whose time has come.
async fn take<C: Carry>(carry: &C, room: usize) -> Result<Vec<C::Piece>, Error> {
    let mut all = Vec::new();
    loop {
        let due = carry.due().await?;
        let is_last = due.len() < C::BATCH;
        for due in due {
            match carry.take(due).await {
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

/// Whether the recipient can be used, as far as the last piece tells.
struct Recipient {
    name: &'static str,
    at_once: usize,
    rest: Duration,
    until: Instant,
    /// Until when he has asked to be left alone.
    alone: Instant,
}

impl Recipient {
    fn new(name: &'static str, at_once: usize) -> Self {
        let now = Instant::now();
        Self { name, at_once, rest: Duration::ZERO, until: now, alone: now }
    }

    fn is_well(&self) -> bool {
        self.rest.is_zero()
    }

    /// A piece met him in order.
    fn was_well(&mut self) {
        if !self.is_well() {
            tracing::info!("{} can be used again", self.name);
        }
        self.rest = Duration::ZERO;
    }

    /// A piece could not be handed to him; he wants to be left alone for so long.
    fn was_not(&mut self, why: &str, wish: Duration) {
        let now = Instant::now();
        self.alone = self.alone.max(now + wish);
        if self.is_well() {
            tracing::error!(why, "{} cannot be used; what is owed waits", self.name);
            self.rest = REST;
        } else {
            tracing::debug!(why, "{} cannot be used yet", self.name);
            if now < self.until {
                // It was on its way already when the rest began.
                return;
            }
            self.rest = (self.rest * 2).min(LONGEST_REST);
        }
        self.until = now + self.rest;
    }

    /// How many pieces may be on their way: one, to see, until he can be used again.
    fn room(&self) -> usize {
        let now = Instant::now();
        match self.is_well() {
            _ if now < self.alone => 0,
            true => self.at_once,
            false if now < self.until => 0,
            false => 1,
        }
    }
}

/// Notes what became of a piece, also where the storage is away for a moment; says whether it did.
pub(crate) async fn note<N>(note: impl Fn() -> N) -> bool
where
    N: Future<Output = Result<(), Error>>,
{
    for _ in 0..NOTES {
        match note().await {
            Ok(()) => return true,
            Err(error) => tracing::debug!(%error, "it is not noted yet what became of a delivery"),
        }
        sleep(NOTE_AGAIN).await;
    }
    false
}

/// A count as metrics have it.
pub(crate) fn gauge(count: i64) -> f64 {
    u32::try_from(count.max(0)).map_or(f64::from(u32::MAX), f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipient_that_cannot_be_used_is_asked_less_and_less_often_and_by_one_piece() {
        let mut recipient = Recipient::new("somebody", 4);
        assert_eq!(recipient.room(), 4);
        let mut rests = Vec::new();
        for _ in 0..8 {
            recipient.was_not("he is away", Duration::ZERO);
            assert_eq!(recipient.room(), 0);
            rests.push(recipient.rest.as_secs());
            recipient.until = Instant::now();
            assert_eq!(recipient.room(), 1);
        }
        assert_eq!(rests, [1, 2, 4, 8, 16, 32, 60, 60]);
        recipient.was_well();
        assert_eq!(recipient.room(), 4);
    }

    #[test]
    fn what_fails_together_makes_one_rest() {
        let mut recipient = Recipient::new("somebody", 8);
        for _ in 0..8 {
            recipient.was_not("he is away", Duration::ZERO);
        }
        assert_eq!(recipient.rest, REST);
    }

    #[test]
    fn a_recipient_that_asks_to_be_left_alone_is() {
        let (mut recipient, begun) = (Recipient::new("somebody", 4), Instant::now());
        let hour = Duration::from_secs(3_600);
        recipient.was_not("he wants no more", hour);
        // What was on its way by then does not shorten it, whatever became of it.
        recipient.was_not("he is away", Duration::ZERO);
        recipient.was_well();
        assert!(recipient.alone >= begun + hour && recipient.room() == 0);
        recipient.alone = Instant::now();
        assert_eq!(recipient.room(), 4);
    }
}
