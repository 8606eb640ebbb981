//! Passwords: what one must be, and whether one is right.

mod common;
mod foreign;
mod hash;
mod hasher;
pub(crate) mod http;
mod reset;
mod set;
pub(crate) mod storage;
mod wrapped;

use std::fmt;

use unicode_normalization::UnicodeNormalization;
use uuid::Uuid;
use zeroize::Zeroizing;
use zxcvbn::Score;

use self::hash::Checked;
pub(crate) use self::{
    foreign::Unsound,
    hash::{Memory, Recognised, adopt, check, recognise},
    hasher::Hasher,
};
use crate::{
    Auth, Client, Error,
    accounts::facts,
    audit::{Act, Actor, Failure, storage::record_alone},
    limits::Refusal,
    mail::Kind,
    sessions::{Ending, Which},
    users::{Email, User},
};

/// Characters a password must have: NIST SP 800-63B-4 §3.1.1.2 with a second factor at hand.
pub const MIN_LENGTH: usize = 8;
/// Characters a password may have; the whole of it counts.
pub const MAX_LENGTH: usize = 128;
/// More bytes than any password of [`MAX_LENGTH`] characters: what is longer is not even normalised.
const MAX_BYTES: usize = MAX_LENGTH * 18;

/// A password in normal form (NFKC, as NIST SP 800-63B-4 §3.1.1.2 asks), kept out of logs and wiped.
pub struct Password {
    normal: Zeroizing<String>,
    /// As it was typed: what most other systems hashed.
    typed: Zeroizing<String>,
}

