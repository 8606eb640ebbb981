//! The OpenAPI document against what the server does, and against the reference.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use reqwest::{Method, header::AUTHORIZATION};
use serde_json::{Map, Value};
use tempfile::tempdir;

use crate::process::{Answer, PASSWORD, Server, answer, countersign};

fn reference(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference").join(name);
    fs::read_to_string(path).expect("the reference")
}

pub(crate) async fn document(server: &Server) -> Value {
    let document = answer(server.request(Method::GET, "/openapi.json")).await;
    assert_eq!(document.status, 200, "{}", document.text);
    assert_eq!(document.headers["content-type"], "application/json");
    document.json()
}

/// All operations of a document: method, path, and what is said of it.
pub(crate) fn operations(document: &Value) -> Vec<(Method, String, &Value)> {
    let paths = document["paths"].as_object().expect("paths");
    let each = |(path, methods): (&String, &'_ Value)| {
        let methods: Vec<(Method, String)> = methods
            .as_object()
            .expect("methods")
            .keys()
            .map(|method| (method.to_uppercase().parse().expect("a method"), path.clone()))
            .collect();
        methods
    };
    paths
        .iter()
        .flat_map(each)
        .map(|(method, path)| {
            let operation = &document["paths"][&path][method.as_str().to_lowercase()];
            (method, path, operation)
        })
        .collect()
}

/// What stands here, or where this refers to.
pub(crate) fn resolved<'d>(document: &'d Value, part: &'d Value) -> &'d Value {
    let Some(name) = part["$ref"].as_str() else { return part };
    document.pointer(name.trim_start_matches('#')).expect("a part of this name")
}

/// The codes that an operation names, with their statuses.
pub(crate) fn codes(document: &Value, operation: &Value) -> BTreeSet<(u16, String)> {
    let answers = operation["responses"].as_object().expect("responses");
    let mut found = BTreeSet::new();
    for (status, answer) in answers {
        let answer = resolved(document, answer);
        let schema = &answer["content"]["application/problem+json"]["schema"];
        let codes = schema["allOf"][1]["properties"]["code"]["enum"].as_array();
        let status: u16 = status.parse().expect("a status");
        assert_eq!(codes.is_some(), status >= 400, "{operation}");
        let codes =
            codes.into_iter().flatten().map(|code| code.as_str().expect("a code").to_owned());
        found.extend(codes.map(|code| (status, code)));
    }
    found
}

/// Says what of a value is not as a schema wants it: of what schemas here are made of, all; an unknown word is a mistake.
pub(crate) fn misfit(document: &Value, schema: &Value, value: &Value) -> Option<String> {
    for (word, wanted) in schema.as_object().expect("a schema") {
        let is = |kind: &str| match kind {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "integer" => value.is_i64() || value.is_u64(),
            "boolean" => value.is_boolean(),
            "null" => value.is_null(),
            _ => panic!("type {kind}"),
        };
        let parts = || wanted.as_array().expect("an array").iter();
        let fits = match word.as_str() {
            "$ref" => {
                let found =
                    document.pointer(wanted.as_str().expect("text").trim_start_matches('#'));
                if let Some(why) = misfit(document, found.expect("a schema of this name"), value) {
                    return Some(why);
                }
                true
            }
            "type" => match wanted {
                Value::String(kind) => is(kind),
                kinds => kinds
                    .as_array()
                    .expect("types")
                    .iter()
                    .any(|kind| is(kind.as_str().expect("text"))),
            },
            "required" => parts().all(|name| value.get(name.as_str().expect("text")).is_some()),
            "properties" => {
                let known = wanted.as_object().expect("properties");
                let given = |(name, schema): (&String, &Value)| {
                    misfit(document, schema, value.get(name)?).map(|why| format!("{name}: {why}"))
                };
                if let Some(why) = known.iter().find_map(given) {
                    return Some(why);
                }
                true
            }
            "additionalProperties" => {
                assert_eq!(wanted, false);
                let known = schema["properties"].as_object().expect("properties");
                value
                    .as_object()
                    .is_none_or(|value| value.keys().all(|name| known.contains_key(name)))
            }
            "items" => {
                let items = value.as_array().into_iter().flatten();
                let mut misfits = items.filter_map(|item| misfit(document, wanted, item));
                if let Some(why) = misfits.next() {
                    return Some(why);
                }
                true
            }
            "allOf" => {
                if let Some(why) = parts().find_map(|part| misfit(document, part, value)) {
                    return Some(why);
                }
                true
            }
            "enum" => parts().any(|one| one == value),
            "const" => wanted == value,
            "minimum" => value.as_i64() >= wanted.as_i64(),
            "format" | "description" => true,
            _ => panic!("{word} in {schema}"),
        };
        if !fits {
            return Some(format!("{word} {wanted}: {value}"));
        }
    }
    None
}

