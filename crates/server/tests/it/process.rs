//! Starting the real binaries, and asking them.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use reqwest::{Client, Method, RequestBuilder, StatusCode, header::HeaderMap};
use serde_json::{Value, json};

/// A password that meets the rules.
pub(crate) const PASSWORD: &str = "four unrelated gravel words";
/// As long as a start may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running process; killed when it goes out of scope.
pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
    log: Arc<Mutex<String>>,
    client: Client,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }

    /// Status and stable code, after checking that it is a problem in every detail.
    pub(crate) fn problem(&self) -> (u16, String) {
        let body = self.json();
        assert_eq!(self.headers["content-type"], "application/problem+json", "{}", self.text);
        assert_eq!(body["status"], self.status.as_u16());
        assert!(
            body["type"].is_string() && body["title"].is_string() && body["detail"].is_string()
        );
        (self.status.as_u16(), body["code"].as_str().expect("a code").to_owned())
    }
}

/// The command `countersign`, with nothing of this process's settings.
pub(crate) fn countersign() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    clean(&mut command);
    command
}

/// The sample API as a process of its own, built when it is not there yet.
pub(crate) fn posts() -> Command {
    let binary = Path::new(env!("CARGO_BIN_EXE_countersign")).with_file_name("countersign-posts");
    if !binary.exists() {
        let built = Command::new(env!("CARGO")).args(["build", "-p", "countersign-posts"]).status();
        assert!(built.expect("cargo").success());
    }
    let mut command = Command::new(binary);
    clean(&mut command);
    command
}

fn clean(command: &mut Command) {
    for (name, _) in std::env::vars() {
        if name.starts_with("COUNTERSIGN_") {
            command.env_remove(name);
        }
    }
}

impl Server {
    /// `countersign dev` on a free port, in this folder.
    pub(crate) fn dev(data_dir: &Path, more: &[&str]) -> Self {
        let mut command = countersign();
        command.args(["dev", "--listen", "127.0.0.1:0", "--data-dir"]).arg(data_dir).args(more);
        Self::start(command)
    }

    /// Starts a command and waits until it says that it listens.
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the process starts");
        let log = Arc::new(Mutex::new(String::new()));
        let lines = BufReader::new(child.stderr.take().expect("stderr")).lines();
        let kept = Arc::clone(&log);
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let mut log = kept.lock().expect("the log");
                log.push_str(&line);
                log.push('\n');
            }
        });
        let begun = Instant::now();
        let url = loop {
            let text = log.lock().expect("the log").clone();
            if let Some((_, rest)) = text.split_once("listening on ") {
                break rest.lines().next().expect("a line").trim().to_owned();
            }
            let over = child.try_wait().expect("a process");
            assert!(over.is_none() && begun.elapsed() < PATIENCE, "it did not start: {text}");
            thread::sleep(Duration::from_millis(5));
        };
        let client = Client::builder().redirect(reqwest::redirect::Policy::none()).build();
        Self { child, url, log, client: client.expect("a client") }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> Answer {
        answer(self.request(Method::GET, path).bearer_auth(token)).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        answer(self.request(Method::POST, path).json(&body)).await
    }

    /// Registers an account and returns its id.
    pub(crate) async fn register(&self, email: &str) -> String {
        let made = self.post("/register", json!({ "email": email, "password": PASSWORD })).await;
        assert_eq!(made.status, 201, "{}", made.text);
        made.json()["id"].as_str().expect("an id").to_owned()
    }

    /// Logs in and returns the access token.
    pub(crate) async fn login(&self, email: &str, password: &str) -> String {
        let answer = self.post("/login", json!({ "email": email, "password": password })).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()["access_token"].as_str().expect("a token").to_owned()
    }

    /// Begins a session and returns the cookie as the browser would send it back.
    pub(crate) async fn login_session(&self, email: &str, password: &str) -> String {
        let body = json!({ "email": email, "password": password });
        let answer = self.post("/login/session", body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let cookie = answer.headers["set-cookie"].to_str().expect("text");
        cookie.split(';').next().expect("a cookie").to_owned()
    }

    /// Everything the process has written to stderr so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().expect("the log").clone()
    }

    /// Waits for the rest of a second after somebody who is owed something could not be reached: nothing is being carried
    /// then. What a process is just carrying stays its own for minutes after its death.
    pub(crate) async fn until_it_rests(&self) {
        let begun = Instant::now();
        while !self.log().contains("cannot be used; what is owed waits") {
            assert!(begun.elapsed() < PATIENCE, "{}", self.log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // What was on its way together with it is noted by then.
        tokio::time::sleep(Duration::from_millis(300)).await;
    }

    /// The most memory the process ever had in use, in KiB.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("a running process");
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("VmHWM");
        line.split_whitespace().nth(1).expect("a number").parse().expect("a number")
    }

    /// Ends the process as a crash would: SIGKILL.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("gone");
    }

    /// Asks the process to stop: SIGTERM.
    pub(crate) fn stop(mut self) -> ExitStatus {
        self.signal("-TERM");
        self.child.wait().expect("it ends")
    }

    /// Sends the process a signal, such as `-HUP`.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().expect("kill").success());
    }

    /// Waits until the process has written this to stderr.
    pub(crate) async fn until_it_says(&self, said: &str) {
        let begun = Instant::now();
        while !self.log().contains(said) {
            assert!(begun.elapsed() < PATIENCE, "it never said {said:?}: {}", self.log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Sends a request and reads the whole answer.
pub(crate) async fn answer(request: RequestBuilder) -> Answer {
    let response = request.send().await.expect("an answer");
    let (status, headers) = (response.status(), response.headers().clone());
    Answer { status, headers, text: response.text().await.expect("text") }
}

/// A file with a secret, readable by its owner only.
pub(crate) fn secret_file(folder: &Path, name: &str, secret: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;

    let path = folder.join(name);
    std::fs::write(&path, secret).expect("written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("set");
    path
}

/// A token with its payload changed and its signature kept.
pub(crate) fn forge(token: &str, change: impl FnOnce(&str) -> String) -> String {
    let parts: Vec<&str> = token.split('.').collect();
    let payload = base64url_decode(parts[1]);
    let changed = change(&payload);
    assert_ne!(changed, payload);
    format!("{}.{}.{}", parts[0], base64url(changed.as_bytes()), parts[2])
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Base64url without padding, written plainly so that the tests do not trust the code they test.
pub(crate) fn base64url(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let mut bits = u32::from(chunk[0]) << 16;
        bits |=
            u32::from(*chunk.get(1).unwrap_or(&0)) << 8 | u32::from(*chunk.get(2).unwrap_or(&0));
        for place in 0..=chunk.len() {
            text.push(char::from(ALPHABET[(bits >> (18 - 6 * place)) as usize & 63]));
        }
    }
    text
}

pub(crate) fn base64url_decode(text: &str) -> String {
    let (mut bits, mut count, mut bytes) = (0_u32, 0, Vec::new());
    for letter in text.bytes() {
        let value = ALPHABET.iter().position(|known| *known == letter).expect("base64url");
        bits = bits << 6 | u32::try_from(value).expect("six bits");
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 255) as u8);
        }
    }
    String::from_utf8(bytes).expect("text")
}
