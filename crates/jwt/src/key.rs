//! Keys: parsed once, of one algorithm each, wiped when dropped.

use std::{fmt, sync::Arc};

use serde::Serialize;
use zeroize::Zeroizing;

use crate::{
    Algorithm, Claims, Error,
    alg::Row,
    compact::{self, MAX_TOKEN_LEN},
    crypto::{self, Checker, Signer},
    jwk,
    material::{Private, Public},
    secret,
};

/// What the kid of a key with a shared secret is derived from, besides the secret.
const KID_LABEL: &[u8] = b"countersign kid v1";
/// Room for the payload and the token of most claims: one allocation for both.
const USUAL_ROOM: usize = 768;
/// How many base64url characters a derived kid has.
const KID_LEN: usize = 12;

/// A key that signs tokens, of exactly one algorithm.
///
/// For the HS* family it holds a shared secret: whoever can verify with it can also sign. For the others it holds a key
/// pair, whose public half verifies and cannot sign. Secrets are wiped from memory when the key is dropped, and never shown
/// by `Debug`.
///
/// ```
/// use std::time::Duration;
/// use countersign_jwt::{Algorithm, Claims, SigningKey};
///
/// let key = SigningKey::generate(Algorithm::Hs256)?.with_derived_kid();
/// let token = key.sign(&Claims::new(()).subject("alice").expires_in(Duration::from_secs(600)))?;
/// assert_eq!(token.split('.').count(), 3);
/// # Ok::<(), countersign_jwt::Error>(())
/// ```
#[derive(Clone)]
pub struct SigningKey {
    verifying: VerifyingKey,
    typ: String,
    /// Members of its header beside `alg`, `kid` and `typ`.
    more: Vec<(String, String)>,
    private: Arc<Private>,
    signer: Signer,
    /// The header this key writes, encoded, with its dot.
    header: String,
}

impl SigningKey {
    /// Makes a new key from the randomness of the operating system: a secret with as many bytes as the hash, or a key pair,
    /// with RSA of 2048 bits.
    ///
    /// # Errors
    /// [`Error::AlgorithmUnavailable`] for a family that is not built in, [`Error::RandomnessUnavailable`] if the
    /// operating system gives none.
    ///
    /// ```
    /// use countersign_jwt::{Algorithm, SigningKey};
    ///
    /// let key = SigningKey::generate(Algorithm::Hs512)?;
    /// assert_eq!(key.expose_secret().map(<[u8]>::len), Some(64));
    /// # Ok::<(), countersign_jwt::Error>(())
    /// ```
    pub fn generate(algorithm: Algorithm) -> Result<Self, Error> {
        Self::from_private(algorithm, crypto::generate(algorithm.row(), None)?)
    }

