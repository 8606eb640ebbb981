//! The documentation, held against the code: what it lists, where it links, and what it lets a reader paste.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use auth::audit::Kind;
use clap::{Arg, CommandFactory};
use countersign_server::{
    cli::{Cli, doctor::CHECKS},
    metrics::METRICS,
    settings::{Setting, load},
};
use reqwest::StatusCode;
use serde_json::Value;
use tempfile::tempdir;

use crate::process::{Server, countersign};

/// The README's program: compiled here, so that it goes on to compile for who copies it.
#[expect(dead_code, reason = "it is there to be compiled, not to be run")]
mod embedded {
    use auth as countersign_auth;
    use guard as countersign_guard;

    include!("docs/embedded.rs");
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace")
}

pub(crate) fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// All files of the project with this ending, as paths from the root.
pub(crate) fn files(ending: &str) -> Vec<String> {
    fn walk(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let left_out = ["target", ".git", "node_modules", "countersign-data"].contains(&name);
            if path.is_dir() && !left_out {
                walk(&path, ending, found);
            } else if name.ends_with(ending) {
                found.push(path);
            }
        }
    }
    let root = root();
    let mut found = Vec::new();
    walk(&root, ending, &mut found);
    found.sort();
    let below = |path: &PathBuf| path.strip_prefix(&root).expect("below").display().to_string();
    found.iter().map(below).collect()
}

/// The sources of all crates, as pairs of a path and a text without tests and comments.
fn sources() -> Vec<(String, String)> {
    // What others' programs do stands in no reference of ours.
    let own = |path: &String| {
        path.contains("/src/") && !path.ends_with("tests.rs") && !path.starts_with("benches/")
    };
    files(".rs")
        .into_iter()
        .filter(own)
        .map(|path| {
            let whole = text(&path);
            let code = whole.split("\n#[cfg(test)]\nmod tests").next().unwrap_or_default();
            let line = |line: &&str| !line.trim_start().starts_with("//");
            let code = code.lines().filter(line).collect::<Vec<_>>().join("\n");
            (path, code)
        })
        .collect()
}

/// The rows of all tables whose first column has this title.
fn rows(text: &str, title: &str) -> Vec<Vec<String>> {
    let mut inside = false;
    let mut rows = Vec::new();
    for line in text.lines() {
        let Some(row) = line.strip_prefix("| ").and_then(|row| row.strip_suffix(" |")) else {
            inside &= line.starts_with("|-");
            continue;
        };
        let cells: Vec<String> = row.split(" | ").map(|cell| cell.trim().to_owned()).collect();
        if cells.first().is_some_and(|cell| cell == title) {
            inside = true;
        } else if inside {
            rows.push(cells);
        }
    }
    assert!(!rows.is_empty(), "no table of {title}");
    rows
}

/// The part of a text below a heading, up to the next one of its level or above.
pub(crate) fn section<'t>(text: &'t str, heading: &str) -> &'t str {
    let level = heading.split(' ').next().unwrap_or_default();
    let (_, below) = text.split_once(&format!("\n{heading}\n")).expect(heading);
    let ends =
        (1..=level.len()).filter_map(|level| below.find(&format!("\n{} ", "#".repeat(level))));
    &below[..ends.min().unwrap_or(below.len())]
}

/// A fenced block of a text.
pub(crate) struct Block {
    /// What stands above it: a comment that marks it, or nothing.
    pub(crate) above: String,
    pub(crate) language: String,
    pub(crate) text: String,
}

pub(crate) fn fenced(text: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let (mut above, mut lines) = ("", text.lines());
    while let Some(line) = lines.next() {
        let indent = line.len() - line.trim_start().len();
        if let Some(language) = line.trim_start().strip_prefix("```") {
            let block = lines.by_ref().take_while(|line| line.trim_start() != "```");
            let block: Vec<&str> = block.map(|line| line.get(indent..).unwrap_or("")).collect();
            let (above, language) = (above.trim_start().to_owned(), language.to_owned());
            found.push(Block { above, language, text: block.join("\n") });
        }
        above = line;
    }
    found
}

