//! A token member by member: what each means, and whether it stands in the way.

use anstyle::{AnsiColor, Style};
use jiff::tz::TimeZone;
use serde::Serialize;

use super::{
    judge::{Check, Refused, Rules},
    parts::{Members, Parts},
    times::{Moment, span},
    words,
};
use crate::cli::output::harmless;

/// The colours of the three parts; their labels tell them apart where there are none.
pub(super) const PARTS: [(&str, Style); 3] = [
    ("header", AnsiColor::Red.on_default()),
    ("payload", AnsiColor::Magenta.on_default()),
    ("signature", AnsiColor::Cyan.on_default()),
];
pub(super) const GOOD: Style = AnsiColor::Green.on_default().bold();
pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();

/// What became of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    Ok,
    Refused,
    /// Nothing was expected of it, or it was not looked at.
    Unchecked,
}

/// A member of the header or the payload.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) part: &'static str,
    pub(super) name: String,
    /// As it stands there, in JSON; `None` for one that is missing.
    pub(super) value: Option<String>,
    pub(super) state: State,
    pub(super) meaning: String,
}

/// What is known when a token is told member by member.
pub(super) struct Known<'a> {
    pub(super) parts: &'a Parts,
    pub(super) rules: Option<&'a Rules>,
    /// The verdict, when there is one.
    pub(super) verdict: Option<Result<(), &'a Refused>>,
    pub(super) now: i64,
    pub(super) zone: &'a TimeZone,
}

