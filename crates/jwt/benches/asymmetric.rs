//! Key pairs beside the raw primitive with a kept key and beside jsonwebtoken.
//!
//! The token is that of the HS256 bench: claims `sub name iat exp role iss aud`, typed; `exp`, `iss` and `aud` are checked
//! in every verify. All routines of an algorithm take turns in short rounds, and each ratio is the median of the rounds'
//! ratios, so that it holds on a machine that drifts. The whole takes about a minute.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench stops where it fails and prints its table"
)]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use aws_lc_rs::{
    encoding::{AsDer as _, PublicKeyX509Der},
    rand::SystemRandom,
    signature::{
        self as raw, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, ParsedPublicKey, RsaEncoding,
        RsaKeyPair,
    },
};
use countersign_jwt::{Algorithm, Buffer, Claims, Clock as _, SigningKey, SystemClock, Verifier};
use jsonwebtoken as other;
use serde::{Deserialize, Serialize};

const ISSUER: &str = "https://auth.example.com";
const AUDIENCE: &str = "posts.example.com";
const LIFETIME: Duration = Duration::from_secs(3600);

#[derive(Serialize)]
struct Custom {
    name: &'static str,
    role: &'static str,
}

#[derive(Deserialize)]
struct Borrowed<'a> {
    sub: &'a str,
    name: &'a str,
    iat: i64,
    exp: i64,
    role: &'a str,
    iss: &'a str,
    aud: &'a str,
}

#[derive(Serialize, Deserialize)]
struct Owned {
    sub: String,
    name: String,
    iat: i64,
    exp: i64,
    role: String,
    iss: String,
    aud: String,
}

/// Signs and hands the signature on.
type Sign = Box<dyn Fn(&[u8], &mut dyn FnMut(&[u8]))>;

/// The raw primitives of an algorithm.
struct Raw {
    sign: Sign,
    verify: ParsedPublicKey,
}

fn rsa(
    der: &[u8],
    encoding: &'static dyn RsaEncoding,
    parameters: &'static raw::RsaParameters,
) -> Raw {
    let pair = RsaKeyPair::from_pkcs8(der).unwrap();
    let verify = ParsedPublicKey::new(parameters, pair.public_key().as_ref()).unwrap();
    let random = SystemRandom::new();
    let sign = move |message: &[u8], with: &mut dyn FnMut(&[u8])| {
        let mut signature = [0; 256];
        pair.sign(encoding, &random, message, &mut signature).unwrap();
        with(&signature);
    };
    Raw { sign: Box::new(sign), verify }
}

fn ecdsa(
    der: &[u8],
    signing: &'static raw::EcdsaSigningAlgorithm,
    verifying: &'static raw::EcdsaVerificationAlgorithm,
) -> Raw {
    let pair = EcdsaKeyPair::from_pkcs8(signing, der).unwrap();
    let verify = ParsedPublicKey::new(verifying, pair.public_key().as_ref()).unwrap();
    let random = SystemRandom::new();
    let sign = move |message: &[u8], with: &mut dyn FnMut(&[u8])| {
        with(pair.sign(&random, message).unwrap().as_ref());
    };
    Raw { sign: Box::new(sign), verify }
}

fn eddsa(der: &[u8]) -> Raw {
    let pair = Ed25519KeyPair::from_pkcs8(der).unwrap();
    let spki: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    let verify = ParsedPublicKey::new(&raw::ED25519, spki.as_ref()).unwrap();
    Raw { sign: Box::new(move |message, with| with(pair.sign(message).as_ref())), verify }
}

/// The algorithms measured, with how many calls make a turn of signing and of verifying.
const ALGORITHMS: [(Algorithm, Option<other::Algorithm>, u32, u32); 7] = [
    (Algorithm::EdDsa, Some(other::Algorithm::EdDSA), 24, 8),
    (Algorithm::Es256, Some(other::Algorithm::ES256), 16, 6),
    (Algorithm::Es384, Some(other::Algorithm::ES384), 4, 2),
    (Algorithm::Es512, None, 2, 1),
    (Algorithm::Rs256, Some(other::Algorithm::RS256), 1, 16),
    (Algorithm::Ps256, Some(other::Algorithm::PS256), 1, 16),
    (Algorithm::Rs512, Some(other::Algorithm::RS512), 1, 16),
];

/// How long the rounds of one algorithm may take.
const TIME: Duration = Duration::from_secs(7);

struct Routine {
    name: &'static str,
    calls: u32,
    call: Box<dyn FnMut()>,
    /// Nanoseconds per call in each round.
    times: Vec<f64>,
}

