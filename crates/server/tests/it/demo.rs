//! `countersign demo`, as it is typed.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::tempdir;

use crate::process::countersign;

const STEPS: [&str; 11] = [
    "register", "login", "posts", "tampered", "alg_none", "refresh", "stolen", "session", "logout",
    "rotated", "expired",
];

/// Runs the tour with these flags, and looks whether it leaves anything.
fn demo(flags: &[&str]) -> (Output, String) {
    let temporary = tempdir().expect("folder");
    let mut command = countersign();
    // Settings of this environment are nothing to it.
    command.env("COUNTERSIGN_TOKENS__ACCESS_LIFETIME", "1h").env("TMPDIR", temporary.path());
    let output = command.arg("demo").args(flags).current_dir(temporary.path()).output();
    let output = output.expect("it runs");
    assert_eq!(fs::read_dir(temporary.path()).expect("a folder").count(), 0, "something is left");
    let printed = String::from_utf8(output.stdout.clone()).expect("text");
    assert!(!printed.contains('\u{1b}'), "colours are for a terminal: {printed}");
    (output, printed)
}

#[test]
fn the_tour_holds_and_leaves_nothing() {
    let (output, printed) = demo(&[]);
    assert_eq!(output.status.code(), Some(0), "{printed}");
    let named: Vec<&str> = printed
        .lines()
        .map(|line| line.strip_prefix("✓ ").expect("a tick").split(' ').next().expect("a name"))
        .collect();
    assert_eq!(named, STEPS);
    let said = String::from_utf8(output.stderr).expect("text");
    assert!(said.contains("All of it holds"), "{said}");
}

#[test]
fn the_tour_shows_what_went_over_the_wire() {
    let (output, printed) = demo(&["--verbose"]);
    assert_eq!(output.status.code(), Some(0), "{printed}");
    for text in [
        "> POST /login\n",
        r#"> {"email":"you@example.com","password":"(not shown)"}"#,
        "< 401 Unauthorized\n",
        r#"< www-authenticate: Bearer error="invalid_token", error_description="the signature does not match""#,
        r#""code":"token_revoked""#,
        "< set-cookie: session=",
        r#"> {"by":"11m"}"#,
    ] {
        assert!(printed.contains(text), "{text}: {printed}");
    }
    let bearer = printed.lines().filter_map(|line| line.split_once("authorization: Bearer "));
    let tokens: Vec<&str> = bearer.map(|(_, token)| token).collect();
    assert!(tokens.len() > 8);
    for token in tokens {
        assert!(token.matches('.').count() == 2 && token.len() < 80, "{token}");
    }
}

#[test]
fn the_tour_is_told_to_programs_step_by_step() {
    let (output, printed) = demo(&["--json"]);
    assert_eq!(output.status.code(), Some(0), "{printed}");
    let steps: Vec<Value> =
        printed.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(steps.iter().map(|step| &step["step"]).collect::<Vec<_>>(), STEPS);
    for step in &steps {
        assert_eq!(step["ok"], true);
        assert!(step["why"].is_null() && step["says"].is_string());
        for exchange in step["earlier"].as_array().expect("a list").iter().chain([step]) {
            let (request, response) = (&exchange["request"], &exchange["response"]);
            assert!(request["method"].is_string() && request["path"].is_string());
            assert!(request["headers"].is_object() && response["headers"].is_object());
            assert!(response["status"].is_u64() && response["body"].is_object());
        }
    }
    assert_eq!(steps[3]["response"]["status"], 401);
    assert_eq!(steps[3]["response"]["body"]["code"], "signature_invalid");
}

#[test]
fn a_tour_that_is_broken_off_leaves_nothing() {
    let temporary = tempdir().expect("folder");
    let mut command = countersign();
    command.arg("demo").env("TMPDIR", temporary.path());
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("it starts");
    let mut printed = BufReader::new(child.stdout.take().expect("stdout"));
    printed.read_line(&mut String::new()).expect("a line");
    let pid = child.id().to_string();
    drop(Command::new("kill").args(["-INT", &pid]).status());
    // It may have been faster.
    let code = child.wait().expect("it ends").code();
    assert!(matches!(code, Some(0 | 1)), "{code:?}");
    assert_eq!(fs::read_dir(temporary.path()).expect("a folder").count(), 0);
}
