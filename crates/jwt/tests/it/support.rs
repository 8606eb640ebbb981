//! A key, a verifier that fits it, and tokens made by hand.

use std::time::Duration;

use base64_turbo::URL_SAFE_NO_PAD as BASE64URL;
use countersign_jwt::{
    Algorithm, Claims, Error, SigningKey, Timestamp, Verified, Verifier, dangerous,
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;

pub(crate) const NOW: Timestamp = Timestamp::new(1_800_000_000);
pub(crate) const SECRET: &[u8; 32] = b"32 bytes, chosen for these tests";

pub(crate) fn key() -> SigningKey {
    SigningKey::from_secret(Algorithm::Hs256, SECRET).unwrap()
}

pub(crate) fn verifier() -> Verifier {
    Verifier::new(key().verifying_key()).clock(NOW)
}

pub(crate) fn token() -> String {
    key().sign(&Claims::at((), NOW).subject("alice").expires_in(Duration::from_secs(60))).unwrap()
}

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64URL.encode(bytes)
}

/// Signs a header and a payload as they are, without any check.
pub(crate) fn forge(header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
    let signed = format!("{}.{}", encode(header), encode(payload));
    let mac = Hmac::<Sha256>::new_from_slice(SECRET)
        .unwrap()
        .chain_update(&signed)
        .finalize()
        .into_bytes();
    format!("{signed}.{}", encode(mac))
}

pub(crate) const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

/// A token with this payload, signed rightly.
pub(crate) fn with_payload(payload: impl AsRef<[u8]>) -> String {
    forge(HEADER, payload)
}

/// A token with this header and a good payload, signed rightly.
pub(crate) fn with_header(header: impl AsRef<[u8]>) -> String {
    forge(header, r#"{"exp":1800000060}"#)
}

pub(crate) fn verify(token: &str) -> Result<Value, Error> {
    refusal_of(&verifier(), token)
}

/// Verifies in every way there is, which must agree.
pub(crate) fn refusal_of(verifier: &Verifier, token: &str) -> Result<Value, Error> {
    let owned = verifier.verify::<Value>(token).map(Verified::into_claims);
    let mut buffer = countersign_jwt::Buffer::new();
    let borrowed = verifier.verify_into::<Value>(token, &mut buffer).map(Verified::into_claims);
    assert_eq!(owned, borrowed);
    if owned.is_ok() {
        assert_eq!(
            owned.as_ref().ok(),
            dangerous::decode_unverified::<Value>(token).ok().map(|read| read.claims).as_ref()
        );
    }
    owned
}

pub(crate) fn is_malformed(result: &Result<Value, Error>) -> bool {
    matches!(result, Err(Error::TokenMalformed(_)))
}
