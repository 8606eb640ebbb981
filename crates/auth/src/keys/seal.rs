use std::{fmt, path::Path};

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use zeroize::Zeroizing;

use super::weakness;
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
    /// Those that the settings name. A weak one is good for nothing but to be the one before.
    pub(crate) fn read(keys: &config::Keys) -> Result<Self, Error> {
        let current = match (&keys.master_key_file, &keys.master_key) {
            (Some(_), Some(_)) => {
                return Err(Error::Configuration(
                    "keys.master_key and keys.master_key_file are both set: one of them is enough"
                        .to_owned(),
                ));
            }
            (Some(path), None) => Some(Material::read("keys.master_key_file", path)?),
            (None, Some(text)) => Some(Material::of_setting(text.expose())?),
            (None, None) => None,
        };
        if let Some(why) = current.as_ref().and_then(|material| material.weak) {
            let place = match &keys.master_key_file {
                Some(path) => format!("keys.master_key_file: {}", path.display()),
                None => "keys.master_key".to_owned(),
            };
            return Err(Error::Configuration(format!(
                "{place}: the master key is weak: {why}; {STRONGER}"
            )));
        }
        let previous = keys.previous_master_key_file.as_deref();
        let previous = previous
            .map(|path| Material::read("keys.previous_master_key_file", path))
            .transpose()?;
        let key = |material: Option<Material>| material.map(|material| material.key).transpose();
        Ok(Self { current: key(current)?, previous: key(previous)? })
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

/// What to do about a weak master key.
pub(crate) const STRONGER: &str = "make one with: openssl rand -hex 32; where keys lie under this one already, name it in \
     keys.previous_master_key_file until the next start has sealed them anew";

/// A text in the clear, and its new sealed form where it needs one.
pub(crate) type Opened = (Zeroizing<Vec<u8>>, Option<Vec<u8>>);

/// A master key as it was found, and why it can be guessed, if it can.
pub(crate) struct Material {
    key: Result<MasterKey, Error>,
    pub(crate) weak: Option<&'static str>,
}

impl Material {
    /// Reads the file of this setting: 32 bytes as they are, or as 64 hex digits.
    pub(crate) fn read(setting: &str, path: &Path) -> Result<Self, Error> {
        let refuse = |why: &str| {
            Error::Configuration(format!(
                "{setting}: the master key file {}: {why}",
                path.display()
            ))
        };
        let text = Zeroizing::new(std::fs::read(path).map_err(|error| refuse(&error.to_string()))?);
        let material = match text.len() {
            KEY_LEN => Some(Self::new(&text, weakness(&text))),
            _ => Self::from_hex(&text),
        };
        material
            .ok_or_else(|| refuse("it must hold 32 random bytes, as they are or as 64 hex digits"))
    }

    /// Reads the 64 hex digits of `keys.master_key`.
    pub(crate) fn of_setting(text: &str) -> Result<Self, Error> {
        Self::from_hex(text.as_bytes()).ok_or_else(|| {
            Error::Configuration(
                "keys.master_key: it must be 32 random bytes as 64 hex digits".to_owned(),
            )
        })
    }

    fn from_hex(text: &[u8]) -> Option<Self> {
        let digits = text.trim_ascii();
        let key = unhex(digits).filter(|key| key.len() == KEY_LEN)?;
        // What has a pattern in its digits may have none in its bytes.
        let weak = weakness(&key).or_else(|| weakness(digits));
        Some(Self::new(&key, weak))
    }

    fn new(key: &[u8], weak: Option<&'static str>) -> Self {
        let key = RandomizedNonceKey::new(&AES_256_GCM, key).map(MasterKey);
        Self { key: key.map_err(|_| Error::internal("a master key that is none")), weak }
    }
}

impl MasterKey {
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

    /// 32 bytes in which nothing stands out, and the same as digits.
    fn good() -> (Vec<u8>, String) {
        let digits = crate::testing::master_key(1);
        (unhex(digits.as_bytes()).expect("digits").to_vec(), digits)
    }

    fn sealed_under_good() -> Vec<u8> {
        let master = MasterKey(RandomizedNonceKey::new(&AES_256_GCM, &good().0).expect("a key"));
        master.seal(b"x", "c").expect("sealed")
    }

    #[test]
    fn a_master_key_that_is_a_setting_is_64_hex_digits() {
        let (sealed, (_, digits)) = (sealed_under_good(), good());
        let mut keys = config::Config::default().keys;
        for text in [digits.clone(), format!("{}\n", digits.to_uppercase())] {
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
        keys.master_key = Some(digits.into());
        keys.master_key_file = Some("/nowhere".into());
        assert!(Masters::read(&keys).expect_err("refused").to_string().contains("both"));
    }

    #[test]
    fn a_master_key_is_read_as_bytes_or_as_hex() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("master");
        let (sealed, (bytes, digits)) = (sealed_under_good(), good());
        let mut keys = config::Config::default().keys;
        keys.master_key_file = Some(path.clone());
        for text in [bytes, digits.clone().into_bytes(), format!("{digits}\n").into_bytes()] {
            std::fs::write(&path, text).expect("written");
            let masters = Masters::read(&keys).expect("read");
            assert!(masters.open(&Zeroizing::new(sealed.clone()), true, "c").is_ok());
        }
        for text in [&b""[..], &[0xab; 31], &[0xab; 33], "zz".repeat(32).as_bytes()] {
            std::fs::write(&path, text).expect("written");
            let refused = Masters::read(&keys).expect_err("refused").to_string();
            assert!(refused.starts_with("keys.master_key_file: "), "{refused}");
        }
    }

    #[test]
    fn a_weak_master_key_is_refused_and_may_still_be_the_one_before() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("master");
        let counting: Vec<u8> = (0xa0..0xc0).collect();
        let digits = crate::secret::hex(&counting).into_bytes();
        for text in [
            "0".repeat(64).into_bytes(),
            vec![7; 32],
            "ab".repeat(32).into_bytes(),
            "0123456789abcdef".repeat(4).into_bytes(),
            "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7".into(),
            b"changeme-changeme-changeme-chang".to_vec(),
            counting,
            digits,
        ] {
            std::fs::write(&path, &text).expect("written");
            let mut keys = config::Config::default().keys;
            keys.master_key_file = Some(path.clone());
            let refused = Masters::read(&keys).expect_err("refused").to_string();
            assert!(refused.contains("weak") && refused.contains("openssl rand"), "{refused}");
            keys.master_key_file = None;
            if let Ok(text) = String::from_utf8(text)
                .map_err(drop)
                .and_then(|text| if text.len() == 64 { Ok(text) } else { Err(()) })
            {
                keys.master_key = Some(text.clone().into());
                let refused = Masters::read(&keys).expect_err("refused").to_string();
                assert!(refused.starts_with("keys.master_key: ") && !refused.contains(&text));
            }
            keys.master_key = Some(good().1.into());
            keys.previous_master_key_file = Some(path.clone());
            assert!(Masters::read(&keys).is_ok(), "the way out");
        }
    }
}
