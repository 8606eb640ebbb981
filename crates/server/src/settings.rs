//! Settings: defaults, then the file, then the environment, then flags; the later wins.

mod file;
mod plain;
mod problem;

use std::{
    fmt,
    path::{Path, PathBuf},
};

use anyhow::Context;
use auth::Config;
use confique::{
    Config as _, Layer,
    meta::{Expr, FieldKind, LeafKind},
};
use serde::Deserialize;
use toml::{Table, Value};

pub(crate) use auth::config::nearest;

pub(crate) use self::problem::{Drawn, redact};
pub use self::problem::{Problem, Problems};

type ConfigLayer = <Config as confique::Config>::Layer;

/// Environment variables with this beginning are settings.
const PREFIX: &str = "COUNTERSIGN_";
/// Variables with the prefix that are no settings: where the settings and the data lie, what commands take from the
/// environment, and what tests use.
const NOT_SETTINGS: [&str; 6] = [
    "COUNTERSIGN_CONFIG",
    "COUNTERSIGN_DATA_DIR",
    "COUNTERSIGN_DB_FROM",
    "COUNTERSIGN_DB_TO",
    "COUNTERSIGN_TEST_POSTGRES",
    "COUNTERSIGN_USER_PASSWORD",
];

/// Settings whose value itself is a secret.
const SECRET: [(&str, &str); 1] = [("keys", "master_key")];

/// Something about the settings that has to be changed before the server can start.
#[derive(Debug)]
pub struct Refusal(pub String);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refusal {}

/// One setting: its section, its name, what it is for, and of what kind its value is.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    section: &'static str,
    name: &'static str,
    doc: &'static [&'static str],
    default: Option<Expr>,
}

impl Setting {
    /// All settings, in the order of the example file.
    pub fn all() -> impl Iterator<Item = Self> {
        Config::META.fields.iter().flat_map(|section| {
            let fields = match section.kind {
                FieldKind::Nested { meta } => meta.fields,
                FieldKind::Leaf { .. } => &[],
            };
            fields
                .iter()
                .filter_map(|field| match field.kind {
                    FieldKind::Leaf { kind: LeafKind::Required { default }, .. } => {
                        Some((field, default))
                    }
                    FieldKind::Leaf { kind: LeafKind::Optional, .. } => Some((field, None)),
                    FieldKind::Nested { .. } => None,
                })
                .map(|(field, default)| Self {
                    section: section.name,
                    name: field.name,
                    doc: field.doc,
                    default,
                })
        })
    }

    /// `section.name`, as in the file.
    #[must_use]
    pub fn key(self) -> String {
        format!("{}.{}", self.section, self.name)
    }

    /// `COUNTERSIGN_SECTION__NAME`, as in the environment.
    #[must_use]
    pub fn variable(self) -> String {
        format!("{PREFIX}{}__{}", self.section, self.name).to_ascii_uppercase()
    }

    /// `section-name`, as a flag.
    #[must_use]
    pub fn flag(self) -> String {
        format!("{}-{}", self.section, self.name).replace('_', "-")
    }

    /// Says whether its value is a secret: those never stand on a command line, where others on the machine see them.
    #[must_use]
    pub fn is_secret(self) -> bool {
        SECRET.contains(&(self.section, self.name))
    }

    /// What it is for.
    #[must_use]
    pub fn help(self) -> String {
        self.doc.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")
    }

    /// Its value where nothing sets it, as it would stand in the file; `None` where there is none.
    #[must_use]
    pub fn default(self) -> Option<String> {
        self.default.and_then(|default| Some(Value::try_from(default).ok()?.to_string()))
    }

    /// A value that came as text: of the kind that the setting's default has.
    fn value(self, text: &str) -> Value {
        let list = || text.split(',').map(str::trim).filter(|part| !part.is_empty());
        match self.default {
            Some(Expr::Array(_)) => Value::Array(list().map(Value::from).collect()),
            Some(Expr::Bool(_)) => text.parse().map_or_else(|_| Value::from(text), Value::Boolean),
            Some(Expr::Integer(_)) => {
                text.parse().map_or_else(|_| Value::from(text), Value::Integer)
            }
            _ => Value::from(text),
        }
    }
}

/// Where a setting has its value from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nothing sets it.
    Default,
    /// A line of the configuration file.
    File {
        /// The file, as it was named.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// An environment variable.
    Environment(String),
    /// A flag.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) => f.write_str(name),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

/// A setting as it is shown: passwords are covered.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    /// `section.name`.
    pub(crate) key: String,
    /// As it would stand in the file; `None` where it has none.
    pub(crate) value: Option<String>,
    /// What it is for.
    pub(crate) help: String,
    /// Where it is from.
    pub(crate) origin: Origin,
}

