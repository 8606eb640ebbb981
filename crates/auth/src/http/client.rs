//! Who sends a request, as far as the network tells.

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
};

use axum::{
    extract::{ConnectInfo, FromRef, FromRequestParts},
    http::{Extensions, HeaderMap, HeaderValue, header::USER_AGENT, request::Parts},
};
use ipnet::IpNet;

use super::{RequestId, device::device_name};
use crate::Auth;

/// Where a request comes from.
///
/// As an extractor it follows `http.trusted_proxies`; the state of the router must yield an [`Auth`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Client {
    /// The client's address; an IPv4 address is never written as IPv6. `None` when the application does
    /// not tell handlers who connects (`into_make_service_with_connect_info`).
    pub address: Option<IpAddr>,
    /// What its program calls itself, such as "Firefox on Linux": a hint for its user, no fact. At most 64
    /// characters, none of them a control character.
    pub device: String,
    /// The id of its request, as the answer names it in `X-Request-Id`.
    pub request_id: Option<String>,
}

impl Client {
    /// The client of a request, when these proxies are believed.
    pub(crate) fn of(request: &Parts, proxies: &[IpNet]) -> Self {
        let Parts { headers, extensions, .. } = request;
        let user_agent = headers.get(USER_AGENT).map(HeaderValue::as_bytes).unwrap_or_default();
        Self {
            address: Self::address_of(headers, extensions, proxies),
            device: device_name(&String::from_utf8_lossy(user_agent)),
            request_id: RequestId::current().map(|id| id.to_string()),
        }
    }

    /// The address alone.
    pub(crate) fn address_of(
        headers: &HeaderMap,
        extensions: &Extensions,
        proxies: &[IpNet],
    ) -> Option<IpAddr> {
        let peer = extensions.get::<ConnectInfo<SocketAddr>>();
        peer.map(|peer| address(peer.0.ip(), headers, proxies))
    }
}

impl<S> FromRequestParts<S> for Client
where
    S: Send + Sync,
    Auth: FromRef<S>,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let auth = Auth::from_ref(state);
        Ok(Self::of(parts, &auth.config().http.trusted_proxies))
    }
}

/// Goes from the peer back through `X-Forwarded-For` for as long as the one who speaks is a proxy.
///
/// Each proxy appends the address that connected to it, so what stands left of the first stranger is
/// what that stranger claims. An element that is no address ends the walk as well, and so does an empty
/// one: to skip what a proxy wrote would be to believe whatever stands before it.
fn address(peer: IpAddr, headers: &HeaderMap, proxies: &[IpNet]) -> IpAddr {
    let is_proxy = |address: IpAddr| proxies.iter().any(|network| network.contains(&address));
    let mut nearest = peer.to_canonical();
    let lines = headers.get_all("x-forwarded-for").iter().rev();
    let mut elements = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    while is_proxy(nearest) {
        let Some(next) = elements.next().and_then(parse) else { break };
        nearest = next;
    }
    nearest
}

