//! What other systems made of a password: how it is recognised, and how a password is checked against it.
//!
//! One row of [`SCHEMES`] is all that is known of a scheme; nothing else lists them. Every hash is a text of two parts:
//! its *setting* (scheme, parameters, salt) and after that its *output*, what the scheme makes of the password. So a hash
//! that is too weak to lie anywhere can be kept as its setting alone, with its output hashed anew: see
//! [`wrapped`](super::wrapped).
//!
//! Each scheme has bounds on memory and time, so that no stored hash keeps a hashing thread for long.

mod argon2;
mod bcrypt;
mod pbkdf2;
mod scrypt;
mod sha_crypt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{Password, hash::Memory};
use crate::Error;

/// Memory that one check may take: 128 MiB, in KiB.
const MAX_MEMORY: u64 = 128 * 1024;
/// The longest text that is read as a hash; the longest sound one has 400 bytes.
const MAX_TEXT: usize = 1024;

/// All schemes, in the order in which they are tried. No text is of two.
static SCHEMES: [&Scheme; 10] = [
    &argon2::ARGON2,
    &bcrypt::BCRYPT,
    &bcrypt::DJANGO,
    &scrypt::BETTER_AUTH,
    &scrypt::FIREBASE,
    &scrypt::DJANGO,
    &pbkdf2::SHA256,
    &pbkdf2::SHA1,
    &sha_crypt::SHA256,
    &sha_crypt::SHA512,
];

/// All that is known of one way to hash passwords.
pub(super) struct Scheme {
    /// The name it has in reports.
    pub(super) name: &'static str,
    /// Whether a text is meant to be of it.
    is_one: fn(&str) -> bool,
    /// Where the output begins in a text of this scheme.
    cut: fn(&str) -> Option<usize>,
    /// Reads the part before that.
    setting: fn(&str) -> Result<Box<dyn Work>, Unsound>,
    /// Reads the part from there on.
    output: fn(&str) -> Option<Vec<u8>>,
}

/// What a setting says has to be done with a password.
trait Work {
    /// The output for a password, `length` bytes where the scheme makes any number of them.
    fn output(
        &self,
        password: &Password,
        length: usize,
        memory: &mut Memory,
    ) -> Result<Zeroizing<Vec<u8>>, Error>;

    /// Whether guessing costs less than with the parameters that are in force here, or nobody recommends the scheme.
    fn is_weak(&self) -> bool;

    /// The parameters as a report names them.
    fn parameters(&self) -> String;
}

/// Why a text is no hash that can be checked. It repeats nothing of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unsound(pub(crate) &'static str);

const UNKNOWN: Unsound = Unsound("no scheme that is known here wrote this hash");
const MALFORMED: Unsound = Unsound("the hash is cut short or malformed");
const TOO_COSTLY: Unsound = Unsound("the hash would take too much memory or time to check");

/// A hash that another system made.
pub(super) struct ForeignHash {
    setting: Setting,
    output: Zeroizing<Vec<u8>>,
}

/// The part of a hash that says how it was made, without what it is.
pub(super) struct Setting {
    pub(super) scheme: &'static Scheme,
    text: String,
    work: Box<dyn Work>,
}

impl ForeignHash {
    /// Reads a hash of any scheme.
    pub(super) fn parse(text: &str) -> Result<Self, Unsound> {
        let scheme = Scheme::of(text)?;
        let cut = (scheme.cut)(text).ok_or(MALFORMED)?;
        let (setting, output) = text.split_at_checked(cut).ok_or(MALFORMED)?;
        let output = Zeroizing::new((scheme.output)(output).ok_or(MALFORMED)?);
        Ok(Self { setting: Setting::parse(setting)?, output })
    }

    pub(super) fn setting(&self) -> &Setting {
        &self.setting
    }

    /// What the scheme made of the right password.
    pub(super) fn output(&self) -> &[u8] {
        &self.output
    }

    /// Says whether a password is the one of this hash.
    pub(super) fn matches(&self, password: &Password, memory: &mut Memory) -> Result<bool, Error> {
        let output = self.setting.output(password, self.output.len(), memory)?;
        Ok(output.ct_eq(&self.output).into())
    }
}

impl Setting {
    /// Reads a hash without its output.
    pub(super) fn parse(text: &str) -> Result<Self, Unsound> {
        let scheme = Scheme::of(text)?;
        Ok(Self { scheme, text: text.to_owned(), work: (scheme.setting)(text)? })
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) fn is_weak(&self) -> bool {
        self.work.is_weak()
    }

    pub(super) fn parameters(&self) -> String {
        self.work.parameters()
    }

    /// What the scheme makes of this password.
    pub(super) fn output(
        &self,
        password: &Password,
        length: usize,
        memory: &mut Memory,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        self.work.output(password, length, memory)
    }
}

impl Scheme {
    fn of(text: &str) -> Result<&'static Self, Unsound> {
        if text.len() > MAX_TEXT || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(UNKNOWN);
        }
        SCHEMES.into_iter().find(|scheme| (scheme.is_one)(text)).ok_or(UNKNOWN)
    }
}

/// Where the output begins in the texts that have it after their last `$`.
fn after_last_dollar(text: &str) -> Option<usize> {
    text.rfind('$').map(|at| at + 1)
}

/// A number of at most nine decimal digits, written without needless zeros.
fn number(text: &str) -> Result<u32, Unsound> {
    let plain = !text.is_empty() && text.len() <= 9 && text.bytes().all(|b| b.is_ascii_digit());
    if !plain || (text.starts_with('0') && text != "0") {
        return Err(MALFORMED);
    }
    text.parse().map_err(|_| MALFORMED)
}

/// Bytes from base64 of the usual alphabet, with or without padding.
fn base64(text: &str) -> Option<Vec<u8>> {
    base64_turbo::STANDARD_PAD_INDIFFERENT.decode(text.as_bytes()).ok()
}

#[cfg(test)]
mod tests;
