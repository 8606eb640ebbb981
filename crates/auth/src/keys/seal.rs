use std::{fmt, path::Path};

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use zeroize::Zeroizing;

use crate::{Error, config, secret::unhex};

const KEY_LEN: usize = 32;
const NONCE_LEN: usize = aws_lc_rs::aead::NONCE_LEN;

/// The key under which other keys lie encrypted: AES-256-GCM with a random nonce for each.
pub(crate) struct MasterKey(RandomizedNonceKey);

/// The master key of today, and the one before it.
#[derive(Debug, Default)]
pub(crate) struct Masters {
    current: Option<MasterKey>,
    previous: Option<MasterKey>,
}

impl Masters {
    /// Those that the settings name.
    pub(crate) fn read(keys: &config::Keys) -> Result<Self, Error> {
        let current = match (&keys.master_key_file, &keys.master_key) {
            (Some(_), Some(_)) => {
                return Err(Error::Configuration(
                    "keys.master_key and keys.master_key_file are both set: one of them is enough"
                        .to_owned(),
                ));
            }
            (Some(path), None) => Some(MasterKey::read(path)?),
            (None, Some(text)) => Some(MasterKey::from_hex(text.expose())?),
            (None, None) => None,
        };
        let previous = keys.previous_master_key_file.as_deref().map(MasterKey::read).transpose()?;
        Ok(Self { current, previous })
    }

    pub(crate) fn is_set(&self) -> bool {
        self.current.is_some()
    }

    /// The sealed form of a text; `None` without a master key, where it stays as it is.
    pub(crate) fn seal(&self, plain: &[u8], context: &str) -> Result<Option<Vec<u8>>, Error> {
        self.current.as_ref().map(|master| master.seal(plain, context)).transpose()
    }

    /// What was stored, in the clear, and its new sealed form where it has to be sealed, or sealed anew.
    pub(crate) fn open(
        &self,
        stored: &Zeroizing<Vec<u8>>,
        sealed: bool,
        context: &str,
    ) -> Result<Opened, &'static str> {
        let again = |plain: &[u8]| {
            self.seal(plain, context).map_err(|_| "it could not be sealed under the master key")
        };
        if !sealed {
            return Ok((stored.clone(), again(stored)?));
        }
        let Some(current) = &self.current else {
            return Err(
                "it is sealed; set keys.master_key_file or keys.master_key to its master key",
            );
        };
        if let Some(plain) = current.open(stored, context) {
            return Ok((plain, None));
        }
        match self.previous.as_ref().map(|previous| previous.open(stored, context)) {
            Some(Some(plain)) => {
                let again = again(&plain)?;
                Ok((plain, again))
            }
            Some(None) => Err("it was sealed under another master key than these two"),
            None => Err(
                "it was sealed under another master key than this one: to change the master key, name the \
                         one before in keys.previous_master_key_file",
            ),
        }
    }
}

/// A text in the clear, and its new sealed form where it needs one.
pub(crate) type Opened = (Zeroizing<Vec<u8>>, Option<Vec<u8>>);

