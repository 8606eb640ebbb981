//! What `dev`, `serve` and the commands on an installation take: every setting as a flag, and where settings and data lie.

use std::path::PathBuf;

use auth::Config;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use crate::settings::{Setting, load};

/// Where data lies unless a flag or the environment says otherwise.
const DATA_DIR: &str = "countersign-data";

/// The settings of a command that starts a server, or works beside one.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// The configuration file (TOML).
    #[arg(long, env = "COUNTERSIGN_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// The folder for the database and what else is kept; made with mode 0700.
    #[arg(long, env = "COUNTERSIGN_DATA_DIR", value_name = "FOLDER", default_value = DATA_DIR)]
    pub(crate) data_dir: PathBuf,
    #[command(flatten)]
    settings: SettingFlags,
}

impl Flags {
    /// All settings of this start, from defaults, file, environment and flags.
    pub(crate) fn load(&self) -> anyhow::Result<Config> {
        // A variable that is not UTF-8 cannot be one of ours.
        let environment = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        load(self.config.as_deref(), environment, &self.settings.0)
    }
}

/// One flag for each setting, made from the settings themselves: pairs of a key and a text.
#[derive(Debug, Default)]
struct SettingFlags(Vec<(String, String)>);

/// Settings that are set often have a short name beside the full one.
const SHORT: [(&str, &str); 3] = [
    ("http.listen", "listen"),
    ("http.public_url", "public-url"),
    ("keys.secret_file", "secret-file"),
];

impl Args for SettingFlags {
    fn augment_args(command: Command) -> Command {
        Setting::all().filter(|setting| !setting.is_secret()).fold(command, |command, setting| {
            let key = setting.key();
            let short = SHORT.iter().find(|(long, _)| *long == key).map(|(_, short)| *short);
            let mut flag = Arg::new(key.clone())
                .long(setting.flag())
                .value_name("VALUE")
                .help(setting.help())
                .help_heading("Settings");
            if let Some(short) = short {
                flag = flag.visible_alias(short);
            }
            // A list takes several; of anything else the last one counts.
            let list = setting.default().is_some_and(|default| default.starts_with('['));
            flag = if list { flag.action(ArgAction::Append) } else { flag.overrides_with(key) };
            command.arg(flag)
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SettingFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let flags = Setting::all().filter(|setting| !setting.is_secret());
        let given = flags.filter_map(|setting| {
            let key = setting.key();
            let values: Vec<String> = matches.get_many::<String>(&key)?.cloned().collect();
            Some((key, values.join(",")))
        });
        Ok(Self(given.collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
