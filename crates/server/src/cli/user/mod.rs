//! `countersign user`: the accounts of an installation, beside the servers that run, which follow within a second.

mod export;
mod import;

use auth::{
    Auth, roles,
    users::{Email, NewUser, Search, User as Account, UserId},
};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::cli::{
    No, ask,
    flags::Flags,
    installation::{self, Missing},
    output,
};

/// Add, list, change, remove, import and export accounts.
#[derive(Debug, Args)]
pub(crate) struct User {
    #[command(subcommand)]
    command: UserCommand,
}

#[derive(Debug, Subcommand)]
enum UserCommand {
    /// Make an account.
    Add(Add),
    /// List accounts in the order of their making.
    List(List),
    /// Show one account.
    Show(One),
    /// Give an account other roles, at once.
    SetRole(SetRole),
    /// Give an account another password, and end all its logins.
    SetPassword(SetPassword),
    /// Keep an account from logging in, and end all its logins.
    Disable(Grave),
    /// Let a disabled account log in again.
    Enable(One),
    /// Remove an account and all that is its own.
    Delete(Grave),
    /// Take in accounts of another system, with their passwords.
    Import(import::Import),
    /// Print accounts as lines of JSON, or all that is held on one.
    Export(export::Export),
}

#[derive(Debug, Args)]
struct Add {
    /// The address to log in with.
    email: String,
    #[command(flatten)]
    flags: Flags,
    /// The name to show.
    #[arg(long)]
    name: Option<String>,
    /// A role beside `user`; may be given several times.
    #[arg(long, value_name = "ROLE")]
    role: Vec<String>,
    /// Where the password is: `-` for stdin, or `@FILE`.
    #[arg(long, value_name = "SOURCE")]
    password: Option<String>,
    /// Print the account as one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    flags: Flags,
    /// How many at most.
    #[arg(long, value_name = "NUMBER", default_value = "100", value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// Begin after the account with this id.
    #[arg(long, value_name = "ID")]
    after: Option<Uuid>,
    /// Those alone with this in their address or name.
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// Those alone with this role.
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct One {
    /// The address or the id of the account.
    #[arg(value_name = "USER")]
    user: String,
    #[command(flatten)]
    flags: Flags,
    /// Print the account as one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct SetRole {
    /// The address or the id of the account.
    #[arg(value_name = "USER")]
    user: String,
    /// The roles it has from now on; `user` it has in any case.
    #[arg(value_name = "ROLE", required = true)]
    roles: Vec<String>,
    #[command(flatten)]
    flags: Flags,
    /// Print the account as one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct SetPassword {
    #[command(flatten)]
    one: One,
    /// Where the password is: `-` for stdin, or `@FILE`.
    #[arg(long, value_name = "SOURCE")]
    password: Option<String>,
}

/// What cannot be undone by saying the opposite.
#[derive(Debug, Args)]
struct Grave {
    #[command(flatten)]
    one: One,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

impl User {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        match self.command {
            UserCommand::Add(add) => add.run().await,
            UserCommand::List(list) => list.run().await,
            UserCommand::Show(one) => {
                let (_, account) = one.open().await?;
                show(&account, one.json);
                Ok(())
            }
            UserCommand::SetRole(set) => set.run().await,
            UserCommand::SetPassword(set) => set.run().await,
            UserCommand::Disable(grave) => grave.disable().await,
            UserCommand::Enable(one) => {
                let (auth, account) = one.open().await?;
                auth.user_set_disabled(account.id, false).await?;
                tell(&auth, account.id, "enabled", one.json).await
            }
            UserCommand::Delete(grave) => grave.delete().await,
            UserCommand::Import(import) => import.run().await,
            UserCommand::Export(export) => export.run().await,
        }
    }
}

impl Add {
    async fn run(self) -> anyhow::Result<()> {
        let auth = installation::open(&self.flags, Missing::Make).await?;
        // Before anybody thinks of a password in vain.
        if auth.user_by_email(&Email::parse(&self.email)?).await?.is_some() {
            return Err(auth::Error::EmailTaken.into());
        }
        let password = ask::password(self.password.as_deref())?;
        let roles = with_user(&self.role);
        let new = NewUser {
            email: &self.email,
            password: &password,
            name: self.name.as_deref(),
            roles: &roles,
        };
        let account = auth.user_create(new).await?;
        show(&account, self.json);
        Ok(())
    }
}

impl List {
    async fn run(self) -> anyhow::Result<()> {
        let auth = installation::open(&self.flags, Missing::Refuse).await?;
        let search = Search {
            text: self.search.as_deref(),
            role: self.role.as_deref(),
            after: self.after.map(UserId),
            limit: self.limit + 1,
            ..Search::default()
        };
        let mut accounts = auth.users_find(&search).await?;
        let more = accounts.len() > usize::try_from(self.limit).unwrap_or(usize::MAX);
        if more {
            accounts.pop();
        }
        let next = accounts.last().filter(|_| more).map(|account| account.id.0.to_string());
        if self.json {
            let items: Vec<Value> = accounts.iter().map(as_json).collect();
            output::data(&json!({ "items": items, "next": next }).to_string());
            return Ok(());
        }
        let head = ["id", "email", "roles", "name", ""].map(str::to_owned).to_vec();
        let rows = accounts.iter().map(|account| {
            vec![
                account.id.0.to_string(),
                account.email.to_string(),
                account.roles.to_string(),
                account.name.clone().unwrap_or_default(),
                if account.disabled { "disabled".to_owned() } else { String::new() },
            ]
        });
        output::table(&std::iter::once(head).chain(rows).collect::<Vec<_>>());
        if let Some(next) = next {
            output::talk(&format!("there are more: --after {next}"));
        }
        Ok(())
    }
}

impl One {
    async fn open(&self) -> anyhow::Result<(Auth, Account)> {
        let auth = installation::open(&self.flags, Missing::Refuse).await?;
        let account = find(&auth, &self.user).await?;
        Ok((auth, account))
    }
}

impl SetRole {
    async fn run(self) -> anyhow::Result<()> {
        let auth = installation::open(&self.flags, Missing::Refuse).await?;
        let account = find(&auth, &self.user).await?;
        auth.user_set_roles(account.id, &with_user(&self.roles)).await?;
        tell(&auth, account.id, "its tokens with the old roles are dead", self.json).await
    }
}

impl SetPassword {
    async fn run(self) -> anyhow::Result<()> {
        let (auth, account) = self.one.open().await?;
        let password = ask::password(self.password.as_deref())?;
        auth.password_set(account.id, &password).await?;
        tell(&auth, account.id, "password set; all its logins have ended", self.one.json).await
    }
}

impl Grave {
    async fn disable(self) -> anyhow::Result<()> {
        let (auth, account) = self.one.open().await?;
        ask::confirm(&format!("Disable {}, and end all its logins?", account.email), self.yes)?;
        auth.user_set_disabled(account.id, true).await?;
        tell(&auth, account.id, "disabled; all its logins have ended", self.one.json).await
    }

