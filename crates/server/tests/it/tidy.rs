//! The invariants of ARCHITECTURE.md that a program can check.

use std::{
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace")
}

/// All files below a folder with this ending, as pairs of their path from the root and their text.
fn files(folder: &str, ending: &str) -> Vec<(String, String)> {
    fn walk(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if path.is_dir() && !matches!(name, "target" | ".git" | "fuzz") {
                walk(&path, ending, found);
            } else if name.ends_with(ending) {
                found.push(path);
            }
        }
    }
    let root = root();
    let mut found = Vec::new();
    walk(&root.join(folder), ending, &mut found);
    found.sort();
    assert!(!found.is_empty(), "nothing in {folder}");
    found
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).expect("text");
            let name = path.strip_prefix(&root).expect("below the root").display().to_string();
            (name, text)
        })
        .collect()
}

fn sources() -> Vec<(String, String)> {
    ["crates", "examples"].iter().flat_map(|folder| files(folder, ".rs")).collect()
}

/// The source without its tests and without its comments.
fn code(text: &str) -> String {
    let text = text.split("\n#[cfg(test)]").next().unwrap_or_default();
    let line = |line: &&str| !line.trim_start().starts_with("//");
    text.lines().filter(line).collect::<Vec<_>>().join("\n")
}

fn is_test(path: &str) -> bool {
    ["/tests/", "/testing/", "/benches/"].iter().any(|part| path.contains(part))
        || path.ends_with("tests.rs")
}

#[test]
fn no_file_has_more_than_800_lines() {
    for (path, text) in sources() {
        assert!(text.lines().count() <= 800, "{path} has {} lines", text.lines().count());
    }
}

#[test]
fn sql_appears_only_where_storage_is() {
    let verbs = ["SELECT ", "INSERT INTO ", "UPDATE ", "DELETE FROM ", "CREATE TABLE "];
    for (path, text) in sources() {
        let storage = path.ends_with("/storage.rs") || path.contains("/storage/");
        if storage || path.starts_with("examples/") || is_test(&path) {
            continue;
        }
        for verb in verbs {
            let literal = format!("\"{verb}");
            assert!(!code(&text).contains(&literal), "{path} has SQL: {verb}");
        }
    }
}

/// Steps that write and leave no event, because nobody does anything by them.
const UNRECORDED: [(&str, &str); 30] = [
    ("limits_succeed", "a part of a login, which is recorded"),
    ("limits_clear", "the same"),
    ("password_rehash", "the password stays what it is"),
    ("touch", "the last use of a session"),
    ("confirmation_link", "the letter of an act that is recorded"),
    ("reset_link", "the same"),
    ("change_link", "the same"),
    ("errand_take", "a letter on its way"),
    ("errand_settle", "the same"),
    ("errand_done", "the same"),
    ("delivery_take", "an event on its way"),
    ("delivery_put_off", "the same"),
    ("delivery_done", "the same"),
    ("deliveries_purge", "the same"),
    ("lease_take", "periodic work"),
    ("keys_outlive", "how long the tokens of an instance live"),
    ("server_secret_open", "the first start of an installation"),
    ("events_seal", "the log itself"),
    ("erase", "the log itself, after a deletion that is recorded"),
    ("purge", "what has run out"),
    ("purge_known", "the same"),
    ("links_purge", "the same"),
    ("email_changes_purge", "the same"),
    ("registrations_purge", "the same"),
    ("admin_links_purge", "the same"),
    ("revocations_purge", "the same"),
    ("errands_purge", "the same"),
    ("search_fill", "the form of an account that is searched"),
    ("emails_known", "reads"),
    ("held", "reads"),
];

#[test]
fn every_step_that_writes_records_what_it_does() {
    let mut found = Vec::new();
    for (path, text) in files("crates/auth/src", "storage.rs") {
        if path.contains("/src/storage/") || is_test(&path) {
            continue;
        }
        for function in code(&text).split("fn ").skip(1) {
            let name = function.split(['(', '<']).next().unwrap_or_default().to_owned();
            // What takes a transaction is part of a step that has one.
            let (signature, _) = function.split_once('{').unwrap_or((function, ""));
            if signature.contains("&mut Tx") || name == "act" {
                continue;
            }
            let verbs = ["\"INSERT INTO ", "\"UPDATE ", "\"DELETE FROM ", ".transaction("];
            let writes = verbs.iter().any(|verb| function.contains(verb));
            if writes && !function.contains("act(") {
                found.push((name, path.clone()));
            }
        }
    }
    for (name, path) in &found {
        let is_known = UNRECORDED.iter().any(|(own, _)| own == name);
        assert!(is_known, "{path}: {name} writes, and neither records an event nor stands above");
    }
    for (name, _) in UNRECORDED {
        assert!(found.iter().any(|(own, _)| own == name), "{name} does not write, or records");
    }
}

#[test]
fn axum_appears_only_at_the_edges() {
    for (path, text) in files("crates/auth/src", ".rs") {
        let edge = path.ends_with("/http.rs")
            || path.contains("/http/")
            || path.ends_with("/src/auth.rs")
            || path.contains("/testing/");
        assert!(edge || !code(&text).contains("axum"), "{path} knows axum");
    }
    for (path, text) in files("crates/jwt/src", ".rs") {
        assert!(!code(&text).contains("axum"), "{path} knows axum");
    }
}

#[test]
fn two_database_drivers_are_known_behind_the_door_alone() {
    for (path, text) in sources() {
        let code = code(&text);
        let knows = code.contains("rusqlite") || code.contains("tokio_postgres");
        assert!(!knows || path.starts_with("crates/auth/src/storage/") || is_test(&path), "{path}");
    }
}

