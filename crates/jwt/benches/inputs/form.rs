//! The form of a token: JSON, base64url, size.

use base64_turbo::STANDARD_NO_PAD;

use super::{Attempt, HS256, Input, Keys, encode, mac};

impl Keys {
    /// What a token may not look like.
    pub(super) fn forms(&self) -> Vec<Input> {
        let exp = self.now + 3600;
        let plus = |json: &[u8]| {
            let payload = self.payload();
            let open = payload.strip_suffix('}').expect("an object");
            self.hs256(HS256, [open.as_bytes(), json, b"}"].concat())
        };
        let header = |json: &str| self.hs256(json, self.payload());
        let payload = |bytes: &[u8]| self.hs256(HS256, bytes);
        let nested = |depth: usize| {
            plus(format!(r#","x":{}{}"#, "[".repeat(depth), "]".repeat(depth)).as_bytes())
        };
        let good = mac(&self.secret, HS256, self.payload());
        let text = |token: String| Attempt::new(&self.secret[..], token);
        let (signed, signature) = good.rsplit_once('.').expect("a token");
        vec![
            Input::refused("`exp` twice", [plus(format!(r#","exp":{exp}"#).as_bytes())]),
            Input::refused(
                "`exp` twice, once written with an escape",
                [plus(format!(r#","\u0065xp":{exp}"#).as_bytes())],
            ),
            Input::refused("a claim twice that nobody reads", [plus(br#","x":1,"x":2"#)]),
            Input::refused("`alg` twice", [header(r#"{"alg":"none","alg":"HS256","typ":"JWT"}"#)]),
            Input::refused(
                "a header member twice that nobody reads",
                [header(r#"{"alg":"HS256","typ":"JWT","x":1,"x":2}"#)],
            ),
            Input::refused(
                "bytes that are no UTF-8 in a claim that nobody reads",
                [plus(b",\"x\":\"\xFF\""), plus(b",\"x\":\"\xC0\xAF\"")],
            ),
            Input::refused(
                "half a surrogate pair in a claim that nobody reads",
                [plus(br#","x":"\ud800""#)],
            ),
            Input::refused(
                "a byte-order mark before the payload",
                [payload(&[b"\xEF\xBB\xBF", self.payload().as_bytes()].concat())],
            ),
            Input::refused(
                "a payload that is an array of the claims, or `null`",
                [payload(format!("[{}]", self.payload()).as_bytes()), payload(b"null")],
            ),
            Input::refused(
                "text behind the payload's object",
                [payload(format!("{}{{}}", self.payload()).as_bytes())],
            ),
            Input::refused("arrays nested 2500 deep in a claim that nobody reads", [nested(2500)]),
            Input::refused("`=` at the end", [text(format!("{good}="))]),
            Input::refused("spare bits set in the last character", [text(self.spare_bits(&good))]),
            Input::refused(
                "a line end or a blank around or within",
                [
                    format!("{good}\n"),
                    format!(" {good}"),
                    format!("{signed}.\n{signature}"),
                    format!("{signed}. {signature}"),
                ]
                .map(text),
            ),
            Input::refused("base64 with `+` and `/`", [text(self.other_alphabet())]),
            Input::refused(
                "five parts",
                [text(format!("{good}.AAAA.AAAA")), text("e30.e30.e30.e30.e30".into())],
            ),
            Input::refused("a million dots", [text(".".repeat(1_000_000))]),
            Input::refused(
                "a token of 900 kB",
                [plus(format!(r#","x":"{}""#, "x".repeat(670_000)).as_bytes())],
            ),
            Input::refused(
                "a token of 2 MB",
                [plus(format!(r#","x":"{}""#, "x".repeat(1_500_000)).as_bytes())],
            ),
        ]
    }

    fn spare_bits(&self, token: &str) -> String {
        const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let (front, last) = token.split_at(token.len() - 1);
        // 32 bytes leave the last two bits of 43 characters unused.
        let value = ALPHABET.find(last).expect("base64url");
        assert!(
            value % 4 == 0 && super::decode(token.rsplit_once('.').expect("a token").1).len() == 32
        );
        format!("{front}{}", ALPHABET.get(value + 1..value + 2).expect("a character"))
    }

    /// The same bytes in the alphabet of plain base64, signed in it.
    fn other_alphabet(&self) -> String {
        use hmac::{Hmac, KeyInit as _, Mac as _};
        let payload = self.payload_with("x", "\"???>>>\u{ff}\u{fe}\"");
        let signed =
            format!("{}.{}", STANDARD_NO_PAD.encode(HS256), STANDARD_NO_PAD.encode(&payload));
        assert_ne!(signed, format!("{}.{}", encode(HS256), encode(&payload)));
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&self.secret).expect("a secret");
        mac.update(signed.as_bytes());
        format!("{signed}.{}", STANDARD_NO_PAD.encode(mac.finalize().into_bytes()))
    }
}
