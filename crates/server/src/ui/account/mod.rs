//! Signing in and up, and the own account.

mod enter;

use axum::{Form, http::HeaderValue, http::header::SET_COOKIE, response::Response};
use cookie::{Cookie, SameSite, time::Duration};
use serde::Deserialize;

use super::{
    routes::Routes,
    texts::{LANGUAGE_COOKIE, Language},
    visit::{Visit, local_path},
};

pub(super) fn add(routes: &mut Routes) {
    enter::add(routes);
    routes.form("/account/language", "/", choose_language);
}

#[derive(Deserialize)]
struct Choice {
    language: String,
}

/// Keeps the language that was chosen, and leads back to the page.
async fn choose_language(visit: Visit, Form(Choice { language }): Form<Choice>) -> Response {
    // Only pages of this server name themselves here: their policy on referrers says so.
    let from = visit.header("referer").and_then(|from| {
        let (_, rest) = from.split_once("://")?;
        local_path(rest.get(rest.find('/')?..)?)
    });
    let mut response = visit.go_to(visit.unprefixed(from.unwrap_or("/")));
    if let Some(language) = Language::find(&language) {
        let mut cookie = Cookie::new(LANGUAGE_COOKIE, language.tag());
        cookie.set_path("/");
        cookie.set_same_site(SameSite::Lax);
        cookie.set_max_age(Duration::days(365));
        if let Ok(value) = HeaderValue::try_from(cookie.to_string()) {
            response.headers_mut().append(SET_COOKIE, value);
        }
    }
    response
}
