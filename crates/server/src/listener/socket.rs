//! The socket of one connection, and what is known of the connection's state from watching it.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use axum::body::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

use super::{refusal, wire::Stream};

/// Where a connection stands between two requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing was received yet.
    Fresh,
    /// Some of a head was received, not all.
    Head,
    /// A request is being answered.
    Busy,
    /// A request was answered; hyper may still hold the beginning of the next one.
    Between,
    /// As `Between`, and nothing is held.
    Idle,
}

/// What the socket, the service and the bodies of one connection tell its watchdog.
#[derive(Debug, Clone, Copy)]
pub(super) struct State {
    pub(super) phase: Phase,
    /// When `phase` began.
    pub(super) since: Instant,
    /// Since when the client has taken nothing of what waits to be written.
    pub(super) blocked: Option<Instant>,
    /// An answer of the application's may still be in hyper's write buffer.
    pub(super) unflushed: bool,
    /// The body of the latest request was neither read to its end nor dropped.
    pub(super) body_open: bool,
    /// The client has closed its side.
    pub(super) ended: bool,
    /// A head was refused, and the refusal written.
    pub(super) refused: bool,
    /// The listener stops: this is the connection's last request.
    pub(super) stopping: bool,
}

/// The [`State`] of one connection, shared by its parts. They all run in one task, so the lock is free.
#[derive(Debug, Clone)]
pub(super) struct Pulse(Arc<Mutex<State>>);

impl Pulse {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(State {
            phase: Phase::Fresh,
            since: Instant::now(),
            blocked: None,
            unflushed: false,
            body_open: false,
            ended: false,
            refused: false,
            stopping: false,
        })))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that the connection enters `phase` now.
    pub(super) fn enter(&self, phase: Phase) {
        let mut state = self.lock();
        state.phase = phase;
        state.since = Instant::now();
    }

    fn received(&self, bytes: usize) {
        let mut state = self.lock();
        if bytes == 0 {
            state.ended = true;
        } else if matches!(state.phase, Phase::Fresh | Phase::Between | Phase::Idle) {
            state.phase = Phase::Head;
            state.since = Instant::now();
        }
    }

    /// Notes whether the client took something of what was to be written.
    pub(super) fn wrote(&self, progress: bool) {
        let mut state = self.lock();
        state.blocked = match (progress, state.blocked) {
            (true, _) => None,
            (false, None) => Some(Instant::now()),
            (false, since) => since,
        };
    }
}

/// A stream that tells a [`Pulse`] what is read, and gives hyper's own refusals a body.
#[derive(Debug)]
pub(super) struct Socket {
    stream: Stream,
    pulse: Pulse,
    /// What is written in place of a refusal of hyper's.
    instead: Bytes,
}

impl Socket {
    pub(super) fn new(stream: Stream, pulse: Pulse) -> Self {
        Self { stream, pulse, instead: Bytes::new() }
    }

    /// The stream, for the end of the connection.
    pub(super) fn into_stream(self) -> Stream {
        self.stream
    }

    /// Writes what replaces a refusal of hyper's.
    fn poll_instead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.instead.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.instead))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            let _ = self.instead.split_to(written);
        }
        Poll::Ready(Ok(()))
    }

    /// Takes `written` if it is an answer that hyper gave on its own, for a head it could not parse.
    fn replace(&mut self, written: &[u8]) -> bool {
        let mut state = self.pulse.lock();
        if state.unflushed {
            return false;
        }
        let Some(answer) = refusal::instead_of(written) else { return false };
        state.refused = true;
        self.instead = answer;
        true
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let room = buffer.remaining() > 0;
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        if room {
            self.pulse.received(buffer.filled().len() - before);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let [only] = slices
            && self.replace(only)
        {
            return Poll::Ready(Ok(only.len()));
        }
        ready!(self.poll_instead(cx))?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// hyper calls this when nothing is left in its own buffer.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_instead(cx))?;
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.pulse.lock().unflushed = false;
        Poll::Ready(Ok(()))
    }

    /// hyper calls this when it is done; the connection is then closed by our own rules.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

/// A body that tells its [`Pulse`] when it is let go: hyper drops an answer's body once all of it is in
/// the write buffer, the application a request's once it is done with it.
#[derive(Debug)]
pub(super) struct Watched<B> {
    body: B,
    pulse: Pulse,
    at_end: fn(&Pulse),
}

impl<B> Watched<B> {
    pub(super) fn new(body: B, pulse: Pulse, at_end: fn(&Pulse)) -> Self {
        Self { body, pulse, at_end }
    }
}

impl<B: Body + Unpin> Body for Watched<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> Drop for Watched<B> {
    fn drop(&mut self) {
        (self.at_end)(&self.pulse);
    }
}
