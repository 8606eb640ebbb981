//! Reads a JSON object once: its grammar, its nesting, its members (RFC 8259).
//!
//! The text is validated whole, also the parts that nobody will read, and the members of the object are recorded as
//! ranges of the text. Duplicate members are refused by their unescaped names (RFC 7515 §4, RFC 7519 §4).

use std::{borrow::Cow, collections::HashSet, ops::Range};

/// How deep arrays and objects may nest, the object itself included.
pub(crate) const MAX_DEPTH: usize = 64;

/// Beyond this number of members duplicates are sought by hashing, so that the cost stays in proportion to the text.
const FEW_MEMBERS: usize = 32;

/// A member of the object, as ranges of its text.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    /// The name between its quotes.
    name: Range<usize>,
    name_escaped: bool,
    /// Tells most names apart at once; see [`fingerprint`].
    pub(crate) print: u64,
    /// The value, a string with its quotes.
    value: Range<usize>,
    pub(crate) kind: Kind,
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Null,
    True,
    False,
    /// A number without sign, fraction or exponent, and its value.
    Natural(u64),
    /// Any other number.
    Number,
    /// A string that stands for itself.
    Plain,
    /// A string with escapes.
    Escaped,
    Array,
    Object,
}

/// The text is not what was asked for; the reason is named.
pub(crate) type Invalid = &'static str;

impl Member {
    /// The name, unescaped.
    #[inline]
    pub(crate) fn name<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let name = text.get(self.name.clone()).unwrap_or_default();
        if self.name_escaped {
            unescape(text.get(self.name.start - 1..self.name.end + 1))
        } else {
            name.into()
        }
    }

    /// The text of the value, a string with its quotes.
    #[inline]
    pub(crate) fn value<'t>(&self, text: &'t str) -> &'t str {
        text.get(self.value.clone()).unwrap_or_default()
    }

    /// Where the value stands.
    #[inline]
    pub(crate) fn range(&self) -> Range<usize> {
        self.value.clone()
    }

    /// Where a string without escapes stands between its quotes.
    #[inline]
    pub(crate) fn plain(&self) -> Range<usize> {
        self.value.start + 1..self.value.end - 1
    }

    /// The string, unescaped; `None` if the value is not a string.
    #[inline]
    pub(crate) fn string<'t>(&self, text: &'t str) -> Option<Cow<'t, str>> {
        match self.kind {
            Kind::Plain => text.get(self.plain()).map(Cow::Borrowed),
            Kind::Escaped => Some(unescape(Some(self.value(text)))),
            _ => None,
        }
    }
}

/// Reads `text` as one object and leaves its members in `members`.
pub(crate) fn object(text: &str, members: &mut Vec<Member>) -> Result<(), Invalid> {
    members.clear();
    let mut scanner = Scanner { rest: text.as_bytes(), length: text.len() };
    scanner.blank();
    scanner.byte(b'{').map_err(|_| "not a JSON object")?;
    let mut seen = 0_u64;
    scanner.members(|scanner, name, print, name_escaped| {
        let start = scanner.at();
        let mut member =
            Member { name, name_escaped, print, value: start..start, kind: Kind::Null };
        if name_escaped {
            member.print = fingerprint(member.name(text).as_bytes());
        }
        // One bit for each name; only where it was set before can a name stand twice.
        let bit = 1 << (member.print.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 58);
        if seen & bit != 0
            && members.len() < FEW_MEMBERS
            && members
                .iter()
                .any(|other| other.print == member.print && other.name(text) == member.name(text))
        {
            return Err(DUPLICATE);
        }
        seen |= bit;
        member.kind = scanner.value(1)?;
        member.value.end = scanner.at();
        members.push(member);
        Ok(())
    })?;
    scanner.blank();
    if !scanner.rest.is_empty() {
        return Err("more than one JSON value");
    }
    if members.len() > FEW_MEMBERS {
        let mut names = HashSet::with_capacity(members.len());
        if !members.iter().all(|member| names.insert(member.name(text))) {
            return Err(DUPLICATE);
        }
    }
    Ok(())
}

/// The reason given for a member that stands twice.
pub(crate) const DUPLICATE: Invalid = "a member stands twice";

/// Reads a string literal, quotes included, that was found valid.
pub(crate) fn unescape(literal: Option<&str>) -> Cow<'_, str> {
    literal
        .and_then(|literal| serde_json::from_str::<String>(literal).ok())
        .unwrap_or_default()
        .into()
}

