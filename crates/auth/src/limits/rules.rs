//! The numbers, and what they say of the times at which something happened.

/// Attempts from one address in one [`MINUTE`].
pub(crate) const PER_ADDRESS: usize = 30;
/// Failures to log in to one account from one address before each further one brings a delay.
pub(crate) const FREE_FAILURES: usize = 10;
/// Failures to log in to one account, from everywhere, in one [`HOUR`].
pub(crate) const PER_ACCOUNT: usize = 100;
/// The longest delay between two attempts on one account from one address.
const LONGEST_DELAY: i64 = MINUTE;
/// From so many failures on, the delay is the longest.
const KEPT_FAILURES: usize = FREE_FAILURES + 6;
/// For so long an address from which its owner has signed in to an account is known to it.
pub(crate) const KNOWN: i64 = 30 * DAY;

/// Times here are milliseconds: in whole seconds a minute could be a second short.
pub(crate) const SECOND: i64 = 1_000;
pub(crate) const MINUTE: i64 = 60 * SECOND;
pub(crate) const HOUR: i64 = 60 * MINUTE;
pub(crate) const DAY: i64 = 24 * HOUR;

/// A time that is ahead by more than this was written by a clock that was wrong, and does not count.
const AHEAD: i64 = MINUTE;

/// When something happened, in milliseconds since 1970, the oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Times(Vec<i64>);

impl Times {
    pub(crate) fn from_stored(bytes: &[u8]) -> Self {
        let times = bytes.chunks_exact(8).filter_map(|chunk| chunk.try_into().ok());
        Self(times.map(i64::from_be_bytes).collect())
    }

    pub(crate) fn to_stored(&self) -> Vec<u8> {
        self.0.iter().flat_map(|time| time.to_be_bytes()).collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those within the last `window` milliseconds.
    pub(crate) fn within(&self, window: i64, now: i64) -> impl Iterator<Item = i64> + Clone {
        self.0.iter().copied().filter(move |time| is_within(*time, window, now))
    }

    /// Failures that have not faded: all of them until an hour after the last.
    fn unfaded(&self, now: i64) -> impl Iterator<Item = i64> + Clone {
        let faded = self.within(HOUR, now).next().is_none();
        self.within(i64::MAX, now).filter(move |_| !faded)
    }

    fn push(&mut self, kept: impl Iterator<Item = i64>, time: i64, most: usize) {
        let mut times: Vec<i64> = kept.collect();
        times.push(time);
        times.sort_unstable();
        let surplus = times.len().saturating_sub(most);
        self.0 = times.split_off(surplus);
    }
}

pub(crate) fn is_within(time: i64, window: i64, now: i64) -> bool {
    time > now.saturating_sub(window) && time <= now.saturating_add(AHEAD)
}

/// What counts against an attempt.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    /// Attempts from its address that were written.
    pub(crate) address: Times,
    /// Failures of its account from its address.
    pub(crate) pair: Times,
    /// Failures of its account from everywhere.
    pub(crate) account: Times,
    /// When the owner of the account last signed in from its address, in seconds since 1970.
    pub(crate) known_at: Option<i64>,
}

/// How many other attempts are under way on this instance that nothing is written of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Others {
    pub(crate) address: usize,
    pub(crate) pair: usize,
    pub(crate) account: usize,
}

impl Others {
    pub(crate) fn is_none(self) -> bool {
        self == Self::default()
    }
}

/// When each rule admits an attempt; a time that is not ahead is now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Opens {
    pub(crate) address: i64,
    pub(crate) guess: i64,
}

impl Opens {
    pub(crate) fn all(self) -> i64 {
        self.address.max(self.guess)
    }
}

impl Counted {
    /// When one more attempt is admitted beside others.
    pub(crate) fn opens(&self, others: Others, now: i64) -> Opens {
        let account = if self.is_known(now) {
            now
        } else {
            window_opens(&self.account, (PER_ACCOUNT, HOUR), others.account, now)
        };
        Opens {
            address: window_opens(&self.address, (PER_ADDRESS, MINUTE), others.address, now),
            guess: pair_opens(&self.pair, others.pair, now).max(account),
        }
    }

    /// Whether the owner of the account has signed in from this address within thirty days.
    pub(crate) fn is_known(&self, now: i64) -> bool {
        self.known_at.is_some_and(|seen| is_within(seen.saturating_mul(SECOND), KNOWN, now))
    }

    /// Adds an attempt that began then and failed now.
    pub(crate) fn fail(&mut self, began: i64, now: i64) {
        let Self { address, pair, account, .. } = self.clone();
        self.address.push(address.within(MINUTE, now), began, PER_ADDRESS);
        self.pair.push(pair.unfaded(now), now, KEPT_FAILURES);
        self.account.push(account.within(HOUR, now), now, PER_ACCOUNT);
    }
}

