//! Sign and verify JSON Web Tokens (RFC 7519): strict, fast, no I/O.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod alg;
mod claims;
mod clock;
mod compact;
mod crypto;
pub mod dangerous;
mod de;
mod error;
mod jwks;
mod key;
mod registered;
mod scan;
mod secret;
mod ser;
mod verifier;

pub use alg::Algorithm;
pub use claims::{Audience, Claims};
pub use clock::{Clock, SystemClock, Timestamp};
pub use compact::MAX_TOKEN_LEN;
pub use error::Error;
pub use jwks::Jwks;
pub use key::{SigningKey, VerifyingKey};
pub use verifier::{Buffer, Verified, Verifier};
