//! A visit: who looks at a page, in which language, and how a page asks the routes on the visitor's behalf.

use std::net::SocketAddr;

use askama::Template;
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{ConnectInfo, FromRequestParts, Request},
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
        header::{
            ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_LENGTH,
            CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE, EXPECT, LOCATION, REFERRER_POLICY,
            RETRY_AFTER, SET_COOKIE, TRANSFER_ENCODING, VARY,
        },
        request::Parts,
        uri::PathAndQuery,
    },
    response::{Html, IntoResponse, Response},
};
use guard::Problem;
use serde::Deserialize;
use serde_json::Value;
use tower::ServiceExt;

use super::{Site, assets::Assets, clock::ClockPart, home, texts::Language};

/// Scripts and styles are files of this server, and nobody else is asked. No text becomes markup in the browser.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'; trusted-types 'none'";
/// An answer of a route that is larger is none that a page asks for.
const ANSWER: usize = 16 * 1024 * 1024;

/// What all pages of a server share.
#[derive(Debug, Clone)]
pub(super) struct Pages {
    api: Router,
    site: Site,
    /// What stands before every path where a proxy has put the server under one.
    base: String,
    assets: Assets,
}

impl Pages {
    /// Where the installation is.
    pub(super) fn site(&self) -> &Site {
        &self.site
    }

    pub(super) fn new(api: Router, site: Site, base: String, assets: Assets) -> Self {
        Self { api, site, base, assets }
    }
}

/// One request for a page.
#[derive(Debug)]
pub(super) struct Visit {
    /// What the frame of every page shows.
    pub(super) frame: Frame,
    pages: Pages,
    request: Parts,
}

/// What stands around every page.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    /// The texts, in the visitor's language.
    pub(super) text: Language,
    /// The visitor, if signed in.
    pub(super) visitor: Option<Visitor>,
    pub(super) is_dev: bool,
    pub(super) has_docs: bool,
    pub(super) has_outbox: bool,
    /// The clock of a developer's server.
    pub(super) clock: Option<ClockPart>,
    /// The path of the page.
    pub(super) path: String,
    base: String,
    assets: Assets,
}

/// Who is signed in.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Visitor {
    pub(super) email: String,
    pub(super) name: Option<String>,
    pub(super) roles: Vec<String>,
}

impl Visitor {
    /// What the visitor is called.
    pub(super) fn shown(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.email)
    }

    pub(super) fn is_admin(&self) -> bool {
        self.roles.iter().any(|role| role == auth::roles::ADMIN)
    }
}

impl Frame {
    /// The path of a page or route, as a browser has to ask for it.
    pub(super) fn link(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// The path of a file.
    pub(super) fn asset(&self, name: &str) -> String {
        self.link(&self.assets.path(name))
    }

    /// The languages there are.
    pub(super) fn languages(&self) -> &'static [Language] {
        &Language::ALL
    }

