//! What one instance knows by itself: the attempts it has let in, and who is to wait.
//!
//! Nothing here is needed to keep a limit that was reached by failures: those are in the database. So an entry that
//! makes room for others frees nobody.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::rules::{MINUTE, PER_ADDRESS, is_within};

/// By what an address, an account, or both together are known: a MAC, so that nobody can choose two that collide.
pub(crate) type Key = [u8; 16];

/// Entries at most; the least used make room.
pub(crate) const CAPACITY: usize = 50_000;

/// What is remembered, by key.
pub(crate) struct Memory(quick_cache::sync::Cache<Key, Arc<Entry>>);

impl Default for Memory {
    fn default() -> Self {
        Self(quick_cache::sync::Cache::new(CAPACITY))
    }
}

impl Memory {
    /// The entry of this key.
    pub(crate) fn entry(&self, key: &Key) -> Arc<Entry> {
        let made =
            self.0.get_or_insert_with(key, || Ok::<_, std::convert::Infallible>(Arc::default()));
        made.unwrap_or_default()
    }

    /// The entry of this key, when there is one.
    pub(crate) fn known(&self, key: &Key) -> Option<Arc<Entry>> {
        self.0.get(key)
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// What is remembered of one key.
#[derive(Default)]
pub(crate) struct Entry(Mutex<State>);

#[derive(Default)]
struct State {
    /// Attempts from an address: when each began, and whether it is counted in the database.
    attempts: Vec<(i64, bool)>,
    /// Attempts that are neither right nor wrong yet.
    under_way: usize,
    /// Until when no attempt is looked at.
    closed_until: i64,
    /// Attempts from an address that are counted in the database, as they were last seen there.
    counted: Vec<i64>,
}

/// How much of its budget an address has left, for the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) left: usize,
    /// Milliseconds until there is more.
    pub(crate) more_in: i64,
}

impl Entry {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets an attempt from an address in, or says from when on it may.
    pub(crate) fn arrive(&self, now: i64) -> Result<(), i64> {
        let mut state = self.state();
        state.forget(now);
        state.closed(now)?;
        if state.attempts.len() >= PER_ADDRESS {
            let oldest = state.attempts.iter().map(|(began, _)| *began).min().unwrap_or(now);
            return Err(oldest + MINUTE);
        }
        state.attempts.push((now, false));
        Ok(())
    }

    /// Attempts of this instance that are not in the database: those that were right, and those under way.
    pub(crate) fn unwritten(&self, now: i64) -> usize {
        let mut state = self.state();
        state.forget(now);
        state.attempts.iter().filter(|(_, written)| !written).count()
    }

    /// Takes an attempt back, as if it had not been made.
    pub(crate) fn withdraw(&self, began: i64, is_handed_over: bool) {
        let mut state = self.state();
        let place = state.attempts.iter().position(|own| *own == (began, is_handed_over));
        if let Some(place) = place {
            state.attempts.swap_remove(place);
        }
    }

    /// Leaves an attempt to the database to count.
    pub(crate) fn hand_over(&self, began: i64) {
        if let Some(own) = self.state().attempts.iter_mut().find(|own| **own == (began, false)) {
            own.1 = true;
        }
    }

    /// Begins to guess, unless nobody may now.
    pub(crate) fn begin(&self, now: i64) -> Result<(), i64> {
        let mut state = self.state();
        state.closed(now)?;
        state.under_way += 1;
        Ok(())
    }

    /// Begins to guess, whoever may.
    pub(crate) fn join(&self) {
        self.state().under_way += 1;
    }

    pub(crate) fn end(&self) {
        let mut state = self.state();
        state.under_way = state.under_way.saturating_sub(1);
    }

    pub(crate) fn under_way(&self) -> usize {
        self.state().under_way
    }

    /// Turns everybody away until then, or for a minute: after that the database is asked again.
    pub(crate) fn close(&self, until: i64, now: i64) {
        self.state().closed_until = until.min(now + MINUTE);
    }

    /// Until when everybody is turned away, if so.
    pub(crate) fn closed(&self, now: i64) -> Option<i64> {
        self.state().closed(now).err()
    }

    pub(crate) fn open(&self) {
        self.state().closed_until = 0;
    }

    /// Remembers what the database has counted.
    pub(crate) fn remember(&self, counted: impl Iterator<Item = i64>) {
        self.state().counted = counted.collect();
    }

    pub(crate) fn standing(&self, now: i64) -> Standing {
        let mut state = self.state();
        state.forget(now);
        let own = state.attempts.iter();
        let unwritten = own.clone().filter(|(_, written)| !written).count();
        let used = state.attempts.len().max(state.counted.len() + unwritten);
        let times = own.map(|(began, _)| *began).chain(state.counted.iter().copied());
        let first = times.min().map_or(0, |time| time + MINUTE - now);
        let left = PER_ADDRESS.saturating_sub(used);
        match state.closed(now) {
            Err(until) => Standing { left: 0, more_in: until - now },
            Ok(()) => Standing { left, more_in: first },
        }
    }
}

impl State {
    fn forget(&mut self, now: i64) {
        self.attempts.retain(|(began, _)| is_within(*began, MINUTE, now));
        self.counted.retain(|time| is_within(*time, MINUTE, now));
    }

    fn closed(&self, now: i64) -> Result<(), i64> {
        // A clock that was set back closes nothing for longer than a minute.
        let closed = self.closed_until > now && self.closed_until <= now + MINUTE;
        if closed { Err(self.closed_until) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000_000;

    #[test]
    fn a_million_addresses_take_no_more_memory_than_the_capacity() {
        let memory = Memory::default();
        for number in 0..1_000_000_u128 {
            memory.entry(&number.to_be_bytes()).arrive(NOW).expect("room");
        }
        assert!(memory.len() <= CAPACITY, "{}", memory.len());
        assert!(memory.len() > CAPACITY / 2, "{}", memory.len());
    }

    #[test]
    fn thirty_are_let_in_within_any_minute() {
        let entry = Entry::default();
        for n in 0..30 {
            entry.arrive(NOW + n * 1_000).expect("room");
        }
        assert_eq!(entry.arrive(NOW + 59_999), Err(NOW + MINUTE));
        assert_eq!(entry.arrive(NOW + 60_000), Ok(()));
        assert_eq!(entry.arrive(NOW + 60_999), Err(NOW + 61_000));
    }

    #[test]
    fn an_attempt_is_counted_here_or_in_the_database_and_never_twice() {
        let entry = Entry::default();
        for _ in 0..3 {
            entry.arrive(NOW).expect("room");
        }
        entry.withdraw(NOW, false);
        entry.hand_over(NOW);
        assert_eq!(entry.unwritten(NOW), 1);
        entry.remember([NOW].into_iter());
        assert_eq!(entry.standing(NOW), Standing { left: 28, more_in: MINUTE });
    }

    #[test]
    fn a_closed_entry_opens_by_itself() {
        let entry = Entry::default();
        entry.close(NOW + 5_000, NOW);
        assert_eq!(entry.begin(NOW + 4_999), Err(NOW + 5_000));
        assert_eq!(entry.begin(NOW + 5_000), Ok(()));
        entry.close(NOW + 100 * MINUTE, NOW);
        assert_eq!(entry.begin(NOW), Err(NOW + MINUTE));
        // The clock was set back.
        assert_eq!(entry.begin(NOW - 5 * MINUTE), Ok(()));
    }
}
