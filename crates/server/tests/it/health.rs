//! `countersign health`, as a container asks it.

use std::{
    io::{Read, Write},
    net::TcpListener,
    process::Output,
    thread,
};

use auth::testing::Place;
use tempfile::tempdir;

use crate::process::{Server, countersign};

fn health(arguments: &[&str], variables: &[(&str, &str)]) -> (i32, String) {
    let mut command = countersign();
    command.arg("health").args(arguments).envs(variables.iter().copied());
    let Output { status, stdout, stderr } = command.output().expect("it runs");
    assert!(stdout.is_empty(), "an exit code is the answer");
    (status.code().expect("a code"), String::from_utf8(stderr).expect("text"))
}

#[test]
fn a_server_that_is_ready_is_found_by_its_own_settings() {
    let folder = tempdir().expect("folder");
    let server = Server::dev(folder.path(), &[]);
    let listen = server.url.trim_start_matches("http://").to_owned();
    for (arguments, variables) in [
        (vec!["--listen", &listen], vec![]),
        (vec!["--url", &server.url], vec![]),
        (vec![], vec![("COUNTERSIGN_HTTP__LISTEN", listen.as_str())]),
        // What the environment says of proxies is not for a question to this machine.
        (vec!["--listen", &listen], vec![("http_proxy", "http://127.0.0.1:9")]),
    ] {
        let (code, said) = health(&arguments, &variables);
        assert_eq!((code, said.trim()), (0, format!("{} is ready", server.url).as_str()));
    }
    let url = server.url.clone();
    assert!(server.stop().success());
    let (code, said) = health(&["--url", &url], &[]);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("no answer from"), "{said}");
}

#[test]
fn whoever_else_answers_is_not_a_ready_server() {
    let other = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", other.local_addr().expect("an address"));
    thread::spawn(move || {
        let (mut connection, _) = other.accept().expect("a connection");
        // A question that is not read makes the kernel take the answer back.
        let _ = connection.read(&mut [0; 4096]).expect("a request");
        let page = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nIt works!";
        connection.write_all(page).expect("written");
    });
    let (code, said) = health(&["--url", &url], &[]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("answers 200, and not as a server of countersign"), "{said}");
}

#[tokio::test]
async fn a_server_whose_database_has_gone_is_not_ready() {
    let Some(place) = Place::postgres().await else { return };
    let folder = tempdir().expect("folder");
    let mut command = countersign();
    command.args(["serve", "--allow-plain-keys", "--listen", "127.0.0.1:0", "--data-dir"]);
    command.arg(folder.path()).env("COUNTERSIGN_DATABASE__URL", &place.url);
    let server = Server::start(command);
    assert_eq!(health(&["--url", &server.url], &[]).0, 0);
    place.remove().await;
    // An answer of `/readyz` is good for a second.
    let gone = loop {
        let (code, said) = health(&["--url", &server.url], &[]);
        if code != 0 {
            break (code, said);
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    assert_eq!(gone.0, 1, "{}", gone.1);
    assert!(gone.1.contains("is not ready: its storage does not answer"), "{}", gone.1);
}

#[test]
fn a_port_that_is_not_known_has_to_be_named() {
    let (code, said) = health(&["--listen", "127.0.0.1:0"], &[]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("--url"), "{said}");
}
