//! Settings: defaults, then the file, then the environment, then flags; the later wins.

use std::{fmt, path::Path};

use anyhow::Context;
use auth::Config;
use confique::{
    Config as _, Layer,
    meta::{Expr, FieldKind, LeafKind},
};
use serde::Deserialize;
use toml::{Table, Value};

type ConfigLayer = <Config as confique::Config>::Layer;

/// Environment variables with this beginning are settings.
const PREFIX: &str = "COUNTERSIGN_";
/// Variables with the prefix that are no settings: where the settings and the data lie, the password for a command, and
/// what tests use.
const NOT_SETTINGS: [&str; 4] = [
    "COUNTERSIGN_CONFIG",
    "COUNTERSIGN_DATA_DIR",
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

/// Reads all layers into one.
///
/// `environment` holds the variables of the process, `flags` pairs of a key (`http.listen`) and a text.
///
/// # Errors
/// [`Refusal`] names the key, variable or line that is wrong; an error when the file cannot be read.
pub fn load(
    file: Option<&Path>,
    environment: impl Iterator<Item = (String, String)>,
    flags: &[(String, String)],
) -> anyhow::Result<Config> {
    let mut layers = vec![from_flags(flags)?, from_environment(environment)?];
    if let Some(path) = file {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("the configuration file {}", path.display()))?;
        layers.push(toml::from_str::<ConfigLayer>(&text).map_err(|error| {
            Refusal(format!("the configuration file {}: {error}", path.display()))
        })?);
    }
    layers.push(ConfigLayer::default_values());
    let merged = layers.into_iter().reduce(Layer::with_fallback).unwrap_or_else(ConfigLayer::empty);
    let config = Config::from_layer(merged).map_err(|error| Refusal(error.to_string()))?;
    config.check().map_err(Refusal)?;
    Ok(config)
}

fn from_environment(
    environment: impl Iterator<Item = (String, String)>,
) -> anyhow::Result<ConfigLayer> {
    let mut layer = ConfigLayer::empty();
    for (variable, text) in environment {
        if !variable.starts_with(PREFIX) || NOT_SETTINGS.contains(&variable.as_str()) {
            continue;
        }
        let Some(setting) = Setting::all().find(|setting| setting.variable() == variable) else {
            return Err(
                Refusal(format!("the environment variable {variable} is no setting")).into()
            );
        };
        layer = single(setting, &text, &variable)?.with_fallback(layer);
    }
    Ok(layer)
}

fn from_flags(flags: &[(String, String)]) -> anyhow::Result<ConfigLayer> {
    let mut layer = ConfigLayer::empty();
    for (key, text) in flags {
        let Some(setting) = Setting::all().find(|setting| setting.key() == *key) else {
            return Err(Refusal(format!("{key} is no setting")).into());
        };
        layer = single(setting, text, &format!("--{}", setting.flag()))?.with_fallback(layer);
    }
    Ok(layer)
}

/// A layer with one setting; `origin` stands in the refusal.
fn single(setting: Setting, text: &str, origin: &str) -> anyhow::Result<ConfigLayer> {
    let section = Table::from_iter([(setting.name.to_owned(), setting.value(text))]);
    let table = Table::from_iter([(setting.section.to_owned(), Value::Table(section))]);
    ConfigLayer::deserialize(table)
        .map_err(|error| Refusal(format!("{origin}: {}", error.message())).into())
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
            ("http.metrics_listen", "127.0.0.1:9001"),
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
            ("mail.url", "smtp://localhost"),
            ("mail.password_file", "password"),
            ("mail.from", "auth@example.com"),
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
        assert!(message.contains("line 3"), "{message}");
    }
}
