//! Keys as PEM (RFC 7468) and DER, in and out.

use der::pem::{self, LineEnding};
use zeroize::Zeroizing;

use crate::{
    Algorithm, Error, SecretDer, SecretText, SigningKey, VerifyingKey,
    alg::{Curve, Family},
    asn1,
    material::{Private, Public},
};

const PKCS8: &str = "PRIVATE KEY";
const PKCS8_ENCRYPTED: &str = "ENCRYPTED PRIVATE KEY";
const PKCS1: &str = "RSA PRIVATE KEY";
const SEC1: &str = "EC PRIVATE KEY";
const SPKI: &str = "PUBLIC KEY";
const PKCS1_PUBLIC: &str = "RSA PUBLIC KEY";

/// The block that OpenSSL writes before a SEC1 key; the key names its curve itself.
const PARAMETERS: &str = "EC PARAMETERS";
const PARAMETERS_END: &str = "-----END EC PARAMETERS-----";

const NOT_ONE: Error = Error::KeyMalformed("not one PEM block");

/// What a PEM block holds.
enum Block {
    Private(Private),
    Public(Public),
}

fn read(algorithm: Algorithm, text: &str) -> Result<Block, Error> {
    if text.contains("Proc-Type:") {
        return Err(Error::KeyEncrypted);
    }
    let (parameters, text) = match text.split_once(PARAMETERS_END) {
        Some((before, rest)) => (text.get(..before.len() + PARAMETERS_END.len()), rest),
        None => (None, text),
    };
    let (label, bytes) = decode(text)?;
    if let Some(parameters) = parameters
        && (label != SEC1 || decode(parameters)?.0 != PARAMETERS)
    {
        return Err(NOT_ONE);
    }
    match label {
        PKCS8 => asn1::read_pkcs8(&bytes).map(Block::Private),
        PKCS1 => asn1::read_rsa_private(&bytes).map(Block::Private),
        SEC1 => asn1::read_sec1(&bytes, expected_curve(algorithm)).map(Block::Private),
        SPKI => asn1::read_spki(&bytes).map(Block::Public),
        PKCS1_PUBLIC => asn1::read_rsa_public(&bytes).map(Block::Public),
        PKCS8_ENCRYPTED => Err(Error::KeyEncrypted),
        _ => Err(Error::KeyUnsupported),
    }
}

/// Reads one block to its label and its bytes. Text may stand before it (RFC 7468 §2), but nothing that reads as a block
/// elsewhere, such as one whose lines end otherwise.
fn decode(text: &str) -> Result<(&str, Zeroizing<Vec<u8>>), Error> {
    if text.matches("-----BEGIN ").nth(1).is_some() {
        return Err(NOT_ONE);
    }
    let text = text.trim_ascii().as_bytes();
    let mut decoder = pem::Decoder::new_detect_wrap(text).map_err(|_| NOT_ONE)?;
    let label = decoder.type_label();
    let mut bytes = Zeroizing::new(vec![0; decoder.remaining_len()]);
    let length = decoder.decode(&mut bytes).map_err(|_| NOT_ONE)?.len();
    bytes.truncate(length);
    Ok((label, bytes))
}

fn expected_curve(algorithm: Algorithm) -> Option<Curve> {
    match algorithm.row().family {
        Family::Ecdsa(curve) => Some(curve),
        _ => None,
    }
}

fn write(label: &'static str, bytes: &[u8]) -> Result<String, Error> {
    // Only a text longer than memory is refused.
    pem::encode_string(label, LineEnding::LF, bytes)
        .map_err(|_| Error::KeyMalformed("too long for PEM"))
}

