//! A step as it is shown, to people and to programs: tokens shortened, passwords left out.

use anstyle::{AnsiColor, Style};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use serde_json::{Map, Value, json};

use super::{
    exchange::{Exchange, Request},
    steps::Step,
};
use crate::cli::output::harmless;

const HOLDS: Style = AnsiColor::Green.on_default().bold();
const FAILS: Style = AnsiColor::Red.on_default().bold();
const DETAIL: Style = Style::new().dimmed();

/// Characters that are left of each part of a token, and of a secret: at its beginning and at its end.
const LEFT: (usize, usize) = (8, 4);

/// Headers that tell something here.
const TELLING: [HeaderName; 5] = [
    header::AUTHORIZATION,
    header::COOKIE,
    header::SET_COOKIE,
    header::WWW_AUTHENTICATE,
    header::RETRY_AFTER,
];

/// A tick or a cross and a sentence; below it why it did not hold, and what was said.
pub(super) fn text(step: &Step, verbose: bool) -> String {
    let mark = match step.outcome {
        Ok(()) => format!("{HOLDS}✓{HOLDS:#}"),
        Err(_) => format!("{FAILS}✗{FAILS:#}"),
    };
    let mut lines = vec![format!("{mark} {:<9} {}", step.name, step.says)];
    if let Err(why) = &step.outcome {
        lines.push(format!("            {FAILS}{}{FAILS:#}", harmless(why)));
    }
    if !verbose {
        return lines.join("\n");
    }
    let mut detail = |line: &str| lines.push(format!("    {DETAIL}{}{DETAIL:#}", harmless(line)));
    if let Some(note) = &step.note {
        detail(note);
    }
    for exchange in &step.exchanges {
        let Request { method, path, .. } = &exchange.request;
        detail(&format!("> {method} {path}"));
        telling(&exchange.request.headers)
            .for_each(|(name, value)| detail(&format!("> {name}: {value}")));
        if let Some(body) = &exchange.request.body {
            detail(&format!("> {}", covered(body)));
        }
        let Some(answer) = &exchange.answer else {
            detail("< nothing");
            continue;
        };
        let status = StatusCode::from_u16(answer.status).ok();
        let reason = status.and_then(|status| status.canonical_reason()).unwrap_or_default();
        detail(&format!("< {} {reason}", answer.status));
        telling(&answer.headers).for_each(|(name, value)| detail(&format!("< {name}: {value}")));
        if !answer.body.is_null() {
            detail(&format!("< {}", covered(&answer.body)));
        }
    }
    lines.push(String::new());
    lines.join("\n")
}

/// One JSON object: the exchange that decided, and those before it.
pub(super) fn json(step: &Step) -> String {
    let (decisive, earlier) = match step.exchanges.split_last() {
        Some((last, earlier)) => (both(last), earlier),
        None => (json!({ "request": null, "response": null }), step.exchanges.as_slice()),
    };
    json!({
        "step": step.name,
        "ok": step.outcome.is_ok(),
        "says": step.says,
        "why": step.outcome.as_ref().err(),
        "note": step.note,
        "request": decisive.get("request"),
        "response": decisive.get("response"),
        "earlier": earlier.iter().map(both).collect::<Vec<_>>(),
    })
    .to_string()
}

fn both(exchange: &Exchange) -> Value {
    let Request { method, path, headers, body } = &exchange.request;
    let headers_of = |headers| {
        Value::Object(telling(headers).map(|(name, value)| (name, Value::String(value))).collect())
    };
    json!({
        "request": {
            "method": method.as_str(),
            "path": path,
            "headers": headers_of(headers),
            "body": body.as_ref().map(covered),
        },
        "response": exchange.answer.as_ref().map(|answer| json!({
            "status": answer.status,
            "headers": headers_of(&answer.headers),
            "body": covered(&answer.body),
        })),
    })
}

/// The headers that tell something, with what is secret in them shortened.
fn telling(headers: &HeaderMap) -> impl Iterator<Item = (String, String)> {
    TELLING.iter().filter_map(|name| {
        let value = headers.get(name)?.to_str().ok()?;
        let shown = match *name {
            header::AUTHORIZATION => match value.split_once(' ') {
                Some((scheme, token)) => format!("{scheme} {}", shortened(token)),
                None => shortened(value),
            },
            header::COOKIE | header::SET_COOKIE => match value.split_once('=') {
                Some((name, rest)) => {
                    let (secret, attributes) = rest.split_at(rest.find(';').unwrap_or(rest.len()));
                    format!("{name}={}{attributes}", shortened(secret))
                }
                None => shortened(value),
            },
            _ => value.to_owned(),
        };
        Some((name.to_string(), shown))
    })
}

/// A body without what is secret in it.
fn covered(body: &Value) -> Value {
    let member = |(name, value): (&String, &Value)| {
        let value = match value {
            Value::String(_) if name.contains("password") => {
                Value::String("(not shown)".to_owned())
            }
            Value::String(token) if name.ends_with("_token") => Value::String(shortened(token)),
            other => covered(other),
        };
        (name.clone(), value)
    };
    match body {
        Value::Object(members) => Value::Object(members.iter().map(member).collect::<Map<_, _>>()),
        Value::Array(items) => Value::Array(items.iter().map(covered).collect()),
        other => other.clone(),
    }
}

/// A token or another secret with the ends of each of its parts: one still sees that there are three.
pub(super) fn shortened(text: &str) -> String {
    let part = |part: &str| {
        let (first, last) = LEFT;
        let rest = part.len().saturating_sub(last);
        match (part.get(..first), part.get(rest..)) {
            (Some(begins), Some(ends)) if rest > 2 * first => format!("{begins}…{ends}"),
            _ => part.to_owned(),
        }
    };
    text.split('.').map(part).collect::<Vec<_>>().join(".")
}
