//! SHA-crypt, the `$5$` and `$6$` of Unix: `$6$rounds=5000$salt$output`.

use sha_crypt::{BLOCK_SIZE_SHA256, BLOCK_SIZE_SHA512, Params, sha256_crypt, sha512_crypt};
use zeroize::Zeroizing;

use super::{MALFORMED, Scheme, TOO_COSTLY, Unsound, Work, after_last_dollar, number};
use crate::{
    Error,
    passwords::{Password, hash::Memory},
};

/// About a second with a usual password.
const MAX_ROUNDS: u32 = 1_000_000;
const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

pub(super) static SHA256: Scheme = Scheme {
    name: "sha256-crypt",
    is_one: |text| text.starts_with("$5$"),
    cut: after_last_dollar,
    setting: |text| read(text, Digest::Sha256),
    output: |text| output(text, 43),
};

pub(super) static SHA512: Scheme = Scheme {
    name: "sha512-crypt",
    is_one: |text| text.starts_with("$6$"),
    cut: after_last_dollar,
    setting: |text| read(text, Digest::Sha512),
    output: |text| output(text, 86),
};

#[derive(Clone, Copy)]
enum Digest {
    Sha256,
    Sha512,
}

struct Setting {
    digest: Digest,
    params: Params,
    rounds: u32,
    salt: Vec<u8>,
}

fn read(text: &str, digest: Digest) -> Result<Box<dyn Work>, Unsound> {
    let parts: Vec<&str> = text.split('$').collect();
    let (rounds, salt) = match parts.as_slice() {
        ["", _, salt, ""] => (Params::RECOMMENDED_ROUNDS, salt),
        ["", _, rounds, salt, ""] => {
            (number(rounds.strip_prefix("rounds=").ok_or(MALFORMED)?)?, salt)
        }
        _ => return Err(MALFORMED),
    };
    if rounds > MAX_ROUNDS {
        return Err(TOO_COSTLY);
    }
    let params = Params::new(rounds).map_err(|_| MALFORMED)?;
    if salt.len() > 16 {
        return Err(MALFORMED);
    }
    Ok(Box::new(Setting { digest, params, rounds, salt: salt.as_bytes().to_vec() }))
}

/// The characters themselves.
fn output(text: &str, length: usize) -> Option<Vec<u8>> {
    let sound = text.len() == length && text.bytes().all(|byte| ALPHABET.contains(&byte));
    sound.then(|| text.as_bytes().to_vec())
}

impl Work for Setting {
    fn output(
        &self,
        password: &Password,
        _length: usize,
        _memory: &mut Memory,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let password = password.typed().as_bytes();
        Ok(match self.digest {
            Digest::Sha256 => {
                let made = sha256_crypt(password, &self.salt, self.params);
                encode(&made, &ORDER_SHA256)
            }
            Digest::Sha512 => {
                let made = sha512_crypt(password, &self.salt, self.params);
                encode(&made, &ORDER_SHA512)
            }
        })
    }

    /// Always: it needs no memory, and nobody recommends it for new passwords.
    fn is_weak(&self) -> bool {
        true
    }

    fn parameters(&self) -> String {
        format!("{} rounds", self.rounds)
    }
}

/// In which order the bytes are written: U. Drepper, "Unix crypt using SHA-256 and SHA-512", step 22.
const ORDER_SHA256: [usize; BLOCK_SIZE_SHA256] = [
    20, 10, 0, 11, 1, 21, 2, 22, 12, 23, 13, 3, 14, 4, 24, 5, 25, 15, 26, 16, 6, 17, 7, 27, 8, 28,
    18, 29, 19, 9, 30, 31,
];
const ORDER_SHA512: [usize; BLOCK_SIZE_SHA512] = [
    42, 21, 0, 1, 43, 22, 23, 2, 44, 45, 24, 3, 4, 46, 25, 26, 5, 47, 48, 27, 6, 7, 49, 28, 29, 8,
    50, 51, 30, 9, 10, 52, 31, 32, 11, 53, 54, 33, 12, 13, 55, 34, 35, 14, 56, 57, 36, 15, 16, 58,
    37, 38, 17, 59, 60, 39, 18, 19, 61, 40, 41, 20, 62, 63,
];

/// Three bytes become four characters, the lowest six bits first.
fn encode(made: &[u8], order: &[usize]) -> Zeroizing<Vec<u8>> {
    let mut text = Zeroizing::new(Vec::with_capacity(86));
    for group in order.chunks(3) {
        let bytes = group.iter().filter_map(|&at| made.get(at));
        let bits = bytes.rev().fold(0_usize, |bits, &byte| bits << 8 | usize::from(byte));
        let characters =
            (0..=group.len()).filter_map(|place| ALPHABET.get(bits >> (6 * place) & 63));
        text.extend(characters);
    }
    text
}
