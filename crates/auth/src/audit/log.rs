//! What can be done with the log: read it, hand it out, check it.

use std::{fmt, sync::Arc};

use jwt::Timestamp;
use uuid::Uuid;

use super::{
    Act, By, Event, Kind, Scribe,
    chain::{self, Chain, Head},
    storage::{self, Stored},
};
use crate::{Auth, Clock, Error, Ids, secret::hex, storage::Db, users::UserId};

/// The audit log of an installation.
///
/// An [`Auth`] has its own: [`Auth::log`]. [`AuthBuilder::log`](crate::AuthBuilder::log) makes one beside the instances
/// that run, for a command line.
#[derive(Clone)]
pub struct Log {
    pub(super) db: Db,
    pub(super) chain: Chain,
    pub(super) clock: Clock,
    ids: Ids,
    by: Arc<By>,
}

/// Which events are asked for; those that nothing is said of are all.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of this type: the name of a [`Kind`].
    pub kind: Option<String>,
    /// About this account.
    pub user: Option<UserId>,
    /// Done by this account, to itself or to others.
    pub actor: Option<UserId>,
    /// By or about this login.
    pub session: Option<Uuid>,
    /// Since then.
    pub since: Option<Timestamp>,
    /// Before then.
    pub until: Option<Timestamp>,
}

/// How often somebody came in, or tried to, in a span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Logins that began.
    pub logins: u64,
    /// Logins that were refused.
    pub failures: u64,
    /// Refresh tokens that were used and replaced.
    pub refreshes: u64,
    /// Refresh tokens that were used again, later than their first user would: each ended its login.
    pub replays: u64,
}

/// What a check of the whole chain found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// Events that were checked.
    pub checked: u64,
    /// The number of the first one, and of the last.
    pub numbers: Option<(i64, i64)>,
    /// Of these, events whose personal data are gone with their account.
    pub erased: u64,
    /// Events that are not sealed yet: those of the last second, where an instance runs.
    pub unsealed: u64,
    /// The head of the chain: a number and a link, as hex digits. Noted down elsewhere, it shows later that nobody has put
    /// back an older log.
    pub head: (i64, String),
    /// What is wrong, in the order of the numbers; the first [`MAX_FAULTS`].
    pub faults: Vec<Fault>,
    /// How many faults there are.
    pub fault_count: u64,
}

/// Faults that are told one by one.
pub const MAX_FAULTS: usize = 1_000;

/// Something that is wrong with a sealed log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// An event is not what was sealed.
    #[error("event {number} ({id}) was changed")]
    Changed {
        /// Its number.
        number: i64,
        /// Its id, as it is now.
        id: Uuid,
    },
    /// The address and the device of an event are not what was sealed.
    #[error("the address or the device of event {number} ({id}) was changed")]
    PersonalChanged {
        /// Its number.
        number: i64,
        /// Its id.
        id: Uuid,
    },
    /// The address and the device of an event are gone, and its account is not.
    #[error(
        "the address or the device of event {number} ({id}) was removed, and its account was not"
    )]
    PersonalMissing {
        /// Its number.
        number: i64,
        /// Its id.
        id: Uuid,
    },
    /// Events are missing.
    #[error("{}", if from == to { format!("event {from} is missing") } else { format!("events {from} to {to} are missing") })]
    Missing {
        /// The number of the first.
        from: i64,
        /// The number of the last.
        to: i64,
    },
    /// An event has a number and was never sealed.
    #[error("event {number} ({id}) was never sealed: it was put in")]
    Added {
        /// The number that it claims.
        number: i64,
        /// Its id.
        id: Uuid,
    },
    /// Two events have one number.
    #[error("event {number} is there already, or before the first: {id} was put in")]
    Doubled {
        /// Their number.
        number: i64,
        /// The id of the second.
        id: Uuid,
    },
    /// There are events behind the end of the chain.
    #[error("event {number} ({id}) stands behind the end of the chain")]
    Beyond {
        /// Its number.
        number: i64,
        /// Its id.
        id: Uuid,
    },
    /// The record of where the chain begins and ends is gone, or not what was sealed.
    #[error("the head of the chain was changed or removed")]
    Head,
    /// A head that was noted down is not that of this chain.
    #[error(
        "the head {0} that was noted down is none of this chain: an older log was put back, or another"
    )]
    Noted(String),
}

