use axum::{
    Router,
    extract::{Query, rejection::QueryRejection},
    routing::get,
};
use jwt::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Filter;
use crate::{
    Auth, Error,
    http::{
        Json,
        page::{MAX_PAGE, PAGE, Page, limit},
    },
    openapi::{self, Document},
    roles::Administrator,
    users::UserId,
};

pub(crate) fn routes() -> Router<Auth> {
    Router::new().route("/admin/events", get(list))
}

pub(crate) fn openapi(document: &mut Document) {
    let id = || json!({ "type": "string", "format": "uuid" });
    let maybe = || json!({ "type": ["string", "null"] });
    let number = || json!({ "type": "integer", "format": "int64" });
    let event = json!({
        "type": "object",
        "required": [
            "id", "at", "type", "outcome", "user_id", "actor", "session_id", "request_id", "address", "device",
            "details", "number"
        ],
        "properties": {
            "id": id(),
            "at": number(),
            "type": { "type": "string" },
            "outcome": maybe(),
            "user_id": maybe(),
            "actor": { "type": "object", "properties": { "type": { "type": "string" }, "id": maybe() } },
            "session_id": maybe(),
            "request_id": maybe(),
            "address": maybe(),
            "device": maybe(),
            "details": { "type": ["object", "null"] },
            "number": { "type": ["integer", "null"] }
        }
    });
    let example = json!({
        "id": "01a3185c-5000-75d8-904a-f611e3c596a9",
        "at": 1_795_374_000,
        "type": "login.failed",
        "outcome": "refused",
        "user_id": "01a3185c-4c18-7a5b-8a3d-52a7a0d5b2f4",
        "actor": { "type": "stranger", "id": null },
        "session_id": null,
        "request_id": "5d41402abc4b2a76b9719d911017c592",
        "address": "198.51.100.7",
        "device": "Firefox on Linux",
        "details": { "reason": "password_wrong" },
        "number": 4711
    });
    let limit = json!({ "type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": PAGE });
    document
        .get("/admin/events", "the audit log, page by page")
        .administrator()
        .query("after", id(), "what `next` was on the page before")
        .query("limit", limit, "how many items at most")
        .query("type", json!({ "type": "string" }), "of this type")
        .query("user_id", id(), "about this account")
        .query("actor_id", id(), "done by this account, to itself or to others")
        .query("session_id", id(), "by or about this login")
        .query("since", number(), "from this unix second on")
        .query("until", number(), "before this unix second")
        .answers_as(
            200,
            "events, the newest first",
            openapi::page(event),
            json!({ "items": [example], "next": null }),
        );
}

/// The page that is asked for: what is older than an id, so many at most, of what the others say.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    after: Option<Uuid>,
    limit: Option<usize>,
    r#type: Option<String>,
    user_id: Option<Uuid>,
    actor_id: Option<Uuid>,
    session_id: Option<Uuid>,
    since: Option<i64>,
    until: Option<i64>,
}

async fn list(
    admin: Administrator,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Page<Value>>, Error> {
    let Query(asked) = asked.map_err(|_| {
        Error::QueryInvalid(
            "the query takes after, user_id, actor_id and session_id (an id), type (a name), limit, since and \
             until (a number)",
        )
    })?;
    let limit = limit(asked.limit)?;
    let filter = Filter {
        kind: asked.r#type,
        user: asked.user_id.map(UserId),
        actor: asked.actor_id.map(UserId),
        session: asked.session_id,
        since: asked.since.map(Timestamp::new),
        until: asked.until.map(Timestamp::new),
    };
    // One more, to know whether there is a next page.
    let most = u32::try_from(limit + 1).unwrap_or(u32::MAX);
    let events = admin.auth().log().page(&filter, asked.after, most).await?;
    Ok(Json(Page::of(events, limit, |event| event.id, |event| event.to_json())))
}