impl Known<'_> {
    /// All members, those of the header first, and those that are missing at the end.
    pub(super) fn rows(&self) -> Vec<Row> {
        let Parts { header, payload, .. } = self.parts;
        let mut rows: Vec<Row> =
            header.iter().map(|(name, value)| self.header(name, value)).collect();
        rows.extend(payload.iter().map(|(name, value)| self.claim(name, value)));
        rows.extend(self.missing(payload));
        rows
    }

    fn header(&self, name: &str, value: &str) -> Row {
        let (check, meaning) = match name {
            "alg" => (Some(Check::Algorithm), self.algorithm()),
            "kid" => (Some(Check::Key), words("kid")),
            "typ" => (Some(Check::Header), words("typ")),
            "crit" => (Some(Check::Header), words("crit")),
            "b64" => (Some(Check::Header), words("b64")),
            "jku" | "jwk" | "x5u" | "x5c" => (None, words("brought")),
            _ => (None, words("unread")),
        };
        let culprit = |refused: &Refused| match refused.code {
            "type_mismatch" => name == "typ",
            "header_unsupported" => name != "typ",
            _ => true,
        };
        let (state, why) = match (check, self.verdict) {
            (Some(_), Some(Ok(()))) => (State::Ok, None),
            (Some(check), Some(Err(refused))) if refused.check == check => {
                if culprit(refused) {
                    (State::Refused, Some(self.why_header(refused)))
                } else {
                    (State::Ok, None)
                }
            }
            (Some(check), Some(Err(refused))) if refused.check > check => (State::Ok, None),
            _ => (State::Unchecked, None),
        };
        let meaning = why.unwrap_or_else(|| meaning.to_owned());
        Row { part: "header", name: name.to_owned(), value: Some(value.to_owned()), state, meaning }
    }

    fn why_header(&self, refused: &Refused) -> String {
        match (refused.check, self.rules.and_then(|rules| rules.typ.as_ref())) {
            (Check::Header, Some(typ)) if refused.code == "type_mismatch" => {
                format!("expected {typ:?}")
            }
            _ => refused.detail.clone(),
        }
    }

    fn algorithm(&self) -> &'static str {
        match self.parts.header.text("alg").as_deref() {
            Some("none") => words("alg_none"),
            Some("HS256" | "HS384" | "HS512") => words("alg_secret"),
            Some(_) => words("alg_pair"),
            None => "",
        }
    }

    fn claim(&self, name: &str, value: &str) -> Row {
        let (state, meaning) = match self.verdict {
            // A wrong type is named in the refusal.
            Some(Err(refused))
                if refused.check == Check::Claims
                    && refused.detail.contains(&format!("`{name}`")) =>
            {
                (State::Refused, "of the wrong type, or out of range".to_owned())
            }
            _ => self.meaning(name),
        };
        Row {
            part: "payload",
            name: name.to_owned(),
            value: Some(value.to_owned()),
            state,
            meaning,
        }
    }

    fn meaning(&self, name: &str) -> (State, String) {
        let unchecked = |name: &str| (State::Unchecked, words(name).to_owned());
        match name {
            "exp" => self.expiry(),
            "nbf" => self.not_before(),
            "iat" => match self.moment("iat") {
                Some(moment) => (State::Unchecked, format!("issued {}", moment.readable())),
                None => unchecked("iat"),
            },
            "iss" => self.issuer(),
            "aud" => self.audience(),
            "sub" if self.rules.is_some_and(|rules| rules.own) => self.id("sub", "account"),
            "sub" => self.id("sub", "sub"),
            "sid" => self.id("sid", "sid"),
            "jti" | "name" | "roles" => unchecked(name),
            "gen" if self.rules.is_some_and(|rules| rules.own) => match self.verdict {
                Some(Ok(())) => (State::Ok, "not below that of the account".to_owned()),
                _ => unchecked("gen"),
            },
            _ => (State::Unchecked, String::new()),
        }
    }

    fn moment(&self, name: &str) -> Option<Moment> {
        Moment::new(self.parts.payload.seconds(name)?, self.now, self.zone)
    }

    fn leeway(&self) -> Option<u64> {
        self.rules.map(|rules| rules.leeway.as_secs())
    }

    fn expiry(&self) -> (State, String) {
        let Some(moment) = self.moment("exp") else {
            return (State::Unchecked, words("exp").to_owned());
        };
        let verb = if moment.from_now > 0 { "expires" } else { "expired" };
        let text = format!("{verb} {}", moment.readable());
        match self.leeway() {
            None => (State::Unchecked, text),
            Some(leeway) if self.now >= moment.unix.saturating_add_unsigned(leeway) => {
                (State::Refused, text)
            }
            Some(leeway) if moment.from_now <= 0 => {
                (State::Ok, format!("{text}; {} are allowed for clocks", span(leeway)))
            }
            Some(_) => (State::Ok, text),
        }
    }

    fn not_before(&self) -> (State, String) {
        let Some(moment) = self.moment("nbf") else {
            return (State::Unchecked, words("nbf").to_owned());
        };
        let text = format!("valid from {}", moment.readable());
        match self.leeway() {
            None => (State::Unchecked, text),
            Some(leeway) if self.now.saturating_add_unsigned(leeway) < moment.unix => {
                (State::Refused, text)
            }
            Some(_) => (State::Ok, text),
        }
    }

    fn issuer(&self) -> (State, String) {
        match self.rules.map(|rules| rules.issuer.as_ref()) {
            None => (State::Unchecked, words("iss").to_owned()),
            Some(None) => {
                (State::Unchecked, "any issuer will do: name one with --issuer".to_owned())
            }
            Some(Some(expected)) if self.parts.payload.text("iss").as_ref() == Some(expected) => {
                (State::Ok, words("iss").to_owned())
            }
            Some(Some(expected)) => (State::Refused, format!("expected {expected:?}")),
        }
    }

    fn audience(&self) -> (State, String) {
        let Some(rules) = self.rules else {
            return (State::Unchecked, words("aud").to_owned());
        };
        let named = self.parts.payload.texts("aud").unwrap_or_default();
        match rules.audiences.as_slice() {
            [] => {
                let flag = "refused by default: name yours with --audience";
                (State::Refused, flag.to_owned())
            }
            accepted if named.iter().any(|audience| accepted.contains(audience)) => {
                (State::Ok, words("aud").to_owned())
            }
            [expected] => (State::Refused, format!("expected {expected:?}")),
            several => (State::Refused, format!("expected one of {several:?}")),
        }
    }

    fn id(&self, name: &str, meaning: &str) -> (State, String) {
        let meaning = words(meaning);
        let made = self.parts.payload.text(name).and_then(|id| made_at(&id));
        let made = made.and_then(|unix| Moment::new(unix, self.now, self.zone));
        let meaning = match &made {
            Some(made) => format!("{meaning}, made {}", made.distance()),
            None => meaning.to_owned(),
        };
        match self.rules {
            Some(rules) if rules.own && made.is_none() => {
                (State::Refused, "expected a UUID of version 7 in lower case".to_owned())
            }
            Some(rules) if rules.own => (State::Ok, meaning),
            _ => (State::Unchecked, meaning),
        }
    }

    /// Claims that are expected and not there.
    fn missing(&self, payload: &Members) -> Vec<Row> {
        let Some(rules) = self.rules else { return Vec::new() };
        let expected = [
            ("exp", true),
            ("iss", rules.issuer.is_some()),
            ("aud", !rules.audiences.is_empty()),
            ("sub", rules.own),
            ("sid", rules.own),
        ];
        expected
            .into_iter()
            .filter(|(name, expected)| *expected && payload.value(name).is_none())
            .map(|(name, _)| Row {
                part: "payload",
                name: name.to_owned(),
                value: None,
                state: State::Refused,
                meaning: "missing".to_owned(),
            })
            .collect()
    }
}

