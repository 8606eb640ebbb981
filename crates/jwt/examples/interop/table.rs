//! A peer's table: algorithms down, checks across.

use std::fmt;

use crate::{
    GAPS,
    checks::{CHECKS, Outcome},
    peer::{Description, Failure},
};

pub(crate) struct Table {
    title: String,
    peer: String,
    rows: Vec<(&'static str, Vec<&'static str>)>,
    /// What was refused as expected.
    notes: Vec<String>,
    surprises: Vec<String>,
}

impl Table {
    pub(crate) fn new(peer: &Description) -> Self {
        let Description { name, version, runtime } = peer;
        Self {
            title: format!("{name} {version}, {runtime}"),
            peer: name.clone(),
            rows: Vec::new(),
            notes: Vec::new(),
            surprises: Vec::new(),
        }
    }

    /// Adds the row of an algorithm: what came of each of the checks.
    pub(crate) fn add(
        &mut self,
        algorithm: &'static str,
        outcomes: [Result<Outcome, Failure>; CHECKS.len()],
    ) {
        let mut marks = Vec::new();
        for ((check, _), outcome) in CHECKS.iter().zip(outcomes) {
            let gap = GAPS
                .iter()
                .find(|gap| gap.peer == self.peer && [algorithm, check].contains(&gap.subject));
            marks.push(match (outcome, gap) {
                (Ok(Outcome::DoesNotApply), _) => "–",
                (Ok(Outcome::Passed), None) => "✓",
                (Err(Failure::Refused(said)), Some(gap)) if said.contains(gap.words) => {
                    let note = format!("no: {}: {}", gap.subject, Failure::Refused(said));
                    if !self.notes.contains(&note) {
                        self.notes.push(note);
                    }
                    "no"
                }
                (outcome, _) => {
                    let reason = match outcome {
                        Ok(_) => "works, and stands among the gaps".to_owned(),
                        Err(failure) => failure.to_string(),
                    };
                    let peer = &self.peer;
                    self.surprises.push(format!("{peer}, {algorithm}, {check}: {reason}"));
                    "FAILED"
                }
            });
        }
        self.rows.push((algorithm, marks));
    }

    pub(crate) fn into_surprises(self) -> Vec<String> {
        self.surprises
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", self.title)?;
        write!(f, "| algorithm |")?;
        CHECKS.iter().try_for_each(|(check, _)| write!(f, " {check} |"))?;
        write!(f, "\n|{:-<11}|", "")?;
        CHECKS.iter().try_for_each(|(check, _)| write!(f, ":{:-<1$}:|", "", check.len()))?;
        writeln!(f)?;
        for (algorithm, marks) in &self.rows {
            write!(f, "| {algorithm:9} |")?;
            for ((check, _), mark) in CHECKS.iter().zip(marks) {
                write!(f, " {mark:^0$} |", check.len())?;
            }
            writeln!(f)?;
        }
        if !self.notes.is_empty() {
            writeln!(f)?;
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "{note}"))
    }
}
