//! Revocation: logins that end before their tokens do, known to every instance without a question.
//!
//! Whatever ends a login writes an entry in the same step: the id of the session, or the account and the
//! generation below which its tokens are dead. Every instance holds the entries in memory until the last
//! token they can concern has expired, so that checking a token reads no storage.

mod feed;
pub(crate) mod storage;

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use foldhash::fast::RandomState;
use jwt::Timestamp;
use uuid::Uuid;

pub(crate) use self::feed::Feed;
use crate::{Clock, users::UserId};

/// An entry outlives the tokens it concerns by this: the greatest leeway, and clocks that differ.
const GRACE: Duration = Duration::from_secs(120);

/// Entries that are added one by one to a small table; with more it becomes part of the large one.
const RECENT: usize = 256;

/// What ended, and until when a token of it could live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revocation {
    /// What ended.
    pub ended: Ended,
    /// When the last token it concerns has expired.
    pub expires_at: Timestamp,
}

impl Revocation {
    /// Ends a session whose access tokens expire at the latest then.
    #[must_use]
    pub fn of_session(id: Uuid, access_expires_at: Timestamp) -> Self {
        Self { ended: Ended::Session(id), expires_at: access_expires_at.saturating_add(GRACE) }
    }

    /// Ends the sessions of an account below a generation, whose access tokens expire at the latest then.
    #[must_use]
    pub fn of_generation(user: UserId, generation: i64, access_expires_at: Timestamp) -> Self {
        let expires_at = access_expires_at.saturating_add(GRACE);
        Self { ended: Ended::Generation(user, generation), expires_at }
    }
}

/// What an instance hears from the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum News {
    /// Something ended.
    Ended(Revocation),
    /// A key was added, has moved on, or is no longer to be believed.
    Keys,
}

/// What a [`Revocation`] ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// One login: every token with this `sid`.
    Session(Uuid),
    /// All logins of an account so far: every token with a `gen` below this one.
    Generation(UserId, i64),
}

/// The revocations that tokens of today can meet, in the memory of this process.
///
/// Checking takes no lock; adding copies a small table.
///
/// ```
/// # extern crate jwt as countersign_jwt;
/// use countersign_auth::{
///     revocation::{Ended, Revocation, Revocations},
///     users::UserId,
/// };
/// use countersign_jwt::Timestamp;
/// use uuid::Uuid;
///
/// let (session, user) = (Uuid::from_u128(1), UserId(Uuid::from_u128(2)));
/// let revocations = Revocations::default();
/// assert!(!revocations.concern(session, user, 0));
///
/// let expires_at = Timestamp::new(2_000_000_000);
/// revocations.add([Revocation { ended: Ended::Session(session), expires_at }]);
/// assert!(revocations.concern(session, user, 0));
/// ```
#[derive(Default)]
pub struct Revocations {
    live: ArcSwap<Live>,
    /// Held while the tables are replaced.
    adding: Mutex<()>,
    stale: AtomicBool,
}

/// What is being read; replaced as a whole.
#[derive(Clone, Default)]
struct Live {
    recent: Table,
    old: Arc<Table>,
}

/// Entries with when they may be forgotten. Ids are random enough for any hash, and none is chosen by a client.
#[derive(Clone, Default)]
struct Table {
    sessions: HashMap<u128, i64, RandomState>,
    generations: HashMap<u128, (i64, i64), RandomState>,
}

impl Table {
    fn len(&self) -> usize {
        self.sessions.len() + self.generations.len()
    }

    fn concerns(&self, session: Uuid, user: UserId, generation: i64) -> bool {
        // Most of the time there is nothing to look for.
        (!self.sessions.is_empty() && self.sessions.contains_key(&session.as_u128()))
            || (!self.generations.is_empty()
                && self
                    .generations
                    .get(&user.0.as_u128())
                    .is_some_and(|(least, _)| generation < *least))
    }

    fn holds(&self, revocation: &Revocation) -> bool {
        let expires_at = revocation.expires_at.seconds();
        match revocation.ended {
            Ended::Session(id) => {
                self.sessions.get(&id.as_u128()).is_some_and(|known| *known >= expires_at)
            }
            Ended::Generation(user, generation) => self
                .generations
                .get(&user.0.as_u128())
                .is_some_and(|known| known.0 >= generation && known.1 >= expires_at),
        }
    }

    fn insert(&mut self, revocation: &Revocation) {
        let expires_at = revocation.expires_at.seconds();
        match revocation.ended {
            Ended::Session(id) => {
                let known = self.sessions.entry(id.as_u128()).or_insert(expires_at);
                *known = expires_at.max(*known);
            }
            Ended::Generation(user, generation) => {
                let known =
                    self.generations.entry(user.0.as_u128()).or_insert((generation, expires_at));
                *known = (generation.max(known.0), expires_at.max(known.1));
            }
        }
    }

    fn absorb(&mut self, other: &Self) {
        for (id, expires_at) in &other.sessions {
            let known = self.sessions.entry(*id).or_insert(*expires_at);
            *known = (*known).max(*expires_at);
        }
        for (id, (generation, expires_at)) in &other.generations {
            let known = self.generations.entry(*id).or_insert((*generation, *expires_at));
            *known = (known.0.max(*generation), known.1.max(*expires_at));
        }
    }