impl MasterKey {
    /// Reads a master key: 32 bytes as they are, or as 64 hex digits.
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let refuse = |why: &str| {
            Error::Configuration(format!("the master key file {}: {why}", path.display()))
        };
        let text = Zeroizing::new(std::fs::read(path).map_err(|error| refuse(&error.to_string()))?);
        let key = match text.len() {
            KEY_LEN => text,
            _ => unhex(text.trim_ascii()).filter(|key| key.len() == KEY_LEN).ok_or_else(|| {
                refuse("it must hold 32 random bytes, as they are or as 64 hex digits")
            })?,
        };
        RandomizedNonceKey::new(&AES_256_GCM, &key).map(Self).map_err(|_| refuse("it is not a key"))
    }

    /// Reads a master key from its 64 hex digits.
    fn from_hex(text: &str) -> Result<Self, Error> {
        let key = unhex(text.trim().as_bytes()).filter(|key| key.len() == KEY_LEN);
        let key = key.and_then(|key| RandomizedNonceKey::new(&AES_256_GCM, &key).ok());
        let refuse = || {
            Error::Configuration(
                "keys.master_key: it must be 32 random bytes as 64 hex digits".to_owned(),
            )
        };
        key.map(Self).ok_or_else(refuse)
    }

    /// Encrypts and binds to a context: nonce, ciphertext and tag in one.
    pub(crate) fn seal(&self, plain: &[u8], context: &str) -> Result<Vec<u8>, Error> {
        let mut text = plain.to_vec();
        let nonce = self
            .0
            .seal_in_place_append_tag(Aad::from(context), &mut text)
            .map_err(|_| Error::internal("a key could not be sealed"))?;
        Ok([nonce.as_ref().as_slice(), &text].concat())
    }

    /// Decrypts; `None` when the key, the context or a bit is another.
    pub(crate) fn open(&self, sealed: &[u8], context: &str) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, text) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut text = Zeroizing::new(text.to_vec());
        let plain = self.0.open_in_place(nonce, Aad::from(context), &mut text).ok()?.len();
        text.truncate(plain);
        Some(text)
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn master(fill: u8) -> MasterKey {
        MasterKey(RandomizedNonceKey::new(&AES_256_GCM, &[fill; KEY_LEN]).expect("a key"))
    }

    #[test]
    fn what_is_sealed_opens_under_its_key_and_context_only() {
        let sealed = master(1).seal(b"the secret", "key a").expect("sealed");
        assert_eq!(
            master(1).open(&sealed, "key a").as_deref().map(Vec::as_slice),
            Some(&b"the secret"[..])
        );
        assert_eq!(master(2).open(&sealed, "key a"), None);
        assert_eq!(master(1).open(&sealed, "key b"), None);
        for place in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert_eq!(master(1).open(&changed, "key a"), None, "byte {place}");
        }
        for length in 0..sealed.len() {
            assert_eq!(master(1).open(&sealed[..length], "key a"), None);
        }
        assert_ne!(sealed, master(1).seal(b"the secret", "key a").expect("sealed"));
    }

    #[test]
    fn a_master_key_that_is_a_setting_is_64_hex_digits() {
        let sealed = master(0xab).seal(b"x", "c").expect("sealed");
        let mut keys = config::Config::default().keys;
        for text in ["ab".repeat(32), format!("{}\n", "AB".repeat(32))] {
            keys.master_key = Some(text.into());
            let masters = Masters::read(&keys).expect("read");
            let opened = masters.open(&Zeroizing::new(sealed.clone()), true, "c").expect("opened");
            assert_eq!((opened.0.as_slice(), opened.1), (&b"x"[..], None));
        }
        for text in ["", "ab", &"ab".repeat(31), &"zz".repeat(32), &"ab".repeat(33)] {
            keys.master_key = Some(text.to_owned().into());
            let refused = Masters::read(&keys).expect_err("refused").to_string();
            assert!(text.is_empty() || !refused.contains(text), "{refused}");
        }
        keys.master_key = Some("ab".repeat(32).into());
        keys.master_key_file = Some("/nowhere".into());
        assert!(Masters::read(&keys).expect_err("refused").to_string().contains("both"));
    }

    #[test]
    fn a_master_key_is_read_as_bytes_or_as_hex() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("master");
        let sealed = master(0xab).seal(b"x", "c").expect("sealed");
        for text in [
            vec![0xab; 32],
            "ab".repeat(32).into_bytes(),
            format!("{}\n", "AB".repeat(32)).into_bytes(),
        ] {
            std::fs::write(&path, text).expect("written");
            let key = MasterKey::read(&path).expect("read");
            assert!(key.open(&sealed, "c").is_some());
        }
        for text in [&b""[..], &[0xab; 31], &[0xab; 33], "zz".repeat(32).as_bytes()] {
            std::fs::write(&path, text).expect("written");
            assert!(MasterKey::read(&path).is_err());
        }
    }
}
