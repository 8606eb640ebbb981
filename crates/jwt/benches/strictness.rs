//! What this library and three others do with the same tokens and keys: the table of COMPARE.md.
//!
//! Each is used as its documentation shows, and told the issuer and the audience where it can be told. What accepts an input
//! is asked once more with all that can be switched on (`option`). Sound tokens come first and last, so that a library
//! cannot look strict by refusing everything. The run fails where our own column is not what it has to be.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench stops where it fails and prints its table"
)]

mod inputs;
mod libraries;
#[expect(dead_code, reason = "what only the measuring of speed needs")]
mod peers;
#[expect(dead_code, reason = "what only the measuring of speed needs")]
mod work;

use std::{
    panic::{self, AssertUnwindSafe},
    process::ExitCode,
};

use inputs::{Attempt, Input};
use libraries::{LIBRARIES, Library};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Refused,
    Accepted,
    Panics,
}

/// What a library does with one attempt; a panic is an outcome too.
fn attempt(library: &Library, attempt: &Attempt, stricter: bool) -> Outcome {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let result = panic::catch_unwind(AssertUnwindSafe(|| (library.verify)(attempt, stricter)));
    panic::set_hook(hook);
    match result {
        Ok(false) => Outcome::Refused,
        Ok(true) => Outcome::Accepted,
        Err(_) => Outcome::Panics,
    }
}

/// What a library does with all attempts of an input, which must be the same: else it is two inputs.
fn all(library: &Library, input: &Input, stricter: bool) -> Outcome {
    let outcomes = input.attempts.iter().map(|input| attempt(library, input, stricter));
    let mut outcomes: Vec<_> = outcomes.collect();
    outcomes.dedup();
    let [outcome] = outcomes[..] else {
        panic!("{}, {}, {stricter}: {outcomes:?}", library.name, input.name)
    };
    outcome
}

fn cell(library: &Library, input: &Input) -> &'static str {
    if input.needs.is_some_and(|need| library.lacks.contains(&need)) {
        return "no such feature";
    }
    match all(library, input, false) {
        Outcome::Refused => "refused",
        Outcome::Panics => "panics",
        // What is switched on to refuse more refuses sound tokens too, and is meant to.
        Outcome::Accepted if !input.sound && all(library, input, true) == Outcome::Refused => {
            "accepted (option: refused)"
        }
        Outcome::Accepted => "accepted",
    }
}

fn main() -> ExitCode {
    jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default().expect("the only provider");
    let keys = inputs::Keys::new();
    for input in keys.controls() {
        for library in &LIBRARIES {
            for stricter in [false, true] {
                let outcome = all(library, &input, stricter);
                let name = (library.name, input.name, stricter);
                assert!(outcome == Outcome::Accepted, "{name:?}: a sound token is refused");
            }
        }
    }

    let rows: Vec<_> = keys
        .inputs()
        .into_iter()
        .map(|input| (LIBRARIES.each_ref().map(|library| cell(library, &input)), input))
        .collect();

    println!("| input | {} |", LIBRARIES.map(|library| library.name).join(" | "));
    println!("|---|{}", "---|".repeat(LIBRARIES.len()));
    let mut wrong = Vec::new();
    for (cells, input) in rows {
        println!("| {} | {} |", input.name, cells.join(" | "));
        if cells[0] == "refused" && input.sound || cells[0] != "refused" && !input.sound {
            wrong.push(input.name);
        }
    }
    if wrong.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!("not as it has to be with us: {wrong:#?}");
    ExitCode::FAILURE
}
