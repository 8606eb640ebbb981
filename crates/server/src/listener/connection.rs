//! One connection: hyper's, and the watchdog that bounds its waits.

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    extract::{ConnectInfo, Request},
    http::{HeaderValue, header},
    response::Response,
};
use hyper::{
    body::{Body as _, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::watch,
    time::{Instant, Sleep, sleep_until, timeout},
};
use tokio_rustls::rustls::ServerConfig;

use super::{
    Limits, handshake, refusal,
    socket::{Phase, Pulse, Socket, State, Watched},
    wire::{Stream, Wire},
};
use crate::app::Whole;

/// How long an idle connection stays open after the listener was told to stop, so that a request which
/// is already on its way is answered and not lost.
pub(super) const LAST_CALL: Duration = Duration::from_millis(200);
/// How long, and how much, a client that was refused may go on sending before the connection is closed.
/// Closing while it sends makes the kernel send a reset, which can destroy the answer before it is read
/// (RFC 9112 §9.6).
const LINGER: (Duration, u64) = (Duration::from_secs(2), 16 * 1024 * 1024);
/// The smallest read buffer that hyper takes.
const LEAST_BUFFER: usize = 8192;

/// Why a connection is taken from hyper.
#[derive(Debug)]
enum End {
    /// hyper is done with it.
    Done(hyper::Result<()>),
    /// The head did not arrive in time.
    Late,
    /// Some time has passed since the last answer: has the client begun to send another head?
    Check,
    /// Nobody waits for an answer, or nobody takes it.
    Cut,
}

/// Serves one connection to its end, in TLS if there is a certificate for it.
pub(super) async fn serve(
    stream: TcpStream,
    tls: Option<Arc<ServerConfig>>,
    peer: SocketAddr,
    app: impl Whole,
    limits: &Limits,
    mut stopped: watch::Receiver<bool>,
) {
    // Answers are written whole; waiting to fill a packet would only delay them.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let pulse = Pulse::new();
    let stream = match tls {
        None => Stream::Plain(Wire::new(stream, pulse.clone())),
        Some(config) => {
            let told = stopped.clone();
            // Boxed, so that a connection without TLS is no larger for it.
            let secure = handshake::secure(stream, config, pulse.clone(), peer, limits, told);
            let Some(stream) = Box::pin(secure).await else { return };
            pulse.enter(Phase::Fresh);
            stream
        }
    };
    let mut builder = http1::Builder::new();
    builder
        .half_close(true)
        .header_read_timeout(None)
        .max_header_size(limits.head_bytes)
        .max_buf_size(limits.head_bytes.max(LEAST_BUFFER));

    let mut stopped = pin!(async move {
        // An error says that the listener is gone, which comes to the same.
        let _ = stopped.wait_for(|stopped| *stopped).await;
    });
    let mut watchdog = Watchdog {
        pulse: pulse.clone(),
        limits,
        stopped: None,
        sleep: Box::pin(sleep_until(Instant::now())),
    };
    let mut io = TokioIo::new(Socket::new(stream, pulse.clone()));
    let mut service = service_fn({
        let pulse = pulse.clone();
        move |request| answer(app.clone(), request, peer, &pulse)
    });
    let (end, socket) = loop {
        let mut connection = builder.serve_connection(io, service);
        let end = poll_fn(|cx| {
            watchdog.poll_stopped(cx, stopped.as_mut());
            if let Poll::Ready(result) = Pin::new(&mut connection).poll(cx) {
                return Poll::Ready(End::Done(result));
            }
            watchdog.poll_late(cx)
        })
        .await;
        let parts = connection.into_parts();
        io = parts.io;
        service = parts.service;
        match end {
            // Where the rest of an unread body would begin to be read as a head.
            End::Check if pulse.lock().body_open => break (End::Cut, io.into_inner()),
            // hyper waits for the rest of a head whose beginning came together with the last request.
            End::Check if !parts.read_buf.is_empty() => break (End::Late, io.into_inner()),
            // Truly idle. A new connection on the same socket starts from the same place.
            End::Check => pulse.lock().phase = Phase::Idle,
            end => break (end, io.into_inner()),
        }
    };

    let mut stream = socket.into_stream();
    let state = *pulse.lock();
    let readable = state.blocked.is_none() && !state.unflushed;
    match end {
        End::Cut | End::Check => {
            // In TLS an end that is not announced could be anybody's doing.
            if stream.is_tls() && readable {
                let _ = timeout(LINGER.0, stream.shutdown()).await;
            }
            return;
        }
        End::Late if readable => send(&mut stream, refusal::head_timeout()).await,
        End::Late => {}
        End::Done(Ok(())) => {}
        End::Done(Err(error)) => {
            tracing::debug!(%peer, %error, "a connection ended early");
            if readable && state.phase == Phase::Head && !state.refused {
                send(&mut stream, refusal::bad_request()).await;
            }
        }
    }
    close(stream, state.ended).await;
}

/// Passes a request to the application and lets `pulse` know when it begins and ends.
fn answer<A: Whole>(
    mut app: A,
    request: hyper::Request<Incoming>,
    peer: SocketAddr,
    pulse: &Pulse,
) -> impl Future<Output = Result<Response<Watched<Body>>, Infallible>> + use<A> {
    {
        let mut state = pulse.lock();
        state.phase = Phase::Busy;
        state.body_open = !request.body().is_end_stream();
    }
    let pulse = pulse.clone();
    let mut request: Request = request.map(|body| {
        Body::new(Watched::new(body, pulse.clone(), |pulse| pulse.lock().body_open = false))
    });
    request.extensions_mut().insert(ConnectInfo(peer));
    let answer = app.call(request);
    async move {
        let Ok(mut response) = answer.await;
        let stopping = {
            let mut state = pulse.lock();
            state.unflushed = true;
            state.stopping
        };
        if stopping {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response.map(|body| Watched::new(body, pulse, |pulse| pulse.enter(Phase::Between))))
    }
}

/// Knows until when a connection may stay in its present state.
struct Watchdog<'a> {
    pulse: Pulse,
    limits: &'a Limits,
    /// When the listener was told to stop.
    stopped: Option<Instant>,
    /// Wakes the connection at its bound, or earlier to look again.
    sleep: Pin<Box<Sleep>>,
}

