//! What a token says: the registered claims (RFC 7519 §4.1) and those of the application.

use std::{slice, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    Clock as _, Error, SystemClock, Timestamp,
    registered::Registered,
    scan,
    ser::{Failure, Merge, Object},
};

/// The claims of a token to be signed: registered ones set by name, and custom ones as any type that serializes as an
/// object.
///
/// The members of the custom type stand beside the registered claims in one JSON object. A name that would stand twice
/// is refused when signing, and so are numbers that are not finite and times that could never be accepted. Use `()` for
/// no custom claims.
///
/// ```
/// use std::time::Duration;
/// use countersign_jwt::Claims;
/// use serde::Serialize;
///
/// #[derive(Serialize)]
/// struct Access<'a> {
///     roles: &'a [&'a str],
/// }
///
/// let claims = Claims::new(Access { roles: &["user"] })
///     .issuer("https://example.com")
///     .subject("alice")
///     .audience("posts")
///     .expires_in(Duration::from_secs(600));
/// # let key = countersign_jwt::SigningKey::generate(countersign_jwt::Algorithm::Hs256)?;
/// # key.sign(&claims)?;
/// # Ok::<(), countersign_jwt::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Claims<T> {
    custom: T,
    issuer: Option<String>,
    subject: Option<String>,
    audience: Audience,
    lifetime: Option<Duration>,
    expires_at: Option<Timestamp>,
    not_before: Option<Timestamp>,
    issued_at: Timestamp,
    /// Set by name, rather than taken from the clock; then custom claims may not give another.
    issued_at_set: bool,
    id: Option<String>,
    pub(crate) never_expires: bool,
}

impl<T> Claims<T> {
    /// Starts with the custom claims, issued now by the clock of the operating system.
    pub fn new(custom: T) -> Self {
        Self::at(custom, SystemClock.now())
    }

    /// Starts with the custom claims, issued at a given time.
    ///
    /// This is what a program with a [`Clock`](crate::Clock) of its own calls, as `Claims::at(custom, clock.now())`.
    ///
    /// ```
    /// use std::time::Duration;
    /// use countersign_jwt::{Claims, Clock, Timestamp};
    ///
    /// let clock = Timestamp::new(1_800_000_000); // stands still, for a test
    /// let claims = Claims::at((), clock.now()).expires_in(Duration::from_secs(600));
    /// # let key = countersign_jwt::SigningKey::generate(countersign_jwt::Algorithm::Hs256)?;
    /// let verifier = countersign_jwt::Verifier::new(key.verifying_key()).clock(clock);
    /// let verified = verifier.verify::<()>(&key.sign(&claims)?)?;
    /// assert_eq!(verified.issued_at(), Some(clock));
    /// # Ok::<(), countersign_jwt::Error>(())
    /// ```
    pub fn at(custom: T, now: Timestamp) -> Self {
        Self {
            custom,
            issuer: None,
            subject: None,
            audience: Audience::default(),
            lifetime: None,
            expires_at: None,
            not_before: None,
            issued_at: now,
            issued_at_set: false,
            id: None,
            never_expires: false,
        }
    }

