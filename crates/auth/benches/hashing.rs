//! What a password hash takes: with fresh memory for each, with memory that is kept, as the hashing threads do it, and by
//! `argon2-rust`, which has SIMD of its own.
//!
//! `cargo bench -p countersign-auth --bench hashing`. All take turns; each figure is the median of its rounds. Both
//! libraries have to agree on every output.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench prints its figures and stops where it fails"
)]

mod rounds;

use std::hint::black_box;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use rounds::{Routine, measures, take_turns};

/// Argon2id with the parameters of the contract: m = 19456 KiB, t = 2, p = 1.
fn ours() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::DEFAULT)
}

fn theirs() -> argon2_rust::Argon2 {
    let params = argon2_rust::Params::default();
    argon2_rust::Argon2::new(argon2_rust::Algorithm::Argon2id, argon2_rust::Version::V0x13, params)
}

/// Hashes passwords of many lengths with both, and compares.
fn compare() {
    let (ours, mut theirs) = (ours(), theirs().hasher());
    let mut memory = vec![Block::new(); Params::DEFAULT.block_count()];
    for length in (0..=128).step_by(if measures() { 3 } else { 64 }) {
        let password: Vec<u8> = (0..length).collect();
        let salt = [length; 16];
        let (mut own, mut other) = ([0; 32], [0; 32]);
        ours.hash_password_into_with_memory(&password, &salt, &mut own, &mut memory).unwrap();
        theirs.hash_into(&password, &salt, &mut other).unwrap();
        assert_eq!(own, other, "of {length} bytes");
    }
}

fn main() {
    compare();
    let (password, salt) = (b"four unrelated gravel words", [7; 16]);
    let mut output = [0; 32];
    let mut outputs = [output; 3];
    let [fresh, kept, simd] = &mut outputs;
    let (library, mut other) = (ours(), theirs().hasher());
    let mut memory = vec![Block::new(); Params::DEFAULT.block_count()];
    let mut routines = [
        Routine::new("argon2, memory kept (the hashing threads)", |calls| {
            for _ in 0..calls {
                let password = black_box(password);
                let hashed =
                    library.hash_password_into_with_memory(password, &salt, kept, &mut memory);
                hashed.unwrap();
            }
        }),
        Routine::new("argon2, fresh memory", |calls| {
            for _ in 0..calls {
                library.hash_password_into(black_box(password), &salt, fresh).unwrap();
            }
        }),
        Routine::new("argon2-rust, memory kept", |calls| {
            for _ in 0..calls {
                other.hash_into(black_box(password), &salt, simd).unwrap();
            }
        }),
    ];
    take_turns(&mut routines, 41, 4);
    let [first, ..] = &routines;
    println!("| Argon2id, 19 MiB, t = 2, p = 1 | ms per hash | × as fast as the first |");
    println!("|---|---|---|");
    for routine in &routines {
        let millis = routine.median() / 1e6;
        println!("| {} | {millis:.1} | {:.2} |", routine.name, routine.speed(first));
    }
    drop(routines);
    output.copy_from_slice(outputs.first().unwrap());
    assert!(outputs.iter().all(|other| *other == output), "the libraries disagree");
}
