//! Key pairs: made, written, read, and used.

use std::time::Duration;

use countersign_jwt::{Algorithm, Claims, Error, Jwk, Jwks, SigningKey, VerifyingKey};

use serde::Deserialize;

use crate::support::{NOW, verifier};

pub(crate) const PAIRS: [Algorithm; 10] = [
    Algorithm::Rs256,
    Algorithm::Rs384,
    Algorithm::Rs512,
    Algorithm::Ps256,
    Algorithm::Ps384,
    Algorithm::Ps512,
    Algorithm::Es256,
    Algorithm::Es384,
    Algorithm::Es512,
    Algorithm::EdDsa,
];

fn claims() -> Claims<()> {
    Claims::at((), NOW).subject("alice").expires_in(Duration::from_secs(60))
}

#[test]
fn what_a_key_pair_signs_its_public_half_verifies() {
    for algorithm in PAIRS {
        let key = SigningKey::generate(algorithm).unwrap().with_derived_kid();
        let token = key.sign(&claims()).unwrap();
        let verified = verifier().with_keys(key.verifying_key()).verify::<()>(&token).unwrap();
        assert_eq!((verified.subject(), verified.kid()), (Some("alice"), key.kid()));
    }
}

#[test]
fn a_key_survives_every_form_it_is_written_in() {
    for algorithm in PAIRS {
        let key = SigningKey::generate(algorithm).unwrap();
        let public = key.verifying_key().to_jwk().unwrap();
        let mut copies = vec![
            SigningKey::from_pem(algorithm, &key.expose_pkcs8_pem().unwrap()),
            SigningKey::from_pkcs8_der(algorithm, &key.expose_pkcs8_der().unwrap()),
            SigningKey::from_jwk(&Jwk::from_json(&key.expose_jwk()).unwrap()),
        ];
        match key.expose_pkcs1_pem() {
            Ok(pem) => {
                assert!(pem.starts_with("-----BEGIN RSA PRIVATE KEY-----\n"));
                copies.push(SigningKey::from_pem(algorithm, &pem));
                copies
                    .push(SigningKey::from_pkcs1_der(algorithm, &key.expose_pkcs1_der().unwrap()));
            }
            Err(error) => assert_eq!(error, Error::KeyMismatch),
        }
        match key.expose_sec1_pem() {
            Ok(pem) => {
                assert!(pem.starts_with("-----BEGIN EC PRIVATE KEY-----\n"));
                copies.push(SigningKey::from_pem(algorithm, &pem));
                copies.push(SigningKey::from_sec1_der(algorithm, &key.expose_sec1_der().unwrap()));
            }
            Err(error) => assert_eq!(error, Error::KeyMismatch),
        }
        for copy in copies {
            let copy = copy.unwrap();
            assert_eq!(copy.verifying_key().to_jwk().unwrap(), public);
            assert_eq!(*copy.expose_jwk(), *key.expose_jwk());
            let token = copy.sign(&claims()).unwrap();
            assert!(verifier().with_keys(key.verifying_key()).verify::<()>(&token).is_ok());
        }

        let verifying = key.verifying_key();
        let mut copies = vec![
            VerifyingKey::from_pem(algorithm, &verifying.to_spki_pem().unwrap()),
            VerifyingKey::from_spki_der(algorithm, &verifying.to_spki_der().unwrap()),
            VerifyingKey::from_jwk(&Jwk::from_json(&public).unwrap()),
            VerifyingKey::from_pem(algorithm, &key.expose_pkcs8_pem().unwrap()),
            VerifyingKey::from_jwk(&Jwk::from_json(&key.expose_jwk()).unwrap()),
        ];
        if let Ok(pem) = verifying.to_pkcs1_pem() {
            copies.push(VerifyingKey::from_pem(algorithm, &pem));
            copies
                .push(VerifyingKey::from_pkcs1_der(algorithm, &verifying.to_pkcs1_der().unwrap()));
        }
        let token = key.sign(&claims()).unwrap();
        for copy in copies {
            let copy = copy.unwrap();
            assert_eq!(copy.to_jwk().unwrap(), public);
            assert!(verifier().with_keys(copy).verify::<()>(&token).is_ok());
        }
    }
}

#[test]
fn a_set_of_many_algorithms_survives_its_json() {
    let keys: Vec<SigningKey> = PAIRS
        .into_iter()
        .map(|algorithm| SigningKey::generate(algorithm).unwrap().with_derived_kid())
        .collect();
    let secret = SigningKey::generate(Algorithm::Hs256).unwrap().with_derived_kid();
    let set = Jwks::new(keys.iter().chain([&secret]).map(SigningKey::verifying_key)).unwrap();
    let published = Jwks::from_json(&set.to_json()).unwrap();
    assert_eq!((set.len(), published.len()), (PAIRS.len() + 1, PAIRS.len()));
    let verifier = verifier().with_keys(published);
    for key in &keys {
        let verified = verifier.verify::<()>(&key.sign(&claims()).unwrap()).unwrap();
        assert_eq!(verified.kid(), key.kid());
    }
    let token = secret.sign(&claims()).unwrap();
    assert_eq!(verifier.verify::<()>(&token).unwrap_err(), Error::AlgorithmMismatch);
}

#[derive(Deserialize)]
struct OpenSsl {
    good: Vec<Files>,
    refused: Vec<Refused>,
    refused_public: Vec<Refused>,
}

/// One key in several files.
#[derive(Deserialize)]
struct Files {
    alg: Algorithm,
    private: Vec<String>,
    public: Vec<String>,
}

#[derive(Deserialize)]
struct Refused {
    what: String,
    alg: Algorithm,
    code: String,
    pem: String,
}

#[test]
fn key_files_of_openssl_are_read_and_written_as_it_writes_them() {
    let vectors: OpenSsl = serde_json::from_str(include_str!("../vectors/openssl.json")).unwrap();
    for Files { alg, private, public } in vectors.good {
        let verifier = |pem| verifier().with_keys(VerifyingKey::from_pem(alg, pem).unwrap());
        for pem in &private {
            let key = SigningKey::from_pem(alg, pem).unwrap();
            assert_eq!(key.verifying_key().to_spki_pem().unwrap(), public[0]);
            let written = key.expose_pkcs8_pem().unwrap();
            assert!(private.iter().any(|file| **file == *written), "{alg}");
            let token = key.sign(&claims()).unwrap();
            for pem in &public {
                assert!(verifier(pem).verify::<()>(&token).is_ok());
            }
        }
    }
    for Refused { what, alg, code, pem } in vectors.refused {
        assert_eq!(SigningKey::from_pem(alg, &pem).unwrap_err().code(), code, "{what}");
    }
    for Refused { what, alg, code, pem } in vectors.refused_public {
        assert_eq!(VerifyingKey::from_pem(alg, &pem).unwrap_err().code(), code, "{what}");
    }
}
