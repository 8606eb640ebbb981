//! Whether a token is accepted: by a key that was named, by an issuer's keys, or by the installation here.

use std::{collections::BTreeSet, path::Path, time::Duration};

use anyhow::Context;
use auth::{Auth, Clock, Config, config::parse_duration, tokens::Inspector};
use clap::Args;
use guard::{Denied, RemoteKeys};
use jwt::{Jwks, Timestamp, Verifier, VerifyingKey};

use super::{TokenArgument, keys::KeyArguments, parts::Parts, times};
use crate::{
    cli::{flags::Installation, instance::database_file, output::harmless},
    settings::Refusal,
};

/// By whose keys and rules a token is judged. Without a key or an issuer, by those of the installation here.
#[derive(Debug, Args)]
pub(super) struct JudgeArguments {
    #[command(flatten)]
    keys: KeyArguments,
    /// The address of a key set, such as `https://auth.example.com/.well-known/jwks.json`.
    #[arg(long, value_name = "URL")]
    jwks: Option<String>,
    /// The issuer that the token must name; without a key, its keys are found at this address.
    #[arg(long, value_name = "ISSUER")]
    issuer: Option<String>,
    /// The audience that the token must name; may be given several times.
    #[arg(long, value_name = "AUDIENCE")]
    audience: Vec<String>,
    /// The type that the header must name, such as `at+jwt`; else `JWT` or none.
    #[arg(long, value_name = "TYPE")]
    typ: Option<String>,
    /// By how much clocks may differ; else 30s, or what the installation says.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    leeway: Option<Duration>,
    /// Judge as if it were this time: 1795536000, 2026-11-24T16:00:00Z, +2h, -10m.
    #[arg(long, value_name = "TIME", value_parser = times::parse, allow_hyphen_values = true)]
    at: Option<i64>,
    #[command(flatten)]
    installation: Installation,
}

/// Who judges, and by which rules.
pub(super) struct Judge {
    keys: Keys,
    pub(super) rules: Rules,
}

enum Keys {
    /// Keys that are at hand.
    Known(Box<Verifier>),
    /// Those of an installation, which also knows which logins have ended.
    Installation(Box<Inspector>),
}

/// What a token has to meet beside its signature.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    /// None: any will do.
    pub(super) issuer: Option<String>,
    pub(super) audiences: Vec<String>,
    pub(super) typ: Option<String>,
    pub(super) leeway: Duration,
    /// The time of the check, in seconds since 1970.
    pub(super) now: i64,
    /// Whose keys these are, for people.
    pub(super) whose: String,
    /// Whether the rules of an installation for its own tokens hold.
    pub(super) own: bool,
    /// Whether they are those that were asked for beside a key, and the defaults for the rest.
    pub(super) asked: bool,
}

/// A check on a token, in the order in which they are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Check {
    Form,
    Algorithm,
    Key,
    Header,
    Signature,
    Claims,
    Expiry,
    NotBefore,
    Issuer,
    Audience,
    Subject,
    Revocation,
}

impl Check {
    /// Its name, in sentences and in JSON.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Form => "form",
            Self::Algorithm => "algorithm",
            Self::Key => "key",
            Self::Header => "header",
            Self::Signature => "signature",
            Self::Claims => "claims",
            Self::Expiry => "expiry",
            Self::NotBefore => "not_before",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Subject => "subject",
            Self::Revocation => "revocation",
        }
    }

    fn of(code: &str) -> Self {
        match code {
            "algorithm_mismatch" => Self::Algorithm,
            "unknown_key" => Self::Key,
            "type_mismatch" | "header_unsupported" => Self::Header,
            "signature_invalid" => Self::Signature,
            "token_expired" => Self::Expiry,
            "token_not_yet_valid" => Self::NotBefore,
            "issuer_mismatch" => Self::Issuer,
            "audience_mismatch" => Self::Audience,
            "token_revoked" => Self::Revocation,
            "token_malformed" => Self::Form,
            _ => Self::Claims,
        }
    }
}

/// The check that a token failed.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) check: Check,
    pub(super) code: &'static str,
    pub(super) detail: String,
    /// What would be asked next, where that is known.
    pub(super) hint: Option<String>,
}

impl From<jwt::Error> for Refused {
    fn from(error: jwt::Error) -> Self {
        let check = match error {
            jwt::Error::ClaimMissing("exp") => Check::Expiry,
            _ => Check::of(error.code()),
        };
        Self { check, code: error.code(), detail: error.to_string(), hint: None }
    }
}

impl JudgeArguments {
    /// The time of the check.
    pub(super) fn now(&self) -> i64 {
        self.at.unwrap_or_else(times::now)
    }

