//! What is checked between this library and a peer, for one algorithm.

use std::time::Duration;

use base64_turbo::URL_SAFE_NO_PAD as BASE64URL;
use countersign_jwt::{
    Algorithm, Claims, Clock as _, Error, Jwks, SigningKey, SystemClock, Timestamp, Verifier,
};
use serde_json::{Value, json, value::RawValue};

use crate::{
    keys::{bytes, private_forms, public_forms, read_private, read_public, thumbprint},
    peer::{Failure, Generated, KeyText, Peer},
};

type Check = fn(&Case, &mut Peer) -> Result<Outcome, Failure>;

/// The columns of the table.
pub(crate) const CHECKS: [(&str, Check); 7] = [
    ("they verify ours", Case::they_verify_ours),
    ("we verify theirs", Case::we_verify_theirs),
    ("they read our keys", Case::they_read_our_keys),
    ("we read their keys", Case::we_read_their_keys),
    ("forged is refused", Case::forged_is_refused),
    ("same thumbprint", Case::thumbprints_are_the_same),
    ("same token", Case::tokens_are_the_same),
];

#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome {
    Passed,
    /// The question makes no sense for this algorithm.
    DoesNotApply,
}

const ISSUER: &str = "https://issuer.example";
const OTHER_ISSUER: &str = "https://other.example";
const AUDIENCE: &str = "posts";
const SECOND_AUDIENCE: &str = "feeds";
const OTHER_AUDIENCE: &str = "mail";
const SUBJECT: &str = "0198a3c2-7d4e-7b11-9f63-2b1de9f0c4aa";
const OTHER_SUBJECT: &str = "0198a3c2-7d4e-7b11-9f63-2b1de9f0c4ab";
const LIFETIME: Duration = Duration::from_secs(600);
const AN_HOUR: Duration = Duration::from_secs(3600);

/// An algorithm under one of its names, with a key of ours and one that the peer made.
pub(crate) struct Case {
    name: &'static str,
    algorithm: Algorithm,
    ours: SigningKey,
    /// The set that has the public key of `ours` among others.
    published: Jwks,
    theirs: Result<Theirs, Failure>,
}

struct Theirs {
    keys: Generated,
    kid: String,
}

/// A token of ours with its payload.
struct Sample {
    token: String,
    payload: Box<RawValue>,
}

impl Case {
    pub(crate) fn new(
        name: &'static str,
        ours: SigningKey,
        published: Jwks,
        peer: &mut Peer,
    ) -> Self {
        let theirs =
            peer.generate(name).map(|keys| Theirs { keys, kid: format!("theirs for {name}") });
        Self { name, algorithm: ours.algorithm(), ours, published, theirs }
    }

    fn theirs(&self) -> Result<&Theirs, Failure> {
        self.theirs.as_ref().map_err(Failure::clone)
    }

    /// The forms of a peer's key that verifies, and the set it would publish, with a key of ours beside.
    fn their_public_forms(&self) -> Result<Vec<KeyText>, Failure> {
        let Theirs { keys, kid } = self.theirs()?;
        let mut forms = keys.public.clone();
        if !self.algorithm.is_symmetric() {
            let ours: Value = serde_json::from_str(&self.ours.verifying_key().to_jwk()?)?;
            let labelled = forms.iter().find_map(|form| match form {
                KeyText::Jwk(Value::Object(members)) => Some(members.clone()),
                _ => None,
            });
            let mut theirs = labelled.ok_or_else(|| Failure::Wrong("they wrote no JWK".into()))?;
            theirs.extend([("kid".into(), json!(kid)), ("alg".into(), json!(self.name))]);
            forms.push(KeyText::Jwks(json!({"keys": [ours, theirs]})));
        }
        Ok(forms)
    }

    fn they_verify_ours(&self, peer: &mut Peer) -> Result<Outcome, Failure> {
        let now = SystemClock.now();
        let single = self.sample(now, &[AUDIENCE], everything())?;
        let several = self.sample(now, &[SECOND_AUDIENCE, AUDIENCE], everything())?;
        let expired = self.sample(now.saturating_sub(AN_HOUR), &[AUDIENCE], everything())?;
        for key in public_forms(&self.ours, &self.published)? {
            let mut verify = |sample: &Sample, issuer, audience| {
                peer.verify(self.name, &key, &sample.token, issuer, audience)
            };
            for sample in [&single, &several] {
                same(&verify(sample, ISSUER, AUDIENCE)?, &sample.value()?)?;
            }
            refused("a token of another issuer", verify(&single, OTHER_ISSUER, AUDIENCE))?;
            refused("a token for another audience", verify(&single, ISSUER, OTHER_AUDIENCE))?;
            refused("a token for two others", verify(&several, ISSUER, OTHER_AUDIENCE))?;
            refused("an expired token", verify(&expired, ISSUER, AUDIENCE))?;
        }
        Ok(Outcome::Passed)
    }

