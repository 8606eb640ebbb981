//! Moving in: accounts with the passwords that another system hashed, and out again.
//!
//! Rows are written in batches, each whole or not at all. An address that has an account is passed over, so that an
//! import that was cut short goes on where it stopped when it is started again. A hash that is too weak to lie in a
//! database is wrapped before it is written: see [`passwords`](crate::passwords).

mod fields;
mod read;
mod source;
pub(crate) mod storage;

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, TryStreamExt, stream};
use jwt::Timestamp;

pub use self::{
    read::{Format, Rows, Unreadable},
    source::{Firebase, Options, Source},
};
use self::{source::Candidate, storage::NewAccount};
use crate::{
    Auth, Error,
    audit::{Act, storage::record_alone},
    passwords::{Password, Recognised, Unsound, adopt, check, recognise},
    roles::{self, Roles},
    users::{Email, User, UserId, parse_name},
};

/// Rows that are written in one step.
const BATCH: usize = 200;
/// Refused rows that a report names; the others are counted.
const NAMED: usize = 1_000;
/// Kinds of hashes of which the cost is measured.
const MEASURED: usize = 32;
/// Hashes that are made at the same time: a little more than any machine has threads for.
const AT_ONCE: usize = 32;

/// What is to become of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// They are only looked at.
    Check,
    /// They are looked at, and what logins of their accounts would cost is measured.
    DryRun,
    /// They become accounts.
    Write,
}

/// A row that becomes no account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The line in the file on which it begins, from 1.
    pub line: u64,
    /// Its address, where it has one.
    pub email: Option<String>,
    /// Why; nothing of the row is repeated.
    pub reason: String,
}

/// Hashes of one scheme with the same parameters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kind {
    /// The rows that have such a hash.
    pub rows: u64,
    /// Whether they are wrapped.
    pub wrapped: bool,
    /// How long a login takes to check one here; measured by a dry run.
    pub check: Option<Duration>,
}

/// What an import has done so far, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Rows read.
    pub rows: u64,
    /// Rows that are new accounts: made, or to be made.
    pub new: u64,
    /// Rows whose address had an account before.
    pub existing: u64,
    /// Rows whose address was in an earlier row.
    pub repeated: u64,
    /// Rows left out because their address was not confirmed.
    pub unconfirmed: u64,
    /// Rows that become no account for another reason.
    pub refused: u64,
    /// The first of those.
    pub named: Vec<Refused>,
    /// New accounts that have no password yet.
    pub without_password: u64,
    /// New accounts that administer.
    pub administrators: u64,
    /// New accounts that are disabled.
    pub disabled: u64,
    /// The hashes of the new accounts, by scheme and parameters.
    pub kinds: BTreeMap<(&'static str, String), Kind>,
    /// How long a check of a hash takes that was made here; measured by a dry run.
    pub check: Option<Duration>,
}

/// An account with the hash of its password, on its way out.
#[derive(Clone)]
pub struct ExportedAccount {
    /// The account.
    pub user: User,
    /// The hash as it is stored, which an import reads again.
    pub password_hash: String,
}

impl fmt::Debug for ExportedAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExportedAccount").field("user", &self.user).finish_non_exhaustive()
    }
}

impl Report {
    /// Rows whose hash is wrapped, or would be.
    #[must_use]
    pub fn wrapped(&self) -> u64 {
        self.kinds.values().filter(|kind| kind.wrapped).map(|kind| kind.rows).sum()
    }

    /// What the first login of a new account costs in the middle, where it was measured.
    #[must_use]
    pub fn first_login(&self) -> Option<Duration> {
        let measured = self.kinds.values().filter_map(|kind| Some((kind.rows, kind.check?)));
        let (rows, nanos) = measured.fold((0_u128, 0_u128), |(rows, nanos), (more, check)| {
            (rows + u128::from(more), nanos + check.as_nanos() * u128::from(more))
        });
        // Whoever gets in has the password hashed anew.
        let mean = Duration::from_nanos(u64::try_from(nanos.checked_div(rows)?).ok()?);
        Some(mean + self.check?)
    }

