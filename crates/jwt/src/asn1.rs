//! Keys in DER: PKCS#8 (RFC 5958), PKCS#1 (RFC 8017), SEC1 (RFC 5915) and SubjectPublicKeyInfo (RFC 5280).
//!
//! One encoding only is read of each, without anything behind it. What is written here is made of a handful of shapes, so
//! that writing takes no more than a tag and a length.

use der::{
    Decode, Reader, SliceReader, Tag, TagMode, TagNumber, Tagged as _,
    asn1::{AnyRef, BitStringRef, ObjectIdentifier, OctetStringRef, UintRef},
};
use zeroize::Zeroizing;

use crate::{
    Error,
    alg::Curve,
    material::{LENGTH, Private, Public, RsaPrivate, SecretBytes},
};

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");

const MALFORMED: Error = Error::KeyMalformed("not the DER of such a key");

/// What an AlgorithmIdentifier names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Rsa,
    Curve(Curve),
    Other,
}

/// Reads all of `bytes` as one sequence.
fn whole<'d, T>(
    bytes: &'d [u8],
    read: impl FnOnce(&mut SliceReader<'d>) -> der::Result<T>,
) -> Result<T, Error> {
    let read_all = || {
        let mut reader = SliceReader::new(bytes)?;
        let value = reader.sequence(read)?;
        reader.finish()?;
        Ok(value)
    };
    read_all().map_err(|_: der::Error| MALFORMED)
}

fn curve(oid: ObjectIdentifier) -> Option<Curve> {
    match oid {
        P256 => Some(Curve::P256),
        P384 => Some(Curve::P384),
        P521 => Some(Curve::P521),
        _ => None,
    }
}

fn kind<'d>(reader: &mut SliceReader<'d>) -> der::Result<Kind> {
    reader.sequence(|reader| {
        let oid = ObjectIdentifier::decode(reader)?;
        let parameters = if reader.is_finished() { None } else { Some(AnyRef::decode(reader)?) };
        Ok(match (oid, parameters) {
            (RSA, Some(parameters)) if parameters.is_null() => Kind::Rsa,
            (ED25519, None) => Kind::Curve(Curve::Ed25519),
            // A curve given by its numbers in place of its name is no curve of ours (CVE-2020-0601).
            (EC, Some(parameters)) if parameters.tag() == Tag::ObjectIdentifier => {
                curve(parameters.decode_as()?).map_or(Kind::Other, Kind::Curve)
            }
            _ => Kind::Other,
        })
    })
}

/// Reads a SubjectPublicKeyInfo.
pub(crate) fn read_spki(bytes: &[u8]) -> Result<Public, Error> {
    let (kind, key) = whole(bytes, |reader| Ok((kind(reader)?, BitStringRef::decode(reader)?)))?;
    let key = key.as_bytes().ok_or(MALFORMED)?;
    match kind {
        Kind::Rsa => read_rsa_public(key),
        Kind::Curve(curve) => Ok(Public::Point { curve, point: key.to_vec() }),
        Kind::Other => Err(Error::KeyUnsupported),
    }
}

/// Reads an RSAPublicKey.
pub(crate) fn read_rsa_public(bytes: &[u8]) -> Result<Public, Error> {
    whole(bytes, |reader| {
        let (n, e) = (UintRef::decode(reader)?, UintRef::decode(reader)?);
        Ok(Public::Rsa { n: n.as_bytes().to_vec(), e: e.as_bytes().to_vec() })
    })
}

/// Reads a PrivateKeyInfo or OneAsymmetricKey.
pub(crate) fn read_pkcs8(bytes: &[u8]) -> Result<Private, Error> {
    let (kind, key, public) = whole(bytes, |reader| {
        let version = u8::decode(reader)?;
        let kind = kind(reader)?;
        let key = <&OctetStringRef>::decode(reader)?;
        if reader.peek_byte() == Some(EXPLICIT_0) {
            reader.tlv_bytes()?; // attributes, which say nothing of the key
        }
        let public =
            reader.context_specific::<BitStringRef<'_>>(TagNumber(1), TagMode::Implicit)?;
        if version > 1 || (version == 0 && public.is_some()) {
            return Err(Tag::Integer.value_error().into());
        }
        Ok((kind, key.as_bytes(), public))
    })?;
    let public = match public {
        Some(bits) => Some(bits.as_bytes().ok_or(MALFORMED)?),
        None => None,
    };
    match kind {
        Kind::Rsa => read_rsa_private(key),
        Kind::Curve(curve @ Curve::Ed25519) => {
            let seed = <&OctetStringRef>::from_der(key).map_err(|_| MALFORMED)?;
            scalar(curve, seed.as_bytes(), public)
        }
        Kind::Curve(curve) => {
            let (named, d, own) = sec1(key)?;
            if named.is_some_and(|named| named != curve) {
                return Err(Error::KeyMismatch);
            }
            if let (Some(public), Some(own)) = (public, own)
                && public != own
            {
                return Err(Error::KeyPairMismatch);
            }
            scalar(curve, d, own.or(public))
        }
        Kind::Other => Err(Error::KeyUnsupported),
    }
}

