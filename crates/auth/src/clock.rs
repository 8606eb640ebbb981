//! The only source of time.
//!
//! Everything asks the clock it was given, so that a test, or a developer who wants to see a token
//! expire, can set it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use jwt::{Clock as _, SystemClock, Timestamp};

/// A clock to share: cheap to clone.
#[derive(Debug, Clone)]
pub struct Clock {
    source: Arc<dyn jwt::Clock>,
    may_go_back: bool,
}

impl Clock {
    /// The clock of this machine.
    #[must_use]
    pub fn system() -> Self {
        Self::new(SystemClock)
    }

    /// Any other clock.
    pub fn new(clock: impl jwt::Clock + 'static) -> Self {
        Self { source: Arc::new(clock), may_go_back: false }
    }

    /// A clock that is moved while it is used, and back again too.
    ///
    /// An installation on it never forgets which logins have ended: an access token that expired is good again when the
    /// clock goes back, and one that was revoked must not be.
    #[must_use]
    pub fn movable(clock: &MovableClock) -> Self {
        Self { source: Arc::new(clock.clone()), may_go_back: true }
    }

    /// The time in whole seconds.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.source.now()
    }

    /// The time in milliseconds since 1970, for ids that sort by their making.
    #[must_use]
    pub fn unix_millis(&self) -> u64 {
        self.source.unix_millis()
    }

    /// Says whether a time that has passed may come again.
    pub(crate) fn may_go_back(&self) -> bool {
        self.may_go_back
    }
}

impl jwt::Clock for Clock {
    fn now(&self) -> Timestamp {
        self.source.now()
    }

    fn unix_millis(&self) -> u64 {
        self.source.unix_millis()
    }
}

/// The clock of this machine, moved by so many seconds; its clones move together. For a developer who wants to see a
/// token expire, through [`Clock::movable`].
///
/// ```
/// use countersign_auth::{Clock, MovableClock};
///
/// let hand = MovableClock::default();
/// let clock = Clock::movable(&hand);
/// let before = clock.now();
/// hand.move_by(7_200)?;
/// assert!(clock.now().duration_since(before).as_secs() >= 7_200);
/// hand.set(0)?;
/// # Ok::<(), countersign_auth::TooFar>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct MovableClock(Arc<AtomicI64>);

/// The clock would be moved by more than [`MovableClock::FARTHEST`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a clock is moved by ten years (3650d) at most")]
pub struct TooFar;

impl MovableClock {
    /// As far as it is moved, ahead or back: ten years. All times then are ones that tokens and ids can have.
    pub const FARTHEST: Duration = Duration::from_secs(3_650 * 86_400);

    /// How many seconds it is ahead of the clock of this machine; negative behind it.
    #[must_use]
    pub fn offset(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Moves it to so many seconds ahead of the clock of this machine; negative behind it.
    ///
    /// # Errors
    /// [`TooFar`]; then it stays where it was.
    pub fn set(&self, offset: i64) -> Result<(), TooFar> {
        self.0.store(within_reach(offset).ok_or(TooFar)?, Ordering::Relaxed);
        Ok(())
    }

    /// Moves it by so many seconds from where it is; back if they are negative.
    ///
    /// # Errors
    /// [`TooFar`]; then it stays where it was.
    pub fn move_by(&self, seconds: i64) -> Result<(), TooFar> {
        let moved = |offset: i64| offset.checked_add(seconds).and_then(within_reach);
        let outcome = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, moved);
        outcome.map(drop).map_err(|_| TooFar)
    }
}

fn within_reach(offset: i64) -> Option<i64> {
    (offset.unsigned_abs() <= MovableClock::FARTHEST.as_secs()).then_some(offset)
}

impl jwt::Clock for MovableClock {
    fn now(&self) -> Timestamp {
        Timestamp::new(SystemClock.now().seconds().saturating_add(self.offset()))
    }

    fn unix_millis(&self) -> u64 {
        SystemClock.unix_millis().saturating_add_signed(self.offset().saturating_mul(1_000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Ids;

    #[test]
    fn a_clock_is_moved_both_ways_and_no_farther_than_ten_years() {
        let hand = MovableClock::default();
        let clock = Clock::movable(&hand);
        let off = |clock: &Clock| clock.now().seconds() - SystemClock.now().seconds();
        for (offset, ok) in [(7_200, true), (-600, true), (315_360_000, true), (315_360_001, false)]
        {
            let before = hand.offset();
            assert_eq!(hand.set(offset).is_ok(), ok);
            assert_eq!(hand.offset(), if ok { offset } else { before });
            assert!((off(&clock) - hand.offset()).abs() <= 1);
            let millis = clock.unix_millis() / 1_000;
            assert!(millis.abs_diff(clock.now().seconds().unsigned_abs()) <= 1);
        }
        assert_eq!(hand.move_by(1), Err(TooFar));
        assert_eq!(hand.move_by(i64::MAX), Err(TooFar));
        assert_eq!((hand.move_by(-315_360_000), hand.offset()), (Ok(()), 0));
    }

    #[test]
    fn ids_rise_when_the_clock_goes_back() {
        let hand = MovableClock::default();
        let ids = Ids::new(Clock::movable(&hand));
        let mut made = Vec::new();
        for offset in [0, 7_200, 0, -86_400, 86_400, 3_600] {
            hand.set(offset).expect("within reach");
            made.extend((0..100).map(|_| ids.next()));
        }
        assert!(made.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
