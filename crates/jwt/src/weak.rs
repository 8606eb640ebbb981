//! Public keys that have the right form and protect nothing.

use crate::Error;

/// The least length of an RSA modulus in bits (RFC 7518 §3.3).
const MIN_BITS: usize = 2048;
/// The greatest: beyond it a verification costs more than it is worth.
const MAX_BITS: usize = 8192;
/// The least public exponent, 65537: with smaller ones errors in padding have been fatal.
const MIN_EXPONENT: u64 = 65_537;

/// Refuses an RSA key too small, too large, with a small or even exponent, or with the mark of ROCA.
pub(crate) fn rsa(n: &[u8], e: &[u8]) -> Result<(), Error> {
    let bits = bit_length(n);
    if bits < MIN_BITS {
        return Err(Error::KeyTooSmall);
    }
    if bits > MAX_BITS {
        return Err(Error::KeyTooLarge);
    }
    if bit_length(e) < 64 && number(e) < MIN_EXPONENT {
        return Err(Error::KeyWeak("the exponent is less than 65537"));
    }
    if is_even(e) || is_even(n) {
        return Err(Error::KeyInvalid);
    }
    if is_roca(n) {
        return Err(Error::KeyWeak(
            "the modulus was made by a generator that can be factored (ROCA)",
        ));
    }
    Ok(())
}

/// The number of bits from the highest that is set.
fn bit_length(bytes: &[u8]) -> usize {
    let mut bytes = bytes;
    while let [0, rest @ ..] = bytes {
        bytes = rest;
    }
    match bytes {
        [first, rest @ ..] => 8 * rest.len() + (u8::BITS - first.leading_zeros()) as usize,
        [] => 0,
    }
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, &byte| number << 8 | u64::from(byte))
}

fn is_even(bytes: &[u8]) -> bool {
    bytes.last().is_none_or(|last| last % 2 == 0)
}

/// The odd primes up to 167, whose product divides the modulus that the flawed generator worked with at every key size.
const PRIMES: [u32; 38] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97,
    101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];

/// Whether the modulus is a power of 65537 modulo every small prime, as those of CVE-2017-15361 are (Nemec et al., "The
/// Return of Coppersmith's Attack", 2017, §2.2); of others about one in 2^27 is.
fn is_roca(n: &[u8]) -> bool {
    PRIMES.iter().all(|&prime| {
        let residue = n.iter().fold(0, |rest, &byte| (rest << 8 | u32::from(byte)) % prime);
        let mut power = 1;
        (0..prime).any(|_| {
            power = power * 65_537 % prime;
            power == residue
        })
    })
}

/// Refuses an Ed25519 key that is not one point's only encoding, or whose point has a small order: under such a key
/// everyone can sign.
pub(crate) fn ed25519(key: &[u8]) -> Result<(), Error> {
    let Some((last, rest)) = key.split_last().filter(|_| key.len() == 32) else {
        return Err(Error::KeyMalformed(crate::material::LENGTH));
    };
    // The highest bit is the sign of x; the rest is y, least byte first, below 2^255 - 19.
    let (high, low) = (last & 0x7F, rest.first().copied().unwrap_or_default());
    if high == 0x7F && low >= 0xED && rest.iter().skip(1).all(|&byte| byte == 0xFF) {
        return Err(Error::KeyInvalid);
    }
    if SMALL_ORDER.iter().any(|y| y.split_last() == Some((&high, rest))) {
        return Err(Error::KeyWeak("the point has a small order"));
    }
    Ok(())
}

/// y of the eight points whose order divides 8; two signs of x share a y.
const SMALL_ORDER: [[u8; 32]; 5] = [
    y(0),
    y(1),
    [
        0x26, 0xE8, 0x95, 0x8F, 0xC2, 0xB2, 0x27, 0xB0, 0x45, 0xC3, 0xF4, 0x89, 0xF2, 0xEF, 0x98,
        0xF0, 0xD5, 0xDF, 0xAC, 0x05, 0xD3, 0xC6, 0x33, 0x39, 0xB1, 0x38, 0x02, 0x88, 0x6D, 0x53,
        0xFC, 0x05,
    ],
    [
        0xC7, 0x17, 0x6A, 0x70, 0x3D, 0x4D, 0xD8, 0x4F, 0xBA, 0x3C, 0x0B, 0x76, 0x0D, 0x10, 0x67,
        0x0F, 0x2A, 0x20, 0x53, 0xFA, 0x2C, 0x39, 0xCC, 0xC6, 0x4E, 0xC7, 0xFD, 0x77, 0x92, 0xAC,
        0x03, 0x7A,
    ],
    [
        0xEC, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
        0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
        0xFF, 0x7F,
    ],
];

const fn y(low: u8) -> [u8; 32] {
    let mut bytes = [0; 32];
    let [first, ..] = &mut bytes;
    *first = low;
    bytes
}