impl Password {
    /// Reads what somebody typed; `None` when no password of this installation can look like that.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > MAX_BYTES {
            return None;
        }
        let normal = Zeroizing::new(text.nfkc().collect::<String>());
        let sound = normal.chars().count() <= MAX_LENGTH && !normal.contains('\0');
        sound.then(|| Self { normal, typed: Zeroizing::new(text.to_owned()) })
    }

    fn empty() -> Self {
        Self { normal: Zeroizing::default(), typed: Zeroizing::default() }
    }

    fn length(&self) -> usize {
        self.normal.chars().count()
    }

    /// What is hashed here.
    fn normal(&self) -> &str {
        &self.normal
    }

    /// What hashes of other systems are checked with.
    fn typed(&self) -> &str {
        &self.typed
    }

    pub(crate) fn into_inner(self) -> Zeroizing<String> {
        self.normal
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// How a login with the right password goes on.
#[derive(Debug)]
#[non_exhaustive]
pub enum Login {
    /// Nothing more is needed: this is who it is.
    Complete(User),
}

impl Auth {
    /// Checks an address and a password, as often as the [limits](crate::limits) let this client try.
    ///
    /// An unknown address, a wrong password and a disabled account cost the same and answer the same.
    ///
    /// # Errors
    /// [`Error::InvalidCredentials`]; [`Error::EmailUnverified`], only with the right password of a registration whose
    /// address is not confirmed; [`Error::RateLimited`]; [`Error::HashingBusy`] when too many wait; storage errors.
    pub async fn login(
        &self,
        email: &str,
        password: &str,
        client: &Client,
    ) -> Result<Login, Error> {
        let parsed = Email::parse(email).ok();
        // Counted before anything is looked up, and under what was typed where that is no address.
        let typed = parsed.as_ref().map_or(email, Email::as_str);
        let attempt = self.limits().login(typed, client).await?;
        let account = match &parsed {
            Some(email) => storage::account_by_email(self.db(), email).await?,
            None => None,
        };
        let (user, hash) = account.unzip();
        let checked = self.password_verify(password, hash.clone()).await?;
        let refusal = |reason| Refusal {
            scribe: self.scribe_of(Actor::Stranger, client),
            user: user.as_ref().map(|user| user.id),
            act: Act::LoginFailed { reason },
        };
        let reason = match &user {
            None => Some(Failure::AccountUnknown),
            Some(_) if !checked.right => Some(Failure::PasswordWrong),
            Some(user) if user.disabled => Some(Failure::AccountDisabled),
            Some(_) => None,
        };
        if let Some(reason) = reason {
            attempt.wrong(refusal(reason)).await?;
            return Err(Error::InvalidCredentials);
        }
        if user.as_ref().is_some_and(|user| user.pending) {
            let Refusal { scribe, user, act } = refusal(Failure::EmailUnverified);
            attempt.right_of_nobody().await?;
            record_alone(self.db(), scribe, user, None, act).await?;
            return Err(Error::EmailUnverified);
        }
        let Some(user) = user else { return Err(Error::InvalidCredentials) };
        attempt.right().await?;
        if let (Some(old), Some(stronger)) = (hash, checked.stronger) {
            // Whoever has the right password logs in, also while nothing can be written.
            match storage::password_rehash(self.db(), user.id, old, stronger).await {
                Ok(_) => tracing::info!(user = %user.id.0, "password hashed anew"),
                Err(error) => tracing::warn!(%error, "a password was not hashed anew"),
            }
        }
        Ok(Login::Complete(user))
    }

    /// Gives an account another password and ends all its logins but one, in one step. Links that were sent to it are
    /// void, and a letter tells it.
    ///
    /// # Errors
    /// [`Error::PasswordWrong`] when `current` is not the password, which counts as a failure to log in;
    /// [`Error::RateLimited`]; [`Error::PasswordRefused`]; [`Error::HashingBusy`]; [`Error::NotFound`] when the account has
    /// gone; storage errors.
    pub async fn password_change(
        &self,
        user: &User,
        keep: Uuid,
        current: &str,
        new: &str,
        client: &Client,
    ) -> Result<Ending, Error> {
        let old = self.password_check(user, current, client).await?;
        let hash = self.password_hash(new, &user.email, user.name.as_deref()).await?;
        let scribe = self.scribe_of(Actor::Owner, client);
        let now = scribe.at();
        let told = user.email.clone();
        let notice = self.errand(Kind::PasswordChanged, told, Some(user.id), facts(client));
        let held = self.sessions().held(Which::AllBut(user.id, keep));
        let change = storage::Change { old, new: hash, keep, notice, held };
        let ended = storage::password_change(self.db(), user.id, change, scribe).await?;
        // Somebody else has changed it in the meantime.
        let ended = ended.ok_or(Error::PasswordWrong)?;
        tracing::info!(user = %user.id.0, "password changed");
        Ok(self.ended(ended, &[Which::AllBut(user.id, keep)], now).await)
    }

    /// Checks the password of somebody who is signed in already, and returns its hash. A wrong one counts as a failure
    /// to log in.
    ///
    /// # Errors
    /// [`Error::PasswordWrong`]; [`Error::RateLimited`]; [`Error::HashingBusy`]; [`Error::NotFound`]; storage errors.
    pub(crate) async fn password_check(
        &self,
        user: &User,
        password: &str,
        client: &Client,
    ) -> Result<String, Error> {
        let refusal = Refusal {
            scribe: self.scribe_of(Actor::Owner, client),
            user: Some(user.id),
            act: Act::PasswordCheckFailed,
        };
        self.password_check_or(user, password, client, refusal).await
    }

    /// Checks the password of an account that somebody says is his; a wrong one is a login that was refused.
    ///
    /// # Errors
    /// As [`password_check`](Self::password_check).
    pub(crate) async fn password_check_of_stranger(
        &self,
        user: &User,
        password: &str,
        client: &Client,
    ) -> Result<String, Error> {
        let refusal = Refusal {
            scribe: self.scribe_of(Actor::Stranger, client),
            user: Some(user.id),
            act: Act::LoginFailed { reason: Failure::PasswordWrong },
        };
        self.password_check_or(user, password, client, refusal).await
    }

    async fn password_check_or(
        &self,
        user: &User,
        password: &str,
        client: &Client,
        refusal: Refusal,
    ) -> Result<String, Error> {
        let attempt = self.limits().check(&user.email, client).await?;
        let hash = storage::password_by_user(self.db(), user.id).await?.ok_or(Error::NotFound)?;
        let checked = self.password_verify(password, Some(hash.clone())).await?;
        if checked.right {
            attempt.right().await?;
            Ok(hash)
        } else {
            attempt.wrong(refusal).await?;
            Err(Error::PasswordWrong)
        }
    }

    /// Checks a password against a hash, or against nothing at the same cost.
    async fn password_verify(
        &self,
        password: &str,
        hash: Option<String>,
    ) -> Result<Checked, Error> {
        match Password::parse(password) {
            Some(password) => self.hasher().verify(password, hash).await,
            // What no password can look like is none of this account.
            None => self.hasher().verify(Password::empty(), None).await,
        }
    }

    /// Hashes a new password after it has met the rules.
    pub(crate) async fn password_hash(
        &self,
        password: &str,
        email: &Email,
        name: Option<&str>,
    ) -> Result<String, Error> {
        let password = self.password_checked(password, email, name).await?;
        self.hasher().hash(password.into_inner()).await
    }

    /// A new password that meets the rules.
    pub(crate) async fn password_checked(
        &self,
        password: &str,
        email: &Email,
        name: Option<&str>,
    ) -> Result<Password, Error> {
        let password = Password::parse(password).ok_or_else(|| {
            Error::PasswordRefused(format!(
                "it must have at most {MAX_LENGTH} characters, none of them NUL"
            ))
        })?;
        if password.length() < MIN_LENGTH {
            return Err(Error::PasswordRefused(format!(
                "it must have at least {MIN_LENGTH} characters"
            )));
        }
        let known: Vec<String> = [Some(email.as_str()), name, Some("countersign")]
            .into_iter()
            .flatten()
            .map(str::to_owned)
            .collect();
        let (password, weakness) = self
            .hasher()
            .run(move |_| {
                let known: Vec<&str> = known.iter().map(String::as_str).collect();
                let weakness = weakness(&password, &known);
                Ok((password, weakness))
            })
            .await?;
        match weakness {
            Some(reasons) => Err(Error::PasswordRefused(reasons)),
            None => Ok(password),
        }
    }
}

/// Why a password is too easy to guess; `None` when it is good enough.
fn weakness(password: &Password, known: &[&str]) -> Option<String> {
    if common::is_common(&password.normal) {
        return Some("it is one of the most common passwords".to_owned());
    }
    let estimate = zxcvbn::zxcvbn(&password.normal, known);
    if estimate.score() >= Score::Three {
        return None;
    }
    let mut reasons = Vec::new();
    if let Some(feedback) = estimate.feedback() {
        reasons.extend(feedback.warning().map(|warning| warning.to_string()));
        reasons.extend(feedback.suggestions().iter().map(ToString::to_string));
    }
    Some(one_sentence("it is too easy to guess", &reasons))
}

/// A sentence of ours that goes on with sentences of others.
fn one_sentence(begin: &str, reasons: &[String]) -> String {
    let sentences = reasons.iter().flat_map(|reason| reason.split(". "));
    let parts: Vec<String> = sentences
        .map(|sentence| {
            let mut letters = sentence.trim().trim_end_matches('.').chars();
            letters.next().iter().flat_map(|first| first.to_lowercase()).chain(letters).collect()
        })
        .collect();
    if parts.is_empty() { begin.to_owned() } else { format!("{begin}: {}", parts.join("; ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_a_password_is_weak_is_one_sentence() {
        let password = Password::parse("qwertyuiop").expect("sound");
        let why = weakness(&password, &[]).expect("weak");
        assert_eq!(why, "it is one of the most common passwords");
        let weak =
            |text: &str| weakness(&Password::parse(text).expect("sound"), &[]).expect("weak");
        for text in ["abcdefghijkl", "aaaaaaaaaaaaa", "qwertyuioplkj", "margaret1999"] {
            let why = weak(text);
            assert!(why.starts_with("it is "), "{why}");
            assert!(!why.contains(['.', '\n']) && !why.contains(text), "{why}");
            let upper = |part: &str| part.starts_with(char::is_uppercase);
            assert!(!why.split(&[':', ';'][..]).any(|part| upper(part.trim())), "{why}");
        }
        let said = one_sentence("a", &["Add a word or two. Uncommon words are better.".to_owned()]);
        assert_eq!(said, "a: add a word or two; uncommon words are better");
        assert_eq!(one_sentence("a", &[]), "a");
    }

    #[test]
    fn a_password_is_compared_in_its_normal_form() {
        let composed = Password::parse("caf\u{e9} au lait, s'il vous pla\u{ee}t").expect("sound");
        let decomposed =
            Password::parse("cafe\u{301} au lait, s'il vous plai\u{302}t").expect("sound");
        assert_eq!(composed.normal, decomposed.normal);
    }

    #[test]
    fn length_is_counted_in_characters_and_the_end_is_not_cut() {
        assert!(Password::parse(&"ö".repeat(MAX_LENGTH)).is_some());
        assert!(Password::parse(&"ö".repeat(MAX_LENGTH + 1)).is_none());
        assert!(Password::parse(&"a".repeat(100_000)).is_none());
        assert!(Password::parse("with\0nul").is_none());
    }

    #[test]
    fn weak_passwords_are_refused_with_reasons() {
        for text in ["password", "12345678", "qwertyuiop", "letmein123", "aaaaaaaaaaaa"] {
            let password = Password::parse(text).expect("sound");
            let reasons = weakness(&password, &[]).expect(text);
            assert!(reasons.starts_with("it is "), "{reasons}");
        }
        let date = Password::parse("november1984").expect("sound");
        let reasons = weakness(&date, &[]).expect("weak");
        assert!(reasons.starts_with("it is too easy to guess: "), "{reasons}");
        let own = Password::parse("someone.special").expect("sound");
        assert!(weakness(&own, &["someone.special@example.com", "someone.special"]).is_some());
        let good = Password::parse("four unrelated gravel words").expect("sound");
        assert_eq!(weakness(&good, &["someone@example.com"]), None);
    }

    #[test]
    fn debug_output_shows_no_password() {
        let password = Password::parse("four unrelated gravel words").expect("sound");
        assert_eq!(format!("{password:?}"), "Password(…)");
    }
}
