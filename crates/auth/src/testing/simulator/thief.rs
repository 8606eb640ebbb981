//! The thief: one who has a copy of a token.

use fastrand::Rng;

use super::{
    ledger::WINDOW,
    schedule::{DAY, Event, Fate, Request, Schedule},
    service::{Access, Token},
};

/// A schedule is not made longer than this to bring both sides out of the window.
const LONGEST_WAIT: i64 = 20 * DAY;

pub(super) struct Thief {
    /// How many of the owner's requests are still to come when the thief steals.
    steals_at: u32,
    /// Whether the thief gets any token that was ever stored, not the one that is.
    takes_any: bool,
    token: Option<Token>,
    pub(super) access: Option<Access>,
    /// How often the thief still comes by himself.
    left: u32,
    /// Whether both sides come once more in the end.
    comes_again: bool,
}

impl Thief {
    /// A thief, in half of the schedules.
    pub(super) fn perhaps(rng: &mut Rng) -> Option<Self> {
        rng.bool().then(|| Self {
            steals_at: rng.u32(0..=12),
            takes_any: rng.u32(0..4) == 0,
            token: None,
            access: None,
            left: if rng.bool() { 1 } else { rng.u32(0..=6) },
            comes_again: rng.u32(0..5) > 0,
        })
    }
}

impl Schedule<'_> {
    /// What the thief has.
    pub(super) fn stolen(&self) -> Option<&Token> {
        self.thief.as_ref().and_then(|thief| thief.token.as_ref())
    }

    /// The theft, if its time has come.
    pub(super) fn perhaps_steal(&mut self) {
        let Some(thief) = &mut self.thief else { return };
        if thief.token.is_some() || self.left > thief.steals_at {
            return;
        }
        let any = self.rng.choice(&self.owner.history).filter(|_| thief.takes_any);
        let token = any.unwrap_or(&self.owner.stored).clone();
        thief.token = Some(token.clone());
        thief.access = Some(self.owner.access.clone());
        self.figures.events += 1;
        self.note(|_| format!("THIEF steals token {}", token.counter));
        self.plan_thief();
    }

    fn plan_thief(&mut self) {
        let after = match self.rng.u32(0..10) {
            0..4 => self.rng.i64(0..=12),
            4..6 => self.rng.i64(13..=530),
            6..9 => self.rng.i64(531..=1_200),
            _ => self.rng.i64(1_201..=2 * DAY),
        };
        if self.thief.as_ref().is_some_and(|thief| thief.left > 0) {
            self.push(self.now + after, Event::Thief);
        }
    }

    pub(super) fn thief_uses(&mut self) {
        let instance = self.rng.usize(0..2);
        let Some(thief) = &mut self.thief else { return };
        let Some(token) = thief.token.clone() else { return };
        thief.left = thief.left.saturating_sub(1);
        let request =
            Request { tab: None, stored: 0, token, instance, tries: 0, fate: Fate::Answered };
        self.push(self.now, Event::Arrive(request));
    }

    pub(super) fn thief_hears(&mut self, answer: Option<(Token, Access)>) {
        let Some(thief) = &mut self.thief else { return };
        match answer {
            Some((token, access)) => {
                (thief.token, thief.access) = (Some(token), Some(access));
                self.plan_thief();
            }
            None => thief.left = 0,
        }
    }

    /// Both sides come once more, each more than ten seconds after all that was: the session has to end.
    pub(super) async fn finale(&mut self) -> Result<(), String> {
        let comes_again = self.thief.as_ref().is_some_and(|thief| thief.comes_again);
        if !comes_again || self.stolen().is_none() || self.ledger.over().is_some() {
            return Ok(());
        }
        // The duty to come in time is not the owner's any more.
        self.owner.late = true;
        let thief_first = self.rng.bool();
        for by_thief in [thief_first, !thief_first] {
            let instance = self.rng.usize(0..2);
            let reading = self.reading(instance);
            let wait = (self.ledger.highest() - reading).max(0) + WINDOW + self.rng.i64(1..=600);
            if wait > LONGEST_WAIT {
                return Ok(());
            }
            self.now += wait;
            self.set_clocks();
            let stolen = self.stolen().filter(|_| by_thief);
            let token = stolen.unwrap_or(&self.owner.stored).clone();
            let tab = (!by_thief).then_some(0);
            let request =
                Request { tab, token, stored: 0, instance, tries: 0, fate: Fate::Answered };
            let answer =
                super::service::refresh(&self.simulator.at(instance).auth, &request.token, false);
            let answer = answer.await;
            self.figures.events += 1;
            let Some((token, access)) = self.check(&request, answer, true).await? else { continue };
            match &mut self.thief {
                Some(thief) if by_thief => {
                    (thief.token, thief.access) = (Some(token), Some(access));
                }
                _ => (self.owner.stored, self.owner.access) = (token, access),
            }
        }
        match self.ledger.over() {
            Some(_) => Ok(()),
            None => Err("both sides came again, and the session goes on".to_owned()),
        }
    }
}
