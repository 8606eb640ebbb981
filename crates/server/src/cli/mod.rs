//! The command line: one file for each command.

mod ask;
mod audit;
mod certificate;
mod completions;
mod config;
mod db;
mod demo;
mod dev;
pub mod doctor;
mod flags;
mod health;
mod installation;
mod instance;
mod key;
mod mail;
mod man;
mod migrate;
pub(crate) mod output;
mod report;
mod serve;
mod snippet;
mod systemd;
pub(crate) mod token;
mod unfit;
mod user;
mod webhook;

use std::{fmt, process::ExitCode};

use clap::{Parser, Subcommand};

pub use self::instance::serve_with;
use crate::settings::{Problems, Refusal};

/// Authentication for an API: register, log in, verify.
#[derive(Debug, Parser)]
#[command(name = "countersign", version, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start all of it for a developer: accounts, the sample API, everything open on loopback.
    Dev(dev::Dev),
    /// See what it does in ten seconds: logins, forged and stolen tokens, a logout, another key.
    Demo(demo::Demo),
    /// Start the server for production.
    Serve(serve::Serve),
    /// Ask a server whether it is ready, as containers and monitors do.
    Health(health::Health),
    /// Look at an installation, and say what is wrong with it and how to mend it.
    Doctor(Box<doctor::Doctor>),
    /// Look at the letters, and send one to try the mail server.
    Mail(mail::Mail),
    /// Make a secret for webhooks, and try the receiver.
    Webhook(webhook::Webhook),
    /// Make, list, rotate, revoke, import and export signing keys.
    Key(key::Key),
    /// Make, check and read tokens.
    Token(Box<token::Token>),
    /// Print the configuration of a gateway, or the code of an API, that works with this server.
    Snippet(Box<snippet::Snippet>),
    /// See the settings, where each is from, and what is wrong with them.
    Config(config::Settings),
    /// Bring the tables of an installation up to date, as every start does by itself.
    Migrate(migrate::Migrate),
    /// Copy an installation to another database, back it up, and restore it.
    Db(db::Database),
    /// Print the completions for a shell.
    Completions(completions::Completions),
    /// Print the manual page.
    Man(man::Man),
    /// Add, list, change, remove, import and export accounts.
    User(user::User),
    /// Read, check and hand out the audit log.
    Audit(audit::Audit),
}

/// The answer of a command is no; the text says so, unless it was said before.
#[derive(Debug)]
pub(crate) struct No(pub(crate) String);

impl fmt::Display for No {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for No {}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    // clap prints usage errors itself and exits with 2.
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            output::talk(&format!("error: {error}"));
            return ExitCode::from(ENVIRONMENT);
        }
    };
    let outcome = runtime.block_on(async {
        match cli.command {
            Command::Dev(dev) => dev.run().await,
            Command::Demo(demo) => demo.run().await,
            Command::Serve(serve) => serve.run().await,
            Command::Health(health) => health.run().await,
            Command::Doctor(doctor) => doctor.run().await,
            Command::Mail(mail) => mail.run().await,
            Command::Webhook(webhook) => webhook.run().await,
            Command::Token(token) => token.run().await,
            Command::Snippet(snippet) => snippet.run(),
            Command::Config(config) => config.run(),
            Command::Completions(completions) => {
                completions.run();
                Ok(())
            }
            Command::Man(man) => man.run(),
            Command::Migrate(migrate) => migrate.run().await,
            Command::Db(db) => db.run().await,
            Command::Key(key) => key.run().await,
            Command::User(user) => user.run().await,
            Command::Audit(audit) => audit.run().await,
        }
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::error(&error);
            ExitCode::from(code(&error))
        }
    }
}

/// The answer is no: a token is not valid, a check failed; what was asked for is not there, cannot be, or was called
/// off.
const NO: u8 = 1;
/// Usage or configuration: the user has to change something said to the program.
const USAGE: u8 = 2;
/// The environment: something cannot be reached or read.
const ENVIRONMENT: u8 = 3;

fn code(error: &anyhow::Error) -> u8 {
    let refused = |cause: &(dyn std::error::Error + 'static)| {
        use auth::Error::{EmailTaken, KeyExists, KeyInFile, LastAdmin, NotFound, PasswordRefused};
        let no = matches!(
            cause.downcast_ref(),
            Some(EmailTaken | KeyExists | KeyInFile | LastAdmin | NotFound | PasswordRefused(_))
        );
        no || cause.is::<No>()
    };
    if error.chain().any(refused) {
        return NO;
    }
    let configuration = |cause: &(dyn std::error::Error + 'static)| {
        use auth::Error::{
            Configuration, EmailInvalid, KeyRefused, NameInvalid, QueryInvalid, RoleUnknown,
        };
        let wrong = matches!(
            cause.downcast_ref(),
            Some(
                Configuration(_)
                    | EmailInvalid(_)
                    | KeyRefused(_)
                    | NameInvalid(_)
                    | QueryInvalid(_)
                    | RoleUnknown
            )
        );
        wrong || cause.is::<Refusal>() || cause.is::<Problems>()
    };
    if error.chain().any(configuration) { USAGE } else { ENVIRONMENT }
}
