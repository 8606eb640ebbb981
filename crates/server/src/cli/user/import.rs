//! `countersign user import`: accounts of another system, from a file.

use std::{
    fs::File,
    io::{BufRead, BufReader, Cursor, Read, stdin},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use auth::{
    Auth,
    import::{Firebase, Format, Mode, Options, Report, Rows, Source, Unreadable},
};
use clap::{Args, ValueEnum, builder::PossibleValuesParser};
use serde_json::{Value, json};

use crate::{
    cli::{
        No,
        flags::Flags,
        installation::{self, Missing},
        output,
    },
    settings::Refusal,
};

/// Refused rows that are printed for people; `--json` has more of them.
const SHOWN: usize = 20;

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The file with the accounts, or `-` for stdin.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    flags: Flags,
    /// The system that the accounts come from.
    #[arg(long, value_name = "SYSTEM", default_value = "generic", value_parser = systems())]
    from: String,
    /// How the file is written; without it the ending of its name says so.
    #[arg(long, value_name = "FORMAT")]
    format: Option<Written>,
    /// The password hash parameters of the Firebase project, as its console shows them.
    #[arg(long, value_name = "FILE")]
    firebase_parameters: Option<PathBuf>,
    /// Leave out accounts whose address was not confirmed.
    #[arg(long)]
    only_verified: bool,
    /// Only say what would become of the rows, and what logins would cost.
    #[arg(long)]
    dry_run: bool,
    /// Import the other rows where some are refused.
    #[arg(long)]
    skip_refused: bool,
    /// Print the report as one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Written {
    Csv,
    Jsonl,
}

fn systems() -> PossibleValuesParser {
    PossibleValuesParser::new(Source::all().map(|source| source.name))
}

/// A file that can be read from its beginning as often as needed.
enum Input {
    File(PathBuf),
    Stdin(Vec<u8>),
}

impl Import {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let (format, options) = (self.format()?, self.options()?);
        let source = Source::by_name(&self.from)
            .ok_or_else(|| Refusal(format!("{} is no system that is known here", self.from)))?;
        let input = Input::new(&self.file)?;
        let auth = installation::open(&self.flags, Missing::Make).await?;
        let rows = || {
            let rows =
                Rows::open(input.open()?, format, source, options.clone(), auth.clock().now());
            rows.map_err(|Unreadable(why)| {
                anyhow::Error::from(Refusal(format!("{}: {why}", self.file.display())))
            })
        };
        let mode = if self.dry_run { Mode::DryRun } else { Mode::Check };
        let looked = auth.import(rows()?, mode, |_| {}).await?;
        let stop = looked.refused > 0 && !self.skip_refused;
        if self.dry_run || stop {
            self.print(&looked, if self.dry_run { "dry run" } else { "check" });
            return match (stop, self.dry_run) {
                (false, _) => Ok(()),
                (true, true) => Err(No("some rows are refused".to_owned()).into()),
                (true, false) => Err(No("nothing was imported: mend the rows that are refused, or leave them out with --skip-refused".to_owned())
                .into()),
            };
        }
        let done = write(&auth, rows()?, looked.rows).await?;
        self.print(&done, "import");
        Ok(())
    }

    fn format(&self) -> anyhow::Result<Format> {
        let ending = self.file.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        Ok(match (self.format, ending) {
            (Some(Written::Csv), _) | (None, "csv") => Format::Csv,
            (Some(Written::Jsonl), _) | (None, "jsonl" | "ndjson") => Format::JsonLines,
            _ => {
                return Err(Refusal(
                    "the file's name does not end in .csv, .jsonl or .ndjson: pass --format"
                        .to_owned(),
                )
                .into());
            }
        })
    }

    fn options(&self) -> anyhow::Result<Options> {
        let firebase = self.firebase_parameters.as_deref().map(firebase).transpose()?;
        if self.from == "firebase" && firebase.is_none() {
            return Err(Refusal(
                "the hashes of Firebase need the parameters of the project: pass --firebase-parameters FILE".to_owned(),
            )
            .into());
        }
        Ok(Options { firebase, only_confirmed: self.only_verified })
    }

    fn print(&self, report: &Report, what: &str) {
        if self.json {
            output::data(&as_json(report, what).to_string());
        } else {
            print(report, what);
        }
    }
}

impl Input {
    fn new(path: &Path) -> anyhow::Result<Self> {
        if path == Path::new("-") {
            let mut all = Vec::new();
            stdin().lock().read_to_end(&mut all).context("stdin")?;
            return Ok(Self::Stdin(all));
        }
        let about = || path.display().to_string();
        let mode = std::fs::metadata(path).with_context(about)?.permissions().mode() & 0o077;
        if mode != 0 {
            let path = path.display();
            output::talk(&format!("warning: {path} holds password hashes, and others can read it"));
        }
        Ok(Self::File(path.to_owned()))
    }

    fn open(&self) -> anyhow::Result<Box<dyn BufRead + '_>> {
        Ok(match self {
            Self::Stdin(all) => Box::new(Cursor::new(all)),
            Self::File(path) => {
                let file = File::open(path).with_context(|| path.display().to_string())?;
                Box::new(BufReader::new(file))
            }
        })
    }
}