/// A setting that something sets.
#[derive(Debug, Clone)]
struct Given {
    setting: Setting,
    value: Value,
    origin: Origin,
    /// A problem at its place, to be given words.
    place: Problem,
}

/// The settings of a start: what is set, where, and what is wrong with it.
#[derive(Debug)]
pub struct Settings {
    /// What is set and is a value of its kind; of several for one setting the last one counts.
    given: Vec<Given>,
    problems: Vec<Problem>,
    config: Config,
}

impl Settings {
    /// Reads all layers.
    ///
    /// `environment` holds the variables of the process, `flags` pairs of a key (`http.listen`) and a text.
    ///
    /// # Errors
    /// When the file cannot be read. What is wrong with what it says is one of [`Settings::problems`].
    pub fn read(
        file: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
        flags: &[(String, String)],
    ) -> anyhow::Result<Self> {
        let (mut given, mut problems) = (Vec::new(), Vec::new());
        if let Some(path) = file {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("the configuration file {}", path.display()))?;
            (given, problems) = file::read(path, &text);
        }
        let single = environment.filter_map(from_environment).chain(flags.iter().map(from_flag));
        for one in single {
            match one {
                Ok(one) => given.push(one),
                Err(problem) => problems.push(problem),
            }
        }
        let (config, more) = put_together(given.clone());
        problems.extend(more);
        problems.sort_by_key(Problem::rank);
        Ok(Self { given, problems, config })
    }

    /// All that is wrong, as far as it can be found at once.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Where a problem stands that begins with the name of a setting.
    pub(crate) fn locate(&self, problem: Problem) -> Problem {
        let named = |one: &&Given| {
            let rest = problem.message().strip_prefix(&one.setting.key());
            rest.is_some_and(|rest| rest.starts_with([':', ' ']))
        };
        match self.given.iter().rev().find(named) {
            Some(given) => given.place.clone().says(problem.message()),
            None => problem,
        }
    }

    /// The settings without those that have a problem.
    #[must_use]
    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// The settings, when nothing is wrong with them.
    ///
    /// # Errors
    /// [`Problems`], all of them.
    pub fn into_config(self) -> Result<Config, Problems> {
        if self.problems.is_empty() { Ok(self.config) } else { Err(Problems(self.problems)) }
    }

    /// The same as [`values`](Self::values), to be kept.
    pub(crate) fn shown(&self) -> Vec<Shown> {
        let shown = |(setting, value, origin): (Setting, Option<Value>, Origin)| Shown {
            key: setting.key(),
            value: value.map(|value| value.to_string()),
            help: setting.help(),
            origin,
        };
        self.values().map(shown).collect()
    }

    /// Every setting with its value, `None` where it has none, and where that is from. Passwords are covered.
    pub fn values(&self) -> impl Iterator<Item = (Setting, Option<Value>, Origin)> {
        Setting::all().map(|setting| {
            let given = self.given.iter().rev().find(|one| one.setting.key() == setting.key());
            match given {
                Some(given) if setting.is_secret() => {
                    (setting, Some(Value::from("***")), given.origin.clone())
                }
                Some(given) => (setting, Some(covered(&given.value)), given.origin.clone()),
                None => {
                    let default = setting.default.and_then(|default| Value::try_from(default).ok());
                    (setting, default, Origin::Default)
                }
            }
        })
    }
}

fn covered(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(redact(text)),
        Value::Array(values) => Value::Array(values.iter().map(covered).collect()),
        other => other.clone(),
    }
}

/// Makes one of all that is given, and says what is wrong with how it fits together.
fn put_together(mut given: Vec<Given>) -> (Config, Vec<Problem>) {
    let mut problems = Vec::new();
    loop {
        let config = merge(&given);
        let Err(message) = config.check() else { return (config, problems) };
        // What is wrong with one setting hides what is wrong with the next: leave it out, and ask again.
        let key = message.split(':').next().unwrap_or_default();
        let culprit = given.iter().rposition(|one| one.setting.key() == key);
        let place = culprit.map(|at| given.remove(at).place);
        problems.push(place.map_or_else(|| Problem::new(&message), |place| place.says(&message)));
        if culprit.is_none() {
            return (config, problems);
        }
    }
}

fn merge(given: &[Given]) -> Config {
    // Each was read once when it was taken in.
    let layers = given.iter().rev().filter_map(|one| layer(one.setting, &one.value).ok());
    let set = layers.reduce(Layer::with_fallback).unwrap_or_else(ConfigLayer::empty);
    Config::from_layer(set.with_fallback(ConfigLayer::default_values())).unwrap_or_default()
}

