//! The OpenAPI document (3.1), written where the handlers are: the `openapi` of each `http.rs` says what its routes take and
//! answer. The schemas come from the types that are read and written; the rest is said once for all routes that share it.
//!
//! ```
//! use countersign_auth::openapi::{self, Document};
//! use serde_json::json;
//!
//! #[derive(utoipa::ToSchema)]
//! struct Song {
//!     title: String,
//! }
//!
//! let mut document: Document = openapi::document();
//! document
//!     .get("/songs/{id}", "one song")
//!     .signed_in()
//!     .answers::<Song>(200, "the song", json!({ "title": "Greensleeves" }))
//!     .refuses(404, &["not_found"]);
//! let whole = document.finish("my API", "1.0.0", "session");
//! assert!(whole["paths"]["/songs/{id}"]["get"].is_object());
//! ```

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use utoipa::{
    ToSchema,
    openapi::{RefOr, schema::Schema},
};

/// The routes of [`Auth::router`](crate::Auth::router), for an application to add its own to.
#[must_use]
pub fn document() -> Document {
    let mut document = Document::default();
    crate::http::openapi(&mut document);
    document
}

/// Codes of a credential that was refused with 401: by [`guard`] for its form, by [`jwt`] for its token, and for its session.
const REFUSED: [&str; 19] = [
    "credentials_missing",
    "scheme_unsupported",
    "token_malformed",
    "algorithm_mismatch",
    "unknown_key",
    "header_unsupported",
    "type_mismatch",
    "signature_invalid",
    "token_expired",
    "token_not_yet_valid",
    "token_revoked",
    "issuer_mismatch",
    "audience_mismatch",
    "claim_missing",
    "claim_invalid",
    "claims_mismatch",
    "session_expired",
    "session_malformed",
    "session_ambiguous",
];

/// What routes take and answer, to be finished as an OpenAPI document.
#[derive(Debug, Clone, Default)]
pub struct Document {
    operations: BTreeMap<(&'static str, &'static str), Written>,
    schemas: BTreeMap<String, Value>,
}

/// The codes of a refusal.
type Codes = BTreeSet<&'static str>;

/// What is known of one method of one path.
#[derive(Debug, Clone, Default)]
struct Written {
    summary: &'static str,
    parameters: Vec<Value>,
    body: Map<String, Value>,
    body_required: bool,
    signed_in: bool,
    answers: BTreeMap<u16, Value>,
    refusals: BTreeMap<u16, Codes>,
}

/// One method of one path, while it is described.
#[derive(Debug)]
pub struct Operation<'d> {
    written: &'d mut Written,
    schemas: &'d mut BTreeMap<String, Value>,
    method: &'static str,
}

