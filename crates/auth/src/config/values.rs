//! Values as people write them, and what they most likely meant where it is none.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use jwt::Algorithm;

/// A duration as text: a whole number and one of `s`, `m`, `h`, `d`, as in `10m`.
///
/// # Errors
/// A sentence that says what is wrong with the text.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let refuse =
        || format!("{text:?} is no duration: a whole number and s, m, h or d, as in \"10m\"");
    let unit = text.chars().last().ok_or_else(refuse)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(refuse()),
    };
    let digits = text.strip_suffix(unit).unwrap_or_default();
    if digits.is_empty() || digits.bytes().any(|byte| !byte.is_ascii_digit()) {
        return Err(refuse());
    }
    let number: u64 = digits.parse().map_err(|_| refuse())?;
    // Ten thousand years: later arithmetic on times stays far from its limits.
    match number.checked_mul(seconds) {
        Some(seconds) if seconds <= 315_360_000_000 => Ok(Duration::from_secs(seconds)),
        _ => Err(refuse()),
    }
}

/// The algorithm of this name.
///
/// # Errors
/// A sentence that names the one that was most likely meant, or all there are.
pub fn parse_algorithm(name: &str) -> Result<Algorithm, String> {
    let Ok(algorithm) = name.parse() else {
        let known = || Algorithm::ALL.iter().map(|known| known.name().to_owned());
        let meant = known().find(|known| known.eq_ignore_ascii_case(name));
        let meant = meant.or_else(|| nearest(&name.to_uppercase(), known()));
        return Err(match meant {
            Some(meant) => format!("{name:?} is no signature algorithm; did you mean {meant}?"),
            None => {
                let all: Vec<_> = known().collect();
                format!("{name:?} is no signature algorithm; there are {}", all.join(", "))
            }
        });
    };
    Ok(algorithm)
}

/// An IP address with a port.
pub(super) fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let Ok(address) = text.parse() else {
        let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
        let ip: Option<IpAddr> = text.trim_matches(['[', ']']).parse().ok();
        let meant = match (host, port.parse::<u16>(), ip) {
            (_, _, Some(ip)) => Some(SocketAddr::from((ip, 8000))),
            ("" | "localhost", Ok(port), _) => Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port))),
            ("*", Ok(port), _) => Some(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))),
            _ => None,
        };
        return Err(match meant {
            Some(meant) => {
                format!("{text:?} is no IP address with a port; did you mean {meant}?")
            }
            None => format!(
                "{text:?} is no IP address with a port, such as 127.0.0.1:8000 or [::1]:8000"
            ),
        });
    };
    Ok(address)
}

/// The name that was most likely meant.
#[must_use]
pub fn nearest(name: &str, known: impl IntoIterator<Item = String>) -> Option<String> {
    /// Names that share less than this are others, not slips of the pen.
    const LIKE: f64 = 0.6;
    let likeness = |known: String| (strsim::normalized_damerau_levenshtein(name, &known), known);
    let best = known.into_iter().map(likeness).max_by(|one, other| one.0.total_cmp(&other.0));
    best.filter(|(likeness, _)| *likeness >= LIKE).map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_and_an_algorithm_that_are_none_are_refused_with_what_was_meant() {
        for (text, meant) in [
            ("8000", "did you mean 127.0.0.1:8000?"),
            (":8000", "did you mean 127.0.0.1:8000?"),
            ("localhost:9000", "did you mean 127.0.0.1:9000?"),
            ("*:80", "did you mean 0.0.0.0:80?"),
            ("0.0.0.0", "did you mean 0.0.0.0:8000?"),
            ("::1", "did you mean [::1]:8000?"),
            ("example.com:80", "such as 127.0.0.1:8000"),
            ("99999", "such as 127.0.0.1:8000"),
            ("", "such as 127.0.0.1:8000"),
        ] {
            let refused = parse_address(text).expect_err(text);
            assert!(refused.ends_with(meant) || refused.contains(meant), "{text}: {refused}");
        }
        for (text, meant) in [
            ("es256", "did you mean ES256?"),
            ("EDDSA", "did you mean EdDSA?"),
            ("ed25519", "there are HS256, HS384"),
            ("HS257", "did you mean HS256?"),
            ("none", "there are HS256, HS384"),
        ] {
            let refused = parse_algorithm(text).expect_err(text);
            assert!(refused.contains(meant), "{text}: {refused}");
        }
        assert_eq!(parse_algorithm("PS384"), Ok(Algorithm::Ps384));
    }

    #[test]
    fn durations_are_a_number_and_a_unit() {
        assert_eq!(parse_duration("90d"), Ok(Duration::from_secs(90 * 86_400)));
        for text in
            ["", "m", "10", "-1s", "+1s", "1.5h", "10 m", "99999999999999999999s", "9m9", "1é"]
        {
            assert!(parse_duration(text).is_err(), "{text:?}");
        }
    }
}
