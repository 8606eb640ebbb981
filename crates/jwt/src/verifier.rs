//! From the text of a token to claims that can be trusted: the hot path.

use std::{fmt, sync::Arc, time::Duration};

use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    Buffer, Clock, Error, Jwks, SystemClock, Timestamp, Verified, VerifyingKey,
    compact::{self, Compact, Header},
    crypto::MAX_SIGNATURE_LEN,
    de,
    registered::Registered,
    scan::{self, Member},
};

/// Verifies tokens: their form, their signature, then their claims.
///
/// Built once and shared; clones are cheap and verifying takes no lock. `exp` is always required, `nbf` honoured, and an
/// audience that was not configured is refused. The first check that fails names the refusal, in this order: form,
/// algorithm, key, header, signature, claims.
///
/// To change the keys, make another verifier with [`Verifier::with_keys`] and put it in place of the old one.
///
/// ```
/// use std::time::Duration;
/// use countersign_jwt::{Algorithm, Claims, SigningKey, Verified, Verifier};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Access {
///     roles: Vec<String>,
/// }
///
/// let key = SigningKey::generate(Algorithm::Hs256)?.with_derived_kid();
/// let verifier = Verifier::new(key.verifying_key()).issuer("https://example.com").audience("posts");
///
/// let access = Access { roles: vec!["user".into()] };
/// let claims = Claims::new(access).issuer("https://example.com").audience("posts").expires_in(Duration::from_secs(600));
/// let token = key.sign(&claims)?;
///
/// let verified: Verified<Access> = verifier.verify(&token)?;
/// assert_eq!(verified.claims().roles, ["user"]);
/// # Ok::<(), countersign_jwt::Error>(())
/// ```
#[derive(Clone)]
pub struct Verifier {
    inner: Arc<Inner>,
}

#[derive(Clone, Debug)]
struct Inner {
    keys: Jwks,
    headers: Vec<OwnHeader>,
    typ: Option<String>,
    issuers: Vec<String>,
    audiences: Vec<String>,
    leeway: Duration,
    max_age: Option<Duration>,
    required: Vec<&'static str>,
    requires_expiry: bool,
    clock: Arc<dyn Clock>,
}

/// The header a key writes itself, encoded and with its dot: such a header is compared and never parsed.
#[derive(Clone, Debug)]
struct OwnHeader {
    text: String,
    /// Where the key stands in the set.
    key: usize,
    /// How long the signature behind it most likely is, encoded.
    signature: usize,
}

impl Verifier {
    /// The leeway unless another is set: 30 seconds.
    pub const DEFAULT_LEEWAY: Duration = Duration::from_secs(30);
    /// The greatest leeway: 5 minutes.
    pub const MAX_LEEWAY: Duration = Duration::from_secs(300);

    /// Makes a verifier for a key or a set of keys.
    pub fn new(keys: impl Into<Jwks>) -> Self {
        let inner = Inner {
            keys: Jwks::default(),
            headers: Vec::new(),
            typ: None,
            issuers: Vec::new(),
            audiences: Vec::new(),
            leeway: Self::DEFAULT_LEEWAY,
            max_age: None,
            required: Vec::new(),
            requires_expiry: true,
            clock: Arc::new(SystemClock),
        };
        Self { inner: Arc::new(inner) }.with_keys(keys)
    }

    fn with(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        let inner = Arc::make_mut(&mut self.inner);
        change(inner);
        let typ = inner.typ.as_deref().unwrap_or("JWT");
        let single = inner.keys.len() == 1;
        // A key without a kid among several has none, because a token without a kid is then refused.
        let keys = inner.keys.iter().enumerate();
        let own = keys.filter(|(_, key)| single || key.kid().is_some()).map(|(position, key)| {
            OwnHeader {
                text: compact::header_text(key.algorithm_name(), key.kid(), typ, &[]) + ".",
                key: position,
                signature: key
                    .algorithm()
                    .min_secret_len()
                    .map_or(0, |bytes| (bytes * 4).div_ceil(3)),
            }
        });
        inner.headers = own.collect();
        self
    }

