use std::collections::HashSet;

use serde::Deserialize;

use super::*;
use crate::passwords::hash::{adopt, check, recognise};

/// Hashes by the tools of other systems; `make` beside the file says which.
const VECTORS: &str = include_str!("../../../tests/vectors/passwords.json");

#[derive(Deserialize)]
struct Vector {
    tool: String,
    scheme: String,
    password: String,
    hash: String,
    wrapped: bool,
}

fn vectors() -> Vec<Vector> {
    serde_json::from_str(VECTORS).expect("vectors")
}

fn password(text: &str) -> Password {
    Password::parse(text).expect("sound")
}

#[test]
fn every_hash_of_another_system_is_known_for_what_it_is() {
    let vectors = vectors();
    for Vector { tool, scheme, hash, wrapped, .. } in &vectors {
        let known = recognise(hash).unwrap_or_else(|why| panic!("{tool}: {hash}: {why:?}"));
        assert_eq!((known.scheme, known.wrapped), (scheme.as_str(), *wrapped), "{tool}: {hash}");
        assert!(!known.parameters.is_empty());
    }
    let made: HashSet<&str> = vectors.iter().map(|vector| vector.scheme.as_str()).collect();
    let rows: HashSet<&str> = SCHEMES.iter().map(|scheme| scheme.name).collect();
    assert_eq!(made, rows, "each scheme has a vector, and no other has");
}