/// Checks that a route answered as the document says.
#[track_caller]
fn assert_as_described(document: &Value, route: &str, operation: &Value, answer: &Answer) {
    let status = answer.status.as_str();
    let described = resolved(document, &operation["responses"][status]);
    assert!(described.is_object(), "{route} answers {status}: {}", answer.text);
    let Some(content) = described["content"].as_object() else {
        assert_eq!(answer.text, "", "{route}");
        return;
    };
    let kind = answer.headers["content-type"].to_str().expect("text");
    let schema = &content.get(kind).unwrap_or_else(|| panic!("{route} answers {kind}"))["schema"];
    assert_eq!(misfit(document, schema, &answer.json()), None, "{route}: {}", answer.text);
}

#[tokio::test]
async fn the_document_is_this() {
    let folder = tempdir().expect("folder");
    let document = document(&Server::dev(folder.path(), &[])).await;
    // A line for each part, so that a change shows what it changes.
    let mut lines = Vec::new();
    for (method, path, operation) in operations(&document) {
        lines.push(format!("{method} {path} {operation}"));
    }
    for (kind, parts) in document["components"].as_object().expect("components") {
        let parts = parts.as_object().expect("parts").iter();
        lines.extend(parts.map(|(name, part)| format!("{kind}/{name} {part}")));
    }
    lines.push(format!("{} {}", document["openapi"], document["servers"]));
    insta::assert_snapshot!(lines.join("\n"));
}

#[tokio::test]
async fn the_document_has_every_route_of_the_reference_and_no_other() {
    let folder = tempdir().expect("folder");
    let document = document(&Server::dev(folder.path(), &[])).await;
    let described: BTreeSet<String> =
        operations(&document).iter().map(|(method, path, _)| format!("{method} {path}")).collect();
    let pages = [
        "GET /docs",
        "GET /docs/{file}",
        "GET /docs/errors/{code}",
        "GET /static/{version}/{name}",
        "GET /forward-auth/{*path}", // whatever the proxy was asked for
        "GET /metrics",              // for programs of this machine
    ];
    let text = reference("http.md");
    let headings = text.lines().filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`'));
    let written = headings.filter(|route| !pages.contains(route)).map(str::to_owned);
    assert_eq!(described, written.collect());
}

/// The codes of the reference that an answer may have, with their rows.
pub(crate) fn written_codes() -> BTreeMap<String, Vec<String>> {
    let text = reference("errors.md");
    let (answers, _) = text.split_once("\n## In the library only").expect("a section");
    let rows = answers.lines().filter_map(|line| line.strip_prefix("| `")?.strip_suffix(" |"));
    rows.map(|row| {
        let mut cells = row.split(" | ").map(str::to_owned);
        (cells.next().expect("a code").trim_end_matches('`').to_owned(), cells.collect())
    })
    .collect()
}

#[tokio::test]
async fn the_document_has_every_code_of_the_reference_with_its_status() {
    let folder = tempdir().expect("folder");
    let document = document(&Server::dev(folder.path(), &[])).await;
    let described: BTreeSet<(u16, String)> = operations(&document)
        .iter()
        .flat_map(|(_, _, operation)| codes(&document, operation))
        .collect();
    let mut written = BTreeSet::new();
    for (code, cells) in written_codes() {
        let statuses = cells[0].split(", ").map(|status| status.parse().expect("a status"));
        written.extend(statuses.map(|status: u16| (status, code.clone())));
    }
    let missing: BTreeSet<&str> =
        written.difference(&described).map(|(_, code)| code.as_str()).collect();
    assert_eq!(described.difference(&written).collect::<Vec<_>>(), Vec::<&(u16, String)>::new());
    let elsewhere = [
        "key_exists",         // of a key that is brought on the command line
        "key_refused",        // the same
        "keys_unavailable",   // of an API that fetches the issuer's keys
        "method_not_allowed", // of a method that no document has
        "tls_required",       // of a port that speaks TLS, asked without
        "token_too_old",      // of a verifier that asks for it
        "unauthorized",       // of an application's own routes
    ];
    assert_eq!(missing, BTreeSet::from(elsewhere));
}

