//! The same token made and checked by other libraries, each as its documentation says and with owned claims.

use std::{
    collections::HashSet,
    hint::black_box,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use jsonwebtoken::crypto::{CryptoProvider, KeyUtils, aws_lc, rust_crypto};
use jwt_compact::{AlgorithmExt as _, alg::Hs256};
use jwt_simple::algorithms::MACLike as _;
use serde::{Deserialize, Serialize};

use crate::work::{AUDIENCE, ISSUER, LIFETIME, NAME, Owned, ROLE, SECRET, SUBJECT, Work};

/// A routine of another library.
pub(crate) type Routine = fn(&Peers, &str);

pub(crate) const PEERS: [(&str, Routine); 8] = [
    ("sign, jsonwebtoken aws_lc_rs", |peers, _| peers.jsonwebtoken.sign(true)),
    ("sign, jsonwebtoken rust_crypto", |peers, _| peers.jsonwebtoken.sign(false)),
    ("sign, jwt-simple", |peers, _| peers.simple.sign()),
    ("sign, jwt-compact", |peers, _| peers.compact.sign()),
    ("verify, jsonwebtoken aws_lc_rs", |peers, token| peers.jsonwebtoken.verify(token, true)),
    ("verify, jsonwebtoken rust_crypto", |peers, token| peers.jsonwebtoken.verify(token, false)),
    ("verify, jwt-simple", |peers, token| peers.simple.verify(token)),
    ("verify, jwt-compact", |peers, token| peers.compact.verify(token)),
];

pub(crate) struct Peers {
    jsonwebtoken: JsonWebToken,
    simple: Simple,
    compact: Compact,
}

impl Peers {
    pub(crate) fn new(work: &Work) -> Self {
        let now = work.now.seconds();
        let claims = Owned {
            sub: SUBJECT.into(),
            name: NAME.into(),
            iat: now,
            exp: now + 3600,
            role: ROLE.into(),
            iss: ISSUER.into(),
            aud: AUDIENCE.into(),
        };
        Self {
            jsonwebtoken: JsonWebToken::new(claims),
            simple: Simple::new(),
            compact: Compact::new(),
        }
    }
}

/// What jsonwebtoken is told to check.
pub(crate) fn validation(algorithm: jsonwebtoken::Algorithm) -> jsonwebtoken::Validation {
    let mut validation = jsonwebtoken::Validation::new(algorithm);
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    validation
}

/// What jwt-simple is told to check.
pub(crate) fn options() -> jwt_simple::prelude::VerificationOptions {
    jwt_simple::prelude::VerificationOptions {
        allowed_issuers: Some(HashSet::from([ISSUER.to_owned()])),
        allowed_audiences: Some(HashSet::from([AUDIENCE.to_owned()])),
        ..Default::default()
    }
}

struct JsonWebToken {
    claims: Owned,
    header: jsonwebtoken::Header,
    encoding: jsonwebtoken::EncodingKey,
    decoding: jsonwebtoken::DecodingKey,
    validation: jsonwebtoken::Validation,
}

/// Which of its backends serves; a process has one provider, so this one chooses at each call.
static AWS_LC: AtomicBool = AtomicBool::new(true);

static EITHER: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| {
        let aws_lc = AWS_LC.load(Relaxed);
        let backend =
            if aws_lc { &aws_lc::DEFAULT_PROVIDER } else { &rust_crypto::DEFAULT_PROVIDER };
        (backend.signer_factory)(algorithm, key)
    },
    verifier_factory: |algorithm, key| {
        let aws_lc = AWS_LC.load(Relaxed);
        let backend =
            if aws_lc { &aws_lc::DEFAULT_PROVIDER } else { &rust_crypto::DEFAULT_PROVIDER };
        (backend.verifier_factory)(algorithm, key)
    },
    key_utils: KeyUtils::new_unimplemented(),
};

impl JsonWebToken {
    fn new(claims: Owned) -> Self {
        EITHER.install_default().expect("the only provider of this process");
        Self {
            claims,
            header: jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256),
            encoding: jsonwebtoken::EncodingKey::from_secret(SECRET),
            decoding: jsonwebtoken::DecodingKey::from_secret(SECRET),
            validation: validation(jsonwebtoken::Algorithm::HS256),
        }
    }

    fn sign(&self, aws_lc: bool) {
        AWS_LC.store(aws_lc, Relaxed);
        let claims = black_box(&self.claims);
        black_box(jsonwebtoken::encode(&self.header, claims, &self.encoding).unwrap());
    }

    fn verify(&self, token: &str, aws_lc: bool) {
        AWS_LC.store(aws_lc, Relaxed);
        let claims = jsonwebtoken::decode::<Owned>(token, &self.decoding, &self.validation);
        black_box(claims.unwrap());
    }
}

#[derive(Clone, Serialize, Deserialize)]
struct Custom {
    name: String,
    role: String,
}

impl Custom {
    fn new() -> Self {
        Self { name: NAME.into(), role: ROLE.into() }
    }
}

struct Simple {
    key: jwt_simple::prelude::HS256Key,
    options: jwt_simple::prelude::VerificationOptions,
}

impl Simple {
    fn new() -> Self {
        Self { key: jwt_simple::prelude::HS256Key::from_bytes(SECRET), options: options() }
    }

    /// It takes the claims by value, so they are made anew.
    fn sign(&self) {
        let claims =
            jwt_simple::prelude::Claims::with_custom_claims(Custom::new(), LIFETIME.into())
                .with_issuer(ISSUER)
                .with_subject(SUBJECT)
                .with_audience(AUDIENCE);
        black_box(self.key.authenticate(black_box(claims)).unwrap());
    }

    fn verify(&self, token: &str) {
        let claims = self.key.verify_token::<Custom>(token, Some(self.options.clone()));
        black_box(claims.unwrap());
    }
}

/// Knows the times of a token; who issued it and for whom is compared here.
struct Compact {
    key: jwt_compact::alg::Hs256Key,
    header: jwt_compact::Header,
    claims: jwt_compact::Claims<CompactClaims>,
    times: jwt_compact::TimeOptions,
}

#[derive(Clone, Serialize, Deserialize)]
struct CompactClaims {
    iss: String,
    sub: String,
    aud: String,
    name: String,
    role: String,
}

impl Compact {
    fn new() -> Self {
        let times = jwt_compact::TimeOptions::default();
        let claims = CompactClaims {
            iss: ISSUER.into(),
            sub: SUBJECT.into(),
            aud: AUDIENCE.into(),
            name: NAME.into(),
            role: ROLE.into(),
        };
        Self {
            key: jwt_compact::alg::Hs256Key::new(SECRET),
            header: jwt_compact::Header::empty().with_token_type("JWT"),
            // Its leeway is a minute, and its durations are of a crate that nothing else here needs.
            claims: jwt_compact::Claims::new(claims)
                .set_duration_and_issuance(&times, times.leeway * 60),
            times,
        }
    }

    fn sign(&self) {
        black_box(Hs256.token(&self.header, black_box(&self.claims), &self.key).unwrap());
    }

    fn verify(&self, token: &str) {
        let token = jwt_compact::UntrustedToken::new(token).unwrap();
        let token = Hs256.validator::<CompactClaims>(&self.key).validate(&token).unwrap();
        let claims = token.claims().validate_expiration(&self.times).unwrap();
        assert!(claims.custom.iss == ISSUER && claims.custom.aud == AUDIENCE);
        black_box(token);
    }
}