/// The blocks of one language, or all, as pairs of what stands above and the text.
fn blocks(text: &str, language: &str) -> Vec<(String, String)> {
    let all = fenced(text).into_iter();
    let these = all.filter(|block| language.is_empty() || block.language == language);
    these.map(|block| (block.above, block.text)).collect()
}

/// A Markdown text without its fenced blocks.
pub(crate) fn prose(text: &str) -> String {
    let mut inside = false;
    let outside = text.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        inside ^= fence;
        !inside && !fence
    });
    outside.map(|line| format!("{line}\n")).collect()
}

/// What stands between backticks in a text, outside of fenced blocks.
pub(crate) fn spans(text: &str) -> BTreeSet<String> {
    prose(text).split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn code(text: impl AsRef<str>) -> String {
    format!("`{}`", text.as_ref())
}

#[test]
fn every_setting_stands_in_the_reference_with_its_variable_flag_and_default() {
    let command = Cli::command();
    let serve = command.find_subcommand("serve").expect("the command");
    let settings: Vec<Vec<String>> = Setting::all()
        .map(|setting| {
            let long = setting.flag();
            let flag = serve.get_arguments().find(|flag| flag.get_long() == Some(&long));
            assert_eq!(flag.is_none(), setting.is_secret(), "{long}");
            let flags = flag.map_or("none".to_owned(), |flag| {
                let aliases = flag.get_visible_aliases().unwrap_or_default();
                let flags = std::iter::once(long.as_str()).chain(aliases);
                flags.map(|flag| code(format!("--{flag}"))).collect::<Vec<_>>().join(", ")
            });
            let default = setting.default().map_or_else(|| "none".to_owned(), code);
            vec![code(setting.key()), code(setting.variable()), flags, default]
        })
        .collect();
    let written = rows(&text("docs/reference/config.md"), "setting");
    assert!(written.iter().all(|row| row.len() == 5 && !row[4].is_empty()), "a cell is missing");
    let written: Vec<Vec<String>> = written.into_iter().map(|row| row[..4].to_vec()).collect();
    assert_eq!(written, settings);
}

#[test]
fn the_example_file_is_the_one_that_the_command_prints() {
    let output = countersign().args(["config", "example"]).output().expect("it runs");
    assert_eq!(
        text("countersign.example.toml"),
        String::from_utf8(output.stdout).expect("text"),
        "run: countersign config example > countersign.example.toml"
    );
}

#[test]
fn the_example_file_shows_every_setting_with_its_default() {
    let example = text("countersign.example.toml");
    let (mut section, mut shown) = (String::new(), Vec::new());
    for line in example.lines() {
        let letter = |c: char| c.is_ascii_lowercase();
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = name.to_owned();
        } else if let Some(line) = line.strip_prefix('#').filter(|line| line.starts_with(letter)) {
            let (name, value) = line.split_once(" =").expect("a setting");
            shown.push((format!("{section}.{name}"), value.trim().to_owned()));
        }
    }
    let all = Setting::all().map(|setting| (setting.key(), setting.default().unwrap_or_default()));
    assert_eq!(shown, all.collect::<Vec<_>>());
    // As it is, it changes nothing; with every default spelled out, it still loads.
    let folder = tempdir().expect("folder");
    let path = folder.path().join("countersign.toml");
    let spelled = example.lines().map(|line| {
        let set = line.starts_with('#') && line.contains(" = ") && !line.starts_with("# ");
        line.strip_prefix('#').filter(|_| set).unwrap_or(line)
    });
    for file in [example.clone(), spelled.collect::<Vec<_>>().join("\n")] {
        fs::write(&path, file).expect("written");
        load(Some(&path), std::iter::empty(), &[]).expect("settings");
    }
}

