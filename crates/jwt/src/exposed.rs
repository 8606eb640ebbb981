//! Private keys on their way out.

use std::{fmt, ops::Deref};

use zeroize::Zeroizing;

/// A private key as text, PEM or JWK, which is wiped from memory when dropped and not shown by `Debug`.
///
/// It derefs to `str`; copies made of that are the caller's to wipe.
///
/// ```
/// use countersign_jwt::{Algorithm, SigningKey};
///
/// let jwk = SigningKey::generate(Algorithm::Hs256)?.expose_jwk();
/// assert!(jwk.contains(r#""kty":"oct""#));
/// assert_eq!(format!("{jwk:?}"), "SecretText { .. }");
/// # Ok::<(), countersign_jwt::Error>(())
/// ```
#[derive(Clone)]
pub struct SecretText(Zeroizing<String>);

/// A private key as DER, which is wiped from memory when dropped and not shown by `Debug`.
///
/// It derefs to `[u8]`; copies made of that are the caller's to wipe.
///
#[cfg_attr(feature = "asymmetric", doc = "```")]
#[cfg_attr(not(feature = "asymmetric"), doc = "```ignore")]
/// use countersign_jwt::{Algorithm, SigningKey};
///
/// let der = SigningKey::generate(Algorithm::EdDsa)?.expose_pkcs8_der()?;
/// assert_eq!(der.first(), Some(&0x30));
/// assert_eq!(format!("{der:?}"), "SecretDer { .. }");
/// # Ok::<(), countersign_jwt::Error>(())
/// ```
#[derive(Clone)]
pub struct SecretDer(Zeroizing<Vec<u8>>);

impl SecretText {
    pub(crate) fn new(text: Zeroizing<String>) -> Self {
        Self(text)
    }
}

impl SecretDer {
    #[cfg(feature = "asymmetric")]
    pub(crate) fn new(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }
}

impl Deref for SecretText {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Deref for SecretDer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretText").finish_non_exhaustive()
    }
}

impl fmt::Debug for SecretDer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretDer").finish_non_exhaustive()
    }
}
