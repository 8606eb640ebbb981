//! What is shipped around the program, held against the program: unit, package, image, and the promises of a version.

use std::{fs, path::Path, process::Command};

use clap::Parser;
use countersign_server::cli::Cli;
use tempfile::tempdir;
use toml::Value;

use crate::docs::{files, root, text};

const UNIT: &str = "packaging/systemd/countersign.service";
const DOCKERFILE: &str = "packaging/docker/Dockerfile";

/// The values that a unit has for a setting.
fn values(unit: &str, name: &str) -> Vec<String> {
    let own = |line: &str| Some(line.strip_prefix(name)?.strip_prefix('=')?.to_owned());
    unit.lines().filter_map(own).collect()
}

/// The words of a list as a Dockerfile has it: `["countersign", "serve"]`.
fn words(list: &str) -> Vec<String> {
    serde_json::from_str(list.trim()).expect(list)
}

/// The arguments are those of a command that there is.
fn is_understood(command: &[String]) {
    assert_eq!(command[0], "/usr/bin/countersign");
    if let Err(error) = Cli::try_parse_from(command) {
        panic!("{command:?}: {error}");
    }
}

#[test]
fn the_unit_starts_a_command_that_there_is_and_waits_until_it_has_stopped() {
    let unit = text(UNIT);
    let start = values(&unit, "ExecStart");
    is_understood(&start[0].split(' ').map(str::to_owned).collect::<Vec<_>>());
    // The folders that it names are those that the other files make.
    let tmpfiles = text("packaging/systemd/countersign.tmpfiles");
    for folder in ["/var/lib/countersign", "/etc/countersign/countersign.toml"] {
        assert!(start[0].contains(folder) && tmpfiles.contains(folder), "{folder}");
    }
    assert_eq!(values(&unit, "StateDirectory"), ["countersign"]);
    let user = &values(&unit, "User")[0];
    assert!(text("packaging/systemd/countersign.sysusers").contains(&format!("u     {user} ")));
    let wait = values(&unit, "TimeoutStopSec")[0].trim_end_matches('s').parse::<u64>();
    assert!(wait.expect("seconds") > 20, "requests in flight have 20 seconds");
}

/// Runs `systemd-analyze` where there is one, and returns what it said when it was not content.
fn systemd_analyze(folder: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("systemd-analyze").current_dir(folder).args(arguments).output();
    let Ok(output) = output else {
        eprintln!("skipped: it takes systemd-analyze");
        return None;
    };
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).expect("text"));
    (!output.status.success()).then(|| said.concat())
}

#[test]
fn systemd_finds_nothing_wrong_with_the_unit_and_its_drop_ins() {
    // The program that is installed is another one, or none: this one stands for it.
    let program = env!("CARGO_BIN_EXE_countersign");
    let unit = text(UNIT).replace("/usr/bin/countersign", program);
    for (drop_in, exposure) in [("", "15"), ("credentials.conf", "15"), ("low-port.conf", "20")] {
        let folder = tempdir().expect("folder");
        fs::write(folder.path().join("countersign.service"), &unit).expect("written");
        if !drop_in.is_empty() {
            let beside = folder.path().join("countersign.service.d");
            fs::create_dir(&beside).expect("made");
            let drop_in = root().join("packaging/systemd").join(drop_in);
            fs::copy(&drop_in, beside.join("here.conf")).expect("copied");
        }
        let verify = ["verify", "--man=no", "./countersign.service"];
        assert_eq!(systemd_analyze(folder.path(), &verify), None, "{drop_in}");
        // Exposure in tenths: 15 of 100.
        let threshold = format!("--threshold={exposure}");
        let security = ["security", "--offline=true", &threshold, "./countersign.service"];
        assert_eq!(systemd_analyze(folder.path(), &security), None, "{drop_in}");
    }
}

#[test]
fn the_image_is_made_of_what_is_there_and_runs_commands_that_there_are() {
    let dockerfile = text(DOCKERFILE).replace("\\\n", " ");
    let mut entrypoint = Vec::new();
    let mut ran = 0;
    for line in dockerfile.lines() {
        let (instruction, rest) = line.trim().split_once(' ').unwrap_or((line, ""));
        match instruction {
            "COPY" if !rest.starts_with("--from") => {
                let paths: Vec<&str> = rest.split(' ').collect();
                for source in &paths[..paths.len() - 1] {
                    assert!(root().join(source).exists(), "{source}");
                    assert!(*source == "." || is_in_the_context(source), "{source} is left out");
                }
            }
            "RUN" if rest.starts_with("scripts/") => {
                let script = rest.split(' ').next().expect("a script");
                assert!(root().join(script).exists() && is_in_the_context("scripts"), "{script}");
                ran += 1;
            }
            "ENTRYPOINT" => entrypoint = words(rest),
            "CMD" => is_understood(&[entrypoint.clone(), words(rest)].concat()),
            "HEALTHCHECK" => {
                let (_, command) = rest.split_once("CMD ").expect("a command");
                is_understood(&words(command));
                ran += 1;
            }
            "USER" => assert!(rest.split(':').all(|id| id.parse::<u32>().is_ok_and(|id| id > 0))),
            _ => {}
        }
    }
    assert!(ran == 2 && !entrypoint.is_empty(), "the file is read wrongly");
    for member in ["crates/jwt", "crates/guard", "crates/auth", "crates/server", "examples/posts"] {
        assert!(is_in_the_context(member), "{member}");
    }
}

