//! One schedule: what happens when.

use std::collections::BTreeMap;

use fastrand::Rng;
use futures_util::future::join_all;

use super::{
    Figures, Outcome, Simulator,
    client::Owner,
    ledger::{Ledger, Watch},
    service::{self, Access, Token},
    thief::Thief,
};
use crate::{Client, users::UserId};

/// When each schedule begins, in true time: 2027-01-15, 08:00 UTC.
const START: i64 = 1_800_000_000;
pub(super) const DAY: i64 = 86_400;

/// What happens at a point in time.
#[derive(Debug)]
pub(super) enum Event {
    /// A tab wants to refresh.
    Wake(usize),
    /// A request comes to an instance.
    Arrive(Request),
    /// An answer comes to a tab.
    Answer(Request, Token, Access),
    /// A tab hears that the stored token is another.
    Hear(usize),
    /// The thief uses what he has.
    Thief,
}

/// A request on its way.
#[derive(Debug)]
pub(super) struct Request {
    /// Which tab it is from; `None` for the thief.
    pub(super) tab: Option<usize>,
    pub(super) token: Token,
    /// The counter of the stored token when it was sent.
    pub(super) stored: i64,
    pub(super) instance: usize,
    /// How often this tab has sent the token before.
    pub(super) tries: u32,
    pub(super) fate: Fate,
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Answered,
    RequestLost,
    AnswerLost,
    /// The instance stops between the commit and the answer.
    Crash,
}

pub(super) struct Schedule<'a> {
    pub(super) simulator: &'a mut Simulator,
    pub(super) rng: Rng,
    /// True time.
    pub(super) now: i64,
    /// By how much the clock of each instance is ahead of it.
    pub(super) offsets: [i64; 2],
    steps: u32,
    /// Whether a clock was set.
    pub(super) stepped: bool,
    queue: BTreeMap<(i64, u64), Event>,
    pushed: u64,
    /// Requests of the owner that are still to be made.
    pub(super) left: u32,
    /// How many requests in a hundred get no answer.
    pub(super) losses: u32,
    pub(super) user: UserId,
    pub(super) owner: Owner,
    pub(super) thief: Option<Thief>,
    pub(super) ledger: Ledger,
    pub(super) watch: Watch,
    /// Another session of the same user.
    pub(super) control: (Token, Ledger),
    pub(super) figures: Figures,
    trace: Option<Vec<String>>,
}

impl<'a> Schedule<'a> {
    /// Draws what kind of schedule it is, and begins the session and another one of the same user.
    pub(super) async fn begin(
        simulator: &'a mut Simulator,
        seed: u64,
        trace: Option<Vec<String>>,
    ) -> Result<Self, String> {
        let mut rng = Rng::with_seed(seed);
        let skewed = rng.bool();
        let offsets = if skewed { [rng.i64(-3..=3), rng.i64(-3..=3)] } else { [0, 0] };
        for (instance, offset) in offsets.into_iter().enumerate() {
            simulator.set_clock(instance, START + offset);
        }
        let at = rng.usize(0..2);
        let auth = &simulator.at(at).auth;
        let user = service::account(auth).await.map_err(text)?;
        let login = async || auth.tokens_create(&user, &Client::default()).await.map_err(text);
        let (control, tokens) = (login().await?, login().await?);
        let reading = auth.clock().now().seconds();
        let token = Token::of(auth, &tokens)?;
        let control = (Token::of(auth, &control)?, Ledger::new(reading));
        let owner = Owner::new(&mut rng, token, Access::of(&tokens, reading));
        let steps = if rng.u32(0..100) < 30 { rng.u32(1..=3) } else { 0 };
        let mut schedule = Self {
            now: START,
            offsets,
            steps,
            stepped: false,
            queue: BTreeMap::new(),
            pushed: 0,
            left: rng.u32(6..=18),
            losses: *rng.choice(&[0, 10, 30, 60]).unwrap_or(&0),
            user: user.id,
            owner,
            thief: Thief::perhaps(&mut rng),
            ledger: Ledger::new(reading),
            watch: Watch::default(),
            control,
            figures: Figures { schedules: 1, skewed: skewed.into(), ..Figures::default() },
            trace,
            simulator,
            rng,
        };
        schedule.note(|schedule| {
            let Self { offsets: [first, second], owner, .. } = schedule;
            let tabs = owner.tabs.len();
            format!("login at instance {at}; {tabs} tabs; clocks {first:+} s and {second:+} s")
        });
        schedule.first_plans();
        Ok(schedule)
    }

    /// Runs to the end, and says what was done.
    pub(super) async fn run(mut self) -> Outcome {
        let ended = self.all().await;
        let Self { mut figures, mut trace, .. } = self;
        if let (Err(what), Some(trace)) = (&ended, &mut trace) {
            trace.push(format!("            VIOLATION: {what}"));
        }
        figures.violations = ended.is_err().into();
        Outcome { figures, violation: ended.err(), trace: trace.unwrap_or_default() }
    }

