//! The way to the mail server: one letter at a time, and what became of it.

use std::{
    error::Error as _,
    fmt,
    path::Path,
    sync::{Mutex, PoisonError},
    time::{Duration, UNIX_EPOCH},
};

use jwt::Timestamp;
use lettre::{
    Address, Message,
    message::{
        Mailbox, MultiPart,
        header::{HeaderName, HeaderValue},
    },
    transport::smtp::{
        Error as SmtpError,
        authentication::{Credentials, DEFAULT_MECHANISMS},
        client::{AsyncSmtpConnection, Certificate, TlsParameters},
        commands::{Data, Mail as MailFrom, Rcpt, Rset},
        extension::{ClientId, Extension, MailBodyParameter, MailParameter},
    },
};
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use super::{
    Rendered,
    url::{MailUrl, Security},
};
use crate::{Clock, Error, Ids, config, users::Email};

/// How long each step of a conversation may take; all of them together end before a claim does.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waits {
    /// From the first packet to the end of the login.
    pub(super) connect: Duration,
    /// A command.
    pub(super) command: Duration,
    /// The letter itself.
    pub(super) letter: Duration,
}

impl Default for Waits {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { connect: seconds(20), command: seconds(30), letter: seconds(120) }
    }
}

/// A connection that was not used for this long is not used again.
const IDLE: Duration = Duration::from_secs(20);

/// Why a letter was not sent. The texts say what the server said, and nothing of the letter.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trouble {
    /// The server cannot be reached, speaks no TLS, refuses the password or the sender: it is the same for any letter.
    Server(String),
    /// It puts this letter off (RFC 5321 §4.2.1: 4yz).
    PutOff(String),
    /// It will not take this letter, now or later (5yz).
    Refused(String),
    /// The connection broke when it had the letter: it may have taken it.
    Unsure(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Server(text) | Self::PutOff(text) | Self::Refused(text) | Self::Unsure(text)) =
            self;
        f.write_str(text)
    }
}

impl std::error::Error for Trouble {}

/// Hands letters to the mail server of `mail.url`.
pub struct Mailer {
    url: MailUrl,
    from: Mailbox,
    hello: ClientId,
    tls: Option<TlsParameters>,
    credentials: Option<Credentials>,
    waits: Waits,
    /// Connections that are open and have nothing to do.
    idle: Mutex<Vec<(AsyncSmtpConnection, Instant)>>,
}

/// Where the server is.
impl fmt::Display for Mailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.url.fmt(f)
    }
}

impl fmt::Debug for Mailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailer").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Whether these settings of mail go together; a sentence that says which does not.
pub(crate) fn check(mail: &config::Mail) -> Result<(), String> {
    let Some(url) = &mail.url else { return Ok(()) };
    match &mail.from {
        None => {
            return Err(
                "mail.url is set and mail.from is not: set it to the sender's address".to_owned()
            );
        }
        Some(from) => drop(sender(from)?),
    }
    let password = mail.password_file.is_some() || url.password.is_some();
    match (url.user.is_some(), password) {
        (true, false) => Err("mail.url names a user: set mail.password_file".to_owned()),
        (false, true) => {
            Err("there is a password for the mail server, and mail.url names no user".to_owned())
        }
        _ => Ok(()),
    }
}

fn sender(from: &str) -> Result<Mailbox, String> {
    let refuse = || {
        format!(
            "mail.from: {from:?} is no address; write \"auth@example.com\" or \"Name <auth@example.com>\""
        )
    };
    let mailbox: Mailbox = from.parse().map_err(|_| refuse())?;
    let control = mailbox.name.as_ref().is_some_and(|name| name.chars().any(char::is_control));
    if control || !AsRef::<str>::as_ref(&mailbox.email).is_ascii() {
        Err(refuse())
    } else {
        Ok(mailbox)
    }
}

impl Mailer {
    /// The way to the server of these settings; `None` without `mail.url`.
    ///
    /// # Errors
    /// [`Error::Configuration`] names the setting that is wrong.
    pub fn new(mail: &config::Mail) -> Result<Option<Self>, Error> {
        check(mail).map_err(Error::Configuration)?;
        let (Some(url), Some(from)) = (&mail.url, &mail.from) else { return Ok(None) };
        let from = sender(from).map_err(Error::Configuration)?;
        let password = match &mail.password_file {
            Some(path) => Some(read_password(path)?),
            None => url.password.as_ref().map(|password| password.to_string()),
        };
        let credentials = url.user.clone().zip(password);
        let tls = match url.security {
            Security::Plain => None,
            Security::Tls | Security::StartTls => Some(tls(url, mail.ca_file.as_deref())?),
        };
        Ok(Some(Self {
            url: url.clone(),
            hello: ClientId::Domain(from.email.domain().to_owned()),
            from,
            tls,
            credentials: credentials.map(|(user, password)| Credentials::new(user, password)),
            waits: Waits::default(),
            idle: Mutex::default(),
        }))
    }

