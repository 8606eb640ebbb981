//! Users: who has an account.

mod email;
pub(crate) mod http;
mod search;
pub(crate) mod storage;
mod update;

use std::fmt;

use jwt::Timestamp;
use uuid::Uuid;

pub(crate) use self::search::folded;
use self::storage::Ended;
pub use self::{
    email::Email,
    search::{Order, Search},
    update::UserUpdate,
};
use crate::{
    Auth, Client, Error,
    accounts::Registered,
    audit::{self, Act, Actor, Scribe},
    config::Registration,
    revocation::{self, Revocation},
    roles::{self, Roles},
    sessions::{Ending, Which},
    storage::{Row, StorageError, Value},
};

/// Characters a name may have.
const MAX_NAME: usize = 100;

/// The stable id of an account: the claim `sub`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UserId(pub Uuid);

/// As it stands in `sub`: a UUID in lower case.
impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The stable id.
    pub id: UserId,
    /// The address it logs in with.
    pub email: Email,
    /// The name to show.
    pub name: Option<String>,
    /// What it may do.
    pub roles: Roles,
    /// Rises with each change that ends the tokens made before it: the claim `gen`.
    pub generation: i64,
    /// Whether it is kept from logging in.
    pub disabled: bool,
    /// Whether it is a registration whose address has not been confirmed: nobody logs in with it yet.
    pub pending: bool,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What a new account is made of.
#[derive(Debug)]
pub struct NewUser<'a> {
    /// The address to log in with.
    pub email: &'a str,
    /// The password, in the clear.
    pub password: &'a str,
    /// The name to show.
    pub name: Option<&'a str>,
    /// What it may do.
    pub roles: &'a [&'a str],
}

/// The end of all logins of an account: it raises the generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Deleted,
    SignedOut,
}

impl End {
    /// What is recorded of it, of an account that had as many logins.
    fn act(self, sessions: usize) -> Act {
        match self {
            Self::Deleted => Act::UserDeleted { sessions },
            Self::SignedOut => Act::UserSignedOut { sessions },
        }
    }
}

/// As the log has it.
impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deleted => "deleted",
            Self::SignedOut => "signed out everywhere",
        })
    }
}

impl User {
    /// Says whether it is an administrator who can log in.
    pub(crate) fn administers(&self) -> bool {
        let is_admin = self.roles.names().iter().any(|role| role == roles::ADMIN);
        is_admin && !self.disabled && !self.pending
    }

    /// Its columns, in the order of [`from_row`](Self::from_row).
    pub(crate) fn to_row(&self) -> [Value; 8] {
        [
            self.id.0.into(),
            self.email.as_str().into(),
            self.name.clone().into(),
            self.roles.to_stored().into(),
            self.generation.into(),
            self.disabled.into(),
            self.pending.into(),
            self.created_at.seconds().into(),
        ]
    }

    pub(crate) fn from_row(row: &Row) -> Result<Self, StorageError> {
        Ok(Self {
            id: UserId(row.get("id")?),
            email: Email::from_stored(row.get("email")?),
            name: row.get("name")?,
            roles: Roles::from_stored(&row.get::<String>("roles")?),
            generation: row.get("generation")?,
            disabled: row.get("disabled")?,
            pending: row.get("pending")?,
            created_at: Timestamp::new(row.get("created_at")?),
        })
    }
}

impl Auth {
    /// Makes an account for whoever asks, with the role `user`. With `accounts.verify_email` a letter does the rest, and
    /// nothing tells whether the address had an account before.
    ///
    /// # Errors
    /// [`Error::RegistrationClosed`] unless `accounts.registration` is `open`; [`Error::RateLimited`]; else as
    /// [`user_create`](Self::user_create).
    pub async fn register(
        &self,
        email: &str,
        password: &str,
        name: Option<&str>,
        client: &Client,
    ) -> Result<Registered, Error> {
        self.limits().admit(client).await?;
        if self.config().accounts.registration != Registration::Open {
            return Err(Error::RegistrationClosed);
        }
        let new = NewUser { email, password, name, roles: &[roles::USER] };
        if self.config().accounts.verify_email {
            self.registration_add(new, client).await?;
            return Ok(Registered::Pending);
        }
        let scribe = self.scribe_of(Actor::Owner, client);
        self.create(new, scribe, |_| Act::UserRegistered).await.map(Registered::Complete)
    }

    /// Makes an account that needs no confirmation. A pending registration of the address gives way.
    ///
    /// # Errors
    /// [`Error::EmailInvalid`], [`Error::EmailTaken`], [`Error::NameInvalid`],
    /// [`Error::PasswordRefused`], [`Error::RoleUnknown`]; [`Error::HashingBusy`]; storage errors.
    pub async fn user_create(&self, new: NewUser<'_>) -> Result<User, Error> {
        self.create(new, self.scribe(), |roles| Act::UserCreated { roles }).await
    }

