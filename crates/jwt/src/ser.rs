//! Writes claims as JSON without an allocation, and refuses what a verifier would refuse.
//!
//! `serde_json` alone would write a number that is not finite as `null`, and would not see a member that stands twice.

use std::fmt;

use serde::ser::{self, Serialize};

use crate::{
    Error,
    registered::Registered,
    scan::{self, MAX_DEPTH, all},
};

/// Why serializing stopped.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) Error);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Failure {}

impl ser::Error for Failure {
    fn custom<T: fmt::Display>(_: T) -> Self {
        UNWRITABLE
    }
}

const UNWRITABLE: Failure = Failure(Error::ClaimsUnwritable);
const NOT_OBJECT: Failure = Failure(Error::ClaimsNotObject);

/// How many names are told apart without a second look, the registered ones included.
const FEW_NAMES: usize = 32;

/// The registered names, so that custom claims which use one are noticed.
const REGISTERED: [u64; FEW_NAMES] = {
    let mut prints = [0; FEW_NAMES];
    let mut rest: &mut [u64] = &mut prints;
    let mut names: &[&str] = &Registered::NAMES;
    while let (Some((print, prints)), Some((name, others))) =
        (rest.split_first_mut(), names.split_first())
    {
        *print = scan::fingerprint(name.as_bytes());
        rest = prints;
        names = others;
    }
    prints
};

/// An object being written, member by member, each with a comma before it; that of the first becomes the brace.
pub(crate) struct Object<'o> {
    out: &'o mut Vec<u8>,
    start: usize,
    prints: [u64; FEW_NAMES],
    count: usize,
    /// A custom name may stand twice or is a registered one: the text must be read again.
    pub(crate) doubtful: bool,
    /// The custom claims say when they were issued.
    pub(crate) has_issued_at: bool,
}

impl<'o> Object<'o> {
    pub(crate) fn new(out: &'o mut Vec<u8>) -> Self {
        Self {
            start: out.len(),
            out,
            prints: REGISTERED,
            count: Registered::NAMES.len(),
            doubtful: false,
            has_issued_at: false,
        }
    }

    /// Writes the name of a custom member; its value must follow.
    fn name(&mut self, name: &str) -> &mut Vec<u8> {
        let print = scan::fingerprint(name.as_bytes());
        let known = self.prints.get(..self.count);
        if known.is_none_or(|known| known.contains(&print)) {
            self.doubtful = true;
            self.has_issued_at |= name == "iat";
        }
        if let Some(free) = self.prints.get_mut(self.count) {
            *free = print;
        }
        self.count += 1;
        self.out.push(b',');
        write_string(name, self.out);
        self.out.push(b':');
        self.out
    }

    /// Writes a registered claim, given `,"name":`.
    #[inline]
    pub(crate) fn string(&mut self, start: &[u8; 7], value: &str) {
        self.out.extend_from_slice(start);
        write_string(value, self.out);
    }

    #[inline]
    pub(crate) fn integer(&mut self, start: &[u8; 7], value: i64) -> Result<(), Failure> {
        self.out.extend_from_slice(start);
        write_plain(&value, self.out)
    }

    pub(crate) fn strings(&mut self, start: &[u8; 7], values: &[String]) {
        self.out.extend_from_slice(start);
        for (before, value) in std::iter::once(b'[').chain(std::iter::repeat(b',')).zip(values) {
            self.out.push(before);
            write_string(value, self.out);
        }
        self.out.push(b']');
    }

    /// Ends the object; answers whether its text must be read again.
    pub(crate) fn end(self) -> bool {
        match self.out.get_mut(self.start) {
            Some(comma) => *comma = b'{',
            None => self.out.push(b'{'),
        }
        self.out.push(b'}');
        self.doubtful
    }
}

/// Writes a string with its quotes.
#[inline]
pub(crate) fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    if !needs_escape(text.as_bytes()) {
        out.extend_from_slice(text.as_bytes());
    } else {
        for byte in text.bytes() {
            match byte {
                b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
                0..0x20 => {
                    let digit =
                        |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
                    out.extend_from_slice(&[
                        b'\\',
                        b'u',
                        b'0',
                        b'0',
                        digit(byte >> 4),
                        digit(byte & 15),
                    ]);
                }
                _ => out.push(byte),
            }
        }
    }
    out.push(b'"');
}

#[inline]
fn needs_escape(text: &[u8]) -> bool {
    let (eights, rest) = text.as_chunks();
    let marks = |eight: &[u8; 8]| special(u64::from_le_bytes(*eight));
    let whole = eights.iter().fold(0, |found, eight| found | marks(eight));
    let end = match text.last_chunk() {
        Some(last) => marks(last),
        None => {
            special(rest.iter().fold(u64::MAX >> 1, |eight, &byte| eight << 8 | u64::from(byte)))
        }
    };
    whole | end != 0
}

