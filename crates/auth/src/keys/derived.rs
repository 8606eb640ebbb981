//! The server's own secret, and the keys that are derived from it.

use aws_lc_rs::{
    hkdf::{HKDF_SHA256, KeyType, Prk, Salt},
    hmac,
};
use zeroize::Zeroizing;

use super::{MasterKey, storage};
use crate::{Error, secret::fill, storage::Db};

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

impl ServerSecret {
    /// Loads the secret of an installation; the first start makes it.
    ///
    /// # Errors
    /// [`Error::Configuration`] when it is sealed under another master key; storage errors.
    pub(crate) async fn open(db: &Db, master: Option<&MasterKey>) -> Result<Self, Error> {
        let mut fresh = Zeroizing::new(vec![0; SECRET_LEN]);
        fill(&mut fresh)?;
        let fresh = seal(fresh, master)?;
        let stored = storage::server_secret_open(db, fresh).await?;
        let refuse = |why: &str| Error::Configuration(format!("the server secret: {why}"));
        let secret = match (stored.sealed, master) {
            (false, _) => stored.material,
            (true, Some(master)) => master.open(&stored.material, CONTEXT).ok_or_else(|| {
                refuse("it was sealed under another master key than that of keys.master_key_file")
            })?,
            (true, None) => {
                return Err(refuse("it is sealed; set keys.master_key_file to its master key"));
            }
        };
        // A master key that was given later seals what lay plain before it.
        if !stored.sealed && master.is_some() {
            storage::server_secret_reseal(db, seal(secret.clone(), master)?).await?;
        }
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

fn seal(secret: Zeroizing<Vec<u8>>, master: Option<&MasterKey>) -> Result<StoredSecret, Error> {
    Ok(match master {
        None => StoredSecret { material: secret, sealed: false },
        Some(master) => {
            StoredSecret { material: Zeroizing::new(master.seal(&secret, CONTEXT)?), sealed: true }
        }
    })
}