impl Log {
    pub(crate) fn new(db: &Db, clock: &Clock, ids: &Ids, chain: Chain, by: &Arc<By>) -> Self {
        let (db, clock, ids) = (db.clone(), clock.clone(), ids.clone());
        Self { db, chain, clock, ids, by: Arc::clone(by) }
    }

    pub(super) fn scribe_of(&self, by: By) -> Scribe {
        Scribe::new(&self.ids, self.clock.now(), Arc::new(by))
    }

    /// Events before this one, the newest first, so many at most.
    ///
    /// # Errors
    /// [`Error::QueryInvalid`] for a type that there is not; storage errors.
    pub async fn page(
        &self,
        filter: &Filter,
        before: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<Event>, Error> {
        if filter.kind.as_deref().is_some_and(|name| Kind::by_name(name).is_none()) {
            return Err(Error::QueryInvalid("there are no events of this type"));
        }
        storage::events_before(&self.db, filter, before, limit).await
    }

    /// Events after this one, the oldest first, so many at most: to hand out all of them, page by page.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn after(
        &self,
        since: Option<Timestamp>,
        after: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<Event>, Error> {
        storage::events_after(&self.db, since, after, limit).await
    }

    /// Counts logins and refreshes, and those that were refused, in each span from a time to before another.
    ///
    /// It reads as many entries of an index as there are such events in these spans, and nothing else.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn traffic(&self, spans: &[(Timestamp, Timestamp)]) -> Result<Vec<Traffic>, Error> {
        let kinds = ["login.succeeded", "login.failed", "session.refreshed", "session.replayed"];
        let mut found = Vec::with_capacity(spans.len());
        for spans in spans.chunks(storage::SPANS) {
            let counts = storage::events_count(&self.db, kinds, spans).await?;
            found.extend(counts.into_iter().map(|[logins, failures, refreshes, replays]| {
                Traffic { logins, failures, refreshes, replays }
            }));
        }
        Ok(found)
    }

    /// Records that the log is about to be handed out.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn note_export(&self) -> Result<(), Error> {
        let scribe = Scribe::new(&self.ids, self.clock.now(), Arc::clone(&self.by));
        Ok(storage::record_alone(&self.db, scribe, None, None, Act::EventsExported).await?)
    }

    /// Checks the whole chain, and against a head that was noted down: its number and its link as hex digits. Tells
    /// `progress` how many events it has checked. Changes nothing.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn verify(
        &self,
        noted: Option<(i64, &str)>,
        mut progress: impl FnMut(u64),
    ) -> Result<Verification, Error> {
        // Counted first: what is sealed while this goes on is rather said twice than not at all.
        let unsealed = storage::unsealed(&self.db).await?;
        let stored = storage::head(&self.db).await?;
        let mut check = Check::new(&self.chain, stored, noted);
        let mut after = None;
        loop {
            let events = storage::sealed_after(&self.db, after).await?;
            let Some(last) = events.last() else { break };
            after = last.number.map(|number| (number, last.event.id));
            events.iter().for_each(|event| check.event(event));
            progress(check.report.checked);
        }
        // What was sealed while this went on is behind the head that was read, and no fault.
        let now = storage::head(&self.db).await?;
        check.end(now);
        check.report.unsealed = unsealed;
        Ok(check.report)
    }
}

struct Check<'a> {
    chain: &'a Chain,
    head: Head,
    noted: Option<(i64, &'a str)>,
    /// The number and the link that the next event follows.
    before: (i64, Vec<u8>),
    /// Whether the link before the next event is missing.
    gap: bool,
    /// Events behind the head, as it was when the check began.
    beyond: Vec<(i64, Uuid)>,
    report: Verification,
}

