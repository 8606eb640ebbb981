//! What the crate offers, used as a program would.

use std::{collections::BTreeMap, time::Duration};

use countersign_jwt::{
    Algorithm, Audience, Buffer, Claims, Error, Jwks, SigningKey, Timestamp, Verified, Verifier,
    VerifyingKey, dangerous,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::support::{NOW, SECRET, key, verifier};

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Access {
    name: Option<String>,
    roles: Vec<String>,
    level: u8,
    score: f64,
    nested: BTreeMap<u32, Option<bool>>,
    kind: Kind,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Human,
    Robot { model: String },
    Pair(u8, u8),
    Other(char),
}

fn access(kind: Kind) -> Access {
    Access {
        name: Some("Zoë \"Z\"\\\n\u{7f}\u{1F980}".into()),
        roles: vec!["user".into(), "admin".into()],
        level: 7,
        score: -1.5e-7,
        nested: BTreeMap::from([(1, None), (2, Some(true))]),
        kind,
    }
}

#[test]
fn typed_claims_come_back_as_they_were() {
    let key = key().with_derived_kid();
    let verifier =
        Verifier::new(key.verifying_key()).clock(NOW).issuer("i").audience("b").require("jti");
    let kinds =
        [Kind::Human, Kind::Robot { model: "R".into() }, Kind::Pair(1, 2), Kind::Other('ß')];
    for kind in kinds {
        let claims = Claims::at(access(kind), NOW)
            .issuer("i")
            .subject("s\u{0}")
            .audience("a")
            .audience("b")
            .not_before(NOW)
            .id("j")
            .expires_in(MINUTE);
        let verified: Verified<Access> = verifier.verify(&key.sign(&claims).unwrap()).unwrap();
        assert_eq!(verified.claims(), claims.custom());
        assert_eq!(verified.level, 7);
        assert_eq!(verified.issuer(), Some("i"));
        assert_eq!(verified.subject(), Some("s\u{0}"));
        assert_eq!(verified.audience(), ["a", "b"].into_iter().collect::<Audience>());
        assert_eq!(verified.issued_at(), Some(NOW));
        assert_eq!(verified.not_before(), Some(NOW));
        assert_eq!(verified.expires_at(), NOW.checked_add(MINUTE));
        assert_eq!(verified.id(), Some("j"));
        assert_eq!(verified.kid(), key.kid());
        assert!(verified.payload().starts_with(r#"{"iss":"i","sub":"s\u0000","name":"#));
    }
}

#[test]
fn claims_may_borrow_and_see_every_member() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Flat<'a> {
        sub: &'a str,
        role: &'a str,
        exp: Timestamp,
        aud: Audience,
    }
    let token = key()
        .sign(
            &Claims::at(json!({"role": "user"}), NOW).subject("s").audience("a").expires_in(MINUTE),
        )
        .unwrap();
    let verifier = verifier().audience("a");
    let mut buffer = Buffer::new();
    for _ in 0..2 {
        let verified = verifier.verify_into::<Flat<'_>>(&token, &mut buffer).unwrap();
        let exp = NOW.checked_add(MINUTE).unwrap();
        assert_eq!(
            *verified,
            Flat { sub: "s", role: "user", exp, aud: ["a"].into_iter().collect() }
        );
        assert_eq!(verified.kid(), None);
        let role: &str = verified.into_claims().role;
        assert_eq!(role, "user");
    }
}

#[test]
fn claims_of_another_shape_are_refused_without_an_echo() {
    let token = key().sign(&Claims::at(json!({"name": "n"}), NOW).expires_in(MINUTE)).unwrap();
    assert_eq!(verifier().verify::<Access>(&token).unwrap_err(), Error::ClaimMissing("roles"));
    assert_eq!(
        verifier().verify::<BTreeMap<String, u8>>(&token).unwrap_err(),
        Error::ClaimsMismatch
    );
    assert_eq!(verifier().verify::<Vec<u8>>(&token).unwrap_err(), Error::ClaimsMismatch);
    assert!(verifier().verify::<()>(&token).is_ok());
    assert!(verifier().verify::<Value>(&token).is_ok());
}

#[test]
fn claims_that_would_not_verify_are_not_signed() {
    let refusal = |claims: &Claims<Value>| key().sign(claims).unwrap_err();
    let good = || Claims::at(json!({}), NOW).expires_in(MINUTE);
    assert_eq!(refusal(&Claims::at(json!({}), NOW)), Error::ClaimMissing("exp"));
    assert_eq!(refusal(&good().expires_at(NOW)), Error::ExpiryTooEarly);
    assert_eq!(refusal(&good().not_before(NOW.saturating_add(MINUTE))), Error::ExpiryTooEarly);
    assert_eq!(refusal(&good().expires_in(Duration::MAX)), Error::ClaimInvalid("exp"));
    assert_eq!(refusal(&good().issued_at(Timestamp::new(-1))), Error::ClaimInvalid("iat"));
    for not_object in [json!([]), json!("x"), json!(1), json!(true)] {
        assert_eq!(
            refusal(&Claims::at(not_object, NOW).expires_in(MINUTE)),
            Error::ClaimsNotObject
        );
    }
    assert_eq!(
        refusal(&Claims::at(json!({"x": "x".repeat(9000)}), NOW).expires_in(MINUTE)),
        Error::TokenTooLong
    );
    let mut deep = json!(1);
    for _ in 0..64 {
        deep = json!([deep]);
    }
    assert_eq!(
        refusal(&Claims::at(json!({ "x": deep }), NOW).expires_in(MINUTE)),
        Error::ClaimsUnwritable
    );
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let claims =
            Claims::at(BTreeMap::from([("x", vec![Some(number)])]), NOW).expires_in(MINUTE);
        assert_eq!(key().sign(&claims), Err(Error::ClaimNotFinite));
    }
}

