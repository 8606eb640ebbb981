//! Keys as they lie in the table, plain or sealed.

use jwt::{Algorithm, SigningKey, Timestamp};
use zeroize::Zeroizing;

use super::{Masters, State};
use crate::Error;

/// A key as it lies in the table.
#[derive(Clone)]
pub(super) struct StoredKey {
    pub(super) kid: String,
    pub(super) algorithm: String,
    pub(super) material: Zeroizing<Vec<u8>>,
    pub(super) sealed: bool,
    /// How many seconds the longest tokens live that it signs.
    pub(super) lifetime: i64,
}

/// A row of the table: a key and where it stands.
pub(super) struct Entry {
    pub(super) key: StoredKey,
    pub(super) state: State,
    pub(super) created_at: Timestamp,
    /// When it signs for the first time, or did.
    pub(super) active_at: Timestamp,
    pub(super) retired_at: Option<Timestamp>,
    /// When it is gone, or was.
    pub(super) gone_at: Option<Timestamp>,
    pub(super) revoked_at: Option<Timestamp>,
}

/// Something sealed anew: the key of this kid, or the server secret.
#[derive(Clone)]
pub(super) struct Resealed {
    pub(super) kid: Option<String>,
    pub(super) before: Zeroizing<Vec<u8>>,
    pub(super) after: Vec<u8>,
}

/// Makes a key for the database. A secret is text, so that it can be handed on as one: as many random bytes as its hash
/// has, in hex.
pub(super) fn fresh(algorithm: Algorithm) -> Result<SigningKey, Error> {
    let refuse = |error| Error::Configuration(format!("a key for {algorithm}: {error}"));
    let key = SigningKey::generate(algorithm).map_err(refuse)?;
    let key = match key.expose_secret() {
        Some(bytes) => {
            let text = Zeroizing::new(crate::secret::hex(bytes));
            SigningKey::from_secret(algorithm, text.as_bytes()).map_err(refuse)?
        }
        None => key,
    };
    Ok(key.with_derived_kid())
}

impl StoredKey {
    /// The row of a key, sealed if there is a master key.
    pub(super) fn new(key: &SigningKey, lifetime: i64, masters: &Masters) -> Result<Self, Error> {
        let material = match key.expose_secret() {
            Some(secret) => Zeroizing::new(secret.to_vec()),
            None => Zeroizing::new(key.expose_pkcs8_der().map_err(Error::internal)?.to_vec()),
        };
        let plain = Self {
            kid: key.kid().unwrap_or_default().to_owned(),
            algorithm: key.algorithm().name().to_owned(),
            material,
            sealed: false,
            lifetime,
        };
        Ok(match masters.seal(&plain.material, &plain.context())? {
            None => plain,
            Some(sealed) => Self { material: Zeroizing::new(sealed), sealed: true, ..plain },
        })
    }

    /// What the sealed material is bound to: it opens as this key and no other.
    fn context(&self) -> String {
        format!("countersign key {} {}", self.kid, self.algorithm)
    }

    /// The key itself, and its new sealed form where it is not sealed under the master key of today.
    pub(super) fn open(&self, masters: &Masters) -> Result<(SigningKey, Option<Resealed>), Error> {
        let refuse = |why: &str| Error::Configuration(format!("key {}: {why}", self.kid));
        let context = self.context();
        let (material, again) =
            masters.open(&self.material, self.sealed, &context).map_err(refuse)?;
        let algorithm: Algorithm = self
            .algorithm
            .parse()
            .map_err(|_| refuse("this version does not know its algorithm"))?;
        let key = if algorithm.is_symmetric() {
            SigningKey::from_secret(algorithm, &material)
        } else {
            SigningKey::from_pkcs8_der(algorithm, &material)
        };
        let key = key.map_err(|error| refuse(&error.to_string()))?.with_kid(self.kid.as_str());
        let again = again.map(|after| Resealed {
            kid: Some(self.kid.clone()),
            before: self.material.clone(),
            after,
        });
        Ok((key, again))
    }
}
