//! Seeded schedules of what befalls a login by tokens, on the real service: no false logout, every thief found.
//!
//! One schedule is the life of one session, on two instances that share a database, each with a clock of its own. All
//! chance comes from its seed, so that it can be run again; [`Simulator::replay`] says what happened in it.
//!
//! **The owner** has one to eight tabs that share one stored refresh token, as browsers do. A tab reads it when it starts
//! a refresh, and writes the answer later, unless another tab has written meanwhile. Some tabs use a copy that they
//! read when they were loaded, and hear of a new token seconds later. Tabs are reloaded, act at the same moment, sleep for
//! hours or days. A request may be lost on its way, or its answer, or the instance may stop between the commit and the
//! answer; the tab then tries again with the same token. The owner keeps the one duty that the contract gives: **no
//! request with a token arrives more than ten seconds, in true time, after the owner's first use of it.** In half of the
//! schedules the owner is careful and keeps to four. Where a browser ends before the answer comes and starts again any
//! time later, the owner may break it; such a session may end, and is counted apart.
//!
//! **Clocks** of the two instances differ by up to six seconds in half of the schedules. In others they are set ahead or
//! back, by seconds or by a year.
//!
//! **A thief**, in half of the schedules, has a copy of a token that was handed out, the newest or an old one, and uses it
//! once or goes on with what it is answered.
//!
//! What is checked at each answer: the service does exactly what the contract says (`ledger.rs` has it in its plainest
//! form), a new access token is accepted, and after a replay those of both sides are refused as `token_revoked` by the
//! instance that found it, at once. Beside that:
//!
//! - **A false logout** is a refusal of the owner in a session of which no thief has used a token, which is inside its
//!   lifetimes, with a token whose first use lies at most ten seconds back: in true time, and by the clock of the
//!   instance that is asked, read against what the clock of the first use said. A session that ends because a clock ran
//!   ahead of the other, or was set ahead, between the two uses is what the contract says; it is counted apart. (A clock
//!   that runs a minute ahead may also end the window of a token that was first used by the other.) A careful owner is
//!   not signed out by clocks that differ by up to six seconds.
//! - **A thief is found** when the session has ended. It has to be, in every schedule in which, after the theft, a token
//!   came back more than ten seconds after its first use, on the clock of the instance that is asked, which never runs
//!   behind a first use recorded before. Most schedules with a thief end with both sides coming once more, more than ten
//!   seconds apart: whatever happened before, this has to end the session.
//! - Another session of the same user is never ended, each session that lives is one row with the counter of the newest
//!   token, one that ended is none, and nothing is left of a user who is deleted.

mod checks;
mod client;
mod figures;
mod ledger;
mod schedule;
mod service;
mod thief;

use fastrand::Rng;
use jwt::Timestamp;

pub use self::figures::Figures;
use self::schedule::Schedule;
use super::{Place, TestAuth, TestClock};
use crate::{Config, Error};

/// Two instances on one database, on which schedules run one after the other.
#[derive(Debug)]
pub struct Simulator {
    place: Place,
    instances: [TestAuth; 2],
}

/// What came of a schedule.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Outcome {
    /// What happened, counted.
    pub figures: Figures,
    /// The first promise that was not kept; the schedule went no further.
    pub violation: Option<String>,
    /// What happened, event by event, if that was asked for.
    pub trace: Vec<String>,
}

/// The seed of one schedule of a run.
#[must_use]
pub fn schedule_seed(run: u64, number: u64) -> u64 {
    // The distance is odd, so that no two schedules of a run share a seed; the generator mixes it.
    Rng::with_seed(run).u64(..).wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

impl Simulator {
    /// Starts both instances.
    ///
    /// # Errors
    /// Those of [`AuthBuilder::build`](crate::AuthBuilder::build).
    pub async fn new(place: &Place) -> Result<Self, Error> {
        let instances = [TestAuth::new(place).await?, TestAuth::new(place).await?];
        Ok(Self { place: place.clone(), instances })
    }

    /// Runs one schedule.
    pub async fn run(&mut self, seed: u64) -> Outcome {
        self.schedule(seed, None).await
    }

    /// Runs one schedule, and says what happened in it.
    pub async fn replay(&mut self, seed: u64) -> Outcome {
        self.schedule(seed, Some(Vec::new())).await
    }

    async fn schedule(&mut self, seed: u64, trace: Option<Vec<String>>) -> Outcome {
        match Schedule::begin(self, seed, trace).await {
            Ok(schedule) => schedule.run().await,
            Err(what) => Outcome { violation: Some(what), ..Outcome::default() },
        }
    }

    async fn restart(&mut self, instance: usize) -> Result<(), Error> {
        if let Some(stopped) = self.instances.get_mut(instance) {
            let clock = stopped.clock.clone();
            *stopped = TestAuth::on_clock(&self.place, Config::default(), clock).await?;
        }
        Ok(())
    }

    fn set_clock(&self, instance: usize, reading: i64) {
        let clock: &TestClock = &self.at(instance).clock;
        clock.set(Timestamp::new(reading));
    }

    fn at(&self, instance: usize) -> &TestAuth {
        let [first, second] = &self.instances;
        if instance == 0 { first } else { second }
    }
}
