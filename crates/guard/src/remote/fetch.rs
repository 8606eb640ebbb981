//! Getting a key set over HTTP, within bounds.

use std::{fmt, time::Duration};

use axum::http::{
    HeaderMap, StatusCode, Uri,
    header::{ACCEPT, CACHE_CONTROL},
};
use jwt::Jwks;
use reqwest::{Client, redirect};
use serde::{Deserialize, de::DeserializeOwned};

use super::RemoteKeysError;

/// The longest answer that is read.
const LONGEST: usize = 256 * 1024;
/// The longest time that an answer may take, its body included.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Where a key set comes from.
#[derive(Debug, Clone)]
pub(super) struct Source {
    client: Client,
    place: Place,
}

#[derive(Debug, Clone)]
enum Place {
    /// The address of the key set.
    Keys(String),
    /// An issuer, whose metadata say where its key set is.
    Issuer(String),
}

/// A key set, and how long it says that it stays fresh.
pub(super) struct Fetched {
    pub(super) keys: Jwks,
    pub(super) max_age: Option<Duration>,
}

/// Why a key set was not had; for the log.
#[derive(Debug)]
pub(super) enum FetchError {
    /// No answer, or none in time.
    Http(reqwest::Error),
    /// An answer other than 200, a redirect among them.
    Status(StatusCode),
    /// More than [`LONGEST`].
    TooLong,
    /// The metadata, or the address of the key set in it, cannot be used.
    Metadata(&'static str),
    /// The key set cannot be used.
    Keys(jwt::Error),
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(error) => write!(f, "no answer: {error}"),
            Self::Status(status) => write!(f, "the answer was {status}"),
            Self::TooLong => f.write_str("the answer is longer than 256 KiB"),
            Self::Metadata(why) => write!(f, "the issuer's metadata: {why}"),
            Self::Keys(error) => write!(f, "the key set: {error}"),
        }
    }
}

/// The metadata of an issuer, as far as they are used (OpenID Connect Discovery §3, RFC 8414 §2).
#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: String,
}

impl Source {
    pub(super) fn keys(address: &str) -> Result<Self, RemoteKeysError> {
        Self::new(address, Place::Keys(address.to_owned()))
    }

    pub(super) fn issuer(issuer: &str) -> Result<Self, RemoteKeysError> {
        Self::new(issuer, Place::Issuer(issuer.to_owned()))
    }

    fn new(address: &str, place: Place) -> Result<Self, RemoteKeysError> {
        if !is_protected(address) {
            return Err(RemoteKeysError("keys come over https, or over http from loopback".into()));
        }
        let client = Client::builder()
            .timeout(TIMEOUT)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|_| {
                RemoteKeysError("the system's trusted certificates cannot be read".into())
            })?;
        Ok(Self { client, place })
    }

    /// Gets the key set.
    pub(super) async fn fetch(&self) -> Result<Fetched, FetchError> {
        let found;
        let address = match &self.place {
            Place::Keys(address) => address,
            Place::Issuer(issuer) => {
                found = self.discover(issuer).await?;
                &found
            }
        };
        let (headers, body) = self.get(address).await?;
        let keys = Jwks::from_json(&body).map_err(FetchError::Keys)?;
        if keys.iter().any(|key| key.algorithm().is_symmetric()) {
            return Err(FetchError::Keys(jwt::Error::KeyIsSecret));
        }
        Ok(Fetched { keys, max_age: max_age(&headers) })
    }

    async fn discover(&self, issuer: &str) -> Result<String, FetchError> {
        let address = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let (_, body) = self.get(&address).await?;
        let metadata: Metadata = parse(&body)?;
        // OpenID Connect Discovery §4.3: anything else is somebody else's metadata.
        if metadata.issuer != issuer {
            return Err(FetchError::Metadata("they name another issuer"));
        }
        if !is_protected(&metadata.jwks_uri) {
            return Err(FetchError::Metadata("jwks_uri is neither https nor loopback"));
        }
        Ok(metadata.jwks_uri)
    }

    async fn get(&self, address: &str) -> Result<(HeaderMap, String), FetchError> {
        let request = self.client.get(address).header(ACCEPT, "application/json");
        let mut response = request.send().await.map_err(FetchError::Http)?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status(response.status()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(FetchError::Http)? {
            if body.len() + chunk.len() > LONGEST {
                return Err(FetchError::TooLong);
            }
            body.extend_from_slice(&chunk);
        }
        let body =
            String::from_utf8(body).map_err(|_| FetchError::Metadata("the answer is not UTF-8"))?;
        Ok((response.headers().clone(), body))
    }
}

fn parse<T: DeserializeOwned>(body: &str) -> Result<T, FetchError> {
    serde_json::from_str(body).map_err(|_| FetchError::Metadata("they are not what they should be"))
}

/// Says whether nobody on the way can change what comes from this address.
fn is_protected(address: &str) -> bool {
    let Ok(uri) = address.parse::<Uri>() else { return false };
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return false };
    let host = authority.host();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let loopback = host.eq_ignore_ascii_case("localhost")
        || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    // A user name before the host makes an address look like another one.
    !authority.as_str().contains('@') && (scheme == "https" || (scheme == "http" && loopback))
}

/// The `max-age` of `Cache-Control` (RFC 9111 §5.2.2.1); zero when the answer is not to be kept.
fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let directives = headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let mut age = None;
    for directive in directives.flat_map(|value| value.split(',')) {
        let directive = directive.trim().to_ascii_lowercase();
        if matches!(directive.as_str(), "no-store" | "no-cache") {
            return Some(Duration::ZERO);
        }
        if let Some(seconds) = directive.strip_prefix("max-age=") {
            age = seconds.trim_matches('"').parse().ok().map(Duration::from_secs);
        }
    }
    age
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn keys_come_over_https_or_from_loopback() {
        for address in [
            "https://auth.example.com/.well-known/jwks.json",
            "http://127.0.0.1:8000/jwks",
            "http://[::1]:8000/jwks",
            "http://localhost/jwks",
        ] {
            assert!(is_protected(address), "{address}");
        }
        for address in [
            "http://auth.example.com/jwks",
            "http://localhost.example.com/jwks",
            "http://127.0.0.1@evil.example/jwks",
            "https://good.example@evil.example/jwks",
            "file:///etc/passwd",
            "ftp://127.0.0.1/jwks",
            "data:application/json,{}",
            "//127.0.0.1/jwks",
            "/jwks",
            "",
        ] {
            assert!(!is_protected(address), "{address}");
        }
    }

    #[test]
    fn freshness_is_read_from_cache_control() {
        let age = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(CACHE_CONTROL, HeaderValue::from_static(value));
            max_age(&headers).map(|age| age.as_secs())
        };
        assert_eq!(age("public, max-age=600, stale-if-error=86400"), Some(600));
        assert_eq!(age("Max-Age=\"60\""), Some(60));
        assert_eq!(age("no-store, max-age=600"), Some(0));
        assert_eq!(age("private"), None);
        assert_eq!(age("max-age=-1"), None);
        assert_eq!(max_age(&HeaderMap::new()), None);
    }
}
