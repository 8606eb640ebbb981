//! What every request must meet and every answer have: size, host, shape of errors, headers.

use super::*;

// Size.

#[tokio::test]
async fn a_head_over_16_kib_is_answered_431() {
    let server = Server::usual().await;
    let long = "x".repeat(16 * 1024);
    for head in [
        format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {long}\r\n\r\n"),
        format!("GET /{long} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        format!("GET /{}", "y".repeat(200_000)),
        format!("GET / HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "A: b\r\n".repeat(5000)),
        format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(2_000_000)),
    ] {
        assert_problem(&server.says_to(head).await, 431, "head_too_large");
    }
    let fits = "x".repeat(15 * 1024);
    assert_ok(
        &server
            .says_to(format!(
                "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX: {fits}\r\n\r\n"
            ))
            .await,
    );
}

fn post_of(path: &str, length: usize) -> Vec<u8> {
    let head =
        format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n");
    [head.into_bytes(), vec![b'x'; length]].concat()
}

#[tokio::test]
async fn a_body_over_64_kib_is_answered_413_and_the_connection_goes_on() {
    let server = Server::usual().await;
    for path in ["/length", "/unread", "/nowhere", "/"] {
        let mut client = server.connect().await;
        client.send(post_of(path, 1_000_000)).await;
        assert_problem(&client.answer().await, 413, "body_too_large");
        client.send(post_of(path, 64 * 1024 + 1)).await;
        assert_problem(&client.answer().await, 413, "body_too_large");
        client.send(post_of("/length", 64 * 1024)).await;
        let answer = client.answer().await;
        assert_ok(&answer);
        assert!(answer.ends_with("\r\n\r\n65536"), "{answer:?}");
    }
}

#[tokio::test]
async fn a_chunked_body_over_64_kib_is_answered_413() {
    let server = Server::usual().await;
    let chunk = [b"8000\r\n".as_slice(), &[b'x'; 0x8000], b"\r\n"].concat();
    for path in ["/length", "/unread", "/nowhere"] {
        let mut client = server.connect().await;
        client
            .send(format!(
                "POST {path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
            ))
            .await;
        for _ in 0..12 * 32 {
            client.send(&chunk).await;
        }
        client.send("0\r\n\r\n").await;
        assert_problem(&client.answer().await, 413, "body_too_large");
    }
}

#[tokio::test]
async fn a_body_past_all_patience_is_refused_unread() {
    let server = Server::usual().await;
    let answer = server
        .says_to(
            "POST /length HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\nxxx",
        )
        .await;
    assert_problem(&answer, 413, "body_too_large");
    assert!(answer.contains("connection: close\r\n"), "{answer:?}");
}

#[tokio::test]
async fn a_client_that_asks_first_is_refused_before_it_sends() {
    let server = Server::usual().await;
    let answer = server
        .says_to(
            "POST /length HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\
             Expect: 100-continue\r\n\r\n",
        )
        .await;
    assert_problem(&answer, 413, "body_too_large");
}

#[tokio::test]
async fn a_client_that_asks_first_may_continue() {
    let server = Server::usual().await;
    let mut client = server.connect().await;
    client
        .send(
            "POST /length HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\
             Expect: 100-continue\r\n\r\n",
        )
        .await;
    assert_eq!(client.answer().await, "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("abc").await;
    let answer = client.answer().await;
    assert_ok(&answer);
    assert!(answer.ends_with("\r\n\r\n3"), "{answer:?}");
}

// Host.

#[tokio::test]
async fn http_1_1_needs_exactly_one_valid_host() {
    let server = Server::usual().await;
    for fields in [
        "",
        "Host: localhost\r\nHost: localhost\r\n",
        "Host: localhost\r\nhost: example.org\r\n",
        "Host:\r\n",
        "Host: a b\r\n",
        "Host: me@localhost\r\n",
        "Host: localhost:port\r\n",
        "Host: localhost/\r\n",
        "Host: [::1\r\n",
        "Host: \u{e4}\r\n",
    ] {
        let answer = server.says_to(format!("GET / HTTP/1.1\r\n{fields}\r\n")).await;
        assert_problem(&answer, 400, "host_invalid");
        assert!(answer.contains("connection: close\r\n"), "{answer:?}");
    }
    let differs = "GET http://localhost/ HTTP/1.1\r\nHost: example.org\r\n\r\n";
    assert_problem(&server.says_to(differs).await, 400, "host_invalid");
    let agrees =
        "GET http://LOCALHOST:80/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert_ok(&server.says_to(agrees).await);
}

#[tokio::test]
async fn http_1_0_may_go_without_a_host() {
    let server = Server::usual().await;
    let answer = server.says_to("GET / HTTP/1.0\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.0 200 OK\r\n"), "{answer:?}");
    let answer = server.says_to("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.0 400 "), "{answer:?}");
}

