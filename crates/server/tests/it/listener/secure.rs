//! The listener in TLS: its bounds are those without, and the handshake has some of its own.

use std::sync::Arc;

use countersign_server::{
    listener::Endpoint,
    tls::{Files, Tls},
};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, ClientConnection, ProtocolVersion, RootCertStore,
        crypto::aws_lc_rs::default_provider,
        pki_types::{CertificateDer, ServerName},
        version::{TLS12, TLS13},
    },
};

use super::*;

/// A listener in TLS of its own for one test, and what clients trust.
struct Secure {
    server: Server,
    roots: RootCertStore,
}

/// A certificate for localhost, its key beside it.
fn identity() -> (CertificateDer<'static>, Tls) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let files = Files {
        certificate: folder.path().join("certificate.pem"),
        private_key: folder.path().join("key.pem"),
    };
    std::fs::write(&files.certificate, cert.pem()).unwrap();
    std::fs::write(&files.private_key, signing_key.serialize_pem()).unwrap();
    (cert.der().clone(), Tls::new(files.read().unwrap()).unwrap())
}

impl Secure {
    async fn start(limits: Limits, rules: Rules) -> Self {
        Self::with(app(), limits, rules).await
    }

    async fn with(app: Router, limits: Limits, rules: Rules) -> Self {
        let (certificate, tls) = identity();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let endpoint = Endpoint { listener, tls: Some(tls) };
        let done = tokio::spawn(serve(endpoint, wrap(app, rules), limits, async {
            let _ = stopped.await;
        }));
        let mut roots = RootCertStore::empty();
        roots.add(certificate).unwrap();
        Self { server: Server { address, stop, done }, roots }
    }

    async fn usual() -> Self {
        Self::start(Limits::default(), Rules::default()).await
    }

    fn client(&self) -> ClientConfig {
        ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(self.roots.clone())
            .with_no_client_auth()
    }

    async fn tcp(&self) -> TcpStream {
        TcpStream::connect(self.server.address).await.unwrap()
    }

    async fn connect(&self) -> Client<TlsStream<TcpStream>> {
        self.connect_as(self.client()).await.unwrap()
    }

    async fn connect_as(
        &self,
        client: ClientConfig,
    ) -> std::io::Result<Client<TlsStream<TcpStream>>> {
        let connector = TlsConnector::from(Arc::new(client));
        let name = ServerName::try_from("localhost").unwrap();
        let connected = timeout(PATIENCE, connector.connect(name, self.tcp().await));
        Ok(Client(connected.await.expect("no handshake")?))
    }

    async fn says_to(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut client = self.connect().await;
        client.send(bytes).await;
        client.rest().await
    }

    /// What it says to somebody who does not speak TLS, or badly.
    async fn says_plainly_to(&self, bytes: &[u8]) -> Vec<u8> {
        let mut tcp = self.tcp().await;
        tcp.write_all(bytes).await.unwrap();
        rest_of(&mut tcp).await
    }

    /// The beginning of a handshake, as a client sends it.
    fn hello(&self) -> Vec<u8> {
        let name = ServerName::try_from("localhost").unwrap();
        let mut client = ClientConnection::new(Arc::new(self.client()), name).unwrap();
        let mut hello = Vec::new();
        client.write_tls(&mut hello).unwrap();
        hello
    }
}

/// What is read until the other side closes, or resets.
async fn rest_of(stream: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("it stays open");
    rest
}

// The handshake.

#[tokio::test]
async fn both_versions_of_tls_are_spoken_and_http_1_1_in_them() {
    let server = Secure::usual().await;
    for (version, spoken) in
        [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)]
    {
        let mut client = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(server.roots.clone())
            .with_no_client_auth();
        client.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let mut client = server.connect_as(client).await.unwrap();
        let session = client.0.get_ref().1;
        assert_eq!(session.protocol_version(), Some(spoken));
        assert_eq!(session.alpn_protocol(), Some(&b"http/1.1"[..]));
        client.send(GET_AND_CLOSE).await;
        assert_ok(&client.rest().await);
    }
    let mut modern = server.client();
    modern.alpn_protocols = vec![b"h2".to_vec()];
    let refused = server.connect_as(modern).await.err().expect("nothing but http/1.1");
    assert!(refused.to_string().contains("NoApplicationProtocol"), "{refused}");
}

