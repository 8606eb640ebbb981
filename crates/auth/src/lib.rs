//! Authentication for an axum application: accounts, logins that yield signed tokens or server-side
//! sessions, and the guard that checks both.
//!
//! # Mounted in an application
//!
//! ```no_run
//! # extern crate guard as countersign_guard;
//! use axum::{Router, routing::get};
//! use countersign_auth::{Auth, Config};
//! use countersign_guard::Principal;
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let mut config = Config::default();
//! config.database.url = Some("sqlite://app.db".to_owned());
//! let auth = Auth::builder(config).build().await?;
//!
//! let app = Router::new()
//!     .route("/posts", get(|caller: Principal| async move { caller.subject().to_owned() }))
//!     .with_state(auth.clone())
//!     .merge(auth.router());
//! # drop(app);
//! # Ok(())
//! # }
//! ```
//!
//! `POST /register`, `POST /login` and the other routes are there now, and `/posts` runs only for
//! callers who are signed in: by an access token in the `Authorization` header or by a session cookie.
//!
//! # Where things stand
//!
//! Each slice is a folder: its types, rules and `impl Auth` in `mod.rs`, its statements in `storage.rs`,
//! its routes in `http.rs`.

mod auth; // the one handle to everything
mod clock; // the only source of time
pub mod config; // every knob, its default and its documentation
mod error; // one error, a variant for each outcome
mod http; // what the slices' routes share
pub mod keys; // what signs the tokens, where it lies, and what verifies them
pub mod passwords; // what a password must be, and whether one is right
pub mod revocation; // logins that end before their tokens do
pub mod roles; // what a caller may do, by name
mod secret; // the only source of randomness
pub mod sessions; // logins that the server remembers until logout
pub mod storage; // the door to the database: the same statements on both engines
#[cfg(feature = "testing")]
pub mod testing; // for tests: a database, a clock, an installation, the promises of storage
pub mod tokens; // signed statements of who somebody is
pub mod users; // who has an account

pub use self::{
    auth::{Auth, AuthBuilder},
    clock::Clock,
    config::Config,
    error::Error,
    http::{Client, Json},
    secret::{Ids, OpaqueSecret, SecretHash},
};
