//! The command line: one file for each command.

mod ask;
mod dev;
mod flags;
mod installation;
mod instance;
mod key;
mod output;
mod serve;
mod user;

use std::{fmt, io::ErrorKind, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::settings::Refusal;

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
    /// Start the server for production.
    Serve(serve::Serve),
    /// Make, list, rotate, revoke, import and export signing keys.
    Key(key::Key),
    /// Add, list, change, remove, import and export accounts.
    User(user::User),
}

/// The answer of a command is no; the text says so.
#[derive(Debug)]
struct No(&'static str);

impl fmt::Display for No {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
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
            Command::Serve(serve) => serve.run().await,
            Command::Key(key) => key.run().await,
            Command::User(user) => user.run().await,
        }
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::talk(&format!("error: {error:#}"));
            if let Some(hint) = hint(&error) {
                output::talk(&format!("hint: {hint}"));
            }
            ExitCode::from(code(&error))
        }
    }
}

/// The answer is no: what was asked for is not there, cannot be, or was called off.
const NO: u8 = 1;
/// Usage or configuration: the user has to change something said to the program.
const USAGE: u8 = 2;
/// The environment: something cannot be reached or read.
const ENVIRONMENT: u8 = 3;

/// What to try next, where the error does not say so itself.
fn hint(error: &anyhow::Error) -> Option<&'static str> {
    let storage = |cause: &(dyn std::error::Error + 'static)| {
        matches!(cause.downcast_ref(), Some(auth::Error::StorageUnavailable(_)))
    };
    if error.chain().any(storage) {
        return Some("check that the database of database.url runs and can be reached from here");
    }
    match error.chain().find_map(|cause| cause.downcast_ref::<std::io::Error>())?.kind() {
        ErrorKind::AddrInUse => {
            Some("choose another address with --listen; port 0 asks for a free one")
        }
        ErrorKind::AddrNotAvailable => Some("--listen takes an address of this machine"),
        ErrorKind::PermissionDenied => {
            Some("start it as the user who owns the files, or choose others")
        }
        _ => None,
    }
}

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
        use auth::Error::{Configuration, EmailInvalid, KeyRefused, NameInvalid, RoleUnknown};
        let wrong = matches!(
            cause.downcast_ref(),
            Some(Configuration(_) | EmailInvalid(_) | KeyRefused(_) | NameInvalid(_) | RoleUnknown)
        );
        wrong || cause.is::<Refusal>()
    };
    if error.chain().any(configuration) { USAGE } else { ENVIRONMENT }
}
