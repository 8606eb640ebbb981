//! `countersign serve`: production, and what it refuses to start with.

use std::path::Path;

use auth::{Config, roles::Invitation, users::Email};
use axum::Router;
use clap::Args;

use crate::{
    cli::{
        dev::seeded_accounts,
        flags::Flags,
        instance::Instance,
        output,
        unfit::{has_master_key, seeded_account, unfit},
    },
    metrics::Recorder,
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
        let settings = self.flags.read()?;
        let shown = settings.shown();
        let config = settings.into_config()?;
        let _telemetry = telemetry::start(&config.log)?;
        let data_dir = &self.flags.data_dir;
        let unfit = unfit(&config, data_dir, self.allow_plain_keys);
        if !unfit.is_empty() {
            let problems = unfit.iter().map(|unfit| Problem::new(unfit.to_string()));
            return Err(Problems(problems.collect()).into());
        }
        warn_of_plain_secret(&config);
        if config.mail.url.is_none() {
            tracing::warn!(
                "mail.url is not set: no mail is sent, and forgotten passwords stay forgotten"
            );
        }
        let recorder = Recorder::install()?;
        let instance = Instance::open(config, data_dir, |builder| builder).await?;
        let instance = instance.showing(shown).publishing(recorder);
        refuse_seeded_accounts(&instance, data_dir).await?;
        let invitation = instance.auth.administrator_invite().await?;
        let started = || invitation.iter().for_each(|invitation| output::talk(&invite(invitation)));
        let more = match instance.auth.config().http.docs {
            true => ui::docs::routes(&instance.auth, false),
            false => Router::new(),
        };
        instance.run(more, false, started).await
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

/// Refuses the data folder of `dev` while somebody could log in with the passwords that lie in it.
async fn refuse_seeded_accounts(instance: &Instance, data_dir: &Path) -> anyhow::Result<()> {
    for account in seeded_accounts(data_dir)?.unwrap_or_default() {
        let email = Email::parse(&account.email)?;
        let user = instance.auth.user_by_email(&email).await?;
        if user.is_some_and(|user| !user.disabled) {
            return Err(Refusal(seeded_account(data_dir, &email).to_string()).into());
        }
    }
    Ok(())
}