#[tokio::test]
async fn older_versions_are_refused_by_an_alert() {
    let server = Secure::usual().await;
    // A hello of TLS 1.1 with one cipher suite of its time (RFC 4346 §7.4.1.2), and the extension
    // without which a server of today does not look at the version (RFC 8446 §4.2.3).
    let mut hello = vec![22, 3, 1, 0, 55, 1, 0, 0, 51, 3, 2];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0xc0, 0x13, 1, 0, 0, 8, 0, 13, 0, 4, 0, 2, 4, 3]);
    let answer = server.says_plainly_to(&hello).await;
    // An alert, fatal: protocol_version (RFC 8446 §6.2).
    assert_eq!((answer[0], &answer[5..]), (21, &[2, 70][..]), "{answer:?}");
}

#[tokio::test]
async fn a_request_without_tls_is_told_so() {
    let server = Secure::usual().await;
    for request in [GET, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "post"] {
        let answer = server.says_plainly_to(request.as_bytes()).await;
        assert_problem(&String::from_utf8(answer).unwrap(), 400, "tls_required");
    }
    assert_eq!(server.says_plainly_to(b"\0\0\0").await, b"");
}

#[tokio::test]
async fn a_handshake_that_does_not_go_on_is_cut() {
    let limits = Limits { idle: PATIENCE * 2, ..quick() };
    let server = Secure::start(limits, Rules::default()).await;
    let hello = server.hello();
    assert_eq!(rest_of(&mut server.tcp().await).await, b"");
    assert_eq!(server.says_plainly_to(&hello[..7]).await, b"");
    // A whole one is answered, and the client then waited for.
    assert_eq!(server.says_plainly_to(&hello).await[0], 22);

    let (mut reader, mut writer) = server.tcp().await.into_split();
    let trickle = tokio::spawn(async move {
        for byte in hello.into_iter().cycle() {
            sleep(SHORT / 8).await;
            if writer.write_all(&[byte]).await.is_err() {
                break;
            }
        }
    });
    let mut rest = Vec::new();
    let _ = timeout(PATIENCE, reader.read_to_end(&mut rest)).await.expect("it stays open");
    assert_eq!(rest, b"");
    trickle.abort();
}

#[tokio::test]
async fn a_handshake_larger_than_a_head_may_be_is_cut() {
    let limits = Limits { head: PATIENCE * 2, ..Limits::default() };
    let server = Secure::start(limits, Rules::default()).await;
    // One hello of 60,000 bytes in records of 16,000, of which the last never comes.
    let mut large = Vec::new();
    for part in 0..3 {
        large.extend([22, 3, 1, 0x3e, 0x80]);
        let begin: &[u8] = if part == 0 { &[1, 0, 0xea, 0x60, 3, 3] } else { &[] };
        large.extend(begin);
        large.resize(large.len() + 16_000 - begin.len(), 0);
    }
    assert_ne!(server.says_plainly_to(&large).await.first(), Some(&22));
}

#[tokio::test]
async fn half_handshakes_do_not_stop_others_and_take_part_in_the_cap() {
    let server = Secure::usual().await;
    let hello = server.hello();
    let mut half_open = Vec::new();
    for length in 0..150 {
        let mut tcp = server.tcp().await;
        tcp.write_all(&hello[..length]).await.unwrap();
        half_open.push(tcp);
    }
    assert_ok(&server.says_to(GET_AND_CLOSE).await);

    let limits = Limits { connections: 2, ..quick() };
    let server = Secure::start(limits, Rules::default()).await;
    let (first, second) = (server.tcp().await, server.tcp().await);
    let mut third = server.tcp().await;
    third.write_all(&server.hello()).await.unwrap();
    assert!(timeout(SHORT / 2, third.readable()).await.is_err());
    drop((first, second));
    timeout(PATIENCE, third.readable()).await.unwrap().unwrap();
}