impl Document {
    /// Describes `GET` of a path, in a few words.
    pub fn get(&mut self, path: &'static str, summary: &'static str) -> Operation<'_> {
        self.operation("get", path, summary)
    }

    /// Describes `POST` of a path.
    pub fn post(&mut self, path: &'static str, summary: &'static str) -> Operation<'_> {
        self.operation("post", path, summary)
    }

    /// Describes `PUT` of a path.
    pub fn put(&mut self, path: &'static str, summary: &'static str) -> Operation<'_> {
        self.operation("put", path, summary)
    }

    /// Describes `PATCH` of a path.
    pub fn patch(&mut self, path: &'static str, summary: &'static str) -> Operation<'_> {
        self.operation("patch", path, summary)
    }

    /// Describes `DELETE` of a path.
    pub fn delete(&mut self, path: &'static str, summary: &'static str) -> Operation<'_> {
        self.operation("delete", path, summary)
    }

    fn operation(
        &mut self,
        method: &'static str,
        path: &'static str,
        summary: &'static str,
    ) -> Operation<'_> {
        let written = self.operations.entry((path, method)).or_default();
        written.summary = summary;
        let names = path.split('{').skip(1).filter_map(|rest| rest.split('}').next());
        written.parameters = names
            .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
            .collect();
        Operation { written, schemas: &mut self.schemas, method }
    }

    /// Adds refusals to every operation that is described so far: what stands in front of all routes.
    pub fn refuse_everywhere(&mut self, refusals: &[(u16, &[&'static str])]) {
        for written in self.operations.values_mut() {
            for (status, codes) in refusals {
                written.refusals.entry(*status).or_default().extend(*codes);
            }
        }
    }

    /// The document. `cookie` is the name of the session cookie.
    #[must_use]
    pub fn finish(self, title: &str, version: &str, cookie: &str) -> Value {
        let shared = shared(self.operations.values());
        let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
        for ((path, method), written) in self.operations {
            let operation = written.finish(method, path, &shared);
            paths.entry(path).or_default().insert(method.to_owned(), operation);
        }
        let mut schemas = self.schemas;
        schemas.insert("Problem".to_owned(), problem());
        json!({
            "openapi": "3.1.0",
            "info": { "title": title, "version": version },
            "servers": [{ "url": "/" }],
            "paths": paths,
            "components": {
                "schemas": schemas,
                "responses": shared
                    .iter()
                    .map(|(status, codes)| (shared_name(*status), refusal(*status, codes)))
                    .collect::<BTreeMap<_, _>>(),
                "securitySchemes": {
                    "token": {
                        "type": "http",
                        "scheme": "bearer",
                        "bearerFormat": "JWT",
                        "description": "An access token of /login or /refresh."
                    },
                    "password": {
                        "type": "oauth2",
                        "description": "Gets an access token with an e-mail address as username, and a password. The \
                                        client is nobody in particular: leave its id and secret empty.",
                        "flows": { "password": {
                            "tokenUrl": "/login",
                            "refreshUrl": "/refresh",
                            "scopes": {}
                        } }
                    },
                    "cookie": {
                        "type": "apiKey",
                        "in": "cookie",
                        "name": cookie,
                        "description": "The session of /login/session, which browsers send by themselves."
                    }
                }
            }
        })
    }
}

impl Operation<'_> {
    /// Names a parameter of the query.
    pub fn query(self, name: &str, schema: Value, text: &str) -> Self {
        let parameter = object([
            ("name", name.into()),
            ("in", "query".into()),
            ("schema", schema),
            ("description", text.into()),
        ]);
        self.written.parameters.push(parameter);
        self.refuses(400, &["query_invalid"])
    }

    /// Takes a JSON body.
    pub fn takes<T: ToSchema>(mut self, example: Value) -> Self {
        self.written.body_required = true;
        let schema = self.inline::<T>();
        self.body("application/json", schema, example)
    }

    /// Takes a JSON body, or none.
    pub fn may_take<T: ToSchema>(mut self, example: Value) -> Self {
        let schema = self.inline::<T>();
        self.body("application/json", schema, example)
    }

    /// Takes a form too, of these parameters; those after the first `required` ones may be left out.
    pub(crate) fn or_form(self, parameters: &[(&str, Value)], required: usize) -> Self {
        let text = |(name, _): &(&str, Value)| ((*name).to_owned(), json!({ "type": "string" }));
        let properties: Map<String, Value> = parameters.iter().map(text).collect();
        let names: Vec<&str> = parameters.iter().map(|(name, _)| *name).take(required).collect();
        let example: Map<String, Value> =
            parameters.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let schema = json!({ "type": "object", "required": names, "properties": properties });
        self.body("application/x-www-form-urlencoded", schema, Value::Object(example))
            .refuses(400, &["grant_unsupported"])
    }

    fn body(self, kind: &str, schema: Value, example: Value) -> Self {
        let content = object([("schema", schema), ("example", example)]);
        self.written.body.insert(kind.to_owned(), content);
        self.refuses(400, &["body_malformed"])
            .refuses(415, &["content_type_unsupported"])
            .refuses(422, &["body_invalid"])
    }

    /// Wants a credential, and refuses those that are no good.
    pub fn signed_in(self) -> Self {
        self.written.signed_in = true;
        let is_safe = self.method == "get";
        let operation = self
            .refuses(400, &["authorization_repeated", "authorization_malformed"])
            .refuses(401, &REFUSED)
            .refuses(503, &["revocations_unavailable"])
            .stores();
        if is_safe { operation } else { operation.refuses(403, &["cross_site"]) }
    }

    /// Wants a credential of an account with the role `admin`.
    pub fn administrator(self) -> Self {
        self.signed_in().refuses(403, &["insufficient_scope"])
    }

    /// Needs the database.
    pub fn stores(self) -> Self {
        self.refuses(503, &["storage_unavailable"])
    }

    /// Checks or makes a password hash.
    pub(crate) fn hashes(self) -> Self {
        self.refuses(503, &["hashing_busy"])
    }

    /// Slows down who guesses.
    pub(crate) fn limited(self) -> Self {
        self.refuses(429, &["rate_limited"])
    }

    /// Answers with a body.
    pub fn answers<T: ToSchema>(mut self, status: u16, text: &str, example: Value) -> Self {
        let schema = self.named::<T>();
        self.answers_as(status, text, schema, example)
    }

    /// Answers with a body of which there is no type.
    pub fn answers_as(self, status: u16, text: &str, schema: Value, example: Value) -> Self {
        let content = object([("schema", schema), ("example", example)]);
        let answer = json!({ "description": text, "content": { "application/json": content } });
        self.written.answers.insert(status, answer);
        self
    }

    /// Answers with a page of a list: `?after=` takes the `next` of the page before, `?limit=` how many.
    pub fn lists<T: ToSchema>(mut self, text: &str, most: u32, example: Value) -> Self {
        let item = self.named::<T>();
        let id = example.get("id").is_some();
        let after = if id {
            json!({ "type": "string", "format": "uuid" })
        } else {
            json!({ "type": "string" })
        };
        let limit = json!({ "type": "integer", "minimum": 1, "maximum": most, "default": 50 });
        let schema = page(item);
        self.query("after", after, "what `next` was on the page before")
            .query("limit", limit, "how many items at most")
            .answers_as(
                200,
                text,
                schema,
                object([("items", vec![example].into()), ("next", Value::Null)]),
            )
    }

    /// Answers without a body.
    pub fn done(self, status: u16, text: &str) -> Self {
        self.written.answers.insert(status, json!({ "description": text }));
        self
    }

    /// Refuses with a status, and one of these codes.
    pub fn refuses(self, status: u16, codes: &[&'static str]) -> Self {
        self.written.refusals.entry(status).or_default().extend(codes);
        self
    }

    /// The schema of a type where it is used: bodies of requests, each of one route.
    fn inline<T: ToSchema>(&mut self) -> Value {
        self.note::<T>();
        serde_json::to_value(T::schema()).unwrap_or_default()
    }

    /// The schema of a type by its name: what several routes answer.
    fn named<T: ToSchema>(&mut self) -> Value {
        self.note::<T>();
        let name = T::name();
        let whole = serde_json::to_value(T::schema()).unwrap_or_default();
        self.schemas.insert(name.clone().into_owned(), whole);
        json!({ "$ref": format!("#/components/schemas/{name}") })
    }

    /// Keeps the schemas that the one of a type refers to.
    fn note<T: ToSchema>(&mut self) {
        let mut others: Vec<(String, RefOr<Schema>)> = Vec::new();
        T::schemas(&mut others);
        for (name, schema) in others {
            self.schemas.insert(name, serde_json::to_value(schema).unwrap_or_default());
        }
    }
}

impl Written {
    fn finish(self, method: &str, path: &str, shared: &BTreeMap<u16, Codes>) -> Value {
        let mut answers: Map<String, Value> =
            self.answers.into_iter().map(|(status, answer)| (status.to_string(), answer)).collect();
        for (status, codes) in self.refusals {
            let answer = match shared.get(&status) {
                Some(usual) if *usual == codes => {
                    json!({ "$ref": format!("#/components/responses/{}", shared_name(status)) })
                }
                _ => refusal(status, &codes),
            };
            answers.insert(status.to_string(), answer);
        }
        let area = path.split('/').find(|part| !part.is_empty()).unwrap_or_default();
        let words =
            path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
        let name = words.fold(method.to_owned(), |name, word| format!("{name}_{word}"));
        let mut operation = Map::new();
        operation.insert("operationId".to_owned(), name.into());
        operation.insert("summary".to_owned(), self.summary.into());
        operation.insert("tags".to_owned(), json!([area]));
        operation.insert("responses".to_owned(), Value::Object(answers));
        if !self.parameters.is_empty() {
            operation.insert("parameters".to_owned(), Value::Array(self.parameters));
        }
        if !self.body.is_empty() {
            let body = json!({ "required": self.body_required, "content": self.body });
            operation.insert("requestBody".to_owned(), body);
        }
        if self.signed_in {
            let any = json!([{ "token": [] }, { "password": [] }, { "cookie": [] }]);
            operation.insert("security".to_owned(), any);
        }
        Value::Object(operation)
    }
}

/// A page of a list.
pub(crate) fn page(item: Value) -> Value {
    let items = object([("type", "array".into()), ("items", item)]);
    json!({
        "type": "object",
        "required": ["items", "next"],
        "properties": {
            "items": items,
            "next": { "type": ["string", "null"], "description": "what `after` takes for the next page" }
        }
    })
}

fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    members.into_iter().collect()
}

/// Of each status the codes with which most operations refuse: said once.
fn shared<'w>(operations: impl Iterator<Item = &'w Written>) -> BTreeMap<u16, Codes> {
    let mut counts: BTreeMap<u16, BTreeMap<&Codes, usize>> = BTreeMap::new();
    for (status, codes) in operations.flat_map(|written| &written.refusals) {
        *counts.entry(*status).or_default().entry(codes).or_default() += 1;
    }
    let most = |(status, counts): (u16, BTreeMap<&Codes, usize>)| {
        let (codes, count) = counts.into_iter().max_by_key(|(_, count)| *count)?;
        (count > 1).then(|| (status, codes.clone()))
    };
    counts.into_iter().filter_map(most).collect()
}

