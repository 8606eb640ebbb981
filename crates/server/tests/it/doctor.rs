//! `countersign doctor`, beside servers that run and without any: what it says of an installation that is in order, and of
//! one that is broken in many ways.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use auth::{
    storage::{Db, DbOptions},
    testing::{
        Place, master_key,
        post_office::{PostOffice, closed_address},
    },
};
use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};
use uuid::Uuid;

use crate::process::{Server, countersign, secret_file};

/// What a proxy does with `X-Forwarded-For`.
#[derive(Clone, Copy)]
enum Manners {
    /// Adds a line with the address of whom it takes for the client.
    Appends,
    /// Passes on what the client wrote.
    PassesOn,
    /// Takes it away, and the header of the question too.
    Strips,
}

/// A proxy on loopback, as simple as one can be: a connection for each request.
struct Proxy {
    address: SocketAddr,
    target: Arc<Mutex<Option<String>>>,
    manners: Arc<Mutex<Manners>>,
}

impl Proxy {
    fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let proxy = Self {
            address,
            target: Arc::default(),
            manners: Arc::new(Mutex::new(Manners::Appends)),
        };
        let (target, manners) = (Arc::clone(&proxy.target), Arc::clone(&proxy.manners));
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let target = target.lock().expect("a target").clone().expect("a target");
                pass_on(client, &target, *manners.lock().expect("manners"));
            }
        });
        proxy
    }

    fn leads_to(&self, server: &Server) {
        let target = server.url.strip_prefix("http://").expect("an address").to_owned();
        *self.target.lock().expect("a target") = Some(target);
    }

    fn behave(&self, manners: Manners) {
        *self.manners.lock().expect("manners") = manners;
    }
}

fn pass_on(mut client: TcpStream, target: &str, manners: Manners) {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut byte).expect("a head");
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).expect("text");
    let mut sent = String::new();
    for line in head.trim_end().lines() {
        let name = line.to_ascii_lowercase();
        let taken =
            ["x-forwarded-for:", "x-countersign-probe:"].iter().any(|own| name.starts_with(own));
        if !(taken && matches!(manners, Manners::Strips)) {
            sent.push_str(&format!("{line}\r\n"));
        }
    }
    if let Manners::Appends = manners {
        sent.push_str("X-Forwarded-For: 198.51.100.7\r\n");
    }
    sent.push_str("Connection: close\r\n\r\n");
    let mut server = TcpStream::connect(target).expect("the server");
    server.write_all(sent.as_bytes()).expect("sent");
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).expect("an answer");
    client.write_all(&answer).expect("answered");
}

/// What doctor says, and how it ended.
struct Said {
    code: Option<i32>,
    report: Value,
}

impl Said {
    /// The findings of a check, as pairs of an outcome and a text.
    fn of(&self, id: &str) -> Vec<(&str, &str)> {
        let checks = self.report["checks"].as_array().expect("checks");
        let own = checks.iter().filter(|check| check["id"] == id);
        own.map(|check| {
            (check["outcome"].as_str().expect("text"), check["finding"].as_str().expect("text"))
        })
        .collect()
    }

    fn has(&self, id: &str, outcome: &str, words: &str) {
        let found = self.of(id);
        let fits = |(own, finding): &(&str, &str)| *own == outcome && finding.contains(words);
        assert!(found.iter().any(fits), "{id} {outcome} {words}: {:#}", self.report);
        assert_eq!(self.code, Some(i32::from(self.report["failures"] != 0)), "{:#}", self.report);
    }

    fn is_sound(&self) {
        assert_eq!(
            (&self.report["failures"], &self.report["warnings"]),
            (&json!(0), &json!(0)),
            "{:#}",
            self.report
        );
        assert_eq!(self.code, Some(0));
    }
}

/// An installation as it should be, with a proxy and a mail server.
struct House {
    folder: TempDir,
    proxy: Proxy,
    office: PostOffice,
    settings: Vec<String>,
}

