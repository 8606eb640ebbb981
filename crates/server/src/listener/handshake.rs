//! The beginning of a connection in TLS, within its bounds.

use std::{net::SocketAddr, sync::Arc};

use tokio::{
    net::TcpStream,
    sync::watch,
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};

use super::{
    Limits,
    connection::{LAST_CALL, close, send},
    refusal,
    socket::Pulse,
    wire::{Stream, Wire},
};

/// The first byte of every TLS connection: a record of the kind "handshake" (RFC 8446 §5.1).
const HANDSHAKE: u8 = 22;
/// How much of an answer is held in memory for a client that does not take it.
const UNSENT: usize = 32 * 1024;

/// Agrees on TLS with a client; nothing if it does not in time, or not at all.
///
/// The time for the first byte, and for all of it from there on, is that for the head of a request, and so is the size of
/// what the client may send.
pub(super) async fn secure(
    tcp: TcpStream,
    config: Arc<ServerConfig>,
    pulse: Pulse,
    peer: SocketAddr,
    limits: &Limits,
    mut stopped: watch::Receiver<bool>,
) -> Option<Stream> {
    let stopping = async move {
        // An error says that the listener is gone, which comes to the same.
        let _ = stopped.wait_for(|stopped| *stopped).await;
        sleep(LAST_CALL).await;
    };
    tokio::select! {
        secured = begin(tcp, config, pulse, peer, limits) => secured,
        () = stopping => None,
    }
}

async fn begin(
    tcp: TcpStream,
    config: Arc<ServerConfig>,
    pulse: Pulse,
    peer: SocketAddr,
    limits: &Limits,
) -> Option<Stream> {
    let mut first = [0];
    let Ok(Ok(1)) = timeout(limits.silence(), tcp.peek(&mut first)).await else { return None };
    let mut wire = Wire::new(tcp, pulse);
    match first {
        [HANDSHAKE] => {}
        [byte] if byte.is_ascii_alphabetic() => {
            tracing::debug!(%peer, "a client spoke without TLS");
            let mut plain = Stream::Plain(wire);
            send(&mut plain, refusal::tls_required()).await;
            close(plain, false).await;
            return None;
        }
        _ => return None,
    }
    wire.allow(Some(limits.head_bytes));
    let accept = TlsAcceptor::from(config).accept(wire).into_fallible();
    match timeout(limits.head, accept).await {
        Ok(Ok(mut stream)) => {
            let (wire, session) = stream.get_mut();
            wire.allow(None);
            session.set_buffer_limit(Some(UNSENT));
            Some(Stream::Tls(Box::new(stream)))
        }
        Ok(Err((error, wire))) => {
            tracing::debug!(%peer, %error, "no TLS was agreed on");
            // What is wrong was told to the client by an alert.
            close(Stream::Plain(wire), false).await;
            None
        }
        Err(_late) => None,
    }
}
