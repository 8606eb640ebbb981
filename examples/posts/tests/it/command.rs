use std::process::{Command, Output};

fn posts(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign-posts"));
    command.args(arguments).output().expect("the process runs")
}

#[test]
fn without_a_key_of_the_issuer_it_does_not_start() {
    let refused = posts(&["--listen", "127.0.0.1:0"]);
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8(refused.stderr).expect("text");
    assert!(said.contains("--jwks"), "{said}");
}

#[test]
fn keys_from_an_unprotected_address_are_refused() {
    let refused = posts(&["--listen", "127.0.0.1:0", "--jwks", "http://auth.example.com/jwks"]);
    assert!(!refused.status.success());
    let said = String::from_utf8(refused.stderr).expect("text");
    assert!(said.contains("https"), "{said}");
}
