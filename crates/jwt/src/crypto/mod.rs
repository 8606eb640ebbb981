//! The only files that name the crypto library; one for each family of algorithms.

pub(crate) mod hmac;

use crate::{
    Error,
    alg::{Family, Row},
};

/// Signs: parsed and prepared once, then used for every token.
#[derive(Clone)]
pub(crate) enum Signer {
    Hmac(hmac::State),
}

/// Checks signatures: parsed and prepared once, then used for every token.
#[derive(Clone)]
pub(crate) enum Checker {
    Hmac(hmac::State),
}

/// The bytes of a signature, on the stack.
pub(crate) struct Signature {
    bytes: [u8; hmac::MAX_LEN],
    len: usize,
}

impl Signature {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl Signer {
    pub(crate) fn from_secret(row: &'static Row, secret: &[u8]) -> Result<Self, Error> {
        match row.family {
            Family::Hmac => Ok(Self::Hmac(hmac::State::new(row, secret)?)),
            Family::RsaPkcs1 | Family::RsaPss | Family::Ecdsa | Family::EdDsa => {
                Err(Error::AlgorithmUnavailable(row.algorithm))
            }
        }
    }

    pub(crate) fn checker(&self) -> Checker {
        match self {
            Self::Hmac(state) => Checker::Hmac(state.clone()),
        }
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Signature {
        match self {
            Self::Hmac(state) => state.sign(message),
        }
    }
}

impl Checker {
    /// Whether the signature belongs to the message.
    pub(crate) fn check(&self, message: &[u8], signature: &[u8]) -> Result<(), Error> {
        match self {
            Self::Hmac(state) => state.check(message, signature),
        }
    }

    /// A value that whoever has the shared secret can compute, different for each label.
    pub(crate) fn derive(&self, label: &[u8]) -> Signature {
        match self {
            Self::Hmac(state) => state.sign(label),
        }
    }
}
