//! A password that an operator gives an account.

use super::storage;
use crate::{
    Auth, Client, Error, accounts::facts, mail::Kind, revocation::Revocation, sessions::Which,
    users::UserId,
};

impl Auth {
    /// Gives an account another password, whatever its old one is, and ends all its logins, in one step. Links that were
    /// sent to it are void, and a letter tells it.
    ///
    /// For operators: whoever asks for it has to be allowed to.
    ///
    /// # Errors
    /// [`Error::PasswordRefused`]; [`Error::NotFound`]; [`Error::HashingBusy`]; storage errors.
    pub async fn password_set(&self, id: UserId, new: &str) -> Result<(), Error> {
        let user = self.user(id).await?.ok_or(Error::NotFound)?;
        let hash = self.password_hash(new, &user.email, user.name.as_deref()).await?;
        let scribe = self.scribe();
        let until = self.access_expires_at(scribe.at());
        let notice =
            self.errand(Kind::PasswordChanged, user.email, Some(id), facts(&Client::default()));
        let held = self.sessions().held(Which::All(id));
        let set = storage::password_set(self.db(), id, hash, notice, held, until, scribe).await?;
        let (generation, until) = set.ok_or(Error::NotFound)?;
        tracing::info!(user = %id.0, "password set");
        self.sessions().forget(Which::All(id));
        self.revocations().add([Revocation::of_generation(id, generation, until)]);
        Ok(())
    }
}