    /// Finds keys and rules; `None` when none are named and there is no installation here.
    pub(super) async fn judge(&self, token: &TokenArgument) -> anyhow::Result<Option<Judge>> {
        if token.is_stdin() && self.keys.are_stdin() {
            let both = "token and key cannot both come from stdin: name a file for one of them";
            return Err(Refusal(both.to_owned()).into());
        }
        if let Some(keys) = self.keys.verifying()? {
            if self.jwks.is_some() {
                return Err(Refusal("--jwks and a key of your own: take one".to_owned()).into());
            }
            return Ok(Some(self.with_keys(keys, "the key that was named")));
        }
        if let Some(address) = &self.jwks {
            let remote = RemoteKeys::at(address, Verifier::new(Jwks::default()));
            let keys = fetch("--jwks", address, remote).await?;
            return Ok(Some(self.with_keys(keys, &format!("the keys at {address}"))));
        }
        if let Some(issuer) = &self.issuer {
            let remote = RemoteKeys::discover(issuer, Verifier::new(Jwks::default()));
            let keys = fetch("--issuer", issuer, remote).await?;
            return Ok(Some(self.with_keys(keys, &format!("the keys of {issuer}"))));
        }
        let foreign = [
            ("--audience", !self.audience.is_empty()),
            ("--typ", self.typ.is_some()),
            ("--leeway", self.leeway.is_some()),
        ];
        if let Some((flag, _)) = foreign.iter().find(|(_, given)| *given) {
            return Err(Refusal(format!(
                "{flag} goes with a key of your choice (--secret-file, --key, --jwks, --issuer); an \
                 installation judges by its settings"
            ))
            .into());
        }
        self.here().await
    }

    fn with_keys(&self, keys: Jwks, whose: &str) -> Judge {
        let rules = Rules {
            issuer: self.issuer.clone(),
            audiences: self.audience.clone(),
            typ: self.typ.clone(),
            leeway: self.leeway.unwrap_or(Verifier::DEFAULT_LEEWAY).min(Verifier::MAX_LEEWAY),
            now: self.now(),
            whose: whose.to_owned(),
            own: false,
            asked: true,
        };
        Judge { keys: Keys::Known(Box::new(rules.verifier(keys))), rules }
    }

    /// The installation that the settings name, if there is one.
    async fn here(&self) -> anyhow::Result<Option<Judge>> {
        let mut config = self.installation.load()?;
        let tokens = &config.tokens;
        let mut rules = Rules {
            issuer: Some(tokens.issuer.clone()),
            audiences: vec![tokens.audience.clone()],
            typ: Some(tokens.typ.clone()).filter(|typ| typ != "JWT"),
            leeway: tokens.leeway,
            now: self.now(),
            whose: String::new(),
            own: true,
            asked: false,
        };
        let file = database_file(&self.installation.data_dir);
        if config.database.url.is_none() && file.exists() {
            config.database.url = Some(format!("sqlite://{}", file.display()));
        }
        if let Some(url) = config.database.url.as_deref()
            && (url.starts_with("postgres") || exists(url))
        {
            rules.whose = "this installation".to_owned();
            let clock = self.at.map_or_else(Clock::system, |at| Clock::new(Timestamp::new(at)));
            // Looking changes nothing, whatever the settings here say.
            let inspector = Auth::builder(config).clock(clock).inspect().await.map_err(unread)?;
            return Ok(Some(Judge { keys: Keys::Installation(Box::new(inspector)), rules }));
        }
        let Some(keys) = files(&config)? else { return Ok(None) };
        rules.whose = "the keys of the settings".to_owned();
        rules.own = false;
        Ok(Some(Judge { keys: Keys::Known(Box::new(rules.verifier(keys))), rules }))
    }
}

/// What to say to whoever asks for a verdict where there is nothing to judge by.
pub(super) fn no_keys() -> anyhow::Error {
    Refusal(
        "there is nothing to verify with: name a key with --secret-file, --secret-env, --key, --jwks or --issuer, \
         or an installation with --config or --data-dir"
            .to_owned(),
    )
    .into()
}

/// Why an installation cannot be looked at; a table that is not there says little to people.
fn unread(error: auth::Error) -> anyhow::Error {
    let known = matches!(error, auth::Error::Configuration(_) | auth::Error::StorageUnavailable(_));
    let error = anyhow::Error::from(error);
    if known {
        return error;
    }
    error.context(
        "the database here holds no installation of this version; start it with serve first",
    )
}

fn exists(url: &str) -> bool {
    Path::new(url.trim_start_matches("sqlite:").trim_start_matches("//")).exists()
}

/// The keys that the settings name in files.
fn files(config: &Config) -> anyhow::Result<Option<Jwks>> {
    let algorithm = config.tokens.algorithm;
    let symmetric = if algorithm.is_symmetric() { algorithm } else { jwt::Algorithm::Hs256 };
    let mut keys = Vec::new();
    if let Some(path) = &config.keys.private_key_file {
        let pem = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let key = VerifyingKey::from_pem(algorithm, &pem);
        keys.push(key.map_err(|error| Refusal(format!("{}: {error}", path.display())))?);
    }
    for path in &config.keys.secret_file {
        let key = VerifyingKey::from_secret(symmetric, &auth::keys::read_secret(path)?);
        keys.push(key.map_err(|error| Refusal(format!("{}: {error}", path.display())))?);
    }
    if keys.is_empty() {
        return Ok(None);
    }
    let keys = Jwks::new(keys.into_iter().map(VerifyingKey::with_derived_kid));
    Ok(Some(keys.map_err(|error| Refusal(error.to_string()))?))
}

