//! The registered claims of a payload (RFC 7519 §4.1), checked for their types wherever they stand.

use std::{borrow::Cow, ops::Range};

use crate::{
    Audience, Error, Timestamp,
    scan::{Kind, Member},
};

/// The registered claims; a claim of the wrong type is a refusal, never an absent claim.
#[derive(Clone, Debug, Default)]
pub(crate) struct Registered {
    pub(crate) issuer: Option<Text>,
    pub(crate) subject: Option<Text>,
    pub(crate) id: Option<Text>,
    /// The JSON of `aud`: a string or an array of strings.
    pub(crate) audience: Option<Range<usize>>,
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

impl Text {
    pub(crate) fn get<'t>(&'t self, payload: &'t str) -> &'t str {
        match self {
            Self::Plain(range) => payload.get(range.clone()).unwrap_or_default(),
            Self::Unescaped(text) => text,
        }
    }
}

impl Registered {
    pub(crate) const NAMES: [&'static str; 7] = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti"];

    pub(crate) fn read(payload: &str, members: &[Member]) -> Result<Self, Error> {
        let mut registered = Self::default();
        for member in members {
            match &*member.name(payload) {
                "iss" => registered.issuer = Some(text(member, payload, "iss")?),
                "sub" => registered.subject = Some(text(member, payload, "sub")?),
                "jti" => registered.id = Some(text(member, payload, "jti")?),
                "aud" => registered.audience = Some(audience(member, payload)?),
                "exp" => registered.expires_at = Some(time(member, payload, "exp")?),
                "nbf" => registered.not_before = Some(time(member, payload, "nbf")?),
                "iat" => registered.issued_at = Some(time(member, payload, "iat")?),
                _ => {}
            }
        }
        Ok(registered)
    }

    /// Whether the audience is one of these.
    pub(crate) fn audience_is_one_of(&self, payload: &str, accepted: &[String]) -> bool {
        let Some(json) = self.audience.clone().and_then(|range| payload.get(range)) else {
            return false;
        };
        let plain = json
            .strip_prefix('"')
            .and_then(|json| json.strip_suffix('"'))
            .filter(|json| !json.contains('\\'));
        match plain {
            Some(name) => accepted.iter().any(|own| own == name),
            None => self.audience(payload).iter().any(|name| accepted.contains(name)),
        }
    }

    pub(crate) fn audience(&self, payload: &str) -> Audience {
        let json = self.audience.clone().and_then(|range| payload.get(range));
        json.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default()
    }
}

fn text(member: &Member, payload: &str, name: &'static str) -> Result<Text, Error> {
    if member.kind == Kind::Plain {
        return Ok(Text::Plain(member.plain()));
    }
    let text = member.string(payload).map(Cow::into_owned);
    text.map(|text| Text::Unescaped(text.into())).ok_or(Error::ClaimInvalid(name))
}

fn audience(member: &Member, payload: &str) -> Result<Range<usize>, Error> {
    let json = member.value(payload);
    match member.kind {
        Kind::Plain | Kind::Escaped => {}
        Kind::Array if serde_json::from_str::<Audience>(json).is_ok() => {}
        _ => return Err(Error::ClaimInvalid("aud")),
    }
    Ok(member.range())
}

/// Reads a time: finite, not negative, a fraction rounded up, so that whole seconds compare as the fraction would.
fn time(member: &Member, payload: &str, name: &'static str) -> Result<Timestamp, Error> {
    let text = member.value(payload);
    let seconds = match member.kind {
        Kind::Integer => match text.parse::<i64>() {
            Ok(seconds) => Some(seconds),
            Err(_) => None,
        },
        Kind::Number => text.parse::<f64>().ok().and_then(whole_seconds),
        _ => None,
    };
    seconds.filter(|&seconds| seconds >= 0).map(Timestamp::new).ok_or(Error::ClaimInvalid(name))
}

fn whole_seconds(number: f64) -> Option<i64> {
    /// Below it every whole number is exact, and the conversion cannot wrap.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
    (0.0..EXACT).contains(&number).then(|| number.ceil() as i64)
}
