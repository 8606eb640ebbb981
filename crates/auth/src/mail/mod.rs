//! Mail: letters that are owed, and how they get out.
//!
//! What an act leaves behind is an `Errand`, written in the same step as the act: a letter of this [`Kind`] is owed to
//! this address. The letter itself is made when it is about to be sent, and with it the one-use link in it. So no link
//! lies at rest, an address without an account costs a request the same one row as any other, and a letter that waited
//! for a mail server has a link as fresh as one that did not.

mod deliver;
mod outbox;
mod pace;
mod smtp;
pub(crate) mod storage;
mod template;
mod url;

use std::{fmt, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use jwt::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

pub(crate) use self::{
    deliver::{Deliverer, Way},
    smtp::{check, read_password},
};
pub use self::{
    outbox::{KeptLetter, Outbox},
    smtp::{Mailer, Trouble},
    template::{Rendered, Templates},
    url::MailUrl,
};
use crate::{
    Auth, Error, OpaqueSecret,
    config::PublicUrl,
    users::{Email, UserId},
};

/// What a letter is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// To a new account: confirm the address, with a link.
    ConfirmEmail,
    /// Somebody tried to register with the address of this account.
    AddressKnown,
    /// A forgotten password, with a link.
    ResetPassword,
    /// To the address that an account is to have from now on: confirm it, with a link.
    ConfirmNewAddress,
    /// To the address that an account had until now: it has another one.
    AddressChanged,
    /// The password of the account is another one.
    PasswordChanged,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 6] = [
        Self::ConfirmEmail,
        Self::AddressKnown,
        Self::ResetPassword,
        Self::ConfirmNewAddress,
        Self::AddressChanged,
        Self::PasswordChanged,
    ];

    /// Its name, in the database and in the names of templates.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ConfirmEmail => "confirm_email",
            Self::AddressKnown => "address_known",
            Self::ResetPassword => "reset_password",
            Self::ConfirmNewAddress => "confirm_new_address",
            Self::AddressChanged => "address_changed",
            Self::PasswordChanged => "password_changed",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Says whether the address has not been confirmed by whoever reads the letter: it then repeats nothing that
    /// somebody else could have written, such as a name.
    #[must_use]
    pub fn goes_to_a_stranger(self) -> bool {
        matches!(self, Self::ConfirmEmail | Self::ConfirmNewAddress)
    }
}

/// What a letter may tell of the act behind it. It lies in the database until the letter is sent: nothing secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// The name of the program that asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// The address that asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The other e-mail address of a change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other_email: Option<String>,
}

/// A letter that is owed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Errand {
    pub(crate) id: Uuid,
    pub(crate) kind: Kind,
    pub(crate) recipient: Email,
    /// The account that it concerns, where the act knew it.
    pub(crate) user: Option<UserId>,
    pub(crate) facts: Facts,
    pub(crate) created_at: Timestamp,
}

/// A letter on its way: what templates are given.
#[derive(Debug)]
pub struct Letter {
    /// What it is about.
    pub kind: Kind,
    /// Whom it is for.
    pub to: Email,
    /// The name of the account.
    pub name: Option<String>,
    /// The one-use link in it.
    pub link: Option<Link>,
    /// What it tells of the act behind it.
    pub facts: Facts,
}

/// A link that does something for whoever follows it, once. `Debug` does not show it.
pub struct Link {
    url: Zeroizing<String>,
    lifetime: Duration,
}

impl Link {
    /// The page at this path of the public address, with a token that is good for so long.
    #[must_use]
    pub fn new(
        public_url: &PublicUrl,
        path: &'static str,
        token: &OpaqueSecret,
        lifetime: Duration,
    ) -> Self {
        let token = Zeroizing::new(token.reveal());
        let url = format!("{}{path}?token={}", public_url.as_str(), token.as_str());
        Self { url: Zeroizing::new(url), lifetime }
    }

    /// One that leads nowhere, for a letter that is only looked at; `None` for letters without.
    fn sample(kind: Kind, public_url: &PublicUrl) -> Option<Self> {
        let path = match kind {
            Kind::ConfirmEmail | Kind::ConfirmNewAddress => "/email/verify",
            Kind::ResetPassword => "/password/reset",
            Kind::AddressKnown | Kind::AddressChanged | Kind::PasswordChanged => return None,
        };
        let url = format!("{}{path}?token={}", public_url.as_str(), "0123456789abcdef".repeat(4));
        Some(Self { url: Zeroizing::new(url), lifetime: Duration::from_secs(30 * 60) })
    }

    /// The whole link.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.url
    }

    /// For how many minutes it is good.
    #[must_use]
    pub fn minutes(&self) -> u64 {
        self.lifetime.as_secs() / 60
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Link(…)")
    }
}

/// Makes the letter of an errand when it is about to be sent; `None` when there is none to send after all.
///
/// It is asked again when the letter did not get out: a link that it made before is then of no use to anyone.
#[derive(Clone)]
pub(crate) struct Composer(Arc<Compose>);

type Compose = dyn Fn(Errand) -> BoxFuture<'static, Result<Option<Letter>, Error>> + Send + Sync;

impl Composer {
    pub(crate) fn new<F, L>(compose: F) -> Self
    where
        F: Fn(Errand) -> L + Send + Sync + 'static,
        L: Future<Output = Result<Option<Letter>, Error>> + Send + 'static,
    {
        Self(Arc::new(move |errand| Box::pin(compose(errand))))
    }

    pub(crate) async fn compose(&self, errand: Errand) -> Result<Option<Letter>, Error> {
        (self.0)(errand).await
    }
}

impl fmt::Debug for Composer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Composer")
    }
}

impl Auth {
    /// A letter that is owed from now on, to be handed to [`storage::errand_add`] in the step that makes it so; `None`
    /// where this installation sends no mail.
    pub(crate) fn errand(
        &self,
        kind: Kind,
        recipient: Email,
        user: Option<UserId>,
        facts: Facts,
    ) -> Option<Errand> {
        let (id, created_at) = (self.ids().next(), self.clock().now());
        self.sends_mail().then_some(Errand { id, kind, recipient, user, facts, created_at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_found_by_its_name() {
        for kind in Kind::ALL {
            assert_eq!(Kind::by_name(kind.name()), Some(kind));
        }
        assert_eq!(Kind::by_name("Reset_Password"), None);
    }

    #[test]
    fn a_link_is_made_of_the_public_address_and_shows_nothing() {
        let public_url: PublicUrl = "https://auth.example.com/base/".parse().expect("a URL");
        let token = OpaqueSecret::generate().expect("randomness");
        let link = Link::new(&public_url, "/password/reset", &token, Duration::from_secs(1_800));
        let expected =
            format!("https://auth.example.com/base/password/reset?token={}", token.reveal());
        assert_eq!((link.reveal(), link.minutes()), (expected.as_str(), 30));
        assert_eq!(format!("{link:?}"), "Link(…)");
    }
}
