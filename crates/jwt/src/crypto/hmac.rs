//! HMAC (RFC 2104): the key is absorbed once, each message starts from a copy of that state.
//!
//! States and buffers of the hash are wiped when dropped; comparison takes the same time wherever the bytes differ.

use ::hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Sha256, Sha384, Sha512};

use crate::{
    Error,
    alg::{Hash, Row},
};

/// The length in bytes of the longest MAC.
const MAX_LEN: usize = 64;

/// The bytes of a MAC, on the stack.
pub(crate) struct Mac {
    bytes: [u8; MAX_LEN],
    len: usize,
}

impl Mac {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// HMAC with the key absorbed.
#[derive(Clone)]
pub(crate) enum State {
    Sha256(Hmac<Sha256>),
    Sha384(Hmac<Sha384>),
    Sha512(Hmac<Sha512>),
}

impl State {
    pub(crate) fn new(row: &Row, secret: &[u8]) -> Result<Self, Error> {
        // HMAC takes a key of any length, so this never happens.
        let refused = |_| Error::AlgorithmUnavailable(row.algorithm);
        Ok(match row.hash {
            Hash::Sha256 => Self::Sha256(Hmac::new_from_slice(secret).map_err(refused)?),
            Hash::Sha384 => Self::Sha384(Hmac::new_from_slice(secret).map_err(refused)?),
            Hash::Sha512 => Self::Sha512(Hmac::new_from_slice(secret).map_err(refused)?),
        })
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Mac {
        match self {
            Self::Sha256(state) => mac(&absorb(state, message).finalize().into_bytes()),
            Self::Sha384(state) => mac(&absorb(state, message).finalize().into_bytes()),
            Self::Sha512(state) => mac(&absorb(state, message).finalize().into_bytes()),
        }
    }

    pub(crate) fn check(&self, message: &[u8], mac: &[u8]) -> Result<(), Error> {
        match self {
            Self::Sha256(state) => absorb(state, message).verify_slice(mac),
            Self::Sha384(state) => absorb(state, message).verify_slice(mac),
            Self::Sha512(state) => absorb(state, message).verify_slice(mac),
        }
        .map_err(|_| Error::SignatureInvalid)
    }
}

#[inline]
fn absorb<M: ::hmac::Mac + Clone>(state: &M, message: &[u8]) -> M {
    let mut mac = state.clone();
    mac.update(message);
    mac
}

fn mac(mac: &[u8]) -> Mac {
    let mut bytes = [0; MAX_LEN];
    if let Some(room) = bytes.get_mut(..mac.len()) {
        room.copy_from_slice(mac);
    }
    Mac { bytes, len: mac.len() }
}
