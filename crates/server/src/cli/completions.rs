//! `countersign completions`: for the shell, to complete commands and flags.

use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};

use crate::cli::{Cli, output};

/// Print the completions for a shell.
#[derive(Debug, Args)]
#[command(after_help = "For bash, in ~/.bashrc:  source <(countersign completions bash)\n\
    For zsh, in a folder of $fpath:  countersign completions zsh > _countersign\n\
    For fish:  countersign completions fish > ~/.config/fish/completions/countersign.fish")]
pub(crate) struct Completions {
    /// The shell.
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self) {
        let mut script = Vec::new();
        generate(self.shell, &mut Cli::command(), "countersign", &mut script);
        output::bytes(&script);
    }
}
