//! Accounts: how one comes to be, and whose e-mail address it is.
//!
//! An address belongs to whoever reads its mail. What shows that is a [`Link`](crate::mail::Link): a secret of 256 bits,
//! good once and for half an hour, stored as its hash. It is made when its letter is about to be sent, from what is true
//! at that moment. So a request costs the same and answers the same whether the address
//! has an account or not: it leaves one errand behind.
//!
//! With `accounts.verify_email` a registration is *pending* until its address has been confirmed: nobody logs in with it.
//! Anyone can register an address that is not his, before its owner does or after. These rules keep a stranger's password
//! from ever becoming that of the owner's account:
//!
//! - Of one address there is one pending registration. Its link confirms it, with the password and the name it was made
//!   with.
//! - It is registered again with the same password: that is the same person, who gets another letter.
//! - It is registered again with another password: then nobody can tell whose is whose. The registration keeps no password
//!   and no name, the links sent so far confirm nothing, and from now on its letters carry a link with which whoever reads
//!   them chooses the password.
//! - A pending registration holds its address against nobody who has proof: it gives way to an account that moves to the
//!   address by a confirmed change, and to one that is made by an administrator.

pub(crate) mod http;
mod letters;
pub(crate) mod storage;

use std::time::Duration;

pub(crate) use self::letters::Letters;
use crate::{
    Auth, Client, Error, OpaqueSecret, SecretHash,
    audit::{Act, Actor},
    mail::{self, Facts, Kind},
    roles::{self, Roles},
    users::{Email, NewUser, User, UserId, parse_name},
};

/// For how long a link is good.
pub(crate) const LINK_LIFETIME: Duration = Duration::from_secs(30 * 60);

/// After this long without confirmation a registration is removed, and its address is free again.
pub(crate) const PENDING_LIFETIME: Duration = Duration::from_secs(7 * 86_400);

/// After this long a change of address that was asked for is forgotten: longer than a letter waits for a mail server.
pub(crate) const CHANGE_LIFETIME: Duration = Duration::from_secs(3 * 86_400);

/// What a link does. Each does one thing, and nothing else with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Makes an account of a registration.
    Confirm,
    /// Gives an account another password.
    Reset,
    /// Gives an account another address.
    Change,
}

impl Purpose {
    /// Its name in the database.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Confirm => "confirm",
            Self::Reset => "reset",
            Self::Change => "change",
        }
    }

    pub(crate) fn by_name(name: &str) -> Option<Self> {
        [Self::Confirm, Self::Reset, Self::Change].into_iter().find(|own| own.name() == name)
    }

    /// The page that it leads to, below the public address: that of the route which takes its token.
    fn path(self) -> &'static str {
        match self {
            Self::Confirm | Self::Change => "/email/verify",
            Self::Reset => "/password/reset",
        }
    }
}

/// What a link that is good concerns.
#[derive(Debug, Clone)]
pub(crate) struct Linked {
    pub(crate) purpose: Purpose,
    /// The address that it was sent to.
    pub(crate) email: Email,
    pub(crate) user: User,
}

/// How a registration goes on.
#[derive(Debug)]
#[non_exhaustive]
pub enum Registered {
    /// This is the account.
    Complete(User),
    /// A letter is on its way to the address, whether it had an account before or not: `accounts.verify_email` is on.
    Pending,
}

impl Auth {
    /// Registers an address that is to be confirmed. A known one and an unknown one cost the same and answer the same.
    pub(crate) async fn registration_add(
        &self,
        new: NewUser<'_>,
        client: &Client,
    ) -> Result<(), Error> {
        let email = Email::parse(new.email)?;
        let name = new.name.map(parse_name).transpose()?;
        let roles = Roles::new(&[roles::USER], &self.config().accounts.roles)?;
        let known = storage::registration_by_email(self.db(), &email).await?;
        let password = self.password_checked(new.password, &email, name.as_deref()).await?;
        // One hash in every case. Of a pending registration it says whether the same person is back.
        let (hash, same) = match known {
            Some(known) => {
                let right = self.hasher().verify(password, known.clone()).await?.right;
                (None, known.filter(|_| right))
            }
            None => (Some(self.hasher().hash(password.into_inner()).await?), None),
        };
        let user = User {
            id: UserId(self.ids().next()),
            email: email.clone(),
            name,
            roles,
            generation: 0,
            disabled: false,
            pending: true,
            created_at: self.clock().now(),
        };
        let facts = facts(client);
        let registration = storage::Registration {
            user,
            hash,
            same,
            confirm: self.errand(Kind::ConfirmEmail, email.clone(), None, facts.clone()),
            known: self.errand(Kind::AddressKnown, email, None, facts),
        };
        let scribe = self.scribe_of(Actor::Stranger, client);
        storage::registration_add(self.db(), registration, scribe).await
    }

