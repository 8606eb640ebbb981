use std::{fmt, str::FromStr};

use serde::Deserialize;
use zeroize::Zeroizing;

use crate::config::is_loopback_host;

/// Where the mail server is and how to talk to it: `smtps://user@host:465` or `smtp://user@host:587`.
///
/// `Debug` and `Display` leave a password out.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct MailUrl {
    pub(super) security: Security,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: Option<String>,
    pub(super) password: Option<Zeroizing<String>>,
}

/// How the way to the mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Security {
    /// TLS from the first byte (RFC 8314 §3.3).
    Tls,
    /// STARTTLS before anything else, and nothing without it (RFC 3207).
    StartTls,
    /// None: this machine alone.
    Plain,
}

impl FromStr for MailUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // The text itself is not repeated: it may hold a password.
        let refuse = |why: &str| {
            format!(
                "it must be such as \"smtps://user@mail.example.com:465\" or \"smtp://…:587\": {why}"
            )
        };
        let uri: http::Uri = text.parse().map_err(|_| refuse("it does not parse"))?;
        let encrypted = match uri.scheme_str() {
            Some("smtps") => true,
            Some("smtp") => false,
            _ => return Err(refuse("it begins with neither smtps:// nor smtp://")),
        };
        let authority = uri.authority().ok_or_else(|| refuse("it has no host"))?;
        if !matches!(uri.path(), "" | "/") {
            return Err(refuse("it has a path"));
        }
        let host = authority.host().to_ascii_lowercase();
        if host.is_empty() {
            return Err(refuse("it has no host"));
        }
        let local = is_loopback_host(&host);
        let security = match (encrypted, uri.query()) {
            (true, None) => Security::Tls,
            (true, Some(_)) => return Err(refuse("smtps:// takes no options")),
            (false, Some("tls=starttls")) => Security::StartTls,
            (false, None) if !local => Security::StartTls,
            (false, None | Some("tls=none")) if local => Security::Plain,
            (false, Some("tls=none")) => {
                return Err(refuse(
                    "letters and the password would travel in the clear, and tls=none is for a server on \
                     this machine only; leave it out",
                ));
            }
            (false, _) => return Err(refuse("its options are tls=starttls and tls=none")),
        };
        let (user, password) = match authority.as_str().rsplit_once('@') {
            None => (None, None),
            Some((info, _)) => {
                let (user, password) = match info.split_once(':') {
                    Some((user, password)) => (user, Some(password)),
                    None => (info, None),
                };
                let decode = |text: &str| {
                    decoded(text)
                        .ok_or_else(|| refuse("its user or password is not encoded rightly"))
                };
                let password = password.map(decode).transpose()?.map(Zeroizing::new);
                (Some(decode(user)?).filter(|user| !user.is_empty()), password)
            }
        };
        let port = authority.port_u16().unwrap_or(if encrypted { 465 } else { 587 });
        Ok(Self { security, host, port, user, password })
    }
}

/// A text with its `%XX` resolved (RFC 3986 §2.1); `None` when it is not encoded rightly, or no plain text.
fn decoded(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        bytes.extend(crate::secret::unhex(digits.as_bytes())?.iter());
        bytes.extend(rest.as_bytes());
    }
    String::from_utf8(bytes).ok().filter(|text| !text.chars().any(char::is_control))
}

impl TryFrom<String> for MailUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for MailUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.security == Security::Tls { "smtps" } else { "smtp" };
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

impl fmt::Debug for MailUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MailUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> MailUrl {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn an_address_says_how_the_way_is_protected() {
        let url = parsed("smtps://me%40example.com:s%3Acret@Mail.example.com");
        assert_eq!((url.security, &*url.host, url.port), (Security::Tls, "mail.example.com", 465));
        assert_eq!(url.user.as_deref(), Some("me@example.com"));
        assert_eq!(url.password.as_ref().map(|text| text.as_str()), Some("s:cret"));
        for (text, security, port) in [
            ("smtp://mail.example.com", Security::StartTls, 587),
            ("smtp://mail.example.com:25?tls=starttls", Security::StartTls, 25),
            ("smtp://127.0.0.1:25", Security::Plain, 25),
            ("smtp://localhost:2525?tls=none", Security::Plain, 2525),
            ("smtp://localhost:2525?tls=starttls", Security::StartTls, 2525),
            ("smtps://[::1]:4650", Security::Tls, 4650),
        ] {
            let url = parsed(text);
            assert_eq!((url.security, url.port), (security, port), "{text}");
        }
    }

    #[test]
    fn what_would_send_in_the_clear_or_makes_no_sense_is_refused_and_not_repeated() {
        for text in [
            "",
            "mail.example.com",
            "http://mail.example.com",
            "smtp://mail.example.com:25?tls=none",
            "smtp://localhost.example.com?tls=none",
            "smtp://mail.example.com?tls=maybe",
            "smtps://mail.example.com?tls=none",
            "smtps://mail.example.com/inbox",
            "smtps://user:hunter2%zz@mail.example.com",
            "smtps://user:hunter2%0a@mail.example.com",
            "smtps://",
        ] {
            let error = text.parse::<MailUrl>().expect_err(text);
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn debug_output_shows_no_password() {
        let url = parsed("smtps://user:hunter2@mail.example.com");
        assert_eq!(
            format!("{url:?} {url}"),
            "MailUrl(smtps://mail.example.com:465) smtps://mail.example.com:465"
        );
    }
}
