//! What is sometimes needed and never safe: reading without verifying, secrets too short, tokens that never expire.
//!
//! Everything that weakens a check stands here, so that a search for `dangerous` finds all of it.

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Algorithm, Claims, Error, SigningKey, Verifier,
    compact::{self, Compact, Header},
    de, scan, secret,
};

/// What a token says of itself, believed by no one.
///
/// It cannot be turned into a [`Verified`](crate::Verified).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unverified<T> {
    /// The `alg` of the header, whatever it says.
    pub alg: String,
    /// The `kid` of the header.
    pub kid: Option<String>,
    /// The `typ` of the header.
    pub typ: Option<String>,
    /// The payload.
    pub claims: T,
}

/// Reads a token without verifying it: anyone can have written what this returns.
///
/// For showing a token to a person, or for finding out which issuer to ask for keys. Never decide by it who is calling.
///
/// # Errors
/// [`Error::TokenMalformed`] for a text that no verifier would read either, [`Error::ClaimsMismatch`] and
/// [`Error::ClaimMissing`] if the payload does not fit `T`.
///
/// ```
/// use countersign_jwt::{Algorithm, Claims, SigningKey, dangerous};
///
/// # let key = SigningKey::generate(Algorithm::Hs256)?.with_kid("2026-11");
/// # let claims = Claims::new(()).issuer("https://issuer.example").expires_in(std::time::Duration::from_secs(60));
/// # let token = key.sign(&claims)?;
/// let read = dangerous::decode_unverified::<serde_json::Value>(&token)?;
/// assert_eq!((read.alg.as_str(), read.kid.as_deref()), ("HS256", Some("2026-11")));
/// assert_eq!(read.claims["iss"], "https://issuer.example"); // or so somebody says
/// # Ok::<(), countersign_jwt::Error>(())
/// ```
pub fn decode_unverified<T: DeserializeOwned>(token: &str) -> Result<Unverified<T>, Error> {
    let compact = Compact::split(token)?;
    compact.check_alphabet()?;
    let (mut bytes, mut members) = (Vec::new(), Vec::new());
    let length = compact::decode(compact.header, &mut bytes)?;
    let header = Header::read(bytes.get(..length).unwrap_or_default(), &mut members)?;
    let (alg, kid, typ) =
        (header.alg.into_owned(), header.kid.map(Into::into), header.typ.map(Into::into));
    compact::decode(compact.signature, &mut Vec::new())?;
    let length = compact::decode(compact.payload, &mut bytes)?;
    let payload = std::str::from_utf8(bytes.get(..length).unwrap_or_default())
        .map_err(|_| Error::TokenMalformed("the payload is not UTF-8"))?;
    scan::object(payload, &mut members).map_err(Error::TokenMalformed)?;
    Ok(Unverified { alg, kid, typ, claims: de::from_members(payload, &members)? })
}

/// Verifies the signature alone and returns the payload, which need not be claims (RFC 7515).
///
/// For a signed text that is no JWT. Issuer, audience and expiry are not looked at, nor whether the payload is JSON: whoever
/// takes claims from it accepts a token for ever, and from all that the key signs for.
///
/// ```
/// use countersign_jwt::{Algorithm, Claims, SigningKey, Timestamp, Verifier, dangerous};
/// use std::time::Duration;
///
/// let key = SigningKey::generate(Algorithm::Hs256)?;
/// let verifier = Verifier::new(key.verifying_key());
/// let token = key.sign(&Claims::at((), Timestamp::new(0)).expires_in(Duration::from_secs(60)))?; // long expired
/// assert!(verifier.verify::<()>(&token).is_err());
/// assert_eq!(dangerous::verify_payload(&verifier, &token)?, br#"{"iat":0,"exp":60}"#);
/// # Ok::<(), countersign_jwt::Error>(())
/// ```
///
/// # Errors
/// Those refusals of [`Verifier::verify`] that come before the claims: form, algorithm, key, header, signature.
pub fn verify_payload(verifier: &Verifier, token: &str) -> Result<Vec<u8>, Error> {
    verifier.payload(token)
}

/// Makes a key from a secret of any length, also one known from a tutorial.
///
/// A short secret is found by trying, offline, from a single token. For the samples of tutorials only.
///
/// ```
/// use countersign_jwt::{Algorithm, SigningKey, dangerous};
///
/// let secret = b"your-256-bit-secret"; // 152 bits, in truth
/// assert!(SigningKey::from_secret(Algorithm::Hs256, secret).is_err());
/// assert!(dangerous::short_secret_key(Algorithm::Hs256, secret).is_ok());
/// ```
///
/// # Errors
/// [`Error::SecretIsKey`] and [`Error::AlgorithmUnavailable`] as [`SigningKey::from_secret`], and
/// [`Error::SecretTooShort`] for an empty secret.
pub fn short_secret_key(algorithm: Algorithm, bytes: &[u8]) -> Result<SigningKey, Error> {
    secret::check_not_key(bytes)?;
    if bytes.is_empty() {
        return Err(Error::SecretTooShort { minimum: 1 });
    }
    SigningKey::unchecked(algorithm, bytes)
}

/// Accepts tokens without an expiry; one that is there still counts.
///
/// Such a token is good for as long as its key, and whoever once reads it has it for good.
#[must_use]
pub fn without_expiry(verifier: Verifier) -> Verifier {
    verifier.without_expiry()
}

/// Lets claims be signed without an expiry.
///
/// A [`Verifier`] refuses the token unless it was made by [`without_expiry`].
///
/// ```
/// use countersign_jwt::{Algorithm, Claims, Error, SigningKey, Verifier, dangerous};
///
/// let key = SigningKey::generate(Algorithm::Hs256)?;
/// let token = key.sign(&dangerous::never_expires(Claims::new(()).subject("a machine")))?;
/// let verifier = Verifier::new(key.verifying_key());
/// assert_eq!(verifier.verify::<()>(&token).unwrap_err(), Error::ClaimMissing("exp"));
/// assert!(dangerous::without_expiry(verifier).verify::<()>(&token).is_ok());
/// # Ok::<(), countersign_jwt::Error>(())
/// ```
#[must_use]
pub fn never_expires<T: Serialize>(mut claims: Claims<T>) -> Claims<T> {
    claims.never_expires = true;
    claims
}