fn routines(
    algorithm: Algorithm,
    theirs: Option<other::Algorithm>,
    sign_calls: u32,
    verify_calls: u32,
) -> Vec<Routine> {
    let now = SystemClock.now();
    let key = SigningKey::generate(algorithm).expect("a key");
    let der = key.expose_pkcs8_der().expect("a key pair");
    let raw_keys = match algorithm {
        Algorithm::Rs256 => rsa(&der, &raw::RSA_PKCS1_SHA256, &raw::RSA_PKCS1_2048_8192_SHA256),
        Algorithm::Rs512 => rsa(&der, &raw::RSA_PKCS1_SHA512, &raw::RSA_PKCS1_2048_8192_SHA512),
        Algorithm::Ps256 => rsa(&der, &raw::RSA_PSS_SHA256, &raw::RSA_PSS_2048_8192_SHA256),
        Algorithm::Es256 => {
            ecdsa(&der, &raw::ECDSA_P256_SHA256_FIXED_SIGNING, &raw::ECDSA_P256_SHA256_FIXED)
        }
        Algorithm::Es384 => {
            ecdsa(&der, &raw::ECDSA_P384_SHA384_FIXED_SIGNING, &raw::ECDSA_P384_SHA384_FIXED)
        }
        Algorithm::Es512 => {
            ecdsa(&der, &raw::ECDSA_P521_SHA512_FIXED_SIGNING, &raw::ECDSA_P521_SHA512_FIXED)
        }
        _ => eddsa(&der),
    };
    let claims = Claims::at(Custom { name: "Ada Byron, Lovelace", role: "user" }, now)
        .issuer(ISSUER)
        .subject("0198a3c2-7d4e-7b11-9f63-2b1de9f0c4aa")
        .audience(AUDIENCE)
        .expires_in(LIFETIME);
    let token = key.sign(&claims).expect("good claims");
    let signed = token.rsplit_once('.').expect("a token").0.to_owned();
    let mut signature = Vec::new();
    (raw_keys.sign)(signed.as_bytes(), &mut |made| signature = made.to_vec());
    let verifier = Verifier::new(key.verifying_key()).issuer(ISSUER).audience(AUDIENCE);

    let mut routines = Vec::new();
    let mut add = |name, calls, call: Box<dyn FnMut()>| {
        routines.push(Routine { name, calls, call, times: Vec::new() });
    };
    let Raw { sign, verify } = raw_keys;
    let message = signed.clone();
    add(
        "raw sign",
        sign_calls,
        Box::new(move || {
            sign(black_box(message.as_bytes()), &mut |signature| {
                black_box(signature);
            });
        }),
    );
    let (signer, mut out) = (key.clone(), String::new());
    add(
        "sign",
        sign_calls,
        Box::new(move || {
            signer.sign_into(black_box(&claims), &mut out).unwrap();
            black_box(&out);
        }),
    );
    let message = signed;
    add(
        "raw verify",
        verify_calls,
        Box::new(move || verify.verify_sig(black_box(message.as_bytes()), &signature).unwrap()),
    );
    let (text, mut buffer) = (token.clone(), Buffer::new());
    add(
        "verify",
        verify_calls,
        Box::new(move || {
            let verified =
                verifier.verify_into::<Borrowed<'_>>(black_box(&text), &mut buffer).unwrap();
            let Borrowed { sub, name, iat, exp, role, iss, aud } = verified.claims();
            black_box((sub, name, iat, exp, role, iss, aud));
        }),
    );
    if let Some(theirs) = theirs {
        let encoding = match algorithm {
            Algorithm::Es256 | Algorithm::Es384 => other::EncodingKey::from_ec_der(&der),
            Algorithm::EdDsa => other::EncodingKey::from_ed_der(&der),
            _ => other::EncodingKey::from_rsa_der(&key.expose_pkcs1_der().expect("an RSA key")),
        };
        let jwk = key.verifying_key().to_jwk().expect("a key pair");
        let jwk = serde_json::from_str(&jwk).expect("a JWK");
        let decoding = other::DecodingKey::from_jwk(&jwk).expect("a JWK it knows");
        let mut validation = other::Validation::new(theirs);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        let header = other::Header::new(theirs);
        let claims =
            other::decode::<Owned>(&token, &decoding, &validation).expect("a good token").claims;
        add(
            "jsonwebtoken sign",
            sign_calls,
            Box::new(move || {
                black_box(other::encode(&header, black_box(&claims), &encoding).unwrap());
            }),
        );
        add(
            "jsonwebtoken verify",
            verify_calls,
            Box::new(move || {
                let token = black_box(&token);
                black_box(other::decode::<Owned>(token, &decoding, &validation).unwrap());
            }),
        );
    }
    routines
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn main() {
    other::crypto::aws_lc::DEFAULT_PROVIDER.install_default().expect("the only provider");
    // `cargo test --benches` only wants to see that it runs.
    let time =
        if std::env::args().any(|argument| argument == "--bench") { TIME } else { Duration::ZERO };
    println!(
        "| key pairs | raw µs | ours µs | × raw | jsonwebtoken µs | takes × as long as ours |\n|---|---|---|---|---|---|"
    );
    for (algorithm, theirs, sign_calls, verify_calls) in ALGORITHMS {
        let mut routines = routines(algorithm, theirs, sign_calls, verify_calls);
        let start = Instant::now();
        loop {
            for Routine { calls, call, times, .. } in &mut routines {
                let start = Instant::now();
                for _ in 0..*calls {
                    call();
                }
                times.push(start.elapsed().as_secs_f64() * 1e9 / f64::from(*calls));
            }
            if start.elapsed() >= time {
                break;
            }
        }
        let times = |name: &str| {
            routines.iter().find(|routine| routine.name == name).map(|routine| &routine.times)
        };
        let ratio =
            |of: &[f64], to: &[f64]| median(of.iter().zip(to).map(|(of, to)| of / to).collect());
        for operation in ["sign", "verify"] {
            let ours = times(operation).expect("a routine of this name");
            let raw = times(&format!("raw {operation}")).expect("a routine of this name");
            let micros = |times: &[f64]| median(times.to_vec()) / 1e3;
            let peer = times(&format!("jsonwebtoken {operation}")).map_or_else(
                || "| | |".to_owned(),
                |peer| format!("| {:.1} | {:.2} |", micros(peer), ratio(peer, ours)),
            );
            println!(
                "| {algorithm} {operation} | {:.1} | {:.1} | {:.3} {peer}",
                micros(raw),
                micros(ours),
                ratio(ours, raw),
            );
        }
    }
}
