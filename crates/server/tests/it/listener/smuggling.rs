//! Requests that two programs in a row could read differently (RFC 9112 §11.2).
//!
//! Each case hides a second request. The server must refuse the first, or read it as the standard says and
//! close the connection; the hidden request must never be carried out.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{
    Router,
    body::Bytes,
    routing::{get, post},
};

use super::{Limits, Rules, SHORT, Server, assert_problem};

const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: localhost\r\n\r\n";

async fn server() -> (Server, Arc<AtomicUsize>) {
    let hits = Arc::new(AtomicUsize::new(0));
    let hidden = {
        let hits = Arc::clone(&hits);
        get(async move || {
            hits.fetch_add(1, Ordering::Relaxed);
        })
    };
    let app = Router::new()
        .route("/", post(async |body: Bytes| body.len().to_string()))
        .route("/hidden", hidden);
    let limits = Limits { head: SHORT, idle: SHORT, ..Limits::default() };
    (Server::with(app, limits, Rules { request: SHORT, ..Rules::default() }).await, hits)
}

/// Sends a request to `/` with these header fields and this body.
async fn try_fields(fields: &str, body: &str) -> (String, usize) {
    let (server, hits) = server().await;
    let answer =
        server.says_to(format!("POST / HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n{body}")).await;
    (answer, hits.load(Ordering::Relaxed))
}

#[tokio::test]
async fn an_ambiguous_head_is_refused() {
    let chunked_then_hidden = format!("0\r\n\r\n{HIDDEN}");
    for fields in [
        // Lengths.
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5, 6\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: 5 5\r\n",
        "Content-Length: five\r\n",
        "Content-Length:\r\n",
        "Content-Length: 18446744073709551616\r\n",
        // Codings.
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: \"chunked\"\r\n",
        "Transfer-Encoding: chunked;q=1\r\n",
        "Transfer-Encoding: \x0bchunked\r\n",
        "Transfer-Encoding:\r\n",
        "Transfer-Encoding: identity\r\nContent-Length: 5\r\n",
        // Fields.
        "Transfer-Encoding : chunked\r\n",
        "Content-Length : 5\r\n",
        "X: y\r\n Transfer-Encoding: chunked\r\n",
        "X: y\r\n\tfolded\r\n",
        " Content-Length: 5\r\n",
        "X: y\rTransfer-Encoding: chunked\r\n",
        "X: y\0z\r\n",
        "Content\0Length: 5\r\n",
        "no colon\r\n",
        ": no name\r\n",
    ] {
        let (answer, hits) = try_fields(fields, &chunked_then_hidden).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{fields:?}: {answer:?}");
        let code = if answer.contains("bad_request") { "bad_request" } else { "host_invalid" };
        assert_problem(&answer, 400, code);
        assert!(answer.contains("connection: close\r\n"), "{fields:?}: {answer:?}");
        assert_eq!(hits, 0, "{fields:?}");
    }
}