    /// Other waits than the usual ones.
    #[cfg(test)]
    pub(super) fn waiting(mut self, waits: Waits) -> Self {
        self.waits = waits;
        self
    }

    /// Sends a letter and returns when the server has it. The id makes its `Message-ID`: where a letter arrives twice,
    /// mail programs show it once.
    pub(crate) async fn send(
        &self,
        id: Uuid,
        to: &Email,
        letter: &Rendered,
        now: Timestamp,
    ) -> Result<(), Trouble> {
        let to: Address = to
            .as_str()
            .parse()
            .map_err(|_| Trouble::Refused("the address cannot be written to".to_owned()))?;
        let message = self.message(id, &to, letter, now)?;
        // One that was open already may have been closed by the other side.
        if let Some(mut connection) = self.idle() {
            match self.mail_from(&mut connection, &to, &message).await {
                Ok(()) => return self.hand_over(connection, to, &message).await,
                Err(trouble) => {
                    tracing::debug!(%trouble, "the connection to the mail server is made anew");
                }
            }
        }
        let mut connection = self.connect().await?;
        self.mail_from(&mut connection, &to, &message).await?;
        self.hand_over(connection, to, &message).await
    }

    /// Sends a letter that says that letters get out.
    ///
    /// # Errors
    /// [`Trouble`] says at which point it did not.
    pub async fn send_test(&self, to: &Email, clock: &Clock) -> Result<(), Trouble> {
        let says = "This letter was sent to see whether letters get out. They do.";
        let letter = Rendered {
            subject: "A letter to try the mail server".to_owned(),
            text: format!("{says}\n"),
            html: format!("<!doctype html>\n<p>{says}</p>\n"),
        };
        self.send(Ids::new(clock.clone()).next(), to, &letter, clock.now()).await
    }

    /// Connects, protects the connection and logs in, as for a letter, and sends none.
    ///
    /// # Errors
    /// [`Trouble`] says at which point it failed.
    pub async fn greet(&self) -> Result<(), Trouble> {
        let mut connection = self.connect().await?;
        // It has answered; whether it takes leave is no matter.
        let _ = timeout(self.waits.command, connection.quit()).await;
        Ok(())
    }

    fn message(
        &self,
        id: Uuid,
        to: &Address,
        letter: &Rendered,
        now: Timestamp,
    ) -> Result<Vec<u8>, Trouble> {
        let since_epoch = Duration::from_secs(u64::try_from(now.seconds()).unwrap_or_default());
        let automatic = HeaderValue::new(
            HeaderName::new_from_ascii_str("Auto-Submitted"), // RFC 3834 §5: no holiday answers
            "auto-generated".to_owned(),
        );
        let message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to.clone()))
            .subject(&letter.subject)
            .date(UNIX_EPOCH + since_epoch)
            .message_id(Some(format!("<{id}@{}>", self.from.email.domain())))
            .raw_header(automatic)
            .multipart(MultiPart::alternative_plain_html(letter.text.clone(), letter.html.clone()))
            .map_err(|error| Trouble::Refused(error.to_string()))?;
        Ok(message.formatted())
    }

    /// Opens a connection, protects it and logs in.
    async fn connect(&self) -> Result<AsyncSmtpConnection, Trouble> {
        let outcome = timeout(self.waits.connect, async {
            let at_once = match self.url.security {
                Security::Tls => self.tls.clone(),
                Security::StartTls | Security::Plain => None,
            };
            // Brackets are for URLs.
            let host = self.url.host.trim_matches(['[', ']']);
            let server = (host, self.url.port);
            let wait = Some(self.waits.connect);
            let mut connection =
                AsyncSmtpConnection::connect_tokio1(server, wait, &self.hello, at_once, None)
                    .await?;
            if let (Security::StartTls, Some(tls)) = (self.url.security, &self.tls) {
                connection.starttls(tls.clone(), &self.hello).await?;
            }
            if let Some(credentials) = &self.credentials {
                connection.auth(DEFAULT_MECHANISMS, credentials).await?;
            }
            Ok(connection)
        });
        match outcome.await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(Trouble::Server(whole(&error))),
            Err(_) => Err(Trouble::Server("it did not greet in time".to_owned())),
        }
    }

    /// Begins a letter: any refusal here is one of the sender or the server.
    async fn mail_from(
        &self,
        connection: &mut AsyncSmtpConnection,
        to: &Address,
        message: &[u8],
    ) -> Result<(), Trouble> {
        let mut options = Vec::new();
        if !message.is_ascii() || !AsRef::<str>::as_ref(to).is_ascii() {
            // RFC 6531 §3.4: such an address travels only where the server says so.
            if !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
                let why = "the mail server takes no addresses beyond ASCII (SMTPUTF8)";
                return Err(Trouble::Refused(why.to_owned()));
            }
            options.push(MailParameter::SmtpUtfEight);
            options.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        let begin = MailFrom::new(Some(self.from.email.clone()), options);
        match timeout(self.waits.command, connection.command(begin)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => {
                Err(Trouble::Server(format!("at the sender's address: {}", whole(&error))))
            }
            Err(_) => Err(Trouble::Server("it did not answer in time".to_owned())),
        }
    }

    /// Names the recipient and hands the letter over.
    async fn hand_over(
        &self,
        mut connection: AsyncSmtpConnection,
        to: Address,
        message: &[u8],
    ) -> Result<(), Trouble> {
        let waits = self.waits;
        let named = timeout(waits.command, async {
            connection.command(Rcpt::new(to, Vec::new())).await?;
            connection.command(Data).await
        });
        match named.await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => {
                let trouble = judge(&error, Trouble::Server);
                if !matches!(trouble, Trouble::Server(_))
                    && matches!(timeout(waits.command, connection.command(Rset)).await, Ok(Ok(_)))
                {
                    self.keep(connection);
                }
                return Err(trouble);
            }
            Err(_) => return Err(Trouble::Server("it did not answer in time".to_owned())),
        }
        match timeout(waits.letter, connection.message(message)).await {
            Ok(Ok(_)) => {
                self.keep(connection);
                Ok(())
            }
            Ok(Err(error)) => Err(judge(&error, Trouble::Unsure)),
            Err(_) => {
                Err(Trouble::Unsure("it did not say in time whether it has the letter".to_owned()))
            }
        }
    }

    fn keep(&self, connection: AsyncSmtpConnection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push((connection, Instant::now()));
    }

    fn idle(&self) -> Option<AsyncSmtpConnection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(_, since)| since.elapsed() < IDLE);
        idle.pop().map(|(connection, _)| connection)
    }

    /// Closes connections that had nothing to do for a while.
    pub(super) async fn close_idle(&self) {
        let old: Vec<AsyncSmtpConnection> = {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            let (old, young) = idle.drain(..).partition(|(_, since)| since.elapsed() >= IDLE / 2);
            *idle = young;
            let old: Vec<(AsyncSmtpConnection, Instant)> = old;
            old.into_iter().map(|(connection, _)| connection).collect()
        };
        for mut connection in old {
            let _ = timeout(Duration::from_secs(1), connection.quit()).await;
        }
    }
}

