//! The form `header.payload.signature` (RFC 7515 §7.1): limits, base64url, the strict header.

use std::{borrow::Cow, ops::Range};

use base64_turbo::URL_SAFE_NO_PAD as BASE64URL;

use crate::{
    Error,
    scan::{self, Kind, Member},
};

/// The greatest length of a token in bytes, checked before anything else.
pub const MAX_TOKEN_LEN: usize = 8 * 1024;

/// A token in its three parts, still encoded.
pub(crate) struct Compact<'t> {
    pub(crate) header: &'t str,
    pub(crate) payload: &'t str,
    pub(crate) signature: &'t str,
    /// Header and payload with the dot between them.
    pub(crate) signed: &'t str,
}

impl<'t> Compact<'t> {
    /// Cuts a token that starts with this header and its dot, and whose signature most likely has this length.
    #[inline]
    pub(crate) fn cut(token: &'t str, header: &'t str, signature: usize) -> Option<Self> {
        let rest = token.strip_prefix(header)?;
        let (payload, signature) =
            match rest.split_at_checked(rest.len().wrapping_sub(signature + 1)) {
                Some((payload, signature)) if signature.starts_with('.') => {
                    (payload, signature.get(1..)?)
                }
                _ => rest.rsplit_once('.')?,
            };
        let signed = token.get(..header.len() + payload.len())?;
        Some(Self { header: header.strip_suffix('.')?, payload, signature, signed })
    }

    /// Cuts at the first and at the last dot. A dot between them is refused when the payload is decoded, as is any other
    /// byte outside base64url; [`Compact::check_alphabet`] does it beforehand.
    pub(crate) fn split(token: &'t str) -> Result<Self, Error> {
        check_len(token)?;
        let (signed, signature) = token.rsplit_once('.').ok_or(PARTS)?;
        let (header, payload) = signed.split_once('.').ok_or(PARTS)?;
        Ok(Self { header, payload, signature, signed })
    }

    /// Refuses any byte that may not stand in a token, in one pass over all of it.
    pub(crate) fn check_alphabet(&self) -> Result<(), Error> {
        let stray = |part: &str| {
            part.bytes().fold(false, |stray, byte| {
                stray | !(byte.is_ascii_alphanumeric() | (byte == b'-') | (byte == b'_'))
            })
        };
        if self.payload.contains('.') {
            return Err(PARTS);
        }
        if stray(self.header) | stray(self.payload) | stray(self.signature) {
            return Err(ALPHABET);
        }
        Ok(())
    }
}

/// Refuses a token that is too long, whatever it says.
pub(crate) fn check_len(token: &str) -> Result<(), Error> {
    if token.len() > MAX_TOKEN_LEN {
        Err(Error::TokenMalformed("longer than 8192 bytes"))
    } else {
        Ok(())
    }
}

const PARTS: Error = Error::TokenMalformed("not three parts");
const ALPHABET: Error = Error::TokenMalformed("not canonical base64url");

/// Decodes one part to the start of `bytes`, which grows as needed, and returns the length. Padding, stray trailing bits
/// and foreign characters are refused: each sequence of bytes has one text only (RFC 4648 §3.5).
pub(crate) fn decode(part: &str, bytes: &mut Vec<u8>) -> Result<usize, Error> {
    let room = BASE64URL.decoded_len_estimate(part.len());
    if bytes.len() < room {
        bytes.resize(room, 0);
    }
    decode_slice(part, bytes)
}

/// Decodes a signature onto the stack; `None` for one that does not fit, and so belongs to no key.
pub(crate) fn decode_signature<'b>(
    part: &str,
    bytes: &'b mut [u8],
) -> Result<Option<&'b [u8]>, Error> {
    if BASE64URL.decoded_len_estimate(part.len()) > bytes.len() {
        // Still a refusal of its form first, if that is wrong.
        decode(part, &mut Vec::new())?;
        return Ok(None);
    }
    let length = decode_slice(part, bytes)?;
    Ok(bytes.get(..length))
}

fn decode_slice(part: &str, bytes: &mut [u8]) -> Result<usize, Error> {
    if stray_bits(part.as_bytes()) {
        return Err(ALPHABET);
    }
    BASE64URL.decode_slice(part, bytes).map_err(|_| ALPHABET)
}

