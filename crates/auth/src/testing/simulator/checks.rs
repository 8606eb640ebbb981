//! What is checked at each use of a token, and when nothing more happens.

use super::{
    ledger::{Cause, Verdict},
    schedule::{Fate, Request, Schedule, text},
    service::{self, Access, Token},
};
use crate::{Error, tokens::Tokens};

impl Schedule<'_> {
    /// Compares what the service did with what it has to do; returns what the client gets if all goes well for it.
    pub(super) async fn check(
        &mut self,
        request: &Request,
        answer: Option<Result<Tokens, Error>>,
        alone: bool,
    ) -> Result<Option<(Token, Access)>, String> {
        let reading = self.reading(request.instance);
        let (counter, by_thief) = (request.token.counter, request.tab.is_none());
        let cause = self.ledger.cause(counter, self.now, reading);
        let verdict = self.ledger.present(counter, self.now, reading, by_thief);
        if !matches!(verdict, Verdict::Over | Verdict::Ended(Cause::Lifetime)) {
            self.watch.see(counter, reading);
        }
        self.note(|schedule| {
            let (offset, newest) = (reading - schedule.now, schedule.ledger.newest());
            let came = match &answer {
                None => "nobody hears the answer".to_owned(),
                Some(Ok(_)) if request.fate == Fate::AnswerLost => "the answer is lost".to_owned(),
                Some(Ok(_)) => format!("answered with token {newest}"),
                Some(Err(error)) => error.to_string(),
            };
            format!("{request}, clock {offset:+} s: {came} ({verdict:?})")
        });
        self.count(request, verdict);
        let auth = &self.simulator.at(request.instance).auth;
        let answered = match answer {
            None => None,
            Some(Ok(tokens)) => {
                let token = Token::of(auth, &tokens)?;
                let newest = (self.owner.stored.session, self.ledger.newest());
                if !matches!(verdict, Verdict::Rotated | Verdict::Repeated) {
                    return Err(format!("a refusal was due ({verdict:?}), and tokens came"));
                }
                if (token.session, token.counter) != newest {
                    return Err(format!("token {} came, not the newest", token.counter));
                }
                let access = Access::of(&tokens, reading);
                let code = access.code(auth).await;
                if alone && code != "accepted" {
                    return Err(format!("a fresh access token is refused: {code}"));
                }
                Some((token, access))
            }
            Some(Err(Error::InvalidGrant)) => {
                if cause == Cause::Nothing && !by_thief && verdict != Verdict::Ended(cause) {
                    self.figures.false_logouts += 1;
                    return Err("a false logout".to_owned());
                }
                if matches!(verdict, Verdict::Rotated | Verdict::Repeated) {
                    return Err(format!("tokens were due ({verdict:?}), and a refusal came"));
                }
                None
            }
            Some(Err(error)) => return Err(format!("neither tokens nor a refusal: {error}")),
        };
        match verdict {
            Verdict::Ended(Cause::Nothing) => return Err("a false logout".to_owned()),
            Verdict::Ended(Cause::Late) if !self.owner.late => {
                return Err("the simulated owner does not keep its duty".to_owned());
            }
            Verdict::Ended(Cause::Clock)
                if !self.stepped && self.owner.is_careful() && !self.owner.late =>
            {
                return Err("a careful owner is signed out by clocks that differ".to_owned());
            }
            Verdict::Ended(Cause::Thief | Cause::Late | Cause::Clock)
                if request.fate != Fate::Crash =>
            {
                self.check_revoked(request.instance).await?;
            }
            _ => {}
        }
        Ok(answered)
    }

    /// After a replay, the access tokens of both sides are refused by the instance that found it.
    async fn check_revoked(&self, instance: usize) -> Result<(), String> {
        let auth = &self.simulator.at(instance).auth;
        let stolen = self.thief.as_ref().and_then(|thief| thief.access.as_ref());
        for access in [Some(&self.owner.access), stolen].into_iter().flatten() {
            if access.good_until < self.reading(instance) {
                continue;
            }
            let code = access.code(auth).await;
            if code != "token_revoked" {
                return Err(format!("an access token of the ended session is {code}"));
            }
        }
        Ok(())
    }

    /// What has to hold when nothing more happens.
    pub(super) async fn afterwards(&mut self) -> Result<(), String> {
        let session = self.owner.stored.session;
        if self.ledger.over().is_some() {
            let tokens = [Some(&self.owner.stored), self.stolen()];
            for token in tokens.into_iter().flatten() {
                let auth = &self.simulator.at(usize::from(token.counter % 2 == 0)).auth;
                let answer = service::refresh(auth, token, false).await;
                if !matches!(answer, Some(Err(Error::InvalidGrant))) {
                    return Err("a token of the ended session is not refused".to_owned());
                }
            }
        }
        if self.stolen().is_some() {
            self.figures.thieves += 1;
            match (self.watch.outside && self.ledger.thief_came(), self.ledger.over()) {
                (false, _) => self.figures.thieves_inside += 1,
                (true, Some(_)) => {
                    self.figures.thieves_outside += 1;
                    self.figures.thieves_found += 1;
                }
                (true, None) => {
                    self.figures.thieves_outside += 1;
                    self.figures.thieves_missed += 1;
                    return Err("a thief is not found".to_owned());
                }
            }
        }

        let (control, control_ledger) = &mut self.control;
        let mut rows = vec![(control.session, 1)];
        if self.ledger.over().is_none() {
            rows.push((session, self.ledger.newest()));
        }
        rows.sort_unstable();
        let at = self.rng.usize(0..2);
        let auth = &self.simulator.at(at).auth;
        let found = service::sessions(auth, self.user).await.map_err(text)?;
        if found != rows {
            return Err(format!("the sessions that are there: {found:?}; expected: {rows:?}"));
        }
        let reading = auth.clock().now().seconds();
        let verdict = control_ledger.present(1, self.now, reading, false);
        let answer = service::refresh(auth, control, false).await;
        let alive = matches!(answer, Some(Ok(_)));
        if alive != (verdict == Verdict::Rotated) {
            return Err(format!("another session of this user: {verdict:?}, answered: {alive}"));
        }
        auth.user_delete(self.user).await.map_err(text)?;
        let left = service::sessions(auth, self.user).await.map_err(text)?;
        if left.is_empty() { Ok(()) } else { Err(format!("left of a deleted user: {left:?}")) }
    }

    fn count(&mut self, request: &Request, verdict: Verdict) {
        let figures = &mut self.figures;
        figures.refreshes += 1;
        match verdict {
            Verdict::Rotated => figures.rotations += 1,
            Verdict::Repeated => figures.repeated += 1,
            Verdict::Over => figures.refused += 1,
            Verdict::Ended(cause) => {
                figures.refused += 1;
                figures.end(cause, self.stepped);
            }
        }
        match request.fate {
            Fate::AnswerLost => figures.lost_answers += 1,
            Fate::Crash => figures.crashes += 1,
            Fate::Answered | Fate::RequestLost => {}
        }
    }
}
