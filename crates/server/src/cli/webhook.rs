//! `countersign webhook`: secrets for webhooks, and whether the receiver takes what is sent.

use auth::{
    Clock,
    webhooks::{Answer, Trouble, Webhook as Sender, WebhookSecret},
};
use clap::{Args, Subcommand};
use serde_json::json;

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
    /// Print one JSON object: `{"url", "taken", "status", "answer", "trouble"}`.
    #[arg(long)]
    json: bool,
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
        let sent = sender.send_test(&Clock::system()).await;
        if self.json {
            let (answer, trouble) = (sent.as_ref().ok(), sent.as_ref().err());
            let said = json!({
                "url": sender.to_string(),
                "taken": answer.is_some_and(Answer::is_success),
                "status": answer.map(|answer| answer.status),
                "answer": answer.map(|answer| &answer.text),
                "trouble": trouble.map(ToString::to_string),
            });
            output::data(&said.to_string());
        }
        match sent {
            Ok(answer) => {
                let line = format!("{} {}", answer.status, answer.text);
                if !self.json {
                    output::data(output::harmless(&line).trim_end());
                }
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