/// All commands that have none below them, with their full names.
pub(crate) fn leaves(command: &clap::Command) -> Vec<(String, &clap::Command)> {
    let name = command.get_name().to_owned();
    if !command.has_subcommands() {
        return vec![(name, command)];
    }
    let below = command.get_subcommands().filter(|command| command.get_name() != "help");
    below.flat_map(leaves).map(|(below, command)| (format!("{name} {below}"), command)).collect()
}

#[test]
fn every_command_and_flag_stands_in_the_reference() {
    let reference = text("docs/reference/cli.md");
    let command = Cli::command();
    let own = |flag: &&Arg| {
        flag.get_help_heading().is_none() && flag.get_id() != "help" && !flag.is_positional()
    };
    let mut commands = BTreeSet::new();
    for (name, command) in leaves(&command) {
        let section = section(&reference, &format!("## {}", code(&name)));
        commands.insert(name.clone());
        let mut flags = BTreeMap::new();
        for flag in command.get_arguments().filter(own).filter(|flag| !flag.is_positional()) {
            let long = flag.get_long().expect("a long flag");
            let value = flag.get_value_names().filter(|_| flag.get_action().takes_values());
            let value = value.map(|names| format!(" {}", names.join(" "))).unwrap_or_default();
            let default = flag.get_default_values().first().and_then(|value| value.to_str());
            let default = match (default, flag.get_action().takes_values()) {
                (Some(default), true) => code(default),
                (None, true) => "none".to_owned(),
                (_, false) => "off".to_owned(),
            };
            flags.insert(code(format!("--{long}{value}")), default);
            if let Some(variable) = flag.get_env() {
                let variable = code(variable.to_str().expect("text"));
                assert!(section.contains(&variable), "{variable} is not in {section}");
            }
        }
        if flags.is_empty() {
            continue;
        }
        let written = rows(section, "flag").into_iter().filter(|row| row[0].starts_with("`--"));
        let written = written.map(|row| (row[0].clone(), row[1].clone()));
        assert_eq!(written.collect::<BTreeMap<_, _>>(), flags, "{name}");
    }
    let written = reference.lines().filter_map(|line| line.strip_prefix("## `")?.strip_suffix('`'));
    assert_eq!(written.map(str::to_owned).collect::<BTreeSet<_>>(), commands);
}

/// The string literal with which a text begins, after blanks and opening brackets.
fn literal(text: &str) -> Option<&str> {
    let rest = text.trim_start_matches([' ', '\n', ',', '(', '{', '=', '>']).strip_prefix('"')?;
    let (literal, _) = rest.split_once('"')?;
    let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (!literal.is_empty() && literal.bytes().all(word)).then_some(literal)
}

/// The status that a constant of `StatusCode` stands for.
fn status(constant: &str) -> u16 {
    let named = |status: &StatusCode| {
        let reason = status.canonical_reason().unwrap_or_default();
        reason.to_ascii_uppercase().replace([' ', '-'], "_") == constant
    };
    let mut all = (100..600).filter_map(|number| StatusCode::from_u16(number).ok());
    all.find(named).unwrap_or_else(|| panic!("{constant} is no status")).as_u16()
}

/// Every code that an answer may have, with the statuses it comes with; found where the sources name a
/// status and a code side by side.
fn codes() -> BTreeMap<String, BTreeSet<u16>> {
    let mut found: BTreeMap<String, BTreeSet<u16>> = BTreeMap::new();
    let mut add = |code: &str, status| found.entry(code.to_owned()).or_default().insert(status);
    for (path, text) in sources() {
        for after in text.split("StatusCode::").skip(1) {
            let end = after.find(|c: char| !c.is_ascii_uppercase() && c != '_');
            let (constant, rest) = after.split_at(end.unwrap_or(after.len()));
            if let Some(code) = literal(rest) {
                add(code, status(constant));
            }
        }
        for (call, status) in [("refused(", 401), ("forbidden(", 403)] {
            for code in text.split(call).skip(1).filter_map(literal) {
                add(code, status);
            }
        }
        // The last arms of a `match` on the status, where no constant stands.
        for (arm, status) in
            [("status if status.is_client_error() => ", 400), ("_ => (\"internal\"", 500)]
        {
            if let Some((_, rest)) = text.split_once(arm) {
                add(literal(rest).unwrap_or("internal"), status);
            }
        }
        if path == "crates/jwt/src/error.rs" {
            for code in refusals(&text) {
                add(&code, 401);
            }
        }
    }
    found
}