async fn write(
    auth: &Auth,
    rows: Rows<Box<dyn BufRead + '_>>,
    total: u64,
) -> anyhow::Result<Report> {
    let bar = output::bar(total);
    let outcome = auth.import(rows, Mode::Write, |report| bar.set_position(report.rows)).await;
    bar.finish_and_clear();
    outcome.context("the import stopped; start it again, and it goes on from there")
}

/// Reads what the console of Firebase shows: `hash_config { … base64_signer_key: …, … }`.
fn firebase(path: &Path) -> anyhow::Result<Firebase> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("the parameters in {}", path.display()))?;
    let value = |name: &str| {
        let line = text.lines().map(str::trim).find_map(|line| line.strip_prefix(name));
        let value = line.and_then(|rest| rest.trim_start().strip_prefix(':'));
        let value = value.map(|value| value.trim().trim_end_matches(',').trim_matches('"'));
        value.filter(|value| !value.is_empty()).ok_or_else(|| {
            anyhow::Error::from(Refusal(format!("{} has no line \"{name}: …\"", path.display())))
        })
    };
    let number = |name: &str| {
        let number = value(name)?.parse();
        number.map_err(|_| anyhow::Error::from(Refusal(format!("{name} is no number"))))
    };
    Ok(Firebase {
        signer_key: value("base64_signer_key")?.to_owned(),
        salt_separator: value("base64_salt_separator")?.to_owned(),
        rounds: number("rounds")?,
        mem_cost: number("mem_cost")?,
    })
}

fn millis(time: Option<Duration>) -> Option<u64> {
    time.and_then(|time| u64::try_from(time.as_millis()).ok())
}

fn print(report: &Report, what: &str) {
    let made = if what == "import" { "accounts made" } else { "new accounts" };
    let counts = [
        ("rows", report.rows),
        (made, report.new),
        ("there before", report.existing),
        ("twice in the file", report.repeated),
        ("not confirmed, left out", report.unconfirmed),
        ("refused", report.refused),
        ("without a password", report.without_password),
        ("administrators", report.administrators),
        ("disabled", report.disabled),
        ("weak, wrapped in Argon2id", report.wrapped()),
    ];
    let always = |name: &str| ["rows", made, "refused"].contains(&name);
    let rows = counts.iter().filter(|(name, count)| *count > 0 || always(name));
    output::table(
        &rows.map(|(name, count)| vec![(*name).to_owned(), count.to_string()]).collect::<Vec<_>>(),
    );
    if !report.kinds.is_empty() {
        output::data("");
        let head = ["scheme", "parameters", "rows", "", "check"].map(str::to_owned).to_vec();
        let rows = report.kinds.iter().map(|((scheme, parameters), kind)| {
            vec![
                (*scheme).to_owned(),
                parameters.clone(),
                kind.rows.to_string(),
                if kind.wrapped { "wrapped".to_owned() } else { String::new() },
                millis(kind.check).map_or_else(String::new, |millis| format!("{millis} ms")),
            ]
        });
        output::table(&std::iter::once(head).chain(rows).collect::<Vec<_>>());
    }
    if let (Some(first), Some(later)) = (millis(report.first_login()), millis(report.check)) {
        output::data("");
        output::data(&format!(
            "a first login takes {first} ms of a core, each one after it {later} ms"
        ));
    }
    for refused in report.named.iter().take(SHOWN) {
        let email = refused.email.as_deref().unwrap_or("no address");
        let shown: String = email.chars().filter(|letter| !letter.is_control()).take(80).collect();
        output::talk(&format!("line {}: {shown}: {}", refused.line, refused.reason));
    }
    let more = usize::try_from(report.refused).unwrap_or(usize::MAX);
    if more > SHOWN {
        output::talk(&format!("and {} more", more - SHOWN));
    }
}

fn as_json(report: &Report, what: &str) -> Value {
    let schemes: Vec<Value> = report
        .kinds
        .iter()
        .map(|((scheme, parameters), kind)| {
            json!({
                "scheme": scheme,
                "parameters": parameters,
                "rows": kind.rows,
                "wrapped": kind.wrapped,
                "check_ms": millis(kind.check),
            })
        })
        .collect();
    let refusals: Vec<Value> = report
        .named
        .iter()
        .map(|refused| {
            json!({ "line": refused.line, "email": refused.email, "reason": refused.reason })
        })
        .collect();
    json!({
        "what": what,
        "rows": report.rows,
        "new": report.new,
        "existing": report.existing,
        "repeated": report.repeated,
        "unverified": report.unconfirmed,
        "refused": report.refused,
        "without_password": report.without_password,
        "administrators": report.administrators,
        "disabled": report.disabled,
        "wrapped": report.wrapped(),
        "schemes": schemes,
        "first_login_ms": millis(report.first_login()),
        "login_ms": millis(report.check),
        "refusals": refusals,
    })
}