    /// Verifies with these keys instead, all else as before.
    ///
    /// ```
    /// use countersign_jwt::{Algorithm, Claims, Error, SigningKey, Verifier};
    ///
    /// let (old, new) = (SigningKey::generate(Algorithm::Hs256)?, SigningKey::generate(Algorithm::Hs256)?);
    /// let token = old.sign(&Claims::new(()).expires_in(std::time::Duration::from_secs(60)))?;
    /// let verifier = Verifier::new(old.verifying_key());
    /// assert!(verifier.verify::<()>(&token).is_ok());
    /// let verifier = verifier.with_keys(new.verifying_key());
    /// assert_eq!(verifier.verify::<()>(&token).unwrap_err(), Error::SignatureInvalid);
    /// # Ok::<(), countersign_jwt::Error>(())
    /// ```
    #[must_use]
    pub fn with_keys(self, keys: impl Into<Jwks>) -> Self {
        let keys = keys.into();
        self.with(|inner| inner.keys = keys)
    }

    /// Accepts this issuer (`iss`), byte for byte; may be called several times. Without a call any issuer is accepted.
    ///
    /// ```
    /// use countersign_jwt::{Algorithm, Claims, Error, SigningKey, Verifier};
    ///
    /// let key = SigningKey::generate(Algorithm::Hs256)?;
    /// let verifier = Verifier::new(key.verifying_key()).issuer("https://example.com");
    /// let claims = Claims::new(()).issuer("https://example.com.evil").expires_in(std::time::Duration::from_secs(60));
    /// assert_eq!(verifier.verify::<()>(&key.sign(&claims)?).unwrap_err(), Error::IssuerMismatch);
    /// # Ok::<(), countersign_jwt::Error>(())
    /// ```
    #[must_use]
    pub fn issuer(self, issuer: impl Into<String>) -> Self {
        let issuer = issuer.into();
        self.with(|inner| inner.issuers.push(issuer))
    }

    /// Accepts tokens meant for this audience (`aud`), byte for byte; may be called several times. Without a call only
    /// tokens without an audience are accepted.
    ///
    /// ```
    /// use countersign_jwt::{Algorithm, Claims, Error, SigningKey, Verifier};
    ///
    /// let key = SigningKey::generate(Algorithm::Hs256)?;
    /// let token = key.sign(&Claims::new(()).audience("posts").expires_in(std::time::Duration::from_secs(60)))?;
    /// let verifier = Verifier::new(key.verifying_key());
    /// assert_eq!(verifier.verify::<()>(&token).unwrap_err(), Error::AudienceMismatch);
    /// assert!(verifier.audience("posts").verify::<()>(&token).is_ok());
    /// # Ok::<(), countersign_jwt::Error>(())
    /// ```
    #[must_use]
    pub fn audience(self, audience: impl Into<String>) -> Self {
        let audience = audience.into();
        self.with(|inner| inner.audiences.push(audience))
    }

    /// Sets how far clocks may differ, in whole seconds, at most [`Verifier::MAX_LEEWAY`]; a greater value is cut to it.
    ///
    /// ```
    /// use std::time::Duration;
    /// use countersign_jwt::{Algorithm, Claims, Error, SigningKey, Timestamp, Verifier};
    ///
    /// let key = SigningKey::generate(Algorithm::Hs256)?;
    /// let token = key.sign(&Claims::at((), Timestamp::new(1_800_000_000)).expires_in(Duration::from_secs(60)))?;
    /// let late = Verifier::new(key.verifying_key()).clock(Timestamp::new(1_800_000_070));
    /// assert!(late.verify::<()>(&token).is_ok()); // ten seconds are within the usual 30
    /// assert_eq!(late.leeway(Duration::ZERO).verify::<()>(&token).unwrap_err(), Error::TokenExpired);
    /// # Ok::<(), countersign_jwt::Error>(())
    /// ```
    #[must_use]
    pub fn leeway(self, leeway: Duration) -> Self {
        self.with(|inner| inner.leeway = leeway.min(Self::MAX_LEEWAY))
    }

    /// Accepts only tokens of this type (`typ`), with or without `application/` before it; for instance `at+jwt`.
    ///
    /// Without a call `JWT` in any case, or no type at all, is accepted.
    ///
    /// ```
    /// use countersign_jwt::{Algorithm, Claims, Error, SigningKey, Verifier};
    ///
    /// let key = SigningKey::generate(Algorithm::Hs256)?;
    /// let token = key.sign(&Claims::new(()).expires_in(std::time::Duration::from_secs(60)))?;
    /// let verifier = Verifier::new(key.verifying_key()).typ("at+jwt");
    /// assert_eq!(verifier.verify::<()>(&token).unwrap_err(), Error::TypeMismatch);
    /// # Ok::<(), countersign_jwt::Error>(())
    /// ```
    #[must_use]
    pub fn typ(self, typ: impl Into<String>) -> Self {
        let typ = typ.into();
        self.with(|inner| inner.typ = Some(typ))
    }

