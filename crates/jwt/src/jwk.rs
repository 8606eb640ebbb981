//! Keys as JSON (RFC 7517, 7518 §6, 8037 §2), in and out, and their thumbprints (RFC 7638).

mod object;

use std::{borrow::Cow, fmt};

use zeroize::Zeroizing;

use self::object::Object;
use crate::{
    Algorithm, Error, SecretText, SigningKey, VerifyingKey,
    alg::{Curve, Family},
    compact,
    material::{LENGTH, Private, Public, RsaPrivate, SecretBytes, UNCOMPRESSED},
    scan::{self, Kind, Member},
    secret,
};

/// A key as its JSON says it: read and found to be well formed, to be made into a [`SigningKey`] or a [`VerifyingKey`].
///
/// Its algorithm is what `alg` says. Without `alg` that follows from the curve, and an RSA key is taken for RS256, the
/// default of OpenID Connect; [`Jwk::with_algorithm`] says otherwise. Private parts are wiped when it is dropped and not
/// shown by `Debug`.
///
/// ```
/// use countersign_jwt::{Algorithm, Jwk};
///
/// let jwk = Jwk::from_json(
///     r#"{"kty":"OKP","crv":"Ed25519","kid":"2026-11","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
/// )?;
/// assert_eq!(jwk.algorithm(), Some(Algorithm::EdDsa));
/// assert_eq!(jwk.kid(), Some("2026-11"));
/// assert_eq!(jwk.thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
/// # Ok::<(), countersign_jwt::Error>(())
/// ```
pub struct Jwk {
    algorithm: Option<Algorithm>,
    /// The algorithm's name as `alg` has it.
    name: Option<&'static str>,
    kid: Option<String>,
    signs: bool,
    verifies: bool,
    material: Material,
}

enum Material {
    Public(Public),
    Private(Private),
}

impl Jwk {
    /// Reads a key from its JSON.
    ///
    /// Numbers are canonical base64url and as long as RFC 7518 says: coordinates of the length of their curve, integers
    /// without leading zeros. Members that are not known are ignored.
    ///
    /// # Errors
    /// [`Error::KeyMalformed`] with the reason, [`Error::KeyUnsupported`] for a `kty` or `crv` of another trade,
    /// [`Error::AlgorithmUnknown`] for such an `alg`, [`Error::KeyUseMismatch`] for a `use` other than `sig` or `key_ops`
    /// other than `sign` and `verify`.
    ///
    /// ```
    /// use countersign_jwt::{Error, Jwk};
    ///
    /// let jwk = r#"{"kty":"oct","use":"enc","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr8"}"#;
    /// assert_eq!(Jwk::from_json(jwk).unwrap_err(), Error::KeyUseMismatch);
    /// ```
    pub fn from_json(json: &str) -> Result<Self, Error> {
        let mut members = Vec::new();
        scan::object(json, &mut members).map_err(Error::KeyMalformed)?;
        let reader = Members { json, members: &members };

        let material = match &*reader.text("kty")?.ok_or(Error::KeyMalformed("no kty"))? {
            "RSA" => reader.rsa()?,
            kty @ ("EC" | "OKP") => reader.point(kty)?,
            "oct" => Material::Private(Private::Secret(reader.need("k")?)),
            _ => return Err(Error::KeyUnsupported),
        };
        if reader.text("use")?.is_some_and(|usage| usage != "sig") {
            return Err(Error::KeyUseMismatch);
        }
        let (signs, verifies) = reader.operations()?;
        let (mut algorithm, mut name) = (None, None);
        if let Some(alg) = reader.text("alg")? {
            let parsed: Algorithm = alg.parse()?;
            (algorithm, name) = (Some(parsed), parsed.row().named(&alg));
        }
        let kid = reader.text("kid")?.map(Cow::into_owned);
        Ok(Self { algorithm, name, kid, signs, verifies, material })
    }

    /// Returns the algorithm that `alg` says or the kind of key implies; `None` for a shared secret that does not say.
    #[must_use]
    pub fn algorithm(&self) -> Option<Algorithm> {
        let implied = |family: Family| {
            Algorithm::ALL.iter().copied().find(|algorithm| algorithm.row().family == family)
        };
        self.algorithm.or_else(|| match &self.material {
            Material::Public(Public::Rsa { .. }) | Material::Private(Private::Rsa(_)) => {
                implied(Family::RsaPkcs1)
            }
            Material::Public(Public::Point { curve, .. })
            | Material::Private(Private::Scalar { curve, .. }) => implied(match curve {
                Curve::Ed25519 => Family::EdDsa(*curve),
                Curve::P256 | Curve::P384 | Curve::P521 => Family::Ecdsa(*curve),
            }),
            Material::Private(Private::Secret(_)) => None,
        })
    }