/// Marks those of eight bytes that are a quote, a backslash or a control character, perhaps others too if there is one.
#[inline]
const fn special(eight: u64) -> u64 {
    // With this bit changed the quote stands next to the control characters: both are below 0x21.
    let low = (eight ^ all(2)).wrapping_sub(all(0x21));
    let backslash = (eight ^ all(b'\\')).wrapping_sub(all(1));
    (low | backslash) & !eight & all(0x80)
}

/// Writes a scalar as `serde_json` does.
#[inline]
fn write_plain<T: Serialize>(value: &T, out: &mut Vec<u8>) -> Result<(), Failure> {
    serde_json::to_writer(out, value).map_err(|_| UNWRITABLE)
}

/// Merges the members of a value into an object; anything that has no members is refused.
pub(crate) struct Merge<'a, 'o>(pub(crate) &'a mut Object<'o>);

/// Writes one value, `depth` arrays and objects deep.
struct Value<'o> {
    out: &'o mut Vec<u8>,
    depth: usize,
}

/// An array or object inside a value.
struct Nested<'o> {
    out: &'o mut Vec<u8>,
    depth: usize,
    first: bool,
    close: &'static [u8],
}

impl<'o> Value<'o> {
    fn nested(self, open: u8, close: &'static [u8]) -> Result<Nested<'o>, Failure> {
        if self.depth == MAX_DEPTH {
            return Err(UNWRITABLE);
        }
        self.out.push(open);
        Ok(Nested { out: self.out, depth: self.depth + 1, first: true, close })
    }

    /// `{"variant":`, for the payload of an enum's variant; one `}` is owed.
    fn variant(self, variant: &str) -> Result<Self, Failure> {
        if self.depth == MAX_DEPTH {
            return Err(UNWRITABLE);
        }
        self.out.push(b'{');
        write_string(variant, self.out);
        self.out.push(b':');
        Ok(Self { out: self.out, depth: self.depth + 1 })
    }
}

/// Types that carry more than their serde form says, known to `serde_json` by such names, cannot be written here.
fn is_private(name: &str) -> bool {
    name.starts_with("$serde_json::private")
}

macro_rules! plain {
    ($($method:ident($type:ty))*) => {
        $(fn $method(self, value: $type) -> Result<(), Failure> { write_plain(&value, self.out) })*
    };
}

impl<'o> ser::Serializer for Value<'o> {
    type Ok = ();
    type Error = Failure;
    type SerializeSeq = Nested<'o>;
    type SerializeTuple = Nested<'o>;
    type SerializeTupleStruct = Nested<'o>;
    type SerializeTupleVariant = Nested<'o>;
    type SerializeMap = Nested<'o>;
    type SerializeStruct = Nested<'o>;
    type SerializeStructVariant = Nested<'o>;

    plain! {
        serialize_bool(bool) serialize_i8(i8) serialize_i16(i16) serialize_i32(i32) serialize_i64(i64)
        serialize_i128(i128) serialize_u8(u8) serialize_u16(u16) serialize_u32(u32) serialize_u64(u64)
        serialize_u128(u128) serialize_char(char)
    }

    fn serialize_f32(self, value: f32) -> Result<(), Failure> {
        if value.is_finite() {
            write_plain(&value, self.out)
        } else {
            Err(Failure(Error::ClaimNotFinite))
        }
    }

    fn serialize_f64(self, value: f64) -> Result<(), Failure> {
        if value.is_finite() {
            write_plain(&value, self.out)
        } else {
            Err(Failure(Error::ClaimNotFinite))
        }
    }

    fn serialize_str(self, value: &str) -> Result<(), Failure> {
        write_string(value, self.out);
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Failure> {
        self.collect_seq(value)
    }

    fn serialize_none(self) -> Result<(), Failure> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Failure> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Failure> {
        self.out.extend_from_slice(b"null");
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Failure> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), Failure> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Failure> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Failure> {
        let Self { out, depth } = self.variant(variant)?;
        value.serialize(Value { out: &mut *out, depth })?;
        out.push(b'}');
        Ok(())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Nested<'o>, Failure> {
        self.nested(b'[', b"]")
    }

    fn serialize_tuple(self, _: usize) -> Result<Nested<'o>, Failure> {
        self.nested(b'[', b"]")
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Nested<'o>, Failure> {
        self.nested(b'[', b"]")
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Nested<'o>, Failure> {
        self.variant(variant)?.nested(b'[', b"]}")
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Nested<'o>, Failure> {
        self.nested(b'{', b"}")
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Nested<'o>, Failure> {
        if is_private(name) { Err(UNWRITABLE) } else { self.nested(b'{', b"}") }
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Nested<'o>, Failure> {
        self.variant(variant)?.nested(b'{', b"}}")
    }
}

mod compound;
