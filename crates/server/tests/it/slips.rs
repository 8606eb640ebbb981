//! Slips: what is typed or written wrong is answered with what is wrong, where, and what was meant.

use std::{
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Output, Stdio},
};

use auth::testing::{Place, master_key};
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::process::{PASSWORD, Server, countersign, secret_file};

const SECRET: &str = "k8Jq2vXr7TzLw0NfYbHdGm4sPcEa9UiO";

fn run(arguments: &[&str]) -> Output {
    countersign().args(arguments).stdin(Stdio::null()).output().expect("it runs")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path")
}

#[test]
fn what_is_typed_wrong_is_answered_with_what_was_meant() {
    let folder = tempdir().expect("a folder");
    let data = folder.path().join("data");
    for (arguments, words) in [
        (&["serve", "--listen", "8000"][..], "did you mean 127.0.0.1:8000?"),
        (&["dev", "--listen", "localhost:8000"], "did you mean 127.0.0.1:8000?"),
        (&["serve", "--auth-mode", "jw"], "\"jw\" is none of jwt, session, both"),
        (&["serve", "--auth-mode", "jw"], "did you mean jwt?"),
        (&["serve", "--tokens-algorithm", "es256"], "did you mean ES256?"),
        (&["key", "generate", "--algorithm", "es256"], "did you mean ES256?"),
        (&["key", "rotate", "--algorithm", "ED25519"], "there are HS256, HS384"),
        (&["token", "sign", "--secret-file", "-", "--algorithm", "hs512"], "did you mean HS512?"),
        (&["audit", "list", "--type", "login.fail"], "did you mean login.failed?"),
        (&["audit", "list", "--type", "moon"], "docs/reference/events.md"),
    ] {
        let mut command = countersign();
        command.args(arguments).env("COUNTERSIGN_DATA_DIR", &data).stdin(Stdio::null());
        let output = command.output().expect("it runs");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", said(&output));
        assert!(said(&output).contains(words), "{arguments:?}: {}", said(&output));
    }
    for (name, value, words) in [
        ("COUNTERSIGN_HTTP__LISTEN", ":8000", "did you mean 127.0.0.1:8000?"),
        ("COUNTERSIGN_TOKENS__ALGORITHM", "es256", "did you mean ES256?"),
    ] {
        let output = countersign().args(["config", "check"]).env(name, value).output();
        let told = said(&output.expect("it runs"));
        assert!(told.contains(&format!("{name}: ")) && told.contains(words), "{told}");
    }
    let file = folder.path().join("c.toml");
    for (content, words) in [
        ("[tokens]\nalgorithm = \"es256\"\n", "c.toml:2:13: tokens.algorithm"),
        ("[tokens]\nalgorithm = \"es256\"\n", "did you mean ES256?"),
        ("[http]\nlisten = 8000\n", "did you mean 127.0.0.1:8000?"),
        ("[tokens]\nleeway = 30\n", "it is the number 30, and has to be a text"),
        ("[tokens\n", "c.toml:1:8: the name of the section has no ] behind it"),
        ("[tokens]\nissuer = me\n", "a text stands in double quotes"),
    ] {
        std::fs::write(&file, content).expect("written");
        let told = said(&run(&["config", "check", "--config", text(&file)]));
        assert!(told.contains(words), "{content}: {told}");
    }
}

/// Files that are all wrong, each in its way, and the settings that name them.
fn broken(folder: &Path) -> String {
    let open = secret_file(folder, "open", SECRET);
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o644)).expect("set");
    secret_file(folder, "weak", "your-256-bit-secret-your-256-bit-secret");
    secret_file(folder, "zeros", &"0".repeat(64));
    secret_file(folder, "empty", "");
    secret_file(folder, "whsec", "swordfish");
    let file = |name: &str| folder.join(name).display().to_string();
    format!(
        "[keys]\nsecret_file = [{:?}, {:?}, {:?}]\nmaster_key_file = {:?}\n\
         [mail]\nurl = \"smtp://me@127.0.0.1:1\"\nfrom = \"a@example.com\"\npassword_file = {:?}\n\
         [webhooks]\nurl = \"https://hooks.example.com\"\nsecret_file = {:?}\n",
        file("open"),
        file("weak"),
        file("none"),
        file("zeros"),
        file("empty"),
        file("whsec"),
    )
}

