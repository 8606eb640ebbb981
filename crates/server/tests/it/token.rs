//! `token` beside a running server: its own tokens, their end, its published keys.

use std::{
    io::Write,
    path::Path,
    process::{Output, Stdio},
    time::Duration,
};

use auth::testing::Place;
use jwt::{Algorithm, Claims, Jwks, SigningKey};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::process::{PASSWORD, Server, answer, countersign, forge, secret_file};

const SECRET: &str = "k8Jq2vXr7TzLw0NfYbHdGm4sPcEa9UiO";

/// Runs `countersign token …` with this on stdin.
fn token(arguments: &[&str], stdin: &str) -> Output {
    token_where(&[], arguments, stdin)
}

/// The same, with these settings in the environment.
fn token_where(environment: &[(&str, &str)], arguments: &[&str], stdin: &str) -> Output {
    let mut command = countersign();
    command.arg("token").args(arguments).envs(environment.iter().copied()).stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    child.stdin.take().expect("stdin").write_all(stdin.as_bytes()).expect("written");
    child.wait_with_output().expect("it ends")
}

fn json_of(output: &Output) -> Value {
    let said = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("no JSON: {said}"))
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a path")
}

#[tokio::test]
async fn a_token_of_the_installation_is_accepted_there_until_its_login_ends() {
    let folder = tempdir().expect("folder");
    let data = path(folder.path());
    let server = Server::dev(folder.path(), &[]);
    server.register("a@example.com").await;
    let body = json!({ "email": "a@example.com", "password": PASSWORD });
    let login = server.post("/login", body).await;
    // The answer of the login goes straight in.
    let verify = || token(&["verify", "--json", "--data-dir", data], &login.text);
    let explain = || token(&["explain", "--json", "--data-dir", data], &login.text);
    assert_eq!(verify().status.code(), Some(0));
    assert_eq!(json_of(&verify())["claims"]["iss"], "countersign");
    assert_eq!(json_of(&explain())["accepted"], true);

    let access = login.json()["access_token"].as_str().expect("a token").to_owned();
    let logout = server.request(Method::POST, "/logout").bearer_auth(&access);
    assert_eq!(answer(logout).await.status, 200);
    assert_eq!(verify().status.code(), Some(1));
    let said = json_of(&verify());
    assert_eq!((&said["check"], &said["code"]), (&json!("revocation"), &json!("token_revoked")));
    assert_eq!(said["claims"], Value::Null, "what is not valid is not handed on");
    assert_eq!(json_of(&explain())["check"], "revocation");
    // Whatever the settings say that one has at hand, looking changes nothing.
    let listed = || {
        let mut command = countersign();
        command.args(["key", "list", "--json", "--data-dir", data]);
        command.output().expect("it runs").stdout
    };
    let before = listed();
    let other = [("COUNTERSIGN_TOKENS__ALGORITHM", "ES256"), ("COUNTERSIGN_TOKENS__ISSUER", "x")];
    let arguments = ["explain", "--json", "--data-dir", data, "--at", "+90d"];
    assert_eq!(json_of(&token_where(&other, &arguments, &login.text))["check"], "expiry");
    assert!(!before.is_empty() && listed() == before);
    // The same without the server.
    assert!(server.stop().success());
    assert_eq!(json_of(&verify())["check"], "revocation");
}

#[tokio::test]
async fn an_installation_on_postgres_judges_by_its_settings() {
    let Some(place) = Place::postgres().await else { return };
    let folder = tempdir().expect("folder");
    let secret = secret_file(folder.path(), "secret", SECRET);
    let environment = [
        ("COUNTERSIGN_DATABASE__URL", &*place.url),
        ("COUNTERSIGN_KEYS__SECRET_FILE", path(&secret)),
        ("COUNTERSIGN_TOKENS__AUDIENCE", "posts"),
    ];
    let mut serve = countersign();
    serve.args(["serve", "--listen", "127.0.0.1:0"]).envs(environment);
    let server = Server::start(serve);
    server.register("a@example.com").await;
    let access = server.login("a@example.com", PASSWORD).await;
    let verify = || json_of(&token_where(&environment, &["verify", "--json"], &access));
    assert_eq!(verify()["claims"]["aud"], "posts");
    let logout = server.request(Method::POST, "/logout").bearer_auth(&access);
    assert_eq!(answer(logout).await.status, 200);
    assert_eq!(verify()["check"], "revocation");
    let other = [environment[0], environment[1]];
    let other = token_where(&other, &["explain", "--json"], &access);
    assert_eq!(json_of(&other)["check"], "audience");
    assert!(server.stop().success());
    place.remove().await;
    let gone = token_where(&environment, &["verify"], &access);
    assert_eq!(gone.status.code(), Some(3));
}

