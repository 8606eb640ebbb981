//! Passes keys and tokens of every algorithm between this library and others, both ways, and prints a table for each.
//!
//! `scripts/interop` installs the others and starts this with two arguments for each, an interpreter and the file it
//! runs. Everything here goes through the public API: `keys.rs` shows each form a key has, `checks.rs` what is done
//! with them.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it prints its tables")]

mod checks;
mod keys;
mod peer;
mod table;

use std::process::ExitCode;

use countersign_jwt::{Algorithm, Jwks, SigningKey};

use self::{
    checks::{CHECKS, Case},
    peer::{Failure, Peer},
    table::Table,
};

/// What the peers cannot do, as measured. All else has to work; and what stands here has to be refused in these words, so
/// that a line goes when its peer learns better.
const GAPS: [Gap; 2] = [
    Gap { peer: "PyJWT", subject: "Ed25519", words: "Algorithm not supported" },
    Gap { peer: "PyJWT", subject: "same thumbprint", words: "PyJWT computes no thumbprint" },
];

/// A row or a column in which a peer refuses everything.
struct Gap {
    peer: &'static str,
    /// An algorithm or a check.
    subject: &'static str,
    /// Words of its refusal.
    words: &'static str,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (peers, []) = arguments.as_chunks::<2>() else {
        eprintln!("usage: interop [INTERPRETER FILE]…");
        return ExitCode::from(2);
    };
    match compare_with(peers) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

/// Prints the tables, and says whether all is as expected.
fn compare_with(peers: &[[String; 2]]) -> Result<bool, Failure> {
    let mut ours = Vec::new();
    for name in Algorithm::ALL.iter().map(|algorithm| algorithm.name()).chain(["Ed25519"]) {
        let key = SigningKey::generate(name.parse()?)?.with_algorithm_name(name)?;
        ours.push((name, key.with_derived_kid()));
    }
    let published = Jwks::new(ours.iter().map(|(_, key)| key.verifying_key()))?;

    let mut surprises = Vec::new();
    for [interpreter, file] in peers {
        let (mut peer, description) = match Peer::start(interpreter, file) {
            Ok(started) => started,
            Err(failure) => {
                surprises.push(format!("{file}: {failure}"));
                continue;
            }
        };
        let mut table = Table::new(&description);
        for (name, key) in &ours {
            let case = Case::new(name, key.clone(), published.clone(), &mut peer);
            table.add(name, CHECKS.map(|(_, check)| check(&case, &mut peer)));
            if peer.is_gone() {
                break;
            }
        }
        println!("{table}");
        surprises.extend(table.into_surprises());
    }
    for surprise in &surprises {
        println!("not as expected: {surprise}");
    }
    Ok(surprises.is_empty())
}