    /// Makes a new RSA key of 2048, 3072 or 4096 bits. The largest takes seconds to make.
    ///
    /// # Errors
    /// As [`SigningKey::generate`], and [`Error::KeySizeUnsupported`] for another size or an algorithm that is not RSA.
    #[cfg_attr(feature = "asymmetric", doc = "```")]
    #[cfg_attr(not(feature = "asymmetric"), doc = "```ignore")]
    /// use countersign_jwt::{Algorithm, Error, SigningKey};
    ///
    /// let key = SigningKey::generate_with_bits(Algorithm::Ps256, 3072)?;
    /// assert_eq!(SigningKey::generate_with_bits(Algorithm::Ps256, 1024).unwrap_err(), Error::KeySizeUnsupported);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn generate_with_bits(algorithm: Algorithm, bits: usize) -> Result<Self, Error> {
        Self::from_private(algorithm, crypto::generate(algorithm.row(), Some(bits))?)
    }

    /// Makes a key from the bytes of a shared secret, which are used as they are.
    ///
    /// # Errors
    /// [`Error::SecretTooShort`] below the length of the hash (RFC 7518 §3.2), [`Error::SecretWeak`] for a secret known
    /// from tutorials or one byte repeated, [`Error::SecretIsKey`] for anything that reads as an asymmetric key (PEM,
    /// JWK, SSH, DER, also behind blanks and in base64), [`Error::AlgorithmUnavailable`] for an algorithm without a
    /// shared secret.
    ///
    /// ```
    /// use countersign_jwt::{Algorithm, Error, SigningKey};
    ///
    /// let pem = b"-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A\n-----END PUBLIC KEY-----\n";
    /// assert_eq!(SigningKey::from_secret(Algorithm::Hs256, pem).unwrap_err(), Error::SecretIsKey);
    /// ```
    pub fn from_secret(algorithm: Algorithm, secret: &[u8]) -> Result<Self, Error> {
        secret::check(algorithm, secret)?;
        Self::unchecked(algorithm, secret)
    }

    pub(crate) fn unchecked(algorithm: Algorithm, secret: &[u8]) -> Result<Self, Error> {
        Self::from_private(algorithm, Private::Secret(Zeroizing::new(secret.to_vec())))
    }

    pub(crate) fn from_private(algorithm: Algorithm, private: Private) -> Result<Self, Error> {
        let row = algorithm.row();
        let (signer, checker, public) = Signer::new(row, &private)?;
        let verifying =
            VerifyingKey { row, name: row.name, kid: None, public: public.map(Arc::new), checker };
        let key = Self {
            verifying,
            typ: "JWT".into(),
            more: Vec::new(),
            private: Arc::new(private),
            signer,
            header: String::new(),
        };
        Ok(key.with_header())
    }

    fn with_header(mut self) -> Self {
        let VerifyingKey { name, kid, .. } = &self.verifying;
        self.header = compact::header_text(name, kid.as_deref(), &self.typ, &self.more);
        self.header.push('.');
        self
    }

    /// Names the key in the header of its tokens (`kid`), so that a verifier with several keys finds it.
    ///
    /// ```
    /// use countersign_jwt::{Algorithm, SigningKey};
    ///
    /// let key = SigningKey::generate(Algorithm::Hs256)?.with_kid("2026-11");
    /// assert_eq!(key.kid(), Some("2026-11"));
    /// assert_eq!(key.verifying_key().kid(), Some("2026-11"));
    /// # Ok::<(), countersign_jwt::Error>(())
    /// ```
    #[must_use]
    pub fn with_kid(mut self, kid: impl Into<String>) -> Self {
        self.verifying = self.verifying.with_kid(kid);
        self.with_header()
    }

    /// Names the key by what it is.
    ///
    /// A shared secret by the first 12 base64url characters of HMAC(secret, `countersign kid v1`) with the key's own hash,
    /// so that whoever has the secret has the kid; a key pair by the thumbprint of its public half (RFC 7638).
    ///
    /// ```
    /// use countersign_jwt::{Algorithm, SigningKey};
    ///
    /// let secret = b"32 bytes for an example, or more";
    /// let here = SigningKey::from_secret(Algorithm::Hs256, secret)?.with_derived_kid();
    /// let there = SigningKey::from_secret(Algorithm::Hs256, secret)?.with_derived_kid();
    /// assert_eq!(here.kid(), there.kid());
    /// # Ok::<(), countersign_jwt::Error>(())
    /// ```
    #[must_use]
    pub fn with_derived_kid(mut self) -> Self {
        self.verifying = self.verifying.with_derived_kid();
        self.with_header()
    }

    /// Writes the algorithm under another of its names: an Ed25519 key signs as `EdDSA` unless told to sign as `Ed25519`
    /// (RFC 9864).
    ///
    /// # Errors
    /// [`Error::KeyMismatch`] for a name that is not one of the key's algorithm.
    ///
    #[cfg_attr(feature = "asymmetric", doc = "```")]
    #[cfg_attr(not(feature = "asymmetric"), doc = "```ignore")]
    /// use countersign_jwt::{Algorithm, Claims, Error, SigningKey, dangerous};
    ///
    /// let key = SigningKey::generate(Algorithm::EdDsa)?.with_algorithm_name("Ed25519")?;
    /// let token = key.sign(&Claims::new(()).expires_in(std::time::Duration::from_secs(60)))?;
    /// assert_eq!(dangerous::decode_unverified::<()>(&token)?.alg, "Ed25519");
    /// assert!(countersign_jwt::Verifier::new(key.verifying_key()).verify::<()>(&token).is_ok());
    /// assert_eq!(key.with_algorithm_name("ES256").unwrap_err(), Error::KeyMismatch);
    /// # Ok::<(), countersign_jwt::Error>(())
    /// ```
    pub fn with_algorithm_name(mut self, name: &str) -> Result<Self, Error> {
        self.verifying = self.verifying.with_algorithm_name(name)?;
        Ok(self.with_header())
    }

    /// Sets the type in the header of its tokens (`typ`), in place of `JWT`; for instance `at+jwt` (RFC 9068).
    ///
    /// ```
    /// use countersign_jwt::{Algorithm, Claims, Error, SigningKey, Verifier};
    ///
    /// let key = SigningKey::generate(Algorithm::Hs256)?.with_typ("at+jwt");
    /// let token = key.sign(&Claims::new(()).expires_in(std::time::Duration::from_secs(60)))?;
    /// let verifier = Verifier::new(key.verifying_key());
    /// assert_eq!(verifier.verify::<()>(&token).unwrap_err(), Error::TypeMismatch);
    /// assert!(verifier.typ("at+jwt").verify::<()>(&token).is_ok());
    /// # Ok::<(), countersign_jwt::Error>(())
    /// ```
    #[must_use]
    pub fn with_typ(mut self, typ: impl Into<String>) -> Self {
        self.typ = typ.into();
        self.with_header()
    }

    /// Adds a member to the header of its tokens, such as `cty` or `iss` (RFC 7515 §4.3); one of the same name is replaced.
    ///
    /// A [`Verifier`](crate::Verifier) ignores such members, and reads the header of these tokens in place of comparing it,
    /// which takes it longer.
    ///
    /// ```
    /// use countersign_jwt::{Algorithm, Claims, Error, SigningKey, Verifier};
    ///
    /// let key = SigningKey::generate(Algorithm::Hs256)?.with_header_member("cty", "example")?;
    /// let token = key.sign(&Claims::new(()).expires_in(std::time::Duration::from_secs(60)))?;
    /// // {"alg":"HS256","typ":"JWT","cty":"example"}
    /// assert!(token.starts_with("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCIsImN0eSI6ImV4YW1wbGUifQ."));
    /// assert!(Verifier::new(key.verifying_key()).verify::<()>(&token).is_ok());
    /// assert_eq!(key.with_header_member("crit", "cty").unwrap_err(), Error::HeaderUnsupported);
    /// # Ok::<(), countersign_jwt::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::HeaderUnsupported`] for `alg`, `kid` and `typ`, which the key has already, and for `crit` and `b64`, which
    /// no verifier here accepts.
    pub fn with_header_member(
        mut self,
        name: impl Into<String>,
        value: impl Into<String>,
    ) -> Result<Self, Error> {
        let name = name.into();
        if ["alg", "kid", "typ", "crit", "b64"].contains(&name.as_str()) {
            return Err(Error::HeaderUnsupported);
        }
        self.more.retain(|(other, _)| *other != name);
        self.more.push((name, value.into()));
        Ok(self.with_header())
    }

    /// Returns the key's one algorithm.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.verifying.algorithm()
    }

    pub(crate) fn algorithm_name(&self) -> &'static str {
        self.verifying.name
    }

    /// Returns the key's name, if it has one.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.verifying.kid()
    }

    /// Returns the key that verifies what this one signs, of the same algorithm and kid.
    ///
    /// For the HS* family it holds the same secret, for the others the public half.
    ///
    /// ```
    /// use countersign_jwt::{Algorithm, Claims, SigningKey, Verifier};
    ///
    /// let key = SigningKey::generate(Algorithm::Hs256)?;
    /// let verifier = Verifier::new(key.verifying_key());
    /// let token = key.sign(&Claims::new(()).expires_in(std::time::Duration::from_secs(60)))?;
    /// assert!(verifier.verify::<()>(&token).is_ok());
    /// # Ok::<(), countersign_jwt::Error>(())
    /// ```
    #[must_use]
    pub fn verifying_key(&self) -> VerifyingKey {
        self.verifying.clone()
    }

    pub(crate) fn private(&self) -> &Private {
        &self.private
    }

    pub(crate) fn public(&self) -> Option<&Public> {
        self.verifying.public()
    }

    /// Returns the bytes of the shared secret, to be stored; `None` for a key pair.
    ///
    /// Whoever reads them can sign. Copies are the caller's to wipe.
    ///
    /// ```
    /// use countersign_jwt::{Algorithm, SigningKey};
    ///
    /// let key = SigningKey::generate(Algorithm::Hs256)?;
    /// let again = SigningKey::from_secret(Algorithm::Hs256, key.expose_secret().unwrap_or_default())?;
    /// assert_eq!(again.with_derived_kid().kid(), key.with_derived_kid().kid());
    /// # Ok::<(), countersign_jwt::Error>(())
    /// ```
    #[must_use]
    pub fn expose_secret(&self) -> Option<&[u8]> {
        match &*self.private {
            Private::Secret(secret) => Some(secret),
            Private::Rsa(_) | Private::Scalar { .. } => None,
        }
    }

    /// Signs the claims and returns the token.
    ///
    /// # Errors
    /// Claims that a verifier would refuse are refused here: [`Error::ClaimMissing`] without an expiry,
    /// [`Error::ExpiryTooEarly`], [`Error::ClaimDuplicate`], [`Error::ClaimInvalid`], [`Error::ClaimNotFinite`],
    /// [`Error::ClaimsNotObject`], [`Error::ClaimsUnwritable`], [`Error::TokenTooLong`]. [`Error::SigningFailed`] is for a
    /// key pair whose crypto library runs out of memory.
    ///
    /// ```
    /// use countersign_jwt::{Algorithm, Claims, Error, SigningKey};
    ///
    /// let key = SigningKey::generate(Algorithm::Hs256)?;
    /// assert_eq!(key.sign(&Claims::new(())), Err(Error::ClaimMissing("exp")));
    /// let token = key.sign(&Claims::new(()).expires_in(std::time::Duration::from_secs(600)))?;
    /// assert_eq!(token.split('.').count(), 3);
    /// # Ok::<(), countersign_jwt::Error>(())
    /// ```
    pub fn sign<T: Serialize>(&self, claims: &Claims<T>) -> Result<String, Error> {
        let mut token = String::new();
        self.sign_into(claims, &mut token)?;
        Ok(token)
    }

    /// Signs the claims and leaves the token in `token`, in place of what was there.
    ///
    /// With a buffer that is kept from call to call nothing is allocated, unless serializing the custom claims does. After
    /// an error the buffer is empty.
    ///
    /// # Errors
    /// As [`SigningKey::sign`].
    ///
    /// ```
    /// use countersign_jwt::{Algorithm, Claims, SigningKey};
    ///
    /// let key = SigningKey::generate(Algorithm::Hs256)?;
    /// let mut token = String::new();
    /// for subject in ["alice", "bob"] {
    ///     let claims = Claims::new(()).subject(subject).expires_in(std::time::Duration::from_secs(600));
    ///     key.sign_into(&claims, &mut token)?;
    ///     assert_eq!(token.split('.').count(), 3);
    /// }
    /// # Ok::<(), countersign_jwt::Error>(())
    /// ```
    pub fn sign_into<T: Serialize>(
        &self,
        claims: &Claims<T>,
        token: &mut String,
    ) -> Result<(), Error> {
        let mut bytes = std::mem::take(token).into_bytes();
        bytes.clear();
        bytes.reserve(USUAL_ROOM);
        let signed = self.sign_bytes(claims, &mut bytes);
        if signed.is_err() {
            bytes.clear();
        }
        *token = String::from_utf8(bytes).map_err(|_| Error::ClaimsUnwritable)?;
        signed
    }

    fn sign_bytes<T: Serialize>(
        &self,
        claims: &Claims<T>,
        bytes: &mut Vec<u8>,
    ) -> Result<(), Error> {
        // The payload is written first, the token behind it, which then moves to the front: one buffer serves for both.
        claims.write(bytes)?;
        let start = bytes.len();
        if start > MAX_TOKEN_LEN {
            return Err(Error::TokenTooLong);
        }
        bytes.extend_from_slice(self.header.as_bytes());
        compact::encode_within(bytes, 0..start);
        self.signer.append(bytes, start..bytes.len())?;
        bytes.drain(..start);
        if bytes.len() > MAX_TOKEN_LEN { Err(Error::TokenTooLong) } else { Ok(()) }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("algorithm", &self.algorithm())
            .field("kid", &self.kid())
            .finish_non_exhaustive()
    }
}

