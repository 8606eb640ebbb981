//! Answers to heads that never become a request, as bytes on the wire.

use axum::body::Bytes;
use axum::http::StatusCode;
use serde_json::json;

/// The answer to a head that did not arrive in time (RFC 9110 §15.5.9).
pub(super) fn head_timeout() -> Bytes {
    answer(
        StatusCode::REQUEST_TIMEOUT,
        "request_timeout",
        "the head of the request did not arrive in time",
    )
}

/// The answer to what is not an HTTP/1 request (RFC 9112 §2.2).
pub(super) fn bad_request() -> Bytes {
    answer(StatusCode::BAD_REQUEST, "bad_request", "this is not a request of HTTP/1.1")
}

/// The answer to a request without TLS, where TLS is spoken. What it carried was readable on its way: it is not redirected,
/// so that whoever sent it finds out.
pub(super) fn tls_required() -> Bytes {
    answer(StatusCode::BAD_REQUEST, "tls_required", "this port speaks TLS: ask it with https://")
}

/// Our answer in place of one that hyper gives on its own to a head it does not accept.
///
/// Such an answer is recognised by having no body and nothing that every answer of ours has.
pub(super) fn instead_of(written: &[u8]) -> Option<Bytes> {
    let status = written.strip_prefix(b"HTTP/1.1 4")?.get(..2)?;
    if written.len() > 256 || find(written, b"\r\n\r\n") != written.len().checked_sub(4) {
        return None;
    }
    find(written, b"\r\ncontent-length: 0\r\n")?;
    Some(match status {
        b"31" => answer(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "head_too_large",
            "the head of the request is too large",
        ),
        b"14" => {
            answer(StatusCode::URI_TOO_LONG, "head_too_large", "the request's path is too long")
        }
        _ => bad_request(),
    })
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

fn answer(status: StatusCode, code: &str, detail: &str) -> Bytes {
    let title = status.canonical_reason().unwrap_or("Error");
    let body = json!({
        "type": format!("/docs/errors/{code}"),
        "title": title,
        "status": status.as_u16(),
        "detail": detail,
        "code": code,
    })
    .to_string();
    Bytes::from(format!(
        "HTTP/1.1 {status} {title}\r\n\
         content-type: application/problem+json\r\n\
         content-length: {length}\r\n\
         connection: close\r\n\
         x-content-type-options: nosniff\r\n\
         referrer-policy: no-referrer\r\n\
         \r\n\
         {body}",
        status = status.as_u16(),
        length = body.len(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_answer_without_a_body_is_replaced() {
        let own = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\n\
            content-length: 0\r\ndate: Thu, 01 Jan 2026 00:00:00 GMT\r\n\r\n";
        let replaced = instead_of(own).unwrap();
        assert!(replaced.starts_with(b"HTTP/1.1 431 "));
        assert!(find(&replaced, b"head_too_large").is_some());
        assert_eq!(instead_of(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"), None);
        assert_eq!(instead_of(b"HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\n{}"), None);
        assert_eq!(instead_of(b"HTTP/1.1 4"), None);
        assert_eq!(instead_of(b""), None);
    }
}
