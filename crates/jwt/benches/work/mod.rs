//! The work that is measured, the same in `hs` and in `counts`.
//!
//! The token has 324 bytes (signing input 280, payload 182), its claims are `sub name iat exp role iss aud`, typed;
//! `exp`, `iss` and `aud` are checked in every verify.

use std::{hint::black_box, time::Duration};

use countersign_jwt::{
    Algorithm, Buffer, Claims, Clock as _, SigningKey, SystemClock, Timestamp, Verifier,
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

pub(crate) const SECRET: &[u8] = b"a secret of 32 bytes for a bench";
pub(crate) const ISSUER: &str = "https://auth.example.com";
pub(crate) const AUDIENCE: &str = "posts.example.com";
pub(crate) const SUBJECT: &str = "0198a3c2-7d4e-7b11-9f63-2b1de9f0c4aa";
pub(crate) const NAME: &str = "Ada Byron, Lovelace";
pub(crate) const ROLE: &str = "user";
pub(crate) const LIFETIME: Duration = Duration::from_secs(3600);

#[derive(Clone, Serialize)]
pub(crate) struct Custom<'a> {
    pub(crate) name: &'a str,
    pub(crate) role: &'a str,
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

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Owned {
    pub(crate) sub: String,
    pub(crate) name: String,
    pub(crate) iat: i64,
    pub(crate) exp: i64,
    pub(crate) role: String,
    pub(crate) iss: String,
    pub(crate) aud: String,
}

/// What the routines work on.
pub(crate) struct Work {
    pub(crate) now: Timestamp,
    pub(crate) token: String,
    key: SigningKey,
    verifier: Verifier,
    claims: Claims<Custom<'static>>,
    mac: Hmac<Sha256>,
    out: String,
    buffer: Buffer,
}

/// A routine does one thing once.
pub(crate) type Routine = fn(&mut Work);

/// What the others are compared to.
pub(crate) const RAW: &str = "raw HMAC, state prepared";

/// What is measured in several threads.
pub(crate) const VERIFY: &str = "verify, borrowed into a kept buffer";

/// The floor, and ours.
pub(crate) const OWN: [(&str, Routine); 6] = [
    (RAW, |work| {
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
    (VERIFY, |work| {
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
];

impl Work {
    pub(crate) fn new() -> Self {
        let now = SystemClock.now();
        let key = SigningKey::from_secret(Algorithm::Hs256, SECRET).expect("a good secret");
        let claims = Claims::at(Custom { name: NAME, role: ROLE }, now)
            .issuer(ISSUER)
            .subject(SUBJECT)
            .audience(AUDIENCE)
            .expires_in(LIFETIME);
        let token = key.sign(&claims).expect("good claims");
        assert_eq!((token.len(), token.rfind('.')), (324, Some(280)), "the workload has changed");
        Self {
            now,
            verifier: Verifier::new(key.verifying_key()).issuer(ISSUER).audience(AUDIENCE),
            key,
            claims,
            token,
            mac: Hmac::new_from_slice(SECRET).expect("any length"),
            out: String::new(),
            buffer: Buffer::new(),
        }
    }

    /// The same with buffers of its own, as for another thread.
    pub(crate) fn share(&self) -> Self {
        Self {
            key: self.key.clone(),
            verifier: self.verifier.clone(),
            claims: self.claims.clone(),
            token: self.token.clone(),
            mac: self.mac.clone(),
            out: String::new(),
            buffer: Buffer::new(),
            ..*self
        }
    }
}
