//! What can be done with the keys of an installation, from within an instance or beside it.

use std::{fmt, sync::Arc, time::Duration};

use jwt::{Algorithm, Jwks, SigningKey, Timestamp, VerifyingKey};
use zeroize::Zeroizing;

use super::{
    Consequences, Exported, Key, Masters, Place, ServerSecret, State,
    files::{self, Files},
    storage::{self, Cause, Pace},
    stored::{Entry, StoredKey, fresh},
};
use crate::{
    Clock, Error, Ids,
    audit::{Act, Actor, By, Scribe, storage::record_alone},
    config::Config,
    sessions::seconds,
    storage::Db,
};

/// Verifiers elsewhere may use a key set that they cannot fetch anew for this long (RFC 5861 §4).
pub(crate) const STALE_IF_ERROR: Duration = Duration::from_secs(86_400);
/// And keep one that they have fetched for this long, where keys are published twice as long before they sign.
const LONGEST_MAX_AGE: Duration = Duration::from_secs(600);

/// The keys of an installation: those in its database and those in the files of its settings.
///
/// An [`Auth`](crate::Auth) has its own, and follows every change within a second. [`AuthBuilder::keys`] makes one beside
/// the instances that run, for a command line.
///
/// [`AuthBuilder::keys`]: crate::AuthBuilder::keys
#[derive(Clone)]
pub struct Keys {
    parts: Arc<Parts>,
    by: Arc<By>,
}

struct Parts {
    db: Db,
    clock: Clock,
    ids: Ids,
    masters: Masters,
    files: Files,
    /// That of the settings.
    algorithm: Algorithm,
    lifetime: Duration,
    ahead: Duration,
    retain: Duration,
    rotation: Duration,
}

impl Keys {
    pub(crate) fn new(
        config: &Config,
        db: &Db,
        clock: &Clock,
        ids: &Ids,
        by: &Arc<By>,
    ) -> Result<Self, Error> {
        let parts = Parts {
            db: db.clone(),
            clock: clock.clone(),
            ids: ids.clone(),
            masters: Masters::read(&config.keys)?,
            files: files::read(config)?,
            algorithm: config.tokens.algorithm,
            lifetime: config.tokens.access_lifetime,
            ahead: config.keys.publish_ahead,
            retain: config.keys.retain,
            rotation: config.keys.rotation,
        };
        Ok(Self { parts: Arc::new(parts), by: Arc::clone(by) })
    }

    /// The same keys on somebody else's behalf.
    pub(crate) fn with(&self, by: &Arc<By>) -> Self {
        Self { parts: Arc::clone(&self.parts), by: Arc::clone(by) }
    }

    fn scribe(&self) -> Scribe {
        Scribe::new(&self.parts.ids, self.parts.clock.now(), Arc::clone(&self.by))
    }

    /// Records what an instance does by itself.
    fn scribe_of_server(&self) -> Scribe {
        let by = Arc::new(By::actor(Actor::Server));
        Scribe::new(&self.parts.ids, self.parts.clock.now(), by)
    }

