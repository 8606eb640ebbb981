//! A token in its three parts, as it stands there: nothing of it is believed.

use std::fmt;

use base64_turbo::URL_SAFE_NO_PAD as BASE64URL;
use jwt::dangerous;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor},
    ser::SerializeMap,
};
use serde_json::value::RawValue;

use super::words;
use crate::cli::output::harmless;

/// A token taken apart.
#[derive(Debug)]
pub(super) struct Parts {
    /// The three parts, encoded.
    pub(super) encoded: [String; 3],
    pub(super) header: Members,
    pub(super) payload: Members,
    /// How many bytes the signature has.
    pub(super) signature: usize,
}

/// Why a text is no token, and what it may be instead.
#[derive(Debug)]
pub(super) struct NoToken {
    pub(super) error: jwt::Error,
    pub(super) guess: Option<&'static str>,
}

impl Parts {
    /// Takes a token apart, as strictly as a verifier would.
    pub(super) fn read(token: &str) -> Result<Self, NoToken> {
        let no_token = |error| NoToken { error, guess: guess(token) };
        dangerous::decode_unverified::<()>(token).map_err(no_token)?;
        let other = || no_token(jwt::Error::TokenMalformed("not three parts"));
        let parts: Vec<&str> = token.split('.').collect();
        let [header, payload, signature] = parts.as_slice() else { return Err(other()) };
        let decode = |part: &str| BASE64URL.decode(part).map_err(|_| other());
        let members = |part: &str| {
            let bytes = decode(part)?;
            serde_json::from_slice(&bytes).map_err(|_| other())
        };
        Ok(Self {
            header: members(header)?,
            payload: members(payload)?,
            signature: decode(signature)?.len(),
            encoded: [header, payload, signature].map(|part| (*part).to_owned()),
        })
    }
}

/// What a text is that is no token, as far as one can see.
fn guess(token: &str) -> Option<&'static str> {
    let dots = token.matches('.').count();
    let name = if token.is_empty() {
        "guess_empty"
    } else if token.chars().any(char::is_whitespace) {
        "guess_blanks"
    } else if token.contains("...") || token.contains('…') {
        "guess_cut"
    } else if dots == 4 {
        "guess_jwe"
    } else if dots == 0 {
        "guess_opaque"
    } else if dots == 2 && token.contains(['=', '+', '/']) {
        "guess_base64"
    } else {
        return None;
    };
    Some(words(name))
}

/// The members of a JSON object in their order, their values as they stand there.
#[derive(Debug)]
pub(super) struct Members(Vec<(String, Box<RawValue>)>);

impl Members {
    /// Names and values, in their order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.get()))
    }

    /// The value of this name as a text, if it is one.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.value(name)?).ok()
    }

    /// The value of this name as whole seconds, a fraction rounded up, as a verifier reads it.
    pub(super) fn seconds(&self, name: &str) -> Option<i64> {
        let value = self.value(name)?;
        value.parse().ok().or_else(|| {
            let number: f64 = serde_json::from_str(value).ok()?;
            #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
            (0.0..9_007_199_254_740_992.0).contains(&number).then(|| number.ceil() as i64)
        })
    }

    /// The value of this name as one text or a list of them.
    pub(super) fn texts(&self, name: &str) -> Option<Vec<String>> {
        self.text(name)
            .map(|text| vec![text])
            .or_else(|| serde_json::from_str(self.value(name)?).ok())
    }

    /// The value of this name as it stands there.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.iter().find(|(own, _)| *own == name).map(|(_, value)| value)
    }
}

/// One line of JSON, harmless to a terminal.
pub(super) fn json(value: &impl Serialize) -> String {
    let text = serde_json::to_string(value).unwrap_or_default();
    // A line end in JSON stands between values, never inside of one.
    harmless(&text.replace(['\n', '\r', '\t'], " "))
}

impl Serialize for Members {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(header: &str, payload: &str) -> String {
        format!("{}.{}.AAAA", BASE64URL.encode(header), BASE64URL.encode(payload))
    }

    #[test]
    fn members_keep_their_order_and_their_writing() {
        let text = token(r#"{"typ":"JWT","alg":"HS256"}"#, "{\"z\":1.50,\n\"a\":\"\\u0041\"}");
        let parts = Parts::read(&text).expect("a token");
        assert_eq!(json(&parts.header), r#"{"typ":"JWT","alg":"HS256"}"#);
        assert_eq!(json(&parts.payload), r#"{"z":1.50,"a":"\u0041"}"#);
        assert_eq!((parts.payload.text("a").as_deref(), parts.signature), (Some("A"), 3));
    }

    #[test]
    fn what_is_no_token_is_named_as_what_it_may_be() {
        for (text, says) in [
            ("", "empty"),
            ("a.b.c.d.e", "JWE"),
            ("MnfoOqvWYdwKR2", "refresh token"),
            ("eyJhbGciOiJIUzI1NiJ9.e30=.AAAA", "base64url"),
            ("eyJhbGciOi\nJIUzI1NiJ9.e30.AAAA", "line breaks"),
            ("eyJhbGciOi....AAAA", "cut short"),
        ] {
            let guess = Parts::read(text).expect_err("refused").guess.expect("a guess");
            assert!(guess.contains(says), "{text}: {guess}");
        }
    }

    #[test]
    fn what_a_token_says_cannot_act_on_the_terminal() {
        let text = token(r#"{"alg":"HS256"}"#, "{\"name\":\"\u{202e}\u{9b}2J\"}");
        assert_eq!(
            json(&Parts::read(&text).expect("a token").payload),
            r#"{"name":"\u202e\u009b2J"}"#
        );
    }
}
