//! `countersign serve`: production, and what it refuses to start with.

use std::path::Path;

use auth::{
    Config,
    config::{PublicUrl, Store},
    keys::{read_secret, weakness},
    roles::Invitation,
    users::Email,
};
use axum::Router;
use clap::Args;

use crate::{
    cli::{
        dev::{ACCOUNTS_FILE, seeded_accounts},
        flags::Flags,
        instance::{Instance, database_file, refuse_shared_file},
        output,
    },
    limits::Hosts,
    settings::{Problem, Problems, Refusal},
    telemetry, ui,
};

/// Start the server for production.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    flags: Flags,
    /// Keep signing keys unencrypted in PostgreSQL, where whoever reads a backup can sign tokens.
    #[arg(long)]
    allow_plain_keys: bool,
}

impl Serve {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let config = self.flags.load()?;
        telemetry::start(&config.log)?;
        let data_dir = &self.flags.data_dir;
        let unfit = unfit(&config, data_dir, self.allow_plain_keys);
        if !unfit.is_empty() {
            return Err(Problems(unfit).into());
        }
        warn_of_plain_secret(&config);
        if config.mail.url.is_none() {
            tracing::warn!(
                "mail.url is not set: no mail is sent, and forgotten passwords stay forgotten"
            );
        }
        let instance = Instance::open(config, data_dir, |builder| builder).await?;
        refuse_seeded_accounts(&instance, data_dir).await?;
        let invitation = instance.auth.administrator_invite().await?;
        let started = || invitation.iter().for_each(|invitation| output::talk(&invite(invitation)));
        let more = match instance.auth.config().http.docs {
            true => ui::docs::routes(&instance.auth, false),
            false => Router::new(),
        };
        instance.run(more, Hosts::Any, started).await
    }
}

/// What whoever starts the first server reads, on the terminal and in no log of ours.
fn invite(invitation: &Invitation) -> String {
    let (link, address) = (invitation.link(), invitation.address());
    let token = invitation.token();
    format!(
        "there is no administrator yet: whoever has this link becomes one, once, within 24 hours

  {}

or with a program, for a new account or with the password of one that is there:

  curl {address} -H 'Content-Type: application/json' \\
    -d '{{\"token\": \"{}\", \"email\": \"you@example.com\", \"password\": \"a password of yours\"}}'
",
        link.as_str(),
        token.as_str(),
    )
}

/// All that makes settings unfit for production, each with what to change.
pub(crate) fn unfit(config: &Config, data_dir: &Path, allow_plain_keys: bool) -> Vec<Problem> {
    let keys = &config.keys;
    let mut checks: Vec<anyhow::Result<()>> = Vec::new();
    checks.extend(keys.secret_file.iter().map(|path| refuse_weak_secret(path)));
    let others = [
        &keys.private_key_file,
        &keys.master_key_file,
        &keys.previous_master_key_file,
        &config.mail.password_file,
        &config.webhooks.secret_file,
    ];
    checks.extend(others.into_iter().flatten().map(|path| refuse_shared_file(path)));
    checks.push(refuse_plain_http(config));
    checks.push(refuse_no_limits(config));
    checks.push(telemetry::filter(&config.log).map(drop).map_err(Into::into));
    match config.database.url.as_deref() {
        Some(url) if url.starts_with("postgres") => {
            checks.push(refuse_memory_sessions(config));
            checks.push(refuse_plain_keys(config, allow_plain_keys));
        }
        Some(url) if url.starts_with("sqlite:") => checks.push(refuse_shared_database(Path::new(
            url.trim_start_matches("sqlite:").trim_start_matches("//"),
        ))),
        Some(_) => checks.push(refuse("database.url: it starts with sqlite:// or postgres://")),
        None => checks.push(refuse_shared_database(&database_file(data_dir))),
    }
    let refused = checks.into_iter().filter_map(Result::err);
    refused.map(|error| Problem::new(format!("{error:#}"))).collect()
}

