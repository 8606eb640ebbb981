//! Which requests are answered by a page, and which by a route.

use axum::{
    Router,
    extract::{FromRequestParts, Request},
    handler::Handler,
    http::{
        HeaderValue, Method, StatusCode,
        header::{ALLOW, VARY},
    },
    response::{IntoResponse, Response},
    routing::{any, get, post},
};
use guard::Problem;
use tower::{Service, ServiceExt, service_fn};

use super::{
    home,
    visit::{Pages, Visit},
    wants_page,
};
use crate::{
    app::{Nowhere, Whole},
    metrics,
};

/// The pages of a server beside its routes.
pub(super) struct Routes {
    /// For whoever looks at pages.
    pages: Router<Pages>,
    /// What pages send, whatever is accepted.
    forms: Router<Pages>,
    api: Router,
}

impl Routes {
    pub(super) fn new(api: Router) -> Self {
        Self { pages: Router::new(), forms: Router::new(), api }
    }

    /// A page at a path where programs find a route.
    pub(super) fn page<T: 'static>(&mut self, path: &str, handler: impl Handler<T, Pages>) {
        self.pages = std::mem::take(&mut self.pages).route(path, get(handler));
    }

    /// A page at a path where programs find nothing: they are told so.
    pub(super) fn lone_page<T: 'static>(&mut self, path: &str, handler: impl Handler<T, Pages>) {
        self.page(path, handler);
        self.api = std::mem::take(&mut self.api).route(path, any(for_people));
    }

    /// What a form is sent to. Who comes there without one, by the "reload" of a browser say, comes to `page`.
    pub(super) fn form<T: 'static>(
        &mut self,
        path: &str,
        page: &'static str,
        handler: impl Handler<T, Pages>,
    ) {
        let back = async move |visit: Visit| visit.go_to(page);
        self.forms = std::mem::take(&mut self.forms).route(path, post(handler).get(back));
    }

    /// All of it as one.
    pub(super) fn finish(self, state: Pages) -> impl Whole {
        let Self { pages, forms, api } = self;
        let api = api.merge(metrics::marked(forms.with_state(state.clone())));
        let (routes, known) = (api.clone(), state.clone());
        let elsewhere = async move |request: Request| {
            let (mut parts, body) = request.into_parts();
            let found = answer(routes, Request::from_parts(parts.clone(), body)).await;
            if found.extensions().get::<Nowhere>().is_none() {
                return found;
            }
            match Visit::from_request_parts(&mut parts, &known).await {
                Ok(visit) => home::nowhere(&visit),
                Err(refusal) => refusal,
            }
        };
        let pages = metrics::marked(pages.with_state(state)).fallback(elsewhere);
        service_fn(move |request: Request| {
            let looks = matches!(*request.method(), Method::GET | Method::HEAD);
            let is_page = looks && wants_page(request.headers());
            let mut routes = if is_page { pages.clone() } else { api.clone() };
            routes.call(request)
        })
    }
}

async fn answer(routes: Router, request: Request) -> Response {
    match routes.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// What a program is answered at the path of a page: there is no method for it.
async fn for_people() -> Response {
    let detail = "this path is a page: it is answered to who accepts text/html";
    let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail);
    // A cache may keep this answer (RFC 9110 §15.1), and is not to give it to a browser.
    let headers = [(ALLOW, ""), (VARY, "accept")];
    (headers.map(|(name, value)| (name, HeaderValue::from_static(value))), problem).into_response()
}