/// When fewer than the limit are left in the window.
fn window_opens(times: &Times, (limit, window): (usize, i64), others: usize, now: i64) -> i64 {
    let live = times.within(window, now);
    let surplus = (live.clone().count() + others + 1).saturating_sub(limit);
    match surplus.checked_sub(1) {
        None => now,
        // Not even the last one frees a place: those under way may.
        Some(last) => live.clone().nth(last).map_or(now + SECOND, |time| time + window),
    }
}

/// When the delay after the last failure is over.
fn pair_opens(times: &Times, others: usize, now: i64) -> i64 {
    let failures = times.unfaded(now).count();
    let opens = match (times.unfaded(now).last(), delay(failures)) {
        (Some(last), Some(delay)) => now.max(last + delay),
        _ => now,
    };
    // Whoever is under way could be the next failure, and begin the next delay. Where nothing has failed yet it is rather
    // a program that logs in many times at once; the second gate tells.
    let may_close = failures > 0 && others > 0 && failures + others >= FREE_FAILURES;
    if may_close { opens.max(now + SECOND) } else { opens }
}

/// The pause after so many failures: 1, 2, 4 … 60 seconds from the tenth on.
fn delay(failures: usize) -> Option<i64> {
    let doublings = u32::try_from(failures.checked_sub(FREE_FAILURES)?).ok()?;
    Some(SECOND.saturating_mul(1 << doublings.min(6)).min(LONGEST_DELAY))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000_000;

    fn times(times: impl IntoIterator<Item = i64>) -> Times {
        Times(times.into_iter().collect())
    }

    #[test]
    fn delays_double_from_the_tenth_failure_to_a_minute() {
        let delays: Vec<_> = (9..=18).map(delay).collect();
        let expected = [1, 2, 4, 8, 16, 32, 60, 60, 60].map(|seconds| Some(seconds * SECOND));
        assert_eq!(delays[0], None);
        assert_eq!(delays[1..], expected);
    }

    #[test]
    fn a_window_opens_when_enough_have_left_it() {
        let full = times((0..30).map(|n| NOW - 29 * SECOND + n * SECOND));
        let opens = |times: &Times, others| window_opens(times, (30, MINUTE), others, NOW);
        assert_eq!(opens(&full, 0), NOW + 31 * SECOND);
        assert_eq!(opens(&full, 2), NOW + 33 * SECOND);
        assert_eq!(opens(&times(full.0[1..].to_vec()), 0), NOW);
        assert_eq!(opens(&times(full.0[1..].to_vec()), 1), NOW + 32 * SECOND);
        assert_eq!(opens(&times([]), 29), NOW);
        assert_eq!(opens(&times([]), 30), NOW + SECOND);
        // What is older, and what a wrong clock wrote, does not count.
        let old = times(vec![NOW - MINUTE; 50]);
        assert_eq!(opens(&old, 0), NOW);
        assert_eq!(opens(&times(vec![NOW + HOUR; 50]), 0), NOW);
        assert_ne!(opens(&times(vec![NOW + SECOND; 50]), 0), NOW);
    }

    #[test]
    fn failures_fade_an_hour_after_the_last() {
        let mut counted = Counted::default();
        for n in 0..12 {
            counted.fail(NOW, NOW + n * 20 * MINUTE);
        }
        let last = NOW + 220 * MINUTE;
        assert_eq!(counted.opens(Others::default(), last).guess, last + 4 * SECOND);
        let later = last + HOUR - 1;
        assert_eq!(counted.pair.unfaded(later).count(), 12);
        assert_eq!(counted.pair.unfaded(later + 1).count(), 0);
        counted.fail(later + 1, later + 1);
        assert_eq!(counted.pair.0, [later + 1]);
    }

    #[test]
    fn lists_of_times_stay_short_and_survive_storage() {
        let mut counted = Counted::default();
        for n in 0..1_000 {
            counted.fail(NOW + n, NOW + n);
        }
        let lengths = [&counted.address, &counted.pair, &counted.account].map(|own| own.0.len());
        assert_eq!(lengths, [PER_ADDRESS, KEPT_FAILURES, PER_ACCOUNT]);
        assert_eq!(counted.account.0.last(), Some(&(NOW + 999)));
        assert_eq!(Times::from_stored(&counted.account.to_stored()), counted.account);
        assert_eq!(Times::from_stored(&[0; 7]), Times::default());
    }

    #[test]
    fn one_attempt_at_a_time_is_admitted_where_the_next_failure_brings_a_delay() {
        let nine = Counted { pair: times(vec![NOW - SECOND; 9]), ..Counted::default() };
        let opens = |pair| nine.opens(Others { pair, ..Others::default() }, NOW).guess;
        assert_eq!((opens(0), opens(1)), (NOW, NOW + SECOND));
        let one = Counted { pair: times(vec![NOW - SECOND]), ..Counted::default() };
        let opens = |pair| one.opens(Others { pair, ..Others::default() }, NOW).guess;
        assert_eq!((opens(8), opens(9)), (NOW, NOW + SECOND));
        let none = Counted::default();
        assert_eq!(none.opens(Others { pair: 29, ..Others::default() }, NOW).guess, NOW);
    }
}
