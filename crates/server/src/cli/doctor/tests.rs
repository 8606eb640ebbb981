//! Each check with what it has to find, and with an installation that is in order.

use auth::{
    Config,
    checkup::{ClockDifference, DeliveriesFound, KeysFound, LogFound, Seen},
    config::Store,
    keys::{Key, Place, State},
    storage::{Condition, Engine},
    users::Email,
};
use jwt::{Algorithm, Timestamp};

use super::{
    CHECKS, Facts, Finding, Outcome, Report,
    facts::{CertificateFound, Disk, Place as Folder, Unknown},
    probe::Probed,
    shown,
};
use crate::{
    cli::unfit::{seeded_account, unfit},
    settings::Problem,
};

const NOW: i64 = 1_800_000_000;
const DAY: i64 = 86_400;

fn at(seconds: i64) -> Timestamp {
    Timestamp::new(NOW + seconds)
}

fn key(kid: &str, state: State) -> Key {
    Key {
        kid: kid.to_owned(),
        algorithm: "ES256".to_owned(),
        state,
        place: Place::Database,
        sealed: true,
        created_at: Some(at(-DAY)),
        active_at: Some(at(-DAY)),
        retired_at: None,
        gone_at: None,
        revoked_at: None,
    }
}

/// An installation on PostgreSQL in which all is as it should be, and everything was asked for.
fn sound() -> Facts {
    let mut config = Config::default();
    config.http.public_url = Some("https://auth.example.com".parse().expect("a URL"));
    config.http.trusted_proxies = vec!["10.0.0.5/32".parse().expect("a network")];
    config.http.cors_origins = vec!["https://app.example.com".to_owned()];
    config.database.url = Some("postgres://u@h/d".to_owned());
    config.tokens.algorithm = Algorithm::Es256;
    config.tokens.issuer = "https://auth.example.com".to_owned();
    config.tokens.audience = "posts".to_owned();
    config.keys.master_key_file = Some("/no/such/master".into());
    let seen = Seen {
        peer: Some([10, 0, 0, 5].into()),
        peer_is_trusted: true,
        client: Some([198, 51, 100, 7].into()),
        forwarded_for: vec!["192.0.2.66".to_owned(), "198.51.100.7".to_owned()],
        forwarded_proto: Some("https".to_owned()),
        host: Some("auth.example.com".to_owned()),
        public_url: Some("https://auth.example.com".to_owned()),
    };
    let folder = |path: &str, mode| Folder { path: path.into(), mode };
    Facts {
        problems: Vec::new(),
        unfit: Vec::new(),
        now: at(0),
        data_dir: Some(folder("/data", 0o700)),
        folders: vec![folder("/etc/countersign", 0o755), folder("/tmp", 0o1777)],
        shared: Vec::new(),
        certificate: Ok(CertificateFound {
            path: "/etc/countersign/tls.pem".into(),
            valid: (at(-DAY), at(60 * DAY)),
            host: "auth.example.com".to_owned(),
            names_host: true,
        }),
        disk: Ok(Disk { folder: "/data".into(), bytes: 10 << 30, files: Some(1_000_000) }),
        database: Ok(Engine::Postgres),
        tables: Ok(Condition::Current),
        clock_difference: Ok(Some(difference(3))),
        keys: Ok(KeysFound {
            all: vec![key("one", State::Active)],
            weak: Vec::new(),
            server_secret_sealed: Some(true),
            trouble: None,
        }),
        log: Ok(LogFound {
            newest: Some(at(-9)),
            oldest_unsealed: Some(at(-1)),
            head_is_sound: true,
        }),
        work: Ok(Some(at(300))),
        seeded: Ok(Vec::new()),
        mail: Ok(true),
        mail_server: Ok("smtps://mail.example.com".to_owned()),
        webhooks: Ok(true),
        deliveries: Ok(DeliveriesFound::default()),
        page: Ok(("https://app.example.com".parse().expect("a URL"), None)),
        probed: Ok(Probed { url: "https://auth.example.com".parse().expect("a URL"), seen }),
        config,
    }
}

fn difference(milliseconds: i64) -> ClockDifference {
    ClockDifference { ahead: milliseconds, round_trip: std::time::Duration::from_millis(2) }
}

