//! A look at an installation, and the question to a server what it sees.

use std::net::SocketAddr;

use axum::{
    body::Body,
    extract::ConnectInfo,
    http::{Request, header::HOST},
};
use countersign_auth::{
    Auth, Clock, Config,
    checkup::{PROBE_HEADER, PROBE_PATH},
    on_every_engine,
    testing::{Place, TestAuth, checkup::*},
};
use serde_json::json;
use tower::ServiceExt;

use crate::http::ask;

on_every_engine!(
    a_look_finds_what_there_is,
    a_look_finds_what_is_wrong,
    events_that_are_owed_are_told,
    tables_that_differ_are_told,
    a_database_that_is_only_read_stays_as_it_is,
    the_clock_of_the_database_is_compared,
    a_question_is_good_for_a_minute_and_one_installation,
);

#[tokio::test]
async fn a_look_makes_no_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = Config::default();
    config.database.url = Some(format!("sqlite://{}/none.db", folder.path().display()));
    assert!(Auth::builder(config).checkup().await.is_err());
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0);
}

/// A request from this peer, with this question and these lines.
fn request(peer: &str, question: &str, lines: &[(&str, &str)]) -> Request<Body> {
    let mut request = Request::get(PROBE_PATH).header(HOST, "inner:8000");
    if !question.is_empty() {
        request = request.header(PROBE_HEADER, question);
    }
    for (name, value) in lines {
        request = request.header(*name, *value);
    }
    let peer: SocketAddr = peer.parse().expect("an address");
    request.extension(ConnectInfo(peer)).body(Body::empty()).expect("a request")
}

#[tokio::test]
async fn a_server_tells_nobody_but_its_own_what_it_sees() {
    let place = Place::memory().await;
    let mut config = Config::default();
    config.http.trusted_proxies = vec!["10.0.0.0/8".parse().expect("a network")];
    config.http.public_url = Some("https://auth.example.com".parse().expect("a URL"));
    let test = TestAuth::with(&place, config).await.expect("an installation");
    let other = TestAuth::new(&Place::memory().await).await.expect("another installation");
    let app = test.auth.router();

    let clock = Clock::new(test.clock.clone());
    let asked = async |auth: &Auth| {
        let look = Auth::builder(Config::default()).db(auth.db().clone()).checkup().await;
        let probe = look.expect("a look").probe().await.expect("read").expect("a secret");
        probe.ask(&clock).expect("a question")
    };
    let foreign = asked(&other.auth).await;
    for question in ["", "nonsense", foreign.header()] {
        let answer = ask(&app, request("10.0.0.5:1", question, &[])).await;
        assert_eq!((answer.status, &answer.body["code"]), (404, &json!("not_found")));
        assert_eq!(answer.header(PROBE_HEADER), None);
    }

    let question = asked(&test.auth).await;
    let lines = [
        ("x-forwarded-for", "192.0.2.66"),
        ("x-forwarded-for", "198.51.100.7, 10.0.0.8"),
        ("x-forwarded-proto", "https"),
    ];
    let response = app.oneshot(request("10.0.0.5:1", question.header(), &lines)).await;
    let response = response.expect("an answer");
    assert_eq!(response.headers()["cache-control"], "no-store");
    let mac = response.headers()[PROBE_HEADER].to_str().expect("text").to_owned();
    let body = axum::body::to_bytes(response.into_body(), 4096).await.expect("a body");
    assert_eq!(foreign.read(&body, &mac), None);
    let seen = question.read(&body, &mac).expect("it is theirs");
    assert_eq!(
        serde_json::to_value(seen).expect("JSON"),
        json!({
            "peer": "10.0.0.5",
            "peer_is_trusted": true,
            "client": "198.51.100.7",
            "forwarded_for": ["192.0.2.66", "198.51.100.7", "10.0.0.8"],
            "forwarded_proto": "https",
            "host": "inner:8000",
            "public_url": "https://auth.example.com",
        })
    );
}
