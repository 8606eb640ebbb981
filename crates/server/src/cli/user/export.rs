//! `countersign user export`: accounts as lines of JSON, which `user import` reads back; or all that is held on one.

use std::{
    fs::OpenOptions,
    io::{BufWriter, Write, stdout},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
};

use anyhow::Context;
use auth::{Auth, users::UserId};
use clap::Args;
use serde_json::Value;
use uuid::Uuid;

use super::{as_json, find};
use crate::cli::{
    flags::Flags,
    installation::{self, Missing},
    output,
};

/// Accounts that are read at once.
const PAGE: u32 = 500;

type Out = BufWriter<Box<dyn Write>>;

#[derive(Debug, Args)]
pub(crate) struct Export {
    #[command(flatten)]
    flags: Flags,
    /// Print all that is held on the account with this id, as one JSON object.
    #[arg(long, value_name = "ID", conflicts_with_all = ["email", "with_hashes"])]
    id: Option<Uuid>,
    /// Print all that is held on the account with this address, as one JSON object.
    #[arg(long, value_name = "ADDRESS", conflicts_with = "with_hashes")]
    email: Option<String>,
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
        let wanted = self.id.map(|id| id.to_string()).or(self.email.clone());
        let one = match wanted {
            Some(user) => Some(find(&auth, &user).await?.id),
            None => None,
        };
        let mut out = self.open()?;
        if let Some(id) = one {
            self.write(&mut out, &held(&auth, id).await?)?;
            return self.finish(out);
        }
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
                self.write(&mut out, &line)?;
                accounts += 1;
            }
        }
        self.finish(out)?;
        output::talk(&format!("{accounts} accounts"));
        Ok(())
    }

    fn open(&self) -> anyhow::Result<Out> {
        Ok(BufWriter::new(match &self.out {
            None => Box::new(stdout()),
            Some(path) => {
                let mut options = OpenOptions::new();
                let file = options.write(true).create_new(true).mode(0o600).open(path);
                Box::new(file.with_context(|| self.failed())?)
            }
        }))
    }

    fn write(&self, out: &mut Out, line: &Value) -> anyhow::Result<()> {
        writeln!(out, "{line}").with_context(|| self.failed())
    }

    fn finish(&self, mut out: Out) -> anyhow::Result<()> {
        out.flush().with_context(|| self.failed())
    }

    fn failed(&self) -> String {
        let to = self.out.as_ref().map_or("stdout".to_owned(), |path| path.display().to_string());
        format!("cannot write {to}")
    }
}

/// All that is held on an account, with all its events: page by page, put together.
async fn held(auth: &Auth, id: UserId) -> anyhow::Result<Value> {
    let first = auth.user_export(id, None).await?;
    let (mut whole, mut next) = (first.to_json(), first.next);
    while let Some(after) = next {
        let page = auth.user_export(id, Some(after)).await?;
        let mut events = page.events_to_json();
        let more = events.get_mut("items").and_then(Value::as_array_mut).map(std::mem::take);
        let items = whole.pointer_mut("/events/items").and_then(Value::as_array_mut);
        items.into_iter().for_each(|items| items.extend(more.iter().flatten().cloned()));
        next = page.next;
    }
    if let Some(next) = whole.pointer_mut("/events/next") {
        *next = Value::Null;
    }
    Ok(whole)
}
