//! `countersign token decode`: what a token says, checked by nobody.

use clap::Args;
use serde_json::value::RawValue;

use super::{
    TokenArgument,
    claims::{Known, show},
    no_token,
    parts::{Parts, json},
    times::{self, Moment, zone},
};
use crate::cli::output;

/// Show what a token says, without checking any of it.
#[derive(Debug, Args)]
pub(super) struct Decode {
    #[command(flatten)]
    token: TokenArgument,
    /// Tell times from this one: 1795536000, 2026-11-24T16:00:00Z, +2h, -10m.
    #[arg(long, value_name = "TIME", value_parser = times::parse, allow_hyphen_values = true)]
    at: Option<i64>,
    /// Print one JSON object: `{"verified": false, "header", "payload", "signature", "times"}`.
    #[arg(long)]
    json: bool,
}

/// The claims that are times, as people read them.
#[derive(Debug, serde::Serialize)]
pub(super) struct Times {
    exp: Option<Moment>,
    iat: Option<Moment>,
    nbf: Option<Moment>,
}

impl Times {
    pub(super) fn of(parts: &Parts, now: i64) -> Self {
        let zone = zone();
        let moment = |name| Moment::new(parts.payload.seconds(name)?, now, &zone);
        Self { exp: moment("exp"), iat: moment("iat"), nbf: moment("nbf") }
    }

    pub(super) fn expiry(&self) -> Option<&Moment> {
        self.exp.as_ref()
    }
}

#[derive(serde::Serialize)]
struct Decoded<'a> {
    verified: bool,
    header: Box<RawValue>,
    payload: Box<RawValue>,
    signature: &'a str,
    times: Times,
}

impl Decode {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let parts = match Parts::read(&self.token.read()?) {
            Ok(parts) => parts,
            Err(error) => return no_token(&error, self.json.then_some("verified")),
        };
        let now = self.at.unwrap_or_else(times::now);
        let [header, payload, signature] = &parts.encoded;
        if self.json {
            output::data(&json(&Decoded {
                verified: false,
                header: RawValue::from_string(json(&parts.header))?,
                payload: RawValue::from_string(json(&parts.payload))?,
                signature,
                times: Times::of(&parts, now),
            }));
            return Ok(());
        }
        let zone = zone();
        let known = Known { parts: &parts, rules: None, verdict: None, now, zone: &zone };
        let rows = known.rows();
        for (part, encoded) in [header, payload, signature].into_iter().enumerate() {
            for line in show(part, encoded, &rows, false) {
                output::data(&line);
            }
        }
        output::data(&format!("  {} bytes", parts.signature));
        output::talk("read, not verified: anyone can have written this");
        Ok(())
    }
}