    /// Says whether the page is this one, or below it.
    pub(super) fn is_at(&self, path: &str) -> bool {
        self.path.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// What a refusal means to the visitor: its text here, else the sentence that programs get.
    pub(super) fn refusal(&self, answer: &Answer) -> String {
        let detail = answer.text("detail");
        match (answer.code(), self.text.errors(answer.code())) {
            // Why exactly, and what would be better, is said by whoever judged it.
            ("password_refused", _) => {
                let reason = detail.split_once(": ").map_or(&*detail, |(_member, reason)| reason);
                self.text.frame().password_refused(reason)
            }
            ("rate_limited", Some(own)) => format!("{own} {}", self.wait(answer)),
            (_, Some(own)) => own.to_owned(),
            (_, None) => detail,
        }
    }

    /// When it may be tried again.
    fn wait(&self, answer: &Answer) -> String {
        let words = self.text.frame();
        let seconds = answer.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        match seconds.and_then(|seconds| seconds.parse::<u64>().ok()) {
            Some(seconds @ 0..120) => words.wait_seconds(seconds.max(1)),
            Some(seconds) => words.wait_minutes(seconds.div_ceil(60)),
            None => words.wait().to_owned(),
        }
    }
}

impl FromRequestParts<Pages> for Visit {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, pages: &Pages) -> Result<Self, Response> {
        let frame = Frame {
            text: Language::of(&parts.headers),
            visitor: None,
            is_dev: pages.site.is_dev,
            has_docs: pages.site.has_docs,
            has_outbox: pages.site.auth.outbox().is_some(),
            clock: None,
            path: parts.uri.path().to_owned(),
            base: pages.base.clone(),
            assets: pages.assets.clone(),
        };
        let mut visit = Self { frame, pages: pages.clone(), request: parts.clone() };
        if visit.frame.is_dev {
            visit.frame.clock = visit.ask(Method::GET, "/dev/clock", None).await.read();
        }
        if parts.headers.contains_key(COOKIE) {
            let answer = visit.ask(Method::GET, "/me", None).await;
            if answer.status.is_success() {
                visit.frame.visitor = serde_json::from_value(answer.body).ok();
            }
        }
        // Some routes need no such check, because another site cannot make a browser send JSON. It can send a form.
        let auth = &visit.pages.site.auth;
        if auth.refuse_cross_site(&parts.method, &parts.headers).is_err() {
            return Err(home::cross_site(&visit));
        }
        Ok(visit)
    }
}

/// What a route answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// Its JSON; `null` if it has none.
    pub(super) body: Value,
}

impl Answer {
    /// The stable code of a refusal; empty if it is none.
    pub(super) fn code(&self) -> &str {
        self.body.get("code").and_then(Value::as_str).unwrap_or_default()
    }

    /// A member that is a text.
    pub(super) fn text(&self, member: &str) -> String {
        self.body.get(member).and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// The whole of it as one type; `None` for a refusal.
    pub(super) fn read<T: serde::de::DeserializeOwned>(self) -> Option<T> {
        if !self.status.is_success() {
            return None;
        }
        serde_json::from_value(self.body).ok()
    }
}

impl Visit {
    /// Where the installation is.
    pub(super) fn site(&self) -> &Site {
        &self.pages.site
    }

    /// A header of the request.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.request.headers.get(name)?.to_str().ok()
    }

