//! Makes a module of the texts in `locales/`: one function for each text, which answers in each language.
//!
//! A text that a language lacks, or one that has other `{placeholders}` there, is an error that names the file and the
//! text. One that no page uses is a function that nobody calls, which the compiler tells.

use std::{collections::BTreeMap, env, error::Error, fmt::Write as _, fs, path::Path};

/// The languages, the one first that is spoken where nobody asks for another; each has a file of its name.
const LANGUAGES: [(&str, &str); 2] = [("en", "En"), ("de", "De")];
/// Sections whose texts are looked up by a name that is known when the program runs.
const BY_NAME: [&str; 2] = ["errors", "events"];
/// Ends the names of sections that scripts of pages read, as JSON.
const FOR_SCRIPTS: &str = "_js";

/// The texts of one language: sections, and in them the texts by their names.
type Sections = BTreeMap<String, BTreeMap<String, String>>;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=locales");
    let mut languages = Vec::new();
    for (tag, variant) in LANGUAGES {
        languages.push((tag, variant, read(tag)?));
    }
    let [(_, _, first), others @ ..] = &languages[..] else { return Err("no language".into()) };
    for (tag, _, other) in others {
        compare(first, other, tag)?;
        compare(other, first, LANGUAGES[0].0)?;
    }
    let folder = env::var("OUT_DIR")?;
    fs::write(Path::new(&folder).join("texts.rs"), module(&languages)?)?;
    Ok(())
}

fn read(tag: &str) -> Result<Sections, Box<dyn Error>> {
    let path = format!("locales/{tag}.toml");
    let text = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    Ok(toml::from_str(&text).map_err(|error| format!("{path}: {error}"))?)
}

/// Everything of `one` has to be in `other`, with the same placeholders.
fn compare(one: &Sections, other: &Sections, tag: &str) -> Result<(), String> {
    for (section, texts) in one {
        for (name, text) in texts {
            let found = other.get(section).and_then(|texts| texts.get(name));
            let found = found.ok_or(format!("locales/{tag}.toml has no {section}.{name}"))?;
            if placeholders(found) != placeholders(text) {
                return Err(format!("locales/{tag}.toml: {section}.{name} has other placeholders"));
            }
        }
    }
    Ok(())
}

/// What stands in braces, each once.
fn placeholders(text: &str) -> Vec<&str> {
    let pieces = text.split('{').skip(1);
    let mut found: Vec<&str> = pieces.filter_map(|piece| piece.split('}').next()).collect();
    found.sort_unstable();
    found.dedup();
    found
}

fn module(languages: &[(&str, &str, Sections)]) -> Result<String, Box<dyn Error>> {
    let mut out = String::from(
        "/// A language of the pages.\n#[derive(Debug, Clone, Copy, PartialEq, Eq)]\npub(crate) enum Language {\n",
    );
    for (_, variant, _) in languages {
        writeln!(out, "    {variant},")?;
    }
    out.push_str("}\n\nimpl Language {\n");
    let variants: Vec<String> =
        languages.iter().map(|(_, variant, _)| format!("Self::{variant}")).collect();
    writeln!(
        out,
        "    pub(crate) const ALL: [Self; {}] = [{}];",
        variants.len(),
        variants.join(", ")
    )?;
    writeln!(out, "    /// Its tag (RFC 5646).\n    pub(crate) fn tag(self) -> &'static str {{")?;
    writeln!(out, "        match self {{")?;
    for (tag, variant, _) in languages {
        writeln!(out, "            Self::{variant} => {tag:?},")?;
    }
    out.push_str("        }\n    }\n");
    let mut sections = String::new();
    let (_, _, first) = languages.first().ok_or("no language")?;
    for (section, texts) in first {
        let of = |language: &Sections| language.get(section).cloned().unwrap_or_default();
        if section.ends_with(FOR_SCRIPTS) {
            writeln!(
                out,
                "    pub(crate) fn {section}(self) -> &'static str {{\n        match self {{"
            )?;
            for (_, variant, language) in languages {
                let json = serde_json::to_string(&of(language))?;
                writeln!(out, "            Self::{variant} => {json:?},")?;
            }
            out.push_str("        }\n    }\n");
        } else if BY_NAME.contains(&section.as_str()) {
            writeln!(
                out,
                "    pub(crate) fn {section}(self, name: &str) -> Option<&'static str> {{\n        Some(match (self, name) {{"
            )?;
            for (_, variant, language) in languages {
                for (name, text) in of(language) {
                    writeln!(out, "            (Self::{variant}, {name:?}) => {text:?},")?;
                }
            }
            out.push_str("            _ => return None,\n        })\n    }\n");
        } else {
            let kind = camel(section);
            writeln!(
                out,
                "    pub(crate) fn {section}(self) -> {kind} {{\n        {kind}(self)\n    }}"
            )?;
            writeln!(
                sections,
                "\n#[derive(Debug, Clone, Copy)]\npub(crate) struct {kind}(Language);\n\nimpl {kind} {{"
            )?;
            for (name, text) in texts {
                function(&mut sections, section, name, text, languages)?;
            }
            sections.push_str("}\n");
        }
    }
    out.push_str("}\n");
    Ok(out + &sections)
}

/// The function of one text: what it has in braces are its arguments.
fn function(
    out: &mut String,
    section: &str,
    name: &str,
    text: &str,
    languages: &[(&str, &str, Sections)],
) -> Result<(), Box<dyn Error>> {
    let arguments = placeholders(text);
    let (result, takes): (_, String) = if arguments.is_empty() {
        ("&'static str", String::new())
    } else {
        let takes = arguments.iter().map(|name| format!(", {name}: impl std::fmt::Display"));
        ("String", takes.collect())
    };
    writeln!(out, "    pub(crate) fn {name}(self{takes}) -> {result} {{\n        match self.0 {{")?;
    for (_, variant, language) in languages {
        let text = language.get(section).and_then(|texts| texts.get(name)).ok_or("a text")?;
        let text =
            if arguments.is_empty() { format!("{text:?}") } else { format!("format!({text:?})") };
        writeln!(out, "            Language::{variant} => {text},")?;
    }
    out.push_str("        }\n    }\n");
    Ok(())
}

fn camel(name: &str) -> String {
    let words = name.split('_').map(|word| {
        let (first, rest) = word.split_at_checked(1).unwrap_or((word, ""));
        first.to_uppercase() + rest
    });
    words.collect()
}