    /// Names who issues the token (`iss`).
    #[must_use]
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// Names whom the token is about (`sub`).
    #[must_use]
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// Adds one for whom the token is meant (`aud`); may be called several times.
    ///
    /// ```
    /// use countersign_jwt::Claims;
    ///
    /// let claims = Claims::new(()).audience("posts").audience("mail").expires_in(std::time::Duration::from_secs(600));
    /// # let key = countersign_jwt::SigningKey::generate(countersign_jwt::Algorithm::Hs256)?;
    /// let verifier = countersign_jwt::Verifier::new(key.verifying_key()).audience("mail");
    /// assert_eq!(verifier.verify::<()>(&key.sign(&claims)?)?.audience().as_slice(), ["posts", "mail"]);
    /// # Ok::<(), countersign_jwt::Error>(())
    /// ```
    #[must_use]
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience.0.push(audience.into());
        self
    }

    /// Lets the token expire this long after its time of issue (`exp`), in whole seconds.
    #[must_use]
    pub fn expires_in(mut self, lifetime: Duration) -> Self {
        self.lifetime = Some(lifetime);
        self.expires_at = None;
        self
    }

    /// Lets the token expire at a point in time (`exp`).
    ///
    /// ```
    /// use countersign_jwt::{Algorithm, Claims, Error, SigningKey, Timestamp};
    ///
    /// let key = SigningKey::generate(Algorithm::Hs256)?;
    /// let (now, end) = (Timestamp::new(1_800_000_000), Timestamp::new(1_800_000_600));
    /// assert!(key.sign(&Claims::at((), now).expires_at(end)).is_ok());
    /// assert_eq!(key.sign(&Claims::at((), end).expires_at(now)), Err(Error::ExpiryTooEarly));
    /// # Ok::<(), countersign_jwt::Error>(())
    /// ```
    #[must_use]
    pub fn expires_at(mut self, expires_at: Timestamp) -> Self {
        self.expires_at = Some(expires_at);
        self.lifetime = None;
        self
    }

    /// Sets when the token was issued (`iat`).
    #[must_use]
    pub fn issued_at(mut self, issued_at: Timestamp) -> Self {
        self.issued_at = issued_at;
        self.issued_at_set = true;
        self
    }

    /// Sets before when the token is not to be accepted (`nbf`).
    ///
    /// ```
    /// use std::time::Duration;
    /// use countersign_jwt::{Claims, Error, Timestamp};
    ///
    /// let now = Timestamp::new(1_800_000_000);
    /// let soon = now.saturating_add(Duration::from_secs(300));
    /// let claims = Claims::at((), now).not_before(soon).expires_in(Duration::from_secs(600));
    /// # let key = countersign_jwt::SigningKey::generate(countersign_jwt::Algorithm::Hs256)?;
    /// let verifier = countersign_jwt::Verifier::new(key.verifying_key());
    /// let token = key.sign(&claims)?;
    /// assert_eq!(verifier.clone().clock(now).verify::<()>(&token).unwrap_err(), Error::TokenNotYetValid);
    /// assert!(verifier.clock(soon).verify::<()>(&token).is_ok());
    /// # Ok::<(), countersign_jwt::Error>(())
    /// ```
    #[must_use]
    pub fn not_before(mut self, not_before: Timestamp) -> Self {
        self.not_before = Some(not_before);
        self
    }

    /// Gives the token an identifier of its own (`jti`).
    ///
    /// ```
    /// use countersign_jwt::Claims;
    ///
    /// let claims = Claims::new(()).id("0198a3c2").expires_in(std::time::Duration::from_secs(600));
    /// # let key = countersign_jwt::SigningKey::generate(countersign_jwt::Algorithm::Hs256)?;
    /// # let verifier = countersign_jwt::Verifier::new(key.verifying_key());
    /// assert_eq!(verifier.verify::<()>(&key.sign(&claims)?)?.id(), Some("0198a3c2"));
    /// # Ok::<(), countersign_jwt::Error>(())
    /// ```
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Returns the custom claims.
    pub fn custom(&self) -> &T {
        &self.custom
    }
}

impl<T: Serialize> Claims<T> {
    /// Writes the payload at the end of `out`.
    pub(crate) fn write(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        let start = out.len();
        let doubtful = self.write_members(out).map_err(|Failure(error)| error)?;
        let expires_at = self.expiry()?;
        let times = [("iat", Some(self.issued_at)), ("nbf", self.not_before), ("exp", expires_at)];
        for (name, time) in times {
            if time.is_some_and(|time| time.seconds() < 0) {
                return Err(Error::ClaimInvalid(name));
            }
        }
        if let Some(expires_at) = expires_at {
            let earliest =
                self.not_before.map_or(self.issued_at, |not_before| not_before.max(self.issued_at));
            if expires_at <= earliest {
                return Err(Error::ExpiryTooEarly);
            }
        }
        if doubtful {
            // Rare: custom claims with a registered name, or too many to be told apart on the way.
            let text = std::str::from_utf8(out.get(start..).unwrap_or_default());
            self.reread(text.map_err(|_| Error::ClaimsUnwritable)?)?;
        } else if expires_at.is_none() && !self.never_expires {
            return Err(Error::ClaimMissing("exp"));
        }
        Ok(())
    }

