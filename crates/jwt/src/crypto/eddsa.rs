//! Ed25519 (RFC 8032 §5.1) by aws-lc.

use aws_lc_rs::{
    encoding::AsBigEndian as _,
    signature::{self as lib, Ed25519KeyPair, KeyPair as _, ParsedPublicKey, Signature},
};
use zeroize::Zeroizing;

use crate::{Error, alg::Curve, material::Private};

#[derive(Clone)]
pub(crate) struct Signer(Ed25519KeyPair);

impl Signer {
    /// Makes a signer and returns the public key that belongs to the seed.
    pub(crate) fn new(seed: &[u8]) -> Result<(Self, Vec<u8>), Error> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| Error::KeyInvalid)?;
        let key = pair.public_key().as_ref().to_vec();
        Ok((Self(pair), key))
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Result<Signature, Error> {
        self.0.try_sign(message).map_err(|_| Error::SigningFailed)
    }
}

pub(crate) fn parse(key: &[u8]) -> Result<ParsedPublicKey, Error> {
    ParsedPublicKey::new(&lib::ED25519, key).map_err(|_| Error::KeyInvalid)
}

pub(crate) fn generate(curve: Curve) -> Result<Private, Error> {
    let pair = Ed25519KeyPair::generate().map_err(|_| Error::RandomnessUnavailable)?;
    let seed = pair
        .seed()
        .and_then(|seed| seed.as_be_bytes())
        .map_err(|_| Error::RandomnessUnavailable)?;
    Ok(Private::Scalar {
        curve,
        d: Zeroizing::new(seed.as_ref().to_vec()),
        point: Some(pair.public_key().as_ref().to_vec()),
    })
}
