//! `countersign migrate`: the tables of an installation, brought up to date before its servers start.

use auth::Auth;
use clap::Args;
use serde_json::json;

use crate::cli::{
    No,
    flags::Flags,
    installation::{self, Missing, stored},
    instance::protect_process,
    output,
};

/// Bring the tables of an installation up to date, as every start does by itself.
#[derive(Debug, Args)]
pub(crate) struct Migrate {
    #[command(flatten)]
    flags: Flags,
    /// Change nothing, and say whether steps are missing.
    #[arg(long)]
    check: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

impl Migrate {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        protect_process();
        let missing = if self.check { Missing::Refuse } else { Missing::Make };
        let (config, _) = installation::locate(&self.flags, missing)?;
        let db = Auth::builder(config).database().await?;
        let failed = |error| stored(error, "the database");
        let before = db.standing(Auth::MIGRATIONS).await.map_err(failed)?;
        let (applied, missing) = if self.check {
            (Vec::new(), before.missing)
        } else {
            (db.migrate(Auth::MIGRATIONS).await.map_err(failed)?, Vec::new())
        };
        db.close().await;
        if self.json {
            let answer =
                json!({ "present": before.applied, "applied": applied, "missing": missing });
            output::data(&answer.to_string());
        } else {
            applied.iter().chain(&missing).for_each(|step| output::data(step));
        }
        let steps = |count: usize| match count {
            1 => "one step".to_owned(),
            count => format!("{count} steps"),
        };
        if !missing.is_empty() {
            let missing = steps(missing.len());
            return Err(
                No(format!("not up to date, {missing} missing: run countersign migrate")).into()
            );
        }
        match applied.len() {
            0 => output::talk("the tables are up to date"),
            count => output::talk(&format!("the tables are up to date, after {}", steps(count))),
        }
        Ok(())
    }
}
