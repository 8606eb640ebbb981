//! Keys in every format they come in.

use std::time::Duration;

use countersign_jwt::{
    Algorithm, Claims, Error, Jwk, Jwks, SigningKey, Timestamp, Verifier, VerifyingKey,
};

use super::plain::{self, Json, Members};

const NOW: Timestamp = Timestamp::new(1_800_000_000);

/// An algorithm of every kind of key.
const KINDS: [Algorithm; 7] = [
    Algorithm::Rs256,
    Algorithm::Ps512,
    Algorithm::Es256,
    Algorithm::Es384,
    Algorithm::Es512,
    Algorithm::EdDsa,
    Algorithm::Hs256,
];

/// The members that make a key, and those of them that are secret.
const NUMBERS: [&str; 14] =
    ["kty", "crv", "x", "y", "n", "e", "d", "p", "q", "dp", "dq", "qi", "k", "kid"];
const SECRETS: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "k"];

/// A JWK.
pub fn jwk(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(jwk) = Jwk::from_json(text) else { return };
    let members = plain::object(text).unwrap();
    let kty = plain::text(&members, "kty").unwrap();
    assert!(["RSA", "EC", "OKP", "oct"].contains(&kty));
    assert_eq!(jwk.kid(), plain::text(&members, "kid"));
    assert_eq!(jwk.kid().is_some(), plain::get(&members, "kid").is_some());
    assert!(matches!(plain::text(&members, "use"), None | Some("sig")));
    assert!(plain::get(&members, "use").is_none_or(|usage| matches!(usage, Json::Text(_))));
    assert_eq!(
        jwk.is_private(),
        SECRETS.iter().any(|name| plain::get(&members, name).is_some() && kty_has(kty, name))
    );
    if let Some(alg) = plain::get(&members, "alg") {
        let algorithm = jwk.algorithm().unwrap();
        assert!(
            *alg == Json::Text(algorithm.name().into()) || *alg == Json::Text("Ed25519".into())
        );
    }
    assert_eq!(jwk.thumbprint().len(), 43);
    assert_eq!(
        format!("{jwk:?}"),
        format!(
            "Jwk {{ algorithm: {:?}, kid: {:?}, is_private: {}, .. }}",
            jwk.algorithm(),
            jwk.kid(),
            jwk.is_private()
        )
    );

    let verifying = VerifyingKey::from_jwk(&jwk);
    if let Ok(key) = &verifying {
        no_secret(bytes);
        assert_eq!(Some(key.algorithm()), jwk.algorithm());
        assert_eq!(key.kid(), jwk.kid());
        if let Ok(thumbprint) = key.thumbprint() {
            assert_eq!(thumbprint, jwk.thumbprint());
            same(&members, &key.to_jwk().unwrap());
        }
        public(key);
    }
    if let Ok(key) = SigningKey::from_jwk(&jwk) {
        assert!(jwk.is_private());
        assert_eq!(key.kid(), jwk.kid());
        assert_eq!(Some(key.algorithm()), jwk.algorithm());
        if let Ok(verifying) = verifying {
            assert_eq!(verifying.to_jwk(), key.verifying_key().to_jwk());
        }
        same(&members, &key.expose_jwk());
        assert_eq!(Jwk::from_json(&key.expose_jwk()).unwrap().thumbprint(), jwk.thumbprint());
        private(&key);
    }
}

fn kty_has(kty: &str, name: &str) -> bool {
    match kty {
        "oct" => name == "k",
        "RSA" => name != "k",
        _ => name == "d",
    }
}

/// What was written has no member of a key that was not read, and each with the same value.
fn same(read: &Members, written: &str) {
    for (name, value) in plain::object(written).unwrap() {
        if NUMBERS.contains(&name.as_str()) {
            assert_eq!(Some(&value), plain::get(read, &name), "{name}");
        }
        if name == "alg" && plain::get(read, "alg").is_some() {
            assert_eq!(Some(&value), plain::get(read, "alg"));
        }
    }
}

