//! Both ways with another library.

use std::time::Duration;

use countersign_jwt::{Algorithm, Claims, SigningKey, Verifier};
use jsonwebtoken as other;
use serde_json::{Value, json};

#[test]
fn tokens_pass_between_this_library_and_jsonwebtoken() {
    // It is built with both its backends, for the bench.
    let _ = other::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
    let names = [
        (Algorithm::Hs256, other::Algorithm::HS256),
        (Algorithm::Hs384, other::Algorithm::HS384),
        (Algorithm::Hs512, other::Algorithm::HS512),
    ];
    for (algorithm, theirs) in names {
        let key = SigningKey::generate(algorithm).unwrap().with_derived_kid();
        let secret = key.expose_secret().unwrap();
        let encoding = other::EncodingKey::from_secret(secret);
        let decoding = other::DecodingKey::from_secret(secret);
        both_ways(&key, theirs, &encoding, &decoding);
    }
}

#[cfg(feature = "asymmetric")]
#[test]
fn tokens_of_key_pairs_pass_between_this_library_and_jsonwebtoken() {
    // Built with both of its backends, it has to be told which; a second telling changes nothing.
    let _ = other::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
    // ES512 it has not.
    let names = [
        (Algorithm::Rs256, other::Algorithm::RS256),
        (Algorithm::Rs384, other::Algorithm::RS384),
        (Algorithm::Rs512, other::Algorithm::RS512),
        (Algorithm::Ps256, other::Algorithm::PS256),
        (Algorithm::Ps384, other::Algorithm::PS384),
        (Algorithm::Ps512, other::Algorithm::PS512),
        (Algorithm::Es256, other::Algorithm::ES256),
        (Algorithm::Es384, other::Algorithm::ES384),
        (Algorithm::EdDsa, other::Algorithm::EdDSA),
    ];
    for (algorithm, theirs) in names {
        let key = SigningKey::generate(algorithm).unwrap().with_derived_kid();
        let encoding = match algorithm {
            Algorithm::Es256 | Algorithm::Es384 => {
                other::EncodingKey::from_ec_der(&key.expose_pkcs8_der().unwrap())
            }
            Algorithm::EdDsa => other::EncodingKey::from_ed_der(&key.expose_pkcs8_der().unwrap()),
            _ => other::EncodingKey::from_rsa_der(&key.expose_pkcs1_der().unwrap()),
        };
        let jwk = serde_json::from_str(&key.verifying_key().to_jwk().unwrap()).unwrap();
        let decoding = other::DecodingKey::from_jwk(&jwk).unwrap();
        both_ways(&key, theirs, &encoding, &decoding);
    }
}

fn both_ways(
    key: &SigningKey,
    theirs: other::Algorithm,
    encoding: &other::EncodingKey,
    decoding: &other::DecodingKey,
) {
    let custom = json!({"name": "Zoë \"Z\" \u{1F980}\n", "nested": {"a": [1, 2.5, null]}});
    let claims = Claims::new(&custom).issuer("i").audience("a").expires_in(Duration::from_secs(60));

    let mut validation = other::Validation::new(theirs);
    validation.set_audience(&["a"]);
    validation.set_issuer(&["i"]);
    let token = key.sign(&claims).unwrap();
    let read = other::decode::<Value>(&token, decoding, &validation).unwrap();
    assert_eq!(read.header.kid.as_deref(), key.kid());
    assert_eq!(read.claims["name"], custom["name"]);
    assert_eq!(read.claims["nested"], custom["nested"]);

    let header = other::Header { kid: key.kid().map(Into::into), ..other::Header::new(theirs) };
    let token = other::encode(&header, &read.claims, encoding).unwrap();
    let verifier = Verifier::new(key.verifying_key()).issuer("i").audience("a");
    let verified = verifier.verify::<Value>(&token).unwrap();
    assert_eq!(*verified.claims(), read.claims);
    assert_eq!(verified.kid(), key.kid());
}
