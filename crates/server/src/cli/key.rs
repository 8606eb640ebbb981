//! `countersign key`: the keys of an installation, beside the servers that run, which follow within seconds.

use std::{
    fs::OpenOptions,
    io::{Read, Write, stdin},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use anyhow::Context;
use auth::{
    Auth, Clock,
    audit::{Actor, By},
    config::parse_algorithm,
    keys::{Consequences, Exported, Key as Listed, Keys, State, generate},
};
use clap::{Args, Subcommand};
use jwt::{Algorithm, Timestamp};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::{
    cli::{
        ask,
        flags::Flags,
        installation::{self, Missing},
        instance::{protect_process, refuse_shared_file},
        output,
    },
    settings::Refusal,
};

/// Make, list, rotate, revoke, import and export signing keys.
#[derive(Debug, Args)]
pub(crate) struct Key {
    #[command(subcommand)]
    command: KeyCommand,
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// Make a key that belongs to no installation: a private key as PEM, or a secret.
    Generate(Generate),
    /// List the keys there are and were.
    List(List),
    /// Replace the key that signs, without signing anybody out.
    Rotate(Rotate),
    /// End a key at once: every token that it signed is refused from now on.
    Revoke(Revoke),
    /// Take a key into the database.
    Import(Import),
    /// Print a key: its public half, or all of it.
    Export(Export),
}

#[derive(Debug, Args)]
struct Generate {
    /// The algorithm of the key.
    #[arg(long, value_name = "ALG", default_value = "HS256", value_parser = parse_algorithm)]
    algorithm: Algorithm,
    /// Write it to a new file that only its owner can read, in place of printing it.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long, conflicts_with = "out")]
    json: bool,
}

#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    flags: Flags,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Rotate {
    #[command(flatten)]
    flags: Flags,
    /// The algorithm of the new key, if it is to be another than that of the newest.
    #[arg(long, value_name = "ALG", value_parser = parse_algorithm)]
    algorithm: Option<Algorithm>,
    /// Let the new key sign at once, in place of publishing it first.
    #[arg(long)]
    immediate: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Revoke {
    /// The key to end, by the name that `key list` shows.
    #[arg(value_name = "KID", allow_hyphen_values = true)]
    kid: String,
    #[command(flatten)]
    flags: Flags,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Import {
    /// The file with the key, or `-` for stdin.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    flags: Flags,
    /// The algorithm of the key: needed for a secret, and for an RSA key that is not for RS256.
    #[arg(long, value_name = "ALG", value_parser = parse_algorithm)]
    algorithm: Option<Algorithm>,
    /// Let the key sign at once, in place of publishing it first.
    #[arg(long)]
    immediate: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Export {
    /// The key to print, by the name that `key list` shows.
    #[arg(value_name = "KID", allow_hyphen_values = true)]
    kid: String,
    #[command(flatten)]
    flags: Flags,
    /// Print the private key or the secret, with which tokens can be made.
    #[arg(long)]
    private: bool,
    /// Write it to a new file that only its owner can read, in place of printing it.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long, conflicts_with = "out")]
    json: bool,
}

impl Key {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        protect_process();
        match self.command {
            KeyCommand::Generate(generate) => generate.run(),
            KeyCommand::List(list) => list.run().await,
            KeyCommand::Rotate(rotate) => rotate.run().await,
            KeyCommand::Revoke(revoke) => revoke.run().await,
            KeyCommand::Import(import) => import.run().await,
            KeyCommand::Export(export) => export.run().await,
        }
    }
}

impl Generate {
    fn run(self) -> anyhow::Result<()> {
        let (kid, key) = generate(self.algorithm)?;
        let algorithm = self.algorithm.name();
        hand_out(&kid, algorithm, &key, self.out.as_deref(), self.json)
    }
}

impl List {
    async fn run(self) -> anyhow::Result<()> {
        let keys = keys(&self.flags).await?.list().await?;
        if self.json {
            let items: Vec<Value> = keys.iter().map(as_json).collect();
            output::data(&json!({ "items": items, "next": null }).to_string());
            return Ok(());
        }
        let now = Clock::system().now();
        let row = |key: &Listed| {
            let sealed = if key.sealed { "encrypted" } else { "" };
            let (state, place) = (key.state.name(), key.place.name());
            [&*key.kid, &*key.algorithm, state, place, sealed, &*when(key, now)]
                .map(str::to_owned)
                .to_vec()
        };
        let mut rows = vec![["kid", "algorithm", "state", "place"].map(str::to_owned).to_vec()];
        rows.extend(keys.iter().map(row));
        output::table(&rows);
        Ok(())
    }
}

impl Rotate {
    async fn run(self) -> anyhow::Result<()> {
        let keys = keys(&self.flags).await?;
        let key = keys.rotate(self.algorithm, self.immediate).await?;
        tell(&key, self.json);
        Ok(())
    }
}

impl Revoke {
    async fn run(self) -> anyhow::Result<()> {
        let keys = keys(&self.flags).await?;
        let about = || format!("key {}", self.kid);
        let consequences = keys.consequences(&self.kid).await.with_context(about)?;
        if consequences.key.state == State::Gone {
            output::talk(&format!("{} is gone already; nothing was changed", about()));
        } else {
            warn(&consequences);
            ask::confirm("Revoke it?", self.yes)?;
            keys.revoke(&self.kid).await.with_context(about)?;
            output::talk("revoked; every instance refuses its tokens within a second");
        }
        if self.json {
            let Consequences { key, logins, cached_until } = &consequences;
            let until = cached_until.map(Timestamp::seconds);
            let key = as_json(key);
            output::data(
                &json!({ "was": key, "logins": logins, "cached_until": until }).to_string(),
            );
        }
        Ok(())
    }
}

impl Import {
    async fn run(self) -> anyhow::Result<()> {
        let mut text = Zeroizing::new(Vec::new());
        if self.file == Path::new("-") {
            stdin().lock().read_to_end(&mut text)?;
        } else {
            refuse_shared_file(&self.file)?;
            *text = std::fs::read(&self.file)
                .with_context(|| format!("the key file {}", self.file.display()))?;
        }
        let keys = keys(&self.flags).await?;
        let key = keys.import(&text, self.algorithm, self.immediate).await?;
        tell(&key, self.json);
        Ok(())
    }
}

impl Export {
    async fn run(self) -> anyhow::Result<()> {
        let keys = keys(&self.flags).await?;
        let about = || format!("key {}", self.kid);
        let key = keys.export(&self.kid, self.private).await.with_context(about)?;
        if self.private {
            output::talk("warning: whoever has this key can make tokens for everybody");
        }
        let listed = keys.list().await?;
        let algorithm = listed.iter().find(|key| key.kid == self.kid);
        let algorithm = algorithm.map(|key| key.algorithm.as_str()).unwrap_or_default();
        hand_out(&self.kid, algorithm, &key, self.out.as_deref(), self.json)
    }
}

/// The keys of the installation that the settings name, which has to be there.
async fn keys(flags: &Flags) -> anyhow::Result<Keys> {
    let (config, _) = installation::locate(flags, Missing::Refuse)?;
    Ok(Auth::builder(config).acting(By::actor(Actor::Operator)).keys().await?)
}

/// Writes a key to a new file, or to stdout.
fn hand_out(
    kid: &str,
    algorithm: &str,
    key: &Exported,
    out: Option<&Path>,
    json: bool,
) -> anyhow::Result<()> {
    if json {
        let text = str::from_utf8(key)
            .map_err(|_| Refusal("the secret is no text: leave --json out".to_owned()))?;
        output::data(&json!({ "kid": kid, "algorithm": algorithm, "key": text }).to_string());
        return Ok(());
    }
    let Some(path) = out else {
        output::bytes(key);
        output::bytes(b"\n");
        return Ok(());
    };
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(path);
    let written = file.and_then(|mut file| {
        file.write_all(key)?;
        file.write_all(b"\n")?;
        file.sync_all()
    });
    written.with_context(|| format!("cannot write {}", path.display()))?;
    output::talk(&format!("{algorithm} key {kid} written to {}", path.display()));
    Ok(())
}

fn warn(consequences: &Consequences) {
    let Consequences { key, logins, cached_until } = consequences;
    let now = Clock::system().now();
    output::talk(&format!(
        "{} key {}, {}: {}",
        key.algorithm,
        key.kid,
        key.state.name(),
        when(key, now)
    ));
    output::talk(&format!(
        "- {logins} logins at most have an access token of this key; it is refused from now on, and they get \
         another one with their next refresh"
    ));
    output::talk(match cached_until {
        None => "- whoever else has the secret accepts its tokens until told otherwise",
        Some(_) => "- verifiers elsewhere accept its tokens until they fetch the key set anew:",
    });
    if let Some(until) = cached_until {
        let longest = span(now, *until);
        output::talk(&format!("  minutes, or {longest} while they cannot reach the server"));
    }
    if key.state == State::Active {
        output::talk(
            "- a fresh key signs at once; a verifier that keeps the key set does not know it yet",
        );
    }
}

fn tell(key: &Listed, json: bool) {
    let now = Clock::system().now();
    if json {
        output::data(&as_json(key).to_string());
    } else {
        output::data(&key.kid);
    }
    output::talk(&format!(
        "{} key {}, {}: {}",
        key.algorithm,
        key.kid,
        key.state.name(),
        when(key, now)
    ));
}

fn as_json(key: &Listed) -> Value {
    let time = |time: Option<Timestamp>| time.map(Timestamp::seconds);
    json!({
        "kid": key.kid,
        "algorithm": key.algorithm,
        "state": key.state.name(),
        "place": key.place.name(),
        "encrypted": key.sealed,
        "created_at": time(key.created_at),
        "active_at": time(key.active_at),
        "retired_at": time(key.retired_at),
        "gone_at": time(key.gone_at),
        "revoked_at": time(key.revoked_at),
    })
}

/// What comes next for a key, or came last.
fn when(key: &Listed, now: Timestamp) -> String {
    let since = |what: &str, time: Option<Timestamp>| match time {
        Some(time) => format!("{what} since {}", span(time, now)),
        None => what.to_owned(),
    };
    match (key.state, key.revoked_at) {
        (State::Pending, _) => {
            format!("signs in {}", span(now, key.active_at.unwrap_or(now)))
        }
        (State::Active, _) => since("signs", key.active_at),
        (State::Retiring, _) => match key.gone_at {
            Some(gone_at) => format!("verifies for {}", span(now, gone_at)),
            None => "verifies".to_owned(),
        },
        (State::Gone, Some(revoked_at)) => since("revoked", Some(revoked_at)),
        (State::Gone, None) => since("gone", key.gone_at),
    }
}

/// The time from one moment to another, in its two largest units.
fn span(from: Timestamp, to: Timestamp) -> String {
    let seconds = to.duration_since(from).as_secs();
    let [day, hour, minute] = [86_400, 3_600, 60];
    match seconds {
        _ if seconds >= day => format!("{} d {} h", seconds / day, seconds % day / hour),
        _ if seconds >= hour => format!("{} h {} min", seconds / hour, seconds % hour / minute),
        _ if seconds >= minute => format!("{} min", seconds / minute),
        _ => format!("{seconds} s"),
    }
}
