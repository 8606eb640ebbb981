//! `countersign user export`: accounts as lines of JSON, which `user import` reads back.

use std::{
    fs::OpenOptions,
    io::{BufWriter, Write, stdout},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
};

use anyhow::Context;
use clap::Args;

use super::as_json;
use crate::cli::{
    flags::Flags,
    installation::{self, Missing},
    output,
};

/// Accounts that are read at once.
const PAGE: u32 = 500;

#[derive(Debug, Args)]
pub(crate) struct Export {
    #[command(flatten)]
    flags: Flags,
    /// Print the hashes of the passwords too, without which nobody can log in after an import.
    #[arg(long)]
    with_hashes: bool,
    /// Write to a new file that only its owner can read, in place of stdout.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print one JSON object a line, as in any case.
    #[arg(long)]
    json: bool,
}

impl Export {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let auth = installation::open(&self.flags, Missing::Refuse).await?;
        if self.with_hashes {
            output::talk("warning: whoever has these hashes can guess the passwords behind them");
        }
        let to =
            || self.out.as_ref().map_or("stdout".to_owned(), |path| path.display().to_string());
        let mut out: BufWriter<Box<dyn Write>> = BufWriter::new(match &self.out {
            None => Box::new(stdout()),
            Some(path) => {
                let mut options = OpenOptions::new();
                let file = options.write(true).create_new(true).mode(0o600).open(path);
                Box::new(file.with_context(|| format!("cannot write {}", path.display()))?)
            }
        });
        let (mut after, mut accounts) = (None, 0_u64);
        loop {
            let page = auth.export(after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.user.id);
            for account in &page {
                let mut line = as_json(&account.user);
                if let Some(members) = line.as_object_mut().filter(|_| self.with_hashes) {
                    members
                        .insert("password_hash".to_owned(), account.password_hash.clone().into());
                }
                writeln!(out, "{line}").with_context(|| format!("cannot write {}", to()))?;
                accounts += 1;
            }
        }
        out.flush().with_context(|| format!("cannot write {}", to()))?;
        output::talk(&format!("{accounts} accounts"));
        Ok(())
    }
}
