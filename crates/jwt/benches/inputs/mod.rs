//! The inputs: tokens and keys that were used against libraries, and sound ones beside them.

mod claims;
mod form;
mod keys;

use base64_turbo::URL_SAFE_NO_PAD as BASE64URL;
use countersign_jwt::{Algorithm, Clock as _, Jwk, SigningKey, SystemClock};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;

use crate::work::{AUDIENCE, ISSUER, SUBJECT};

/// A row of the table: what it is, and attempts of the same kind.
pub(crate) struct Input {
    pub(crate) name: &'static str,
    pub(crate) needs: Option<Need>,
    /// To be accepted.
    pub(crate) sound: bool,
    pub(crate) attempts: Vec<Attempt>,
}

/// What a library has to be told or given for an input to be one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    Issuer,
    Audience,
    Set,
}

/// A token, the key it is to be verified with, and whether the verifier knows the audience.
pub(crate) struct Attempt {
    pub(crate) key: Key,
    pub(crate) token: String,
    pub(crate) audience: bool,
}

/// What a library makes its key of: a secret for HS256, a JWK for RS256 and ES256, or a JWK set.
#[derive(Clone)]
pub(crate) enum Key {
    Secret(Vec<u8>),
    Rsa(String),
    Ec(String),
    Set(String),
}

/// Good keys, and the present time.
pub(crate) struct Keys {
    now: i64,
    /// As long as jwt-compact's `StrongKey` and HS512 ask.
    secret: [u8; 64],
    rsa: SigningKey,
    ec: SigningKey,
}

const HS256: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

impl Input {
    fn refused(name: &'static str, attempts: impl IntoIterator<Item = Attempt>) -> Self {
        Self { name, needs: None, sound: false, attempts: attempts.into_iter().collect() }
    }

    fn sound(name: &'static str, attempt: Attempt) -> Self {
        Self { name, needs: None, sound: true, attempts: vec![attempt] }
    }

    fn needs(mut self, need: Need) -> Self {
        self.needs = Some(need);
        self
    }
}

impl Attempt {
    fn new(key: impl Into<Key>, token: impl Into<String>) -> Self {
        Self { key: key.into(), token: token.into(), audience: true }
    }

    fn without_audience(mut self) -> Self {
        self.audience = false;
        self
    }
}

impl From<&[u8]> for Key {
    fn from(secret: &[u8]) -> Self {
        Self::Secret(secret.to_vec())
    }
}

impl Keys {
    pub(crate) fn new() -> Self {
        let mut secret = [0; 64];
        for (at, byte) in (0..).zip(&mut secret) {
            *byte = 0x80 ^ (at * 37);
        }
        Self {
            now: SystemClock.now().seconds(),
            secret,
            rsa: SigningKey::generate(Algorithm::Rs256).expect("a key"),
            ec: SigningKey::generate(Algorithm::Es256).expect("a key"),
        }
    }

    /// What every library has to accept before its refusals count.
    pub(crate) fn controls(&self) -> Vec<Input> {
        let by_rsa = sign(&self.rsa, r#"{"alg":"RS256","typ":"JWT"}"#, &self.payload());
        let by_ec = sign(&self.ec, r#"{"alg":"ES256","typ":"JWT"}"#, &self.payload());
        vec![
            Input::sound("HS256", self.hs256(HS256, self.payload())),
            Input::sound("RS256", Attempt::new(self.rsa(), by_rsa)),
            Input::sound("ES256", Attempt::new(self.ec(), by_ec)),
        ]
    }

    /// All rows, in the order of the table.
    pub(crate) fn inputs(&self) -> Vec<Input> {
        [self.algorithms(), self.keys(), self.claims(), self.forms(), self.sound()]
            .into_iter()
            .flatten()
            .collect()
    }

    /// A token signed with the secret, to be verified with it.
    fn hs256(&self, header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> Attempt {
        Attempt::new(&self.secret[..], mac(&self.secret, header, payload))
    }

    fn rsa(&self) -> Key {
        Key::Rsa(public_jwk(&self.rsa).to_string())
    }

    fn ec(&self) -> Key {
        Key::Ec(public_jwk(&self.ec).to_string())
    }

    /// A good payload.
    fn payload(&self) -> String {
        self.payload_with("", "")
    }

    /// A good payload with one claim of this JSON, or without it if that is empty.
    fn payload_with(&self, name: &str, json: &str) -> String {
        let quoted = |text: &str| format!("\"{text}\"");
        let mut claims = vec![
            ("iss", quoted(ISSUER)),
            ("sub", quoted(SUBJECT)),
            ("aud", quoted(AUDIENCE)),
            ("iat", (self.now - 5).to_string()),
            ("nbf", (self.now - 5).to_string()),
            ("exp", (self.now + 3600).to_string()),
            ("role", quoted("user")),
        ];
        claims.retain(|claim| claim.0 != name);
        if !json.is_empty() {
            claims.push((name, json.to_owned()));
        }
        let members: Vec<_> =
            claims.iter().map(|(name, json)| format!("\"{name}\":{json}")).collect();
        format!("{{{}}}", members.join(","))
    }
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64URL.encode(bytes)
}

fn decode(text: &str) -> Vec<u8> {
    BASE64URL.decode(text).expect("base64url of our own")
}

/// A token of any header and payload with HMAC-SHA-256.
fn mac(secret: &[u8], header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
    let signed = format!("{}.{}", encode(header), encode(payload));
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("a secret of any length");
    mac.update(signed.as_bytes());
    format!("{signed}.{}", encode(mac.finalize().into_bytes()))
}

/// A token of any header and payload, signed with RS256 or ES256.
fn sign(key: &SigningKey, header: &str, payload: &str) -> String {
    use jwt_compact::{Algorithm as _, AlgorithmSignature as _, alg, jwk::JsonWebKey};
    let signed = format!("{}.{}", encode(header), encode(payload));
    let private = key.expose_jwk();
    let jwk: JsonWebKey<'_> = serde_json::from_str(&private).expect("a JWK");
    let signature = if key.algorithm() == Algorithm::Es256 {
        type EcKey = <alg::Es256 as jwt_compact::Algorithm>::SigningKey;
        let key = EcKey::try_from(&jwk).expect("a private key");
        alg::Es256.sign(&key, signed.as_bytes()).as_bytes().into_owned()
    } else {
        sign_rsa(&jwk, &signed)
    };
    format!("{signed}.{}", encode(signature))
}

/// A signature with RS256, by keys that nothing should accept too.
fn sign_rsa(jwk: &jwt_compact::jwk::JsonWebKey<'_>, signed: &str) -> Vec<u8> {
    use jwt_compact::{Algorithm as _, AlgorithmSignature as _, alg};
    let key = alg::RsaPrivateKey::try_from(jwk).expect("a private key");
    alg::Rsa::rs256().sign(&key, signed.as_bytes()).as_bytes().into_owned()
}

fn public_jwk(key: &SigningKey) -> Value {
    serde_json::from_str(&key.verifying_key().to_jwk().expect("a key pair")).expect("JSON")
}

/// The same JSON with a member of this value.
fn with(json: &Value, name: &str, value: impl Into<Value>) -> Value {
    let mut json = json.clone();
    json[name] = value.into();
    json
}

/// Says that a key reads as what it is meant to be, so that its row tests what it names.
fn assert_jwk(jwk: &Value) {
    assert!(Jwk::from_json(&jwk.to_string()).is_ok(), "{jwk}");
}