fn keys(facts: &mut Facts) -> &mut KeysFound {
    facts.keys.as_mut().expect("keys")
}

fn seen(facts: &mut Facts) -> &mut Seen {
    &mut facts.probed.as_mut().expect("an answer").seen
}

fn certificate(facts: &mut Facts) -> &mut CertificateFound {
    facts.certificate.as_mut().expect("a certificate")
}

fn deliveries(facts: &mut Facts) -> &mut DeliveriesFound {
    facts.deliveries.as_mut().expect("deliveries")
}

/// Events of which one was refused so often.
fn refused(attempts: u64) -> DeliveriesFound {
    let (oldest, due) = (Some(at(-7_200)), Some(at(60)));
    DeliveriesFound { waiting: 3, oldest, due, refused: 2, attempts }
}

/// What serve would refuse in these settings, as it is when they are read.
fn refuse(facts: &mut Facts) {
    facts.unfit = unfit(&facts.config, "/no/such/folder".as_ref(), false);
}

fn of(facts: &Facts, id: &str) -> Vec<Finding> {
    let check = CHECKS.iter().find(|check| check.id == id).expect(id);
    (check.look)(facts)
}

#[test]
fn an_installation_that_is_in_order_is_all_ok() {
    let facts = sound();
    for check in CHECKS {
        for found in (check.look)(&facts) {
            assert_eq!(found.outcome, Outcome::Ok, "{}: {}", check.id, found.finding);
            assert!(found.means.is_none() && found.mend.is_none());
        }
    }
    let report = Report::of(&facts);
    assert_eq!((report.failures, report.warnings), (0, 0));
    assert_eq!(shown::summary(&report), "the installation is in order");
}

#[test]
fn each_check_has_one_name_and_says_what_it_finds() {
    let mut ids: Vec<&str> = CHECKS.iter().map(|check| check.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), CHECKS.len());
    assert!(CHECKS.iter().all(|check| !check.finds.is_empty() && !check.finds.ends_with('.')));
}

/// A way to break an installation, the check that finds it, how, and words of what it says.
type Break = (&'static str, Outcome, &'static str, fn(&mut Facts));

