//! Changing several things of an account at once.

use super::{User, UserId, parse_name, storage};
use crate::{Auth, Error, revocation::Revocation, roles::Roles, sessions::Which};

/// What is to be changed of an account; what is `None` stays as it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct UserUpdate<'a> {
    /// The name to show, or `Some(None)` for no name.
    pub name: Option<Option<&'a str>>,
    /// What it may do, in place of what it may do now.
    pub roles: Option<&'a [&'a str]>,
    /// Whether it is kept from logging in.
    pub disabled: Option<bool>,
}

/// The same, found to be sound.
#[derive(Debug, Clone)]
pub(crate) struct Update {
    name: Option<Option<String>>,
    roles: Option<Roles>,
    disabled: Option<bool>,
}

impl Update {
    /// The account as it is to be.
    pub(super) fn of(self, user: &User) -> User {
        let mut user = user.clone();
        user.name = self.name.unwrap_or(user.name);
        user.roles = self.roles.unwrap_or(user.roles);
        user.disabled = self.disabled.unwrap_or(user.disabled);
        user
    }
}

impl Auth {
    /// Changes several things of an account in one step, all or none, and returns it as it is then.
    ///
    /// Other roles are in effect at once, and so is the end of the logins of one that is disabled: as
    /// [`user_set_roles`](Self::user_set_roles) and [`user_set_disabled`](Self::user_set_disabled) say. What is as it is
    /// to be already ends nothing.
    ///
    /// # Errors
    /// [`Error::NameInvalid`]; [`Error::RoleUnknown`]; [`Error::NotFound`]; [`Error::LastAdmin`]; storage errors.
    pub async fn user_update(&self, id: UserId, update: UserUpdate<'_>) -> Result<User, Error> {
        let known = &self.config().accounts.roles;
        let update = Update {
            name: update.name.map(|name| name.map(parse_name).transpose()).transpose()?,
            roles: update.roles.map(|roles| Roles::new(roles, known)).transpose()?,
            disabled: update.disabled,
        };
        let until = self.access_expires_at(self.clock().now());
        let held = self.sessions().held(Which::All(id));
        let step = storage::user_update(self.db(), id, update, held, until, self.scribe());
        let updated = step.await?;
        let storage::Updated { before, after, until } = updated;
        if after.disabled && !before.disabled {
            self.sessions().forget(Which::All(id));
        }
        if after.name != before.name {
            self.sessions().reread(id);
        }
        if after.generation != before.generation {
            self.revocations().add([Revocation::of_generation(id, after.generation, until)]);
        }
        if after != before {
            tracing::info!(user = %id.0, "account changed");
        }
        Ok(after)
    }
}