#[test]
fn jwt_depends_on_no_runtime_http_or_database() {
    let manifest = fs::read_to_string(root().join("crates/jwt/Cargo.toml")).expect("a manifest");
    let dependencies = manifest.split("[dependencies]").nth(1).expect("dependencies");
    let dependencies = dependencies.split("\n[").next().expect("a section");
    for foreign in ["tokio", "axum", "hyper", "http", "rusqlite", "postgres", "futures", "tracing"]
    {
        assert!(!dependencies.contains(foreign), "jwt depends on {foreign}");
    }
    for (path, text) in files("crates/jwt/src", ".rs") {
        let code = code(&text);
        for foreign in
            ["async fn", "std::net", "std::fs", "std::env", "thread_local!", "static mut"]
        {
            assert!(!code.contains(foreign), "{path} has {foreign}");
        }
    }
}

#[test]
fn time_and_randomness_have_one_source_each() {
    let clippy = fs::read_to_string(root().join("clippy.toml")).expect("clippy.toml");
    let forbidden = [
        ("std::time::SystemTime::now", "SystemTime::now()", "crates/jwt/src/clock.rs"),
        ("getrandom::fill", "getrandom::fill(", "crates/auth/src/secret.rs"),
        ("uuid::Uuid::now_v7", "Uuid::now_v7(", ""),
        ("uuid::Uuid::new_v4", "Uuid::new_v4(", ""),
    ];
    for (lint, call, source) in forbidden {
        assert!(clippy.contains(lint), "clippy.toml does not forbid {lint}");
        for (path, text) in sources() {
            let own_keys = call.starts_with("getrandom") && path == "crates/jwt/src/crypto/mod.rs";
            if path != source && !own_keys && !is_test(&path) {
                assert!(!code(&text).contains(call), "{path} calls {call}");
            }
        }
    }
}

#[test]
fn secret_types_show_nothing() {
    let secrets = [
        "OpaqueSecret",
        "SecretHash",
        "WebhookSecret",
        "Signer",
        "Secret",
        "Password",
        "MasterKey",
        "SigningKey",
        "Material",
        "Exported",
    ];
    for (path, text) in sources() {
        let code = code(&text);
        for secret in secrets {
            for shown in ["Display", "Serialize", "ToString", "LowerHex"] {
                let revealing = format!("{shown} for {secret} ");
                assert!(!code.contains(&revealing), "{path}: {revealing}");
            }
            let Some((before, _)) = code.split_once(&format!("pub struct {secret}")) else {
                continue;
            };
            let derive = before.rsplit("#[derive(").next().unwrap_or_default();
            let derive = derive.split(")]").next().unwrap_or_default();
            let own = before.rfind("#[derive(").is_some_and(|start| !before[start..].contains('}'));
            for revealing in ["Debug", "Serialize", "Display"] {
                assert!(
                    !own || !derive.contains(revealing),
                    "{path}: {secret} derives {revealing}"
                );
            }
        }
    }
}

#[test]
fn unsafe_code_is_forbidden_in_every_crate() {
    let workspace = fs::read_to_string(root().join("Cargo.toml")).expect("a manifest");
    assert!(workspace.contains("unsafe_code = \"forbid\""));
    for (path, manifest) in
        files("crates", "Cargo.toml").into_iter().chain(files("examples", "Cargo.toml"))
    {
        assert!(manifest.contains("[lints]\nworkspace = true"), "{path} has lints of its own");
    }
}

#[test]
fn both_engines_have_the_same_migrations_tables_and_columns() {
    for folder in ["crates/auth/migrations", "examples/posts/migrations"] {
        let side = |engine: &str| {
            let folder = format!("{folder}/{engine}");
            let named = files(&folder, ".sql").into_iter();
            named
                .map(|(path, text)| (path.replace(&folder, ""), shape(&text)))
                .collect::<Vec<(String, Vec<String>)>>()
        };
        assert_eq!(side("sqlite"), side("postgres"));
    }
}

#[test]
fn every_migration_is_in_the_list_of_its_owner() {
    for (folder, owner) in [
        ("crates/auth/migrations", "crates/auth/src/auth.rs"),
        ("examples/posts/migrations", "examples/posts/src/storage.rs"),
    ] {
        let list = fs::read_to_string(root().join(owner)).expect("a source");
        for (path, _) in files(folder, ".sql") {
            let (_, file) = path.split_once("/migrations/").expect("below the folder");
            assert!(list.contains(&format!("migrations/{file}\")")), "{owner} lacks {file}");
        }
    }
}

/// Tables, columns, constraints and indexes of a migration, without what the engines call their types.
fn shape(sql: &str) -> Vec<String> {
    sql.lines()
        .map(|line| {
            // How each engine numbers rows by itself, and where SQLite keeps them.
            line.replace("STRICT, WITHOUT ROWID", "STRICT")
                .replace("GENERATED ALWAYS AS IDENTITY PRIMARY KEY", "PRIMARY KEY AUTOINCREMENT")
                .split_whitespace()
                .map(|word| word.trim_end_matches([',', ';']))
                .filter(|word| {
                    !matches!(
                        *word,
                        "BLOB" | "BYTEA" | "UUID" | "INTEGER" | "BIGINT" | "BOOLEAN" | "STRICT"
                    )
                })
                .collect::<Vec<_>>()
                .join(" ")
        })
        .filter(|line| !line.is_empty())
        .collect()
}
