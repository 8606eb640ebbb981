//! `countersign dev`: all of it in one process, for a developer.

use std::{
    fs::OpenOptions,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use anstyle::{AnsiColor, Style};
use anyhow::Context;
use auth::{
    Auth, AuthBuilder, Clock, Config, MovableClock, OpaqueSecret,
    keys::{read_secret, weakness},
    roles,
    users::NewUser,
};
use axum::Router;
use clap::{Args, ValueEnum};
use posts::App;
use serde::{Deserialize, Serialize};

use crate::{
    cli::{
        flags::Flags,
        instance::{Instance, make_private_folder},
        output,
    },
    clock::{self, parse_offset},
    metrics::Recorder,
    settings::Refusal,
    telemetry,
    tls::make_own,
    trial, ui,
};

/// The file that holds the seeded accounts and marks a data folder as a developer's.
pub(crate) const ACCOUNTS_FILE: &str = "dev-accounts.json";

/// Start all of it for a developer: accounts, the sample API, everything open on loopback.
#[derive(Debug, Args)]
pub(crate) struct Dev {
    #[command(flatten)]
    flags: Flags,
    /// Use a temporary folder, removed at the end.
    #[arg(long)]
    ephemeral: bool,
    /// Start with the clock moved, ahead or back, such as +2h or -10m; `/dev/clock` moves it on.
    #[arg(long, value_name = "OFFSET", value_parser = parse_offset, allow_hyphen_values = true)]
    clock: Option<i64>,
    /// Speak TLS, with a certificate for this machine that is made in the data folder.
    #[arg(long, value_name = "CERTIFICATE")]
    tls: Option<OwnCertificate>,
    /// Print one JSON object with the address, the accounts, the data folder, the clock and the certificate.
    #[arg(long)]
    json: bool,
}

/// Where the certificate of `dev` is from; one of somebody else's is a setting.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum OwnCertificate {
    /// Made on the spot for localhost, 127.0.0.1 and ::1, and kept for ninety days.
    Dev,
}

/// An account that `dev` made, with its password: for a developer to log in with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SeededAccount {
    pub(crate) email: String,
    password: String,
    roles: Vec<String>,
}

#[derive(Serialize)]
struct Started<'a> {
    url: &'a str,
    accounts: &'a [SeededAccount],
    data_dir: &'a Path,
    /// How far the clock is moved.
    clock: &'a str,
    /// What clients have to trust, where it was made here.
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<&'a Path>,
}

impl Dev {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let settings = self.flags.read()?;
        let shown = settings.shown();
        let mut config = settings.into_config()?;
        let _telemetry = telemetry::start(&config.log)?;
        if !config.http.listen.ip().is_loopback() {
            return Err(Refusal(format!(
                "dev listens on loopback only, and {} is not; use serve for anything else",
                config.http.listen
            ))
            .into());
        }
        if let Some(address) = config.http.metrics_listen.filter(|at| !at.ip().is_loopback()) {
            return Err(Refusal(format!("dev is for loopback only, and {address} is not")).into());
        }
        if let Some(url) = config.http.public_url.as_ref().filter(|url| !url.is_loopback()) {
            return Err(Refusal(format!("dev is for loopback only, and {url} is not")).into());
        }
        for path in &config.keys.secret_file {
            if let Some(why) = weakness(&read_secret(path)?) {
                tracing::warn!(file = %path.display(), "the secret is weak ({why}): serve would refuse it");
            }
        }
        // Removed when it goes out of scope, at the end of this function.
        let temporary = self.ephemeral.then(tempfile::tempdir).transpose()?;
        let data_dir =
            temporary.as_ref().map_or(self.flags.data_dir.as_path(), tempfile::TempDir::path);
        make_private_folder(data_dir)?;
        let data_dir = data_dir
            .canonicalize()
            .with_context(|| format!("the data folder {}", data_dir.display()))?;
        let certificate = match self.tls {
            Some(OwnCertificate::Dev) => Some(own_certificate(&mut config, &data_dir)?),
            None => None,
        };

        let hand = MovableClock::default();
        hand.set(self.clock.unwrap_or_default())?;
        let recorder = Recorder::install()?;
        let instance = Instance::open(config, &data_dir, |builder| adapt(builder, &hand)).await?;
        let instance = instance.showing(shown).publishing(recorder);
        let accounts = seed(&instance.auth, &data_dir).await?;
        let more = routes(&instance.auth, &hand).await?;
        let (url, offset) = (instance.url(), clock::text(hand.offset()));
        let started = || {
            let started = Started {
                url: &url,
                accounts: &accounts,
                data_dir: &data_dir,
                clock: &offset,
                certificate: certificate.as_deref(),
            };
            if self.json {
                output::data(&serde_json::to_string(&started).unwrap_or_default());
            } else {
                output::data(&banner(&started));
            }
        };
        instance.run(more, true, started).await
    }
}

/// Has the server speak TLS with a certificate of its own in this folder, and says where it lies.
fn own_certificate(config: &mut Config, data_dir: &Path) -> anyhow::Result<PathBuf> {
    if config.http.tls_certificate_file.is_some() {
        let both = "--tls dev makes a certificate, and http.tls_certificate_file names another: take one of them away";
        return Err(Refusal(both.to_owned()).into());
    }
    let own = make_own(data_dir, write_private)?;
    config.http.tls_certificate_file = Some(own.certificate.clone());
    config.http.tls_private_key_file = Some(own.private_key);
    config.check().map_err(Refusal)?;
    Ok(own.certificate)
}

