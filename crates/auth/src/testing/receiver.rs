//! A receiver of webhooks for tests: real HTTP/1.1 on loopback, with or without TLS, well or badly behaved.

#![expect(
    clippy::expect_used,
    reason = "a test whose receiver does not work fails where it stands"
)]

use std::{
    collections::VecDeque,
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    net::TcpListener,
    task::{AbortHandle, JoinSet},
};

use super::post_office::acceptor;

/// As long as an event may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// What it does with a request that it has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// It answers with this status.
    Status(u16),
    /// It answers with this status and one more header.
    With(u16, &'static str, &'static str),
    /// It says nothing, and keeps the connection.
    Nothing,
    /// It hangs up in the middle of the head of its answer.
    HangsUp,
    /// It says that it has it, begins a body and hangs up.
    HangsUpAfterTheHead,
    /// It says that it has it, and then talks without end.
    TalksOn,
}

/// A request that it has read.
#[derive(Debug, Clone)]
pub struct Request {
    /// The first line.
    pub line: String,
    /// The headers, their names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, byte for byte.
    pub body: String,
}

impl Request {
    /// A header; empty where it is missing.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        let header = self.headers.iter().find(|(known, _)| known == name);
        header.map_or("", |(_, value)| value)
    }

    /// What it says.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    /// The id of what was sent: that of the event.
    #[must_use]
    pub fn id(&self) -> &str {
        self.header("webhook-id")
    }
}

#[derive(Debug)]
struct State {
    /// What it does with the next requests, one each,
    next: VecDeque<Reply>,
    /// and with all others.
    usual: Reply,
    requests: Vec<Request>,
    calls: usize,
}

/// The server; it is closed when it goes out of scope.
pub struct Receiver {
    address: SocketAddr,
    certificate: String,
    state: Arc<Mutex<State>>,
    accepting: AbortHandle,
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Receiver {
    /// One that takes everything (204), on a free port, without TLS.
    pub async fn open() -> Self {
        Self::at("127.0.0.1:0".parse().expect("an address"), false).await
    }

    /// The same behind TLS.
    pub async fn protected() -> Self {
        Self::at("127.0.0.1:0".parse().expect("an address"), true).await
    }

    /// The same at this address.
    pub async fn at(address: SocketAddr, tls: bool) -> Self {
        let (certificate, acceptor) = acceptor();
        let listener = TcpListener::bind(address).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(Mutex::new(State {
            next: VecDeque::new(),
            usual: Reply::Status(204),
            requests: Vec::new(),
            calls: 0,
        }));
        let shared = Arc::clone(&state);
        let accepting = tokio::spawn(async move {
            let mut calls = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                lock(&shared).calls += 1;
                let (state, acceptor) = (Arc::clone(&shared), acceptor.clone());
                calls.spawn(async move {
                    if !tls {
                        return serve(stream, &state).await;
                    }
                    serve(acceptor.accept(stream).await?, &state).await
                });
            }
        });
        Self { address, certificate, state, accepting: accepting.abort_handle() }
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificate (PEM) of a protected one, made out to `localhost`.
    #[must_use]
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Lets it do this with each further request.
    pub fn behave(&self, usual: Reply) {
        lock(&self.state).usual = usual;
    }

    /// Lets it do these with the next requests, in their order.
    pub fn next(&self, replies: &[Reply]) {
        lock(&self.state).next.extend(replies);
    }

    /// The requests that it has read so far.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.state).requests.clone()
    }

    /// Connections that were made so far.
    #[must_use]
    pub fn calls(&self) -> usize {
        lock(&self.state).calls
    }

    /// Waits until it has read so many requests.
    pub async fn until(&self, requests: usize) -> Vec<Request> {
        let begun = Instant::now();
        loop {
            let read = self.requests();
            if read.len() >= requests {
                return read;
            }
            assert!(begun.elapsed() < PATIENCE, "{} of {requests} requests came", read.len());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().expect("nobody panicked")
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    state: &Mutex<State>,
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read(&mut stream).await? {
        let reply = {
            let mut state = lock(state);
            state.requests.push(request);
            state.next.pop_front().unwrap_or(state.usual)
        };
        let answer = match reply {
            Reply::Status(204) => "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
            Reply::Status(status) => {
                format!("HTTP/1.1 {status} So\r\ncontent-length: 5\r\n\r\nlook\n")
            }
            Reply::With(status, name, value) => {
                format!("HTTP/1.1 {status} So\r\n{name}: {value}\r\ncontent-length: 0\r\n\r\n")
            }
            Reply::Nothing => std::future::pending().await,
            Reply::HangsUp => "HTTP/1.1 200 OK\r\ncontent-le".to_owned(),
            Reply::HangsUpAfterTheHead => {
                "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nlook".to_owned()
            }
            Reply::TalksOn => "HTTP/1.1 200 OK\r\n\r\n".to_owned(),
        };
        stream.get_mut().write_all(answer.as_bytes()).await?;
        stream.get_mut().flush().await?;
        match reply {
            Reply::HangsUp | Reply::HangsUpAfterTheHead => return Ok(()),
            Reply::TalksOn => loop {
                stream.get_mut().write_all(&[b'a'; 1024]).await?;
                stream.get_mut().flush().await?;
            },
            _ => {}
        }
    }
    Ok(())
}

/// The next request of a connection; `None` at its end.
async fn read<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> std::io::Result<Option<Request>> {
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        stream.read_line(&mut header).await?;
        let Some((name, value)) = header.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.and_then(|(_, value)| value.parse().ok()).unwrap_or_default();
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    let body = String::from_utf8(body).expect("text");
    Ok(Some(Request { line: line.trim_end().to_owned(), headers, body }))
}
