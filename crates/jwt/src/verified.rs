//! What a verifier answers with, and the buffer it may read into.

use std::{fmt, ops::Deref};

use crate::{
    Audience, Timestamp,
    compact::MAX_TOKEN_LEN,
    registered::{Registered, Text},
    scan::Member,
};

/// Room for one token's payload, kept from call to call of [`Verifier::verify_into`](crate::Verifier::verify_into).
#[derive(Debug, Default)]
pub struct Buffer {
    pub(crate) bytes: Vec<u8>,
    pub(crate) members: Vec<Member>,
}

impl Buffer {
    /// Makes an empty buffer; it grows to the longest payload it has met, at most that of the longest token.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), members: Vec::new() }
    }

    /// Makes a buffer for one token, with room enough that it need not grow for a usual one.
    pub(crate) fn for_one(token: &str) -> Self {
        Self {
            bytes: Vec::with_capacity(token.len().min(MAX_TOKEN_LEN)),
            members: Vec::with_capacity(USUAL_MEMBERS),
        }
    }
}

/// More claims than most tokens have.
const USUAL_MEMBERS: usize = 16;

/// The claims of a token that was verified; only a [`Verifier`](crate::Verifier) can make one.
///
/// Reads as the custom claims themselves, and answers for the registered ones. `S` holds the text of the payload: a
/// `String`, or a `&str` in a [`Buffer`].
#[derive(Clone)]
pub struct Verified<T, S = String> {
    pub(crate) claims: T,
    pub(crate) registered: Registered,
    /// The payload, followed by the kid of the key, which has this many bytes.
    pub(crate) text: S,
    pub(crate) kid: usize,
}

impl<T, S: AsRef<str>> Verified<T, S> {
    /// Returns the custom claims.
    pub fn claims(&self) -> &T {
        &self.claims
    }

    /// Returns the custom claims by value.
    pub fn into_claims(self) -> T {
        self.claims
    }

    /// Returns who issued the token (`iss`).
    pub fn issuer(&self) -> Option<&str> {
        self.text_of(self.registered.issuer.as_ref())
    }

    /// Returns whom the token is about (`sub`).
    pub fn subject(&self) -> Option<&str> {
        self.text_of(self.registered.subject.as_ref())
    }

    /// Returns for whom the token is meant (`aud`); empty if it does not say. It is read anew at each call.
    pub fn audience(&self) -> Audience {
        self.registered.audience(self.payload())
    }

    /// Returns when the token expires (`exp`), a fraction of a second rounded up. It is there unless the verifier was
    /// made to accept tokens without it.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.registered.expires_at
    }

    /// Returns when the token was issued (`iat`), a fraction of a second rounded up.
    pub fn issued_at(&self) -> Option<Timestamp> {
        self.registered.issued_at
    }

    /// Returns since when the token is valid (`nbf`), a fraction of a second rounded up.
    pub fn not_before(&self) -> Option<Timestamp> {
        self.registered.not_before
    }

    /// Returns the identifier of the token (`jti`).
    pub fn id(&self) -> Option<&str> {
        self.text_of(self.registered.id.as_ref())
    }

    /// Returns the name of the key that verified the token, if that key has one.
    pub fn kid(&self) -> Option<&str> {
        let text = self.text.as_ref();
        text.get(text.len() - self.kid..).filter(|kid| !kid.is_empty())
    }

    /// Returns the payload as it stands in the token: one JSON object.
    pub fn payload(&self) -> &str {
        let text = self.text.as_ref();
        text.get(..text.len() - self.kid).unwrap_or_default()
    }

    fn text_of<'s>(&'s self, claim: Option<&'s Text>) -> Option<&'s str> {
        claim.map(|text| text.get(self.payload()))
    }
}

impl<T, S> Deref for Verified<T, S> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.claims
    }
}

impl<T: fmt::Debug, S> fmt::Debug for Verified<T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Verified").field(&self.claims).finish()
    }
}
