//! The first page, and the one for a path where there is nothing.

use askama::Template;
use axum::{http::StatusCode, response::Response};

use super::{
    routes::Routes,
    visit::{Frame, Visit},
};

pub(super) fn add(routes: &mut Routes) {
    routes.lone_page("/", home);
}

#[derive(Template)]
#[template(path = "home.html")]
struct Home<'a> {
    frame: &'a Frame,
}

async fn home(visit: Visit) -> Response {
    visit.page(&Home { frame: &visit.frame })
}

#[derive(Template)]
#[template(path = "nowhere.html")]
struct NowherePage<'a> {
    frame: &'a Frame,
}

/// For a path where there is nothing.
pub(super) fn nowhere(visit: &Visit) -> Response {
    visit.page_with(StatusCode::NOT_FOUND, &NowherePage { frame: &visit.frame })
}

#[derive(Template)]
#[template(path = "cross_site.html")]
struct CrossSite<'a> {
    frame: &'a Frame,
}

/// For a form that comes from somewhere else.
pub(super) fn cross_site(visit: &Visit) -> Response {
    visit.page_with(StatusCode::FORBIDDEN, &CrossSite { frame: &visit.frame })
}
