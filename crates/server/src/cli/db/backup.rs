//! `countersign db backup`: a SQLite database in one file, as of one moment.

use std::path::PathBuf;

use auth::Auth;
use clap::Args;
use serde_json::json;

use super::backed_up;
use crate::{
    cli::{
        flags::Flags,
        installation::{self, Missing},
        instance::protect_process,
        output,
    },
    settings::Refusal,
};

#[derive(Debug, Args)]
pub(crate) struct Backup {
    #[command(flatten)]
    flags: Flags,
    /// The file to write; one that is there already is not written over.
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

impl Backup {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        protect_process();
        let (config, _) = installation::locate(&self.flags, Missing::Refuse)?;
        if config.database.url.as_deref().is_some_and(|url| url.starts_with("postgres")) {
            return Err(Refusal(
                "the installation is on PostgreSQL: back it up with pg_dump --format=custom"
                    .to_owned(),
            )
            .into());
        }
        let db = Auth::builder(config).database().await?;
        let made = db.backup(&self.to, Auth::MIGRATIONS).await;
        db.close().await;
        let made = backed_up(made)?;
        let file = self.to.display().to_string();
        if self.json {
            let answer = json!({
                "file": file,
                "bytes": made.bytes,
                "present": made.applied,
                "missing": made.missing,
            });
            output::data(&answer.to_string());
        } else {
            output::data(&file);
        }
        output::talk(&format!(
            "{} KiB, checked and on the disk. It holds all that the database holds: keep it like a key",
            made.bytes.div_ceil(1024)
        ));
        Ok(())
    }
}
