//! Keys in files: those of `keys.private_key_file` and `keys.secret_file`.

use std::path::Path;

use jwt::{Algorithm, Jwks, SigningKey};
use zeroize::Zeroizing;

use crate::{Error, config::Config};

/// The keys in files.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// The one that signs; without it one in the database does.
    pub(super) signing: Option<SigningKey>,
    /// Those that only verify.
    pub(super) others: Vec<SigningKey>,
}

impl Files {
    pub(super) fn all(&self) -> impl Iterator<Item = &SigningKey> {
        self.signing.iter().chain(&self.others)
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

/// Whether a server could use the secret or the private key in this file, of the settings' algorithm.
pub(crate) fn check(config: &Config, path: &Path, is_secret: bool) -> Result<(), Error> {
    match is_secret {
        true => drop(shared(config.tokens.algorithm, path)?),
        false => drop(pair(config.tokens.algorithm, path)?),
    }
    Ok(())
}

/// Whether the keys in files go together, each of which can be used.
pub(crate) fn check_all(config: &Config) -> Result<(), Error> {
    read(config).map(drop)
}

/// The keys of `keys.private_key_file` and `keys.secret_file`: the first signs, if it is of the algorithm in force.
pub(super) fn read(config: &Config) -> Result<Files, Error> {
    let algorithm = config.tokens.algorithm;
    let mut keys = Vec::new();
    if let Some(path) = &config.keys.private_key_file {
        keys.push(pair(algorithm, path)?);
    }
    for path in &config.keys.secret_file {
        keys.push(shared(algorithm, path)?);
    }
    Jwks::new(keys.iter().map(SigningKey::verifying_key)).map_err(|error| {
        Error::Configuration(format!("the keys: {error}; is a file listed twice?"))
    })?;
    let mut others = keys.into_iter().peekable();
    let signing = others.next_if(|key| key.algorithm() == algorithm);
    Ok(Files { signing, others: others.collect() })
}

/// The key of a `keys.private_key_file`.
fn pair(algorithm: Algorithm, path: &Path) -> Result<SigningKey, Error> {
    if algorithm.is_symmetric() {
        return Err(Error::Configuration(format!(
            "keys.private_key_file is for a key pair, and tokens.algorithm is {algorithm}: set that to \
             the algorithm of the key"
        )));
    }
    read_key(path, |pem| {
        let pem = str::from_utf8(pem).map_err(|_| jwt::Error::KeyMalformed("not text"))?;
        SigningKey::from_pem(algorithm, pem)
    })
}

/// The key of a `keys.secret_file`. While another algorithm signs, tokens of the secrets that signed before it go on being
/// good.
fn shared(algorithm: Algorithm, path: &Path) -> Result<SigningKey, Error> {
    let symmetric = if algorithm.is_symmetric() { algorithm } else { Algorithm::Hs256 };
    read_key(path, |secret| SigningKey::from_secret(symmetric, secret))
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
