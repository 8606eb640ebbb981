//! What the hot paths promise not to do.

use std::time::Duration;

use allocation_counter::measure;
use countersign_jwt::{Buffer, Claims, Timestamp, Verifier};
use serde::{Deserialize, Serialize};

use crate::support::{NOW, key};

#[derive(Serialize, Deserialize)]
struct Access<'a> {
    name: &'a str,
    role: &'a str,
    generation: u64,
    verified: bool,
    #[serde(skip_serializing)]
    exp: Timestamp,
    #[serde(skip_serializing)]
    sub: &'a str,
}

#[test]
fn signing_and_verifying_with_kept_buffers_allocate_nothing() {
    let access =
        Access { name: "Ada", role: "user", generation: 7, verified: true, exp: NOW, sub: "" };
    let claims = Claims::at(access, NOW)
        .issuer("i")
        .subject("s")
        .audience("a")
        .id("j")
        .expires_in(Duration::from_secs(60));
    for key in [key(), key().with_derived_kid()] {
        let verifier = Verifier::new(key.verifying_key()).issuer("i").audience("a").clock(NOW);
        let mut token = String::new();
        let mut buffer = Buffer::new();
        let mut turn = || {
            key.sign_into(&claims, &mut token).unwrap();
            let verified = verifier.verify_into::<Access<'_>>(&token, &mut buffer).unwrap();
            assert_eq!(
                (verified.role, verified.generation, verified.subject()),
                ("user", 7, Some(verified.sub))
            );
            assert_eq!(Some(verified.exp), verified.expires_at());
        };
        turn();
        assert_eq!(measure(&mut turn).count_total, 0);
    }
}

#[cfg(feature = "asymmetric")]
#[test]
fn key_pairs_allocate_no_more_than_their_crypto_library_does() {
    use countersign_jwt::SigningKey;

    let claims = Claims::at((), NOW).subject("s").expires_in(Duration::from_secs(60));
    for algorithm in crate::pairs::PAIRS {
        let key = SigningKey::generate(algorithm).unwrap().with_derived_kid();
        let verifier = Verifier::new(key.verifying_key()).clock(NOW);
        let (mut token, mut buffer) = (String::new(), Buffer::new());
        key.sign_into(&claims, &mut token).unwrap();
        drop(verifier.verify_into::<()>(&token, &mut buffer).unwrap());

        // aws-lc-rs makes a vector for each signature, and more for the two numbers of ECDSA.
        let signing = measure(|| key.sign_into(&claims, &mut token).unwrap());
        assert!(signing.count_total <= 4, "{algorithm}: {}", signing.count_total);
        let verifying = measure(|| drop(verifier.verify_into::<()>(&token, &mut buffer).unwrap()));
        assert_eq!(verifying.count_total, 0, "{algorithm}");
    }
}

#[test]
fn a_header_of_another_make_is_read_without_allocating() {
    let token = crate::support::with_header(r#"{"typ":"jwt","kid":"x","alg":"HS256"}"#);
    let verifier = Verifier::new(key().verifying_key()).clock(NOW);
    let mut buffer = Buffer::new();
    let mut turn = || drop(verifier.verify_into::<()>(&token, &mut buffer).unwrap());
    turn();
    assert_eq!(measure(&mut turn).count_total, 0);
}

#[test]
fn a_refusal_costs_no_more_memory_than_the_limit_on_tokens() {
    let verifier = Verifier::new(key().verifying_key()).clock(NOW);
    for token in
        [".".repeat(1_000_000), "a".repeat(1_000_000), format!("{}.e30.e30", "e".repeat(8000))]
    {
        let mut buffer = Buffer::new();
        let info = measure(|| assert!(verifier.verify_into::<()>(&token, &mut buffer).is_err()));
        assert!(info.bytes_max < 100_000, "{}", info.bytes_max);
    }
}
