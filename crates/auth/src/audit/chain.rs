//! The chain: each sealed event has a number and a link, made of its content and of the link before it.
//!
//! A link is an HMAC under a key that is derived from the server secret. So whoever can write the tables but does not
//! have that secret (keep it out of the database with `keys.master_key_file`) cannot change an event, take one out or put
//! one in between without its being found. The head of the chain, sealed in the same way, says how long it is. Somebody
//! who puts back a whole older database is found only by a head that was noted down elsewhere.

use std::fmt;

use aws_lc_rs::hmac;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq as _;
use uuid::Uuid;

use crate::{Error, keys::ServerSecret};

/// Bytes of a link.
pub(super) const LEN: usize = 32;

/// What is in a link's place before the first event.
pub(super) const GENESIS: [u8; LEN] = [0; LEN];

/// Makes links.
#[derive(Clone)]
pub(crate) struct Chain(hmac::Key);

/// What of an event is sealed: its columns, as they are stored.
#[derive(Debug, Clone)]
pub(super) struct Sealable {
    pub(super) id: Uuid,
    pub(super) at: i64,
    pub(super) kind: String,
    pub(super) user: Option<Uuid>,
    pub(super) actor: String,
    pub(super) actor_id: Option<Uuid>,
    pub(super) session: Option<Uuid>,
    pub(super) request: Option<String>,
    pub(super) details: Option<String>,
    /// Stands for the personal data, and stays when they go.
    pub(super) commitment: Option<Vec<u8>>,
}

/// How long the chain is, from where it is kept to where it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    /// The number before the first event that is kept, and its link.
    pub(super) first: (i64, Vec<u8>),
    /// The number of the last event, and its link.
    pub(super) last: (i64, Vec<u8>),
}

impl Default for Head {
    fn default() -> Self {
        Self { first: (0, GENESIS.to_vec()), last: (0, GENESIS.to_vec()) }
    }
}

impl Chain {
    pub(crate) fn new(secret: &ServerSecret) -> Result<Self, Error> {
        Ok(Self(secret.mac_key("audit")?))
    }

    /// The link of an event that has this number, after another link.
    pub(super) fn link(&self, before: &[u8], number: i64, event: &Sealable) -> Vec<u8> {
        let mut mac = Mac(hmac::Context::with_key(&self.0));
        mac.part(Some(b"event"));
        mac.part(Some(before));
        mac.part(Some(&number.to_be_bytes()));
        mac.part(Some(event.id.as_bytes()));
        mac.part(Some(&event.at.to_be_bytes()));
        mac.part(Some(event.kind.as_bytes()));
        mac.part(event.user.as_ref().map(|id| id.as_bytes().as_slice()));
        mac.part(Some(event.actor.as_bytes()));
        mac.part(event.actor_id.as_ref().map(|id| id.as_bytes().as_slice()));
        mac.part(event.session.as_ref().map(|id| id.as_bytes().as_slice()));
        mac.part(event.request.as_ref().map(String::as_bytes));
        mac.part(event.details.as_ref().map(String::as_bytes));
        mac.part(event.commitment.as_deref());
        mac.0.sign().as_ref().to_vec()
    }

    /// The seal of a head.
    pub(super) fn seal(&self, head: &Head) -> Vec<u8> {
        let mut mac = Mac(hmac::Context::with_key(&self.0));
        mac.part(Some(b"head"));
        for (number, link) in [&head.first, &head.last] {
            mac.part(Some(&number.to_be_bytes()));
            mac.part(Some(link));
        }
        mac.0.sign().as_ref().to_vec()
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Chain(…)")
    }
}

struct Mac(hmac::Context);

impl Mac {
    /// Each part with its length, so that no two lists of parts are one text; one that is missing is none that is empty.
    fn part(&mut self, bytes: Option<&[u8]>) {
        match bytes {
            None => self.0.update(&[0]),
            Some(bytes) => {
                self.0.update(&[1]);
                self.0.update(&bytes.len().to_be_bytes());
                self.0.update(bytes);
            }
        }
    }
}

/// Says whether two links or seals are one.
pub(super) fn equal(one: &[u8], other: &[u8]) -> bool {
    one.ct_eq(other).into()
}

/// What stands for personal data in the chain. The salt goes with them: then it says nothing of them any more.
pub(super) fn commitment(personal: &str, salt: &[u8]) -> Vec<u8> {
    let mut hash = Sha256::new();
    hash.update(salt);
    hash.update(personal);
    hash.finalize().to_vec()
}