#[tokio::test]
async fn sessions_are_resumed_by_tickets_and_not_with_another_certificate() {
    let (certificate, tls) = identity();
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let endpoint = Endpoint { listener, tls: Some(tls.clone()) };
    let done = tokio::spawn(serve(endpoint, app(), Limits::default(), async {
        let _ = stopped.await;
    }));
    let server = Secure { server: Server { address, stop, done }, roots };
    let config = server.client();
    let handshake = async || {
        let mut client = server.connect_as(config.clone()).await.unwrap();
        client.send(GET_AND_CLOSE).await;
        assert_ok(&client.rest().await);
        client.0.get_ref().1.handshake_kind()
    };
    let first = format!("{:?}", handshake().await);
    let second = format!("{:?}", handshake().await);
    assert_eq!((&first[..], &second[..]), ("Some(Full)", "Some(Resumed)"));

    let mut open = server.connect_as(config.clone()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let own = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let files = Files {
        certificate: folder.path().join("certificate.pem"),
        private_key: folder.path().join("key.pem"),
    };
    std::fs::write(&files.certificate, own.cert.pem()).unwrap();
    std::fs::write(&files.private_key, own.signing_key.serialize_pem()).unwrap();
    tls.replace(files.read().unwrap()).unwrap();
    // The client does not trust the other one: it is shown it, and resumes nothing.
    let refused = server.connect_as(config).await.err().expect("another certificate");
    assert!(refused.to_string().contains("invalid peer certificate"), "{refused}");
    open.send(GET_AND_CLOSE).await;
    assert_ok(&open.rest().await);
}

// What holds without TLS holds in it.

#[tokio::test]
async fn waits_in_tls_end_as_they_do_without() {
    let limits = Limits { idle: PATIENCE * 2, ..quick() };
    let server = Secure::start(limits, Rules::default()).await;
    // `rest` fails on an end that is not announced by close_notify.
    assert_eq!(server.connect().await.rest().await, "");
    assert_problem(&server.says_to("GET / HTTP/1.1\r\nHost: lo").await, 408, "request_timeout");
    let answers = server.says_to(format!("{GET}GET / HTTP/1.1\r\nHost: lo")).await;
    assert_ok(&answers);
    assert!(answers.contains("HTTP/1.1 408"), "{answers:?}");
    let large = format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "x".repeat(17 * 1024));
    assert_problem(&server.says_to(large).await, 431, "head_too_large");
    assert_problem(&server.says_to("NOT HTTP\r\n\r\n").await, 400, "bad_request");
}

#[tokio::test]
async fn an_idle_connection_in_tls_is_kept_and_then_closed() {
    let server = Secure::start(quick(), Rules::default()).await;
    let mut client = server.connect().await;
    for _ in 0..3 {
        client.send(GET).await;
        assert_ok(&client.answer().await);
        sleep(SHORT * 2).await;
    }
    let quiet = Instant::now();
    assert_eq!(client.rest().await, "");
    assert!(quiet.elapsed() > SHORT * 2);
}

#[tokio::test]
async fn requests_behind_each_other_and_bodies_pass_in_tls() {
    let server = Secure::usual().await;
    let mut client = server.connect().await;
    client.send(GET.repeat(20)).await;
    let mut answers = String::new();
    while answers.matches("HTTP/1.1 200 OK").count() < 20 {
        answers.push_str(&client.answer().await);
    }
    let body = "x".repeat(60_000);
    let head = "POST /length HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 60000\r\n\r\n";
    client.send(format!("{head}{body}")).await;
    let answer = client.rest().await;
    assert!(answer.ends_with("60000"), "{answer:?}");
    let answer =
        server.says_to("GET /large HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
    assert!(answer.len() > 32 * 1024 * 1024);
    let answer =
        server.says_to("GET /peer HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
    assert!(answer.ends_with("127.0.0.1"), "{answer:?}");
}

#[tokio::test]
async fn a_client_in_tls_that_does_not_read_its_answer_is_cut() {
    let server = Secure::start(quick(), Rules::default()).await;
    let mut client = server.connect().await;
    client.send("GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    sleep(SHORT * 10).await;
    let mut answer = Vec::new();
    let end = timeout(PATIENCE, client.0.read_to_end(&mut answer)).await.expect("still open");
    assert!(answer.len() < 32 * 1024 * 1024);
    // Whoever reads on finds that something is missing.
    assert!(end.is_err());
}

#[tokio::test]
async fn a_client_in_tls_that_has_closed_its_side_is_answered() {
    let server = Secure::usual().await;
    for (request, status) in [
        ("GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n", "HTTP/1.1 200 "),
        ("GET / HTTP/1.1\r\nHost: loc", "HTTP/1.1 400 "),
    ] {
        let mut client = server.connect().await;
        client.send(request).await;
        client.0.shutdown().await.unwrap();
        let answer = client.rest().await;
        assert!(answer.starts_with(status), "{answer:?}");
    }
}

#[tokio::test]
async fn a_stop_finishes_what_is_in_flight_in_tls() {
    let server = Secure::usual().await;
    let mut idle = server.connect().await;
    idle.send(GET).await;
    assert_ok(&idle.answer().await);
    let mut begun = server.tcp().await;
    begun.write_all(&server.hello()[..9]).await.unwrap();
    let mut busy = server.connect().await;
    busy.send("GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    sleep(SHORT / 2).await;

    server.server.stop.send(()).unwrap();
    assert_eq!(idle.rest().await, "");
    assert_eq!(rest_of(&mut begun).await, b"");
    let answer = busy.rest().await;
    assert_ok(&answer);
    assert!(answer.contains("connection: close\r\n"), "{answer:?}");
    drop(busy);
    timeout(PATIENCE, server.server.done).await.unwrap().unwrap().unwrap();
}
