//! What systemd is told, on a socket of the test's own.

use std::{os::unix::net::UnixDatagram, time::Duration};

use tempfile::tempdir;

use crate::process::{Server, countersign};

/// The next message that is no sign of life.
fn heard(socket: &UnixDatagram) -> Vec<String> {
    loop {
        let mut message = [0; 4096];
        let length = socket.recv(&mut message).expect("a message");
        let text = str::from_utf8(&message[..length]).expect("text");
        if text != "WATCHDOG=1\n" {
            return text.lines().map(str::to_owned).collect();
        }
    }
}

#[tokio::test]
async fn systemd_hears_that_the_server_is_ready_reloads_stops_and_lives() {
    let folder = tempdir().expect("folder");
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    socket.set_read_timeout(Some(Duration::from_secs(60))).expect("set");
    let mut command = countersign();
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(folder.path().join("data"));
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "200000");
    let server = Server::start(command);
    assert_eq!(heard(&socket), ["READY=1", &format!("STATUS=listening on {}", server.url)]);

    let mut message = [0; 4096];
    for _ in 0..3 {
        let length = socket.recv(&mut message).expect("a sign of life");
        assert_eq!(&message[..length], b"WATCHDOG=1\n");
    }
    let mut before = 0;
    for _ in 0..2 {
        server.signal("-HUP");
        let reloading = heard(&socket);
        assert_eq!(reloading[0], "RELOADING=1");
        let time = reloading[1].strip_prefix("MONOTONIC_USEC=").expect("a time");
        let time: u64 = time.parse().expect("a number");
        assert!(time > before);
        before = time;
        assert_eq!(heard(&socket), ["READY=1", "STATUS=nothing was to be read again"]);
    }
    server.signal("-TERM");
    assert_eq!(heard(&socket)[0], "STOPPING=1");
    assert!(server.stop().success());
}

#[tokio::test]
async fn a_socket_that_is_not_there_stops_nothing() {
    let folder = tempdir().expect("folder");
    let mut command = countersign();
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(folder.path().join("data"));
    command.env("NOTIFY_SOCKET", folder.path().join("nowhere")).env("WATCHDOG_USEC", "1");
    let server = Server::start(command);
    server.until_it_says("systemd cannot be told how the server is").await;
    assert!(server.stop().success());
}
