//! `countersign db restore`: a backup in the place of a SQLite database.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use anyhow::Context;
use auth::{
    Auth, Clock,
    storage::{self, Db, DbOptions, StorageError},
};
use clap::Args;
use serde_json::json;

use super::{Alone, backed_up, beside};
use crate::{
    cli::{
        ask,
        flags::Flags,
        installation::{self, Missing, stored},
        instance::protect_process,
        output,
    },
    settings::Refusal,
};

#[derive(Debug, Args)]
pub(crate) struct Restore {
    #[command(flatten)]
    flags: Flags,
    /// The backup to restore; it stays as it is.
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

impl Restore {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        protect_process();
        let Some(database) = installation::sqlite_file(&self.flags.load()?, &self.flags) else {
            return Err(Refusal(
                "the installation is on PostgreSQL: restore it with pg_restore".to_owned(),
            )
            .into());
        };
        self.refuse_what_is_no_backup(&database)?;
        // With the mode of its folder and its file looked at.
        installation::locate(&self.flags, Missing::Make)?;
        let there = database.exists();
        if there {
            refuse_users(&database)?;
            let question = format!(
                "Put {} in the place of {}, which is kept under another name?",
                self.from.display(),
                database.display()
            );
            ask::confirm(&question, self.yes)?;
        }
        let fresh = beside(&database, ".restoring");
        let restored = self.restore(&database, &fresh, there).await;
        if restored.is_err() {
            drop(discard(&fresh));
        }
        let (backup, kept) = restored?;
        self.tell(&database, kept.as_deref(), &backup);
        Ok(())
    }

    fn refuse_what_is_no_backup(&self, database: &Path) -> anyhow::Result<()> {
        let about = || self.from.display().to_string();
        let from = self.from.canonicalize().with_context(about)?;
        if database.canonicalize().is_ok_and(|database| database == from) {
            return Err(Refusal("--from is the database itself".to_owned()).into());
        }
        let log = fs::metadata(beside(&from, "-wal"));
        if log.is_ok_and(|log| log.len() > 0) {
            let from = self.from.display();
            return Err(Refusal(format!(
                "{from} has a log beside it ({from}-wal), as a database in use has: make a backup of it with \
                 countersign db backup"
            ))
            .into());
        }
        Ok(())
    }

    /// Looks at a copy of the backup first; what is there is touched only when that is in order.
    async fn restore(
        &self,
        database: &Path,
        fresh: &Path,
        there: bool,
    ) -> anyhow::Result<(storage::Backup, Option<PathBuf>)> {
        discard(fresh).with_context(|| fresh.display().to_string())?;
        copy(&self.from, fresh).with_context(|| {
            format!("cannot copy {} to {}", self.from.display(), fresh.display())
        })?;
        let backup = backed_up(storage::examine(fresh, Auth::MIGRATIONS).await)?;
        File::open(fresh)?.sync_all()?;
        let kept = if there { Some(set_aside(database).await?) } else { None };
        let placed = fs::rename(fresh, database).and_then(|()| match database.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
            _ => File::open(".")?.sync_all(),
        });
        if let (Err(_), Some((kept, _))) = (&placed, &kept) {
            // A second name of the same file, which goes on.
            drop(fs::remove_file(kept));
        }
        placed.with_context(|| database.display().to_string())?;
        Ok((backup, kept.map(|(kept, _alone)| kept)))
    }

    fn tell(&self, database: &Path, kept: Option<&Path>, backup: &storage::Backup) {
        let database = database.display().to_string();
        let kept = kept.map(|kept| kept.display().to_string());
        if self.json {
            let answer = json!({
                "database": database,
                "kept": kept,
                "bytes": backup.bytes,
                "present": backup.applied,
                "missing": backup.missing,
            });
            output::data(&answer.to_string());
        } else {
            output::data(&database);
        }
        if let Some(kept) = kept {
            output::talk(&format!("what was there is kept: {kept}"));
        }
        if !backup.missing.is_empty() {
            output::talk("its tables are older: the next start brings them up to date");
        }
        for line in [
            "all is as it was when the backup was made; what came after it is undone:",
            "- accounts, passwords and roles are those of then; who was disabled or removed since is back",
            "- logins that ended since go on: countersign user set-password ends those of an account",
            "- a key that was revoked since signs or verifies again: countersign key revoke ends it",
        ] {
            output::talk(line);
        }
    }
}

fn refuse_users(database: &Path) -> anyhow::Result<()> {
    if Alone::on(database)?.is_some() { Ok(()) } else { Err(in_use(database)) }
}

fn in_use(database: &Path) -> anyhow::Error {
    let database = database.display();
    Refusal(format!("{database} is in use: stop the server, or wait for the command that uses it"))
        .into()
}

/// Gives the database that is there another name beside its own. Whoever dies from here on leaves it where it is, or the
/// restored one, and never none.
async fn set_aside(database: &Path) -> anyhow::Result<(PathBuf, Alone)> {
    // What is in the log only comes into the file, if the file can still be read.
    let damaged = match Db::open(&DbOptions::new(format!("sqlite://{}", database.display()))).await
    {
        Ok(db) => {
            db.close().await;
            false
        }
        Err(StorageError::Refused(_)) => true,
        Err(error) => return Err(stored(error, "the database")),
    };
    let alone = Alone::on(database)?.ok_or_else(|| in_use(database))?;
    let log = beside(database, "-wal");
    if log.exists() && !damaged {
        return Err(in_use(database));
    }
    let time = jiff::Timestamp::from_second(Clock::system().now().seconds())?;
    let kept = beside(database, &format!(".before-{}", time.strftime("%Y%m%dT%H%M%SZ")));
    let about = || format!("cannot keep {} as {}", database.display(), kept.display());
    fs::hard_link(database, &kept).with_context(about)?;
    if log.exists() {
        fs::rename(&log, beside(&kept, "-wal")).with_context(about)?;
    }
    for ending in ["-shm", "-journal"] {
        if let Err(error) = fs::remove_file(beside(database, ending))
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error).with_context(about);
        }
    }
    Ok((kept, alone))
}

/// Copies a file into a new one that only its owner can read.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let mut reader = File::open(from)?;
    let mut writer = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
    io::copy(&mut reader, &mut writer)?;
    Ok(())
}

/// Removes what a restore that was cut short has left.
fn discard(fresh: &Path) -> io::Result<()> {
    for ending in ["", "-wal", "-shm", "-journal"] {
        match fs::remove_file(beside(fresh, ending)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
