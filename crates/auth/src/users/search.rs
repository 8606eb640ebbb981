//! Looking for accounts by what somebody remembers of them.
//!
//! An account has one text that is searched, in the column `search`: its address and its name, [folded](fold). It is made
//! here and not by the database, so that both engines find the same. A change of the name or the address empties it, and
//! whoever searches next fills what is empty.

use unicode_normalization::UnicodeNormalization;

use super::{User, UserId, storage};
use crate::{Auth, Error, roles::is_role};

/// Characters of a text to look for: as long as an address can be.
const MAX_TEXT: usize = 254;

/// Accounts to look for, page by page. What is left out lets all of them through.
#[derive(Debug, Clone, Copy, Default)]
pub struct Search<'a> {
    /// A part of the address or of the name, in upper or lower case.
    pub text: Option<&'a str>,
    /// A role that they have.
    pub role: Option<&'a str>,
    /// Whether they are kept from logging in.
    pub disabled: Option<bool>,
    /// The one that the page before ended with.
    pub after: Option<UserId>,
    /// How many at most.
    pub limit: u32,
    /// In which order.
    pub order: Order,
}

/// The order of accounts. Ids rise, so a page stays what it is while accounts are added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// In the order of their making.
    #[default]
    OldestFirst,
    /// Those that were made last first. One that is added in the meantime is on no page behind the first.
    NewestFirst,
}

/// Patterns for `LIKE` with `!` before what stands for itself.
pub(super) struct Wanted {
    pub(super) text: Option<String>,
    pub(super) role: Option<String>,
}

impl Search<'_> {
    pub(super) fn wanted(&self) -> Result<Wanted, Error> {
        let text = self.text.map(str::trim).filter(|text| !text.is_empty());
        if text.is_some_and(|text| text.chars().count() > MAX_TEXT) {
            return Err(Error::QueryInvalid("a text to look for has at most 254 characters"));
        }
        if text.is_some_and(|text| text.chars().any(char::is_control)) {
            return Err(Error::QueryInvalid("a text to look for has no control character"));
        }
        if self.role.is_some_and(|role| !is_role(role)) {
            return Err(Error::QueryInvalid("a role is made of a-z, 0-9, _ and -"));
        }
        Ok(Wanted {
            text: text.map(|text| format!("%{}%", literally(&fold(text)))),
            role: self.role.map(|role| format!("% {} %", literally(role))),
        })
    }
}

impl Auth {
    /// A page of the accounts that are looked for.
    ///
    /// # Errors
    /// [`Error::QueryInvalid`] for a text that no account can have; storage errors.
    pub async fn users_find(&self, search: &Search<'_>) -> Result<Vec<User>, Error> {
        if search.wanted()?.text.is_some() {
            storage::search_fill(self.db()).await?;
        }
        storage::users_find(self.db(), search).await
    }
}

/// The text of an account that is searched. Neither part has a line break in it, and no text to look for has.
pub(crate) fn folded(email: &str, name: Option<&str>) -> String {
    format!("{}\n{}", fold(email), fold(name.unwrap_or_default()))
}

/// A text without the differences that nobody thinks of who looks for it: upper and lower case, and the forms that NFKC
/// makes one. Upper case first, so that `ß` is found by `SS`, and both forms of the Greek sigma by either.
fn fold(text: &str) -> String {
    let upper = text.nfkc().flat_map(char::to_uppercase);
    upper.flat_map(char::to_lowercase).nfkc().collect()
}

/// A text as a pattern that finds nothing but itself.
fn literally(text: &str) -> String {
    let escaped = |letter| matches!(letter, '%' | '_' | '!').then_some('!').into_iter();
    text.chars().flat_map(|letter| escaped(letter).chain([letter])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_however_it_is_written() {
        for (text, written) in [
            ("Élodie", "E\u{301}LODIE"),
            ("straße", "STRASSE"),
            ("ΟΔΟΣ", "οδος"),
            ("ｗｉｄｅ", "wide"),
            ("ſet", "SET"),
            ("plain", "PLAIN"),
        ] {
            assert_eq!(fold(text), fold(written), "{text}");
        }
        assert_ne!(fold("eva"), fold("éva"));
    }

    #[test]
    fn what_has_a_meaning_in_a_pattern_stands_for_itself() {
        assert_eq!(literally("50%_off!\\"), "50!%!_off!!\\");
    }
}
