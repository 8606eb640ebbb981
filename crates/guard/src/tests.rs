use axum::{
    Router,
    body::{Body, to_bytes},
    extract::FromRef,
    http::{Request, StatusCode, header},
    middleware,
    routing::get,
};
use jwt::{Algorithm, Claims, SigningKey, Timestamp, Verifier};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;

const NOW: Timestamp = Timestamp::new(1_800_000_000);
const SECRET: &[u8] = b"an issuer's secret of more than 32 bytes";

#[derive(Clone, FromRef)]
struct App {
    guard: Guard,
}

/// A cookie of the form `who=NAME`, standing for any credential that is not in `Authorization`.
struct Cookie;

impl Authenticate for Cookie {
    fn scheme(&self) -> Option<&'static str> {
        None
    }

    fn authenticate<'a>(&'a self, request: &'a Parts) -> Verdict<'a> {
        Box::pin(async {
            let cookie = request.headers.get(header::COOKIE).and_then(|value| value.to_str().ok());
            match cookie.and_then(|text| text.strip_prefix("who=")) {
                None => Ok(None),
                Some("") => Err(Denied::refused("session_expired", "the session is over")),
                Some(name) => Ok(Some(Principal::new(name, Proof::Cookie, NOW))),
            }
        })
    }
}

fn key() -> SigningKey {
    SigningKey::from_secret(Algorithm::Hs256, SECRET).expect("a key").with_kid("k1")
}

fn app() -> Router {
    let verifier =
        Verifier::new(key().verifying_key()).issuer("countersign").audience("posts").clock(NOW);
    let guard = Guard::any(vec![Box::new(verifier), Box::new(Cookie)]);
    Router::new()
        .route("/posts", get(async |caller: Principal| caller.subject().to_owned()))
        .route(
            "/open",
            get(async |caller: Option<Principal>| {
                caller.map_or("nobody".to_owned(), |caller| caller.subject().to_owned())
            }),
        )
        .route("/admin", get(async |caller: Principal| caller.require("admin").map(|()| "welcome")))
        .layer(middleware::from_fn(no_store))
        .with_state(App { guard })
}

fn token(roles: &[&str]) -> String {
    let claims = Claims::at(json!({ "roles": roles, "name": "Somebody", "sid": "s1" }), NOW)
        .issuer("countersign")
        .audience("posts")
        .subject("u1")
        .expires_in(std::time::Duration::from_secs(600));
    key().sign(&claims).expect("signed")
}

struct Answer {
    status: StatusCode,
    headers: axum::http::HeaderMap,
    body: String,
}

impl Answer {
    fn code(&self) -> String {
        let problem: Value = serde_json::from_str(&self.body).expect("a problem");
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/problem+json");
        assert_eq!(problem["status"], self.status.as_u16());
        problem["code"].as_str().expect("a code").to_owned()
    }

    fn challenge(&self) -> &str {
        self.headers[header::WWW_AUTHENTICATE].to_str().expect("text")
    }
}

async fn ask(path: &str, headers: &[(header::HeaderName, &str)]) -> Answer {
    let mut request = Request::builder().uri(path);
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    let response = app().oneshot(request.body(Body::empty()).expect("a request")).await;
    let (parts, body) = response.expect("infallible").into_parts();
    let body = to_bytes(body, 1 << 16).await.expect("a body");
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: String::from_utf8(body.to_vec()).expect("text"),
    }
}

async fn with_authorization(path: &str, value: &str) -> Answer {
    ask(path, &[(AUTHORIZATION, value)]).await
}

#[tokio::test]
async fn a_good_token_lets_the_caller_in_whatever_the_case_of_the_scheme() {
    for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
        let answer = with_authorization("/posts", &format!("{scheme} {}", token(&["user"]))).await;
        assert_eq!((answer.status, &*answer.body), (StatusCode::OK, "u1"));
        assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
    }
}