    /// Accepts only tokens issued at most this long ago, which then need `iat`; one issued in the future is refused.
    ///
    /// ```
    /// use std::time::Duration;
    /// use countersign_jwt::{Algorithm, Claims, Error, SigningKey, Timestamp, Verifier};
    ///
    /// let key = SigningKey::generate(Algorithm::Hs256)?;
    /// let token = key.sign(&Claims::at((), Timestamp::new(1_800_000_000)).expires_in(Duration::from_secs(86_400)))?;
    /// let verifier = Verifier::new(key.verifying_key()).clock(Timestamp::new(1_800_003_700));
    /// assert!(verifier.verify::<()>(&token).is_ok());
    /// assert_eq!(verifier.max_age(Duration::from_secs(3600)).verify::<()>(&token).unwrap_err(), Error::TokenTooOld);
    /// # Ok::<(), countersign_jwt::Error>(())
    /// ```
    #[must_use]
    pub fn max_age(self, max_age: Duration) -> Self {
        self.with(|inner| inner.max_age = Some(max_age))
    }

    /// Accepts only tokens that have a claim of this name; may be called several times.
    ///
    /// ```
    /// use countersign_jwt::{Algorithm, Claims, Error, SigningKey, Verifier};
    ///
    /// let key = SigningKey::generate(Algorithm::Hs256)?;
    /// let token = key.sign(&Claims::new(()).expires_in(std::time::Duration::from_secs(60)))?;
    /// let verifier = Verifier::new(key.verifying_key()).require("sub");
    /// assert_eq!(verifier.verify::<()>(&token).unwrap_err(), Error::ClaimMissing("sub"));
    /// # Ok::<(), countersign_jwt::Error>(())
    /// ```
    #[must_use]
    pub fn require(self, claim: &'static str) -> Self {
        self.with(|inner| inner.required.push(claim))
    }

    /// Takes the time from this clock instead of the operating system's.
    #[must_use]
    pub fn clock(self, clock: impl Clock + 'static) -> Self {
        self.with(|inner| inner.clock = Arc::new(clock))
    }

    pub(crate) fn without_expiry(self) -> Self {
        self.with(|inner| inner.requires_expiry = false)
    }

    /// Returns the keys in use.
    #[must_use]
    pub fn keys(&self) -> &Jwks {
        &self.inner.keys
    }

    /// Verifies a token and returns its claims as values of their own.
    ///
    /// `T` sees every member of the payload, the registered claims too.
    ///
    /// # Errors
    /// The refusals of [`Error`], one for each check.
    ///
    /// ```
    /// use countersign_jwt::{Algorithm, Claims, SigningKey, Verifier};
    /// use serde::Deserialize;
    ///
    /// #[derive(Deserialize)]
    /// struct Access {
    ///     sub: String, // registered claims are members like all others
    /// }
    ///
    /// # let key = SigningKey::generate(Algorithm::Hs256)?;
    /// # let verifier = Verifier::new(key.verifying_key());
    /// # let token = key.sign(&Claims::new(()).subject("alice").expires_in(std::time::Duration::from_secs(60)))?;
    /// assert_eq!(verifier.verify::<Access>(&token)?.sub, "alice");
    /// # Ok::<(), countersign_jwt::Error>(())
    /// ```
    pub fn verify<T: DeserializeOwned>(&self, token: &str) -> Result<Verified<T>, Error> {
        let mut buffer = Buffer::for_one(token);
        let now = self.inner.clock.now();
        let (kid, end) = self.inner.open(token, &mut buffer)?;
        buffer.bytes.truncate(end);
        let text = String::from_utf8(buffer.bytes).map_err(|_| NOT_UTF8)?;
        let (claims, registered) =
            self.inner.read(text.get(..end - kid).unwrap_or_default(), &mut buffer.members, now)?;
        Ok(Verified { claims, registered, kid, text })
    }

