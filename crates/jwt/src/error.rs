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
    /// The key, or the set of keys, is not in one of the accepted forms; the reason is named.
    KeyMalformed(&'static str),
    /// The key is of a kind or on a curve that no algorithm here uses.
    KeyUnsupported,
    /// The key is encrypted; it is to be decrypted first.
    KeyEncrypted,
    /// The key is of another kind, on another curve or for another algorithm than the one asked for.
    KeyMismatch,
    /// `use` or `key_ops` of the key do not allow what it is to be used for (RFC 7517 §4.2, §4.3).
    KeyUseMismatch,
    /// The key does not say its algorithm (`alg`), and its kind does not tell.
    KeyAlgorithmMissing,
    /// The key is public where a private one is needed.
    KeyNotPrivate,
    /// The key is a shared secret, which has no public half.
    KeyIsSecret,
    /// The RSA modulus has fewer than 2048 bits.
    KeyTooSmall,
    /// The RSA modulus has more than 8192 bits.
    KeyTooLarge,
    /// The key can be broken; the reason is named.
    KeyWeak(&'static str),
    /// The numbers do not make a key: a point off its curve, a modulus that is not the product of its factors.
    KeyInvalid,
    /// The private part does not belong to the public part.
    KeyPairMismatch,
    /// Keys of this size cannot be made: RSA keys have 2048, 3072 or 4096 bits, and others no choice.
    KeySizeUnsupported,
    /// Secrets and public keys stand in one set: published it gives the secrets away, kept it invites confusion.
    KeysMixed,
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
    /// The crypto library did not sign, for want of memory or randomness.
    SigningFailed,
}

impl Error {
    /// Returns the stable name of this refusal, as it stands in the `code` of an error answer.
    ///
    /// ```
    /// use countersign_jwt::Error;
    ///
    /// assert_eq!(Error::TokenExpired.code(), "token_expired");
    /// assert_eq!(Error::ClaimMissing("exp").code(), "claim_missing");
    /// ```
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
            Self::KeyMalformed(_) => "key_malformed",
            Self::KeyUnsupported => "key_unsupported",
            Self::KeyEncrypted => "key_encrypted",
            Self::KeyMismatch => "key_mismatch",
            Self::KeyUseMismatch => "key_use_mismatch",
            Self::KeyAlgorithmMissing => "key_algorithm_missing",
            Self::KeyNotPrivate => "key_not_private",
            Self::KeyIsSecret => "key_is_secret",
            Self::KeyTooSmall => "key_too_small",
            Self::KeyTooLarge => "key_too_large",
            Self::KeyWeak(_) => "key_weak",
            Self::KeyInvalid => "key_invalid",
            Self::KeyPairMismatch => "key_pair_mismatch",
            Self::KeySizeUnsupported => "key_size_unsupported",
            Self::KeysMixed => "keys_mixed",
            Self::RandomnessUnavailable => "randomness_unavailable",
            Self::ClaimsNotObject => "claims_not_object",
            Self::ClaimDuplicate => "claim_duplicate",
            Self::ClaimNotFinite => "claim_not_finite",
            Self::ClaimsUnwritable => "claims_unwritable",
            Self::ExpiryTooEarly => "expiry_too_early",
            Self::TokenTooLong => "token_too_long",
            Self::SigningFailed => "signing_failed",
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
            Self::KeyMalformed(reason) => write!(f, "malformed key: {reason}"),
            Self::KeyUnsupported => f.write_str("the key is of a kind that is not supported"),
            Self::KeyEncrypted => f.write_str("the key is encrypted"),
            Self::KeyMismatch => f.write_str("the key is not one for this algorithm"),
            Self::KeyUseMismatch => f.write_str("the key may not be used for this"),
            Self::KeyAlgorithmMissing => f.write_str("the key does not say its algorithm"),
            Self::KeyNotPrivate => f.write_str("the key is public, signing takes a private one"),
            Self::KeyIsSecret => f.write_str("the key is a shared secret and has no public half"),
            Self::KeyTooSmall => f.write_str("the RSA key has fewer than 2048 bits"),
            Self::KeyTooLarge => f.write_str("the RSA key has more than 8192 bits"),
            Self::KeyWeak(reason) => write!(f, "weak key: {reason}"),
            Self::KeyInvalid => f.write_str("the numbers of the key do not make one"),
            Self::KeyPairMismatch => {
                f.write_str("the private part of the key does not belong to its public part")
            }
            Self::KeySizeUnsupported => f.write_str("keys of this size cannot be made"),
            Self::KeysMixed => f.write_str("secrets and public keys stand in one set"),
            Self::RandomnessUnavailable => f.write_str("the operating system gave no randomness"),
            Self::ClaimsNotObject => f.write_str("custom claims must be an object"),
            Self::ClaimDuplicate => f.write_str("a claim is given twice"),
            Self::ClaimNotFinite => f.write_str("a number among the claims is not finite"),
            Self::ClaimsUnwritable => f.write_str("the claims cannot be written as JSON"),
            Self::ExpiryTooEarly => f.write_str("the expiry is not after the time of issue"),
            Self::TokenTooLong => f.write_str("the token would be longer than 8192 bytes"),
            Self::SigningFailed => f.write_str("the crypto library did not sign"),
        }
    }
}

impl std::error::Error for Error {}