    async fn create(
        &self,
        new: NewUser<'_>,
        scribe: Scribe,
        act: fn(Roles) -> Act,
    ) -> Result<User, Error> {
        let email = Email::parse(new.email)?;
        let name = new.name.map(parse_name).transpose()?;
        let roles = Roles::new(new.roles, &self.config().accounts.roles)?;
        let holder = storage::user_by_email(self.db(), &email).await?;
        if holder.is_some_and(|holder| !holder.pending) {
            return Err(Error::EmailTaken);
        }
        let hash = self.password_hash(new.password, &email, name.as_deref()).await?;
        let user = User {
            id: UserId(self.ids().next()),
            email,
            name,
            roles,
            generation: 0,
            disabled: false,
            pending: false,
            created_at: self.clock().now(),
        };
        storage::user_create(self.db(), &user, hash, scribe, act(user.roles.clone())).await?;
        tracing::info!(user = %user.id.0, "account made");
        Ok(user)
    }

    /// Gives an account other roles, at once: tokens with the old ones are dead, the logins go on and get the new ones.
    ///
    /// # Errors
    /// [`Error::RoleUnknown`]; [`Error::NotFound`]; [`Error::LastAdmin`]; storage errors.
    pub async fn user_set_roles(&self, id: UserId, roles: &[&str]) -> Result<(), Error> {
        let update = UserUpdate { roles: Some(roles), ..UserUpdate::default() };
        self.user_update(id, update).await.map(drop)
    }

    /// Keeps an account from logging in and ends all its logins at once, or lets it log in again.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::LastAdmin`]; storage errors.
    pub async fn user_set_disabled(&self, id: UserId, disabled: bool) -> Result<(), Error> {
        let update = UserUpdate { disabled: Some(disabled), ..UserUpdate::default() };
        self.user_update(id, update).await.map(drop)
    }

    /// Gives an account another name, or none. Tokens made from now on have it.
    ///
    /// # Errors
    /// [`Error::NameInvalid`]; [`Error::NotFound`]; storage errors.
    pub async fn user_set_name(&self, id: UserId, name: Option<&str>) -> Result<User, Error> {
        self.user_update(id, UserUpdate { name: Some(name), ..UserUpdate::default() }).await
    }

    /// Removes an account and all that is its own; its logins end at once.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::LastAdmin`]; storage errors.
    pub async fn user_delete(&self, id: UserId) -> Result<(), Error> {
        self.end_of(id, End::Deleted).await.map(drop)
    }

    /// Ends all logins of an account at once.
    ///
    /// # Errors
    /// [`Error::NotFound`]; storage errors.
    pub async fn user_sign_out(&self, id: UserId) -> Result<Ending, Error> {
        let Ended { until, mut sessions, .. } = self.end_of(id, End::SignedOut).await?;
        sessions.sort_unstable();
        let effective_by = revocation::effective_by(self.clock()).await;
        Ok(Ending { sessions, effective_by, access_expires_at: until })
    }

    async fn end_of(&self, id: UserId, end: End) -> Result<Ended, Error> {
        let until = self.access_expires_at(self.clock().now());
        let held = self.sessions().held(Which::All(id));
        let mut ended = storage::user_end(self.db(), id, end, held, until, self.scribe()).await?;
        tracing::info!(user = %id.0, what = %end, "account changed");
        ended.sessions.extend(self.sessions().forget(Which::All(id)));
        if end == End::Deleted
            && let Err(error) = audit::upkeep::erase(self.db(), self.clock(), id).await
        {
            // It is noted, and done later.
            tracing::warn!(%error, "the personal data of an account are not removed from its events yet");
        }
        self.revocations().add([Revocation::of_generation(id, ended.generation, ended.until)]);
        Ok(ended)
    }

    /// The account with this id; `None` when there is none.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn user(&self, id: UserId) -> Result<Option<User>, Error> {
        storage::user_by_id(self.db(), id).await
    }

    /// Accounts in the order of their ids, which is that of their making, after this one.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn users(&self, after: Option<UserId>, limit: u32) -> Result<Vec<User>, Error> {
        storage::users_after(self.db(), after, limit).await
    }

    /// The account with this address; `None` when there is none.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn user_by_email(&self, email: &Email) -> Result<Option<User>, Error> {
        storage::user_by_email(self.db(), email).await
    }
}

pub(crate) fn parse_name(name: &str) -> Result<String, Error> {
    let name = name.trim();
    if name.is_empty() {
        return Err(Error::NameInvalid("it is empty"));
    }
    if name.chars().count() > MAX_NAME {
        return Err(Error::NameInvalid("it has more than 100 characters"));
    }
    if name.chars().any(char::is_control) {
        return Err(Error::NameInvalid("it has a control character"));
    }
    Ok(name.to_owned())
}
