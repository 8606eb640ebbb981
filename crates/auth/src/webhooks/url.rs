use std::{
    fmt,
    net::{IpAddr, Ipv4Addr},
    str::FromStr,
};

use reqwest::Url;
use serde::Deserialize;

use super::literal;
use crate::config::is_loopback_host;

/// The address that events are sent to. `Debug` and `Display` show where it is, and neither path nor query: there may be
/// a secret in them.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct WebhookUrl(Url);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    Http,
    Https,
}

impl WebhookUrl {
    /// As the client that connects reads it: there is no second reading that could differ.
    pub(super) fn url(&self) -> &Url {
        &self.0
    }

    pub(super) fn scheme(&self) -> Scheme {
        if self.0.scheme() == "https" { Scheme::Https } else { Scheme::Http }
    }

    /// The address that stands in it, or that its host cannot but mean; `None` for a name that is to be looked up.
    pub(super) fn address(&self) -> Option<IpAddr> {
        let host = self.0.host_str().unwrap_or_default();
        literal(host).or_else(|| is_loopback_host(host).then_some(Ipv4Addr::LOCALHOST.into()))
    }
}

impl FromStr for WebhookUrl {
    type Err = String;

    /// The refusal does not repeat the text.
    fn from_str(text: &str) -> Result<Self, String> {
        let refuse = |why: &str| format!("it is no address for webhooks: {why}");
        let url = Url::parse(text).map_err(|error| refuse(&error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(refuse("it begins with neither https:// nor http://"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refuse("it has a user name; what is sent is signed"));
        }
        if url.fragment().is_some() {
            return Err(refuse("it has a fragment"));
        }
        if url.host_str().is_none_or(str::is_empty) || url.port() == Some(0) {
            return Err(refuse("it has no host or no port"));
        }
        Ok(Self(url))
    }
}

impl TryFrom<String> for WebhookUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.origin().ascii_serialization())
    }
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebhookUrl({self}/…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_shows_neither_path_nor_query() {
        let url: WebhookUrl =
            "https://Hooks.example.com:8443/in/s3cret?key=s3cret".parse().expect("a URL");
        assert_eq!(
            format!("{url} {url:?}"),
            "https://hooks.example.com:8443 WebhookUrl(https://hooks.example.com:8443/…)"
        );
    }

    #[test]
    fn what_is_no_address_is_refused_and_not_repeated() {
        for text in [
            "",
            "hooks.example.com/s3cret",
            "ftp://hooks.example.com/s3cret",
            "file:///etc/s3cret",
            "https://",
            "https://s3cret@hooks.example.com",
            "https://user:s3cret@hooks.example.com",
            "https://hooks.example.com/#s3cret",
            "https://hooks.example.com:0/s3cret",
            "https://[::1/s3cret",
        ] {
            let refused = text.parse::<WebhookUrl>().expect_err(text);
            assert!(!refused.contains("s3cret"), "{refused}");
        }
    }
}
