//! One test for each known attack on libraries with key pairs, by the rule it breaks.

use std::time::Duration;

use base64_turbo::URL_SAFE_NO_PAD as BASE64URL;
use countersign_jwt::{Algorithm, Claims, Error, Jwk, Jwks, SigningKey, VerifyingKey, dangerous};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::{
    pairs::PAIRS,
    support::{NOW, encode, refusal_of, verifier},
};

fn key(algorithm: Algorithm) -> SigningKey {
    SigningKey::generate(algorithm).unwrap()
}

fn token(key: &SigningKey) -> String {
    key.sign(&Claims::at((), NOW).expires_in(Duration::from_secs(60))).unwrap()
}

/// What becomes of a token under a key.
fn refusal(key: &SigningKey, token: &str) -> Option<Error> {
    refusal_of(&verifier().with_keys(key.verifying_key()), token).err()
}

/// What becomes of a signature put in the place of the right one.
fn refusal_of_signature(key: &SigningKey, signature: impl AsRef<[u8]>) -> Option<Error> {
    let token = token(key);
    let (signed, _) = token.rsplit_once('.').unwrap();
    refusal(key, &format!("{signed}.{}", encode(signature)))
}

fn signature(token: &str) -> Vec<u8> {
    BASE64URL.decode(token.rsplit_once('.').unwrap().1).unwrap()
}

fn read(jwk: &Value) -> Result<VerifyingKey, Error> {
    Jwk::from_json(&jwk.to_string()).and_then(|jwk| VerifyingKey::from_jwk(&jwk))
}

fn read_private(jwk: &Value) -> Result<SigningKey, Error> {
    Jwk::from_json(&jwk.to_string()).and_then(|jwk| SigningKey::from_jwk(&jwk))
}

fn public_jwk(key: &SigningKey) -> Value {
    serde_json::from_str(&key.verifying_key().to_jwk().unwrap()).unwrap()
}

fn private_jwk(key: &SigningKey) -> Value {
    serde_json::from_str(&key.expose_jwk()).unwrap()
}

fn with(jwk: &Value, name: &str, value: impl Into<Value>) -> Value {
    let mut jwk = jwk.clone();
    jwk[name] = value.into();
    jwk
}

