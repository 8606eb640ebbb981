//! Time as tokens have it, and where it comes from.

use std::{fmt, sync::Arc, time::Duration};

#[cfg(target_os = "linux")]
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// A point in time in whole seconds since 1970-01-01T00:00:00Z, leap seconds not counted (RFC 7519 §2 "NumericDate").
///
/// In JSON it is an integer. A `Timestamp` is also a [`Clock`] that stands still, which is handy in tests.
///
/// ```
/// use std::time::Duration;
/// use countersign_jwt::Timestamp;
///
/// let noon = Timestamp::new(1_767_268_800);
/// assert_eq!(noon.checked_add(Duration::from_secs(60)), Some(Timestamp::new(1_767_268_860)));
/// ```
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Makes a timestamp from seconds since 1970.
    #[must_use]
    pub const fn new(seconds: i64) -> Self {
        Self(seconds)
    }

    /// Returns the seconds since 1970.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.0
    }

    /// Returns this time plus whole seconds of a duration (a fraction is dropped), or `None` past the end of time.
    #[must_use]
    pub fn checked_add(self, duration: Duration) -> Option<Self> {
        self.0.checked_add_unsigned(duration.as_secs()).map(Self)
    }

    /// Returns this time less whole seconds of a duration (a fraction is dropped), or `None` before the start of time.
    ///
    /// ```
    /// use std::time::Duration;
    /// use countersign_jwt::Timestamp;
    ///
    /// let noon = Timestamp::new(1_767_268_800);
    /// assert_eq!(noon.checked_sub(Duration::from_millis(1_900)), Some(Timestamp::new(1_767_268_799)));
    /// assert_eq!(Timestamp::new(i64::MIN).checked_sub(Duration::from_secs(1)), None);
    /// ```
    #[must_use]
    pub fn checked_sub(self, duration: Duration) -> Option<Self> {
        self.0.checked_sub_unsigned(duration.as_secs()).map(Self)
    }

    /// Returns this time plus whole seconds of a duration, held at the end of time.
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add_unsigned(duration.as_secs()))
    }

    /// Returns this time less whole seconds of a duration, held at the start of time.
    #[must_use]
    pub fn saturating_sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub_unsigned(duration.as_secs()))
    }

    /// Returns how long ago an earlier time was, or zero if it is not earlier.
    ///
    /// ```
    /// use std::time::Duration;
    /// use countersign_jwt::Timestamp;
    ///
    /// let (earlier, later) = (Timestamp::new(100), Timestamp::new(160));
    /// assert_eq!(later.duration_since(earlier), Duration::from_secs(60));
    /// assert_eq!(earlier.duration_since(later), Duration::ZERO);
    /// ```
    #[must_use]
    pub fn duration_since(self, earlier: Self) -> Duration {
        Duration::from_secs(if self > earlier { self.0.abs_diff(earlier.0) } else { 0 })
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Timestamp> for i64 {
    fn from(timestamp: Timestamp) -> Self {
        timestamp.0
    }
}

/// A source of the present time.
///
/// ```
/// use countersign_jwt::{Clock, SystemClock, Timestamp};
///
/// assert!(SystemClock.now() > Timestamp::new(1_700_000_000));
/// assert_eq!(Timestamp::new(7).now(), Timestamp::new(7)); // stands still
/// ```
pub trait Clock: fmt::Debug + Send + Sync {
    /// Returns the present time.
    fn now(&self) -> Timestamp;

    /// Returns the present time in milliseconds since 1970, for ids that sort by when they were made.
    ///
    /// A clock of whole seconds need not say more.
    fn unix_millis(&self) -> u64 {
        u64::try_from(self.now().0).unwrap_or_default().saturating_mul(1_000)
    }
}

/// The clock of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    // The kernel keeps a clock that is at most a tick behind and costs a quarter of the exact one.
    #[cfg(target_os = "linux")]
    fn now(&self) -> Timestamp {
        Timestamp(clock_gettime(ClockId::RealtimeCoarse).tv_sec)
    }

    #[cfg(not(target_os = "linux"))]
    fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "the one place where the time is read")]
        let now = std::time::SystemTime::now();
        match now.duration_since(std::time::UNIX_EPOCH) {
            Ok(since) => Timestamp(0).saturating_add(since),
            Err(before) => Timestamp(0).saturating_sub(before.duration()),
        }
    }

    fn unix_millis(&self) -> u64 {
        #[expect(clippy::disallowed_methods, reason = "the one place where the time is read")]
        let now = std::time::SystemTime::now();
        let since = now.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

impl Clock for Timestamp {
    fn now(&self) -> Timestamp {
        *self
    }
}

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now(&self) -> Timestamp {
        (**self).now()
    }

    fn unix_millis(&self) -> u64 {
        (**self).unix_millis()
    }
}
