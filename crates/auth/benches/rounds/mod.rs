//! What the benches have in common: routines that take turns, so that what slows a round slows all of them.

use std::time::Instant;

/// What is measured: a name, how to do it so many times, and nanoseconds for each in every round.
pub(crate) struct Routine<'r> {
    pub(crate) name: String,
    run: Box<dyn FnMut(u32) + 'r>,
    pub(crate) times: Vec<f64>,
}

impl<'r> Routine<'r> {
    pub(crate) fn new(name: impl Into<String>, run: impl FnMut(u32) + 'r) -> Self {
        Self { name: name.into(), run: Box::new(run), times: Vec::new() }
    }

    pub(crate) fn median(&self) -> f64 {
        median(self.times.clone())
    }

    /// How many times as fast as another one this is: the ratio of each round, then their median.
    pub(crate) fn speed(&self, other: &Self) -> f64 {
        median(other.times.iter().zip(&self.times).map(|(other, own)| other / own).collect())
    }
}

/// Says whether to measure; `cargo test --benches` only wants to see that it runs.
pub(crate) fn measures() -> bool {
    std::env::args().any(|argument| argument == "--bench")
}

/// Runs all routines in turn, in so many rounds, or in a tiny one.
pub(crate) fn take_turns(routines: &mut [Routine<'_>], rounds: usize, calls: u32) {
    let (rounds, calls) = if measures() { (rounds, calls) } else { (1, 2) };
    for _ in 0..rounds {
        for routine in routines.iter_mut() {
            let start = Instant::now();
            (routine.run)(calls);
            routine.times.push(start.elapsed().as_secs_f64() * 1e9 / f64::from(calls));
        }
    }
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