#[tokio::test]
async fn without_a_credential_the_challenge_names_no_error() {
    let answer = ask("/posts", &[]).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(answer.code(), "credentials_missing");
    assert_eq!(answer.challenge(), r#"Bearer realm="countersign""#);
}

#[tokio::test]
async fn a_bad_token_is_refused_with_its_code_also_where_a_caller_is_optional() {
    let good = token(&["user"]);
    let (signed, _) = good.rsplit_once('.').expect("three parts");
    let cases = [
        (format!("Bearer {signed}.{}", "A".repeat(43)), "signature_invalid"),
        ("Bearer x".to_owned(), "token_malformed"),
        ("Bearer".to_owned(), "token_malformed"),
        ("Bearer ".to_owned(), "token_malformed"),
        (format!("Bearer {good} {good}"), "token_malformed"),
        (format!("Bearer {good},{good}"), "token_malformed"),
    ];
    for (value, code) in cases {
        for path in ["/posts", "/open"] {
            let answer = with_authorization(path, &value).await;
            assert_eq!(
                (answer.status, &*answer.code()),
                (StatusCode::UNAUTHORIZED, code),
                "{value}"
            );
            assert!(
                answer
                    .challenge()
                    .starts_with(r#"Bearer error="invalid_token", error_description=""#)
            );
            assert!(!answer.body.contains(signed), "the token is not repeated");
        }
    }
}

#[tokio::test]
async fn an_optional_caller_may_present_nothing() {
    let answer = ask("/open", &[]).await;
    assert_eq!((answer.status, &*answer.body), (StatusCode::OK, "nobody"));
    assert!(!answer.headers.contains_key(header::CACHE_CONTROL));
}

#[tokio::test]
async fn two_authorization_headers_are_a_bad_request() {
    let value = format!("Bearer {}", token(&["user"]));
    let header = (AUTHORIZATION, value.as_str());
    let answer = ask("/posts", &[header.clone(), header]).await;
    assert_eq!(
        (answer.status, &*answer.code()),
        (StatusCode::BAD_REQUEST, "authorization_repeated")
    );
}

#[tokio::test]
async fn a_header_that_is_not_ascii_is_a_bad_request() {
    // Whatever the scheme, and wherever it stands.
    for header in ["Bearer \u{e9}", "Basic \u{e9}", "\u{e9} x", "\u{e9}"] {
        let answer = with_authorization("/posts", header).await;
        assert_eq!(
            (answer.status, &*answer.code()),
            (StatusCode::BAD_REQUEST, "authorization_malformed"),
            "{header}"
        );
    }
}

#[tokio::test]
async fn a_token_elsewhere_is_not_looked_at() {
    let answer = ask(&format!("/posts?access_token={}", token(&["user"])), &[]).await;
    assert_eq!(answer.code(), "credentials_missing");
}

#[tokio::test]
async fn another_way_of_proof_yields_the_same_principal() {
    let answer = ask("/posts", &[(header::COOKIE, "who=u2")]).await;
    assert_eq!((answer.status, &*answer.body), (StatusCode::OK, "u2"));
    let answer = ask("/open", &[(header::COOKIE, "who=")]).await;
    assert_eq!(answer.code(), "session_expired");
}

#[tokio::test]
async fn with_an_authorization_header_the_cookie_is_ignored() {
    for value in ["Bearer x", "Basic dTpw", "Digest a=b", "who=u2"] {
        let headers = [(AUTHORIZATION, value), (header::COOKIE, "who=u2")];
        assert_eq!(ask("/open", &headers).await.status, StatusCode::UNAUTHORIZED, "{value}");
    }
}

#[tokio::test]
async fn a_role_is_required_by_name() {
    let refused = with_authorization("/admin", &format!("Bearer {}", token(&["user"]))).await;
    assert_eq!((refused.status, &*refused.code()), (StatusCode::FORBIDDEN, "insufficient_scope"));
    assert!(refused.challenge().starts_with(r#"Bearer error="insufficient_scope""#));
    let granted =
        with_authorization("/admin", &format!("Bearer {}", token(&["admin", "user"]))).await;
    assert_eq!((granted.status, &*granted.body), (StatusCode::OK, "welcome"));
}

#[tokio::test]
async fn a_token_without_a_subject_proves_nobody() {
    let claims = Claims::at(json!({}), NOW)
        .issuer("countersign")
        .audience("posts")
        .expires_in(std::time::Duration::from_secs(600));
    let token = key().sign(&claims).expect("signed");
    assert_eq!(
        with_authorization("/posts", &format!("Bearer {token}")).await.code(),
        "claim_missing"
    );
}
