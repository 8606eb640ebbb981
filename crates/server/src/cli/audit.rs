//! `countersign audit`: what was done on an installation, and whether nobody has changed the record of it.

use std::{
    fs::OpenOptions,
    io::{BufWriter, IsTerminal, Write, stderr, stdout},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
    str::FromStr,
    time::Duration,
};

use anyhow::Context;
use auth::{
    Auth, Clock,
    audit::{Actor, By, Event, Filter, Kind, Log, MAX_FAULTS},
    config::parse_duration,
    users::UserId,
};
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use jwt::Timestamp;
use serde_json::json;
use uuid::Uuid;

use crate::{
    cli::{
        No,
        flags::Flags,
        installation::{self, Missing},
        instance::protect_process,
        output,
    },
    settings::{Refusal, nearest},
};

/// Events that are read at once.
const PAGE: u32 = 500;

/// Read, check and hand out the audit log.
#[derive(Debug, Args)]
pub(crate) struct Audit {
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// Show the newest events.
    List(List),
    /// Check that no sealed event was changed, removed or put in.
    Verify(Verify),
    /// Print all events as lines of JSON, the oldest first.
    Export(Export),
}

#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    flags: Flags,
    /// Only events of this type, such as `login.failed`.
    #[arg(long, value_name = "TYPE")]
    r#type: Option<String>,
    /// Only events about this account.
    #[arg(long, value_name = "ID")]
    user: Option<Uuid>,
    /// Only events of this long ago or less, such as `2h` or `7d`.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    since: Option<Duration>,
    /// So many at most.
    #[arg(long, value_name = "NUMBER", default_value_t = 50)]
    limit: u32,
    /// Print one JSON object a line.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Verify {
    #[command(flatten)]
    flags: Flags,
    /// A head that was noted down before, as an earlier check printed it.
    #[arg(long, value_name = "NUMBER:LINK")]
    head: Option<Head>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Export {
    #[command(flatten)]
    flags: Flags,
    /// Only events of this long ago or less, such as `2h` or `7d`.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    since: Option<Duration>,
    /// Write to a new file that only its owner can read, in place of stdout.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print one JSON object a line, as in any case.
    #[arg(long)]
    json: bool,
}

/// The number and the link of an event, as hex digits.
#[derive(Debug, Clone)]
struct Head(i64, String);

impl FromStr for Head {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let head = text.split_once(':').and_then(|(number, link)| {
            let is_link = link.len() == 64 && link.bytes().all(|byte| byte.is_ascii_hexdigit());
            is_link.then_some(Self(number.parse().ok()?, link.to_owned()))
        });
        head.ok_or("a head is a number, a colon and 64 hex digits")
    }
}

impl Audit {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        match self.command {
            AuditCommand::List(list) => list.run().await,
            AuditCommand::Verify(verify) => verify.run().await,
            AuditCommand::Export(export) => export.run().await,
        }
    }
}

impl List {
    async fn run(self) -> anyhow::Result<()> {
        if let Some(name) = self.r#type.as_deref().filter(|name| Kind::by_name(name).is_none()) {
            let known = Kind::ALL.iter().map(|kind| kind.name.to_owned());
            let next = match nearest(name, known) {
                Some(meant) => format!("did you mean {meant}?"),
                None => "docs/reference/events.md lists all types".to_owned(),
            };
            return Err(Refusal(format!("there are no events of type {name:?}; {next}")).into());
        }
        let log = log(&self.flags).await?;
        let filter = Filter {
            kind: self.r#type,
            user: self.user.map(UserId),
            since: self.since.map(ago),
            ..Filter::default()
        };
        let events = log.page(&filter, None, self.limit).await?;
        if self.json {
            for event in &events {
                output::data(&event.to_json().to_string());
            }
            return Ok(());
        }
        if events.is_empty() {
            output::talk("no events");
            return Ok(());
        }
        let head = ["time", "type", "user", "by", "address"].map(str::to_owned).to_vec();
        let rows: Vec<_> = std::iter::once(head).chain(events.iter().map(row)).collect();
        output::table(&rows);
        Ok(())
    }
}

fn row(event: &Event) -> Vec<String> {
    let id = |user: UserId| user.0.to_string();
    let none = || "-".to_owned();
    vec![
        jiff::Timestamp::from_second(event.at.seconds())
            .map_or_else(|_| event.at.seconds().to_string(), |at| at.to_string()),
        event.kind.clone(),
        event.user.map_or_else(none, id),
        match event.actor {
            Actor::Owner => "owner".to_owned(),
            Actor::User(user) => id(user),
            Actor::Application => "application".to_owned(),
            Actor::Operator => "operator".to_owned(),
            Actor::Server => "server".to_owned(),
            Actor::Stranger => "stranger".to_owned(),
        },
        event.address.map_or_else(none, |address| address.to_string()),
    ]
}

impl Verify {
    async fn run(self) -> anyhow::Result<()> {
        let log = log(&self.flags).await?;
        // Without a terminal it is not drawn.
        let bar =
            if stderr().is_terminal() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        if let Ok(style) = ProgressStyle::with_template("{spinner} {pos} events checked") {
            bar.set_style(style);
        }
        let noted = self.head.as_ref().map(|Head(number, link)| (*number, link.as_str()));
        let report = log.verify(noted, |checked| bar.set_position(checked)).await?;
        bar.finish_and_clear();
        let head = format!("{}:{}", report.head.0, report.head.1);
        let faults: Vec<String> = report.faults.iter().map(ToString::to_string).collect();
        if self.json {
            let answer = json!({
                "sound": report.fault_count == 0,
                "checked": report.checked,
                "first": report.numbers.map(|(first, _)| first),
                "last": report.numbers.map(|(_, last)| last),
                "erased": report.erased,
                "unsealed": report.unsealed,
                "head": head,
                "faults": faults,
                "fault_count": report.fault_count,
            });
            output::data(&answer.to_string());
        } else {
            for fault in &faults {
                output::data(fault);
            }
            if report.fault_count > u64::try_from(MAX_FAULTS).unwrap_or(u64::MAX) {
                output::data("and more");
            }
            output::talk(&format!(
                "{} events checked, {} without the data of accounts that are gone, {} not sealed yet",
                report.checked, report.erased, report.unsealed
            ));
            output::talk(&format!("head {head}"));
        }
        match report.fault_count {
            0 => Ok(()),
            1 => Err(No("the log was changed: 1 fault".to_owned()).into()),
            faults => Err(No(format!("the log was changed: {faults} faults")).into()),
        }
    }
}

impl Export {
    async fn run(self) -> anyhow::Result<()> {
        let log = log(&self.flags).await?;
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
        log.note_export().await?;
        let (since, mut after, mut events) = (self.since.map(ago), None, 0_u64);
        loop {
            let page = log.after(since, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            for event in &page {
                writeln!(out, "{}", event.to_json())
                    .with_context(|| format!("cannot write {}", to()))?;
                events += 1;
            }
        }
        out.flush().with_context(|| format!("cannot write {}", to()))?;
        output::talk(&format!("{events} events"));
        Ok(())
    }
}

fn ago(duration: Duration) -> Timestamp {
    Clock::system().now().saturating_sub(duration)
}

/// The log of the installation that the settings name, which has to be there.
async fn log(flags: &Flags) -> anyhow::Result<Log> {
    protect_process();
    let (config, _) = installation::locate(flags, Missing::Refuse)?;
    Ok(Auth::builder(config).acting(By::actor(Actor::Operator)).log().await?)
}