    fn refuse(&mut self, refused: Refused) {
        self.refused += 1;
        if self.named.len() < NAMED {
            self.named.push(refused);
        }
    }

    fn count(&mut self, row: &Sound) {
        self.new += 1;
        self.administrators += u64::from(row.roles.names().iter().any(|role| role == roles::ADMIN));
        self.disabled += u64::from(row.candidate.disabled);
        let Recognised { scheme, parameters, wrapped } = &row.recognised;
        if *scheme == "none" {
            self.without_password += 1;
            return;
        }
        let kind = self.kinds.entry((scheme, parameters.clone())).or_default();
        kind.rows += 1;
        kind.wrapped = *wrapped;
    }
}

/// A row that can become an account.
struct Sound {
    email: Email,
    name: Option<String>,
    roles: Roles,
    recognised: Recognised,
    candidate: Candidate,
}

impl Auth {
    /// Makes accounts of rows, or says what would become of them; `progress` is told after each batch.
    ///
    /// An account that is made can log in with its old password at once, and has it hashed anew by that. Rows that cannot
    /// become an account are refused one by one. Nothing that is there already changes.
    ///
    /// # Errors
    /// [`Error::Internal`] when the rows cannot be read on; storage errors. Batches before that stay.
    pub async fn import(
        &self,
        rows: impl Iterator<Item = Result<Candidate, Refused>>,
        mode: Mode,
        mut progress: impl FnMut(&Report),
    ) -> Result<Report, Error> {
        let mut rows = rows;
        let mut report = Report::default();
        let mut addresses = HashSet::new();
        let mut samples = BTreeMap::new();
        loop {
            let batch: Vec<_> = rows.by_ref().take(BATCH).collect();
            if batch.is_empty() {
                break;
            }
            let sound = self.sift(batch, &mut addresses, &mut report);
            let fresh = self.unknown(sound, &mut report).await?;
            match mode {
                Mode::Check | Mode::DryRun => {
                    for row in fresh {
                        report.count(&row);
                        let Recognised { scheme, parameters, .. } = row.recognised;
                        if scheme != "none" && samples.len() < MEASURED {
                            let hash = row.candidate.password_hash;
                            samples.entry((scheme, parameters)).or_insert(hash);
                        }
                    }
                }
                Mode::Write => self.write(fresh, &mut report).await?,
            }
            progress(&report);
        }
        match mode {
            Mode::Check => {}
            Mode::DryRun => self.measure(samples, &mut report).await?,
            Mode::Write => {
                tracing::info!(
                    accounts = report.new,
                    refused = report.refused,
                    "accounts imported"
                );
            }
        }
        Ok(report)
    }

