//! An issuer's public keys, fetched and kept fresh: the verifier of another service's tokens.

mod fetch;

use std::{
    borrow::Cow,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use axum::http::request::Parts;
use jwt::{Jwks, Verifier};
use tokio::sync::Mutex;

use self::fetch::{Fetched, Source};
use crate::{Authenticate, Denied, Principal, Verdict, authenticate_bearer};

/// How long a key set that does not say so itself counts as fresh.
const FRESH: Duration = Duration::from_secs(600);
/// As long as a key set may say of itself that it is fresh; the cool-down is the shortest.
const FRESH_AT_MOST: Duration = Duration::from_secs(24 * 3600);
/// How long a key set goes on verifying while its issuer cannot be reached.
const STALE: Duration = Duration::from_secs(24 * 3600);
/// The least time between two fetches, unless another is set.
const COOL_DOWN: Duration = Duration::from_secs(10);

/// Verifies tokens of an issuer that publishes its keys (RFC 7517 §5), fetching them when needed.
///
/// The key set is fetched with the first token, again in the background when its `Cache-Control` says that
/// it is no longer fresh, and at once when a token names a key that is not in it; never more often than
/// every ten seconds, and never twice at the same time. While the issuer cannot be reached the last key set
/// goes on verifying for a day. Verifying takes no lock.
///
/// Keys come over `https`, or over `http` from loopback; redirects are not followed, and an answer is read
/// up to 256 KiB and five seconds. A key set with secret keys in it is refused: whoever publishes a secret
/// has none.
///
/// ```no_run
/// # extern crate jwt as countersign_jwt;
/// use countersign_guard::{Guard, RemoteKeys};
/// use countersign_jwt::{Jwks, Verifier};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let verifier = Verifier::new(Jwks::default()).issuer("countersign").audience("posts");
/// let keys = RemoteKeys::at("https://auth.example.com/.well-known/jwks.json", verifier)?;
/// let guard = Guard::new(keys);
/// # drop(guard);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RemoteKeys(Arc<Inner>);

struct Inner {
    source: Source,
    /// Everything a token must meet, without keys.
    rules: Verifier,
    /// The present key set; none before the first fetch.
    current: ArcSwapOption<Current>,
    /// Held by whoever fetches; says when the last try ended.
    fetching: Mutex<Option<Instant>>,
    cool_down: Duration,
}

struct Current {
    verifier: Verifier,
    fresh_until: Instant,
    stale_until: Instant,
}

/// Why an address cannot be used for keys, or why they could not be had from there.
#[derive(Debug, Clone, PartialEq)]
pub struct RemoteKeysError(Cow<'static, str>);

impl fmt::Display for RemoteKeysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RemoteKeysError {}

impl RemoteKeys {
    /// Takes the key set from this address; `verifier` says what else a token must meet, its own keys are
    /// not used.
    ///
    /// # Errors
    /// When the address is neither `https` nor loopback.
    pub fn at(address: &str, verifier: Verifier) -> Result<Self, RemoteKeysError> {
        Ok(Self::new(Source::keys(address)?, verifier))
    }

    /// Finds the key set by the issuer's metadata (OpenID Connect Discovery §4): `issuer` followed by
    /// `/.well-known/openid-configuration`. Tokens must name this issuer, and so must the metadata.
    ///
    /// # Errors
    /// When the address is neither `https` nor loopback.
    pub fn discover(issuer: &str, verifier: Verifier) -> Result<Self, RemoteKeysError> {
        Ok(Self::new(Source::issuer(issuer)?, verifier.issuer(issuer)))
    }

    fn new(source: Source, rules: Verifier) -> Self {
        Self(Arc::new(Inner {
            source,
            rules,
            current: ArcSwapOption::empty(),
            fetching: Mutex::new(None),
            cool_down: COOL_DOWN,
        }))
    }

    /// Sets the least time between two fetches, whatever makes the second one seem needed: 10 seconds by
    /// default. Until it has passed, a token that names an unknown key is refused without a fetch.
    #[must_use]
    pub fn cool_down(self, cool_down: Duration) -> Self {
        let Inner { source, rules, .. } = &*self.0;
        let (source, rules) = (source.clone(), rules.clone());
        Self(Arc::new(Inner {
            source,
            rules,
            current: ArcSwapOption::empty(),
            fetching: Mutex::new(None),
            cool_down,
        }))
    }

    /// Fetches the key set now, whatever is kept and however short ago that was: for a program that runs once.
    ///
    /// # Errors
    /// When it cannot be had, or cannot be used.
    pub async fn fetch(&self) -> Result<Jwks, RemoteKeysError> {
        let fetched = self.0.source.fetch().await;
        fetched
            .map(|fetched| fetched.keys)
            .map_err(|error| RemoteKeysError(error.to_string().into()))
    }

    async fn authenticate(&self, request: &Parts) -> Result<Option<Principal>, Denied> {
        // A request without a token must not make anybody fetch anything.
        if crate::bearer_token(request)?.is_none() {
            return Ok(None);
        }
        let current = match self.0.current.load_full() {
            Some(current) if Instant::now() < current.stale_until => current,
            _ => self.0.fetch().await.ok_or_else(Denied::keys_unavailable)?,
        };
        if current.fresh_until <= Instant::now() {
            self.refresh_in_background();
        }
        match authenticate_bearer(&current.verifier, request) {
            Err(denied) if denied.code() == jwt::Error::UnknownKey.code() => {
                // The key may be younger than the key set.
                match self.0.fetch().await {
                    Some(newer) if !Arc::ptr_eq(&newer, &current) => {
                        authenticate_bearer(&newer.verifier, request)
                    }
                    _ => Err(denied),
                }
            }
            verdict => verdict,
        }
    }

    fn refresh_in_background(&self) {
        let inner = Arc::clone(&self.0);
        // Nobody waits: one fetch is under way already, or this one is it.
        if inner.fetching.try_lock().is_ok_and(|last| inner.cooled_down(*last)) {
            tokio::spawn(async move { inner.fetch().await });
        }
    }
}

impl Inner {
    /// Fetches the key set, unless somebody just did, and returns the best there is.
    ///
    /// Whoever comes while a fetch is under way waits for it and shares its outcome.
    async fn fetch(&self) -> Option<Arc<Current>> {
        let asked = Instant::now();
        let mut last = self.fetching.lock().await;
        let shared = last.is_some_and(|ended| ended >= asked);
        if !shared && self.cooled_down(*last) {
            match self.source.fetch().await {
                Ok(fetched) => self.current.store(Some(Arc::new(self.take(fetched)))),
                // The last key set stays: an issuer that is down signs nobody out.
                Err(error) => tracing::warn!(%error, "the issuer's keys could not be fetched"),
            }
            *last = Some(Instant::now());
        }
        self.current.load_full().filter(|current| Instant::now() < current.stale_until)
    }

    fn cooled_down(&self, last: Option<Instant>) -> bool {
        last.is_none_or(|last| last.elapsed() >= self.cool_down)
    }

    fn take(&self, fetched: Fetched) -> Current {
        let now = Instant::now();
        let fresh = fetched.max_age.unwrap_or(FRESH).min(FRESH_AT_MOST).max(self.cool_down);
        Current {
            verifier: self.rules.clone().with_keys(fetched.keys),
            fresh_until: now + fresh,
            stale_until: now + fresh + STALE,
        }
    }
}

impl Authenticate for RemoteKeys {
    fn scheme(&self) -> Option<&'static str> {
        Some("Bearer")
    }

    fn authenticate<'a>(&'a self, request: &'a Parts) -> Verdict<'a> {
        Box::pin(RemoteKeys::authenticate(self, request))
    }
}

impl fmt::Debug for RemoteKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteKeys").field("source", &self.0.source).finish_non_exhaustive()
    }
}
