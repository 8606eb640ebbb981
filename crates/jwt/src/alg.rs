//! What is known of each algorithm, one row each.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::Error;

/// The one table: a row gives the variant, its name in a header and other names for the same, its family with the curve,
/// its hash, and how many bytes a signature has (`None` where that depends on the key).
macro_rules! algorithms {
    ($(
        $(#[$doc:meta])*
        $variant:ident = $name:literal $(| $alias:literal)*, $family:expr, $hash:ident, $signature:expr;
    )*) => {
        /// A signature algorithm of JSON Web Signature (RFC 7518 §3.1, RFC 8037 §3.1).
        ///
        /// A key has exactly one of these, fixed when the key is made. The `alg` member of a token's header is only ever
        /// compared with it: a token never chooses how it is verified (RFC 8725 §3.1).
        ///
        /// Without the feature `asymmetric` keys can be made for the HS* family only; for the others the constructors
        /// answer [`Error::AlgorithmUnavailable`].
        ///
        /// ```
        /// use countersign_jwt::Algorithm;
        ///
        /// assert_eq!(Algorithm::Hs256.name(), "HS256");
        /// assert_eq!("HS256".parse(), Ok(Algorithm::Hs256));
        /// assert!("hs256".parse::<Algorithm>().is_err());
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Algorithm { $($(#[$doc])* $variant,)* }

        impl Algorithm {
            /// Every algorithm, in the order of RFC 7518.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            pub(crate) const fn row(self) -> &'static Row {
                match self {
                    $(Self::$variant => &Row {
                        algorithm: Self::$variant,
                        name: $name,
                        aliases: &[$($alias),*],
                        family: $family,
                        hash: Hash::$hash,
                        signature: $signature,
                    },)*
                }
            }
        }
    };
}

algorithms! {
    /// HMAC with SHA-256, the default: whoever verifies can also sign.
    Hs256 = "HS256", Family::Hmac, Sha256, Some(32);
    /// HMAC with SHA-384.
    Hs384 = "HS384", Family::Hmac, Sha384, Some(48);
    /// HMAC with SHA-512.
    Hs512 = "HS512", Family::Hmac, Sha512, Some(64);
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256 = "RS256", Family::RsaPkcs1, Sha256, None;
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384 = "RS384", Family::RsaPkcs1, Sha384, None;
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512 = "RS512", Family::RsaPkcs1, Sha512, None;
    /// ECDSA on P-256 with SHA-256.
    Es256 = "ES256", Family::Ecdsa(Curve::P256), Sha256, Some(64);
    /// ECDSA on P-384 with SHA-384.
    Es384 = "ES384", Family::Ecdsa(Curve::P384), Sha384, Some(96);
    /// ECDSA on P-521 with SHA-512.
    Es512 = "ES512", Family::Ecdsa(Curve::P521), Sha512, Some(132);
    /// RSASSA-PSS with SHA-256.
    Ps256 = "PS256", Family::RsaPss, Sha256, None;
    /// RSASSA-PSS with SHA-384.
    Ps384 = "PS384", Family::RsaPss, Sha384, None;
    /// RSASSA-PSS with SHA-512.
    Ps512 = "PS512", Family::RsaPss, Sha512, None;
    /// Ed25519, under the name `EdDSA` (RFC 8037) or `Ed25519` (RFC 9864).
    EdDsa = "EdDSA" | "Ed25519", Family::EdDsa(Curve::Ed25519), Sha512, Some(64);
}

impl Algorithm {
    /// Returns the name that stands in a header, such as `HS256`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// Says whether signing and verifying share one secret, so that whoever verifies can also sign.
    ///
    /// ```
    /// use countersign_jwt::Algorithm;
    ///
    /// assert!(Algorithm::Hs256.is_symmetric());
    /// assert!(!Algorithm::Es256.is_symmetric());
    /// ```
    #[must_use]
    pub const fn is_symmetric(self) -> bool {
        matches!(self.row().family, Family::Hmac)
    }

    /// Returns the length of a signature in bytes, or `None` where it depends on the key (RSA).
    ///
    /// ```
    /// use countersign_jwt::Algorithm;
    ///
    /// assert_eq!(Algorithm::Es256.signature_len(), Some(64));
    /// assert_eq!(Algorithm::Rs256.signature_len(), None);
    /// ```
    #[must_use]
    pub const fn signature_len(self) -> Option<usize> {
        self.row().signature
    }

    /// Returns the least length of a secret in bytes, which is that of the hash (RFC 7518 §3.2), or `None` for an
    /// algorithm without a shared secret.
    ///
    /// ```
    /// use countersign_jwt::Algorithm;
    ///
    /// assert_eq!(Algorithm::Hs384.min_secret_len(), Some(48));
    /// assert_eq!(Algorithm::Es384.min_secret_len(), None);
    /// ```
    #[must_use]
    pub const fn min_secret_len(self) -> Option<usize> {
        if self.is_symmetric() { Some(self.row().hash.len()) } else { None }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Algorithm {
    type Err = Error;

    /// Reads a name exactly as [`Algorithm::name`] writes it, or `Ed25519`; upper and lower case differ.
    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL
            .iter()
            .copied()
            .find(|algorithm| algorithm.row().named(name).is_some())
            .ok_or(Error::AlgorithmUnknown)
    }
}

impl Serialize for Algorithm {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Algorithm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        name.parse().map_err(de::Error::custom)
    }
}

/// A row of the table; keys find theirs once and carry it.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) algorithm: Algorithm,
    pub(crate) name: &'static str,
    pub(crate) aliases: &'static [&'static str],
    pub(crate) family: Family,
    pub(crate) hash: Hash,
    pub(crate) signature: Option<usize>,
}

impl Row {
    /// The algorithm's name if it is this one, by whichever of its names.
    pub(crate) fn named(&self, name: &str) -> Option<&'static str> {
        if self.name == name {
            return Some(self.name);
        }
        self.aliases.iter().copied().find(|alias| *alias == name)
    }

    /// What is to be said of a key that is not of this algorithm's kind.
    pub(crate) const fn refuse_key(&self) -> Error {
        match self.family {
            Family::Hmac => Error::KeyMismatch,
            _ if cfg!(feature = "asymmetric") => Error::KeyMismatch,
            _ => Error::AlgorithmUnavailable(self.algorithm),
        }
    }
}

