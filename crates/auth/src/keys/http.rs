use axum::{
    Router,
    body::HttpBody,
    extract::{
        FromRequest, Path, Query, Request, State,
        rejection::{PathRejection, QueryRejection},
    },
    http::{
        HeaderMap, StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH},
    },
    response::{IntoResponse, Response},
    routing::{get, post},
};
use jwt::{Algorithm, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{Key, STALE_IF_ERROR};
use crate::{
    Auth, Error,
    http::{
        Json,
        page::{Page, limit},
    },
    openapi::Document,
    roles::Administrator,
};

pub(crate) fn routes() -> Router<Auth> {
    Router::new()
        .route("/.well-known/jwks.json", get(jwks))
        .route("/admin/keys", get(list))
        .route("/admin/keys/rotate", post(rotate))
        .route("/admin/keys/{kid}/revoke", post(revoke))
}

pub(crate) fn openapi(document: &mut Document) {
    let key = json!({
        "kid": "wEMp2ATTGLIgRcmdNA8p8D2x2Whr4cT0yMhCAOX-DxI",
        "algorithm": "ES256",
        "state": "active",
        "place": "database",
        "encrypted": true,
        "created_at": 1_795_344_162,
        "active_at": 1_795_345_362,
        "retired_at": null,
        "gone_at": null,
        "revoked_at": null
    });
    let keys = json!({
        "type": "object",
        "required": ["keys"],
        "properties": { "keys": { "type": "array", "items": { "type": "object" } } }
    });
    document
        .get("/.well-known/jwks.json", "the public keys")
        .answers_as(200, "the public keys (RFC 7517)", keys, json!({ "keys": [] }))
        .done(304, "they are those of `If-None-Match`");
    document.get("/admin/keys", "the keys").administrator().lists::<Listed>(
        "keys in files, then the one that signs last",
        200,
        key.clone(),
    );
    document
        .post("/admin/keys/rotate", "makes the next key")
        .administrator()
        .may_take::<Rotation>(json!({ "algorithm": "ES256", "immediate": false }))
        .answers::<Listed>(201, "the key that was made", key.clone())
        .answers::<Listed>(200, "the key that was waiting already", key.clone())
        .refuses(409, &["key_in_file"]);
    document
        .post("/admin/keys/{kid}/revoke", "ends a key at once")
        .administrator()
        .answers::<Listed>(200, "the key, which is gone", key)
        .refuses(404, &["not_found"])
        .refuses(409, &["key_in_file"]);
}

/// The public keys (RFC 7517 §5). Verifiers may keep them for a while, shorter than a key waits before it signs, and for
/// a day while this server cannot be reached (RFC 5861 §4).
async fn jwks(State(auth): State<Auth>, headers: HeaderMap) -> Response {
    let ring = auth.keys().now();
    let (body, etag) = (ring.published.clone(), ring.etag.clone());
    let known = headers.get_all(IF_NONE_MATCH).iter().any(|value| {
        let text = value.to_str().unwrap_or_default();
        text.split(',')
            .map(|tag| tag.trim().trim_start_matches("W/"))
            .any(|tag| tag == etag || tag == "*")
    });
    let (max_age, stale) = (auth.keys().keys().max_age().as_secs(), STALE_IF_ERROR.as_secs());
    let caching = format!("public, max-age={max_age}, stale-if-error={stale}");
    let caching = [(CACHE_CONTROL, caching), (ETAG, etag)];
    if known {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    (caching, [(CONTENT_TYPE, "application/json")], body).into_response()
}

/// A key as an administrator sees it: all but the key itself.
#[derive(Serialize, ToSchema)]
#[schema(as = Key)]
struct Listed {
    kid: String,
    algorithm: String,
    state: &'static str,
    place: &'static str,
    encrypted: bool,
    created_at: Option<i64>,
    active_at: Option<i64>,
    retired_at: Option<i64>,
    gone_at: Option<i64>,
    revoked_at: Option<i64>,
}

impl From<Key> for Listed {
    fn from(key: Key) -> Self {
        let time = |time: Option<Timestamp>| time.map(Timestamp::seconds);
        Self {
            kid: key.kid,
            algorithm: key.algorithm,
            state: key.state.name(),
            place: key.place.name(),
            encrypted: key.sealed,
            created_at: time(key.created_at),
            active_at: time(key.active_at),
            retired_at: time(key.retired_at),
            gone_at: time(key.gone_at),
            revoked_at: time(key.revoked_at),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    after: Option<String>,
    limit: Option<usize>,
}

async fn list(
    admin: Administrator,
    query: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Page<Listed, String>>, Error> {
    let Query(asked) = query
        .map_err(|_| Error::QueryInvalid("the query takes after (a kid) and limit (a number)"))?;
    let limit = limit(asked.limit)?;
    let mut keys = admin.auth().keys_list().await?;
    if let Some(after) = asked.after {
        let place = keys.iter().position(|key| key.kid == after);
        let place = place.ok_or(Error::QueryInvalid("after is the kid of no key"))?;
        keys.drain(..=place);
    }
    keys.truncate(limit + 1);
    Ok(Json(Page::of(keys, limit, |key| key.kid.clone(), Listed::from)))
}

#[derive(Deserialize, Default, ToSchema)]
#[serde(deny_unknown_fields)]
struct Rotation {
    algorithm: Option<String>,
    #[serde(default)]
    immediate: bool,
}

/// 201 with the key that was made, or 200 with the one that waited already.
async fn rotate(admin: Administrator, request: Request) -> Result<Response, Error> {
    let Rotation { algorithm, immediate } = match request.body().is_end_stream() {
        true => Rotation::default(),
        false => Json::from_request(request, &()).await?.0,
    };
    let unknown =
        |_| Error::BodyInvalid("member \"algorithm\" names none that is known".to_owned());
    let algorithm = algorithm.map(|name| name.parse::<Algorithm>().map_err(unknown)).transpose()?;
    let before = admin.auth().keys_list().await?;
    let key = admin.auth().key_rotate(algorithm, immediate).await?;
    let known = before.iter().any(|other| other.kid == key.kid);
    let status = if known { StatusCode::OK } else { StatusCode::CREATED };
    Ok((status, Json(Listed::from(key))).into_response())
}

async fn revoke(
    admin: Administrator,
    kid: Result<Path<String>, PathRejection>,
) -> Result<Json<Listed>, Error> {
    let Path(kid) = kid.map_err(|_| Error::NotFound)?;
    let key = admin.auth().key_revoke(&kid).await?;
    let now = admin.auth().keys_list().await?.into_iter().find(|other| other.kid == key.kid);
    Ok(Json(now.unwrap_or(key).into()))
}