    /// Asks a route what the visitor's own browser would ask, with its cookie, and where it says that it comes from.
    pub(super) async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let mut request = Request::new(match &body {
            Some(body) => Body::from(body.to_string()),
            None => Body::empty(),
        });
        let Ok(uri) = path.parse() else { return Answer::none() };
        (*request.method_mut(), *request.uri_mut()) = (method, uri);
        // And nothing else: what axum notes there of the page's own path would count for the route's too.
        if let Some(peer) = self.request.extensions.get::<ConnectInfo<SocketAddr>>() {
            request.extensions_mut().insert(*peer);
        }
        *request.headers_mut() = self.request.headers.clone();
        let headers = request.headers_mut();
        // Of the body that came with the page's own request, and who else a credential could be of.
        for name in [AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, TRANSFER_ENCODING] {
            headers.remove(name);
        }
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let response = match self.pages.api.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, ANSWER).await.unwrap_or_default();
        let body = serde_json::from_slice(&bytes).unwrap_or_default();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// A page.
    pub(super) fn page(&self, page: &impl Template) -> Response {
        self.page_with(StatusCode::OK, page)
    }

    /// A page that says why it was not done: with the status of the answer, and when to try again.
    pub(super) fn refused(&self, answer: &Answer, page: &impl Template) -> Response {
        let mut response = self.page_with(answer.status, page);
        if let Some(seconds) = answer.headers.get(RETRY_AFTER) {
            response.headers_mut().insert(RETRY_AFTER, seconds.clone());
        }
        response
    }

    pub(super) fn page_with(&self, status: StatusCode, page: &impl Template) -> Response {
        let text = match page.render() {
            Ok(text) => text,
            Err(error) => {
                tracing::error!(%error, "a page could not be made");
                let problem =
                    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "internal error");
                return problem.into_response();
            }
        };
        let mut response = (status, Html(text)).into_response();
        let headers = response.headers_mut();
        let mut set = |name: HeaderName, value| {
            headers.insert(name, HeaderValue::from_static(value));
        };
        set(CONTENT_SECURITY_POLICY, POLICY);
        set(CACHE_CONTROL, "no-store");
        set(VARY, "accept, accept-language, cookie");
        set(CONTENT_LANGUAGE, self.frame.text.tag());
        // With "no-referrer" a form of our own would come from the origin "null", which the cross-site rule refuses.
        set(REFERRER_POLICY, "same-origin");
        response
    }

    /// Another page, after something was done or in place of this one (RFC 9110 §15.4.4).
    pub(super) fn go_to(&self, path: &str) -> Response {
        let mut response = StatusCode::SEE_OTHER.into_response();
        let headers = response.headers_mut();
        if let Ok(place) = HeaderValue::try_from(self.frame.link(path)) {
            headers.insert(LOCATION, place);
        }
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    /// The same, with the cookies that a route set.
    pub(super) fn go_on_to(&self, path: &str, answer: &Answer) -> Response {
        let mut response = self.go_to(path);
        for cookie in answer.headers.get_all(SET_COOKIE) {
            response.headers_mut().append(SET_COOKIE, cookie.clone());
        }
        response
    }

    /// The page that a form was sent from, after something that can be done on every page.
    pub(super) fn go_back(&self) -> Response {
        // Only pages of this server name themselves here: their policy on referrers says so.
        let from = self.header("referer").and_then(|from| {
            let (_, rest) = from.split_once("://")?;
            local_path(rest.get(rest.find('/')?..)?)
        });
        self.go_to(self.unprefixed(from.unwrap_or("/")))
    }

    /// A path that a browser has asked for, as the routes know it.
    fn unprefixed<'a>(&self, path: &'a str) -> &'a str {
        path.strip_prefix(&self.frame.base).filter(|path| path.starts_with('/')).unwrap_or(path)
    }

    /// The sign-in page, which leads back here.
    pub(super) fn sign_in_first(&self) -> Response {
        let here = self.request.uri.path_and_query().map_or("/", PathAndQuery::as_str);
        let query =
            form_urlencoded::Serializer::new(String::new()).append_pair("next", here).finish();
        self.go_to(&format!("/login?{query}"))
    }
}

impl Answer {
    fn none() -> Self {
        Self { status: StatusCode::NOT_FOUND, headers: HeaderMap::new(), body: Value::Null }
    }

    /// A refusal of a page's own, with a code among `[errors]` of the texts.
    pub(super) fn own(code: &str, status: StatusCode) -> Self {
        Self { status, headers: HeaderMap::new(), body: serde_json::json!({ "code": code }) }
    }
}

/// A path of this server to go on to, as a form or an address names it: nothing that a browser takes for another host.
pub(super) fn local_path(text: &str) -> Option<&str> {
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let local = text.starts_with('/') && !text.starts_with("//");
    (plain && local && text.len() <= 512).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_led_to_another_host() {
        for good in ["/", "/account", "/admin/console/users?search=a%20b", "/learn#session"] {
            assert_eq!(local_path(good), Some(good));
        }
        for bad in [
            "",
            "account",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\/evil.example",
            "https://evil.example",
            "https:evil.example",
            "javascript:alert(1)",
            "data:text/html,x",
            "/\t/evil.example",
            "/\n/evil.example",
            "/\r\nSet-Cookie: a=b",
            " //evil.example",
            "\u{0}/",
            "/é",
            "http:/\\evil.example",
            "@evil.example",
            "?next=//evil",
            "./x",
        ] {
            assert_eq!(local_path(bad), None, "{bad:?}");
        }
    }
}
