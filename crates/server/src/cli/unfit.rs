//! What makes settings and files unfit for production: `serve` refuses it, `config check` and `doctor` tell it.

use std::{
    fmt,
    os::unix::fs::PermissionsExt,
    path::{Component, Path, PathBuf},
};

use auth::{
    Config,
    checkup::{FileFault, file_faults},
    config::{PublicUrl, Store},
    users::Email,
};

use crate::{
    cli::{certificate, dev::ACCOUNTS_FILE, instance::database_file},
    telemetry,
    tls::Fault,
};

/// Something with which `serve` does not start.
#[derive(Debug, Clone)]
pub(crate) struct Unfit {
    /// The check of `doctor` that tells it.
    pub(crate) check: &'static str,
    pub(crate) finding: String,
    pub(crate) means: &'static str,
    pub(crate) mend: String,
}

/// As `serve` says it: in one sentence, with what to change.
impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.finding, self.mend)
    }
}

/// All that makes these settings unfit.
pub(crate) fn unfit(config: &Config, data_dir: &Path, allow_plain_keys: bool) -> Vec<Unfit> {
    let keys = &config.keys;
    let others = [
        &keys.private_key_file,
        &keys.master_key_file,
        &keys.previous_master_key_file,
        &config.mail.password_file,
        &config.webhooks.secret_file,
        &config.http.tls_private_key_file,
    ];
    let files = keys.secret_file.iter().chain(others.into_iter().flatten());
    let mut found: Vec<Unfit> = files.filter_map(|path| shared_file(path)).collect();
    found.extend(file_faults(config).into_iter().map(Unfit::from));
    found.extend(tls_faults(config));
    found.extend(plain_http(config));
    found.extend(no_limits(config));
    found.extend(telemetry::filter(&config.log).err().map(|refusal| Unfit {
        check: "log",
        finding: refusal.to_string(),
        means: "nothing could be logged",
        mend: "set log.level to error, warn, info, debug, trace, or a list such as info,countersign=debug"
            .to_owned(),
    }));
    match config.database.url.as_deref() {
        Some(url) if url.starts_with("postgres") => {
            found.extend(memory_sessions(config));
            found.extend(plain_keys(config, allow_plain_keys));
        }
        Some(url) if !url.starts_with("sqlite:") => found.push(Unfit {
            check: "database",
            finding: "database.url: it starts with neither sqlite:// nor postgres://".to_owned(),
            means: "there is no other engine to keep accounts and keys in",
            mend: "begin it with one of them, or leave it out for SQLite in the data folder"
                .to_owned(),
        }),
        _ => {
            let files = database_files(config, data_dir);
            found.extend(files.iter().find_map(|path| shared_file(path)));
        }
    }
    found
}

/// The SQLite file of these settings, and its journal; none on PostgreSQL.
pub(crate) fn database_files(config: &Config, data_dir: &Path) -> Vec<PathBuf> {
    let file = match config.database.url.as_deref() {
        None => database_file(data_dir),
        Some(url) => match url.strip_prefix("sqlite:") {
            Some(path) => Path::new(path.trim_start_matches("//")).to_owned(),
            None => return Vec::new(),
        },
    };
    let beside = ["", "-wal", "-shm"].map(|suffix| {
        let mut name = file.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    });
    beside.to_vec()
}

/// A file that anyone but its owner can read or write; one that is not there is no matter.
pub(crate) fn shared_file(path: &Path) -> Option<Unfit> {
    let metadata = std::fs::metadata(path).ok()?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 == 0o040 && is_credential(path) {
        return None;
    }
    let path = path.display();
    (metadata.is_file() && mode & 0o077 != 0).then(|| Unfit {
        check: "file_modes",
        finding: format!("{path} can be read by others (mode {mode:04o})"),
        means: "whoever has an account on this machine has what is in it",
        mend: format!("run: chmod 600 {path}"),
    })
}

/// Whether systemd hands this file to the service (`LoadCredential=`). It lets the user of the service in by an access
/// control list, of which the mode shows the widest right as that of the group; the folder is closed to all others.
fn is_credential(path: &Path) -> bool {
    let named = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    let mut folders = named.into_iter().chain([PathBuf::from("/run/credentials")]);
    let Some(folder) = folders.find(|folder| path.starts_with(folder)) else {
        return false;
    };
    let inside = path
        .strip_prefix(&folder)
        .is_ok_and(|rest| rest.components().all(|part| matches!(part, Component::Normal(_))));
    let closed = path.parent().and_then(|folder| std::fs::metadata(folder).ok());
    inside && closed.is_some_and(|folder| folder.permissions().mode() & 0o007 == 0)
}

