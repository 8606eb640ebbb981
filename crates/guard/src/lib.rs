//! Who is calling? This crate protects any axum API with signed tokens, sessions, or both.
//!
//! A handler that takes a [`Principal`] runs only for a caller who has proved who they are; one that
//! takes `Option<Principal>` also runs for a caller who presents nothing, but never for one who presents
//! something bad. How the proof is made (a bearer token, a session cookie) is the business of the
//! [`Guard`] in the application's state, so a handler reads the same for all of them.
//!
//! # A complete API
//!
//! ```
//! # extern crate jwt as countersign_jwt;
//! use axum::{Router, extract::FromRef, routing::get};
//! use countersign_guard::{Denied, Guard, Principal};
//! use countersign_jwt::{Algorithm, Verifier, VerifyingKey};
//!
//! #[derive(Clone, FromRef)]
//! struct App {
//!     guard: Guard,
//! }
//!
//! async fn posts(caller: Principal) -> String {
//!     format!("posts for {}", caller.subject())
//! }
//!
//! async fn purge(caller: Principal) -> Result<&'static str, Denied> {
//!     caller.require("admin")?;
//!     Ok("gone")
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let secret = b"32 bytes or more that only the issuer and this API know";
//! let key = VerifyingKey::from_secret(Algorithm::Hs256, secret)?;
//! let verifier = Verifier::new(key).issuer("countersign").audience("countersign");
//! let app: Router = Router::new()
//!     .route("/posts", get(posts).delete(purge))
//!     .with_state(App { guard: Guard::new(verifier) });
//! # drop(app);
//! # Ok(())
//! # }
//! ```
//!
//! A state that has no guard is a compile error, not a refusal at run time (`#[axum::debug_handler]` on
//! the handler turns the message into a readable one):
//!
//! ```compile_fail
//! use axum::{Router, routing::get};
//! use countersign_guard::Principal;
//!
//! #[derive(Clone)]
//! struct App;
//!
//! async fn posts(caller: Principal) -> String {
//!     caller.subject().to_owned()
//! }
//!
//! let app: Router = Router::new().route("/posts", get(posts)).with_state(App);
//! ```

mod bearer;
mod denied;
mod no_store;
mod principal;
mod problem;
#[cfg(feature = "remote")]
mod remote;

use std::{fmt, pin::Pin, sync::Arc};

use axum::http::{HeaderValue, header::AUTHORIZATION, request::Parts};

#[cfg(feature = "remote")]
pub use self::remote::{RemoteKeys, RemoteKeysError};
pub use self::{
    bearer::{authenticate_bearer, bearer_token},
    denied::Denied,
    no_store::no_store,
    principal::{Principal, Proof},
    problem::Problem,
};

/// The answer of an [`Authenticate`], to be awaited.
///
/// `Ok(None)`: the request carries no credential of this kind. `Err`: it carries one that is no good.
pub type Verdict<'a> = Pin<Box<dyn Future<Output = Result<Option<Principal>, Denied>> + Send + 'a>>;

/// One way to prove who is calling: a bearer token, a session cookie, a client certificate.
///
/// [`jwt::Verifier`] implements it for `Authorization: Bearer`.
pub trait Authenticate: Send + Sync + 'static {
    /// The `Authorization` scheme this way answers for, such as `Bearer`.
    ///
    /// `None` stands for a credential that comes by another road (a cookie); it is asked only about
    /// requests without an `Authorization` header.
    fn scheme(&self) -> Option<&'static str>;

    /// Says who makes the request, by this way of proving it.
    fn authenticate<'a>(&'a self, request: &'a Parts) -> Verdict<'a>;
}

/// All ways by which a caller of this API may prove who they are; cheap to clone and to share.
///
/// Put it in the router's state and take [`Principal`] in the handlers.
#[derive(Clone)]
pub struct Guard {
    ways: Arc<[Box<dyn Authenticate>]>,
}

impl Guard {
    /// A guard that accepts one kind of proof.
    pub fn new(way: impl Authenticate) -> Self {
        Self::any(vec![Box::new(way)])
    }

    /// A guard that accepts any of several kinds, asked in this order.
    #[must_use]
    pub fn any(ways: Vec<Box<dyn Authenticate>>) -> Self {
        Self { ways: ways.into() }
    }

    /// Says who makes the request: `None` for a caller who presents no credential at all.
    ///
    /// An `Authorization` header is looked at alone: with one present no cookie is read, so that a script
    /// which names its credential never acts under another one by accident.
    ///
    /// # Errors
    /// [`Denied`] when a credential is presented and no good, or when the `Authorization` header stands
    /// more than once (RFC 9110 §5.3 allows no list there).
    pub async fn authenticate(&self, request: &Parts) -> Result<Option<Principal>, Denied> {
        let mut headers = request.headers.get_all(AUTHORIZATION).iter();
        let header = headers.next();
        if headers.next().is_some() {
            return Err(Denied::authorization_repeated());
        }
        let scheme = header.map(scheme).transpose()?;

        for way in self.ways.iter() {
            let asked = match (way.scheme(), scheme) {
                (Some(own), Some(presented)) => own.eq_ignore_ascii_case(presented),
                (None, None) => true,
                _ => false,
            };
            if asked && let Some(principal) = way.authenticate(request).await? {
                return Ok(Some(principal));
            }
        }
        match scheme {
            None => Ok(None),
            Some(_) => Err(Denied::scheme_unsupported()),
        }
    }
}

/// The first word of an `Authorization` header, all of which has to be ASCII.
fn scheme(value: &HeaderValue) -> Result<&str, Denied> {
    let bytes = value.as_bytes();
    let word = bytes.split(|&byte| byte == b' ').next().filter(|_| bytes.is_ascii());
    word.and_then(|word| str::from_utf8(word).ok()).ok_or_else(Denied::authorization_malformed)
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("ways", &self.ways.len()).finish()
    }
}

#[cfg(test)]
mod tests;
