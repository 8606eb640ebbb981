//! One variant for each refusal that someone can act on.

use std::fmt;

use crate::Algorithm;

/// Why a key was not made, a token not signed, or a token refused.
///
/// Errors carry static data only: none repeats any part of a token, a claim's value or a secret, so that they may be
/// logged and shown. [`Error::code`] gives the stable name of each for the wire; the message is for people and may
/// change.
///
/// ```
/// use countersign_jwt::{Algorithm, Error, SigningKey};
///
/// let error = SigningKey::from_secret(Algorithm::Hs256, b"too short").unwrap_err();
/// assert_eq!(error, Error::SecretTooShort { minimum: 32 });
/// assert_eq!(error.code(), "secret_too_short");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The text is not a token in the one accepted form; the reason is named.
    TokenMalformed(&'static str),
    /// The signature does not belong to this header and payload under the key.
    SignatureInvalid,
    /// `alg` in the header is not the key's algorithm.
    AlgorithmMismatch,
    /// No key of the set is meant by the header's `kid`, or the header has none and the set has several keys.
    UnknownKey,
    /// `typ` in the header is not the expected one.
    TypeMismatch,
    /// The header asks for an extension (`crit`, `b64`) that is not understood (RFC 7515 §4.1.11).
    HeaderUnsupported,
    /// `exp` has passed.
    TokenExpired,
    /// `nbf` lies ahead.
    TokenNotYetValid,
    /// `iat` is longer ago than the verifier's greatest age.
    TokenTooOld,
    /// `iss` is missing or not an accepted issuer.
    IssuerMismatch,
    /// `aud` is missing, names no accepted audience, or is there although none was configured.
    AudienceMismatch,
    /// A required claim is missing; it is named.
    ClaimMissing(&'static str),
    /// A registered claim has the wrong type or lies out of range; it is named.
    ClaimInvalid(&'static str),
    /// The claims do not fit the type they were asked for as.
    ClaimsMismatch,

    /// There is no algorithm of this name.
    AlgorithmUnknown,
    /// Keys of this algorithm cannot be made in this build.
    AlgorithmUnavailable(Algorithm),
    /// The secret has fewer bytes than the hash (RFC 7518 §3.2).
    SecretTooShort {
        /// The least number of bytes.
        minimum: usize,
    },
    /// The secret stands in a tutorial or is one byte repeated.
    SecretWeak,
    /// The secret is the text or the encoding of an asymmetric key, which others may know.
    SecretIsKey,
    /// Two keys of a set have the same `kid`.
    KidDuplicate,
    /// More than one key of a set has no `kid`.
    KidMissing,
    /// The operating system gave no randomness.
    RandomnessUnavailable,

    /// The custom claims are not an object, so they have no members to merge.
    ClaimsNotObject,
    /// A claim would stand twice in the payload.
    ClaimDuplicate,
    /// A number among the claims is not finite.
    ClaimNotFinite,
    /// The claims cannot be written as JSON.
    ClaimsUnwritable,
    /// `exp` is not after `iat`, or not after `nbf`.
    ExpiryTooEarly,
    /// The signed token would be longer than a verifier accepts.
    TokenTooLong,
}

impl Error {
    /// Returns the stable name of this refusal, as it stands in the `code` of an error answer.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TokenMalformed(_) => "token_malformed",
            Self::SignatureInvalid => "signature_invalid",
            Self::AlgorithmMismatch => "algorithm_mismatch",
            Self::UnknownKey => "unknown_key",
            Self::TypeMismatch => "type_mismatch",
            Self::HeaderUnsupported => "header_unsupported",
            Self::TokenExpired => "token_expired",
            Self::TokenNotYetValid => "token_not_yet_valid",
            Self::TokenTooOld => "token_too_old",
            Self::IssuerMismatch => "issuer_mismatch",
            Self::AudienceMismatch => "audience_mismatch",
            Self::ClaimMissing(_) => "claim_missing",
            Self::ClaimInvalid(_) => "claim_invalid",
            Self::ClaimsMismatch => "claims_mismatch",
            Self::AlgorithmUnknown => "algorithm_unknown",
            Self::AlgorithmUnavailable(_) => "algorithm_unavailable",
            Self::SecretTooShort { .. } => "secret_too_short",
            Self::SecretWeak => "secret_weak",
            Self::SecretIsKey => "secret_is_key",
            Self::KidDuplicate => "kid_duplicate",
            Self::KidMissing => "kid_missing",
            Self::RandomnessUnavailable => "randomness_unavailable",
            Self::ClaimsNotObject => "claims_not_object",
            Self::ClaimDuplicate => "claim_duplicate",
            Self::ClaimNotFinite => "claim_not_finite",
            Self::ClaimsUnwritable => "claims_unwritable",
            Self::ExpiryTooEarly => "expiry_too_early",
            Self::TokenTooLong => "token_too_long",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TokenMalformed(reason) => write!(f, "malformed token: {reason}"),
            Self::SignatureInvalid => f.write_str("the signature does not match"),
            Self::AlgorithmMismatch => f.write_str("the token's algorithm is not the key's"),
            Self::UnknownKey => f.write_str("no key is known by the token's kid"),
            Self::TypeMismatch => f.write_str("the token is of another type"),
            Self::HeaderUnsupported => {
                f.write_str("the header asks for an extension that is not understood")
            }
            Self::TokenExpired => f.write_str("the token has expired"),
            Self::TokenNotYetValid => f.write_str("the token is not valid yet"),
            Self::TokenTooOld => f.write_str("the token was issued too long ago"),
            Self::IssuerMismatch => f.write_str("the token is from another issuer"),
            Self::AudienceMismatch => f.write_str("the token is for another audience"),
            Self::ClaimMissing(name) => write!(f, "the claim `{name}` is missing"),
            Self::ClaimInvalid(name) => {
                write!(f, "the claim `{name}` has the wrong type or is out of range")
            }
            Self::ClaimsMismatch => f.write_str("the claims do not have the expected shape"),
            Self::AlgorithmUnknown => f.write_str("there is no algorithm of this name"),
            Self::AlgorithmUnavailable(algorithm) => {
                write!(f, "{algorithm} keys are not available in this build")
            }
            Self::SecretTooShort { minimum } => {
                write!(f, "the secret needs at least {minimum} bytes")
            }
            Self::SecretWeak => f.write_str("the secret is well known or one byte repeated"),
            Self::SecretIsKey => f.write_str("the secret is an asymmetric key or a key file"),
            Self::KidDuplicate => f.write_str("two keys of the set have the same kid"),
            Self::KidMissing => f.write_str("several keys of the set have no kid"),
            Self::RandomnessUnavailable => f.write_str("the operating system gave no randomness"),
            Self::ClaimsNotObject => f.write_str("custom claims must be an object"),
            Self::ClaimDuplicate => f.write_str("a claim is given twice"),
            Self::ClaimNotFinite => f.write_str("a number among the claims is not finite"),
            Self::ClaimsUnwritable => f.write_str("the claims cannot be written as JSON"),
            Self::ExpiryTooEarly => f.write_str("the expiry is not after the time of issue"),
            Self::TokenTooLong => f.write_str("the token would be longer than 8192 bytes"),
        }
    }
}

impl std::error::Error for Error {}
