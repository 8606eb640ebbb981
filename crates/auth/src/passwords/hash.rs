//! Argon2id (RFC 9106): what a password becomes, and whether a password is the one of a hash.
//!
//! The memory is the caller's and is used again: fresh pages cost half a hash.

use argon2::{Algorithm, Argon2, Block, Params, Version, password_hash::phc};
use subtle::ConstantTimeEq;

use super::{
    Password,
    foreign::{ForeignHash, Unsound},
    wrapped::{self, WrappedHash},
};
use crate::{Error, secret};

/// Argon2id, m = 19456 KiB, t = 2, p = 1 (OWASP Password Storage Cheat Sheet).
pub(super) const PARAMS: Params = Params::DEFAULT;
/// Stored for an account that has no password: none is right.
const NONE: &str = "!";
const SALT_LEN: usize = 16;
const OUTPUT_LEN: usize = Params::DEFAULT_OUTPUT_LEN;
/// The salt of work whose outcome nobody needs.
const NO_SALT: [u8; SALT_LEN] = [0; SALT_LEN];

pub(crate) type Memory = Vec<Block>;

/// What a check of a password found.
#[derive(Debug)]
pub(crate) struct Checked {
    /// Whether the password is the one of the hash.
    pub(crate) right: bool,
    /// A hash of the same password under the parameters in force, where the one that is stored has weaker ones.
    pub(crate) stronger: Option<String>,
}

/// Hashes a password under the parameters in force, as a PHC string.
pub(super) fn make(password: &[u8], memory: &mut Memory) -> Result<String, Error> {
    let mut salt = NO_SALT;
    secret::fill(&mut salt)?;
    let output = argon2id(&PARAMS, password, &salt, memory)?;
    let hash = phc::PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: (&PARAMS).try_into().map_err(refuse)?,
        salt: Some(phc::Salt::new(&salt).map_err(refuse)?),
        hash: Some(output),
    };
    Ok(hash.to_string())
}

/// A stored hash, read.
enum Stored {
    Own(OwnHash),
    Foreign(ForeignHash),
    Wrapped(WrappedHash),
    None,
}

/// Argon2id as it is made here, with parameters that are or were in force.
struct OwnHash {
    params: Params,
    salt: phc::Salt,
    output: phc::Output,
}

/// What is known of a hash without a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recognised {
    /// The scheme, by the name it has in reports.
    pub(crate) scheme: &'static str,
    /// Its parameters, to be read by people.
    pub(crate) parameters: String,
    /// Whether it would lie in the database inside one of ours.
    pub(crate) wrapped: bool,
}

/// Says whether a password is the one of this hash.
///
/// A wrong password costs what it costs without a hash also where the hash has weaker parameters: the rest is made up
/// for, so that time does not tell of accounts that have not logged in for long. A hash of another system takes its own
/// time, until the next login has replaced it.
pub(crate) fn check(
    password: &Password,
    hash: &str,
    memory: &mut Memory,
) -> Result<Checked, Error> {
    let stored = Stored::parse(hash).map_err(|Unsound(why)| Error::internal(why))?;
    let (right, replace) = match &stored {
        Stored::None => {
            let checked = check(password, &decoy()?, memory)?;
            return Ok(Checked { right: false, ..checked });
        }
        Stored::Own(own) => {
            let right = own.matches(password, memory)?;
            let lacking = cost(&PARAMS).saturating_sub(cost(&own.params));
            if lacking > 0 && !right {
                make_up(lacking, password, memory)?;
            }
            (right, lacking > 0)
        }
        Stored::Foreign(foreign) => (foreign.matches(password, memory)?, true),
        Stored::Wrapped(wrapped) => (wrapped.matches(password, memory)?, true),
    };
    keep(memory);
    let stronger = (right && replace).then(|| make(password.normal().as_bytes(), memory));
    Ok(Checked { right, stronger: stronger.transpose()? })
}