    /// Accounts with the hashes of their passwords, in the order of their ids, after this one. The first page is recorded
    /// as an act.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn export(
        &self,
        after: Option<UserId>,
        limit: u32,
    ) -> Result<Vec<ExportedAccount>, Error> {
        if after.is_none() {
            record_alone(self.db(), self.scribe(), None, None, Act::UsersExported).await?;
        }
        storage::accounts_after(self.db(), after, limit).await
    }

    /// Takes out what cannot become an account, and what stood in the file before.
    fn sift(
        &self,
        batch: Vec<Result<Candidate, Refused>>,
        addresses: &mut HashSet<String>,
        report: &mut Report,
    ) -> Vec<Sound> {
        let mut sound = Vec::with_capacity(batch.len());
        for row in batch {
            report.rows += 1;
            let row = match row {
                Ok(row) if row.unconfirmed => {
                    report.unconfirmed += 1;
                    continue;
                }
                Ok(row) => row,
                Err(refused) => {
                    report.refuse(refused);
                    continue;
                }
            };
            let (line, email) = (row.line, row.email.clone());
            match self.judge(row) {
                Ok(row) if addresses.insert(row.email.as_str().to_owned()) => sound.push(row),
                Ok(_) => report.repeated += 1,
                Err(reason) => report.refuse(Refused { line, email: Some(email), reason }),
            }
        }
        sound
    }

    fn judge(&self, candidate: Candidate) -> Result<Sound, String> {
        let said = |error: Error| error.to_string();
        let email = Email::parse(&candidate.email).map_err(said)?;
        let name = candidate.name.as_deref().map(parse_name).transpose().map_err(said)?;
        let names = candidate.roles.iter().map(String::as_str).chain([roles::USER]);
        let names: Vec<&str> = names.collect();
        let roles = Roles::new(&names, &self.config().accounts.roles)
            .map_err(|_| "it has a role that accounts.roles does not list".to_owned())?;
        let recognised =
            recognise(&candidate.password_hash).map_err(|Unsound(why)| why.to_owned())?;
        Ok(Sound { email, name, roles, recognised, candidate })
    }

    /// Takes out those whose address has an account.
    async fn unknown(&self, rows: Vec<Sound>, report: &mut Report) -> Result<Vec<Sound>, Error> {
        let emails = rows.iter().map(|row| row.email.clone()).collect();
        let known = storage::emails_known(self.db(), emails).await?;
        let before = rows.len();
        let fresh = rows.into_iter().zip(known).filter(|(_, known)| !known);
        let fresh: Vec<_> = fresh.map(|(row, _)| row).collect();
        report.existing += u64::try_from(before - fresh.len()).unwrap_or_default();
        Ok(fresh)
    }

    /// Makes accounts of a batch, in one step.
    async fn write(&self, rows: Vec<Sound>, report: &mut Report) -> Result<(), Error> {
        let now = self.clock().now();
        let accounts: Vec<NewAccount> = stream::iter(&rows)
            .map(|row| self.account(row, now))
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let made = storage::accounts_add(self.db(), accounts, self.scribe()).await?;
        for (row, made) in rows.iter().zip(made) {
            if made {
                report.count(row);
            } else {
                report.existing += 1;
            }
        }
        Ok(())
    }

    async fn account(&self, row: &Sound, now: Timestamp) -> Result<NewAccount, Error> {
        let hash = self
            .at_leisure(row.candidate.password_hash.clone(), |hash, memory| adopt(&hash, memory));
        Ok(NewAccount {
            id: UserId(self.ids().next()),
            email: row.email.clone(),
            name: row.name.clone(),
            roles: row.roles.clone(),
            disabled: row.candidate.disabled,
            created_at: row.candidate.created_at.unwrap_or(now),
            hash: hash.await?,
        })
    }

    /// Checks one hash of each kind, and one of ours, and notes how long it took.
    async fn measure(
        &self,
        samples: BTreeMap<(&'static str, String), String>,
        report: &mut Report,
    ) -> Result<(), Error> {
        let take = |hash: String| {
            self.at_leisure(hash, |hash, memory| {
                let password = Password::parse("").ok_or_else(|| Error::internal("no password"))?;
                let stored = adopt(&hash, memory)?;
                let start = Instant::now();
                check(&password, &stored, memory)?;
                Ok(start.elapsed())
            })
        };
        for (kind, hash) in samples {
            let took = take(hash).await?;
            if let Some(kind) = report.kinds.get_mut(&kind) {
                kind.check = Some(took);
            }
        }
        // The first one of a thread also fetches its memory.
        take(String::new()).await?;
        report.check = Some(take(String::new()).await?);
        Ok(())
    }

    /// Runs work on the hashing threads, and waits its turn behind logins for as long as it takes.
    async fn at_leisure<T: Send + 'static>(
        &self,
        hash: String,
        task: fn(String, &mut crate::passwords::Memory) -> Result<T, Error>,
    ) -> Result<T, Error> {
        loop {
            let hash = hash.clone();
            match self.hasher().run(move |memory| task(hash, memory)).await {
                Err(Error::HashingBusy { retry_after }) => {
                    tokio::time::sleep(Duration::from_secs(retry_after)).await;
                }
                other => return other,
            }
        }
    }
}
