//! Checks of the settings by themselves.

use auth::config::{PublicUrl, Store};

use super::{Facts, Finding, or_ok};

/// What `tokens.issuer` and `tokens.audience` are where nobody sets them.
const DEFAULT: &str = "countersign";

pub(super) fn settings(facts: &Facts) -> Vec<Finding> {
    let found = facts.problems.iter().map(|problem| {
        let mend = problem.help_text().unwrap_or(
            "change the line, the variable or the flag; `countersign config check` shows the place",
        );
        Finding::failure(problem.to_string(), "no server starts with these settings", mend)
    });
    or_ok(found.collect(), || "all settings are understood".to_owned())
}

pub(super) fn public_url(facts: &Facts) -> Vec<Finding> {
    let refused = facts.unfit_for("public_url");
    let http = &facts.config.http;
    match &http.public_url {
        _ if !refused.is_empty() => refused,
        None => vec![Finding::warning(
            "http.public_url is not set",
            format!(
                "cookies, the cross-site check and links in letters follow {}, which only browsers on this machine \
                 can use",
                http.own_url()
            ),
            "set http.public_url to the address in the browser, such as \"https://auth.example.com\"",
        )],
        Some(url) if !url.is_https() => {
            vec![Finding::ok(format!("http.public_url is {url}, which is this machine alone"))]
        }
        Some(url) => vec![Finding::ok(format!("http.public_url is {url}"))],
    }
}

pub(super) fn issuer(facts: &Facts) -> Vec<Finding> {
    let tokens = &facts.config.tokens;
    let mut found = Vec::new();
    // Who verifies a pair's tokens by its public half is somebody else.
    if !tokens.algorithm.is_symmetric() {
        for (key, text) in [("issuer", &tokens.issuer), ("audience", &tokens.audience)] {
            if text == DEFAULT {
                found.push(Finding::warning(
                    format!("tokens.{key} is {DEFAULT}, the default, and tokens are signed with {}", tokens.algorithm),
                    match key {
                        "issuer" => "services that verify them cannot tell by name whose tokens they are",
                        _ => "every service that verifies them takes them for its own, whomever they were made for",
                    },
                    match key {
                        "issuer" => format!(
                            "set tokens.issuer to the address of this installation, such as \"{}\", here and where \
                             tokens are verified; access tokens of before are refused then, and a refresh makes new ones",
                            example(facts)
                        ),
                        _ => "set tokens.audience to the name of the service, here and there".to_owned(),
                    },
                ));
            }
        }
    }
    for (key, text) in [("issuer", &tokens.issuer), ("audience", &tokens.audience)] {
        if text.trim() != text {
            found.push(Finding::warning(
                format!("tokens.{key} begins or ends with a blank"),
                "verifiers compare it letter by letter",
                "take the blank away",
            ));
        }
    }
    found.extend(address(facts));
    or_ok(found, || format!("tokens say iss {:?}, aud {:?}", tokens.issuer, tokens.audience))
}

fn example(facts: &Facts) -> &str {
    facts.config.http.public_url.as_ref().map_or("https://auth.example.com", PublicUrl::as_str)
}

/// An issuer that is an address has to be that of this installation, to the letter.
fn address(facts: &Facts) -> Option<Finding> {
    let issuer = facts.config.tokens.issuer.as_str();
    if !issuer.contains("://") {
        return None;
    }
    let means =
        "verifiers look for the keys at the issuer's address, and compare it letter by letter";
    let set = |address: &str| {
        format!("set tokens.issuer to \"{address}\", here and where tokens are verified")
    };
    let url: PublicUrl = match issuer.parse() {
        Ok(url) => url,
        Err(why) => {
            return Some(Finding::warning(
                format!("tokens.issuer: {why}"),
                means,
                set(example(facts)),
            ));
        }
    };
    if issuer.ends_with('/') {
        let finding = "tokens.issuer ends with a slash, and http.public_url does not";
        return Some(Finding::warning(finding, means, set(url.as_str())));
    }
    if !url.is_https() && !url.is_loopback() {
        let finding = "tokens.issuer begins with http://";
        let means = "whoever is on the way gives verifiers other keys";
        return Some(Finding::warning(finding, means, set(&issuer.replacen("http:", "https:", 1))));
    }
    let public = facts.config.http.public_url.as_ref()?;
    (public.as_str() != issuer).then(|| {
        let finding = format!("tokens.issuer is {issuer}, and http.public_url is {public}");
        Finding::warning(finding, means, set(public.as_str()))
    })
}

pub(super) fn sessions(facts: &Facts) -> Vec<Finding> {
    let mut found = facts.unfit_for("sessions");
    if found.is_empty() && facts.config.sessions.store == Store::Memory {
        found.push(Finding::warning(
            "sessions.store is memory",
            "a restart signs out everybody who is signed in by cookie",
            "set it to \"database\", which is the default",
        ));
    }
    or_ok(found, || "sessions are kept in the database".to_owned())
}

pub(super) fn limits(facts: &Facts) -> Vec<Finding> {
    let mut found = facts.unfit_for("limits");
    if found.is_empty() && !facts.config.limits.enabled {
        found.push(Finding::warning(
            "limits.enabled is false",
            "passwords can be guessed as fast as the machine checks them",
            "set it to true, which is the default",
        ));
    }
    or_ok(found, || "guessing is slowed down".to_owned())
}

pub(super) fn log(facts: &Facts) -> Vec<Finding> {
    or_ok(facts.unfit_for("log"), || format!("log.level is {}", facts.config.log.level))
}