    /// Says which algorithm the key is for, where it does not say itself.
    ///
    /// # Errors
    /// [`Error::KeyMismatch`] if it does, and says another.
    ///
    /// ```
    /// use countersign_jwt::{Algorithm, Error, Jwk, VerifyingKey};
    ///
    /// let secret = r#"{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr8"}"#;
    /// let jwk = Jwk::from_json(secret)?;
    /// assert_eq!(VerifyingKey::from_jwk(&jwk).unwrap_err(), Error::KeyAlgorithmMissing);
    /// assert!(VerifyingKey::from_jwk(&jwk.with_algorithm(Algorithm::Hs256)?).is_ok());
    /// # Ok::<(), countersign_jwt::Error>(())
    /// ```
    pub fn with_algorithm(mut self, algorithm: Algorithm) -> Result<Self, Error> {
        if self.algorithm.is_some_and(|own| own != algorithm) {
            return Err(Error::KeyMismatch);
        }
        self.algorithm = Some(algorithm);
        Ok(self)
    }

    /// Returns the key's name, if it has one.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Says whether the key holds what must be kept secret: a private key or a shared secret.
    ///
    /// ```
    /// use countersign_jwt::Jwk;
    ///
    /// let public = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    /// let secret = r#"{"kty":"oct","alg":"HS256","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr8"}"#;
    /// assert!(!Jwk::from_json(public)?.is_private());
    /// assert!(Jwk::from_json(secret)?.is_private());
    /// # Ok::<(), countersign_jwt::Error>(())
    /// ```
    #[must_use]
    pub fn is_private(&self) -> bool {
        matches!(self.material, Material::Private(_))
    }

    /// Returns the thumbprint (RFC 7638) with SHA-256 in base64url: the same for the private key and its public half.
    #[must_use]
    pub fn thumbprint(&self) -> String {
        match &self.material {
            Material::Public(public) => thumbprint(public),
            Material::Private(Private::Secret(secret)) => {
                let mut object = Object::new();
                object.bytes("k", secret);
                object.text("kty", "oct");
                object.digest()
            }
            Material::Private(private) => {
                private.public().as_ref().map(thumbprint).unwrap_or_default()
            }
        }
    }
}

impl fmt::Debug for Jwk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jwk")
            .field("algorithm", &self.algorithm())
            .field("kid", &self.kid)
            .field("is_private", &self.is_private())
            .finish_non_exhaustive()
    }
}

impl SigningKey {
    /// Makes a key from a private JWK, with its `kid` and under the name that its `alg` has.
    ///
    /// # Errors
    /// [`Error::KeyNotPrivate`], [`Error::KeyUseMismatch`] if `key_ops` lack `sign`, [`Error::KeyAlgorithmMissing`] for a
    /// shared secret without `alg`, [`Error::KeyMismatch`] if `alg` is not one of its kind, and the refusals of weak and
    /// wrong keys as for secrets ([`SigningKey::from_secret`]) and key pairs ([`Error::KeyTooSmall`],
    /// [`Error::KeyTooLarge`], [`Error::KeyWeak`], [`Error::KeyInvalid`], [`Error::KeyPairMismatch`]).
    ///
    /// ```
    /// use countersign_jwt::{Jwk, SigningKey};
    ///
    /// let jwk = Jwk::from_json(r#"{"kty":"oct","alg":"HS256","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr8"}"#)?;
    /// let key = SigningKey::from_jwk(&jwk)?.with_derived_kid();
    /// # Ok::<(), countersign_jwt::Error>(())
    /// ```
    pub fn from_jwk(jwk: &Jwk) -> Result<Self, Error> {
        if !jwk.signs {
            return Err(Error::KeyUseMismatch);
        }
        Self::from_private_jwk(jwk)
    }

    fn from_private_jwk(jwk: &Jwk) -> Result<Self, Error> {
        let algorithm = jwk.algorithm().ok_or(Error::KeyAlgorithmMissing)?;
        let private = match &jwk.material {
            Material::Public(_) => return Err(Error::KeyNotPrivate),
            Material::Private(private) => private.clone(),
        };
        if let Private::Secret(secret) = &private {
            secret::check(algorithm, secret)?;
        }
        let mut key = Self::from_private(algorithm, private)?;
        if let Some(name) = jwk.name {
            key = key.with_algorithm_name(name)?;
        }
        Ok(match &jwk.kid {
            Some(kid) => key.with_kid(kid.as_str()),
            None => key,
        })
    }

