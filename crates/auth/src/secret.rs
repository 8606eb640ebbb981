//! The only source of randomness: ids, and secrets that are shown once and stored as their hash.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::{ContextV7, Timestamp, Uuid};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{Clock, Error};

/// Fills a buffer with random bytes from the operating system.
///
/// # Errors
/// [`Error::Internal`] when the operating system has none to give.
pub(crate) fn fill(bytes: &mut [u8]) -> Result<(), Error> {
    #[expect(clippy::disallowed_methods, reason = "this is the place the rule points to")]
    getrandom::fill(bytes).map_err(|error| Error::internal(error.to_string()))
}

/// Makes ids: UUIDs of version 7 (RFC 9562 §5.7), so that they sort by the time of their making.
///
/// Ids from one `Ids` and its clones rise strictly, also within one millisecond.
#[derive(Clone)]
pub struct Ids {
    clock: Clock,
    context: Arc<Mutex<ContextV7>>,
}

impl Ids {
    /// A maker of ids by this clock.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { clock, context: Arc::new(Mutex::new(ContextV7::new())) }
    }

    /// A new id.
    #[must_use]
    pub fn next(&self) -> Uuid {
        let millis = self.clock.unix_millis();
        let nanos = u32::try_from(millis % 1_000).unwrap_or_default() * 1_000_000;
        let context = self.context.lock().unwrap_or_else(PoisonError::into_inner);
        Uuid::new_v7(Timestamp::from_unix(&*context, millis / 1_000, nanos))
    }
}

impl fmt::Debug for Ids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ids")
    }
}

/// A secret of 256 random bits that a client keeps and the server knows by its hash alone.
///
/// A random secret of this size needs no salt and no slow hash: there is nothing to guess.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct OpaqueSecret([u8; 32]);

impl OpaqueSecret {
    /// A new one.
    ///
    /// # Errors
    /// [`Error::Internal`] when the operating system has no randomness to give.
    pub fn generate() -> Result<Self, Error> {
        let mut bytes = [0; 32];
        fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// Reads one back from its text; `None` for anything but 64 lower-case hex digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 64 || text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return None;
        }
        unhex(text.as_bytes())?.as_slice().try_into().ok().map(Self)
    }

    /// The text to hand to the client, once: 64 lower-case hex digits.
    #[must_use]
    pub fn reveal(&self) -> String {
        hex(&self.0)
    }

    /// What is stored: SHA-256 of the secret.
    #[must_use]
    pub fn hash(&self) -> SecretHash {
        SecretHash(Sha256::digest(self.0).into())
    }
}

/// Bytes as lower-case hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(u32::from(digit), 16))
        .collect()
}

/// The bytes of hex digits in either case, wiped when dropped; `None` for anything else.
pub(crate) fn unhex(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let digit =
        |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len() / 2));
    for pair in text.chunks(2) {
        let [high, low] = pair else { return None };
        bytes.push(digit(high)? << 4 | digit(low)?);
    }
    Some(bytes)
}

impl fmt::Debug for OpaqueSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpaqueSecret(…)")
    }
}

/// The hash by which the server knows an [`OpaqueSecret`]; compared in constant time.
#[derive(Clone, Copy)]
pub struct SecretHash([u8; 32]);

impl SecretHash {
    /// The bytes, for storage.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl PartialEq for SecretHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for SecretHash {}

impl std::hash::Hash for SecretHash {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(…)")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_secret_survives_its_text_and_nothing_else_parses() {
        let secret = OpaqueSecret::generate().expect("randomness");
        let text = secret.reveal();
        assert_eq!(OpaqueSecret::parse(&text).expect("parses").hash(), secret.hash());
        for bad in
            ["", "00", &text.to_uppercase(), &text[1..], &format!("{text}0"), &"g".repeat(64)]
        {
            assert!(OpaqueSecret::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_thousand_secrets_are_all_different() {
        let all: HashSet<String> =
            (0..1000).map(|_| OpaqueSecret::generate().expect("randomness").reveal()).collect();
        assert_eq!(all.len(), 1000);
    }

    #[test]
    fn debug_output_shows_no_secret() {
        let secret = OpaqueSecret([0xab; 32]);
        assert_eq!(format!("{secret:?} {:?}", secret.hash()), "OpaqueSecret(…) SecretHash(…)");
    }

    #[test]
    fn ids_rise_within_one_millisecond() {
        let ids = Ids::new(Clock::system());
        let made: Vec<Uuid> = (0..10_000).map(|_| ids.next()).collect();
        assert!(made.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
