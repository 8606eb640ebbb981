//! What a proxy is told of who sends a request: `/forward-auth`.

use std::net::SocketAddr;

use axum::{
    Router,
    body::Body,
    extract::ConnectInfo,
    http::{Method, Request, header},
};
use countersign_auth::{
    Config,
    testing::{PASSWORD, Place, TestAuth},
    users::NewUser,
};
use serde_json::json;

use crate::http::{Answer, ask, post};

const PROXY: &str = "10.0.0.1:40000";
const STRANGER: &str = "203.0.113.9:40000";

/// An installation behind a proxy, with one account, its token and its cookie.
struct Site {
    _test: TestAuth,
    app: Router,
    id: String,
    token: String,
    cookie: String,
}

impl Site {
    async fn new() -> Self {
        let mut config = Config::default();
        config.http.trusted_proxies = vec!["10.0.0.0/8".parse().expect("a network")];
        config.http.cors_origins = vec!["https://app.example.com".to_owned()];
        config.http.public_url = Some("https://auth.example.com".parse().expect("a URL"));
        let test = TestAuth::with(&Place::memory().await, config).await.expect("an installation");
        let (email, name) = ("a@example.com", Some("Zoë, \"a,b\"\u{1F511}"));
        let new = NewUser { email, password: PASSWORD, name, roles: &["admin", "user"] };
        let user = test.auth.user_create(new).await.expect("an account");
        let app = test.auth.router();
        let credentials = json!({ "email": email, "password": PASSWORD });
        let tokens = ask(&app, post("/login", &credentials)).await;
        let session = ask(&app, post("/login/session", &credentials)).await;
        let cookie = session.header("set-cookie").and_then(|cookie| cookie.split(';').next());
        Self {
            app,
            id: user.id.0.to_string(),
            token: format!("Bearer {}", tokens.body["access_token"].as_str().expect("a token")),
            cookie: cookie.expect("a cookie").to_owned(),
            _test: test,
        }
    }

    /// Asks as `peer`, with these headers.
    async fn ask(&self, peer: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.ask_by(Method::GET, peer, path, headers).await
    }

    async fn ask_by(
        &self,
        method: Method,
        peer: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(Body::empty()).expect("a request");
        let peer: SocketAddr = peer.parse().expect("an address");
        request.extensions_mut().insert(ConnectInfo(peer));
        ask(&self.app, request).await
    }

    fn bearer(&self) -> (&str, &str) {
        (header::AUTHORIZATION.as_str(), &self.token)
    }

    fn cookie(&self) -> (&str, &str) {
        (header::COOKIE.as_str(), &self.cookie)
    }
}

fn code(answer: &Answer) -> (u16, &str) {
    (answer.status, answer.body["code"].as_str().unwrap_or_default())
}

#[tokio::test]
async fn a_proxy_learns_who_sends_a_request_with_a_token() {
    let site = Site::new().await;
    for method in [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
        for peer in [PROXY, STRANGER] {
            let answer = site.ask_by(method.clone(), peer, "/forward-auth", &[site.bearer()]).await;
            assert_eq!(answer.status, 200, "{method}");
            assert_eq!(answer.header("x-auth-subject"), Some(&*site.id));
            let name = "Zo%C3%AB%2C%20%22a%2Cb%22%F0%9F%94%91";
            assert_eq!(answer.header("x-auth-name"), Some(name));
            assert_eq!(answer.header("x-auth-roles"), Some("admin,user"));
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            assert!(answer.body.is_null());
        }
    }
}

#[tokio::test]
async fn all_three_headers_are_there_also_when_there_is_no_name() {
    let site = Site::new().await;
    let credentials = json!({ "email": "b@example.com", "password": PASSWORD });
    ask(&site.app, post("/register", &credentials)).await;
    let tokens = ask(&site.app, post("/login", &credentials)).await;
    let token = format!("Bearer {}", tokens.body["access_token"].as_str().expect("a token"));
    let spoofed = [("authorization", &*token), ("x-auth-name", "Admin"), ("x-auth-roles", "admin")];
    let answer = site.ask(PROXY, "/forward-auth", &spoofed).await;
    assert_eq!(answer.header("x-auth-name"), Some(""));
    assert_eq!(answer.header("x-auth-roles"), Some("user"));
}

#[tokio::test]
async fn whoever_proves_nothing_is_refused_as_by_every_route() {
    let site = Site::new().await;
    let answer = site.ask(PROXY, "/forward-auth", &[]).await;
    assert_eq!(code(&answer), (401, "credentials_missing"));
    assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"countersign\""));
    assert!(answer.header("x-auth-subject").is_none());

    let (token, tail) = (&site.token[..site.token.len() - 4], "AAAA");
    let forged = format!("{token}{tail}");
    let answer = site.ask(PROXY, "/forward-auth", &[("authorization", &forged)]).await;
    assert_eq!(answer.status, 401);
    let twice = [site.bearer(), site.bearer()];
    assert_eq!(site.ask(PROXY, "/forward-auth", &twice).await.status, 400);
}

