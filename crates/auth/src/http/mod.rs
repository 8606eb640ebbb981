//! What the slices' routes share: reading bodies, writing problems, cookies, the cross-site rule.

mod body;
pub(crate) mod cookie;
pub(crate) mod csrf;
mod problem;

use axum::{Router, middleware};

pub use self::body::Json;
pub(crate) use self::{body::JsonOrForm, problem::OAuthError};
use crate::{Auth, keys, passwords, sessions, users};

/// The routes of all slices, for an application or the server to mount.
pub(crate) fn router(auth: Auth) -> Router {
    Router::new()
        .merge(users::http::routes())
        .merge(passwords::http::routes())
        .merge(sessions::http::routes())
        .merge(keys::http::routes())
        .layer(middleware::from_fn(guard::no_store))
        .method_not_allowed_fallback(problem::method_not_allowed)
        .with_state(auth)
}