    /// Confirms an address with the token of a link: that of a registration, which is an account from now on, or the new
    /// one of an account, which has it from now on.
    ///
    /// A change of address tells the old one, and voids every link that was sent to it. Logins go on: whoever asked for
    /// it gave the password.
    ///
    /// # Errors
    /// [`Error::LinkInvalid`] for a token that is not good, or no longer, whatever the reason; storage errors.
    pub async fn email_verify(&self, token: &str, client: &Client) -> Result<(), Error> {
        let secret = OpaqueSecret::parse(token).ok_or(Error::LinkInvalid)?.hash();
        let linked = self.linked(secret, &[Purpose::Confirm, Purpose::Change]).await?;
        let (id, email) = (linked.user.id, linked.email.clone());
        let scribe = self.scribe_of(Actor::Owner, client);
        let done = if linked.purpose == Purpose::Confirm {
            storage::registration_confirm(self.db(), secret, scribe).await?
        } else {
            let old = linked.user.email.clone();
            let told = self.errand(Kind::AddressChanged, old, Some(id), Facts::default());
            storage::email_change(self.db(), secret, linked, told, scribe).await?
        };
        if !done {
            return Err(Error::LinkInvalid);
        }
        self.sessions().reread(id);
        self.welcome(&email, client).await;
        tracing::info!(user = %id.0, "address confirmed");
        Ok(())
    }

    /// Sends another letter to confirm an address, if it has a registration that waits for it. What is answered and done
    /// here is the same in every case.
    ///
    /// # Errors
    /// [`Error::RateLimited`]; [`Error::EmailInvalid`]; storage errors.
    pub async fn email_resend(&self, email: &str, client: &Client) -> Result<(), Error> {
        self.limits().admit(client).await?;
        let email = Email::parse(email)?;
        let errand = self.errand(Kind::ConfirmEmail, email, None, facts(client));
        let scribe = self.scribe_of(Actor::Stranger, client);
        mail::storage::errand_ask(self.db(), errand, scribe, Act::EmailConfirmationAsked).await
    }

    /// Asks for another address of an account: a letter with a link goes there, and nothing changes until the link is
    /// used. What is answered and done here is the same whether somebody has that address or not.
    ///
    /// One change waits at a time. It is dropped by another one, by another password and by the end of all logins.
    ///
    /// # Errors
    /// [`Error::PasswordWrong`], which counts as a failure to log in; [`Error::RateLimited`]; [`Error::EmailInvalid`];
    /// [`Error::HashingBusy`]; [`Error::NotFound`] when the account has gone; storage errors.
    pub async fn email_change(
        &self,
        user: &User,
        email: &str,
        password: &str,
        client: &Client,
    ) -> Result<(), Error> {
        let email = Email::parse(email)?;
        let hash = self.password_check(user, password, client).await?;
        let errand =
            self.errand(Kind::ConfirmNewAddress, email.clone(), Some(user.id), facts(client));
        let scribe = self.scribe_of(Actor::Owner, client);
        if storage::email_change_ask(self.db(), user.id, email, hash, errand, scribe).await? {
            tracing::info!(user = %user.id.0, "another address asked for");
            return Ok(());
        }
        // Somebody else has changed the password in the meantime.
        Err(Error::PasswordWrong)
    }

    /// Notes that the owner of an address, who has shown to be that by a link, is at this client's.
    pub(crate) async fn welcome(&self, email: &Email, client: &Client) {
        if let Err(error) = self.limits().welcome(email, client).await {
            // What the link is for is done: limits are a little stricter with the owner for now.
            tracing::warn!(%error, "an owner is not known by his address");
        }
    }

    /// What a link concerns that is good for one of these purposes.
    pub(crate) async fn linked(
        &self,
        secret: SecretHash,
        purposes: &[Purpose],
    ) -> Result<Linked, Error> {
        let linked = storage::link(self.db(), secret, self.clock().now()).await?;
        let linked = linked.filter(|linked| purposes.contains(&linked.purpose));
        linked.ok_or(Error::LinkInvalid)
    }
}

/// What a letter may tell of who asked for it.
pub(crate) fn facts(client: &Client) -> Facts {
    Facts {
        device: Some(client.device.clone()).filter(|device| !device.is_empty()),
        address: client.address.map(|address| address.to_string()),
        other_email: None,
    }
}
