//! What may not be a shared secret: too short, well known, or an asymmetric key.
//!
//! A public key used as an HMAC secret lets everyone sign (CVE-2015-9235 and its many sequels). Keys here have their
//! algorithm in their type, so that confusion cannot begin with a token; this check catches it where the key is made.

use std::borrow::Cow;

use base64_turbo::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use crate::{Algorithm, Error, scan};

/// Secrets that stand in documentation, long enough to pass otherwise.
const WELL_KNOWN: &[&str] = &[
    // jwt.io
    "a-string-secret-at-least-256-bits-long",
    "a-valid-string-secret-that-is-at-least-384-bits-long",
    "a-valid-string-secret-that-is-at-least-512-bits-long-which-is-very-long",
    // the FastAPI tutorial
    "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
    // defaults of servers that were attacked through them
    "PLEASE-CHANGE-ME-I-AM-VERY-INSECURE",
    "this-is-the-primary-secret-change-me",
    "youReallyNeedToChangeThis",
];

/// Marks of key files, in lower case, without blanks.
const MARKS: &[&str] = &[
    "----begin",
    "ssh-rsa",
    "ssh-dss",
    "ssh-ed25519",
    "ssh-ed448",
    "ecdsa-sha2-",
    "sk-ssh-",
    "openssh-key-v1",
    "putty-user-key-file",
    "\"kty\"",
    "\"keys\":[",
];

pub(crate) fn check(algorithm: Algorithm, secret: &[u8]) -> Result<(), Error> {
    let minimum = algorithm.min_secret_len().ok_or(algorithm.row().refuse_key())?;
    check_not_key(secret)?;
    if secret.len() < minimum {
        return Err(Error::SecretTooShort { minimum });
    }
    let one_byte = secret.windows(2).all(|pair| pair.first() == pair.last());
    if one_byte
        || WELL_KNOWN.iter().any(|known| secret.trim_ascii().eq_ignore_ascii_case(known.as_bytes()))
    {
        return Err(Error::SecretWeak);
    }
    Ok(())
}

pub(crate) fn check_not_key(secret: &[u8]) -> Result<(), Error> {
    if is_key(secret, 3) { Err(Error::SecretIsKey) } else { Ok(()) }
}

/// Whether the bytes are an asymmetric key or a key file, also inside `wraps` layers of base64 or JSON strings.
fn is_key(secret: &[u8], wraps: usize) -> bool {
    if is_der(secret) || is_der(bare(secret)) || is_object(secret) {
        return true;
    }
    let text = squeezed(secret);
    let lower = text.to_ascii_lowercase();
    if MARKS.iter().any(|mark| contains(&lower, mark.as_bytes())) || is_der(&text) {
        return true;
    }
    let start =
        text.iter().position(|byte| matches!(byte, b'{' | b'[' | b'"')).filter(|&start| start < 4);
    match start.and_then(|start| serde_json::from_slice(text.get(start..).unwrap_or_default()).ok())
    {
        // A secret as JSON, whatever its kind, is a key file taken for a key.
        Some(serde_json::Value::Object(_) | serde_json::Value::Array(_)) => return true,
        Some(serde_json::Value::String(inner)) if wraps > 0 => {
            return is_key(inner.as_bytes(), wraps - 1);
        }
        _ => {}
    }
    wraps > 0 && base64(&text).is_some_and(|inner| is_key(&inner, wraps - 1))
}

/// The bytes without blanks, control characters, byte-order marks and written-out line ends, which hide a key file from a
/// check of its first characters but not from every parser.
fn squeezed(secret: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(secret.len());
    let mut rest = secret;
    while let Some((&byte, others)) = rest.split_first() {
        rest = match rest {
            [b'\\', b'n' | b'r' | b't', after @ ..]
            | [0xEF, 0xBB, 0xBF, after @ ..]
            | [0xFE, 0xFF, after @ ..]
            | [0xFF, 0xFE, after @ ..] => after,
            _ => {
                if byte > b' ' && byte != 0x7F {
                    kept.push(byte);
                }
                others
            }
        };
    }
    kept
}

/// The bytes without blanks, control characters and byte-order marks before and behind them, which may stand within DER.
fn bare(secret: &[u8]) -> &[u8] {
    let mut bare = secret;
    while let [0x00..=b' ' | 0x7F | 0xEF | 0xBB | 0xBF | 0xFE | 0xFF, rest @ ..] = bare {
        bare = rest;
    }
    // What stands behind is told from the key's own last bytes by the length that the key gives itself.
    while let [rest @ .., 0x00..=b' ' | 0x7F] = bare
        && !is_der(bare)
    {
        bare = rest;
    }
    bare
}

fn contains(text: &[u8], mark: &[u8]) -> bool {
    text.windows(mark.len()).any(|window| window == mark)
}

/// Reads base64 in either alphabet, padded or not.
fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let unpadded: Cow<'_, [u8]> = match text.iter().rposition(|&byte| byte != b'=') {
        Some(last) => text.get(..=last)?.into(),
        None => return None,
    };
    STANDARD_NO_PAD.decode(&unpadded).or_else(|_| URL_SAFE_NO_PAD.decode(&unpadded)).ok()
}

/// Whether the bytes are what a JWK is read from, whose members nobody has to look at: their names may be escaped.
fn is_object(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| scan::object(text, &mut Vec::new()).is_ok())
}

