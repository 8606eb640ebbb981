//! PBKDF2 (RFC 8018 §5.2) as Django writes it: `pbkdf2_sha256$iterations$salt$output`.

use std::num::NonZero;

use aws_lc_rs::pbkdf2::{self, PBKDF2_HMAC_SHA1, PBKDF2_HMAC_SHA256};
use zeroize::Zeroizing;

use super::{MALFORMED, Scheme, TOO_COSTLY, Unsound, Work, after_last_dollar, base64, number};
use crate::{
    Error,
    passwords::{Password, hash::Memory},
};

/// About a second.
const MAX_ITERATIONS: u32 = 4_000_000;

/// The default of every Django since 1.4.
pub(super) static SHA256: Scheme = Scheme {
    name: "django pbkdf2_sha256",
    is_one: |text| text.starts_with("pbkdf2_sha256$"),
    cut: after_last_dollar,
    setting: |text| read(text, Digest::Sha256),
    output: |text| base64(text).filter(|output| output.len() == 32),
};

pub(super) static SHA1: Scheme = Scheme {
    name: "django pbkdf2_sha1",
    is_one: |text| text.starts_with("pbkdf2_sha1$"),
    cut: after_last_dollar,
    setting: |text| read(text, Digest::Sha1),
    output: |text| base64(text).filter(|output| output.len() == 20),
};

#[derive(Clone, Copy)]
enum Digest {
    Sha256,
    Sha1,
}

struct Setting {
    digest: Digest,
    iterations: NonZero<u32>,
    salt: Vec<u8>,
}

fn read(text: &str, digest: Digest) -> Result<Box<dyn Work>, Unsound> {
    let parts: Vec<&str> = text.split('$').collect();
    let [_, iterations, salt, ""] = parts.as_slice() else { return Err(MALFORMED) };
    let iterations = NonZero::new(number(iterations)?).ok_or(MALFORMED)?;
    if salt.is_empty() {
        return Err(MALFORMED);
    }
    if iterations.get() > MAX_ITERATIONS {
        return Err(TOO_COSTLY);
    }
    Ok(Box::new(Setting { digest, iterations, salt: salt.as_bytes().to_vec() }))
}

impl Work for Setting {
    fn output(
        &self,
        password: &Password,
        length: usize,
        _memory: &mut Memory,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let algorithm = match self.digest {
            Digest::Sha256 => PBKDF2_HMAC_SHA256,
            Digest::Sha1 => PBKDF2_HMAC_SHA1,
        };
        let mut output = Zeroizing::new(vec![0; length]);
        let password = password.typed().as_bytes();
        pbkdf2::derive(algorithm, self.iterations, &self.salt, password, &mut output);
        Ok(output)
    }

    fn is_weak(&self) -> bool {
        // OWASP Password Storage Cheat Sheet.
        let sound = match self.digest {
            Digest::Sha256 => 600_000,
            Digest::Sha1 => 1_300_000,
        };
        self.iterations.get() < sound
    }

    fn parameters(&self) -> String {
        format!("{} iterations", self.iterations)
    }
}
