//! What the fuzzer does, with the inputs that are kept: on every compiler, in every run of the tests.

use std::{fs, path::Path};

#[expect(unreachable_pub, reason = "the targets of the fuzzer call these from outside")]
#[path = "../../fuzz/src/lib.rs"]
mod targets;

/// Runs a target over each file of its corpus.
#[expect(clippy::print_stdout, reason = "a panic does not say which file it is about")]
fn run(target: fn(&[u8]), name: &str) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let mut files: Vec<_> =
        fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 25, "{name} has {} files", files.len());
    for file in files {
        println!("{}", file.display());
        target(&fs::read(&file).unwrap());
    }
}

#[test]
fn whole_tokens_keep_to_the_plain_rules() {
    run(targets::compact, "compact");
}

#[test]
fn headers_keep_to_the_plain_rules() {
    run(targets::header, "header");
}

#[test]
fn claims_keep_to_the_plain_rules() {
    run(targets::claims, "claims");
}

#[test]
fn a_jwk_is_the_same_in_and_out() {
    run(targets::jwk, "jwk");
}

#[test]
fn a_jwk_set_is_the_same_in_and_out() {
    run(targets::jwks, "jwks");
}

#[test]
fn a_key_in_pem_is_the_same_in_and_out() {
    run(targets::pem, "pem");
}

#[test]
fn a_key_in_der_is_the_same_in_and_out() {
    run(targets::der, "der");
}
