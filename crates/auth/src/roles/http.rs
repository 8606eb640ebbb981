use axum::{
    Router,
    extract::{FromRef, FromRequestParts, State},
    http::{StatusCode, request::Parts},
    response::{IntoResponse, Response},
    routing::post,
};
use guard::{Denied, Principal};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::{ADMIN, first::Claimed};
use crate::{
    Auth, Error,
    http::{Client, Json},
    openapi::Document,
    users::http::Account,
};

pub(crate) fn routes() -> Router<Auth> {
    Router::new().route("/admin/claim", post(claim))
}

pub(crate) fn openapi(document: &mut Document) {
    document
        .post("/admin/claim", "makes the first administrator")
        .takes::<Claim>(json!({
            "token": "4b3f0c9d…",
            "email": "me@example.com",
            "password": "four unrelated gravel words",
            "name": "Me"
        }))
        .answers::<Account>(201, "the account that was made", Account::example())
        .answers::<Account>(
            200,
            "the account that has the address, with the role",
            Account::example(),
        )
        .refuses(400, &["link_invalid"])
        .refuses(403, &["invalid_credentials"])
        .refuses(422, &["email_invalid", "name_invalid", "password_refused"])
        .limited()
        .hashes()
        .stores();
}

/// A caller with the role `admin`, and the installation on his behalf: whatever is done through [`auth`](Self::auth) is
/// recorded as his.
///
/// As an extractor it turns away everybody else, with 401 who has not shown who he is, with 403 `insufficient_scope` who
/// has another role. A cookie counts under the cross-site rule only. The state of the router must yield an [`Auth`].
///
/// ```
/// # extern crate countersign_auth as auth;
/// use auth::{Auth, Error, roles::Administrator};
/// use axum::{Router, routing::post};
///
/// async fn sign_everybody_out(admin: Administrator) -> Result<(), Error> {
///     for user in admin.auth().users(None, 100).await? {
///         admin.auth().user_sign_out(user.id).await?;
///     }
///     Ok(())
/// }
///
/// fn routes(auth: Auth) -> Router {
///     Router::new().route("/panic", post(sign_everybody_out)).with_state(auth)
/// }
/// ```
#[derive(Debug)]
pub struct Administrator {
    auth: Auth,
    principal: Principal,
}

impl Administrator {
    /// The installation, on behalf of this administrator.
    #[must_use]
    pub fn auth(&self) -> &Auth {
        &self.auth
    }

    /// Who it is.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.principal
    }
}

impl<S> FromRequestParts<S> for Administrator
where
    S: Send + Sync,
    Auth: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let auth = Auth::from_ref(state);
        let caller = auth.guard().authenticate(parts).await?;
        let principal = caller.ok_or_else(Denied::credentials_missing)?;
        principal.require(ADMIN)?;
        let client = Client::of(parts, &auth.config().http.trusted_proxies);
        let auth = auth.acting_for(&principal, client)?;
        Ok(Self { auth, principal })
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Claim {
    #[schema(value_type = String, format = Password)]
    token: Zeroizing<String>,
    email: String,
    #[schema(value_type = String, format = Password)]
    password: Zeroizing<String>,
    name: Option<String>,
}

async fn claim(
    State(auth): State<Auth>,
    client: Client,
    Json(body): Json<Claim>,
) -> Result<Response, Error> {
    let Claim { token, email, password, name } = body;
    let claimed =
        auth.administrator_claim(&token, &email, &password, name.as_deref(), &client).await?;
    Ok(match claimed {
        Claimed::Made(user) => (StatusCode::CREATED, Json(Account::from(user))).into_response(),
        Claimed::Promoted(user) => Json(Account::from(user)).into_response(),
    })
}