/// Eight bytes made of a name: equal for equal names, and exact for names up to seven bytes long, which no longer name
/// shares because only those have the highest bit.
pub(crate) const fn fingerprint(name: &[u8]) -> u64 {
    let length = (name.len() as u64) << 56;
    if let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) {
        let mixed = u64::from_le_bytes(*first).rotate_left(29) ^ u64::from_be_bytes(*last);
        return (mixed ^ length) | 1 << 63;
    }
    let (mut print, mut rest) = (0, name);
    while let Some((&byte, others)) = rest.split_last() {
        print = print << 8 | byte as u64;
        rest = others;
    }
    print | length
}

/// The same for a name at the start of a longer text.
#[inline]
fn fingerprint_at(text: &[u8], length: usize) -> u64 {
    match text.first_chunk() {
        Some(eight) if length < 8 => {
            let bits = length * 8;
            u64::from_le_bytes(*eight) & ((1 << bits) - 1) | (bits as u64) << 53
        }
        _ => fingerprint(text.get(..length).unwrap_or_default()),
    }
}

/// Reads from the front; where it stands is told by what is left.
struct Scanner<'t> {
    rest: &'t [u8],
    length: usize,
}

const ENDS: Invalid = "the JSON ends too early";
const SYNTAX: Invalid = "not valid JSON";

