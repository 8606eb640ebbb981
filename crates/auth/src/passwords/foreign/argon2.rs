//! Argon2 of any kind and parameters (RFC 9106), as a PHC string: argon2-cffi, pwdlib, passlib, and Django after the
//! importer has taken its prefix away.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use zeroize::Zeroizing;

use super::{
    MALFORMED, MAX_MEMORY, Scheme, TOO_COSTLY, Unsound, Work, after_last_dollar, base64, number,
};
use crate::{
    Error,
    passwords::{
        Password,
        hash::{self, Memory, refuse},
    },
};

/// KiB filled over all passes: 1 GiB, about half a second.
const MAX_COST: u64 = 1024 * 1024;

pub(super) static ARGON2: Scheme = Scheme {
    name: "argon2",
    is_one: |text| text.starts_with("$argon2"),
    cut: after_last_dollar,
    setting,
    output: |text| base64(text).filter(|output| (16..=64).contains(&output.len())),
};

struct Setting {
    algorithm: Algorithm,
    version: Version,
    params: Params,
    salt: Vec<u8>,
}

/// `$argon2id$v=19$m=65536,t=3,p=4$salt$`; without a version it is the one before RFC 9106.
fn setting(text: &str) -> Result<Box<dyn Work>, Unsound> {
    let parts: Vec<&str> = text.split('$').collect();
    let (algorithm, version, params, salt) = match parts.as_slice() {
        ["", algorithm, "v=19", params, salt, ""] => (algorithm, Version::V0x13, params, salt),
        ["", algorithm, "v=16", params, salt, ""] | ["", algorithm, params, salt, ""] => {
            (algorithm, Version::V0x10, params, salt)
        }
        _ => return Err(MALFORMED),
    };
    let algorithm = match *algorithm {
        "argon2id" => Algorithm::Argon2id,
        "argon2i" => Algorithm::Argon2i,
        "argon2d" => Algorithm::Argon2d,
        _ => return Err(MALFORMED),
    };
    let params: Vec<_> = params.split(',').map(|one| one.split_once('=')).collect();
    let [Some(("m", m)), Some(("t", t)), Some(("p", p))] = params.as_slice() else {
        return Err(MALFORMED);
    };
    let params = Params::new(number(m)?, number(t)?, number(p)?, None).map_err(|_| MALFORMED)?;
    if u64::from(params.m_cost()) > MAX_MEMORY || hash::cost(&params) > MAX_COST {
        return Err(TOO_COSTLY);
    }
    let salt = base64(salt).filter(|salt| (8..=64).contains(&salt.len())).ok_or(MALFORMED)?;
    Ok(Box::new(Setting { algorithm, version, params, salt }))
}

impl Work for Setting {
    fn output(
        &self,
        password: &Password,
        length: usize,
        memory: &mut Memory,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let blocks = self.params.block_count();
        if memory.len() < blocks {
            memory.resize(blocks, Block::new());
        }
        let memory = memory.get_mut(..blocks).unwrap_or_default();
        let mut output = Zeroizing::new(vec![0; length]);
        Argon2::new(self.algorithm, self.version, self.params.clone())
            .hash_password_into_with_memory(
                password.typed().as_bytes(),
                &self.salt,
                &mut output,
                memory,
            )
            .map_err(refuse)?;
        Ok(output)
    }

    fn is_weak(&self) -> bool {
        // RFC 9106 §7.3: Argon2i wants three passes at least.
        let few_passes = matches!(self.algorithm, Algorithm::Argon2i) && self.params.t_cost() < 3;
        few_passes || hash::cost(&self.params) < hash::cost(&hash::PARAMS)
    }

    fn parameters(&self) -> String {
        let (m, t, p) = (self.params.m_cost(), self.params.t_cost(), self.params.p_cost());
        format!("{} m={m},t={t},p={p}", self.algorithm.as_str())
    }
}
