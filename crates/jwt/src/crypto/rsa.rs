//! RSASSA-PKCS1-v1_5 and RSASSA-PSS (RFC 8017 §8) by aws-lc.
//!
//! Salts are as long as the hash (RFC 7518 §3.5); other lengths are refused.

use aws_lc_rs::{
    encoding::{AsDer as _, Pkcs8V1Der},
    rand::SystemRandom,
    rsa::{KeyPair, KeyPairComponents, KeySize, PublicKeyComponents},
    signature::{self as lib, ParsedPublicKey, RsaEncoding, RsaParameters},
};

use crate::{
    Error,
    alg::{Family, Hash, Row},
    asn1,
    material::{Private, RsaPrivate},
};

const DEFAULT_BITS: usize = 2048;

#[derive(Clone)]
pub(crate) struct Signer {
    pair: KeyPair,
    length: usize,
    encoding: &'static dyn RsaEncoding,
}

impl Signer {
    pub(crate) fn new(row: &Row, key: &RsaPrivate) -> Result<Self, Error> {
        let components = KeyPairComponents {
            public_key: PublicKeyComponents { n: key.n.as_slice(), e: key.e.as_slice() },
            d: key.d.as_slice(),
            p: key.p.as_slice(),
            q: key.q.as_slice(),
            dP: key.dp.as_slice(),
            dQ: key.dq.as_slice(),
            qInv: key.qi.as_slice(),
        };
        // Checks n = pq, d against e, and the rest against these.
        let pair = KeyPair::from_components(&components).map_err(|_| Error::KeyPairMismatch)?;
        let encoding: &'static dyn RsaEncoding = match (row.family, row.hash) {
            (Family::RsaPss, Hash::Sha256) => &lib::RSA_PSS_SHA256,
            (Family::RsaPss, Hash::Sha384) => &lib::RSA_PSS_SHA384,
            (Family::RsaPss, Hash::Sha512) => &lib::RSA_PSS_SHA512,
            (_, Hash::Sha256) => &lib::RSA_PKCS1_SHA256,
            (_, Hash::Sha384) => &lib::RSA_PKCS1_SHA384,
            (_, Hash::Sha512) => &lib::RSA_PKCS1_SHA512,
        };
        Ok(Self { length: pair.public_modulus_len(), pair, encoding })
    }

    pub(crate) fn sign<'r>(&self, message: &[u8], room: &'r mut [u8]) -> Result<&'r [u8], Error> {
        let signature = room.get_mut(..self.length).ok_or(Error::SigningFailed)?;
        self.pair
            .sign(self.encoding, &SystemRandom::new(), message, signature)
            .map_err(|_| Error::SigningFailed)?;
        Ok(signature)
    }
}

pub(crate) fn parse(row: &Row, n: &[u8], e: &[u8]) -> Result<ParsedPublicKey, Error> {
    let parameters: &'static RsaParameters = match (row.family, row.hash) {
        (Family::RsaPss, Hash::Sha256) => &lib::RSA_PSS_2048_8192_SHA256,
        (Family::RsaPss, Hash::Sha384) => &lib::RSA_PSS_2048_8192_SHA384,
        (Family::RsaPss, Hash::Sha512) => &lib::RSA_PSS_2048_8192_SHA512,
        (_, Hash::Sha256) => &lib::RSA_PKCS1_2048_8192_SHA256,
        (_, Hash::Sha384) => &lib::RSA_PKCS1_2048_8192_SHA384,
        (_, Hash::Sha512) => &lib::RSA_PKCS1_2048_8192_SHA512,
    };
    // By way of PKCS#1, because that checks the numbers and bare components are not.
    ParsedPublicKey::new(parameters, asn1::rsa_public(n, e)).map_err(|_| Error::KeyInvalid)
}

pub(crate) fn generate(bits: Option<usize>) -> Result<Private, Error> {
    let size = match bits.unwrap_or(DEFAULT_BITS) {
        2048 => KeySize::Rsa2048,
        3072 => KeySize::Rsa3072,
        4096 => KeySize::Rsa4096,
        _ => return Err(Error::KeySizeUnsupported),
    };
    let pair = KeyPair::generate(size).map_err(|_| Error::RandomnessUnavailable)?;
    let pkcs8: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| Error::RandomnessUnavailable)?;
    asn1::read_pkcs8(pkcs8.as_ref())
}
