use std::sync::Arc;

use super::{
    LINK_LIFETIME, Purpose,
    storage::{self, Asked, NewLink},
};
use crate::{
    Clock, Error, OpaqueSecret,
    config::PublicUrl,
    mail::{Composer, Errand, Facts, Kind, Letter, Link},
    storage::Db,
    users::{self, Email, User},
};

/// Makes letters of errands, from what is true when they are about to be sent, and the links in them.
#[derive(Debug)]
pub(crate) struct Letters {
    db: Db,
    clock: Clock,
    public_url: PublicUrl,
}

impl Letters {
    pub(crate) fn composer(db: &Db, clock: &Clock, public_url: &PublicUrl) -> Composer {
        let (db, clock, public_url) = (db.clone(), clock.clone(), public_url.clone());
        let letters = Arc::new(Self { db, clock, public_url });
        Composer::new(move |errand| {
            let letters = Arc::clone(&letters);
            async move { letters.compose(errand).await }
        })
    }

    /// The letter of an errand; `None` where there is nobody, or nothing, to write to.
    async fn compose(&self, errand: Errand) -> Result<Option<Letter>, Error> {
        match errand.kind {
            Kind::ConfirmEmail => self.confirmation(errand).await,
            Kind::ResetPassword => self.reset(errand).await,
            Kind::ConfirmNewAddress => self.new_address(errand).await,
            Kind::AddressKnown => {
                let holder = users::storage::user_by_email(&self.db, &errand.recipient).await?;
                let holder = holder.filter(|user| !user.disabled && !user.pending);
                Ok(holder.map(|user| known(errand.recipient, user, errand.facts)))
            }
            Kind::AddressChanged | Kind::PasswordChanged => self.notice(errand).await,
        }
    }

    async fn confirmation(&self, errand: Errand) -> Result<Option<Letter>, Error> {
        let (secret, link) = self.new_link()?;
        let Some(purpose) =
            storage::confirmation_link(&self.db, errand.recipient.clone(), link).await?
        else {
            return Ok(None);
        };
        Ok(Some(Letter {
            kind: errand.kind,
            to: errand.recipient,
            name: None,
            // Where the password of a registration is in dispute, whoever reads this chooses it.
            link: Some(self.link(purpose, &secret)),
            facts: Facts::default(),
        }))
    }

    async fn reset(&self, errand: Errand) -> Result<Option<Letter>, Error> {
        let (secret, link) = self.new_link()?;
        let user = storage::reset_link(&self.db, errand.recipient.clone(), link).await?;
        Ok(user.map(|user| Letter {
            kind: errand.kind,
            to: errand.recipient,
            // The name of a registration is that of whoever registered.
            name: user.name.filter(|_| !user.pending),
            link: Some(self.link(Purpose::Reset, &secret)),
            facts: errand.facts,
        }))
    }

    async fn new_address(&self, errand: Errand) -> Result<Option<Letter>, Error> {
        let Some(id) = errand.user else { return Ok(None) };
        let (secret, link) = self.new_link()?;
        let asked = storage::change_link(&self.db, id, errand.recipient.clone(), link).await?;
        Ok(asked.map(|asked| match asked {
            Asked::Free => Letter {
                kind: errand.kind,
                to: errand.recipient,
                name: None,
                link: Some(self.link(Purpose::Change, &secret)),
                facts: Facts::default(),
            },
            Asked::Taken(holder) => known(errand.recipient, holder, Facts::default()),
        }))
    }

    async fn notice(&self, errand: Errand) -> Result<Option<Letter>, Error> {
        let Some(id) = errand.user else { return Ok(None) };
        let user = users::storage::user_by_id(&self.db, id).await?;
        Ok(user.map(|user| Letter {
            kind: errand.kind,
            to: errand.recipient,
            name: user.name,
            link: None,
            facts: errand.facts,
        }))
    }

    fn new_link(&self) -> Result<(OpaqueSecret, NewLink), Error> {
        let secret = OpaqueSecret::generate()?;
        let expires_at = self.clock.now().saturating_add(LINK_LIFETIME);
        let link = NewLink { secret: secret.hash(), expires_at };
        Ok((secret, link))
    }

    fn link(&self, purpose: Purpose, secret: &OpaqueSecret) -> Link {
        Link::new(&self.public_url, purpose.path(), secret, LINK_LIFETIME)
    }
}

/// To the owner of an account whose address somebody wants to have.
fn known(to: Email, holder: User, facts: Facts) -> Letter {
    Letter { kind: Kind::AddressKnown, to, name: holder.name, link: None, facts }
}
