//! Who chooses the algorithm, and what may be a key.

use countersign_jwt::{Algorithm, SigningKey};
use jwt_compact::jwk::JsonWebKey;
use serde_json::{Value, json};

use super::{
    Attempt, HS256, Input, Key, Keys, Need, encode, mac, public_jwk, sign, sign_rsa, with,
};

const RS256: &str = r#"{"alg":"RS256","typ":"JWT"}"#;
const ES256: &str = r#"{"alg":"ES256","typ":"JWT"}"#;

impl Keys {
    /// Tokens that say how they want to be verified.
    pub(super) fn algorithms(&self) -> Vec<Input> {
        let unsigned = |alg: &str| {
            let header = encode(format!(r#"{{"alg":"{alg}","typ":"JWT"}}"#));
            let token = format!("{header}.{}.", encode(self.payload()));
            [Key::from(&self.secret[..]), self.rsa(), self.ec()]
                .map(|key| Attempt::new(key, token.clone()))
        };
        let confused = |algorithm: &SigningKey, key: Key| {
            forms_of(algorithm)
                .into_iter()
                .map(|form| Attempt::new(key.clone(), mac(&form, HS256, self.payload())))
                .collect::<Vec<_>>()
        };
        let hs512 = SigningKey::from_secret(Algorithm::Hs512, &self.secret).expect("a secret");
        let ps256 = SigningKey::from_pem(
            Algorithm::Ps256,
            &self.rsa.expose_pkcs8_pem().expect("a key pair"),
        );
        let own = |key: &SigningKey| {
            use crate::work::{AUDIENCE, ISSUER, LIFETIME, SUBJECT};
            let claims = countersign_jwt::Claims::new(json!({"role": "user", "nbf": self.now - 5}));
            let claims = claims.issuer(ISSUER).subject(SUBJECT).audience(AUDIENCE);
            key.sign(&claims.expires_in(LIFETIME)).expect("good claims")
        };
        let (signed, _) = own(&hs512)
            .rsplit_once('.')
            .map_or_else(Default::default, |(a, b)| (a.to_owned(), b.to_owned()));
        let good = mac(&self.secret, HS256, self.payload());
        let (good, _) = good.rsplit_once('.').expect("a token");
        vec![
            Input::refused("`alg` `none`, no signature", unsigned("none")),
            Input::refused(
                "`alg` `None`, `NONE`, `nOnE`, `none ` or empty, no signature",
                ["None", "NONE", "nOnE", "none ", ""].into_iter().flat_map(unsigned),
            ),
            Input::refused("an unknown `alg`, no signature", unsigned("foo")),
            Input::refused(
                "the right `alg`, signature empty or missing",
                [format!("{good}."), good.to_owned()]
                    .map(|token| Attempt::new(&self.secret[..], token)),
            ),
            Input::refused(
                "HS256 keyed with the PEM, DER or JWK of the verifier's RSA key",
                confused(&self.rsa, self.rsa()),
            ),
            Input::refused(
                "HS256 keyed with the PEM, DER or JWK of the verifier's P-256 key",
                confused(&self.ec, self.ec()),
            ),
            Input::refused(
                "HS512 with the secret of the HS256 verifier",
                [
                    Attempt::new(&self.secret[..], own(&hs512)),
                    Attempt::new(&self.secret[..], format!("{signed}.")),
                ],
            ),
            Input::refused(
                "PS256 with the key of the RS256 verifier",
                [Attempt::new(self.rsa(), own(&ps256.expect("the same key")))],
            ),
            Input::refused("ES256 signature in DER in place of r and s", [self.der_signature()]),
            Input::refused(
                "ES256 signature with r and s of zero",
                [Attempt::new(self.ec(), {
                    let token = sign(&self.ec, ES256, &self.payload());
                    let (signed, _) = token.rsplit_once('.').expect("a token");
                    format!("{signed}.{}", encode([0; 64]))
                })],
            ),
        ]
    }

    fn der_signature(&self) -> Attempt {
        let token = sign(&self.ec, ES256, &self.payload());
        let (signed, signature) = token.rsplit_once('.').expect("a token");
        let signature = super::decode(signature);
        let integer = |number: &[u8]| {
            let zeros = number.iter().take_while(|&&byte| byte == 0).count();
            let number = number.get(zeros..).unwrap_or_default();
            let sign: &[u8] =
                if number.first().is_some_and(|&byte| byte > 0x7F) { &[0] } else { &[] };
            let length = u8::try_from(sign.len() + number.len()).expect("short");
            [&[2, length], sign, number].concat()
        };
        let (r, s) = signature.split_at(32);
        let body = [integer(r), integer(s)].concat();
        let der = [&[0x30, u8::try_from(body.len()).expect("short")], &body[..]].concat();
        Attempt::new(self.ec(), format!("{signed}.{}", encode(der)))
    }

    /// What must not become a key, or not this one.
    pub(super) fn keys(&self) -> Vec<Input> {
        let secret = |secret: &[u8]| Attempt::new(secret, mac(secret, HS256, self.payload()));
        let [pem, der, jwk, set] = forms_of(&self.rsa);
        let weak: Value =
            serde_json::from_str(include_str!("weak_rsa.json")).expect("a file of ours");
        let by_weak = |name: &str| {
            let jwk: JsonWebKey<'_> =
                serde_json::from_value(weak[name].clone()).expect("a private key");
            let signed = format!("{}.{}", encode(RS256), encode(self.payload()));
            let signature = encode(sign_rsa(&jwk, &signed));
            let public = serde_json::to_string(&jwk.to_verifying_key()).expect("JSON");
            Attempt::new(Key::Rsa(public), format!("{signed}.{signature}"))
        };
        let ec = public_jwk(&self.ec);
        let es256 = sign(&self.ec, ES256, &self.payload());
        let bare = |name: &str, value: Value| {
            let mut jwk = ec.clone();
            if let Some(jwk) = jwk.as_object_mut() {
                jwk.retain(|name, _| matches!(name.as_str(), "kty" | "crv" | "x" | "y"));
            }
            super::assert_jwk(&jwk);
            Attempt::new(Key::Ec(with(&jwk, name, value).to_string()), es256.clone())
        };
        let rsa_as = |alg: &str| {
            let token = sign(&self.rsa, RS256, &self.payload());
            let jwk = with(&public_jwk(&self.rsa), "alg", alg);
            Attempt::new(Key::Rsa(jwk.to_string()), token)
        };
        let mut inputs = vec![
            Input::refused("an empty HS256 secret", [secret(b"")]),
            Input::refused("an HS256 secret of 6 bytes", [secret(b"secret")]),
            Input::refused("an HS256 secret of 31 bytes", [secret(&self.secret[..31])]),
            Input::refused(
                "an HS256 secret of 38 bytes that stands in a tutorial",
                [secret(b"a-string-secret-at-least-256-bits-long")],
            ),
            Input::refused("the PEM of a public key as an HS256 secret", [secret(&pem)]),
            Input::refused("the DER of a public key as an HS256 secret", [secret(&der)]),
            Input::refused(
                "the JWK, or JWK set, of a public key as an HS256 secret",
                [secret(&jwk), secret(&set)],
            ),
            Input::refused("an RSA key of 1024 bits", [by_weak("small")]),
            Input::refused("an RSA key with exponent 3", [by_weak("exponent_3")]),
            Input::refused("a JWK with `use` `enc`", [bare("use", json!("enc"))]),
            Input::refused(
                "a JWK whose `key_ops` do not allow to verify",
                [bare("key_ops", json!(["deriveKey"]))],
            ),
            Input::refused(
                "a JWK whose `alg` is not the token's",
                [rsa_as("RS512"), rsa_as("PS256")],
            ),
        ];
        inputs.extend(self.sets().into_iter().map(|input| input.needs(Need::Set)));
        inputs
    }

    fn sets(&self) -> Vec<Input> {
        let named = |key: &SigningKey, kid: &str| with(&public_jwk(key), "kid", kid);
        let other = SigningKey::generate(Algorithm::Es256).expect("a key");
        let set = |keys: Value| Key::Set(json!({ "keys": keys }).to_string());
        let by_ec = |kid: &str| {
            let header = json!({"alg": "ES256", "typ": "JWT", "kid": kid}).to_string();
            sign(&self.ec, &header, &self.payload())
        };
        let pair = set(json!([named(&self.ec, "a"), named(&self.rsa, "b")]));
        let forged = forms_of(&self.rsa).map(|form| {
            let header = json!({"alg": "HS256", "typ": "JWT", "kid": "b"}).to_string();
            Attempt::new(pair.clone(), mac(&form, header, self.payload()))
        });
        let oct = json!({"kty": "oct", "alg": "HS256", "kid": "b", "k": encode(self.secret)});
        vec![
            Input::refused(
                "a JWK set: HS256 keyed with a public key, under that key's `kid`",
                forged,
            ),
            Input::refused(
                "a JWK set: a `kid` that none of its keys has",
                [Attempt::new(pair, by_ec("c"))],
            ),
            Input::refused(
                "a JWK set with one `kid` twice",
                [Attempt::new(set(json!([named(&self.ec, "a"), named(&other, "a")])), by_ec("a"))],
            ),
            Input::refused(
                "a JWK set of a public key and a shared secret",
                [Attempt::new(set(json!([named(&self.ec, "a"), oct])), by_ec("a"))],
            ),
        ]
    }
}

/// A public key as what others take for bytes: PEM, DER, JWK and a JWK set.
fn forms_of(key: &SigningKey) -> [Vec<u8>; 4] {
    let public = key.verifying_key();
    let jwk = public.to_jwk().expect("a key pair");
    [
        public.to_spki_pem().expect("a key pair").into(),
        public.to_spki_der().expect("a key pair"),
        jwk.clone().into(),
        format!(r#"{{"keys":[{jwk}]}}"#).into(),
    ]
}