impl House {
    async fn new(database: Option<&str>) -> Self {
        let (folder, proxy, office) =
            (tempdir().expect("folder"), Proxy::open(), PostOffice::open().await);
        let url = format!("http://{}", proxy.address);
        let master = secret_file(folder.path(), "master", &master_key(1));
        let data = folder.path().join("data");
        let mut settings: Vec<String> = Vec::new();
        for (flag, value) in [
            ("data-dir", data.display().to_string()),
            ("public-url", url.clone()),
            ("http-trusted-proxies", "127.0.0.1/32".to_owned()),
            ("http-cors-origins", "http://127.0.0.1:3000".to_owned()),
            ("tokens-algorithm", "ES256".to_owned()),
            ("tokens-issuer", url),
            ("tokens-audience", "posts".to_owned()),
            ("keys-master-key-file", master.display().to_string()),
            ("mail-url", format!("smtp://{}", office.address())),
            ("mail-from", "auth@example.com".to_owned()),
        ] {
            settings.extend([format!("--{flag}"), value]);
        }
        settings.extend(
            database.iter().flat_map(|url| ["--database-url".to_owned(), (*url).to_owned()]),
        );
        Self { folder, proxy, office, settings }
    }

    fn serve(&self) -> Server {
        let mut command = countersign();
        command.args(["serve", "--listen", "127.0.0.1:0"]).args(&self.settings);
        let server = Server::start(command);
        self.proxy.leads_to(&server);
        server
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Asks about the installation as it is set, with these flags beside.
    fn doctor(&self, more: &[&str]) -> Said {
        let mut command = countersign();
        command.args(["doctor", "--json"]).args(&self.settings).args(more);
        let output = command.output().expect("it runs");
        let report = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
        Said { code: output.status.code(), report }
    }

    /// Asks about everything.
    fn doctor_of_all(&self) -> Said {
        let probe = format!("http://{}", self.proxy.address);
        self.doctor(&["--mail", "--origin", "http://127.0.0.1:3000", "--probe", &probe])
    }
}

/// Goes through the ways to break an installation: with a server that runs, and with none.
async fn each_break_is_found(house: &House, db: &str) {
    let server = house.serve();
    let sound = house.doctor_of_all();
    sound.is_sound();
    sound.has("probe_client", "ok", "takes 198.51.100.7 for the client, by the word of 127.0.0.1");
    sound.has("mail_server", "ok", &house.office.address().to_string());
    let skipped =
        ["probe", "cookie", "mail_server"].map(|id| house.doctor(&[]).of(id)[0].0.to_owned());
    assert_eq!(skipped, ["skipped", "skipped", "skipped"]);

    house.proxy.behave(Manners::PassesOn);
    let passed = house.doctor_of_all();
    passed.has("probe_forgery", "failure", "192.0.2.66");
    passed.has("probe_client", "warning", "nobody on the way");
    house.proxy.behave(Manners::Strips);
    house.doctor_of_all().has("probe", "failure", "404");
    house.proxy.behave(Manners::Appends);
    let elsewhere = closed_address().await;
    house.doctor(&["--probe", &format!("http://{elsewhere}")]).has("probe", "failure", "refused");
    let other = ["--public-url", "https://auth.example.com", "--probe"];
    let url = format!("http://{}", house.proxy.address);
    house.doctor(&[&other[..], &[url.as_str()]].concat()).has("probe", "warning", "on the server");
    sealed(db).await;
    assert!(server.stop().success());

    by_settings(house, elsewhere);
    by_files(house);
    in_the_database(house, db).await;
    house.doctor(&["--mail"]).is_sound();
}

/// Waits until what happened so far is sealed.
async fn sealed(db: &str) {
    let db = Db::open(&DbOptions::new(db)).await.expect("the database");
    let begun = Instant::now();
    while !db
        .all("SELECT id FROM events WHERE number IS NULL", [])
        .await
        .expect("events")
        .is_empty()
    {
        assert!(begun.elapsed() < Duration::from_secs(60), "nothing is sealed");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    db.close().await;
}

fn by_settings(house: &House, elsewhere: SocketAddr) {
    for (flags, id, outcome, words) in [
        (&["--public-url", "http://auth.example.com"][..], "public_url", "failure", "in the clear"),
        (&["--limits-enabled", "false"], "limits", "warning", "is false"),
        (&["--tokens-issuer", "countersign"], "issuer", "warning", "the default"),
        (&["--tokens-leeway", "5m"], "settings", "failure", "--tokens-leeway"),
        (&["--log-level", "countersign=loud"], "log", "failure", "log.level"),
        (&["--http-trusted-proxies", "0.0.0.0/0"], "trusted_proxies", "failure", "everybody"),
        (&["--origin", "http://app.example.com"], "cookie", "failure", "are two sites"),
        (&["--origin", "http://127.0.0.1:4000"], "cors", "failure", "http://127.0.0.1:4000"),
        (
            &["--mail-url", &format!("smtp://{elsewhere}"), "--mail"],
            "mail_server",
            "failure",
            "refused",
        ),
        (
            &["--mail-ca-file", "/no/such/file", "--mail-url", "smtps://127.0.0.1:1"],
            "mail",
            "failure",
            "/no/such/file",
        ),
        (&["--database-url", "postgres://u@127.0.0.1:1/d"], "database", "failure", ""),
        (&["--database-url", "mysql://u@127.0.0.1:1/d"], "database", "failure", "neither"),
    ] {
        house.doctor(flags).has(id, outcome, words);
    }
    let unreached = house.doctor(&["--database-url", "postgres://u@127.0.0.1:1/d"]);
    unreached.has("signing_key", "skipped", "was not reached");
    unreached.has("issuer", "ok", "");
}

fn by_files(house: &House) {
    use std::os::unix::fs::PermissionsExt;
    let set = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("set");
    };
    let master = house.path("master");
    set(&master, 0o644);
    house.doctor(&[]).has("file_modes", "failure", "mode 0644");
    set(&master, 0o600);
    set(house.folder.path(), 0o777);
    house.doctor(&[]).has("file_modes", "failure", "all others can write into");
    set(house.folder.path(), 0o700);

    let other = secret_file(house.folder.path(), "other", &master_key(2));
    let other = other.to_str().expect("a path");
    let wrong = house.doctor(&["--keys-master-key-file", other]);
    wrong.has("keys", "failure", "another master key");
    wrong.has("audit", "skipped", "could not be read");
    let none = house.path("none");
    let none = none.to_str().expect("a path");
    let missing = house.doctor(&["--keys-master-key-file", none]);
    missing.has("secret_strength", "failure", none);
    missing.has("keys", "skipped", "see secret_strength");

    let zeros = secret_file(house.folder.path(), "zeros", &"0".repeat(64));
    let weak = house.doctor(&["--keys-master-key-file", zeros.to_str().expect("a path")]);
    weak.has("secret_strength", "failure", "the master key in");
    let letters = house.doctor(&["--mail-password-file", none, "--webhooks-secret-file", none]);
    letters.has("mail", "failure", "mail.password_file");
    letters.has("webhooks", "failure", "webhooks.secret_file");

    let weak = secret_file(house.folder.path(), "weak", "your-256-bit-secret-your-256-bit-secret");
    let hs256 = ["--tokens-algorithm", "HS256", "--secret-file"];
    let shared = house.doctor(&[&hs256[..], &[weak.to_str().expect("a path")]].concat());
    shared.has("secret_strength", "failure", "publicly known");
    shared.has("shared_secret", "warning", "with the secret of a file");
    shared.has("signing_key", "failure", "several keys sign");

    let file =
        secret_file(house.folder.path(), "c.toml", "[keys]\nmaster_key = \"hunter2hunter2\"\n");
    let flags = ["--config", file.to_str().expect("a path")];
    house.doctor(&flags).has("file_modes", "ok", "");
    set(&file, 0o644);
    let told = house.doctor(&flags);
    told.has("file_modes", "warning", "c.toml");
    assert!(!told.report.to_string().contains("hunter2"));
}

async fn in_the_database(house: &House, db: &str) {
    let db = Db::open(&DbOptions::new(db)).await.expect("the database");
    for (change, back, id, outcome, words) in [
        (
            "UPDATE keys SET state = 'retiring'",
            "UPDATE keys SET state = 'active'",
            "signing_key",
            "failure",
            "no key signs",
        ),
        (
            "UPDATE keys SET active_at = active_at - 8640000",
            "UPDATE keys SET active_at = active_at + 8640000",
            "rotation",
            "warning",
            "longer than keys.rotation allows",
        ),
        (
            "UPDATE events SET at = at + 86400 WHERE type = 'administrator.invited'",
            "UPDATE events SET at = at - 86400 WHERE type = 'administrator.invited'",
            "clock",
            "failure",
            "in the future",
        ),
        (
            "UPDATE event_chain SET last_number = last_number + 1",
            "UPDATE event_chain SET last_number = last_number - 1",
            "audit",
            "failure",
            "head of the audit chain",
        ),
        (
            "UPDATE countersign_migrations SET version = 98 WHERE version = 7",
            "UPDATE countersign_migrations SET version = 7 WHERE version = 98",
            "migrations",
            "failure",
            "newer than version",
        ),
        (
            "UPDATE countersign_migrations SET checksum = '1' || checksum WHERE version = 7",
            "UPDATE countersign_migrations SET checksum = SUBSTR(checksum, 2) WHERE version = 7",
            "migrations",
            "failure",
            "V7__events is not the one",
        ),
    ] {
        assert_eq!(db.execute(change, []).await.expect(change), 1, "{change}");
        house.doctor(&[]).has(id, outcome, words);
        assert_eq!(db.execute(back, []).await.expect(back), 1, "{back}");
    }
    // An event of an hour ago that nobody has sealed.
    let add = "INSERT INTO events (id, at, type, actor) SELECT $1, at - 3600, 'login.failed', 'stranger' FROM events
                WHERE type = 'key.added'";
    let id = Uuid::nil();
    db.execute(add, [id.into()]).await.expect("added");
    house.doctor(&[]).has("audit", "warning", "not sealed for");
    db.execute("DELETE FROM events WHERE id = $1", [id.into()]).await.expect("removed");
    db.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_installation_is_all_ok_and_each_break_is_found() {
    let house = House::new(None).await;
    let before = house.doctor(&[]);
    assert_eq!((before.code, &before.report["failures"]), (Some(0), &json!(0)), "not yet");
    before.has("database", "warning", "the first start makes it");
    before.has("migrations", "skipped", "there is no database yet");
    assert!(!house.path("data").exists(), "and none is made");
    let file = house.path("data/countersign.db");
    each_break_is_found(&house, &format!("sqlite://{}", file.display())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_installation_on_postgres_is_all_ok_and_each_break_is_found() {
    let Some(place) = Place::postgres().await else { return };
    let house = House::new(Some(&place.url)).await;
    house.doctor(&[]).has("migrations", "warning", "not made yet");
    each_break_is_found(&house, &place.url).await;
    place.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_leaves_everything_as_it_was() {
    let house = House::new(None).await;
    assert!(house.serve().stop().success());
    let all = || {
        let folder = std::fs::read_dir(house.path("data")).expect("a folder");
        let file = |path: PathBuf| (std::fs::read(&path).expect("a file"), path);
        let mut files: Vec<_> = folder.map(|entry| file(entry.expect("an entry").path())).collect();
        files.sort();
        files
    };
    let before = all();
    house.doctor(&[]);
    assert!(before == all(), "a file was changed, made or removed");
    // Older tables stay older.
    let db = format!("sqlite://{}", house.path("data/countersign.db").display());
    let db = Db::open(&DbOptions::new(db)).await.expect("the database");
    let older = "DELETE FROM countersign_migrations WHERE version = 7";
    db.execute(older, []).await.expect("older");
    db.close().await;
    let before = all();
    let said = house.doctor(&[]);
    said.has("migrations", "warning", "V7__events to come");
    said.has("signing_key", "skipped", "not those of this version");
    assert!(before == all(), "a file was changed, made or removed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_dev_is_told() {
    let folder = tempdir().expect("folder");
    drop(Server::dev(folder.path(), &[]));
    let mut command = countersign();
    let output =
        command.args(["doctor", "--data-dir"]).arg(folder.path()).output().expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stdout).expect("text");
    let line = "  ✗ failure  seeded_accounts  ";
    assert_eq!(said.matches(line).count(), 2, "{said}");
    assert!(!said.contains('\u{1b}'), "no colours but on a terminal: {said}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("2 failures"), "{said}");
}

#[test]
fn what_is_no_origin_is_a_usage_error() {
    for flags in [
        &["--origin", "app.example.com"][..],
        &["--origin", "https://app.example.com/path"],
        &["--api", "https://api.example.com"],
        &["--probe", "auth.example.com"],
    ] {
        let output = countersign().arg("doctor").args(flags).output().expect("it runs");
        assert_eq!(output.status.code(), Some(2), "{flags:?}");
    }
}
