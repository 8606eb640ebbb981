//! Tokens: whole, by their header, by their payload.

use std::{collections::BTreeMap, sync::LazyLock, time::Duration};

use aws_lc_rs::signature::Ed25519KeyPair;
use countersign_jwt::{
    Algorithm, Buffer, Claims, Error, Jwk, Jwks, SigningKey, Timestamp, Verified, Verifier,
    VerifyingKey, dangerous,
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::{Sha256, Sha512};

use super::{
    encode,
    plain::{self, Key, Members, Parts, Rules},
};

const NOW: i64 = 1_800_000_000;
const SECRET: &[u8; 32] = b"32 bytes, chosen for the fuzzer!";
const LONG_SECRET: &[u8; 64] = b"and 64 bytes for the algorithm with the longest hash of them all";
const SEED: &[u8; 32] = b"the seed of a pair in the fuzzer";

/// A verifier, the rules it was made by, and a payload that they let pass.
struct Setting {
    verifier: Verifier,
    rules: Rules,
    payload: &'static str,
}

fn hs256(message: &[u8]) -> Vec<u8> {
    let mac = Hmac::<Sha256>::new_from_slice(SECRET).unwrap();
    mac.chain_update(message).finalize().into_bytes().to_vec()
}

fn hs512(message: &[u8]) -> Vec<u8> {
    let mac = Hmac::<Sha512>::new_from_slice(LONG_SECRET).unwrap();
    mac.chain_update(message).finalize().into_bytes().to_vec()
}

fn pair() -> &'static Ed25519KeyPair {
    static PAIR: LazyLock<Ed25519KeyPair> =
        LazyLock::new(|| Ed25519KeyPair::from_seed_unchecked(SEED).unwrap());
    &PAIR
}

fn eddsa(message: &[u8]) -> Vec<u8> {
    pair().sign(message).as_ref().to_vec()
}

fn settings() -> &'static [Setting] {
    const HS256: &[&str] = &["HS256"];
    const HS512: &[&str] = &["HS512"];
    const EDDSA: &[&str] = &["EdDSA", "Ed25519"];
    static SETTINGS: LazyLock<Vec<Setting>> = LazyLock::new(|| {
        use aws_lc_rs::signature::KeyPair as _;

        let secret = VerifyingKey::from_secret(Algorithm::Hs256, SECRET).unwrap();
        let long = VerifyingKey::from_secret(Algorithm::Hs512, LONG_SECRET).unwrap();
        let x = encode(pair().public_key());
        let jwk = format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}"}}"#);
        let public = VerifyingKey::from_jwk(&Jwk::from_json(&jwk).unwrap()).unwrap();
        let none = Rules {
            keys: &[],
            typ: None,
            issuer: None,
            audiences: &[],
            max_age: None,
            required: None,
            requires_expiry: true,
            now: NOW,
        };

        // One key without a name.
        let one = Setting {
            verifier: Verifier::new(secret.clone()),
            rules: Rules { keys: &[Key { names: HS256, kid: None, sign: hs256 }], ..none },
            payload: r#"{"exp":1800000060}"#,
        };
        // A key with a name, an issuer, audiences.
        let named = Setting {
            verifier: Verifier::new(secret.clone().with_kid("2026-11"))
                .issuer("https://issuer.example")
                .audience("posts")
                .audience("mail"),
            rules: Rules {
                keys: &[Key { names: HS256, kid: Some("2026-11"), sign: hs256 }],
                issuer: Some("https://issuer.example"),
                audiences: &["posts", "mail"],
                ..none
            },
            payload: r#"{"iss":"https://issuer.example","aud":["a","posts"],"exp":1800000060}"#,
        };
        // Several keys of several kinds.
        let keys = [secret.with_kid("2026-11"), public.with_kid("pair"), long.clone()];
        let several = Setting {
            verifier: Verifier::new(Jwks::new(keys).unwrap())
                .max_age(Duration::from_secs(3600))
                .require("sub"),
            rules: Rules {
                keys: &[
                    Key { names: HS256, kid: Some("2026-11"), sign: hs256 },
                    Key { names: EDDSA, kid: Some("pair"), sign: eddsa },
                    Key { names: HS512, kid: None, sign: hs512 },
                ],
                max_age: Some(3600),
                required: Some("sub"),
                ..none
            },
            payload: r#"{"sub":"alice","iat":1800000000,"exp":1800000060}"#,
        };
        // A type of its own, no expiry.
        let typed = Setting {
            verifier: dangerous::without_expiry(Verifier::new(long.clone())).typ("at+jwt"),
            rules: Rules {
                keys: &[Key { names: HS512, kid: None, sign: hs512 }],
                typ: Some("at+jwt"),
                requires_expiry: false,
                ..none
            },
            payload: "{}",
        };
        // No key at all.
        let empty = Setting {
            verifier: Verifier::new(Jwks::default()),
            rules: none,
            payload: r#"{"exp":1800000060}"#,
        };
        let mut settings = vec![one, named, several, typed, empty];
        for setting in &mut settings {
            setting.verifier = setting.verifier.clone().clock(Timestamp::new(NOW));
        }
        settings
    });
    &SETTINGS
}