const BREAKS: &[Break] = {
    use Outcome::{Failure, Warning};
    &[
        ("settings", Failure, "tokens.leeway: wrong", |facts| {
            facts.problems.push(Problem::new("tokens.leeway: wrong"));
        }),
        ("public_url", Failure, "in the clear", |facts| {
            facts.config.http.public_url = Some("http://auth.example.com".parse().expect("a URL"));
            refuse(facts);
        }),
        ("public_url", Failure, "is not loopback", |facts| {
            facts.config.http.public_url = None;
            facts.config.http.listen = ([0, 0, 0, 0], 80).into();
            refuse(facts);
        }),
        ("public_url", Warning, "is not set", |facts| facts.config.http.public_url = None),
        ("issuer", Warning, "tokens.issuer is countersign, the default", |facts| {
            facts.config.tokens.issuer = "countersign".to_owned();
        }),
        ("issuer", Warning, "tokens.audience is countersign, the default", |facts| {
            facts.config.tokens.audience = "countersign".to_owned();
        }),
        ("issuer", Warning, "ends with a slash", |facts| facts.config.tokens.issuer.push('/')),
        ("issuer", Warning, "begins or ends with a blank", |facts| {
            facts.config.tokens.audience.push(' ');
        }),
        ("issuer", Warning, "http://", |facts| {
            facts.config.tokens.issuer = "http://auth.example.com".to_owned();
        }),
        ("issuer", Warning, "and http.public_url is https://auth.example.com", |facts| {
            facts.config.tokens.issuer = "https://other.example.com".to_owned();
        }),
        ("issuer", Warning, "is no public URL", |facts| {
            facts.config.tokens.issuer = "https://".to_owned();
        }),
        ("sessions", Failure, "several instances", |facts| {
            facts.config.sessions.store = Store::Memory;
            refuse(facts);
        }),
        ("sessions", Warning, "is memory", |facts| facts.config.sessions.store = Store::Memory),
        ("limits", Failure, "on loopback only", |facts| {
            facts.config.limits.enabled = false;
            refuse(facts);
        }),
        ("limits", Warning, "is false", |facts| facts.config.limits.enabled = false),
        ("log", Failure, "log.level", |facts| {
            facts.config.log.level = "countersign=loud".to_owned();
            refuse(facts);
        }),
        ("secret_strength", Failure, "cannot be read", |facts| {
            facts.config.keys.secret_file = vec!["/no/such/secret".into()];
            refuse(facts);
        }),
        ("secret_strength", Failure, "keys.master_key: the master key is weak", |facts| {
            facts.config.keys.master_key_file = None;
            facts.config.keys.master_key = Some("0".repeat(64).into());
            refuse(facts);
        }),
        ("file_modes", Warning, "mode 0644", |facts| {
            facts.shared = vec![Folder { path: "/c.toml".into(), mode: 0o644 }];
        }),
        ("file_modes", Warning, "can be entered by others (mode 0755)", |facts| {
            facts.data_dir = Some(Folder { path: "/data".into(), mode: 0o755 });
        }),
        ("file_modes", Warning, "others of its group", |facts| {
            facts.folders = vec![Folder { path: "/k".into(), mode: 0o775 }];
        }),
        ("file_modes", Failure, "all others can write into /k", |facts| {
            facts.folders = vec![Folder { path: "/k".into(), mode: 0o777 }];
        }),
        ("tls_certificate", Failure, "cannot be read", |facts| {
            facts.config.http.tls_certificate_file = Some("/no/such/certificate".into());
            facts.config.http.tls_private_key_file = Some("/no/such/key".into());
            refuse(facts);
        }),
        ("tls_certificate", Failure, "has run out at 2027-01-15T07:59:59Z", |facts| {
            certificate(facts).valid.1 = at(-1);
        }),
        ("tls_certificate", Warning, "runs out at 2027-01-28", |facts| {
            certificate(facts).valid.1 = at(13 * DAY);
        }),
        ("tls_certificate", Failure, "is good from 2027-01-15T08:00:01Z on", |facts| {
            certificate(facts).valid.0 = at(1);
        }),
        ("tls_certificate", Warning, "not made out to auth.example.com", |facts| {
            certificate(facts).names_host = false;
        }),
        ("disk_space", Failure, "9 MiB are free", |facts| {
            facts.disk.as_mut().expect("a disk").bytes = 9 << 20;
        }),
        ("disk_space", Warning, "100 MiB are free", |facts| {
            facts.disk.as_mut().expect("a disk").bytes = 100 << 20;
        }),
        ("disk_space", Warning, "3 more files", |facts| {
            facts.disk.as_mut().expect("a disk").files = Some(3);
        }),
        ("database", Failure, "refused", |facts| {
            facts.database = Err(Unknown::Failed("connection refused".to_owned()));
        }),
        ("database", Warning, "no database yet", |facts| {
            facts.database = Err(Unknown::NotYet("there is no database yet".to_owned()));
        }),
        ("database", Failure, "does not exist", |facts| {
            let why = "the database answered 3D000: database \"x\" does not exist";
            facts.database = Err(Unknown::Failed(why.to_owned()));
        }),
        ("database", Failure, "neither sqlite:// nor postgres://", |facts| {
            facts.config.database.url = Some("mysql://h/d".to_owned());
            refuse(facts);
        }),
        ("migrations", Warning, "not made yet: the first start makes them", |facts| {
            facts.tables = Ok(Condition::Missing);
        }),
        ("migrations", Warning, "V7__events to come", |facts| {
            facts.tables = Ok(Condition::Behind(vec!["V7__events".to_owned()]));
        }),
        ("migrations", Failure, "newer than version", |facts| {
            facts.tables = Ok(Condition::Newer(vec!["V99__x".to_owned()]));
        }),
        ("migrations", Failure, "V2__logins is not the one", |facts| {
            facts.tables = Ok(Condition::Changed("V2__logins".to_owned()));
        }),
        ("database_clock", Warning, "5 s ahead of", |facts| {
            facts.clock_difference = Ok(Some(difference(5_100)));
        }),
        ("database_clock", Failure, "40 s behind", |facts| {
            facts.clock_difference = Ok(Some(difference(-40_100)));
        }),
        ("clock", Warning, "20 s in the future", |facts| {
            facts.log.as_mut().expect("a log").newest = Some(at(20));
        }),
        ("clock", Failure, "86400 s in the future", |facts| {
            facts.log.as_mut().expect("a log").newest = Some(at(DAY));
        }),
        ("keys", Failure, "sealed under another", |facts| {
            keys(facts).trouble = Some("it was sealed under another master key".to_owned());
        }),
        ("keys", Failure, "no such file", |facts| {
            facts.keys = Err(Unknown::Failed("no such file".to_owned()));
        }),
        ("signing_key", Failure, "no key signs", |facts| keys(facts).all.clear()),
        ("signing_key", Failure, "key one (ES256), key two (ES256)", |facts| {
            keys(facts).all.push(key("two", State::Active));
        }),
        ("pending_keys", Warning, "should sign for 10 min", |facts| {
            let late = Key { active_at: Some(at(-600)), ..key("two", State::Pending) };
            keys(facts).all.push(late);
        }),
        ("rotation", Warning, "10 d longer than keys.rotation", |facts| {
            keys(facts).all[0].active_at = Some(at(-40 * DAY));
        }),
        ("retiring_keys", Warning, "in a file, verifies for ever", |facts| {
            keys(facts).all.push(Key { place: Place::File, ..key("old", State::Retiring) });
        }),
        ("retiring_keys", Warning, "should be gone", |facts| {
            let late = Key { gone_at: Some(at(-DAY)), ..key("old", State::Retiring) };
            keys(facts).all.push(late);
        }),
        ("keys_at_rest", Failure, "unencrypted in PostgreSQL", |facts| {
            facts.config.keys.master_key_file = None;
            keys(facts).all[0].sealed = false;
            refuse(facts);
        }),
        ("keys_at_rest", Warning, "signing keys lie unencrypted in PostgreSQL", |facts| {
            facts.config.keys.master_key_file = None;
            keys(facts).all[0].sealed = false;
        }),
        ("keys_at_rest", Warning, "the server secret lies unencrypted", |facts| {
            facts.config.keys.master_key_file = None;
            keys(facts).server_secret_sealed = Some(false);
        }),
        ("keys_at_rest", Warning, "there is a master key", |facts| {
            keys(facts).all[0].sealed = false;
        }),
        ("key_strength", Failure, "one in the database is weak: it can be guessed", |facts| {
            keys(facts).weak.push(("one".to_owned(), "it can be guessed"));
        }),
        ("shared_secret", Warning, "with the secret of a file", |facts| {
            let own = &mut keys(facts).all[0];
            (own.place, own.algorithm) = (Place::File, "HS256".to_owned());
        }),
        ("seeded_accounts", Failure, "admin@example.com can log in", |facts| {
            let email = Email::parse("admin@example.com").expect("an address");
            facts.seeded = Ok(vec![seeded_account("/data".as_ref(), &email)]);
        }),
        ("audit", Failure, "the head of the audit chain", |facts| {
            facts.log.as_mut().expect("a log").head_is_sound = false;
        }),
        ("audit", Warning, "not sealed for 2 min", |facts| {
            facts.log.as_mut().expect("a log").oldest_unsealed = Some(at(-120));
        }),
        ("mail", Warning, "no mail is sent", |facts| facts.mail = Ok(false)),
        ("mail", Failure, "accounts.verify_email is on", |facts| {
            facts.mail = Ok(false);
            facts.config.accounts.verify_email = true;
        }),
        ("mail", Failure, "mail.ca_file", |facts| {
            facts.mail = Err(Unknown::Failed("mail.ca_file: no such file".to_owned()));
        }),
        ("mail", Failure, "mail.password_file", |facts| {
            facts.config.mail.password_file = Some("/no/such/password".into());
            refuse(facts);
        }),
        ("webhooks", Failure, "webhooks.secret_file", |facts| {
            facts.config.webhooks.secret_file = Some("/no/such/secret".into());
            refuse(facts);
        }),
        ("webhooks", Failure, "webhooks.url", |facts| {
            facts.webhooks = Err(Unknown::Failed("webhooks.url: it is private".to_owned()));
        }),
        ("webhooks", Warning, "webhooks.url is not set, and events wait", |facts| {
            facts.webhooks = Ok(false);
            deliveries(facts).waiting = 3;
        }),
        ("webhooks", Warning, "wait for 20 min: no server does it", |facts| {
            let due = Some(at(-1_200));
            *deliveries(facts) =
                DeliveriesFound { waiting: 1, oldest: due, due, ..DeliveriesFound::default() };
        }),
        ("webhooks", Warning, "(2 of 3, one of them 4 times; the oldest is 2 h old)", |facts| {
            *deliveries(facts) = refused(4);
        }),
        ("webhooks", Failure, "after 10 attempts they are given up", |facts| {
            *deliveries(facts) = refused(8);
        }),
        ("mail_server", Failure, "timed out", |facts| {
            facts.mail_server = Err(Unknown::Failed("timed out".to_owned()));
        }),
        ("cookie", Failure, "are two sites", |facts| {
            facts.page = Ok(("https://app.example.org".parse().expect("a URL"), None));
        }),
        ("cookie", Failure, "one is https and the other is not", |facts| {
            facts.page = Ok(("http://app.example.com".parse().expect("a URL"), None));
        }),
        (
            "cookie",
            Failure,
            "the cookie is one of auth.example.com, and pages call api.",
            |facts| {
                let api = "https://api.example.com".parse().expect("a URL");
                facts.page.as_mut().expect("a page").1 = Some(api);
            },
        ),
        ("cookie", Failure, "marked Secure", |facts| {
            let api = "http://auth.example.com".parse().expect("a URL");
            facts.page.as_mut().expect("a page").1 = Some(api);
        }),
        ("cookie", Failure, "and http.public_url is http://localhost", |facts| {
            let local = "http://localhost:8000".parse().expect("a URL");
            facts.config.http.public_url = Some(local);
            let api = "https://localhost:8000".parse().expect("a URL");
            facts.page.as_mut().expect("a page").1 = Some(api);
        }),
        ("cors", Failure, "does not list https://app.example.com", |facts| {
            facts.config.http.cors_origins.clear();
        }),
        ("trusted_proxies", Failure, "which is everybody", |facts| {
            facts.config.http.trusted_proxies.push("0.0.0.0/0".parse().expect("a network"));
        }),
        ("trusted_proxies", Warning, "is empty", |facts| {
            facts.config.http.trusted_proxies.clear();
        }),
        ("probe", Failure, "refused", |facts| {
            facts.probed = Err(Unknown::Failed("refused".to_owned()));
        }),
        ("probe", Warning, "not set on the server", |facts| seen(facts).public_url = None),
        ("probe", Warning, "https://elsewhere.example was asked", |facts| {
            let url = "https://elsewhere.example".parse().expect("a URL");
            facts.probed.as_mut().expect("an answer").url = url;
        }),
        ("probe_client", Failure, "is not believed", |facts| {
            seen(facts).peer_is_trusted = false;
        }),
        ("probe_client", Failure, "that can be read", |facts| {
            seen(facts).client = seen(facts).peer;
            seen(facts).forwarded_for.push("unknown".to_owned());
        }),
        ("probe_client", Warning, "which is trusted as a proxy itself", |facts| {
            seen(facts).client = seen(facts).peer;
            seen(facts).forwarded_for = vec![seen(facts).peer.expect("a peer").to_string()];
        }),
        ("probe_client", Failure, "says of nobody who he is", |facts| {
            seen(facts).forwarded_for.clear();
            seen(facts).client = seen(facts).peer;
        }),
        ("probe_client", Warning, "nobody on the way wrote down", |facts| {
            seen(facts).forwarded_for.pop();
        }),
        ("probe_forgery", Failure, "the server believes it", |facts| {
            seen(facts).client = Some([192, 0, 2, 66].into());
        }),
        ("probe_host", Warning, "Host: inner:8000", |facts| {
            seen(facts).host = Some("inner:8000".to_owned());
        }),
        ("probe_host", Warning, "X-Forwarded-Proto: http", |facts| {
            seen(facts).forwarded_proto = Some("http".to_owned());
        }),
    ]
};

