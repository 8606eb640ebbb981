//! What the reference says beyond its lists: heads of pages, members of bodies, codes of routes, arguments of commands.

use std::collections::BTreeSet;

use clap::{Arg, CommandFactory};
use countersign_server::cli::Cli;
use serde_json::{Map, Value};
use tempfile::tempdir;

use crate::{
    docs::{fenced, leaves, section, spans, text},
    openapi::{codes, document, operations, resolved, written_codes},
    process::Server,
};

const HTTP: &str = "docs/reference/http.md";
const CLI: &str = "docs/reference/cli.md";

/// The headings of this level that name a route or a command.
fn headings<'t>(text: &'t str, level: &str) -> Vec<&'t str> {
    let start = format!("{level} `");
    text.lines().filter_map(|line| line.strip_prefix(&start)?.strip_suffix('`')).collect()
}

#[test]
fn every_heading_of_the_reference_is_in_its_table() {
    for (name, level) in [(HTTP, "###"), (CLI, "##")] {
        let text = text(name);
        let table: Vec<&str> = text.lines().filter(|line| line.starts_with("| [`")).collect();
        for heading in headings(&text, level) {
            let link = format!("[`{heading}`](#");
            // "and its kin" stands for all of a path.
            let (_, path) = heading.split_once(' ').unwrap_or_default();
            let kin = |line: &&str| {
                let first = line.split('`').nth(1).and_then(|route| route.split_once(' '));
                line.contains("and its kin") && first.is_some_and(|(_, own)| path.starts_with(own))
            };
            let is_there = table.iter().any(|line| line.contains(&link) || kin(line));
            assert!(is_there, "{name}: {heading}");
        }
    }
}

/// The names of all members of a schema, at any depth.
fn names(document: &Value, schema: &Value, found: &mut BTreeSet<String>) {
    let schema = resolved(document, schema);
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        found.insert(name.clone());
        names(document, member, found);
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        names(document, part, found);
    }
    if schema["items"].is_object() {
        names(document, &schema["items"], found);
    }
}

#[tokio::test]
async fn every_member_of_a_body_stands_in_the_reference() {
    let folder = tempdir().expect("folder");
    let document = document(&Server::dev(folder.path(), &[])).await;
    // What several routes answer stands once; what an event has, on its own page.
    let reference = [text(HTTP), text("docs/reference/events.md")].concat();
    let blocks: String = fenced(&reference).into_iter().map(|block| block.text).collect();
    let spans: Vec<String> = spans(&reference).into_iter().collect();
    let shown = format!("{} {blocks}", spans.join(" "));
    let written: BTreeSet<&str> =
        shown.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
    let (mut seen, mut missing) = (0, Vec::new());
    for (method, path, operation) in operations(&document) {
        let body = operation["requestBody"]["content"].as_object();
        let answers = operation["responses"].as_object().expect("responses").iter();
        let successes = answers.filter(|(status, _)| status.starts_with('2'));
        let answers =
            successes.filter_map(|(_, answer)| resolved(&document, answer)["content"].as_object());
        let mut members = BTreeSet::new();
        for content in body.into_iter().chain(answers).flat_map(Map::values) {
            names(&document, &content["schema"], &mut members);
        }
        seen += members.len();
        let gone = members.iter().filter(|member| !written.contains(member.as_str()));
        missing.extend(gone.map(|member| format!("{method} {path}: {member}")));
    }
    assert!(seen > 100, "{seen}");
    assert!(missing.is_empty(), "{missing:#?}");
}

#[tokio::test]
async fn every_code_that_the_reference_names_for_a_route_is_one_of_it() {
    let folder = tempdir().expect("folder");
    let document = document(&Server::dev(folder.path(), &[])).await;
    let reference = text(HTTP);
    let all = written_codes();
    let mut seen = 0;
    for (method, path, operation) in operations(&document) {
        let route = format!("{method} {path}");
        let own: BTreeSet<String> =
            codes(&document, operation).into_iter().map(|(_, code)| code).collect();
        for span in section(&reference, &format!("### `{route}`")).split('`').skip(1).step_by(2) {
            if all.contains_key(span) {
                seen += 1;
                assert!(own.contains(span), "{route} does not answer {span}");
            }
        }
    }
    assert!(seen > 40, "{seen}");
}

#[test]
fn every_algorithm_stands_where_it_is_chosen() {
    let reference = text("docs/reference/config.md");
    let row = reference.lines().find(|line| line.starts_with("| `tokens.algorithm` |"));
    let row = row.expect("the row of the setting");
    for algorithm in jwt::Algorithm::ALL {
        let name = algorithm.name();
        assert!(row.contains(&format!("`{name}`")), "{name} is not in the row of the setting");
    }
}

#[test]
fn every_argument_and_choice_of_a_command_stands_in_the_reference() {
    let reference = text(CLI);
    let command = Cli::command();
    let (mut seen, mut missing) = (0, Vec::new());
    for (name, command) in leaves(&command) {
        let section = section(&reference, &format!("## `{name}`"));
        let own = |flag: &&Arg| flag.get_help_heading().is_none() && flag.get_id() != "help";
        for argument in command.get_arguments().filter(own) {
            let value = argument.get_value_names().and_then(|names| names.first());
            if let Some(value) = value.filter(|_| argument.is_positional()) {
                seen += 1;
                if !section.contains(value.as_str()) {
                    missing.push(format!("{name}: {value}"));
                }
            }
            for choice in argument.get_possible_values() {
                let choice = choice.get_name();
                if argument.get_action().takes_values() && !["true", "false"].contains(&choice) {
                    seen += 1;
                    if !section.contains(choice) {
                        missing.push(format!("{name}: {choice}"));
                    }
                }
            }
        }
    }
    assert!(seen > 20, "{seen}");
    assert!(missing.is_empty(), "{missing:#?}");
}
