//! Metrics: what is published, what is not, and to whom.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::{Duration, Instant},
};

use countersign_server::metrics::{Kind, METRICS};
use reqwest::{Method, StatusCode};
use serde_json::json;
use tempfile::tempdir;

use crate::process::{Answer, PASSWORD, Server, answer, countersign};

/// As long as a first look may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

async fn metrics(server: &Server) -> String {
    let found = answer(server.request(Method::GET, "/metrics")).await;
    assert_eq!(found.status, StatusCode::OK, "{}", found.text);
    assert_eq!(found.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    assert_eq!(found.headers["cache-control"], "no-store");
    found.text
}

/// The value of a series.
fn value(text: &str, series: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
    Some(line.parse().expect("a number"))
}

/// What one series is called and labelled with.
fn labels(line: &str) -> (&str, BTreeSet<&str>) {
    let (series, _) = line.rsplit_once(' ').expect("a value");
    let Some((name, rest)) = series.split_once('{') else { return (series, BTreeSet::new()) };
    let pairs = rest.strip_suffix('}').expect("a bracket").split("\",");
    (name, pairs.map(|pair| pair.split('=').next().expect("a name")).collect())
}

fn nothing(found: &Answer) {
    assert_eq!(found.problem(), (404, "not_found".to_owned()));
}

const EMAIL: &str = "somebody.special@example.com";

#[tokio::test]
async fn metrics_count_what_happens_and_name_nobody() {
    let folder = tempdir().expect("folder");
    let server = Server::dev(folder.path(), &[]);
    let before = metrics(&server).await;
    assert_eq!(value(&before, "countersign_attempts_refused_total"), Some(0.0));

    let id = server.register(EMAIL).await;
    let login = server.post("/login", json!({ "email": EMAIL, "password": PASSWORD })).await;
    let tokens = login.json();
    let token = tokens["access_token"].as_str().expect("a token");
    for _ in 0..3 {
        assert_eq!(server.get("/me", token).await.status, 200);
    }
    let sessions = server.get("/sessions", token).await.json();
    let session = sessions["items"][0]["id"].as_str().expect("an id").to_owned();
    let refresh =
        server.post("/refresh", json!({ "refresh_token": tokens["refresh_token"] })).await;
    assert_eq!(refresh.status, 200, "{}", refresh.text);
    let post = answer(
        server
            .request(Method::POST, "/posts")
            .bearer_auth(token)
            .json(&json!({ "title": "t", "content": "c" })),
    )
    .await;
    let post = post.json()["id"].as_str().expect("an id").to_owned();
    assert_eq!(server.get(&format!("/posts/{post}"), token).await.status, 200);
    assert_eq!(server.get("/me", "no token").await.status, 401);
    nothing(&server.get("/nowhere/secret-path", token).await);
    // A page, and one of the files it is made of.
    let page = answer(server.request(Method::GET, "/login").header("accept", "text/html")).await;
    assert_eq!(page.status, 200);
    let file = answer(server.request(Method::GET, "/static/any/style.css")).await;
    assert_eq!(file.status, 200);
    // What a form is sent to, asked without one.
    answer(server.request(Method::GET, "/account/login")).await;

    // What is heard of other instances is said from the first look on.
    let begun = Instant::now();
    let mut asked = 0.0;
    let text = loop {
        let text = metrics(&server).await;
        asked += 1.0;
        if value(&text, "countersign_revocations_stale").is_some() {
            break text;
        }
        assert!(begun.elapsed() < PATIENCE, "{text}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    for (series, count) in [
        (r#"countersign_requests_total{route="/register",status="2xx"}"#, 1.0),
        (r#"countersign_requests_total{route="/login",status="2xx"}"#, 2.0),
        (r#"countersign_requests_total{route="/refresh",status="2xx"}"#, 1.0),
        (r#"countersign_requests_total{route="/me",status="2xx"}"#, 3.0),
        (r#"countersign_requests_total{route="/me",status="4xx"}"#, 1.0),
        (r#"countersign_requests_total{route="/posts/{id}",status="2xx"}"#, 1.0),
        (r#"countersign_requests_total{route="/metrics",status="2xx"}"#, asked),
        (r#"countersign_requests_total{route="/static/{version}/{name}",status="2xx"}"#, 1.0),
        (r#"countersign_requests_total{route="/account/login",status="3xx"}"#, 1.0),
        (r#"countersign_requests_total{route="none",status="4xx"}"#, 1.0),
        (r#"countersign_request_seconds_count{kind="login"}"#, 1.0),
        (r#"countersign_request_seconds_count{kind="refresh"}"#, 1.0),
        (r#"countersign_request_seconds_count{kind="verify"}"#, 7.0),
        (r#"countersign_request_seconds_bucket{kind="login",le="+Inf"}"#, 1.0),
        ("countersign_revocations_stale", 0.0),
    ] {
        assert_eq!(value(&text, series), Some(count), "{series} in {text}");
    }
    assert!(value(&text, r#"countersign_request_seconds_sum{kind="login"}"#) > Some(0.0));
    assert!(
        value(&text, "countersign_uptime_seconds") > value(&before, "countersign_uptime_seconds")
    );
    let address = server.url.trim_start_matches("http://");
    for secret in
        [EMAIL, "somebody", &id, &session, &post, "secret-path", token, "127.0.0.1", address]
    {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }

    // Whatever is published is in the table, with its type, its labels and its text.
    let mut kinds = BTreeMap::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a type");
            assert!(kinds.insert(name, kind).is_none(), "{name} stands twice");
            let metric = METRICS.iter().find(|metric| metric.name == name).expect(name);
            assert_eq!(metric.kind.to_string(), kind, "{name}");
            assert!(text.contains(&format!("# HELP {name} {}\n", metric.text)), "{name}");
        } else if !line.starts_with('#') {
            let (series, mut found) = labels(line);
            let of = |name: &str| METRICS.iter().find(|metric| metric.name == name);
            let family =
                ["_bucket", "_sum", "_count"].iter().find_map(|end| of(series.strip_suffix(end)?));
            let metric = of(series).or(family).expect(series);
            if metric.kind == Kind::Histogram {
                found.remove("le");
            }
            assert_eq!(found, metric.labels.iter().copied().collect(), "{line}");
        }
    }
    // What needs no more than a start is there from the start.
    for metric in METRICS {
        let later = ["mail", "webhooks", "job"].iter().any(|of| metric.name.contains(of));
        assert!(later || kinds.contains_key(metric.name), "{} is missing: {text}", metric.name);
    }
}

#[tokio::test]
async fn metrics_are_for_programs_of_this_machine_alone() {
    let folder = tempdir().expect("folder");
    let server = Server::start(serve(folder.path(), &[]));
    metrics(&server).await;
    for (name, value) in [
        ("X-Forwarded-For", "127.0.0.1"),
        ("X-Forwarded-For", ""),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "localhost"),
        ("Forwarded", "for=127.0.0.1"),
        ("X-Real-IP", "127.0.0.1"),
        ("Via", "1.1 gateway"),
        ("Host", "auth.example.com"),
    ] {
        for method in [Method::GET, Method::POST] {
            nothing(&answer(server.request(method, "/metrics").header(name, value)).await);
        }
    }
    let other = answer(server.request(Method::POST, "/metrics")).await;
    assert_eq!(other.problem(), (405, "method_not_allowed".to_owned()));
    assert_eq!(other.headers["allow"], "GET,HEAD");
    drop(server);

    // A proxy that is trusted is no client of this machine, whatever it adds or leaves out.
    let server = Server::start(serve(folder.path(), &["--http-trusted-proxies", "127.0.0.0/8"]));
    nothing(&answer(server.request(Method::GET, "/metrics")).await);
    drop(server);

    // Nor is whoever comes by another address of this machine.
    let public = ["--http-public-url", "https://auth.example.com", "--listen", "0.0.0.0:0"];
    let server = Server::start(serve(folder.path(), &public));
    let port = server.url.rsplit(':').next().expect("a port");
    let Some(address) = own_address() else {
        eprintln!("skipped: this machine has no address but loopback");
        return;
    };
    let client = reqwest::Client::new();
    let outside = |path: &str| {
        client.get(format!("http://{address}:{port}{path}")).header("host", "localhost")
    };
    assert_eq!(answer(outside("/healthz")).await.status, 200);
    nothing(&answer(outside("/metrics")).await);
}

fn serve(folder: &Path, more: &[&str]) -> std::process::Command {
    let mut command = countersign();
    command.arg("serve").arg("--data-dir").arg(folder);
    if !more.contains(&"--listen") {
        command.args(["--listen", "127.0.0.1:0"]);
    }
    command.args(more);
    command
}

/// An address of this machine that is not loopback. Nothing is sent.
fn own_address() -> Option<std::net::IpAddr> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

#[tokio::test]
async fn a_second_address_has_metrics_and_nothing_else() {
    let folder = tempdir().expect("folder");
    let server = Server::start(serve(folder.path(), &["--http-metrics-listen", "127.0.0.1:0"]));
    nothing(&answer(server.request(Method::GET, "/metrics")).await);
    let log = server.log();
    let (_, rest) = log.split_once("metrics at ").expect("the address");
    let url = rest.lines().next().expect("a line").trim().to_owned();
    let client = reqwest::Client::new();
    server.register(EMAIL).await;
    // Whoever comes, also by a proxy.
    let asked = client.get(&url).header("x-forwarded-for", "198.51.100.7").header("host", "other");
    let found = answer(asked).await;
    assert_eq!(found.status, 200, "{}", found.text);
    let series = r#"countersign_requests_total{route="/register",status="2xx"}"#;
    assert_eq!(value(&found.text, series), Some(1.0), "{}", found.text);
    let base = url.strip_suffix("/metrics").expect("a path");
    for path in ["/", "/healthz", "/login", "/me", "/metrics/", "/openapi.json"] {
        nothing(&answer(client.get(format!("{base}{path}"))).await);
    }
    assert_eq!(answer(client.post(&url)).await.status, 405);

    assert!(server.stop().success());
    assert!(client.get(&url).send().await.is_err(), "it goes on after its server");
}

#[test]
fn two_listeners_of_one_address_are_refused() {
    for (listen, metrics) in [
        ("127.0.0.1:9101", "127.0.0.1:9101"),
        ("127.0.0.1:9101", "0.0.0.0:9101"),
        ("127.0.0.1:9101", "[::ffff:127.0.0.1]:9101"),
    ] {
        let mut check = countersign();
        check.args(["config", "check", "--listen", listen, "--http-metrics-listen", metrics]);
        let output = check.output().expect("it runs");
        let said = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("http.metrics_listen: it must differ from http.listen"), "{said}");
    }
    let mut check = countersign();
    check.args([
        "config",
        "check",
        "--listen",
        "127.0.0.1:9101",
        "--http-metrics-listen",
        "127.0.0.1:9102",
    ]);
    assert!(check.output().expect("it runs").status.success());
    // What is for this machine alone stays there.
    let mut dev = countersign();
    dev.args([
        "dev",
        "--ephemeral",
        "--listen",
        "127.0.0.1:0",
        "--http-metrics-listen",
        "0.0.0.0:0",
    ]);
    let output = dev.output().expect("it runs");
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
}