async fn fetch(
    flag: &str,
    address: &str,
    remote: Result<RemoteKeys, guard::RemoteKeysError>,
) -> anyhow::Result<Jwks> {
    let remote = remote.map_err(|error| Refusal(format!("{flag}: {error}")))?;
    remote.fetch().await.with_context(|| format!("no keys from {address}"))
}

impl Rules {
    /// What holds because nothing else was asked for beside the key.
    pub(super) fn defaults(&self) -> Option<String> {
        let mut defaults = Vec::new();
        if self.issuer.is_none() {
            defaults.push("any issuer will do (--issuer asks for one)");
        }
        if self.audiences.is_empty() {
            defaults.push("a token for an audience is refused (--audience names yours)");
        }
        (self.asked && !defaults.is_empty()).then(|| defaults.join("; "))
    }

    fn verifier(&self, keys: Jwks) -> Verifier {
        let now = Timestamp::new(self.now);
        let mut verifier = Verifier::new(keys).leeway(self.leeway).clock(now);
        if let Some(issuer) = &self.issuer {
            verifier = verifier.issuer(issuer);
        }
        for audience in &self.audiences {
            verifier = verifier.audience(audience);
        }
        match &self.typ {
            Some(typ) => verifier.typ(typ),
            None => verifier,
        }
    }
}

impl Judge {
    /// The verdict on a token that is well formed: nothing, or the check that failed.
    pub(super) fn judge(&self, token: &str, parts: &Parts) -> Result<(), Refused> {
        match &self.keys {
            Keys::Known(verifier) => {
                let verdict = verifier.verify::<()>(token).map(drop);
                verdict
                    .map_err(|error| with_keys(error.into(), parts, verifier.keys(), &self.rules))
            }
            Keys::Installation(inspector) => {
                inspector.judge(token).map_err(|denied| of_installation(&denied, parts))
            }
        }
    }
}

/// Says of keys that are at hand what they are, where that is why they do not fit.
fn with_keys(refused: Refused, parts: &Parts, keys: &Jwks, rules: &Rules) -> Refused {
    if refused.check == Check::Audience && rules.audiences.is_empty() {
        let (detail, hint) = audience_not_named(parts);
        return Refused { detail, hint: Some(hint), ..refused };
    }
    let detail = match (refused.check, parts.header.text("kid")) {
        (Check::Algorithm, _) => {
            let said = harmless(&parts.header.text("alg").unwrap_or_default());
            let names: BTreeSet<_> = keys.iter().map(|key| key.algorithm().name()).collect();
            let names: Vec<_> = names.into_iter().collect();
            let keys = if keys.len() == 1 { "the key is" } else { "the keys are" };
            format!("it says {said}, and {keys} for {}", names.join(", "))
        }
        (Check::Key, _) if keys.is_empty() => "there are no keys to verify with".to_owned(),
        (Check::Key, None) => format!("it names no key, and there are {}", keys.len()),
        (Check::Key, Some(_)) => {
            let names: Vec<_> = keys.iter().filter_map(|key| key.kid()).map(harmless).collect();
            format!("it names none of the keys that are known: {}", names.join(", "))
        }
        _ => return refused,
    };
    Refused { detail, ..refused }
}

/// The key fits, and nobody said for whom the token has to be: it is not said to be for somebody else.
fn audience_not_named(parts: &Parts) -> (String, String) {
    let named = parts.payload.texts("aud").unwrap_or_default();
    let plain = |name: &&String| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:/".contains(c))
    };
    let hint = match named.first().filter(plain) {
        Some(audience) => {
            format!("nothing else stands in its way: ask again with --audience {audience}")
        }
        None => {
            "nothing else stands in its way: ask again with --audience and its audience".to_owned()
        }
    };
    let detail = "it is meant for an audience, and none was named with --audience: by default a token for an audience is \
                  refused, whosever it is";
    (detail.to_owned(), hint)
}

fn of_installation(denied: &Denied, parts: &Parts) -> Refused {
    let detail = denied.to_string();
    let check = match denied.code() {
        // The form was in order, or the token would not have come so far.
        "token_malformed" => Check::Subject,
        "claim_missing" if detail.contains("`exp`") => Check::Expiry,
        code => Check::of(code),
    };
    let symmetric = parts.header.text("alg").is_some_and(|alg| alg.starts_with("HS"));
    let hint = (check == Check::Key).then(|| {
        let (flag, setting) = match symmetric {
            true => ("--secret-file FILE", "keys.secret_file"),
            false => ("--key FILE", "keys.private_key_file"),
        };
        format!(
            "the database here has no such key; if the server was started with it in a file, name that: {flag} --issuer \
             ISSUER --audience AUDIENCE; or set {setting} here as it is set there, with --config or in the environment"
        )
    });
    Refused { check, code: denied.code(), detail, hint }
}
