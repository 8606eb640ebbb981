//! `countersign db copy`: a whole installation into another database.

use std::{
    io::{Read, stdin},
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow};
use auth::{
    Auth,
    storage::{Copied, CopyError, CopyPlan, Db, DbOptions, Migrations, StorageError},
};
use clap::Args;
use serde_json::json;
use zeroize::Zeroizing;

use super::Alone;
use crate::{
    cli::{
        No, ask,
        dev::seeded_accounts,
        flags::Installation,
        installation::stored,
        instance::{database_file, make_private_folder, protect_process, refuse_shared_file},
        output,
    },
    settings::Refusal,
};

/// Whose tables are taken along: the installation's own, and those of the sample posts where there are some.
const OWNERS: &[Migrations] = &[Auth::MIGRATIONS, posts::MIGRATIONS];

#[derive(Debug, Args)]
pub(crate) struct Copy {
    /// The database to copy: sqlite://PATH or postgres://…; @FILE or - where that holds the URL. Without it, that of the
    /// installation.
    #[arg(long, value_name = "URL", env = "COUNTERSIGN_DB_FROM", hide_env_values = true)]
    from: Option<String>,
    /// The database to copy it into, which has to be empty. Without it, that of the installation.
    #[arg(long, value_name = "URL", env = "COUNTERSIGN_DB_TO", hide_env_values = true)]
    to: Option<String>,
    #[command(flatten)]
    installation: Installation,
    /// Copy what there is at this moment although servers run on it; what they write later stays behind.
    #[arg(long)]
    while_running: bool,
    /// Leave tables of others in the source behind.
    #[arg(long)]
    leave_others: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

impl Copy {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        protect_process();
        let (from, to) = (self.from.as_deref(), self.to.as_deref());
        if (from, to) == (Some("-"), Some("-")) {
            return Err(Refusal("only one of --from and --to can be -".to_owned()).into());
        }
        if (from, to) == (None, None) {
            let one = "name one of the two databases with --from or --to; the other is then that of the installation \
                       of --config or --data-dir";
            return Err(Refusal(one.to_owned()).into());
        }
        let (from, to) = (self.place(from, "--from")?, self.place(to, "--to")?);
        from.must_be_there()?;
        to.make_room()?;
        if !self.while_running {
            from.refuse_users().await?;
        }
        let (source, target) = (from.open().await?, to.open().await?);
        let bar = output::bar(0);
        let plan = CopyPlan { owners: OWNERS, leave_others: self.leave_others };
        let outcome = source
            .copy_to(&target, plan, |progress| {
                bar.set_length(progress.total);
                bar.set_position(progress.done);
            })
            .await;
        bar.finish_and_clear();
        source.close().await;
        target.close().await;
        let copied = outcome.map_err(explain)?;
        self.tell(&copied);
        from.warn_of_seeded_accounts();
        Ok(())
    }

    /// The database that a flag names, else that of the installation.
    fn place(&self, named: Option<&str>, flag: &'static str) -> anyhow::Result<Place> {
        if let Some(source) = named {
            return Place::new(source, flag);
        }
        let config = self.installation.load()?;
        match config.database.url {
            Some(url) if config.database.pooler && url.starts_with("postgres") => {
                Err(Refusal(format!(
                    "database.pooler is set: through a pooler nobody sees which servers run; name the address of \
                     PostgreSQL itself with {flag}"
                ))
                .into())
            }
            Some(url) => Place::at(&url, "database.url"),
            None => {
                let file = database_file(&self.installation.data_dir);
                Place::at(&format!("sqlite://{}", file.display()), "--data-dir")
            }
        }
    }

    fn tell(&self, copied: &Copied) {
        let rows: u64 = copied.tables.iter().map(|table| table.rows).sum();
        if self.json {
            let tables = copied.tables.iter().map(
                |table| json!({ "name": table.name, "rows": table.rows, "sha256": table.digest }),
            );
            let tables: Vec<_> = tables.collect();
            let answer = json!({ "rows": rows, "tables": tables, "left": copied.left });
            output::data(&answer.to_string());
        } else {
            let head = ["table", "rows", "sha256"].map(str::to_owned).to_vec();
            let lines = copied.tables.iter().map(|table| {
                let short: String = table.digest.chars().take(16).collect();
                vec![table.name.clone(), table.rows.to_string(), short]
            });
            output::table(&std::iter::once(head).chain(lines).collect::<Vec<_>>());
        }
        output::talk(&format!("{rows} rows were copied, and are the same on both sides"));
        if !copied.left.is_empty() {
            output::talk(&format!("left behind: {}", copied.left.join(", ")));
        }
        output::talk(
            "start the servers on the target with the settings they had, keys.master_key_file and keys.secret_file \
             included, and none on the source any more",
        );
    }
}