    async fn all(&mut self) -> Result<(), String> {
        while let Some(((at, _), event)) = self.queue.pop_first() {
            self.now = at;
            self.perhaps_step();
            self.set_clocks();
            match event {
                Event::Wake(tab) => self.wake(tab),
                Event::Arrive(request) => self.arrive(request).await?,
                Event::Answer(request, token, access) => self.answer(&request, &token, access),
                Event::Hear(tab) => self.hear(tab),
                Event::Thief => self.thief_uses(),
            }
        }
        self.finale().await?;
        self.afterwards().await
    }

    /// Brings a request to the service, together with all that come in the same second.
    async fn arrive(&mut self, first: Request) -> Result<(), String> {
        let mut requests = vec![first];
        while let Some(next) = self.queue.first_entry()
            && next.key().0 == self.now
            && matches!(next.get(), Event::Arrive(_))
        {
            if let Event::Arrive(request) = next.remove() {
                requests.push(request);
            }
        }
        self.figures.events += requests.len() as u64;
        for request in &mut requests {
            request.fate = self.fate(request);
        }
        let asked: Vec<_> = requests.iter().filter(|r| r.fate != Fate::RequestLost).collect();
        let together = asked.len();
        let simulator = &*self.simulator;
        let answers = join_all(asked.into_iter().map(|request| {
            let auth = &simulator.at(request.instance).auth;
            service::refresh(auth, &request.token, request.fate == Fate::Crash)
        }));
        let mut answers = answers.await.into_iter();
        if together > 1 {
            self.figures.parallel += together as u64;
        }
        let mut stopped = Vec::new();
        for request in requests {
            if request.fate == Fate::RequestLost {
                self.figures.lost_requests += 1;
                self.note(|_| format!("{request}: it never arrives"));
                self.try_again(request);
                continue;
            }
            let answer = answers.next().flatten();
            let answered = self.check(&request, answer, together == 1).await?;
            if request.fate == Fate::Crash && self.rng.u32(0..20) == 0 {
                stopped.push(request.instance);
            }
            match (request.tab, request.fate) {
                (None, _) => self.thief_hears(answered),
                (Some(_), Fate::Answered) => self.send_back(request, answered),
                (Some(_), _) => self.try_again(request),
            }
        }
        for instance in stopped {
            self.figures.restarts += 1;
            self.note(|_| format!("instance {instance} starts anew"));
            self.simulator.restart(instance).await.map_err(text)?;
        }
        self.perhaps_steal();
        Ok(())
    }

    fn perhaps_step(&mut self) {
        if self.steps == 0 || self.rng.u32(0..100) >= 12 {
            return;
        }
        self.steps -= 1;
        let instance = self.rng.usize(0..2);
        let size = match self.rng.u32(0..10) {
            0..3 => self.rng.i64(1..=10),
            3..6 => self.rng.i64(11..=120),
            6..8 => self.rng.i64(121..=DAY),
            8 => self.rng.i64(1..29) * DAY,
            _ => self.rng.i64(29..400) * DAY,
        };
        let back = self.rng.bool();
        let correct = self.rng.u32(0..10) < 3;
        let Some(offset) = self.offsets.get_mut(instance) else { return };
        let by = match (correct, back) {
            (true, _) => -*offset,
            (false, true) => -size,
            (false, false) => size,
        };
        if by == 0 {
            return;
        }
        *offset += by;
        self.stepped = true;
        self.figures.events += 1;
        self.figures.steps_ahead += u64::from(by > 0);
        self.figures.steps_back += u64::from(by < 0);
        self.note(|_| format!("the clock of instance {instance} is set by {by:+} s"));
    }

    pub(super) fn set_clocks(&self) {
        for instance in 0..self.offsets.len() {
            self.simulator.set_clock(instance, self.reading(instance));
        }
    }

    /// What the clock of an instance says.
    pub(super) fn reading(&self, instance: usize) -> i64 {
        self.now + self.offsets.get(instance).copied().unwrap_or_default()
    }

    pub(super) fn push(&mut self, at: i64, event: Event) {
        self.pushed += 1;
        self.queue.insert((at, self.pushed), event);
    }

    /// Forgets what was to come for the owner.
    pub(super) fn drop_owner(&mut self) {
        let of_thief = |event: &Event| match event {
            Event::Thief => true,
            Event::Arrive(request) => request.tab.is_none(),
            _ => false,
        };
        self.queue.retain(|_, event| of_thief(event));
    }

    /// Adds a line to the trace, if one is kept.
    pub(super) fn note(&mut self, line: impl FnOnce(&Self) -> String) {
        if self.trace.is_some() {
            let line = format!("{:>9} s  {}", self.now - START, line(self));
            self.trace.get_or_insert_default().push(line);
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is handed to `map_err`")]
pub(super) fn text(error: impl ToString) -> String {
    error.to_string()
}