/// A whole token: as it is, and with the right signature in place of its own.
pub fn compact(bytes: &[u8]) {
    let Ok(token) = std::str::from_utf8(bytes) else { return };
    let signed = token.rsplit_once('.').map_or(token, |(signed, _)| signed);
    for setting in settings() {
        let right = plain::sign(&setting.rules, signed);
        if token != right {
            // No other text than the signer's is a token of this header and payload.
            assert!(!check(setting, token));
        }
        check(setting, &right);
    }
    published(token);
}

/// The bytes as a header, with a good payload, signed.
pub fn header(bytes: &[u8]) {
    for setting in settings() {
        let signed = format!("{}.{}", encode(bytes), encode(setting.payload));
        check(setting, &plain::sign(&setting.rules, &signed));
    }
}

/// The bytes as a payload, signed, with the header that the key writes; and once with another that says the same.
pub fn claims(bytes: &[u8]) {
    for setting in settings() {
        let Some(key) = setting.rules.keys.first() else { continue };
        let (alg, typ) = (key.names[0], setting.rules.typ.unwrap_or("JWT"));
        let kid = key.kid.map_or(String::new(), |kid| format!("\"kid\":\"{kid}\","));
        let accepted =
            with_header(setting, &format!(r#"{{"alg":"{alg}",{kid}"typ":"{typ}"}}"#), bytes);
        if setting.rules.issuer.is_some() {
            let other = format!(r#"{{ "typ":"{typ}",{kid}"\u0061lg":"{alg}" }}"#);
            // The same, up to the length of the longest token.
            assert!(with_header(setting, &other, bytes) == accepted || bytes.len() > 5000);
        }
    }
    if let Ok(claims) = serde_json::from_slice(bytes) {
        sign(claims);
    }
}

fn with_header(setting: &Setting, header: &str, payload: &[u8]) -> bool {
    let signed = format!("{}.{}", encode(header), encode(payload));
    check(setting, &plain::sign(&setting.rules, &signed))
}

/// Holds every way to verify a token against the plain rules and against each other; says whether it is accepted.
fn check(Setting { verifier, rules, .. }: &Setting, token: &str) -> bool {
    let form = plain::form(token);
    let signed = form
        .as_ref()
        .and_then(|parts| plain::signer(rules, token, parts).map(|position| (position, parts)));
    let expected = signed.and_then(|(position, parts)| {
        let claims = parts.claims.as_ref().filter(|claims| plain::pass(rules, claims))?;
        Some((position, claims))
    });
    let verified = verifier.verify::<()>(token);
    assert_eq!(verified.is_ok(), expected.is_some(), "{verified:?}");

    let mut buffer = Buffer::new();
    let borrowed = verifier.verify_into::<()>(token, &mut buffer);
    match (&verified, &borrowed) {
        (Ok(owned), Ok(borrowed)) => {
            let (position, claims) = expected.unwrap();
            assert_eq!(owned.kid().or(Some("")), rules.keys[position].kid.or(Some("")));
            assert_eq!(borrowed.kid(), owned.kid());
            assert_eq!(borrowed.payload(), owned.payload());
            says(owned, claims);
            says(borrowed, claims);
        }
        (Err(owned), Err(borrowed)) => {
            assert_eq!(owned, borrowed);
            in_order(owned, form.as_ref(), signed.is_some());
        }
        (owned, borrowed) => assert_eq!(owned.is_ok(), borrowed.is_ok()),
    }

    // As values: the same answer, unless they do not fit into what a value can hold.
    if let Ok(verified) = &verified {
        let value = verifier.verify::<Value>(token).map(Verified::into_claims);
        let mut buffer = Buffer::new();
        let borrowed = verifier.verify_into::<Value>(token, &mut buffer);
        assert_eq!(value, borrowed.map(Verified::into_claims));
        match (value, serde_json::from_str::<Value>(verified.payload())) {
            (Ok(value), Ok(expected)) => assert_eq!(value, expected),
            (value, expected) => {
                assert_eq!(value, Err(Error::ClaimsMismatch));
                assert!(expected.is_err());
            }
        }
    }

    // The signature alone.
    let payload = dangerous::verify_payload(verifier, token);
    assert_eq!(payload.as_ref().ok(), signed.map(|(_, parts)| &parts.payload));
    assert!(payload.is_ok() || payload.err() == verified.as_ref().err().cloned());

    // Reading without verifying takes what has the form of a token, and nothing else.
    let read = dangerous::decode_unverified::<()>(token);
    assert_eq!(read.is_ok(), form.as_ref().is_some_and(|form| form.claims.is_some()));
    if let (Ok(read), Some(form)) = (read, form) {
        assert_eq!(Some(read.alg.as_str()), plain::text(&form.header, "alg"));
        assert_eq!(read.kid.as_deref(), plain::text(&form.header, "kid"));
        assert_eq!(read.typ.as_deref(), plain::text(&form.header, "typ"));
    }
    verified.is_ok()
}

/// The registered claims are what the payload says.
fn says<S: AsRef<str>>(verified: &Verified<(), S>, claims: &Members) {
    assert_eq!(verified.issuer(), plain::text(claims, "iss"));
    assert_eq!(verified.subject(), plain::text(claims, "sub"));
    assert_eq!(verified.id(), plain::text(claims, "jti"));
    let times = [
        ("exp", verified.expires_at()),
        ("nbf", verified.not_before()),
        ("iat", verified.issued_at()),
    ];
    for (name, time) in times {
        assert_eq!(Some(time.map(Timestamp::seconds)), plain::time(claims, name));
    }
    let audiences = plain::audiences(claims).unwrap().unwrap_or_default();
    assert_eq!(verified.audience().as_slice(), audiences);
}

/// A refusal names the first check that fails: the form before the signature, the signature before the claims.
fn in_order(error: &Error, form: Option<&Parts>, signed: bool) {
    match error {
        Error::TokenMalformed(_) => assert!(form.is_none_or(|form| form.claims.is_none())),
        Error::SignatureInvalid => {
            assert!(form.is_some(), "a signature was looked at before the form");
            assert!(!signed);
        }
        Error::AlgorithmMismatch
        | Error::UnknownKey
        | Error::TypeMismatch
        | Error::HeaderUnsupported => assert!(!signed),
        _ => assert!(signed, "claims were looked at: {error}"),
    }
}

/// Claims that sign verify to the same claims.
fn sign(claims: BTreeMap<String, Value>) {
    let key = SigningKey::from_secret(Algorithm::Hs256, SECRET).unwrap();
    let mut expected = claims.clone();
    let mut claims = Claims::at(claims, Timestamp::new(NOW));
    if !expected.contains_key("exp") {
        claims = claims.expires_in(Duration::from_secs(60));
        expected.insert("exp".into(), (NOW + 60).into());
    }
    let Ok(token) = key.sign(&claims) else { return };
    expected.entry("iat".into()).or_insert(NOW.into());
    let mut verifier = Verifier::new(key.verifying_key()).clock(Timestamp::new(NOW));
    if let Ok(read) = dangerous::decode_unverified::<Value>(&token) {
        // What it is meant for is for the claims to say here.
        let audience = match &read.claims["aud"] {
            Value::Array(several) => several.first().cloned().unwrap_or_default(),
            one => one.clone(),
        };
        verifier = match audience.as_str() {
            Some(audience) => verifier.audience(audience),
            None => verifier,
        };
    }
    match verifier.verify::<BTreeMap<String, Value>>(&token) {
        Ok(verified) => {
            assert!(expected.keys().eq(verified.keys()));
            for (name, value) in &expected {
                assert!(alike(value, &verified[name]), "{name}");
            }
        }
        // These were the claims' own to choose.
        Err(error) => assert!(
            matches!(
                error,
                Error::TokenExpired | Error::TokenNotYetValid | Error::AudienceMismatch
            ),
            "{error}"
        ),
    }
}

/// Whether two values are the same, but for the last digits of fractions, which `serde_json` reads inexactly.
fn alike(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| alike(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.keys().eq(b.keys()) && a.iter().all(|(name, a)| alike(a, &b[name]))
        }
        (Value::Number(a), Value::Number(b)) if a.is_f64() && b.is_f64() => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            (a - b).abs() <= a.abs() * 1e-12
        }
        _ => a == b,
    }
}

/// Keys of RFC 7515, whose private halves the fuzzer does not have: what they verify is the RFC's own.
fn published(token: &str) {
    const RS256: &str = include_str!("../corpus/compact/rfc7515_a2_rs256");
    const ES256: &str = include_str!("../corpus/compact/rfc7515_a3_es256");
    static VERIFIERS: LazyLock<[Verifier; 2]> = LazyLock::new(|| {
        let rs256 = include_str!("../corpus/jwk/rfc7515_a2_rs256_public.json");
        let es256 = include_str!("../corpus/jwk/rfc7515_a3_es256_public.json");
        [rs256, es256].map(|jwk| {
            let key = VerifyingKey::from_jwk(&Jwk::from_json(jwk).unwrap()).unwrap();
            Verifier::new(key).clock(Timestamp::new(1_300_819_379))
        })
    });
    for (verifier, known) in VERIFIERS.iter().zip([RS256, ES256]) {
        let verified = verifier.verify::<Value>(token);
        let mut buffer = Buffer::new();
        let borrowed = verifier.verify_into::<Value>(token, &mut buffer);
        match (verified, borrowed) {
            (Ok(_), Ok(_)) => {
                // ECDSA has another signature for each: -s for s.
                let signed =
                    |token: &str| token.rsplit_once('.').map(|(signed, _)| signed.to_owned());
                assert_eq!(signed(token), signed(known));
                assert!(token == known || known == ES256);
            }
            (verified, borrowed) => assert_eq!(verified.err(), borrowed.err()),
        }
        if token == known {
            assert!(verifier.verify::<Value>(token).is_ok());
        }
    }
}
