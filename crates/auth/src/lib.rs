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

mod auth;
mod clock;
/// Every knob, its default and its documentation.
pub mod config;
mod error;
mod http;
/// What signs the tokens, where it lies, and what verifies them.
pub mod keys;
/// What a password must be, and whether one is right.
pub mod passwords;
/// What a caller may do, by name.
pub mod roles;
mod secret;
/// Logins that the server remembers until logout.
pub mod sessions;
/// The door to the database: the same statements on SQLite and PostgreSQL.
pub mod storage;
/// A ready installation and a clock to set, for tests.
#[cfg(feature = "testing")]
pub mod testing;
/// Signed statements of who somebody is.
pub mod tokens;
/// Who has an account.
pub mod users;

pub use self::{
    auth::{Auth, AuthBuilder},
    clock::Clock,
    config::Config,
    error::Error,
    http::Json,
    secret::{Ids, OpaqueSecret, SecretHash},
};
