//! Keys: what signs the tokens, where it lies, what verifies them, and how one follows another.
//!
//! # The life of a key in the database
//!
//! ```text
//! pending  →  active  →  retiring  →  gone
//! ```
//!
//! - **pending**: it verifies and is published, and signs nothing yet. `keys.publish_ahead` (20 minutes) later every verifier
//!   that keeps the key set for as long as it may has it, and it becomes active.
//! - **active**: it signs. There is one at most. `keys.rotation` (30 days) later another takes its place.
//! - **retiring**: it signs no more, and verifies until the last token it signed has expired and `keys.retain` (one hour) has
//!   passed.
//! - **gone**: it verifies nothing. Its material is erased, its row stays for the list.
//!
//! Each arrow is one conditional step on the table (`storage.rs`), so that two instances, or one that does it again, change
//! nothing twice. One instance makes those that are due, as a job (`jobs`); every step writes an entry into the
//! feed of revocations, and every instance that reads it loads its ring anew (`ring.rs`). A restart in between finds
//! the table as it is and goes on.
//!
//! # Which algorithm
//!
//! The first start makes a key of `tokens.algorithm`, active at once. A start with another `tokens.algorithm` than the start
//! before it adds a pending key of that algorithm: the old one signs until that takes over. A rotation keeps the
//! algorithm of the newest key, whatever the settings of the instance that does it say: instances that differ for a
//! while, during a restart one by one, pull in one direction. So a `key rotate --algorithm` outlasts restarts too.
//!
//! # Files
//!
//! - A key of `keys.private_key_file` signs; else the first of `keys.secret_file`, if `tokens.algorithm` is of its family. All
//!   files verify. Who holds them decides when they change: nothing here rotates them.
//! - Where a file signs, the active key of the database retires, and pending ones stay pending: they verify and are published.
//! - An instance that starts without the file finds no active key in the database and makes one, active at once.
//! - A key may lie in both places, after an import: it is one key. So the way from a file into the database is to import
//!   it, to take it out of the settings, and to rotate; the way from the database to a file, or from one file to
//!   another, is to import the new one, to wait until it is known everywhere, and to name it in the settings.

pub(crate) mod derived;
mod files;
pub(crate) mod http;
mod ring;
mod seal;
mod service;
mod storage;
mod stored;
mod strength;

use std::{fmt, ops::Deref};

use jwt::{Algorithm, Timestamp};
use zeroize::Zeroizing;

use self::stored::Entry;
pub(crate) use self::{
    derived::ServerSecret,
    files::{check, check_all},
    ring::{Following, KeyRing, verifier},
    seal::{Masters, Material, STRONGER},
    service::STALE_IF_ERROR,
    storage::purge,
};
pub use self::{files::read_secret, service::Keys, strength::weakness};
use crate::{Auth, Error};

/// Where a key stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It verifies and is published, and signs later.
    Pending,
    /// It signs.
    Active,
    /// It signs no more, and verifies what it signed.
    Retiring,
    /// It is over.
    Gone,
}

impl State {
    /// Its name, as in lists.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.to_stored()
    }

    fn to_stored(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Retiring => "retiring",
            Self::Gone => "gone",
        }
    }

    /// A state that this version does not know is one in which nothing is believed.
    fn from_stored(text: &str) -> Self {
        match text {
            "pending" => Self::Pending,
            "active" => Self::Active,
            "retiring" => Self::Retiring,
            _ => Self::Gone,
        }
    }
}

/// Where a key lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the database, where it rotates.
    Database,
    /// In a file that the settings name.
    File,
}

impl Place {
    /// Its name, as in lists.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::File => "file",
        }
    }
}

/// A key as a list shows it: everything but the key itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The name by which tokens say who signed them.
    pub kid: String,
    /// The name of its algorithm.
    pub algorithm: String,
    /// Where it stands. One in a file that verifies only is retiring, without an end.
    pub state: State,
    /// Where it lies.
    pub place: Place,
    /// Whether it is encrypted under the master key.
    pub sealed: bool,
    /// When it was made or imported; not known of a file.
    pub created_at: Option<Timestamp>,
    /// When it signs for the first time, or did.
    pub active_at: Option<Timestamp>,
    /// When it signed for the last time.
    pub retired_at: Option<Timestamp>,
    /// When it is gone, or was.
    pub gone_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