#[tokio::test]
async fn a_request_line_that_is_not_one_is_refused() {
    let (server, hits) = server().await;
    for line in [
        "GET /",
        "GET / HTTP/0.9",
        "GET / HTTP/1.2",
        "GET / HTTP/2.0",
        "GET / http/1.1",
        "GET  / HTTP/1.1",
        "GET / a HTTP/1.1",
        "GET /\0 HTTP/1.1",
        "G\x01T / HTTP/1.1",
        "GET",
        "\x16\x03\x01\x02",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n",
    ] {
        let answer = server.says_to(format!("{line}\r\nHost: localhost\r\n\r\n{HIDDEN}")).await;
        assert_problem(&answer, 400, "bad_request");
    }
    assert_eq!(hits.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_length_beside_chunks_is_ignored_and_the_connection_closed() {
    for fields in [
        "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
        "Transfer-Encoding: CHUNKED\r\nContent-Length: 99\r\nContent-Length: 3\r\n",
    ] {
        let (answer, hits) = try_fields(fields, &format!("2\r\nab\r\n0\r\n\r\n{HIDDEN}")).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{fields:?}: {answer:?}");
        assert!(answer.contains("connection: close\r\n"), "{fields:?}: {answer:?}");
        assert!(answer.ends_with("\r\n\r\n2"), "{fields:?}: {answer:?}");
        assert_eq!(hits, 0, "{fields:?}");
    }
}

#[tokio::test]
async fn chunks_that_are_not_chunks_are_refused() {
    for body in [
        "-1\r\n",
        "+2\r\nab\r\n",
        "0x2\r\nab\r\n",
        "2 2\r\nab\r\n",
        " 2\r\nab\r\n",
        "\r\n2\r\nab\r\n",
        "2\nab\r\n",
        "2\r\nabc\r\n",
        "2\r\nab2\r\n",
        "2\r\nab\n0\r\n\r\n",
        "g\r\n",
        "2;a\nb\r\nab\r\n",
        "fffffffffffffffff\r\n",
        "0\r\nX\r\n\r\n",
    ] {
        let (answer, hits) =
            try_fields("Transfer-Encoding: chunked\r\n", &format!("{body}0\r\n\r\n{HIDDEN}")).await;
        assert_problem(&answer, 400, "body_incomplete");
        assert!(answer.contains("connection: close\r\n"), "{body:?}: {answer:?}");
        assert_eq!(hits, 0, "{body:?}");
    }
    let extensions = format!("2;{}\r\nab\r\n0\r\n\r\n", "x".repeat(20_000));
    let (answer, _) = try_fields("Transfer-Encoding: chunked\r\n", &extensions).await;
    assert_problem(&answer, 400, "body_incomplete");
}

#[tokio::test]
async fn a_chunk_of_endless_size_is_refused() {
    let body = format!("ffffffffffffffff\r\n{HIDDEN}");
    let (answer, hits) = try_fields("Transfer-Encoding: chunked\r\n", &body).await;
    assert_problem(&answer, 408, "request_timeout");
    assert_eq!(hits, 0);
}

#[tokio::test]
async fn what_the_standard_allows_is_read_as_it_says() {
    for (fields, body) in [
        // One length twice is one length (RFC 9112 §6.3).
        ("Content-Length: 2\r\nContent-Length: 2\r\n", "ab"),
        ("Content-Length: 0002\r\n", "ab"),
        ("content-length:2\r\n", "ab"),
        ("Transfer-Encoding: chunked\r\n", "2\r\nab\r\n0\r\n\r\n"),
        ("transfer-encoding: Chunked \r\n", "2\r\nab\r\n0\r\n\r\n"),
        // Extensions and trailers are read and dropped (§7.1.1, §7.1.2).
        ("Transfer-Encoding: chunked\r\n", "2;x=\"y\"\r\nab\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\n", "00002\r\nab\r\n000\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\n", "2\r\nab\r\n0\r\nContent-Length: 9\r\nHost: a\r\n\r\n"),
        // A line may end in LF alone (§2.2).
        ("X: y\nContent-Length: 2\r\n", "ab"),
    ] {
        let (server, hits) = server().await;
        let answers = server
            .says_to(format!("POST / HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n{body}{HIDDEN}"))
            .await;
        assert!(answers.starts_with("HTTP/1.1 200 "), "{fields:?}: {answers:?}");
        assert!(answers.contains("\r\n\r\n2HTTP/1.1 200 "), "{fields:?} {body:?}: {answers:?}");
        // Here the second request stands in the open.
        assert_eq!(hits.load(Ordering::Relaxed), 1, "{fields:?}");
    }
}

#[tokio::test]
async fn http_1_0_has_no_chunks() {
    let (server, hits) = server().await;
    let answer = server
        .says_to(format!("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{HIDDEN}"))
        .await;
    assert!(answer.contains(" 400 "), "{answer:?}");
    assert_eq!(hits.load(Ordering::Relaxed), 0);
}
