//! All that is known of an installation: gathered once, and without changing it.

use std::{
    fs::Metadata,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use auth::{
    Auth, Clock, Config,
    checkup::{Checkup, ClockDifference, DeliveriesFound, KeysFound, LogFound},
    config::{Http, PublicUrl},
    mail::{Mailer, Templates},
    storage::{Condition, Engine},
    users::Email,
    webhooks::Webhook,
};
use jwt::Timestamp;

use super::{
    Doctor, Origin as Page,
    probe::{Probed, ask},
};
use crate::{
    cli::{
        certificate,
        dev::{ACCOUNTS_FILE, seeded_accounts},
        instance::database_file,
        unfit::{Unfit, database_files, seeded_account, unfit},
    },
    settings::{Origin, Problem},
};

/// Something that was looked for.
pub(super) type Known<T> = Result<T, Unknown>;

/// Why something is not known.
#[derive(Debug, Clone)]
pub(super) enum Unknown {
    /// There was no reason to look, or no way because of something that is told elsewhere.
    Skipped(String),
    /// It is made by the first start, which has not been.
    NotYet(String),
    /// Looking for it failed.
    Failed(String),
}

impl Unknown {
    fn failed(error: impl Into<anyhow::Error>) -> Self {
        Self::Failed(format!("{:#}", error.into()))
    }
}

/// A file or a folder, by its mode.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) path: PathBuf,
    pub(super) mode: u32,
}

impl Place {
    fn new(path: &Path, metadata: &Metadata) -> Self {
        Self { path: path.to_owned(), mode: metadata.permissions().mode() & 0o7777 }
    }
}

/// What is free on a disk.
#[derive(Debug, Clone)]
pub(super) struct Disk {
    pub(super) folder: PathBuf,
    pub(super) bytes: u64,
    /// Files that can still be made; `None` where the file system does not count them.
    pub(super) files: Option<u64>,
}

/// The certificate that a server speaks TLS with.
#[derive(Debug, Clone)]
pub(super) struct CertificateFound {
    pub(super) path: PathBuf,
    /// From when to when it is good.
    pub(super) valid: (Timestamp, Timestamp),
    /// Where browsers look for the server.
    pub(super) host: String,
    pub(super) names_host: bool,
}

/// All that is known of an installation.
#[derive(Debug)]
pub(super) struct Facts {
    /// The settings without those that have a problem.
    pub(super) config: Config,
    pub(super) problems: Vec<Problem>,
    pub(super) unfit: Vec<Unfit>,
    pub(super) now: Timestamp,
    pub(super) data_dir: Option<Place>,
    /// The folders of secrets, keys and the SQLite file.
    pub(super) folders: Vec<Place>,
    /// Files with a password or a secret that others can read, beside those that `serve` refuses.
    pub(super) shared: Vec<Place>,
    pub(super) certificate: Known<CertificateFound>,
    pub(super) disk: Known<Disk>,
    pub(super) database: Known<Engine>,
    pub(super) tables: Known<Condition>,
    pub(super) clock_difference: Known<Option<ClockDifference>>,
    pub(super) keys: Known<KeysFound>,
    pub(super) log: Known<LogFound>,
    /// Until when some server has taken on work.
    pub(super) work: Known<Option<Timestamp>>,
    pub(super) seeded: Known<Vec<Unfit>>,
    /// Whether letters can be made and there is somewhere to send them to.
    pub(super) mail: Known<bool>,
    pub(super) mail_server: Known<String>,
    /// Whether there is somewhere to send events to.
    pub(super) webhooks: Known<bool>,
    /// What is owed there.
    pub(super) deliveries: Known<DeliveriesFound>,
    /// The origin of pages, and that which they call.
    pub(super) page: Known<(PublicUrl, Option<PublicUrl>)>,
    pub(super) probed: Known<Probed>,
}

