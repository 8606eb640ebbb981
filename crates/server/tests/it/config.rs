//! `config`: what is shown, and that a secret is not.

use std::process::Output;

use serde_json::Value;
use tempfile::tempdir;

use crate::process::{countersign, secret_file};

fn config(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = countersign();
    command.arg("config").args(arguments).envs(environment.iter().copied());
    command.output().expect("it runs")
}

fn stdout(output: &Output) -> &str {
    str::from_utf8(&output.stdout).expect("text")
}

#[test]
fn each_setting_is_shown_with_its_value_and_where_it_is_from() {
    let folder = tempdir().expect("folder");
    let file = folder.path().join("countersign.toml");
    std::fs::write(&file, "[tokens]\nissuer = \"file\"\naudience = \"file\"\ntyp = \"file\"\n")
        .expect("written");
    let file = file.to_str().expect("a path");
    let environment = [("COUNTERSIGN_TOKENS__AUDIENCE", "env"), ("COUNTERSIGN_TOKENS__TYP", "env")];
    let shown = config(&["show", "--json", "--config", file, "--tokens-typ", "flag"], &environment);
    let shown: Value = serde_json::from_slice(&shown.stdout).expect("JSON");
    let of = |key: &str| {
        let settings = shown["settings"].as_array().expect("a list");
        let found = settings.iter().find(|setting| setting["key"] == key).expect(key);
        ["value", "origin", "source", "line"].map(|name| found[name].clone())
    };
    assert_eq!(of("tokens.issuer"), ["file".into(), "file".into(), file.into(), Value::from(2)]);
    let variable = "COUNTERSIGN_TOKENS__AUDIENCE";
    assert_eq!(
        of("tokens.audience"),
        ["env".into(), "environment".into(), variable.into(), Value::Null]
    );
    assert_eq!(
        of("tokens.typ"),
        ["flag".into(), "flag".into(), "--tokens-typ".into(), Value::Null]
    );
    assert_eq!(of("tokens.leeway"), ["30s".into(), "default".into(), Value::Null, Value::Null]);
    assert_eq!(of("mail.url")[..2], [Value::Null, "default".into()]);
}

#[test]
fn what_is_shown_is_a_file_that_says_the_same() {
    let folder = tempdir().expect("folder");
    let file = folder.path().join("countersign.toml");
    let flags = ["--tokens-leeway", "10s", "--secret-file", "a", "--secret-file", "b"];
    let shown = config(&[&["show"], &flags[..]].concat(), &[]);
    std::fs::write(&file, stdout(&shown)).expect("written");
    let again = config(&["show", "--config", file.to_str().expect("a path")], &[]);
    assert_eq!(stdout(&again), stdout(&shown));
    assert!(stdout(&again).contains("leeway = \"10s\"\n"));
}

#[test]
fn no_output_shows_a_password() {
    let folder = tempdir().expect("folder");
    let file = folder.path().join("countersign.toml");
    let path = file.to_str().expect("a path");
    for text in [
        "[database]\nurl = \"postgres://u:hunter2@h/x\"\n[tokens]\nleeway = \"5m\"\n",
        "[database]\nurl = \"mysql://u:hunter2@h/x\"\n",
        "[database]\nurl = \"postgres://u:hunter2@h/x\n",
        "[database]\nurl = [\"postgres://u:hunter2@h/x\"]\n",
        "[database]\nurl = \"postgres://u@h/x?password=hunter2\"\n",
        "[http]\npublic_url = \"https://u:hunter2@h/x\"\n",
        "[mail]\nurl = \"smtps://u:hunter2@h\"\nurll = \"smtps://u:hunter2@h\"\n",
    ] {
        std::fs::write(&file, text).expect("written");
        for arguments in
            [&["show", "--origin"][..], &["show", "--json"], &["check"], &["check", "--json"]]
        {
            let output = config(&[arguments, &["--config", path]].concat(), &[]);
            let said = format!("{}{}", stdout(&output), String::from_utf8_lossy(&output.stderr));
            assert!(said.len() > 20 && !said.contains("hunter2"), "{text}: {said}");
        }
    }
    // A secret that is a value, right or wrong, misspelled or unfinished.
    for text in [
        "[keys]\nmaster_key = \"hunter2hunter2\"\n",
        "[keys]\nmaster_key = [\"hunter2\"]\n",
        "[keys]\nmaster_kye = \"hunter2\"\n",
        "[tokens]\nmaster_key = \"hunter2\"\n",
        "[keys]\nmaster_key = \"hunter2\n[log]\n",
        "[keys]\nmaster_key = \"\"\"\nhunter2\n\"\"\"\n[log]\nlevl = \"x\"\n",
        "keys.master_key = \"hunter2\" \"hunter2\"\n",
    ] {
        std::fs::write(&file, text).expect("written");
        for command in ["show", "check"] {
            let output = config(&[command, "--config", path], &[]);
            let said = format!("{}{}", stdout(&output), String::from_utf8_lossy(&output.stderr));
            assert!(said.len() > 20 && !said.contains("hunter2"), "{text}: {said}");
        }
    }
    let output = config(&["show", "--json"], &[("COUNTERSIGN_KEYS__MASTER_KEY", &"ab".repeat(32))]);
    assert!(stdout(&output).contains("\"***\"") && !stdout(&output).contains("abab"));
    let environment = [("COUNTERSIGN_DATABASE__URL", "mysql://u:hunter2@h/x")];
    let output = config(&["check"], &environment);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("COUNTERSIGN_DATABASE__URL: database.url"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn a_check_finds_what_serve_would_refuse_in_the_files_that_are_named() {
    let folder = tempdir().expect("folder");
    let weak = secret_file(folder.path(), "weak", "your-256-bit-secret-your-256-bit-secret");
    let weak = weak.to_str().expect("a path");
    let nowhere = folder.path().join("nowhere");
    let nowhere = nowhere.to_str().expect("a path");
    let flags = ["--secret-file", weak, "--secret-file", nowhere, "--listen", "0.0.0.0:0"];
    let output = config(&[&["check", "--json"], &flags[..]].concat(), &[]);
    assert_eq!(output.status.code(), Some(1));
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let problems = answer["problems"].as_array().expect("a list");
    let said: Vec<&str> =
        problems.iter().filter_map(|problem| problem["message"].as_str()).collect();
    assert_eq!(said.len(), 3, "{said:?}");
    for text in ["is weak", "cannot be read", "http.public_url"] {
        assert!(said.iter().any(|said| said.contains(text)), "{text}: {said:?}");
    }
    assert!(!folder.path().join("countersign-data").exists(), "a check makes nothing");
}