impl<'a> Check<'a> {
    fn new(
        chain: &'a Chain,
        stored: Option<(Head, Vec<u8>)>,
        noted: Option<(i64, &'a str)>,
    ) -> Self {
        let (head, is_sealed) = match stored {
            None => (Head::default(), false),
            Some((head, seal)) => {
                let is_sealed = chain::equal(&chain.seal(&head), &seal);
                (head, is_sealed)
            }
        };
        let mut check = Self {
            chain,
            noted,
            before: head.first.clone(),
            gap: false,
            beyond: Vec::new(),
            report: Verification {
                checked: 0,
                numbers: None,
                erased: 0,
                unsealed: 0,
                head: (head.last.0, hex(&head.last.1)),
                faults: Vec::new(),
                fault_count: 0,
            },
            head,
        };
        if !is_sealed {
            check.fault(Fault::Head);
        }
        let first = (check.head.first.0, check.head.first.1.clone());
        check.meet_noted(first.0, &first.1);
        check
    }

    fn fault(&mut self, fault: Fault) {
        self.report.fault_count += 1;
        if self.report.faults.len() < MAX_FAULTS {
            self.report.faults.push(fault);
        }
    }

    fn event(&mut self, stored: &Stored) {
        let Some(number) = stored.number else { return };
        let id = stored.event.id;
        let Some(link) = &stored.link else {
            self.fault(Fault::Added { number, id });
            return;
        };
        let (last, _) = self.before;
        if number <= last {
            self.fault(Fault::Doubled { number, id });
            return;
        }
        if number > last + 1 {
            self.fault(Fault::Missing { from: last + 1, to: number - 1 });
            self.gap = true;
        }
        if number > self.head.last.0 {
            self.beyond.push((number, id));
        }
        self.report.checked += 1;
        let first = self.report.numbers.map_or(number, |(first, _)| first);
        self.report.numbers = Some((first, number));
        let expected = self.chain.link(&self.before.1, number, &stored.event);
        // After a gap nobody knows the link before: what the next one says of itself is the link from here on.
        if !chain::equal(&expected, link) && !std::mem::take(&mut self.gap) {
            self.fault(Fault::Changed { number, id });
        }
        self.gap = false;
        match (&stored.personal, &stored.event.commitment) {
            (Some((personal, salt)), Some(commitment)) => {
                if !chain::equal(&chain::commitment(personal, salt), commitment) {
                    self.fault(Fault::PersonalChanged { number, id });
                }
            }
            (Some(_), None) => self.fault(Fault::PersonalChanged { number, id }),
            (None, Some(_)) if stored.person_is_gone => self.report.erased += 1,
            (None, Some(_)) => self.fault(Fault::PersonalMissing { number, id }),
            (None, None) => {}
        }
        self.meet_noted(number, link);
        self.before = (number, link.clone());
    }

    fn meet_noted(&mut self, number: i64, link: &[u8]) {
        if let Some((_, noted)) = self.noted.filter(|(noted, _)| *noted == number) {
            if !noted.eq_ignore_ascii_case(&hex(link)) {
                self.fault(Fault::Noted(format!("{number}:{noted}")));
            }
            self.noted = None;
        }
    }

    /// `now` is the head after the last event was read.
    fn end(&mut self, now: Option<(Head, Vec<u8>)>) {
        let now = now.map_or_else(Head::default, |(head, _)| head);
        // What grew too old and was removed while this went on.
        let known = self.report.faults.len();
        self.report
            .faults
            .retain(|fault| !matches!(fault, Fault::Missing { to, .. } if *to <= now.first.0));
        let removed = known - self.report.faults.len();
        self.report.fault_count -= u64::try_from(removed).unwrap_or_default();
        for (number, id) in std::mem::take(&mut self.beyond) {
            if number > now.last.0 {
                self.fault(Fault::Beyond { number, id });
            }
        }
        let (last, ref link) = self.before;
        if last < self.head.last.0 {
            self.fault(Fault::Missing { from: last + 1, to: self.head.last.0 });
        } else if last == self.head.last.0 && !chain::equal(link, &self.head.last.1) {
            self.fault(Fault::Head);
        }
        // One before the first that is kept cannot be compared any more.
        let noted = self.noted.filter(|(number, _)| *number > self.head.first.0);
        if let Some((number, noted)) = noted {
            self.fault(Fault::Noted(format!("{number}:{noted}")));
        }
    }
}

/// Says whether the record of where the chain begins and ends is what was sealed.
pub(crate) async fn head_is_sound(db: &Db, chain: &Chain) -> Result<bool, Error> {
    let stored = storage::head(db).await?;
    Ok(stored.is_none_or(|(head, seal)| chain::equal(&chain.seal(&head), &seal)))
}

impl Auth {
    /// The audit log.
    #[must_use]
    pub fn log(&self) -> Log {
        Log::new(self.db(), self.clock(), self.ids(), self.chain().clone(), self.by())
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Log")
    }
}