impl Watchdog<'_> {
    fn poll_stopped(&mut self, cx: &mut Context<'_>, stopped: Pin<&mut impl Future<Output = ()>>) {
        if self.stopped.is_none() && stopped.poll(cx).is_ready() {
            self.stopped = Some(Instant::now());
            self.pulse.lock().stopping = true;
        }
    }

    /// Is ready when the connection's time is up.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        let state = *self.pulse.lock();
        let Some((until, end)) = self.bound(&state) else { return Poll::Pending };
        loop {
            // A timer that fires too early costs less than one set anew at every request.
            if self.sleep.is_elapsed() || self.sleep.deadline() > until {
                self.sleep.as_mut().reset(until);
            }
            ready!(self.sleep.as_mut().poll(cx));
            if Instant::now() >= until {
                return Poll::Ready(end);
            }
        }
    }

    fn bound(&self, state: &State) -> Option<(Instant, End)> {
        if let Some(since) = state.blocked {
            return Some((since + self.limits.write, End::Cut));
        }
        let Limits { head, idle, .. } = *self.limits;
        let (time, end) = match state.phase {
            Phase::Busy => return None,
            Phase::Head => return Some((state.since + head, End::Late)),
            Phase::Fresh => (self.limits.silence(), End::Cut),
            Phase::Between => (idle.min(head), End::Check),
            Phase::Idle => (idle, End::Cut),
        };
        let until = state.since + time;
        match self.stopped.map(|stopped| stopped.max(state.since) + LAST_CALL) {
            Some(sooner) if sooner < until => Some((sooner, End::Cut)),
            _ => Some((until, end)),
        }
    }
}

/// Writes a short answer if the client takes it.
pub(super) async fn send(stream: &mut Stream, answer: Bytes) {
    // An error is the client's own: it is gone.
    let _ = timeout(LINGER.0, async {
        stream.write_all(&answer).await?;
        stream.flush().await
    })
    .await;
}

/// Closes a connection so that the client can read what was written last.
pub(super) async fn close(mut stream: Stream, ended: bool) {
    let shut = timeout(LINGER.0, stream.shutdown()).await;
    if !matches!(shut, Ok(Ok(()))) || ended {
        return;
    }
    let rest = async {
        let mut rest = stream.into_tcp().take(LINGER.1);
        let mut sink = vec![0; LEAST_BUFFER];
        while matches!(rest.read(&mut sink).await, Ok(1..)) {}
    };
    // Whoever still sends after that has had its answer.
    let _ = timeout(LINGER.0, rest).await;
}
