//! The listener and the rules around the application, as raw sockets meet them.

mod rules;
mod secure;
mod smuggling;

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Bytes,
    extract::ConnectInfo,
    http::{StatusCode, header},
    response::{Html, IntoResponse},
    routing::{get, post},
};
use countersign_server::{
    limits::{Hosts, Rules, wrap},
    listener::{Limits, serve},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
    time::{sleep, timeout},
};

/// Longer than anything here may take; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(200);

/// Bounds that a test can wait for.
fn quick() -> Limits {
    Limits { head: SHORT, idle: SHORT * 8, write: SHORT * 2, ..Limits::default() }
}

/// A listener of its own for one test.
struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    done: JoinHandle<std::io::Result<()>>,
}

impl Server {
    async fn start(limits: Limits, rules: Rules) -> Self {
        Self::with(app(), limits, rules).await
    }

    async fn with(app: Router, limits: Limits, rules: Rules) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let done = tokio::spawn(serve(listener, wrap(app, rules), limits, async {
            let _ = stopped.await;
        }));
        Self { address, stop, done }
    }

    async fn usual() -> Self {
        Self::start(Limits::default(), Rules::default()).await
    }

    async fn connect(&self) -> Client {
        Client(TcpStream::connect(self.address).await.unwrap())
    }

    /// All that the server says to `bytes` until it closes the connection.
    async fn says_to(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut client = self.connect().await;
        client.send(bytes).await;
        client.rest().await
    }
}

/// A client, plain or in TLS.
struct Client<S = TcpStream>(S);

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        timeout(PATIENCE, self.0.write_all(bytes.as_ref())).await.unwrap().unwrap();
        timeout(PATIENCE, self.0.flush()).await.unwrap().unwrap();
    }

    /// What the server sends until it closes the connection; a reset is a failure.
    async fn rest(&mut self) -> String {
        let mut answer = Vec::new();
        timeout(PATIENCE, self.0.read_to_end(&mut answer))
            .await
            .expect("the connection stays open")
            .expect("the connection was reset");
        String::from_utf8(answer).unwrap()
    }

    /// One answer with a `Content-Length`; the connection may stay open.
    async fn answer(&mut self) -> String {
        let mut answer = Vec::new();
        while !complete(&answer) {
            let mut part = [0; 4096];
            let read = timeout(PATIENCE, self.0.read(&mut part)).await.expect("no answer").unwrap();
            assert!(read > 0, "closed after {:?}", String::from_utf8_lossy(&answer));
            answer.extend_from_slice(&part[..read]);
        }
        String::from_utf8(answer).unwrap()
    }
}

fn complete(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= length.map_or(0, |length| length.parse().unwrap())
}

fn app() -> Router {
    Router::new()
        .route("/", get(async || "here"))
        .route("/length", post(async |body: Bytes| body.len().to_string()))
        .route("/unread", post(async || "did not look"))
        .route("/slow", get(async || sleep(SHORT * 2).await))
        .route("/large", get(async || vec![b'x'; 32 * 1024 * 1024]))
        .route("/panic", get(panics))
        .route("/peer", get(async |peer: ConnectInfo<SocketAddr>| peer.0.ip().to_string()))
        .route("/page", get(async || (StatusCode::NOT_FOUND, Html("<p>no such page"))))
        .route("/teapot", get(async || StatusCode::IM_A_TEAPOT))
        .route("/framed", get(async || [(header::X_FRAME_OPTIONS, "SAMEORIGIN")]))
}

async fn panics() -> impl IntoResponse {
    if Instant::now().elapsed() < PATIENCE {
        panic!("the secret is hunter2");
    }
}

/// Checks that `answer` is one problem with this status and code.
#[track_caller]
fn assert_problem(answer: &str, status: u16, code: &str) {
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer:?}");
    assert!(answer.contains("content-type: application/problem+json\r\n"), "{answer:?}");
    assert!(answer.contains("x-content-type-options: nosniff\r\n"), "{answer:?}");
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["code"], code, "{body}");
    assert_eq!(body["status"], status, "{body}");
    assert_eq!(body["type"], format!("/docs/errors/{code}"), "{body}");
    assert!(body["title"].is_string() && body["detail"].is_string(), "{body}");
}