    fn write_members(&self, out: &mut Vec<u8>) -> Result<bool, Failure> {
        let mut object = Object::new(out);
        if let Some(issuer) = &self.issuer {
            object.string(b",\"iss\":", issuer);
        }
        if let Some(subject) = &self.subject {
            object.string(b",\"sub\":", subject);
        }
        self.custom.serialize(Merge(&mut object))?;
        if self.issued_at_set || !object.has_issued_at {
            object.integer(b",\"iat\":", self.issued_at.seconds())?;
        }
        if let Some(expires_at) = self.expiry().map_err(Failure)? {
            object.integer(b",\"exp\":", expires_at.seconds())?;
        }
        if let Some(not_before) = self.not_before {
            object.integer(b",\"nbf\":", not_before.seconds())?;
        }
        if let Some(id) = &self.id {
            object.string(b",\"jti\":", id);
        }
        match self.audience.as_slice() {
            [] => {}
            [one] => object.string(b",\"aud\":", one),
            several => object.strings(b",\"aud\":", several),
        }
        Ok(object.end())
    }

    fn expiry(&self) -> Result<Option<Timestamp>, Error> {
        match self.lifetime {
            Some(lifetime) => {
                self.issued_at.checked_add(lifetime).ok_or(Error::ClaimInvalid("exp")).map(Some)
            }
            None => Ok(self.expires_at),
        }
    }

    /// Reads what was written as a verifier would.
    fn reread(&self, text: &str) -> Result<(), Error> {
        let mut members = Vec::new();
        scan::object(text, &mut members).map_err(|reason| {
            if reason == scan::DUPLICATE { Error::ClaimDuplicate } else { Error::ClaimsUnwritable }
        })?;
        let registered = Registered::read(text, &members)?;
        match (registered.expires_at, registered.issued_at) {
            (None, _) if !self.never_expires => Err(Error::ClaimMissing("exp")),
            (Some(expires_at), Some(issued_at)) if expires_at <= issued_at => {
                Err(Error::ExpiryTooEarly)
            }
            _ => Ok(()),
        }
    }
}

/// For whom a token is meant: no one in particular, one, or several (RFC 7519 §4.1.3).
///
/// In JSON it is a string or an array of strings.
///
/// ```
/// use countersign_jwt::Audience;
///
/// let audience: Audience = serde_json::from_str(r#"["posts","mail"]"#)?;
/// assert!(audience.contains("posts"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "OneOrMany", into = "OneOrMany")]
pub struct Audience(Vec<String>);

impl Audience {
    /// Says whether `audience` is named, byte for byte.
    ///
    /// ```
    /// use countersign_jwt::Audience;
    ///
    /// let audience: Audience = ["posts", "mail"].into_iter().collect();
    /// assert!(audience.contains("posts") && !audience.contains("post"));
    /// assert!(audience.iter().eq(["posts", "mail"]));
    /// ```
    #[must_use]
    pub fn contains(&self, audience: &str) -> bool {
        self.0.iter().any(|own| own == audience)
    }

    /// Returns the names in the order of the token.
    #[must_use]
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }

    /// Goes through the names in the order of the token.
    pub fn iter(&self) -> slice::Iter<'_, String> {
        self.0.iter()
    }

    /// Says whether no one is named.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> IntoIterator for &'a Audience {
    type Item = &'a String;
    type IntoIter = slice::Iter<'a, String>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<S: Into<String>> FromIterator<S> for Audience {
    fn from_iter<I: IntoIterator<Item = S>>(names: I) -> Self {
        Self(names.into_iter().map(Into::into).collect())
    }
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl From<OneOrMany> for Audience {
    fn from(names: OneOrMany) -> Self {
        Self(match names {
            OneOrMany::One(name) => vec![name],
            OneOrMany::Many(names) => names,
        })
    }
}

impl From<Audience> for OneOrMany {
    fn from(Audience(mut names): Audience) -> Self {
        match names.pop() {
            Some(name) if names.is_empty() => Self::One(name),
            Some(name) => {
                names.push(name);
                Self::Many(names)
            }
            None => Self::Many(names),
        }
    }
}
