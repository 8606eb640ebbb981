use axum::{
    Router,
    extract::{Query, State, rejection::QueryRejection},
    routing::get,
};
use guard::Principal;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    Auth, Error,
    http::{Client, Json},
    openapi::{Document, Operation},
    roles::Administrator,
    users::{UserId, http::UserPath},
};

pub(crate) fn routes() -> Router<Auth> {
    Router::new().route("/me/export", get(own)).route("/admin/users/{id}/export", get(of_another))
}

pub(crate) fn openapi(document: &mut Document) {
    let own = document.get("/me/export", "all that is held on the own account").signed_in();
    exports(own).refuses(401, &["account_unknown"]);
    let another =
        document.get("/admin/users/{id}/export", "all that is held on an account").administrator();
    exports(another).refuses(404, &["not_found"]);
}

fn exports(operation: Operation<'_>) -> Operation<'_> {
    let id = json!({ "type": "string", "format": "uuid" });
    let (object, array) = (json!({ "type": "object" }), json!({ "type": "array" }));
    let schema = json!({
        "type": "object",
        "required": [
            "account", "password", "sessions", "links", "email_change", "letters", "known_addresses", "events"
        ],
        "properties": {
            "account": object,
            "password": { "type": ["object", "null"] },
            "sessions": array,
            "links": array,
            "email_change": { "type": ["object", "null"] },
            "letters": array,
            "known_addresses": { "type": "integer" },
            "events": object
        }
    });
    let example = json!({
        "account": {
            "id": "01a202d9-deef-747d-b51c-d9e0b5f1c8ef", "email": "me@example.com", "name": "Me", "roles": ["user"],
            "disabled": false, "pending": false, "created_at": 1_795_344_162
        },
        "password": { "scheme": "countersign", "changed_at": 1_795_344_162 },
        "sessions": [],
        "links": [],
        "email_change": null,
        "letters": [],
        "known_addresses": 1,
        "events": { "items": [], "next": null }
    });
    operation.query("after", id, "older events than this one").answers_as(
        200,
        "all that is held, without the hash of the password",
        schema,
        example,
    )
}

/// The page of events that is asked for: those before an event.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    after: Option<Uuid>,
}

fn after(query: Result<Query<Asked>, QueryRejection>) -> Result<Option<Uuid>, Error> {
    let query = query.map_err(|_| Error::QueryInvalid("the query takes after (an id)"))?;
    Ok(query.0.after)
}

async fn own(
    State(auth): State<Auth>,
    caller: Principal,
    client: Client,
    query: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Value>, Error> {
    let (auth, user) = (auth.acting_for(&caller, client)?, auth.caller(&caller).await?);
    export(&auth, user.id, query).await
}

async fn of_another(
    admin: Administrator,
    UserPath(id): UserPath,
    query: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Value>, Error> {
    export(admin.auth(), id, query).await
}

async fn export(
    auth: &Auth,
    id: UserId,
    query: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Value>, Error> {
    Ok(Json(auth.user_export(id, after(query)?).await?.to_json()))
}
