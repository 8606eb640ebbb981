//! The page that looks into tokens. All of it happens in the browser: the server hands out what it knows of itself.

use std::collections::BTreeMap;

use askama::Template;
use axum::{http::Method, response::Response};
use jwt::Algorithm;
use serde::Serialize;
use serde_json::Value;

use super::{
    routes::Routes,
    visit::{Frame, Visit},
};
use crate::cli::token::{Elsewhere, elsewhere};

pub(super) fn add(routes: &mut Routes) {
    routes.lone_page("/debugger", page);
}

#[derive(Template)]
#[template(path = "debugger.html")]
struct Page<'a> {
    frame: &'a Frame,
    site: String,
}

/// What the script has to know of this server. None of it is a secret: a token says as much, and the keys are public.
#[derive(Serialize)]
struct Known<'a> {
    /// The time here, in seconds since 1970: the clock of a developer's server may be moved.
    now: i64,
    rules: Rules<'a>,
    /// The public keys.
    keys: Value,
    /// The algorithm of tokens that only this server can check.
    secret: Option<&'static str>,
    /// What others make of an algorithm, by its name; the empty one is of all that are not listed.
    elsewhere: BTreeMap<&'static str, Elsewhere>,
    /// Paths to ask, each when somebody presses a button.
    me: String,
    login: String,
    /// Where tokens are signed that have a flaw.
    tokens: Option<String>,
}

/// What a token of this server has to meet.
#[derive(Serialize)]
struct Rules<'a> {
    issuer: &'a str,
    audience: &'a str,
    /// None for `JWT`, which may be left out.
    typ: Option<&'a str>,
    leeway: u64,
}

async fn page(visit: Visit) -> Response {
    let mut published = visit.ask(Method::GET, "/.well-known/jwks.json", None).await.body;
    let (auth, frame) = (&visit.site().auth, &visit.frame);
    let tokens = &auth.config().tokens;
    let names = Algorithm::ALL.iter().map(|algorithm| algorithm.name());
    let names = names.chain(["Ed25519", "none", ""]);
    let known = Known {
        now: auth.clock().now().seconds(),
        rules: Rules {
            issuer: &tokens.issuer,
            audience: &tokens.audience,
            typ: Some(tokens.typ.as_str()).filter(|typ| *typ != "JWT"),
            leeway: tokens.leeway.as_secs(),
        },
        keys: published.get_mut("keys").map(Value::take).unwrap_or_default(),
        secret: tokens.algorithm.is_symmetric().then(|| tokens.algorithm.name()),
        elsewhere: names.map(|name| (name, elsewhere(name, frame.text))).collect(),
        me: frame.link("/me"),
        login: frame.link("/login"),
        tokens: frame.is_dev.then(|| frame.link("/dev/tokens")),
    };
    let site = serde_json::to_string(&known).unwrap_or_default();
    visit.page(&Page { frame, site })
}