    /// Writes the private key or the shared secret as a JWK: whoever reads it can sign.
    ///
    /// ```
    /// use countersign_jwt::{Algorithm, Jwk, SigningKey};
    ///
    /// let key = SigningKey::generate(Algorithm::Hs256)?.with_kid("2026-11");
    /// let again = SigningKey::from_jwk(&Jwk::from_json(&key.expose_jwk())?)?;
    /// assert_eq!((again.algorithm(), again.kid()), (Algorithm::Hs256, Some("2026-11")));
    /// # Ok::<(), countersign_jwt::Error>(())
    /// ```
    #[must_use]
    pub fn expose_jwk(&self) -> SecretText {
        let mut object = Object::new();
        match (self.private(), self.public()) {
            (Private::Secret(secret), _) => {
                object.bytes("k", secret);
                object.text("kty", "oct");
            }
            (private, public) => {
                if let Some(public) = public {
                    object.public(public);
                }
                match private {
                    Private::Secret(secret) => object.bytes("k", secret),
                    Private::Scalar { d, .. } => object.bytes("d", d),
                    Private::Rsa(key) => {
                        let RsaPrivate { d, p, q, dp, dq, qi, .. } = &**key;
                        for (name, number) in
                            [("d", d), ("p", p), ("q", q), ("dp", dp), ("dq", dq), ("qi", qi)]
                        {
                            object.bytes(name, number);
                        }
                    }
                }
            }
        }
        object.labels(self.kid(), self.algorithm_name());
        SecretText::new(object.end())
    }
}

impl VerifyingKey {
    /// Makes a key from a JWK, public or private, with its `kid`; of a private key the public half is taken.
    ///
    /// # Errors
    /// As [`SigningKey::from_jwk`], with `key_ops` to have `verify`; a private key may have `sign` only.
    ///
    /// ```
    /// use countersign_jwt::{Jwk, VerifyingKey};
    ///
    /// let jwk = Jwk::from_json(
    ///     r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
    /// )?;
    /// # #[cfg(feature = "asymmetric")]
    /// let key = VerifyingKey::from_jwk(&jwk)?.with_derived_kid();
    /// # Ok::<(), countersign_jwt::Error>(())
    /// ```
    pub fn from_jwk(jwk: &Jwk) -> Result<Self, Error> {
        let public = match &jwk.material {
            Material::Private(private) => {
                let pair = !matches!(private, Private::Secret(_));
                if !(jwk.verifies || (pair && jwk.signs)) {
                    return Err(Error::KeyUseMismatch);
                }
                return SigningKey::from_private_jwk(jwk).map(|key| key.verifying_key());
            }
            Material::Public(public) => public,
        };
        if !jwk.verifies {
            return Err(Error::KeyUseMismatch);
        }
        let algorithm = jwk.algorithm().ok_or(Error::KeyAlgorithmMissing)?;
        let mut key = Self::from_public(algorithm, public.clone())?;
        if let Some(name) = jwk.name {
            key = key.with_algorithm_name(name)?;
        }
        Ok(match &jwk.kid {
            Some(kid) => key.with_kid(kid.as_str()),
            None => key,
        })
    }

    /// Writes the public key as a JWK, with its `kid`, `alg` and `use`.
    ///
    /// # Errors
    /// [`Error::KeyIsSecret`] for a shared secret.
    ///
    #[cfg_attr(feature = "asymmetric", doc = "```")]
    #[cfg_attr(not(feature = "asymmetric"), doc = "```ignore")]
    /// use countersign_jwt::{Algorithm, Error, SigningKey};
    ///
    /// let public = SigningKey::generate(Algorithm::EdDsa)?.verifying_key().to_jwk()?;
    /// assert!(public.contains(r#""crv":"Ed25519""#) && !public.contains(r#""d":"#));
    /// let shared = SigningKey::generate(Algorithm::Hs256)?.verifying_key();
    /// assert_eq!(shared.to_jwk(), Err(Error::KeyIsSecret));
    /// # Ok::<(), countersign_jwt::Error>(())
    /// ```
    pub fn to_jwk(&self) -> Result<String, Error> {
        let public = self.public().ok_or(Error::KeyIsSecret)?;
        let mut object = Object::new();
        object.public(public);
        object.labels(self.kid(), self.algorithm_name());
        Ok(object.end().as_str().to_owned())
    }

    /// Returns the thumbprint (RFC 7638) of a public key with SHA-256 in base64url.
    ///
    /// # Errors
    /// [`Error::KeyIsSecret`] for a shared secret.
    ///
    #[cfg_attr(feature = "asymmetric", doc = "```")]
    #[cfg_attr(not(feature = "asymmetric"), doc = "```ignore")]
    /// use countersign_jwt::{Algorithm, SigningKey};
    ///
    /// let key = SigningKey::generate(Algorithm::Es256)?.with_derived_kid();
    /// assert_eq!(key.verifying_key().thumbprint()?, key.kid().unwrap_or_default());
    /// # Ok::<(), countersign_jwt::Error>(())
    /// ```
    pub fn thumbprint(&self) -> Result<String, Error> {
        self.public().map(thumbprint).ok_or(Error::KeyIsSecret)
    }
}

