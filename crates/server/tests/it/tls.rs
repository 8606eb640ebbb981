//! TLS of the real binary: certificates in files, what is wrong with them, other ones in their place; that of `dev`.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
    thread,
    time::{Duration, Instant},
};

use rcgen::{CertificateParams, CertifiedKey, date_time_ymd, generate_simple_self_signed};
use reqwest::{Certificate, Client};
use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

use crate::{
    docs::paste,
    guides::is_there,
    process::{Answer, PASSWORD, Server, answer, countersign, secret_file},
};

/// A folder with a certificate for this machine and its key.
struct Place {
    folder: TempDir,
    certificate: PathBuf,
    private_key: PathBuf,
    /// What is to be trusted.
    pem: String,
}

fn made() -> (String, String) {
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).expect("made");
    (cert.pem(), signing_key.serialize_pem())
}

impl Place {
    fn new() -> Self {
        let folder = tempdir().expect("folder");
        let (pem, key) = made();
        let certificate = folder.path().join("tls.pem");
        std::fs::write(&certificate, &pem).expect("written");
        let private_key = secret_file(folder.path(), "tls-key.pem", &key);
        Self { folder, certificate, private_key, pem }
    }

    /// Puts another certificate into the place of the one that is there.
    fn renew(&mut self) {
        let (pem, key) = made();
        std::fs::write(&self.certificate, &pem).expect("written");
        secret_file(self.folder.path(), "tls-key.pem", &key);
        self.pem = pem;
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = countersign();
        command.args(arguments).arg("--data-dir").arg(self.folder.path().join("data"));
        command.arg("--http-tls-certificate-file").arg(&self.certificate);
        command.arg("--http-tls-private-key-file").arg(&self.private_key);
        command
    }

    fn serve(&self) -> Server {
        Server::start(self.command(&["serve", "--listen", "127.0.0.1:0"]))
    }

    /// A client that trusts this certificate and no other.
    fn client(&self) -> Client {
        trusting(&self.pem)
    }
}

fn trusting(pem: &str) -> Client {
    let certificate = Certificate::from_pem(pem.as_bytes()).expect("a certificate");
    Client::builder().tls_certs_only([certificate]).build().expect("a client")
}

