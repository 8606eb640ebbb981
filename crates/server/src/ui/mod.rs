//! Pages for people, made on the server.
//!
//! A page is a client of the routes, in this process: what a form asks for is asked of the same route as a program would,
//! with the visitor's cookie, address and origin. So a page can do nothing that a program cannot, and no rule stands
//! twice.

mod account;
mod admin;
mod assets;
mod clock;
mod debugger;
pub mod docs;
mod home;
mod learn;
pub mod outbox;
mod routes;
mod texts;
mod time;
mod visit;

use std::sync::Arc;

use auth::{Auth, config::PublicUrl};
use axum::{
    Router,
    http::{
        HeaderMap, HeaderValue,
        header::{ACCEPT, COOKIE},
    },
};
use cookie::Cookie;
use jwt::Timestamp;

pub(crate) use self::{
    admin::Counted,
    texts::{Elsewhere, Language},
};
use self::{assets::Assets, routes::Routes, visit::Pages};
use crate::{
    app::Whole,
    metrics::{self, Latencies},
    settings::Shown,
};

/// What pages have to know of the server they belong to.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    /// The installation.
    pub(crate) auth: Auth,
    /// Whether it is a developer's: with the sample API, the outbox, and a clock to move.
    pub(crate) is_dev: bool,
    /// Whether `/docs`, `/debugger` and `/learn` are there.
    pub(crate) has_docs: bool,
    /// The settings that it was started with.
    pub(crate) settings: Arc<[Shown]>,
    /// How long its routes take.
    pub(crate) latencies: Arc<Latencies>,
    /// What its overview counted last.
    pub(crate) counted: Arc<Counted>,
    /// When this instance started.
    pub(crate) started: Timestamp,
}

/// Puts the pages in front of the routes: a path is a page for whom [`wants_page`] tells, and a route for others.
pub(crate) fn around(api: Router, site: &Site) -> impl Whole + use<> {
    let url = site.auth.config().http.public_url.as_ref();
    let base = url.map_or("", |url: &PublicUrl| url.as_str().trim_start_matches(url.origin()));
    let pages = Pages::new(api.clone(), site.clone(), base.to_owned(), Assets::new());
    let mut routes = Routes::new(api.merge(metrics::marked(assets::routes())));
    home::add(&mut routes);
    account::add(&mut routes);
    admin::add(&mut routes);
    docs::add(&mut routes);
    if site.has_docs {
        debugger::add(&mut routes);
        learn::add(&mut routes);
    }
    if site.is_dev {
        clock::add(&mut routes);
    }
    if site.auth.outbox().is_some() {
        outbox::add(&mut routes);
    }
    routes.finish(pages)
}

/// Says whether a request comes from somebody who looks at pages: its `Accept` names `text/html`.
fn wants_page(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|line| line.to_str().ok());
    accepted.flat_map(|line| line.split(',')).any(|element| {
        let mut parts = element.split(';').map(str::trim);
        let is_html = parts.next().is_some_and(|media| media.eq_ignore_ascii_case("text/html"));
        // What is not wanted at all is said with 0 (RFC 9110 §12.4.2).
        let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse::<f32>().ok());
        is_html && weight != Some(0.0)
    })
}

/// The value of a cookie that pages keep.
fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line: &HeaderValue| line.to_str().ok());
    let mut cookies = lines.flat_map(Cookie::split_parse).flatten();
    cookies.find(|cookie| cookie.name() == name).map(|cookie| cookie.value().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_for_who_names_html() {
        let wants = |text: &'static str| {
            wants_page(&HeaderMap::from_iter([(ACCEPT, text.parse().expect("a value"))]))
        };
        assert!(wants("text/html") && wants("application/json, Text/HTML;q=0.9"));
        assert!(
            !wants("text/html;q=0")
                && !wants("text/html; q=0.000, */*")
                && wants("text/html;q=0.1")
        );
        assert!(!wants("*/*") && !wants("application/json") && !wants("text/html-like"));
        assert!(!wants_page(&HeaderMap::new()));
    }
}
