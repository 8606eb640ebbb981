//! The letters that `dev` keeps in place of sending them: a page, and the same as JSON.

use askama::Template;
use auth::{
    Auth,
    mail::{KeptLetter, Outbox},
    openapi::Document,
    roles::ADMIN,
};
use axum::{
    Json, Router,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, VARY, X_FRAME_OPTIONS},
    },
    response::{Html, IntoResponse, Response},
    routing::get,
};
use guard::{Denied, Principal, Problem};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{
    routes::Routes,
    time::Moment,
    visit::{Frame, Visit},
    wants_page,
};

/// A letter shows what a mail program would: its own styles, and nothing from elsewhere. It runs and sends nothing.
const LETTER_POLICY: &str = "sandbox; default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; \
                             form-action 'none'; frame-ancestors 'self'";

/// Letters in one answer, if nobody asks for another number.
const PAGE: usize = 50;
const MAX_PAGE: usize = 200;

/// `/outbox` and what belongs to it; nothing where letters are sent.
pub fn routes(auth: &Auth) -> Router {
    let Some(outbox) = auth.outbox().cloned() else { return Router::new() };
    Router::new()
        .route("/outbox", get(list))
        .route("/outbox/{id}", get(letter))
        .with_state(Kept { auth: auth.clone(), outbox })
}

pub(crate) fn openapi(document: &mut Document) {
    let letter = json!({
        "id": "01a202da-4f61-749a-a0cc-81fe0022cc1b",
        "kind": "reset_password",
        "to": "user@example.com",
        "subject": "A new password for 127.0.0.1:8000",
        "sent_at": 1_795_344_191,
        "link": "http://127.0.0.1:8000/password/reset?token=…",
        "text": "…",
        "html": "…"
    });
    document
        .get("/outbox", "the letters that dev keeps in place of sending them")
        .administrator()
        .lists::<Shown>("letters, the newest first; a page for `text/html`", 200, letter.clone());
    document
        .get("/outbox/{id}", "one letter")
        .administrator()
        .answers::<Shown>(200, "the letter; its HTML for `text/html`", letter)
        .refuses(404, &["not_found"]);
}

#[derive(Clone)]
struct Kept {
    auth: Auth,
    outbox: Outbox,
}

impl axum::extract::FromRef<Kept> for guard::Guard {
    fn from_ref(kept: &Kept) -> Self {
        kept.auth.guard()
    }
}

#[derive(Template)]
#[template(path = "outbox.html")]
struct OutboxPage<'a> {
    frame: &'a Frame,
    letters: Vec<Shown>,
}

/// The page, for whoever sits at this machine.
pub(super) fn add(pages: &mut Routes) {
    pages.page("/outbox", page);
}

async fn page(visit: Visit) -> Response {
    let outbox = visit.site().auth.outbox();
    let letters = outbox.map(Outbox::letters).unwrap_or_default();
    let letters = letters.iter().map(|letter| Shown::from(&**letter)).collect();
    visit.page(&OutboxPage { frame: &visit.frame, letters })
}

/// A letter as it is listed.
#[derive(Serialize, ToSchema)]
#[schema(as = Letter)]
struct Shown {
    id: String,
    kind: &'static str,
    to: String,
    subject: String,
    sent_at: i64,
    link: Option<String>,
    text: String,
    html: String,
}

impl From<&KeptLetter> for Shown {
    fn from(letter: &KeptLetter) -> Self {
        Self {
            id: letter.id.to_string(),
            kind: letter.kind.name(),
            to: letter.to.to_string(),
            subject: letter.content.subject.clone(),
            sent_at: letter.sent_at.seconds(),
            link: letter.link.clone(),
            text: letter.content.text.clone(),
            html: letter.content.html.clone(),
        }
    }
}

impl Shown {
    fn time(&self) -> Moment {
        self.sent_at.into()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    after: Option<String>,
    limit: Option<usize>,
}

#[derive(Serialize)]
struct Items {
    items: Vec<Shown>,
    next: Option<String>,
}

async fn list(
    State(kept): State<Kept>,
    caller: Result<Principal, Denied>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Response {
    let letters = kept.outbox.letters();
    if let Err(denied) = caller.and_then(|caller| caller.require(ADMIN)) {
        return private(denied.into_response());
    }
    let refuse = |detail| {
        private(Problem::new(StatusCode::BAD_REQUEST, "query_invalid", detail).into_response())
    };
    let Ok(Query(Wanted { after, limit })) = wanted else {
        return refuse("the query takes after (an id) and limit (a number)");
    };
    let limit = limit.unwrap_or(PAGE);
    if !(1..=MAX_PAGE).contains(&limit) {
        return refuse("limit is 1 to 200");
    }
    let mut items: Vec<Shown> = match after {
        None => letters.iter().map(|letter| Shown::from(&**letter)).collect(),
        Some(after) => {
            let rest = letters.iter().map(|letter| Shown::from(&**letter));
            rest.skip_while(|shown| shown.id != after).skip(1).collect()
        }
    };
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|shown| shown.id.clone());
    private(Json(Items { items, next }).into_response())
}

/// One letter: the HTML of it, for a frame of the page, or all of it as JSON.
async fn letter(
    State(kept): State<Kept>,
    Path(id): Path<String>,
    headers: HeaderMap,
    caller: Result<Principal, Denied>,
) -> Response {
    let is_page = wants_page(&headers);
    if !is_page && let Err(denied) = caller.and_then(|caller| caller.require(ADMIN)) {
        return private(denied.into_response());
    }
    let letters = kept.outbox.letters();
    let Some(letter) = letters.iter().find(|letter| letter.id.to_string() == id) else {
        let none = Problem::new(StatusCode::NOT_FOUND, "not_found", "there is nothing of this id");
        return private(none.into_response());
    };
    if !is_page {
        return private(Json(Shown::from(&**letter)).into_response());
    }
    let headers = [
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static(LETTER_POLICY)),
        (X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN")),
    ];
    private((headers, Html(letter.content.html.clone())).into_response())
}

/// There are links in what is answered: no cache keeps it, and no page is taken for the JSON of the same path.
fn private(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(VARY, HeaderValue::from_static("accept"));
    response
}