/// When an id was made, in seconds since 1970: a UUID of version 7 in its canonical form says so (RFC 9562 §5.7).
fn made_at(id: &str) -> Option<i64> {
    let hyphens = [8, 13, 18, 23];
    let canonical = id.len() == 36
        && id.bytes().enumerate().all(|(at, byte)| match byte {
            b'-' => hyphens.contains(&at),
            b'0'..=b'9' | b'a'..=b'f' => !hyphens.contains(&at),
            _ => false,
        });
    let version = id.get(14..15) == Some("7");
    let variant = id.get(19..20).is_some_and(|digit| "89ab".contains(digit));
    if !(canonical && version && variant) {
        return None;
    }
    let millis: String = id.get(..13)?.split('-').collect();
    i64::from_str_radix(&millis, 16).ok().map(|millis| millis / 1_000)
}

/// One part of a token for people: its encoded text, and its members below it.
pub(super) fn show(part: usize, encoded: &str, rows: &[Row], marks: bool) -> Vec<String> {
    /// Values stand below each other up to this width.
    const WIDEST: usize = 46;
    let (label, style) = PARTS.get(part).copied().unwrap_or_default();
    let mut lines = vec![format!("{style}{label:<9}{style:#}  {style}{encoded}{style:#}")];
    let rows: Vec<&Row> = rows.iter().filter(|row| row.part == label).collect();
    let value = |row: &Row| match &row.value {
        Some(value) => harmless(&value.replace(['\n', '\r', '\t'], " ")),
        None => "-".to_owned(),
    };
    let width = |text: &str| text.chars().count();
    let names =
        rows.iter().map(|row| width(&harmless(&row.name))).max().unwrap_or_default().min(16);
    let values = rows.iter().map(|row| width(&value(row))).filter(|width| *width <= WIDEST);
    let values = values.max().unwrap_or_default();
    for row in rows {
        let mark = match row.state {
            _ if !marks => String::new(),
            State::Ok => format!("{GOOD}ok{GOOD:#}  "),
            State::Refused => format!("{BAD}NO{BAD:#}  "),
            State::Unchecked => "    ".to_owned(),
        };
        let (name, value) = (harmless(&row.name), value(row));
        let line =
            format!("  {mark}{style}{name:<names$}{style:#}  {value:<values$}  {}", row.meaning);
        lines.push(line.trim_end().to_owned());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_says_when_it_was_made_and_only_a_canonical_one_is_taken() {
        assert_eq!(made_at("0198a3c2-7d4e-7b11-9f63-2b1de9f0c4aa"), Some(1_755_094_089));
        for other in [
            "0198A3C2-7D4E-7B11-9F63-2B1DE9F0C4AA",
            "0198a3c2-7d4e-4b11-9f63-2b1de9f0c4aa",
            "0198a3c2-7d4e-7b11-cf63-2b1de9f0c4aa",
            "0198a3c27d4e7b119f632b1de9f0c4aa",
            "0198a3c2-7d4e-7b11-9f63-2b1de9f0c4a",
            "alice",
            "",
        ] {
            assert_eq!(made_at(other), None, "{other}");
        }
    }
}
