//! scrypt (RFC 7914) as Better Auth, Firebase and Django write it.

use aws_lc_rs::{
    cipher::{AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey},
    iv::FixedLength,
};
use scrypt::Params;
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
    secret::unhex,
};

/// KiB filled and read over: 512 MiB, about half a second.
const MAX_COST: u64 = 512 * 1024;
const BETTER_AUTH_OUTPUT: usize = 64;

/// Better Auth: `salt:output` in hex, N = 16384, r = 16, p = 1, of the password in NFKC. The salt is its hex digits, not
/// the bytes they stand for.
pub(super) static BETTER_AUTH: Scheme = Scheme {
    name: "better-auth scrypt",
    is_one: |text| {
        let (salt, output) = text.split_once(':').unwrap_or_default();
        is_hex(salt) && salt.len() == 32 && (output.is_empty() || is_hex(output))
    },
    cut: |text| text.find(':').map(|at| at + 1),
    setting: |text| {
        let salt = text.strip_suffix(':').ok_or(MALFORMED)?;
        let setting = Setting::new(14, 16, 1, salt.as_bytes().to_vec())?;
        Ok(Box::new(Setting { normal: true, ..setting }))
    },
    output: |text| {
        let output = unhex(text.as_bytes())?;
        (output.len() == BETTER_AUTH_OUTPUT).then(|| output.to_vec())
    },
};

/// Firebase: scrypt makes a key, with which the project's signer key is encrypted. Written as Supabase writes imports of
/// it: `$fbscrypt$v=1,n=14,r=8,p=1,ss=…,sk=…$salt$output`.
pub(super) static FIREBASE: Scheme = Scheme {
    name: "firebase scrypt",
    is_one: |text| text.starts_with("$fbscrypt$"),
    cut: after_last_dollar,
    setting: firebase,
    output: |text| base64(text).filter(|output| !output.is_empty()),
};

/// Django's `ScryptPasswordHasher`: `scrypt$N$salt$r$p$output`.
pub(super) static DJANGO: Scheme = Scheme {
    name: "django scrypt",
    is_one: |text| text.starts_with("scrypt$"),
    cut: after_last_dollar,
    setting: django,
    output: |text| base64(text).filter(|output| output.len() == BETTER_AUTH_OUTPUT),
};

struct Setting {
    params: Params,
    salt: Vec<u8>,
    /// Whether the password is taken in its normal form.
    normal: bool,
    /// What is encrypted with the output, where the output itself is not the hash.
    signer_key: Option<Zeroizing<Vec<u8>>>,
}

fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// `ss` and `sk` are the salt separator and the signer key of the project, `n` and `r` its memory cost and rounds.
fn firebase(text: &str) -> Result<Box<dyn Work>, Unsound> {
    let parts: Vec<&str> = text.split('$').collect();
    let ["", "fbscrypt", params, salt, ""] = parts.as_slice() else { return Err(MALFORMED) };
    let params: Vec<_> = params.split(',').map(|one| one.split_once('=')).collect();
    let [
        Some(("v", "1")),
        Some(("n", log_n)),
        Some(("r", r)),
        Some(("p", p)),
        Some(("ss", separator)),
        Some(("sk", signer_key)),
    ] = params.as_slice()
    else {
        return Err(MALFORMED);
    };
    let mut salt = base64(salt).ok_or(MALFORMED)?;
    salt.extend(base64(separator).ok_or(MALFORMED)?);
    let signer_key = base64(signer_key).filter(|key| (16..=128).contains(&key.len()));
    let signer_key = Some(Zeroizing::new(signer_key.ok_or(MALFORMED)?));
    let setting = Setting::new(number(log_n)?, number(r)?, number(p)?, salt)?;
    Ok(Box::new(Setting { signer_key, ..setting }))
}

fn django(text: &str) -> Result<Box<dyn Work>, Unsound> {
    let parts: Vec<&str> = text.split('$').collect();
    let ["scrypt", n, salt, r, p, ""] = parts.as_slice() else { return Err(MALFORMED) };
    let n = number(n)?;
    if !n.is_power_of_two() || salt.is_empty() {
        return Err(MALFORMED);
    }
    Ok(Box::new(Setting::new(n.ilog2(), number(r)?, number(p)?, salt.as_bytes().to_vec())?))
}

impl Setting {
    fn new(log_n: u32, r: u32, p: u32, salt: Vec<u8>) -> Result<Self, Unsound> {
        if !(1..=20).contains(&log_n) || r > 64 || p > 64 {
            return Err(if log_n == 0 { MALFORMED } else { TOO_COSTLY });
        }
        let log_n = u8::try_from(log_n).map_err(|_| MALFORMED)?;
        let params = Params::new(log_n, r, p).map_err(|_| MALFORMED)?;
        if memory(&params) > MAX_MEMORY || cost(&params) > MAX_COST {
            return Err(TOO_COSTLY);
        }
        Ok(Self { params, salt, normal: false, signer_key: None })
    }
}

/// KiB of memory that it fills.
fn memory(params: &Params) -> u64 {
    params.n() * u64::from(params.r()) / 8
}

/// What a guess costs, as for Argon2: the memory, over all passes. It is written once and read once.
fn cost(params: &Params) -> u64 {
    memory(params) * 2 * u64::from(params.p())
}

impl Work for Setting {
    fn output(
        &self,
        password: &Password,
        length: usize,
        _memory: &mut Memory,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let password = if self.normal { password.normal() } else { password.typed() };
        let length = if self.signer_key.is_some() { 32 } else { length };
        let mut output = Zeroizing::new(vec![0; length]);
        scrypt::scrypt(password.as_bytes(), &self.salt, &self.params, &mut output)
            .map_err(refuse)?;
        match &self.signer_key {
            Some(signer_key) => encrypt(&output, signer_key),
            None => Ok(output),
        }
    }

    fn is_weak(&self) -> bool {
        cost(&self.params) < hash::cost(&hash::PARAMS)
    }

    fn parameters(&self) -> String {
        format!("N={},r={},p={}", self.params.n(), self.params.r(), self.params.p())
    }
}

/// AES-256 in counter mode from zero: each key encrypts one text, so that no counter is used twice for two.
fn encrypt(key: &[u8], text: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
    let mut text = Zeroizing::new(text.to_vec());
    let start = EncryptionContext::Iv128(FixedLength::from([0; 16]));
    let key = UnboundCipherKey::new(&AES_256, key).and_then(EncryptingKey::ctr);
    key.and_then(|key| key.less_safe_encrypt(&mut text, start)).map_err(refuse)?;
    Ok(text)
}
