//! `countersign token explain`: why a token is accepted or not, here and elsewhere.

use clap::Args;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    TokenArgument,
    claims::{BAD, GOOD, Known, PARTS, Row, State, show},
    decode::Times,
    elsewhere::{Elsewhere, elsewhere},
    judge::{Check, JudgeArguments, Refused, Rules},
    no_token,
    parts::{Parts, json},
    times::{span, zone},
};
use crate::{
    cli::{No, output},
    ui::Language,
};

/// Say claim by claim why a token is accepted or not, here and by other verifiers.
#[derive(Debug, Args)]
pub(super) struct Explain {
    #[command(flatten)]
    token: TokenArgument,
    #[command(flatten)]
    judge: JudgeArguments,
    /// Print one JSON object: `{"accepted", "check", "code", "detail", "hint", "keys", "members", "signature", "times",
    /// "elsewhere"}`.
    #[arg(long)]
    json: bool,
}

/// All that is told, for machines.
#[derive(Serialize)]
struct Explained<'a> {
    /// None: there was nothing to judge by.
    accepted: Option<bool>,
    check: Option<&'static str>,
    code: Option<&'static str>,
    detail: Option<&'a str>,
    hint: Option<&'a str>,
    keys: Option<&'a str>,
    members: Vec<Member<'a>>,
    signature: Signature<'a>,
    times: Times,
    elsewhere: Elsewhere,
}

#[derive(Serialize)]
struct Member<'a> {
    part: &'static str,
    name: &'a str,
    value: Option<Box<RawValue>>,
    state: State,
    meaning: &'a str,
}

#[derive(Serialize)]
struct Signature<'a> {
    text: &'a str,
    bytes: usize,
    state: State,
}

/// What was found out about a token.
struct Findings {
    parts: Parts,
    rules: Option<Rules>,
    verdict: Option<Result<(), Refused>>,
    rows: Vec<Row>,
    now: i64,
}

impl Explain {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let judge = self.judge.judge(&self.token).await?;
        let token = self.token.read()?;
        let parts = match Parts::read(&token) {
            Ok(parts) => parts,
            Err(error) => return no_token(&error, self.json.then_some("accepted")),
        };
        let (mut rules, mut verdict) = (None, None);
        if let Some(judge) = judge {
            verdict = Some(judge.judge(&token, &parts));
            rules = Some(judge.rules.clone());
        }
        let now = rules.as_ref().map_or_else(|| self.judge.now(), |rules| rules.now);
        let zone = zone();
        let known = Known {
            parts: &parts,
            rules: rules.as_ref(),
            verdict: verdict.as_ref().map(|verdict| verdict.as_ref().map(|&()| ())),
            now,
            zone: &zone,
        };
        let rows = known.rows();
        let findings = Findings { parts, rules, verdict, rows, now };
        if self.json {
            output::data(&findings.to_json()?);
        } else {
            findings.to_text().iter().for_each(|line| output::data(line));
        }
        if matches!(findings.verdict, Some(Ok(()))) {
            Ok(())
        } else {
            Err(No(String::new()).into())
        }
    }
}

impl Findings {
    fn signature(&self) -> State {
        match &self.verdict {
            Some(Ok(())) => State::Ok,
            Some(Err(refused)) if refused.check > Check::Signature => State::Ok,
            Some(Err(refused)) if refused.check == Check::Signature => State::Refused,
            _ => State::Unchecked,
        }
    }

    fn algorithm(&self) -> String {
        self.parts.header.text("alg").unwrap_or_default()
    }

    fn to_json(&self) -> anyhow::Result<String> {
        let refused = self.verdict.as_ref().and_then(|verdict| verdict.as_ref().err());
        let value = |row: &Row| row.value.clone().map(RawValue::from_string).transpose();
        let mut members = Vec::new();
        for row in &self.rows {
            let Row { part, name, state, meaning, .. } = row;
            members.push(Member { part, name, value: value(row)?, state: *state, meaning });
        }
        Ok(json(&Explained {
            accepted: self.verdict.as_ref().map(Result::is_ok),
            check: refused.map(|refused| refused.check.name()),
            code: refused.map(|refused| refused.code),
            detail: refused.map(|refused| refused.detail.as_str()),
            hint: refused.and_then(|refused| refused.hint.as_deref()),
            keys: self.rules.as_ref().map(|rules| rules.whose.as_str()),
            members,
            signature: Signature {
                text: &self.parts.encoded[2],
                bytes: self.parts.signature,
                state: self.signature(),
            },
            times: Times::of(&self.parts, self.now),
            elsewhere: elsewhere(&self.algorithm(), Language::En),
        }))
    }

