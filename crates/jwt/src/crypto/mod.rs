//! The only files that name the crypto library; one for each family of algorithms.

#[cfg(feature = "asymmetric")]
pub(crate) mod ecdsa;
#[cfg(feature = "asymmetric")]
pub(crate) mod eddsa;
pub(crate) mod hmac;
#[cfg(feature = "asymmetric")]
pub(crate) mod rsa;
#[cfg(test)]
mod tests;

use std::ops::Range;

#[cfg(feature = "asymmetric")]
use aws_lc_rs::signature::ParsedPublicKey;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::{
    Error,
    alg::{Family, Row},
    compact,
    material::{Private, Public},
};

/// The length in bytes of the longest signature, that of an RSA key of 8192 bits.
pub(crate) const MAX_SIGNATURE_LEN: usize = 1024;

/// Signs: parsed and prepared once, then used for every token.
#[derive(Clone)]
#[cfg_attr(
    feature = "asymmetric",
    expect(clippy::large_enum_variant, reason = "the state of HMAC is kept where it is used")
)]
pub(crate) enum Signer {
    Hmac(hmac::State),
    #[cfg(feature = "asymmetric")]
    Rsa(rsa::Signer),
    #[cfg(feature = "asymmetric")]
    Ecdsa(ecdsa::Signer),
    #[cfg(feature = "asymmetric")]
    EdDsa(eddsa::Signer),
}

/// Checks signatures: parsed and prepared once, then used for every token.
#[derive(Clone)]
#[cfg_attr(
    feature = "asymmetric",
    expect(clippy::large_enum_variant, reason = "the state of HMAC is kept where it is used")
)]
pub(crate) enum Checker {
    Hmac(hmac::State),
    #[cfg(feature = "asymmetric")]
    Public(ParsedPublicKey),
}

/// Makes a new key from the randomness of the operating system; `bits` is the size of an RSA modulus.
pub(crate) fn generate(row: &'static Row, bits: Option<usize>) -> Result<Private, Error> {
    match (row.family, bits) {
        (Family::Hmac, None) => {
            let mut secret = Zeroizing::new(vec![0; row.hash.len()]);
            #[expect(
                clippy::disallowed_methods,
                reason = "key generation is one of the two sources of randomness"
            )]
            getrandom::fill(&mut secret).map_err(|_| Error::RandomnessUnavailable)?;
            Ok(Private::Secret(secret))
        }
        #[cfg(feature = "asymmetric")]
        (Family::RsaPkcs1 | Family::RsaPss, bits) => rsa::generate(bits),
        #[cfg(feature = "asymmetric")]
        (Family::Ecdsa(curve), None) => ecdsa::generate(curve),
        #[cfg(feature = "asymmetric")]
        (Family::EdDsa(curve), None) => eddsa::generate(curve),
        #[cfg(not(feature = "asymmetric"))]
        (Family::RsaPkcs1 | Family::RsaPss | Family::Ecdsa(_) | Family::EdDsa(_), _) => {
            Err(row.refuse_key())
        }
        (_, Some(_)) => Err(Error::KeySizeUnsupported),
    }
}

impl Signer {
    /// Makes a signer and what checks its signatures, and for a key pair the public half that belongs to the private one.
    pub(crate) fn new(
        row: &'static Row,
        private: &Private,
    ) -> Result<(Self, Checker, Option<Public>), Error> {
        private.check(row)?;
        match private {
            Private::Secret(secret) => {
                let state = hmac::State::new(row, secret)?;
                Ok((Self::Hmac(state.clone()), Checker::Hmac(state), None))
            }
            #[cfg(feature = "asymmetric")]
            private => {
                let (signer, public) = Self::pair(row, private)?;
                let checker = Checker::new(row, &public)?;
                Ok((signer, checker, Some(public)))
            }
            #[cfg(not(feature = "asymmetric"))]
            Private::Rsa(_) | Private::Scalar { .. } => Err(row.refuse_key()),
        }
    }

