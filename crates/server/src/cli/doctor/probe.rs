//! Checks of what stands between a client and a server: the settings of proxies, and a question to the server itself.

use std::{error::Error, net::IpAddr, time::Duration};

use auth::{
    Clock,
    checkup::{Checkup, PROBE_HEADER, PROBE_PATH, Seen},
    config::PublicUrl,
};
use reqwest::{Client, redirect::Policy};

use super::{
    Facts, Finding,
    facts::{Known, Unknown},
    or_ok,
};

/// As long as an answer may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// More than any answer has.
const LONGEST: usize = 64 * 1024;
/// The address that the question claims to come from: one of documentation (RFC 5737 §3), nobody's.
const CLAIMED: &str = "192.0.2.66";
const FORWARDED_FOR: &str = "x-forwarded-for";

/// A question that was answered.
#[derive(Debug, Clone)]
pub(super) struct Probed {
    pub(super) url: PublicUrl,
    pub(super) seen: Seen,
}

/// Asks the server at this address what it sees, and claims another address while at it.
pub(super) async fn ask(checkup: &Checkup, url: &PublicUrl, clock: &Clock) -> Known<Probed> {
    let failed = |why: String| Unknown::Failed(format!("{url}: {why}"));
    let probe = match checkup.probe().await {
        Ok(Some(probe)) => probe,
        Ok(None) => {
            return Err(Unknown::Skipped("no server was started on this database yet".to_owned()));
        }
        Err(error) => {
            return Err(Unknown::Skipped(format!("there is no proof of who asks: {error}")));
        }
    };
    let asked = probe.ask(clock).map_err(|error| failed(error.to_string()))?;
    let client = Client::builder().timeout(PATIENCE).redirect(Policy::none()).no_proxy().build();
    let client = client.map_err(|error| failed(chain(&error)))?;
    let request = client.get(format!("{url}{PROBE_PATH}"));
    let request = request.header(PROBE_HEADER, asked.header()).header(FORWARDED_FOR, CLAIMED);
    let mut answer = request.send().await.map_err(|error| failed(chain(&error.without_url())))?;
    let status = answer.status();
    if status.is_redirection() {
        let to =
            answer.headers().get("location").and_then(|to| to.to_str().ok()).unwrap_or("elsewhere");
        return Err(failed(format!("the answer is {status}, to {to}: ask there")));
    }
    let mac =
        answer.headers().get(PROBE_HEADER).and_then(|mac| mac.to_str().ok()).map(str::to_owned);
    let mut body = Vec::new();
    while let Some(part) =
        answer.chunk().await.map_err(|error| failed(chain(&error.without_url())))?
    {
        if body.len().saturating_add(part.len()) > LONGEST {
            return Err(failed("the answer is too long".to_owned()));
        }
        body.extend_from_slice(&part);
    }
    let seen = mac.and_then(|mac| asked.read(&body, &mac));
    let seen = seen.ok_or_else(|| {
        failed(format!(
            "the answer ({status}) is none of a server of this installation, or a clock is off by more than a minute"
        ))
    })?;
    Ok(Probed { url: url.clone(), seen })
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

pub(super) fn trusted_proxies(facts: &Facts) -> Vec<Finding> {
    let http = &facts.config.http;
    let mut found = Vec::new();
    for network in http.trusted_proxies.iter().filter(|network| network.prefix_len() == 0) {
        found.push(Finding::failure(
            format!("http.trusted_proxies has {network}, which is everybody"),
            "each client chooses the address whose budget of guesses it uses up",
            "name each proxy, as narrowly as you can, such as \"10.0.0.5/32\"",
        ));
    }
    let public = http.public_url.as_ref().is_some_and(|url| url.is_https() && !url.is_loopback());
    if public && http.trusted_proxies.is_empty() {
        found.push(Finding::warning(
            "http.public_url begins with https://, and http.trusted_proxies is empty",
            "the server itself speaks no TLS, so a proxy stands in front: to the limits on guessing all clients are one, \
             the proxy, with 30 logins a minute together",
            "name the proxy in http.trusted_proxies, such as [\"127.0.0.1/32\"] for one on this machine",
        ));
    }
    or_ok(found, || match http.trusted_proxies.as_slice() {
        [] => "no proxy is believed".to_owned(),
        all => {
            let all: Vec<String> = all.iter().map(ToString::to_string).collect();
            format!("what proxies say is believed from {}", all.join(", "))
        }
    })
}

pub(super) fn probe(facts: &Facts) -> Vec<Finding> {
    let Probed { url, seen } = match &facts.probed {
        Err(Unknown::Skipped(why) | Unknown::NotYet(why)) => return vec![Finding::skipped(why)],
        Err(Unknown::Failed(why)) => {
            return vec![Finding::failure(
                why,
                "clients may not reach a server of this installation there, or something on the way changes what they send",
                "see that a server of this version runs there, on the database of these settings, and that the proxy passes \
                 on /probe and its header",
            )];
        }
        Ok(probed) => probed,
    };
    let mut found = Vec::new();
    let own = facts.config.http.public_url.as_ref();
    let text = |url: Option<&str>| url.map_or("not set".to_owned(), str::to_owned);
    if seen.public_url.as_deref() != own.map(PublicUrl::as_str) {
        found.push(Finding::warning(
            format!(
                "http.public_url is {} on the server, and {} in these settings",
                text(seen.public_url.as_deref()),
                text(own.map(PublicUrl::as_str))
            ),
            "what doctor says of the settings is not about that server",
            "run doctor with the settings of the server: the same --config, environment and flags",
        ));
    } else if let Some(own) = own.filter(|own| own.origin() != url.origin()) {
        found.push(Finding::warning(
            format!("{} was asked, and http.public_url is {own}", url.origin()),
            "what browsers send from pages at the first is refused as cross_site, and letters lead to the second",
            "ask at the address in the browser, or set http.public_url to it",
        ));
    }
    or_ok(found, || format!("a server of this installation answers at {url}"))
}

fn probed(facts: &Facts) -> Result<&Probed, Vec<Finding>> {
    facts.probed.as_ref().map_err(|unknown| match unknown {
        Unknown::Skipped(why) | Unknown::NotYet(why) => vec![Finding::skipped(why)],
        Unknown::Failed(_) => vec![Finding::skipped("no server answered")],
    })
}

/// Whether anybody on the way has written down who asks.
fn is_forwarded(seen: &Seen) -> bool {
    seen.forwarded_for.iter().any(|element| element != CLAIMED)
}

/// Whether the last one on the way wrote down this address: as on one machine with the proxy, by loopback.
fn was_asked_from(seen: &Seen, address: IpAddr) -> bool {
    seen.forwarded_for.last().and_then(|last| last.parse().ok()) == Some(address)
}

pub(super) fn client(facts: &Facts) -> Vec<Finding> {
    let seen = match probed(facts) {
        Ok(probed) => &probed.seen,
        Err(skipped) => return skipped,
    };
    let (Some(peer), Some(client)) = (seen.peer, seen.client) else {
        return vec![Finding::skipped("the server is not told who connects")];
    };
    let means = "to the limits on guessing all clients are one: 30 logins a minute together, and a wrong password delays \
                 everybody";
    vec![match (is_forwarded(seen), seen.peer_is_trusted) {
        (true, false) => Finding::failure(
            format!("a proxy at {peer} says who the client is, and is not believed"),
            means,
            format!(
                "add \"{peer}/{}\" to http.trusted_proxies",
                if peer.is_ipv4() { 32 } else { 128 }
            ),
        ),
        (true, true) if client == peer && was_asked_from(seen, peer) => Finding::warning(
            format!(
                "the question came to the proxy from {peer}, which is trusted as a proxy itself"
            ),
            "what the server makes of other clients cannot be told from here",
            "ask from another machine, or at an address of this one that http.trusted_proxies does not have",
        ),
        (true, true) if client == peer => Finding::failure(
            format!("the proxy at {peer} writes no address into X-Forwarded-For that can be read"),
            means,
            "let it append the address that connects to it: docs/guides/behind-a-proxy.md shows how",
        ),
        (true, true) => {
            Finding::ok(format!("the server takes {client} for the client, by the word of {peer}"))
        }
        (false, true) if client == peer => Finding::failure(
            format!("{peer} is trusted, and says of nobody who he is"),
            means,
            "let the proxy write X-Forwarded-For: docs/guides/behind-a-proxy.md shows how",
        ),
        (false, _) => Finding::warning(
            format!("nobody on the way wrote down who asks; the server sees {peer}"),
            "if a proxy is on the way, all clients are one to the limits on guessing",
            "ask at the address in the browser, from another machine; let the proxy write X-Forwarded-For",
        ),
    }]
}

pub(super) fn forgery(facts: &Facts) -> Vec<Finding> {
    let seen = match probed(facts) {
        Ok(probed) => &probed.seen,
        Err(skipped) => return skipped,
    };
    let believed = seen.client.is_some_and(|client| client.to_string() == CLAIMED);
    vec![match seen.peer {
        Some(peer) if believed => Finding::failure(
            format!("the question claimed to come from {CLAIMED}, and the server believes it"),
            "each client chooses its address, and with it whose budget of guesses it uses up",
            format!(
                "let the proxy at {peer} append the address that connects to it; if there is none, take {peer} out of \
                 http.trusted_proxies"
            ),
        ),
        _ => Finding::ok("an address that a client claims is not believed"),
    }]
}

pub(super) fn host(facts: &Facts) -> Vec<Finding> {
    let Probed { url, seen } = match probed(facts) {
        Ok(probed) => probed,
        Err(skipped) => return skipped,
    };
    let mut found = Vec::new();
    let host = seen.host.as_deref().unwrap_or_default();
    if !host.eq_ignore_ascii_case(url.host_and_port()) {
        found.push(Finding::warning(
            format!("{} was asked, and the server sees Host: {host}", url.host_and_port()),
            "this server makes no address of it, but what logs it or stands behind the same proxy may",
            "let the proxy pass on the host: in nginx, proxy_set_header Host $host",
        ));
    }
    let scheme = if url.is_https() { "https" } else { "http" };
    if let Some(proto) = seen.forwarded_proto.as_deref().filter(|proto| *proto != scheme) {
        found.push(Finding::warning(
            format!("{scheme} was asked, and the server sees X-Forwarded-Proto: {proto}"),
            "this server goes by http.public_url alone, but an application beside it may take the connection for another",
            format!("let the outermost proxy set X-Forwarded-Proto to {scheme}, and the others keep it"),
        ));
    }
    or_ok(found, || format!("the host arrives as it was asked: {host}"))
}
