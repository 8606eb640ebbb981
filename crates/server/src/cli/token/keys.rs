//! Keys from files, stdin and the environment.

use anyhow::Context;
use auth::config::parse_algorithm;
use clap::Args;
use jwt::{Algorithm, Error, Jwk, Jwks, SigningKey, VerifyingKey, dangerous};
use zeroize::Zeroizing;

use super::read;
use crate::settings::Refusal;

/// A key that is named on the command line, and never stands there.
#[derive(Debug, Args)]
#[group(multiple = true)]
pub(super) struct KeyArguments {
    /// A file with the shared secret of HS256, HS384 or HS512, one newline at its end not counted; `-` is stdin.
    // A server has it under the second name.
    #[arg(long, value_name = "FILE", alias = "keys-secret-file")]
    secret_file: Option<String>,
    /// The environment variable that holds the shared secret.
    #[arg(long, value_name = "NAME")]
    secret_env: Option<String>,
    /// A file with a key: PEM, or JSON (a JWK, or a set of them); `-` is stdin.
    #[arg(long, value_name = "FILE")]
    key: Option<String>,
    /// The algorithm of the key where it does not say itself; else HS256 for a secret, RS256 for RSA.
    #[arg(long, value_name = "NAME")]
    algorithm: Option<String>,
    /// Take a secret that is too short or well known, as those of tutorials are.
    #[arg(long)]
    allow_weak_secret: bool,
}

impl KeyArguments {
    /// Whether a key is to come from stdin.
    pub(super) fn are_stdin(&self) -> bool {
        [&self.secret_file, &self.key].into_iter().any(|source| source.as_deref() == Some("-"))
    }

    /// The keys to verify with, when one is named.
    pub(super) fn verifying(&self) -> anyhow::Result<Option<Jwks>> {
        if let Some(secret) = self.secret()? {
            return Ok(Some(self.symmetric(&secret)?.verifying_key().into()));
        }
        let Some(source) = &self.key else { return Ok(None) };
        let text = text(source)?;
        let keys = if is_pem(&text) {
            self.any_algorithm(|algorithm| VerifyingKey::from_pem(algorithm, &text))?.into()
        } else if is_set(&text) {
            Jwks::from_json(&text).map_err(|error| refuse(source, &error))?
        } else {
            let jwk = self.jwk(source, &text)?;
            VerifyingKey::from_jwk(&jwk).map_err(|error| refuse(source, &error))?.into()
        };
        if keys.is_empty() {
            return Err(Refusal(format!("{source}: no key in it can verify a token")).into());
        }
        Ok(Some(keys))
    }

    /// The key to sign with.
    pub(super) fn signing(&self) -> anyhow::Result<SigningKey> {
        if let Some(secret) = self.secret()? {
            return self.symmetric(&secret);
        }
        let none = "name the key that signs: --secret-file, --secret-env or --key";
        let source = self.key.as_ref().ok_or_else(|| Refusal(none.to_owned()))?;
        let text = text(source)?;
        if is_pem(&text) {
            return self.any_algorithm(|algorithm| SigningKey::from_pem(algorithm, &text));
        }
        if is_set(&text) {
            let set = "a set of keys does not say which one signs: name a file with that key alone";
            return Err(Refusal(format!("{source}: {set}")).into());
        }
        Ok(SigningKey::from_jwk(&self.jwk(source, &text)?)
            .map_err(|error| refuse(source, &error))?)
    }

    fn secret(&self) -> anyhow::Result<Option<Zeroizing<Vec<u8>>>> {
        if [&self.secret_file, &self.secret_env, &self.key].into_iter().flatten().count() > 1 {
            let several = "--secret-file, --secret-env and --key each name the key: take one";
            return Err(Refusal(several.to_owned()).into());
        }
        if let Some(name) = &self.secret_env {
            let secret = std::env::var_os(name)
                .ok_or_else(|| Refusal(format!("the environment variable {name} is not set")))?;
            return Ok(Some(Zeroizing::new(secret.into_encoded_bytes())));
        }
        let Some(source) = &self.secret_file else { return Ok(None) };
        let mut secret = read(source)?;
        if secret.last() == Some(&b'\n') {
            secret.pop();
        }
        Ok(Some(secret))
    }

