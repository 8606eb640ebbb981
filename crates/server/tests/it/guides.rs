//! The guides, followed as a reader follows them: what they let him paste, and what they show.

use std::{fs, path::Path, process::Command};

use auth::testing::Place;
use countersign_server::settings::load;
use tempfile::tempdir;

use crate::{
    docs::{END, START, fenced, files, mask, paste, root, text},
    process::{PASSWORD, Server, countersign},
};

/// Something that a reader types, and what is shown below it, if anything is.
struct Step {
    typed: String,
    shown: Option<String>,
}

/// What a reader types, in order: the lines with `$` of `console` blocks, and the `sh` blocks marked `run`.
fn steps(document: &str) -> Vec<Step> {
    let mut found: Vec<Step> = Vec::new();
    for block in fenced(document) {
        match (block.language.as_str(), block.above.as_str()) {
            ("console", _) => {
                for line in block.text.lines() {
                    if let Some(command) = line.strip_prefix("$ ") {
                        let shown = Some(String::new());
                        found.push(Step { typed: command.to_owned(), shown });
                    } else {
                        let step = found.last_mut().expect("a question above an answer");
                        step.shown.get_or_insert_default().push_str(&format!("{line}\n"));
                    }
                }
            }
            (language, "<!-- run -->") => {
                assert_eq!(language, "sh", "{}", block.text);
                found.push(Step { typed: block.text, shown: None });
            }
            (_, "<!-- answer -->") => {
                let step = found.last_mut().expect("a question above an answer");
                assert!(step.shown.is_none(), "two answers to {}", step.typed);
                step.shown = Some(block.text);
            }
            _ => {}
        }
    }
    found
}

/// Types all of it into one shell, in this folder; returns how many steps there were.
pub(crate) fn follow(name: &str, document: &str, folder: &Path, variables: &str) -> usize {
    let steps = steps(document);
    let binary = countersign().get_program().to_owned();
    let path = Path::new(&binary).parent().expect("a folder").display().to_string();
    let mut script = format!("export PATH='{path}':$PATH TZ=UTC {variables}\n");
    for step in &steps {
        // As at a prompt: what one command answers is there for the next, its exit code too.
        let typed = &step.typed;
        script.push_str(&format!(
            "{{ {typed}\n}} 2>&1; code=$?; printf '\\n%s%s\\n' \"$code\" '{END}'; (exit $code)\n"
        ));
    }
    let shape = |answer: &str| match document.contains("<!-- ids and times differ -->") {
        true => mask(answer.trim()),
        false => answer.trim().to_owned(),
    };
    let answers = paste(&script, folder);
    assert_eq!(answers.matches(END).count(), steps.len(), "{name}: {answers}");
    for (step, answer) in steps.iter().zip(answers.split(&format!("{END}\n"))) {
        let code = answer.len() - answer.bytes().rev().take_while(u8::is_ascii_digit).count();
        let (answer, code) = answer.split_at(code);
        match &step.shown {
            Some(shown) => assert_eq!(shape(answer), shape(shown), "{name}: {}", step.typed),
            None => assert_eq!(code, "0", "{name}: {}: {answer}", step.typed),
        }
    }
    steps.len()
}

pub(crate) fn is_there(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok()
}

/// These have tests of their own: they take PostgreSQL, or a program that is compiled with the tests.
const OPERATE: &str = "docs/guides/operate.md";
pub(crate) const EMBED: &str = "docs/guides/embed.md";

#[test]
fn what_the_documentation_lets_a_reader_type_answers_what_it_shows() {
    let mut ran = 0;
    for name in files(".md") {
        let document = text(&name);
        if ["README.md", START, OPERATE, EMBED].contains(&name.as_str()) {
            continue;
        }
        if !is_there("curl") && steps(&document).iter().any(|step| step.typed.contains("curl ")) {
            eprintln!("skipped: {name} takes curl");
            continue;
        }
        let folder = tempdir().expect("folder");
        ran += follow(&name, &document, folder.path(), "");
    }
    assert!(ran > 20, "{ran} steps are found");
}

