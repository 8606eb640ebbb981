//! Several keys as one: what a verifier takes.

use serde_json::value::RawValue;

use crate::{Error, Jwk, VerifyingKey, scan};

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
    ///
    /// ```
    /// use countersign_jwt::{Algorithm, Error, Jwks, SigningKey};
    ///
    /// let one = SigningKey::generate(Algorithm::Hs256)?.with_kid("a").verifying_key();
    /// let other = SigningKey::generate(Algorithm::Hs256)?.with_kid("a").verifying_key();
    /// assert_eq!(Jwks::new([one, other]).unwrap_err(), Error::KidDuplicate);
    /// # Ok::<(), countersign_jwt::Error>(())
    /// ```
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

    /// Reads a set from its JSON (RFC 7517 §5), such as an issuer publishes.
    ///
    /// Keys of unknown kinds and for other purposes (`use` other than `sig`, an `alg` of encryption) are ignored, as RFC
    /// 7517 §5 asks. A key that is malformed, weak or wrong is a refusal of the whole set.
    ///
    /// # Errors
    /// [`Error::KeyMalformed`] if it is not an object with an array `keys`, [`Error::KeysMixed`] if some keys are public
    /// and others private or shared secrets, the refusals of [`VerifyingKey::from_jwk`] and those of [`Jwks::new`].
    ///
    /// ```
    /// use countersign_jwt::Jwks;
    ///
    /// let keys = Jwks::from_json(
    ///     r#"{"keys":[
    ///         {"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
    ///         {"kty":"OKP","crv":"X25519","kid":"b","x":"hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo"}
    ///     ]}"#,
    /// )?;
    /// # #[cfg(feature = "asymmetric")]
    /// assert_eq!(keys.len(), 1);
    /// # Ok::<(), countersign_jwt::Error>(())
    /// ```
    pub fn from_json(json: &str) -> Result<Self, Error> {
        const NO_KEYS: Error = Error::KeyMalformed("not an object with an array of keys");
        let mut members = Vec::new();
        scan::object(json, &mut members).map_err(Error::KeyMalformed)?;
        let keys = members.iter().find(|member| member.name(json) == "keys").ok_or(NO_KEYS)?;
        let keys: Vec<&RawValue> = serde_json::from_str(keys.value(json)).map_err(|_| NO_KEYS)?;

        let (mut public, mut private) = (false, false);
        let mut verifying = Vec::with_capacity(keys.len());
        for key in keys {
            let key = Jwk::from_json(key.get()).and_then(|jwk| {
                private |= jwk.is_private();
                public |= !jwk.is_private();
                VerifyingKey::from_jwk(&jwk)
            });
            match key {
                Ok(key) => verifying.push(key),
                Err(
                    Error::KeyUnsupported
                    | Error::KeyUseMismatch
                    | Error::AlgorithmUnknown
                    | Error::AlgorithmUnavailable(_),
                ) => {}
                Err(error) => return Err(error),
            }
        }
        if public && private {
            return Err(Error::KeysMixed);
        }
        Self::new(verifying)
    }

    /// Returns the key of exactly this name.
    #[must_use]
    pub fn get(&self, kid: &str) -> Option<&VerifyingKey> {
        self.keys.iter().find(|key| key.kid() == Some(kid))
    }

    /// Goes through the keys in the order they were given.
    ///
    /// ```
    /// use countersign_jwt::{Algorithm, Jwks, SigningKey};
    ///
    /// let key = SigningKey::generate(Algorithm::Hs256)?.with_kid("a").verifying_key();
    /// let keys = Jwks::from(key);
    /// assert!(keys.iter().all(|key| key.algorithm() == Algorithm::Hs256));
    /// # Ok::<(), countersign_jwt::Error>(())
    /// ```
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
    ///
    /// ```
    /// use countersign_jwt::{Algorithm, Jwks, SigningKey};
    ///
    /// let secret = SigningKey::generate(Algorithm::Hs256)?.verifying_key();
    /// assert_eq!(Jwks::from(secret).to_json(), r#"{"keys":[]}"#);
    /// # Ok::<(), countersign_jwt::Error>(())
    /// ```
    #[must_use]
    pub fn to_json(&self) -> String {
        let keys: Vec<String> = self.keys.iter().filter_map(|key| key.to_jwk().ok()).collect();
        format!("{{\"keys\":[{}]}}", keys.join(","))
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