/// A key that verifies tokens, of exactly one algorithm.
///
/// Made without a kid it accepts tokens with any kid; with one, only tokens that name it.
///
/// ```
/// use countersign_jwt::{Algorithm, SigningKey, VerifyingKey};
///
/// let secret = SigningKey::generate(Algorithm::Hs256)?.expose_secret().unwrap_or_default().to_vec();
/// let key = VerifyingKey::from_secret(Algorithm::Hs256, &secret)?.with_derived_kid();
/// assert_eq!(key.kid().map(str::len), Some(12));
/// # Ok::<(), countersign_jwt::Error>(())
/// ```
#[derive(Clone)]
pub struct VerifyingKey {
    pub(crate) row: &'static Row,
    /// The algorithm's name in the headers of its tokens.
    name: &'static str,
    kid: Option<String>,
    public: Option<Arc<Public>>,
    pub(crate) checker: Checker,
}

impl VerifyingKey {
    /// Makes a key from the bytes of a shared secret.
    ///
    /// # Errors
    /// As [`SigningKey::from_secret`].
    ///
    /// ```
    /// use countersign_jwt::{Algorithm, Error, VerifyingKey};
    ///
    /// assert!(VerifyingKey::from_secret(Algorithm::Hs256, b"32 bytes for an example, or more").is_ok());
    /// let refused = VerifyingKey::from_secret(Algorithm::Hs256, b"secret").unwrap_err();
    /// assert_eq!(refused, Error::SecretTooShort { minimum: 32 });
    /// ```
    pub fn from_secret(algorithm: Algorithm, secret: &[u8]) -> Result<Self, Error> {
        SigningKey::from_secret(algorithm, secret).map(|key| key.verifying_key())
    }

