//! A forgotten password: whoever reads the mail of the account chooses another one.

use crate::{
    Auth, Client, Error, OpaqueSecret,
    accounts::{Purpose, facts},
    audit::{Act, Actor},
    mail::{self, Kind},
    revocation::Revocation,
    sessions::Which,
    users::Email,
};

use super::storage;

impl Auth {
    /// Sends a link to an address with which its account is given another password, if it has one. What is answered and
    /// done here is the same in every case.
    ///
    /// # Errors
    /// [`Error::RateLimited`]; [`Error::EmailInvalid`]; storage errors.
    pub async fn password_forgot(&self, email: &str, client: &Client) -> Result<(), Error> {
        self.limits().admit(client).await?;
        let email = Email::parse(email)?;
        let errand = self.errand(Kind::ResetPassword, email, None, facts(client));
        let scribe = self.scribe_of(Actor::Stranger, client);
        mail::storage::errand_ask(self.db(), errand, scribe, Act::PasswordResetAsked).await
    }

    /// Gives an account another password with the token of a link, and ends all its logins, in one step.
    ///
    /// Whoever reads the mail of the address has shown so: a pending registration is an account from now on. All other
    /// links of the account are void. A password that is refused leaves the link as it is.
    ///
    /// # Errors
    /// [`Error::RateLimited`]; [`Error::LinkInvalid`] for a token that is not good, or no longer, whatever the reason;
    /// [`Error::PasswordRefused`]; [`Error::HashingBusy`]; storage errors.
    pub async fn password_reset(
        &self,
        token: &str,
        new: &str,
        client: &Client,
    ) -> Result<(), Error> {
        self.limits().admit(client).await?;
        let secret = OpaqueSecret::parse(token).ok_or(Error::LinkInvalid)?.hash();
        let user = self.linked(secret, &[Purpose::Reset]).await?.user;
        let hash = self.password_hash(new, &user.email, user.name.as_deref()).await?;
        let (id, now) = (user.id, self.clock().now());
        let notice = self
            .errand(Kind::PasswordChanged, user.email.clone(), Some(id), facts(client))
            // A registration had no password that anybody could miss.
            .filter(|_| !user.pending);
        let reset = storage::Reset { secret, hash, notice, until: self.access_expires_at(now) };
        let scribe = self.scribe_of(Actor::Owner, client);
        let held = self.sessions().held(Which::All(id));
        let done = storage::password_reset(self.db(), reset, held, scribe).await?;
        let Some((generation, until)) = done else {
            return Err(Error::LinkInvalid);
        };
        tracing::info!(user = %id.0, "password reset");
        self.sessions().forget(Which::All(id));
        self.revocations().add([Revocation::of_generation(id, generation, until)]);
        self.welcome(&user.email, client).await;
        Ok(())
    }
}
