//! The audit log: what was done, by whom, from where.

use std::fmt;

use askama::Template;
use auth::audit::Kind;
use axum::{
    Form,
    extract::Query,
    http::{
        HeaderValue, Method,
        header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
};
use jiff::{civil::DateTime, tz::TimeZone};
use serde::Deserialize;
use serde_json::Value;

use super::{Console, Listed, Moment, Same, query};
use crate::ui::{routes::Routes, texts::Language, visit::Frame};

/// Events that one export has at most, which are held in memory while it is made.
const EXPORTED: usize = 10_000;

pub(super) fn add(routes: &mut Routes) {
    routes.lone_page("/admin/console/events", list);
    routes.form("/admin/console/events/export", "/admin/console/events", export);
}

/// An event as a page shows it.
pub(super) struct Shown {
    pub(super) at: Moment,
    pub(super) kind: String,
    /// What its type is called.
    pub(super) label: String,
    pub(super) is_refusal: bool,
    pub(super) user: Option<String>,
    /// Who did it: a word for some, an account for others.
    pub(super) actor: Option<&'static str>,
    pub(super) actor_id: Option<String>,
    pub(super) address: Option<String>,
    pub(super) device: Option<String>,
    pub(super) details: Option<String>,
    pub(super) id: String,
    pub(super) session: Option<String>,
    pub(super) request: Option<String>,
    pub(super) number: Option<i64>,
}

impl Shown {
    pub(super) fn new(text: Language, event: &Value) -> Self {
        let member = |name: &str| event.get(name).and_then(Value::as_str).map(str::to_owned);
        let number = |name: &str| event.get(name).and_then(Value::as_i64);
        let kind = member("type").unwrap_or_default();
        let actor = event.get("actor");
        let part = |name: &str| actor?.get(name)?.as_str();
        let c = text.console_events();
        Self {
            at: Moment::new(number("at").unwrap_or_default()),
            label: text.events(&kind).unwrap_or(&kind).to_owned(),
            kind,
            is_refusal: member("outcome").is_some_and(|outcome| outcome == "refused"),
            user: member("user_id"),
            actor: match part("type") {
                Some("user") => None,
                Some("operator") => Some(c.operator()),
                Some("server") => Some(c.server()),
                Some("application") => Some(c.application()),
                _ => Some(c.stranger()),
            },
            actor_id: part("id").map(str::to_owned),
            address: member("address"),
            device: member("device"),
            details: event.get("details").filter(|details| !details.is_null()).map(details),
            id: member("id").unwrap_or_default(),
            session: member("session_id"),
            request: member("request_id"),
            number: number("number"),
        }
    }

    /// An id, short enough for a column: the part that chance made.
    pub(super) fn short(id: &str) -> &str {
        id.get(id.len().saturating_sub(8)..).unwrap_or(id)
    }
}

/// What else there is to know of an event, as `name: value`.
fn details(details: &Value) -> String {
    let Value::Object(members) = details else { return details.to_string() };
    let shown = |(name, value): (&String, &Value)| match value {
        Value::String(text) => format!("{name}: {text}"),
        other => format!("{name}: {other}"),
    };
    members.iter().map(shown).collect::<Vec<_>>().join(", ")
}

/// What is looked for, as the form says it; times are those of a `datetime-local`, in UTC.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Filter {
    #[serde(rename = "type")]
    kind: String,
    user: String,
    actor: String,
    session: String,
    since: String,
    until: String,
    after: String,
}

/// A time that is none.
#[derive(Debug)]
struct NoTime;

impl Filter {
    fn is_empty(&self) -> bool {
        [&self.kind, &self.user, &self.actor, &self.session, &self.since, &self.until]
            .iter()
            .all(|text| text.is_empty())
    }

    /// The members of the route's query, without where the page begins.
    fn query(&self) -> Result<String, NoTime> {
        let (since, until) = (second(&self.since)?, second(&self.until)?);
        Ok(query(&[
            ("type", &self.kind),
            ("user_id", self.user.trim()),
            ("actor_id", self.actor.trim()),
            ("session_id", self.session.trim()),
            ("since", &since),
            ("until", &until),
        ]))
    }

    /// The page of the events after these.
    fn next(&self, after: &str) -> String {
        let own = query(&[
            ("type", &self.kind),
            ("user", &self.user),
            ("actor", &self.actor),
            ("session", &self.session),
            ("since", &self.since),
            ("until", &self.until),
            ("after", after),
        ]);
        format!("/admin/console/events?{own}")
    }
}

/// The unix second of a time in UTC, as a field for times writes it; nothing for nothing.
fn second(text: &str) -> Result<String, NoTime> {
    if text.trim().is_empty() {
        return Ok(String::new());
    }
    let time: DateTime = text.trim().parse().map_err(|_| NoTime)?;
    let at = time.to_zoned(TimeZone::UTC).map_err(|_| NoTime)?;
    Ok(at.timestamp().as_second().to_string())
}

/// A type of events to choose.
struct Choice {
    name: &'static str,
    label: &'static str,
    is_chosen: bool,
}

