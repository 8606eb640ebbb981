//! Mail, from the request to the mail server and to the outbox page, with the real binary.

use std::{
    net::SocketAddr,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use auth::testing::post_office::{Manners, PostOffice, Protection, closed_address};
use reqwest::{Method, StatusCode, header::ACCEPT};
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::process::{Answer, PASSWORD, Server, answer, countersign};

/// As long as a letter may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn serve(folder: &Path, mail: SocketAddr) -> Server {
    let mut command = countersign();
    command.args(["serve", "--listen", "127.0.0.1:0", "--mail-from", "auth@example.com"]);
    command.arg("--mail-url").arg(format!("smtp://{mail}")).arg("--data-dir").arg(folder);
    Server::start(command)
}

async fn forgot(server: &Server, email: &str) {
    let asked = server.post("/password/forgot", json!({ "email": email })).await;
    assert_eq!(asked.status, StatusCode::ACCEPTED, "{}", asked.text);
}

async fn page(server: &Server, path: &str) -> Answer {
    answer(server.request(Method::GET, path).header(ACCEPT, "text/html")).await
}

/// What a command prints, with its exit code.
fn run(arguments: &[&str]) -> (i32, String, String) {
    let output = countersign().args(arguments).stdin(Stdio::null()).output().expect("it runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (output.status.code().expect("a code"), text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn kill_9_between_a_request_and_its_letter_loses_nothing() {
    let (folder, address) = (tempdir().expect("folder"), closed_address().await);
    let emails = ["a@example.com", "b@example.com"];
    let server = serve(folder.path(), address);
    for email in emails {
        server.register(email).await;
        forgot(&server, email).await;
    }
    server.until_it_rests().await;
    server.kill();
    let office = PostOffice::at(address, Protection::None).await;
    let server = serve(folder.path(), address);
    let received = office.until(emails.len()).await;
    let mut to: Vec<&str> = received.iter().map(|letter| letter.to.as_str()).collect();
    to.sort_unstable();
    assert_eq!(to, emails);
    // The link is one of this server, and works.
    let (letter, new) = (&received[0], "five unrelated gravel words");
    let token = letter.token().expect("a link");
    assert!(letter.data.replace("=\r\n", "").contains(&server.url), "{}", letter.data);
    let reset = server.post("/password/reset", json!({ "token": token, "password": new })).await;
    assert_eq!(reset.status, StatusCode::NO_CONTENT, "{}", reset.text);
    server.login(&letter.to, new).await;
    // Neither in the log nor in the database lies a link, nor in the log an address.
    let log = server.log();
    assert!(log.contains("letter sent") && !log.contains(&token));
    // The command that a server without an administrator shows names an address of its own.
    let log = log.replace("you@example.com", "");
    assert!(!log.contains("@example.com"), "{log}");
    assert!(server.stop().success());
    for file in std::fs::read_dir(folder.path()).expect("a folder") {
        let path = file.expect("a file").path();
        let bytes = std::fs::read(&path).expect("readable");
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(&token) && !text.contains("token="), "{}", path.display());
    }
}

#[tokio::test]
async fn a_mail_server_that_is_slow_or_refuses_is_nothing_to_a_request() {
    let (folder, office) = (tempdir().expect("folder"), PostOffice::open().await);
    office.behave(Manners::Silent);
    let server = serve(folder.path(), office.address());
    server.register("a@example.com").await;
    forgot(&server, "a@example.com").await;
    office.until_called(1).await;
    // While the letter hangs, all of it is answered.
    forgot(&server, "a@example.com").await;
    forgot(&server, "nobody@example.com").await;
    server.login("a@example.com", PASSWORD).await;
    assert!(office.received().is_empty());
}

