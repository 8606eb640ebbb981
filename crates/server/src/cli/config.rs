//! `countersign config`: the settings, where each is from, and what is wrong with them.

use anstyle::{AnsiColor, Style};
use auth::Config;
use clap::{Args, Subcommand};
use confique::toml::{FormatOptions, template};
use serde_json::{Value, json};

use crate::{
    cli::{No, flags::Flags, output, report, unfit::unfit},
    settings::{self, Origin, Problem},
};

/// See the settings, where each is from, and what is wrong with them.
#[derive(Debug, Args)]
pub(crate) struct Settings {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print every setting with the value in force, as a file that could be loaded. Passwords are covered.
    Show(Show),
    /// Find all that is wrong with the settings, and all that `serve` would refuse in them.
    Check(Check),
    /// Print a configuration file with every setting, its default and what it is for.
    Example,
}

#[derive(Debug, Args)]
struct Show {
    /// Say where each value is from: `default`, the line of the file, the variable or the flag.
    #[arg(long)]
    origin: bool,
    /// Print one JSON object: `{"settings": [{"key", "value", "origin", "source", "line"}]}`.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    flags: Flags,
}

#[derive(Debug, Args)]
struct Check {
    /// Do not mind signing keys that lie unencrypted in PostgreSQL, as `serve` with the same flag.
    #[arg(long)]
    allow_plain_keys: bool,
    /// Print one JSON object: `{"ok", "problems": [{"message", "hint", "origin"}]}`.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    flags: Flags,
}

impl Settings {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match self.command {
            Command::Show(show) => show.run(),
            Command::Check(check) => check.run(),
            Command::Example => {
                output::data(example().trim_end());
                Ok(())
            }
        }
    }
}

/// A file with every setting commented out, made from the documentation of [`Config`].
fn example() -> String {
    let mut options = FormatOptions::default();
    options.general.nested_field_gap = 1;
    let text = template::<Config>(options);
    let mut lines: Vec<&str> = Vec::new();
    // The first lines are about the struct.
    for line in text.lines().skip_while(|line| !line.is_empty()) {
        if line.starts_with("# Default value: ") {
            // The next line says the same; the one before only sets this one apart.
            lines.pop_if(|line| *line == "#");
        } else {
            lines.push(line);
        }
    }
    format!(
        "# Settings of Countersign. Each line that begins with `#` and a name shows the default; remove the `#` to\n\
         # change it. A key `section.name` is also the environment variable COUNTERSIGN_SECTION__NAME and the flag\n\
         # --section-name, both of which win over this file.\n\n{}\n",
        lines.join("\n").trim()
    )
}

impl Show {
    fn run(self) -> anyhow::Result<()> {
        let settings = self.flags.read()?;
        if !settings.problems().is_empty() {
            settings.into_config()?;
            return Ok(());
        }
        if self.json {
            output::data(&json!({ "settings": to_json(&settings) }).to_string());
        } else {
            output::data(to_toml(&settings, self.origin).trim_end());
        }
        Ok(())
    }
}

fn to_json(settings: &settings::Settings) -> Vec<Value> {
    let setting = |(setting, value, origin): (settings::Setting, _, _)| {
        let (kind, source, line) = match origin {
            Origin::Default => ("default", None, None),
            Origin::File { path, line } => ("file", Some(path.display().to_string()), Some(line)),
            Origin::Environment(name) => ("environment", Some(name), None),
            Origin::Flag(name) => ("flag", Some(name), None),
        };
        json!({ "key": setting.key(), "value": value, "origin": kind, "source": source, "line": line })
    };
    settings.values().map(setting).collect()
}

fn to_toml(settings: &settings::Settings, origins: bool) -> String {
    /// Comments stand below each other up to this column; behind a longer line they stand where it ends.
    const WIDEST: usize = 60;
    const COMMENT: Style = AnsiColor::BrightBlack.on_default();
    let lines: Vec<_> = settings
        .values()
        .map(|(setting, value, origin)| {
            let key = setting.key();
            let (section, name) = key.split_once('.').unwrap_or_default();
            let line = value.map(|value| format!("{name} = {value}"));
            (section.to_owned(), line.unwrap_or_else(|| format!("# {name} is not set")), origin)
        })
        .collect();
    let width = lines.iter().map(|(_, line, _)| line.chars().count());
    let width = width.filter(|width| *width <= WIDEST).max().unwrap_or_default();
    let (mut text, mut current) = (String::new(), "");
    for (section, line, origin) in &lines {
        if section != current {
            let gap = if current.is_empty() { "" } else { "\n" };
            text.push_str(&format!("{gap}[{section}]\n"));
            current = section;
        }
        if origins {
            text.push_str(&format!("{line:<width$}  {COMMENT}# {origin}{COMMENT:#}\n"));
        } else {
            text.push_str(&format!("{line}\n"));
        }
    }
    text
}

impl Check {
    fn run(self) -> anyhow::Result<()> {
        let settings = self.flags.read()?;
        let mut problems = settings.problems().to_vec();
        let unfit = unfit(settings.config(), &self.flags.data_dir, self.allow_plain_keys);
        let unfit = unfit.iter().map(|unfit| Problem::new(unfit.to_string()));
        problems.extend(unfit.map(|problem| settings.locate(problem)));
        problems.sort_by_key(Problem::rank);
        if self.json {
            let problem = |problem: &Problem| {
                json!({
                    "message": problem.message(),
                    "hint": problem.help_text(),
                    "origin": problem.origin(),
                })
            };
            let all: Vec<Value> = problems.iter().map(problem).collect();
            output::data(&json!({ "ok": all.is_empty(), "problems": all }).to_string());
        } else {
            report::problems(&problems);
        }
        match problems.len() {
            0 => {
                let file = self.flags.file().map(|file| file.display().to_string());
                let file = file.unwrap_or_else(|| "no configuration file was named".to_owned());
                output::talk(&format!("the settings are in order ({file})"));
                Ok(())
            }
            1 => no("one problem"),
            several => no(&format!("{several} problems")),
        }
    }
}

fn no(said: &str) -> anyhow::Result<()> {
    output::talk(said);
    Err(No(String::new()).into())
}