    /// All keys that are known, the one that signs last first; those in files before those in the database.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn list(&self) -> Result<Vec<Key>, Error> {
        let mut entries = self.entries().await?;
        let mut keys = Vec::new();
        for key in self.parts.files.all() {
            let kid = key.kid().unwrap_or_default();
            // A key may lie in both places; the file is then the one that counts.
            let also = entries.extract_if(.., |entry| entry.key.kid == kid).next();
            let signs = self.signing_file().and_then(SigningKey::kid) == Some(kid);
            keys.push(Key {
                kid: kid.to_owned(),
                algorithm: key.algorithm().name().to_owned(),
                state: if signs { State::Active } else { State::Retiring },
                place: Place::File,
                sealed: false,
                created_at: also.as_ref().map(|entry| entry.created_at),
                active_at: None,
                retired_at: None,
                gone_at: None,
                revoked_at: None,
            });
        }
        keys.extend(entries.into_iter().map(Key::from));
        Ok(keys)
    }

    /// Rotates: makes a key that waits and signs when it has been published for long enough, or one that signs at once,
    /// for which the one that waits is taken if there is one. The algorithm is that of the newest key unless another is
    /// named. Returns the key; where one of the algorithm waits already, that one.
    ///
    /// # Errors
    /// [`Error::KeyInFile`] where a key in a file signs; [`Error::Configuration`] when this master key is not that of the
    /// installation; storage errors.
    pub async fn rotate(
        &self,
        algorithm: Option<Algorithm>,
        immediate: bool,
    ) -> Result<Key, Error> {
        if self.signing_file().is_some() {
            return Err(Error::KeyInFile);
        }
        self.agree().await?;
        let newest = self.newest().await?.and_then(|entry| entry.key.algorithm.parse().ok());
        let algorithm = algorithm.or(newest).unwrap_or(self.parts.algorithm);
        let kid = self.add(algorithm, Cause::Request { immediate }, self.scribe()).await?;
        tracing::info!(%kid, %algorithm, immediate, "key rotated");
        self.find(&kid).await
    }

    /// What an end of this key at once would mean.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::KeyInFile`] for one that is not in the database; storage errors.
    pub async fn consequences(&self, kid: &str) -> Result<Consequences, Error> {
        let key = self.find(kid).await?;
        if key.place == Place::File {
            return Err(Error::KeyInFile);
        }
        let entries = self.entries().await?;
        let entry = entries.iter().find(|entry| entry.key.kid == kid).ok_or(Error::NotFound)?;
        let now = self.parts.clock.now();
        let lifetime = entry.key.lifetime.max(seconds(self.parts.lifetime)).unsigned_abs();
        let alive_since = now.saturating_sub(Duration::from_secs(lifetime));
        let until = entry.retired_at.unwrap_or(Timestamp::new(i64::MAX));
        let has_signed = matches!(entry.state, State::Active | State::Retiring);
        let since = entry.active_at.max(alive_since);
        let logins = if has_signed && until >= alive_since {
            storage::logins_between(&self.parts.db, now, since, until).await?
        } else {
            0
        };
        let is_public = key.algorithm.parse().is_ok_and(|named: Algorithm| !named.is_symmetric());
        let published = is_public && key.state != State::Gone;
        let cached_until = now.saturating_add(self.max_age()).saturating_add(STALE_IF_ERROR);
        Ok(Consequences { key, logins, cached_until: published.then_some(cached_until) })
    }

    /// Ends a key at once: no token that it signed is good from now on, on any instance. Where it signs, a fresh one of its
    /// algorithm does from now on. Its material is erased, and it never comes back.
    ///
    /// Logins live on: a refresh token is none of the key's, and gets a token of the new one. Returns what it was.
    ///
    /// # Errors
    /// As [`Keys::consequences`]; [`Error::Configuration`] when this master key is not that of the installation.
    pub async fn revoke(&self, kid: &str) -> Result<Key, Error> {
        let key = self.find(kid).await?;
        if key.place == Place::File {
            return Err(Error::KeyInFile);
        }
        if key.state == State::Gone {
            return Ok(key);
        }
        self.agree().await?;
        let algorithm = key.algorithm.parse().unwrap_or(self.parts.algorithm);
        let fresh = self.row(&make(algorithm).await?)?;
        storage::key_revoke(&self.parts.db, kid.to_owned(), fresh, self.pace(), self.scribe())
            .await?;
        tracing::warn!(%kid, "key revoked: its tokens are refused from now on");
        Ok(key)
    }

    /// Takes in a private key as PEM, or an HS* secret as its bytes, of this algorithm or of the first that fits. It waits,
    /// published and verifying, and signs when that has been long enough; or signs at once.
    ///
    /// # Errors
    /// [`Error::KeyRefused`]; [`Error::KeyExists`] also for one that was here and is gone; [`Error::KeyInFile`] for one
    /// that is to sign at once where a key in a file signs; [`Error::Configuration`] when this master key is not that of
    /// the installation; storage errors.
    pub async fn import(
        &self,
        text: &[u8],
        algorithm: Option<Algorithm>,
        immediate: bool,
    ) -> Result<Key, Error> {
        let key = parse(text, algorithm)?.with_derived_kid();
        let kid = key.kid().unwrap_or_default().to_owned();
        let signs = self.signing_file();
        if immediate && signs.is_some_and(|file| file.kid() != Some(&kid)) {
            return Err(Error::KeyInFile);
        }
        self.agree().await?;
        storage::key_import(&self.parts.db, self.row(&key)?, immediate, self.pace(), self.scribe())
            .await?;
        tracing::info!(%kid, algorithm = %key.algorithm(), immediate, "key imported");
        self.find(&kid).await
    }

    /// The public half of a key as PEM, or all of it: a private key as PEM (PKCS#8), an HS* secret as its bytes.
    ///
    /// # Errors
    /// [`Error::NotFound`], also for one that is gone; [`Error::KeyRefused`] for the public half of a secret;
    /// [`Error::Configuration`] when it is sealed under another master key; storage errors.
    pub async fn export(&self, kid: &str, private: bool) -> Result<Exported, Error> {
        let file = self.parts.files.all().find(|key| key.kid() == Some(kid)).cloned();
        let key = match file {
            Some(key) => key,
            None => {
                let entries = self.entries().await?;
                let live = |entry: &&Entry| entry.key.kid == kid && entry.state != State::Gone;
                entries.iter().find(live).ok_or(Error::NotFound)?.key.open(&self.parts.masters)?.0
            }
        };
        if private {
            let act = Act::KeyExported { kid: kid.to_owned() };
            record_alone(&self.parts.db, self.scribe(), None, None, act).await?;
        }
        let refuse = |error: jwt::Error| Error::KeyRefused(error.to_string());
        let bytes = match (key.expose_secret(), private) {
            (Some(secret), true) => Zeroizing::new(secret.to_vec()),
            (Some(_), false) => {
                return Err(Error::KeyRefused("a secret has no public half".to_owned()));
            }
            (None, true) => {
                let pem = key.expose_pkcs8_pem().map_err(refuse)?;
                Zeroizing::new(pem.trim_end().as_bytes().to_vec())
            }
            (None, false) => {
                let pem = key.verifying_key().to_spki_pem().map_err(refuse)?;
                Zeroizing::new(pem.trim_end().as_bytes().to_vec())
            }
        };
        Ok(Exported(bytes))
    }

    /// The server's secret, where there is one yet. Reads it, and changes nothing.
    ///
    /// # Errors
    /// As [`verifying`](Self::verifying).
    pub(crate) async fn secret(&self) -> Result<Option<ServerSecret>, Error> {
        let stored = storage::server_secret(&self.parts.db).await?;
        stored.map(|stored| ServerSecret::of(&stored, &self.parts.masters)).transpose()
    }

    /// Says whether the server's secret is sealed, where there is one yet.
    pub(crate) async fn secret_is_sealed(&self) -> Result<Option<bool>, Error> {
        Ok(storage::server_secret(&self.parts.db).await?.map(|stored| stored.sealed))
    }

    /// Opens all that a start would open, and returns the kids of secrets in the database that can be guessed, with why.
    /// Reads, and changes nothing.
    ///
    /// # Errors
    /// As [`verifying`](Self::verifying).
    pub(crate) async fn open_all(&self) -> Result<Vec<(String, &'static str)>, Error> {
        self.secret().await?;
        let mut weak = Vec::new();
        for entry in self.live().await? {
            let (key, _) = entry.key.open(self.masters())?;
            if let Some(why) = key.expose_secret().and_then(super::weakness) {
                weak.push((entry.key.kid, why));
            }
        }
        Ok(weak)
    }

    /// All keys that verify now, those in files first. Reads them, and changes nothing.
    ///
    /// # Errors
    /// [`Error::Configuration`] when one cannot be opened with the master key of the settings; storage errors.
    pub(crate) async fn verifying(&self) -> Result<Jwks, Error> {
        let mut all: Vec<VerifyingKey> =
            self.files().all().map(SigningKey::verifying_key).collect();
        for entry in self.live().await? {
            let key = entry.key.open(self.masters())?.0.verifying_key();
            if all.iter().all(|other| other.kid() != key.kid()) {
                all.push(key);
            }
        }
        Jwks::new(all).map_err(Error::internal)
    }

    /// Makes the motions that are due, and a key for the next rotation in time; says whether anything changed.
    pub(crate) async fn turn(&self) -> Result<bool, Error> {
        let signing = self.signing_file().and_then(SigningKey::kid).map(str::to_owned);
        let signs = signing.is_none();
        let mut turned = match signing {
            Some(signing) => {
                storage::keys_step_back(
                    &self.parts.db,
                    signing,
                    self.pace(),
                    self.scribe_of_server(),
                )
                .await?
            }
            None => false,
        };
        turned |=
            storage::keys_turn(&self.parts.db, signs, self.pace(), self.scribe_of_server()).await?;
        let entries = self.entries().await?;
        let waits = entries.iter().any(|entry| entry.state == State::Pending);
        let active = entries.iter().find(|entry| entry.state == State::Active);
        let Some(active) = active.filter(|_| signs && !waits) else { return Ok(turned) };
        let at = active.active_at.saturating_add(self.parts.rotation);
        if self.parts.clock.now().saturating_add(self.parts.ahead) < at {
            return Ok(turned);
        }
        // That of the newest key: instances whose settings differ for a while do not pull in two directions.
        let algorithm = active.key.algorithm.parse().unwrap_or(self.parts.algorithm);
        let kid = self.add(algorithm, Cause::Age { at }, self.scribe_of_server()).await?;
        tracing::info!(%kid, %algorithm, "a key waits to sign");
        Ok(true)
    }

    /// Opens all keys and the server secret, makes what a first start or a change of the settings asks for, and seals
    /// anew what is not sealed under the master key of today. A wrong master key is noticed before anything is written.
    pub(super) async fn start(&self, immediate: bool) -> Result<ServerSecret, Error> {
        let (secret, again) = ServerSecret::open(&self.parts.db, &self.parts.masters).await?;
        let mut resealed = Vec::from_iter(again);
        for entry in self.live().await? {
            resealed.extend(entry.key.open(&self.parts.masters)?.1);
        }
        storage::reseal(&self.parts.db, resealed, self.scribe_of_server()).await?;
        match self.signing_file() {
            Some(signing) => {
                let signing = signing.kid().unwrap_or_default().to_owned();
                storage::keys_step_back(
                    &self.parts.db,
                    signing,
                    self.pace(),
                    self.scribe_of_server(),
                )
                .await?;
            }
            None => self.make_wanted(immediate).await?,
        }
        self.outlive().await?;
        Ok(secret)
    }

    /// Makes a key where none signs, or where the setting names another algorithm than at the start before.
    pub(super) async fn make_wanted(&self, immediate: bool) -> Result<(), Error> {
        let algorithm = self.parts.algorithm;
        if storage::key_wanted(&self.parts.db, algorithm.name()).await? {
            self.add(algorithm, Cause::Start { immediate }, self.scribe_of_server()).await?;
        }
        Ok(())
    }

    /// Notes in the database how long the tokens live that this instance makes.
    pub(super) async fn outlive(&self) -> Result<(), Error> {
        storage::keys_outlive(&self.parts.db, seconds(self.parts.lifetime)).await
    }

    /// The keys that verify.
    pub(super) async fn live(&self) -> Result<Vec<Entry>, Error> {
        let mut entries = self.entries().await?;
        entries.retain(|entry| entry.state != State::Gone);
        Ok(entries)
    }

    pub(super) fn masters(&self) -> &Masters {
        &self.parts.masters
    }

    pub(super) fn files(&self) -> &Files {
        &self.parts.files
    }

    pub(super) fn lifetime(&self) -> i64 {
        seconds(self.parts.lifetime)
    }

    pub(super) async fn reseal(&self, resealed: Vec<super::stored::Resealed>) -> Result<(), Error> {
        storage::reseal(&self.parts.db, resealed, self.scribe_of_server()).await
    }

    /// How long verifiers elsewhere may keep the key set: half as long as a key is published before it signs at most, so
    /// that every one of them has fetched it by then.
    pub(crate) fn max_age(&self) -> Duration {
        (self.parts.ahead / 2).min(LONGEST_MAX_AGE)
    }

    /// So often what is due is looked for: twenty times while a key waits.
    pub(super) fn every(&self) -> Duration {
        (self.parts.ahead / 20).clamp(Duration::from_millis(200), Duration::from_secs(60))
    }

    /// The key that signs, where that is one in a file.
    fn signing_file(&self) -> Option<&SigningKey> {
        self.parts.files.signing.as_ref()
    }

    async fn entries(&self) -> Result<Vec<Entry>, Error> {
        storage::keys_all(&self.parts.db).await
    }

    /// The key that is to sign last.
    async fn newest(&self) -> Result<Option<Entry>, Error> {
        let waits = |entry: &Entry| matches!(entry.state, State::Pending | State::Active);
        Ok(self.entries().await?.into_iter().find(waits))
    }

    async fn find(&self, kid: &str) -> Result<Key, Error> {
        self.list().await?.into_iter().find(|key| key.kid == kid).ok_or(Error::NotFound)
    }

    async fn add(
        &self,
        algorithm: Algorithm,
        cause: Cause,
        scribe: Scribe,
    ) -> Result<String, Error> {
        let row = self.row(&make(algorithm).await?)?;
        storage::key_add(&self.parts.db, row, cause, self.pace(), scribe).await
    }

    fn row(&self, key: &SigningKey) -> Result<StoredKey, Error> {
        StoredKey::new(key, self.lifetime(), &self.parts.masters)
    }

    fn pace(&self) -> Pace {
        Pace {
            now: self.parts.clock.now(),
            ahead: seconds(self.parts.ahead),
            retain: seconds(self.parts.retain),
        }
    }

    /// Refuses to add a key that the instances could not open, or that would lie plain among sealed ones.
    async fn agree(&self) -> Result<(), Error> {
        if let Some(secret) = storage::server_secret(&self.parts.db).await? {
            secret.open(&self.parts.masters)?;
            if !secret.sealed && self.parts.masters.is_set() {
                return Err(Error::Configuration(
                    "the installation runs without a master key: start its instances with this one first".to_owned(),
                ));
            }
        }
        for entry in self.live().await? {
            entry.key.open(&self.parts.masters)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys")
    }
}