fn refuse(text: impl Into<String>) -> anyhow::Result<()> {
    Err(Refusal(text.into()).into())
}

fn refuse_weak_secret(path: &Path) -> anyhow::Result<()> {
    refuse_shared_file(path)?;
    let Some(why) = weakness(&read_secret(path)?) else { return Ok(()) };
    let path = path.display();
    refuse(format!(
        "the secret in {path} is weak: {why}; make one with: openssl rand -hex 32 > {path}"
    ))
}

fn refuse_plain_http(config: &Config) -> anyhow::Result<()> {
    let listen = config.http.listen;
    match &config.http.public_url {
        Some(url) if !url.is_https() && !url.is_loopback() => refuse(format!(
            "http.public_url is {url}: passwords and tokens would travel in the clear; put TLS \
             in front and set it to the https:// address"
        )),
        None if !listen.ip().is_loopback() => refuse(format!(
            "the server listens on {listen}, which is not loopback: set http.public_url to the \
             https:// address under which browsers reach it"
        )),
        _ => Ok(()),
    }
}

fn refuse_no_limits(config: &Config) -> anyhow::Result<()> {
    let public = config.http.public_url.as_ref().is_some_and(|url: &PublicUrl| !url.is_loopback());
    if !config.limits.enabled && (public || !config.http.listen.ip().is_loopback()) {
        return refuse("limits.enabled may be false on loopback only");
    }
    Ok(())
}

fn refuse_memory_sessions(config: &Config) -> anyhow::Result<()> {
    if config.sessions.store == Store::Memory {
        return refuse(
            "sessions.store is memory, and with PostgreSQL several instances would not know each \
             other's sessions: set it to database",
        );
    }
    Ok(())
}

fn refuse_plain_keys(config: &Config, allowed: bool) -> anyhow::Result<()> {
    let keys = &config.keys;
    let in_file = if config.tokens.algorithm.is_symmetric() {
        !keys.secret_file.is_empty()
    } else {
        keys.private_key_file.is_some()
    };
    if !in_file && !has_master_key(config) && !allowed {
        return refuse(
            "signing keys would lie unencrypted in PostgreSQL: set keys.master_key_file (make one \
             with: openssl rand -hex 32), keep the key in keys.secret_file or keys.private_key_file, or \
             pass --allow-plain-keys",
        );
    }
    Ok(())
}

fn has_master_key(config: &Config) -> bool {
    config.keys.master_key_file.is_some() || config.keys.master_key.is_some()
}

/// Warns of a server secret that whoever reads the database has.
fn warn_of_plain_secret(config: &Config) {
    let postgres = config.database.url.as_deref().is_some_and(|url| url.starts_with("postgres"));
    if postgres && !has_master_key(config) {
        tracing::warn!(
            "the server secret lies unencrypted in PostgreSQL, where whoever reads a backup can make refresh \
             tokens: set keys.master_key_file (make one with: openssl rand -hex 32)"
        );
    }
}

/// Refuses an SQLite file, or its journal, that others can read.
fn refuse_shared_database(file: &Path) -> anyhow::Result<()> {
    for suffix in ["", "-wal", "-shm"] {
        let mut name = file.as_os_str().to_owned();
        name.push(suffix);
        refuse_shared_file(Path::new(&name))?;
    }
    Ok(())
}

/// Refuses the data folder of `dev` while somebody could log in with the passwords that lie in it.
async fn refuse_seeded_accounts(instance: &Instance, data_dir: &Path) -> anyhow::Result<()> {
    for account in seeded_accounts(data_dir)?.unwrap_or_default() {
        let email = Email::parse(&account.email)?;
        let user = instance.auth.user_by_email(&email).await?;
        if user.is_some_and(|user| !user.disabled) {
            return Err(Refusal(format!(
                "{} holds accounts of dev, whose passwords stand in {ACCOUNTS_FILE}: use another \
                 --data-dir, or delete or disable the account {email}",
                data_dir.display()
            ))
            .into());
        }
    }
    Ok(())
}
