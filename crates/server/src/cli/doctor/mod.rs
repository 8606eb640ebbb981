//! `countersign doctor`: what is wrong with an installation, what it means, and how to mend it.
//!
//! All that is looked at is gathered first (`Facts`), without changing anything; each check then judges it, and has no
//! other way to know something.

mod browser;
mod database;
mod facts;
mod files;
mod keys;
mod probe;
mod servers;
mod settings;
mod shown;
#[cfg(test)]
mod tests;

use std::{fmt, str::FromStr};

use auth::config::PublicUrl;
use clap::Args;
use serde::Serialize;

use self::facts::{Facts, Unknown};
use crate::cli::{No, flags::Flags, instance::protect_process, output};

/// Look at an installation, and say what is wrong with it and how to mend it.
#[derive(Debug, Args)]
pub struct Doctor {
    #[command(flatten)]
    flags: Flags,
    /// Do not mind signing keys that lie unencrypted in PostgreSQL, as `serve` with the same flag.
    #[arg(long)]
    allow_plain_keys: bool,
    /// Say whether pages of this origin can use the session cookie and call the server.
    #[arg(long, value_name = "ORIGIN")]
    origin: Option<Origin>,
    /// The origin that these pages call. Without it, that of `http.public_url`.
    #[arg(long, value_name = "ORIGIN", requires = "origin")]
    api: Option<Origin>,
    /// Ask the server that runs at this address what it sees of a request: through all proxies on the way.
    #[arg(long, value_name = "URL")]
    probe: Option<PublicUrl>,
    /// Connect to the mail server and log in; no letter is sent.
    #[arg(long)]
    mail: bool,
    /// Print one JSON object: `{"checks": [{"id", "outcome", "finding", "means", "mend"}], "failures", "warnings"}`.
    #[arg(long)]
    json: bool,
}

/// An origin as browsers write it (RFC 6454 §6.2): scheme, host and perhaps a port.
#[derive(Debug, Clone)]
struct Origin(PublicUrl);

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let url: PublicUrl = text.parse()?;
        if url.as_str().eq_ignore_ascii_case(url.origin()) {
            Ok(Self(url))
        } else {
            Err(format!("{text:?} is no origin: write it as browsers do, such as {}", url.origin()))
        }
    }
}

/// One thing that is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Check {
    /// Its name, which does not change.
    pub id: &'static str,
    /// With which others it is shown.
    pub group: &'static str,
    /// What it finds.
    pub finds: &'static str,
    look: fn(&Facts) -> Vec<Finding>,
}

/// Makes the table of checks: what is not in it is not looked at.
macro_rules! checks {
    ($($group:literal: $($id:ident($look:path) $finds:literal;)*)*) => {
        /// All checks, in the order in which they are shown.
        pub const CHECKS: &[Check] = &[
            $($(Check { id: stringify!($id), group: $group, finds: $finds, look: $look },)*)*
        ];
    };
}