#[test]
fn each_way_to_break_an_installation_is_found_by_name() {
    for (id, outcome, words, break_it) in BREAKS {
        let mut facts = sound();
        break_it(&mut facts);
        let found = of(&facts, id);
        let fits = |found: &&Finding| found.outcome == *outcome && found.finding.contains(words);
        let hit = found.iter().find(fits).unwrap_or_else(|| panic!("{id}, {words}: {found:?}"));
        let says = |text: &Option<String>| text.as_ref().is_some_and(|text| text.len() > 10);
        assert!(says(&hit.means) && says(&hit.mend), "{hit:?}");
    }
    for check in CHECKS {
        let tried = BREAKS.iter().any(|(id, ..)| *id == check.id);
        assert!(tried, "{} is never broken", check.id);
    }
}

#[test]
fn without_a_database_the_rest_is_still_looked_at() {
    let mut facts = sound();
    let skipped = || Unknown::Skipped("the database was not reached".to_owned());
    facts.database = Err(Unknown::Failed("connection refused".to_owned()));
    facts.tables = Err(skipped());
    facts.clock_difference = Err(skipped());
    (facts.keys, facts.log) = (Err(skipped()), Err(skipped()));
    (facts.work, facts.seeded) = (Err(skipped()), Err(skipped()));
    facts.deliveries = Err(skipped());
    facts.probed = Err(skipped());
    let report = Report::of(&facts);
    assert_eq!((report.failures, report.warnings), (1, 0));
    let skipped = report.checks.iter().filter(|line| line.finding.outcome == Outcome::Skipped);
    assert_eq!(skipped.count(), 17, "{report:?}");
}

