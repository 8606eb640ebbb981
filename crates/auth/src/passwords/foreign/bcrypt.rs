//! bcrypt as everybody writes it, and as Django writes it over a SHA-256 of the password.
//!
//! Only the first 72 bytes of a password count, as in the tools that made these hashes.

use bcrypt::{HashParts, Version};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{MALFORMED, Scheme, TOO_COSTLY, Unsound, Work};
use crate::{
    Error,
    passwords::{
        Password,
        hash::{Memory, refuse},
    },
    secret::hex,
};

/// About a second.
const MAX_COST: u32 = 14;
/// OWASP Password Storage Cheat Sheet: 10 or more.
const SOUND_COST: u32 = 10;
/// Characters of the output, and of all of a hash.
const OUTPUT: usize = 31;
const WHOLE: usize = 60;

/// `2b` and `2y` are one algorithm, and so is `2a` for what its tools make since 2011; `2x` is a mistake of one of them.
pub(super) static BCRYPT: Scheme = Scheme {
    name: "bcrypt",
    is_one: |text| ["$2a$", "$2b$", "$2y$"].iter().any(|start| text.starts_with(start)),
    cut: |text| text.len().checked_sub(OUTPUT),
    setting: |text| read(text, false),
    output,
};

/// Django's `BCryptSHA256PasswordHasher`: bcrypt of the hex digits of the password's SHA-256.
pub(super) static DJANGO: Scheme = Scheme {
    name: "django bcrypt_sha256",
    is_one: |text| text.starts_with(DJANGO_PREFIX),
    cut: |text| text.len().checked_sub(OUTPUT),
    setting: |text| read(text.strip_prefix(DJANGO_PREFIX).ok_or(MALFORMED)?, true),
    output,
};

const DJANGO_PREFIX: &str = "bcrypt_sha256$";

struct Setting {
    cost: u32,
    salt: [u8; 16],
    digest_first: bool,
}

/// `$2b$12$` and 22 characters of salt.
fn read(text: &str, digest_first: bool) -> Result<Box<dyn Work>, Unsound> {
    // The library reads whole hashes: any output will do.
    let whole = format!("{text}{}", ".".repeat(OUTPUT));
    if whole.len() != WHOLE || !whole.is_ascii() {
        return Err(MALFORMED);
    }
    let parts: HashParts = whole.parse().map_err(|_| MALFORMED)?;
    match parts.get_cost() {
        4..=MAX_COST => {}
        0..4 => return Err(MALFORMED),
        _ => return Err(TOO_COSTLY),
    }
    Ok(Box::new(Setting { cost: parts.get_cost(), salt: parts.get_salt_raw(), digest_first }))
}

/// The characters themselves: the library writes them and keeps the bytes to itself.
fn output(text: &str) -> Option<Vec<u8>> {
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/');
    (text.len() == OUTPUT && text.bytes().all(sound)).then(|| text.as_bytes().to_vec())
}

impl Work for Setting {
    fn output(
        &self,
        password: &Password,
        _length: usize,
        _memory: &mut Memory,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let typed = password.typed().as_bytes();
        let made = if self.digest_first {
            let digits = Zeroizing::new(hex(&Sha256::digest(typed)));
            bcrypt::hash_with_salt(digits.as_bytes(), self.cost, self.salt)
        } else {
            bcrypt::hash_with_salt(typed, self.cost, self.salt)
        };
        let text = Zeroizing::new(made.map_err(refuse)?.format_for_version(Version::TwoB));
        let output = text.get(WHOLE - OUTPUT..).unwrap_or_default();
        Ok(Zeroizing::new(output.as_bytes().to_vec()))
    }

    fn is_weak(&self) -> bool {
        self.cost < SOUND_COST
    }

    fn parameters(&self) -> String {
        format!("cost {}", self.cost)
    }
}