#[tokio::test]
async fn only_loopback_names_where_only_those_are_allowed() {
    let rules = Rules { hosts: Hosts::Loopback, ..Rules::default() };
    let server = Server::start(Limits::default(), rules).await;
    for host in ["localhost:8000", "app.localhost", "127.0.0.1:1", "[::1]"] {
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        assert_ok(&server.says_to(request).await);
    }
    for host in ["example.org", "localhost.example.org:8000", "10.0.0.1"] {
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_problem(&server.says_to(request).await, 421, "host_not_allowed");
    }
}

// Answers.

#[tokio::test]
async fn errors_without_a_body_get_one() {
    let server = Server::usual().await;
    for (line, status, code) in [
        ("GET /nowhere", 404, "not_found"),
        ("DELETE /", 405, "method_not_allowed"),
        ("GET /teapot", 418, "bad_request"),
        ("CONNECT localhost:80", 404, "not_found"),
        ("OPTIONS *", 404, "not_found"),
    ] {
        let host = if line.starts_with("CONNECT") { "localhost:80" } else { "localhost" };
        let mut client = server.connect().await;
        client.send(format!("{line} HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        let answer = client.answer().await;
        assert_problem(&answer, status, code);
        assert_eq!(answer.matches("content-length").count(), 1, "{answer:?}");
        assert_eq!(answer.contains("allow: GET,HEAD\r\n"), status == 405, "{answer:?}");
    }
}

#[tokio::test]
async fn an_answer_to_head_has_no_body() {
    let server = Server::usual().await;
    for path in ["/", "/nowhere", "/length", "/panic"] {
        let answers = server
            .says_to(format!("HEAD {path} HTTP/1.1\r\nHost: localhost\r\n\r\n{GET_AND_CLOSE}"))
            .await;
        let (_, second) = answers.split_once("\r\n\r\n").unwrap();
        assert_ok(second);
    }
}

#[tokio::test]
async fn an_error_page_stays_as_it_is() {
    let server = Server::usual().await;
    let mut client = server.connect().await;
    client.send("GET /page HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let answer = client.answer().await;
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer:?}");
    assert!(answer.ends_with("<p>no such page"), "{answer:?}");
}

#[tokio::test]
async fn every_answer_has_the_security_headers() {
    let secure = Rules { https: true, ..Rules::default() };
    let server = Server::start(Limits::default(), secure).await;
    for path in ["/", "/nowhere", "/panic", "/framed"] {
        let mut client = server.connect().await;
        client.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
        let answer = client.answer().await;
        let frames = if path == "/framed" { "SAMEORIGIN" } else { "DENY" };
        for header in [
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "cross-origin-opener-policy: same-origin",
            "cross-origin-resource-policy: same-origin",
            "content-security-policy: default-src 'none'; frame-ancestors 'none'",
            "strict-transport-security: max-age=31536000; includeSubDomains",
            &format!("x-frame-options: {frames}"),
        ] {
            assert_eq!(answer.matches(&format!("\r\n{header}\r\n")).count(), 1, "{answer:?}");
        }
    }
    assert!(!Server::usual().await.says_to(GET_AND_CLOSE).await.contains("strict-transport"));
}

#[tokio::test]
async fn a_panic_is_an_internal_error_and_nothing_else_ends() {
    let server = Server::usual().await;
    let mut other = server.connect().await;
    other.send(GET).await;
    assert_ok(&other.answer().await);
    let mut client = server.connect().await;
    for _ in 0..2 {
        client.send("GET /panic HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        let answer = client.answer().await;
        assert_problem(&answer, 500, "internal");
        assert!(!answer.contains("hunter2"));
    }
    for client in [&mut client, &mut other] {
        client.send(GET).await;
        assert_ok(&client.answer().await);
    }
}

#[tokio::test]
async fn a_handler_finds_the_peers_address() {
    let server = Server::usual().await;
    let mut client = server.connect().await;
    client.send("GET /peer HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(client.answer().await.ends_with("127.0.0.1"));
}
