//! Published vectors, as data files that name their source.

use base64_turbo::URL_SAFE_NO_PAD as BASE64URL;
use countersign_jwt::{
    Algorithm, Claims, Error, Jwk, Jwks, SigningKey, Timestamp, Verifier, VerifyingKey, dangerous,
};
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

#[derive(Deserialize)]
struct Jws {
    source: String,
    alg: Algorithm,
    jwk: Value,
    token: String,
    /// Whether the payload is one of claims; the others are text, which is refused once the signature is found good.
    claims: bool,
}

fn jws() -> Vec<Jws> {
    serde_json::from_str(include_str!("../vectors/jws.json")).unwrap()
}

#[test]
fn the_signatures_of_rfc_7515_7520_and_8037_are_good() {
    let mut checked = 0;
    for Jws { source, alg, jwk, token, claims } in jws() {
        if !(alg.is_symmetric() || cfg!(feature = "asymmetric")) {
            continue;
        }
        let jwk = Jwk::from_json(&jwk.to_string()).unwrap().with_algorithm(alg).unwrap();
        let key = VerifyingKey::from_jwk(&jwk).unwrap();
        let verifier = Verifier::new(key).issuer("joe").clock(Timestamp::new(1_300_819_379));
        let result = verifier.verify::<Value>(&token);
        if claims {
            assert_eq!(result.unwrap()["http://example.com/is_root"], true, "{source}");
        } else {
            assert_eq!(result.unwrap_err(), Error::TokenMalformed("not a JSON object"), "{source}");
            let text = dangerous::verify_payload(&verifier, &token).unwrap();
            assert_eq!(text, BASE64URL.decode(token.split('.').nth(1).unwrap()).unwrap());
        }

        // One bit of the signature makes the difference.
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let mut signature = BASE64URL.decode(signature).unwrap();
        signature[7] ^= 1;
        let other = format!("{signed}.{}", BASE64URL.encode(signature));
        assert_eq!(
            verifier.verify::<Value>(&other).unwrap_err(),
            Error::SignatureInvalid,
            "{source}"
        );
        checked += 1;
    }
    assert_eq!(checked, if cfg!(feature = "asymmetric") { 8 } else { 1 });
}

#[derive(Deserialize)]
struct Signed {
    alg: String,
    jwk: Value,
    token: String,
}

#[test]
fn every_algorithm_takes_a_token_that_another_program_signed() {
    let vectors: Value = serde_json::from_str(include_str!("../vectors/node.json")).unwrap();
    let vectors: Vec<Signed> = serde_json::from_value(vectors["tokens"].clone()).unwrap();
    for &algorithm in Algorithm::ALL {
        let vector = vectors.iter().find(|vector| vector.alg == algorithm.name());
        let vector = vector.unwrap_or_else(|| panic!("no token of {}", algorithm.name()));
        if !algorithm.is_symmetric() && !cfg!(feature = "asymmetric") {
            continue;
        }
        let jwk = Jwk::from_json(&vector.jwk.to_string()).unwrap();
        let key = VerifyingKey::from_jwk(&jwk).unwrap();
        let verifier = Verifier::new(key).issuer("node").clock(Timestamp::new(1_800_000_000));
        let verified = verifier.verify::<Value>(&vector.token).unwrap();
        assert_eq!(verified.subject(), Some("alice"), "{}", vector.alg);
    }
    assert_eq!(vectors.len(), Algorithm::ALL.len());
}

#[test]
fn the_unsecured_token_of_rfc_7515_a5_is_refused() {
    let vector: Value = serde_json::from_str(include_str!("../vectors/rfc7515_a5.json")).unwrap();
    let token = vector["token"].as_str().unwrap();
    for &algorithm in Algorithm::ALL {
        let Ok(key) = SigningKey::generate(algorithm) else { continue };
        let refused = Verifier::new(key.verifying_key()).verify::<Value>(token).unwrap_err();
        assert_eq!(refused, Error::AlgorithmMismatch);
    }
}

#[test]
fn the_thumbprints_of_rfc_7638_and_8037_come_out() {
    let vectors: Vec<Value> =
        serde_json::from_str(include_str!("../vectors/thumbprints.json")).unwrap();
    for vector in vectors {
        let jwk = Jwk::from_json(&vector["jwk"].to_string()).unwrap();
        assert_eq!(jwk.thumbprint(), vector["thumbprint"]);
        if cfg!(feature = "asymmetric") {
            let key = VerifyingKey::from_jwk(&jwk).unwrap();
            assert_eq!(key.thumbprint().unwrap(), vector["thumbprint"]);
            assert_eq!(key.with_derived_kid().kid(), vector["thumbprint"].as_str());
        }
    }
}

#[derive(Deserialize)]
struct Wycheproof {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    comment: String,
    keys: Vec<Value>,
    tests: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    id: u32,
    comment: String,
    jws: String,
    valid: bool,
}

/// Reads the keys of a group; the secret of zeros that one group has comes in by the door for such secrets.
fn keys_of(group: &Group) -> Result<Jwks, Error> {
    match Jwks::from_json(&serde_json::json!({ "keys": group.keys }).to_string()) {
        Err(Error::SecretWeak) => {
            let key =
                dangerous::short_secret_key(Algorithm::Hs256, &[0; 32])?.with_kid("hs256-key");
            Jwks::new([key.verifying_key()])
        }
        read => read,
    }
}

#[test]
fn the_jws_and_key_vectors_of_wycheproof_come_out() {
    let vectors: Wycheproof =
        serde_json::from_str(include_str!("../vectors/wycheproof.json")).unwrap();
    let mut accepted = 0;
    for group in vectors.groups {
        let pairs = group.keys.iter().any(|key| key["kty"] != "oct");
        if pairs && cfg!(not(feature = "asymmetric")) {
            continue;
        }
        let keys = keys_of(&group);
        for Case { id, comment, jws, valid } in &group.tests {
            let payload =
                keys.clone().and_then(|keys| dangerous::verify_payload(&Verifier::new(keys), jws));
            assert_eq!(payload.is_ok(), *valid, "{} {id} {comment}: {payload:?}", group.comment);
            accepted += u32::from(payload.is_ok());
        }
    }
    assert_eq!(accepted, if cfg!(feature = "asymmetric") { 12 } else { 10 });
}
