//! The server's own secret, and the keys that are derived from it.

use aws_lc_rs::{
    hkdf::{HKDF_SHA256, KeyType, Prk, Salt},
    hmac,
};
use zeroize::Zeroizing;

use super::{Masters, seal::Opened, storage, stored::Resealed};
use crate::{Error, audit, secret::fill, storage::Db};

const SECRET_LEN: usize = 32;
/// What the sealed secret is bound to.
const CONTEXT: &str = "countersign server secret";

/// A secret of 256 random bits that all instances share and no verifier has: from it come the keys for
/// what this server makes for itself to read (HKDF, RFC 5869). It never signs a JWT, and the secret of
/// HS* keys, which others may hold, derives nothing.
pub(crate) struct ServerSecret(Prk);

/// The secret as it lies in the table.
pub(crate) struct StoredSecret {
    pub(crate) material: Zeroizing<Vec<u8>>,
    pub(crate) sealed: bool,
}

impl StoredSecret {
    /// The secret, and its new sealed form where it needs one.
    pub(super) fn open(&self, masters: &Masters) -> Result<Opened, Error> {
        masters
            .open(&self.material, self.sealed, CONTEXT)
            .map_err(|why| Error::Configuration(format!("the server secret: {why}")))
    }
}

impl ServerSecret {
    /// Loads the secret of an installation; the first start makes it. With it comes what it is sealed as from now on,
    /// where that is another text than before.
    ///
    /// # Errors
    /// [`Error::Configuration`] when it is sealed under another master key; storage errors.
    pub(super) async fn open(
        db: &Db,
        masters: &Masters,
    ) -> Result<(Self, Option<Resealed>), Error> {
        let mut fresh = Zeroizing::new(vec![0; SECRET_LEN]);
        fill(&mut fresh)?;
        let fresh = match masters.seal(&fresh, CONTEXT)? {
            None => StoredSecret { material: fresh, sealed: false },
            Some(sealed) => StoredSecret { material: Zeroizing::new(sealed), sealed: true },
        };
        // Whoever makes the secret begins the audit log with it; nothing else ever does.
        let chain = audit::Chain::new(&Self::of(&fresh, masters)?)?;
        let stored = storage::server_secret_open(db, fresh, chain).await?;
        let (secret, again) = stored.open(masters)?;
        let again = again.map(|after| Resealed { kid: None, before: stored.material, after });
        Ok((Self(Salt::new(HKDF_SHA256, b"countersign").extract(&secret)), again))
    }

    /// That which is stored.
    pub(super) fn of(stored: &StoredSecret, masters: &Masters) -> Result<Self, Error> {
        let (secret, _) = stored.open(masters)?;
        Ok(Self(Salt::new(HKDF_SHA256, b"countersign").extract(&secret)))
    }

    /// The key for MACs of one purpose; each purpose has its own.
    ///
    /// # Errors
    /// [`Error::Internal`] when the library refuses, which it does for no length used here.
    pub(crate) fn mac_key(&self, purpose: &str) -> Result<hmac::Key, Error> {
        let mut bytes = Zeroizing::new([0; SECRET_LEN]);
        let info = [purpose.as_bytes()];
        let derived = self.0.expand(&info, Len).and_then(|okm| okm.fill(&mut *bytes));
        derived.map_err(|_| Error::internal("a key could not be derived"))?;
        Ok(hmac::Key::new(hmac::HMAC_SHA256, &*bytes))
    }
}

struct Len;

impl KeyType for Len {
    fn len(&self) -> usize {
        SECRET_LEN
    }
}
