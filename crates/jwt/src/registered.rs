//! The registered claims of a payload (RFC 7519 §4.1), checked for their types wherever they stand.

use std::{borrow::Cow, ops::Range};

use crate::{
    Audience, Error, Timestamp,
    scan::{Kind, Member, fingerprint},
};

/// The registered claims; a claim of the wrong type is a refusal, never an absent claim.
#[derive(Clone, Debug, Default)]
pub(crate) struct Registered {
    pub(crate) issuer: Option<Text>,
    pub(crate) subject: Option<Text>,
    pub(crate) id: Option<Text>,
    pub(crate) audience: Option<Audiences>,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) not_before: Option<Timestamp>,
    pub(crate) issued_at: Option<Timestamp>,
}

/// A string of the payload: where it stands, or what it says if it has escapes.
#[derive(Clone, Debug)]
pub(crate) enum Text {
    Plain(Range<usize>),
    Unescaped(Box<str>),
}

/// `aud`: one string, or where an array of strings stands.
#[derive(Clone, Debug)]
pub(crate) enum Audiences {
    One(Text),
    Array(Range<usize>),
}

impl Text {
    pub(crate) fn get<'t>(&'t self, payload: &'t str) -> &'t str {
        match self {
            Self::Plain(range) => payload.get(range.clone()).unwrap_or_default(),
            Self::Unescaped(text) => text,
        }
    }
}

const ISS: u64 = fingerprint(b"iss");
const SUB: u64 = fingerprint(b"sub");
const AUD: u64 = fingerprint(b"aud");
const EXP: u64 = fingerprint(b"exp");
const NBF: u64 = fingerprint(b"nbf");
const IAT: u64 = fingerprint(b"iat");
const JTI: u64 = fingerprint(b"jti");

impl Registered {
    pub(crate) const NAMES: [&'static str; 7] = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti"];

    pub(crate) fn read(payload: &str, members: &[Member]) -> Result<Self, Error> {
        let mut registered = Self::default();
        registered.fill(payload, members)?;
        Ok(registered)
    }

    /// Reads the claims in place: a move of them all costs more than reading one.
    #[inline]
    pub(crate) fn fill(&mut self, payload: &str, members: &[Member]) -> Result<(), Error> {
        for member in members {
            // Fingerprints of names this short are exact.
            match member.print {
                ISS => self.issuer = Some(text(member, payload, "iss")?),
                SUB => self.subject = Some(text(member, payload, "sub")?),
                JTI => self.id = Some(text(member, payload, "jti")?),
                AUD => self.audience = Some(audience(member, payload)?),
                EXP => self.expires_at = Some(time(member, payload, "exp")?),
                NBF => self.not_before = Some(time(member, payload, "nbf")?),
                IAT => self.issued_at = Some(time(member, payload, "iat")?),
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether the audience is one of these.
    pub(crate) fn audience_is_one_of(&self, payload: &str, accepted: &[String]) -> bool {
        match &self.audience {
            Some(Audiences::One(name)) => accepted.iter().any(|own| own == name.get(payload)),
            Some(Audiences::Array(_)) => {
                self.audience(payload).iter().any(|name| accepted.contains(name))
            }
            None => false,
        }
    }

    pub(crate) fn audience(&self, payload: &str) -> Audience {
        match &self.audience {
            Some(Audiences::One(name)) => [name.get(payload)].into_iter().collect(),
            Some(Audiences::Array(range)) => payload
                .get(range.clone())
                .and_then(|json| serde_json::from_str(json).ok())
                .unwrap_or_default(),
            None => Audience::default(),
        }
    }
}

#[inline]
fn text(member: &Member, payload: &str, name: &'static str) -> Result<Text, Error> {
    match member.kind {
        Kind::Plain => Ok(Text::Plain(member.plain())),
        _ => unescaped(member, payload).ok_or(Error::ClaimInvalid(name)),
    }
}

#[cold]
fn unescaped(member: &Member, payload: &str) -> Option<Text> {
    member.string(payload).map(|text| Text::Unescaped(text.into()))
}

fn audience(member: &Member, payload: &str) -> Result<Audiences, Error> {
    if member.kind != Kind::Array {
        return text(member, payload, "aud").map(Audiences::One);
    }
    match serde_json::from_str::<Vec<Cow<'_, str>>>(member.value(payload)) {
        Ok(_) => Ok(Audiences::Array(member.range())),
        Err(_) => Err(Error::ClaimInvalid("aud")),
    }
}

/// Reads a time: finite, not negative, a fraction rounded up, so that whole seconds compare as the fraction would.
fn time(member: &Member, payload: &str, name: &'static str) -> Result<Timestamp, Error> {
    let seconds = match member.kind {
        Kind::Natural(seconds) => i64::try_from(seconds).ok(),
        Kind::Number => member.value(payload).parse().ok().and_then(whole_seconds),
        _ => None,
    };
    seconds.map(Timestamp::new).ok_or(Error::ClaimInvalid(name))
}

fn whole_seconds(number: f64) -> Option<i64> {
    /// Below it every whole number is exact, and the conversion cannot wrap.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
    (0.0..EXACT).contains(&number).then(|| number.ceil() as i64)
}
