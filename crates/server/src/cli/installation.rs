//! Opening an installation for a command, beside the servers that may run on it.

use std::path::{Path, PathBuf};

use auth::{
    Auth, Config,
    audit::{Actor, By},
    keys::State,
    storage::StorageError,
};

use crate::{
    cli::{
        flags::Flags,
        instance::{database_file, make_private_folder, protect_process, refuse_shared_file},
    },
    settings::Refusal,
};

/// What a command does where there is no installation yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// It makes one: SQLite only, as `serve` would.
    Make,
    /// It refuses: an empty one is not what anybody asked for.
    Refuse,
}

/// Opens the installation that the settings name.
pub(crate) async fn open(flags: &Flags, missing: Missing) -> anyhow::Result<Auth> {
    protect_process();
    let (mut config, fresh) = locate(flags, missing)?;
    if !fresh {
        follow_keys(&mut config).await?;
    }
    let operator = By::actor(Actor::Operator);
    Ok(Auth::builder(config).acting(operator).beside_servers().build().await?)
}

/// The settings with the database of the installation in them, and whether that is yet to be made.
pub(crate) fn locate(flags: &Flags, missing: Missing) -> anyhow::Result<(Config, bool)> {
    let mut config = flags.load()?;
    let Some(file) = sqlite_file(&config, flags) else { return Ok((config, false)) };
    let fresh = !file.exists();
    if fresh && missing == Missing::Refuse {
        return Err(Refusal(format!(
            "there is no database {}: name the installation with --config, --data-dir or --database-url",
            file.display()
        ))
        .into());
    }
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        make_private_folder(folder)?;
    }
    refuse_shared_file(&file)?;
    config.database.url = Some(format!("sqlite://{}", file.display()));
    Ok((config, fresh))
}

/// The file of an installation on SQLite.
pub(crate) fn sqlite_file(config: &Config, flags: &Flags) -> Option<PathBuf> {
    match config.database.url.as_deref() {
        None => Some(database_file(&flags.data_dir)),
        Some(url) => url.strip_prefix("sqlite://").map(|path| Path::new(path).to_owned()),
    }
}

/// An error of the storage itself, as the exit code has it: what is refused has to be changed, what cannot be reached has to
/// be waited for.
pub(crate) fn stored(error: StorageError, what: &str) -> anyhow::Error {
    match error {
        StorageError::Refused(cause) => Refusal(format!("{what}: {cause}")).into(),
        other => anyhow::Error::from(auth::Error::from(other)).context(what.to_owned()),
    }
}

/// Takes the keys of the installation as they are: a command that is about accounts makes no key and changes none.
async fn follow_keys(config: &mut Config) -> anyhow::Result<()> {
    let keys = Auth::builder(config.clone()).keys().await?.list().await?;
    let active = keys.iter().find(|key| key.state == State::Active);
    let Some(active) = active else {
        return Err(Refusal(
            "the database holds no key that signs: give the command the settings of the server, or start the server \
             once"
                .to_owned(),
        )
        .into());
    };
    config.tokens.algorithm = active
        .algorithm
        .parse()
        .map_err(|_| Refusal(format!("{} is no algorithm of this version", active.algorithm)))?;
    Ok(())
}
