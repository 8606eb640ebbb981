//! The first administrator: whoever can read what the server prints at its start.
//!
//! An installation in which no administrator can log in has nobody who could make one, and a default password would be
//! everybody's. So `serve` makes a link when it starts, a secret of 256 bits that is stored as its hash, and prints it.
//! Whoever has it becomes the administrator, once.
//!
//! - It is good for a day, and for as long as there is no administrator: made by whatever means, one voids all links.
//! - A start voids the links of earlier starts. Instances that start [together](TOGETHER) each print one; the first
//!   that is used voids the others.
//! - It makes an account with a password of its own, or gives the role to an account whose password comes along: the
//!   token alone takes over nothing that is somebody's.

use std::{fmt, time::Duration};

use zeroize::Zeroizing;

use super::{ADMIN, Roles, USER, storage};
use crate::{
    Auth, Client, Error, OpaqueSecret,
    audit::Actor,
    revocation::Revocation,
    users::{Email, User, UserId, parse_name},
};

/// For how long the link is good.
pub(crate) const LIFETIME: Duration = Duration::from_secs(86_400);

/// Instances whose starts are no farther apart than this are started together, and leave each other's links alone.
pub(super) const TOGETHER: Duration = Duration::from_secs(60);

/// Makes whoever uses it the first administrator. `Debug` does not show its token.
pub struct Invitation {
    token: OpaqueSecret,
    public_url: String,
}

impl Invitation {
    /// What is to be sent to `POST /admin/claim`.
    #[must_use]
    pub fn token(&self) -> Zeroizing<String> {
        Zeroizing::new(self.token.reveal())
    }

    /// The address to send it to.
    #[must_use]
    pub fn address(&self) -> String {
        format!("{}/admin/claim", self.public_url)
    }

    /// The link: the address with the token.
    #[must_use]
    pub fn link(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{}?token={}", self.address(), self.token().as_str()))
    }
}

impl fmt::Debug for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Invitation(…)")
    }
}

/// How the first administrator came to be one.
#[derive(Debug)]
#[non_exhaustive]
pub enum Claimed {
    /// The account was made for it.
    Made(User),
    /// The account was there, and has the role from now on.
    Promoted(User),
}

/// Whom a link makes an administrator.
#[derive(Debug, Clone)]
pub(super) enum Claimant {
    /// An account that is yet to be made, with the hash of its password.
    New(User, String),
    /// An account whose password, of this hash, was right.
    Known(UserId, String),
}

impl Auth {
    /// Makes a link for the first administrator; `None` where an administrator can log in.
    ///
    /// # Errors
    /// [`Error::Configuration`] for a wrong `http.public_url`; storage errors.
    pub async fn administrator_invite(&self) -> Result<Option<Invitation>, Error> {
        let token = OpaqueSecret::generate()?;
        let public_url = self.config().effective_public_url()?.as_str().to_owned();
        let scribe = self.scribe_of(Actor::Server, &Client::default());
        let now = self.clock().now();
        let made = storage::admin_link_add(self.db(), token.hash(), now, scribe).await?;
        Ok(made.then_some(Invitation { token, public_url }))
    }

    /// Makes the first administrator of whoever has the token of a link: of a new account, or of the one that has this
    /// address, if the password is its own. Its name stays then, and so do its logins.
    ///
    /// # Errors
    /// [`Error::RateLimited`]; [`Error::LinkInvalid`] for a token that is not good, or no longer, and for an account that
    /// is disabled; [`Error::PasswordWrong`], which counts as a failure to log in; those of
    /// [`user_create`](Self::user_create), which leave the link as it is.
    pub async fn administrator_claim(
        &self,
        token: &str,
        email: &str,
        password: &str,
        name: Option<&str>,
        client: &Client,
    ) -> Result<Claimed, Error> {
        self.limits().admit(client).await?;
        let secret = OpaqueSecret::parse(token).ok_or(Error::LinkInvalid)?.hash();
        let now = self.clock().now();
        if !storage::admin_link_is_good(self.db(), secret, now).await? {
            return Err(Error::LinkInvalid);
        }
        let email = Email::parse(email)?;
        let name = name.map(parse_name).transpose()?;
        let holder = self.user_by_email(&email).await?.filter(|holder| !holder.pending);
        let claimant = match &holder {
            Some(holder) => {
                let hash = self.password_check(holder, password, client).await?;
                Claimant::Known(holder.id, hash)
            }
            None => {
                let hash = self.password_hash(password, &email, name.as_deref()).await?;
                Claimant::New(self.first_administrator(email, name)?, hash)
            }
        };
        let until = self.access_expires_at(now);
        let scribe = self.scribe_of(Actor::Owner, client);
        let claimed = storage::admin_claim(self.db(), secret, claimant, (now, until), scribe);
        let user = claimed.await?.ok_or(Error::LinkInvalid)?;
        tracing::warn!(user = %user.id.0, "the first administrator");
        if holder.is_none() {
            return Ok(Claimed::Made(user));
        }
        self.revocations().add([Revocation::of_generation(user.id, user.generation, until)]);
        Ok(Claimed::Promoted(user))
    }

    fn first_administrator(&self, email: Email, name: Option<String>) -> Result<User, Error> {
        Ok(User {
            id: UserId(self.ids().next()),
            email,
            name,
            roles: Roles::new(&[ADMIN, USER], &self.config().accounts.roles)?,
            generation: 0,
            disabled: false,
            pending: false,
            created_at: self.clock().now(),
        })
    }
}
