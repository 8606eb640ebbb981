//! `countersign man`: the manual pages.

use std::{io::ErrorKind, path::PathBuf};

use anyhow::Context;
use clap::{Args, Command, CommandFactory};
use clap_mangen::Man as Page;

use crate::cli::{Cli, output};

/// Print the manual page.
#[derive(Debug, Args)]
#[command(after_help = "Read it:  countersign man | man -l -")]
pub(crate) struct Man {
    /// Write a page for each command into this folder instead, as countersign-serve.1 and so on.
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

impl Man {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let mut command = Cli::command();
        command.build();
        let Some(folder) = self.out else {
            output::bytes(&page(&command)?);
            return Ok(());
        };
        if let Err(error) = std::fs::create_dir(&folder)
            && error.kind() != ErrorKind::AlreadyExists
        {
            return Err(error)
                .with_context(|| format!("cannot make the folder {}", folder.display()));
        }
        for (name, command) in pages(&command, "") {
            let file = folder.join(format!("{name}.1"));
            std::fs::write(&file, page(&command)?)
                .with_context(|| format!("cannot write {}", file.display()))?;
            output::data(&file.display().to_string());
        }
        Ok(())
    }
}

/// A command and those below it, each under the name of its page.
fn pages(command: &Command, above: &str) -> Vec<(String, Command)> {
    let name = if above.is_empty() {
        command.get_name().to_owned()
    } else {
        format!("{above}-{}", command.get_name())
    };
    let below = command.get_subcommands().filter(|command| command.get_name() != "help");
    let below: Vec<_> = below.flat_map(|command| pages(command, &name)).collect();
    let mut pages = vec![(name, command.clone())];
    pages.extend(below);
    pages
}

fn page(command: &Command) -> anyhow::Result<Vec<u8>> {
    let mut text = Vec::new();
    Page::new(command.clone()).render(&mut text)?;
    Ok(text)
}
