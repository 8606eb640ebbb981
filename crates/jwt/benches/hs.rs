//! HS256 beside the raw HMAC of the same bytes and beside jsonwebtoken.
//!
//! The token has 324 bytes (signing input 280, payload 182), its claims are `sub name iat exp role iss aud`, typed;
//! `exp`, `iss` and `aud` are checked in every verify. Criterion measures each routine by itself; the table at the end
//! comes from rounds in which all routines take turns, so that its ratios hold on a machine that drifts.
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

use countersign_jwt::{Algorithm, Buffer, Claims, Clock as _, SigningKey, SystemClock, Verifier};
use criterion::Criterion;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

const SECRET: &[u8] = b"a secret of 32 bytes for a bench";
const ISSUER: &str = "https://auth.example.com";
const AUDIENCE: &str = "posts.example.com";
const SUBJECT: &str = "0198a3c2-7d4e-7b11-9f63-2b1de9f0c4aa";
const NAME: &str = "Ada Byron, Lovelace";
const ROLE: &str = "user";
const LIFETIME: Duration = Duration::from_secs(3600);

#[derive(Serialize)]
struct Custom<'a> {
    name: &'a str,
    role: &'a str,
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

/// The routines, each with its name and the sum of what it must touch.
struct Work {
    key: SigningKey,
    verifier: Verifier,
    claims: Claims<Custom<'static>>,
    token: String,
    mac: Hmac<Sha256>,
    their_claims: Owned,
    their_header: jsonwebtoken::Header,
    encoding: jsonwebtoken::EncodingKey,
    decoding: jsonwebtoken::DecodingKey,
    validation: jsonwebtoken::Validation,
    out: String,
    buffer: Buffer,
}

type Routine = (&'static str, fn(&mut Work));

const ROUTINES: [Routine; 8] = [
    ("raw HMAC, state prepared", |work| {
        let (signed, _) = work.token.split_at(280);
        let mut mac = work.mac.clone();
        mac.update(black_box(signed).as_bytes());
        black_box(mac.finalize().into_bytes());
    }),
    ("sign into a kept buffer", |work| {
        work.key.sign_into(black_box(&work.claims), &mut work.out).unwrap();
        black_box(&work.out);
    }),
    ("sign", |work| {
        black_box(work.key.sign(black_box(&work.claims)).unwrap());
    }),
    ("verify, borrowed into a kept buffer", |work| {
        let verified = work
            .verifier
            .verify_into::<Borrowed<'_>>(black_box(&work.token), &mut work.buffer)
            .unwrap();
        let Borrowed { sub, name, iat, exp, role, iss, aud } = verified.claims();
        black_box((sub, name, iat, exp, role, iss, aud));
    }),
    ("verify, registered claims only", |work| {
        black_box(
            work.verifier
                .verify_into::<()>(black_box(&work.token), &mut work.buffer)
                .unwrap()
                .subject(),
        );
    }),
    ("verify, owned", |work| {
        black_box(work.verifier.verify::<Owned>(black_box(&work.token)).unwrap());
    }),
    ("jsonwebtoken sign", |work| {
        let claims = black_box(&work.their_claims);
        black_box(jsonwebtoken::encode(&work.their_header, claims, &work.encoding).unwrap());
    }),
    ("jsonwebtoken verify", |work| {
        black_box(
            jsonwebtoken::decode::<Owned>(black_box(&work.token), &work.decoding, &work.validation)
                .unwrap(),
        );
    }),
];

fn work() -> Work {
    let now = SystemClock.now();
    let key = SigningKey::from_secret(Algorithm::Hs256, SECRET).expect("a good secret");
    let claims = Claims::at(Custom { name: NAME, role: ROLE }, now)
        .issuer(ISSUER)
        .subject(SUBJECT)
        .audience(AUDIENCE)
        .expires_in(LIFETIME);
    let token = key.sign(&claims).expect("good claims");
    assert_eq!((token.len(), token.rfind('.')), (324, Some(280)), "the workload has changed");

    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::HS256);
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    Work {
        verifier: Verifier::new(key.verifying_key()).issuer(ISSUER).audience(AUDIENCE),
        key,
        claims,
        token,
        mac: Hmac::new_from_slice(SECRET).expect("any length"),
        their_claims: Owned {
            sub: SUBJECT.into(),
            name: NAME.into(),
            iat: now.seconds(),
            exp: now.saturating_add(LIFETIME).seconds(),
            role: ROLE.into(),
            iss: ISSUER.into(),
            aud: AUDIENCE.into(),
        },
        their_header: jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256),
        encoding: jsonwebtoken::EncodingKey::from_secret(SECRET),
        decoding: jsonwebtoken::DecodingKey::from_secret(SECRET),
        validation,
        out: String::new(),
        buffer: Buffer::new(),
    }
}

const ROUNDS: usize = 2001;
/// Few enough that most turns end before something else gets the processor.
const CALLS: u32 = 400;

/// Nanoseconds per call of each routine in each round.
fn rounds(work: &mut Work) -> Vec<Vec<f64>> {
    let mut times = vec![Vec::with_capacity(ROUNDS); ROUTINES.len()];
    for _ in 0..ROUNDS {
        for ((_, routine), times) in ROUTINES.iter().zip(&mut times) {
            let start = Instant::now();
            for _ in 0..CALLS {
                routine(work);
            }
            times.push(start.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS));
        }
    }
    times
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn table(times: &[Vec<f64>]) {
    let column = |name: &str| {
        let position = ROUTINES.iter().position(|routine| routine.0 == name);
        position.and_then(|position| times.get(position)).expect("a routine of this name")
    };
    // The ratio of each round, then their median: what slows a round slows both.
    let ratio =
        |of: &[f64], to: &[f64]| median(of.iter().zip(to).map(|(of, to)| of / to).collect());
    println!(
        "\n| HS256, token of 324 bytes | ns per call | × raw HMAC | jsonwebtoken takes × as long |\n|---|---|---|---|"
    );
    for ((name, _), own) in ROUTINES.iter().zip(times) {
        let peer = if name.contains("sign") { "jsonwebtoken sign" } else { "jsonwebtoken verify" };
        let (raw, peer) =
            (ratio(own, column("raw HMAC, state prepared")), ratio(column(peer), own));
        let peer = if name.starts_with("raw") { "".to_owned() } else { format!("{peer:.2}") };
        println!("| {name} | {:.0} | {raw:.2} | {peer} |", median(own.clone()));
    }
}

fn main() {
    let mut work = work();
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    for (name, routine) in ROUTINES {
        criterion.bench_function(name, |bencher| bencher.iter(|| routine(&mut work)));
    }
    criterion.final_summary();
    // `cargo test --benches` only wants to see that it runs.
    if std::env::args().any(|argument| argument == "--bench") {
        table(&rounds(&mut work));
    }
}
