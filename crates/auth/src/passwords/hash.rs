//! Argon2id (RFC 9106): what a password becomes, and whether a password is the one of a hash.
//!
//! The memory is the caller's and is used again: fresh pages cost half a hash.

use argon2::{Algorithm, Argon2, Block, Params, Version, password_hash::phc};
use subtle::ConstantTimeEq;

use crate::{Error, secret};

/// Argon2id, m = 19456 KiB, t = 2, p = 1 (OWASP Password Storage Cheat Sheet).
const PARAMS: Params = Params::DEFAULT;
const SALT_LEN: usize = 16;
const OUTPUT_LEN: usize = Params::DEFAULT_OUTPUT_LEN;
/// The salt of work whose outcome nobody needs.
const NO_SALT: [u8; SALT_LEN] = [0; SALT_LEN];

pub(super) type Memory = Vec<Block>;

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

/// Says whether a password is the one of this hash.
///
/// A wrong password costs what it costs without a hash also where the hash has weaker parameters: the rest is made up
/// for, so that time does not tell of accounts that have not logged in for long.
pub(super) fn check(password: &[u8], hash: &str, memory: &mut Memory) -> Result<Checked, Error> {
    let hash = phc::PasswordHash::new(hash).map_err(refuse)?;
    let (Some(salt), Some(expected)) = (hash.salt, hash.hash) else {
        return Err(Error::internal("a stored password hash is incomplete"));
    };
    let params = Params::try_from(&hash).map_err(refuse)?;
    let output = argon2id(&params, password, salt.as_ref(), memory)?;
    let right: bool = output.as_bytes().ct_eq(expected.as_bytes()).into();
    let lacking = cost(&PARAMS).saturating_sub(cost(&params));
    let stronger = match (lacking, right) {
        (0, _) => None,
        (_, true) => Some(make(password, memory)?),
        (_, false) => {
            let blocks = u32::try_from(lacking / u64::from(PARAMS.t_cost())).map_err(refuse)?;
            let blocks = blocks.max(Params::MIN_M_COST);
            let rest = Params::new(blocks, PARAMS.t_cost(), PARAMS.p_cost(), None);
            argon2id(&rest.map_err(refuse)?, password, &NO_SALT, memory)?;
            None
        }
    };
    Ok(Checked { right, stronger })
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
fn cost(params: &Params) -> u64 {
    u64::from(params.m_cost()) * u64::from(params.t_cost())
}

fn argon2id(
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
fn refuse(error: impl std::fmt::Display) -> Error {
    Error::internal(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hash of `password` with weaker parameters, by RFC 9106's reference implementation:
    /// `echo -n password | argon2 somesalt -id -t 2 -k 256 -p 1 -l 32`.
    const WEAKER: &str =
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

    #[test]
    fn a_hash_has_the_parameters_of_the_contract_and_verifies() {
        let memory = &mut Memory::new();
        let hash = make(b"a long enough phrase", memory).expect("hash");
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        let right = check(b"a long enough phrase", &hash, memory).expect("check");
        assert!(right.right && right.stronger.is_none());
        assert!(!check(b"a long enough phrasf", &hash, memory).expect("check").right);
        let decoy = decoy().expect("a hash");
        assert!(decoy.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{decoy}");
        let nobody = check(b"a long enough phrase", &decoy, memory).expect("check");
        assert!(!nobody.right && nobody.stronger.is_none());
    }

    #[test]
    fn a_weaker_hash_verifies_and_is_replaced_when_the_password_is_right() {
        let memory = &mut Memory::new();
        let right = check(b"password", WEAKER, memory).expect("check");
        let stronger = right.stronger.expect("a stronger one");
        assert!(right.right && stronger.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        let again = check(b"password", &stronger, memory).expect("check");
        assert!(again.right && again.stronger.is_none());
        let wrong = check(b"Password", WEAKER, memory).expect("check");
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
        let right = check(b"password", &hash.to_string(), memory).expect("check");
        assert!(right.right && right.stronger.is_none());
    }

    #[test]
    fn what_is_no_hash_is_a_fault_and_no_wrong_password() {
        let memory = &mut Memory::new();
        for hash in ["", "password", "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ", "$2b$12$abc"] {
            assert!(matches!(check(b"password", hash, memory), Err(Error::Internal(_))), "{hash}");
        }
    }
}
