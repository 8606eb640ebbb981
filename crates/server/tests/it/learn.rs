//! The lesson, as the server hands it out; `tests/browser/learn.test.mjs` takes its steps.

use reqwest::{
    Method, StatusCode,
    header::{ACCEPT, HOST},
};
use tempfile::tempdir;

use crate::process::{Answer, Server, answer, countersign};

async fn lesson(server: &Server, host: Option<&str>) -> Answer {
    let mut request = server.request(Method::GET, "/learn").header(ACCEPT, "text/html");
    if let Some(host) = host {
        request = request.header(HOST, host);
    }
    answer(request).await
}

fn serve(folder: &std::path::Path, more: &[&str]) -> Server {
    let mut command = countersign();
    command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(folder).args(more);
    Server::start(command)
}

#[tokio::test]
async fn the_lesson_is_for_people_where_learning_is_on() {
    let folder = tempdir().expect("a folder");
    let server = Server::dev(folder.path(), &[]);
    let page = lesson(&server, None).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    let policy = page.headers["content-security-policy"].to_str().expect("text");
    assert!(policy.contains("script-src 'self';"), "{policy}");
    // The visitor needs no account, and the commands are for this server.
    assert!(page.text.contains(&format!("curl -s {}/register --json @-", server.url)));
    assert!(page.text.contains("data-resource=\"/posts\"") && !page.text.contains("<input"));
    let program = answer(server.request(Method::GET, "/learn")).await;
    assert_eq!(program.problem(), (405, "method_not_allowed".to_owned()));
    assert!(server.stop().success());

    let folder = tempdir().expect("a folder");
    let server = serve(folder.path(), &[]);
    assert_eq!(lesson(&server, None).await.status, StatusCode::NOT_FOUND);
    assert!(server.stop().success());
}

#[tokio::test]
async fn the_lesson_keeps_a_password_out_of_addresses_and_command_lines() {
    let folder = tempdir().expect("a folder");
    let server = serve(folder.path(), &["--http-docs", "true"]);
    let page = lesson(&server, None).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    let fields: Vec<&str> = page.text.split("<input").skip(1).collect();
    assert_eq!(fields.len(), 2);
    for field in fields {
        // A field without a name is in no form's data.
        let field = field.split('>').next().unwrap_or_default();
        assert!(!field.contains(" name="), "{field}");
    }
    assert!(page.text.contains("read -rs PASSWORD") && page.text.contains("/me -H"));
    // No command gets it as an argument, where every process of the machine could see it.
    assert!(!page.text.contains("--json &#39;") && !page.text.contains("--json '"));
    assert!(server.stop().success());
}

#[tokio::test]
async fn the_lesson_names_the_server_as_it_is_set_and_never_as_it_was_called() {
    let folder = tempdir().expect("a folder");
    let server = serve(folder.path(), &["--http-docs", "true"]);
    let page = lesson(&server, Some("evil.example")).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    assert!(!page.text.contains("evil"));
    assert!(page.text.contains(&format!("curl -i {}/me", server.url)));
    assert!(server.stop().success());

    let folder = tempdir().expect("a folder");
    let public = "https://example.com/auth";
    let server = serve(folder.path(), &["--http-docs", "true", "--http-public-url", public]);
    let page = lesson(&server, None).await;
    for expected in [
        "data-base=\"/auth\"",
        "data-cookie=\"__Host-session\"",
        "curl -s https://example.com/auth/login --json",
        "-H \"Origin: https://example.com\"",
    ] {
        assert!(page.text.contains(expected), "{expected}");
    }
    assert!(server.stop().success());
}