#[derive(Template)]
#[template(path = "admin/events.html")]
struct EventsPage<'a> {
    frame: &'a Frame,
    filter: &'a Filter,
    kinds: Vec<Choice>,
    events: Vec<Shown>,
    refusal: Option<String>,
    next: Option<String>,
    most: String,
    same: Same,
    same_export: Same,
    same_verify: Same,
}

async fn list(console: Console, Query(filter): Query<Filter>) -> Response {
    page(&console, &filter).await
}

async fn page(console: &Console, filter: &Filter) -> Response {
    let (frame, text) = (console.frame(), console.frame().text);
    let asked = filter.query();
    let path = |more: &str| {
        let asked = asked.as_deref().unwrap_or_default();
        let both = [more, asked].into_iter().filter(|part| !part.is_empty());
        format!("/admin/events?{}", both.collect::<Vec<_>>().join("&"))
    };
    let (status, refusal, events) = match &asked {
        Err(NoTime) => {
            let refusal = text.console_events().no_time().to_owned();
            (axum::http::StatusCode::BAD_REQUEST, Some(refusal), Listed::<Value>::default())
        }
        Ok(_) => {
            let begin = query(&[("limit", "50"), ("after", &filter.after)]);
            let answer = console.visit.ask(Method::GET, &path(&begin), None).await;
            let refusal = (!answer.status.is_success()).then(|| frame.refusal(&answer));
            (answer.status, refusal, answer.read().unwrap_or_default())
        }
    };
    let kinds = Kind::ALL.iter().map(|kind| Choice {
        name: kind.name,
        label: text.events(kind.name).unwrap_or(kind.text),
        is_chosen: kind.name == filter.kind,
    });
    let mut command = String::from("countersign audit list");
    for (flag, value) in [("type", &filter.kind), ("user", &filter.user)] {
        if !value.trim().is_empty() {
            command.push_str(&format!(" --{flag}={}", super::shell(value.trim())));
        }
    }
    let command = Some(command).filter(|line| line.is_ascii());
    let shown = EventsPage {
        frame,
        filter,
        kinds: kinds.collect(),
        refusal,
        next: events.next.as_deref().map(|next| filter.next(next)),
        events: events.items.iter().map(|event| Shown::new(text, event)).collect(),
        most: super::grouped(EXPORTED.try_into().unwrap_or(u64::MAX)),
        same: console.same(command, "GET", &path("limit=50"), None),
        same_export: console.same(
            Some("countersign audit export --out events.jsonl".to_owned()),
            "GET",
            &path("limit=200"),
            None,
        ),
        same_verify: Same {
            command: Some("countersign audit verify".to_owned()),
            curl: String::new(),
        },
    };
    console.visit.page_with(status, &shown)
}

/// Hands out what is filtered as lines of JSON, the newest first; that it was handed out is an event too.
async fn export(console: Console, Form(filter): Form<Filter>) -> Response {
    let Ok(asked) = filter.query() else { return page(&console, &filter).await };
    if let Err(error) = console.admin.auth().log().note_export().await {
        return error.into_response();
    }
    let (mut lines, mut count, mut after) = (String::new(), 0, String::new());
    loop {
        let page = query(&[("limit", "200"), ("after", &after)]);
        let path = format!("/admin/events?{page}&{asked}");
        let answer = console.visit.ask(Method::GET, path.trim_end_matches('&'), None).await;
        if !answer.status.is_success() {
            return self::page(&console, &filter).await;
        }
        let Listed::<Value> { items, next } = answer.read().unwrap_or_default();
        count += items.len();
        for event in items {
            Line(&event).push(&mut lines);
        }
        match next {
            Some(next) if count < EXPORTED => after = next,
            _ => break,
        }
    }
    let header = |value| HeaderValue::from_static(value);
    let headers = [
        (CONTENT_TYPE, header("application/x-ndjson")),
        (CONTENT_DISPOSITION, header("attachment; filename=\"events.jsonl\"")),
        (CACHE_CONTROL, header("no-store")),
    ];
    (headers, lines).into_response()
}

/// A line of an export: JSON in ASCII alone, which shows what is in it wherever it is shown.
struct Line<'a>(&'a Value);

impl Line<'_> {
    fn push(&self, lines: &mut String) {
        lines.push_str(&self.to_string());
        lines.push('\n');
    }
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&super::ascii(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_of_events_has_a_name_in_each_language() {
        for language in Language::ALL {
            for kind in Kind::ALL {
                assert!(language.events(kind.name).is_some(), "{} {}", language.tag(), kind.name);
            }
        }
    }

    #[test]
    fn times_are_read_as_a_field_for_times_writes_them() {
        assert_eq!(second("").ok().as_deref(), Some(""));
        assert_eq!(second("2026-11-22T12:02").ok().as_deref(), Some("1795348920"));
        assert_eq!(second(" 2026-11-22T12:02:42 ").ok().as_deref(), Some("1795348962"));
        assert!(second("yesterday").is_err() && second("2026-13-01T00:00").is_err());
    }
}
