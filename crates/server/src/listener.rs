//! Accepts connections and serves HTTP/1.1 on them, plain or in TLS, within fixed bounds.
//!
//! Every wait of a connection has an end: for its first byte, for the TLS handshake, for the rest of a request's head,
//! between two requests, and for a client that does not read its answer. What a *request* may take (its body,
//! its handler) is bounded in [`limits`](crate::limits), inside the application.
//!
//! HTTP/2 is left to a proxy in front: DESIGN.md says why.

mod connection;
mod handshake;
mod refusal;
mod socket;
mod wire;

use std::{
    future::{Future, poll_fn},
    io,
    net::SocketAddr,
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::{JoinError, JoinSet},
    time::{Instant, sleep, timeout, timeout_at},
};

use crate::{app::Whole, tls::Tls};

/// What one listener grants its connections.
///
/// `Limits::default()` has the values that operators are promised.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Time from the first byte of a request's head to its last one, and for a TLS handshake: 5 s. A connection that
    /// sends nothing at all has twice as long.
    pub head: Duration,
    /// Time that a connection may stay open between two requests: 75 s.
    pub idle: Duration,
    /// Size of a request's head, request line included: 16 KiB. Larger ones are answered 431. A client may not send
    /// more for a TLS handshake either.
    pub head_bytes: usize,
    /// Connections served at once: 8192, or fewer if the process may open fewer files.
    pub connections: usize,
    /// Time without progress in which a client must take the next part of its answer: 30 s.
    pub write: Duration,
    /// Time for the requests in flight to finish once the listener is told to stop: 20 s.
    pub stop: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(5),
            idle: Duration::from_secs(75),
            head_bytes: 16 * 1024,
            connections: 8192,
            write: Duration::from_secs(30),
            stop: Duration::from_secs(20),
        }
    }
}

impl Limits {
    /// Time that a connection may stay open without a first byte.
    fn silence(&self) -> Duration {
        self.idle.min(self.head * 2)
    }
}

/// A socket to accept connections on, and what to speak TLS with.
#[derive(Debug)]
pub struct Endpoint {
    /// The socket.
    pub listener: TcpListener,
    /// Without it, connections are plain.
    pub tls: Option<Tls>,
}

impl From<TcpListener> for Endpoint {
    fn from(listener: TcpListener) -> Self {
        Self { listener, tls: None }
    }
}

/// Files that are not connections: the database, keys, logs, outgoing calls.
const OTHER_FILES: usize = 128;
/// As many open files as are ever asked for.
const MOST_FILES: u64 = 65_536;
/// The pause after the first failed accept, and the longest one.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));
/// How long a stopping listener looks for connections that the kernel accepted on its behalf.
const BACKLOG: Duration = Duration::from_millis(50);

/// Serves `app` on `endpoint` until `stop` resolves and the requests in flight have finished.
///
/// Handlers find the peer's address as [`ConnectInfo<SocketAddr>`](axum::extract::ConnectInfo). Raises
/// the process's soft limit on open files. Once `stop` resolves, new connections are refused, answers
/// carry `Connection: close`, and idle connections are closed; this returns when the last connection
/// has ended, or after [`Limits::stop`].
///
/// # Errors
///
/// When the address of `endpoint` cannot be read. A failed accept is not an error: the loop goes on.
pub async fn serve(
    endpoint: impl Into<Endpoint>,
    app: impl Whole,
    limits: Limits,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let Endpoint { listener, tls } = endpoint.into();
    let address = listener.local_addr()?;
    let slots = Arc::new(Semaphore::new(limits.connections.clamp(1, connections_possible())));
    let limits = Arc::new(limits);
    let (stopping, stopped) = watch::channel(false);
    let mut connections = JoinSet::new();
    let start = |(stream, peer, slot): (TcpStream, SocketAddr, OwnedSemaphorePermit)| {
        let (app, limits, stopped) = (app.clone(), Arc::clone(&limits), stopped.clone());
        let tls = tls.as_ref().map(Tls::config);
        async move {
            connection::serve(stream, tls, peer, app, &limits, stopped).await;
            drop(slot);
        }
    };

    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            Some(ended) = connections.join_next() => report(ended),
            accepted = accept(&listener, &slots) => {
                connections.spawn(start(accepted));
            }
        }
    }

    stopping.send_replace(true);
    // A client whose connection the kernel has completed has every reason to expect an answer.
    let backlog = Instant::now() + BACKLOG;
    while let Ok(accepted) = timeout_at(backlog, accept_ready(&listener, &slots)).await {
        connections.spawn(start(accepted));
    }
    drop(listener);
    tracing::info!(%address, connections = connections.len(), "stopping");
    let finished = async {
        while let Some(ended) = connections.join_next().await {
            report(ended);
        }
    };
    if timeout(limits.stop, finished).await.is_err() {
        tracing::warn!(connections = connections.len(), "requests in flight were cut off");
        connections.shutdown().await;
    }
    Ok(())
}

/// The next connection, once there is room for it.
///
/// With no room, connections wait in the kernel's queue. A failure that lasts (no file descriptor, no
/// memory) is retried after a pause, because the socket stays readable and would spin the loop.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    let mut pause = BACK_OFF.0;
    loop {
        let Ok(slot) = Arc::clone(slots).acquire_owned().await else {
            // The semaphore is never closed.
            return std::future::pending().await;
        };
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, slot),
            Err(error) if concerns_one_connection(&error) => {
                tracing::debug!(%error, "a connection ended before it was accepted");
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections");
                drop(slot);
                sleep(pause).await;
                pause = (pause * 2).min(BACK_OFF.1);
            }
        }
    }
}

/// The next connection for which there is room at once.
async fn accept_ready(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    poll_fn(|cx| {
        let Ok(slot) = Arc::clone(slots).try_acquire_owned() else { return Poll::Pending };
        match listener.poll_accept(cx) {
            Poll::Ready(Ok((stream, peer))) => Poll::Ready((stream, peer, slot)),
            Poll::Ready(Err(_)) | Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Whether an accept failed because of the connection at hand rather than of this process (accept(2)).
fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

/// Logs a connection that ended by a panic; the others are not concerned.
fn report(ended: Result<(), JoinError>) {
    if ended.is_err_and(|error| error.is_panic()) {
        tracing::error!("a connection was dropped: its task panicked");
    }
}

/// How many connections the limit on open files leaves room for, once it is raised as far as allowed.
fn connections_possible() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let soft = limit.current.unwrap_or(MOST_FILES);
    let wanted = limit.maximum.unwrap_or(MOST_FILES).min(MOST_FILES);
    let files = if soft < wanted {
        let raised = Rlimit { current: Some(wanted), maximum: limit.maximum };
        setrlimit(Resource::Nofile, raised).map_or(soft, |()| wanted)
    } else {
        soft
    };
    let files = usize::try_from(files).unwrap_or(usize::MAX);
    (files - OTHER_FILES.min(files / 2)).max(1)
}