#[test]
fn what_is_legitimate_is_not_told_as_wrong() {
    let mut facts = sound();
    // A rotation on its way.
    let waiting = Key { active_at: Some(at(600)), ..key("next", State::Pending) };
    let old = Key { gone_at: Some(at(60)), ..key("old", State::Retiring) };
    keys(&mut facts).all.extend([waiting, old, key("dead", State::Gone)]);
    // SQLite without a master key.
    facts.database = Ok(Engine::Sqlite);
    facts.config.keys.master_key_file = None;
    facts.config.database.url = None;
    keys(&mut facts).all[0].sealed = false;
    keys(&mut facts).server_secret_sealed = Some(false);
    facts.clock_difference = Ok(None);
    // An event that is on its way, and one that is tried again.
    *deliveries(&mut facts) = refused(1);
    // Pages of the server's own origin.
    facts.page = Ok(("https://auth.example.com".parse().expect("a URL"), None));
    facts.config.http.cors_origins.clear();
    let report = Report::of(&facts);
    assert_eq!((report.failures, report.warnings), (0, 0), "{report:?}");
    let told = |id: &str| of(&facts, id)[0].finding.clone();
    assert_eq!(told("pending_keys"), "key next (ES256) signs in 10 min");
    assert_eq!(told("rotation"), "key one (ES256) is replaced in 29 d");
}

#[test]
fn an_outcome_is_told_by_sign_and_word_and_a_finding_cannot_act_on_the_terminal() {
    let mut facts = sound();
    facts.config.limits.enabled = false;
    facts.mail_server = Err(Unknown::Failed("\u{1b}[2J\nno".to_owned()));
    facts.probed = Err(Unknown::Skipped("ask for it with --probe".to_owned()));
    let report = Report::of(&facts);
    let shown = anstream::adapter::strip_str(&shown::text(&report.checks)).to_string();
    for line in [
        "settings\n  ✓ ok       settings         all settings are understood",
        "  ! warning  limits           limits.enabled is false",
        "             means            passwords can be guessed as fast as the machine checks them",
        "             mend             set it to true, which is the default",
        "  ✗ failure  mail_server      \\u001b[2J no",
        "  - skipped  probe            ask for it with --probe",
    ] {
        assert!(shown.contains(line), "{line}\n{shown}");
    }
    assert_eq!(shown::summary(&report), "one failure, one warning");
}