    fn forget(&mut self, now: i64) {
        self.sessions.retain(|_, expires_at| *expires_at > now);
        self.generations.retain(|_, (_, expires_at)| *expires_at > now);
    }

    fn has_dead(&self, now: i64) -> bool {
        self.sessions.values().any(|expires_at| *expires_at <= now)
            || self.generations.values().any(|(_, expires_at)| *expires_at <= now)
    }
}

impl Revocations {
    /// Says whether a token of this session, account and generation has been revoked.
    #[must_use]
    pub fn concern(&self, session: Uuid, user: UserId, generation: i64) -> bool {
        let live = self.live.load();
        live.recent.concerns(session, user, generation)
            || live.old.concerns(session, user, generation)
    }

    /// When the last access token of a session that has been ended expires; `None` for one that has not.
    #[must_use]
    pub fn ended_session(&self, session: Uuid) -> Option<Timestamp> {
        let live = self.live.load();
        let id = session.as_u128();
        let expires_at = live.recent.sessions.get(&id).max(live.old.sessions.get(&id));
        expires_at.map(|expires_at| Timestamp::new(*expires_at).saturating_sub(GRACE))
    }

    /// Adds revocations; those that are known already change nothing.
    pub fn add(&self, revocations: impl IntoIterator<Item = Revocation>) {
        let _adding = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        let mut live = Live::clone(&self.live.load());
        let mut added = false;
        for revocation in revocations {
            if live.recent.holds(&revocation) || live.old.holds(&revocation) {
                continue;
            }
            if live.recent.len() >= RECENT {
                Arc::make_mut(&mut live.old).absorb(&std::mem::take(&mut live.recent));
            }
            live.recent.insert(&revocation);
            added = true;
        }
        if added {
            self.live.store(Arc::new(live));
        }
    }

    /// Forgets what no token can meet any more.
    pub fn forget_expired(&self, now: Timestamp) {
        let _adding = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        let live = self.live.load();
        let now = now.seconds();
        if !live.recent.has_dead(now) && !live.old.has_dead(now) {
            return;
        }
        let mut live = Live::clone(&live);
        live.recent.forget(now);
        Arc::make_mut(&mut live.old).forget(now);
        self.live.store(Arc::new(live));
    }

    /// How many entries are held.
    #[must_use]
    pub fn len(&self) -> usize {
        let live = self.live.load();
        live.recent.len() + live.old.len()
    }

    /// Says whether none is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Says whether this instance has lost the feed: what other instances revoked may be missing.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.stale.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Revocations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revocations")
            .field("len", &self.len())
            .field("is_stale", &self.is_stale())
            .finish()
    }
}

/// Waits, where it must, until every instance will know by the end of this second, and returns that end: the
/// time that an answer may name as the one by which a revocation is in effect everywhere.
pub(crate) async fn effective_by(clock: &Clock) -> Timestamp {
    let mut millis = clock.unix_millis();
    let left = 1_000 - millis % 1_000;
    if left < feed::WITHIN_MILLIS {
        tokio::time::sleep(Duration::from_millis(left)).await;
        millis += left;
    }
    Timestamp::new(i64::try_from(millis / 1_000).unwrap_or(i64::MAX).saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(id: u128, expires_at: i64) -> Revocation {
        Revocation {
            ended: Ended::Session(Uuid::from_u128(id)),
            expires_at: Timestamp::new(expires_at),
        }
    }

    fn user(id: u128) -> UserId {
        UserId(Uuid::from_u128(id))
    }

    fn generation(id: u128, least: i64, expires_at: i64) -> Revocation {
        let ended = Ended::Generation(user(id), least);
        Revocation { ended, expires_at: Timestamp::new(expires_at) }
    }

    #[test]
    fn a_session_and_a_generation_end_and_nothing_else() {
        let revocations = Revocations::default();
        revocations.add([session(1, 100), generation(7, 3, 100)]);
        let concern = |sid, sub, r#gen| revocations.concern(Uuid::from_u128(sid), user(sub), r#gen);
        assert!(concern(1, 8, 0));
        assert!(!concern(2, 8, 0));
        assert!(concern(2, 7, 2));
        assert!(!concern(2, 7, 3));
        revocations.add([generation(7, 2, 200)]);
        assert!(concern(2, 7, 2), "a generation never goes back");
    }

    #[test]
    fn many_are_found_across_both_tables_and_forgotten_in_time() {
        let revocations = Revocations::default();
        for id in 0..2_000 {
            revocations.add([session(id, 100 + i64::try_from(id % 2).unwrap()), session(id, 50)]);
        }
        assert_eq!(revocations.len(), 2_000);
        assert!((0..2_000).all(|id| revocations.concern(Uuid::from_u128(id), user(1), 0)));
        revocations.forget_expired(Timestamp::new(99));
        assert_eq!(revocations.len(), 2_000);
        revocations.forget_expired(Timestamp::new(100));
        assert_eq!(revocations.len(), 1_000);
        assert!(!revocations.concern(Uuid::from_u128(0), user(1), 0));
        assert!(revocations.concern(Uuid::from_u128(1), user(1), 0));
    }
}