/// How the installation of a developer differs: it sends no mail, and its clock can be moved.
pub(crate) fn adapt(builder: AuthBuilder, clock: &MovableClock) -> AuthBuilder {
    builder.keep_mail().switch_keys_at_once().clock(Clock::movable(clock))
}

/// What a developer's server has beside the routes of every other: the sample API, the outbox, the clock.
pub(crate) async fn routes(auth: &Auth, clock: &MovableClock) -> anyhow::Result<Router> {
    let posts = posts::router(App {
        guard: auth.guard(),
        db: auth.db().clone(),
        clock: auth.clock().clone(),
        ids: auth.ids().clone(),
    })
    .await?;
    let routes = posts.merge(ui::outbox::routes(auth)).merge(clock::routes(auth, clock));
    Ok(routes.merge(trial::routes(auth)).merge(ui::docs::routes(auth, true)))
}

const TITLE: Style = Style::new().bold();
const LABEL: Style = Style::new().dimmed();
const LINK: Style = AnsiColor::Cyan.on_default();

/// What a developer reads first: address, accounts, and three lines to paste.
fn banner(started: &Started<'_>) -> String {
    let Started { url, accounts, data_dir, clock, certificate } = started;
    let row = |label: &str, text: &str| format!("  {LABEL}{label:<9}{LABEL:#} {text}");
    let link = |path: &str| format!("{LINK}{url}{path}{LINK:#}");
    let mut lines = vec![
        String::new(),
        format!("  {TITLE}Countersign for developers{TITLE:#}"),
        String::new(),
        row("address", &link("")),
    ];
    for account in *accounts {
        let admin = account.roles.iter().any(|role| role == roles::ADMIN);
        let label = if admin { roles::ADMIN } else { roles::USER };
        lines.push(row(label, &format!("{}  {}", account.email, account.password)));
    }
    lines.push(row("API", &link("/docs")));
    lines.push(row("mail", &link("/outbox")));
    lines.push(row("data", &data_dir.display().to_string()));
    if let Some(certificate) = certificate {
        lines.push(row("TLS", &format!("trust {}", certificate.display())));
    }
    if *clock != "0s" {
        let behind = clock.strip_prefix('-').map(|behind| format!("{behind} behind"));
        let moved = behind.unwrap_or_else(|| format!("{clock} ahead"));
        lines.push(row("clock", &format!("{moved}; move it at {}", link("/dev/clock"))));
    }
    if let Some(SeededAccount { email, password, .. }) = accounts.first() {
        let curl = match certificate {
            Some(path) => format!("curl --cacert {}", output::shell(&path.display().to_string())),
            None => "curl".to_owned(),
        };
        let authorization = r#"-H "Authorization: Bearer $TOKEN""#;
        lines.extend([
            String::new(),
            format!("  {TITLE}Log in, write a post, read the posts:{TITLE:#}"),
            String::new(),
            format!(
                r#"TOKEN=$({curl} -s {url}/login --json '{{"email":"{email}","password":"{password}"}}' | grep -o 'eyJ[^"]*')"#
            ),
            format!(
                r#"{curl} {url}/posts {authorization} --json '{{"title":"Hello","content":"My first post"}}'"#
            ),
            format!("{curl} {url}/posts {authorization}"),
        ]);
    }
    lines.push(String::new());
    lines.join("\n")
}

/// Makes one user and one administrator with random passwords, or finds those of an earlier start.
async fn seed(auth: &Auth, data_dir: &Path) -> anyhow::Result<Vec<SeededAccount>> {
    let path = data_dir.join(ACCOUNTS_FILE);
    let accounts = match seeded_accounts(data_dir)? {
        Some(accounts) => accounts,
        None => {
            let accounts = vec![
                fresh("user@example.com", &[roles::USER])?,
                fresh("admin@example.com", &[roles::ADMIN, roles::USER])?,
            ];
            // Written before the accounts are made: a start that is cut short is mended by the next.
            write_private(&path, &serde_json::to_vec_pretty(&accounts)?)?;
            accounts
        }
    };
    for account in &accounts {
        let roles: Vec<&str> = account.roles.iter().map(String::as_str).collect();
        let made = auth
            .user_create(NewUser {
                email: &account.email,
                password: &account.password,
                name: None,
                roles: &roles,
            })
            .await;
        match made {
            Ok(_) | Err(auth::Error::EmailTaken) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(accounts)
}

/// The accounts that an earlier `dev` seeded in this folder; `None` in a folder of another kind.
pub(crate) fn seeded_accounts(data_dir: &Path) -> anyhow::Result<Option<Vec<SeededAccount>>> {
    let path = data_dir.join(ACCOUNTS_FILE);
    match std::fs::read(&path) {
        Ok(text) => serde_json::from_slice(&text)
            .map(Some)
            .with_context(|| format!("the accounts in {}", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("the accounts in {}", path.display())),
    }
}

fn fresh(email: &str, roles: &[&str]) -> anyhow::Result<SeededAccount> {
    let mut password = OpaqueSecret::generate()?.reveal();
    password.truncate(24);
    let roles = roles.iter().map(|&role| role.to_owned()).collect();
    Ok(SeededAccount { email: email.to_owned(), password, roles })
}

/// Writes a file that only its owner can read, whole or not at all.
fn write_private(path: &Path, text: &[u8]) -> anyhow::Result<()> {
    let unfinished: PathBuf = path.with_extension("new");
    let write = || {
        let mut options = OpenOptions::new();
        let mut file =
            options.write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
        file.write_all(text)?;
        file.sync_all()?;
        std::fs::rename(&unfinished, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}