    /// Verifies a token into a buffer; the claims may borrow from it.
    ///
    /// With a buffer that is kept from call to call, and claims that borrow, nothing is allocated.
    ///
    /// # Errors
    /// As [`Verifier::verify`].
    ///
    /// ```
    /// use countersign_jwt::{Algorithm, Buffer, Claims, SigningKey, Verifier};
    /// use serde::Deserialize;
    ///
    /// #[derive(Deserialize)]
    /// struct Access<'a> {
    ///     name: &'a str,
    /// }
    /// # let key = SigningKey::generate(Algorithm::Hs256)?;
    /// # let custom = std::collections::BTreeMap::from([("name", "Ada")]);
    /// # let token = key.sign(&Claims::new(custom).expires_in(std::time::Duration::from_secs(60)))?;
    /// # let verifier = Verifier::new(key.verifying_key());
    ///
    /// let mut buffer = Buffer::new();
    /// let verified = verifier.verify_into::<Access<'_>>(&token, &mut buffer)?;
    /// assert_eq!(verified.name, "Ada");
    /// # Ok::<(), countersign_jwt::Error>(())
    /// ```
    pub fn verify_into<'b, T: Deserialize<'b>>(
        &self,
        token: &str,
        buffer: &'b mut Buffer,
    ) -> Result<Verified<T, &'b str>, Error> {
        // Read first, for reading it waits for all work under way.
        let now = self.inner.clock.now();
        let (kid, end) = self.inner.open(token, buffer)?;
        let bytes = buffer.bytes.get(..end).unwrap_or_default();
        let text = std::str::from_utf8(bytes).map_err(|_| NOT_UTF8)?;
        let (claims, registered) =
            self.inner.read(text.get(..end - kid).unwrap_or_default(), &mut buffer.members, now)?;
        Ok(Verified { claims, registered, kid, text })
    }

    /// Checks all but the claims, and returns the payload.
    pub(crate) fn payload(&self, token: &str) -> Result<Vec<u8>, Error> {
        let mut buffer = Buffer::new();
        let (kid, end) = self.inner.open(token, &mut buffer)?;
        buffer.bytes.truncate(end - kid);
        Ok(buffer.bytes)
    }
}

const NOT_UTF8: Error = Error::TokenMalformed("the payload is not UTF-8");

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Verifier").field(&self.inner).finish()
    }
}

impl Inner {
    /// Checks form, header and signature. Leaves the payload at the start of the buffer, followed by the kid of the key
    /// that verified, and returns the length of the kid and that of both.
    fn open(&self, token: &str, buffer: &mut Buffer) -> Result<(usize, usize), Error> {
        compact::check_len(token)?;
        let own = self.headers.iter().find_map(|own| {
            Compact::cut(token, &own.text, own.signature).map(|compact| (compact, own.key))
        });
        let (compact, position) = match own {
            Some(own) => own,
            None => {
                let compact = Compact::split(token)?;
                let position = self.position(&compact, buffer)?;
                (compact, position)
            }
        };
        let key = self.keys.iter().as_slice().get(position).ok_or(Error::UnknownKey)?;

        let length = if compact.signature.len() <= SHORT_TEXT {
            check_signature::<SHORT_ROOM>(key, &compact, buffer)?
        } else {
            check_signature::<LONG_ROOM>(key, &compact, buffer)?
        };

        let kid = key.kid().unwrap_or_default();
        let end = length + kid.len();
        if buffer.bytes.len() < end {
            buffer.bytes.resize(end, 0);
        }
        if let Some(room) = buffer.bytes.get_mut(length..end) {
            room.copy_from_slice(kid.as_bytes());
        }
        Ok((kid.len(), end))
    }

