//! Webhooks on the command line of the real binary, and the receivers that the guide shows.

use std::{
    collections::BTreeSet,
    fs,
    io::Read,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use auth::testing::{
    Place,
    post_office::closed_address,
    receiver::{Receiver, Reply, Request},
};
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::process::{PASSWORD, Server, countersign};

/// As long as a start may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a command prints, with its exit code.
fn run(arguments: &[&str]) -> (i32, String, String) {
    let output = countersign().args(arguments).stdin(Stdio::null()).output().expect("it runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (output.status.code().expect("a code"), text(output.stdout), text(output.stderr))
}

/// A new secret in a file for its owner only.
fn secret(folder: &Path) -> PathBuf {
    let (code, secret, _) = run(&["webhook", "secret"]);
    assert_eq!(code, 0);
    let path = folder.join("webhook-secret");
    fs::write(&path, secret).expect("written");
    fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).expect("set");
    path
}

fn try_out(url: &str, secret: &Path, more: &[&str]) -> (i32, String, String) {
    let secret = secret.to_str().expect("text");
    let mut all = vec!["webhook", "test", "--webhooks-url", url, "--webhooks-secret-file", secret];
    all.extend(more);
    run(&all)
}

const PRIVATE: [&str; 2] = ["--webhooks-allow-private", "true"];

#[test]
fn a_secret_is_made_anew_each_time() {
    let (code, one, said) = run(&["webhook", "secret"]);
    let (_, other, _) = run(&["webhook", "secret"]);
    assert!(code == 0 && said.is_empty() && one != other);
    assert!(one.starts_with("whsec_") && one.trim_end().len() == 6 + 44, "{one}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_to_try_the_receiver_says_what_came_back() {
    let (folder, receiver) = (tempdir().expect("folder"), Receiver::open().await);
    let secret = secret(folder.path());
    let url = format!("http://{}/in", receiver.address());
    let (code, came, said) = try_out(&url, &secret, &PRIVATE);
    assert!(code == 0 && came == "204\n" && said.contains("has taken"), "{code}: {came} {said}");
    let request = &receiver.requests()[0];
    assert_eq!(request.json()["type"], "webhook.test");
    receiver.behave(Reply::Status(500));
    let (code, came, said) = try_out(&url, &secret, &PRIVATE);
    assert!(
        code == 1 && came == "500 look\n" && said.contains("does not take"),
        "{code}: {came} {said}"
    );
    let json = [&PRIVATE[..], &["--json"]].concat();
    let read = |came: &str| -> Value { serde_json::from_str(came).expect("JSON") };
    let (code, came, _) = try_out(&url, &secret, &json);
    let told = read(&came);
    assert_eq!((code, &told["taken"], &told["status"]), (1, &false.into(), &500.into()), "{told}");
    receiver.behave(Reply::Status(204));
    let (code, came, _) = try_out(&url, &secret, &json);
    assert_eq!(
        (code, &read(&came)["taken"], &read(&came)["trouble"].is_null()),
        (0, &true.into(), &true)
    );
    let closed = format!("http://{}/in", closed_address().await);
    let (code, came, said) = try_out(&closed, &secret, &PRIVATE);
    assert!(code == 3 && said.contains("refused") && came.is_empty(), "{code}: {said}");
    let (code, came, _) = try_out(&closed, &secret, &json);
    let told = read(&came);
    assert!(code == 3 && told["status"].is_null(), "{told}");
    assert!(told["trouble"].as_str().is_some_and(|trouble| trouble.contains("refused")), "{told}");
    let (code, _, said) = run(&["webhook", "test"]);
    assert!(code == 2 && said.contains("set webhooks.url"), "{code}: {said}");
    assert_eq!(receiver.requests().len(), 4);
}

#[test]
fn serve_refuses_webhooks_that_could_not_be_sent_or_would_go_where_they_must_not() {
    let folder = tempdir().expect("folder");
    let (data, secret) = (folder.path().join("data"), secret(folder.path()));
    let (data, secret) = (data.to_str().expect("text"), secret.to_str().expect("text"));
    let refuses = |options: &[&str], says: &str| {
        let mut all = vec!["serve", "--listen", "127.0.0.1:0", "--data-dir", data];
        all.extend(options);
        let (code, _, said) = run(&all);
        assert!(code == 2 && said.contains(says), "{code}: {said}");
        said
    };
    let (url, file) = ("--webhooks-url", "--webhooks-secret-file");
    let hooks = "https://hooks.example.com/s3cret";
    refuses(&[url, hooks], "webhooks.secret_file");
    refuses(&[url, "http://hooks.example.com/", file, secret], "webhooks.allow_private");
    refuses(&[url, "https://127.0.0.1/", file, secret], "webhooks.allow_private");
    refuses(&[url, "https://localhost/", file, secret], "webhooks.allow_private");
    let odd = "https://[::ffff:169.254.169.254]/";
    refuses(&[url, odd, file, secret, "--webhooks-allow-private", "true"], "nothing is ever sent");
    let said = refuses(&[url, "ftp://hooks.example.com/s3cret", file, secret], "neither https://");
    assert!(!said.contains("s3cret"), "{said}");
    refuses(&["--webhooks-events", "user.deletd"], "did you mean \"user.deleted\"?");
    let bad = folder.path().join("bad");
    fs::write(&bad, "hunter2").expect("written");
    fs::set_permissions(&bad, PermissionsExt::from_mode(0o600)).expect("set");
    let said =
        refuses(&[url, hooks, file, bad.to_str().expect("text")], "countersign webhook secret");
    assert!(!said.contains("hunter2") && !said.contains("s3cret"), "{said}");
    fs::set_permissions(&bad, PermissionsExt::from_mode(0o644)).expect("set");
    refuses(&[url, hooks, file, bad.to_str().expect("text")], "chmod 600");
}

/// A program of the guide, running.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// The signature of a message, made with openssl.
fn signed(secret: &Path, message: &str) -> String {
    let script = r#"key=$(sed 's/^whsec_//' "$0" | base64 -d | od -An -v -tx1 | tr -d ' \n')
        printf %s "$1" | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | base64"#;
    let output = Command::new("bash").args(["-c", script]).arg(secret).arg(message).output();
    let signature = String::from_utf8(output.expect("bash").stdout).expect("text");
    assert_eq!(signature.trim().len(), 44, "openssl signs");
    format!("v1,{}", signature.trim())
}

/// The first block in this language of the guide.
fn shown(language: &str) -> String {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guides/webhooks.md");
    let guide = fs::read_to_string(guide).expect("the guide");
    let (_, block) = guide.split_once(&format!("```{language}\n")).expect(language);
    block.split("\n```").next().expect("a block").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_receivers_of_the_guide_take_what_is_signed_and_nothing_else() {
    for (language, program) in [("python", "python3"), ("js", "node")] {
        if Command::new(program).arg("--version").output().is_err() {
            eprintln!("skipped: there is no {program}");
            continue;
        }
        let folder = tempdir().expect("folder");
        let secret = secret(folder.path());
        let address = closed_address().await;
        let code = shown(language).replace("9000", &address.port().to_string());
        let file = folder.path().join(format!("receiver.{language}"));
        fs::write(&file, code).expect("written");
        let mut command = Command::new(program);
        command.arg(&file).current_dir(folder.path()).stdout(Stdio::piped());
        let mut running = Program(command.spawn().expect("it starts"));
        let begun = Instant::now();
        while std::net::TcpStream::connect(address).is_err() {
            assert!(begun.elapsed() < PATIENCE, "{language} does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        let url = format!("http://{address}/");
        let (code, came, said) = try_out(&url, &secret, &PRIVATE);
        assert!(code == 0 && came.starts_with("204"), "{language}: {code} {came} {said}");
        // Another secret.
        let other = tempdir().expect("folder");
        let (code, came, _) = try_out(&url, &self::secret(other.path()), &PRIVATE);
        assert!(code == 1 && came.starts_with("401"), "{language}: {code} {came}");
        // The secret of the receiver, and another one in force: while it is replaced, both sign.
        let replaced = other.path().join("both");
        let both = [other.path().join("webhook-secret"), secret.clone()]
            .map(|path| fs::read_to_string(path).expect("a secret"));
        fs::write(&replaced, both.concat()).expect("written");
        fs::set_permissions(&replaced, PermissionsExt::from_mode(0o600)).expect("set");
        let (code, _, said) = try_out(&url, &replaced, &PRIVATE);
        assert!(code == 0, "{language}: {code} {said}");
        // An old one, well signed; and a new one with the signature of the old one.
        let now = auth::Clock::system().now().seconds().to_string();
        let signature = signed(&secret, "msg_1.1614265330.{}");
        for at in ["1614265330", now.as_str()] {
            let request = reqwest::Client::new().post(&url).body("{}");
            let request = request.header("webhook-id", "msg_1").header("webhook-timestamp", at);
            let answer =
                request.header("webhook-signature", &signature).send().await.expect("an answer");
            assert_eq!(answer.status().as_u16(), 401, "{language}: {at}");
        }
        // The same way of signing is the right one, as far as it goes.
        let signature =
            signed(&secret, &format!("msg_1.{now}.{{\"type\":\"webhook.test\",\"data\":{{}}}}"));
        let request =
            reqwest::Client::new().post(&url).body("{\"type\":\"webhook.test\",\"data\":{}}");
        let request = request.header("webhook-id", "msg_1").header("webhook-timestamp", &now);
        let answer =
            request.header("webhook-signature", &signature).send().await.expect("an answer");
        assert_eq!(answer.status().as_u16(), 204, "{language}");
        drop(running.0.kill());
        let mut printed = String::new();
        let mut stdout = running.0.stdout.take().expect("stdout");
        stdout.read_to_string(&mut printed).expect("text");
        assert_eq!(printed.matches("webhook.test").count(), 3, "{language}: {printed}");
    }
}

/// From an act to the receiver, over the death of a server in between: each event once, by its id.
async fn what_happens_is_told(database: &[&str], folder: &Path) {
    let secret = secret(folder);
    let address = closed_address().await;
    let url = format!("http://{address}/in");
    let data = folder.join("data");
    let serve = || {
        let mut command = countersign();
        command.args(["serve", "--listen", "127.0.0.1:0", "--allow-plain-keys"]).args(database);
        command.arg("--data-dir").arg(&data).args(["--webhooks-url", &url]).args(PRIVATE);
        command.arg("--webhooks-secret-file").arg(&secret);
        command.args(["--webhooks-events", "user.*,login.failed"]);
        Server::start(command)
    };
    let server = serve();
    let id = server.register("a@example.com").await;
    server.post("/login", json!({ "email": "a@example.com", "password": "wrong" })).await;
    server.login("a@example.com", PASSWORD).await;
    let owed = || async { audit_of(database, &data).await };
    let start = Instant::now();
    while owed().await.iter().any(|event| event["number"].is_null()) {
        assert!(start.elapsed() < PATIENCE, "nothing is sealed");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // The receiver is down, and then so is the server.
    server.until_it_rests().await;
    server.kill();
    let receiver = Receiver::at(address, false).await;
    let server = serve();
    receiver.until(2).await;
    let mut told: Vec<Value> = receiver.requests().iter().map(Request::json).collect();
    told.sort_by_key(|event| event["type"].to_string());
    let types: Vec<&str> = told.iter().filter_map(|event| event["type"].as_str()).collect();
    assert_eq!(types, ["login.failed", "user.registered"], "and no login that succeeded");
    assert_eq!(told[1]["data"]["user_id"], json!(id));
    assert_eq!(told[0]["data"]["details"], json!({ "reason": "password_wrong" }));
    let ids: BTreeSet<String> =
        receiver.requests().iter().map(|request| request.id().to_owned()).collect();
    assert_eq!(ids.len(), 2);
    let key = fs::read_to_string(&secret).expect("the secret");
    assert!(!server.log().contains(key.trim()), "the secret is in the log");
    assert!(server.stop().success());
}

async fn audit_of(database: &[&str], data: &Path) -> Vec<Value> {
    let mut command = countersign();
    command.args(["audit", "list", "--json"]).args(database).arg("--data-dir").arg(data);
    let output = command.output().expect("it runs");
    let lines = String::from_utf8(output.stdout).expect("text");
    lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happens_is_told_over_a_kill_9_on_sqlite() {
    let folder = tempdir().expect("folder");
    what_happens_is_told(&[], folder.path()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happens_is_told_over_a_kill_9_on_postgres() {
    let Some(place) = Place::postgres().await else { return };
    let folder = tempdir().expect("folder");
    what_happens_is_told(&["--database-url", &place.url], folder.path()).await;
    place.remove().await;
}