#[tokio::test]
async fn the_guide_for_operators_leads_from_an_empty_database_to_a_login() {
    let Some(place) = Place::postgres().await else { return };
    if !is_there("curl") || !is_there("openssl") {
        eprintln!("skipped: it takes curl and openssl");
        return;
    }
    let folder = tempdir().expect("folder");
    // Another address of this machine, so that the port of the guide is free there.
    let [.., a, b] = std::process::id().to_be_bytes();
    let document = text(OPERATE);
    let listen = format!("127.77.{a}.{b}:8000");
    let here = [
        ("postgres://countersign:password@127.0.0.1:5432/countersign", place.url.as_str()),
        ("127.0.0.1:8000", &listen),
        ("/etc/countersign", folder.path().to_str().expect("text")),
        ("the one that you have chosen", PASSWORD),
    ];
    let document = here.iter().fold(document, |document, (shown, here)| {
        assert!(document.contains(shown), "the guide has another value for {shown}");
        document.replace(shown, here)
    });
    let variables =
        format!("COUNTERSIGN_USER_PASSWORD='{PASSWORD}' COUNTERSIGN_HTTP__LISTEN={listen}");
    let at = folder.path().to_owned();
    let steps = move || follow(OPERATE, &document, &at, &variables);
    assert!(tokio::task::spawn_blocking(steps).await.expect("it ends") > 5);
    place.remove().await;
}

#[test]
fn what_is_to_be_pasted_has_no_prompts() {
    for name in files(".md") {
        for block in fenced(&text(&name)).iter().filter(|block| block.language != "console") {
            let prompt = block.text.lines().find(|line| line.starts_with("$ "));
            assert_eq!(prompt, None, "{name}");
        }
    }
}

#[test]
fn every_configuration_file_of_the_documentation_loads() {
    let folder = tempdir().expect("folder");
    let path = folder.path().join("countersign.toml");
    let mut loaded = 0;
    for name in files(".md") {
        for block in fenced(&text(&name)) {
            let of_cargo = block.text.contains("[dependencies]");
            if block.language == "toml" && !of_cargo {
                fs::write(&path, &block.text).expect("written");
                let settings = load(Some(&path), std::iter::empty(), &[]);
                assert!(settings.is_ok(), "{name}: {:?}: {}", settings.err(), block.text);
                loaded += 1;
            }
        }
    }
    assert!(loaded > 5, "{loaded} files are found");
}

#[test]
fn the_tables_of_the_guide_to_moving_are_those_of_a_copy() {
    let folder = tempdir().expect("folder");
    let mut serve = countersign();
    serve.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(folder.path());
    assert!(Server::start(serve).stop().success());
    let url = |name: &str| format!("sqlite://{}", folder.path().join(name).display());
    let mut copy = countersign();
    copy.args(["db", "copy", "--from", &url("countersign.db"), "--to", &url("copy.db")]);
    let copied = copy.output().expect("it runs");
    let printed = [copied.stdout, copied.stderr].concat();

    // Rows and digests are those of an installation that somebody used.
    let shape = |text: &str| {
        let word = |line: &str| match line.contains("  ") {
            true => line.split(' ').next().unwrap_or_default().to_owned(),
            false => line.trim_start_matches(|c: char| c.is_ascii_digit()).to_owned(),
        };
        text.lines().map(word).collect::<Vec<_>>()
    };
    let guide = fenced(&text("docs/guides/move-a-database.md"));
    let shown = guide.iter().find(|block| block.text.starts_with("table ")).expect("a block");
    assert_eq!(shape(&shown.text), shape(&String::from_utf8(printed).expect("text")));
}

#[test]
fn the_program_in_fastapi_is_the_one_of_the_examples() {
    let shown = |document: &str| -> Vec<String> {
        let python = fenced(&text(document)).into_iter();
        python.filter(|block| block.language == "python").map(|block| block.text).collect()
    };
    let file = |name: &str| {
        let folder = root().join("examples/clients/fastapi");
        fs::read_to_string(folder.join(name)).expect(name).trim_end().to_owned()
    };
    assert_eq!(shown("docs/guides/fastapi.md"), [file("caller.py"), file("main.py")]);
}
