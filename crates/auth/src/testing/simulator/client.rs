//! The owner: tabs of a browser that share one stored refresh token.

use std::{collections::BTreeMap, fmt};

use fastrand::Rng;

use super::{
    ledger::WINDOW,
    schedule::{DAY, Event, Fate, Request, Schedule},
    service::{Access, Token},
};

/// A tab that finds a request of another under way asks again so often.
const PATIENCE: u32 = 20;
/// A careful owner's requests with a token arrive within so many seconds: clocks may differ by what is left of ten.
const CAREFUL: i64 = 4;

pub(super) struct Owner {
    pub(super) tabs: Vec<Tab>,
    /// What all tabs read and write.
    pub(super) stored: Token,
    /// All that was ever stored.
    pub(super) history: Vec<Token>,
    pub(super) access: Access,
    /// When the owner first used each token, in true time, by its counter.
    used: BTreeMap<i64, i64>,
    /// For how many seconds after that the owner uses it again.
    window: i64,
    /// Whether the browser is to end before an answer comes.
    abandons: bool,
    /// Whether it did: what comes then may be too late.
    pub(super) late: bool,
    /// Whether the owner knows that the session is over.
    out: bool,
}

pub(super) struct Tab {
    /// Its own copy, if it does not read what is stored each time.
    copy: Option<Token>,
    /// Whether it makes new plans when another tab has refreshed.
    listens: bool,
    /// Whether a request of it is under way.
    busy: bool,
    planned: i64,
    waits: u32,
}

impl Owner {
    pub(super) fn new(rng: &mut Rng, token: Token, access: Access) -> Self {
        let tabs = (0..rng.usize(1..=8))
            .map(|_| Tab {
                copy: rng.bool().then(|| token.clone()),
                listens: rng.bool(),
                busy: false,
                planned: 0,
                waits: 0,
            })
            .collect();
        Self {
            tabs,
            history: vec![token.clone()],
            stored: token,
            access,
            used: BTreeMap::new(),
            window: if rng.bool() { WINDOW } else { CAREFUL },
            abandons: rng.u32(0..100) < 5,
            late: false,
            out: false,
        }
    }

    pub(super) fn is_careful(&self) -> bool {
        self.window == CAREFUL
    }

    /// How many seconds are left in which a request with this token may arrive.
    fn room(&self, token: &Token, now: i64) -> i64 {
        self.used.get(&token.counter).map_or(self.window, |first| first + self.window - now)
    }
}

