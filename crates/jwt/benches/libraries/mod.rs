//! Four libraries asked the same question: is this token good under this key?

use countersign_jwt::{Algorithm, Jwk, Jwks, Verifier, VerifyingKey};
use jwt_compact::{AlgorithmExt as _, TimeOptions, UntrustedToken, alg, jwk::JsonWebKey};
use jwt_simple::algorithms::{ECDSAP256PublicKeyLike as _, MACLike as _, RSAPublicKeyLike as _};
use serde::Deserialize;

use crate::{
    inputs::{Attempt, Key, Need},
    peers,
    work::{AUDIENCE, ISSUER, LIFETIME},
};

pub(crate) struct Library {
    pub(crate) name: &'static str,
    /// What it cannot be told or given.
    pub(crate) lacks: &'static [Need],
    /// Whether it accepts, and with `stricter` whether it does with all switched on that refuses more.
    pub(crate) verify: fn(&Attempt, stricter: bool) -> bool,
}

/// Ours first.
pub(crate) const LIBRARIES: [Library; 4] = [
    Library { name: "countersign-jwt", lacks: &[], verify: ours },
    Library { name: "jsonwebtoken", lacks: &[], verify: jsonwebtoken },
    Library { name: "jwt-simple", lacks: &[Need::Set], verify: simple },
    Library {
        name: "jwt-compact",
        lacks: &[Need::Set, Need::Issuer, Need::Audience],
        verify: compact,
    },
];

/// The claims that the program reads; all others are the library's to check.
#[derive(Clone, Deserialize)]
#[expect(dead_code, reason = "it is read from a token and no further")]
struct Access {
    role: String,
}

fn ours(Attempt { key, token, audience }: &Attempt, stricter: bool) -> bool {
    let keys = match key {
        Key::Secret(secret) => VerifyingKey::from_secret(Algorithm::Hs256, secret).map(Jwks::from),
        Key::Rsa(jwk) | Key::Ec(jwk) => {
            Jwk::from_json(jwk).and_then(|jwk| VerifyingKey::from_jwk(&jwk)).map(Jwks::from)
        }
        Key::Set(set) => Jwks::from_json(set),
    };
    let Ok(keys) = keys else { return false };
    let mut verifier = Verifier::new(keys).issuer(ISSUER);
    if *audience {
        verifier = verifier.audience(AUDIENCE);
    }
    if stricter {
        verifier = verifier.max_age(LIFETIME).require("sub");
    }
    verifier.verify::<Access>(token).is_ok()
}

/// A set is used as in its example `auth0.rs`: the key by the token's `kid`, the algorithm by the token's `alg`.
fn jsonwebtoken(Attempt { key, token, audience }: &Attempt, stricter: bool) -> bool {
    use jsonwebtoken::{Algorithm, DecodingKey, decode, decode_header, jwk};
    let by_jwk = |jwk: &str| {
        let jwk: jwk::Jwk = serde_json::from_str(jwk).ok()?;
        DecodingKey::from_jwk(&jwk).ok()
    };
    let found = match key {
        Key::Secret(secret) => Some((DecodingKey::from_secret(secret), Algorithm::HS256)),
        Key::Rsa(jwk) => by_jwk(jwk).map(|key| (key, Algorithm::RS256)),
        Key::Ec(jwk) => by_jwk(jwk).map(|key| (key, Algorithm::ES256)),
        Key::Set(set) => decode_header(token).ok().and_then(|header| {
            let set: jwk::JwkSet = serde_json::from_str(set).ok()?;
            let jwk = set.find(&header.kid?)?;
            Some((DecodingKey::from_jwk(jwk).ok()?, header.alg))
        }),
    };
    let Some((key, algorithm)) = found else { return false };
    let mut validation = peers::validation(algorithm);
    if !audience {
        validation.aud = None;
    }
    if stricter {
        validation.validate_nbf = true;
        let required: &[&str] = if *audience {
            &["exp", "nbf", "iss", "sub", "aud"]
        } else {
            &["exp", "nbf", "iss", "sub"]
        };
        validation.set_required_spec_claims(required);
    }
    decode::<Access>(token, &key, &validation).is_ok()
}

fn simple(Attempt { key, token, audience }: &Attempt, stricter: bool) -> bool {
    use jwt_simple::prelude::{Duration, ES256PublicKey, HS256Key, RS256PublicKey};
    let mut options = peers::options();
    if !audience {
        options.allowed_audiences = None;
    }
    if stricter {
        options.required_signature_type = Some("JWT".into());
        options.time_tolerance = Some(Duration::from_secs(30));
        options.max_validity = Some(LIFETIME.into());
        options.max_token_length = Some(countersign_jwt::MAX_TOKEN_LEN);
    }
    let options = Some(options);
    match key {
        Key::Secret(secret) => {
            HS256Key::from_bytes(secret).verify_token::<Access>(token, options).is_ok()
        }
        Key::Rsa(jwk) => RS256PublicKey::from_jwk(jwk)
            .is_ok_and(|key| key.verify_token::<Access>(token, options).is_ok()),
        Key::Ec(jwk) => ES256PublicKey::from_jwk(jwk)
            .is_ok_and(|key| key.verify_token::<Access>(token, options).is_ok()),
        Key::Set(_) => false,
    }
}

fn compact(Attempt { key, token, .. }: &Attempt, stricter: bool) -> bool {
    let by_jwk = |jwk| serde_json::from_str::<JsonWebKey<'_>>(jwk).ok();
    match key {
        Key::Secret(secret) => {
            let key = alg::Hs256Key::new(secret);
            match alg::StrongKey::try_from(key.clone()) {
                Ok(strong) if stricter => compactly(&alg::StrongAlg(alg::Hs256), &strong, token),
                Err(_) if stricter => false,
                _ => compactly(&alg::Hs256, &key, token),
            }
        }
        Key::Rsa(jwk) => {
            let key = by_jwk(jwk).and_then(|jwk| alg::RsaPublicKey::try_from(&jwk).ok());
            key.is_some_and(|key| match alg::StrongKey::try_from(key.clone()) {
                Ok(strong) if stricter => {
                    compactly(&alg::StrongAlg(alg::Rsa::rs256()), &strong, token)
                }
                Err(_) if stricter => false,
                _ => compactly(&alg::Rsa::rs256(), &key, token),
            })
        }
        Key::Ec(jwk) => {
            let key = by_jwk(jwk).and_then(|jwk| {
                <alg::Es256 as jwt_compact::Algorithm>::VerifyingKey::try_from(&jwk).ok()
            });
            key.is_some_and(|key| compactly(&alg::Es256, &key, token))
        }
        Key::Set(_) => false,
    }
}

fn compactly<A: jwt_compact::Algorithm>(algorithm: &A, key: &A::VerifyingKey, token: &str) -> bool {
    let times = TimeOptions::default();
    let Ok(token) = UntrustedToken::new(token) else { return false };
    algorithm.validator::<Access>(key).validate(&token).is_ok_and(|token| {
        let timely = token.claims().validate_expiration(&times);
        timely.and_then(|claims| claims.validate_maturity(&times)).is_ok()
    })
}