#[test]
fn every_fault_of_every_file_is_told_at_once_by_check_and_by_serve() {
    let folder = tempdir().expect("a folder");
    let file = secret_file(folder.path(), "c.toml", &broken(folder.path()));
    let expected = [
        ("open can be read by others (mode 0644)", None),
        ("keys.secret_file: the secret in", Some(2)),
        ("none cannot be read", Some(2)),
        ("keys.master_key_file: the master key in", Some(3)),
        ("mail.password_file: ", Some(7)),
        ("webhooks.secret_file: ", Some(10)),
    ];
    let checked = run(&["config", "check", "--json", "--config", text(&file)]);
    assert_eq!(checked.status.code(), Some(1));
    let checked: Value = serde_json::from_slice(&checked.stdout).expect("JSON");
    let problems = checked["problems"].as_array().expect("problems");
    assert_eq!(problems.len(), expected.len(), "{checked:#}");
    for (words, line) in expected {
        let told = problems.iter().find(|problem| {
            problem["message"].as_str().is_some_and(|message| message.contains(words))
        });
        let told = told.unwrap_or_else(|| panic!("{words}: {checked:#}"));
        let origin = told["origin"].as_str().unwrap_or_default();
        match line {
            None => assert_eq!(origin, ""),
            Some(line) => assert!(origin.contains(&format!("c.toml:{line}:")), "{told}"),
        }
    }
    assert!(!checked.to_string().contains("swordfish") && !checked.to_string().contains(SECRET));
    let data = folder.path().join("data");
    let start = ["serve", "--listen", "127.0.0.1:0", "--data-dir", text(&data), "--config"];
    let refused = run(&[&start[..], &[text(&file)]].concat());
    assert_eq!(refused.status.code(), Some(2));
    for (words, _) in expected {
        assert!(said(&refused).contains(words), "{words}: {}", said(&refused));
    }
    assert!(!data.exists(), "nothing was begun");
}

#[test]
fn a_weak_master_key_is_left_by_naming_it_as_the_one_before() {
    let folder = tempdir().expect("a folder");
    let weak = secret_file(folder.path(), "weak", &"ab".repeat(32));
    let good = secret_file(folder.path(), "good", &master_key(1));
    let data = folder.path().join("data");
    let with = |more: &[&str]| {
        let start = ["serve", "--listen", "127.0.0.1:0", "--data-dir", text(&data)];
        let mut command = countersign();
        command.args(start).args(more).stdin(Stdio::null());
        command
    };
    let refused = with(&["--keys-master-key-file", text(&weak)]).output().expect("it runs");
    assert_eq!(refused.status.code(), Some(2));
    assert!(said(&refused).contains("keys.previous_master_key_file"), "{}", said(&refused));
    let both =
        ["--keys-master-key-file", text(&good), "--keys-previous-master-key-file", text(&weak)];
    assert!(Server::start(with(&both)).stop().success());
    // Also as a value, for commands too.
    let mut list = countersign();
    list.args(["key", "list", "--data-dir", text(&data)]);
    let list = list.env("COUNTERSIGN_KEYS__MASTER_KEY", "0".repeat(64)).output().expect("it runs");
    assert_eq!(list.status.code(), Some(2));
    assert!(said(&list).contains("keys.master_key: the master key is weak"), "{}", said(&list));
}