/// Makes a key beside the threads that serve requests: one for RSA takes a good part of a second, and more at times.
async fn make(algorithm: Algorithm) -> Result<SigningKey, Error> {
    tokio::task::spawn_blocking(move || fresh(algorithm)).await.map_err(Error::internal)?
}

/// Reads a private key as PEM, or the bytes of a secret where an HS* algorithm is named.
fn parse(text: &[u8], algorithm: Option<Algorithm>) -> Result<SigningKey, Error> {
    let refuse = |error: jwt::Error| Error::KeyRefused(error.to_string());
    if let Some(algorithm) = algorithm.filter(|algorithm| algorithm.is_symmetric()) {
        let secret = text.strip_suffix(b"\n").unwrap_or(text);
        if let Some(why) = super::weakness(secret) {
            return Err(Error::KeyRefused(format!("the secret is weak: {why}")));
        }
        return SigningKey::from_secret(algorithm, secret).map_err(refuse);
    }
    let pem = str::from_utf8(text).map_err(|_| refuse(jwt::Error::KeyMalformed("not text")))?;
    let Some(algorithm) = algorithm else {
        // An RSA key could be for several; RS256 is what every verifier knows.
        let pairs = Algorithm::ALL.iter().filter(|algorithm| !algorithm.is_symmetric());
        let mut refusal = jwt::Error::KeyMismatch;
        for algorithm in pairs {
            match SigningKey::from_pem(*algorithm, pem) {
                Ok(key) => return Ok(key),
                Err(jwt::Error::KeyMismatch) => {}
                Err(error) => refusal = error,
            }
        }
        return Err(refuse(refusal));
    };
    SigningKey::from_pem(algorithm, pem).map_err(refuse)
}