impl From<Entry> for Key {
    fn from(entry: Entry) -> Self {
        Self {
            kid: entry.key.kid,
            algorithm: entry.key.algorithm,
            state: entry.state,
            place: Place::Database,
            sealed: entry.key.sealed,
            created_at: Some(entry.created_at),
            active_at: Some(entry.active_at),
            retired_at: entry.retired_at,
            gone_at: entry.gone_at,
            revoked_at: entry.revoked_at,
        }
    }
}

/// What the end of a key at once would mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consequences {
    /// The key as it is now.
    pub key: Key,
    /// Logins that may hold an access token of this key which has not expired: those that were begun before it signed for
    /// the last time, and that were begun or refreshed within the lifetime of an access token and since it signs. One
    /// that was refreshed after the key retired counts too, so these are as many or more than there are. They go on: a
    /// refresh gives each a token of another key.
    pub logins: u64,
    /// Until when a verifier outside of the installation may go on accepting tokens of this key from a key set that it
    /// keeps; `None` for a secret, which is never published, and which whoever holds it believes until told otherwise.
    pub cached_until: Option<Timestamp>,
}

/// A key on its way out: PEM, or the bytes of a secret. Wiped when dropped, and not shown by `Debug`.
pub struct Exported(Zeroizing<Vec<u8>>);

impl Deref for Exported {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Exported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Exported(…)")
    }
}

/// Makes a key that belongs to no installation: its kid, and PEM (PKCS#8) or the text of a secret.
///
/// # Errors
/// [`Error::Configuration`] when keys of this algorithm cannot be made here.
pub fn generate(algorithm: Algorithm) -> Result<(String, Exported), Error> {
    let key = stored::fresh(algorithm)?;
    let bytes = match key.expose_secret() {
        Some(secret) => secret.to_vec(),
        None => key.expose_pkcs8_pem().map_err(Error::internal)?.trim_end().as_bytes().to_vec(),
    };
    Ok((key.kid().unwrap_or_default().to_owned(), Exported(Zeroizing::new(bytes))))
}

impl Auth {
    fn own_keys(&self) -> Keys {
        self.keys().keys().with(self.by())
    }

    /// The keys of this installation: [`Keys::list`].
    ///
    /// # Errors
    /// Storage errors.
    pub async fn keys_list(&self) -> Result<Vec<Key>, Error> {
        self.own_keys().list().await
    }

    /// Rotates: [`Keys::rotate`].
    ///
    /// # Errors
    /// As there.
    pub async fn key_rotate(
        &self,
        algorithm: Option<Algorithm>,
        immediate: bool,
    ) -> Result<Key, Error> {
        let key = self.own_keys().rotate(algorithm, immediate).await?;
        self.keys().reload().await?;
        Ok(key)
    }

    /// What [`Auth::key_revoke`] would mean: [`Keys::consequences`].
    ///
    /// # Errors
    /// As there.
    pub async fn key_consequences(&self, kid: &str) -> Result<Consequences, Error> {
        self.own_keys().consequences(kid).await
    }

    /// Ends a key at once: [`Keys::revoke`]. In effect on this instance when it returns, and on the others within a
    /// second.
    ///
    /// # Errors
    /// As there.
    pub async fn key_revoke(&self, kid: &str) -> Result<Key, Error> {
        let key = self.own_keys().revoke(kid).await?;
        self.keys().reload().await?;
        Ok(key)
    }

    /// Takes in a key: [`Keys::import`].
    ///
    /// # Errors
    /// As there.
    pub async fn key_import(
        &self,
        text: &[u8],
        algorithm: Option<Algorithm>,
        immediate: bool,
    ) -> Result<Key, Error> {
        let key = self.own_keys().import(text, algorithm, immediate).await?;
        self.keys().reload().await?;
        Ok(key)
    }

    /// Hands out a key: [`Keys::export`].
    ///
    /// # Errors
    /// As there.
    pub async fn key_export(&self, kid: &str, private: bool) -> Result<Exported, Error> {
        self.own_keys().export(kid, private).await
    }
}