/// Whether the last character has bits set that belong to no byte.
fn stray_bits(part: &[u8]) -> bool {
    let last = match part.last() {
        Some(upper @ b'A'..=b'Z') => upper - b'A',
        Some(lower @ b'a'..=b'z') => lower - b'a' + 26,
        Some(digit @ b'0'..=b'9') => digit - b'0' + 52,
        Some(b'-') => 62,
        Some(b'_') => 63,
        Some(_) | None => return !part.is_empty(),
    };
    match part.len() % 4 {
        0 => false,
        2 => last & 0b1111 != 0,
        3 => last & 0b11 != 0,
        _ => true,
    }
}

/// Appends the base64url form of `bytes` to `text`.
pub(crate) fn encode(bytes: &[u8], text: &mut Vec<u8>) {
    let start = text.len();
    text.resize(start + BASE64URL.encoded_len(bytes.len()), 0);
    let room = text.get_mut(start..).unwrap_or_default();
    // The room was just made to measure, the one thing that could be refused.
    let written = BASE64URL.encode_slice(bytes, room);
    debug_assert!(written.is_ok());
}

/// Appends the base64url form of a range of `bytes` to `bytes` itself.
pub(crate) fn encode_within(bytes: &mut Vec<u8>, range: Range<usize>) {
    let start = bytes.len();
    bytes.resize(start + BASE64URL.encoded_len(range.len()), 0);
    if let Some((from, room)) = bytes.split_at_mut_checked(start) {
        let written = BASE64URL.encode_slice(from.get(range).unwrap_or_default(), room);
        debug_assert!(written.is_ok());
    }
}

/// The members of a header that decide over a token; all others are ignored, `jwk jku x5u x5c` among them.
#[derive(Debug)]
pub(crate) struct Header<'t> {
    pub(crate) alg: Cow<'t, str>,
    pub(crate) kid: Option<Cow<'t, str>>,
    pub(crate) typ: Option<Cow<'t, str>>,
    /// Asks for an extension; there is none that is understood.
    pub(crate) unsupported: bool,
}

impl<'t> Header<'t> {
    /// Reads the JSON of a header.
    pub(crate) fn read(bytes: &'t [u8], members: &mut Vec<Member>) -> Result<Self, Error> {
        let text = std::str::from_utf8(bytes)
            .map_err(|_| Error::TokenMalformed("the header is not UTF-8"))?;
        scan::object(text, members).map_err(Error::TokenMalformed)?;
        let (mut alg, mut kid, mut typ) = (None, None, None);
        let mut unsupported = false;
        for member in members.iter() {
            let string = || {
                member.string(text).ok_or(Error::TokenMalformed("a header member is not a string"))
            };
            match &*member.name(text) {
                "alg" => alg = Some(string()?),
                "kid" => kid = Some(string()?),
                "typ" => typ = Some(string()?),
                "crit" => unsupported = true,
                // RFC 7797 §7: a JWT has an encoded payload; `true` says just that.
                "b64" => unsupported |= member.kind != Kind::True,
                _ => {}
            }
        }
        let alg = alg.ok_or(Error::TokenMalformed("the header has no alg"))?;
        Ok(Self { alg, kid, typ, unsupported })
    }
}

/// The header that a key writes, encoded: `{"alg":…,"kid":…,"typ":…}`, and members beside them.
pub(crate) fn header_text(
    alg: &str,
    kid: Option<&str>,
    typ: &str,
    more: &[(String, String)],
) -> String {
    let mut json = Vec::with_capacity(64);
    json.extend_from_slice(b"{\"alg\":");
    crate::ser::write_string(alg, &mut json);
    if let Some(kid) = kid {
        json.extend_from_slice(b",\"kid\":");
        crate::ser::write_string(kid, &mut json);
    }
    json.extend_from_slice(b",\"typ\":");
    crate::ser::write_string(typ, &mut json);
    for (name, value) in more {
        json.push(b',');
        crate::ser::write_string(name, &mut json);
        json.push(b':');
        crate::ser::write_string(value, &mut json);
    }
    json.push(b'}');
    BASE64URL.encode(json)
}