    /// Reads a header that no key of the set writes itself, and finds the key it means.
    fn position(&self, compact: &Compact<'_>, buffer: &mut Buffer) -> Result<usize, Error> {
        compact.check_alphabet()?;
        let length = compact::decode(compact.header, &mut buffer.bytes)?;
        let header =
            Header::read(buffer.bytes.get(..length).unwrap_or_default(), &mut buffer.members)?;
        if !self.keys.is_empty() && self.keys.iter().all(|key| key.row.named(&header.alg).is_none())
        {
            return Err(Error::AlgorithmMismatch);
        }
        let position = self.keys.position(header.kid.as_deref())?;
        let key = self.keys.iter().as_slice().get(position).ok_or(Error::UnknownKey)?;
        if key.row.named(&header.alg).is_none() {
            return Err(Error::AlgorithmMismatch);
        }
        if header.unsupported {
            return Err(Error::HeaderUnsupported);
        }
        let typ_fits = match (header.typ.as_deref(), self.typ.as_deref()) {
            (None, None) => true,
            (Some(typ), None) => typ.eq_ignore_ascii_case("JWT"),
            (None, Some(_)) => false,
            (Some(typ), Some(expected)) => bare(typ) == bare(expected),
        };
        if typ_fits { Ok(position) } else { Err(Error::TypeMismatch) }
    }

    /// Reads the payload, whose signature is good, and checks its claims.
    #[inline]
    fn read<'b, T: Deserialize<'b>>(
        &self,
        payload: &'b str,
        members: &mut Vec<Member>,
        now: Timestamp,
    ) -> Result<(T, Registered), Error> {
        scan::object(payload, members).map_err(Error::TokenMalformed)?;
        let mut registered = Registered::default();
        registered.fill(payload, members)?;
        self.check_times(&registered, now)?;
        if !self.issuers.is_empty() {
            let issuer = registered.issuer.as_ref().map(|issuer| issuer.get(payload));
            if !self.issuers.iter().any(|accepted| Some(accepted.as_str()) == issuer) {
                return Err(Error::IssuerMismatch);
            }
        }
        let audience_fits = match self.audiences.as_slice() {
            [] => registered.audience.is_none(),
            accepted => registered.audience_is_one_of(payload, accepted),
        };
        if !audience_fits {
            return Err(Error::AudienceMismatch);
        }
        for required in &self.required {
            if !members.iter().any(|member| member.name(payload) == *required) {
                return Err(Error::ClaimMissing(required));
            }
        }
        Ok((de::from_members(payload, members)?, registered))
    }

    fn check_times(&self, registered: &Registered, now: Timestamp) -> Result<(), Error> {
        match registered.expires_at {
            // RFC 7519 §4.1.4: refused on and after that time.
            Some(expires_at) if now >= expires_at.saturating_add(self.leeway) => {
                return Err(Error::TokenExpired);
            }
            None if self.requires_expiry => return Err(Error::ClaimMissing("exp")),
            Some(_) | None => {}
        }
        let ahead = now.saturating_add(self.leeway);
        if registered.not_before.is_some_and(|not_before| ahead < not_before) {
            return Err(Error::TokenNotYetValid);
        }
        if let Some(max_age) = self.max_age {
            let issued_at = registered.issued_at.ok_or(Error::ClaimMissing("iat"))?;
            if ahead < issued_at {
                return Err(Error::TokenNotYetValid);
            }
            if now > issued_at.saturating_add(max_age).saturating_add(self.leeway) {
                return Err(Error::TokenTooOld);
            }
        }
        Ok(())
    }
}

/// Checks a signature that fits into `ROOM` bytes and leaves the payload at the start of the buffer.
fn check_signature<const ROOM: usize>(
    key: &VerifyingKey,
    compact: &Compact<'_>,
    buffer: &mut Buffer,
) -> Result<usize, Error> {
    let mut signature = [0; ROOM];
    let signature = compact::decode_signature(compact.signature, &mut signature)?;
    // A payload of the wrong form is refused before a wrong signature; but a hash is one long chain, beside which the
    // processor has time to decode.
    let checked = match signature {
        Some(signature) => key.checker.check(compact.signed.as_bytes(), signature),
        None => Err(Error::SignatureInvalid),
    };
    let length = compact::decode(compact.payload, &mut buffer.bytes)?;
    checked.map(|()| length)
}

/// Room for the shorter signatures, those of HMAC, ES256, ES384 and EdDSA, and how long their text is at most.
const SHORT_ROOM: usize = 96;
const SHORT_TEXT: usize = 128;
/// Room for every signature of a key that can be made.
const LONG_ROOM: usize = MAX_SIGNATURE_LEN + 8;

/// A type without the `application/` that may stand before it (RFC 7515 §4.1.9).
fn bare(typ: &str) -> &str {
    typ.strip_prefix("application/").unwrap_or(typ)
}
