//! The way to the receiver: one event at a time, and what came back.

use std::{
    error::Error as _,
    fmt, io,
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use futures_util::future::BoxFuture;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use jiff::fmt::rfc2822::DateTimeParser;
use jwt::Timestamp;
use reqwest::{
    Certificate, Client, Response,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect,
};
use uuid::Uuid;

use super::{
    WebhookUrl,
    address::{Forbidden, Reach},
    check,
    deliver::body,
    sign::Signer,
};
use crate::{
    Clock, Error, Ids,
    audit::{Actor, Event},
    config,
};

/// The longest time that an attempt may take, from the lookup of the name to the end of the answer.
const TIMEOUT: Duration = Duration::from_secs(15);
/// So much of an answer is read.
const LONGEST: usize = 4 * 1024;
/// A connection that was not used for this long is not used again.
const IDLE: Duration = Duration::from_secs(20);
/// The type of the event that is sent to try the receiver.
const TEST: &str = "webhook.test";

/// The receiver answered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The beginning of the body, without control characters.
    pub text: String,
    /// Seconds for which it wants to be left alone (RFC 9110 §10.2.3).
    pub retry_after: Option<u64>,
}

impl Answer {
    /// Says whether the receiver has the event.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// Why there was no answer. The texts say nothing of what was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trouble {
    /// The address must not be sent to.
    Forbidden(String),
    /// The receiver cannot be reached, its certificate is not good, or it did not answer in time.
    Silent(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Forbidden(text) | Self::Silent(text)) = self;
        f.write_str(text)
    }
}

impl std::error::Error for Trouble {}

/// Sends events to the receiver of `webhooks.url`.
pub struct Webhook {
    url: WebhookUrl,
    reach: Reach,
    signer: Signer,
    client: Client,
}

/// Where the receiver is.
impl fmt::Display for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.url.fmt(f)
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Webhook {
    /// The way to the receiver of these settings; `None` without `webhooks.url`.
    ///
    /// # Errors
    /// [`Error::Configuration`] names the setting that is wrong.
    pub fn new(webhooks: &config::Webhooks) -> Result<Option<Self>, Error> {
        Self::with(webhooks, Lookup::system(), TIMEOUT)
    }

    fn with(
        webhooks: &config::Webhooks,
        lookup: Lookup,
        timeout: Duration,
    ) -> Result<Option<Self>, Error> {
        check(webhooks).map_err(Error::Configuration)?;
        let (Some(url), Some(secret_file)) = (&webhooks.url, &webhooks.secret_file) else {
            return Ok(None);
        };
        let reach = Reach::of(url, webhooks.allow_private);
        let authorities =
            webhooks.ca_file.as_deref().map(certificates).transpose()?.unwrap_or_default();
        let client = Client::builder()
            .timeout(timeout)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .pool_idle_timeout(IDLE)
            .dns_resolver(Resolver { reach, lookup })
            .tls_certs_merge(authorities)
            .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Error::Configuration(format!("webhooks.url: {}", whole(&error))))?;
        Ok(Some(Self { url: url.clone(), reach, signer: Signer::read(secret_file)?, client }))
    }

    /// Sends an event of the type `webhook.test` and returns what came back.
    ///
    /// # Errors
    /// [`Trouble`] says why nothing did.
    pub async fn send_test(&self, clock: &Clock) -> Result<Answer, Trouble> {
        let (id, now) = (Ids::new(clock.clone()).next(), clock.now());
        let event = Event {
            id,
            at: now,
            kind: TEST.to_owned(),
            user: None,
            actor: Actor::Operator,
            session: None,
            request: None,
            address: None,
            device: None,
            details: None,
            number: None,
        };
        self.send(id, now, body(&event)).await
    }

    /// Sends the body of an event, and returns when the receiver has answered.
    pub(super) async fn send(
        &self,
        id: Uuid,
        now: Timestamp,
        body: String,
    ) -> Result<Answer, Trouble> {
        // Names are judged when they are looked up; an address is not looked up.
        if let Some(Err(forbidden)) = self.url.address().map(|address| self.reach.admit(address)) {
            return Err(Trouble::Forbidden(forbidden.to_string()));
        }
        let request = self
            .client
            .post(self.url.url().clone())
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", id.to_string())
            .header("webhook-timestamp", now.seconds())
            .header("webhook-signature", self.signer.sign_event(id, now, &body))
            .body(body);
        let mut response = request.send().await.map_err(|error| trouble(&error))?;
        let status = response.status().as_u16();
        let retry_after = retry_after(&response, now);
        Ok(Answer { status, text: beginning(&mut response).await, retry_after })
    }
}

fn trouble(error: &reqwest::Error) -> Trouble {
    let mut cause = error.source();
    while let Some(next) = cause {
        if let Some(forbidden) = next.downcast_ref::<Forbidden>() {
            return Trouble::Forbidden(forbidden.to_string());
        }
        cause = next.source();
    }
    Trouble::Silent(whole(error))
}

/// An error with its causes, in one line, without the address: a secret may stand in it.
fn whole(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "it did not answer in time".to_owned();
    }
    let mut texts = Vec::new();
    let mut cause = error.source();
    while let Some(next) = cause {
        texts.push(next.to_string());
        cause = next.source();
    }
    // The outer ones say that something was sent; the last one says why it was not.
    texts.last().map_or_else(|| "it cannot be reached".to_owned(), |text| one_line(text))
}

fn one_line(text: &str) -> String {
    text.chars().take(300).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Whether what is read of it makes no difference to the outcome: a body that breaks off is cut there.
async fn beginning(response: &mut Response) -> String {
    let mut bytes = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        bytes.extend(chunk.iter().take(LONGEST - bytes.len()));
        if bytes.len() >= LONGEST {
            break;
        }
    }
    one_line(String::from_utf8_lossy(&bytes).trim())
}

fn retry_after(response: &Response, now: Timestamp) -> Option<u64> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(seconds);
    }
    let at = DateTimeParser::new().parse_timestamp(text).ok()?;
    u64::try_from(at.as_second().saturating_sub(now.seconds())).ok()
}

/// Certificates (PEM) of authorities.
fn certificates(path: &Path) -> Result<Vec<Certificate>, Error> {
    let refuse =
        |why: &str| Error::Configuration(format!("webhooks.ca_file: {}: {why}", path.display()));
    let pem = std::fs::read(path).map_err(|error| refuse(&error.to_string()))?;
    let none = "there is no certificate in it (PEM)";
    let found = Certificate::from_pem_bundle(&pem).map_err(|_| refuse(none))?;
    if found.is_empty() { Err(refuse(none)) } else { Ok(found) }
}

/// How names are looked up.
#[derive(Clone)]
struct Lookup(Arc<LookUp>);

type LookUp = dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync;

impl Lookup {
    fn system() -> Self {
        Self(Arc::new(|name| {
            Box::pin(async move {
                let found = tokio::net::lookup_host((name, 0)).await?;
                Ok(found.map(|address| address.ip()).collect())
            })
        }))
    }
}

/// Looks a name up and judges what it leads to. The connection is made to what it returns, without another lookup.
struct Resolver {
    reach: Reach,
    lookup: Lookup,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (reach, looked_up) = (self.reach, (self.lookup.0)(name.as_str().to_owned()));
        Box::pin(async move {
            let found = looked_up.await?;
            // One that is bad is enough: it is not the name of a receiver.
            found.iter().try_for_each(|address| reach.admit(*address))?;
            let addresses: Addrs =
                Box::new(found.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests;