    pub(crate) fn from_public(algorithm: Algorithm, public: Public) -> Result<Self, Error> {
        let row = algorithm.row();
        let checker = Checker::new(row, &public)?;
        Ok(Self { row, name: row.name, kid: None, public: Some(Arc::new(public)), checker })
    }

    /// Names the key, so that it verifies only tokens whose header names it (`kid`).
    ///
    /// ```
    /// use countersign_jwt::{Algorithm, Claims, Error, SigningKey, Verifier};
    ///
    /// let key = SigningKey::generate(Algorithm::Hs256)?.with_kid("2026-10");
    /// let token = key.sign(&Claims::new(()).expires_in(std::time::Duration::from_secs(60)))?;
    /// let verifier = Verifier::new(key.verifying_key().with_kid("2026-11"));
    /// assert_eq!(verifier.verify::<()>(&token).unwrap_err(), Error::UnknownKey);
    /// # Ok::<(), countersign_jwt::Error>(())
    /// ```
    #[must_use]
    pub fn with_kid(mut self, kid: impl Into<String>) -> Self {
        self.kid = Some(kid.into());
        self
    }

    /// Names the key by its secret or its thumbprint, as [`SigningKey::with_derived_kid`] does.
    #[must_use]
    pub fn with_derived_kid(self) -> Self {
        let kid = match (self.checker.derive(KID_LABEL), self.public()) {
            (Some(mac), _) => derived_kid(mac.as_bytes()),
            (None, public) => public.map(jwk::thumbprint).unwrap_or_default(),
        };
        self.with_kid(kid)
    }

    /// Writes the algorithm under another of its names in a JWK, as [`SigningKey::with_algorithm_name`] does.
    ///
    /// Tokens are accepted under each of the names.
    ///
    /// # Errors
    /// [`Error::KeyMismatch`] for a name that is not one of the key's algorithm.
    pub fn with_algorithm_name(mut self, name: &str) -> Result<Self, Error> {
        self.name = self.row.named(name).ok_or(Error::KeyMismatch)?;
        Ok(self)
    }

    pub(crate) fn algorithm_name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn public(&self) -> Option<&Public> {
        self.public.as_deref()
    }

    /// Returns the key's one algorithm.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.row.algorithm
    }

    /// Returns the key's name, if it has one.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey")
            .field("algorithm", &self.row.algorithm)
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

fn derived_kid(mac: &[u8]) -> String {
    let mut kid = Vec::new();
    compact::encode(mac, &mut kid);
    kid.truncate(KID_LEN);
    String::from_utf8(kid).unwrap_or_default()
}
