//! Which addresses events may be sent to. Whoever has a name in the DNS says to which addresses it leads; without these
//! rules that could be a service of this machine, of the network around it, or of the cloud it runs in.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use super::url::{Scheme, WebhookUrl};

/// What an address leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The internet.
    Public,
    /// This machine, or a network that somebody runs for himself.
    Private,
    /// Nothing that anybody would send an event to: a single link, where clouds answer with secrets; many at once; what
    /// is reserved, or for documentation.
    Odd,
}

impl Place {
    pub(super) fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => of_v4(address),
            IpAddr::V6(address) => of_v6(address),
        }
    }
}

/// By the registry of special addresses (RFC 6890, as IANA keeps it).
fn of_v4(address: Ipv4Addr) -> Place {
    match address.octets() {
        [127, ..] | [10, ..] | [192, 168, ..] => Place::Private,
        [172, second, ..] if second & 0xf0 == 16 => Place::Private,
        // Behind the address translation of a provider (RFC 6598).
        [100, second, ..] if second & 0xc0 == 64 => Place::Private,
        [0, ..] | [169, 254, ..] => Place::Odd,
        [192, 0, 0 | 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Place::Odd,
        // Benchmarks (RFC 2544), relays of 6to4 (RFC 7526).
        [198, 18 | 19, ..] | [192, 88, 99, _] => Place::Odd,
        // Multicast, reserved, broadcast.
        [224..=255, ..] => Place::Odd,
        _ => Place::Public,
    }
}

fn of_v6(address: Ipv6Addr) -> Place {
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        of_v4(Ipv4Addr::new(a, b, c, d))
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] => Place::Private,
        [0, 0, 0, 0, 0, 0xffff, high, low] => embedded(high, low),
        // NAT64 (RFC 6052): how a network without IPv4 reaches it.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => embedded(high, low),
        // 6to4 (RFC 3056).
        [0x2002, high, low, ..] => embedded(high, low),
        [first, ..] if first & 0xfe00 == 0xfc00 => Place::Private,
        // Protocols (RFC 2928), Teredo among them; documentation (RFC 3849, RFC 9637).
        [0x2001, second, ..] if second < 0x200 || second == 0xdb8 => Place::Odd,
        [0x3fff, second, ..] if second < 0x1000 => Place::Odd,
        // All that is given out today (RFC 4291 §2.4).
        [first, ..] if first & 0xe000 == 0x2000 => Place::Public,
        _ => Place::Odd,
    }
}

/// Where events may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reach {
    public: bool,
    private: bool,
}

impl Reach {
    /// What a URL may lead to: in the clear nothing leaves the networks around.
    pub(super) fn of(url: &WebhookUrl, allow_private: bool) -> Self {
        Self { public: url.scheme() == Scheme::Https, private: allow_private }
    }

    /// Says whether this address is within.
    pub(super) fn admit(self, address: IpAddr) -> Result<(), Forbidden> {
        let place = Place::of(address);
        match place {
            Place::Public if self.public => Ok(()),
            Place::Private if self.private => Ok(()),
            _ => Err(Forbidden { address, place }),
        }
    }
}

/// An address that events may not be sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Forbidden {
    address: IpAddr,
    place: Place,
}

impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.address;
        match self.place {
            Place::Public => write!(
                f,
                "it leads to {address}, and http:// is for private networks: take https://"
            ),
            Place::Private => write!(
                f,
                "it leads to {address}, on this machine or in a private network: set webhooks.allow_private if it may"
            ),
            Place::Odd => write!(f, "it leads to {address}, where nothing is ever sent"),
        }
    }
}

impl std::error::Error for Forbidden {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_special_network_is_known_from_its_first_address_to_its_last() {
        for (network, place) in [
            ("0.0.0.0/8", Place::Odd),
            ("10.0.0.0/8", Place::Private),
            ("100.64.0.0/10", Place::Private),
            ("127.0.0.0/8", Place::Private),
            ("169.254.0.0/16", Place::Odd),
            ("172.16.0.0/12", Place::Private),
            ("192.0.0.0/24", Place::Odd),
            ("192.0.2.0/24", Place::Odd),
            ("192.88.99.0/24", Place::Odd),
            ("192.168.0.0/16", Place::Private),
            ("198.18.0.0/15", Place::Odd),
            ("198.51.100.0/24", Place::Odd),
            ("203.0.113.0/24", Place::Odd),
            ("224.0.0.0/4", Place::Odd),
            ("240.0.0.0/4", Place::Odd),
            ("::/128", Place::Odd),
            ("::1/128", Place::Private),
            ("::7f00:1/128", Place::Odd),
            ("::ffff:10.0.0.0/104", Place::Private),
            ("::ffff:127.0.0.0/104", Place::Private),
            ("::ffff:169.254.0.0/112", Place::Odd),
            ("::ffff:8.0.0.0/104", Place::Public),
            ("64:ff9b::a00:0/104", Place::Private),
            ("64:ff9b::7f00:0/104", Place::Private),
            ("64:ff9b::a9fe:0/112", Place::Odd),
            ("64:ff9b::808:808/128", Place::Public),
            ("64:ff9b:1::/48", Place::Odd),
            ("100::/64", Place::Odd),
            ("2001::/32", Place::Odd),
            ("2001::/23", Place::Odd),
            ("2001:db8::/32", Place::Odd),
            ("2002:a00::/24", Place::Private),
            ("2002:7f00::/24", Place::Private),
            ("2002:a9fe::/32", Place::Odd),
            ("3fff::/20", Place::Odd),
            ("5f00::/16", Place::Odd),
            ("fc00::/7", Place::Private),
            ("fe80::/10", Place::Odd),
            ("fec0::/10", Place::Odd),
            ("ff00::/8", Place::Odd),
        ] {
            let network: ipnet::IpNet = network.parse().expect("a network");
            for address in [network.network(), network.broadcast()] {
                assert_eq!(Place::of(address), place, "{address} of {network}");
            }
        }
    }

    #[test]
    fn what_lies_beside_a_special_network_is_public() {
        for address in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.0.3.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2001:200::",
            "2001:db7::",
            "2001:db9::",
            "2606:4700::1111",
            "2a00::1",
            "3fff:1000::",
        ] {
            assert_eq!(Place::of(address.parse().expect("an address")), Place::Public, "{address}");
        }
    }
}
