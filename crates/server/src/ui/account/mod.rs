//! Signing in and up, and the own account.

mod enter;
mod export;
mod links;
mod own;

use axum::{Form, http::HeaderValue, http::header::SET_COOKIE, response::Response};
use cookie::{Cookie, SameSite, time::Duration};
use serde::Deserialize;

use super::{
    routes::Routes,
    texts::{LANGUAGE_COOKIE, Language},
    visit::Visit,
};

pub(super) fn add(routes: &mut Routes) {
    enter::add(routes);
    links::add(routes);
    own::add(routes);
    export::add(routes);
    routes.form("/account/language", "/", choose_language);
}

#[derive(Deserialize)]
struct Choice {
    language: String,
}

/// Keeps the language that was chosen, and leads back to the page.
async fn choose_language(visit: Visit, Form(Choice { language }): Form<Choice>) -> Response {
    let mut response = visit.go_back();
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