/// Says what a hash is that another installation or another system made; an empty one, and one that begins with `!` as in
/// Django, stand for an account without a password.
pub(crate) fn recognise(hash: &str) -> Result<Recognised, Unsound> {
    let (scheme, parameters, wrapped) = match Stored::parse(hash)? {
        Stored::None => ("none", String::new(), false),
        Stored::Own(own) if cost(&own.params) >= cost(&PARAMS) => {
            ("countersign", String::new(), false)
        }
        Stored::Own(own) => ("countersign", format!("m={}", own.params.m_cost()), true),
        Stored::Foreign(foreign) => {
            let setting = foreign.setting();
            (setting.scheme.name, setting.parameters(), setting.is_weak())
        }
        Stored::Wrapped(wrapped) => {
            let setting = wrapped.setting();
            (setting.scheme.name, setting.parameters(), true)
        }
    };
    Ok(Recognised { scheme, parameters, wrapped })
}

/// What is stored for a hash that comes from elsewhere: a strong one stays as it is, a weak one is wrapped.
pub(crate) fn adopt(hash: &str, memory: &mut Memory) -> Result<String, Error> {
    let refuse = |Unsound(why)| Error::internal(why);
    if recognise(hash).map_err(refuse)?.wrapped && !wrapped::is_one(hash) {
        return wrapped::wrap(&ForeignHash::parse(hash).map_err(refuse)?, memory);
    }
    match Stored::parse(hash).map_err(refuse)? {
        Stored::None => Ok(NONE.to_owned()),
        _ => Ok(hash.to_owned()),
    }
}

impl Stored {
    fn parse(text: &str) -> Result<Self, Unsound> {
        if text.is_empty() || text.starts_with(NONE) {
            return Ok(Self::None);
        }
        if wrapped::is_one(text) {
            return WrappedHash::parse(text).map(Self::Wrapped);
        }
        match OwnHash::parse(text) {
            Some(own) => Ok(Self::Own(own)),
            None => ForeignHash::parse(text).map(Self::Foreign),
        }
    }
}

impl OwnHash {
    /// `None` for what was not made here. A hash that costs more than twice one of ours is another system's: it takes more
    /// memory than the hashing threads keep.
    fn parse(text: &str) -> Option<Self> {
        let hash = phc::PasswordHash::new(text).ok()?;
        let params = Params::try_from(&hash).ok()?;
        let own = hash.algorithm == Algorithm::Argon2id.ident()
            && hash.version == Some(Version::V0x13.into())
            && params.p_cost() == 1
            && params.keyid().is_empty()
            && params.data().is_empty()
            && cost(&params) <= 2 * cost(&PARAMS);
        own.then_some(Self { params, salt: hash.salt?, output: hash.hash? })
    }

    fn matches(&self, password: &Password, memory: &mut Memory) -> Result<bool, Error> {
        let password = password.normal().as_bytes();
        let output = argon2id(&self.params, password, self.salt.as_ref(), memory)?;
        Ok(output.as_bytes().ct_eq(self.output.as_bytes()).into())
    }
}

/// Does the work that a cheaper check has left out.
fn make_up(lacking: u64, password: &Password, memory: &mut Memory) -> Result<(), Error> {
    let blocks = u32::try_from(lacking / u64::from(PARAMS.t_cost())).map_err(refuse)?;
    let blocks = blocks.max(Params::MIN_M_COST);
    let rest = Params::new(blocks, PARAMS.t_cost(), PARAMS.p_cost(), None).map_err(refuse)?;
    argon2id(&rest, password.normal().as_bytes(), &NO_SALT, memory).map(drop)
}

/// Gives back what a check has taken beyond one of ours.
fn keep(memory: &mut Memory) {
    if memory.len() > 2 * PARAMS.block_count() {
        memory.truncate(PARAMS.block_count());
        memory.shrink_to_fit();
    }
}

