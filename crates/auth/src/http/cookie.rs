//! The session cookie: its name, its flags, and reading it back.

use axum::http::{HeaderMap, HeaderValue, header};
use cookie::{Cookie, SameSite};

use crate::{Error, config::PublicUrl, secret::OpaqueSecret};

/// How the session cookie is called and marked here.
///
/// Over https it is `__Host-session`: the prefix binds it to this host, to `Secure` and to `Path=/`
/// (RFC 6265bis §4.1.3.2). On plain-http loopback browsers refuse that, so there it is `session`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SessionCookie {
    secure: bool,
}

/// What a request presents as its session.
#[derive(Debug)]
pub(crate) enum Presented {
    /// No session cookie.
    Nothing,
    /// A session cookie that has the form of one.
    Secret(OpaqueSecret),
    /// A session cookie that no session can have.
    Malformed,
    /// Two session cookies that differ: one of them was planted.
    Ambiguous,
}

impl SessionCookie {
    pub(crate) fn new(public_url: &PublicUrl) -> Self {
        Self { secure: public_url.is_https() }
    }

    fn name(self) -> &'static str {
        if self.secure { "__Host-session" } else { "session" }
    }

    /// The header that hands a session to the browser.
    pub(crate) fn set(self, secret: &OpaqueSecret) -> Result<HeaderValue, Error> {
        self.header(Cookie::new(self.name(), secret.reveal()))
    }

    /// The header that takes it away.
    pub(crate) fn clear(self) -> Result<HeaderValue, Error> {
        let mut cookie = Cookie::new(self.name(), "");
        cookie.set_max_age(cookie::time::Duration::ZERO);
        self.header(cookie)
    }

    fn header(self, mut cookie: Cookie<'static>) -> Result<HeaderValue, Error> {
        cookie.set_http_only(true);
        cookie.set_same_site(SameSite::Lax);
        cookie.set_path("/");
        if self.secure {
            cookie.set_secure(true);
        }
        let mut value = HeaderValue::try_from(cookie.to_string()).map_err(Error::internal)?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// Reads the session cookie of a request, over all its `Cookie` headers.
    pub(crate) fn read(self, headers: &HeaderMap) -> Presented {
        let mut found: Option<String> = None;
        for header in headers.get_all(header::COOKIE) {
            let Ok(text) = header.to_str() else { continue };
            for cookie in Cookie::split_parse(text).flatten() {
                if cookie.name() != self.name() {
                    continue;
                }
                match &found {
                    Some(value) if value != cookie.value() => return Presented::Ambiguous,
                    _ => found = Some(cookie.value().to_owned()),
                }
            }
        }
        match found.as_deref().map(OpaqueSecret::parse) {
            None => Presented::Nothing,
            Some(None) => Presented::Malformed,
            Some(Some(secret)) => Presented::Secret(secret),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(cookies: &[&str]) -> Presented {
        let mut headers = HeaderMap::new();
        for cookie in cookies {
            headers.append(header::COOKIE, HeaderValue::from_str(cookie).expect("header"));
        }
        SessionCookie { secure: false }.read(&headers)
    }

    #[test]
    fn the_cookie_has_the_flags_of_the_contract() {
        let secret = OpaqueSecret::generate().expect("randomness");
        let value = secret.reveal();
        let https = SessionCookie { secure: true }.set(&secret).expect("header");
        assert_eq!(
            https.to_str().expect("text"),
            format!("__Host-session={value}; HttpOnly; SameSite=Lax; Secure; Path=/")
        );
        let http = SessionCookie { secure: false }.clear().expect("header");
        assert_eq!(
            http.to_str().expect("text"),
            "session=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0"
        );
    }

    #[test]
    fn the_session_is_found_among_other_cookies() {
        let secret = OpaqueSecret::generate().expect("randomness").reveal();
        let own = format!("session={secret}");
        assert!(matches!(read(&[&format!("a=b; {own}; c=d")]), Presented::Secret(_)));
        assert!(matches!(read(&["a=b", &own]), Presented::Secret(_)));
        assert!(matches!(read(&[&own, &own]), Presented::Secret(_)));
        assert!(matches!(read(&["a=b"]), Presented::Nothing));
        assert!(matches!(read(&["session="]), Presented::Malformed));
        assert!(matches!(read(&["session=1234"]), Presented::Malformed));
    }

    #[test]
    fn two_different_sessions_are_told() {
        let one = OpaqueSecret::generate().expect("randomness").reveal();
        let two = OpaqueSecret::generate().expect("randomness").reveal();
        let cookies = format!("session={one}; session={two}");
        assert!(matches!(read(&[&cookies]), Presented::Ambiguous));
    }
}