#[tokio::test]
async fn a_token_is_verified_by_the_keys_that_a_server_publishes() {
    let folder = tempdir().expect("folder");
    let server = Server::dev(folder.path(), &["--tokens-algorithm", "ES256"]);
    server.register("a@example.com").await;
    let access = server.login("a@example.com", PASSWORD).await;
    let keys = format!("{}/.well-known/jwks.json", server.url);
    let named = ["--jwks", &keys, "--audience", "countersign", "--issuer", "countersign"];
    let verify = |access: &str| token(&[&["verify", "--json"], &named[..]].concat(), access);
    assert_eq!(json_of(&verify(&access))["valid"], true);
    let forged = forge(&access, |payload| payload.replace("\"user\"", "\"admin\""));
    assert_eq!(json_of(&verify(&forged))["code"], "signature_invalid");

    // The same set from a file.
    let set = answer(server.request(Method::GET, "/.well-known/jwks.json")).await.text;
    let file = folder.path().join("jwks.json");
    std::fs::write(&file, set).expect("written");
    let by_file = ["verify", "--json", "--key", path(&file), "--audience", "countersign"];
    assert_eq!(json_of(&token(&by_file, &access))["valid"], true);

    // It publishes no metadata of OpenID Connect.
    let discovered = token(&["verify", "--issuer", &server.url], &access);
    assert_eq!(discovered.status.code(), Some(3));
    // A server that has only secrets publishes none of them.
    let other = tempdir().expect("folder");
    let secret = Server::dev(other.path(), &[]);
    let keys = format!("{}/.well-known/jwks.json", secret.url);
    let none = token(&["verify", "--json", "--jwks", &keys], &access);
    assert_eq!(json_of(&none)["check"], "key");
}

#[test]
fn looking_at_a_token_makes_no_installation() {
    let folder = tempdir().expect("folder");
    let data = folder.path().join("data");
    let arguments = ["--data-dir", path(&data)];
    let signed = signed(folder.path(), &["--subject", "alice"]);
    let verified = token(&[&["verify"], &arguments[..]].concat(), &signed);
    assert_eq!(verified.status.code(), Some(2));
    let explained = token(&[&["explain", "--json"], &arguments[..]].concat(), &signed);
    assert_eq!(
        (explained.status.code(), &json_of(&explained)["accepted"]),
        (Some(1), &Value::Null)
    );
    assert!(!data.exists());

    // A database that no server has used yet.
    std::fs::create_dir(&data).expect("made");
    std::fs::write(data.join("countersign.db"), "").expect("written");
    let unused = token(&[&["verify"], &arguments[..]].concat(), &signed);
    assert_eq!(unused.status.code(), Some(3));
    let said = String::from_utf8_lossy(&unused.stderr).into_owned();
    assert!(said.contains("no installation of this version"), "{said}");
}