async fn post(client: &Client, server: &Server, path: &str, body: Value) -> Answer {
    answer(client.post(format!("{}{path}", server.url)).json(&body)).await
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

#[tokio::test]
async fn logins_go_over_tls_and_cookies_are_for_it_alone() {
    let place = Place::new();
    let server = place.serve();
    assert!(server.url.starts_with("https://127.0.0.1:"), "{}", server.url);
    let client = place.client();
    let account = json!({ "email": "me@example.com", "password": PASSWORD });
    assert_eq!(post(&client, &server, "/register", account.clone()).await.status, 201);
    let tokens = post(&client, &server, "/login", account.clone()).await;
    assert_eq!(tokens.status, 200);
    let token = tokens.json()["access_token"].as_str().expect("a token").to_owned();
    let me = answer(client.get(format!("{}/me", server.url)).bearer_auth(token)).await;
    assert_eq!(me.json()["email"], "me@example.com");

    let session = post(&client, &server, "/login/session", account.clone()).await;
    let cookie = session.headers["set-cookie"].to_str().expect("text");
    assert!(cookie.starts_with("__Host-session=") && cookie.contains("Secure"), "{cookie}");
    // The page of the same address is its own, by https and not by http.
    for (origin, status) in [(server.url.clone(), 200), (server.url.replace("https", "http"), 403)]
    {
        let from = client.post(format!("{}/login/session", server.url)).header("origin", origin);
        assert_eq!(answer(from.json(&account)).await.status, status);
    }
    // The peer is known behind TLS too: metrics are for this machine.
    let metrics = answer(client.get(format!("{}/metrics", server.url))).await;
    assert_eq!(metrics.status, 200);
    let sessions = answer(client.get(format!("{}/sessions", server.url)).header("cookie", cookie));
    assert_eq!(sessions.await.json()["items"][0]["address"], "127.0.0.1");
    // Browsers would hold it against every other program of this machine.
    assert!(!metrics.headers.contains_key("strict-transport-security"));

    // Whoever watches it from here need not know the name.
    let listen = server.url.trim_start_matches("https://");
    let healthy = place.command(&["health", "--listen", listen]).output().expect("it runs");
    assert_eq!(
        (healthy.status.code(), said(&healthy)),
        (Some(0), format!("{} is ready\n", server.url))
    );

    let stranger = trusting(&made().0).get(format!("{}/healthz", server.url)).send().await;
    assert!(stranger.is_err());
    let plain = server.url.replace("https", "http");
    let plain = answer(Client::new().get(format!("{plain}/healthz"))).await;
    assert_eq!(plain.problem(), (400, "tls_required".to_owned()));
    assert!(server.stop().success());
}

#[tokio::test]
async fn a_new_certificate_is_read_at_sighup_and_a_bad_one_is_not_taken() {
    let mut place = Place::new();
    let server = place.serve();
    let healthz = format!("{}/healthz", server.url);
    let before = place.client();
    assert_eq!(before.get(&healthz).send().await.expect("an answer").status(), 200);

    let old = place.pem.clone();
    place.renew();
    server.signal("-HUP");
    server.until_it_says("the certificate was read again").await;
    assert_eq!(place.client().get(&healthz).send().await.expect("an answer").status(), 200);
    assert!(trusting(&old).get(&healthz).send().await.is_err());
    // The connection of before goes on.
    assert_eq!(before.get(&healthz).send().await.expect("an answer").status(), 200);

    let key = std::fs::read(&place.private_key).expect("a key");
    let kept = async |what: &str| {
        server.signal("-HUP");
        server.until_it_says(what).await;
        let answer = trusting(&place.pem).get(&healthz).send().await.expect("an answer");
        assert_eq!(answer.status(), 200);
    };
    std::fs::write(&place.private_key, "no key").expect("written");
    kept("there is no private key in PEM").await;
    std::fs::write(&place.private_key, made().1).expect("written");
    kept("is not that of the first certificate").await;
    std::fs::write(&place.private_key, key).expect("written");
    std::fs::set_permissions(&place.private_key, PermissionsExt::from_mode(0o644)).expect("set");
    kept("can be read by others (mode 0644)").await;
    std::fs::remove_file(&place.certificate).expect("removed");
    std::fs::set_permissions(&place.private_key, PermissionsExt::from_mode(0o600)).expect("set");
    kept("tls.pem cannot be read").await;
    assert_eq!(server.log().matches("the one of before stays").count(), 4, "{}", server.log());
    assert!(server.stop().success());
}

#[tokio::test]
async fn sighup_does_not_end_a_server_without_a_certificate() {
    let folder = tempdir().expect("folder");
    let mut command = countersign();
    command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(folder.path());
    let server = Server::start(command);
    server.signal("-HUP");
    server.until_it_says("there is no certificate to read again").await;
    assert_eq!(answer(server.request(reqwest::Method::GET, "/healthz")).await.status, 200);
    assert!(server.stop().success());
}

#[test]
fn what_is_wrong_with_a_certificate_is_told_by_serve_check_and_doctor() {
    type Break = fn(&Place);
    let breaks: [(&str, Break); 8] = [
        ("http.tls_certificate_file: ", |place| drop(std::fs::remove_file(&place.certificate))),
        ("there is no certificate in PEM", |place| {
            std::fs::copy(&place.private_key, &place.certificate).map(drop).expect("copied");
        }),
        ("the first certificate in", |place| {
            let broken = "-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n";
            std::fs::write(&place.certificate, broken).expect("written");
        }),
        ("http.tls_private_key_file: ", |place| drop(std::fs::remove_file(&place.private_key))),
        ("there is no private key in PEM", |place| {
            std::fs::write(&place.private_key, &place.pem).expect("written");
        }),
        ("is locked with a passphrase; unlock it: openssl pkey", |place| {
            let locked = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAMCAQE=\n-----END ENCRYPTED PRIVATE KEY-----\n";
            std::fs::write(&place.private_key, locked).expect("written");
        }),
        ("is not that of the first certificate", |place| {
            std::fs::write(&place.private_key, made().1).expect("written");
        }),
        ("can be read by others (mode 0640); run: chmod 600", |place| {
            let mode = PermissionsExt::from_mode(0o640);
            std::fs::set_permissions(&place.private_key, mode).expect("set");
        }),
    ];
    for (says, break_it) in breaks {
        let place = Place::new();
        let key = std::fs::read_to_string(&place.private_key).expect("a key");
        break_it(&place);
        let serve = place.command(&["serve", "--listen", "127.0.0.1:0"]).output().expect("it runs");
        let check = place.command(&["config", "check"]).output().expect("it runs");
        let doctor = place.command(&["doctor", "--json"]).output().expect("it runs");
        assert_eq!((serve.status.code(), check.status.code()), (Some(2), Some(1)), "{says}");
        assert_eq!(doctor.status.code(), Some(1));
        // Lines are folded to the width of a terminal.
        let flat =
            |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ").replace("│ ", "");
        let told = [flat(said(&serve)), flat(said(&check))];
        for told in &told {
            assert!(told.contains(says), "{says}: {told}");
            assert!(!told.contains(key.lines().nth(1).expect("a line")), "{told}");
        }
        let doctor: Value = serde_json::from_slice(&doctor.stdout).expect("JSON");
        let checks = doctor["checks"].as_array().expect("a list");
        let failed = |line: &&Value| {
            ["tls_certificate", "file_modes"].contains(&line["id"].as_str().expect("a name"))
                && line["outcome"] == "failure"
        };
        assert!(checks.iter().any(|line| failed(&line)), "{says}: {doctor}");
    }
}

#[test]
fn settings_of_tls_that_do_not_go_together_are_refused() {
    let place = Place::new();
    let data = place.folder.path().join("data");
    for (setting, other) in [
        ("--http-tls-certificate-file", "http.tls_private_key_file"),
        ("--http-tls-private-key-file", "http.tls_certificate_file"),
    ] {
        let mut command = countersign();
        command.args(["serve", "--data-dir"]).arg(&data).arg(setting).arg(&place.certificate);
        let output = command.output().expect("it runs");
        assert_eq!(output.status.code(), Some(2));
        assert!(
            said(&output).contains(&format!("goes together with {other}")),
            "{}",
            said(&output)
        );
    }
    let http = ["--public-url", "http://localhost:8000", "--listen", "127.0.0.1:0"];
    for more in [&["serve"][..], &["dev"][..]] {
        let output = place.command(more).args(http).output().expect("it runs");
        assert_eq!(output.status.code(), Some(2));
        assert!(said(&output).contains("does not begin with https://"), "{}", said(&output));
    }
    let mut command = countersign();
    command.args(["dev", "--tls", "dev", "--data-dir"]).arg(&data).args(http);
    let output = command.output().expect("it runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("does not begin with https://"), "{}", said(&output));
    let output = place.command(&["dev", "--tls", "dev"]).output().expect("it runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("take one of them away"), "{}", said(&output));
}

#[tokio::test]
async fn a_certificate_that_has_run_out_is_warned_of_and_served() {
    let place = Place::new();
    let mut parameters = CertificateParams::new(["localhost".to_owned()]).expect("names");
    parameters.not_before = date_time_ymd(2020, 1, 1);
    parameters.not_after = date_time_ymd(2021, 1, 1);
    let key = rcgen::KeyPair::generate().expect("a key");
    let certificate = parameters.self_signed(&key).expect("a certificate");
    std::fs::write(&place.certificate, certificate.pem()).expect("written");
    std::fs::write(&place.private_key, key.serialize_pem()).expect("written");
    let server = place.serve();
    server.until_it_says("the certificate has run out").await;
    assert!(server.log().contains("until=2021-01-01T00:00:00Z"), "{}", server.log());
    let doctor = place.command(&["doctor", "--json"]).output().expect("it runs");
    let doctor: Value = serde_json::from_slice(&doctor.stdout).expect("JSON");
    let text = doctor.to_string();
    assert!(
        text.contains("has run out at 2021-01-01") && text.contains("not made out to 127.0.0.1")
    );
    assert!(server.stop().success());
}

#[tokio::test]
async fn keys_of_every_usual_form_are_served_with() {
    if !is_there("openssl") {
        eprintln!("skipped: it takes openssl");
        return;
    }
    let forms = [
        "genrsa -traditional -out tls-key.pem 2048",
        "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out tls-key.pem",
        "ecparam -name prime256v1 -genkey -out tls-key.pem",
        "ecparam -name secp384r1 -genkey -noout -out tls-key.pem",
        "genpkey -algorithm ed25519 -out tls-key.pem",
    ];
    for form in forms {
        let place = Place::new();
        let made = "openssl req -x509 -key tls-key.pem -out tls.pem -days 30 -subj /CN=localhost \
                    -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE";
        paste(&format!("openssl {form} && {made}"), place.folder.path());
        let pem = std::fs::read_to_string(&place.certificate).expect("a certificate");
        assert_ne!(pem, place.pem, "{form}");
        let server = place.serve();
        let answer = trusting(&pem).get(format!("{}/healthz", server.url)).send().await;
        assert_eq!(answer.expect(form).status(), 200);
    }
}

/// Starts `dev` whose data lie in this folder, and which prints into this file.
fn start_dev(data: &Path, printed: &Path, more: &[&str]) -> Server {
    let clean = countersign();
    let mut command = Command::new("sh");
    // Whoever runs the tests behind `nohup` has them ignore what a terminal says as it goes.
    command
        .args(["-c", r#"exec env --default-signal=HUP "$@" >"$0""#])
        .arg(printed)
        .arg(clean.get_program());
    command.args(["dev", "--listen", "127.0.0.1:0", "--data-dir"]).arg(data).args(more);
    for (name, _) in clean.get_envs() {
        command.env_remove(name);
    }
    Server::start(command)
}

/// What was printed, once all of it is there.
fn until_printed(printed: &Path, all: impl Fn(&str) -> bool) -> String {
    let begun = Instant::now();
    loop {
        let text = std::fs::read_to_string(printed).expect("what it printed");
        if all(&text) {
            return text;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{text}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Starts `dev --tls dev`, and gives what it printed.
fn dev(data: &Path, printed: &Path) -> (Server, String) {
    let server = start_dev(data, printed, &["--tls", "dev"]);
    let all = |text: &str| text.matches("curl --cacert ").count() == 3 && text.ends_with("\n\n");
    let banner = until_printed(printed, all);
    (server, banner)
}

#[tokio::test]
async fn the_lines_of_dev_work_over_tls_when_they_are_pasted() {
    if !is_there("curl") {
        eprintln!("skipped: it takes curl");
        return;
    }
    let folder = tempdir().expect("folder");
    // A blank in the path, and a quote: the lines are for a shell.
    let (data, printed) = (folder.path().join("it's data"), folder.path().join("printed"));
    let (server, banner) = dev(&data, &printed);
    let (_, lines) = banner.split_once("TOKEN=").expect("lines to paste");
    let pasted = paste(&format!("TOKEN={lines}"), folder.path());
    assert_eq!(pasted.matches(r#""content":"My first post""#).count(), 2, "{pasted}");
    let key = data.join("dev-tls-key.pem");
    let mode = std::fs::metadata(&key).expect("a key").permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let certificate = data.join("dev-tls.pem");
    assert!(
        banner
            .contains(&format!("trust {}", certificate.canonicalize().expect("a path").display()))
    );

    // Whoever trusts it need not do so again at the next start; only a bad one is made anew.
    let pem = std::fs::read_to_string(&certificate).expect("a certificate");
    assert!(server.stop().success());
    let (server, _) = dev(&data, &printed);
    assert_eq!(std::fs::read_to_string(&certificate).expect("a certificate"), pem);
    let localhost = server.url.replace("127.0.0.1", "localhost");
    let client = trusting(&pem);
    assert_eq!(
        client.get(format!("{localhost}/healthz")).send().await.expect("an answer").status(),
        200
    );
    let accounts = std::fs::read(data.join("dev-accounts.json")).expect("accounts");
    let accounts: Value = serde_json::from_slice(&accounts).expect("JSON");
    let login = json!({ "email": accounts[0]["email"], "password": accounts[0]["password"] });
    let login = client.post(format!("{localhost}/login/session")).json(&login);
    let answer = answer(login.header("origin", &localhost)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert!(!answer.headers.contains_key("strict-transport-security"));
    assert!(server.stop().success());
    std::fs::write(&certificate, &pem[..100]).expect("written");
    let (_server, _) = dev(&data, &printed);
    assert_ne!(std::fs::read_to_string(&certificate).expect("a certificate"), pem);
}

#[tokio::test]
async fn dev_says_to_programs_which_certificate_to_trust_and_ends_with_its_terminal() {
    let folder = tempdir().expect("folder");
    for (more, named) in [(&["--json", "--tls", "dev"][..], true), (&["--json"][..], false)] {
        let printed = folder.path().join("printed");
        let server = start_dev(&folder.path().join("data"), &printed, more);
        let started = until_printed(&printed, |text| text.ends_with("}\n"));
        let started: Value = serde_json::from_str(&started).expect("JSON");
        let path = started["certificate"].as_str();
        assert_eq!(path.is_some(), named, "{started}");
        assert!(path.is_none_or(|path| Path::new(path).is_file()));
        assert_eq!(started["url"], server.url);
        assert_eq!(server.url.starts_with("https://"), named);
        server.signal("-HUP");
        assert!(!server.stop().success());
    }
}