/// One of the two databases, by its URL.
struct Place {
    flag: &'static str,
    options: DbOptions,
    /// The file of SQLite.
    file: Option<PathBuf>,
}

impl Place {
    /// Reads where a URL is: it may hold a password, which need not stand on the command line.
    fn new(source: &str, flag: &'static str) -> anyhow::Result<Self> {
        let url = match source.strip_prefix('@') {
            _ if source == "-" => {
                let mut text = Zeroizing::new(String::new());
                stdin()
                    .lock()
                    .read_to_string(&mut text)
                    .with_context(|| format!("{flag}: stdin"))?;
                ask::first_line(&text)
            }
            Some(path) => {
                refuse_shared_file(path.as_ref())?;
                let text = std::fs::read_to_string(path);
                ask::first_line(&Zeroizing::new(text.with_context(|| format!("{flag}: {path}"))?))
            }
            None => Zeroizing::new(source.to_owned()),
        };
        Self::at(&url, flag)
    }

    /// The database with this URL; `flag` says who named it.
    fn at(url: &str, flag: &'static str) -> anyhow::Result<Self> {
        let file = url.strip_prefix("sqlite://").map(PathBuf::from);
        let postgres = url.starts_with("postgres://") || url.starts_with("postgresql://");
        let memory = file.as_deref() == Some(Path::new(":memory:"));
        if memory || (file.is_none() && !postgres) {
            return Err(Refusal(format!(
                "{flag} takes sqlite://PATH or postgres://USER@HOST/DATABASE"
            ))
            .into());
        }
        Ok(Self { flag, options: DbOptions::new(url), file })
    }

    fn must_be_there(&self) -> anyhow::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        if !file.exists() {
            let file = file.display();
            return Err(Refusal(format!("{}: there is no database {file}", self.flag)).into());
        }
        refuse_shared_file(file)
    }

    fn make_room(&self) -> anyhow::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            make_private_folder(folder)?;
        }
        refuse_shared_file(file)
    }

    /// Refuses while others have the database open, as far as it tells.
    async fn refuse_users(&self) -> anyhow::Result<()> {
        let used = match &self.file {
            Some(file) => Alone::on(file)?.is_none(),
            None => self.named(Db::others(&self.options).await)? > 0,
        };
        if !used {
            return Ok(());
        }
        Err(Refusal(format!(
            "{}: a server or a command is on this database: stop all of them, or pass --while-running and lose what \
             they write from now on",
            self.flag
        ))
        .into())
    }

    async fn open(&self) -> anyhow::Result<Db> {
        self.named(Db::open(&self.options).await)
    }

    fn named<T>(&self, outcome: Result<T, StorageError>) -> anyhow::Result<T> {
        outcome.map_err(|error| stored(error, self.flag))
    }

    /// Says so when accounts come along whose passwords stand in a file.
    fn warn_of_seeded_accounts(&self) {
        let folder = self.file.as_deref().and_then(Path::parent);
        let accounts = folder.and_then(|folder| seeded_accounts(folder).ok().flatten());
        for account in accounts.unwrap_or_default() {
            output::talk(&format!(
                "warning: {} is an account of dev, whose password stands in its folder: delete or disable it before \
                 others can reach the server",
                account.email
            ));
        }
    }
}

/// Why nothing was copied, and what to do about it.
fn explain(error: CopyError) -> anyhow::Error {
    let what_to_do = match error {
        CopyError::Source(error) => return stored(error, "--from"),
        CopyError::Target(StorageError::Conflict { .. }) => {
            return anyhow!("--to: somebody else writes to it");
        }
        CopyError::Target(error) => return stored(error, "--to"),
        CopyError::Differs(_) => return No(format!("{error}; nothing of it was kept")).into(),
        CopyError::Outdated(_) => "; run countersign migrate on it first",
        CopyError::Others(_) => "; move them by other means, and pass --leave-others",
        CopyError::NotEmpty(_) => "; name an empty database, or a file that is not there yet",
        _ => "",
    };
    Refusal(format!("{error}{what_to_do}")).into()
}
