//! How fast letters of one kind follow each other to one recipient, whoever asks for them.

/// Seconds between two of the first letters.
const GAP: i64 = 60;
/// So many letters before they slow down.
const FIRST: i64 = 3;
/// Seconds between two letters from then on: less than a link in them is good for, so that who gets them always has
/// one that is.
const LONG_GAP: i64 = 15 * 60;
/// Seconds without a letter after which the next one is a first one again.
pub(super) const FORGOTTEN_AFTER: i64 = 60 * 60;

/// The letters that were sent lately.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pace {
    /// When the last one was, in unix seconds.
    pub(super) sent_at: i64,
    /// How many there were.
    pub(super) letters: i64,
}

/// The pace with one letter more, or when there may be one.
pub(super) fn next(pace: Option<Pace>, now: i64) -> Result<Pace, i64> {
    let Some(Pace { sent_at, letters }) = pace.filter(|pace| now - pace.sent_at < FORGOTTEN_AFTER)
    else {
        return Ok(Pace { sent_at: now, letters: 1 });
    };
    let gap = if letters < FIRST { GAP } else { LONG_GAP };
    if now - sent_at < gap {
        // No later than that from here on, also where the clock that sent it is ahead.
        return Err((sent_at + gap).min(now + gap));
    }
    Ok(Pace { sent_at: now, letters: letters + 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_follow_each_other_by_the_minute_and_then_by_the_quarter_of_an_hour() {
        let (mut pace, mut now, mut sent) = (None, 0, Vec::new());
        while now < 3_600 {
            match next(pace, now) {
                Ok(with) => {
                    pace = Some(with);
                    sent.push(now);
                }
                Err(later) => {
                    assert!(later > now);
                    now = later;
                }
            }
        }
        assert_eq!(sent, [0, 60, 120, 1_020, 1_920, 2_820]);
        // An hour of silence, and they are quick again.
        let quiet = sent.last().expect("sent") + FORGOTTEN_AFTER;
        assert_eq!(next(pace, quiet), Ok(Pace { sent_at: quiet, letters: 1 }));
        assert_eq!(next(Some(Pace { sent_at: quiet, letters: 0 }), quiet), Err(quiet + GAP));
    }

    #[test]
    fn a_clock_that_was_ahead_does_not_hold_letters_back() {
        assert_eq!(next(Some(Pace { sent_at: 9_000, letters: 1 }), 1_000), Err(1_000 + GAP));
    }
}