#[tokio::test]
async fn the_examples_of_the_document_are_what_it_describes() {
    let folder = tempdir().expect("folder");
    let document = document(&Server::dev(folder.path(), &[])).await;
    let mut seen = 0;
    for (method, path, operation) in operations(&document) {
        let body = operation["requestBody"]["content"].as_object();
        let answers = operation["responses"].as_object().expect("responses").values();
        let answers =
            answers.filter_map(|answer| resolved(&document, answer)["content"].as_object());
        for content in body.into_iter().chain(answers).flat_map(Map::values) {
            let why = misfit(&document, &content["schema"], &content["example"]);
            assert_eq!(why, None, "{method} {path}: {content}");
            seen += 1;
        }
    }
    assert!(seen > 300, "{seen}");
}

#[tokio::test]
async fn every_route_answers_as_the_document_says() {
    let folder = tempdir().expect("folder");
    let server = Server::dev(folder.path(), &["--limits-enabled", "false"]);
    let document = document(&server).await;
    let accounts = fs::read_to_string(folder.path().join("dev-accounts.json")).expect("accounts");
    let accounts: Value = serde_json::from_str(&accounts).expect("JSON");
    let (email, password) = (&accounts[1]["email"], &accounts[1]["password"]);
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let (email, password) = (text(email), text(password));
    server.register("other@example.com").await;
    let mut successes = 0;
    for (method, path, operation) in operations(&document) {
        let route = format!("{method} {path}");
        let there =
            path.replace("{id}", "01a202d9-dfaa-756c-8dc9-af49014a8d09").replace("{kid}", "k");
        let bare = answer(server.request(method.clone(), &there)).await;
        assert_as_described(&document, &route, operation, &bare);
        let wants = operation["security"].is_array();
        assert_eq!(bare.status == 401, wants, "{route}: {}", bare.text);

        // Each with a login of its own: some end it.
        let token = server.login(&email, &password).await;
        let request = server.request(method, &there).bearer_auth(token);
        let body = &operation["requestBody"]["content"]["application/json"]["example"];
        let request = if body.is_null() { request } else { request.json(body) };
        let answered = answer(request).await;
        assert_as_described(&document, &route, operation, &answered);
        assert_ne!(answered.status, 405, "{route}");
        successes += usize::from(answered.status.is_success());
    }
    assert!(successes > 18, "{successes}");
}

#[tokio::test]
async fn production_has_no_docs_unless_they_are_switched_on() {
    let serve = |more: &[&str], folder: &Path| {
        let mut command = countersign();
        command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(folder).args(more);
        Server::start(command)
    };
    let paths = ["/openapi.json", "/docs", "/docs/swagger-ui.css"];
    let folder = tempdir().expect("folder");
    let server = serve(&[], folder.path());
    for path in paths {
        let none = answer(server.request(Method::GET, path)).await;
        assert_eq!(none.problem(), (404, "not_found".to_owned()), "{path}");
    }
    let page = answer(server.request(Method::GET, "/docs/errors/token_expired")).await;
    assert_eq!(page.status, 200);
    drop(server);

    let server = serve(&["--http-docs", "true"], folder.path());
    for path in paths {
        assert_eq!(answer(server.request(Method::GET, path)).await.status, 200, "{path}");
    }
    let document = document(&server).await;
    for only_dev in ["/posts", "/outbox", "/dev/clock", "/dev/tokens"] {
        assert!(document["paths"][only_dev].is_null(), "{only_dev}");
    }
    assert!(
        codes(&document, &document["paths"]["/me"]["get"]).iter().all(|(status, _)| *status != 421)
    );
}

