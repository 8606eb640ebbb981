//! Tokens that are made to be refused, so that somebody sees what a verifier says to each.

use std::time::Duration;

use uuid::Uuid;

use crate::{Auth, Error, users::User};

/// For whom a token is that is for others: a name that nobody has (RFC 2606).
const OTHERS: &str = "https://another-service.example";
/// By how much longer than clocks may differ a token has expired.
const LONG_AGO: Duration = Duration::from_secs(60);

/// The one thing that is wrong with a token whose signature is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// Its time is over.
    Expired,
    /// It is meant for another service.
    WrongAudience,
}

impl Auth {
    /// Makes an access token of this account and login that is signed with the key of now, and has one flaw.
    ///
    /// For a server on which people learn. It is refused here; but whoever verifies with the same key and asks for less
    /// may accept it, so a server that others rely on makes none.
    ///
    /// # Errors
    /// [`Error::Internal`] when the token cannot be signed.
    pub fn flawed_token(&self, user: &User, session: Uuid, flaw: Flaw) -> Result<String, Error> {
        let tokens = &self.config().tokens;
        let now = self.clock().now();
        match flaw {
            Flaw::Expired => {
                let ago = tokens.access_lifetime + tokens.leeway + LONG_AGO;
                self.access_token(user, session, now.saturating_sub(ago), &tokens.audience)
            }
            Flaw::WrongAudience => self.access_token(user, session, now, OTHERS),
        }
    }
}