/// A hash that no password has, under the parameters in force: what is checked where there is nothing to check against.
///
/// It takes the same way as any other, down to the reading of its parameters. With these known to the compiler the work
/// was done three per cent faster, which told of accounts that are not there.
pub(super) fn decoy() -> Result<String, Error> {
    let hash = phc::PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: (&PARAMS).try_into().map_err(refuse)?,
        salt: Some(phc::Salt::new(&NO_SALT).map_err(refuse)?),
        hash: Some(phc::Output::new(&[0; OUTPUT_LEN]).map_err(refuse)?),
    };
    Ok(hash.to_string())
}

/// What a hash costs whoever guesses: the blocks it fills, over all its passes.
pub(super) fn cost(params: &Params) -> u64 {
    u64::from(params.m_cost()) * u64::from(params.t_cost())
}

pub(super) fn argon2id(
    params: &Params,
    password: &[u8],
    salt: &[u8],
    memory: &mut Memory,
) -> Result<phc::Output, Error> {
    if memory.len() < params.block_count() {
        memory.resize(params.block_count(), Block::new());
    }
    let mut output = [0; OUTPUT_LEN];
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
    let blocks = memory.get_mut(..params.block_count()).unwrap_or_default();
    argon2.hash_password_into_with_memory(password, salt, &mut output, blocks).map_err(refuse)?;
    phc::Output::new(&output).map_err(refuse)
}

/// A fault of a hash or of the hashing itself: its message names no password.
pub(super) fn refuse(error: impl std::fmt::Display) -> Error {
    Error::internal(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(password: &str, hash: &str, memory: &mut Memory) -> Result<Checked, Error> {
        check(&Password::parse(password).expect("sound"), hash, memory)
    }

    /// A hash of `password` with weaker parameters, by RFC 9106's reference implementation:
    /// `echo -n password | argon2 somesalt -id -t 2 -k 256 -p 1 -l 32`.
    const WEAKER: &str =
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

    #[test]
    fn a_hash_has_the_parameters_of_the_contract_and_verifies() {
        let memory = &mut Memory::new();
        let hash = make(b"a long enough phrase", memory).expect("hash");
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        let right = checked("a long enough phrase", &hash, memory).expect("check");
        assert!(right.right && right.stronger.is_none());
        assert!(!checked("a long enough phrasf", &hash, memory).expect("check").right);
        let decoy = decoy().expect("a hash");
        assert!(decoy.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{decoy}");
        let nobody = checked("a long enough phrase", &decoy, memory).expect("check");
        assert!(!nobody.right && nobody.stronger.is_none());
    }

    #[test]
    fn a_weaker_hash_verifies_and_is_replaced_when_the_password_is_right() {
        let memory = &mut Memory::new();
        let right = checked("password", WEAKER, memory).expect("check");
        let stronger = right.stronger.expect("a stronger one");
        assert!(right.right && stronger.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        let again = checked("password", &stronger, memory).expect("check");
        assert!(again.right && again.stronger.is_none());
        let wrong = checked("Password", WEAKER, memory).expect("check");
        assert!(!wrong.right && wrong.stronger.is_none());
    }

    #[test]
    fn a_stronger_hash_verifies_and_stays() {
        let memory = &mut Memory::new();
        let params = Params::new(20 * 1024, 2, 1, None).expect("sound");
        let output = argon2id(&params, b"password", b"somesalt", memory).expect("hash");
        let hash = phc::PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: (&params).try_into().expect("sound"),
            salt: Some(phc::Salt::new(b"somesalt").expect("sound")),
            hash: Some(output),
        };
        let right = checked("password", &hash.to_string(), memory).expect("check");
        assert!(right.right && right.stronger.is_none());
    }

    #[test]
    fn what_is_no_hash_is_a_fault_and_no_wrong_password() {
        let memory = &mut Memory::new();
        for hash in ["password", "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ", "$2b$12$abc"] {
            assert!(matches!(checked("password", hash, memory), Err(Error::Internal(_))), "{hash}");
        }
    }
}
