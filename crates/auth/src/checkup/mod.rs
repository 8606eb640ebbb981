//! What can be found out about an installation without changing it: for a command that looks for what is wrong.
//!
//! [`Checkup`] reads the database, beside the servers that may run on it. [`Probe`] asks a server what it sees of a
//! request, on whatever way the request came.

mod files;
pub(crate) mod http;
mod probe;
mod storage;

use std::{fmt, sync::Arc, time::Duration};

use jwt::Timestamp;

pub use self::{
    files::{FileFault, file_faults},
    probe::{Asked, PROBE_HEADER, PROBE_PATH, Probe, Seen},
};
pub use crate::webhooks::ATTEMPTS;
use crate::{
    Clock, Error, Ids,
    audit::{self, By, Chain},
    auth::MIGRATIONS,
    config::Config,
    keys::{Key, Keys},
    storage::{Condition, Db, Engine},
    users::{self, Email},
    webhooks::storage::deliveries_found,
};

/// A look at an installation that changes nothing: [`AuthBuilder::checkup`](crate::AuthBuilder::checkup).
pub struct Checkup {
    config: Config,
    db: Db,
    clock: Clock,
}

/// The keys of an installation, and what is wrong with them.
#[derive(Debug, Clone)]
pub struct KeysFound {
    /// All of them: [`Keys::list`].
    pub all: Vec<Key>,
    /// HS* secrets in the database that can be guessed: the kid, and why.
    pub weak: Vec<(String, &'static str)>,
    /// Whether the server secret is sealed; `None` where there is none yet.
    pub server_secret_sealed: Option<bool>,
    /// Why a server with these settings could not use the keys or the server secret.
    pub trouble: Option<String>,
}

/// What the audit log tells of the servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogFound {
    /// When the newest event was, by the clock of who wrote it.
    pub newest: Option<Timestamp>,
    /// When the oldest event was that is not sealed yet.
    pub oldest_unsealed: Option<Timestamp>,
    /// Whether the record of where the chain begins and ends is what was sealed.
    pub head_is_sound: bool,
}

/// Events that are owed to the receiver of webhooks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeliveriesFound {
    /// How many there are.
    pub waiting: u64,
    /// Since when the oldest waits.
    pub oldest: Option<Timestamp>,
    /// When the next one is to be sent; long ago where no server sends.
    pub due: Option<Timestamp>,
    /// How many of them the receiver has refused at least once.
    pub refused: u64,
    /// How often the one was tried in vain that was tried the most; after [`ATTEMPTS`] it is dropped.
    pub attempts: u64,
}

/// The clock of the database server beside that of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockDifference {
    /// How many milliseconds the clock of this machine is ahead; less than nothing where it is behind.
    pub ahead: i64,
    /// By how much that may be wrong: the time that the question took.
    pub round_trip: Duration,
}

impl Checkup {
    pub(crate) fn new(config: Config, db: Db, clock: Clock) -> Self {
        Self { config, db, clock }
    }

    /// Which engine the database is.
    #[must_use]
    pub fn engine(&self) -> Engine {
        self.db.engine()
    }

    /// How the tables stand against what this version knows. Everything below wants [`Condition::Current`].
    ///
    /// # Errors
    /// Storage errors.
    pub async fn tables(&self) -> Result<Condition, Error> {
        Ok(self.db.condition(MIGRATIONS).await?)
    }

    /// How far the clock of this machine is from that of the database server; `None` where it has none of its own.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn clock_difference(&self) -> Result<Option<ClockDifference>, Error> {
        // The first question may have to wait for a connection.
        self.db.ping().await?;
        let before = self.clock.unix_millis();
        let server = self.db.server_millis().await?;
        let after = self.clock.unix_millis();
        let trip = after.saturating_sub(before);
        let middle = i64::try_from(before.saturating_add(trip / 2)).unwrap_or(i64::MAX);
        Ok(server.map(|server| ClockDifference {
            ahead: middle.saturating_sub(server),
            round_trip: Duration::from_millis(trip),
        }))
    }

    /// The keys, in files and in the database.
    ///
    /// # Errors
    /// [`Error::Configuration`] when a file of the settings cannot be read; storage errors.
    pub async fn keys(&self) -> Result<KeysFound, Error> {
        let keys = self.own_keys()?;
        let all = keys.list().await?;
        let server_secret_sealed = keys.secret_is_sealed().await?;
        let (trouble, weak) = match keys.open_all().await {
            Ok(weak) => (None, weak),
            Err(Error::Configuration(why)) => (Some(why), Vec::new()),
            Err(error) => return Err(error),
        };
        Ok(KeysFound { all, weak, server_secret_sealed, trouble })
    }

    /// What the audit log tells.
    ///
    /// # Errors
    /// [`Error::Configuration`] when the server secret cannot be opened; storage errors.
    pub async fn log(&self) -> Result<LogFound, Error> {
        let head_is_sound = match self.own_keys()?.secret().await? {
            Some(secret) => audit::head_is_sound(&self.db, &Chain::new(&secret)?).await?,
            None => true,
        };
        Ok(LogFound {
            newest: storage::newest_event(&self.db).await?.map(Timestamp::new),
            oldest_unsealed: storage::oldest_unsealed(&self.db).await?.map(Timestamp::new),
            head_is_sound,
        })
    }

    /// What is owed to the receiver of webhooks. What was given up is not in it: servers drop it, and log that they do.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn deliveries(&self) -> Result<DeliveriesFound, Error> {
        deliveries_found(&self.db).await
    }

    /// Until when some server has taken on work: one that runs renews it every few minutes. `None` where none ever did.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn work_taken_until(&self) -> Result<Option<Timestamp>, Error> {
        Ok(storage::work_taken_until(&self.db).await?.map(Timestamp::new))
    }

    /// Says whether somebody can log in under this address.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn can_log_in(&self, email: &Email) -> Result<bool, Error> {
        let user = users::storage::user_by_email(&self.db, email).await?;
        Ok(user.is_some_and(|user| !user.disabled))
    }

    /// The way to ask a server of this installation what it sees; `None` where none has been started yet.
    ///
    /// # Errors
    /// [`Error::Configuration`] when the server secret cannot be opened; storage errors.
    pub async fn probe(&self) -> Result<Option<Probe>, Error> {
        self.own_keys()?.secret().await?.map(|secret| Probe::new(&secret)).transpose()
    }

    /// Lets go of the database.
    pub async fn close(self) {
        self.db.close().await;
    }

    fn own_keys(&self) -> Result<Keys, Error> {
        let ids = Ids::new(self.clock.clone());
        Keys::new(&self.config, &self.db, &self.clock, &ids, &Arc::new(By::default()))
    }
}

impl fmt::Debug for Checkup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Checkup")
    }
}