/// Reads all layers into one.
///
/// # Errors
/// [`Problems`] name the key, variable or line of all that is wrong; an error when the file cannot be read.
pub fn load(
    file: Option<&Path>,
    environment: impl Iterator<Item = (String, String)>,
    flags: &[(String, String)],
) -> anyhow::Result<Config> {
    Ok(Settings::read(file, environment, flags)?.into_config()?)
}

fn from_environment((variable, text): (String, String)) -> Option<Result<Given, Problem>> {
    if !variable.starts_with(PREFIX) || NOT_SETTINGS.contains(&variable.as_str()) {
        return None;
    }
    let Some(setting) = Setting::all().find(|setting| setting.variable() == variable) else {
        // Without what all have in common, so that likeness means something.
        let bare = |name: &str| name.trim_start_matches(PREFIX).to_owned();
        let known = Setting::all().map(Setting::variable);
        let known = known.chain(NOT_SETTINGS.map(str::to_owned)).map(|name| bare(&name));
        let meant = nearest(&bare(&variable), known);
        let problem = Problem::new(format!("the environment variable {variable} is no setting"));
        return Some(
            Err(problem.hint(meant.map(|meant| format!("did you mean {PREFIX}{meant}?")))),
        );
    };
    let origin = Origin::Environment(variable.clone());
    Some(single(setting, &text, origin, variable))
}

fn from_flag((key, text): &(String, String)) -> Result<Given, Problem> {
    let Some(setting) = Setting::all().find(|setting| setting.key() == *key) else {
        return Err(Problem::new(format!("{key} is no setting")));
    };
    let flag = format!("--{}", setting.flag());
    single(setting, text, Origin::Flag(flag.clone()), flag)
}

/// A setting that came as a text from a place of this name.
fn single(setting: Setting, text: &str, origin: Origin, name: String) -> Result<Given, Problem> {
    let value = setting.value(text);
    match layer(setting, &value) {
        Ok(_) => Ok(Given { setting, value, origin, place: Problem::new("").named(name) }),
        Err(error) => {
            let (why, hint) = why(setting, &error);
            Err(Problem::new(why).hint(hint).named(name))
        }
    }
}

/// Why a value is refused, and what was meant; of a secret that is not more than that it is.
fn why(setting: Setting, error: &toml::de::Error) -> (String, Option<String>) {
    if setting.is_secret() {
        return (format!("{} is not what it has to be", setting.key()), None);
    }
    plain::of_value(error.message())
}

/// A layer with one setting.
fn layer(setting: Setting, value: &Value) -> Result<ConfigLayer, toml::de::Error> {
    let section = Table::from_iter([(setting.name.to_owned(), value.clone())]);
    let table = Table::from_iter([(setting.section.to_owned(), Value::Table(section))]);
    ConfigLayer::deserialize(table)
}

#[cfg(test)]
mod tests {
    use std::{path::PathBuf, time::Duration};