#[test]
fn a_claim_given_twice_is_not_signed() {
    let custom = |name: &str| Claims::at(json!({name: "a"}), NOW).expires_in(MINUTE);
    assert_eq!(key().sign(&custom("iss").issuer("b")), Err(Error::ClaimDuplicate));
    assert_eq!(key().sign(&custom("exp")), Err(Error::ClaimDuplicate));
    assert_eq!(key().sign(&custom("iat").issued_at(NOW)), Err(Error::ClaimDuplicate));
    assert!(key().sign(&custom("iss")).is_ok());

    #[derive(Serialize)]
    struct Twice {
        a: u8,
        #[serde(flatten)]
        more: BTreeMap<String, u8>,
    }
    let twice = Twice { a: 1, more: BTreeMap::from([("a".into(), 2)]) };
    assert_eq!(key().sign(&Claims::at(twice, NOW).expires_in(MINUTE)), Err(Error::ClaimDuplicate));
    let many: BTreeMap<String, u8> = (0..100).map(|number| (format!("m{number}"), 1)).collect();
    assert!(key().sign(&Claims::at(many, NOW).expires_in(MINUTE)).is_ok());
}

#[test]
fn registered_claims_may_come_from_the_custom_type_and_are_checked_there() {
    let sign = |custom: Value| key().sign(&Claims::at(custom, NOW));
    let token = sign(json!({"iss": "i", "iat": 5, "exp": 1_800_000_060.5, "sub": "s"})).unwrap();
    let verified = verifier().verify::<Value>(&token).unwrap();
    assert_eq!((verified.issuer(), verified.issued_at()), (Some("i"), Some(Timestamp::new(5))));
    assert_eq!(sign(json!({"iss": "i"})), Err(Error::ClaimMissing("exp")));
    assert_eq!(sign(json!({"exp": "1800000060"})), Err(Error::ClaimInvalid("exp")));
    assert_eq!(sign(json!({"exp": -1})), Err(Error::ClaimInvalid("exp")));
    assert_eq!(sign(json!({"exp": 5, "iat": 6})), Err(Error::ExpiryTooEarly));
    assert_eq!(sign(json!({"exp": 1_800_000_060, "aud": 1})), Err(Error::ClaimInvalid("aud")));
}

#[test]
fn signing_into_a_buffer_replaces_it_and_empties_it_after_an_error() {
    let claims = Claims::at((), NOW).subject("s").expires_in(MINUTE);
    let mut token = "something else".to_owned();
    key().sign_into(&claims, &mut token).unwrap();
    assert_eq!(token, key().sign(&claims).unwrap());
    assert_eq!(key().sign_into(&claims.expires_at(NOW), &mut token), Err(Error::ExpiryTooEarly));
    assert_eq!(token, "");
}

#[test]
fn a_set_finds_its_key_by_kid() {
    let a = SigningKey::generate(Algorithm::Hs256).unwrap().with_kid("a");
    let b = SigningKey::generate(Algorithm::Hs512).unwrap().with_kid("b \"quoted\" \u{e4}");
    let unnamed = SigningKey::generate(Algorithm::Hs256).unwrap();
    let claims = Claims::at((), NOW).expires_in(MINUTE);
    let set = Jwks::new([a.verifying_key(), unnamed.verifying_key(), b.verifying_key()]).unwrap();
    let verifier = verifier().with_keys(set);

    for key in [&a, &b] {
        let verified = verifier.verify::<()>(&key.sign(&claims).unwrap()).unwrap();
        assert_eq!(verified.kid(), key.kid());
    }
    let named = unnamed.clone().with_kid("c");
    assert_eq!(verifier.verify::<()>(&named.sign(&claims).unwrap()).unwrap().kid(), None);
    assert_eq!(
        verifier.verify::<()>(&unnamed.sign(&claims).unwrap()).unwrap_err(),
        Error::UnknownKey
    );
    let impostor = unnamed.with_kid("a");
    assert_eq!(
        verifier.verify::<()>(&impostor.sign(&claims).unwrap()).unwrap_err(),
        Error::SignatureInvalid
    );

    let empty = verifier.with_keys(Jwks::default());
    assert_eq!(empty.verify::<()>(&a.sign(&claims).unwrap()).unwrap_err(), Error::UnknownKey);
}