impl Schedule<'_> {
    pub(super) fn first_plans(&mut self) {
        let expiry = self.now + self.rng.i64(1..=600);
        for tab in 0..self.owner.tabs.len() {
            let at = expiry + self.rng.i64(0..=8);
            self.plan(tab, at);
        }
    }

    /// A tab reads a token and sends it, unless it would come too late.
    pub(super) fn wake(&mut self, tab: usize) {
        let now = self.now;
        let latest = self.rng.i64(0..=2);
        let owner = &mut self.owner;
        let stored = owner.stored.clone();
        let in_time = |owner: &Owner, token: &Token| owner.late || owner.room(token, now) >= latest;
        let own = owner.tabs.get(tab).and_then(|tab| tab.copy.clone());
        let token = own.filter(|copy| in_time(owner, copy)).unwrap_or_else(|| stored.clone());
        let in_time = in_time(owner, &token);
        let Some(this) = owner.tabs.get_mut(tab) else { return };
        if this.planned != now || this.busy || owner.out || self.left == 0 {
            return;
        }
        self.figures.events += 1;
        if this.copy.is_some() {
            this.copy = Some(token.clone());
        }
        if !in_time {
            // Another tab has sent it and will have the answer soon.
            this.waits += 1;
            if this.waits <= PATIENCE {
                let at = now + self.rng.i64(1..=3);
                self.plan(tab, at);
            }
            return;
        }
        this.busy = true;
        let request = Request {
            tab: Some(tab),
            token,
            stored: stored.counter,
            instance: self.rng.usize(0..2),
            tries: 0,
            fate: Fate::Answered,
        };
        self.push(now + latest, Event::Arrive(request));
    }

    /// Draws what becomes of a request that is about to arrive.
    pub(super) fn fate(&mut self, request: &Request) -> Fate {
        if request.tab.is_none() {
            return Fate::Answered;
        }
        self.left = self.left.saturating_sub(1);
        let owner = &mut self.owner;
        // The last chance within the window goes well.
        let may_fail = owner.room(&request.token, self.now) >= 1 && request.tries < 3;
        let fate = match self.rng.u32(0..100) {
            chance if chance >= self.losses || !may_fail || owner.late => Fate::Answered,
            chance => match chance % 3 {
                0 => Fate::RequestLost,
                1 => Fate::AnswerLost,
                _ => Fate::Crash,
            },
        };
        if fate != Fate::RequestLost {
            owner.used.entry(request.token.counter).or_insert(self.now);
        }
        fate
    }

    /// A tab that has heard nothing sends the same token again, within the window.
    pub(super) fn try_again(&mut self, request: Request) {
        if self.owner.abandons && request.fate != Fate::RequestLost {
            return self.abandon();
        }
        let room = self.owner.room(&request.token, self.now);
        let after = match self.rng.u32(0..4) {
            0 => room,
            1 => self.rng.i64(1..=room.min(3)),
            _ => self.rng.i64(1..=room),
        };
        let instance = self.rng.usize(0..2);
        let tries = request.tries + 1;
        self.push(self.now + after, Event::Arrive(Request { instance, tries, ..request }));
    }

    /// The browser ends, and is started again at any time; its tabs read what is stored.
    fn abandon(&mut self) {
        self.drop_owner();
        self.figures.abandoned += 1;
        self.owner.abandons = false;
        self.owner.late = true;
        let stored = self.owner.stored.clone();
        for tab in &mut self.owner.tabs {
            tab.busy = false;
            tab.copy = tab.copy.take().map(|_| stored.clone());
        }
        let pause = match self.rng.u32(0..3) {
            0 => self.rng.i64(1..=self.owner.window),
            1 => self.rng.i64(self.owner.window..=60),
            _ => self.rng.i64(61..=40_000),
        };
        self.note(|_| format!("the browser ends; it starts again in {pause} s"));
        self.plan(0, self.now + pause);
    }

    /// Sends an answer back to its tab.
    pub(super) fn send_back(&mut self, request: Request, answer: Option<(Token, Access)>) {
        match answer {
            Some((token, access)) => {
                let at = self.now + self.rng.i64(0..=2);
                self.push(at, Event::Answer(request, token, access));
            }
            None => self.owner.out = true,
        }
    }

    /// An answer comes: the tab keeps its token, and stores it unless another tab has stored one meanwhile.
    pub(super) fn answer(&mut self, request: &Request, token: &Token, access: Access) {
        let Some(number) = request.tab else { return };
        self.figures.events += 1;
        let owner = &mut self.owner;
        owner.access = access;
        if let Some(tab) = owner.tabs.get_mut(number) {
            tab.busy = false;
            tab.waits = 0;
            tab.copy = tab.copy.take().map(|_| token.clone());
        }
        let stores = owner.stored.counter == request.stored;
        if stores {
            owner.stored = token.clone();
            owner.history.push(token.clone());
        }
        self.note(|_| {
            let kept = if stores { "stores" } else { "does not store" };
            format!("tab {number} {kept} token {}", token.counter)
        });
        let now = self.now;
        for tab in 0..self.owner.tabs.len() {
            let Some(state) = self.owner.tabs.get(tab) else { continue };
            let hears = stores && state.copy.is_some() && tab != number;
            let plans = tab == number || (!state.busy && (state.listens || state.planned < now));
            if hears {
                let at = now + self.rng.i64(0..=4);
                self.push(at, Event::Hear(tab));
            }
            if plans {
                let at = now + self.pause() + self.rng.i64(0..=6);
                self.plan(tab, at);
            }
        }
    }

    /// A tab hears that another one has stored a token.
    pub(super) fn hear(&mut self, tab: usize) {
        self.figures.events += 1;
        let stored = self.owner.stored.clone();
        if let Some(tab) = self.owner.tabs.get_mut(tab)
            && tab.copy.is_some()
        {
            tab.copy = Some(stored);
        }
    }

    /// How long a tab pauses: mostly until shortly before the access token expires, which is the same time for all.
    fn pause(&mut self) -> i64 {
        match self.rng.u32(0..1_000) {
            0..600 => 540,
            600..800 => self.rng.i64(1..=10),
            800..985 => self.rng.i64(3_600..=40_000),
            985..998 => self.rng.i64(1..29) * DAY,
            _ => self.rng.i64(29..100) * DAY,
        }
    }

    fn plan(&mut self, tab: usize, at: i64) {
        if let Some(state) = self.owner.tabs.get_mut(tab) {
            state.planned = at;
            self.push(at, Event::Wake(tab));
        }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.tab {
            Some(tab) => write!(f, "tab {tab}")?,
            None => f.write_str("THIEF")?,
        }
        write!(f, " uses token {} at instance {}", self.token.counter, self.instance)
    }
}