impl SigningKey {
    /// Reads a private key from PEM: PKCS#8 (`PRIVATE KEY`), PKCS#1 (`RSA PRIVATE KEY`) or SEC1 (`EC PRIVATE KEY`).
    ///
    /// The file says of what kind the key is, not what it is for: the algorithm is the caller's to name, and the key has
    /// it from then on.
    ///
    /// It holds one key: text may stand before the block, and OpenSSL's curve parameters before SEC1, but no other block.
    ///
    /// # Errors
    /// [`Error::KeyMalformed`], [`Error::KeyUnsupported`] for a certificate or an unknown kind, [`Error::KeyEncrypted`],
    /// [`Error::KeyNotPrivate`], [`Error::KeyMismatch`] for a key that is none of this algorithm, and those for keys that
    /// are weak or wrong: [`Error::KeyTooSmall`], [`Error::KeyTooLarge`], [`Error::KeyWeak`], [`Error::KeyInvalid`],
    /// [`Error::KeyPairMismatch`].
    ///
    /// ```
    /// use countersign_jwt::{Algorithm, Error, SigningKey};
    ///
    /// let pem = "-----BEGIN PRIVATE KEY-----\n\
    ///            MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
    ///            -----END PRIVATE KEY-----\n";
    /// let key = SigningKey::from_pem(Algorithm::EdDsa, pem)?;
    /// assert_eq!(key.algorithm(), Algorithm::EdDsa);
    /// assert_eq!(SigningKey::from_pem(Algorithm::Es256, pem).unwrap_err(), Error::KeyMismatch);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn from_pem(algorithm: Algorithm, pem: &str) -> Result<Self, Error> {
        match read(algorithm, pem)? {
            Block::Private(private) => Self::from_private(algorithm, private),
            Block::Public(_) => Err(Error::KeyNotPrivate),
        }
    }

    /// Reads a private key from the DER of PKCS#8 (RFC 5958), unencrypted.
    ///
    /// # Errors
    /// As [`SigningKey::from_pem`].
    ///
    /// ```
    /// use countersign_jwt::{Algorithm, SigningKey};
    ///
    /// let key = SigningKey::generate(Algorithm::Es256)?;
    /// let again = SigningKey::from_pkcs8_der(Algorithm::Es256, &key.expose_pkcs8_der()?)?;
    /// assert_eq!(again.verifying_key().thumbprint()?, key.verifying_key().thumbprint()?);
    /// # Ok::<(), countersign_jwt::Error>(())
    /// ```
    pub fn from_pkcs8_der(algorithm: Algorithm, der: &[u8]) -> Result<Self, Error> {
        Self::from_private(algorithm, asn1::read_pkcs8(der)?)
    }

    /// Reads an RSA private key from the DER of PKCS#1 (RFC 8017 §A.1.2), of two primes.
    ///
    /// # Errors
    /// As [`SigningKey::from_pem`].
    ///
    /// ```
    /// use countersign_jwt::{Algorithm, SigningKey};
    ///
    /// let key = SigningKey::generate(Algorithm::Rs256)?;
    /// let again = SigningKey::from_pkcs1_der(Algorithm::Ps256, &key.expose_pkcs1_der()?)?;
    /// assert_eq!(again.algorithm(), Algorithm::Ps256); // the same numbers, and another key
    /// # Ok::<(), countersign_jwt::Error>(())
    /// ```
    pub fn from_pkcs1_der(algorithm: Algorithm, der: &[u8]) -> Result<Self, Error> {
        Self::from_private(algorithm, asn1::read_rsa_private(der)?)
    }

    /// Reads an EC private key from the DER of SEC1 (RFC 5915); a curve it does not name is that of the algorithm.
    ///
    /// # Errors
    /// As [`SigningKey::from_pem`].
    ///
    /// ```
    /// use countersign_jwt::{Algorithm, Error, SigningKey};
    ///
    /// let der = SigningKey::generate(Algorithm::Es256)?.expose_sec1_der()?;
    /// assert!(SigningKey::from_sec1_der(Algorithm::Es256, &der).is_ok());
    /// assert_eq!(SigningKey::from_sec1_der(Algorithm::Es384, &der).unwrap_err(), Error::KeyMismatch);
    /// # Ok::<(), countersign_jwt::Error>(())
    /// ```
    pub fn from_sec1_der(algorithm: Algorithm, der: &[u8]) -> Result<Self, Error> {
        Self::from_private(algorithm, asn1::read_sec1(der, expected_curve(algorithm))?)
    }

    /// Writes the private key as PEM of PKCS#8 (RFC 5958), unencrypted: whoever reads it can sign.
    ///
    /// # Errors
    /// [`Error::KeyIsSecret`] for a shared secret, which [`SigningKey::expose_secret`] gives.
    ///
    /// ```
    /// use countersign_jwt::{Algorithm, SigningKey};
    ///
    /// let key = SigningKey::generate(Algorithm::Es256)?;
    /// let pem = key.expose_pkcs8_pem()?;
    /// assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----\n"));
    /// let again = SigningKey::from_pem(Algorithm::Es256, &pem)?;
    /// assert_eq!(again.verifying_key().to_spki_pem()?, key.verifying_key().to_spki_pem()?);
    /// # Ok::<(), countersign_jwt::Error>(())
    /// ```
    pub fn expose_pkcs8_pem(&self) -> Result<SecretText, Error> {
        let der = self.expose_pkcs8_der()?;
        write(PKCS8, &der).map(|pem| SecretText::new(Zeroizing::new(pem)))
    }

    /// Writes the private key as DER of PKCS#8 (RFC 5958), unencrypted: whoever reads it can sign.
    ///
    /// # Errors
    /// [`Error::KeyIsSecret`] for a shared secret.
    pub fn expose_pkcs8_der(&self) -> Result<SecretDer, Error> {
        let public = self.public().ok_or(Error::KeyIsSecret)?;
        asn1::write_pkcs8(self.private(), public).map(SecretDer::new).ok_or(Error::KeyIsSecret)
    }

    /// Writes an RSA private key as PEM of PKCS#1 (RFC 8017 §A.1.2): whoever reads it can sign.
    ///
    /// # Errors
    /// [`Error::KeyIsSecret`] for a shared secret, [`Error::KeyMismatch`] for a key on a curve.
    ///
    /// ```
    /// use countersign_jwt::{Algorithm, SigningKey};
    ///
    /// let pem = SigningKey::generate(Algorithm::Rs256)?.expose_pkcs1_pem()?;
    /// assert!(pem.starts_with("-----BEGIN RSA PRIVATE KEY-----\n"));
    /// # Ok::<(), countersign_jwt::Error>(())
    /// ```
    pub fn expose_pkcs1_pem(&self) -> Result<SecretText, Error> {
        let der = self.expose_pkcs1_der()?;
        write(PKCS1, &der).map(|pem| SecretText::new(Zeroizing::new(pem)))
    }

    /// Writes an RSA private key as DER of PKCS#1 (RFC 8017 §A.1.2): whoever reads it can sign.
    ///
    /// # Errors
    /// As [`SigningKey::expose_pkcs1_pem`].
    pub fn expose_pkcs1_der(&self) -> Result<SecretDer, Error> {
        match self.private() {
            Private::Rsa(key) => Ok(SecretDer::new(asn1::write_rsa_private(key))),
            Private::Scalar { .. } => Err(Error::KeyMismatch),
            Private::Secret(_) => Err(Error::KeyIsSecret),
        }
    }

    /// Writes an EC private key as PEM of SEC1 (RFC 5915): whoever reads it can sign.
    ///
    /// # Errors
    /// [`Error::KeyIsSecret`] for a shared secret, [`Error::KeyMismatch`] for an RSA or Ed25519 key.
    ///
    /// ```
    /// use countersign_jwt::{Algorithm, SigningKey};
    ///
    /// let pem = SigningKey::generate(Algorithm::Es256)?.expose_sec1_pem()?;
    /// assert!(pem.starts_with("-----BEGIN EC PRIVATE KEY-----\n"));
    /// # Ok::<(), countersign_jwt::Error>(())
    /// ```
    pub fn expose_sec1_pem(&self) -> Result<SecretText, Error> {
        let der = self.expose_sec1_der()?;
        write(SEC1, &der).map(|pem| SecretText::new(Zeroizing::new(pem)))
    }

    /// Writes an EC private key as DER of SEC1 (RFC 5915): whoever reads it can sign.
    ///
    /// # Errors
    /// As [`SigningKey::expose_sec1_pem`].
    pub fn expose_sec1_der(&self) -> Result<SecretDer, Error> {
        match (self.private(), self.public()) {
            (Private::Secret(_), _) => Err(Error::KeyIsSecret),
            (Private::Scalar { curve, d, .. }, Some(Public::Point { point, .. }))
                if *curve != Curve::Ed25519 =>
            {
                Ok(SecretDer::new(asn1::write_sec1(Some(*curve), d, Some(point))))
            }
            _ => Err(Error::KeyMismatch),
        }
    }
}

