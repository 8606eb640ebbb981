//! How a server is asked what it sees of a request, by nobody but who has the server secret.
//!
//! The question carries its time, a nonce and a MAC over both, under a key that is derived from the server secret: whoever
//! can make one could make refresh tokens too, so the answer gives nothing away. Without a good one there is nothing at
//! [`PROBE_PATH`]. The answer carries a MAC over itself and the nonce, so that whoever asks knows that it is a server of
//! this installation that answered, and that nothing on the way has changed what it said.

use std::{fmt, net::IpAddr};

use aws_lc_rs::hmac;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{
    Clock, Error,
    keys::ServerSecret,
    secret::{fill, hex, unhex},
};

/// Where a server is asked.
pub const PROBE_PATH: &str = "/probe";
/// The header of the question, and of the MAC of the answer.
pub const PROBE_HEADER: &str = "x-countersign-probe";

/// A question is good for so many seconds, before and after its time.
const GOOD_FOR: u64 = 60;
const NONCE: usize = 16;

/// Makes questions and answers.
#[derive(Clone)]
pub struct Probe(hmac::Key);

/// A question that was asked: what it takes to believe an answer.
#[derive(Debug, Clone)]
pub struct Asked {
    probe: Probe,
    nonce: Zeroizing<Vec<u8>>,
    header: String,
}

/// What a server sees of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Who connected to it; `None` where it is not told.
    pub peer: Option<IpAddr>,
    /// Whether that one is believed to say where requests come from.
    pub peer_is_trusted: bool,
    /// Whom it takes for the client.
    pub client: Option<IpAddr>,
    /// The elements of `X-Forwarded-For`, over all of its lines.
    pub forwarded_for: Vec<String>,
    /// `X-Forwarded-Proto`.
    pub forwarded_proto: Option<String>,
    /// `Host`.
    pub host: Option<String>,
    /// Its own `http.public_url`.
    pub public_url: Option<String>,
}

impl Probe {
    pub(crate) fn new(secret: &ServerSecret) -> Result<Self, Error> {
        Ok(Self(secret.mac_key("probe")?))
    }

    /// A question, good for a minute.
    ///
    /// # Errors
    /// [`Error::Internal`] when the machine has no randomness.
    pub fn ask(&self, clock: &Clock) -> Result<Asked, Error> {
        let mut nonce = Zeroizing::new(vec![0; NONCE]);
        fill(&mut nonce)?;
        let at = clock.now().seconds();
        let header = format!(
            "{at}.{}.{}",
            hex(&nonce),
            hex(self.mac(b"ask", &nonce, &at.to_be_bytes()).as_ref())
        );
        Ok(Asked { probe: self.clone(), nonce, header })
    }

    /// The nonce of a question; `None` for one that was not made with this server secret, or not now.
    pub(crate) fn admit(&self, header: &str, clock: &Clock) -> Option<Zeroizing<Vec<u8>>> {
        let mut parts = header.split('.');
        let (at, nonce, mac) = (parts.next()?, parts.next()?, parts.next()?);
        let at: i64 = at.parse().ok()?;
        let (nonce, mac) = (unhex(nonce.as_bytes())?, unhex(mac.as_bytes())?);
        if parts.next().is_some() || nonce.len() != NONCE {
            return None;
        }
        hmac::verify(&self.0, &text(b"ask", &nonce, &at.to_be_bytes()), &mac).ok()?;
        (clock.now().seconds().abs_diff(at) <= GOOD_FOR).then_some(nonce)
    }

    /// The MAC of an answer to the question with this nonce.
    pub(crate) fn sign(&self, nonce: &[u8], body: &[u8]) -> String {
        hex(self.mac(b"answer", nonce, body).as_ref())
    }

    fn mac(&self, what: &[u8], nonce: &[u8], content: &[u8]) -> hmac::Tag {
        hmac::sign(&self.0, &text(what, nonce, content))
    }
}

/// The nonce has one length, so that no two contents are one text.
fn text(what: &[u8], nonce: &[u8], content: &[u8]) -> Vec<u8> {
    [what, b" ", nonce, content].concat()
}

impl Asked {
    /// The value of [`PROBE_HEADER`] in the question.
    #[must_use]
    pub fn header(&self) -> &str {
        &self.header
    }

    /// What the answer says, where it is one of a server of this installation: its body, and its [`PROBE_HEADER`].
    #[must_use]
    pub fn read(&self, body: &[u8], header: &str) -> Option<Seen> {
        let mac = unhex(header.as_bytes())?;
        hmac::verify(&self.probe.0, &text(b"answer", &self.nonce, body), &mac).ok()?;
        serde_json::from_slice(body).ok()
    }
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Probe(…)")
    }
}
