//! A mail server for tests: real SMTP on loopback (RFC 5321), with or without TLS, well or badly behaved.

#![expect(
    clippy::expect_used,
    reason = "a test whose mail server does not work fails where it stands"
)]

use std::{
    collections::HashSet,
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::AbortHandle,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

/// As long as a letter may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// How the server behaves; it may change its mind from one command to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Manners {
    /// It takes every letter.
    Polite,
    /// It accepts connections and says nothing.
    Silent,
    /// It has no such recipient (550) where the address contains this, and is polite otherwise.
    Refuses(&'static str),
    /// It puts each recipient off once (451), as greylisting does.
    Greylists,
    /// It hangs up when it has half of a letter.
    HangsUp,
    /// It takes a letter, and hangs up without saying so.
    ForgetsToSaySo,
    /// It wants another sender (550 at MAIL).
    DislikesSender,
}

/// How the way to it is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    /// Not at all.
    None,
    /// STARTTLS is offered, and MAIL refused before it.
    StartTls,
    /// TLS from the first byte.
    Tls,
}

/// A letter that the server took.
#[derive(Debug, Clone)]
pub struct Received {
    /// The sender of the envelope.
    pub from: String,
    /// The recipient of the envelope.
    pub to: String,
    /// The letter as it came, without dots that were doubled on the way.
    pub data: String,
    /// Whether it came encrypted.
    pub encrypted: bool,
    /// What the client logged in with, as `user:password`.
    pub login: Option<String>,
}

impl Received {
    /// A header of the letter.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        let (head, _) = self.data.split_once("\r\n\r\n")?;
        let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ");
        let prefix = format!("{name}: ");
        unfolded.lines().find_map(|line| line.strip_prefix(&prefix)).map(str::to_owned)
    }

    /// The token of the first link in it.
    #[must_use]
    pub fn token(&self) -> Option<String> {
        // As quoted-printable has it (RFC 2045 §6.7), or plain.
        let text = self.data.replace("=\r\n", "").replace("=3D", "=");
        let (_, rest) = text.split_once("?token=")?;
        Some(rest.chars().take_while(char::is_ascii_hexdigit).collect())
    }
}

#[derive(Debug)]
struct State {
    manners: Manners,
    received: Vec<Received>,
    put_off: HashSet<String>,
    /// Connections that were made.
    calls: usize,
}

/// The server; it is closed when it goes out of scope.
pub struct PostOffice {
    address: SocketAddr,
    certificate: String,
    state: Arc<Mutex<State>>,
    accepting: AbortHandle,
}

impl fmt::Debug for PostOffice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostOffice").field("address", &self.address).finish_non_exhaustive()
    }
}

impl PostOffice {
    /// A polite one on a free port, without TLS.
    pub async fn open() -> Self {
        Self::at("127.0.0.1:0".parse().expect("an address"), Protection::None).await
    }

    /// A polite one on a free port.
    pub async fn protected(protection: Protection) -> Self {
        Self::at("127.0.0.1:0".parse().expect("an address"), protection).await
    }

    /// A polite one at this address.
    pub async fn at(address: SocketAddr, protection: Protection) -> Self {
        let (certificate, tls) = acceptor();
        let listener = TcpListener::bind(address).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(Mutex::new(State {
            manners: Manners::Polite,
            received: Vec::new(),
            put_off: HashSet::new(),
            calls: 0,
        }));
        let shared = Arc::clone(&state);
        let accepting = tokio::spawn(async move {
            let mut calls = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                lock(&shared).calls += 1;
                calls.spawn(serve(stream, protection, tls.clone(), Arc::clone(&shared)));
            }
        });
        Self { address, certificate, state, accepting: accepting.abort_handle() }
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificate (PEM) of a protected one, made out to `localhost`.
    #[must_use]
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Lets it behave otherwise from now on.
    pub fn behave(&self, manners: Manners) {
        lock(&self.state).manners = manners;
    }

