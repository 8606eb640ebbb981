//! What holds for every token.

use std::{collections::BTreeMap, sync::LazyLock, time::Duration};

use countersign_jwt::{
    Algorithm, Audience, Buffer, Claims, Jwk, Jwks, SigningKey, Verifier, dangerous,
};
use proptest::prelude::*;
use serde_json::Value;

use crate::support::{HEADER, NOW, forge, key, token, verifier};

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i32>().prop_map(|number| Value::from(f64::from(number) / 8.0)),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|map| map.into_iter().collect()),
        ]
    })
}

/// A key of each algorithm that is built in; RSA keys take too long to make anew each time.
fn keys() -> &'static [SigningKey] {
    static KEYS: LazyLock<Vec<SigningKey>> = LazyLock::new(|| {
        Algorithm::ALL
            .iter()
            .filter_map(|&algorithm| SigningKey::generate(algorithm).ok())
            .collect()
    });
    &KEYS
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_signed_verifies_to_the_same_claims(
        custom in prop::collection::btree_map("x.{0,9}", value(), 0..6),
        subject in any::<String>(),
        kid in proptest::option::of(any::<String>()),
        audience in prop::collection::vec(any::<String>(), 1..3),
        key in 0..keys().len(),
    ) {
        let mut key = keys()[key].clone();
        if let Some(kid) = kid {
            key = key.with_kid(kid);
        }
        let mut claims = Claims::at(custom.clone(), NOW).subject(&subject).expires_in(Duration::from_secs(9));
        for audience in &audience {
            claims = claims.audience(audience);
        }
        let token = key.sign(&claims).unwrap();
        let verifier = Verifier::new(key.verifying_key()).audience(&audience[0]).clock(NOW);
        let mut buffer = Buffer::new();
        let verified = verifier.verify_into::<BTreeMap<String, Value>>(&token, &mut buffer).unwrap();
        prop_assert_eq!(verified.subject(), Some(subject.as_str()));
        prop_assert_eq!(verified.audience(), audience.iter().cloned().collect::<Audience>());
        for (name, value) in &custom {
            prop_assert_eq!(&verified[name], value);
        }
        prop_assert_eq!(verified.len(), custom.len() + 4);
    }

    #[test]
    fn nothing_panics_on_any_text(text in any::<String>()) {
        prop_assert!(verifier().verify::<Value>(&text).is_err());
        let _ = dangerous::decode_unverified::<Value>(&text);
    }

    #[test]
    fn nothing_panics_on_any_header_and_payload(header in any::<Vec<u8>>(), payload in any::<Vec<u8>>()) {
        for token in [forge(&header, "{}"), forge(HEADER, &payload), forge(r#"{"alg":"HS256"}"#, &payload)] {
            prop_assert!(verifier().verify::<Value>(&token).is_err());
        }
    }

    #[test]
    fn nothing_panics_on_any_key(
        name in prop::sample::select(vec!["kty", "crv", "x", "y", "d", "n", "e", "k", "use", "key_ops", "alg", "kid"]),
        put in value(),
        key in 0..keys().len(),
        text in any::<String>(),
    ) {
        let _ = Jwk::from_json(&text);
        let _ = Jwks::from_json(&text);
        let mut jwk: Value = serde_json::from_str(&keys()[key].expose_jwk()).unwrap();
        jwk[name] = put;
        let _ = Jwk::from_json(&jwk.to_string()).and_then(|jwk| SigningKey::from_jwk(&jwk));
        let _ = Jwks::from_json(&format!("{{\"keys\":[{jwk}]}}"));
    }

    #[test]
    fn nothing_panics_on_any_secret(secret in any::<Vec<u8>>(), json in value()) {
        let _ = SigningKey::from_secret(Algorithm::Hs256, &secret);
        let _ = SigningKey::from_secret(Algorithm::Hs256, json.to_string().as_bytes());
    }
}

#[cfg(feature = "asymmetric")]
#[test]
fn nothing_panics_on_a_damaged_key_file() {
    for key in keys().iter().filter(|key| !key.algorithm().is_symmetric()) {
        let (private, public) =
            (key.expose_pkcs8_der().unwrap(), key.verifying_key().to_spki_der().unwrap());
        for at in 0..public.len().min(80) {
            let mut changed = public.clone();
            changed[at] ^= 0x11;
            let _ = countersign_jwt::VerifyingKey::from_spki_der(key.algorithm(), &changed);
            let cut = &private[..at];
            assert!(SigningKey::from_pkcs8_der(key.algorithm(), cut).is_err());
            let mut changed = private.to_vec();
            changed[at.min(30)] ^= 0x11;
            let _ = SigningKey::from_pkcs8_der(key.algorithm(), &changed);
        }
        let longer = [&private[..], b"\0"].concat();
        assert!(SigningKey::from_pkcs8_der(key.algorithm(), &longer).is_err());
        let longer = [&public[..], b"\0"].concat();
        assert!(countersign_jwt::VerifyingKey::from_spki_der(key.algorithm(), &longer).is_err());
    }
}

#[test]
fn every_change_of_one_bit_is_refused() {
    let named = key().with_derived_kid();
    let long = named
        .sign(&Claims::at((), NOW).subject("alice").expires_in(Duration::from_secs(60)))
        .unwrap();
    for (key, token) in [(key(), token()), (named, long)] {
        let verifier = Verifier::new(key.verifying_key()).clock(NOW);
        assert!(verifier.verify::<Value>(&token).is_ok());
        for at in 0..token.len() {
            for bit in 0..8 {
                let mut bytes = token.clone().into_bytes();
                bytes[at] ^= 1 << bit;
                if let Ok(changed) = String::from_utf8(bytes) {
                    assert!(verifier.verify::<Value>(&changed).is_err(), "bit {bit} of byte {at}");
                }
            }
        }
    }
}

#[test]
fn a_token_cut_or_lengthened_anywhere_is_refused() {
    let token = token();
    for at in 0..token.len() {
        assert!(verifier().verify::<Value>(&token[..at]).is_err());
        for more in ["A", ".", "=", " ", "\n", "\0"] {
            let changed = format!("{}{more}{}", &token[..at], &token[at..]);
            assert!(verifier().verify::<Value>(&changed).is_err(), "{more:?} at {at}");
        }
    }
}