checks! {
    "settings":
        settings(settings::settings) "settings that there are not, that cannot be read, or that do not go together";
        public_url(settings::public_url) "an `http.public_url` that is missing, or that sends passwords in the clear";
        issuer(settings::issuer) "a `tokens.issuer` or `tokens.audience` that verifiers elsewhere cannot tell from others, or will not match";
        sessions(settings::sessions) "sessions in memory, where they are lost or not shared";
        limits(settings::limits) "limits on guessing that are off";
        log(settings::log) "a `log.level` that means nothing";
    "files":
        secret_strength(files::secret_strength) "secrets and keys in files that can be guessed, or not be read";
        file_modes(files::file_modes) "files and folders that others on the machine can read or change";
        tls_certificate(files::tls_certificate) "a certificate that cannot be used, that has run out or soon will, or that is not made out to `http.public_url`";
        disk_space(files::disk_space) "a disk that is full, or soon will be";
    "database":
        database(database::database) "a database that cannot be reached";
        migrations(database::migrations) "tables that are older, newer or other than those of this version";
        database_clock(database::database_clock) "a clock of this machine that is not that of the database server";
        clock(database::clock) "a clock of this machine that is behind what is written in the audit log";
    "keys":
        keys(keys::keys) "keys that a server could not open or read";
        signing_key(keys::signing_key) "no key that signs, or several";
        pending_keys(keys::pending_keys) "a key that should sign by now and does not";
        rotation(keys::rotation) "a key that should have been replaced";
        retiring_keys(keys::retiring_keys) "a key that verifies for longer than it has to";
        keys_at_rest(keys::keys_at_rest) "keys, or the server secret, that lie unencrypted where others may read them";
        key_strength(keys::key_strength) "secrets in the database that can be guessed";
        shared_secret(keys::shared_secret) "a secret that is shared with verifiers, who can make tokens with it";
    "servers":
        seeded_accounts(servers::seeded_accounts) "accounts of `dev` whose passwords lie in the data folder";
        audit(servers::audit) "events that nobody seals, and a chain that was changed";
        mail(servers::mail) "settings of mail with which no letter gets out";
        mail_server(servers::mail_server) "a mail server that cannot be reached or refuses the login (`--mail`)";
        webhooks(servers::webhooks) "settings of webhooks with which no event gets out, and events that the receiver does not take";
    "browser":
        cookie(browser::cookie) "a session cookie that the browser would not send from the pages of `--origin`";
        cors(browser::cors) "an origin whose scripts may not call the server";
    "proxies":
        trusted_proxies(probe::trusted_proxies) "proxies that are believed too little or too much";
        probe(probe::probe) "a server that does not answer at `--probe`, or has other settings";
        probe_client(probe::client) "a server that takes all clients for one";
        probe_forgery(probe::forgery) "a server that believes any client that claims an address";
        probe_host(probe::host) "a host or a scheme that changes on the way";
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Ok,
    Warning,
    Failure,
    Skipped,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failure => "failure",
            Self::Skipped => "skipped",
        })
    }
}

/// What a check found.
#[derive(Debug, Clone, Serialize)]
struct Finding {
    outcome: Outcome,
    finding: String,
    /// What it means; nothing where all is well or nothing was looked at.
    means: Option<String>,
    /// How to mend it.
    mend: Option<String>,
}

impl Finding {
    fn ok(finding: impl Into<String>) -> Self {
        Self { outcome: Outcome::Ok, finding: finding.into(), means: None, mend: None }
    }

    fn skipped(finding: impl Into<String>) -> Self {
        Self { outcome: Outcome::Skipped, ..Self::ok(finding) }
    }

    fn warning(
        finding: impl Into<String>,
        means: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self { outcome: Outcome::Warning, ..Self::failure(finding, means, mend) }
    }

    fn failure(
        finding: impl Into<String>,
        means: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self {
            outcome: Outcome::Failure,
            finding: finding.into(),
            means: Some(means.into()),
            mend: Some(mend.into()),
        }
    }

    /// Nothing could be judged, because what it takes to judge is not known.
    fn unknown(unknown: &Unknown) -> Vec<Self> {
        vec![match unknown {
            Unknown::Skipped(why) | Unknown::NotYet(why) => Self::skipped(why),
            Unknown::Failed(why) => Self::failure(
                why,
                "what this check looks at could not be read",
                "see what is said above it; then run doctor again",
            ),
        }]
    }
}

/// What was found, or that all is well.
fn or_ok(found: Vec<Finding>, ok: impl FnOnce() -> String) -> Vec<Finding> {
    if found.is_empty() { vec![Finding::ok(ok())] } else { found }
}

/// A finding with the check it is of, as it is printed for programs.
#[derive(Debug, Serialize)]
struct Line {
    id: &'static str,
    #[serde(flatten)]
    finding: Finding,
    #[serde(skip)]
    group: &'static str,
}

#[derive(Debug, Serialize)]
struct Report {
    checks: Vec<Line>,
    failures: usize,
    warnings: usize,
}

impl Report {
    fn of(facts: &Facts) -> Self {
        let of = |check: &Check| {
            let (id, group) = (check.id, check.group);
            (check.look)(facts).into_iter().map(move |finding| Line { id, finding, group })
        };
        let checks: Vec<Line> = CHECKS.iter().flat_map(of).collect();
        let count = |outcome| checks.iter().filter(|line| line.finding.outcome == outcome).count();
        Self { failures: count(Outcome::Failure), warnings: count(Outcome::Warning), checks }
    }
}

impl Doctor {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        protect_process();
        let json = self.json;
        let report = Report::of(&self.look().await?);
        if json {
            output::data(&serde_json::to_string(&report)?);
        } else {
            output::data(&shown::text(&report.checks));
            output::talk(&shown::summary(&report));
        }
        if report.failures > 0 { Err(No(String::new()).into()) } else { Ok(()) }
    }
}