/// Whether the bytes are one DER sequence that begins as PKCS#1, PKCS#8, SEC1, SPKI and X.509 do: with a number or with
/// another sequence.
fn is_der(bytes: &[u8]) -> bool {
    let [0x30, rest @ ..] = bytes else { return false };
    let (length, body) = match rest {
        [length @ 0..=0x7F, body @ ..] => (usize::from(*length), body),
        [count @ 0x81..=0x84, rest @ ..] => {
            let Some((digits, body)) = rest.split_at_checked(usize::from(count & 0x7F)) else {
                return false;
            };
            (digits.iter().fold(0, |length, &digit| length << 8 | usize::from(digit)), body)
        }
        _ => return false,
    };
    length == body.len() && matches!(body, [0x02 | 0x30, ..])
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED25519_SPKI: &str = "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=";

    fn refused(secret: impl AsRef<[u8]>) -> bool {
        check(Algorithm::Hs256, secret.as_ref()) == Err(Error::SecretIsKey)
    }

    #[test]
    fn a_key_file_is_refused_in_every_dress() {
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{ED25519_SPKI}\n-----END PUBLIC KEY-----\n");
        let jwk =
            r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
        let ssh =
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE me";
        for text in
            [&pem, jwk, &format!("{{\"keys\":[{jwk}]}}"), &format!("[{jwk}]"), ssh, ED25519_SPKI]
        {
            assert!(refused(text), "{text}");
            assert!(refused(format!(" \t{text}")), "blanks before {text}");
            assert!(refused(format!("\u{1}{text}")), "control character before {text}");
            assert!(refused(format!("\u{feff}{text}")), "byte-order mark before {text}");
            assert!(refused(text.replace('\n', "\r\n")), "CRLF in {text}");
            assert!(refused(text.replace('\n', "\\n")), "written-out line ends in {text}");
            assert!(refused(serde_json::to_string(text).unwrap()), "JSON string of {text}");
            assert!(refused(STANDARD_NO_PAD.encode(text)), "base64 of {text}");
            assert!(
                refused(text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()),
                "UTF-16 of {text}"
            );
        }
        let der = base64(ED25519_SPKI.as_bytes()).unwrap();
        assert!(refused(&der));
        assert!(refused([&der[..], b"\n"].concat()));
        assert!(refused([&[0x30, 0x22, 0x02, 0x01, 0x00][..], &[7; 31]].concat()), "a PKCS#1 key");
        for long in [200, 40_000, 70_000, 17_000_000_usize] {
            // As with attributes, which may be of any length.
            let digits: Vec<_> =
                long.to_be_bytes().into_iter().skip_while(|&byte| byte == 0).collect();
            let head = [
                &[0x30, 0x80 | u8::try_from(digits.len()).unwrap()],
                &digits[..],
                &[0x02, 0x01, 0x00],
            ]
            .concat();
            assert!(refused([&head[..], &vec![7; long - 3]].concat()), "{long} bytes");
        }
    }

    #[test]
    fn a_jwk_is_refused_whatever_stands_beside_the_key() {
        let jwk = |kty: &str, other: &str| {
            format!(
                r#"{{{kty}:"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",{other}}}"#
            )
        };
        for kty in ["\"kty\"", "\"\\u006bty\""] {
            // A number that no f64 holds, and what looks like a written-out line end.
            for other in ["\"exp\":1", "\"exp\":1e999", r#""kid":"\\\\n""#, r#""\\\\n":-1E+400"#] {
                let text = jwk(kty, other);
                assert!(crate::Jwk::from_json(&text).is_ok(), "{text}");
                assert!(refused(&text), "{text}");
                assert!(refused(STANDARD_NO_PAD.encode(&text)), "base64 of {text}");
            }
        }
    }

    #[test]
    fn ordinary_secrets_are_taken() {
        let secrets: [&[u8]; 4] = [
            b"correct horse battery staple, twice over",
            b"9b1deb4d3b7d4bad9bdd2b0d7b3dcb6d9b1deb4d3b7d4bad9bdd2b0d7b3dcb6d",
            b"c2VjcmV0IGJ5dGVzIHRoYXQgYXJlIHJhbmRvbSBlbm91Z2g=",
            &[
                0x30, 3, 0x02, 200, 17, 4, 99, 250, 31, 8, 77, 21, 64, 9, 180, 5, 3, 1, 2, 9, 7, 5,
                4, 4, 1, 8, 9, 255, 31, 6, 5, 8,
            ],
        ];
        for secret in secrets {
            assert_eq!(check(Algorithm::Hs256, secret), Ok(()));
        }
    }

    #[test]
    fn short_and_well_known_secrets_are_refused() {
        assert_eq!(check(Algorithm::Hs256, b""), Err(Error::SecretTooShort { minimum: 32 }));
        assert_eq!(
            check(Algorithm::Hs512, &[b'x'; 63]),
            Err(Error::SecretTooShort { minimum: 64 })
        );
        assert_eq!(check(Algorithm::Hs256, &[b'x'; 40]), Err(Error::SecretWeak));
        assert_eq!(check(Algorithm::Hs256, WELL_KNOWN[0].as_bytes()), Err(Error::SecretWeak));
    }
}
