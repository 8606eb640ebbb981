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
//! # Under a prefix
//!
//! The routes may stand anywhere: `.nest("/auth", auth.router())` in place of the `merge` above makes them
//! `/auth/login`, `/auth/refresh`, `/auth/.well-known/jwks.json`. The session cookie is for the whole host (`Path=/`),
//! so that it proves who is calling at `/posts` too, and the guard does not care where the routes are.
//!
//! Behind a proxy set [`Http::public_url`](config::Http::public_url) to the address that browsers see: the cookie's name
//! and the cross-site check follow it. The list of logins names the address of each when the application is served with
//! [`into_make_service_with_connect_info`](axum::Router::into_make_service_with_connect_info), and behind a proxy when
//! [`Http::trusted_proxies`](config::Http::trusted_proxies) lists it.
//!
//! # Limits on guessing
//!
//! [`Auth::login`] counts attempts by the client's address and by account, and answers
//! [`Error::RateLimited`] when there were too many. It can tell clients apart when the [`Client`] has an address: the
//! extractor finds it where the application is served as said above. Clients without an address count as one, for one account at
//! a time. A route of the application's own that anybody may call, such as one that sends mail, shares the budget of an
//! address with [`Limits::admit`](limits::Limits::admit).
//!
//! # A login and its end
//!
//! `POST /login` answers with an access token, good for minutes and checked without storage, and a refresh token, good
//! once: `POST /refresh` replaces it and makes the next access token. An application that checks a password, or any other
//! proof, by itself begins the same kind of login with [`Auth::tokens_create`].
//!
//! A login ends everywhere: what ends one writes so into the database in the same step, every instance on this database
//! knows it within a second, and the guard refuses the tokens of it with 401 `token_revoked`. [`Auth::session_end`] is
//! what `DELETE /sessions/{id}` calls; [`Auth::password_change`], [`Auth::user_set_roles`], [`Auth::user_set_disabled`],
//! [`Auth::user_delete`] and [`Auth::user_sign_out`] change an account and end what was made before.
//!
//! ```
//! use countersign_auth::{Auth, Client, Config, Error, config::WhenStale, users::NewUser};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Error> {
//! let mut config = Config::default();
//! config.database.url = Some("sqlite::memory:".to_owned());
//! config.revocation.when_stale = WhenStale::Closed; // rather 503 than a login that may have ended
//! let auth = Auth::builder(config).build().await?;
//!
//! let (email, password) = ("a@example.com", "four unrelated gravel words");
//! let new = NewUser { email, password, name: None, roles: &["user"] };
//! let user = auth.user_create(new).await?;
//!
//! let phone = auth.tokens_create(&user, &Client::default()).await?;
//! let laptop = auth.tokens_create(&user, &Client::default()).await?;
//! assert_eq!(auth.sessions_of(user.id, None, 50).await?.len(), 2);
//!
//! // The phone was lost.
//! let ended = auth.session_end(user.id, phone.session).await?;
//! assert_eq!(ended.map(|ended| ended.sessions), Some(vec![phone.session]));
//! let refused = auth.tokens_refresh(&phone.refresh, &Client::default()).await;
//! assert!(matches!(refused, Err(Error::InvalidGrant)));
//!
//! let next = auth.tokens_refresh(&laptop.refresh, &Client::default()).await?;
//! assert_eq!(next.session, laptop.session);
//! # Ok(())
//! # }
//! ```
//!
//! # Addresses and links
//!
//! With [`verify_email`](config::Accounts::verify_email) [`Auth::register`] answers the same for every address, and a link
//! in a letter makes an account of the registration: [`Auth::email_verify`]. [`Auth::password_forgot`] and
//! [`Auth::password_reset`] are a forgotten password, [`Auth::email_change`] is another address. Links begin with
//! [`Http::public_url`](config::Http::public_url) and lead to its pages `/email/verify` and `/password/reset`, each with
//! `?token=…` for the method of its name. [`accounts`] has the rules. Accounts that an application makes with
//! [`Auth::user_create`] need no confirmation.
//!
//! # Claims of your own
//!
//! [`AuthBuilder::claims`] is asked for each token that is made, and for each request with a cookie. A handler reads
//! them with [`Principal::claim`](guard::Principal::claim) and need not know which it was:
//!
//! ```
//! # extern crate guard as countersign_guard;
//! use axum::{Router, routing::get};
//! use countersign_auth::{Auth, Config};
//! use countersign_guard::Principal;
//! use serde_json::{Value, json};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut config = Config::default();
//! config.database.url = Some("sqlite::memory:".to_owned());
//! let auth = Auth::builder(config)
//!     .claims(|user| {
//!         let domain = user.email.as_str().rsplit_once('@').map(|(_, domain)| domain);
//!         [("tenant".to_owned(), json!(domain))].into_iter().collect()
//!     })
//!     .build()
//!     .await?;
//!
//! async fn tenant(caller: Principal) -> String {
//!     caller.claim("tenant").and_then(Value::as_str).unwrap_or("none").to_owned()
//! }
//! let app = Router::new().route("/tenant", get(tenant)).with_state(auth.clone()).merge(auth.router());
//! # let _: Router = app;
//! # Ok(())
//! # }
//! ```
//!
//! # Where things stand
//!
//! Each slice is a folder: its types, rules and `impl Auth` in `mod.rs`, its statements in `storage.rs`,
//! its routes in `http.rs`.

pub mod accounts; // how an account comes to be, and whose address it is
pub mod audit; // what was done, by whom, in a chain that shows changes
mod auth; // the one handle to everything
pub mod checkup; // what can be found out about an installation without changing it
mod clock; // the only source of time
pub mod config; // every knob, its default and its documentation
mod courier; // what is owed to somebody who may be away, and how it gets there
mod error; // one error, a variant for each outcome
mod forward; // a proxy asks who sends a request
mod http; // what the slices' routes share
pub mod import; // accounts of other systems, with the hashes of their passwords
mod jobs; // periodic work, by one instance at a time
pub mod keys; // what signs the tokens, where it lies, and what verifies them
pub mod limits; // how often somebody may guess
pub mod mail; // letters that are owed, and how they get out
pub mod openapi; // what the routes take and answer, for programs
pub mod passwords; // what a password must be, and whether one is right
pub mod revocation; // logins that end before their tokens do
pub mod rights; // what is held on an account, handed out to its owner
pub mod roles; // what a caller may do, by name
mod secret; // the only source of randomness
pub mod sessions; // logins: those by cookie, the list of all, and how one ends
pub mod storage; // the door to the database: the same statements on both engines
#[cfg(feature = "testing")]
pub mod testing; // for tests: a database, a clock, an installation, the promises of storage
pub mod tokens; // signed statements of who somebody is, and what gets the next one
pub mod users; // who has an account
pub mod webhooks; // events on their way to somebody else's server

pub use self::{
    auth::{Auth, AuthBuilder},
    clock::{Clock, MovableClock, TooFar},
    config::Config,
    error::Error,
    http::{Client, Json, RequestId},
    jobs::Lease,
    secret::{Ids, OpaqueSecret, SecretHash},
};
