//! The grammar of JSON: from where something starts to where it ends.
//!
//! Every function takes the position it reads from and returns the one behind what it read, so that the whole of an
//! ordinary object is read in registers; only what is rare (blanks, escapes, numbers but natural ones, nesting) is called.

use std::ops::Range;

use super::{Invalid, Kind, MAX_DEPTH, fingerprint};

const ENDS: Invalid = "the JSON ends too early";
const SYNTAX: Invalid = "not valid JSON";
const CONTROL: Invalid = "a control character inside a string";
const SURROGATE: Invalid = "half of a surrogate pair";

/// A text of which UTF-8 is known.
#[derive(Clone, Copy)]
pub(super) struct Json<'t> {
    text: &'t [u8],
    /// There is no backslash and no control character, as in all but odd tokens: every string ends at the next quote.
    clean: bool,
}

/// The name of a member.
pub(super) struct Name {
    /// Where it stands between its quotes.
    pub(super) range: Range<usize>,
    pub(super) escaped: bool,
    /// The fingerprint as written.
    pub(super) print: u64,
}

impl<'t> Json<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let text = text.as_bytes();
        Self { text, clean: is_clean(text) }
    }

    /// The byte at a position; behind the end it is 0, which stands nowhere in JSON.
    #[inline(always)]
    pub(super) fn byte(self, at: usize) -> u8 {
        self.text.get(at).copied().unwrap_or(0)
    }

    /// The eight bytes from a position on, the first one lowest; behind the end they are 0.
    #[inline(always)]
    fn eight(self, at: usize) -> u64 {
        match self.text.get(at..).and_then(<[u8]>::first_chunk) {
            Some(eight) => u64::from_le_bytes(*eight),
            None => self.fewer(at),
        }
    }

    #[cold]
    fn fewer(self, at: usize) -> u64 {
        let rest = self.text.get(at..).unwrap_or_default();
        rest.iter().rev().fold(0, |eight, &byte| eight << 8 | u64::from(byte))
    }

    /// Reads a name, after its quote, up to and with its closing one.
    #[inline(always)]
    pub(super) fn name(self, start: usize) -> Result<(Name, usize), Invalid> {
        let eight = self.eight(start);
        let quote = quotes(eight);
        if quote != 0 && self.clean {
            // What is above the quote is cut off, and the length put in its place.
            let length = quote.trailing_zeros() as usize / 8;
            let below = (quote & quote.wrapping_neg()) >> 7;
            let print = eight & (below - 1) | (length as u64) << 56;
            let end = start + length;
            return Ok((Name { range: start..end, escaped: false, print }, end + 1));
        }
        let (escaped, end) = self.string(start)?;
        let range = start..end - 1;
        let print = fingerprint(self.text.get(range.clone()).unwrap_or_default());
        Ok((Name { range, escaped, print }, end))
    }

    /// Why something else was expected here.
    #[cold]
    fn unexpected(self, at: usize) -> Invalid {
        if at < self.text.len() { SYNTAX } else { ENDS }
    }

    #[inline(always)]
    fn expect(self, expected: u8, at: usize) -> Result<usize, Invalid> {
        if self.byte(at) == expected { Ok(at + 1) } else { Err(self.unexpected(at)) }
    }

    /// Passes over blanks.
    #[inline(always)]
    pub(super) fn blank(self, at: usize) -> usize {
        if self.byte(at) > b' ' { at } else { self.blanks(at) }
    }

    #[cold]
    fn blanks(self, mut at: usize) -> usize {
        while matches!(self.byte(at), b' ' | b'\t' | b'\n' | b'\r') {
            at += 1;
        }
        at
    }

    /// Passes over what follows an element: a comma and blanks, or the end of the array or object.
    #[inline(always)]
    fn more(self, close: u8, at: usize) -> Result<(bool, usize), Invalid> {
        let at = self.blank(at);
        match self.byte(at) {
            b',' => Ok((true, self.blank(at + 1))),
            byte if byte == close => Ok((false, at + 1)),
            _ => Err(self.unexpected(at)),
        }
    }

    /// Reads the rest of an object, after its brace. `member` is given the name and where the value starts; it returns
    /// where the value ends.
    #[inline(always)]
    pub(super) fn members(
        self,
        at: usize,
        mut member: impl FnMut(Name, usize) -> Result<usize, Invalid>,
    ) -> Result<usize, Invalid> {
        let mut at = self.blank(at);
        if self.byte(at) == b'}' {
            return Ok(at + 1);
        }
        loop {
            let start = self.expect(b'"', at)?;
            let (name, end) = self.name(start)?;
            let colon = self.expect(b':', self.blank(end))?;
            let end = member(name, self.blank(colon))?;
            let (more, next) = self.more(b'}', end)?;
            if !more {
                return Ok(next);
            }
            at = next;
        }
    }

    /// Reads a value that stands `depth` arrays and objects deep.
    #[inline(always)]
    pub(super) fn value(self, at: usize, depth: usize) -> Result<(Kind, usize), Invalid> {
        if self.byte(at) == b'"' {
            let (escaped, end) = self.string(at + 1)?;
            return Ok((if escaped { Kind::Escaped } else { Kind::Plain }, end));
        }
        match self.natural(at) {
            Some((number, end)) => Ok((Kind::Natural(number), end)),
            None => self.other(at, depth),
        }
    }

    /// Reads a value that is neither a string nor a natural number.
    fn other(self, at: usize, depth: usize) -> Result<(Kind, usize), Invalid> {
        let rest = self.text.get(at..).unwrap_or_default();
        match rest {
            [b'-' | b'0'..=b'9', ..] => self.number(at).map(|end| (Kind::Number, end)),
            [b'{' | b'[', ..] if depth == MAX_DEPTH => Err("the JSON nests too deeply"),
            [b'{', ..] => {
                let member = |_, at| self.value(at, depth + 1).map(|(_, end)| end);
                self.members(at + 1, member).map(|end| (Kind::Object, end))
            }
            [b'[', ..] => self.array(at + 1, depth + 1).map(|end| (Kind::Array, end)),
            [b't', b'r', b'u', b'e', ..] => Ok((Kind::True, at + 4)),
            [b'f', b'a', b'l', b's', b'e', ..] => Ok((Kind::False, at + 5)),
            [b'n', b'u', b'l', b'l', ..] => Ok((Kind::Null, at + 4)),
            _ => Err(self.unexpected(at)),
        }
    }

    fn array(self, at: usize, depth: usize) -> Result<usize, Invalid> {
        let mut at = self.blank(at);
        if self.byte(at) == b']' {
            return Ok(at + 1);
        }
        loop {
            let (_, end) = self.value(at, depth)?;
            let (more, next) = self.more(b']', end)?;
            if !more {
                return Ok(next);
            }
            at = next;
        }
    }

    /// Reads a number without sign, fraction, exponent or leading zeros that fits; `None` for anything else.
    #[inline(always)]
    fn natural(self, at: usize) -> Option<(u64, usize)> {
        let (mut end, mut number) = (at, 0_u64);
        if let Some(eight) = eight_digits(self.eight(at)) {
            (end, number) = (at + 8, eight);
        }
        while let digit @ b'0'..=b'9' = self.byte(end) {
            number = number.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
            end += 1;
        }
        let natural = match end - at {
            1 => true,
            // 10^19 is less than 2^64.
            2..=19 => self.byte(at) != b'0',
            _ => false,
        };
        (natural && !matches!(self.byte(end), b'.' | b'e' | b'E')).then_some((number, end))
    }

    fn number(self, mut at: usize) -> Result<usize, Invalid> {
        if self.byte(at) == b'-' {
            at += 1;
        }
        at = if self.byte(at) == b'0' { at + 1 } else { self.digits(at)? };
        if self.byte(at) == b'.' {
            at = self.digits(at + 1)?;
        }
        if matches!(self.byte(at), b'e' | b'E') {
            at += if matches!(self.byte(at + 1), b'+' | b'-') { 2 } else { 1 };
            at = self.digits(at)?;
        }
        Ok(at)
    }

    /// Reads at least one digit.
    fn digits(self, start: usize) -> Result<usize, Invalid> {
        let mut at = start;
        while self.byte(at).is_ascii_digit() {
            at += 1;
        }
        if at > start { Ok(at) } else { Err(self.unexpected(at)) }
    }

    /// Reads a string, after its quote, up to and with its closing one; answers whether it has escapes.
    #[inline(always)]
    fn string(self, start: usize) -> Result<(bool, usize), Invalid> {
        if !self.clean {
            return self.odd_string(start);
        }
        let mut at = start;
        while let Some(eight) = self.text.get(at..).and_then(<[u8]>::first_chunk) {
            let quotes = quotes(u64::from_le_bytes(*eight));
            if quotes != 0 {
                return Ok((false, at + quotes.trailing_zeros() as usize / 8 + 1));
            }
            at += 8;
        }
        self.odd_string(at)
    }

    /// The same byte by byte.
    fn odd_string(self, mut at: usize) -> Result<(bool, usize), Invalid> {
        let mut escaped = false;
        loop {
            match self.byte(at) {
                b'"' => return Ok((escaped, at + 1)),
                b'\\' => (escaped, at) = (true, self.escape(at + 1)?),
                0..0x20 => return Err(if at < self.text.len() { CONTROL } else { ENDS }),
                _ => at += 1,
            }
        }
    }

    fn escape(self, at: usize) -> Result<usize, Invalid> {
        match self.byte(at) {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(at + 1),
            b'u' => match self.hex(at + 1)? {
                (0xDC00..=0xDFFF, _) => Err(SURROGATE),
                (0xD800..=0xDBFF, at) => {
                    let low = self.expect(b'\\', at).and_then(|at| self.expect(b'u', at));
                    match self.hex(low.map_err(|_| SURROGATE)?)? {
                        (0xDC00..=0xDFFF, at) => Ok(at),
                        _ => Err(SURROGATE),
                    }
                }
                (_, at) => Ok(at),
            },
            _ => Err(self.unexpected(at)),
        }
    }

    fn hex(self, at: usize) -> Result<(u32, usize), Invalid> {
        let digits = self.text.get(at..).and_then(<[u8]>::first_chunk::<4>).ok_or(ENDS)?;
        let unit = digits
            .iter()
            .try_fold(0, |sum, &digit| Some(sum * 16 + char::from(digit).to_digit(16)?))
            .ok_or(SYNTAX)?;
        Ok((unit, at + 4))
    }
}

