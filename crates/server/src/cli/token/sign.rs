//! `countersign token sign`: a token from a secret or a private key.

use std::time::Duration;

use auth::config::parse_duration;
use clap::Args;
use jwt::{Claims, Error, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value, value::RawValue};

use super::{
    decode::Times,
    keys::KeyArguments,
    parts::{Parts, json},
    times::{self, span},
};
use crate::{cli::output, settings::Refusal};

/// How long a token lives for which nothing else was said.
const LIFETIME: Duration = Duration::from_secs(600);

/// Make a token from a secret or a private key.
#[derive(Debug, Args)]
pub(super) struct Sign {
    #[command(flatten)]
    key: KeyArguments,
    /// The name of the key in the header; else that of the key file, or the one derived from the key.
    #[arg(long, value_name = "NAME")]
    kid: Option<String>,
    /// The type in the header.
    #[arg(long, value_name = "TYPE", default_value = "JWT")]
    typ: String,
    /// Whom the token is about (`sub`).
    #[arg(long, value_name = "SUBJECT")]
    subject: Option<String>,
    /// Who issues it (`iss`).
    #[arg(long, value_name = "ISSUER")]
    issuer: Option<String>,
    /// For whom it is meant (`aud`); may be given several times.
    #[arg(long, value_name = "AUDIENCE")]
    audience: Vec<String>,
    /// How long it is valid, such as 90s, 10m, 12h; else 10m (`exp`).
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    expires_in: Option<Duration>,
    /// How long it is not valid yet (`nbf`).
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    valid_in: Option<Duration>,
    /// Its own id (`jti`).
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// Any other claim, its value in JSON: `--claim admin=true --claim 'name="Ada"'`.
    #[arg(long, value_name = "NAME=JSON")]
    claim: Vec<String>,
    /// Sign as if it were this time: 1795536000, 2026-11-24T16:00:00Z, +2h, -10m.
    #[arg(long, value_name = "TIME", value_parser = times::parse, allow_hyphen_values = true)]
    at: Option<i64>,
    /// Print one JSON object: `{"token", "header", "payload", "times"}`.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Signed<'a> {
    token: &'a str,
    header: Box<RawValue>,
    payload: Box<RawValue>,
    times: Times,
}

impl Sign {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let custom = self.custom()?;
        let mut key = self.key.signing()?.with_typ(&self.typ);
        key = match &self.kid {
            Some(kid) => key.with_kid(kid),
            None if key.kid().is_none() => key.with_derived_kid(),
            None => key,
        };
        let now = self.at.unwrap_or_else(times::now);
        let has_expiry = custom.contains_key("exp");
        let mut claims = Claims::at(custom, Timestamp::new(now));
        match self.expires_in {
            None if has_expiry => {}
            lifetime => claims = claims.expires_in(lifetime.unwrap_or(LIFETIME)),
        }
        if let Some(issuer) = self.issuer {
            claims = claims.issuer(issuer);
        }
        if let Some(subject) = self.subject {
            claims = claims.subject(subject);
        }
        for audience in self.audience {
            claims = claims.audience(audience);
        }
        if let Some(wait) = self.valid_in {
            claims = claims.not_before(Timestamp::new(now).saturating_add(wait));
        }
        if let Some(id) = self.id {
            claims = claims.id(id);
        }
        let token = key.sign(&claims).map_err(|error| refuse(&error))?;
        let parts = Parts::read(&token).map_err(|no_token| refuse(&no_token.error))?;
        let times = Times::of(&parts, now);
        let expires = times.expiry().map(|expiry| match expiry.from_now {
            ahead @ 1.. => format!(", expires in {}", span(ahead.unsigned_abs())),
            past => format!(", expired {} ago", span(past.unsigned_abs())),
        });
        if self.json {
            output::data(&json(&Signed {
                token: &token,
                header: RawValue::from_string(json(&parts.header))?,
                payload: RawValue::from_string(json(&parts.payload))?,
                times,
            }));
        } else {
            output::data(&token);
        }
        let kid = output::harmless(key.kid().unwrap_or_default());
        let algorithm = key.algorithm();
        output::talk(&format!("{algorithm}, key {kid}{}", expires.unwrap_or_default()));
        Ok(())
    }

    /// The claims that have no flag of their own.
    fn custom(&self) -> Result<Map<String, Value>, Refusal> {
        let mut custom = Map::new();
        for claim in &self.claim {
            let (name, value) = claim
                .split_once('=')
                .ok_or_else(|| Refusal(format!("--claim {claim}: write it as name=JSON")))?;
            let value = serde_json::from_str(value).map_err(|_| {
                Refusal(format!(
                    "--claim {name}: the value is no JSON; a text stands in double quotes: \
                     --claim '{name}=\"{value}\"'"
                ))
            })?;
            if custom.insert(name.to_owned(), value).is_some() {
                return Err(Refusal(format!("--claim {name} is given twice")));
            }
        }
        Ok(custom)
    }
}

fn refuse(error: &Error) -> Refusal {
    let hint = match error {
        Error::ClaimDuplicate => ": by its flag, and by --claim",
        Error::ExpiryTooEarly => ": raise --expires-in",
        _ => "",
    };
    Refusal(format!("{error}{hint}"))
}
