//! Gives the members found by the scanner to serde, so that the payload is not parsed a second time.
//!
//! Strings without escapes are borrowed, integers and booleans read in place; every other value is handed to
//! `serde_json` on its own range of the text.

use std::{borrow::Cow, fmt, slice};

use serde::{
    Deserialize,
    de::{self, DeserializeSeed, IntoDeserializer as _, Visitor, value::BorrowedStrDeserializer},
    forward_to_deserialize_any,
};

use crate::{
    Error,
    scan::{Kind, Member},
};

/// Reads a value of type `T` from the members of an object.
#[inline]
pub(crate) fn from_members<'de, T: Deserialize<'de>>(
    text: &'de str,
    members: &[Member],
) -> Result<T, Error> {
    T::deserialize(Members { text, members }).map_err(|failure| match failure {
        Failure::Missing(name) => Error::ClaimMissing(name),
        Failure::Mismatch => Error::ClaimsMismatch,
    })
}

/// Why deserializing stopped; nothing of the token is kept.
#[derive(Debug)]
enum Failure {
    Missing(&'static str),
    Mismatch,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the claims do not have the expected shape")
    }
}

impl std::error::Error for Failure {}

impl de::Error for Failure {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self::Mismatch
    }

    fn missing_field(name: &'static str) -> Self {
        Self::Missing(name)
    }
}

/// The object as a whole.
struct Members<'de, 'm> {
    text: &'de str,
    members: &'m [Member],
}

impl<'de> de::Deserializer<'de> for Members<'de, '_> {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_map(Access { text: self.text, members: self.members.iter(), next: None })
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        visitor.visit_newtype_struct(self)
    }

    /// `()` asks for no custom claims.
    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        visitor.visit_unit()
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_unit()
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        serde_json::Deserializer::from_str(self.text)
            .deserialize_enum(name, variants, visitor)
            .map_err(|_| Failure::Mismatch)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf seq tuple tuple_struct map
        struct identifier
    }
}

struct Access<'de, 'm> {
    text: &'de str,
    members: slice::Iter<'m, Member>,
    next: Option<&'m Member>,
}

impl<'de> de::MapAccess<'de> for Access<'de, '_> {
    type Error = Failure;

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Failure> {
        self.next = self.members.next();
        let Some(member) = self.next else { return Ok(None) };
        match member.name(self.text) {
            Cow::Borrowed(name) => seed.deserialize(BorrowedStrDeserializer::new(name)),
            Cow::Owned(name) => seed.deserialize(name.into_deserializer()),
        }
        .map(Some)
    }

    #[inline]
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Failure> {
        let member = self.next.take().ok_or(Failure::Mismatch)?;
        seed.deserialize(Value { text: self.text, member })
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.members.len())
    }
}

struct Value<'de, 'm> {
    text: &'de str,
    member: &'m Member,
}

impl<'de> Value<'de, '_> {
    fn json(&self) -> serde_json::Deserializer<serde_json::de::StrRead<'de>> {
        serde_json::Deserializer::from_str(self.member.value(self.text))
    }
}

macro_rules! delegated {
    ($($method:ident($($argument:ident: $type:ty),*))*) => {
        $(fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, Failure> {
            self.json().$method($($argument,)* visitor).map_err(|_| Failure::Mismatch)
        })*
    };
}

impl<'de> de::Deserializer<'de> for Value<'de, '_> {
    type Error = Failure;

    #[inline]
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.member.kind {
            Kind::Null => visitor.visit_unit(),
            Kind::True => visitor.visit_bool(true),
            Kind::False => visitor.visit_bool(false),
            Kind::Plain => {
                visitor.visit_borrowed_str(self.text.get(self.member.plain()).unwrap_or_default())
            }
            Kind::Natural(number) => visitor.visit_u64(number),
            Kind::Number | Kind::Escaped | Kind::Array | Kind::Object => {
                self.json().deserialize_any(visitor).map_err(|_| Failure::Mismatch)
            }
        }
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        if self.member.kind == Kind::Null { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    #[inline]
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_unit()
    }

    delegated! {
        deserialize_f32() deserialize_f64() deserialize_i128() deserialize_u128() deserialize_bytes()
        deserialize_byte_buf() deserialize_unit() deserialize_unit_struct(name: &'static str)
        deserialize_newtype_struct(name: &'static str) deserialize_seq() deserialize_tuple(len: usize)
        deserialize_tuple_struct(name: &'static str, len: usize) deserialize_map()
        deserialize_struct(name: &'static str, fields: &'static [&'static str])
        deserialize_enum(name: &'static str, variants: &'static [&'static str])
    }

    forward_to_deserialize_any! { bool i8 i16 i32 i64 u8 u16 u32 u64 char str string identifier }
}
