//! One routine in a loop, for `scripts/counts`, which counts its instructions.
//!
//! `counts ROUTINE CALLS`, with the routine as its place in the list of `work`; without arguments the names, one a line.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench stops where it fails and prints what was asked for"
)]

#[expect(dead_code, reason = "what only the comparison with others needs")]
mod work;

use work::{OWN, Work};

fn main() {
    if std::env::args().any(|argument| argument == "--bench") {
        return; // `cargo bench` runs every bench; this one is for the script
    }
    let mut numbers = std::env::args().skip(1).map_while(|argument| argument.parse::<usize>().ok());
    let (Some(routine), Some(calls)) = (numbers.next(), numbers.next()) else {
        return OWN.iter().for_each(|(name, _)| println!("{name}"));
    };
    let (_, routine) = OWN.get(routine).expect("a routine of this number");
    let mut work = Work::new();
    for _ in 0..calls {
        routine(&mut work);
    }
}