/// A token of [`SECRET`], and the file `secret` beside it.
fn signed(folder: &Path, arguments: &[&str]) -> String {
    let secret = secret_file(folder, "secret", SECRET);
    let sign = ["sign", "--secret-file", path(&secret), "--at", "1800000000"];
    let output = token(&[&sign, arguments].concat(), "");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

#[test]
fn the_key_decides_the_algorithm_and_explain_says_so() {
    let folder = tempdir().expect("folder");
    let rsa = SigningKey::generate(Algorithm::Ps256).expect("a key");
    let key = folder.path().join("rsa.pem");
    std::fs::write(&key, &*rsa.expose_pkcs8_pem().expect("a key")).expect("written");
    let key = path(&key);
    let signed = token(&["sign", "--key", key, "--algorithm", "PS256", "--subject", "alice"], "");
    let signed = String::from_utf8(signed.stdout).expect("text");
    let verify =
        |more: &[&str]| token(&[&["verify", "--json", "--key", key], more].concat(), &signed);
    assert_eq!(json_of(&verify(&["--algorithm", "PS256"]))["valid"], true);
    // Without a word an RSA key is for RS256, whatever the token says.
    assert_eq!(json_of(&verify(&[]))["detail"], "it says PS256, and the key is for RS256");

    // In a set each is found by its name.
    let others = [Algorithm::Es256, Algorithm::EdDsa];
    let others = others.map(|algorithm| {
        SigningKey::generate(algorithm).expect("a key").with_kid(algorithm.name())
    });
    let set = Jwks::new(others.iter().map(SigningKey::verifying_key)).expect("a set").to_json();
    let file = folder.path().join("jwks.json");
    std::fs::write(&file, set).expect("written");
    let explain = |kid: &str| {
        let signing = others[0].clone().with_kid(kid);
        let claims = Claims::new(()).expires_in(Duration::from_secs(60));
        let text = signing.sign(&claims).expect("a token");
        json_of(&token(&["explain", "--json", "--key", path(&file)], &text))
    };
    assert_eq!(explain("ES256")["accepted"], true);
    let unknown = explain("other");
    assert_eq!(unknown["detail"], "it names none of the keys that are known: ES256, EdDSA");
    let kid = |member: &&Value| member["name"] == "kid";
    let members = unknown["members"].as_array().expect("a list");
    assert_eq!(members.iter().find(kid).expect("a kid")["state"], "refused");
    assert_eq!(explain("EdDSA")["check"], "algorithm");
}

#[test]
fn what_explain_marks_is_what_the_verdict_names() {
    let folder = tempdir().expect("folder");
    let tokens = [
        &["--subject", "alice"][..],
        &["--issuer", "me"],
        &["--issuer", "me", "--audience", "posts"],
        &["--issuer", "me", "--audience", "posts", "--audience", "comments"],
        &["--issuer", "you", "--audience", "posts"],
        &["--issuer", "me", "--audience", "posts", "--valid-in", "5m"],
        &["--issuer", "me", "--audience", "posts", "--expires-in", "1s"],
        &["--issuer", "me", "--audience", "posts", "--claim", "exp=1800000600.5"],
        &["--issuer", "me", "--audience", "posts", "--typ", "at+jwt"],
        &["--issuer", "me", "--audience", "posts", "--kid", "other"],
    ]
    .map(|arguments| signed(folder.path(), arguments));
    let secret = folder.path().join("secret");
    let rules = [
        &[][..],
        &["--issuer", "me"],
        &["--audience", "x", "--audience", "posts", "--issuer", "me"],
        &["--audience", "posts", "--typ", "at+jwt"],
    ];
    let times = ["1800000000", "1800000030", "1800000270", "1800000631"];
    // The member that each check is about.
    let about = [
        ("header", "typ"),
        ("expiry", "exp"),
        ("not_before", "nbf"),
        ("issuer", "iss"),
        ("audience", "aud"),
    ];
    let (mut seen, mut accepted) = (std::collections::BTreeSet::new(), 0);
    for text in &tokens {
        for rules in rules {
            for time in times {
                let named = ["explain", "--json", "--secret-file", path(&secret), "--at", time];
                let told = json_of(&token(&[&named, rules].concat(), text));
                let refused: Vec<&str> = told["members"]
                    .as_array()
                    .expect("a list")
                    .iter()
                    .filter(|member| member["state"] == "refused")
                    .filter_map(|member| member["name"].as_str())
                    .collect();
                if told["accepted"] == true {
                    assert_eq!(refused, [""; 0], "{told}");
                    accepted += 1;
                    continue;
                }
                let check = told["check"].as_str().expect("a check");
                seen.insert(check.to_owned());
                let (_, name) = about.iter().find(|(own, _)| *own == check).expect(check);
                assert!(refused.contains(name), "{check}: {told}");
                // Nothing that is judged earlier is marked, or it would have been the verdict.
                let earlier = about.iter().take_while(|(own, _)| *own != check);
                for (_, name) in earlier {
                    assert!(!refused.contains(name), "{check}, {name}: {told}");
                }
            }
        }
    }
    assert_eq!(seen.len(), about.len(), "{seen:?}");
    assert!(accepted > 20, "{accepted}");
}

#[test]
fn a_secret_comes_from_stdin_a_file_or_the_environment_and_is_never_shown() {
    let folder = tempdir().expect("folder");
    let secret = secret_file(folder.path(), "secret", &format!("{SECRET}\n"));
    let sign = ["sign", "--at", "1800000000", "--subject", "alice"];
    let by_stdin = token(&[&sign[..], &["--secret-file", "-"]].concat(), SECRET);
    let by_file = token(&[&sign[..], &["--secret-file", path(&secret)]].concat(), "");
    let mut command = countersign();
    command.arg("token").args(sign).args(["--secret-env", "MY_SECRET"]).env("MY_SECRET", SECRET);
    let by_environment = command.output().expect("it runs");
    assert_eq!(by_stdin.stdout, by_file.stdout);
    assert_eq!(by_stdin.stdout, by_environment.stdout);
    for output in [&by_stdin, &by_file, &by_environment] {
        assert_eq!(output.status.code(), Some(0));
        assert!(!String::from_utf8_lossy(&output.stderr).contains(SECRET));
    }
    // Nor is one that is refused.
    let refused = token(&[&sign[..], &["--secret-file", "-"]].concat(), "hunter2");
    assert_eq!(refused.status.code(), Some(2));
    assert!(!String::from_utf8_lossy(&refused.stderr).contains("hunter2"));
}

#[test]
fn completions_and_manual_pages_are_printed_for_every_command() {
    let run = |arguments: &[&str]| {
        let output = countersign().args(arguments).output().expect("it runs");
        assert!(output.status.success() && output.stderr.is_empty(), "{arguments:?}");
        String::from_utf8(output.stdout).expect("text")
    };
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(&["completions", shell]);
        assert!(script.contains("explain") && script.contains("secret-file"), "{shell}");
    }
    assert!(run(&["man"]).starts_with(".ie"));
    let folder = tempdir().expect("folder");
    let pages = run(&["man", "--out", path(&folder.path().join("man"))]);
    for name in ["countersign", "countersign-serve", "countersign-token-explain"] {
        let page = folder.path().join(format!("man/{name}.1"));
        assert!(pages.contains(&format!("{name}.1\n")), "{pages}");
        assert!(std::fs::read_to_string(page).expect("a page").contains(".TH"));
    }
}
