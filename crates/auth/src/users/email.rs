use std::fmt;

use email_address::{EmailAddress, Options};
use unicode_normalization::UnicodeNormalization;

use crate::Error;

/// RFC 5321 §4.5.3.1.3: a path of 256 octets, less its two brackets.
const MAX_LENGTH: usize = 254;

/// An e-mail address in the form in which it is compared: lower case, the domain in ASCII (RFC 5890).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Email(String);

impl Email {
    /// Reads an address.
    ///
    /// Letters that only look foreign but fold to ASCII (a Kelvin sign for `k`, a long `ſ` for `s`) are
    /// refused: they would make two spellings of one account.
    ///
    /// # Errors
    /// [`Error::EmailInvalid`] with the reason.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let refuse = |why| Err(Error::EmailInvalid(why));
        if text.len() > MAX_LENGTH {
            return refuse("it is longer than 254 bytes");
        }
        // Before anything is composed: a Kelvin sign composes to a plain K.
        let local = text.rsplit_once('@').map_or(text, |(local, _)| local);
        if local.chars().any(folds_to_ascii) {
            return refuse("it has a letter that stands for an ASCII letter");
        }
        let text: String = text.nfc().collect();
        let options = Options::default().without_display_text().without_domain_literal();
        if EmailAddress::parse_with_options(&text, options).is_err() {
            return refuse("it is not an address");
        }
        let Some((local, domain)) = text.rsplit_once('@') else {
            return refuse("it is not an address");
        };
        if local.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return refuse("it has a character that no address has");
        }
        let Ok(domain) = idna::domain_to_ascii_strict(domain) else {
            return refuse("its domain is not valid");
        };
        let local: String = local.chars().flat_map(char::to_lowercase).collect();
        let address = format!("{local}@{domain}");
        if address.len() > MAX_LENGTH {
            return refuse("it is longer than 254 bytes");
        }
        Ok(Self(address))
    }

    /// The address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn from_stored(text: String) -> Self {
        Self(text)
    }
}

fn folds_to_ascii(letter: char) -> bool {
    !letter.is_ascii() && letter.nfkc().flat_map(char::to_lowercase).any(|folded| folded.is_ascii())
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> String {
        Email::parse(text).unwrap_or_else(|error| panic!("{text}: {error}")).0
    }

    #[test]
    fn spellings_of_one_address_are_one() {
        assert_eq!(parsed("A.b@X.Example"), "a.b@x.example");
        assert_eq!(parsed("a@bücher.example"), parsed("A@xn--bcher-kva.EXAMPLE"));
        assert_eq!(parsed("caf\u{e9}@x.example"), parsed("cafe\u{301}@x.example"));
    }

    #[test]
    fn letters_that_fold_into_ascii_are_refused() {
        for text in
            ["\u{212a}ate@x.example", "\u{17f}am@x.example", "\u{130}van@x.example", "ａ@x.example"]
        {
            assert!(Email::parse(text).is_err(), "{text}");
        }
        // A Cyrillic а is another letter and so another address.
        assert_ne!(parsed("\u{430}dmin@x.example"), parsed("admin@x.example"));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long = format!("{}@x.example", "a".repeat(250));
        for text in [
            "",
            "a",
            "@x",
            "a@",
            "a b@x.example",
            "a@b@c",
            "a@x..example",
            "Name <a@x.example>",
            "a@[127.0.0.1]",
            "a\0@x.example",
            "a@x\0.example",
            "a\r\n@x.example",
            &long,
        ] {
            assert!(Email::parse(text).is_err(), "{text:?}");
        }
    }
}