/// Reads one element: an address, which some proxies write with brackets, a port, or both.
fn parse(element: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(element.trim_ascii()).ok()?;
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let address = match bare {
        Some(bare) => IpAddr::V6(bare.parse().ok()?),
        None => {
            text.parse().or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip())).ok()?
        }
    };
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    /// The client of a request from `peer` with these `X-Forwarded-For`, behind `10.0.0.0/8` and
    /// `2001:db8:ff::/48`.
    fn seen(peer: &str, lines: &[&[u8]]) -> String {
        let mut request = Request::new(()).into_parts().0;
        let peer: IpAddr = peer.parse().expect("an address");
        request.extensions.insert(ConnectInfo(SocketAddr::new(peer, 50_000)));
        for line in lines {
            let line = HeaderValue::from_bytes(line).expect("a header");
            request.headers.append("x-forwarded-for", line);
        }
        let proxies = ["10.0.0.0/8", "2001:db8:ff::/48"];
        let proxies = proxies.map(|network| network.parse().expect("a network"));
        Client::of(&request, &proxies).address.expect("an address").to_string()
    }

    #[test]
    fn whoever_is_no_proxy_is_the_client_whatever_it_claims() {
        for claim in ["198.51.100.1", "10.0.0.1", "127.0.0.1", "::1", "", "garbage"] {
            assert_eq!(seen("203.0.113.9", &[claim.as_bytes()]), "203.0.113.9", "{claim}");
        }
        assert_eq!(seen("203.0.113.9", &[]), "203.0.113.9");
    }

    #[test]
    fn without_proxies_the_header_is_not_read() {
        let mut request = Request::new(()).into_parts().0;
        request.headers.insert("x-forwarded-for", HeaderValue::from_static("198.51.100.1"));
        assert_eq!(Client::of(&request, &[]).address, None);
        request.extensions.insert(ConnectInfo(SocketAddr::from(([10, 0, 0, 1], 1))));
        assert_eq!(Client::of(&request, &[]).address, Some([10, 0, 0, 1].into()));
    }

    #[test]
    fn behind_proxies_the_last_stranger_is_the_client() {
        for (lines, client) in [
            (vec!["198.51.100.1"], "198.51.100.1"),
            (vec!["198.51.100.1, 10.2.0.1,10.1.0.1"], "198.51.100.1"),
            (vec!["192.0.2.66, 198.51.100.1, 10.1.0.1"], "198.51.100.1"),
            (vec!["192.0.2.66", "198.51.100.1", "10.1.0.1"], "198.51.100.1"),
            (vec!["192.0.2.66, 198.51.100.1", "10.2.0.1, 10.1.0.1"], "198.51.100.1"),
            // A client inside: the farthest proxy that is known.
            (vec!["10.9.0.1, 10.1.0.1"], "10.9.0.1"),
            (vec![], "10.0.0.1"),
        ] {
            let lines: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
            assert_eq!(seen("10.0.0.1", &lines), client, "{lines:?}");
        }
    }

    #[test]
    fn an_element_that_is_no_address_ends_the_walk() {
        for garbage in [
            "",
            " ",
            "unknown",
            "_hidden",
            "198.51.100",
            "198.51.100.1.1",
            "198.51.100.1:99999",
            "[198.51.100.1]",
            "[2001:db8::1",
            "2001:db8::1]",
            "fe80::1%eth0",
            "for=198.51.100.1",
            "198.51.100.1 198.51.100.2",
            "198.51.100.1;",
        ] {
            let line = format!("192.0.2.66, {garbage}, 10.1.0.1");
            assert_eq!(seen("10.0.0.1", &[line.as_bytes()]), "10.1.0.1", "{garbage:?}");
            let last = seen("10.0.0.1", &[b"192.0.2.66", garbage.as_bytes()]);
            assert_eq!(last, "10.0.0.1", "{garbage:?}");
        }
        assert_eq!(seen("10.0.0.1", &[b"192.0.2.66, \xff\xfe"]), "10.0.0.1");
    }

    #[test]
    fn ports_brackets_and_spaces_are_read() {
        for element in ["198.51.100.1:4711", "\t198.51.100.1  ", "::ffff:198.51.100.1"] {
            assert_eq!(seen("10.0.0.1", &[element.as_bytes()]), "198.51.100.1", "{element:?}");
        }
        for element in ["2001:db8::1", "[2001:db8::1]", "[2001:DB8:0::1]:4711"] {
            assert_eq!(seen("10.0.0.1", &[element.as_bytes()]), "2001:db8::1", "{element:?}");
        }
    }

    #[test]
    fn ipv4_inside_ipv6_is_ipv4() {
        assert_eq!(seen("::ffff:203.0.113.9", &[b"198.51.100.1"]), "203.0.113.9");
        assert_eq!(seen("::ffff:10.0.0.1", &[b"198.51.100.1"]), "198.51.100.1");
        assert_eq!(seen("10.0.0.1", &[b"198.51.100.1, ::ffff:10.1.0.1"]), "198.51.100.1");
        assert_eq!(seen("2001:db8:ff::1", &[b"2001:db8::7, 2001:db8:ff::2"]), "2001:db8::7");
    }

    #[test]
    fn the_header_of_rfc_7239_is_not_read() {
        let mut request = Request::new(()).into_parts().0;
        request.extensions.insert(ConnectInfo(SocketAddr::from(([10, 0, 0, 1], 1))));
        request.headers.insert("forwarded", HeaderValue::from_static("for=198.51.100.1"));
        let proxies = ["10.0.0.0/8".parse().expect("a network")];
        assert_eq!(Client::of(&request, &proxies).address, Some([10, 0, 0, 1].into()));
    }

    #[test]
    fn the_device_is_what_the_user_agent_says() {
        let device = |user_agent: Option<&[u8]>| {
            let mut request = Request::new(()).into_parts().0;
            if let Some(user_agent) = user_agent {
                let user_agent = HeaderValue::from_bytes(user_agent).expect("a header");
                request.headers.insert(USER_AGENT, user_agent);
            }
            Client::of(&request, &[]).device
        };
        assert_eq!(device(Some(b"curl/8.14.1")), "curl");
        assert_eq!(device(Some(b"curl\xff/8.14.1")), "curl");
        assert_eq!(device(Some(b"\xff\xfe")), "unknown device");
        assert_eq!(device(None), "unknown device");
    }

    #[test]
    fn ten_thousand_elements_are_walked_in_one_line_or_in_many() {
        let chain = |element: &str| vec![element; 10_000].join(",");
        let claims = chain("192.0.2.66");
        assert_eq!(seen("10.0.0.1", &[claims.as_bytes(), b"198.51.100.1"]), "198.51.100.1");
        assert_eq!(
            seen("10.0.0.1", &[b"198.51.100.1", chain("10.1.0.1").as_bytes()]),
            "198.51.100.1"
        );
        let mut lines: Vec<&[u8]> = vec![b"10.1.0.1"; 10_000];
        lines.insert(0, b"198.51.100.1");
        assert_eq!(seen("10.0.0.1", &lines), "198.51.100.1");
    }
}
