//! Refresh tokens: what one is, and what a use of it means.

use std::fmt;

use aws_lc_rs::hmac;
use base64_turbo::URL_SAFE_NO_PAD as BASE64URL;
use jwt::Timestamp;
use uuid::Uuid;

use crate::{Error, keys::ServerSecret};

/// A token that was used before is answered for this long after its first use: two tabs that refresh at
/// once, an answer that was lost on its way.
const WINDOW: i64 = 10;

/// First uses are remembered for so much longer: an instance whose clock is ahead must not forget what one
/// whose clock is behind still answers.
const CLOCKS_DIFFER: i64 = 60;

const VERSION: u8 = 1;
const PURPOSE: &str = "countersign refresh token v1";
const MAC_LEN: usize = 32;
const SIGNED_LEN: usize = 1 + 16 + 8;
const LEN: usize = SIGNED_LEN + MAC_LEN;
/// The length of its text; three bytes are four characters, so each token has one text only.
const TEXT_LEN: usize = LEN.div_ceil(3) * 4;

/// Makes refresh tokens and knows them again: version, session, counter, MAC.
///
/// One that was made up is refused here, before anything is looked up. One that was handed out can be made
/// again from the counter alone, so that none is stored, not even its hash.
pub(crate) struct RefreshTokens(hmac::Key);

impl fmt::Debug for RefreshTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshTokens")
    }
}

/// Which refresh token of which session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RefreshToken {
    pub(crate) session: Uuid,
    /// 1 for the one of the login, one more with each that replaces it.
    pub(crate) counter: i64,
}

impl RefreshTokens {
    pub(crate) fn new(secret: &ServerSecret) -> Result<Self, Error> {
        secret.mac_key(PURPOSE).map(Self)
    }

    /// The text of a token.
    pub(crate) fn write(&self, token: RefreshToken) -> String {
        let mut bytes = Vec::with_capacity(LEN);
        bytes.push(VERSION);
        bytes.extend_from_slice(token.session.as_bytes());
        bytes.extend_from_slice(&token.counter.to_be_bytes());
        let mac = hmac::sign(&self.0, &bytes);
        bytes.extend_from_slice(mac.as_ref());
        BASE64URL.encode(bytes)
    }

    /// Reads a token back; `None` for any text that this server did not write.
    pub(crate) fn read(&self, text: &str) -> Option<RefreshToken> {
        let mut bytes = [0; LEN];
        if text.len() != TEXT_LEN || BASE64URL.decode_slice(text, &mut bytes) != Ok(LEN) {
            return None;
        }
        let (signed, mac) = bytes.split_at(SIGNED_LEN);
        hmac::verify(&self.0, signed, mac).ok()?;
        let (version, rest) = signed.split_first()?;
        let (session, counter) = rest.split_first_chunk()?;
        let counter = i64::from_be_bytes(*counter.first_chunk()?);
        (*version == VERSION)
            .then_some(RefreshToken { session: Uuid::from_bytes(*session), counter })
    }
}

/// When the tokens of one session were first used, as far back as the window reaches on any clock: for each
/// second the first counter that was used in it. Bounded by that time however often a client refreshes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FirstUses(Vec<(i64, i64)>);

/// What a use of a refresh token means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Use {
    /// The newest token, for the first time: the next one takes its place.
    First(FirstUses),
    /// One that was used a moment ago: the newest token is the answer, and nothing changes.
    Repeated,
    /// One that was used and replaced before that: somebody else has it too.
    Replayed,
}

impl FirstUses {
    /// Decides what the use of a token means, for a session whose newest token has the counter `newest`.
    pub(crate) fn judge(&self, used: i64, newest: i64, now: Timestamp) -> Use {
        let now = now.seconds();
        if used >= newest {
            // A clock that was set back does not make the order of uses another.
            let second = self.0.last().map_or(now, |(second, _)| now.max(*second));
            let kept = |(at, _): &(i64, i64)| second - at <= WINDOW + CLOCKS_DIFFER;
            let mut uses: Vec<_> = self.0.iter().copied().filter(kept).collect();
            if uses.last().is_none_or(|(at, _)| *at < second) {
                uses.push((second, used));
            }
            return Use::First(Self(uses));
        }
        let first_use = self.0.iter().rev().find(|(_, first)| *first <= used);
        match first_use {
            Some((at, _)) if now - at <= WINDOW => Use::Repeated,
            _ => Use::Replayed,
        }
    }

    /// As it is stored: pairs of eight bytes, big-endian.
    pub(crate) fn to_stored(&self) -> Vec<u8> {
        self.0
            .iter()
            .flat_map(|(at, first)| [at.to_be_bytes(), first.to_be_bytes()])
            .flatten()
            .collect()
    }

