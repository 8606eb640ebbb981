//! `countersign token verify`: yes or no.

use clap::Args;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    TokenArgument,
    claims::{BAD, GOOD, Known, State},
    decode::Times,
    judge::{Check, JudgeArguments, Refused, no_keys},
    parts::{NoToken, Parts, json},
    times::zone,
};
use crate::cli::{
    No,
    output::{self, harmless},
};

/// Check a token: exit code 0 and its claims if it is valid, else 1 and the check that failed.
#[derive(Debug, Args)]
pub(super) struct Verify {
    #[command(flatten)]
    token: TokenArgument,
    #[command(flatten)]
    judge: JudgeArguments,
    /// Print one JSON object: `{"valid", "check", "code", "detail", "header", "claims", "times"}`.
    #[arg(long)]
    json: bool,
}

/// The verdict for machines. What a token says stands there only if it is true.
#[derive(Serialize)]
struct Verdict<'a> {
    valid: bool,
    check: Option<&'static str>,
    code: Option<&'static str>,
    detail: Option<&'a str>,
    header: Option<Box<RawValue>>,
    claims: Option<Box<RawValue>>,
    times: Option<Times>,
}

impl From<NoToken> for Refused {
    fn from(no_token: NoToken) -> Self {
        let mut refused = Self::from(no_token.error);
        if let Some(guess) = no_token.guess {
            refused.detail = format!("{}: {guess}", refused.detail);
        }
        refused
    }
}

impl Verify {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let Some(judge) = self.judge.judge(&self.token).await? else { return Err(no_keys()) };
        let token = self.token.read()?;
        let parts = match Parts::read(&token) {
            Ok(parts) => parts,
            Err(no_token) => return self.refuse(&no_token.into(), None),
        };
        let verdict = judge.judge(&token, &parts);
        let rules = judge.rules.clone();
        let now = rules.now;
        if let Err(refused) = &verdict {
            let zone = zone();
            let verdict = Some(Err(refused));
            let known = Known { parts: &parts, rules: Some(&rules), verdict, now, zone: &zone };
            let said = culprit(refused.check).and_then(|name| {
                let row = known.rows().into_iter().find(|row| row.name == name)?;
                let value = row.value.map(|value| format!(" is {}", harmless(&value)));
                let said = format!("{name}{}: {}", value.unwrap_or_default(), row.meaning);
                // The member says no more than the refusal itself.
                let new = row.state == State::Refused && row.meaning != refused.detail;
                new.then_some(said)
            });
            return self.refuse(refused, said.as_deref());
        }
        let times = Times::of(&parts, now);
        let expires = times.expiry().map(|moment| format!(", {}", expires(moment.from_now)));
        if self.json {
            output::data(&json(&Verdict {
                valid: true,
                check: None,
                code: None,
                detail: None,
                header: Some(RawValue::from_string(json(&parts.header))?),
                claims: Some(RawValue::from_string(json(&parts.payload))?),
                times: Some(times),
            }));
        } else {
            output::data(&json(&parts.payload));
        }
        let algorithm = parts.header.text("alg").unwrap_or_default();
        output::talk(&format!(
            "{GOOD}valid{GOOD:#}: {algorithm} by {}{}",
            rules.whose,
            expires.unwrap_or_default()
        ));
        if rules.issuer.is_none() {
            output::talk("note: any issuer was accepted; name one with --issuer");
        }
        Ok(())
    }

    fn refuse(&self, refused: &Refused, said: Option<&str>) -> anyhow::Result<()> {
        let Refused { check, code, detail, hint } = refused;
        if self.json {
            output::data(&json(&Verdict {
                valid: false,
                check: Some(check.name()),
                code: Some(code),
                detail: Some(detail),
                header: None,
                claims: None,
                times: None,
            }));
        }
        output::talk(&format!("{BAD}not valid{BAD:#}: {}: {detail} ({code})", check.name()));
        if let Some(said) = said {
            output::talk(&format!("  {said}"));
        }
        if let Some(hint) = hint {
            output::talk(&format!("  {hint}"));
        }
        Err(No(String::new()).into())
    }
}

fn expires(from_now: i64) -> String {
    let distance = super::times::span(from_now.unsigned_abs());
    if from_now > 0 {
        format!("expires in {distance}")
    } else {
        format!("expired {distance} ago, which the leeway allows")
    }
}

/// The member that a check is about.
fn culprit(check: Check) -> Option<&'static str> {
    match check {
        Check::Algorithm => Some("alg"),
        Check::Key => Some("kid"),
        Check::Header => Some("typ"),
        Check::Expiry => Some("exp"),
        Check::NotBefore => Some("nbf"),
        Check::Issuer => Some("iss"),
        Check::Audience => Some("aud"),
        Check::Subject => Some("sub"),
        Check::Form | Check::Signature | Check::Claims | Check::Revocation => None,
    }
}