    use auth::config::{Mode, Store};

    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    fn load_all(
        file: &str,
        environment: &[(&str, &str)],
        flags: &[(&str, &str)],
    ) -> anyhow::Result<Config> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("countersign.toml");
        std::fs::write(&path, file)?;
        load(Some(&path), pairs(environment).into_iter(), &pairs(flags))
    }

    #[test]
    fn flags_win_over_the_environment_and_that_over_the_file() {
        let file = "[tokens]\nissuer = \"file\"\naudience = \"file\"\ntyp = \"file\"";
        let environment =
            [("COUNTERSIGN_TOKENS__ISSUER", "env"), ("COUNTERSIGN_TOKENS__AUDIENCE", "env")];
        let config = load_all(file, &environment, &[("tokens.issuer", "flag")]).expect("settings");
        let tokens = config.tokens;
        assert_eq!((&*tokens.issuer, &*tokens.audience, &*tokens.typ), ("flag", "env", "file"));
    }

    #[test]
    fn every_setting_of_the_contract_parses_from_each_source() {
        let values = [
            ("http.listen", "127.0.0.1:9000"),
            ("http.public_url", "https://auth.example.com"),
            ("http.trusted_proxies", "10.0.0.0/8,::1/128"),
            ("http.cors_origins", "https://app.example.com"),
            ("http.docs", "true"),
            ("http.pages", "false"),
            ("http.metrics_listen", "127.0.0.1:9001"),
            ("http.tls_certificate_file", "/etc/countersign/tls.pem"),
            ("http.tls_private_key_file", "/etc/countersign/tls-key.pem"),
            ("database.url", "postgres://localhost/countersign"),
            ("database.pooler", "true"),
            ("auth.mode", "session"),
            ("accounts.registration", "invite"),
            ("accounts.verify_email", "true"),
            ("accounts.roles", "user,admin,editor"),
            ("sessions.store", "memory"),
            ("sessions.idle", "1h"),
            ("sessions.absolute", "7d"),
            ("tokens.algorithm", "ES256"),
            ("tokens.issuer", "https://auth.example.com"),
            ("tokens.audience", "posts"),
            ("tokens.access_lifetime", "5m"),
            ("tokens.refresh_lifetime", "14d"),
            ("tokens.refresh_absolute", "60d"),
            ("tokens.leeway", "10s"),
            ("tokens.typ", "at+jwt"),
            ("revocation.when_stale", "closed"),
            ("keys.secret_file", "one,two"),
            ("keys.private_key_file", "key.pem"),
            ("keys.master_key_file", "master"),
            ("keys.master_key", "abababababababababababababababababababababababababababababababab"),
            ("keys.previous_master_key_file", "previous"),
            ("keys.rotation", "7d"),
            ("keys.publish_ahead", "10m"),
            ("keys.retain", "2h"),
            ("limits.enabled", "false"),
            ("audit.retention", "90d"),
            ("mail.url", "smtp://user@localhost"),
            ("mail.password_file", "password"),
            ("mail.from", "auth@example.com"),
            ("mail.ca_file", "ca.pem"),
            ("mail.templates", "letters"),
            ("webhooks.url", "https://hooks.example.com/in"),
            ("webhooks.events", "user.*,session.replayed"),
            ("webhooks.secret_file", "webhook-secret"),
            ("webhooks.allow_private", "true"),
            ("webhooks.ca_file", "authority.pem"),
            ("log.format", "json"),
            ("log.level", "debug"),
        ];
        let named: Vec<String> = Setting::all().map(Setting::key).collect();
        assert_eq!(named, values.map(|(key, _)| key), "each setting, and no other, stands above");

        let variables: Vec<(String, &str)> =
            Setting::all().map(Setting::variable).zip(values.map(|(_, text)| text)).collect();
        let variables: Vec<(&str, &str)> =
            variables.iter().map(|(name, text)| (name.as_str(), *text)).collect();
        for config in [
            load_all("", &variables, &[]).expect("environment"),
            load_all("", &[], &values).expect("flags"),
        ] {
            assert_eq!(config.auth.mode, Mode::Session);
            assert_eq!(config.sessions.store, Store::Memory);
            assert_eq!(config.tokens.access_lifetime, Duration::from_secs(300));
            assert_eq!(config.keys.secret_file, [PathBuf::from("one"), PathBuf::from("two")]);
            assert_eq!(config.http.trusted_proxies.len(), 2);
            assert_eq!(config.accounts.roles, ["user", "admin", "editor"]);
            assert!(config.database.pooler && !config.limits.enabled);
            assert_eq!(config.webhooks.events, ["user.*", "session.replayed"]);
            assert!(config.webhooks.url.is_some() && config.webhooks.allow_private);
        }
    }

    #[test]
    fn unknown_keys_are_errors_everywhere() {
        let refused = |outcome: anyhow::Result<Config>| outcome.expect_err("refused").to_string();
        assert!(refused(load_all("[http]\nlisten_on = \"x\"", &[], &[])).contains("listen_on"));
        assert!(refused(load_all("[htp]\nlisten = \"x\"", &[], &[])).contains("htp"));
        let message = refused(load_all("", &[("COUNTERSIGN_HTTP__LISTN", "x")], &[]));
        assert_eq!(message, "the environment variable COUNTERSIGN_HTTP__LISTN is no setting");
        assert!(
            refused(load_all("", &[("COUNTERSIGN_HTTP_LISTEN", "x")], &[]))
                .contains("is no setting")
        );
        assert!(load_all("", &[("COUNTERSIGNED", "x")], &[]).is_ok());
    }

    #[test]
    fn a_bad_value_is_refused_with_its_origin() {
        let message = load_all("", &[], &[("tokens.access_lifetime", "10")])
            .expect_err("refused")
            .to_string();
        assert!(message.starts_with("--tokens-access-lifetime: "), "{message}");
        let message =
            load_all("[tokens]\nleeway = \"5m\"", &[], &[]).expect_err("refused").to_string();
        assert!(message.contains("tokens.leeway"), "{message}");
        let message =
            load_all("[auth]\n\nmode = \"jws\"", &[], &[]).expect_err("refused").to_string();
        assert!(message.contains("countersign.toml:3:8: auth.mode: "), "{message}");
    }
}
