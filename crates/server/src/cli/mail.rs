//! `countersign mail`: what letters look like, and whether they get out.

use std::path::PathBuf;

use anyhow::Context;
use auth::{
    Clock, Config,
    mail::{Kind, Letter, Mailer, Rendered, Templates, Trouble},
    users::Email,
};
use clap::{Args, Subcommand, ValueEnum, builder::PossibleValue};
use serde::Serialize;

use crate::{
    cli::{No, flags::Flags, instance::refuse_shared_file, output},
    settings::Refusal,
};

/// Look at the letters, and send one to try the mail server.
#[derive(Debug, Args)]
pub(crate) struct Mail {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show letters as they would be sent, with made-up values in them.
    Preview(Preview),
    /// Send a letter through the mail server of the settings, and say what became of it.
    SendTest(SendTest),
}

impl Mail {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        match self.command {
            Command::Preview(preview) => preview.run(),
            Command::SendTest(test) => test.run().await,
        }
    }
}

/// A kind of letter on the command line.
#[derive(Debug, Clone, Copy)]
struct KindArg(Kind);

impl ValueEnum for KindArg {
    fn value_variants<'a>() -> &'a [Self] {
        const ALL: [KindArg; 6] = [
            KindArg(Kind::ConfirmEmail),
            KindArg(Kind::AddressKnown),
            KindArg(Kind::ResetPassword),
            KindArg(Kind::ConfirmNewAddress),
            KindArg(Kind::AddressChanged),
            KindArg(Kind::PasswordChanged),
        ];
        &ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.0.name()))
    }
}

#[derive(Debug, Args)]
struct Preview {
    #[command(flatten)]
    flags: Flags,
    /// Show letters of this kind only.
    #[arg(long, value_name = "KIND")]
    kind: Option<KindArg>,
    /// Show the plain text only.
    #[arg(long, conflicts_with = "html")]
    text: bool,
    /// Show the HTML only.
    #[arg(long)]
    html: bool,
    /// Write the letters into this folder in place of printing them, as `KIND.txt` and `KIND.html`.
    #[arg(long, value_name = "FOLDER", conflicts_with = "json")]
    out: Option<PathBuf>,
    /// Print one JSON object: `{"items": [{"kind", "subject", "text", "html"}]}`.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Items {
    items: Vec<Shown>,
}

#[derive(Serialize)]
struct Shown {
    kind: &'static str,
    subject: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    html: Option<String>,
}

impl Preview {
    fn run(self) -> anyhow::Result<()> {
        let config = self.flags.load()?;
        let templates = Templates::new(&config)?;
        let kinds = self.kind.map_or_else(|| Kind::ALL.to_vec(), |KindArg(kind)| vec![kind]);
        let mut items = Vec::new();
        for kind in kinds {
            let Rendered { subject, text, html } =
                templates.render(&Letter::sample(kind, &config)?)?;
            let (text, html) =
                (Some(text).filter(|_| !self.html), Some(html).filter(|_| !self.text));
            items.push(Shown { kind: kind.name(), subject, text, html });
        }
        if self.json {
            output::data(&serde_json::to_string(&Items { items })?);
            return Ok(());
        }
        let Some(folder) = self.out else {
            // For eyes: the text, unless the HTML was asked for.
            for Shown { kind, subject, text, html } in &items {
                let body = text.as_ref().or(html.as_ref()).map_or("", String::as_str);
                output::data(&format!("--- {kind}\nSubject: {subject}\n\n{body}"));
            }
            return Ok(());
        };
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        for Shown { kind, text, html, .. } in &items {
            for (ending, body) in [("txt", text), ("html", html)] {
                let Some(body) = body else { continue };
                let path = folder.join(format!("{kind}.{ending}"));
                std::fs::write(&path, body)
                    .with_context(|| format!("cannot write {}", path.display()))?;
                output::data(&path.display().to_string());
            }
        }
        Ok(())
    }
}

#[derive(Debug, Args)]
struct SendTest {
    #[command(flatten)]
    flags: Flags,
    /// Where to send the letter.
    #[arg(value_name = "ADDRESS")]
    address: String,
}

impl SendTest {
    async fn run(self) -> anyhow::Result<()> {
        let config: Config = self.flags.load()?;
        if let Some(path) = &config.mail.password_file {
            refuse_shared_file(path)?;
        }
        let address = Email::parse(&self.address).map_err(|error| Refusal(error.to_string()))?;
        let Some(mailer) = Mailer::new(&config.mail)? else {
            let why = "there is no mail server: set mail.url and mail.from";
            return Err(Refusal(why.to_owned()).into());
        };
        match mailer.send_test(&address, &Clock::system()).await {
            Ok(()) => {
                output::talk(&format!("{mailer} has taken a letter for {address}"));
                Ok(())
            }
            Err(trouble @ (Trouble::Refused(_) | Trouble::PutOff(_))) => {
                Err(No(format!("{mailer} does not take a letter for {address}: {trouble}")).into())
            }
            Err(trouble) => Err(anyhow::anyhow!("{mailer}: {trouble}")),
        }
    }
}