/// The codes of `jwt::Error`, in their order.
fn jwt_codes(text: &str) -> Vec<String> {
    let (_, body) = text.split_once("pub const fn code").expect("the function");
    let body = body.split("\n    }\n").next().unwrap_or_default();
    body.split(" => ").skip(1).filter_map(literal).map(str::to_owned).collect()
}

/// Those of them that stand for a refused token; the rest is about making keys and tokens.
fn refusals(text: &str) -> Vec<String> {
    jwt_codes(text).into_iter().take_while(|code| code != "algorithm_unknown").collect()
}

#[test]
fn every_error_code_stands_in_the_reference_with_its_status() {
    let reference = text("docs/reference/errors.md");
    let (answers, library) = reference.split_once("\n## In the library only").expect("a section");

    let found = codes();
    assert!(found.len() > 40, "the sources are read wrongly: {found:?}");
    let mut written: BTreeMap<String, BTreeSet<u16>> = BTreeMap::new();
    for row in rows(answers, "code") {
        assert!(row.len() == 4 && row.iter().all(|cell| !cell.is_empty()), "{row:?}");
        let statuses = row[1].split(", ").map(|status| status.parse().expect("a status"));
        let before = written.insert(row[0].trim_matches('`').to_owned(), statuses.collect());
        assert!(before.is_none(), "{} stands twice", row[0]);
    }
    assert_eq!(written, found);

    let own = jwt_codes(&text("crates/jwt/src/error.rs"));
    let own: BTreeSet<&String> = own.iter().filter(|code| !found.contains_key(*code)).collect();
    let written = rows(library, "code");
    let written: Vec<String> =
        written.iter().map(|row| row[0].trim_matches('`').to_owned()).collect();
    assert_eq!(written.iter().collect::<BTreeSet<_>>(), own);
}

#[test]
fn every_event_stands_in_the_reference() {
    let rows = rows(section(&text("docs/reference/events.md"), "## Types"), "type");
    let known: Vec<Vec<String>> = Kind::ALL
        .iter()
        .map(|kind| {
            let details: Vec<String> = kind.details.iter().map(code).collect();
            vec![
                code(kind.name),
                kind.outcome.to_string(),
                if details.is_empty() { "-".to_owned() } else { details.join(", ") },
                kind.text.to_owned(),
            ]
        })
        .collect();
    assert_eq!(rows, known);
}

#[test]
fn every_check_of_doctor_stands_in_the_reference() {
    let reference = text("docs/reference/doctor.md");
    let written: Vec<Vec<String>> = rows(&reference, "check");
    assert!(written.iter().all(|row| row.len() == 3 && !row[2].is_empty()), "a cell is missing");
    let written: Vec<Vec<String>> = written.into_iter().map(|row| row[..2].to_vec()).collect();
    let known = CHECKS.iter().map(|check| vec![code(check.id), check.finds.to_owned()]);
    assert_eq!(written, known.collect::<Vec<_>>());
    for check in CHECKS {
        let mut group = check.group.to_owned();
        group[..1].make_ascii_uppercase();
        assert!(section(&reference, &format!("## {group}")).contains(&code(check.id)), "{group}");
    }
}

