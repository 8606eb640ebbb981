//! What the contract says of each use of a refresh token, in the plainest form: every first use is
//! remembered, and nothing is packed, forgotten or shared.

use std::collections::BTreeMap;

/// A used token is answered for so many seconds after its first use.
pub(super) const WINDOW: i64 = 10;
/// Clocks of instances may differ by this and a token still has its whole window where it was first used.
const SPREAD: i64 = 60;
const IDLE: i64 = 30 * 86_400;
const ABSOLUTE: i64 = 90 * 86_400;

/// What has to come of a use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The next token.
    Rotated,
    /// The newest token, which is there already.
    Repeated,
    /// A refusal, and with it the end of the session.
    Ended(Cause),
    /// A refusal: the session had ended before.
    Over,
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// A thief had used one of its tokens before, or did so now.
    Thief,
    /// The owner came with a used token after more than ten seconds.
    Late,
    /// Ten seconds had not passed, but a clock says so: it was set ahead meanwhile, or is ahead of another.
    Clock,
    /// It was not used for thirty days, or is ninety days old, by the clock of the instance that was asked.
    Lifetime,
    /// None of these.
    Nothing,
}

#[derive(Debug)]
struct FirstUse {
    /// When it was, in true time.
    at: i64,
    /// What the clock of the instance said.
    reading: i64,
    /// What counts: that, or what was recorded before if it is later.
    recorded: i64,
}

/// One session.
#[derive(Debug)]
pub(super) struct Ledger {
    created_at: i64,
    last_used_at: i64,
    first_uses: Vec<FirstUse>,
    highest: i64,
    over: Option<Cause>,
    thief_came: bool,
}

impl Ledger {
    /// A session that began at this reading of a clock.
    pub(super) fn new(reading: i64) -> Self {
        Self {
            created_at: reading,
            last_used_at: reading,
            first_uses: Vec::new(),
            highest: i64::MIN,
            over: None,
            thief_came: false,
        }
    }

    /// The counter of the newest token.
    pub(super) fn newest(&self) -> i64 {
        i64::try_from(self.first_uses.len()).unwrap_or(i64::MAX).saturating_add(1)
    }

    /// The latest time that counts as that of a first use.
    pub(super) fn highest(&self) -> i64 {
        self.highest.max(self.created_at)
    }

    pub(super) fn over(&self) -> Option<Cause> {
        self.over
    }

    pub(super) fn thief_came(&self) -> bool {
        self.thief_came
    }

    /// Judges a use: in true time, by the clock of the instance that is asked, by the thief or by the owner.
    pub(super) fn present(
        &mut self,
        counter: i64,
        now: i64,
        reading: i64,
        by_thief: bool,
    ) -> Verdict {
        self.thief_came |= by_thief;
        if self.over.is_some() {
            return Verdict::Over;
        }
        if self.is_dead(reading) {
            return self.end(Cause::Lifetime);
        }
        if counter == self.newest() {
            self.highest = self.highest.max(reading);
            self.last_used_at = self.last_used_at.max(reading);
            let recorded = self.highest;
            self.first_uses.push(FirstUse { at: now, reading, recorded });
            return Verdict::Rotated;
        }
        let answered = self.first_use(counter).is_some_and(|first| {
            reading - first.recorded <= WINDOW && self.highest - first.recorded <= WINDOW + SPREAD
        });
        if answered {
            return Verdict::Repeated;
        }
        self.end(self.cause(counter, now, reading))
    }

    /// Why this use may be refused; [`Cause::Nothing`] is a false logout. It asks what happened, not what was recorded.
    pub(super) fn cause(&self, counter: i64, now: i64, reading: i64) -> Cause {
        if let Some(cause) = self.over {
            return cause;
        }
        if self.thief_came {
            return Cause::Thief;
        }
        if self.is_dead(reading) {
            return Cause::Lifetime;
        }
        match self.first_use(counter) {
            Some(first) if now - first.at > WINDOW => Cause::Late,
            Some(first) if reading - first.reading > WINDOW => Cause::Clock,
            Some(first) if self.highest - first.recorded > WINDOW + SPREAD => Cause::Clock,
            _ => Cause::Nothing,
        }
    }

    fn is_dead(&self, reading: i64) -> bool {
        reading - self.created_at > ABSOLUTE || reading - self.last_used_at > IDLE
    }

    fn first_use(&self, counter: i64) -> Option<&FirstUse> {
        self.first_uses.get(usize::try_from(counter - 1).ok()?)
    }

    fn end(&mut self, cause: Cause) -> Verdict {
        self.over = Some(cause);
        Verdict::Ended(cause)
    }
}

/// Sees whether a token came back outside its window, from the uses alone: what the server answered does not matter.
#[derive(Debug, Default)]
pub(super) struct Watch {
    firsts: BTreeMap<i64, i64>,
    highest: Option<i64>,
    /// Whether one did.
    pub(super) outside: bool,
}

impl Watch {
    pub(super) fn see(&mut self, counter: i64, reading: i64) {
        if let Some(first) = self.firsts.get(&counter) {
            self.outside |= reading - first > WINDOW;
        } else {
            let highest = self.highest.map_or(reading, |highest| highest.max(reading));
            self.highest = Some(highest);
            self.firsts.insert(counter, highest);
        }
    }
}