/// A JWK set.
pub fn jwks(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(set) = Jwks::from_json(text) else { return };
    let members = plain::object(text).unwrap();
    let listed = match plain::get(&members, "keys") {
        Some(Json::Array(listed)) => Some(listed),
        _ => None,
    }
    .unwrap();
    assert!(set.len() <= listed.len());
    if !set.is_empty() {
        no_secret(bytes);
    }
    // The keys of the set are among those listed, in their order.
    let mut rest = listed.iter();
    for key in &set {
        let published = key.to_jwk().ok().map(|jwk| plain::object(&jwk).unwrap());
        assert!(rest.any(|listed| {
            let Json::Object(listed) = listed else { return false };
            plain::text(listed, "kid") == key.kid()
                && published.as_ref().is_none_or(|published| {
                    published.iter().all(|(name, value)| {
                        !NUMBERS.contains(&name.as_str()) || plain::get(listed, name) == Some(value)
                    })
                })
        }));
        public(key);
    }
    for (position, key) in set.iter().enumerate() {
        assert!(set.iter().skip(position + 1).all(|other| other.kid() != key.kid()));
        if let Some(kid) = key.kid() {
            assert_eq!(set.get(kid).unwrap().algorithm(), key.algorithm());
        }
    }

    let published = set.to_json();
    let secrets = set.iter().filter(|key| key.algorithm().is_symmetric()).count();
    let again = Jwks::from_json(&published).unwrap();
    assert_eq!(again.to_json(), published);
    assert_eq!(again.len(), set.len() - secrets);
    let verifier = Verifier::new(set).clock(NOW);
    assert!(verifier.verify::<()>("eyJhbGciOiJIUzI1NiJ9.e30.AAAA").is_err());
}

/// A key in PEM.
pub fn pem(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for algorithm in KINDS {
        let signing = SigningKey::from_pem(algorithm, text);
        let verifying = VerifyingKey::from_pem(algorithm, text);
        match (signing, verifying) {
            (Ok(signing), Ok(verifying)) => {
                assert_eq!(signing.verifying_key().to_jwk(), verifying.to_jwk());
                labelled(text, "PRIVATE KEY-----");
                private(&signing);
            }
            (Err(Error::KeyNotPrivate), Ok(verifying)) => {
                labelled(text, "PUBLIC KEY-----");
                public(&verifying);
            }
            (signing, verifying) => {
                let verifying = verifying.unwrap_err();
                let signing = signing.unwrap_err();
                assert!(signing == verifying || signing == Error::KeyNotPrivate);
                continue;
            }
        }
        no_secret(bytes);
        assert!(!algorithm.is_symmetric());
    }
}

fn labelled(text: &str, label: &str) {
    let parameters = text.matches("-----BEGIN EC PARAMETERS-----").count();
    assert_eq!(text.matches("-----BEGIN ").count(), 1 + parameters);
    assert!(parameters <= 1 && text.contains(label));
}

/// A key in DER.
pub fn der(bytes: &[u8]) {
    let mut read = 0;
    for algorithm in KINDS {
        if let Ok(key) = SigningKey::from_pkcs8_der(algorithm, bytes) {
            private(&key);
            read += 1;
        }
        if let Ok(key) = SigningKey::from_pkcs1_der(algorithm, bytes) {
            assert_eq!(&*key.expose_pkcs1_der().unwrap(), bytes, "a number has one DER");
            private(&key);
            read += 1;
        }
        if let Ok(key) = SigningKey::from_sec1_der(algorithm, bytes) {
            private(&key);
            read += 1;
        }
        if let Ok(key) = VerifyingKey::from_spki_der(algorithm, bytes) {
            assert_eq!(key.to_spki_der().unwrap(), bytes, "a public key has one DER");
            public(&key);
            read += 1;
        }
        if let Ok(key) = VerifyingKey::from_pkcs1_der(algorithm, bytes) {
            assert_eq!(key.to_pkcs1_der().unwrap(), bytes, "a number has one DER");
            public(&key);
            read += 1;
        }
    }
    if read > 0 {
        no_secret(bytes);
        // One format and one kind; RSA keys are of two algorithms here.
        assert!(read <= 2);
    }
}

