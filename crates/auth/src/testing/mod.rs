//! For tests: a database of one's own on either engine, a clock to set, a ready installation, a mail
//! server, a receiver of webhooks, the promises of storage, and the simulator of refreshes.

pub mod accounts;
pub mod admin;
pub mod checkup;
mod clock;
pub mod conformance;
pub mod console;
pub mod copies;
pub mod imports;
pub mod jobs;
pub mod keys;
mod letters;
pub mod limits;
pub mod logins;
pub mod mail;
mod place;
pub mod post_office;
pub mod receiver;
pub mod simulator;
pub mod webhooks;
pub mod work;

pub use self::{
    clock::TestClock,
    place::{Place, administer, open},
};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::{
    Auth, Clock, Config, Error, Ids,
    audit::{Act, Failure, Scribe},
    limits::Refusal,
    secret::hex,
    storage::Db,
    users::{self, User},
};

/// A password that meets the rules.
pub const PASSWORD: &str = "four unrelated gravel words";

/// The 64 hex digits of a master key that is good enough, another one for each number.
#[must_use]
pub fn master_key(number: u8) -> String {
    hex(&Sha256::digest([number]))
}

/// An installation on a clock that stands still until it is moved.
#[derive(Debug, Clone)]
pub struct TestAuth {
    /// The installation.
    pub auth: Auth,
    /// Its clock.
    pub clock: TestClock,
}

impl TestAuth {
    /// An installation with these settings on this database, whose letters are kept.
    ///
    /// # Errors
    /// Those of [`AuthBuilder::build`](crate::AuthBuilder::build).
    pub async fn with(place: &Place, config: Config) -> Result<Self, Error> {
        Self::on_clock(place, config, TestClock::default()).await
    }

    /// An installation with these settings on this database, on a clock that others may have too.
    ///
    /// # Errors
    /// Those of [`AuthBuilder::build`](crate::AuthBuilder::build).
    pub async fn on_clock(place: &Place, config: Config, clock: TestClock) -> Result<Self, Error> {
        let builder = Auth::builder(config).db(place.db.clone()).keep_mail();
        let auth = builder.clock(Clock::new(clock.clone())).build().await?;
        Ok(Self { auth, clock })
    }

    /// An installation with the default settings on this database.
    ///
    /// # Errors
    /// Those of [`AuthBuilder::build`](crate::AuthBuilder::build).
    pub async fn new(place: &Place) -> Result<Self, Error> {
        Self::with(place, Config::default()).await
    }
}

/// Records on nobody's behalf, now by this machine's clock.
pub(crate) fn scribe() -> Scribe {
    let clock = Clock::system();
    Scribe::new(&Ids::new(clock.clone()), clock.now(), Arc::default())
}

/// What is recorded of an attempt at an account that there is not.
pub(crate) fn refusal() -> Refusal {
    let act = Act::LoginFailed { reason: Failure::AccountUnknown };
    Refusal { scribe: scribe(), user: None, act }
}

/// Puts an account into the table as it is.
pub(crate) async fn user_add(db: &Db, user: &User, hash: String) -> Result<(), Error> {
    users::storage::user_create(db, user, hash, scribe(), Act::UserRegistered).await
}