/// What the server's answer to a letter means; `broken` says what no answer means.
fn judge(error: &SmtpError, broken: fn(String) -> Trouble) -> Trouble {
    let Some(code) = error.status() else { return broken(whole(error)) };
    // What else the server says may name the recipient, or repeat the letter.
    let said = error.source().map(ToString::to_string).unwrap_or_default();
    let enhanced = said.split_whitespace().next().filter(|word| {
        word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && word.contains('.')
    });
    let text = match enhanced {
        Some(enhanced) => format!("{code} {enhanced}"),
        None => code.to_string(),
    };
    match text.get(..3) {
        // It closes the connection; it wants another login.
        Some("421" | "530" | "535" | "538") => Trouble::Server(text),
        _ if error.is_permanent() => Trouble::Refused(text),
        _ => Trouble::PutOff(text),
    }
}

/// An error with its causes, in one line.
fn whole(error: &SmtpError) -> String {
    let text = error.to_string();
    let one_line = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().take(300).map(one_line).collect()
}

fn tls(url: &MailUrl, ca_file: Option<&Path>) -> Result<TlsParameters, Error> {
    let host = url.host.trim_matches(['[', ']']).to_owned();
    let mut builder = TlsParameters::builder(host);
    if let Some(path) = ca_file {
        let refuse =
            |why: String| Error::Configuration(format!("mail.ca_file: {}: {why}", path.display()));
        let pem = std::fs::read(path).map_err(|error| refuse(error.to_string()))?;
        if !String::from_utf8_lossy(&pem).contains("-----BEGIN CERTIFICATE-----") {
            return Err(refuse("there is no certificate in it (PEM)".to_owned()));
        }
        let certificate = Certificate::from_pem(&pem).map_err(|error| refuse(whole(&error)))?;
        builder = builder.add_root_certificate(certificate);
    }
    builder.build().map_err(|error| Error::Configuration(format!("mail.url: {}", whole(&error))))
}

/// A file with one line in it.
pub(crate) fn read_password(path: &Path) -> Result<String, Error> {
    let refuse =
        |why: &str| Error::Configuration(format!("mail.password_file: {}: {why}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| refuse(&error.to_string()))?;
    let line = text.trim_end_matches(['\r', '\n']);
    if line.is_empty() || line.chars().any(char::is_control) {
        return Err(refuse("it must hold the password in one line"));
    }
    Ok(line.to_owned())
}

#[cfg(test)]
mod tests;