    pub(crate) fn from_stored(bytes: &[u8]) -> Self {
        let (numbers, _) = bytes.as_chunks();
        let (pairs, _) = numbers.as_chunks::<2>();
        Self(
            pairs
                .iter()
                .map(|[at, first]| (i64::from_be_bytes(*at), i64::from_be_bytes(*first)))
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(seed: u8) -> RefreshTokens {
        RefreshTokens(hmac::Key::new(hmac::HMAC_SHA256, &[seed; 32]))
    }

    #[test]
    fn a_token_is_read_back_and_no_other_text_is() {
        let (own, other) = (tokens(1), tokens(2));
        let token = RefreshToken { session: Uuid::from_u128(77), counter: 5 };
        let text = own.write(token);
        assert_eq!((text.len(), own.read(&text)), (TEXT_LEN, Some(token)));
        assert_eq!(own.write(token), text, "it can be made again");
        assert_eq!(other.read(&text), None);
        for (place, letter) in text.char_indices() {
            for change in ["A", "b", "-", "=", ".", "\u{e9}", ""] {
                let changed = format!("{}{change}{}", &text[..place], &text[place + 1..]);
                assert_eq!(own.read(&changed), (change.starts_with(letter)).then_some(token));
            }
        }
        for text in ["", "A", &text[1..], &format!("{text}A"), &"A".repeat(10_000)] {
            assert_eq!(own.read(text), None);
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::new(second)
    }

    fn first(uses: &FirstUses, counter: i64, second: i64) -> FirstUses {
        match uses.judge(counter, counter, at(second)) {
            Use::First(uses) => uses,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_token_has_ten_seconds_from_its_own_first_use() {
        let uses = first(&FirstUses::default(), 1, 100);
        let uses = first(&uses, 2, 105);
        assert_eq!(uses.judge(1, 3, at(110)), Use::Repeated);
        assert_eq!(uses.judge(1, 3, at(111)), Use::Replayed);
        assert_eq!(uses.judge(2, 3, at(115)), Use::Repeated);
        assert_eq!(uses.judge(2, 3, at(116)), Use::Replayed);
        // Several steps back is as good as one.
        let uses = (3..50).fold(uses, |uses, counter| first(&uses, counter, 106));
        assert_eq!(uses.judge(1, 50, at(108)), Use::Repeated);
        assert_eq!(uses.judge(2, 50, at(115)), Use::Repeated);
        assert_eq!(uses.judge(3, 50, at(116)), Use::Repeated);
        assert_eq!(uses.judge(2, 50, at(116)), Use::Replayed);
        assert_eq!(uses.judge(0, 50, at(106)), Use::Replayed);
    }

    #[test]
    fn what_is_kept_is_bounded_by_the_window() {
        let mut uses = FirstUses::default();
        for counter in 1..10_000 {
            uses = first(&uses, counter, 100 + counter / 50);
            assert!(uses.0.len() <= 71);
            assert_eq!(FirstUses::from_stored(&uses.to_stored()), uses);
        }
        let uses = first(&uses, 10_000, 1_000_000);
        assert_eq!(uses.0.len(), 1);
    }

    #[test]
    fn a_clock_that_is_ahead_ends_no_window_on_another() {
        let uses = first(&FirstUses::default(), 1, 100);
        // Seven seconds later, on a clock that is five seconds ahead; then again on the first one.
        let uses = first(&uses, 2, 112);
        assert_eq!(uses.judge(1, 3, at(108)), Use::Repeated);
        assert_eq!(uses.judge(1, 3, at(110)), Use::Repeated);
        assert_eq!(uses.judge(1, 3, at(111)), Use::Replayed);
        // By a minute at most.
        let uses = first(&uses, 3, 171);
        assert_eq!(uses.judge(1, 4, at(110)), Use::Replayed);
        assert_eq!(uses.judge(2, 4, at(110)), Use::Repeated);
    }

    #[test]
    fn a_clock_that_is_set_back_ends_nothing() {
        let uses = first(&FirstUses::default(), 1, 1_000);
        assert_eq!(uses.judge(1, 2, at(10)), Use::Repeated);
        let uses = first(&uses, 2, 10);
        assert_eq!(uses.judge(1, 3, at(1_010)), Use::Repeated);
        assert_eq!(uses.judge(2, 3, at(1_010)), Use::Repeated);
        assert_eq!(uses.judge(2, 3, at(1_011)), Use::Replayed);
    }
}