/// Eight times the same byte.
#[inline(always)]
pub(crate) const fn all(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// The number that eight digits are, the first one lowest: neighbours become numbers of two, four and eight digits.
#[inline(always)]
pub(super) fn eight_digits(eight: u64) -> Option<u64> {
    let digits = eight ^ all(b'0');
    if (digits | digits.wrapping_add(all(6))) & all(0xF0) != 0 {
        return None;
    }
    let pairs = digits.wrapping_mul(10 << 8 | 1) >> 8 & 0x00FF_00FF_00FF_00FF;
    let fours = pairs.wrapping_mul(100 << 16 | 1) >> 16 & 0x0000_FFFF_0000_FFFF;
    Some(fours.wrapping_mul(10_000 << 32 | 1) >> 32)
}

/// Marks the lowest of eight bytes that is a quote; higher marks may be wrong.
#[inline(always)]
pub(super) const fn quotes(eight: u64) -> u64 {
    let zero = eight ^ all(b'"');
    zero.wrapping_sub(all(1)) & !zero & all(0x80)
}

/// Whether there is neither a control character nor a backslash.
pub(super) fn is_clean(text: &[u8]) -> bool {
    let marks = |eight: &[u8; 8]| {
        let eight = u64::from_le_bytes(*eight);
        let low = eight.wrapping_sub(all(0x20));
        let backslash = (eight ^ all(b'\\')).wrapping_sub(all(1));
        (low | backslash) & !eight & all(0x80)
    };
    let (eights, rest) = text.as_chunks();
    let odd = eights.iter().fold(0, |odd, eight| odd | marks(eight));
    let end = rest.iter().fold(u64::MAX >> 1, |eight, &byte| eight << 8 | u64::from(byte));
    odd | text.last_chunk().map_or_else(|| marks(&end.to_le_bytes()), marks) == 0
}