    /// The letters it has taken so far.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        lock(&self.state).received.clone()
    }

    /// Connections that were made so far.
    #[must_use]
    pub fn calls(&self) -> usize {
        lock(&self.state).calls
    }

    /// Waits until it has taken so many letters.
    pub async fn until(&self, letters: usize) -> Vec<Received> {
        let begun = Instant::now();
        loop {
            let received = self.received();
            if received.len() >= letters {
                return received;
            }
            assert!(begun.elapsed() < PATIENCE, "{} of {letters} letters came", received.len());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until somebody has called so often.
    pub async fn until_called(&self, calls: usize) {
        let begun = Instant::now();
        while self.calls() < calls {
            assert!(begun.elapsed() < PATIENCE, "{} of {calls} calls", self.calls());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for PostOffice {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// A fresh certificate (PEM) for `localhost`, and what speaks TLS with it.
pub(super) fn acceptor() -> (String, TlsAcceptor) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(signing_key.serialize_pem().as_bytes());
    let chain = vec![CertificateDer::from(cert.der().to_vec())];
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key.expect("a key"))
        .expect("a certificate with its key");
    (cert.pem(), TlsAcceptor::from(Arc::new(config)))
}

/// An address of this machine at which nothing listens.
pub async fn closed_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    listener.local_addr().expect("an address")
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().expect("nobody panicked")
}

async fn serve(
    mut stream: TcpStream,
    protection: Protection,
    tls: TlsAcceptor,
    state: Arc<Mutex<State>>,
) -> std::io::Result<()> {
    if protection == Protection::Tls {
        let stream = tls.accept(stream).await?;
        return Call { stream: BufReader::new(stream), encrypted: true, state }
            .run(true, false)
            .await
            .map(drop);
    }
    let offers = protection == Protection::StartTls;
    let call =
        Call { stream: BufReader::new(&mut stream), encrypted: false, state: Arc::clone(&state) };
    if call.run(true, offers).await? {
        let stream = tls.accept(stream).await?;
        let call = Call { stream: BufReader::new(stream), encrypted: true, state };
        call.run(false, false).await?;
    }
    Ok(())
}

struct Call<S> {
    stream: BufReader<S>,
    encrypted: bool,
    state: Arc<Mutex<State>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Call<S> {
    fn manners(&self) -> Manners {
        lock(&self.state).manners.clone()
    }

    async fn say(&mut self, line: &str) -> std::io::Result<()> {
        self.stream.get_mut().write_all(format!("{line}\r\n").as_bytes()).await?;
        self.stream.get_mut().flush().await
    }

    async fn hear(&mut self) -> std::io::Result<Option<String>> {
        let mut line = String::new();
        let read = self.stream.read_line(&mut line).await?;
        Ok((read > 0).then(|| line.trim_end_matches(['\r', '\n']).to_owned()))
    }

    /// Talks to its end; says whether the client wants to go on with TLS.
    async fn run(mut self, greet: bool, offers_tls: bool) -> std::io::Result<bool> {
        if self.manners() == Manners::Silent {
            std::future::pending::<()>().await;
        }
        if greet {
            self.say("220 localhost ESMTP of the tests").await?;
        }
        let (mut from, mut to, mut login) = (String::new(), String::new(), None);
        while let Some(line) = self.hear().await? {
            let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
            let address = || {
                let rest = line.split_once('<').map_or("", |(_, rest)| rest);
                rest.split_once('>').map_or("", |(address, _)| address).to_owned()
            };
            let answer = match verb.as_str() {
                "EHLO" if offers_tls => "250-localhost\r\n250-STARTTLS\r\n250 8BITMIME",
                "EHLO" => "250-localhost\r\n250-AUTH PLAIN\r\n250-SMTPUTF8\r\n250 8BITMIME",
                "STARTTLS" if offers_tls => {
                    self.say("220 go ahead").await?;
                    return Ok(true);
                }
                "AUTH" => {
                    let secret = line.rsplit(' ').next().unwrap_or_default();
                    login = plain_login(secret);
                    match &login {
                        Some(login) if login.ends_with(":right") => "235 welcome",
                        _ => "535 5.7.8 no",
                    }
                }
                "MAIL" if offers_tls => "530 5.7.0 STARTTLS first",
                "MAIL" if self.manners() == Manners::DislikesSender => "550 5.7.1 not you",
                "MAIL" => {
                    from = address();
                    "250 2.1.0 ok"
                }
                "RCPT" => {
                    to = address();
                    self.judge(&to)
                }
                "DATA" => {
                    self.say("354 go on").await?;
                    let Some(data) = self.data().await? else { return Ok(false) };
                    let (from, to, login) = (from.clone(), to.clone(), login.clone());
                    let letter = Received { from, to, data, encrypted: self.encrypted, login };
                    lock(&self.state).received.push(letter);
                    if self.manners() == Manners::ForgetsToSaySo {
                        return Ok(false);
                    }
                    "250 2.0.0 taken"
                }
                "RSET" | "NOOP" => "250 2.0.0 ok",
                "QUIT" => {
                    self.say("221 2.0.0 bye").await?;
                    return Ok(false);
                }
                _ => "500 5.5.1 what",
            };
            self.say(answer).await?;
        }
        Ok(false)
    }

    fn judge(&self, to: &str) -> &'static str {
        let mut state = lock(&self.state);
        match state.manners.clone() {
            Manners::Refuses(part) if to.contains(part) => "550 5.1.1 there is nobody of this name",
            Manners::Greylists if state.put_off.insert(to.to_owned()) => {
                "451 4.7.1 come back later"
            }
            _ => "250 2.1.5 ok",
        }
    }

    /// A letter to its dot; `None` when the server has hung up in the middle.
    async fn data(&mut self) -> std::io::Result<Option<String>> {
        let mut data = String::new();
        while let Some(line) = self.hear().await? {
            if line == "." {
                return Ok(Some(data));
            }
            if self.manners() == Manners::HangsUp {
                return Ok(None);
            }
            data.push_str(line.strip_prefix('.').unwrap_or(&line));
            data.push_str("\r\n");
        }
        Ok(None)
    }
}

/// User and password of `AUTH PLAIN` (RFC 4616).
fn plain_login(secret: &str) -> Option<String> {
    let bytes = base64_turbo::STANDARD.decode(secret).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let mut parts = text.split('\0').skip(1);
    Some(format!("{}:{}", parts.next()?, parts.next()?))
}