impl VerifyingKey {
    /// Reads a public key from PEM: SubjectPublicKeyInfo (`PUBLIC KEY`) or PKCS#1 (`RSA PUBLIC KEY`); of a private key the
    /// public half is taken.
    ///
    /// # Errors
    /// As [`SigningKey::from_pem`].
    ///
    /// ```
    /// use countersign_jwt::{Algorithm, VerifyingKey};
    ///
    /// let pem = "-----BEGIN PUBLIC KEY-----\n\
    ///            MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
    ///            -----END PUBLIC KEY-----\n";
    /// let key = VerifyingKey::from_pem(Algorithm::EdDsa, pem)?.with_derived_kid();
    /// assert_eq!(key.to_spki_pem()?, pem);
    /// # Ok::<(), countersign_jwt::Error>(())
    /// ```
    pub fn from_pem(algorithm: Algorithm, pem: &str) -> Result<Self, Error> {
        match read(algorithm, pem)? {
            Block::Private(private) => {
                SigningKey::from_private(algorithm, private).map(|key| key.verifying_key())
            }
            Block::Public(public) => Self::from_public(algorithm, public),
        }
    }

    /// Reads a public key from the DER of SubjectPublicKeyInfo (RFC 5280 §4.1).
    ///
    /// # Errors
    /// As [`SigningKey::from_pem`].
    ///
    /// ```
    /// use countersign_jwt::{Algorithm, SigningKey, VerifyingKey};
    ///
    /// let key = SigningKey::generate(Algorithm::EdDsa)?.verifying_key();
    /// let again = VerifyingKey::from_spki_der(Algorithm::EdDsa, &key.to_spki_der()?)?;
    /// assert_eq!(again.thumbprint()?, key.thumbprint()?);
    /// # Ok::<(), countersign_jwt::Error>(())
    /// ```
    pub fn from_spki_der(algorithm: Algorithm, der: &[u8]) -> Result<Self, Error> {
        Self::from_public(algorithm, asn1::read_spki(der)?)
    }