#[track_caller]
fn assert_ok(answer: &str) {
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer:?}");
}

const GET: &str = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
const GET_AND_CLOSE: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

// Time.

#[tokio::test]
async fn a_half_sent_head_is_answered_408_and_cut() {
    let server = Server::start(quick(), Rules::default()).await;
    assert_problem(&server.says_to("GET / HTTP/1.1\r\nHost: lo").await, 408, "request_timeout");
}

#[tokio::test]
async fn a_head_that_trickles_in_is_cut_too() {
    let limits = Limits { idle: PATIENCE * 2, ..quick() };
    let server = Server::start(limits, Rules::default()).await;
    let (mut reader, mut writer) = server.connect().await.0.into_split();
    let trickle = tokio::spawn(async move {
        for byte in GET.bytes().cycle().filter(|byte| *byte != b'\n') {
            sleep(SHORT / 8).await;
            if writer.write_all(&[byte]).await.is_err() {
                break;
            }
        }
    });
    let mut answer = [0; 12];
    timeout(PATIENCE, reader.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");
    trickle.abort();
}

#[tokio::test]
async fn a_half_head_behind_a_request_is_cut() {
    let limits = Limits { idle: PATIENCE * 2, ..quick() };
    let server = Server::start(limits, Rules::default()).await;
    let answers = server.says_to(format!("{GET}GET / HTTP/1.1\r\nHost: lo")).await;
    assert_ok(&answers);
    let (_, second) = answers.split_once("here").unwrap();
    assert_problem(second, 408, "request_timeout");
}

#[tokio::test]
async fn a_half_head_behind_a_body_is_cut() {
    let limits = Limits { idle: PATIENCE * 2, ..quick() };
    let server = Server::start(limits, Rules::default()).await;
    let chunked = "POST /length HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n\
        2\r\nab\r\n0\r\n\r\nPOST /le";
    let answers = server.says_to(chunked).await;
    assert_ok(&answers);
    assert!(answers.contains("HTTP/1.1 408"), "{answers:?}");
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_cut() {
    let limits = Limits { idle: PATIENCE * 2, ..quick() };
    let server = Server::start(limits, Rules::default()).await;
    assert_eq!(server.connect().await.rest().await, "");
}

#[tokio::test]
async fn an_idle_connection_is_kept_past_the_head_bound_and_then_cut() {
    let server = Server::start(quick(), Rules::default()).await;
    let mut client = server.connect().await;
    for _ in 0..3 {
        client.send(GET).await;
        assert_ok(&client.answer().await);
        sleep(SHORT * 2).await;
    }
    let quiet = Instant::now();
    assert_eq!(client.rest().await, "");
    assert!(quiet.elapsed() > SHORT * 2);
}

#[tokio::test]
async fn a_head_in_pieces_after_a_pause_is_served() {
    let limits = Limits { head: SHORT * 5, idle: PATIENCE, ..Limits::default() };
    let server = Server::start(limits, Rules::default()).await;
    let mut client = server.connect().await;
    client.send(GET).await;
    assert_ok(&client.answer().await);
    sleep(SHORT * 6).await;
    for piece in [&GET[..9], &GET[9..30], &GET[30..]] {
        client.send(piece).await;
        sleep(SHORT / 4).await;
    }
    assert_ok(&client.answer().await);
}

#[tokio::test]
async fn a_slow_body_is_answered_408() {
    let rules = Rules { request: SHORT, ..Rules::default() };
    let server = Server::start(Limits::default(), rules).await;
    for path in ["/length", "/unread", "/nowhere"] {
        let answer = server
            .says_to(format!(
                "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nab"
            ))
            .await;
        assert_problem(&answer, 408, "request_timeout");
        assert!(answer.contains("connection: close\r\n"), "{answer:?}");
    }
}

#[tokio::test]
async fn a_slow_handler_is_answered_503() {
    let rules = Rules { request: SHORT, ..Rules::default() };
    let server = Server::start(Limits::default(), rules).await;
    let mut client = server.connect().await;
    client.send("GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let answer = client.answer().await;
    assert_problem(&answer, 503, "unavailable");
    assert!(answer.contains("retry-after: "), "{answer:?}");
}

#[tokio::test]
async fn a_client_that_does_not_read_its_answer_is_cut() {
    let server = Server::start(quick(), Rules::default()).await;
    let mut client = server.connect().await;
    client.send("GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    sleep(SHORT * 10).await;
    let mut answer = Vec::new();
    let _ = timeout(PATIENCE, client.0.read_to_end(&mut answer)).await.expect("still open");
    assert!(answer.len() < 32 * 1024 * 1024);
}

#[tokio::test]
async fn a_client_that_has_closed_its_side_is_answered() {
    let server = Server::usual().await;
    for (request, status) in [
        ("GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n", "HTTP/1.1 200 "),
        ("GET / HTTP/1.1\r\nHost: loc", "HTTP/1.1 400 "),
        (
            "POST /length HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nab",
            "HTTP/1.1 400 ",
        ),
    ] {
        let mut client = server.connect().await;
        client.send(request).await;
        client.0.shutdown().await.unwrap();
        let answer = client.rest().await;
        assert!(answer.starts_with(status), "{answer:?}");
    }
}

#[tokio::test]
async fn half_open_connections_do_not_stop_others() {
    let server = Server::usual().await;
    let mut half_open = Vec::new();
    for _ in 0..150 {
        let mut client = server.connect().await;
        client.send("POST /length HTTP/1.1\r\nHo").await;
        half_open.push(client);
    }
    assert_ok(&server.says_to(GET_AND_CLOSE).await);
}

#[tokio::test]
async fn connections_past_the_cap_wait_for_room() {
    let limits = Limits { connections: 2, ..quick() };
    let server = Server::start(limits, Rules::default()).await;
    let first = server.connect().await;
    let second = server.connect().await;
    let mut third = server.connect().await;
    third.send(GET_AND_CLOSE).await;
    assert!(timeout(SHORT / 2, third.0.readable()).await.is_err());
    drop((first, second));
    assert_ok(&third.rest().await);
}

// The end.

#[tokio::test]
async fn a_stop_finishes_what_is_in_flight_and_refuses_new_connections() {
    let server = Server::usual().await;
    let mut idle = server.connect().await;
    idle.send(GET).await;
    assert_ok(&idle.answer().await);
    let mut silent = server.connect().await;
    let mut busy = server.connect().await;
    busy.send("GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    sleep(SHORT / 2).await;

    server.stop.send(()).unwrap();
    assert_eq!(idle.rest().await, "");
    assert_eq!(silent.rest().await, "");
    assert!(TcpStream::connect(server.address).await.is_err());
    let answer = busy.rest().await;
    assert_ok(&answer);
    assert!(answer.contains("connection: close\r\n"), "{answer:?}");
    drop(busy);
    timeout(PATIENCE, server.done).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_request_on_its_way_when_the_stop_comes_is_answered() {
    let server = Server::usual().await;
    let mut client = server.connect().await;
    client.send(GET).await;
    assert_ok(&client.answer().await);
    let mut fresh = server.connect().await;
    server.stop.send(()).unwrap();
    for late in [&mut client, &mut fresh] {
        late.send(GET).await;
    }
    for late in [&mut client, &mut fresh] {
        let answer = late.rest().await;
        assert_ok(&answer);
        assert!(answer.contains("connection: close\r\n"), "{answer:?}");
    }
}

#[tokio::test]
async fn a_stop_does_not_wait_longer_than_it_may() {
    let app = Router::new().route("/", get(async || std::future::pending::<()>().await));
    let limits = Limits { stop: SHORT, ..Limits::default() };
    let server = Server::with(app, limits, Rules::default()).await;
    let mut client = server.connect().await;
    client.send(GET).await;
    sleep(SHORT / 2).await;
    server.stop.send(()).unwrap();
    timeout(PATIENCE / 2, server.done).await.unwrap().unwrap().unwrap();
}