/// The members that RFC 7638 §3.2 takes, in the order of their names, without blanks.
pub(crate) fn thumbprint(public: &Public) -> String {
    let mut object = Object::new();
    object.public(public);
    object.digest()
}

/// The members of a JWK.
struct Members<'t> {
    json: &'t str,
    members: &'t [Member],
}

impl<'t> Members<'t> {
    fn get(&self, name: &str) -> Option<&'t Member> {
        self.members.iter().find(|member| member.name(self.json) == name)
    }

    fn text(&self, name: &str) -> Result<Option<Cow<'t, str>>, Error> {
        let string = |member: &Member| {
            member.string(self.json).ok_or(Error::KeyMalformed("a member is not a string"))
        };
        self.get(name).map(string).transpose()
    }

    fn bytes(&self, name: &str) -> Result<Option<SecretBytes>, Error> {
        const BASE64URL: Error = Error::KeyMalformed("not canonical base64url");
        let Some(member) = self.get(name) else { return Ok(None) };
        // Nothing in base64url wants escaping, and an unescaped copy would not be wiped.
        if member.kind != Kind::Plain {
            return Err(BASE64URL);
        }
        let text = self.json.get(member.plain()).unwrap_or_default();
        let mut bytes = Zeroizing::new(Vec::new());
        let length = compact::decode(text, &mut bytes).map_err(|_| BASE64URL)?;
        bytes.truncate(length);
        Ok(Some(bytes))
    }

    fn need(&self, name: &str) -> Result<SecretBytes, Error> {
        self.bytes(name)?.ok_or(Error::KeyMalformed("a number is missing"))
    }

    /// An integer in as few bytes as it takes (RFC 7518 §2, Base64urlUInt).
    fn integer(&self, name: &str) -> Result<SecretBytes, Error> {
        let bytes = self.need(name)?;
        match bytes.first() {
            None | Some(0) => Err(Error::KeyMalformed("an integer with leading zeros or none")),
            Some(_) => Ok(bytes),
        }
    }

    fn fixed(&self, name: &str, length: usize) -> Result<SecretBytes, Error> {
        let bytes = self.need(name)?;
        if bytes.len() == length { Ok(bytes) } else { Err(Error::KeyMalformed(LENGTH)) }
    }

    fn rsa(&self) -> Result<Material, Error> {
        let (n, e) = (self.integer("n")?.to_vec(), self.integer("e")?.to_vec());
        if self.get("oth").is_some() {
            return Err(Error::KeyUnsupported);
        }
        if ["d", "p", "q", "dp", "dq", "qi"].iter().all(|name| self.get(name).is_none()) {
            return Ok(Material::Public(Public::Rsa { n, e }));
        }
        Ok(Material::Private(Private::Rsa(Box::new(RsaPrivate {
            n,
            e,
            d: self.integer("d")?,
            p: self.integer("p")?,
            q: self.integer("q")?,
            dp: self.integer("dp")?,
            dq: self.integer("dq")?,
            qi: self.integer("qi")?,
        }))))
    }

    fn point(&self, kty: &str) -> Result<Material, Error> {
        let crv = self.text("crv")?.ok_or(Error::KeyMalformed("no crv"))?;
        let curve = Curve::ALL
            .into_iter()
            .find(|curve| curve.name() == crv && curve.kty() == kty)
            .ok_or(Error::KeyUnsupported)?;
        let x = self.fixed("x", curve.len())?;
        let point = match curve {
            Curve::Ed25519 => x.to_vec(),
            Curve::P256 | Curve::P384 | Curve::P521 => {
                [&[UNCOMPRESSED], x.as_slice(), self.fixed("y", curve.len())?.as_slice()].concat()
            }
        };
        if self.get("d").is_none() {
            return Ok(Material::Public(Public::Point { curve, point }));
        }
        let d = self.fixed("d", curve.len())?;
        Ok(Material::Private(Private::Scalar { curve, d, point: Some(point) }))
    }

    /// Whether the key may sign and verify, as far as `key_ops` goes (RFC 7517 §4.3).
    fn operations(&self) -> Result<(bool, bool), Error> {
        let Some(member) = self.get("key_ops") else { return Ok((true, true)) };
        let operations: Vec<Cow<'_, str>> = serde_json::from_str(member.value(self.json))
            .map_err(|_| Error::KeyMalformed("key_ops is not an array of strings"))?;
        let count = |name: &str| operations.iter().filter(|operation| *operation == name).count();
        let (signs, verifies) = (count("sign"), count("verify"));
        if signs > 1 || verifies > 1 {
            return Err(Error::KeyMalformed("an operation stands twice"));
        }
        if operations.is_empty() || operations.len() > signs + verifies {
            return Err(Error::KeyUseMismatch);
        }
        Ok((signs == 1, verifies == 1))
    }
}