#[test]
fn a_set_refuses_ambiguity() {
    let key = || SigningKey::generate(Algorithm::Hs256).unwrap().verifying_key();
    assert_eq!(
        Jwks::new([key().with_kid("a"), key().with_kid("a")]).unwrap_err(),
        Error::KidDuplicate
    );
    assert_eq!(Jwks::new([key(), key()]).unwrap_err(), Error::KidMissing);
    let set = Jwks::new([key().with_kid("a"), key()]).unwrap();
    assert_eq!((set.len(), set.is_empty(), set.iter().count()), (2, false, 2));
    assert_eq!(set.to_json(), r#"{"keys":[]}"#);
}

#[test]
fn the_derived_kid_comes_from_the_secret_alone() {
    let kid = key().with_derived_kid().kid().unwrap().to_owned();
    assert_eq!(kid, "i8gmaKZGkj1u");
    let verifying = VerifyingKey::from_secret(Algorithm::Hs256, SECRET).unwrap().with_derived_kid();
    assert_eq!(verifying.kid(), Some(kid.as_str()));
    assert_ne!(
        SigningKey::generate(Algorithm::Hs256).unwrap().with_derived_kid().kid(),
        Some(kid.as_str())
    );
}

#[test]
fn a_type_of_its_own_is_written_and_asked_for() {
    let key = key().with_typ("at+jwt").with_kid("k");
    let token = key.sign(&Claims::at((), NOW).expires_in(MINUTE)).unwrap();
    assert_eq!(verifier().verify::<()>(&token).unwrap_err(), Error::TypeMismatch);
    assert!(verifier().typ("at+jwt").verify::<()>(&token).is_ok());
    let read = dangerous::decode_unverified::<Value>(&token).unwrap();
    assert_eq!(
        (read.alg.as_str(), read.kid.as_deref(), read.typ.as_deref()),
        ("HS256", Some("k"), Some("at+jwt"))
    );
}

#[test]
fn a_required_claim_must_be_there() {
    let verifier = verifier().require("sub").require("sid");
    let token = |custom: Value| {
        key().sign(&Claims::at(custom, NOW).subject("s").expires_in(MINUTE)).unwrap()
    };
    assert_eq!(verifier.verify::<()>(&token(json!({}))).unwrap_err(), Error::ClaimMissing("sid"));
    assert!(verifier.verify::<()>(&token(json!({"sid": "x"}))).is_ok());
}

#[test]
fn a_verifier_is_shared_between_threads() {
    fn shared<T: Clone + Send + Sync + 'static>() {}
    shared::<Verifier>();
    shared::<SigningKey>();
    shared::<VerifyingKey>();
    shared::<Jwks>();
    shared::<Verified<String>>();
}

#[test]
fn a_header_may_have_members_beside_those_of_the_key() {
    let key = SigningKey::generate(Algorithm::Hs256)
        .unwrap()
        .with_header_member("cty", "first")
        .unwrap()
        .with_header_member("quo\"ted\n", "\u{1}\\\"")
        .unwrap()
        .with_header_member("cty", "second")
        .unwrap()
        .with_kid("one")
        .with_typ("at+jwt");
    let token = key.sign(&Claims::new(()).expires_in(Duration::from_secs(60))).unwrap();
    let header = base64_turbo::URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    let expected = json!({
        "alg": "HS256", "kid": "one", "typ": "at+jwt", "cty": "second", "quo\"ted\n": "\u{1}\\\"",
    });
    assert_eq!(header, expected);
    let verifier = Verifier::new(key.verifying_key()).typ("at+jwt");
    assert!(verifier.verify::<()>(&token).is_ok());
    assert_eq!(verifier.typ("JWT").verify::<()>(&token).unwrap_err(), Error::TypeMismatch);
    for name in ["alg", "kid", "typ", "crit", "b64"] {
        let refused = key.clone().with_header_member(name, "x").unwrap_err();
        assert_eq!(refused, Error::HeaderUnsupported, "{name}");
    }
    let long = key.with_header_member("long", "x".repeat(9_000)).unwrap();
    let refused = long.sign(&Claims::new(()).expires_in(Duration::from_secs(60)));
    assert_eq!(refused, Err(Error::TokenTooLong));
}
