//! The keys in the memory of an instance: replaced as a whole, read without a lock.

use std::{fmt, sync::Arc, time::Duration};

use arc_swap::{ArcSwap, Guard};
use jwt::{Jwks, SigningKey, Verifier, VerifyingKey};
use sha2::{Digest, Sha256};
use tokio::{
    sync::{Mutex, Notify},
    task::AbortHandle,
    time::{sleep, timeout},
};

use super::{Keys, ServerSecret, State};
use crate::{Clock, Error, config, jobs::Job, secret};

/// Keys are read anew at least this often, also when nobody says that they have changed.
const LOOK: Duration = Duration::from_secs(30);
/// A reading that went wrong is tried again after this long.
const AGAIN: Duration = Duration::from_millis(500);

/// The key that signs, and all that verify, at one moment.
#[derive(Debug)]
pub(crate) struct Ring {
    pub(crate) signing: SigningKey,
    pub(crate) verifier: Verifier,
    /// The key set as it is published: public keys only.
    pub(crate) published: String,
    /// Its strong validator (RFC 9110 §8.8.3).
    pub(crate) etag: String,
    /// Those of the database, opened.
    stored: Vec<SigningKey>,
}

/// The ring of an instance, kept up to date.
pub(crate) struct KeyRing {
    keys: Keys,
    ring: ArcSwap<Ring>,
    /// What verifies, but for its keys.
    verifier: Verifier,
    typ: String,
    /// Held while the keys are read, so that an older reading never replaces a newer one.
    reading: Mutex<()>,
    changed: Arc<Notify>,
}

impl KeyRing {
    /// Loads the keys of an installation, and its server secret; the first start makes them. `immediate` is whether a
    /// change of `tokens.algorithm` takes effect at once.
    ///
    /// # Errors
    /// [`Error::Configuration`] says which setting or file is wrong; storage errors.
    pub(crate) async fn open(
        keys: &Keys,
        tokens: &config::Tokens,
        clock: &Clock,
        immediate: bool,
    ) -> Result<(Arc<Self>, ServerSecret), Error> {
        let secret = keys.start(immediate).await?;
        let verifier = verifier(tokens, clock);
        let typ = tokens.typ.clone();
        let ring = read(keys, &verifier, &typ, None).await?;
        Ok((
            Arc::new(Self {
                keys: keys.clone(),
                ring: ArcSwap::from_pointee(ring),
                verifier,
                typ,
                reading: Mutex::default(),
                changed: Arc::default(),
            }),
            secret,
        ))
    }

    /// The keys of now.
    pub(crate) fn now(&self) -> Guard<Arc<Ring>> {
        self.ring.load()
    }

    /// The keys wherever they lie.
    pub(crate) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Whom the feed tells that they have changed.
    pub(crate) fn changed(&self) -> &Arc<Notify> {
        &self.changed
    }

    /// Reads the keys anew; what changed in the database is in effect here when this returns.
    pub(crate) async fn reload(&self) -> Result<(), Error> {
        let _reading = self.reading.lock().await;
        let known = self.ring.load_full();
        let ring = read(&self.keys, &self.verifier, &self.typ, Some(&known)).await?;
        if ring.signing.kid() != known.signing.kid() {
            tracing::info!(
                kid = ring.signing.kid(),
                algorithm = %ring.signing.algorithm(),
                "another key signs from now on"
            );
        }
        self.ring.store(Arc::new(ring));
        Ok(())
    }

    /// Follows changes until the handle is dropped.
    pub(crate) fn follow(self: &Arc<Self>) -> Following {
        let ring = Arc::clone(self);
        let follow = async move {
            loop {
                let _ = timeout(LOOK, ring.changed.notified()).await;
                while let Err(error) = ring.reload().await {
                    metrics::counter!("countersign_key_reload_failures_total").increment(1);
                    tracing::warn!(%error, "the keys could not be read");
                    sleep(AGAIN).await;
                }
            }
        };
        Following(tokio::spawn(follow).abort_handle())
    }