#[tokio::test]
async fn a_token_of_a_server_with_a_secret_in_a_file_is_explained_by_that_file() {
    let folder = tempdir().expect("a folder");
    let data = folder.path().join("data");
    let secret = secret_file(folder.path(), "secret", &format!("{SECRET}\n"));
    let mut serve = countersign();
    serve.args(["serve", "--listen", "127.0.0.1:0", "--data-dir", text(&data), "--secret-file"]);
    serve.arg(&secret);
    let server = Server::start(serve);
    server.register("a@example.com").await;
    let token = server.login("a@example.com", PASSWORD).await;
    let explain = |more: &[&str]| {
        let all = [&["token", "explain", &token, "--data-dir", text(&data)][..], more].concat();
        let told = run(&all);
        let json: Value =
            serde_json::from_slice(&run(&[&all[..], &["--json"]].concat()).stdout).expect("JSON");
        (told.status.code(), String::from_utf8(told.stdout).expect("text"), json)
    };
    // Where nobody says which file it is, what to say is said.
    let (code, told, json) = explain(&[]);
    assert_eq!((code, &json["code"]), (Some(1), &json!("unknown_key")));
    assert!(told.contains("name that: --secret-file FILE"), "{told}");
    assert!(json["hint"].as_str().is_some_and(|hint| hint.contains("keys.secret_file")), "{json}");
    // With the file alone nobody asked for an audience, and none is said to be wrong.
    for flag in ["--secret-file", "--keys-secret-file"] {
        let (code, told, json) = explain(&[flag, text(&secret)]);
        assert_eq!((code, &json["check"]), (Some(1), &json!("audience")), "{told}");
        assert!(told.contains("none was named with --audience"), "{told}");
        assert!(told.contains("ask again with --audience countersign."), "{told}");
        assert!(
            told.contains("Judged by defaults") && !told.contains("another audience"),
            "{told}"
        );
    }
    let named = [&["--secret-file", text(&secret), "--audience", "countersign"][..]].concat();
    let (code, told, json) = explain(&named);
    assert_eq!((code, &json["accepted"]), (Some(0), &json!(true)), "{told}");
    assert!(told.contains("any issuer will do (--issuer asks for one)"), "{told}");
    let (code, told, _) = explain(&[&named[..], &["--issuer", "countersign"]].concat());
    assert!(code == Some(0) && !told.contains("defaults"), "{told}");
    // By the settings of the server, as an operator has them.
    let mut by_settings = countersign();
    by_settings.args(["token", "explain", &token, "--data-dir", text(&data)]);
    let by_settings = by_settings.env("COUNTERSIGN_KEYS__SECRET_FILE", &secret).output();
    assert_eq!(by_settings.expect("it runs").status.code(), Some(0));
    assert!(server.stop().success());
}

#[tokio::test]
async fn a_postgres_database_that_is_not_there_is_to_be_made() {
    let Some(place) = Place::postgres().await else { return };
    let (server, name) = place.url.rsplit_once('/').expect("a URL");
    let url = format!("{server}/{name}_not");
    let create = format!("createdb {name}_not ");
    let url = ["--database-url", url.as_str()];
    let refused =
        run(&[&["serve", "--listen", "127.0.0.1:0", "--allow-plain-keys"], &url[..]].concat());
    assert_eq!(refused.status.code(), Some(3));
    assert!(said(&refused).contains(&create), "{}", said(&refused));
    let doctor = run(&[&["doctor", "--json"], &url[..]].concat());
    assert!(String::from_utf8_lossy(&doctor.stdout).contains(&create));
    place.remove().await;
}

#[test]
fn the_closing_line_is_talk_whatever_becomes_of_the_data() {
    let folder = tempdir().expect("a folder");
    let to = folder.path().join("report");
    let doctor = || {
        let mut doctor = countersign();
        doctor.args(["doctor", "--data-dir", text(&folder.path().join("data"))]);
        doctor
    };
    let file = std::fs::File::create(&to).expect("made");
    let output = doctor().stdout(file).stderr(Stdio::piped()).output().expect("it runs");
    assert_eq!(said(&output).lines().last(), Some("3 warnings"));
    let report = std::fs::read_to_string(&to).expect("a report");
    assert!(report.contains("public_url") && !report.contains("3 warnings"), "{report}");
    // A reader that goes away early takes nothing of it along, and changes no exit code.
    let mut child =
        doctor().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), said(&output).lines().last()), (Some(0), Some("3 warnings")));
}
