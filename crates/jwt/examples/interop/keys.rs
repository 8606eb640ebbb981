//! Keys in and out, in each form in which another program may have them.

use base64_turbo::URL_SAFE_NO_PAD as BASE64URL;
use countersign_jwt::{Algorithm, Jwk, Jwks, SigningKey, VerifyingKey};

use crate::peer::{Failure, KeyText};

/// The forms of a key that signs: a secret as its bytes, a private key as PEM, and either as a JWK.
pub(crate) fn private_forms(key: &SigningKey) -> Result<[KeyText; 2], Failure> {
    let first = match key.expose_secret() {
        Some(secret) => KeyText::Secret(BASE64URL.encode(secret)),
        None => KeyText::Pem(key.expose_pkcs8_pem()?.to_string()),
    };
    Ok([first, KeyText::Jwk(serde_json::from_str(&key.expose_jwk())?)])
}

/// The forms of a key that verifies: a public key as PEM, as a JWK and as one of the set that its issuer publishes.
pub(crate) fn public_forms(key: &SigningKey, published: &Jwks) -> Result<Vec<KeyText>, Failure> {
    if key.algorithm().is_symmetric() {
        return Ok(private_forms(key)?.into());
    }
    let key = key.verifying_key();
    Ok(vec![
        KeyText::Pem(key.to_spki_pem()?),
        KeyText::Jwk(serde_json::from_str(&key.to_jwk()?)?),
        KeyText::Jwks(serde_json::from_str(&published.to_json())?),
    ])
}

/// Reads a key that signs. Neither PEM nor a JWK without `alg` says what the key is for.
pub(crate) fn read_private(algorithm: Algorithm, text: &KeyText) -> Result<SigningKey, Failure> {
    Ok(match text {
        KeyText::Secret(secret) => SigningKey::from_secret(algorithm, &bytes(secret)?)?,
        KeyText::Pem(pem) => SigningKey::from_pem(algorithm, pem)?,
        KeyText::Jwk(jwk) => {
            SigningKey::from_jwk(&Jwk::from_json(&jwk.to_string())?.with_algorithm(algorithm)?)?
        }
        KeyText::Jwks(_) => return Err(Failure::Wrong("a set does not sign".into())),
    })
}

/// Reads a key, or a set of keys, that verifies.
pub(crate) fn read_public(algorithm: Algorithm, text: &KeyText) -> Result<Jwks, Failure> {
    Ok(match text {
        KeyText::Secret(secret) => VerifyingKey::from_secret(algorithm, &bytes(secret)?)?.into(),
        KeyText::Pem(pem) => VerifyingKey::from_pem(algorithm, pem)?.into(),
        KeyText::Jwk(jwk) => {
            let jwk = Jwk::from_json(&jwk.to_string())?.with_algorithm(algorithm)?;
            VerifyingKey::from_jwk(&jwk)?.into()
        }
        KeyText::Jwks(jwks) => Jwks::from_json(&jwks.to_string())?,
    })
}

/// The thumbprint (RFC 7638) of a key that is there as a JWK.
pub(crate) fn thumbprint(text: &KeyText) -> Result<Option<String>, Failure> {
    let KeyText::Jwk(jwk) = text else { return Ok(None) };
    Ok(Some(Jwk::from_json(&jwk.to_string())?.thumbprint()))
}

/// Decodes base64url.
pub(crate) fn bytes(text: &str) -> Result<Vec<u8>, Failure> {
    BASE64URL.decode(text).map_err(|_| Failure::Wrong("not base64url".into()))
}
