//! `countersign db`: a whole installation moved to another database, kept in a file, and taken back from it.

mod backup;
mod copy;
mod restore;

use std::{
    fs::{File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use anyhow::Context;
use auth::storage::BackupError;
use clap::{Args, Subcommand};
use rustix::{
    fs::{FlockOperation, fcntl_lock},
    io::Errno,
};

use crate::{
    cli::{No, installation::stored},
    settings::Refusal,
};

/// Copy an installation to another database, back it up, and restore it.
#[derive(Debug, Args)]
pub(crate) struct Database {
    #[command(subcommand)]
    command: DatabaseCommand,
}

#[derive(Debug, Subcommand)]
enum DatabaseCommand {
    /// Copy a whole installation between SQLite and PostgreSQL, or on the same; users stay signed in.
    Copy(copy::Copy),
    /// Write a SQLite database into a file while it is in use.
    Backup(backup::Backup),
    /// Put a backup in the place of a SQLite database, and keep what was there.
    Restore(restore::Restore),
}

impl Database {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        match self.command {
            DatabaseCommand::Copy(copy) => copy.run().await,
            DatabaseCommand::Backup(backup) => backup.run().await,
            DatabaseCommand::Restore(restore) => restore.run().await,
        }
    }
}

/// A SQLite file that nobody else uses, nor can begin to, for as long as this is held.
///
/// Every process that has it open holds a lock on it (SQLite's own, of POSIX). That lock belongs to a process, and ends
/// when the process closes the file under whatever descriptor: nothing may open it here meanwhile.
#[derive(Debug)]
struct Alone {
    _file: File,
}

impl Alone {
    /// `None` when another process has it open.
    fn on(path: &Path) -> anyhow::Result<Option<Self>> {
        let about = || path.display().to_string();
        let file = OpenOptions::new().read(true).write(true).open(path).with_context(about)?;
        match fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(Errno::AGAIN | Errno::ACCESS) => Ok(None),
            Err(error) => Err(io::Error::from(error)).with_context(about),
        }
    }
}

/// A file beside another, whose name it continues.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// What became of a backup, as the exit code has it: a file that is damaged is an answer.
fn backed_up<T>(outcome: Result<T, BackupError>) -> anyhow::Result<T> {
    outcome.map_err(|error| match error {
        BackupError::Damaged(found) => {
            let first = found.first().cloned().unwrap_or_default();
            No(format!("the file is damaged: {}", first.lines().next().unwrap_or_default())).into()
        }
        BackupError::Storage(error) => stored(error, "the database"),
        BackupError::File(..) => error.into(),
        other => Refusal(other.to_string()).into(),
    })
}
