//! The host that a request names: syntax, agreement, and who may be named.

use std::net::Ipv6Addr;

use auth::config::is_loopback_host;
use axum::http::{HeaderMap, Uri, Version, header};

/// A host and port as a client wrote them in `Host` or in the request's target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Host<'a> {
    name: &'a str,
    port: Option<u16>,
}

/// The host of a request, `None` if it is an HTTP/1.0 request that names none.
///
/// HTTP/1.1 requires exactly one valid `Host` (RFC 9112 §3.2). With a target in absolute form the
/// target's host counts (§3.2.2); one that differs from `Host` is refused, because another program on the
/// way may have looked at the other one.
///
/// # Errors
///
/// A sentence for the client, without what it sent.
pub(super) fn host<'a>(
    version: Version,
    headers: &'a HeaderMap,
    uri: &'a Uri,
) -> Result<Option<Host<'a>>, &'static str> {
    let mut fields = headers.get_all(header::HOST).iter();
    let host = match (fields.next(), fields.next()) {
        (_, Some(_)) => return Err("more than one host header"),
        (Some(field), None) => {
            let host = field.to_str().ok().and_then(Host::parse);
            Some(host.ok_or("the host header is not a host and port")?)
        }
        (None, None) if version > Version::HTTP_10 => return Err("the host header is missing"),
        (None, None) => None,
    };
    let Some(authority) = uri.authority() else { return Ok(host) };
    let target = Host::parse(authority.as_str()).ok_or("the target names no valid host")?;
    if host.is_some_and(|host| !host.agrees_with(target, uri.scheme_str())) {
        return Err("the host header names another host than the target");
    }
    Ok(Some(target))
}

impl<'a> Host<'a> {
    /// Reads `uri-host [ ":" port ]` (RFC 9110 §7.2, RFC 3986 §3.2.2); the host may not be empty.
    fn parse(text: &'a str) -> Option<Self> {
        if text.len() > 255 + ":65535".len() {
            return None;
        }
        let after_bracket = text.rfind(']').map_or(0, |at| at + 1);
        let (name, port) = match text.get(after_bracket..)?.find(':') {
            Some(at) => {
                let (name, port) = text.split_at_checked(after_bracket + at)?;
                (name, port.strip_prefix(':')?)
            }
            None => (text, ""),
        };
        let port = match port {
            "" => None,
            digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(digits.parse().ok()?)
            }
            _ => return None,
        };
        let valid = match name.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']')?.parse::<Ipv6Addr>().is_ok(),
            None => is_registered_name(name),
        };
        valid.then_some(Self { name, port })
    }

    fn agrees_with(self, other: Self, scheme: Option<&str>) -> bool {
        let default = if scheme == Some("https") { 443 } else { 80 };
        self.name.eq_ignore_ascii_case(other.name)
            && self.port.unwrap_or(default) == other.port.unwrap_or(default)
    }

    /// Whether only this machine can be meant: `localhost`, a name under it (RFC 6761 §6.3), or a
    /// loopback address.
    pub(super) fn is_loopback(self) -> bool {
        is_loopback_host(self.name)
    }
}

/// Whether `name` is a non-empty `reg-name` (RFC 3986 §3.2.2), which an IPv4 address also is.
///
/// Stricter than the RFC in one thing: without `sub-delims`. No name in use contains them, and a comma is
/// what two fields joined by a program on the way would show.
fn is_registered_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    while let Some(byte) = bytes.next() {
        let valid = match byte {
            b'%' => [bytes.next(), bytes.next()]
                .iter()
                .all(|digit| digit.is_some_and(|digit| digit.is_ascii_hexdigit())),
            _ => byte.is_ascii_alphanumeric() || b"-._~".contains(&byte),
        };
        if !valid {
            return false;
        }
    }
    !name.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_with_an_optional_port() {
        for text in [
            "example.org",
            "EXAMPLE.org:8000",
            "a_b.example",
            "127.0.0.1:80",
            "[::1]",
            "[::1]:8000",
            "h:",
            "%41.example",
            "example.org.",
        ] {
            assert!(Host::parse(text).is_some(), "{text}");
        }
        for text in [
            "",
            ":80",
            "a b",
            "user@example.org",
            "example.org:65536",
            "example.org:+80",
            "example.org:80:80",
            "example.org/path",
            "[::1",
            "::1",
            "[::1]x",
            "[]",
            "[fe80::1%eth0]",
            "[v1.a]",
            "%4",
            "%zz",
            "example.org,example.com",
            "a,b c",
            "exämple.org",
            "a\\b",
            "<a>",
        ] {
            assert!(Host::parse(text).is_none(), "{text}");
        }
        assert!(Host::parse(&"a".repeat(300)).is_none());
    }

    #[test]
    fn only_this_machine_is_loopback() {
        for text in [
            "localhost",
            "LocalHost:8000",
            "localhost.",
            "app.localhost:3000",
            "127.0.0.1",
            "127.8.9.10:1",
            "[::1]:8000",
            "[0:0:0:0:0:0:0:1]",
        ] {
            assert!(Host::parse(text).unwrap().is_loopback(), "{text}");
        }
        for text in [
            "example.org",
            "localhost.example.org",
            "notlocalhost",
            ".localhost",
            "127.0.0.1.example.org",
            "128.0.0.1",
            "0.0.0.0",
            "127.1",
            "[::]",
            "[::ffff:127.0.0.1]",
            "10.0.0.1",
        ] {
            assert!(!Host::parse(text).unwrap().is_loopback(), "{text}");
        }
    }

    #[test]
    fn a_target_in_absolute_form_agrees_with_host() {
        let agree = |uri: &str, field: &str| {
            let uri: Uri = uri.parse().unwrap();
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, field.parse().unwrap());
            host(Version::HTTP_11, &headers, &uri).is_ok()
        };
        assert!(agree("http://example.org/a", "EXAMPLE.org:80"));
        assert!(agree("https://example.org/a", "example.org:443"));
        assert!(!agree("http://example.org/a", "example.org:81"));
        assert!(!agree("http://example.org/a", "example.com"));
        assert!(!agree("http://me@example.org/a", "example.org"));
    }
}
