//! The only source of time.
//!
//! Everything asks the clock it was given, so that a test, or a developer who wants to see a token
//! expire, can set it.

use std::sync::Arc;

use jwt::{Clock as _, SystemClock, Timestamp};

/// A clock to share: cheap to clone.
#[derive(Debug, Clone)]
pub struct Clock(Arc<dyn jwt::Clock>);

impl Clock {
    /// The clock of this machine.
    #[must_use]
    pub fn system() -> Self {
        Self::new(SystemClock)
    }

    /// Any other clock.
    pub fn new(clock: impl jwt::Clock + 'static) -> Self {
        Self(Arc::new(clock))
    }

    /// The time in whole seconds.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.0.now()
    }

    /// The time in milliseconds since 1970, for ids that sort by their making.
    #[must_use]
    pub fn unix_millis(&self) -> u64 {
        self.0.unix_millis()
    }
}

impl jwt::Clock for Clock {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn unix_millis(&self) -> u64 {
        self.0.unix_millis()
    }
}