    fn we_verify_theirs(&self, peer: &mut Peer) -> Result<Outcome, Failure> {
        let now = SystemClock.now();
        let single = self.sample(now, &[AUDIENCE], everything())?;
        let several = self.sample(now, &[SECOND_AUDIENCE, AUDIENCE], everything())?;
        let Theirs { keys, kid } = self.theirs()?;
        for private in &keys.private {
            for sample in [&single, &several] {
                let token = peer.sign(self.name, private, kid, &sample.payload)?;
                for public in self.their_public_forms()? {
                    let keys = read_public(self.algorithm, &public)?;
                    let verifier = Verifier::new(keys).issuer(ISSUER).audience(AUDIENCE);
                    let verified = verifier.verify::<Value>(&token)?;
                    same(verified.claims(), &sample.value()?)?;
                    if verified.subject() != Some(SUBJECT) || verified.issued_at() != Some(now) {
                        return Err(Failure::Wrong("the registered claims differ".into()));
                    }

                    let bare = Verifier::new(verifier.keys().clone());
                    let refusals = [
                        (verifier.clock(now.saturating_add(AN_HOUR)), Error::TokenExpired),
                        (bare.clone().issuer(OTHER_ISSUER), Error::IssuerMismatch),
                        (bare.audience(OTHER_AUDIENCE), Error::AudienceMismatch),
                    ];
                    for (verifier, refusal) in refusals {
                        refused_as(&refusal, &verifier, &token)?;
                    }
                }
            }
        }
        Ok(Outcome::Passed)
    }

    /// They sign with our private key, in each of its forms.
    fn they_read_our_keys(&self, peer: &mut Peer) -> Result<Outcome, Failure> {
        let sample = self.sample(SystemClock.now(), &[AUDIENCE], everything())?;
        let kid = self.ours.kid().unwrap_or_default();
        let verifier = Verifier::new(self.ours.verifying_key()).issuer(ISSUER).audience(AUDIENCE);
        for private in private_forms(&self.ours)? {
            let token = peer.sign(self.name, &private, kid, &sample.payload)?;
            same(verifier.verify::<Value>(&token)?.claims(), &sample.value()?)?;
        }
        Ok(Outcome::Passed)
    }

    /// We sign with their private key, in each of its forms, and they verify it.
    fn we_read_their_keys(&self, peer: &mut Peer) -> Result<Outcome, Failure> {
        let Theirs { keys, kid } = self.theirs()?;
        let public = self.their_public_forms()?;
        for private in &keys.private {
            let key = read_private(self.algorithm, private)?;
            let key = key.with_algorithm_name(self.name)?.with_kid(kid);
            let now = SystemClock.now();
            let sample = Sample::new(&key, &claims(now, &[AUDIENCE], everything()), now)?;
            for public in &public {
                let claims = peer.verify(self.name, public, &sample.token, ISSUER, AUDIENCE)?;
                same(&claims, &sample.value()?)?;
            }
        }
        Ok(Outcome::Passed)
    }

    fn forged_is_refused(&self, peer: &mut Peer) -> Result<Outcome, Failure> {
        let sample = self.sample(SystemClock.now(), &[AUDIENCE], everything())?;
        for key in public_forms(&self.ours, &self.published)? {
            let mut verify = |token: &str| peer.verify(self.name, &key, token, ISSUER, AUDIENCE);
            verify(&sample.token)?;
            for (what, token, _) in forgeries(&sample.token)? {
                refused(what, verify(&token))?;
            }
        }

        let Theirs { keys, kid } = self.theirs()?;
        for private in &keys.private {
            let token = peer.sign(self.name, private, kid, &sample.payload)?;
            for public in self.their_public_forms()? {
                let keys = read_public(self.algorithm, &public)?;
                let verifier = Verifier::new(keys).issuer(ISSUER).audience(AUDIENCE);
                verifier.verify::<Value>(&token)?;
                for (_, token, refusal) in forgeries(&token)? {
                    refused_as(&refusal, &verifier, &token)?;
                }
            }
        }
        Ok(Outcome::Passed)
    }

    /// Of both keys, of the private and of the public half.
    fn thumbprints_are_the_same(&self, peer: &mut Peer) -> Result<Outcome, Failure> {
        let ours = [&private_forms(&self.ours)?[..], &public_forms(&self.ours, &self.published)?];
        let theirs = [&self.theirs()?.keys.private[..], &self.theirs()?.keys.public];
        for halves in [ours, theirs] {
            let mut all = Vec::new();
            for form in halves.into_iter().flatten() {
                if let Some(thumbprint) = thumbprint(form)? {
                    all.extend([thumbprint, peer.thumbprint(form)?]);
                }
            }
            let [first, rest @ ..] = &*all else {
                return Err(Failure::Wrong("they wrote no JWK".into()));
            };
            if rest.iter().any(|other| other != first) {
                return Err(Failure::Wrong(format!("these differ: {}", all.join(" "))));
            }
        }
        Ok(Outcome::Passed)
    }

