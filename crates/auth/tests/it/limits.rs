//! Limits on guessing: their promises on every engine, and what a client sees of them over the real router.

use std::{net::SocketAddr, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::ConnectInfo,
    http::{Request, header},
};
use countersign_auth::{
    Config,
    config::Registration,
    on_every_engine,
    testing::{PASSWORD, Place, TestAuth, limits::*},
};
use serde_json::{Value, json};

use crate::http::{Answer, ask, get, post};

on_every_engine!(
    an_address_has_thirty_attempts_in_any_minute,
    other_requests_share_the_budget_of_an_address,
    right_logins_count_and_are_not_written,
    failures_bring_delays_that_double_to_a_minute,
    a_success_or_an_hour_clears_failures,
    an_owner_at_a_known_address_is_not_kept_out_by_others,
    an_address_is_known_for_thirty_days,
    unknown_accounts_are_counted_like_others,
    three_instances_keep_the_limits_together,
    one_instance_lets_no_more_begin_than_the_limit,
    a_guess_that_was_under_way_too_long_learns_nothing,
    an_ipv6_network_is_one_client,
    without_an_address_the_rules_of_accounts_hold,
    the_password_of_a_caller_is_guessed_no_faster,
    an_outage_is_no_way_around,
    the_tables_tell_nothing_and_are_emptied,
    limits_that_are_off_count_nothing,
);

/// A test's own installation, with requests from wherever one likes.
struct Site {
    test: TestAuth,
    app: Router,
}

impl Site {
    async fn new(config: Config) -> Self {
        let test = TestAuth::with(&Place::memory().await, config).await.expect("an installation");
        let app = test.auth.router();
        Self { test, app }
    }

    /// Nobody may register here: what is counted is asked without the cost of a hash.
    async fn closed(proxies: &[&str]) -> Self {
        let mut config = Config::default();
        config.accounts.registration = Registration::Closed;
        let proxies = proxies.iter().map(|network| network.parse().expect("a network"));
        config.http.trusted_proxies = proxies.collect();
        Self::new(config).await
    }

    async fn ask(&self, mut request: Request<Body>, peer: &str, forwarded: Option<&str>) -> Answer {
        let peer: SocketAddr = peer.parse().expect("an address");
        request.extensions_mut().insert(ConnectInfo(peer));
        if let Some(forwarded) = forwarded {
            let forwarded = forwarded.parse().expect("a header");
            request.headers_mut().insert("x-forwarded-for", forwarded);
        }
        ask(&self.app, request).await
    }

    async fn register(&self, peer: &str, forwarded: Option<&str>) -> u16 {
        self.ask(post("/register", &credentials()), peer, forwarded).await.status
    }
}

fn credentials() -> Value {
    json!({ "email": "a@example.com", "password": PASSWORD })
}

const PEER: &str = "192.0.2.7:50000";

/// Status, and the headers that speak of limits.
fn limits_of(answer: &Answer) -> String {
    let header =
        |name| answer.header(name).map_or(String::new(), |value| format!("\n{name}: {value}"));
    let headers = ["ratelimit-policy", "ratelimit", "retry-after"].map(header).concat();
    format!("{}{headers}", answer.status)
}

#[tokio::test]
async fn every_answer_of_a_limited_route_says_what_is_left() {
    let site = Site::new(Config::default()).await;
    let wrong = json!({ "email": "a@example.com", "password": "wrong" });
    let mut tour = Vec::new();
    for (what, path, body) in [
        ("a registration", "/register", credentials()),
        ("a login", "/login", credentials()),
        ("a session", "/login/session", credentials()),
        ("a wrong password", "/login", wrong.clone()),
        ("no body that could be read", "/login", json!({ "email": 1 })),
    ] {
        let answer = site.ask(post(path, &body), PEER, None).await;
        site.test.clock.advance(Duration::from_secs(5));
        tour.push(format!("# {what}\n{}", limits_of(&answer)));
    }
    while site.register(PEER, None).await != 429 {}
    let refused = site.ask(post("/login", &wrong), PEER, None).await;
    tour.push(format!("# one too many\n{}\n\n{:#}", limits_of(&refused), refused.body));
    let refused = site.ask(post("/register", &credentials()), PEER, None).await;
    tour.push(format!(
        "# one too many, at /register\n{}\n\n{:#}",
        limits_of(&refused),
        refused.body
    ));
    insta::assert_snapshot!(tour.join("\n\n"));

    let other = site.ask(get("/me", header::ACCEPT, "*/*"), PEER, None).await;
    assert_eq!(limits_of(&other), "401");
    let refresh = site.ask(post("/refresh", &json!({ "refresh_token": "x" })), PEER, None).await;
    assert_eq!(limits_of(&refresh), "401");
    let embedded = ask(&site.app, post("/login", &credentials())).await;
    assert_eq!(limits_of(&embedded), "200", "an application that does not tell who connects");
}

