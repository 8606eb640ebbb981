//! Sign and verify JSON Web Tokens (RFC 7519): strict, fast, no I/O.
//!
//! This crate turns claims into a token and a token into claims that can be trusted. It opens no file and no socket,
//! starts no task and keeps no global state: bytes in, bytes out. It is the crate `countersign-jwt`; in code
//! `countersign_jwt`.
//!
//! # One API with a secret
//!
//! The program that signs also verifies, or shares its secret with those that do. Make the key once, from 32 random bytes
//! that are kept somewhere safe; make the verifier once; use both from any number of threads.
//!
//! ```
//! use std::time::Duration;
//! use countersign_jwt::{Algorithm, Claims, SigningKey, Verified, Verifier};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Access {
//!     roles: Vec<String>,
//! }
//!
//! # let secret = SigningKey::generate(Algorithm::Hs256)?.expose_secret().unwrap_or_default().to_vec();
//! let key = SigningKey::from_secret(Algorithm::Hs256, &secret)?.with_derived_kid();
//! let verifier = Verifier::new(key.verifying_key()).issuer("https://example.com").audience("posts");
//!
//! // At login:
//! let claims = Claims::new(Access { roles: vec!["user".into()] })
//!     .issuer("https://example.com")
//!     .audience("posts")
//!     .subject("0198a3c2-7d4e-7b11-9f63-2b1de9f0c4aa")
//!     .expires_in(Duration::from_secs(600));
//! let token = key.sign(&claims)?;
//!
//! // With each request:
//! let access: Verified<Access> = verifier.verify(&token)?;
//! assert_eq!(access.subject(), Some("0198a3c2-7d4e-7b11-9f63-2b1de9f0c4aa"));
//! assert_eq!(access.roles, ["user"]);
//! # Ok::<(), countersign_jwt::Error>(())
//! ```
//!
//! Whoever holds the secret can make tokens as well as check them. When another service is to verify but not to sign, that
//! takes a key pair.
//!
//! # An issuer with a key pair
//!
//! The issuer signs with the private key and publishes the public one: as a JWK set at an address (`jwks.json`), or as a
//! PEM file that is handed over. Each key is made or read once, with the one algorithm it is for.
//!
#![cfg_attr(feature = "asymmetric", doc = "```")]
#![cfg_attr(not(feature = "asymmetric"), doc = "```ignore")]
//! use std::time::Duration;
//! use countersign_jwt::{Algorithm, Claims, Jwks, SigningKey};
//!
//! // Once, to be stored where only the issuer reads it:
//! let pem = SigningKey::generate(Algorithm::Es256)?.expose_pkcs8_pem()?;
//!
//! // At each start:
//! let key = SigningKey::from_pem(Algorithm::Es256, &pem)?.with_derived_kid();
//! let published = Jwks::new([key.verifying_key()])?.to_json(); // public keys only, whatever the set holds
//! assert!(published.starts_with(r#"{"keys":[{"crv":"P-256","kty":"EC","x":""#));
//!
//! let token = key.sign(&Claims::new(()).issuer("https://issuer.example").expires_in(Duration::from_secs(600)))?;
//! # Ok::<(), countersign_jwt::Error>(())
//! ```
//!
//! The derived kid is the thumbprint of the public key (RFC 7638), the same in every program that computes it.
//!
//! # Verifying someone else's tokens
//!
//! An issuer's keys come as a JWK set. [`Jwks::from_json`] takes those that sign with an algorithm from the table below and
//! ignores the rest; a token's `kid` finds its key, and the key decides the algorithm. Say whose tokens you accept, and meant
//! for whom: a signature alone says neither.
//!
#![cfg_attr(feature = "asymmetric", doc = "```")]
#![cfg_attr(not(feature = "asymmetric"), doc = "```ignore")]
//! use countersign_jwt::{Error, Jwks, Verifier};
//!
//! let json = r#"{"keys":[
//!     {"kty":"OKP","crv":"Ed25519","alg":"EdDSA","use":"sig","kid":"2026-11",
//!      "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
//!     {"kty":"RSA","alg":"RSA-OAEP","use":"enc","kid":"for encryption","n":"AQAB","e":"AQAB"}
//! ]}"#;
//! let verifier = Verifier::new(Jwks::from_json(json)?).issuer("https://issuer.example").audience("posts");
//! assert_eq!(verifier.keys().len(), 1);
//!
//! let forged = "eyJhbGciOiJIUzI1NiJ9.e30.AAAA"; // HS256 is no algorithm of these keys
//! assert_eq!(verifier.verify::<()>(forged).unwrap_err(), Error::AlgorithmMismatch);
//! # Ok::<(), Error>(())
//! ```
//!
//! A single key is a set too: read it with `VerifyingKey::from_pem` or [`VerifyingKey::from_jwk`] and hand it to
//! [`Verifier::new`]. Keys that are weak or wrong are refused when they are read: RSA below 2048 bits or with an exponent
//! below 65537, moduli that can be factored (ROCA), points off their curve, a private part that belongs to another public
//! one, a `use`, `key_ops`, `alg` or `crv` that does not fit.
//!
//! # What a verifier accepts
//!
//! - At most [`MAX_TOKEN_LEN`] bytes in exactly three parts of canonical base64url: each token has one text only.
//! - A header and a payload that are each one JSON object in UTF-8, without duplicate members at the top, nested at most 64
//!   deep.
//! - An `alg` equal to that of the key. The key has it from when it was made; the token never chooses (RFC 8725 §3.1).
//! - A `kid` that names a key of the set. A key made without a kid is good for any; a token without one needs a set of one
//!   key.
//! - A `typ` of `JWT`, in any case, or none; or exactly the one set by [`Verifier::typ`].
//! - No `crit`, and no `b64` but `true`. Members such as `jku` and `jwk` are never read.
//! - A signature that matches. Claims are not looked at before it does.
//! - An `exp` that is there and ahead, an `nbf` that is not; with 30 seconds for clocks that differ.
//! - The issuer and the audience that were configured, byte for byte. A token meant for an audience is refused where none
//!   was configured.
//! - Registered claims of their proper types; a wrong one is a refusal, never an absent claim.
//!
//! Each refusal is a variant of [`Error`] with a stable [`Error::code`].
//!
//! # Verifying without an allocation
//!
//! [`Verifier::verify_into`] decodes into a [`Buffer`] that is kept from call to call, and the claims borrow from it.
//!
//! ```
//! use countersign_jwt::{Algorithm, Buffer, Claims, SigningKey, Verifier};
//! use serde::Deserialize;
//!
//! #[derive(Deserialize)]
//! struct Access<'a> {
//!     sub: &'a str, // registered claims are members like all others
//! }
//!
//! # let key = SigningKey::generate(Algorithm::Hs256)?;
//! # let verifier = Verifier::new(key.verifying_key());
//! # let token = key.sign(&Claims::new(()).subject("alice").expires_in(std::time::Duration::from_secs(60)))?;
//! let mut buffer = Buffer::new();
//! let access = verifier.verify_into::<Access<'_>>(&token, &mut buffer)?;
//! assert_eq!(access.sub, "alice");
//! # Ok::<(), countersign_jwt::Error>(())
//! ```
//!
//! # Changing the key
//!
//! Let the verifier know the new key before the first token is signed with it, and the old one until the last token signed
//! with that has expired. A [`Jwks`] holds both; [`Verifier::with_keys`] makes the verifier that takes over.
//!
//! ```
//! use countersign_jwt::{Algorithm, Jwks, SigningKey, Verifier};
//!
//! let old = SigningKey::generate(Algorithm::Hs256)?.with_derived_kid();
//! let verifier = Verifier::new(old.verifying_key()).issuer("https://example.com");
//!
//! let new = SigningKey::generate(Algorithm::Hs256)?.with_derived_kid();
//! let verifier = verifier.with_keys(Jwks::new([new.verifying_key(), old.verifying_key()])?);
//! # Ok::<(), countersign_jwt::Error>(())
//! ```
//!
//! # Reading without verifying, and why not
//!
//! The payload of a token is only encoded: everyone can read it, and everyone can write one. A program that reads claims
//! from an unverified token lets each caller say who he is. So [`Verified`] can only come from a [`Verifier`], and
//! everything that does with less stands in [`dangerous`]: reading a token to show it to a person, secrets too short, tokens
//! that never expire.
//!
//! # Algorithms
//!
//! | algorithm | key | signature | sign, verify | who else can verify it |
//! |---|---|---|---|---|
//! | HS256, HS384, HS512 | a secret of at least 32, 48, 64 bytes | 32, 48, 64 bytes | fastest by far | only who can also sign |
//! | ES256 | P-256 | 64 bytes | fast, fast | every library |
//! | ES384, ES512 | P-384, P-521 | 96, 132 bytes | slower, slower | most libraries; ES512 some |
//! | EdDSA, also named Ed25519 | Ed25519 | 64 bytes | fastest of the pairs, fast | most libraries of today, few old ones |
//! | RS256, RS384, RS512 | RSA, 2048 to 8192 bits | 256 bytes and more | slow, fastest of the pairs | every library |
//! | PS256, PS384, PS512 | RSA, 2048 to 8192 bits | 256 bytes and more | slow, fastest of the pairs | most libraries |
//!
//! - One API that signs and verifies for itself: **HS256**.
//! - As soon as another service verifies: **ES256**, which everything understands. **EdDSA** where you know all verifiers.
//! - RS256 where a verifier knows nothing else; its signatures make every request longer.
//! - Larger hashes and curves where a rule demands them. They protect a token of minutes no better.
//!
//! A key has exactly one of these. The same RSA key read as RS256 and as PS256 is two keys, and neither takes the other's
//! tokens.
//!
//! # Features
//!
//! - `asymmetric`, on by default: key pairs and their formats, by aws-lc-rs, which is compiled from C. Without it there are
//!   HS* keys only, the crate is small and quick to build, and making any other key answers
//!   [`Error::AlgorithmUnavailable`].

mod alg;
#[cfg(feature = "asymmetric")]
mod asn1;
mod claims;
mod clock;
mod compact;
mod crypto;
pub mod dangerous;
mod de;
mod error;
mod exposed;
mod jwk;
mod jwks;
mod key;
mod material;
#[cfg(feature = "asymmetric")]
mod pem;
mod registered;
mod scan;
mod secret;
mod ser;
mod verified;
mod verifier;
mod weak;

pub use alg::Algorithm;
pub use claims::{Audience, Claims};
pub use clock::{Clock, SystemClock, Timestamp};
pub use compact::MAX_TOKEN_LEN;
pub use error::Error;
pub use exposed::{SecretDer, SecretText};
pub use jwk::Jwk;
pub use jwks::Jwks;
pub use key::{SigningKey, VerifyingKey};
pub use verified::{Buffer, Verified};
pub use verifier::Verifier;
