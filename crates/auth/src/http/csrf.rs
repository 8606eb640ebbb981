//! The cross-site rule: a browser sends cookies along with requests that other sites make it send.

use axum::http::{HeaderMap, HeaderValue, Method, header::ORIGIN};
use guard::Denied;

use crate::config::PublicUrl;

/// Refuses requests that another site made a browser send with its session cookie, or to get one.
///
/// The browser says where a request comes from (`Sec-Fetch-Site`, Fetch Metadata §2.3; `Origin`, RFC
/// 6454 §7); no token has to be carried about.
#[derive(Debug, Clone)]
pub(crate) struct CrossSite {
    own: Vec<String>,
    listed: Vec<String>,
}

impl CrossSite {
    /// The rule of a server at this address, for itself and the origins of `http.cors_origins`.
    pub(crate) fn new(public_url: &PublicUrl, cors_origins: &[String]) -> Self {
        let origin = public_url.origin();
        let mut own = vec![origin.to_owned()];
        // On loopback the names of this machine stand for each other: the port is the same program.
        if public_url.is_loopback() {
            let scheme = if public_url.is_https() { "https" } else { "http" };
            let port = origin.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
            let port = port.map(|port| format!(":{port}")).unwrap_or_default();
            own.extend(
                ["localhost", "127.0.0.1", "[::1]"].map(|host| format!("{scheme}://{host}{port}")),
            );
        }
        Self { own, listed: cors_origins.to_vec() }
    }

    /// Checks a request that carries the session cookie, or would be given one.
    pub(crate) fn check(
        &self,
        method: &Method,
        headers: &HeaderMap,
        carries_cookie: bool,
    ) -> Result<(), Denied> {
        if method.is_safe() {
            return Ok(());
        }
        let (site, origin) = (said(headers, "sec-fetch-site"), said(headers, ORIGIN.as_str()));
        let is = |origins: &[String]| origins.iter().any(|own| Some(own.as_bytes()) == origin);
        let refused = match (site, origin) {
            (None, None) => carries_cookie,
            (Some(b"same-origin" | b"none"), None) => false,
            (Some(b"same-origin" | b"none") | None, Some(_)) => !is(&self.own) && !is(&self.listed),
            (Some(_), _) => !is(&self.listed),
        };
        if refused {
            return Err(Denied::forbidden(
                "cross_site",
                "the request does not come from a page of this server or of a listed origin",
            ));
        }
        Ok(())
    }
}

/// What a header says; nothing that anybody could be, if it stands there several times and says different things.
fn said<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name).iter().map(HeaderValue::as_bytes);
    let first = values.next()?;
    Some(if values.all(|other| other == first) { first } else { b"" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(site: Option<&str>, origin: Option<&str>, carries_cookie: bool) -> bool {
        let url = "https://auth.example.com".parse().expect("a URL");
        let rule = CrossSite::new(&url, &["https://app.example.com".to_owned()]);
        let mut headers = HeaderMap::new();
        if let Some(site) = site {
            headers.insert("sec-fetch-site", HeaderValue::from_str(site).expect("header"));
        }
        if let Some(origin) = origin {
            headers.insert(ORIGIN, HeaderValue::from_str(origin).expect("header"));
        }
        assert!(rule.check(&Method::GET, &headers, carries_cookie).is_ok());
        rule.check(&Method::POST, &headers, carries_cookie).is_ok()
    }

    #[test]
    fn the_site_that_the_browser_names_decides() {
        assert!(allowed(Some("same-origin"), None, true));
        assert!(allowed(Some("same-origin"), Some("https://auth.example.com"), true));
        assert!(allowed(Some("none"), None, true));
        for site in ["cross-site", "same-site", "", "Same-Origin", "unknown"] {
            assert!(!allowed(Some(site), None, true), "{site}");
            assert!(!allowed(Some(site), Some("https://auth.example.com"), true), "{site}");
            assert!(!allowed(Some(site), Some("https://evil.example"), true), "{site}");
            assert!(allowed(Some(site), Some("https://app.example.com"), true), "{site}");
        }
    }

    #[test]
    fn without_it_the_origin_decides() {
        assert!(allowed(None, Some("https://auth.example.com"), true));
        assert!(allowed(None, Some("https://app.example.com"), true));
        for origin in [
            "null",
            "https://evil.example",
            "https://auth.example.com.evil.example",
            "http://auth.example.com",
            "https://auth.example.com:444",
            "",
        ] {
            assert!(!allowed(None, Some(origin), true), "{origin}");
            assert!(!allowed(None, Some(origin), false), "{origin}");
            assert!(!allowed(Some("same-origin"), Some(origin), false), "{origin}");
        }
    }

    #[test]
    fn without_both_only_a_request_without_the_cookie_passes() {
        assert!(allowed(None, None, false));
        assert!(!allowed(None, None, true));
    }

    #[test]
    fn two_that_differ_are_believed_neither() {
        let rule = CrossSite::new(&"https://auth.example.com".parse().expect("a URL"), &[]);
        let check = |lines: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in lines {
                headers.append(*name, HeaderValue::from_static(value));
            }
            rule.check(&Method::POST, &headers, true).is_ok()
        };
        let own = ("origin", "https://auth.example.com");
        let (same, cross) = (("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site"));
        assert!(check(&[own, own]) && check(&[same, same, own]));
        assert!(!check(&[own, ("origin", "https://evil.example")]));
        assert!(!check(&[same, cross]) && !check(&[cross, same]) && !check(&[same, cross, own]));
    }

    #[test]
    fn on_loopback_the_names_of_this_machine_are_one() {
        for (scheme, other) in [("http", "https"), ("https", "http")] {
            let url = format!("{scheme}://127.0.0.1:8000").parse().expect("a URL");
            let rule = CrossSite::new(&url, &[]);
            let check = |scheme: &str, host: &str| {
                let origin = format!("{scheme}://{host}");
                let mut headers = HeaderMap::new();
                headers.insert(ORIGIN, HeaderValue::from_str(&origin).expect("header"));
                rule.check(&Method::POST, &headers, true).is_ok()
            };
            assert!(check(scheme, "localhost:8000") && check(scheme, "[::1]:8000"));
            assert!(!check(scheme, "localhost:8001") && !check(scheme, "evil.localhost:8000"));
            assert!(!check(other, "localhost:8000"));
        }
    }
}