#[tokio::test]
async fn a_delay_of_an_account_is_told_in_seconds() {
    let site = Site::new(Config::default()).await;
    site.ask(post("/register", &credentials()), PEER, None).await;
    let wrong = json!({ "email": "a@example.com", "password": "wrong" });
    for _ in 0..10 {
        assert_eq!(site.ask(post("/login", &wrong), PEER, None).await.status, 401);
    }
    for path in ["/login", "/login/session"] {
        let refused = site.ask(post(path, &credentials()), PEER, None).await;
        assert_eq!((refused.status, refused.header("retry-after")), (429, Some("1")));
        assert_eq!(refused.body["code"], "rate_limited");
        assert_eq!(refused.body["error"], "temporarily_unavailable");
        assert_eq!(refused.header("ratelimit"), Some("\"address\";r=19;t=60"));
    }
    site.test.clock.advance(Duration::from_secs(1));
    assert_eq!(site.ask(post("/login", &credentials()), PEER, None).await.status, 200);
}

#[tokio::test]
async fn a_wrong_password_of_a_caller_counts_as_a_failed_login() {
    let site = Site::new(Config::default()).await;
    site.ask(post("/register", &credentials()), PEER, None).await;
    let login = site.ask(post("/login", &credentials()), PEER, None).await;
    let token = format!("Bearer {}", login.body["access_token"].as_str().expect("a token"));
    let signed = |path: &str, body: Value| {
        let mut request = post(path, &body);
        request.headers_mut().insert(header::AUTHORIZATION, token.parse().expect("a header"));
        request
    };
    let change = json!({ "current_password": "wrong", "new_password": "wrong" });
    for number in 0..10 {
        let request = match number % 2 {
            0 => signed("/me/password", change.clone()),
            _ => signed("/me/delete", json!({ "password": "wrong" })),
        };
        let refused = site.ask(request, PEER, None).await;
        assert_eq!((refused.status, &refused.body["code"]), (403, &json!("invalid_credentials")));
    }
    let refused = site.ask(signed("/me/password", change), PEER, None).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("1")));
    let login = site.ask(post("/login", &credentials()), PEER, None).await;
    assert_eq!((login.status, login.header("retry-after")), (429, Some("1")));
    let elsewhere = site.ask(post("/login", &credentials()), "192.0.2.8:1", None).await;
    assert_eq!(elsewhere.status, 200);
}

#[tokio::test]
async fn an_address_that_is_claimed_makes_no_new_client() {
    let site = Site::closed(&["10.0.0.0/8"]).await;
    for number in 0..30 {
        let claim = format!("198.51.100.{number}");
        assert_eq!(site.register(PEER, Some(&claim)).await, 403, "{number}");
    }
    assert_eq!(site.register(PEER, Some("203.0.113.1")).await, 429);
    assert_eq!(site.register("192.0.2.7:1", None).await, 429, "another port");
    assert_eq!(site.register("192.0.2.8:1", None).await, 403);
    // Behind the proxy that same client has spent its budget too, whatever it writes before it.
    assert_eq!(site.register("10.0.0.1:1", Some("203.0.113.1, 192.0.2.7")).await, 429);
}

#[tokio::test]
async fn behind_a_proxy_every_client_has_a_budget_of_its_own() {
    let site = Site::closed(&["10.0.0.0/8"]).await;
    for number in 0..30 {
        let proxy = format!("10.0.0.{number}:1");
        for client in ["198.51.100.1", "198.51.100.2"] {
            let chain = format!("203.0.113.{number}, {client}, 10.1.0.1");
            assert_eq!(site.register(&proxy, Some(&chain)).await, 403, "{client} {number}");
        }
    }
    for client in ["198.51.100.1", "198.51.100.2"] {
        assert_eq!(site.register("10.0.0.1:1", Some(client)).await, 429);
    }
    assert_eq!(site.register("10.0.0.1:1", Some("198.51.100.3")).await, 403);
    let network = "2001:db8:0:1";
    for number in 0..30 {
        let client = format!("{network}::{number:x}");
        assert_eq!(site.register("10.0.0.1:1", Some(&client)).await, 403, "{client}");
    }
    assert_eq!(site.register("10.0.0.1:1", Some(&format!("{network}:ffff::1"))).await, 429);
    assert_eq!(site.register("[2001:db8:0:2::1]:1", None).await, 403);
}
