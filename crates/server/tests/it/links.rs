//! Where the documents lead: links, anchors, pictures, and the paths that sources and the program name.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Component, Path, PathBuf},
};

use crate::docs::{files, prose, root, text};

/// The anchors of a Markdown text as GitHub makes them of its headings: the second of a name has `-1`.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let prose = prose(text);
    let headings = prose.lines().filter(|line| line.trim_start_matches('#').starts_with(' '));
    let mut found = BTreeSet::new();
    for heading in headings.filter(|line| line.starts_with('#')) {
        let heading = shown(heading.trim_start_matches('#').trim());
        let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
        let name: String = heading.to_lowercase().chars().filter(kept).collect();
        let name = name.replace(' ', "-");
        let count = counts.entry(name.clone()).or_default();
        found.insert(if *count == 0 { name } else { format!("{name}-{count}") });
        *count += 1;
    }
    found
}

/// A heading as it is shown: of a link its text alone.
fn shown(heading: &str) -> String {
    let Some((before, rest)) = heading.split_once('[') else { return heading.to_owned() };
    let Some((text, rest)) = rest.split_once("](") else { return heading.to_owned() };
    let (_, after) = rest.split_once(')').unwrap_or_default();
    format!("{before}{text}{}", shown(after))
}

/// Where a Markdown text leads: links and pictures, in Markdown, by reference and in HTML.
fn targets(text: &str) -> Vec<String> {
    let prose = prose(text);
    // What stands in backticks is no link.
    let plain: String = prose.split('`').step_by(2).collect();
    let mut found: Vec<String> = Vec::new();
    let until = |rest: &str, end: char| rest.split(end).next().unwrap_or_default().to_owned();
    found.extend(plain.split("](").skip(1).map(|rest| until(rest, ')')));
    for attribute in [" href=\"", " src=\""] {
        found.extend(plain.split(attribute).skip(1).map(|rest| until(rest, '"')));
    }
    for line in plain.lines().filter(|line| line.starts_with('[')) {
        found.extend(line.split_once("]: ").map(|(_, target)| until(target, ' ')));
    }
    found
}

/// A path without `.` and `..`, if it stays within the project.
fn plain(path: &Path) -> Option<PathBuf> {
    let mut found = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(part) => found.push(part),
            Component::ParentDir if !found.pop() => return None,
            _ => {}
        }
    }
    Some(found)
}

/// What is wrong with a link that stands in this file.
fn broken(file: &str, link: &str) -> Option<String> {
    let (target, anchor) = link.split_once('#').unwrap_or((link, ""));
    let folder = Path::new(file).parent().unwrap_or(Path::new(""));
    let path = if target.is_empty() { PathBuf::from(file) } else { folder.join(target) };
    let Some(path) = plain(&path) else { return Some("leads out of the project".to_owned()) };
    if !root().join(&path).exists() {
        return Some("leads to nothing".to_owned());
    }
    if anchor.is_empty() {
        return None;
    }
    let text = fs::read_to_string(root().join(path)).expect("text");
    (!anchors(&text).contains(anchor)).then(|| "has no such heading".to_owned())
}

#[test]
fn every_link_between_the_documents_leads_somewhere() {
    let documents = files(".md");
    for name in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"] {
        assert!(documents.iter().any(|path| path == name), "{name} is missing");
    }
    let (mut faults, mut seen) = (Vec::new(), 0);
    for path in documents {
        for link in targets(&text(&path)) {
            if link.starts_with("https://") || link.starts_with("mailto:") {
                continue;
            }
            seen += 1;
            faults.extend(broken(&path, &link).map(|why| format!("{path}: {link} {why}")));
        }
    }
    assert!(seen > 400, "{seen} links are found");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn links_are_found_and_anchors_made_as_on_github() {
    let text =
        "# One\n## `POST /login`\n## One\n```sh\n# not one\n```\n### [A](b.md) two-thirds, of_it\n";
    let made = anchors(text);
    let wanted = ["one", "post-login", "one-1", "a-two-thirds-of_it"].map(str::to_owned);
    assert_eq!(made, BTreeSet::from(wanted));
    let text = "[a](b.md#c) ![d](e.png) `[no](f.md)` <img alt=\"\" src=\"g.svg\">\n[h]: i.md\n";
    assert_eq!(targets(text), ["b.md#c", "e.png", "g.svg", "i.md"]);
    assert_eq!(
        broken("docs/guides/mail.md", "../../../x"),
        Some("leads out of the project".into())
    );
    assert!(broken("README.md", "docs/nothing.md").is_some());
    assert!(broken("README.md", "SECURITY.md#nothing").is_some());
    assert!(broken("README.md", "SECURITY.md#report-a-hole").is_none());
}

/// The documents that a text names by their path from the root, as `docs/guides/mail.md` or with an anchor.
fn named(text: &str) -> Vec<&str> {
    let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.' | '#');
    let words = text.split(|c: char| !part(c));
    // Relative ones are links of their own, or of a crate's documentation.
    let words = words.map(|word| word.trim_start_matches("../").trim_end_matches('.'));
    let is_one = |word: &&str| {
        let path = word.split('#').next().unwrap_or_default();
        word.starts_with("docs/") && path.ends_with(".md")
    };
    words.filter(is_one).collect()
}

#[test]
fn every_document_that_a_source_or_a_script_names_is_there() {
    let (mut faults, mut seen) = (Vec::new(), 0);
    for path in files("") {
        let is_source = ["crates/", "examples/", "scripts/", "packaging/", "benches/"]
            .iter()
            .any(|start| path.starts_with(start));
        if !is_source || path.contains("/tests/it/links.rs") || path.ends_with(".md") {
            continue;
        }
        let Ok(text) = fs::read_to_string(root().join(&path)) else { continue };
        for name in named(&text) {
            seen += 1;
            faults.extend(broken("README.md", name).map(|why| format!("{path}: {name} {why}")));
        }
    }
    assert!(seen > 10, "{seen} are found");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_page_stands_in_the_index_of_the_documentation() {
    const INDEX: &str = "docs/README.md";
    let listed: BTreeSet<PathBuf> = targets(&text(INDEX))
        .iter()
        .map(|link| link.split('#').next().unwrap_or_default())
        .filter_map(|link| plain(&Path::new("docs").join(link)))
        .collect();
    // What is the part of a guide stands in the guide.
    let parts = |page: &str| {
        let folder = page.rsplit_once('/').map(|(folder, _)| folder).unwrap_or_default();
        let wholes = [format!("{folder}.md"), format!("{folder}/README.md")];
        let mut wholes = wholes.iter().filter(|whole| root().join(whole).exists());
        wholes.any(|whole| targets(&text(whole)).iter().any(|link| page.ends_with(link.as_str())))
    };
    let missing: Vec<String> = files(".md")
        .into_iter()
        .filter(|page| page.starts_with("docs/") && page != INDEX)
        .filter(|page| !listed.contains(Path::new(page)) && !parts(page))
        .collect();
    assert_eq!(missing, Vec::<String>::new(), "a page is not in {INDEX}");
    // And those at the root that are for readers.
    for page in files(".md").iter().filter(|page| !page.contains('/')) {
        assert!(listed.contains(Path::new(page)), "{page} is not in {INDEX}");
    }
}
