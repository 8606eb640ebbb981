//! One request over a real connection, and its answer.

use std::{net::SocketAddr, time::Duration};

use anyhow::Context as _;
use axum::{
    body::Bytes,
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, Request as HttpRequest,
        header::{CONTENT_TYPE, HOST},
    },
};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{net::TcpStream, time::timeout};

/// As long as an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// More than any answer of the tour has.
const LONGEST: usize = 256 * 1024;

/// A request as it is sent.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Value>,
}

impl Request {
    pub(super) fn get(path: &'static str) -> Self {
        Self { method: Method::GET, path, headers: HeaderMap::new(), body: None }
    }

    pub(super) fn post(path: &'static str, body: impl Into<Option<Value>>) -> Self {
        let mut headers = HeaderMap::new();
        let body = body.into();
        if body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        Self { method: Method::POST, path, headers, body }
    }

    pub(super) fn with(mut self, name: HeaderName, value: &str) -> Self {
        // What no header can hold is not sent, and the step that needs it fails.
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }
}

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    /// Null where there is none, and where it is not JSON.
    pub(super) body: Value,
}

impl Answer {
    /// What stands at a place of the body (RFC 6901), such as `/items/0/id`; null where there is nothing.
    pub(super) fn at(&self, place: &str) -> &Value {
        self.body.pointer(place).unwrap_or(&Value::Null)
    }
}

/// What was asked and what was answered; nothing where nobody did.
#[derive(Debug, Clone)]
pub(super) struct Exchange {
    pub(super) request: Request,
    pub(super) answer: Option<Answer>,
}

/// Sends a request over a connection of its own.
pub(super) async fn ask(address: SocketAddr, request: &Request) -> anyhow::Result<Answer> {
    timeout(PATIENCE, send(address, request)).await.context("it took too long")?
}

async fn send(address: SocketAddr, request: &Request) -> anyhow::Result<Answer> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let body = request.body.as_ref().map(Value::to_string).unwrap_or_default();
    let mut sent = HttpRequest::builder()
        .method(&request.method)
        .uri(request.path)
        .header(HOST, address.to_string())
        .body(Full::new(Bytes::from(body)))?;
    sent.headers_mut().extend(request.headers.clone());
    let (head, body) = sender.send_request(sent).await?.into_parts();
    let body = Limited::new(body, LONGEST).collect().await;
    let body = body.map_err(|error| anyhow::anyhow!(error))?.to_bytes();
    connection.abort();
    Ok(Answer {
        status: head.status.as_u16(),
        headers: head.headers,
        body: serde_json::from_slice(&body).unwrap_or_default(),
    })
}