fn scalar(curve: Curve, d: &[u8], point: Option<&[u8]>) -> Result<Private, Error> {
    if d.len() != curve.len() {
        return Err(Error::KeyMalformed(LENGTH));
    }
    let d = Zeroizing::new(d.to_vec());
    Ok(Private::Scalar { curve, d, point: point.map(<[u8]>::to_vec) })
}

/// Reads an RSAPrivateKey of two primes.
pub(crate) fn read_rsa_private(bytes: &[u8]) -> Result<Private, Error> {
    whole(bytes, |reader| {
        if u8::decode(reader)? != 0 {
            return Err(Tag::Integer.value_error().into());
        }
        let mut number = || UintRef::decode(reader).map(|number| number.as_bytes());
        let (n, e) = (number()?.to_vec(), number()?.to_vec());
        let mut secret = || number().map(|bytes| Zeroizing::new(bytes.to_vec()));
        let (d, p, q, dp, dq, qi) =
            (secret()?, secret()?, secret()?, secret()?, secret()?, secret()?);
        Ok(Private::Rsa(Box::new(RsaPrivate { n, e, d, p, q, dp, dq, qi })))
    })
}

/// Reads an ECPrivateKey; the curve stands in it or is known from elsewhere.
pub(crate) fn read_sec1(bytes: &[u8], expected: Option<Curve>) -> Result<Private, Error> {
    let (named, d, point) = sec1(bytes)?;
    match (named, expected) {
        (Some(named), Some(expected)) if named != expected => Err(Error::KeyMismatch),
        (Some(curve), _) | (None, Some(curve)) => scalar(curve, d, point),
        (None, None) => Err(Error::KeyUnsupported),
    }
}

type Sec1<'d> = (Option<Curve>, &'d [u8], Option<&'d [u8]>);

fn sec1(bytes: &[u8]) -> Result<Sec1<'_>, Error> {
    let (oid, d, point) = whole(bytes, |reader| {
        if u8::decode(reader)? != 1 {
            return Err(Tag::Integer.value_error().into());
        }
        let d = <&OctetStringRef>::decode(reader)?.as_bytes();
        let oid = reader.context_specific::<ObjectIdentifier>(TagNumber(0), TagMode::Explicit)?;
        let point = reader.context_specific::<BitStringRef<'_>>(TagNumber(1), TagMode::Explicit)?;
        Ok((oid, d, point))
    })?;
    let named = match oid {
        Some(oid) => Some(curve(oid).ok_or(Error::KeyUnsupported)?),
        None => None,
    };
    let point = match point {
        Some(bits) => Some(bits.as_bytes().ok_or(MALFORMED)?),
        None => None,
    };
    Ok((named, d, point))
}

/// Writes a tag, a length and a value made of parts.
fn tlv(tag: u8, parts: &[&[u8]]) -> SecretBytes {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut bytes = Zeroizing::new(Vec::with_capacity(length + 6));
    bytes.push(tag);
    let digits = length.to_be_bytes();
    let digits: &[u8] = match digits.iter().position(|&digit| digit != 0) {
        Some(first) => digits.get(first..).unwrap_or_default(),
        None => &[0],
    };
    if length > 0x7F {
        // No key is so long that its length has eight digits.
        bytes.push(0x80 | u8::try_from(digits.len()).unwrap_or_default());
    }
    bytes.extend_from_slice(digits);
    for part in parts {
        bytes.extend_from_slice(part);
    }
    bytes
}

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const NULL: &[u8] = &[0x05, 0x00];
const OID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const EXPLICIT_0: u8 = 0xA0;
const EXPLICIT_1: u8 = 0xA1;