    async fn delete(self) -> anyhow::Result<()> {
        let (auth, account) = self.one.open().await?;
        ask::confirm(&format!("Delete {} and all that is its own?", account.email), self.yes)?;
        auth.user_delete(account.id).await?;
        output::talk(&format!("{}: deleted", account.email));
        if self.one.json {
            output::data(&json!({ "was": as_json(&account) }).to_string());
        }
        Ok(())
    }
}

/// The account with this address or id.
async fn find(auth: &Auth, user: &str) -> anyhow::Result<Account> {
    let account = match Uuid::try_parse(user) {
        Ok(id) => auth.user(UserId(id)).await?,
        Err(_) => auth.user_by_email(&Email::parse(user)?).await?,
    };
    account.ok_or_else(|| {
        let what = format!("there is no account {user:?} here");
        No(format!("{what}; `countersign user list` shows all, with --search TEXT those with it"))
            .into()
    })
}

/// Roles with the one that everybody has.
fn with_user(given: &[String]) -> Vec<&str> {
    given.iter().map(String::as_str).chain([roles::USER]).collect()
}

/// Says what was done, and prints the account as it is now.
async fn tell(auth: &Auth, id: UserId, what: &str, json: bool) -> anyhow::Result<()> {
    let account = auth.user(id).await?.ok_or(auth::Error::NotFound)?;
    output::talk(&format!("{}: {what}", account.email));
    if json {
        output::data(&as_json(&account).to_string());
    }
    Ok(())
}

fn show(account: &Account, json: bool) {
    if json {
        output::data(&as_json(account).to_string());
        return;
    }
    let disabled = if account.disabled { "yes" } else { "no" };
    output::table(
        &[
            ["id", &account.id.0.to_string()],
            ["email", account.email.as_str()],
            ["name", account.name.as_deref().unwrap_or("none")],
            ["roles", &account.roles.to_string()],
            ["disabled", disabled],
            ["created at", &account.created_at.seconds().to_string()],
        ]
        .map(|row| row.map(str::to_owned).to_vec()),
    );
}

fn as_json(account: &Account) -> Value {
    json!({
        "id": account.id.0,
        "email": account.email.as_str(),
        "name": account.name,
        "roles": account.roles.names(),
        "disabled": account.disabled,
        "created_at": account.created_at.seconds(),
    })
}
