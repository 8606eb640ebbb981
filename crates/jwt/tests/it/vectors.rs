//! Published vectors, as data files that name their source.

use base64_turbo::URL_SAFE_NO_PAD as BASE64URL;
use countersign_jwt::{Algorithm, Claims, Error, SigningKey, Timestamp, Verifier, dangerous};
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Deserialize)]
struct Rfc7515 {
    secret_base64url: String,
    token: String,
    issuer: String,
    expires_at: i64,
}

#[test]
fn rfc_7515_a1_verifies_and_expires() {
    let vector: Rfc7515 = serde_json::from_str(include_str!("../vectors/rfc7515_a1.json")).unwrap();
    let secret = BASE64URL.decode(&vector.secret_base64url).unwrap();
    let key = SigningKey::from_secret(Algorithm::Hs256, &secret).unwrap();
    let verifier = Verifier::new(key.verifying_key()).issuer(&vector.issuer);

    let then = verifier.clone().clock(Timestamp::new(vector.expires_at - 1));
    let verified = then.verify::<Value>(&vector.token).unwrap();
    assert_eq!(verified.issuer(), Some("joe"));
    assert_eq!(verified["http://example.com/is_root"], true);
    assert_eq!(verified.expires_at(), Some(Timestamp::new(vector.expires_at)));
    assert_eq!(verifier.verify::<Value>(&vector.token).unwrap_err(), Error::TokenExpired);
}

#[derive(Deserialize)]
struct Sample {
    secret: String,
    token: String,
}

#[derive(Serialize)]
struct Name {
    name: &'static str,
}

#[test]
fn the_well_known_sample_is_signed_and_verified_byte_for_byte() {
    let sample: Sample =
        serde_json::from_str(include_str!("../vectors/jwt_io_sample.json")).unwrap();
    let secret = sample.secret.as_bytes();
    assert_eq!(
        SigningKey::from_secret(Algorithm::Hs256, secret).unwrap_err(),
        Error::SecretTooShort { minimum: 32 }
    );

    let key = dangerous::short_secret_key(Algorithm::Hs256, secret).unwrap();
    let claims = Claims::new(Name { name: "John Doe" })
        .subject("1234567890")
        .issued_at(Timestamp::new(1_516_239_022));
    assert_eq!(key.sign(&claims), Err(Error::ClaimMissing("exp")));
    assert_eq!(key.sign(&dangerous::never_expires(claims)).unwrap(), sample.token);

    let verifier = Verifier::new(key.verifying_key());
    assert_eq!(verifier.verify::<Value>(&sample.token).unwrap_err(), Error::ClaimMissing("exp"));
    let verified = dangerous::without_expiry(verifier).verify::<Value>(&sample.token).unwrap();
    assert_eq!(verified.subject(), Some("1234567890"));
    assert_eq!(verified["name"], "John Doe");
}
