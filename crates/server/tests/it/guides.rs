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
const SEVERAL: &str = "docs/guides/several-instances.md";
pub(crate) const EMBED: &str = "docs/guides/embed.md";

#[test]
fn what_the_documentation_lets_a_reader_type_answers_what_it_shows() {
    let mut ran = 0;
    for name in files(".md") {
        let document = text(&name);
        if ["README.md", START, OPERATE, SEVERAL, EMBED].contains(&name.as_str()) {
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

/// Another address of this machine, so that the ports of a guide are free there.
fn own_address(net: u8) -> String {
    let [.., a, b] = std::process::id().to_be_bytes();
    format!("127.{net}.{a}.{b}")
}

/// Follows a guide that begins with an empty PostgreSQL, with values of this test in place of those it shows.
async fn follow_on_postgres(name: &'static str, here: &[(&str, &str)], variables: String) {
    let Some(place) = Place::postgres().await else { return };
    let folder = tempdir().expect("folder");
    let common = [
        ("postgres://countersign:password@127.0.0.1:5432/countersign", place.url.as_str()),
        ("/etc/countersign", folder.path().to_str().expect("text")),
        ("the one that you have chosen", PASSWORD),
    ];
    let document = common.iter().chain(here).fold(text(name), |document, (shown, here)| {
        assert!(document.contains(shown), "the guide has another value for {shown}");
        document.replace(shown, here)
    });
    let at = folder.path().to_owned();
    let steps = move || follow(name, &document, &at, &variables);
    assert!(tokio::task::spawn_blocking(steps).await.expect("it ends") > 5);
    place.remove().await;
}

#[tokio::test]
async fn the_guide_for_operators_leads_from_an_empty_database_to_a_login() {
    if !is_there("curl") || !is_there("openssl") {
        eprintln!("skipped: it takes curl and openssl");
        return;
    }
    let listen = format!("{}:8000", own_address(77));
    let variables =
        format!("COUNTERSIGN_USER_PASSWORD='{PASSWORD}' COUNTERSIGN_HTTP__LISTEN={listen}");
    follow_on_postgres(OPERATE, &[("127.0.0.1:8000", &listen)], variables).await;
}

#[tokio::test]
async fn the_guide_to_several_instances_loses_one_and_renews_them_without_an_error() {
    // Debian keeps it where only root looks.
    let nginx = is_there("nginx") || Path::new("/usr/sbin/nginx").exists();
    if !nginx || !is_there("curl") || !is_there("openssl") {
        eprintln!("skipped: it takes nginx, curl and openssl");
        return;
    }
    let own = own_address(78);
    let here = [("127.0.0.1:80", format!("{own}:80")), ("127.0.0.1:$", format!("{own}:$"))];
    let here = here.each_ref().map(|(shown, here)| (*shown, here.as_str()));
    follow_on_postgres(SEVERAL, &here, String::new()).await;
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

#[test]
fn the_programs_in_the_guides_of_clients_are_those_of_the_examples() {
    let shown = |client: &str, language: &str| -> Vec<String> {
        let blocks = fenced(&text(&format!("docs/guides/{client}.md"))).into_iter();
        blocks.filter(|block| block.language == language).map(|block| block.text).collect()
    };
    let file = |path: &str| text(&format!("examples/clients/{path}")).trim_end().to_owned();
    assert_eq!(shown("express", "js"), [file("express/caller.mjs"), file("express/main.mjs")]);
    // Of the longest one the guide has pieces.
    let go = [file("go/caller.go"), file("go/main.go")];
    let pieces = shown("go", "go");
    assert!(pieces.len() > 3, "{} pieces are found", pieces.len());
    for piece in pieces {
        assert!(go.iter().any(|file| file.contains(&piece)), "the program has no {piece}");
    }
}

/// The names of the folders with examples in other languages.
fn clients() -> Vec<String> {
    let folder = fs::read_dir(root().join("examples/clients")).expect("a folder");
    let name = |entry: fs::DirEntry| entry.file_name().into_string().expect("text");
    let mut names: Vec<_> = folder.map(|entry| name(entry.expect("an entry"))).collect();
    names.sort();
    names
}

#[test]
fn every_client_has_a_guide_and_its_verdicts_in_the_reference() {
    let page = text("docs/reference/interop.md");
    let table: Vec<&str> = page.lines().skip_while(|line| !line.starts_with("| check ")).collect();
    let table: Vec<&str> = table.into_iter().take_while(|line| line.starts_with('|')).collect();
    assert!(table.len() > 20, "{} rows are found", table.len());
    let columns = table[0].to_lowercase();
    for client in clients() {
        for algorithm in ["hs256", "es256"] {
            assert!(columns.contains(&format!("{client} {algorithm} ")), "{client}: {columns}");
        }
        assert!(page.contains(&format!("../guides/{client}.md")), "{client}");
        let readme = text(&format!("examples/clients/{client}/README.md"));
        assert!(readme.contains(&format!("docs/guides/{client}.md")), "{client}");
    }
    let refused: Vec<_> = table.iter().filter(|row| row.contains(" NO ")).collect();
    assert!(refused.is_empty(), "{refused:?}");
}