#[test]
fn what_the_program_is_compiled_from_is_part_of_the_image_s_context() {
    let mut found = 0;
    for path in files(".rs").iter().filter(|path| path.contains("/src/")) {
        let source = text(path);
        for call in source.split("include_str!(\"").skip(1) {
            let included = call.split('"').next().expect("a path");
            let from = Path::new(path).parent().expect("a folder").join(included);
            let from = root().join(from).canonicalize().expect("a file");
            let from = from.strip_prefix(root()).expect("below").display().to_string();
            assert!(is_in_the_context(&from), "{path}: {from}");
            found += 1;
        }
    }
    assert!(found > 10, "{found} are found");
}

/// Whether `.dockerignore` lets a path through.
fn is_in_the_context(path: &str) -> bool {
    let ignored = text(".dockerignore");
    let mut kept = ignored.lines().filter_map(|line| line.strip_prefix('!'));
    kept.any(|kept| path == kept || path.starts_with(&format!("{kept}/")))
}

#[test]
fn the_compose_file_holds_no_password_and_its_secrets_are_never_committed() {
    let compose = text("packaging/docker/compose.yaml");
    for line in compose.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        let line = line.to_ascii_lowercase();
        assert!(!line.contains("postgres://"), "{line}");
        let Some((name, value)) = line.split_once(": ") else { continue };
        let is_file = name == "postgres_password_file" && value.starts_with("/run/secrets/");
        assert!(is_file || !name.contains("password"), "{line}");
    }
    let secrets = compose.lines().filter_map(|line| line.trim().strip_prefix("file: "));
    assert_eq!(secrets.filter(|file| file.starts_with("./secrets/")).count(), 3);
    assert!(text(".gitignore").contains("/packaging/docker/secrets"));
}

#[test]
fn the_debian_package_is_made_of_what_is_there() {
    let manifest: Value = toml::from_str(&text("crates/server/Cargo.toml")).expect("TOML");
    let deb = &manifest["package"]["metadata"]["deb"];
    let mut found = 0;
    for asset in deb["assets"].as_array().expect("a list") {
        let source = asset[0].as_str().expect("a path");
        // What scripts/package makes is there when it has run.
        let Some(source) = source.strip_prefix("../../") else {
            assert!(source.starts_with("target/release/"), "{source}");
            continue;
        };
        let source = source.split('*').next().expect("a folder");
        assert!(root().join(source).exists(), "{source}");
        found += 1;
    }
    assert!(found > 5, "{found} are found");
    for folder in [&deb["maintainer-scripts"], &deb["systemd-units"]["unit-scripts"]] {
        let folder = folder.as_str().expect("a folder").trim_start_matches("../../");
        assert!(root().join(folder).is_dir(), "{folder}");
    }
    // dpkg asks before it overwrites what an operator has changed.
    let configuration = "/etc/countersign/countersign.toml";
    assert_eq!(deb["conf-files"][0].as_str(), Some(configuration));
}

#[test]
fn the_changelog_has_this_version_or_what_is_yet_to_be_released() {
    let changelog = text("CHANGELOG.md");
    let headings: Vec<&str> =
        changelog.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let released = format!("[{}] - ", env!("CARGO_PKG_VERSION"));
    assert_eq!(headings.first(), Some(&"[Unreleased]"), "what is new has its place on top");
    let (_, newer) = changelog.split_once("## [Unreleased]\n").expect("the heading");
    let newer = newer.split("\n## ").next().expect("a section");
    let has_news = newer.lines().any(|line| line.starts_with("- "));
    assert!(has_news || headings.iter().any(|heading| heading.starts_with(&released)));
    for heading in &headings[1..] {
        let (version, day) = heading.split_once("] - ").expect(heading);
        let numbers: Vec<&str> = version.trim_start_matches('[').split('.').collect();
        assert!(numbers.len() == 3 && numbers.iter().all(|part| part.parse::<u32>().is_ok()));
        assert!(day.len() == 10 && day.chars().all(|c| c.is_ascii_digit() || c == '-'), "{day}");
    }
    let kinds = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"];
    for kind in changelog.lines().filter_map(|line| line.strip_prefix("### ")) {
        assert!(kinds.contains(&kind), "{kind}");
    }
}

#[test]
fn the_least_version_of_rust_is_the_one_that_is_told() {
    let manifest: Value = toml::from_str(&text("Cargo.toml")).expect("TOML");
    let least = manifest["workspace"]["package"]["rust-version"].as_str().expect("a version");
    assert!(text("docs/reference/versions.md").contains(&format!("Rust {least}")));
    let image = format!("ARG RUST={least}.");
    assert!(text(DOCKERFILE).contains(&image), "the image is built with another one");
}