#[test]
fn every_metric_stands_in_the_reference() {
    let known = METRICS.iter().map(|metric| {
        let labels: Vec<String> = metric.labels.iter().map(code).collect();
        let labels = if labels.is_empty() { "-".to_owned() } else { labels.join(", ") };
        vec![code(metric.name), metric.kind.to_string(), labels, metric.text.to_owned()]
    });
    let reference = text("docs/reference/metrics.md");
    assert_eq!(rows(&reference, "metric"), known.collect::<Vec<_>>());
    // What the sources count has a row, and each row is counted.
    let mut counted = BTreeSet::new();
    for (path, source) in sources() {
        for call in ["counter!(", "gauge!("] {
            let names = source.split(call).skip(1).filter_map(literal).map(str::to_owned);
            counted.extend(names);
        }
        if path.starts_with("crates/server/src/metrics/") {
            let names = source.split("NAME: &str = ").skip(1).filter_map(literal);
            counted.extend(names.map(str::to_owned));
        }
    }
    let written = METRICS.iter().map(|metric| metric.name.to_owned());
    assert_eq!(counted, written.collect::<BTreeSet<_>>());
}

/// The texts that stand last in the lines of a table in the program behind `scripts/bench`.
fn printed(program: &str, table: &str) -> Vec<String> {
    let (_, lines) = program.split_once(&format!("\n{table} = ")).expect(table);
    let lines = lines.lines().skip(1).take_while(|line| line.starts_with("    "));
    lines.filter_map(|line| line.rsplit('"').nth(1)).map(str::to_owned).collect()
}

#[test]
fn the_figures_of_the_whole_server_have_the_rows_that_the_script_prints() {
    let program = text("scripts/bench.d/page.py");
    for document in ["docs/reference/performance.md", "COMPARE.md"] {
        let document = text(document);
        let first = |title: &str| -> Vec<String> {
            rows(&document, title).into_iter().map(|mut row| row.swap_remove(0)).collect()
        };
        assert_eq!(first("ten posts from memory"), printed(&program, "MEMORY"));
        assert_eq!(first("ten posts from SQLite"), printed(&program, "STORED"));
    }
    let reference = text("docs/reference/performance.md");
    let targets = rows(&reference, "target");
    let ratios: Vec<_> = printed(&program, "RATIOS");
    let written = targets.iter().take(ratios.len()).filter_map(|row| row.first().cloned());
    assert_eq!(written.collect::<Vec<_>>(), ratios);
}

#[test]
fn every_route_stands_in_the_reference() {
    let mut routes = BTreeSet::new();
    for (_, source) in sources() {
        // Where the path is no literal, a page is added: see below.
        let calls = source.split(".route(").skip(1);
        for after in calls.filter(|after| after.trim_start().starts_with('"')) {
            let path = after.split('"').nth(1).expect("a path");
            // Up to the bracket that closes the call.
            let mut open = 1;
            let call: String = after
                .chars()
                .take_while(|&letter| {
                    open += i32::from(letter == '(') - i32::from(letter == ')');
                    open > 0
                })
                .collect();
            // What takes any method is written as GET.
            let call = call.replace("any(", "get(");
            let methods = ["get", "post", "put", "patch", "delete"].into_iter().filter(|method| {
                let name = format!("{method}(");
                let whole = |at: usize| !call[..at].ends_with(|c: char| c.is_alphanumeric());
                call.match_indices(&name).any(|(at, _)| whole(at))
            });
            let before = routes.len();
            routes.extend(methods.map(|method| format!("{} {path}", method.to_uppercase())));
            assert!(routes.len() > before, "{path} has no new method: {call}");
        }
    }
    let reference = text("docs/reference/http.md");
    let written =
        reference.lines().filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`'));
    assert_eq!(written.map(str::to_owned).collect::<BTreeSet<_>>(), routes);
}

#[test]
fn every_page_stands_in_the_reference() {
    let mut pages = BTreeSet::new();
    for (path, source) in sources() {
        if path.starts_with("crates/server/src/ui/") {
            for call in source.split("page(").skip(1) {
                pages.extend(
                    call.trim_start()
                        .strip_prefix('"')
                        .and_then(|path| path.split('"').next().map(str::to_owned)),
                );
            }
        }
    }
    let rows = rows(section(&text("docs/reference/http.md"), "## Pages"), "page");
    let written = rows.iter().map(|cells| cells[0].trim_matches('`').to_owned());
    assert_eq!(written.collect::<BTreeSet<_>>(), pages);
}

