//! `countersign serve`: production, and what it refuses to start with.

use std::path::Path;

use auth::{
    Config,
    config::{PublicUrl, Store},
    keys::{read_secret, weakness},
    users::Email,
};
use axum::Router;
use clap::Args;

use crate::{
    cli::{
        dev::{ACCOUNTS_FILE, seeded_accounts},
        flags::Flags,
        instance::{Instance, database_file, refuse_shared_file},
    },
    limits::Hosts,
    settings::Refusal,
    telemetry,
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
        self.check(&config)?;
        let data_dir = &self.flags.data_dir;
        let instance = Instance::open(config, data_dir, |builder| builder).await?;
        refuse_seeded_accounts(&instance, data_dir).await?;
        instance.run(Router::new(), Hosts::Any, || {}).await
    }

    /// Refuses settings that are not fit for production, each with what to change.
    fn check(&self, config: &Config) -> anyhow::Result<()> {
        let refuse = |text: String| Err(Refusal(text).into());
        for path in &config.keys.secret_file {
            refuse_shared_file(path)?;
            if let Some(why) = weakness(&read_secret(path)?) {
                let path = path.display();
                return refuse(format!(
                    "the secret in {path} is weak: {why}; make one with: openssl rand -hex 32 > {path}"
                ));
            }
        }
        let keys = &config.keys;
        let others =
            [&keys.private_key_file, &keys.master_key_file, &keys.previous_master_key_file];
        for path in others.into_iter().flatten() {
            refuse_shared_file(path)?;
        }

        let listen = config.http.listen;
        match &config.http.public_url {
            Some(url) if !url.is_https() && !url.is_loopback() => {
                return refuse(format!(
                    "http.public_url is {url}: passwords and tokens would travel in the clear; put TLS \
                     in front and set it to the https:// address"
                ));
            }
            None if !listen.ip().is_loopback() => {
                return refuse(format!(
                    "the server listens on {listen}, which is not loopback: set http.public_url to the \
                     https:// address under which browsers reach it"
                ));
            }
            _ => {}
        }
        let public =
            config.http.public_url.as_ref().is_some_and(|url: &PublicUrl| !url.is_loopback());
        if !config.limits.enabled && (public || !listen.ip().is_loopback()) {
            return refuse("limits.enabled may be false on loopback only".to_owned());
        }

        match config.database.url.as_deref() {
            Some(url) if url.starts_with("postgres") => self.check_postgres(config),
            Some(url) => refuse_shared_database(Path::new(
                url.trim_start_matches("sqlite:").trim_start_matches("//"),
            )),
            None => refuse_shared_database(&database_file(&self.flags.data_dir)),
        }
    }

    fn check_postgres(&self, config: &Config) -> anyhow::Result<()> {
        let refuse = |text: &str| Err(Refusal(text.to_owned()).into());
        if config.sessions.store == Store::Memory {
            return refuse(
                "sessions.store is memory, and with PostgreSQL several instances would not know each \
                 other's sessions: set it to database",
            );
        }
        let keys = &config.keys;
        let in_file = if config.tokens.algorithm.is_symmetric() {
            !keys.secret_file.is_empty()
        } else {
            keys.private_key_file.is_some()
        };
        let has_master = keys.master_key_file.is_some() || keys.master_key.is_some();
        let plain = !in_file && !has_master;
        if !has_master {
            tracing::warn!(
                "the server secret lies unencrypted in PostgreSQL, where whoever reads a backup can make refresh \
                 tokens: set keys.master_key_file (make one with: openssl rand -hex 32)"
            );
        }
        if plain && !self.allow_plain_keys {
            return refuse(
                "signing keys would lie unencrypted in PostgreSQL: set keys.master_key_file (make one \
                 with: openssl rand -hex 32), keep the key in keys.secret_file or keys.private_key_file, or \
                 pass --allow-plain-keys",
            );
        }
        Ok(())
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
