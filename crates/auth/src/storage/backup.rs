//! A copy of a SQLite database in one file, made while it is in use, and what is looked at before one is used again.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use super::{
    Db, DbOptions, Migrations, StorageError,
    db::Backend,
    sqlite::{inspect, vacuum_into},
};

/// Why there is no backup, or none that can be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// PostgreSQL has tools of its own.
    #[error("only SQLite is backed up here")]
    NotSqlite,
    /// The file is there already.
    #[error("{} is there already, and is not written over", .0.display())]
    Exists(PathBuf),
    /// The file is damaged: what was found in it.
    #[error("the file is damaged: {}", .0.join("; "))]
    Damaged(Vec<String>),
    /// The file is no database of an installation.
    #[error("the file holds no installation")]
    NoInstallation,
    /// The file cannot be written or read.
    #[error("{}", .0.display())]
    File(PathBuf, #[source] io::Error),
    /// The database could not do it.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// A backup that was looked at and is in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// Its size.
    pub bytes: u64,
    /// The migrations that were applied to it, the oldest first.
    pub applied: Vec<String>,
    /// Those that this program has and the backup lacks: the next start makes up for them.
    pub missing: Vec<String>,
}

impl Db {
    /// Writes all that the database holds, as of one moment, into a new file; whoever uses it goes on meanwhile.
    ///
    /// The file is its owner's alone, holds nothing of what was deleted, is checked page by page, and has its name only
    /// when it is whole and on the disk.
    ///
    /// # Errors
    /// [`BackupError`] says why not; there is no file then.
    pub async fn backup(&self, to: &Path, owner: Migrations) -> Result<Backup, BackupError> {
        let Backend::Sqlite(sqlite) = self.backend() else { return Err(BackupError::NotSqlite) };
        if fs::symlink_metadata(to).is_ok() {
            return Err(BackupError::Exists(to.to_owned()));
        }
        let unfinished = beside(to, ".unfinished");
        let failed = |error| BackupError::File(unfinished.clone(), error);
        // Of one that was cut short, maybe.
        discard(&unfinished).map_err(failed)?;
        private(&unfinished).map_err(failed)?;
        let outcome = async {
            vacuum_into(sqlite.file()?, unfinished.clone()).await?;
            let backup = examine(&unfinished, owner).await?;
            sync(&unfinished).map_err(failed)?;
            keep(&unfinished, to)?;
            Ok(backup)
        }
        .await;
        if outcome.is_err() {
            drop(discard(&unfinished));
        }
        outcome
    }
}

/// Looks at a file that nobody else uses: whether every page and reference is in order, and whose tables it has. Makes it
/// one file without a log.
///
/// # Errors
/// [`BackupError`]; [`StorageError::Refused`] within it when the file was used by a newer version.
pub async fn examine(file: &Path, owner: Migrations) -> Result<Backup, BackupError> {
    let found = inspect(file.to_owned()).await.or_else(|error| match error {
        StorageError::Refused(cause) => Ok(vec![cause.to_string()]),
        other => Err(other),
    })?;
    if !found.is_empty() {
        return Err(BackupError::Damaged(found));
    }
    let db = Db::open(&DbOptions::new(format!("sqlite://{}", file.display()))).await?;
    let standing = db.standing(owner).await;
    db.close().await;
    // Opening it has given it a log; it is one file again.
    inspect(file.to_owned()).await?;
    let standing = standing?;
    if standing.applied.is_empty() {
        return Err(BackupError::NoInstallation);
    }
    let bytes =
        fs::metadata(file).map_err(|error| BackupError::File(file.to_owned(), error))?.len();
    Ok(Backup { bytes, applied: standing.applied, missing: standing.missing })
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Removes a file and what SQLite lays beside it.
fn discard(path: &Path) -> io::Result<()> {
    for ending in ["", "-wal", "-shm", "-journal"] {
        match fs::remove_file(beside(path, ending)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Makes an empty file that only its owner can read.
fn private(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Gives the file its name, if nobody has taken that meanwhile.
fn keep(unfinished: &Path, to: &Path) -> Result<(), BackupError> {
    let failed = |error| BackupError::File(to.to_owned(), error);
    match fs::hard_link(unfinished, to) {
        Ok(()) => fs::remove_file(unfinished).map_err(failed)?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(BackupError::Exists(to.to_owned()));
        }
        // A file system without links.
        Err(_) => fs::rename(unfinished, to).map_err(failed)?,
    }
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty());
    sync(folder.unwrap_or(Path::new("."))).map_err(failed)
}