#[tokio::test]
async fn a_role_can_be_asked_for() {
    let site = Site::new().await;
    let ask = async |query: &str| {
        let path = format!("/forward-auth?{query}");
        let answer = site.ask(PROXY, &path, &[site.bearer()]).await;
        (answer.status, answer.body["code"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(ask("role=admin").await.0, 200);
    assert_eq!(ask("role=editor").await, (403, "insufficient_scope".to_owned()));
    for wrong in ["role=", "role=Admin", "role=a,b", "role=admin&role=user", "rol=admin", "x=1"] {
        assert_eq!(ask(wrong).await, (400, "query_invalid".to_owned()), "{wrong}");
    }
}

#[tokio::test]
async fn a_cookie_counts_where_a_trusted_proxy_names_the_method() {
    let site = Site::new().await;
    for name in ["X-Forwarded-Method", "X-Original-Method"] {
        let headers = [site.cookie(), (name, "GET")];
        assert_eq!(site.ask(PROXY, "/forward-auth", &headers).await.status, 200, "{name}");
        let unknown = site.ask(STRANGER, "/forward-auth", &headers).await;
        assert_eq!(code(&unknown), (403, "method_unknown"), "anybody could have named it");
    }
    for headers in [
        vec![],
        vec![("X-Forwarded-Method", "GET"), ("X-Original-Method", "POST")],
        vec![("X-Forwarded-Method", "GET"), ("X-Forwarded-Method", "POST")],
        vec![("X-Forwarded-Method", "")],
        vec![("X-Forwarded-Method", "GET POST")],
    ] {
        let mut headers = headers;
        headers.push(site.cookie());
        let answer = site.ask(PROXY, "/forward-auth", &headers).await;
        assert_eq!(code(&answer), (403, "method_unknown"), "{headers:?}");
    }
    let alike = [site.cookie(), ("X-Forwarded-Method", "GET"), ("X-Original-Method", "GET")];
    assert_eq!(site.ask(PROXY, "/forward-auth", &alike).await.status, 200);
}

#[tokio::test]
async fn a_cookie_is_refused_where_another_site_made_the_browser_send_it() {
    let site = Site::new().await;
    let post = ("X-Forwarded-Method", "POST");
    for (origin, fetch_site, status) in [
        (Some("https://auth.example.com"), Some("same-origin"), 200),
        (Some("https://app.example.com"), Some("same-site"), 200),
        (Some("https://evil.example"), Some("cross-site"), 403),
        (Some("https://evil.example"), None, 403),
        (None, Some("cross-site"), 403),
        (None, None, 403),
        (Some("null"), None, 403),
    ] {
        let mut headers = vec![site.cookie(), post];
        headers.extend(origin.map(|origin| ("Origin", origin)));
        headers.extend(fetch_site.map(|from| ("Sec-Fetch-Site", from)));
        let answer = site.ask(PROXY, "/forward-auth", &headers).await;
        assert_eq!(answer.status, status, "{origin:?} {fetch_site:?}");
        if status == 403 {
            assert_eq!(code(&answer), (403, "cross_site"));
        }
        // What a page of another site reads is the browser's to decide, and changes nothing.
        headers[1] = ("X-Forwarded-Method", "GET");
        assert_eq!(site.ask(PROXY, "/forward-auth", &headers).await.status, 200);
        // A token is not sent by itself.
        headers[0] = site.bearer();
        headers[1] = post;
        assert_eq!(site.ask(PROXY, "/forward-auth", &headers).await.status, 200);
    }
}

#[tokio::test]
async fn a_path_behind_it_is_asked_with_the_method_of_the_request() {
    let site = Site::new().await;
    let path = "/forward-auth/posts/7?role=x&role=y";
    assert_eq!(site.ask(PROXY, path, &[site.bearer()]).await.status, 200);
    assert_eq!(site.ask(PROXY, path, &[site.cookie()]).await.status, 200);
    let answer = site.ask_by(Method::POST, PROXY, path, &[site.cookie()]).await;
    assert_eq!(code(&answer), (403, "cross_site"));
    let answer = site.ask(STRANGER, path, &[site.cookie()]).await;
    assert_eq!(code(&answer), (403, "method_unknown"));
    let named = [site.cookie(), ("X-Forwarded-Method", "DELETE")];
    assert_eq!(code(&site.ask(PROXY, path, &named).await), (403, "cross_site"));
    // A header that came with the request takes nothing away from its method.
    for name in ["X-Forwarded-Method", "X-Original-Method"] {
        let named = [site.cookie(), (name, "GET"), ("Origin", "https://evil.example")];
        let answer = site.ask_by(Method::POST, PROXY, path, &named).await;
        assert_eq!(code(&answer), (403, "method_unknown"), "{name}");
    }
    let alike = [site.cookie(), ("X-Forwarded-Method", "POST")];
    let answer = site.ask_by(Method::POST, PROXY, path, &alike).await;
    assert_eq!(code(&answer), (403, "cross_site"));
}

#[tokio::test]
async fn with_a_token_the_cookie_is_not_looked_at() {
    let site = Site::new().await;
    let headers =
        [("authorization", "Bearer nonsense"), site.cookie(), ("X-Forwarded-Method", "GET")];
    let answer = site.ask(PROXY, "/forward-auth", &headers).await;
    assert_eq!(code(&answer), (401, "token_malformed"));
    // A bad cookie is refused, and not taken for none.
    let malformed = [("cookie", "__Host-session=1234"), ("X-Forwarded-Method", "GET")];
    let answer = site.ask(PROXY, "/forward-auth", &malformed).await;
    assert_eq!(code(&answer), (401, "session_malformed"));
}