/// The status in words, as one word.
fn shared_name(status: u16) -> String {
    title(status).replace(' ', "")
}

fn title(status: u16) -> &'static str {
    let status = http::StatusCode::from_u16(status).ok();
    status.and_then(|status| status.canonical_reason()).unwrap_or("Error")
}

/// The refusals of one status: a problem with one of these codes.
fn refusal(status: u16, codes: &BTreeSet<&'static str>) -> Value {
    let links: Vec<String> =
        codes.iter().map(|code| format!("[`{code}`](/docs/errors/{code})")).collect();
    let first = codes.first().copied().unwrap_or_default();
    let example = json!({
        "type": format!("/docs/errors/{first}"),
        "title": title(status),
        "status": status,
        "detail": "what is wrong, in a sentence for people",
        "code": first
    });
    let schema = json!({ "allOf": [
        { "$ref": "#/components/schemas/Problem" },
        { "type": "object", "properties": { "status": { "const": status }, "code": { "enum": codes } } }
    ] });
    let content = json!({ "schema": schema, "example": example });
    json!({ "description": links.join(", "), "content": { "application/problem+json": content } })
}

/// The body of every refusal (RFC 9457).
fn problem() -> Value {
    json!({
        "type": "object",
        "required": ["type", "title", "status", "detail", "code"],
        "properties": {
            "type": { "type": "string", "format": "uri-reference", "description": "names the code, and leads to its page" },
            "title": { "type": "string", "description": "the status in words" },
            "status": { "type": "integer" },
            "detail": { "type": "string", "description": "for people; it may change" },
            "code": { "type": "string", "description": "for programs; it is stable" },
            "error": { "type": "string", "description": "for OAuth 2 clients, at /login, /login/session and /refresh (RFC 6749)" },
            "error_description": { "type": "string", "description": "beside `error`" }
        }
    })
}
