//! What each fuzz target does with the bytes it is given, as plain functions.
//!
//! Every answer of the crate is held against the plain rules of `plain.rs`, in both directions where those say all:
//! what is accepted has to be in order, and what is in order has to be accepted. The same functions run over the files
//! of `corpus` in the tests of the crate.

mod keys;
mod plain;
mod tokens;

use base64_turbo::URL_SAFE_NO_PAD as BASE64URL;

pub use keys::{der, jwk, jwks, pem};
pub use tokens::{claims, compact, header};

fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64URL.encode(bytes)
}