    fn algorithm(&self) -> Result<Option<Algorithm>, Refusal> {
        let Some(name) = &self.algorithm else { return Ok(None) };
        parse_algorithm(name).map(Some).map_err(|error| Refusal(format!("--algorithm: {error}")))
    }

    fn symmetric(&self, secret: &[u8]) -> anyhow::Result<SigningKey> {
        let algorithm = self.algorithm()?.unwrap_or(Algorithm::Hs256);
        if !algorithm.is_symmetric() {
            return Err(Refusal(format!(
                "--algorithm: {algorithm} takes a key pair, not a secret: name it with --key"
            ))
            .into());
        }
        let key = if self.allow_weak_secret {
            dangerous::short_secret_key(algorithm, secret)
        } else {
            SigningKey::from_secret(algorithm, secret)
        };
        Ok(key.map_err(|error| {
            let hint = match &error {
                Error::SecretTooShort { .. } | Error::SecretWeak if !self.allow_weak_secret => {
                    "; --allow-weak-secret takes it all the same"
                }
                Error::SecretIsKey => "; name it with --key",
                _ => "",
            };
            Refusal(format!("{error}{hint}"))
        })?)
    }

    /// Makes a key of the algorithm that is named, else of the one that it fits. The token has no say.
    fn any_algorithm<K>(&self, make: impl Fn(Algorithm) -> Result<K, Error>) -> anyhow::Result<K> {
        let source = self.key.as_deref().unwrap_or_default();
        if let Some(algorithm) = self.algorithm()? {
            return Ok(make(algorithm).map_err(|error| refuse(source, &error))?);
        }
        // The curve tells; an RSA key is for RS256 unless somebody says otherwise.
        let usual = [
            Algorithm::Es256,
            Algorithm::Es384,
            Algorithm::Es512,
            Algorithm::EdDsa,
            Algorithm::Rs256,
        ];
        let mut last = Error::KeyMismatch;
        for algorithm in usual {
            match make(algorithm) {
                Ok(key) => return Ok(key),
                Err(Error::KeyMismatch) => {}
                Err(error) => last = error,
            }
        }
        Err(refuse(source, &last).into())
    }

    fn jwk(&self, source: &str, text: &str) -> anyhow::Result<Jwk> {
        let jwk = Jwk::from_json(text).map_err(|error| match error {
            Error::KeyMalformed(_) if !text.trim_start().starts_with('{') => Refusal(format!(
                "{source}: neither PEM nor JSON; name a shared secret with --secret-file"
            )),
            error => refuse(source, &error),
        })?;
        match self.algorithm()? {
            Some(algorithm) => {
                Ok(jwk.with_algorithm(algorithm).map_err(|error| refuse(source, &error))?)
            }
            None => Ok(jwk),
        }
    }
}

fn refuse(source: &str, error: &Error) -> Refusal {
    Refusal(format!("{source}: {error}"))
}

fn text(source: &str) -> anyhow::Result<Zeroizing<String>> {
    let bytes = read(source)?;
    let text = str::from_utf8(&bytes);
    text.map(|text| Zeroizing::new(text.to_owned()))
        .map_err(|_| {
            Refusal("neither PEM nor JSON; name a shared secret with --secret-file".to_owned())
        })
        .with_context(|| source.to_owned())
}

fn is_pem(text: &str) -> bool {
    text.contains("-----BEGIN ")
}

/// Whether a JSON text is a set of keys rather than one.
fn is_set(text: &str) -> bool {
    let object: Option<serde_json::Map<String, serde_json::Value>> =
        serde_json::from_str(text).ok();
    object.is_some_and(|object| object.contains_key("keys"))
}