    /// From the same claims and the same key comes the same token, byte for byte, where the algorithm takes no random
    /// number. The claims are printable ASCII: all else can be escaped in more than one way.
    fn tokens_are_the_same(&self, peer: &mut Peer) -> Result<Outcome, Failure> {
        if matches!(self.name.get(..2), Some("ES" | "PS")) {
            return Ok(Outcome::DoesNotApply);
        }
        let custom = json!({"name": "Ada \"A\" Byron", "roles": ["user"], "level": 2.5});
        let sample = self.sample(SystemClock.now(), &[AUDIENCE], custom)?;
        let kid = self.ours.kid().unwrap_or_default();
        for private in private_forms(&self.ours)? {
            let token = peer.sign(self.name, &private, kid, &sample.payload)?;
            let differ = |(theirs, ours): &(&str, &str)| theirs != ours;
            if let Some((theirs, ours)) = token.split('.').zip(sample.token.split('.')).find(differ)
            {
                let (theirs, ours) = (readable(theirs), readable(ours));
                return Err(Failure::Wrong(format!("theirs has {theirs}, ours {ours}")));
            }
        }
        Ok(Outcome::Passed)
    }

    fn sample(&self, now: Timestamp, audiences: &[&str], custom: Value) -> Result<Sample, Failure> {
        Sample::new(&self.ours, &claims(now, audiences, custom), now)
    }
}

impl Sample {
    fn new(key: &SigningKey, claims: &Claims<Value>, now: Timestamp) -> Result<Self, Failure> {
        let token = key.sign(claims)?;
        let verifier =
            Verifier::new(key.verifying_key()).issuer(ISSUER).audience(AUDIENCE).clock(now);
        let payload = RawValue::from_string(verifier.verify::<()>(&token)?.payload().to_owned())?;
        Ok(Self { token, payload })
    }

    fn value(&self) -> Result<Value, Failure> {
        Ok(serde_json::from_str(self.payload.get())?)
    }
}

/// Claims with every registered one.
fn claims(now: Timestamp, audiences: &[&str], custom: Value) -> Claims<Value> {
    let claims = Claims::at(custom, now)
        .issuer(ISSUER)
        .subject(SUBJECT)
        .not_before(now)
        .expires_in(LIFETIME)
        .id("a token among many");
    audiences.iter().fold(claims, |claims, audience| claims.audience(*audience))
}

/// Custom claims with all that JSON has.
fn everything() -> Value {
    json!({
        "name": "Zoë \"Z\" \\ \u{1F980}\n\u{0}\u{7f}</script>",
        "roles": ["user", "admin"],
        "nested": {"a": [1, -2.5, null, true, {}], "π": {"deep": [[[]]]}},
        "greatest": 9_007_199_254_740_991_i64,
        "empty": "",
        "nothing": null,
    })
}

fn same(theirs: &Value, ours: &Value) -> Result<(), Failure> {
    if theirs == ours { Ok(()) } else { Err(Failure::Wrong(format!("{theirs} is not {ours}"))) }
}

/// Wants a refusal of the peer.
fn refused(what: &str, answer: Result<Value, Failure>) -> Result<(), Failure> {
    match answer {
        Err(Failure::Refused(_)) => Ok(()),
        Err(failure) => Err(failure),
        Ok(_) => Err(Failure::Wrong(format!("they accept {what}"))),
    }
}

/// Wants this refusal of ours.
fn refused_as(refusal: &Error, verifier: &Verifier, token: &str) -> Result<(), Failure> {
    match verifier.verify::<Value>(token) {
        Err(error) if error == *refusal => Ok(()),
        Err(error) => Err(Failure::Wrong(format!("we say {error}, not {refusal}"))),
        Ok(_) => Err(Failure::Wrong(format!("we accept what is to be refused: {refusal}"))),
    }
}

/// A part of a token as one reads it, if it is text.
fn readable(part: &str) -> String {
    let text = bytes(part).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    text.unwrap_or_else(|| part.to_owned())
}

/// Changes to a token that no verifier may accept, with what we say to each.
fn forgeries(token: &str) -> Result<[(&'static str, String, Error); 4], Failure> {
    let malformed = || Failure::Wrong("not a token".into());
    let (signed, signature) = token.rsplit_once('.').ok_or_else(malformed)?;
    let (header, payload) = signed.split_once('.').ok_or_else(malformed)?;
    let changed = String::from_utf8(bytes(payload)?).map_err(|_| malformed())?;
    let changed = BASE64URL.encode(changed.replace(SUBJECT, OTHER_SUBJECT));
    if changed == payload {
        return Err(malformed());
    }
    let mut flipped = bytes(signature)?;
    *flipped.first_mut().ok_or_else(malformed)? ^= 1;
    let flipped = BASE64URL.encode(flipped);
    let none = BASE64URL.encode(r#"{"alg":"none","typ":"JWT"}"#);
    Ok([
        ("a changed payload", format!("{header}.{changed}.{signature}"), Error::SignatureInvalid),
        ("a changed signature", format!("{signed}.{flipped}"), Error::SignatureInvalid),
        ("a token without its signature", format!("{signed}."), Error::SignatureInvalid),
        ("a token of `none`", format!("{none}.{payload}."), Error::AlgorithmMismatch),
    ])
}
