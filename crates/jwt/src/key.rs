//! Keys: parsed once, of one algorithm each, wiped when dropped.

use std::fmt;

use serde::Serialize;
use zeroize::Zeroizing;

use crate::{
    Algorithm, Claims, Error,
    alg::Row,
    compact::{self, MAX_TOKEN_LEN},
    crypto::{Checker, Signer},
    secret,
};

/// What the kid of a key with a shared secret is derived from, besides the secret.
const KID_LABEL: &[u8] = b"countersign kid v1";
/// How many base64url characters a derived kid has.
const KID_LEN: usize = 12;

/// A key that signs tokens, of exactly one algorithm.
///
/// For the HS* family it holds a shared secret: whoever can verify with it can also sign. Secrets are wiped from memory
/// when the key is dropped, and never shown by `Debug`.
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
    row: &'static Row,
    kid: Option<String>,
    typ: String,
    secret: Zeroizing<Vec<u8>>,
    signer: Signer,
    /// The header this key writes, encoded, with its dot.
    header: String,
}

impl SigningKey {
    /// Makes a new key from the randomness of the operating system; a secret has as many bytes as the hash.
    ///
    /// # Errors
    /// [`Error::AlgorithmUnavailable`] for a family that is not built in, [`Error::RandomnessUnavailable`] if the
    /// operating system gives none.
    pub fn generate(algorithm: Algorithm) -> Result<Self, Error> {
        let length = algorithm.min_secret_len().ok_or(Error::AlgorithmUnavailable(algorithm))?;
        let mut secret = Zeroizing::new(vec![0; length]);
        #[expect(
            clippy::disallowed_methods,
            reason = "key generation is one of the two sources of randomness"
        )]
        getrandom::fill(&mut secret).map_err(|_| Error::RandomnessUnavailable)?;
        Self::unchecked(algorithm, &secret)
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
        let row = algorithm.row();
        let signer = Signer::from_secret(row, secret)?;
        let secret = Zeroizing::new(secret.to_vec());
        Ok(Self { row, kid: None, typ: "JWT".into(), secret, signer, header: String::new() }
            .with_header())
    }

    fn with_header(mut self) -> Self {
        self.header = compact::header_text(self.row.name, self.kid.as_deref(), &self.typ);
        self.header.push('.');
        self
    }

    /// Names the key in the header of its tokens (`kid`), so that a verifier with several keys finds it.
    #[must_use]
    pub fn with_kid(mut self, kid: impl Into<String>) -> Self {
        self.kid = Some(kid.into());
        self.with_header()
    }

    /// Names the key by its secret: the first 12 base64url characters of HMAC(secret, `countersign kid v1`) with the
    /// key's own hash, so that whoever has the secret has the kid.
    #[must_use]
    pub fn with_derived_kid(self) -> Self {
        let kid = derived_kid(self.signer.sign(KID_LABEL).as_bytes());
        self.with_kid(kid)
    }

    /// Sets the type in the header of its tokens (`typ`), in place of `JWT`; for instance `at+jwt` (RFC 9068).
    #[must_use]
    pub fn with_typ(mut self, typ: impl Into<String>) -> Self {
        self.typ = typ.into();
        self.with_header()
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

    /// Returns the key that verifies what this one signs, of the same algorithm and kid.
    ///
    /// For the HS* family it holds the same secret.
    #[must_use]
    pub fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey { row: self.row, kid: self.kid.clone(), checker: self.signer.checker() }
    }

    /// Returns the bytes of the shared secret, to be stored; `None` for a key pair.
    ///
    /// Whoever reads them can sign. Copies are the caller's to wipe.
    #[must_use]
    pub fn expose_secret(&self) -> Option<&[u8]> {
        Some(&self.secret)
    }

    /// Signs the claims and returns the token.
    ///
    /// # Errors
    /// Claims that a verifier would refuse are refused here: [`Error::ClaimMissing`] without an expiry,
    /// [`Error::ExpiryTooEarly`], [`Error::ClaimDuplicate`], [`Error::ClaimInvalid`], [`Error::ClaimNotFinite`],
    /// [`Error::ClaimsNotObject`], [`Error::ClaimsUnwritable`], [`Error::TokenTooLong`].
    pub fn sign<T: Serialize>(&self, claims: &Claims<T>) -> Result<String, Error> {
        let mut token = String::with_capacity(512);
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
    pub fn sign_into<T: Serialize>(
        &self,
        claims: &Claims<T>,
        token: &mut String,
    ) -> Result<(), Error> {
        let mut bytes = std::mem::take(token).into_bytes();
        bytes.clear();
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
        let signature = self.signer.sign(bytes.get(start..).unwrap_or_default());
        bytes.push(b'.');
        compact::encode(signature.as_bytes(), bytes);
        bytes.drain(..start);
        if bytes.len() > MAX_TOKEN_LEN { Err(Error::TokenTooLong) } else { Ok(()) }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("algorithm", &self.row.algorithm)
            .field("kid", &self.kid)
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
    kid: Option<String>,
    pub(crate) checker: Checker,
}

impl VerifyingKey {
    /// Makes a key from the bytes of a shared secret.
    ///
    /// # Errors
    /// As [`SigningKey::from_secret`].
    pub fn from_secret(algorithm: Algorithm, secret: &[u8]) -> Result<Self, Error> {
        SigningKey::from_secret(algorithm, secret).map(|key| key.verifying_key())
    }

    /// Names the key, so that it verifies only tokens whose header names it (`kid`).
    #[must_use]
    pub fn with_kid(mut self, kid: impl Into<String>) -> Self {
        self.kid = Some(kid.into());
        self
    }

    /// Names the key by its secret, as [`SigningKey::with_derived_kid`] does.
    #[must_use]
    pub fn with_derived_kid(self) -> Self {
        let kid = derived_kid(self.checker.derive(KID_LABEL).as_bytes());
        self.with_kid(kid)
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