impl Scanner<'_> {
    #[inline]
    fn at(&self) -> usize {
        self.length - self.rest.len()
    }

    #[inline]
    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    #[inline]
    fn byte(&mut self, expected: u8) -> Result<(), Invalid> {
        match self.rest {
            [byte, rest @ ..] if *byte == expected => {
                self.rest = rest;
                Ok(())
            }
            [_, ..] => Err(SYNTAX),
            [] => Err(ENDS),
        }
    }

    #[inline]
    fn blank(&mut self) {
        while let [byte @ 0..=b' ', rest @ ..] = self.rest {
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return;
            }
            self.rest = rest;
        }
    }

    /// Reads what follows an element: a comma, or the end of the array or object.
    #[inline]
    fn more(&mut self, close: u8) -> Result<bool, Invalid> {
        self.blank();
        match self.rest {
            [b',', rest @ ..] => {
                self.rest = rest;
                self.blank();
                Ok(true)
            }
            [byte, rest @ ..] if *byte == close => {
                self.rest = rest;
                Ok(false)
            }
            [_, ..] => Err(SYNTAX),
            [] => Err(ENDS),
        }
    }

    /// Reads the rest of an object, after its brace; `member` takes over before each value and must consume it. It is
    /// given where the name stands, its fingerprint as written, and whether it has escapes.
    fn members(
        &mut self,
        mut member: impl FnMut(&mut Self, Range<usize>, u64, bool) -> Result<(), Invalid>,
    ) -> Result<(), Invalid> {
        self.blank();
        if self.byte(b'}').is_ok() {
            return Ok(());
        }
        loop {
            self.byte(b'"')?;
            let (start, text) = (self.at(), self.rest);
            let escaped = self.string()?;
            let name = start..self.at() - 1;
            let print = fingerprint_at(text, name.len());
            self.blank();
            self.byte(b':')?;
            self.blank();
            member(self, name, print, escaped)?;
            if !self.more(b'}')? {
                return Ok(());
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<(), Invalid> {
        self.blank();
        if self.byte(b']').is_ok() {
            return Ok(());
        }
        loop {
            self.value(depth)?;
            if !self.more(b']')? {
                return Ok(());
            }
        }
    }

    /// Reads a value that stands `depth` arrays and objects deep.
    fn value(&mut self, depth: usize) -> Result<Kind, Invalid> {
        match self.rest {
            [b'"', rest @ ..] => {
                self.rest = rest;
                Ok(if self.string()? { Kind::Escaped } else { Kind::Plain })
            }
            [b'-' | b'0'..=b'9', ..] => self.number(),
            [b'{' | b'[', ..] if depth == MAX_DEPTH => Err("the JSON nests too deeply"),
            [b'{', rest @ ..] => {
                self.rest = rest;
                self.members(|scanner, _, _, _| scanner.value(depth + 1).map(|_| ()))?;
                Ok(Kind::Object)
            }
            [b'[', rest @ ..] => {
                self.rest = rest;
                self.array(depth + 1)?;
                Ok(Kind::Array)
            }
            [b't', b'r', b'u', b'e', rest @ ..] => {
                self.rest = rest;
                Ok(Kind::True)
            }
            [b'f', b'a', b'l', b's', b'e', rest @ ..] => {
                self.rest = rest;
                Ok(Kind::False)
            }
            [b'n', b'u', b'l', b'l', rest @ ..] => {
                self.rest = rest;
                Ok(Kind::Null)
            }
            [_, ..] => Err(SYNTAX),
            [] => Err(ENDS),
        }
    }

    /// Reads at least one digit; answers their value, as long as it fits.
    #[inline]
    fn digits(&mut self) -> Result<Option<u64>, Invalid> {
        let before = self.rest.len();
        let mut value = 0_u64;
        while let [digit @ b'0'..=b'9', rest @ ..] = self.rest {
            value = value.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
            self.rest = rest;
        }
        match before - self.rest.len() {
            0 => Err(SYNTAX),
            // 10^19 is less than 2^64.
            1..=19 => Ok(Some(value)),
            _ => Ok(None),
        }
    }

    fn number(&mut self) -> Result<Kind, Invalid> {
        let negative = self.byte(b'-').is_ok();
        let whole = if self.byte(b'0').is_ok() { Some(0) } else { self.digits()? };
        let mut kind = match whole {
            Some(value) if !negative => Kind::Natural(value),
            _ => Kind::Number,
        };
        if let [b'.', rest @ ..] = self.rest {
            self.rest = rest;
            self.digits()?;
            kind = Kind::Number;
        }
        if let [b'e' | b'E', b'+' | b'-', rest @ ..] | [b'e' | b'E', rest @ ..] = self.rest {
            self.rest = rest;
            self.digits()?;
            kind = Kind::Number;
        }
        Ok(kind)
    }

    /// Reads a string up to and with its closing quote; answers whether it has escapes.
    #[inline]
    fn string(&mut self) -> Result<bool, Invalid> {
        let mut escaped = false;
        loop {
            while let Some((eight, rest)) = self.rest.split_first_chunk() {
                let special = special(u64::from_le_bytes(*eight));
                if special != 0 {
                    self.skip(special.trailing_zeros() as usize / 8);
                    break;
                }
                self.rest = rest;
            }
            match self.rest {
                [b'"', rest @ ..] => {
                    self.rest = rest;
                    return Ok(escaped);
                }
                [b'\\', rest @ ..] => {
                    escaped = true;
                    self.rest = rest;
                    self.escape()?;
                }
                [0..0x20, ..] => return Err("a control character inside a string"),
                [_, rest @ ..] => self.rest = rest,
                [] => return Err(ENDS),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Invalid> {
        let [kind, rest @ ..] = self.rest else { return Err(ENDS) };
        self.rest = rest;
        match kind {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(()),
            b'u' => match self.hex()? {
                0xDC00..=0xDFFF => Err(SURROGATE),
                0xD800..=0xDBFF => {
                    self.byte(b'\\').and_then(|()| self.byte(b'u')).map_err(|_| SURROGATE)?;
                    if (0xDC00..=0xDFFF).contains(&self.hex()?) { Ok(()) } else { Err(SURROGATE) }
                }
                _ => Ok(()),
            },
            _ => Err(SYNTAX),
        }
    }

    fn hex(&mut self) -> Result<u32, Invalid> {
        let (digits, rest) = self.rest.split_first_chunk::<4>().ok_or(ENDS)?;
        self.rest = rest;
        digits
            .iter()
            .try_fold(0, |sum, &digit| Some(sum * 16 + char::from(digit).to_digit(16)?))
            .ok_or(SYNTAX)
    }
}

const SURROGATE: Invalid = "half of a surrogate pair";

/// Marks the lowest of eight bytes that is a quote, a backslash or a control character; higher marks may be wrong.
pub(crate) const fn special(eight: u64) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    const QUOTES: u64 = ONES * b'"' as u64;
    const BACKSLASHES: u64 = ONES * b'\\' as u64;
    let quote = eight ^ QUOTES;
    let backslash = eight ^ BACKSLASHES;
    let control = eight.wrapping_sub(ONES * 0x20) & !eight;
    (quote.wrapping_sub(ONES) & !quote | backslash.wrapping_sub(ONES) & !backslash | control) & HIGH
}

#[cfg(test)]
mod tests;
