//! Checks of what a browser does with the session cookie and with scripts of another origin.

use auth::config::PublicUrl;

use super::{Facts, Finding};

pub(super) fn cookie(facts: &Facts) -> Vec<Finding> {
    let (origin, api) = match called(facts) {
        Ok(both) => both,
        Err(skipped) => return skipped,
    };
    if !facts.config.auth.mode.offers_sessions() {
        return vec![Finding::skipped("auth.mode is jwt: there is no session cookie")];
    }
    let tokens = "use tokens in its place: POST /login, and Authorization: Bearer";
    if let Some(own) = facts.config.http.public_url.as_ref() {
        if own.host() != api.host() {
            return vec![Finding::failure(
                format!("the cookie is one of {}, and pages call {}", own.host(), api.host()),
                "it is bound to the host that set it (__Host-session), and is sent to no other",
                format!(
                    "let the pages call {}, or put both behind one host; or {tokens}",
                    own.origin()
                ),
            )];
        }
        if own.is_https() && !api.is_https() {
            return vec![Finding::failure(
                format!("the cookie is marked Secure, and pages call {}", api.origin()),
                "browsers send such a cookie over https only",
                format!("let the pages call {}", own.origin()),
            )];
        }
        if !own.is_https() && api.is_https() {
            return vec![Finding::failure(
                format!("pages call {}, and http.public_url is {own}", api.origin()),
                "the cookie is not marked Secure, and every login by cookie from there is refused as one of another site",
                format!("set http.public_url to \"{}\"", api.origin()),
            )];
        }
    }
    if site(&origin) == site(&api) {
        let how = match origin.origin() == api.origin() {
            true => "",
            false => ", from scripts with credentials: \"include\"",
        };
        let finding =
            format!("the cookie is sent from {} to {}{how}", origin.origin(), api.origin());
        return vec![Finding::ok(finding)];
    }
    let ((own, of_page), (_, of_api)) = (site(&origin), site(&api));
    let why = match of_page == of_api {
        true => format!("one is https and the other is not ({own})"),
        false => format!("{of_page} and {of_api} are two sites"),
    };
    vec![Finding::failure(
        format!("the cookie is not sent from {} to {}: {why}", origin.origin(), api.origin()),
        "it is SameSite=Lax: a browser leaves it out of what scripts of another site send",
        match of_api.contains(|c: char| c.is_ascii_alphabetic()) && of_api.contains('.') {
            true => format!(
                "serve both under one site and https, such as app.{of_api} and auth.{of_api}; or {tokens}"
            ),
            false => format!("serve both under one host; or {tokens}"),
        },
    )]
}

pub(super) fn cors(facts: &Facts) -> Vec<Finding> {
    let (origin, api) = match called(facts) {
        Ok(both) => both,
        Err(skipped) => return skipped,
    };
    let (origin, api) = (origin.origin(), api.origin());
    if origin == api {
        return vec![Finding::ok(
            "the pages and what they call are of one origin: CORS is not asked",
        )];
    }
    let mut found = Vec::new();
    if facts.config.http.cors_origins.iter().any(|listed| listed == origin) {
        found.push(Finding::ok(format!("http.cors_origins lists {origin}")));
    } else {
        found.push(Finding::failure(
            format!("http.cors_origins does not list {origin}"),
            "browsers let its scripts read no answer; what they send with the cookie is refused as cross_site",
            format!("add \"{origin}\" to http.cors_origins"),
        ));
    }
    found
}

/// The origin of the pages, and that which they call.
fn called(facts: &Facts) -> Result<(PublicUrl, PublicUrl), Vec<Finding>> {
    let (origin, api) = facts.page.as_ref().map_err(Finding::unknown)?;
    let api = api.clone().or_else(|| facts.config.http.public_url.clone());
    let api = api.ok_or_else(|| {
        vec![Finding::skipped(
            "what the pages call is not known: name it with --api, or set http.public_url",
        )]
    })?;
    Ok((origin.clone(), api))
}

/// The site of an address, as browsers compare sites: the scheme, and the name that somebody has registered, by the list of
/// public suffixes (HTML §7.1.1.2, RFC 6265bis §5.2). An address or a name without a dot is a site by itself.
fn site(url: &PublicUrl) -> (&'static str, String) {
    let scheme = if url.is_https() { "https" } else { "http" };
    let host = url.host().trim_end_matches('.');
    let is_address = host.starts_with('[') || host.parse::<std::net::Ipv4Addr>().is_ok();
    let registered = if is_address { None } else { psl::domain_str(host) };
    (scheme, registered.unwrap_or(host).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sites_are_those_of_browsers() {
        let same = |one: &str, other: &str| {
            let of = |url: &str| site(&url.parse().expect("a URL"));
            of(one) == of(other)
        };
        for (one, other) in [
            ("https://app.example.com", "https://api.example.com"),
            ("https://example.com", "https://api.example.com:8443"),
            ("https://a.example.co.uk", "https://b.example.co.uk"),
            ("http://localhost:3000", "http://localhost:8000"),
            ("http://127.0.0.1:1", "http://127.0.0.1:2"),
            ("https://me.github.io", "https://me.github.io:8443"),
        ] {
            assert!(same(one, other), "{one} {other}");
        }
        for (one, other) in [
            ("https://app.example.com", "https://app.example.org"),
            ("http://app.example.com", "https://api.example.com"),
            ("https://one.co.uk", "https://two.co.uk"),
            ("https://me.github.io", "https://you.github.io"),
            ("http://localhost", "http://127.0.0.1"),
            ("http://10.0.0.1", "http://11.0.0.1"),
            ("http://[::1]", "http://[::2]"),
            ("https://example.com", "https://badexample.com"),
        ] {
            assert!(!same(one, other), "{one} {other}");
        }
    }
}
