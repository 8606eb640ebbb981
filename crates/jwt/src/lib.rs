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
//! | algorithm | key | who can verify | keys can be made |
//! |---|---|---|---|
//! | HS256, HS384, HS512 | one secret of at least 32, 48, 64 bytes | only who can also sign | yes |
//! | RS256/384/512, PS256/384/512, ES256/384/512, EdDSA | a key pair | everyone | no |
//!
//! HS256 is the one to take for a single API.

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
