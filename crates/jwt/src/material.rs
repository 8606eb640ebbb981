//! Keys as their numbers: what every format is read into and written from, and what every crypto key is made of.

use zeroize::Zeroizing;

use crate::{
    Error,
    alg::{Curve, Family, Row},
    weak,
};

/// Bytes that are wiped when dropped.
pub(crate) type SecretBytes = Zeroizing<Vec<u8>>;

/// A public key.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Public {
    /// Modulus and exponent, without leading zeros.
    Rsa { n: Vec<u8>, e: Vec<u8> },
    /// An uncompressed point with its leading 4 (SEC 1 §2.3.3), or an Ed25519 key (RFC 8032 §5.1.5).
    Point { curve: Curve, point: Vec<u8> },
}

/// A private key, or a shared secret.
#[derive(Clone)]
pub(crate) enum Private {
    Secret(SecretBytes),
    Rsa(Box<RsaPrivate>),
    /// The scalar, or the Ed25519 seed; with the public key where the format gave it.
    Scalar {
        curve: Curve,
        d: SecretBytes,
        point: Option<Vec<u8>>,
    },
}

/// An RSA private key of two primes (RFC 8017 §3.2).
#[derive(Clone)]
pub(crate) struct RsaPrivate {
    pub(crate) n: Vec<u8>,
    pub(crate) e: Vec<u8>,
    pub(crate) d: SecretBytes,
    pub(crate) p: SecretBytes,
    pub(crate) q: SecretBytes,
    pub(crate) dp: SecretBytes,
    pub(crate) dq: SecretBytes,
    pub(crate) qi: SecretBytes,
}

/// The first byte of an uncompressed point.
pub(crate) const UNCOMPRESSED: u8 = 4;

impl Public {
    /// Refuses a key of another kind than the algorithm's, and a weak one.
    pub(crate) fn check(&self, row: &Row) -> Result<(), Error> {
        match (self, row.family) {
            (Self::Rsa { n, e }, Family::RsaPkcs1 | Family::RsaPss) => weak::rsa(n, e),
            (Self::Point { curve, point }, Family::Ecdsa(expected)) if *curve == expected => {
                match point.split_first() {
                    Some((&UNCOMPRESSED, rest)) if rest.len() == 2 * curve.len() => Ok(()),
                    _ => Err(Error::KeyMalformed("not an uncompressed point")),
                }
            }
            (Self::Point { curve, point }, Family::EdDsa(expected)) if *curve == expected => {
                weak::ed25519(point)
            }
            _ => Err(row.refuse_key()),
        }
    }
}

impl Private {
    /// Refuses a key of another kind than the algorithm's, and one whose public part is weak.
    pub(crate) fn check(&self, row: &Row) -> Result<(), Error> {
        match (self, row.family) {
            (Self::Secret(_), Family::Hmac) => Ok(()),
            (Self::Rsa(key), Family::RsaPkcs1 | Family::RsaPss) => weak::rsa(&key.n, &key.e),
            (Self::Scalar { curve, d, .. }, Family::Ecdsa(expected) | Family::EdDsa(expected))
                if *curve == expected =>
            {
                if d.len() == curve.len() {
                    Ok(())
                } else {
                    Err(Error::KeyMalformed(LENGTH))
                }
            }
            _ => Err(row.refuse_key()),
        }
    }

    /// The public half as the format gave it.
    pub(crate) fn public(&self) -> Option<Public> {
        match self {
            Self::Secret(_) => None,
            Self::Rsa(key) => Some(Public::Rsa { n: key.n.clone(), e: key.e.clone() }),
            Self::Scalar { curve, point, .. } => {
                point.clone().map(|point| Public::Point { curve: *curve, point })
            }
        }
    }
}

/// The reason given for a number that is not as long as its curve asks.
pub(crate) const LENGTH: &str = "a number of the wrong length";
