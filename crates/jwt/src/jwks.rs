//! Several keys as one: what a verifier takes.

use crate::{Error, VerifyingKey};

/// A set of verifying keys, found by the `kid` of a token's header.
///
/// A single key becomes a set of one by itself. A token that names a kid is verified with the key of that name, else with
/// the one key of the set that has no name; a token without a kid is accepted only by a set of exactly one key.
///
/// ```
/// use countersign_jwt::{Algorithm, Jwks, SigningKey};
///
/// let old = SigningKey::generate(Algorithm::Hs256)?.with_kid("2026-10");
/// let new = SigningKey::generate(Algorithm::Hs256)?.with_kid("2026-11");
/// let keys = Jwks::new([old.verifying_key(), new.verifying_key()])?;
/// assert_eq!(keys.len(), 2);
/// assert!(keys.get("2026-11").is_some());
/// # Ok::<(), countersign_jwt::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Jwks {
    keys: Vec<VerifyingKey>,
}

impl Jwks {
    /// Makes a set of keys; none is allowed, and refuses every token.
    ///
    /// # Errors
    /// [`Error::KidDuplicate`] if two keys have the same kid, [`Error::KidMissing`] if more than one has none.
    pub fn new(keys: impl IntoIterator<Item = VerifyingKey>) -> Result<Self, Error> {
        let mut set = Self::default();
        for key in keys {
            if set.keys.iter().any(|other| other.kid() == key.kid()) {
                return Err(if key.kid().is_some() {
                    Error::KidDuplicate
                } else {
                    Error::KidMissing
                });
            }
            set.keys.push(key);
        }
        Ok(set)
    }

    /// Returns the key of exactly this name.
    #[must_use]
    pub fn get(&self, kid: &str) -> Option<&VerifyingKey> {
        self.keys.iter().find(|key| key.kid() == Some(kid))
    }

    /// Goes through the keys in the order they were given.
    pub fn iter(&self) -> std::slice::Iter<'_, VerifyingKey> {
        self.keys.iter()
    }

    /// Returns the number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Says whether there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Returns the set as JSON to be published (RFC 7517 §5), public keys only.
    ///
    /// Keys of the HS* family are secrets and left out, so a set of those is `{"keys":[]}`.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Every family that keys can be made of has a shared secret.
        debug_assert!(self.keys.iter().all(|key| key.algorithm().is_symmetric()));
        r#"{"keys":[]}"#.into()
    }

    /// Finds where the key stands that a header means by its kid.
    pub(crate) fn position(&self, kid: Option<&str>) -> Result<usize, Error> {
        let named = |name: Option<&str>| self.keys.iter().position(|key| key.kid() == name);
        match kid {
            None if self.keys.len() == 1 => Some(0),
            None => None,
            Some(_) => named(kid).or_else(|| named(None)),
        }
        .ok_or(Error::UnknownKey)
    }
}

impl From<VerifyingKey> for Jwks {
    fn from(key: VerifyingKey) -> Self {
        Self { keys: vec![key] }
    }
}

impl<'a> IntoIterator for &'a Jwks {
    type Item = &'a VerifyingKey;
    type IntoIter = std::slice::Iter<'a, VerifyingKey>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