fn integer(number: &[u8]) -> SecretBytes {
    let zeros = number.iter().take_while(|&&byte| byte == 0).count();
    let number = number.get(zeros..).unwrap_or_default();
    // Positive numbers have their highest bit clear.
    let sign: &[u8] = if number.first().is_none_or(|&first| first > 0x7F) { &[0] } else { &[] };
    tlv(INTEGER, &[sign, number])
}

fn oid(oid: ObjectIdentifier) -> SecretBytes {
    tlv(OID, &[oid.as_bytes()])
}

fn curve_oid(curve: Curve) -> ObjectIdentifier {
    match curve {
        Curve::P256 => P256,
        Curve::P384 => P384,
        Curve::P521 => P521,
        Curve::Ed25519 => ED25519,
    }
}

fn identifier(curve: Option<Curve>) -> SecretBytes {
    match curve {
        None => tlv(SEQUENCE, &[&oid(RSA), NULL]),
        Some(Curve::Ed25519) => tlv(SEQUENCE, &[&oid(ED25519)]),
        Some(curve) => tlv(SEQUENCE, &[&oid(EC), &oid(curve_oid(curve))]),
    }
}

/// Writes an RSAPublicKey.
pub(crate) fn rsa_public(n: &[u8], e: &[u8]) -> Vec<u8> {
    tlv(SEQUENCE, &[&integer(n), &integer(e)]).to_vec()
}

/// Writes a SubjectPublicKeyInfo.
pub(crate) fn write_spki(public: &Public) -> Vec<u8> {
    let (identifier, key) = match public {
        Public::Rsa { n, e } => (identifier(None), rsa_public(n, e)),
        Public::Point { curve, point } => (identifier(Some(*curve)), point.clone()),
    };
    tlv(SEQUENCE, &[&identifier, &tlv(BIT_STRING, &[&[0], &key])]).to_vec()
}

/// Writes an RSAPrivateKey.
pub(crate) fn write_rsa_private(key: &RsaPrivate) -> SecretBytes {
    let RsaPrivate { n, e, d, p, q, dp, dq, qi } = key;
    let numbers = [integer(&[0]), integer(n), integer(e), integer(d), integer(p), integer(q)];
    let [zero, n, e, d, p, q] = &numbers;
    tlv(SEQUENCE, &[zero, n, e, d, p, q, &integer(dp), &integer(dq), &integer(qi)])
}

/// Writes an ECPrivateKey, with its curve unless that is known from what stands around it.
pub(crate) fn write_sec1(curve: Option<Curve>, d: &[u8], point: Option<&[u8]>) -> SecretBytes {
    let parameters = curve.map(|curve| tlv(EXPLICIT_0, &[&oid(curve_oid(curve))]));
    let parameters = parameters.as_deref().map_or(&[][..], Vec::as_slice);
    let point = point.map(|point| tlv(EXPLICIT_1, &[&tlv(BIT_STRING, &[&[0], point])]));
    let point = point.as_deref().map_or(&[][..], Vec::as_slice);
    tlv(SEQUENCE, &[&integer(&[1]), &tlv(OCTET_STRING, &[d]), parameters, point])
}

/// Writes a PrivateKeyInfo; `None` for a shared secret.
pub(crate) fn write_pkcs8(private: &Private, public: &Public) -> Option<SecretBytes> {
    let (identifier, key) = match (private, public) {
        (Private::Secret(_), _) => return None,
        (Private::Rsa(key), _) => (identifier(None), write_rsa_private(key)),
        (Private::Scalar { curve: curve @ Curve::Ed25519, d, .. }, _) => {
            (identifier(Some(*curve)), tlv(OCTET_STRING, &[d]))
        }
        (Private::Scalar { curve, d, .. }, public) => {
            let point = match public {
                Public::Point { point, .. } => Some(point.as_slice()),
                Public::Rsa { .. } => None,
            };
            // The identifier names the curve, and some readers want it named only there.
            (identifier(Some(*curve)), write_sec1(None, d, point))
        }
    };
    Some(tlv(SEQUENCE, &[&integer(&[0]), &identifier, &tlv(OCTET_STRING, &[&key])]))
}