#[test]
fn a_token_made_with_a_public_key_as_a_secret_is_refused() {
    for algorithm in PAIRS {
        let key = key(algorithm);
        let public = key.verifying_key();
        let mut forms: Vec<Vec<u8>> = vec![
            public.to_spki_pem().unwrap().into(),
            public.to_spki_der().unwrap(),
            public.to_jwk().unwrap().into(),
            Jwks::from(public.clone()).to_json().into(),
        ];
        if let (Ok(pem), Ok(der)) = (public.to_pkcs1_pem(), public.to_pkcs1_der()) {
            forms.extend([pem.into(), der]);
        }
        for form in forms {
            let dressed = [
                form.clone(),
                [b" ", &form[..]].concat(),
                [b"\x01", &form[..]].concat(),
                [b"\xEF\xBB\xBF", &form[..]].concat(),
                [&form[..], b"\n"].concat(),
                BASE64URL.encode(&form).into(),
            ];
            for secret in dressed {
                // Neither does the key pair's verifier take it …
                let signed =
                    format!("{}.{}", encode(r#"{"alg":"HS256"}"#), encode(r#"{"exp":1800000060}"#));
                let mac = Hmac::<Sha256>::new_from_slice(&secret)
                    .unwrap()
                    .chain_update(&signed)
                    .finalize()
                    .into_bytes();
                let forged = format!("{signed}.{}", encode(mac));
                assert_eq!(refusal(&key, &forged), Some(Error::AlgorithmMismatch));
                // … nor can a verifier for secrets be made of it.
                let refused = VerifyingKey::from_secret(Algorithm::Hs256, &secret).unwrap_err();
                assert_eq!(refused, Error::SecretIsKey, "{algorithm}");
                let refused = dangerous::short_secret_key(Algorithm::Hs256, &secret).unwrap_err();
                assert_eq!(refused, Error::SecretIsKey);
                let oct = json!({"kty": "oct", "alg": "HS256", "k": encode(&secret)});
                assert_eq!(read(&oct).unwrap_err(), Error::SecretIsKey);
            }
        }
    }
}

#[test]
fn a_key_of_one_algorithm_verifies_no_other() {
    let rsa = [
        Algorithm::Rs256,
        Algorithm::Rs384,
        Algorithm::Rs512,
        Algorithm::Ps256,
        Algorithm::Ps384,
        Algorithm::Ps512,
    ];
    let pem = key(Algorithm::Rs256).expose_pkcs8_pem().unwrap();
    let keys = rsa.map(|algorithm| SigningKey::from_pem(algorithm, &pem).unwrap());
    for signing in &keys {
        let token = token(signing);
        let (_, rest) = token.split_once('.').unwrap();
        for verifying in &keys {
            if verifying.algorithm() == signing.algorithm() {
                assert_eq!(refusal(verifying, &token), None);
            } else {
                assert_eq!(refusal(verifying, &token), Some(Error::AlgorithmMismatch));
                // The header rewritten to say what the verifier wants to hear.
                let header = encode(format!(r#"{{"alg":"{}"}}"#, verifying.algorithm()));
                let lie = format!("{header}.{rest}");
                assert_eq!(refusal(verifying, &lie), Some(Error::SignatureInvalid));
            }
        }
    }
    for algorithm in PAIRS.into_iter().filter(|algorithm| !rsa.contains(algorithm)) {
        assert_eq!(SigningKey::from_pem(algorithm, &pem).unwrap_err(), Error::KeyMismatch);
        assert_eq!(SigningKey::from_secret(algorithm, &[7; 64]).unwrap_err(), Error::KeyMismatch);
    }
}

#[test]
fn a_signature_of_zeros_or_of_the_order_is_refused() {
    const P256_ORDER: &str = "_____wAAAAD__________7zm-q2nF56E87nKwvxjJVE";
    let es256 = key(Algorithm::Es256);
    let n = BASE64URL.decode(P256_ORDER).unwrap();
    let mut below = n.clone();
    below[31] -= 1;
    let (zero, mut one) = (vec![0; 32], vec![0; 32]);
    one[31] = 1;
    for r in [&zero, &one, &below, &n] {
        for s in [&zero, &one, &below, &n] {
            assert_eq!(
                refusal_of_signature(&es256, [&r[..], s].concat()),
                Some(Error::SignatureInvalid)
            );
        }
    }
    // The same as DER.
    for der in ["3006020100020100", "3006020101020101"] {
        let der: Vec<u8> = (0..der.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&der[at..at + 2], 16).unwrap())
            .collect();
        assert_eq!(refusal_of_signature(&es256, der), Some(Error::SignatureInvalid));
    }
    for algorithm in PAIRS {
        let key = key(algorithm);
        let length = signature(&token(&key)).len();
        for byte in [0, 0xFF] {
            assert_eq!(
                refusal_of_signature(&key, vec![byte; length]),
                Some(Error::SignatureInvalid)
            );
        }
    }
}

#[test]
fn a_signature_of_another_shape_or_length_is_refused() {
    for algorithm in PAIRS {
        let key = key(algorithm);
        let token = token(&key);
        let (signed, _) = token.rsplit_once('.').unwrap();
        let good = signature(&token);
        if let Some(length) = algorithm.signature_len() {
            assert_eq!(good.len(), length);
        }
        let half = good.len() / 2;
        let mut shapes = vec![
            vec![],
            good[1..].to_vec(),
            good[..good.len() - 1].to_vec(),
            [&[0], &good[..]].concat(),
            [&good[..], &[0]].concat(),
            [&good[..half], &[0], &good[half..]].concat(),
            [&good[..], &good[..]].concat(),
            vec![0; 1024],
            vec![0; 1100],
            vec![1; 4000],
        ];
        if matches!(algorithm, Algorithm::Es256 | Algorithm::Es384 | Algorithm::Es512) {
            // r and s as DER in place of side by side.
            let integer = |number: &[u8]| {
                let sign: &[u8] = if number[0] > 0x7F { &[0] } else { &[] };
                let length = u8::try_from(sign.len() + number.len()).unwrap();
                [&[2, length], sign, number].concat()
            };
            let body = [integer(&good[..half]), integer(&good[half..])].concat();
            let length = u8::try_from(body.len()).unwrap();
            let head = if length > 0x7F { vec![0x30, 0x81, length] } else { vec![0x30, length] };
            shapes.push([head, body].concat());
        }
        for shape in shapes {
            let changed = format!("{signed}.{}", encode(&shape));
            assert_eq!(
                refusal(&key, &changed),
                Some(Error::SignatureInvalid),
                "{algorithm} with {} bytes",
                shape.len()
            );
        }
        for at in 0..good.len() {
            let mut changed = good.clone();
            changed[at] ^= 1 << (at % 8);
            let changed = format!("{signed}.{}", encode(&changed));
            assert_eq!(refusal(&key, &changed), Some(Error::SignatureInvalid));
        }
    }
}

#[test]
fn keys_and_addresses_in_the_header_of_a_token_are_ignored() {
    let (key, attacker) = (key(Algorithm::Es256), key(Algorithm::Es256));
    let attacker_token = token(&attacker);
    let (_, payload) = attacker_token.split_once('.').unwrap();
    let (payload, _) = payload.split_once('.').unwrap();
    let header = json!({
        "alg": "ES256",
        "jwk": public_jwk(&attacker),
        "jku": "http://attacker.example/keys",
        "x5u": "file:///etc/passwd",
        "x5c": [BASE64URL.encode(attacker.verifying_key().to_spki_der().unwrap())],
    });
    // Signed by the attacker over that very header: `with_typ` and `kid` cannot say such things, so it is done by hand.
    let signed = format!("{}.{payload}", encode(header.to_string()));
    let forged = format!("{signed}.{}", encode(signature(&attacker_token)));
    assert_eq!(refusal(&key, &forged), Some(Error::SignatureInvalid));
}

#[test]
fn an_rsa_key_that_is_too_small_or_too_large_is_refused() {
    let rsa = public_jwk(&key(Algorithm::Rs256));
    let n = |bits: usize| {
        let mut bytes = vec![0xFF; bits.div_ceil(8)];
        bytes[0] = 0xFF >> (8 * bytes.len() - bits);
        with(&rsa, "n", encode(bytes))
    };
    for bits in [512, 1024, 2040, 2041, 2047] {
        assert_eq!(read(&n(bits)).unwrap_err(), Error::KeyTooSmall, "{bits}");
    }
    for bits in [8193, 16_384] {
        assert_eq!(read(&n(bits)).unwrap_err(), Error::KeyTooLarge, "{bits}");
    }
    assert!(read(&n(2048)).is_ok());
    for bits in [1024, 2047, 5000] {
        let refused = SigningKey::generate_with_bits(Algorithm::Rs256, bits).unwrap_err();
        assert_eq!(refused, Error::KeySizeUnsupported);
    }
    let refused = SigningKey::generate_with_bits(Algorithm::Es256, 2048).unwrap_err();
    assert_eq!(refused, Error::KeySizeUnsupported);
    let larger = SigningKey::generate_with_bits(Algorithm::Ps256, 3072).unwrap();
    assert_eq!((signature(&token(&larger)).len(), refusal(&larger, &token(&larger))), (384, None));
}

#[test]
fn an_rsa_key_with_a_small_or_even_exponent_is_refused() {
    let rsa = public_jwk(&key(Algorithm::Rs256));
    for e in [&[1][..], &[3], &[17], &[0xFF, 0xFF]] {
        assert!(
            matches!(read(&with(&rsa, "e", encode(e))).unwrap_err(), Error::KeyWeak(_)),
            "{e:?}"
        );
    }
    assert_eq!(read(&with(&rsa, "e", encode([1, 0, 2]))).unwrap_err(), Error::KeyInvalid);
    assert!(read(&with(&rsa, "e", encode([1, 0, 3]))).is_ok());
    let even = with(&rsa, "n", encode([0xFE; 256]));
    assert_eq!(read(&even).unwrap_err(), Error::KeyInvalid);
}

#[test]
fn an_rsa_key_of_the_flawed_generator_is_refused() {
    // A power of 65537 modulo the product of the small primes, as those keys are; 65537^128 has 2049 bits.
    let mut n = vec![0_u8; 257];
    n[256] = 1;
    for _ in 0..128 {
        // Times 65537 is the number and the number shifted by two bytes.
        let shifted: Vec<u8> = n[2..].iter().copied().chain([0, 0]).collect();
        let mut carry = 0_u16;
        for (byte, other) in n.iter_mut().zip(&shifted).rev() {
            let sum = u16::from(*byte) + u16::from(*other) + carry;
            *byte = u8::try_from(sum & 0xFF).unwrap();
            carry = sum >> 8;
        }
    }
    let rsa = with(&public_jwk(&key(Algorithm::Rs256)), "n", encode(&n));
    assert!(matches!(read(&rsa).unwrap_err(), Error::KeyWeak(reason) if reason.contains("ROCA")));
}

#[test]
fn a_point_off_its_curve_is_refused() {
    for algorithm in [Algorithm::Es256, Algorithm::Es384, Algorithm::Es512] {
        let key = key(algorithm);
        let jwk = public_jwk(&key);
        let mut y = BASE64URL.decode(jwk["y"].as_str().unwrap()).unwrap();
        let last = y.len() - 1;
        y[last] ^= 1;
        assert_eq!(read(&with(&jwk, "y", encode(&y))).unwrap_err(), Error::KeyInvalid);
        let zero = with(&with(&jwk, "x", encode(vec![0; y.len()])), "y", encode(vec![0; y.len()]));
        assert_eq!(read(&zero).unwrap_err(), Error::KeyInvalid);

        let mut der = key.verifying_key().to_spki_der().unwrap();
        let last = der.len() - 1;
        der[last] ^= 1;
        assert_eq!(VerifyingKey::from_spki_der(algorithm, &der).unwrap_err(), Error::KeyInvalid);
    }
}

#[test]
fn an_ed25519_key_under_which_everyone_can_sign_is_refused() {
    let jwk = public_jwk(&key(Algorithm::EdDsa));
    let mut one = [0; 32];
    one[0] = 1;
    for (mut x, sign) in [([0; 32], 0), ([0; 32], 0x80), (one, 0), (one, 0x80)] {
        x[31] |= sign;
        assert!(matches!(read(&with(&jwk, "x", encode(x))).unwrap_err(), Error::KeyWeak(_)));
    }
    let mut beyond = [0xFF; 32];
    beyond[31] = 0x7F;
    assert_eq!(read(&with(&jwk, "x", encode(beyond))).unwrap_err(), Error::KeyInvalid);
}

#[test]
fn an_ed25519_key_off_its_curve_verifies_nothing() {
    // y = 2 belongs to no point. Only decoding the point would tell, which is left to each verification.
    let signing = key(Algorithm::EdDsa);
    let mut two = [0; 32];
    two[0] = 2;
    if let Ok(key) = read(&with(&public_jwk(&signing), "x", encode(two))) {
        let verifier = verifier().with_keys(key);
        let token = token(&signing);
        assert_eq!(refusal_of(&verifier, &token), Err(Error::SignatureInvalid));
        let (signed, _) = token.rsplit_once('.').unwrap();
        for byte in [0, 1, 0xFF] {
            let forged = format!("{signed}.{}", encode([byte; 64]));
            assert_eq!(refusal_of(&verifier, &forged), Err(Error::SignatureInvalid));
        }
    }
}

#[test]
fn a_private_number_out_of_range_is_refused() {
    for algorithm in [Algorithm::Es256, Algorithm::Es384, Algorithm::Es512] {
        let jwk = private_jwk(&key(algorithm));
        let length = BASE64URL.decode(jwk["d"].as_str().unwrap()).unwrap().len();
        for byte in [0, 0xFF] {
            let changed = with(&jwk, "d", encode(vec![byte; length]));
            assert_eq!(read_private(&changed).unwrap_err(), Error::KeyInvalid, "{algorithm}");
        }
    }
}

#[test]
fn a_private_part_that_belongs_to_another_key_is_refused() {
    for algorithm in PAIRS {
        let (one, other) = (private_jwk(&key(algorithm)), private_jwk(&key(algorithm)));
        let names: &[&str] = match one["kty"].as_str().unwrap() {
            "RSA" => &["d", "p", "q", "dp", "dq", "qi", "n"],
            _ => &["d", "x"],
        };
        for name in names {
            let mixed = with(&one, name, other[*name].clone());
            assert_eq!(read_private(&mixed).unwrap_err(), Error::KeyPairMismatch, "{name}");
            assert_eq!(read(&mixed).unwrap_err(), Error::KeyPairMismatch, "{name}");
        }
    }
    // In SEC1, the public key stands last.
    let es256 = key(Algorithm::Es256);
    for der in [es256.expose_sec1_der().unwrap(), es256.expose_pkcs8_der().unwrap()] {
        let mut der = der.to_vec();
        let other = key(Algorithm::Es256).verifying_key().to_spki_der().unwrap();
        let length = der.len();
        der[length - 64..].copy_from_slice(&other[other.len() - 64..]);
        let read = SigningKey::from_sec1_der(Algorithm::Es256, &der)
            .or_else(|_| SigningKey::from_pkcs8_der(Algorithm::Es256, &der));
        assert!(matches!(read.unwrap_err(), Error::KeyPairMismatch | Error::KeyMalformed(_)));
    }
}

#[test]
fn a_key_for_another_use_or_algorithm_is_refused() {
    let es256 = public_jwk(&key(Algorithm::Es256));
    for (name, value, error) in [
        ("use", json!("enc"), Error::KeyUseMismatch),
        ("use", json!(""), Error::KeyUseMismatch),
        ("key_ops", json!(["encrypt"]), Error::KeyUseMismatch),
        ("key_ops", json!(["sign"]), Error::KeyUseMismatch),
        ("key_ops", json!(["verify", "encrypt"]), Error::KeyUseMismatch),
        ("key_ops", json!([]), Error::KeyUseMismatch),
        ("key_ops", json!("verify"), Error::KeyMalformed("key_ops is not an array of strings")),
        ("key_ops", json!(["verify", "verify"]), Error::KeyMalformed("an operation stands twice")),
        ("alg", json!("ES384"), Error::KeyMismatch),
        ("alg", json!("RS256"), Error::KeyMismatch),
        ("alg", json!("HS256"), Error::KeyMismatch),
        ("alg", json!("EdDSA"), Error::KeyMismatch),
        ("alg", json!("ES521"), Error::AlgorithmUnknown),
        ("alg", json!("none"), Error::AlgorithmUnknown),
        ("alg", json!(null), Error::KeyMalformed("a member is not a string")),
        ("crv", json!("P-384"), Error::KeyMalformed("a number of the wrong length")),
        ("crv", json!("secp256k1"), Error::KeyUnsupported),
        ("crv", json!("Ed25519"), Error::KeyUnsupported),
        ("kty", json!("RSA"), Error::KeyMalformed("a number is missing")),
        ("kty", json!("OKP"), Error::KeyUnsupported),
        ("kty", json!("ec"), Error::KeyUnsupported),
        ("kid", json!(7), Error::KeyMalformed("a member is not a string")),
    ] {
        assert_eq!(read(&with(&es256, name, value.clone())).unwrap_err(), error, "{name}: {value}");
    }
    assert!(read(&with(&es256, "key_ops", json!(["verify"]))).is_ok());

    let private = private_jwk(&key(Algorithm::Es256));
    let verify_only = with(&private, "key_ops", json!(["verify"]));
    assert_eq!(read_private(&verify_only).unwrap_err(), Error::KeyUseMismatch);
    assert_eq!(read_private(&es256).unwrap_err(), Error::KeyNotPrivate);
    let secret = json!({"kty": "oct", "k": encode([5; 64])});
    assert_eq!(read(&secret).unwrap_err(), Error::KeyAlgorithmMissing);
}

#[test]
fn a_number_in_another_spelling_is_refused() {
    let es256 = private_jwk(&key(Algorithm::Es256));
    let rsa = private_jwk(&key(Algorithm::Rs256));
    for (jwk, names) in [(&es256, &["x", "y", "d"][..]), (&rsa, &["n", "e", "d", "p", "qi"])] {
        for name in names {
            let text = jwk[*name].as_str().unwrap();
            let bytes = BASE64URL.decode(text).unwrap();
            let last = text.chars().last().unwrap();
            let stray = char::from_u32(u32::from(last) + 1).unwrap();
            let mut spellings = vec![
                format!("{text}="),
                format!(" {text}"),
                format!("{text}\n"),
                String::new(),
                encode([&[0], &bytes[..]].concat()),
                encode(&bytes[1..]),
            ];
            if text.len() % 4 != 0
                && last.is_ascii_alphanumeric()
                && last != 'z'
                && last != 'Z'
                && last != '9'
            {
                spellings.push(format!("{}{stray}", &text[..text.len() - 1]));
            }
            for spelling in spellings {
                let changed = with(jwk, name, spelling.as_str());
                assert!(read_private(&changed).is_err(), "{name}: {spelling:?}");
            }
        }
    }
    let twice =
        public_jwk(&key(Algorithm::Es256)).to_string().replacen('{', r#"{"crv":"P-256","#, 1);
    assert!(matches!(Jwk::from_json(&twice).unwrap_err(), Error::KeyMalformed(_)));
}

#[test]
fn a_set_that_mixes_secrets_and_public_keys_or_repeats_a_kid_is_refused() {
    let one = public_jwk(&key(Algorithm::Es256).with_kid("a"));
    let same = public_jwk(&key(Algorithm::EdDsa).with_kid("a"));
    let other = public_jwk(&key(Algorithm::EdDsa).with_kid("b"));
    let private = private_jwk(&key(Algorithm::EdDsa).with_kid("c"));
    let secret = private_jwk(&key(Algorithm::Hs256).with_kid("d"));
    let set = |keys: Value| Jwks::from_json(&json!({"keys": keys, "more": 1}).to_string());
    assert_eq!(set(json!([one, other])).unwrap().len(), 2);
    assert_eq!(set(json!([private, secret])).unwrap().len(), 2);
    assert_eq!(set(json!([])).unwrap().len(), 0);
    assert_eq!(set(json!([one, secret])).unwrap_err(), Error::KeysMixed);
    assert_eq!(set(json!([one, private])).unwrap_err(), Error::KeysMixed);
    assert_eq!(set(json!([one, same])).unwrap_err(), Error::KidDuplicate);
    // Keys of other trades are ignored, whatever their kid.
    let x25519 = json!({"kty": "OKP", "crv": "X25519", "x": encode([1; 32]), "kid": "a"});
    let encryption =
        with(&with(&public_jwk(&key(Algorithm::Rs256)), "use", "enc"), "alg", "RSA-OAEP");
    let unknown = json!({"kty": "AKP", "kid": "a", "pub": 7});
    assert_eq!(set(json!([x25519, one, encryption, unknown])).unwrap().len(), 1);
    // A defect in a known kind is not.
    assert!(set(json!([one, with(&other, "x", encode([0; 32]))])).is_err());
    for text in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[1]}"#, r#"{"keys":[],"keys":[]}"#] {
        assert!(matches!(Jwks::from_json(text).unwrap_err(), Error::KeyMalformed(_)), "{text}");
    }
}

#[test]
fn the_name_ed25519_is_accepted_and_written_when_asked_for() {
    let key = key(Algorithm::EdDsa);
    let named = key.clone().with_algorithm_name("Ed25519").unwrap();
    let read = dangerous::decode_unverified::<Value>(&token(&named)).unwrap();
    assert_eq!(read.alg, "Ed25519");
    assert_eq!(dangerous::decode_unverified::<Value>(&token(&key)).unwrap().alg, "EdDSA");
    for signing in [&key, &named] {
        for verifying in [&key, &named] {
            assert_eq!(refusal(verifying, &token(signing)), None);
        }
    }
    let again = read_private(&private_jwk(&named)).unwrap();
    assert_eq!(dangerous::decode_unverified::<Value>(&token(&again)).unwrap().alg, "Ed25519");
    assert_eq!(key.with_algorithm_name("Ed448").unwrap_err(), Error::KeyMismatch);
}

#[test]
fn a_file_that_is_no_key_of_ours_is_refused_by_name() {
    let key = key(Algorithm::Es256);
    let pem = key.expose_pkcs8_pem().unwrap();
    let public = key.verifying_key().to_spki_pem().unwrap();
    let refuse = |pem: &str| SigningKey::from_pem(Algorithm::Es256, pem).unwrap_err();
    assert_eq!(refuse(&public), Error::KeyNotPrivate);
    assert_eq!(refuse(&pem.replace("PRIVATE", "ENCRYPTED PRIVATE")), Error::KeyEncrypted);
    assert_eq!(refuse(&public.replace("PUBLIC KEY", "CERTIFICATE")), Error::KeyUnsupported);
    for text in [
        "",
        "-----BEGIN PRIVATE KEY-----",
        &pem[1..],
        &pem.replace('A', "*"),
        &format!("{}{}", &*pem, &*pem),
    ] {
        assert!(matches!(refuse(text), Error::KeyMalformed(_)), "{text}");
    }
    assert!(SigningKey::from_pem(Algorithm::Es256, &pem.replace('\n', "\r\n")).is_ok());
    assert!(SigningKey::from_pem(Algorithm::Es256, pem.trim_end()).is_ok());
    let sec1 = key.expose_sec1_pem().unwrap();
    let parameters =
        "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    assert!(SigningKey::from_pem(Algorithm::Es256, &format!("{parameters}{}", &*sec1)).is_ok());
    assert_eq!(SigningKey::from_pem(Algorithm::Es384, &sec1).unwrap_err(), Error::KeyMismatch);
    let legacy = sec1.replacen('\n', "\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\n", 1);
    assert_eq!(refuse(&legacy), Error::KeyEncrypted);
    assert_eq!(key.expose_pkcs1_pem().unwrap_err(), Error::KeyMismatch);
    let secret = SigningKey::generate(Algorithm::Hs256).unwrap();
    assert_eq!(secret.expose_pkcs8_pem().unwrap_err(), Error::KeyIsSecret);
    assert_eq!(secret.verifying_key().to_jwk().unwrap_err(), Error::KeyIsSecret);
    assert_eq!(key.expose_secret(), None);
}

#[test]
fn a_key_with_attributes_of_any_length_is_no_secret() {
    let pkcs8 = key(Algorithm::EdDsa).expose_pkcs8_der().unwrap();
    for length in [0_usize, 100, 200, 40_000, 70_000] {
        let tlv = |tag: u8, parts: &[&[u8]]| {
            let length = parts.concat().len().to_be_bytes();
            [&[tag, 0x83], &length[5..], &parts.concat()].concat()
        };
        let attributes = tlv(0xA0, &[&vec![7; length]]);
        let long = tlv(0x30, &[&pkcs8[2..], &attributes]);
        let read = SigningKey::from_pkcs8_der(Algorithm::EdDsa, &long).is_ok();
        assert_eq!(read, length >= 70_000, "one DER only");
        assert_eq!(
            SigningKey::from_secret(Algorithm::Hs256, &long).unwrap_err(),
            Error::SecretIsKey,
            "{length}"
        );
    }
}

#[test]
fn no_key_hides_before_another_or_between_the_lines_of_parameters() {
    let key = key(Algorithm::Es256);
    let (sec1, pkcs8) = (key.expose_sec1_pem().unwrap(), key.expose_pkcs8_pem().unwrap());
    let spki = key.verifying_key().to_spki_pem().unwrap();
    let (begin, end) = ("-----BEGIN EC PARAMETERS-----\n", "-----END EC PARAMETERS-----\n");
    let parameters = format!("{begin}BggqhkjOPQMBBw==\n{end}");
    let read = |text: &str| {
        let (private, public) = (
            SigningKey::from_pem(Algorithm::Es256, text).err(),
            VerifyingKey::from_pem(Algorithm::Es256, text).err(),
        );
        assert_eq!(private, public);
        private
    };
    assert_eq!(read(&format!("{parameters}{}", &*sec1)), None);
    assert_eq!(read(&format!("a key:\n{parameters}and\n{}", &*sec1)), None);
    for text in [
        // Only parameters stand there, once, and only a SEC1 key behind them.
        format!("{begin}{spki}{end}{}", &*sec1),
        format!("{begin}{}{end}{}", &*pkcs8, &*sec1),
        format!("{begin}not base64{end}{}", &*sec1),
        format!("{parameters}{parameters}{}", &*sec1),
        format!("{parameters}{}", &*pkcs8),
        format!("{parameters}{spki}"),
        format!("{}{parameters}", &*sec1),
        // A block is no text before another.
        format!("a key: {}{}", &*pkcs8, &*sec1),
        format!("a key:\r{}\n{}", pkcs8.replace('\n', "\r"), &*sec1),
        format!("a key: {parameters}{parameters}{}", &*sec1),
    ] {
        assert!(matches!(read(&text), Some(Error::KeyMalformed(_))), "{text}");
    }
}

#[test]
fn nothing_shows_a_private_key() {
    for algorithm in PAIRS {
        let key = key(algorithm).with_kid("k");
        let jwk = private_jwk(&key);
        let d = jwk["d"].as_str().unwrap();
        let bytes = BASE64URL.decode(d).unwrap();
        let shown = format!(
            "{key:?} {:?} {:?} {:?} {:?}",
            key.verifying_key(),
            key.expose_jwk(),
            key.expose_pkcs8_der(),
            Jwk::from_json(&key.expose_jwk()).unwrap(),
        );
        assert!(!shown.contains(d) && !shown.contains(&format!("{}, {}", bytes[3], bytes[4])));
        assert!(
            !shown.contains(&bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
        );
    }
}