impl Doctor {
    /// Gathers what is to be judged.
    pub(super) async fn look(self) -> anyhow::Result<Facts> {
        let settings = self.flags.read()?;
        let mut config = settings.config().clone();
        let data_dir = &self.flags.data_dir;
        let unfit = unfit(&config, data_dir, self.allow_plain_keys);
        let files = database_files(&config, data_dir);
        let mut shared = shared(&[data_dir.join(ACCOUNTS_FILE)]);
        // A value that is covered when it is shown is one that the file should not show either.
        let told = settings.values().filter_map(|(_, value, origin)| match origin {
            Origin::File { path, .. } if value?.to_string().contains("***") => Some(path),
            _ => None,
        });
        let mut told: Vec<PathBuf> = told.collect();
        told.dedup();
        shared.extend(self::shared(&told));
        let clock = Clock::system();
        let mail = match Templates::new(&config) {
            Ok(_) => Mailer::new(&config.mail),
            Err(error) => Err(error),
        };
        let mail_server = match &mail {
            Ok(Some(mailer)) if self.mail => match mailer.greet().await {
                Ok(()) => Ok(mailer.to_string()),
                Err(trouble) => Err(Unknown::Failed(format!("{mailer}: {trouble}"))),
            },
            _ if !self.mail => Err(Unknown::Skipped("ask for it with --mail".to_owned())),
            _ => Err(Unknown::Skipped("there is no mail server to ask".to_owned())),
        };
        let opened = match files.first() {
            Some(file) if !file.exists() => Err(Unknown::NotYet(format!(
                "there is no database {} yet: the first start makes it",
                file.display()
            ))),
            _ => {
                config
                    .database
                    .url
                    .get_or_insert(format!("sqlite://{}", database_file(data_dir).display()));
                Auth::builder(config.clone()).checkup().await.map_err(Unknown::failed)
            }
        };
        let not_reached = Unknown::Skipped(match &opened {
            Err(Unknown::NotYet(_)) => "there is no database yet".to_owned(),
            _ => "the database was not reached".to_owned(),
        });
        let webhooks = Webhook::new(&config.webhooks).map(|webhook| webhook.is_some());
        let mut facts = Facts {
            problems: settings.problems().to_vec(),
            unfit,
            now: clock.now(),
            data_dir: place(data_dir),
            folders: folders(&config, &files),
            shared,
            certificate: certificate_found(&config.http),
            disk: disk(files.first()),
            database: opened.as_ref().map(Checkup::engine).map_err(Clone::clone),
            tables: Err(not_reached.clone()),
            clock_difference: Err(not_reached.clone()),
            keys: Err(not_reached.clone()),
            log: Err(not_reached.clone()),
            work: Err(not_reached.clone()),
            seeded: Err(not_reached.clone()),
            deliveries: Err(not_reached),
            webhooks: webhooks.map_err(|error| Unknown::Failed(error.to_string())),
            mail: mail
                .as_ref()
                .map(Option::is_some)
                .map_err(|error| Unknown::Failed(error.to_string())),
            mail_server,
            page: match self.origin {
                Some(Page(origin)) => Ok((origin, self.api.map(|Page(api)| api))),
                None => Err(Unknown::Skipped("ask for it with --origin".to_owned())),
            },
            probed: Err(Unknown::Skipped(match &self.probe {
                Some(_) => {
                    "the database was not reached, and with it not the proof of who asks".to_owned()
                }
                None => "ask for it with --probe".to_owned(),
            })),
            config,
        };
        if let Ok(checkup) = opened {
            facts.read(&checkup, data_dir).await;
            if let Some(url) = self.probe {
                facts.probed = ask(&checkup, &url, &clock).await;
            }
            checkup.close().await;
        }
        Ok(facts)
    }
}

impl Facts {
    /// Reads what the database tells.
    async fn read(&mut self, checkup: &Checkup, data_dir: &Path) {
        self.clock_difference = checkup.clock_difference().await.map_err(Unknown::failed);
        self.tables = checkup.tables().await.map_err(Unknown::failed);
        if !matches!(self.tables, Ok(Condition::Current)) {
            let why = Unknown::Skipped(match self.tables {
                Ok(Condition::Missing) => "the tables are not made yet".to_owned(),
                _ => "the tables are not those of this version".to_owned(),
            });
            self.deliveries = Err(why.clone());
            self.keys = Err(why.clone());
            self.log = Err(why.clone());
            self.work = Err(why.clone());
            self.seeded = Err(why);
            return;
        }
        self.keys = checkup.keys().await.map_err(Unknown::failed);
        self.log = match &self.keys {
            Ok(found) if found.trouble.is_none() => checkup.log().await.map_err(Unknown::failed),
            _ => Err(Unknown::Skipped("the keys could not be read".to_owned())),
        };
        self.deliveries = checkup.deliveries().await.map_err(Unknown::failed);
        self.work = checkup.work_taken_until().await.map_err(Unknown::failed);
        self.seeded = seeded(checkup, data_dir).await.map_err(Unknown::failed);
    }

