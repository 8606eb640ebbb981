//! ECDSA on the NIST curves (RFC 7518 §3.4) by aws-lc; signatures are r and s side by side.

use aws_lc_rs::{
    encoding::AsBigEndian as _,
    rand::SystemRandom,
    signature::{
        self as lib, EcdsaKeyPair, EcdsaSigningAlgorithm, EcdsaVerificationAlgorithm, KeyPair as _,
        ParsedPublicKey, Signature,
    },
};
use zeroize::Zeroizing;

use crate::{Error, alg::Curve, asn1, material::Private};

#[derive(Clone)]
pub(crate) struct Signer(EcdsaKeyPair);

impl Signer {
    /// Makes a signer and returns the public point that belongs to the scalar.
    pub(crate) fn new(curve: Curve, d: &[u8]) -> Result<(Self, Vec<u8>), Error> {
        // From a private key without its point aws-lc derives that and checks that the scalar is in range.
        let sec1 = asn1::write_sec1(Some(curve), d, None);
        let pair = EcdsaKeyPair::from_private_key_der(signing(curve)?, &sec1)
            .map_err(|_| Error::KeyInvalid)?;
        let point = pair.public_key().as_ref().to_vec();
        Ok((Self(pair), point))
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Result<Signature, Error> {
        self.0.sign(&SystemRandom::new(), message).map_err(|_| Error::SigningFailed)
    }
}

pub(crate) fn parse(curve: Curve, point: &[u8]) -> Result<ParsedPublicKey, Error> {
    let algorithm: &'static EcdsaVerificationAlgorithm = match curve {
        Curve::P256 => &lib::ECDSA_P256_SHA256_FIXED,
        Curve::P384 => &lib::ECDSA_P384_SHA384_FIXED,
        Curve::P521 => &lib::ECDSA_P521_SHA512_FIXED,
        Curve::Ed25519 => return Err(Error::KeyMismatch),
    };
    // Checks that the point is on the curve and not at infinity.
    ParsedPublicKey::new(algorithm, point).map_err(|_| Error::KeyInvalid)
}

fn signing(curve: Curve) -> Result<&'static EcdsaSigningAlgorithm, Error> {
    match curve {
        Curve::P256 => Ok(&lib::ECDSA_P256_SHA256_FIXED_SIGNING),
        Curve::P384 => Ok(&lib::ECDSA_P384_SHA384_FIXED_SIGNING),
        Curve::P521 => Ok(&lib::ECDSA_P521_SHA512_FIXED_SIGNING),
        Curve::Ed25519 => Err(Error::KeyMismatch),
    }
}

pub(crate) fn generate(curve: Curve) -> Result<Private, Error> {
    let pair = EcdsaKeyPair::generate(signing(curve)?).map_err(|_| Error::RandomnessUnavailable)?;
    let d = pair.private_key().as_be_bytes().map_err(|_| Error::RandomnessUnavailable)?;
    Ok(Private::Scalar {
        curve,
        d: Zeroizing::new(d.as_ref().to_vec()),
        point: Some(pair.public_key().as_ref().to_vec()),
    })
}
