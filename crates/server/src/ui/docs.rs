//! The routes, described: `/openapi.json` for programs, `/docs` for people, and a page for each error code.

use std::{collections::BTreeMap, sync::Arc};

use askama::Template;
use auth::{Auth, openapi::Document};
use axum::{
    Json, Router,
    extract::{Path, State},
    http::{
        HeaderValue, StatusCode,
        header::{CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE},
    },
    response::{Html, IntoResponse, Response},
    routing::get,
};
use guard::Problem;
use serde_json::{Value, json};
use utoipa_swagger_ui::Config;

use super::{
    home,
    routes::Routes,
    visit::{Frame, Visit},
};
use crate::{app, clock, limits, trial, ui::outbox};

/// Swagger UI sets styles on its elements and draws icons out of `data:` URLs. Its scripts are files of this server, and
/// it asks nobody else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The text of which the pages of errors are made.
const ERRORS: &str = include_str!("../../../../docs/reference/errors.md");

/// The OpenAPI document of a server; that of a developer has more routes.
pub fn document(auth: &Auth, is_dev: bool) -> Value {
    let mut document = auth::openapi::document();
    app::openapi(&mut document);
    openapi(&mut document);
    if is_dev {
        posts::openapi(&mut document);
        outbox::openapi(&mut document);
        clock::openapi(&mut document);
        trial::openapi(&mut document);
    }
    limits::openapi(&mut document, is_dev);
    let cookie = if auth.config().http.is_https() { "__Host-session" } else { "session" };
    document.finish("Countersign", env!("CARGO_PKG_VERSION"), cookie)
}

/// `/openapi.json`, and `/docs` with what belongs to it.
pub fn routes(auth: &Auth, is_dev: bool) -> Router {
    let document = Arc::new(document(auth, is_dev));
    // Found from the page, so that it is also found behind a prefix.
    let config = Config::from("openapi.json")
        .validator_url("none")
        .try_it_out_enabled(true)
        .display_request_duration(true);
    Router::new()
        .route("/openapi.json", get(async move || Json(document.as_ref().clone())))
        .route("/docs", get(page))
        .route("/docs/{file}", get(file))
        .with_state(Arc::new(config))
}

fn openapi(document: &mut Document) {
    let schema = json!({ "type": "object" });
    document.get("/openapi.json", "this document").answers_as(
        200,
        "OpenAPI 3.1",
        schema,
        json!({ "openapi": "3.1.0" }),
    );
}

/// `/docs/errors/{code}`: what the `type` of a problem names.
pub fn errors() -> Router {
    Router::new().route("/docs/errors/{code}", get(error)).with_state(Arc::new(explained()))
}

async fn page() -> impl IntoResponse {
    (policy(), Html(include_str!("../../templates/docs.html")))
}

fn policy() -> [(axum::http::HeaderName, HeaderValue); 1] {
    [(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY))]
}

async fn file(State(config): State<Arc<Config<'static>>>, Path(name): Path<String>) -> Response {
    let found = match utoipa_swagger_ui::serve(&name, config) {
        Ok(found) => found.filter(|_| !name.ends_with(".html")),
        Err(error) => {
            tracing::error!(%error, "a file of /docs could not be made");
            None
        }
    };
    let Some(file) = found else { return nothing().into_response() };
    let kind = HeaderValue::from_str(&file.content_type)
        .unwrap_or(HeaderValue::from_static("application/octet-stream"));
    let mut response = (policy(), [(CONTENT_TYPE, kind)], file.bytes.into_owned()).into_response();
    if file.gzpipped {
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

fn nothing() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not_found", "there is nothing at this path")
}

/// A text in pieces, each with whether it is code.
type Pieces = Vec<(bool, &'static str)>;

/// What is said of a code.
struct Explained {
    code: &'static str,
    statuses: &'static str,
    area: &'static str,
    meaning: Pieces,
    remedy: Pieces,
}

/// What is said of a code, for whoever asks: also a program, and where there are no other pages.
#[derive(Template)]
#[template(path = "docs/error_alone.html")]
struct ErrorAlone<'a> {
    row: &'a Explained,
}

async fn error(State(rows): State<Arc<Rows>>, Path(code): Path<String>) -> Response {
    let Some(row) = rows.get(code.as_str()) else { return nothing().into_response() };
    match (ErrorAlone { row }).render() {
        Ok(text) => Html(text).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page could not be made");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "internal error")
                .into_response()
        }
    }
}

/// The same among the other pages.
#[derive(Template)]
#[template(path = "docs/error.html")]
struct ErrorPage<'a> {
    frame: &'a Frame,
    row: &'a Explained,
}

/// The pages of errors, for people.
pub(super) fn add(pages: &mut Routes) {
    let rows = Arc::new(explained());
    let page = async move |visit: Visit, Path(code): Path<String>| match rows.get(code.as_str()) {
        Some(row) => visit.page(&ErrorPage { frame: &visit.frame, row }),
        None => home::nowhere(&visit),
    };
    pages.page("/docs/errors/{code}", page);
}

/// What is said of each code.
type Rows = BTreeMap<&'static str, Explained>;

/// Every code that an answer may have, from the tables of the reference: code, status, meaning, what to do.
fn explained() -> Rows {
    let mut area = "";
    let mut found = BTreeMap::new();
    for line in ERRORS.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            area = heading;
        }
        let cells = line.strip_prefix("| `").and_then(|row| row.strip_suffix(" |"));
        let cells: Vec<&str> = cells.map(|row| row.split(" | ").collect()).unwrap_or_default();
        if let [code, statuses, meaning, remedy] = cells[..] {
            let code = code.trim_end_matches('`');
            let (meaning, remedy) = (pieces(meaning), pieces(remedy));
            found.insert(code, Explained { code, statuses, area, meaning, remedy });
        }
    }
    found
}

/// Cuts a Markdown text into code and what is not; of links their text is left.
fn pieces(text: &'static str) -> Pieces {
    let mut pieces = Vec::new();
    for (number, part) in text.split('`').enumerate() {
        if number % 2 == 1 {
            pieces.push((true, part));
            continue;
        }
        let mut rest = part;
        while let Some((before, link)) = rest.split_once('[') {
            let (shown, after) = link.split_once("](").unwrap_or((link, ""));
            pieces.extend([(false, before), (false, shown)]);
            rest = after.split_once(')').map_or("", |(_, rest)| rest);
        }
        pieces.push((false, rest));
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_markdown_text_code_and_words_are_left() {
        let cut = pieces("See [the page](http.md#there) of `GET /me`. Then go on.");
        let words = |code| cut.iter().filter(move |(is, _)| *is == code).map(|(_, text)| *text);
        assert_eq!(words(true).collect::<Vec<_>>(), ["GET /me"]);
        assert_eq!(words(false).collect::<String>(), "See the page of . Then go on.");
    }
}