#[test]
fn every_json_block_of_the_documentation_is_json() {
    for path in files(".md") {
        for (_, block) in blocks(&text(&path), "json") {
            for value in serde_json::Deserializer::from_str(&block).into_iter::<Value>() {
                value.unwrap_or_else(|error| panic!("{path}: {error}: {block}"));
            }
        }
    }
}

#[test]
fn every_file_type_and_test_that_a_document_names_is_there() {
    let mut paths = files("");
    paths.iter_mut().for_each(|path| path.insert(0, '/'));
    let rust: String = files(".rs").iter().map(|path| text(path)).collect();
    let named = files(".md").into_iter().filter(|path| {
        ["docs/recipes/", "docs/concepts/"].iter().any(|folder| path.starts_with(folder))
            || ["ARCHITECTURE.md", "SECURITY.md", "CONTRIBUTING.md"].contains(&path.as_str())
    });
    for document in named {
        for span in spans(&text(&document)) {
            let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if span.ends_with(".rs") || span.ends_with(".md") || span.ends_with(".toml") {
                let found = paths.iter().any(|path| path.ends_with(&format!("/{span}")));
                assert!(found, "{document} names the file {span}");
            } else if ["crates/", "src/", "docs/"].iter().any(|start| span.starts_with(start)) {
                let folder = format!("/{}/", span.trim_end_matches('/'));
                let file = format!("/{span}");
                let found =
                    paths.iter().any(|path| path.contains(&folder) || path.ends_with(&file));
                assert!(found, "{document} names {span}");
            } else if span.matches('_').count() > 2 && span.chars().all(word) {
                let test =
                    span.starts_with(char::is_uppercase) || rust.contains(&format!("fn {span}("));
                assert!(test, "{document} names the test {span}");
            } else if document == "ARCHITECTURE.md"
                && span.starts_with(char::is_uppercase)
                && span.chars().all(|c| word(c) || c == ':')
            {
                for name in span.split("::") {
                    assert!(rust.contains(name), "{document} names {span}");
                }
            }
        }
    }
}

#[test]
fn the_readmes_program_is_the_one_that_is_compiled() {
    let readme = text("README.md");
    let shown = blocks(&readme, "rust");
    let compiled = text("crates/server/tests/it/docs/embedded.rs");
    assert_eq!(shown.len(), 1);
    assert_eq!(shown[0].1.trim_end(), compiled.trim_end());
}