    #[cfg(feature = "asymmetric")]
    fn pair(row: &'static Row, private: &Private) -> Result<(Self, Public), Error> {
        match (private, row.family) {
            (Private::Rsa(key), _) => {
                let public = Public::Rsa { n: key.n.clone(), e: key.e.clone() };
                Ok((Self::Rsa(rsa::Signer::new(row, key)?), public))
            }
            (Private::Scalar { curve, d, point: given }, family) => {
                let (signer, point) = if matches!(family, Family::EdDsa(_)) {
                    let (signer, point) = eddsa::Signer::new(d)?;
                    (Self::EdDsa(signer), point)
                } else {
                    let (signer, point) = ecdsa::Signer::new(*curve, d)?;
                    (Self::Ecdsa(signer), point)
                };
                if given.as_ref().is_some_and(|given| *given != point) {
                    return Err(Error::KeyPairMismatch);
                }
                Ok((signer, Public::Point { curve: *curve, point }))
            }
            (Private::Secret(_), _) => Err(row.refuse_key()),
        }
    }

    /// Appends a dot and the signature of a part of `bytes`, encoded.
    #[inline]
    pub(crate) fn append(&self, bytes: &mut Vec<u8>, part: Range<usize>) -> Result<(), Error> {
        match self {
            Self::Hmac(state) => {
                let mac = state.sign(bytes.get(part).unwrap_or_default());
                write(mac.as_bytes(), bytes);
                Ok(())
            }
            #[cfg(feature = "asymmetric")]
            Self::Rsa(_) | Self::Ecdsa(_) | Self::EdDsa(_) => self.append_of_pair(bytes, part),
        }
    }

    /// The same for a key pair, apart because the room for its signature is kilobytes of stack.
    #[cfg(feature = "asymmetric")]
    #[inline(never)]
    fn append_of_pair(&self, bytes: &mut Vec<u8>, part: Range<usize>) -> Result<(), Error> {
        let message = bytes.get(part).unwrap_or_default();
        match self {
            Self::Hmac(state) => write(state.sign(message).as_bytes(), bytes),
            Self::Rsa(signer) => {
                let mut room = [0; MAX_SIGNATURE_LEN];
                let signature = signer.sign(message, &mut room)?;
                write(signature, bytes);
            }
            Self::Ecdsa(signer) => write(signer.sign(message)?.as_ref(), bytes),
            Self::EdDsa(signer) => write(signer.sign(message)?.as_ref(), bytes),
        }
        Ok(())
    }
}

fn write(signature: &[u8], bytes: &mut Vec<u8>) {
    bytes.push(b'.');
    compact::encode(signature, bytes);
}

impl Checker {
    /// Makes a checker for a public key.
    pub(crate) fn new(row: &'static Row, public: &Public) -> Result<Self, Error> {
        public.check(row)?;
        #[cfg(feature = "asymmetric")]
        return match (public, row.family) {
            (Public::Rsa { n, e }, _) => rsa::parse(row, n, e),
            (Public::Point { point, .. }, Family::EdDsa(_)) => eddsa::parse(point),
            (Public::Point { curve, point }, _) => ecdsa::parse(*curve, point),
        }
        .map(Self::Public);
        #[cfg(not(feature = "asymmetric"))]
        Err(row.refuse_key())
    }

    /// Whether the signature belongs to the message.
    #[inline]
    pub(crate) fn check(&self, message: &[u8], signature: &[u8]) -> Result<(), Error> {
        match self {
            Self::Hmac(state) => state.check(message, signature),
            #[cfg(feature = "asymmetric")]
            Self::Public(key) => {
                key.verify_sig(message, signature).map_err(|_| Error::SignatureInvalid)
            }
        }
    }

    /// A value that whoever has the shared secret can compute, different for each label; `None` for a public key.
    pub(crate) fn derive(&self, label: &[u8]) -> Option<hmac::Mac> {
        match self {
            Self::Hmac(state) => Some(state.sign(label)),
            #[cfg(feature = "asymmetric")]
            Self::Public(_) => None,
        }
    }
}

/// SHA-256, of a thumbprint.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}