/// Algorithms that share their kind of key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Hmac,
    RsaPkcs1,
    RsaPss,
    Ecdsa(Curve),
    EdDsa(Curve),
}

/// The curve of a key (RFC 7518 §6.2.1.1, RFC 8037 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Curve {
    P256,
    P384,
    P521,
    Ed25519,
}

impl Curve {
    pub(crate) const ALL: [Self; 4] = [Self::P256, Self::P384, Self::P521, Self::Ed25519];

    /// The name in a JWK (`crv`).
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
            Self::Ed25519 => "Ed25519",
        }
    }

    /// The kind of key in a JWK (`kty`).
    pub(crate) const fn kty(self) -> &'static str {
        match self {
            Self::P256 | Self::P384 | Self::P521 => "EC",
            Self::Ed25519 => "OKP",
        }
    }

    /// The length of a coordinate and of a private key in bytes.
    pub(crate) const fn len(self) -> usize {
        match self {
            Self::P256 | Self::Ed25519 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }
}

/// The hash inside an algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    /// The length of a digest in bytes.
    pub(crate) const fn len(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back_as_its_algorithm() {
        for &algorithm in Algorithm::ALL {
            assert_eq!(algorithm.name().parse(), Ok(algorithm));
            assert_eq!(serde_json::to_string(&algorithm).unwrap(), format!("\"{algorithm}\""));
        }
        assert_eq!("Ed25519".parse(), Ok(Algorithm::EdDsa));
    }
}