/// What is a key is no shared secret, whatever it is dressed in: else everyone could sign who knows it.
fn no_secret(bytes: &[u8]) {
    assert!(SigningKey::from_secret(Algorithm::Hs256, bytes).is_err(), "a key passes for a secret");
}

/// A public key, or a shared secret, is the same after a journey through every format.
fn public(key: &VerifyingKey) {
    let algorithm = key.algorithm();
    assert_eq!(
        format!("{key:?}"),
        format!("VerifyingKey {{ algorithm: {algorithm:?}, kid: {:?}, .. }}", key.kid())
    );
    let Ok(jwk) = key.to_jwk() else {
        assert!(algorithm.is_symmetric());
        assert_eq!(key.to_spki_der(), Err(Error::KeyIsSecret));
        return;
    };
    assert!(!algorithm.is_symmetric());
    let members = plain::object(&jwk).unwrap();
    assert!(members.iter().all(|(name, _)| !SECRETS.contains(&name.as_str())));
    let mut copies = vec![
        VerifyingKey::from_jwk(&Jwk::from_json(&jwk).unwrap()).unwrap(),
        VerifyingKey::from_spki_der(algorithm, &key.to_spki_der().unwrap()).unwrap(),
        VerifyingKey::from_pem(algorithm, &key.to_spki_pem().unwrap()).unwrap(),
    ];
    if let Ok(der) = key.to_pkcs1_der() {
        copies.push(VerifyingKey::from_pkcs1_der(algorithm, &der).unwrap());
        copies.push(VerifyingKey::from_pem(algorithm, &key.to_pkcs1_pem().unwrap()).unwrap());
    }
    for copy in copies {
        assert_eq!(copy.algorithm(), algorithm);
        assert_eq!(copy.thumbprint(), key.thumbprint());
        assert_eq!(copy.to_spki_der(), key.to_spki_der());
    }
}

/// A private key is the same after a journey through every format, and signs what its public half verifies.
fn private(key: &SigningKey) {
    let algorithm = key.algorithm();
    assert_eq!(
        format!("{key:?}"),
        format!("SigningKey {{ algorithm: {algorithm:?}, kid: {:?}, .. }}", key.kid())
    );
    public(&key.verifying_key());
    let jwk = key.expose_jwk();
    let mut copies = vec![SigningKey::from_jwk(&Jwk::from_json(&jwk).unwrap()).unwrap()];
    if let Ok(der) = key.expose_pkcs8_der() {
        copies.push(SigningKey::from_pkcs8_der(algorithm, &der).unwrap());
        copies.push(SigningKey::from_pem(algorithm, &key.expose_pkcs8_pem().unwrap()).unwrap());
        assert_eq!(*copies[1].expose_pkcs8_der().unwrap(), *der);
    } else {
        assert_eq!(copies[0].expose_secret(), key.expose_secret());
    }
    if let Ok(der) = key.expose_pkcs1_der() {
        copies.push(SigningKey::from_pkcs1_der(algorithm, &der).unwrap());
    }
    if let Ok(der) = key.expose_sec1_der() {
        copies.push(SigningKey::from_sec1_der(algorithm, &der).unwrap());
    }
    for copy in &copies {
        let numbers = |key: &SigningKey| {
            let mut members = plain::object(&key.expose_jwk()).unwrap();
            // A file has neither name nor algorithm.
            members.retain(|(name, _)| NUMBERS.contains(&name.as_str()) && name != "kid");
            members
        };
        assert_eq!(numbers(copy), numbers(key));
    }

    let claims = Claims::at((), NOW).subject("alice").expires_in(Duration::from_secs(60));
    let token = match key.sign(&claims) {
        Ok(token) => token,
        Err(error) => return assert_eq!(error, Error::TokenTooLong), // a very long kid
    };
    let verifier = Verifier::new(key.verifying_key()).clock(NOW);
    assert_eq!(verifier.verify::<()>(&token).unwrap().subject(), Some("alice"));
}
