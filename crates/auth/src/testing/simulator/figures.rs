//! What happened in a run, as a table.

use std::{fmt, ops::AddAssign};

use super::ledger::Cause;

macro_rules! figures {
    ($($(#[doc = $doc:literal])* $name:ident: $label:literal,)*) => {
        /// What happened, counted.
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Figures {
            $($(#[doc = $doc])* pub $name: u64,)*
        }

        impl AddAssign<&Self> for Figures {
            fn add_assign(&mut self, other: &Self) {
                $(self.$name += other.$name;)*
            }
        }

        impl fmt::Display for Figures {
            /// One line for each figure, the label first.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                $(line(f, $label, self.$name)?;)*
                Ok(())
            }
        }
    };
}

figures! {
    /// Schedules that were run.
    schedules: "schedules",
    /// What happened in them: a timer, a request, an answer, a message between tabs, a theft.
    events: "events",
    /// Requests that reached the service.
    refreshes: "refreshes",
    /// Those of them that were answered with the next token.
    rotations: "  answered with the next token",
    /// Those of them that came again in time and were answered with the newest token.
    repeated: "  answered with the newest again",
    /// Those of them that were refused.
    refused: "  refused",
    /// Those of them that were not alone in the service.
    parallel: "  at the same moment as another",
    /// Requests that never arrived.
    lost_requests: "lost requests",
    /// Answers that never arrived.
    lost_answers: "lost answers",
    /// Instances that stopped between commit and answer.
    crashes: "crashes between commit and answer",
    /// Instances that started anew on the same database.
    restarts: "instances started anew",
    /// Schedules in which the clocks of the instances differ from the start.
    skewed: "schedules with clocks that differ",
    /// Clocks that were set ahead.
    steps_ahead: "clocks set ahead",
    /// Clocks that were set back.
    steps_back: "clocks set back",
    /// Owners whose browser ended before an answer came, to come back at any time.
    abandoned: "browsers ended before an answer",
    /// Sessions whose owner came back too late with a token that was used.
    ended_late: "sessions ended: owner past the window",
    /// Sessions that ended because the clock of one instance is ahead of the other's, inside the window.
    ended_skew: "sessions ended: clocks that differ",
    /// The same after a clock had been set, so that they differ by more.
    ended_step: "sessions ended: clocks set apart",
    /// Sessions that ended by their lifetime, on the clock of the instance that was asked.
    ended_lifetime: "sessions ended: lifetime",
    /// Sessions that ended because of a thief.
    ended_thief: "sessions ended: thief",
    /// Schedules in which a token was stolen.
    thieves: "thieves",
    /// Thieves that never used it, or only within the window, or whose victim never came again.
    thieves_inside: "  never outside the window",
    /// Thieves after whom a token came back outside the window.
    thieves_outside: "  outside the window",
    /// Those of them whose session was over in time.
    thieves_found: "  found",
    /// Those of them whose session went on.
    thieves_missed: "  missed",
    /// Owners who were signed out for none of these reasons.
    false_logouts: "false logouts",
    /// Schedules in which a promise was not kept, these among them.
    violations: "schedules with any violation",
}

impl Figures {
    pub(super) fn end(&mut self, cause: Cause, stepped: bool) {
        match cause {
            Cause::Thief => self.ended_thief += 1,
            Cause::Late => self.ended_late += 1,
            Cause::Clock if stepped => self.ended_step += 1,
            Cause::Clock => self.ended_skew += 1,
            Cause::Lifetime => self.ended_lifetime += 1,
            Cause::Nothing => self.false_logouts += 1,
        }
    }
}

/// Writes a line of the table.
fn line(f: &mut fmt::Formatter<'_>, label: &str, figure: u64) -> fmt::Result {
    let digits = figure.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    writeln!(f, "{label:<40}{grouped:>14}")
}