#[test]
fn every_hash_of_another_system_lets_its_password_in_and_no_other() {
    let memory = &mut Memory::new();
    let mut seen = HashSet::new();
    for Vector { tool, scheme, password: text, hash, wrapped } in vectors() {
        let stored = adopt(&hash, memory).expect("sound");
        assert_eq!(stored != hash, wrapped, "{tool}: {hash}");
        let right = check(&password(&text), &stored, memory).expect("sound");
        assert!(right.right, "{tool}: {text}: {hash}");
        // The next login has a hash of ours in its place, for the password as it is compared here.
        let ours = right.stronger.expect("a stronger one");
        assert!(ours.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{ours}");
        if !seen.insert((tool, scheme)) {
            continue;
        }
        assert!(check(&password(&text), &ours, memory).expect("sound").right);
        let wrong = check(&password(&text.to_uppercase()), &stored, memory).expect("sound");
        assert!(!wrong.right && wrong.stronger.is_none(), "{hash}");
    }
}

#[test]
fn a_weak_hash_is_kept_as_its_setting_alone() {
    let memory = &mut Memory::new();
    for Vector { tool, hash, .. } in vectors().into_iter().filter(|vector| vector.wrapped) {
        let stored = adopt(&hash, memory).expect("sound");
        let output = &hash[hash.rfind('$').expect("a dollar") + 1..];
        // bcrypt writes its salt before its output, without a mark between them.
        let output =
            &output[output.len().saturating_sub(86).max(if output.len() == 53 { 22 } else { 0 })..];
        assert!(!stored.contains(output), "{tool}: {stored}");
        assert!(stored.starts_with("$wrapped$l="), "{stored}");
        // What was wrapped once is taken as it is: an export can be read back.
        assert_eq!(adopt(&stored, memory).expect("sound"), stored);
        assert!(recognise(&stored).expect("sound").wrapped);
    }
}

#[test]
fn bcrypt_looks_at_72_bytes_as_it_always_has() {
    let memory = &mut Memory::new();
    let long = vectors().into_iter().find(|one| one.scheme == "bcrypt" && one.password.len() > 72);
    let Vector { password: text, hash, .. } = long.expect("a vector");
    assert!(check(&password(&format!("{text}!")), &hash, memory).expect("sound").right);
    assert!(!check(&password(&text[1..]), &hash, memory).expect("sound").right);
}

#[test]
fn what_would_take_too_long_or_too_much_is_refused() {
    let long_output = "A".repeat(86);
    for (hash, why) in [
        (
            "$argon2id$v=19$m=262144,t=1,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            TOO_COSTLY,
        ),
        (
            "$argon2id$v=19$m=65536,t=17,p=4$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            TOO_COSTLY,
        ),
        ("$2b$15$58nw9a/YZOu6dG02OLUtp.qjIwlAmyDXmzkozpLGwqJ5eCaCXmAGK", TOO_COSTLY),
        ("pbkdf2_sha256$4000001$salt$K/2hu+EVX7SfrHJtRNvj24yU+OnO5J3y5JZ0pVz0VZk=", TOO_COSTLY),
        (&format!("$6$rounds=1000001$salt${long_output}"), TOO_COSTLY),
        ("$fbscrypt$v=1,n=20,r=8,p=1,ss=Bw==,sk=AAAAAAAAAAAAAAAAAAAAAA==$AAAA$AAAA", TOO_COSTLY),
        ("$fbscrypt$v=1,n=14,r=65,p=1,ss=Bw==,sk=AAAAAAAAAAAAAAAAAAAAAA==$AAAA$AAAA", TOO_COSTLY),
        (&format!("scrypt$65536$salt$8$8${long_output}=="), TOO_COSTLY),
    ] {
        assert_eq!(recognise(hash).expect_err(hash), why, "{hash}");
    }
}

#[test]
fn what_is_malformed_is_refused_without_a_word_of_it() {
    let long = "$".repeat(2_000);
    for hash in [
        "d41d8cd98f00b204e9800998ecf8427e",
        "plain text",
        "secret",
        "$1$salt$qJH7.N4xYta3aEG/dfqo/0",
        "$2x$10$58nw9a/YZOu6dG02OLUtp.qjIwlAmyDXmzkozpLGwqJ5eCaCXmAGK",
        "$2b$10$58nw9a/YZOu6dG02OLUtp.qjIwlAmyDXmzkozpLGwqJ5eCaCXmAG",
        "$2b$03$58nw9a/YZOu6dG02OLUtp.qjIwlAmyDXmzkozpLGwqJ5eCaCXmAGK",
        "$argon2id$v=19$m=65536,t=3,p=4$P22ga9dkbx48v",
        "$argon2id$v=19$m=65536,t=3,p=4,keyid=AAAA$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$argon2x$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "pbkdf2_sha256$0$salt$K/2hu+EVX7SfrHJtRNvj24yU+OnO5J3y5JZ0pVz0VZk=",
        "pbkdf2_sha256$36000$$K/2hu+EVX7SfrHJtRNvj24yU+OnO5J3y5JZ0pVz0VZk=",
        "pbkdf2_sha256$036000$salt$K/2hu+EVX7SfrHJtRNvj24yU+OnO5J3y5JZ0pVz0VZk=",
        "pbkdf2_sha256$36000$salt$short",
        "$6$rounds=10$salt$abc",
        "$6$rounds=999$salt$abc",
        "$5$much-too-long-a-salt$abc",
        "scrypt$16383$salt$8$5$AAAA",
        "22630fe880c8daa139edce6c70d2be14:2f24",
        "22630fe880c8daa139edce6c70d2be14:",
        "$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=$AAAA$AAAA",
        "$fbscrypt$v=1,n=0,r=8,p=1,ss=Bw==,sk=AAAAAAAAAAAAAAAAAAAAAA==$AAAA$AAAA",
        "$wrapped$l=31$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$wrapped$l=31$argon2id$v=19$m=19456,t=2000,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4$$2b$04$58nw9a/YZOu6dG02OLUtp.",
        "$wrapped$l=0$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4$$2b$04$58nw9a/YZOu6dG02OLUtp.",
        "$2b$10$h\u{e4}sh-of-many-bytes-that-is-cut-in-the-middle-of-a-letter-\u{e4}\u{e4}",
        &long,
    ] {
        let Unsound(why) = recognise(hash).expect_err(hash);
        assert!(!hash.contains(why) && why.is_ascii(), "{why}");
        // Stored by whatever means, it is a fault and no wrong password.
        let checked = check(&password("four unrelated gravel words"), hash, &mut Memory::new());
        assert!(matches!(checked, Err(Error::Internal(_))), "{hash}");
    }
}

#[test]
fn an_account_without_a_password_lets_nobody_in() {
    let memory = &mut Memory::new();
    for hash in ["", "!", "!ZWQ5Yw0sVJQ0vSRoNk2GqSYPXHW4lPIxkOVbvVVp"] {
        assert_eq!(adopt(hash, memory).expect("sound"), "!");
        for text in ["", "!", hash, "four unrelated gravel words"] {
            let checked = check(&password(text), hash, memory).expect("sound");
            assert!(!checked.right && checked.stronger.is_none());
        }
    }
}
