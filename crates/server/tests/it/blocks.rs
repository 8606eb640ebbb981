//! Every block of the documentation, and what holds it to the program.
//!
//! What is typed and answered is run by `guides.rs`, and for the README by `docs.rs`. Here stands that no block is left
//! over: each is run, compared, or says above itself why it is not.

use std::{collections::BTreeSet, fs};

use clap::{CommandFactory, error::ErrorKind};
use countersign_server::cli::Cli;
use reqwest::Method;
use serde_json::{Map, Value, json};
use tempfile::tempdir;

use crate::{
    docs::{Block, fenced, files, prose, root, section, text},
    openapi::{document, misfit, operations, resolved},
    process::{Server, answer, countersign},
};

/// What a comment above a block says, as its first words and the rest.
fn mark(above: &str) -> Option<(&str, &str)> {
    let inside = above.trim().strip_prefix("<!-- ")?.strip_suffix(" -->")?;
    let words =
        ["run by ", "answer to ", "tested by ", "not run: ", "run", "answer", "banner"].into_iter();
    words.filter_map(|word| Some((word, inside.strip_prefix(word)?))).next()
}

/// The texts in which a test or a script of this name may stand, without the documents.
fn programs() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for path in files("") {
        let is_one =
            path.starts_with("scripts/") || path.contains("/tests/") || path.contains("/examples/");
        if is_one
            && !path.ends_with(".md")
            && !path.contains("/vectors/")
            && !path.contains("/corpus/")
        {
            found.extend(fs::read_to_string(root().join(&path)).ok().map(|text| (path, text)));
        }
    }
    for path in files(".rs").into_iter().filter(|path| path.contains("/src/")) {
        found.push((path.clone(), text(&path)));
    }
    found
}

/// What is wrong with a block of a document: that nothing holds it, or not what it names.
fn wrong(name: &str, block: &Block, programs: &[(String, String)]) -> Option<String> {
    let file = name.rsplit('/').next().unwrap_or_default();
    match (mark(&block.above), block.language.as_str()) {
        (Some(("run", "")), "sh") | (Some(("answer", "")), _) => None,
        (Some(("banner", "")), "text") if name == "README.md" => None,
        // A script that runs a document has to read it, so it names it.
        (Some(("run by " | "answer to ", script)), _) => {
            let part = format!("{script}.d/");
            let reads = |(path, text): &(String, String)| {
                (path == script || path.starts_with(&part) || path.contains("/tests/browser/"))
                    && text.contains(file)
            };
            let is_one = root().join(script).is_file();
            (!is_one || !programs.iter().any(reads)).then(|| format!("{script} does not read it"))
        }
        (Some(("tested by ", test)), _) => {
            let function = format!("fn {test}(");
            let found = |(path, text): &(String, String)| match test.contains('.') {
                true => path.ends_with(&format!("/{test}")),
                false => text.contains(&function),
            };
            (!programs.iter().any(found)).then(|| format!("there is no test {test}"))
        }
        (Some(("not run: ", reason)), _) => {
            (reason.split(' ').count() < 4).then(|| "the reason is no reason".to_owned())
        }
        // A picture; what `guides.rs` types; what it loads, or is compared below.
        (None, "mermaid" | "console" | "toml") => None,
        // Compared below.
        (None, "json") if name == HTTP => None,
        (mark, language) => Some(format!("nothing holds it: {mark:?}, {language:?}")),
    }
}

