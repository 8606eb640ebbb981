//! Roles: what a caller may do, by name.

mod first;
pub(crate) mod http;
pub(crate) mod storage;

use std::fmt;

use serde::Serialize;

pub use self::{
    first::{Claimed, Invitation},
    http::Administrator,
};
use crate::Error;

/// The role every account has.
pub const USER: &str = "user";
/// The role that administers the installation.
pub const ADMIN: &str = "admin";

/// The roles of one account, sorted, each once: `["admin", "user"]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Roles(Vec<String>);

impl Roles {
    /// Roles by their names, which must all stand in `accounts.roles`.
    ///
    /// # Errors
    /// [`Error::RoleUnknown`].
    pub fn new(names: &[&str], allowed: &[String]) -> Result<Self, Error> {
        let known = |name: &&str| is_role(name) && allowed.iter().any(|role| role == name);
        if !names.iter().all(known) {
            return Err(Error::RoleUnknown);
        }
        let mut roles: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        roles.sort_unstable();
        roles.dedup();
        Ok(Self(roles))
    }

    /// Roles as they stand in storage: names with a space between them.
    pub(crate) fn from_stored(text: &str) -> Self {
        Self(text.split(' ').filter(|name| !name.is_empty()).map(str::to_owned).collect())
    }

    /// The roles as one text for storage.
    pub(crate) fn to_stored(&self) -> String {
        self.0.join(" ")
    }

    /// The same roles and this one.
    pub(crate) fn with(&self, role: &str) -> Self {
        let mut roles = self.clone();
        if let Err(place) = roles.0.binary_search_by(|own| own.as_str().cmp(role)) {
            roles.0.insert(place, role.to_owned());
        }
        roles
    }

    /// The names.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(", "))
    }
}

/// Says whether a text can be a role: one or more of `a-z`, `0-9`, `_` and `-`.
#[must_use]
pub fn is_role(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 64
        && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_sorted_and_each_stands_once() {
        let allowed = ["user".to_owned(), "admin".to_owned()];
        let roles = Roles::new(&["user", "admin", "user"], &allowed).expect("known roles");
        assert_eq!(roles.names(), ["admin", "user"]);
        assert_eq!(Roles::from_stored(&roles.to_stored()), roles);
        assert!(Roles::new(&["root"], &allowed).is_err());
    }

    #[test]
    fn a_role_is_a_plain_word() {
        assert!(is_role("admin") && is_role("post-editor_2"));
        for name in ["", "Admin", "a b", "a,b", "ä", &"a".repeat(65)] {
            assert!(!is_role(name), "{name:?}");
        }
    }
}
