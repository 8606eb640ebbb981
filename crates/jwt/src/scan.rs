//! Reads a JSON object once: its grammar, its nesting, its members (RFC 8259).
//!
//! The text is validated whole, also the parts that nobody will read, and the members of the object are recorded as
//! ranges of the text. Duplicate members are refused by their unescaped names (RFC 7515 §4, RFC 7519 §4).

use std::{borrow::Cow, collections::HashSet, ops::Range};

mod grammar;

pub(crate) use grammar::all;
use grammar::{Json, Name};

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

    #[cold]
    fn stands_in(&self, others: &[Self], text: &str) -> bool {
        let mut alike = others.iter().filter(|other| other.print == self.print);
        alike.any(|other| other.name(text) == self.name(text))
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
    let json = Json::new(text);
    let start = json.blank(0);
    if json.byte(start) != b'{' {
        return Err("not a JSON object");
    }
    let mut seen = 0_u64;
    let end = json.members(start + 1, |name, at| {
        let Name { range: name, escaped: name_escaped, mut print } = name;
        if name_escaped {
            print = fingerprint(unescape(text.get(name.start - 1..name.end + 1)).as_bytes());
        }
        // One bit for each name; only where it was set before can a name stand twice.
        let bit = 1 << (print.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 58);
        let doubtful = seen & bit != 0;
        seen |= bit;
        let (kind, end) = json.value(at, 1)?;
        let member = Member { name, name_escaped, print, value: at..end, kind };
        if doubtful && members.len() < FEW_MEMBERS && member.stands_in(members, text) {
            return Err(DUPLICATE);
        }
        members.push(member);
        Ok(end)
    })?;
    if json.blank(end) != text.len() {
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

#[cfg(test)]
mod tests;