#[tokio::test]
async fn dev_shows_letters_in_place_of_sending_them() {
    let folder = tempdir().expect("folder");
    let server = Server::dev(folder.path(), &[]);
    let name = "<img src=x onerror=alert(1)>";
    let new = json!({ "email": "a@example.com", "password": PASSWORD, "name": name });
    assert_eq!(server.post("/register", new).await.status, StatusCode::CREATED);
    assert!(page(&server, "/outbox").await.text.contains("There is none yet"));
    forgot(&server, "a@example.com").await;
    let begun = Instant::now();
    let shown = loop {
        let shown = page(&server, "/outbox").await;
        assert_eq!(shown.status, StatusCode::OK);
        if shown.text.contains("a@example.com") {
            break shown;
        }
        assert!(begun.elapsed() < PATIENCE, "{}", shown.text);
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let policy = shown.headers["content-security-policy"].to_str().expect("text");
    assert!(!policy.contains("unsafe") && policy.starts_with("default-src 'none'"));
    assert_eq!(shown.headers["cache-control"], "no-store");
    assert!(!shown.text.contains("<img src=x") && shown.text.contains("iframe sandbox=\"\""));

    // As JSON for an administrator, and for nobody else.
    let seeded =
        std::fs::read_to_string(folder.path().join("dev-accounts.json")).expect("accounts");
    let seeded: Value = serde_json::from_str(&seeded).expect("JSON");
    let token = async |number: usize| {
        let text = |member: &str| seeded[number][member].as_str().expect("text");
        server.login(text("email"), text("password")).await
    };
    let (user, admin) = (token(0).await, token(1).await);
    let missing = answer(server.request(Method::GET, "/outbox")).await;
    assert_eq!(missing.problem(), (401, "credentials_missing".to_owned()));
    let refused = server.get("/outbox", &user).await;
    assert_eq!(refused.problem(), (403, "insufficient_scope".to_owned()));
    let listed = server.get("/outbox?limit=1", &admin).await.json();
    let item = &listed["items"][0];
    assert_eq!((&listed["next"], &item["kind"]), (&Value::Null, &json!("reset_password")));
    assert_eq!(item["to"], "a@example.com");
    let odd = server.get("/outbox?limit=0", &admin).await;
    assert_eq!(odd.problem(), (400, "query_invalid".to_owned()));

    // Its HTML, which can do nothing.
    let path = format!("/outbox/{}", item["id"].as_str().expect("an id"));
    let letter = page(&server, &path).await;
    let policy = letter.headers["content-security-policy"].to_str().expect("text");
    assert!(policy.starts_with("sandbox; default-src 'none'"), "{policy}");
    assert_eq!(letter.headers["x-frame-options"], "SAMEORIGIN");
    assert!(letter.text.contains("&lt;img") && !letter.text.contains("<img"));
    assert_eq!(server.get(&path, &admin).await.json()["html"], letter.text.as_str());
    assert_eq!(server.get(&path, &user).await.problem().0, 403);
    assert_eq!(page(&server, "/outbox/none").await.problem(), (404, "not_found".to_owned()));

    // The link in it is one of this server, and is not in its database.
    let link = item["link"].as_str().expect("a link");
    let (start, token) = link.split_once("?token=").expect("a token");
    assert!(start.starts_with(&format!("{}/", server.url)), "{start}");
    let reset = json!({ "token": token, "password": "five unrelated gravel words" });
    assert_eq!(server.post("/password/reset", reset).await.status, StatusCode::NO_CONTENT);
    for file in ["countersign.db", "countersign.db-wal"] {
        let bytes = std::fs::read(folder.path().join(file)).expect("a file");
        assert!(!String::from_utf8_lossy(&bytes).contains(token), "{file}");
    }
    assert!(!server.log().contains(token));
}

#[tokio::test]
async fn serve_has_no_outbox() {
    let (folder, office) = (tempdir().expect("folder"), PostOffice::open().await);
    let server = serve(folder.path(), office.address());
    assert_eq!(page(&server, "/outbox").await.status, StatusCode::NOT_FOUND);
    let missing = answer(server.request(Method::GET, "/outbox")).await;
    assert_eq!(missing.problem(), (404, "not_found".to_owned()));
}

#[test]
fn letters_are_previewed_in_every_form() {
    let (code, text, _) = run(&["mail", "preview"]);
    assert_eq!((code, text.matches("Subject: ").count()), (0, 6));
    let (code, html, _) = run(&["mail", "preview", "--kind", "reset_password", "--html"]);
    assert!(code == 0 && html.contains("<!doctype html>") && html.contains("?token="), "{html}");
    let (code, json, _) =
        run(&["mail", "preview", "--json", "--text", "--public-url", "https://a.example"]);
    let items: Value = serde_json::from_str(&json).expect("JSON");
    let items = items["items"].as_array().expect("items");
    assert_eq!((code, items.len()), (0, 6));
    assert!(items.iter().all(|item| item["html"].is_null() && item["text"].is_string()));
    assert_eq!(items[2]["subject"], "A new password for a.example");

    let folder = tempdir().expect("folder");
    let templates = folder.path().join("letters");
    std::fs::create_dir(&templates).expect("made");
    std::fs::write(templates.join("reset_password.txt"), "Ours: {{ link }}\n").expect("written");
    let (templates, out) = (templates.to_str().expect("text"), folder.path().join("out"));
    let (code, named, said) = run(&[
        "mail",
        "preview",
        "--mail-templates",
        templates,
        "--out",
        out.to_str().expect("text"),
    ]);
    assert_eq!((code, named.lines().count()), (0, 12), "{said}");
    let written = std::fs::read_to_string(out.join("reset_password.txt")).expect("written");
    assert!(written.starts_with("Ours: http://"), "{written}");

    std::fs::write(Path::new(templates).join("layout.html"), "\n\n{{ lnik }}").expect("written");
    let (code, _, said) = run(&["mail", "preview", "--mail-templates", templates]);
    assert!(code == 2 && said.contains("layout.html, line 3"), "{code}: {said}");
    let (code, _, said) = run(&["mail", "preview", "--kind", "love_letter"]);
    assert!(code == 2 && said.contains("reset_password"), "{code}: {said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_letter_to_try_the_mail_server_says_what_became_of_it() {
    let office = PostOffice::open().await;
    let url = format!("smtp://{}", office.address());
    let try_out = |url: &str, address: &str| {
        run(&["mail", "send-test", address, "--mail-url", url, "--mail-from", "auth@example.com"])
    };
    let (code, _, said) = try_out(&url, "a@example.com");
    assert!(code == 0 && said.contains("has taken"), "{said}");
    assert_eq!(office.received()[0].to, "a@example.com");
    office.behave(Manners::Refuses("a@"));
    let (code, _, said) = try_out(&url, "a@example.com");
    assert!(code == 1 && said.contains("550 5.1.1"), "{code}: {said}");
    let (code, _, said) = try_out(&format!("smtp://{}", closed_address().await), "a@example.com");
    assert!(code == 3 && said.contains("refused"), "{code}: {said}");
    let (code, _, said) = run(&["mail", "send-test", "a@example.com"]);
    assert!(code == 2 && said.contains("set mail.url"), "{code}: {said}");
    let (code, _, said) = try_out(&url, "nobody");
    assert!(code == 2 && said.contains("email"), "{code}: {said}");
}

#[test]
fn serve_refuses_mail_that_could_not_be_sent_or_would_travel_in_the_clear() {
    let folder = tempdir().expect("folder");
    let data = folder.path().join("data");
    let refuses = |options: &[&str], says: &str| {
        let mut all =
            vec!["serve", "--listen", "127.0.0.1:0", "--data-dir", data.to_str().expect("text")];
        all.extend(options);
        let (code, _, said) = run(&all);
        assert!(code == 2 && said.contains(says), "{code}: {said}");
    };
    let from = ["--mail-from", "auth@example.com"];
    refuses(&["--accounts-verify-email", "true"], "set mail.url and mail.from");
    refuses(&["--mail-url", "smtps://mail.example.com"], "mail.from");
    refuses(
        &[from[0], from[1], "--mail-url", "smtps://user@mail.example.com"],
        "mail.password_file",
    );
    refuses(&[from[0], from[1], "--mail-url", "smtp://mail.example.com?tls=none"], "in the clear");
    refuses(&[from[0], "nobody", "--mail-url", "smtp://localhost"], "mail.from");
    refuses(&["--mail-templates", "/nowhere/at/all"], "/nowhere/at/all");
    let shared = folder.path().join("password");
    std::fs::write(&shared, "secret").expect("written");
    std::fs::set_permissions(&shared, std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .expect("set");
    let shared = shared.to_str().expect("text");
    let url = "smtps://user@mail.example.com";
    refuses(&[from[0], from[1], "--mail-url", url, "--mail-password-file", shared], "chmod 600");
}