#[tokio::test]
async fn the_page_of_the_routes_takes_nothing_from_elsewhere_and_runs_files_alone() {
    let folder = tempdir().expect("folder");
    let server = Server::dev(folder.path(), &[]);
    let page = answer(server.request(Method::GET, "/docs")).await;
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    let policy = page.headers["content-security-policy"].to_str().expect("text").to_owned();
    let mut rules: Vec<&str> = policy.split("; ").collect();
    rules.sort_unstable();
    assert_eq!(
        rules,
        [
            "base-uri 'none'",
            "connect-src 'self'",
            "default-src 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "img-src 'self' data:",
            "script-src 'self'",
            "style-src 'self' 'unsafe-inline'",
        ]
    );
    assert_eq!(page.headers["x-frame-options"], "DENY");

    let scripts: Vec<&str> = page.text.split("<script").skip(1).collect();
    assert_eq!(scripts.len(), 3);
    assert!(
        scripts
            .iter()
            .all(|script| script.contains(r#"src="docs/"#) && script.contains("></script>"))
    );
    assert!(!page.text.contains("<style") && !page.text.contains(" style="));
    let files = page.text.split([' ', '>']).filter_map(|word| {
        let value = word.strip_prefix("src=").or_else(|| word.strip_prefix("href="))?;
        Some(value.trim_matches('"'))
    });
    let files: Vec<&str> = files.collect();
    assert_eq!(files.len(), 6, "{files:?}");
    for file in files {
        assert!(file.starts_with("docs/"), "{file}");
        let found =
            server.request(Method::GET, &format!("/{file}")).send().await.expect("an answer");
        assert_eq!(found.status(), 200, "{file}");
        assert_eq!(found.headers()["content-security-policy"], *policy, "{file}");
        assert_eq!(found.headers()["x-content-type-options"], "nosniff");
        assert!(!found.bytes().await.expect("all of it").is_empty(), "{file}");
    }
    let starts = answer(server.request(Method::GET, "/docs/swagger-initializer.js")).await;
    assert!(starts.text.contains(r#""url": "openapi.json""#), "{}", starts.text);
    assert!(!starts.text.contains("://"), "{}", starts.text);
    for none in ["/docs/index.html", "/docs/nothing.js", "/docs/..%2Fopenapi.json", "/docs/"] {
        let none = answer(server.request(Method::GET, none)).await;
        assert_eq!(none.problem(), (404, "not_found".to_owned()));
    }

    // The exception is for this page alone.
    for other in ["/openapi.json", "/outbox", "/me", "/docs/errors/token_expired"] {
        let other = answer(server.request(Method::GET, other)).await;
        let policy = other.headers["content-security-policy"].to_str().expect("text");
        assert!(!policy.contains("unsafe") && !policy.contains("script-src"), "{policy}");
    }
}

#[tokio::test]
async fn what_authorize_sends_gets_a_token_that_works() {
    let folder = tempdir().expect("folder");
    let server = Server::dev(folder.path(), &[]);
    server.register("a@example.com").await;
    let document = document(&server).await;
    let schemes = &document["components"]["securitySchemes"];
    let url = schemes["password"]["flows"]["password"]["tokenUrl"].as_str().expect("a path");
    let form = [("grant_type", "password"), ("username", "a@example.com"), ("password", PASSWORD)];
    // Without a client's id and secret it is the text ":".
    let request = server.request(Method::POST, url).header(AUTHORIZATION, "Basic Og==").form(&form);
    let tokens = answer(request).await;
    assert_eq!(tokens.status, 200, "{}", tokens.text);
    let token = tokens.json()["access_token"].as_str().expect("a token").to_owned();
    assert_eq!(server.get("/me", &token).await.status, 200);
    assert_eq!(schemes["cookie"]["name"], "session");
}

#[tokio::test]
async fn the_type_of_a_problem_is_the_path_of_its_page() {
    let folder = tempdir().expect("folder");
    let server = Server::dev(folder.path(), &[]);
    let refused = server.get("/me", "no token").await;
    let problem = refused.json();
    let page = answer(server.request(Method::GET, problem["type"].as_str().expect("a path"))).await;
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    assert!(page.text.contains("<h1><code>token_malformed</code></h1>"), "{}", page.text);
    assert!(page.text.contains("Send the token as it was handed out."), "{}", page.text);

    for (code, cells) in written_codes() {
        let page = answer(server.request(Method::GET, &format!("/docs/errors/{code}"))).await;
        assert_eq!(page.status, 200, "{code}");
        let shown = page.text.contains(&format!("HTTP {}", cells[0]));
        assert!(shown && page.text.contains(&format!("<code>{code}</code>")), "{}", page.text);
        let body = page.text.split_once("<main>").expect("a body").1;
        assert!(!body.contains(['`', '[']), "{}", page.text);
    }
    // A code of the library never comes in an answer.
    for code in ["secret_weak", "nothing", "%3Cscript%3E"] {
        let none = answer(server.request(Method::GET, &format!("/docs/errors/{code}"))).await;
        assert_eq!(none.problem(), (404, "not_found".to_owned()), "{code}");
    }
}
