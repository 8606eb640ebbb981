//! The console of administrators.
//!
//! What it shows and does is what the routes below `/admin` show and do; what no route has is asked of the installation on
//! behalf of who looks ([`Administrator`]).

mod events;
mod keys;
mod overview;
mod settings;
mod users;

use askama::Template;
use auth::{Auth, roles::Administrator};
use axum::{
    extract::{FromRef, FromRequestParts},
    http::{StatusCode, header::AUTHORIZATION, request::Parts},
    response::{IntoResponse, Response},
};
pub(crate) use overview::Counted;
use serde::Deserialize;
use serde_json::Value;

use super::{
    routes::Routes,
    visit::{Frame, Pages, Visit},
};
use crate::cli::output::shell;

pub(super) fn add(routes: &mut Routes) {
    overview::add(routes);
    users::add(routes);
    keys::add(routes);
    events::add(routes);
    settings::add(routes);
}

/// An administrator in the console. Others do not get this far: strangers are asked to sign in, users are told that this
/// is not for them.
#[derive(Debug)]
struct Console {
    visit: Visit,
    admin: Administrator,
}

impl FromRef<Pages> for Auth {
    fn from_ref(pages: &Pages) -> Self {
        pages.site().auth.clone()
    }
}

impl FromRequestParts<Pages> for Console {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, pages: &Pages) -> Result<Self, Response> {
        let visit = Visit::from_request_parts(parts, pages).await?;
        let Some(visitor) = &visit.frame.visitor else { return Err(visit.sign_in_first()) };
        let frame = &visit.frame;
        if !visitor.is_admin() {
            let why = frame.text.console().not_for_you();
            return Err(visit.page_with(StatusCode::FORBIDDEN, &Refused { frame, why }));
        }
        // Who looks is whose cookie it is, here as in the frame.
        let mut own = parts.clone();
        own.headers.remove(AUTHORIZATION);
        match Administrator::from_request_parts(&mut own, pages).await {
            Ok(admin) => Ok(Self { visit, admin }),
            Err(error) => {
                let problem = error.into_response();
                let cross_site = frame.text.errors("cross_site");
                Err(match (problem.status(), cross_site) {
                    (StatusCode::FORBIDDEN, Some(why)) => {
                        visit.page_with(StatusCode::FORBIDDEN, &Refused { frame, why })
                    }
                    _ => problem,
                })
            }
        }
    }
}

#[derive(Template)]
#[template(path = "admin/refused.html")]
struct Refused<'a> {
    frame: &'a Frame,
    why: &'a str,
}

impl Console {
    fn frame(&self) -> &Frame {
        &self.visit.frame
    }

    /// Now, by the clock of the installation.
    fn now(&self) -> i64 {
        self.admin.auth().clock().now().seconds()
    }

    /// What does the same as a form: a command, where there is one, and a request.
    fn same(
        &self,
        command: Option<String>,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Same {
        let http = &self.admin.auth().config().http;
        let base = match &http.public_url {
            Some(url) => url.as_str().to_owned(),
            None => http.own_url(),
        };
        let mut curl = String::from("curl");
        if method != "GET" {
            curl.push_str(&format!(" -X {method}"));
        }
        curl.push_str(&format!(
            " {} \\\n  -H \"Authorization: Bearer $TOKEN\"",
            shell(&format!("{}{path}", base.trim_end_matches('/')))
        ));
        if let Some(body) = body {
            curl.push_str(&format!(" \\\n  --json {}", shell(&ascii(body))));
        }
        Same { command, curl }
    }
}

/// A page of a list, as routes answer it.
#[derive(Debug, Deserialize)]
struct Listed<T> {
    items: Vec<T>,
    next: Option<String>,
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self { items: Vec::new(), next: None }
    }
}

/// What a program would do in place of a form.
struct Same {
    command: Option<String>,
    curl: String,
}

/// JSON in ASCII alone: what somebody copies into a terminal is what is seen, whatever a name consists of.
fn ascii(value: &Value) -> String {
    let mut text = String::new();
    let mut units = [0; 2];
    for letter in value.to_string().chars() {
        if letter.is_ascii() && !letter.is_ascii_control() {
            text.push(letter);
        } else {
            for unit in letter.encode_utf16(&mut units) {
                text.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    text
}

/// A time as a page shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Moment {
    /// For programs (HTML §2.3.5.7).
    iso: String,
    /// For people, in UTC.
    text: String,
}

impl Moment {
    fn new(seconds: i64) -> Self {
        let Ok(at) = jiff::Timestamp::from_second(seconds) else {
            return Self { iso: String::new(), text: seconds.to_string() };
        };
        Self { iso: at.to_string(), text: at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string() }
    }
}

/// A number with its thousands apart.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// Pairs as a query; those without a value are left out.
fn query(pairs: &[(&str, &str)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
        query.append_pair(name, value);
    }
    query.finish()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_for_a_shell_says_what_it_shows() {
        for (text, word) in [
            ("ES256", "ES256"),
            ("-abc_DEF", "-abc_DEF"),
            ("", "''"),
            ("a b", "'a b'"),
            ("$(reboot)", "'$(reboot)'"),
            ("it's; reboot", r"'it'\''s; reboot'"),
        ] {
            assert_eq!(shell(text), word);
        }
        let hostile = json!({ "name": "\u{202e}gnp.\u{1f600}\u{0}é\n" });
        assert_eq!(ascii(&hostile), r#"{"name":"\u202egnp.\ud83d\ude00\u0000\u00e9\n"}"#);
        assert_eq!(serde_json::from_str::<Value>(&ascii(&hostile)).expect("JSON"), hostile);
    }

    #[test]
    fn times_and_numbers_are_readable() {
        let moment = Moment::new(1_795_344_162);
        assert_eq!(moment.iso, "2026-11-22T10:42:42Z");
        assert_eq!(moment.text, "2026-11-22 10:42:42 UTC");
        assert_eq!(Moment::new(i64::MAX).iso, "");
        assert_eq!(
            [0, 999, 1_000, 1_234_567].map(grouped),
            ["0", "999", "1\u{202f}000", "1\u{202f}234\u{202f}567"]
        );
        assert_eq!(query(&[("a", "x&y"), ("b", ""), ("c", "é")]), "a=x%26y&c=%C3%A9");
    }
}
