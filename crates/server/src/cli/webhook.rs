//! `countersign webhook`: secrets for webhooks, and whether the receiver takes what is sent.

use auth::{
    Clock,
    webhooks::{Trouble, Webhook as Sender, WebhookSecret},
};
use clap::{Args, Subcommand};

use crate::{
    cli::{No, flags::Flags, instance::refuse_shared_file, output},
    settings::Refusal,
};

/// Make a secret for webhooks, and try the receiver.
#[derive(Debug, Args)]
pub(crate) struct Webhook {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print a new secret, for webhooks.secret_file and for the receiver.
    Secret,
    /// Send an event of the type webhook.test to webhooks.url now, and print what came back.
    Test(Test),
}

impl Webhook {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        match self.command {
            Command::Secret => {
                output::data(&WebhookSecret::generate()?.reveal());
                Ok(())
            }
            Command::Test(test) => test.run().await,
        }
    }
}

#[derive(Debug, Args)]
struct Test {
    #[command(flatten)]
    flags: Flags,
}

impl Test {
    async fn run(self) -> anyhow::Result<()> {
        let config = self.flags.load()?;
        if let Some(path) = &config.webhooks.secret_file {
            refuse_shared_file(path)?;
        }
        let Some(sender) = Sender::new(&config.webhooks)? else {
            let why = "events are sent nowhere: set webhooks.url and webhooks.secret_file";
            return Err(Refusal(why.to_owned()).into());
        };
        match sender.send_test(&Clock::system()).await {
            Ok(answer) => {
                output::data(
                    output::harmless(&format!("{} {}", answer.status, answer.text)).trim_end(),
                );
                if answer.is_success() {
                    output::talk(&format!("{sender} has taken an event"));
                    return Ok(());
                }
                Err(No(format!("{sender} does not take an event")).into())
            }
            Err(Trouble::Forbidden(why)) => Err(Refusal(format!("webhooks.url: {why}")).into()),
            Err(trouble) => Err(anyhow::anyhow!("{sender}: {trouble}")),
        }
    }
}