    /// The rotation of keys, as periodic work.
    pub(crate) fn job(self: &Arc<Self>) -> Job {
        let ring = Arc::clone(self);
        Job::new("keys", self.keys.every(), move || {
            let ring = Arc::clone(&ring);
            async move {
                if ring.keys.turn().await? {
                    ring.reload().await?;
                }
                Ok(())
            }
        })
    }
}

/// What an access token has to meet beside a key.
pub(crate) fn verifier(tokens: &config::Tokens, clock: &Clock) -> Verifier {
    let verifier = Verifier::new(Jwks::default())
        .issuer(&tokens.issuer)
        .audience(&tokens.audience)
        .leeway(tokens.leeway)
        .clock(clock.clone());
    // `JWT` is the type that may be left out; any other must be there.
    if tokens.typ == "JWT" { verifier } else { verifier.typ(&tokens.typ) }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing")
            .field("signing", &self.now().signing.kid())
            .finish_non_exhaustive()
    }
}

/// Ends with what holds it.
#[derive(Debug)]
pub(crate) struct Following(AbortHandle);

impl Drop for Following {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Reads the keys, and opens those that are not known yet. At a start, when none is known, each must open; later one that
/// does not is left out, and the others go on.
async fn read(
    keys: &Keys,
    verifier: &Verifier,
    typ: &str,
    known: Option<&Ring>,
) -> Result<Ring, Error> {
    let mut live = keys.live().await?;
    let signs_here = keys.files().signing.is_none();
    let known_signing = known.and_then(|ring| ring.signing.kid());
    let is_there = |state: Option<State>, live: &[super::stored::Entry]| {
        live.iter().any(|entry| match state {
            Some(state) => entry.state == state,
            None => Some(entry.key.kid.as_str()) == known_signing,
        })
    };
    // Where files sign on other instances no key is active. This one then signs on with the key it has, which the others
    // accept until it is gone.
    if signs_here && !is_there(Some(State::Active), &live) && !is_there(None, &live) {
        keys.make_wanted(true).await?;
        live = keys.live().await?;
    }
    let short = |entry: &super::stored::Entry| {
        entry.key.lifetime < keys.lifetime()
            && matches!(entry.state, State::Pending | State::Active)
    };
    if live.iter().any(short) {
        keys.outlive().await?;
    }

    let (mut stored, mut resealed, mut active) = (Vec::new(), Vec::new(), None);
    for entry in &live {
        let kid = Some(entry.key.kid.as_str());
        let opened = known.and_then(|ring| ring.stored.iter().find(|key| key.kid() == kid));
        let key = match opened.cloned().map(|key| Ok((key, None))) {
            Some(opened) => opened,
            None => entry.key.open(keys.masters()),
        };
        match (key, known) {
            (Ok((key, again)), _) => {
                resealed.extend(again);
                if entry.state == State::Active {
                    active = Some(key.clone());
                }
                stored.push(key);
            }
            (Err(error), None) => return Err(error),
            (Err(error), Some(_)) => tracing::error!(%error, "a key cannot be used here"),
        }
    }
    keys.reseal(resealed).await?;

    // The last is one that has been revoked here while its successor cannot be opened: it verifies nothing any more.
    let signing = keys.files().signing.clone().or(active);
    let signing = signing
        .or_else(|| known.map(|ring| ring.signing.clone()))
        .ok_or_else(|| Error::Configuration("there is no key to sign with".to_owned()))?
        .with_typ(typ);
    let mut verifying: Vec<VerifyingKey> = Vec::new();
    for key in keys.files().all().chain(&stored) {
        if verifying.iter().all(|other| other.kid() != key.kid()) {
            verifying.push(key.verifying_key());
        }
    }
    // Most tokens are of the key that signs: it is looked at first.
    verifying.sort_by_key(|key| key.kid() != signing.kid());
    let verifying = Jwks::new(verifying).map_err(Error::internal)?;
    let published = verifying.to_json();
    Ok(Ring {
        etag: format!("\"{}\"", secret::hex(&Sha256::digest(&published))),
        published,
        verifier: verifier.clone().with_keys(verifying),
        signing,
        stored,
    })
}