    /// What `serve` would refuse, as findings of this check.
    pub(super) fn unfit_for(&self, check: &str) -> Vec<super::Finding> {
        let own = self.unfit.iter().filter(|unfit| unfit.check == check);
        own.map(super::Finding::from).collect()
    }
}

impl From<&Unfit> for super::Finding {
    fn from(unfit: &Unfit) -> Self {
        Self::failure(&unfit.finding, unfit.means, &unfit.mend)
    }
}

async fn seeded(checkup: &Checkup, data_dir: &Path) -> anyhow::Result<Vec<Unfit>> {
    let mut found = Vec::new();
    for account in seeded_accounts(data_dir)?.unwrap_or_default() {
        let email = Email::parse(&account.email)?;
        if checkup.can_log_in(&email).await? {
            found.push(seeded_account(data_dir, &email));
        }
    }
    Ok(found)
}

fn place(path: &Path) -> Option<Place> {
    let metadata = std::fs::metadata(path).ok()?;
    Some(Place::new(path, &metadata))
}

/// Those of these files that others can read.
fn shared(files: &[PathBuf]) -> Vec<Place> {
    let places = files.iter().filter_map(|path| place(path));
    places.filter(|place| place.mode & 0o077 != 0).collect()
}

/// The folders in which secrets, keys and the database lie: who can write there can put another file in their place.
fn folders(config: &Config, database: &[PathBuf]) -> Vec<Place> {
    let keys = &config.keys;
    let named = [
        &keys.private_key_file,
        &keys.master_key_file,
        &config.mail.password_file,
        &config.webhooks.secret_file,
        &config.http.tls_private_key_file,
    ];
    let files = named.into_iter().flatten().chain(&keys.secret_file).chain(database.first());
    let mut folders: Vec<PathBuf> = files
        .filter_map(|file| file.parent())
        .map(|folder| {
            if folder.as_os_str().is_empty() { Path::new(".") } else { folder }.to_owned()
        })
        .collect();
    folders.sort();
    folders.dedup();
    folders.iter().filter_map(|folder| place(folder)).collect()
}

/// The certificate, if there is one that can be used; why it cannot, `serve` says too.
fn certificate_found(http: &Http) -> Known<CertificateFound> {
    let none = || {
        Unknown::Skipped(
            "the server has no certificate: TLS is for a proxy in front of it".to_owned(),
        )
    };
    let files = certificate::files(http).ok_or_else(none)?;
    let identity = files.read().map_err(|fault| Unknown::Failed(fault.finding))?;
    let host = match &http.public_url {
        Some(url) => url.host().to_owned(),
        None => http.listen.ip().to_string(),
    };
    let (names_host, valid) = (identity.names(&host), identity.valid);
    Ok(CertificateFound { path: files.certificate, valid, host, names_host })
}

/// What is free where the SQLite file lies, or will.
fn disk(file: Option<&PathBuf>) -> Known<Disk> {
    let Some(file) = file else {
        return Err(Unknown::Skipped(
            "the data are on PostgreSQL: look at the disk of its server".to_owned(),
        ));
    };
    let there = file.ancestors().skip(1).find(|folder| folder.is_dir());
    let folder = there.filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let free = rustix::fs::statvfs(folder)
        .map_err(|error| Unknown::Failed(format!("{}: {error}", folder.display())))?;
    Ok(Disk {
        folder: folder.to_owned(),
        bytes: free.f_bavail.saturating_mul(free.f_frsize),
        files: (free.f_files > 0).then_some(free.f_favail),
    })
}