    /// Reads an RSA public key from the DER of PKCS#1 (RFC 8017 §A.1.1).
    ///
    /// # Errors
    /// As [`SigningKey::from_pem`].
    pub fn from_pkcs1_der(algorithm: Algorithm, der: &[u8]) -> Result<Self, Error> {
        Self::from_public(algorithm, asn1::read_rsa_public(der)?)
    }

    /// Writes the public key as PEM of SubjectPublicKeyInfo, the form that nearly everything reads.
    ///
    /// # Errors
    /// [`Error::KeyIsSecret`] for a shared secret.
    ///
    /// ```
    /// use countersign_jwt::{Algorithm, Error, SigningKey};
    ///
    /// let public = SigningKey::generate(Algorithm::Es256)?.verifying_key().to_spki_pem()?;
    /// assert!(public.starts_with("-----BEGIN PUBLIC KEY-----\n"));
    /// let shared = SigningKey::generate(Algorithm::Hs256)?.verifying_key();
    /// assert_eq!(shared.to_spki_pem(), Err(Error::KeyIsSecret));
    /// # Ok::<(), countersign_jwt::Error>(())
    /// ```
    pub fn to_spki_pem(&self) -> Result<String, Error> {
        write(SPKI, &self.to_spki_der()?)
    }

    /// Writes the public key as DER of SubjectPublicKeyInfo (RFC 5280 §4.1).
    ///
    /// # Errors
    /// [`Error::KeyIsSecret`] for a shared secret.
    pub fn to_spki_der(&self) -> Result<Vec<u8>, Error> {
        self.public().map(asn1::write_spki).ok_or(Error::KeyIsSecret)
    }

    /// Writes an RSA public key as PEM of PKCS#1 (RFC 8017 §A.1.1).
    ///
    /// # Errors
    /// [`Error::KeyIsSecret`] for a shared secret, [`Error::KeyMismatch`] for a key on a curve.
    ///
    /// ```
    /// use countersign_jwt::{Algorithm, SigningKey};
    ///
    /// let public = SigningKey::generate(Algorithm::Rs256)?.verifying_key().to_pkcs1_pem()?;
    /// assert!(public.starts_with("-----BEGIN RSA PUBLIC KEY-----\n"));
    /// # Ok::<(), countersign_jwt::Error>(())
    /// ```
    pub fn to_pkcs1_pem(&self) -> Result<String, Error> {
        write(PKCS1_PUBLIC, &self.to_pkcs1_der()?)
    }

    /// Writes an RSA public key as DER of PKCS#1 (RFC 8017 §A.1.1).
    ///
    /// # Errors
    /// As [`VerifyingKey::to_pkcs1_pem`].
    pub fn to_pkcs1_der(&self) -> Result<Vec<u8>, Error> {
        match self.public() {
            Some(Public::Rsa { n, e }) => Ok(asn1::rsa_public(n, e)),
            Some(Public::Point { .. }) => Err(Error::KeyMismatch),
            None => Err(Error::KeyIsSecret),
        }
    }
}
