//! Traces, as a collector gets them.

use std::collections::BTreeMap;

use axum::{Router, body::Bytes, extract::State, routing::post};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest, common::v1::any_value::Value::StringValue,
    trace::v1::Span,
};
use prost::Message;
use reqwest::Method;
use serde_json::json;
use tempfile::tempdir;
use tokio::{net::TcpListener, sync::mpsc, task::spawn_blocking};

use crate::{
    process::{PASSWORD, Server, countersign},
    telemetry::id_of,
};

const EMAIL: &str = "somebody.special@example.com";

/// A collector, and what it gets.
async fn collector() -> (String, mpsc::UnboundedReceiver<Bytes>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let take = async |State(sender): State<mpsc::UnboundedSender<Bytes>>, body: Bytes| {
        sender.send(body).expect("a test that listens");
    };
    let app = Router::new().route("/v1/traces", post(take)).with_state(sender);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url, receiver)
}

/// The spans of a server that runs with these variables until `tour` is done, and all that was sent.
async fn traced(
    variables: &[(&str, &str)],
    more: &[&str],
    tour: impl AsyncFnOnce(&Server),
) -> (Vec<Span>, Vec<u8>) {
    let (url, mut receiver) = collector().await;
    let folder = tempdir().expect("folder");
    let mut command = countersign();
    command.args(["dev", "--listen", "127.0.0.1:0", "--data-dir"]).arg(folder.path()).args(more);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", url).envs(variables.iter().copied());
    let server = Server::start(command);
    tour(&server).await;
    // What waits is sent before a server ends.
    let stopped = spawn_blocking(move || server.stop()).await.expect("the end");
    assert!(stopped.success());
    let (mut spans, mut bytes) = (Vec::new(), Vec::new());
    while let Ok(body) = receiver.try_recv() {
        let request = ExportTraceServiceRequest::decode(body.as_ref()).expect("OTLP");
        bytes.extend_from_slice(&body);
        let scopes = request.resource_spans.into_iter().flat_map(|spans| spans.scope_spans);
        spans.extend(scopes.flat_map(|scope| scope.spans));
    }
    (spans, bytes)
}

fn attributes(span: &Span) -> BTreeMap<&str, &str> {
    let texts = span.attributes.iter().filter_map(|attribute| {
        match attribute.value.as_ref()?.value.as_ref()? {
            StringValue(text) => Some((attribute.key.as_str(), text.as_str())),
            _ => None,
        }
    });
    texts.collect()
}

fn has(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test]
async fn a_trace_shows_where_the_time_of_a_login_went_and_nothing_of_who_it_was() {
    let (mut id, mut token) = (String::new(), String::new());
    let (spans, bytes) = traced(&[], &[], async |server: &Server| {
        server.register(EMAIL).await;
        let login = server.post("/login", json!({ "email": EMAIL, "password": PASSWORD })).await;
        (id, token) = (id_of(&login), login.json()["access_token"].as_str().unwrap().to_owned());
        server.get("/posts/of-nobody", &token).await;
    })
    .await;

    let login = spans.iter().find(|span| span.name == "POST /login").expect("a span");
    let said = attributes(login);
    assert_eq!((said["http.route"], said["http.request.method"]), ("/login", "POST"));
    assert_eq!(said["request_id"], id);
    let below: Vec<&str> = spans
        .iter()
        .filter(|span| span.trace_id == login.trace_id && span.parent_span_id == login.span_id)
        .map(|span| span.name.as_str())
        .collect();
    assert!(below.contains(&"hashing") && below.contains(&"statement"), "{below:?}");
    assert!(spans.iter().any(|span| span.name == "GET /posts/{id}"));
    assert!(has(&bytes, "countersign"), "a name of the service");
    // Work that no request asks for is none of it.
    let roots = spans.iter().filter(|span| span.parent_span_id.is_empty());
    assert!(roots.clone().all(|span| span.name.contains(" /")), "{:?}", roots.collect::<Vec<_>>());
    for secret in [EMAIL, PASSWORD, &token, "of-nobody", "127.0.0.1"] {
        assert!(!has(&bytes, secret), "{secret}");
    }
}

#[tokio::test]
async fn a_trace_is_continued_for_a_proxy_that_is_believed_and_for_nobody_else() {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    let parent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let ask = async |server: &Server| {
        drop(server.request(Method::GET, "/healthz").header("traceparent", &parent).send().await);
    };
    let trace = |spans: &[Span]| {
        let span = spans.iter().find(|span| span.name == "GET /healthz").expect("a span");
        span.trace_id.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let (spans, _) = traced(&[], &[], ask).await;
    assert_ne!(trace(&spans), TRACE);
    let (spans, _) = traced(&[], &["--http-trusted-proxies", "127.0.0.1/32"], ask).await;
    assert_eq!(trace(&spans), TRACE);
}

#[tokio::test]
async fn nothing_is_sent_when_the_environment_says_no() {
    for off in [("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_EXPORTER", "none")] {
        let ask = async |server: &Server| drop(server.get("/healthz", "no token").await);
        let (_, bytes) = traced(&[off], &[], ask).await;
        assert!(bytes.is_empty(), "{off:?}");
    }
}

#[test]
fn a_collector_that_cannot_be_one_is_a_wrong_setting() {
    let folder = tempdir().expect("folder");
    for url in ["no-address", "ftp://127.0.0.1:4318", "http://user:a-password@127.0.0.1:4318"] {
        let mut command = countersign();
        command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(folder.path());
        let output = command.env("OTEL_EXPORTER_OTLP_ENDPOINT", url).output().expect("it runs");
        let said = String::from_utf8(output.stderr).expect("text");
        // By this code a service manager knows that another start is of no use.
        assert_eq!(output.status.code(), Some(2), "{url}: {said}");
        assert!(said.contains("OTEL_EXPORTER_OTLP_ENDPOINT has to be"), "{url}: {said}");
        assert!(!said.contains(url), "{said}");
    }
}