    fn to_text(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (part, encoded) in self.parts.encoded.iter().enumerate() {
            lines.extend(show(part, encoded, &self.rows, true));
        }
        lines.push(self.signature_line());
        lines.push(String::new());
        lines.extend(self.verdict_lines());
        lines.push(String::new());
        lines.extend(self.elsewhere_lines());
        lines
    }

    fn signature_line(&self) -> String {
        let (_, style) = PARTS[2];
        let bytes = self.parts.signature;
        let whose = self.rules.as_ref().map(|rules| rules.whose.as_str()).unwrap_or_default();
        match self.signature() {
            State::Ok => format!(
                "  {GOOD}ok{GOOD:#}  {style}{bytes} bytes{style:#}  made by {whose}: header and payload are as they were signed"
            ),
            State::Refused => format!(
                "  {BAD}NO{BAD:#}  {style}{bytes} bytes{style:#}  not made by {whose} over this header and payload"
            ),
            State::Unchecked => format!("      {style}{bytes} bytes{style:#}  not checked"),
        }
    }

    fn verdict_lines(&self) -> Vec<String> {
        let whose = self.rules.as_ref().map(|rules| rules.whose.as_str()).unwrap_or_default();
        match &self.verdict {
            None => vec![
                "Not judged: no key was named, and there is no installation here.".to_owned(),
                "  Name a key with --secret-file, --key, --jwks or --issuer, or an installation with --data-dir."
                    .to_owned(),
            ],
            Some(Ok(())) => {
                let mut lines = vec![format!("{GOOD}Accepted{GOOD:#} by {whose}.")];
                lines.extend(self.defaults_line());
                lines
            }
            Some(Err(refused)) => {
                let Refused { check, code, detail, hint } = refused;
                let check = check.name();
                let mut lines = vec![format!("{BAD}Refused{BAD:#} by {whose}: {check}: {detail} ({code}).")];
                if refused.check < Check::Claims {
                    lines.push(
                        "  The marks on the payload say what would become of it; nothing shows who wrote it."
                            .to_owned(),
                    );
                }
                lines.extend(hint.iter().map(|hint| format!("  {hint}.")));
                let rules = self.rules.as_ref();
                if refused.check == Check::Audience && rules.is_some_and(|rules| rules.audiences.is_empty()) {
                    lines.extend(self.defaults_line());
                }
                lines
            }
        }
    }

    fn defaults_line(&self) -> Option<String> {
        let defaults = self.rules.as_ref()?.defaults()?;
        Some(format!("  Judged by defaults, where nothing was asked for: {defaults}."))
    }

    fn elsewhere_lines(&self) -> Vec<String> {
        let algorithm = output::harmless(&self.algorithm());
        let Elsewhere { measured, refused_by, advice } = elsewhere(&algorithm, Language::En);
        let mut lines = vec![format!("Elsewhere, {algorithm}: {advice}.")];
        if measured.is_some() && !refused_by.is_empty() {
            lines.push("  Refused by:".to_owned());
            lines.extend(refused_by.iter().map(|name| format!("  - {name}")));
        }
        let expiry = self.parts.payload.seconds("exp");
        if matches!(self.verdict, Some(Ok(()))) && expiry.is_some_and(|expiry| expiry <= self.now) {
            let leeway =
                self.rules.as_ref().map(|rules| rules.leeway.as_secs()).unwrap_or_default();
            lines.push(format!(
                "  It has expired and lives by the {} that are allowed here; most verifiers allow none.",
                span(leeway)
            ));
        }
        lines
    }
}
