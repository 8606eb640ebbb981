//! Rightly signed tokens whose header or claims are to be refused, and some that are not.

use serde_json::json;

use super::{Attempt, HS256, Input, Keys, Need};
use crate::work::{AUDIENCE, ISSUER};

impl Keys {
    /// What a header and claims may not say.
    pub(super) fn claims(&self) -> Vec<Input> {
        let header = |json: &str| self.hs256(json, self.payload());
        let claim = |name: &str, json: &str| self.hs256(HS256, self.payload_with(name, json));
        let time = |seconds: i64| (self.now + seconds).to_string();
        let texts = |name: &'static str| {
            ["null", "true", "[]", "{}"]
                .map(|json| claim(name, json))
                .into_iter()
                .collect::<Vec<_>>()
        };
        let quoted = |text: &str| json!(text).to_string();
        let past = format!("{}-1", &ISSUER[..ISSUER.len() - 4]);
        let mut inputs = vec![
            Input::refused(
                "`crit` with a name that nobody knows",
                [header(r#"{"alg":"HS256","typ":"JWT","crit":["x"],"x":1}"#)],
            ),
            Input::refused("`crit` empty", [header(r#"{"alg":"HS256","typ":"JWT","crit":[]}"#)]),
            Input::refused(
                "`b64` false, named in `crit`",
                [header(r#"{"alg":"HS256","typ":"JWT","b64":false,"crit":["b64"]}"#)],
            ),
            Input::refused(
                "`b64` false, not named in `crit`",
                [header(r#"{"alg":"HS256","typ":"JWT","b64":false}"#)],
            ),
            Input::refused(
                "`typ` of another kind of token: `refresh+jwt`, `dpop+jwt`",
                ["refresh+jwt", "dpop+jwt"]
                    .map(|typ| header(&json!({"alg": "HS256", "typ": typ}).to_string())),
            ),
            Input::refused(
                "`typ` of what is no JWT: `JOSE`",
                [header(r#"{"alg":"HS256","typ":"JOSE"}"#)],
            ),
            Input::refused("no `exp`", [claim("exp", "")]),
            Input::refused("`exp` a string", [claim("exp", &quoted(&time(3600)))]),
            Input::refused("`exp` `null`, `true`, an array or an object", texts("exp")),
            Input::refused("`exp` negative", [claim("exp", "-1"), claim("exp", "-1.5")]),
            Input::refused(
                "`exp` 2⁶⁴ or 1e300",
                ["18446744073709551616", "1e300"].map(|exp| claim("exp", exp)),
            ),
            Input::refused("`exp` 1e999", [claim("exp", "1e999")]),
            Input::refused("`exp` five minutes ago", [claim("exp", &time(-300))]),
            Input::refused("`nbf` in an hour", [claim("nbf", &time(3600))]),
            Input::refused("`nbf` a string", [claim("nbf", &quoted(&time(3600)))]),
            Input::refused("`nbf` `true`, an array or an object", texts("nbf").split_off(1)),
            Input::refused("`sub` a number", [claim("sub", "1")]),
        ];
        inputs.extend(
            [
                Input::refused("`iss` missing", [claim("iss", "")]),
                Input::refused(
                    "`iss` that only begins as ours, or only ours begins as",
                    [
                        claim("iss", &quoted(&format!("{ISSUER}.evil.example"))),
                        claim("iss", &quoted(&past)),
                    ],
                ),
                Input::refused(
                    "`iss` an array with ours among others",
                    [claim("iss", &json!([ISSUER, "https://evil.example"]).to_string())],
                ),
            ]
            .map(|input| input.needs(Need::Issuer)),
        );
        inputs.extend(
            [
                Input::refused("`aud` missing", [claim("aud", "")]),
                Input::refused("`aud` of another", [claim("aud", "\"mail.example.com\"")]),
                Input::refused(
                    "`aud` empty: `\"\"`, `[]`",
                    ["\"\"", "[]"].map(|aud| claim("aud", aud)),
                ),
                Input::refused(
                    "`aud` a number, or an object with ours as a name",
                    [claim("aud", "1"), claim("aud", &json!({ AUDIENCE: 1 }).to_string())],
                ),
                Input::refused(
                    "`aud` an array with ours and a number",
                    [claim("aud", &json!([AUDIENCE, 1]).to_string())],
                ),
            ]
            .map(|input| input.needs(Need::Audience)),
        );
        inputs.push(Input::refused(
            "`aud` there although the verifier knows of none",
            [self.hs256(HS256, self.payload()).without_audience()],
        ));
        inputs
    }

    /// What may look odd and is right, as the standards have it.
    pub(super) fn sound(&self) -> Vec<Input> {
        let claim = |name: &str, json: &str| self.hs256(HS256, self.payload_with(name, json));
        let without = |attempt: Attempt| attempt.without_audience();
        vec![
            Input::sound("sound: no `typ`", self.hs256(r#"{"alg":"HS256"}"#, self.payload())),
            Input::sound(
                "sound: `jku` and `x5u` in the header, not to be followed",
                self.hs256(
                    r#"{"alg":"HS256","jku":"https://evil.example","x5u":"file:///etc/passwd"}"#,
                    self.payload(),
                ),
            ),
            Input::sound(
                "sound: `jwk` in the header, not to be used",
                self.hs256(r#"{"alg":"HS256","jwk":{"kty":"oct","k":"AAAA"}}"#, self.payload()),
            ),
            Input::sound(
                "sound: `exp` with a fraction of a second",
                claim("exp", &format!("{}.5", self.now + 3600)),
            ),
            Input::sound(
                "sound: `aud` an array with ours among others",
                claim("aud", &json!(["mail.example.com", AUDIENCE]).to_string()),
            ),
            Input::sound(
                "sound: no `aud`, and the verifier knows of none",
                without(claim("aud", "")),
            ),
            Input::sound("sound: `iat` in an hour", claim("iat", &(self.now + 3600).to_string())),
        ]
    }
}