#[test]
fn every_block_of_the_documentation_is_run_or_says_why_not() {
    let programs = programs();
    let mut faults = Vec::new();
    let mut blocks = 0;
    for name in files(".md") {
        for block in fenced(&text(&name)) {
            blocks += 1;
            if let Some(why) = wrong(&name, &block, &programs) {
                let first = block.text.lines().next().unwrap_or_default();
                faults.push(format!("{name}: {why}: {first}"));
            }
        }
    }
    assert!(blocks > 150, "{blocks} are found");
    assert!(faults.is_empty(), "{} blocks:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn every_comment_about_a_block_has_its_block() {
    for name in files(".md") {
        let text = text(&name);
        let all = fenced(&text);
        let above = all.iter().filter(|block| mark(&block.above).is_some()).count();
        let comments = prose(&text).lines().filter(|line| mark(line).is_some()).count();
        assert_eq!(above, comments, "{name}: a comment stands above something else");
    }
}

/// The words of the first command of a line, as a shell takes them apart; enough of one for what stands in documents.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for letter in line.chars() {
        match (quote, letter) {
            (Some(open), _) if open == letter => quote = None,
            (Some(_), _) => word.get_or_insert_default().push(letter),
            (None, '\'' | '"') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            (None, '|' | ';' | '&' | ')' | '>' | '<' | '#') => {
                // The number in front of `2>` is none of the words.
                word = word.filter(|word| letter != '>' || word != "2");
                break;
            }
            (None, _) => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

/// The calls of the program in a text, each as its words.
fn calls(text: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let joined = text.replace("\\\n", " ");
    for line in joined.lines() {
        for (at, name) in line.match_indices("countersign ") {
            let before = &line[..at];
            let starts = before.is_empty()
                || before.ends_with([' ', '(', '`', '/', '{']) && !before.ends_with("-p ");
            let follows = line[at + name.len()..].starts_with(|c: char| c.is_ascii_lowercase());
            let is_call = before.trim_start().trim_start_matches("$ ").is_empty()
                || before.ends_with("target/release/")
                || before.ends_with("bin/")
                || before.trim_end().ends_with(['(', ';', '&', '|', '='])
                || before.ends_with("sudo ");
            if starts && follows && is_call {
                found.push(words(&line[at..]));
            }
        }
        if let Some((before, after)) = line.split_once(" -- ")
            && before.contains("cargo run")
            && !before.contains(" -p ")
        {
            found.push(words(&format!("countersign {after}")));
        }
    }
    found
}

/// What the program has against a call, if it does not know a command, a flag or a value.
fn refusal(call: &[String]) -> Option<String> {
    // What a document cuts short.
    let call = call.iter().filter(|word| !["…", "..."].contains(&word.as_str()));
    let error = Cli::command().try_get_matches_from(call).err()?;
    let unknown = [
        ErrorKind::InvalidSubcommand,
        ErrorKind::UnknownArgument,
        ErrorKind::InvalidValue,
        ErrorKind::ValueValidation,
        ErrorKind::TooManyValues,
        ErrorKind::ArgumentConflict,
    ];
    let text = error.to_string();
    // A flag may be named without its value.
    (unknown.contains(&error.kind()) && !text.contains("a value is required")).then_some(text)
}

#[test]
fn every_command_of_a_block_is_one_of_the_program() {
    let mut found = 0;
    for name in files(".md") {
        for block in fenced(&text(&name)) {
            if !["sh", "console", "bash"].contains(&block.language.as_str()) {
                continue;
            }
            for call in calls(&block.text) {
                found += 1;
                assert_eq!(refusal(&call), None, "{name}: {call:?}");
            }
        }
    }
    assert!(found > 40, "{found} are found");
}

#[test]
fn every_command_in_a_sentence_is_one_of_the_program() {
    let mut found = 0;
    for name in files(".md").into_iter().filter(|name| name != "CHANGELOG.md") {
        for span in prose(&text(&name)).split('`').skip(1).step_by(2) {
            // What is mixed into the name of a key.
            if span == "countersign kid v1" {
                continue;
            }
            for call in calls(&span.replace('\n', " ")).iter().filter(|call| call.len() > 1) {
                found += 1;
                assert_eq!(refusal(call), None, "{name}: {call:?}");
            }
        }
    }
    assert!(found > 60, "{found} are found");
}

#[test]
fn every_script_bench_and_example_of_a_block_is_there() {
    let paths = files("");
    let mut found = 0;
    for name in files(".md") {
        for block in fenced(&text(&name)).iter().filter(|block| block.language == "sh") {
            let words: Vec<&str> = block.text.split_whitespace().collect();
            for (word, next) in words.iter().zip(words.iter().skip(1).chain([&""])) {
                let is_there = match *word {
                    "--bench" | "--example" => {
                        let folder = if *word == "--bench" { "/benches/" } else { "/examples/" };
                        let file = format!("{folder}{next}");
                        paths.iter().any(|path| {
                            path.ends_with(&format!("{file}.rs"))
                                || path.ends_with(&format!("{file}/main.rs"))
                        })
                    }
                    word if word.starts_with("scripts/") => root().join(word).exists(),
                    _ => continue,
                };
                found += 1;
                assert!(is_there, "{name}: {word} {next}");
            }
        }
    }
    assert!(found > 10, "{found} are found");
}

const HTTP: &str = "docs/reference/http.md";

#[tokio::test]
async fn the_bodies_of_the_reference_are_those_of_the_openapi_document() {
    let folder = tempdir().expect("folder");
    let document = document(&Server::dev(folder.path(), &[])).await;
    let reference = text(HTTP);
    let json = |text: &str| {
        let blocks = fenced(text).into_iter().filter(|block| block.language == "json");
        blocks.map(|block| block.text).collect::<Vec<_>>()
    };
    let mut left: BTreeSet<String> = json(&reference).into_iter().collect();
    let all = left.len();
    for (method, path, operation) in operations(&document) {
        let body = operation["requestBody"]["content"].as_object();
        let answers = operation["responses"].as_object().expect("responses").values();
        let answers =
            answers.filter_map(|answer| resolved(&document, answer)["content"].as_object());
        let contents = body.into_iter().chain(answers).flat_map(Map::values);
        let schemas = contents.map(|content| resolved(&document, &content["schema"]));
        // Of a page of a list one item may be shown.
        let schemas: Vec<&Value> = schemas
            .flat_map(|schema| [schema, &schema["properties"]["items"]["items"]])
            .filter(|schema| schema.is_object())
            .collect();
        for block in json(section(&reference, &format!("### `{method} {path}`"))) {
            let value: Value = serde_json::from_str(&block).expect("JSON");
            let misfits: BTreeSet<String> =
                schemas.iter().filter_map(|schema| misfit(&document, schema, &value)).collect();
            let fits = schemas.iter().any(|schema| misfit(&document, schema, &value).is_none());
            assert!(fits, "{method} {path}: {block}: {misfits:#?}");
            left.remove(&block);
        }
    }
    // What stands above several routes is of one of them.
    for block in &left {
        let value: Value = serde_json::from_str(block).expect("JSON");
        let mut schemas = document["components"]["schemas"].as_object().expect("schemas").values();
        assert!(schemas.any(|schema| misfit(&document, schema, &value).is_none()), "{block}");
    }
    assert!(all > 25 && left.len() < 4, "{} of {all} stand elsewhere: {left:#?}", left.len());
}

/// The JSON blocks of a document.
fn shown(name: &str) -> Vec<Value> {
    let blocks = fenced(&text(name)).into_iter();
    blocks
        .filter(|block| block.language == "json")
        .map(|block| serde_json::from_str(&block.text).expect("JSON"))
        .collect()
}

/// The names of all members, also of those within, in their order.
fn members(value: &Value) -> Vec<String> {
    let Some(object) = value.as_object() else { return Vec::new() };
    let each = object.iter().flat_map(|(name, value)| {
        let within = members(value).into_iter().map(move |member| format!("{name}.{member}"));
        std::iter::once(name.clone()).chain(within.collect::<Vec<_>>())
    });
    each.collect()
}

#[tokio::test]
async fn what_the_concepts_and_the_reference_show_as_json_is_what_is_written() {
    let folder = tempdir().expect("folder");
    let server = Server::dev(folder.path(), &["--limits-enabled", "false"]);
    let accounts = fs::read_to_string(folder.path().join("dev-accounts.json")).expect("accounts");
    let accounts: Value = serde_json::from_str(&accounts).expect("JSON");
    let admin = json!({ "email": accounts[1]["email"], "password": accounts[1]["password"] });
    let wrong = json!({ "email": accounts[1]["email"], "password": "not the right one" });

    // A login, and what is in its token.
    let tokens = answer(server.request(Method::POST, "/login").json(&admin)).await.json();
    assert_eq!(members(&shown("docs/concepts/refresh.md")[0]), members(&tokens));
    let token = tokens["access_token"].as_str().expect("a token").to_owned();
    let name = answer(
        server.request(Method::PATCH, "/me").bearer_auth(&token).json(&json!({ "name": "Me" })),
    )
    .await;
    assert_eq!(name.status, 200, "{}", name.text);
    let tokens = answer(server.request(Method::POST, "/login").json(&admin)).await.json();
    let token = tokens["access_token"].as_str().expect("a token").to_owned();
    let decoded =
        countersign().args(["token", "decode", &token, "--json"]).output().expect("it runs");
    let decoded: Value = serde_json::from_slice(&decoded.stdout).expect("JSON");
    let concept = shown("docs/concepts/tokens-and-sessions.md");
    let sorted = |value: &Value| members(value).into_iter().collect::<BTreeSet<_>>();
    assert_eq!(sorted(&concept[0]), sorted(&decoded["header"]));
    assert_eq!(sorted(&concept[1]), sorted(&decoded["payload"]));

    // A refusal, and its event.
    let problem = server.get("/me", "no token").await.json();
    assert_eq!(members(&shown("docs/reference/errors.md")[0]), members(&problem));
    let refused = answer(server.request(Method::POST, "/login").json(&wrong)).await;
    assert_eq!(refused.status, 401, "{}", refused.text);
    let events = server.get("/admin/events?type=login.failed", &token).await.json();
    let event = &shown("docs/reference/events.md")[0];
    assert_eq!(sorted(event), sorted(&events["items"][0]), "{events}");
    // What a webhook sends is an event, without the number that it has in the chain.
    let sent = &shown("docs/guides/webhooks.md")[0];
    let names = |value: &Value| {
        let names = value.as_object().expect("an event").keys();
        names.filter(|name| *name != "number").cloned().collect::<BTreeSet<_>>()
    };
    assert_eq!(names(&sent["data"]), names(event));
    assert_eq!(sent["type"], sent["data"]["type"]);

    // What `doctor` tells programs.
    let doctor = countersign()
        .args(["doctor", "--json", "--limits-enabled", "false", "--data-dir"])
        .arg(folder.path())
        .output()
        .expect("it runs");
    let said: Value = serde_json::from_slice(&doctor.stdout).expect("JSON");
    let shown = &shown("docs/reference/doctor.md")[0];
    assert_eq!(members(shown), members(&said));
    let checks = said["checks"].as_array().expect("checks");
    let limits = checks.iter().find(|check| check["id"] == "limits").expect("the check");
    assert_eq!(limits, &shown["checks"][0]);
}

/// The manifests that a reader pastes name crates that are here, and versions that are built here.
#[test]
fn the_manifests_of_the_documentation_are_those_of_this_workspace() {
    let lock = text("Cargo.lock");
    let mut found = 0;
    for name in files(".md") {
        for block in
            fenced(&text(&name)).iter().filter(|block| block.text.contains("[dependencies]"))
        {
            let manifest: toml::Table = block.text.parse().expect("TOML");
            for (dependency, wanted) in manifest["dependencies"].as_table().expect("a table") {
                found += 1;
                if let Some(path) = wanted.get("path").and_then(toml::Value::as_str) {
                    let path = path.trim_start_matches("../countersign/");
                    let own = text(&format!("{path}/Cargo.toml"));
                    assert!(own.contains(&format!("name = \"{dependency}\"")), "{name}");
                    continue;
                }
                let version = wanted.get("version").unwrap_or(wanted).as_str().expect("a version");
                let locked = format!("name = \"{dependency}\"\nversion = \"{version}.");
                assert!(lock.contains(&locked), "{name}: {dependency} {version}");
            }
        }
    }
    assert!(found > 8, "{found} are found");
}

/// The fragment of docs/guides/move-a-database.md, in a function that it compiles in.
#[expect(dead_code, reason = "it is there to be compiled, not to be run")]
mod moving {
    use auth as countersign_auth;

    include!("docs/moving.rs");
}

#[test]
fn the_lines_of_the_guide_to_moving_are_those_that_are_compiled() {
    let guide = fenced(&text("docs/guides/move-a-database.md"));
    let shown = guide.iter().find(|block| block.language == "rust").expect("a block");
    let compiled = text("crates/server/tests/it/docs/moving.rs");
    let plain = |text: &str| {
        text.split_whitespace().collect::<String>().replace(",)", ")").replace(",}", "}")
    };
    let (_, inside) = compiled.split_once("// As in the guide:\n").expect("a beginning");
    let (inside, _) = inside.split_once("    // Until here.").expect("an end");
    assert_eq!(plain(&shown.text), plain(inside));
}
