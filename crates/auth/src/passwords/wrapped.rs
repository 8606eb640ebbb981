//! A weak foreign hash inside a strong one of ours, so that none lies in the database as it is.
//!
//! What is stored is Argon2id of the foreign hash's output, with the parameters in force, and beside it the foreign
//! setting, from which the output is made again out of a password:
//!
//! `$wrapped$l=31$argon2id$v=19$m=19456,t=2,p=1$salt$hash$` and the setting, here `$2b$04$salt`. `l` is the length of the
//! foreign output.

use argon2::{Params, password_hash::phc};
use subtle::ConstantTimeEq;

use super::{
    Password,
    foreign::{ForeignHash, Setting, Unsound},
    hash::{self, Memory},
};
use crate::Error;

const PREFIX: &str = "$wrapped$l=";
/// Parts of a PHC string between its dollars: `argon2id`, version, parameters, salt, output.
const PHC_PARTS: usize = 5;

pub(super) struct WrappedHash {
    length: usize,
    params: Params,
    salt: phc::Salt,
    output: phc::Output,
    setting: Setting,
}

/// Says whether a text is meant to be one.
pub(super) fn is_one(text: &str) -> bool {
    text.starts_with(PREFIX)
}

/// Puts a foreign hash into one of ours.
pub(super) fn wrap(foreign: &ForeignHash, memory: &mut Memory) -> Result<String, Error> {
    let outer = hash::make(foreign.output(), memory)?;
    let (length, setting) = (foreign.output().len(), foreign.setting().as_str());
    Ok(format!("{PREFIX}{length}{outer}${setting}"))
}

impl WrappedHash {
    pub(super) fn parse(text: &str) -> Result<Self, Unsound> {
        let malformed = Unsound("the wrapped hash is cut short or malformed");
        let rest = text.strip_prefix(PREFIX).ok_or(malformed)?;
        let (length, rest) = rest.split_once('$').ok_or(malformed)?;
        let length = length.parse().ok().filter(|length| (1..=128).contains(length));
        let end = rest.match_indices('$').nth(PHC_PARTS - 1).map(|(at, _)| at).ok_or(malformed)?;
        let (outer, setting) = rest.split_at_checked(end).ok_or(malformed)?;
        let outer = format!("${outer}");
        let outer = phc::PasswordHash::new(&outer).map_err(|_| malformed)?;
        let params = Params::try_from(&outer).map_err(|_| malformed)?;
        // Only ever made here, with parameters that were once in force.
        if outer.algorithm.as_str() != "argon2id"
            || hash::cost(&params) > 2 * hash::cost(&hash::PARAMS)
        {
            return Err(malformed);
        }
        Ok(Self {
            length: length.ok_or(malformed)?,
            params,
            salt: outer.salt.ok_or(malformed)?,
            output: outer.hash.ok_or(malformed)?,
            setting: Setting::parse(setting.strip_prefix('$').ok_or(malformed)?)?,
        })
    }

    pub(super) fn setting(&self) -> &Setting {
        &self.setting
    }

    /// Says whether a password is the one of this hash.
    pub(super) fn matches(&self, password: &Password, memory: &mut Memory) -> Result<bool, Error> {
        let inner = self.setting.output(password, self.length, memory)?;
        let outer = hash::argon2id(&self.params, &inner, self.salt.as_ref(), memory)?;
        Ok(outer.as_bytes().ct_eq(self.output.as_bytes()).into())
    }
}
