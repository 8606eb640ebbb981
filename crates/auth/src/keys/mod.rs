//! Keys: what signs the tokens, where it lies, and what verifies them.

mod derived;
pub(crate) mod http;
mod seal;
mod storage;
mod strength;

use std::path::Path;

use jwt::{Algorithm, Jwks, SigningKey, VerifyingKey};
use zeroize::Zeroizing;

pub use self::strength::weakness;
pub(crate) use self::{derived::ServerSecret, seal::MasterKey};
use crate::{Clock, Error, config::Config, storage::Db};

/// The key that signs, and all that verify.
#[derive(Debug)]
pub(crate) struct KeyRing {
    signing: SigningKey,
    verifying: Jwks,
    /// The key set as it is published: public keys only, and their strong validator.
    published: String,
}

/// A key as it lies in the table.
pub(crate) struct StoredKey {
    kid: String,
    algorithm: String,
    material: Zeroizing<Vec<u8>>,
    sealed: bool,
}

impl KeyRing {
    /// Loads the keys of an installation: those of `keys.secret_file` and `keys.private_key_file`, and,
    /// where none of them is of the algorithm in force, those in the database, where the first start makes
    /// one.
    ///
    /// # Errors
    /// [`Error::Configuration`] says which setting or file is wrong; storage errors.
    pub(crate) async fn open(
        config: &Config,
        db: &Db,
        clock: &Clock,
        master: Option<&MasterKey>,
    ) -> Result<Self, Error> {
        let typ = &config.tokens.typ;
        let mut keys = files(config)?;
        if keys.first().map(SigningKey::algorithm) != Some(config.tokens.algorithm) {
            let mut stored = stored(config.tokens.algorithm, db, clock, master).await?;
            stored.append(&mut keys);
            keys = stored;
        }
        let mut keys = keys.into_iter();
        let signing = keys
            .next()
            .ok_or_else(|| Error::Configuration("there is no key to sign with".to_owned()))?
            .with_typ(typ);
        let verifying: Vec<VerifyingKey> = std::iter::once(signing.verifying_key())
            .chain(keys.map(|key| key.verifying_key()))
            .collect();
        let verifying = Jwks::new(verifying).map_err(|error| {
            Error::Configuration(format!("the keys: {error}; is a file listed twice?"))
        })?;
        let published = verifying.to_json();
        Ok(Self { signing, verifying, published })
    }

    /// The key that signs new tokens.
    pub(crate) fn signing(&self) -> &SigningKey {
        &self.signing
    }

    /// All keys that verify.
    pub(crate) fn verifying(&self) -> &Jwks {
        &self.verifying
    }

    /// The published key set (RFC 7517 §5), as JSON.
    pub(crate) fn published(&self) -> &str {
        &self.published
    }
}

/// Reads the file of a secret or a key: its bytes without one trailing newline.
///
/// # Errors
/// [`Error::Configuration`] names the file and why it cannot be read.
pub fn read_secret(path: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
    let mut secret = Zeroizing::new(std::fs::read(path).map_err(|error| {
        Error::Configuration(format!("the key file {} cannot be read: {error}", path.display()))
    })?);
    if secret.last() == Some(&b'\n') {
        secret.pop();
    }
    Ok(secret)
}

/// The keys of `keys.private_key_file` and `keys.secret_file`, the one that is to sign first.
fn files(config: &Config) -> Result<Vec<SigningKey>, Error> {
    let algorithm = config.tokens.algorithm;
    let mut keys = Vec::new();
    if let Some(path) = &config.keys.private_key_file {
        if algorithm.is_symmetric() {
            return Err(Error::Configuration(format!(
                "keys.private_key_file is for a key pair, and tokens.algorithm is {algorithm}: set that to \
                 the algorithm of the key"
            )));
        }
        keys.push(read_key(path, |pem| {
            let pem = str::from_utf8(pem).map_err(|_| jwt::Error::KeyMalformed("not text"))?;
            SigningKey::from_pem(algorithm, pem)
        })?);
    }
    // While another algorithm signs, tokens of the secrets that signed before it go on being good.
    let symmetric = if algorithm.is_symmetric() { algorithm } else { Algorithm::Hs256 };
    for path in &config.keys.secret_file {
        keys.push(read_key(path, |secret| SigningKey::from_secret(symmetric, secret))?);
    }
    Ok(keys)
}

fn read_key(
    path: &Path,
    parse: impl FnOnce(&[u8]) -> Result<SigningKey, jwt::Error>,
) -> Result<SigningKey, Error> {
    let key = parse(&read_secret(path)?).map_err(|error| {
        Error::Configuration(format!("the key file {}: {error}", path.display()))
    })?;
    Ok(key.with_derived_kid())
}

async fn stored(
    algorithm: Algorithm,
    db: &Db,
    clock: &Clock,
    master: Option<&MasterKey>,
) -> Result<Vec<SigningKey>, Error> {
    let fresh = SigningKey::generate(algorithm)
        .map_err(|error| Error::Configuration(format!("tokens.algorithm: {error}")))?
        .with_derived_kid();
    let fresh = StoredKey::new(&fresh, master)?;
    let rows = storage::keys_open(db, fresh, clock.now()).await?;
    let mut keys = Vec::with_capacity(rows.len());
    for row in rows {
        keys.push(row.open(master)?);
        // A master key that was given later seals what lay plain before it.
        if let (Some(master), false) = (master, row.sealed) {
            storage::key_reseal(db, row.seal(master)?).await?;
        }
    }
    Ok(keys)
}

impl StoredKey {
    fn new(key: &SigningKey, master: Option<&MasterKey>) -> Result<Self, Error> {
        let material = match key.expose_secret() {
            Some(secret) => Zeroizing::new(secret.to_vec()),
            None => Zeroizing::new(key.expose_pkcs8_der().map_err(Error::internal)?.to_vec()),
        };
        let plain = Self {
            kid: key.kid().unwrap_or_default().to_owned(),
            algorithm: key.algorithm().name().to_owned(),
            material,
            sealed: false,
        };
        match master {
            Some(master) => plain.seal(master),
            None => Ok(plain),
        }
    }

    /// What the sealed material is bound to: it opens as this key and no other.
    fn context(&self) -> String {
        format!("countersign key {} {}", self.kid, self.algorithm)
    }

    fn seal(&self, master: &MasterKey) -> Result<Self, Error> {
        Ok(Self {
            kid: self.kid.clone(),
            algorithm: self.algorithm.clone(),
            material: Zeroizing::new(master.seal(&self.material, &self.context())?),
            sealed: true,
        })
    }

    fn open(&self, master: Option<&MasterKey>) -> Result<SigningKey, Error> {
        let refuse = |why: &str| Error::Configuration(format!("key {}: {why}", self.kid));
        let material = match (self.sealed, master) {
            (false, _) => self.material.clone(),
            (true, Some(master)) => {
                master.open(&self.material, &self.context()).ok_or_else(|| {
                    refuse(
                        "it was sealed under another master key than that of keys.master_key_file",
                    )
                })?
            }
            (true, None) => {
                return Err(refuse("it is sealed; set keys.master_key_file to its master key"));
            }
        };
        let algorithm: Algorithm = self
            .algorithm
            .parse()
            .map_err(|_| refuse("this version does not know its algorithm"))?;
        let key = if algorithm.is_symmetric() {
            SigningKey::from_secret(algorithm, &material)
        } else {
            SigningKey::from_pkcs8_der(algorithm, &material)
        };
        let key = key.map_err(|error| refuse(&error.to_string()))?;
        Ok(key.with_kid(self.kid.as_str()))
    }
}
