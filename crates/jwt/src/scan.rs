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
    print: u64,
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
    /// A number without fraction or exponent.
    Integer,
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
    pub(crate) fn name<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let name = text.get(self.name.clone()).unwrap_or_default();
        if self.name_escaped {
            unescape(text.get(self.name.start - 1..self.name.end + 1))
        } else {
            name.into()
        }
    }

    /// The text of the value, a string with its quotes.
    pub(crate) fn value<'t>(&self, text: &'t str) -> &'t str {
        text.get(self.value.clone()).unwrap_or_default()
    }

    /// Where the value stands.
    pub(crate) fn range(&self) -> Range<usize> {
        self.value.clone()
    }

    /// Where a string without escapes stands between its quotes.
    pub(crate) fn plain(&self) -> Range<usize> {
        self.value.start + 1..self.value.end - 1
    }

    /// The string, unescaped; `None` if the value is not a string.
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
    let mut scanner = Scanner { bytes: text.as_bytes(), at: 0 };
    scanner.blank();
    scanner.byte(b'{').map_err(|_| "not a JSON object")?;
    scanner.members(|scanner, name, name_escaped| {
        let bytes = scanner.bytes.get(name.clone()).unwrap_or_default();
        let mut member = Member {
            print: fingerprint(bytes),
            name,
            name_escaped,
            value: scanner.at..scanner.at,
            kind: Kind::Null,
        };
        if name_escaped {
            member.print = fingerprint(member.name(text).as_bytes());
        }
        if members.len() < FEW_MEMBERS
            && members
                .iter()
                .any(|other| other.print == member.print && other.name(text) == member.name(text))
        {
            return Err(DUPLICATE);
        }
        member.kind = scanner.value(1)?;
        member.value.end = scanner.at;
        members.push(member);
        Ok(())
    })?;
    scanner.blank();
    if scanner.at != text.len() {
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

/// Eight bytes made of a name: equal for equal names, and exact for names up to seven bytes long.
pub(crate) const fn fingerprint(name: &[u8]) -> u64 {
    let length = (name.len() as u64) << 56;
    if let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) {
        return u64::from_le_bytes(*first).rotate_left(29) ^ u64::from_be_bytes(*last) ^ length;
    }
    let (mut print, mut rest) = (0, name);
    while let Some((&byte, others)) = rest.split_first() {
        print = print << 8 | byte as u64;
        rest = others;
    }
    print ^ length
}

struct Scanner<'t> {
    bytes: &'t [u8],
    at: usize,
}

const ENDS: Invalid = "the JSON ends too early";
const SYNTAX: Invalid = "not valid JSON";

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn byte(&mut self, expected: u8) -> Result<(), Invalid> {
        match self.peek() {
            Some(byte) if byte == expected => self.at += 1,
            Some(_) => return Err(SYNTAX),
            None => return Err(ENDS),
        }
        Ok(())
    }

    fn blank(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// Reads the rest of an object, after its brace; `member` takes over before each value and must consume it.
    fn members(
        &mut self,
        mut member: impl FnMut(&mut Self, Range<usize>, bool) -> Result<(), Invalid>,
    ) -> Result<(), Invalid> {
        self.blank();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.byte(b'"')?;
            let start = self.at;
            let escaped = self.string()?;
            let name = start..self.at - 1;
            self.blank();
            self.byte(b':')?;
            self.blank();
            member(self, name, escaped)?;
            self.blank();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(_) => return Err(SYNTAX),
                None => return Err(ENDS),
            }
            self.blank();
        }
    }

    fn array(&mut self, depth: usize) -> Result<(), Invalid> {
        self.blank();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.value(depth)?;
            self.blank();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(_) => return Err(SYNTAX),
                None => return Err(ENDS),
            }
            self.blank();
        }
    }

    /// Reads a value that stands `depth` arrays and objects deep.
    fn value(&mut self, depth: usize) -> Result<Kind, Invalid> {
        match self.peek() {
            Some(b'"') => {
                self.at += 1;
                Ok(if self.string()? { Kind::Escaped } else { Kind::Plain })
            }
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b'{' | b'[') if depth == MAX_DEPTH => Err("the JSON nests too deeply"),
            Some(b'{') => {
                self.at += 1;
                self.members(|scanner, _, _| scanner.value(depth + 1).map(|_| ()))?;
                Ok(Kind::Object)
            }
            Some(b'[') => {
                self.at += 1;
                self.array(depth + 1)?;
                Ok(Kind::Array)
            }
            Some(b't') => self.word(b"true", Kind::True),
            Some(b'f') => self.word(b"false", Kind::False),
            Some(b'n') => self.word(b"null", Kind::Null),
            Some(_) => Err(SYNTAX),
            None => Err(ENDS),
        }
    }

    fn word(&mut self, word: &[u8], kind: Kind) -> Result<Kind, Invalid> {
        if !self.bytes.get(self.at..).unwrap_or_default().starts_with(word) {
            return Err(SYNTAX);
        }
        self.at += word.len();
        Ok(kind)
    }

    fn digits(&mut self) -> Result<(), Invalid> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at == start { Err(SYNTAX) } else { Ok(()) }
    }

    fn number(&mut self) -> Result<Kind, Invalid> {
        let mut kind = Kind::Integer;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
            kind = Kind::Number;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
            kind = Kind::Number;
        }
        Ok(kind)
    }

    /// Reads a string up to and with its closing quote; answers whether it has escapes.
    fn string(&mut self) -> Result<bool, Invalid> {
        let mut escaped = false;
        loop {
            while let Some(eight) = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk) {
                let special = special(u64::from_le_bytes(*eight));
                if special != 0 {
                    self.at += special.trailing_zeros() as usize / 8;
                    break;
                }
                self.at += 8;
            }
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(escaped);
                }
                Some(b'\\') => {
                    escaped = true;
                    self.at += 1;
                    self.escape()?;
                }
                Some(0..0x20) => return Err("a control character inside a string"),
                Some(_) => self.at += 1,
                None => return Err(ENDS),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Invalid> {
        let kind = self.peek().ok_or(ENDS)?;
        self.at += 1;
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
        let digits = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk::<4>).ok_or(ENDS)?;
        self.at += 4;
        digits
            .iter()
            .try_fold(0, |sum, &digit| Some(sum * 16 + char::from(digit).to_digit(16)?))
            .ok_or(SYNTAX)
    }
}

const SURROGATE: Invalid = "half of a surrogate pair";

/// Marks the lowest of eight bytes that is a quote, a backslash or a control character; higher marks may be wrong.
const fn special(eight: u64) -> u64 {
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