/// What is wrong with what lies in a file that the settings name.
impl From<FileFault> for Unfit {
    fn from(fault: FileFault) -> Self {
        let FileFault { setting, finding, mend, is_weak } = fault;
        let (check, means, usual) = match setting.split_once('.') {
            Some(("mail", _)) => (
                "mail",
                "no letter gets out",
                "name a file that is there and that this user can read; for a password, with nothing but its line",
            ),
            Some(("webhooks", _)) => (
                "webhooks",
                "no event reaches the receiver",
                "name a file that is there and that this user can read; a secret is made with: countersign webhook secret",
            ),
            _ if is_weak && setting == "keys.secret_file" => {
                ("secret_strength", "whoever guesses it makes tokens for every account", "")
            }
            _ if is_weak => (
                "secret_strength",
                "whoever guesses it reads the keys in the database, or in a backup of it",
                "",
            ),
            Some((_, "secret_file" | "private_key_file")) => (
                "secret_strength",
                "no token can be signed or checked with it",
                "name a file with a key that is there and that this user can read",
            ),
            _ => (
                "secret_strength",
                "the keys in the database cannot be opened, and none can be kept there",
                "name a file that is there and that this user can read, made with: openssl rand -hex 32",
            ),
        };
        Self { check, finding, means, mend: mend.unwrap_or_else(|| usual.to_owned()) }
    }
}

/// What is wrong with the certificate and its key.
fn tls_faults(config: &Config) -> Option<Unfit> {
    let Fault { finding, mend } = certificate::files(&config.http)?.read().err()?;
    let means = "no connection can be served with it";
    Some(Unfit { check: "tls_certificate", finding, means, mend })
}

fn plain_http(config: &Config) -> Option<Unfit> {
    let unfit = |finding, means, mend: &str| {
        Some(Unfit { check: "public_url", finding, means, mend: mend.to_owned() })
    };
    let listen = config.http.listen;
    match &config.http.public_url {
        Some(url) if !url.is_https() && !url.is_loopback() => unfit(
            format!("http.public_url is {url}: passwords and tokens would travel in the clear"),
            "whoever is on the way reads them, and is the user",
            "put TLS in front, or set http.tls_certificate_file, and set it to the https:// address",
        ),
        None if !listen.ip().is_loopback() => unfit(
            format!(
                "the server listens on {listen}, which is not loopback, and http.public_url is not set"
            ),
            "nobody knows the address in the browser: cookies and letters would have a wrong one, without TLS",
            "set http.public_url to the https:// address under which browsers reach it",
        ),
        _ => None,
    }
}

fn no_limits(config: &Config) -> Option<Unfit> {
    let public = config.http.public_url.as_ref().is_some_and(|url: &PublicUrl| !url.is_loopback());
    let beyond = public || !config.http.listen.ip().is_loopback();
    (!config.limits.enabled && beyond).then(|| Unfit {
        check: "limits",
        finding: "limits.enabled may be false on loopback only".to_owned(),
        means: "passwords can be guessed as fast as the machine checks them",
        mend: "set it to true, which is the default".to_owned(),
    })
}

fn memory_sessions(config: &Config) -> Option<Unfit> {
    (config.sessions.store == Store::Memory).then(|| Unfit {
        check: "sessions",
        finding: "sessions.store is memory, and with PostgreSQL several instances would not know each other's \
                  sessions"
            .to_owned(),
        means: "whoever is signed in on one instance is a stranger to the next",
        mend: "set it to database".to_owned(),
    })
}

fn plain_keys(config: &Config, allowed: bool) -> Option<Unfit> {
    let keys = &config.keys;
    let in_file = if config.tokens.algorithm.is_symmetric() {
        !keys.secret_file.is_empty()
    } else {
        keys.private_key_file.is_some()
    };
    (!in_file && !has_master_key(config) && !allowed).then(|| Unfit {
        check: "keys_at_rest",
        finding: "signing keys would lie unencrypted in PostgreSQL".to_owned(),
        means: "whoever reads the database or a backup of it makes tokens for every account",
        mend: "set keys.master_key_file (make one with: openssl rand -hex 32), keep the key in keys.secret_file \
               or keys.private_key_file, or pass --allow-plain-keys"
            .to_owned(),
    })
}

pub(crate) fn has_master_key(config: &Config) -> bool {
    config.keys.master_key_file.is_some() || config.keys.master_key.is_some()
}

/// An account of `dev` that somebody could log in to with the password that lies in its folder.
pub(crate) fn seeded_account(data_dir: &Path, email: &Email) -> Unfit {
    let folder = data_dir.display();
    Unfit {
        check: "seeded_accounts",
        finding: format!(
            "{folder} holds accounts of dev, whose passwords stand in {ACCOUNTS_FILE}: {email} can log in"
        ),
        means: "whoever reads that file is an administrator here",
        mend: format!("use another --data-dir, or delete or disable the account {email}"),
    }
}