/// A text without what differs from run to run: ids, times, tokens, kids, random passwords.
pub(crate) fn mask(text: &str) -> String {
    let mut masked = String::new();
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let mut rest = text;
    while !rest.is_empty() {
        let (word, after) = rest.split_at(rest.find(|c| !is_word(c)).unwrap_or(rest.len()));
        let hex = word.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        masked.push_str(match word.len() {
            _ if word.starts_with("eyJ") && word.matches('.').count() == 2 => "<token>",
            36 if hex && word.matches('-').count() == 4 => "<id>",
            76 if masked.ends_with(r#""refresh_token":""#) => "<refresh token>",
            32 if hex && masked.ends_with(r#""request_id":""#) => "<request id>",
            24 if hex => "<password>",
            12 if masked.ends_with(r#""kid":""#) => "<kid>",
            10 if word.bytes().all(|byte| byte.is_ascii_digit()) => "<time>",
            _ => word,
        });
        let between = after.find(is_word).unwrap_or(after.len());
        masked.push_str(&after[..between]);
        rest = &after[between..];
    }
    masked
}

/// Runs lines in one shell, as pasted into a terminal, and returns what they print. What waits for something that never
/// comes is ended.
pub(crate) fn paste(lines: &str, folder: &Path) -> String {
    let mut bash = Command::new("timeout");
    bash.args(["300", "bash", "--norc", "-c", lines])
        .current_dir(folder)
        .env("HOME", folder)
        .env("NO_PROXY", "*");
    let output = bash.output().expect("bash");
    String::from_utf8(output.stdout).expect("text")
}

pub(crate) const START: &str = "docs/guides/start.md";
/// The beginning of every address in the README.
const ADDRESS: &str = "http://127.0.0.1:8000";
/// What is printed between the answers to two blocks.
pub(crate) const END: &str = "-- end of the block --";

#[test]
fn the_readmes_lines_answer_what_it_says_when_they_are_pasted_in_order() {
    let folder = tempdir().expect("folder");
    let newer = paste("curl --help all | grep -e '--json' && command -v base64", folder.path());
    if newer.is_empty() {
        eprintln!("skipped: it takes curl 7.82 or newer, and base64");
        return;
    }
    // The first steps go on in the shell of the README, beside its server.
    let readme = [text("README.md"), text(START)].concat();
    let all = blocks(&readme, "");
    let marked = |mark: &'static str| all.iter().filter(move |(above, _)| above == mark);
    let number = |mark: &str| readme.matches(mark).count();
    assert_eq!(marked("<!-- run -->").count(), number("<!-- run -->"), "a mark without its block");
    assert_eq!(marked("<!-- answer -->").count(), number("<!-- answer -->"));

    // What `dev` prints goes to a file.
    let (printed, data) = (folder.path().join("printed"), folder.path().join("data"));
    let clean = countersign();
    let mut command = Command::new("sh");
    command.args(["-c", r#"exec "$@" >"$0""#]).arg(&printed).arg(clean.get_program());
    command.args(["dev", "--listen", "127.0.0.1:0", "--data-dir"]).arg(&data);
    for (name, _) in clean.get_envs() {
        command.env_remove(name);
    }
    let server = Server::start(command);

    let mut script = String::new();
    for (_, block) in marked("<!-- run -->") {
        script.push_str(&block.replace(ADDRESS, &server.url));
        script.push_str(&format!("\nprintf '\\n%s\\n' '{END}'\n"));
    }
    let answers = paste(&script, folder.path());
    let mut answers = answers.split(END).map(|answer| answer.trim().replace(&server.url, ADDRESS));
    let mut answer = String::new();
    for (above, block) in &all {
        match above.as_str() {
            "<!-- run -->" => answer = answers.next().expect("an answer to every block"),
            "<!-- answer -->" => assert_eq!(mask(&answer), mask(block)),
            _ => {}
        }
    }

    let begun = Instant::now();
    let banner = loop {
        let banner = fs::read_to_string(&printed).expect("what it printed");
        if banner.ends_with("\"\n\n") || banner.matches("curl ").count() == 3 {
            break banner;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{banner}");
        thread::sleep(Duration::from_millis(10));
    };
    let data = data.canonicalize().expect("the folder").display().to_string();
    let shown = banner.replace(&server.url, ADDRESS).replace(&data, "/path/to/countersign-data");
    let said = marked("<!-- banner -->").next().expect("a block").1.clone();
    assert_eq!(mask(shown.trim_matches('\n')), mask(&said));

    let (_, lines) = banner.split_once("TOKEN=").expect("lines to paste");
    let answer = paste(&format!("TOKEN={lines}"), folder.path());
    assert_eq!(answer.matches(r#""content":"My first post""#).count(), 3, "{answer}");
    assert!(answer.ends_with(r#""next":null}"#), "{answer}");
}
