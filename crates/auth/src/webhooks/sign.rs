//! Signatures, by which a receiver knows that an event is from here, and when it was sent: scheme `v1` of Standard
//! Webhooks.

use std::{fmt, path::Path};

use aws_lc_rs::hmac;
use base64_turbo::{STANDARD, STANDARD_PAD_INDIFFERENT};
use jwt::Timestamp;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{Error, secret};

/// What the text of a secret begins with.
const PREFIX: &str = "whsec_";
/// Bytes that a secret may have.
const LENGTHS: std::ops::RangeInclusive<usize> = 24..=64;

/// A secret that sender and receiver share. `Debug` does not show it.
pub struct WebhookSecret(Zeroizing<Vec<u8>>);

impl WebhookSecret {
    /// A new one, of 256 random bits.
    ///
    /// # Errors
    /// [`Error::Internal`] when the operating system has no randomness to give.
    pub fn generate() -> Result<Self, Error> {
        let mut bytes = Zeroizing::new(vec![0; 32]);
        secret::fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// Reads one back from its text: `whsec_`, then 24 to 64 bytes in base64; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let encoded = text.strip_prefix(PREFIX)?;
        let bytes = Zeroizing::new(STANDARD_PAD_INDIFFERENT.decode(encoded).ok()?);
        LENGTHS.contains(&bytes.len()).then_some(Self(bytes))
    }

    /// The text to hand to the receiver.
    #[must_use]
    pub fn reveal(&self) -> Zeroizing<String> {
        let encoded = Zeroizing::new(STANDARD.encode(&*self.0));
        Zeroizing::new(format!("{PREFIX}{}", encoded.as_str()))
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(…)")
    }
}

/// Signs with one secret, and with the one before it while receivers may know that one only.
pub(super) struct Signer(Vec<hmac::Key>);

impl Signer {
    /// With the secrets of a file, one in each of its lines.
    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        let refuse = |why: &str| {
            Error::Configuration(format!("webhooks.secret_file: {}: {why}", path.display()))
        };
        let text = std::fs::read_to_string(path).map_err(|error| refuse(&error.to_string()))?;
        let text = Zeroizing::new(text);
        let secrets: Option<Vec<_>> =
            text.lines().map(|line| WebhookSecret::parse(line.trim())).collect();
        match secrets {
            Some(secrets) if matches!(secrets.len(), 1 | 2) => Ok(Self::new(&secrets)),
            _ => Err(refuse(
                "it must hold one line with whsec_ and base64 of 24 to 64 bytes, and at most one more, the secret \
                 before it; make one with: countersign webhook secret",
            )),
        }
    }

    pub(super) fn new(secrets: &[WebhookSecret]) -> Self {
        let key = |secret: &WebhookSecret| hmac::Key::new(hmac::HMAC_SHA256, &secret.0);
        Self(secrets.iter().map(key).collect())
    }

    /// The signatures of a message, one for each secret.
    pub(super) fn sign(&self, id: &str, at: Timestamp, body: &[u8]) -> String {
        let signatures = self.0.iter().map(|key| {
            let mut mac = hmac::Context::with_key(key);
            mac.update(format!("{id}.{}.", at.seconds()).as_bytes());
            mac.update(body);
            format!("v1,{}", STANDARD.encode(mac.sign()))
        });
        signatures.collect::<Vec<_>>().join(" ")
    }

    /// The signatures of an event's body.
    pub(super) fn sign_event(&self, id: Uuid, at: Timestamp, body: &str) -> String {
        self.sign(&id.to_string(), at, body.as_bytes())
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRETS: [&str; 2] = [
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_Nyf6bTDGUDm0W8LfDJ6jVRJwTvxbFrJlQn1ufkkqJ1k=",
    ];

    fn signer(secrets: &[&str]) -> Signer {
        let secrets: Vec<_> =
            secrets.iter().map(|text| WebhookSecret::parse(text).expect("a secret")).collect();
        Signer::new(&secrets)
    }

    /// Made with `standardwebhooks` 1.1.0 from PyPI:
    /// `Webhook(secret).sign(id, datetime.fromtimestamp(at, timezone.utc), body)`.
    #[test]
    fn signatures_are_those_of_the_library_of_standard_webhooks() {
        let body = r#"{"test": 2432232314}"#;
        let (id, at) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", Timestamp::new(1_614_265_330));
        let first = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(signer(&SECRETS[..1]).sign(id, at, body.as_bytes()), first);

        let body = r#"{"type":"user.renamed","data":{"name":"Zoë"}}"#;
        let id = uuid::uuid!("01a202d9-deef-747d-b51c-d9e0b5f1c8ef");
        let at = Timestamp::new(1_800_000_000);
        let second = "v1,xyBeLyrtkCUNjqP2zue8in0ZY6YYF3OeuIVmcqNdkr4=";
        assert_eq!(signer(&SECRETS[1..]).sign_event(id, at, body), second);
        // Both, the one in force first.
        let both = signer(&[SECRETS[1], SECRETS[0]]).sign_event(id, at, body);
        let other = signer(&SECRETS[..1]).sign_event(id, at, body);
        assert_eq!(both, format!("{second} {other}"));
    }

    #[test]
    fn a_secret_survives_its_text_and_nothing_else_parses() {
        let made = WebhookSecret::generate().expect("randomness");
        let text = made.reveal();
        assert_eq!(WebhookSecret::parse(&text).expect("parses").0, made.0);
        assert!(WebhookSecret::parse(text.trim_end_matches('=')).is_some(), "without padding");
        let of = |bytes: usize| format!("{PREFIX}{}", STANDARD.encode(vec![7; bytes]));
        assert!(WebhookSecret::parse(&of(24)).is_some() && WebhookSecret::parse(&of(64)).is_some());
        for bad in [
            "",
            "whsec_",
            &of(23),
            &of(65),
            &text[1..],
            &text.replace("whsec_", "WHSEC_"),
            &format!("{}!", text.as_str()),
        ] {
            assert!(WebhookSecret::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn debug_output_shows_no_secret() {
        let secret = WebhookSecret::parse(SECRETS[0]).expect("a secret");
        assert_eq!(format!("{secret:?} {:?}", signer(&SECRETS)), "WebhookSecret(…) Signer(…)");
    }

    #[test]
    fn a_file_holds_one_secret_or_two() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("secret");
        let read = |text: &str| {
            std::fs::write(&path, text).expect("written");
            Signer::read(&path).map(|signer| signer.0.len()).map_err(|error| format!("{error:?}"))
        };
        let [one, two] = SECRETS;
        assert_eq!(read(one), Ok(1));
        assert_eq!(read(&format!("{one}\r\n{two}\n")), Ok(2));
        for bad in [
            "",
            "\n",
            "secret",
            &format!("{one}\n\n"),
            &format!("{one}\n{two}\n{one}"),
            &format!("{one}\nsecret"),
        ] {
            let refused = read(bad).expect_err("refused");
            assert!(
                refused.contains("webhooks.secret_file") && !refused.contains(&one[6..]),
                "{refused}"
            );
        }
    }
}
