//! Every knob, its default and its documentation, in one place.
//!
//! [`Config`] is a plain struct: take [`Config::default`] and change what differs. The server fills the
//! same struct from a file, the environment and flags; the doc comments below are the text of the
//! commented example file.

mod values;

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    str::FromStr,
    time::Duration,
};

use confique::{Config as _, Layer as _};
use ipnet::IpNet;
use jwt::Algorithm;
use serde::{Deserialize, Deserializer, de};
use zeroize::Zeroizing;

use self::values::parse_address;
pub use self::values::{nearest, parse_algorithm, parse_duration};
use crate::{
    Error,
    mail::{self, MailUrl},
    roles::{ADMIN, USER, is_role},
    webhooks::{self, WebhookUrl},
};

/// All settings of an installation, by section.
#[derive(Debug, Clone, confique::Config)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct Config {
    /// How the installation is reached.
    #[config(nested)]
    pub http: Http,
    /// Where its data lies.
    #[config(nested)]
    pub database: Database,
    /// Which kinds of login it offers.
    #[config(nested)]
    pub auth: Modes,
    /// Who may have an account.
    #[config(nested)]
    pub accounts: Accounts,
    /// Server-side sessions, held by a cookie.
    #[config(nested)]
    pub sessions: Sessions,
    /// Access and refresh tokens.
    #[config(nested)]
    pub tokens: Tokens,
    /// How the end of a login reaches every instance.
    #[config(nested)]
    pub revocation: Revocation,
    /// What signs the tokens.
    #[config(nested)]
    pub keys: Keys,
    /// Limits on guessing.
    #[config(nested)]
    pub limits: Limits,
    /// The audit log.
    #[config(nested)]
    pub audit: Audit,
    /// How mail is sent.
    #[config(nested)]
    pub mail: Mail,
    /// Where events are sent.
    #[config(nested)]
    pub webhooks: Webhooks,
    /// What is logged, and how.
    #[config(nested)]
    pub log: Log,
}

/// Section `http`.
#[derive(Debug, Clone, confique::Config)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct Http {
    /// The address and port to listen on; port 0 asks for a free one.
    #[config(default = "127.0.0.1:8000", deserialize_with = address)]
    pub listen: SocketAddr,
    /// The address under which browsers reach this server, such as `https://auth.example.com`.
    /// Cookies, the cross-site check and links in mail follow it. Without it, `http://` and the address
    /// it listens on.
    pub public_url: Option<PublicUrl>,
    /// Proxies whose `X-Forwarded-For` is believed, as CIDR networks such as `10.0.0.0/8`; none by default.
    /// The client is then the right-most address in it that is not one of them, else whoever connects.
    /// Each of them has to append the address that connects to it, or to set the header anew.
    #[config(default = [])]
    pub trusted_proxies: Vec<IpNet>,
    /// Origins whose pages may call this server from a browser, such as `https://app.example.com`.
    #[config(default = [])]
    pub cors_origins: Vec<String>,
    /// Whether `serve` has `/docs` and `/openapi.json`, and the pages `/debugger` and `/learn`, as `dev` always has.
    #[config(default = false)]
    pub docs: bool,
    /// Whether `serve` has pages, as `dev` always has: sign in, account, the administrators' console. Without
    /// them it is for programs alone.
    #[config(default = true)]
    pub pages: bool,
    /// A second address for `/metrics` alone; without it, `/metrics` answers loopback only.
    #[config(deserialize_with = address)]
    pub metrics_listen: Option<SocketAddr>,
    /// A file with the server's certificate in PEM, and behind it those between it and its authority: the binary speaks
    /// TLS on `http.listen` then. SIGHUP has it read again.
    pub tls_certificate_file: Option<PathBuf>,
    /// A file with the private key of that certificate in PEM: PKCS#8, PKCS#1 or SEC1, without a passphrase.
    pub tls_private_key_file: Option<PathBuf>,
}

/// Section `database`.
#[derive(Debug, Clone, confique::Config)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct Database {
    /// `sqlite://path` or `postgres://user@host/name`. Without it, SQLite in the data folder.
    pub url: Option<String>,
    /// Set this behind a transaction pooler, which keeps no named statements from one to the next.
    #[config(default = false)]
    pub pooler: bool,
}

/// Section `auth`.
#[derive(Debug, Clone, confique::Config)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct Modes {
    /// Which logins are offered: `jwt` (signed tokens), `session` (a cookie, the server remembers) or
    /// `both`. Credentials of the other kind stay good until they expire.
    #[config(default = "both")]
    pub mode: Mode,
}

/// Section `accounts`.
#[derive(Debug, Clone, confique::Config)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct Accounts {
    /// Who may register: `open` (anyone), `closed` (no one) or `invite` (those with an invitation; as there
    /// are none yet, no one).
    #[config(default = "open")]
    pub registration: Registration,
    /// Whether an address must be confirmed by mail before its first login; needs `mail.url`.
    #[config(default = false)]
    pub verify_email: bool,
    /// The roles that an account may have, each of `a-z`, `0-9`, `_` and `-`.
    #[config(default = ["user", "admin"])]
    pub roles: Vec<String>,
}

/// Section `sessions`.
#[derive(Debug, Clone, confique::Config)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct Sessions {
    /// Where sessions live: `database` (they outlast a restart, all instances see them) or `memory`.
    #[config(default = "database")]
    pub store: Store,
    /// A session ends after this long without use.
    #[config(default = "12h", deserialize_with = duration)]
    pub idle: Duration,
    /// A session ends this long after its login, however much it is used.
    #[config(default = "30d", deserialize_with = duration)]
    pub absolute: Duration,
}

/// Section `tokens`.
#[derive(Debug, Clone, confique::Config)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct Tokens {
    /// The signature algorithm: `HS256` (one secret, for an API that verifies its own tokens; also `HS384`,
    /// `HS512`), or one with a key pair, whose public half verifies and can be given to anyone: `ES256`
    /// (every library knows it), `ES384`, `ES512`, `EdDSA`, `RS256` to `RS512`, `PS256` to `PS512`. After a
    /// change, tokens of the key before it stay good.
    #[config(default = "HS256", deserialize_with = algorithm)]
    pub algorithm: Algorithm,
    /// The claim `iss`. Never derived from address or port, so that instances agree on it.
    #[config(default = "countersign")]
    pub issuer: String,
    /// The claim `aud`: whom the tokens are for.
    #[config(default = "countersign")]
    pub audience: String,
    /// How long an access token lives.
    #[config(default = "10m", deserialize_with = duration)]
    pub access_lifetime: Duration,
    /// How long a refresh token lives without being used.
    #[config(default = "30d", deserialize_with = duration)]
    pub refresh_lifetime: Duration,
    /// How long after its login a refresh token is good, however often it was used and replaced.
    #[config(default = "90d", deserialize_with = duration)]
    pub refresh_absolute: Duration,
    /// By how much the clocks of issuer and verifier may differ; at most one minute.
    #[config(default = "30s", deserialize_with = duration)]
    pub leeway: Duration,
    /// The header `typ` of access tokens: `JWT`, or `at+jwt` (RFC 9068).
    #[config(default = "JWT")]
    pub typ: String,
}

/// Section `revocation`.
#[derive(Debug, Clone, confique::Config)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct Revocation {
    /// What an instance does that has not been able to read for two seconds which logins ended: `open` goes on
    /// accepting tokens by their signature, `closed` answers 503 until it can.
    #[config(default = "open")]
    pub when_stale: WhenStale,
}

/// Section `keys`.
#[derive(Debug, Clone, confique::Config)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct Keys {
    /// Files with an HS* secret each: the file's bytes without one trailing newline, at least 32. The
    /// first signs, all verify. Without any, a key is made in the database on first start. With a key pair
    /// in force they only verify, as HS256.
    #[config(default = [], deserialize_with = one_or_many)]
    pub secret_file: Vec<PathBuf>,
    /// A file with the private key that signs, as PEM, for the algorithm in force. Without it a key pair is
    /// made in the database on first start.
    pub private_key_file: Option<PathBuf>,
    /// A file with the master key (32 random bytes, as they are or as 64 hex digits) under which keys in
    /// the database are encrypted, and the server secret that refresh tokens are made with: without a master
    /// key that lies there as it is, also when the signing key is in a file.
    pub master_key_file: Option<PathBuf>,
    /// The master key itself, as 64 hex digits, where a file is not at hand; one of the two. Better in the
    /// environment than in a configuration file.
    pub master_key: Option<Secret>,
    /// A file with the master key before this one. With it a start encrypts under the new one what lies there under
    /// the old one; afterwards it is needed no more.
    pub previous_master_key_file: Option<PathBuf>,
    /// How often a key that was made in the database is replaced.
    #[config(default = "30d", deserialize_with = duration)]
    pub rotation: Duration,
    /// How long a key is published before it signs. Verifiers may keep the key set for half as long, ten minutes at
    /// most.
    #[config(default = "20m", deserialize_with = duration)]
    pub publish_ahead: Duration,
    /// How long a key is kept after the last token it signed has expired.
    #[config(default = "1h", deserialize_with = duration)]
    pub retain: Duration,
}

/// Section `limits`.
#[derive(Debug, Clone, confique::Config)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct Limits {
    /// Whether guessing is slowed down, by address and by account; may be false only on loopback.
    #[config(default = true)]
    pub enabled: bool,
}

/// Section `audit`.
#[derive(Debug, Clone, confique::Config)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct Audit {
    /// How long events are kept: a day at least.
    #[config(default = "365d", deserialize_with = duration)]
    pub retention: Duration,
}

/// Section `mail`.
#[derive(Debug, Clone, confique::Config)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct Mail {
    /// The mail server: `smtps://user@mail.example.com:465` (TLS), or `smtp://user@mail.example.com:587`
    /// (STARTTLS, which it must offer). A server on this machine is spoken to without TLS, unless the
    /// address ends in `?tls=starttls`; any other never is. Without it no mail is sent.
    pub url: Option<MailUrl>,
    /// A file with the password of the user in `mail.url`, in one line.
    pub password_file: Option<PathBuf>,
    /// The sender's address, such as `auth@example.com` or `Example <auth@example.com>`; needed with
    /// `mail.url`.
    pub from: Option<String>,
    /// A file with certificates (PEM) of authorities that the mail server's own may be signed by, beside those
    /// that this machine trusts.
    pub ca_file: Option<PathBuf>,
    /// A folder with templates for letters, each in the place of the built-in one of its name.
    pub templates: Option<PathBuf>,
}

/// Section `webhooks`.
#[derive(Debug, Clone, confique::Config)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct Webhooks {
    /// Where events are sent, such as `https://hooks.example.com/countersign`; without it nowhere. `http://` is for
    /// private networks, and needs `webhooks.allow_private`.
    pub url: Option<WebhookUrl>,
    /// Which types of event are sent: names such as `user.deleted`, groups such as `user.*`, or `*` for all.
    #[config(default = [
        "user.*", "email.changed", "password.changed", "password.reset", "password.set", "session.replayed", "key.*",
        "administrator.*",
    ])]
    pub events: Vec<String>,
    /// A file with the secret that signs what is sent, as `countersign webhook secret` prints it; needed with
    /// `webhooks.url`. A second line may hold the secret before it: then both sign.
    pub secret_file: Option<PathBuf>,
    /// Whether the receiver may be on this machine or in a private network.
    #[config(default = false)]
    pub allow_private: bool,
    /// A file with certificates (PEM) of authorities that the receiver's own may be signed by, beside those that this
    /// machine trusts.
    pub ca_file: Option<PathBuf>,
}

/// Section `log`.
#[derive(Debug, Clone, confique::Config)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct Log {
    /// `text` for people or `json` for machines, one event a line.
    #[config(default = "text")]
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug`, `trace`, or a list such as `info,countersign=debug`.
    #[config(default = "info")]
    pub level: String,
}

/// A setting that is a secret: `Debug` does not show it, and no flag takes it.
#[derive(Clone, Deserialize)]
#[serde(from = "String")]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// The text.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Which kinds of login are offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Signed tokens only.
    Jwt,
    /// Server-side sessions only.
    Session,
    /// Both, side by side.
    Both,
}

impl Mode {
    /// Says whether `/login` answers.
    #[must_use]
    pub fn offers_tokens(self) -> bool {
        self != Self::Session
    }

    /// Says whether `/login/session` answers.
    #[must_use]
    pub fn offers_sessions(self) -> bool {
        self != Self::Jwt
    }
}

/// Who may register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Registration {
    /// Anyone.
    Open,
    /// Those with an invitation.
    Invite,
    /// No one; accounts are made by an administrator.
    Closed,
}

/// Where sessions live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Store {
    /// In the database: they outlast a restart, and every instance sees them.
    Database,
    /// In this process: gone with it.
    Memory,
}

/// What an instance does that has lost the feed of revocations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WhenStale {
    /// It goes on accepting tokens by their signature.
    Open,
    /// It answers 503 until it has caught up.
    Closed,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one JSON object a line.
    Json,
}

/// The address under which browsers reach the server: a scheme and a host, perhaps a port and a path.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct PublicUrl {
    text: String,
    origin: String,
    host: String,
}

impl PublicUrl {
    /// The whole, without a slash at its end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Scheme, host and port, as browsers write them in the header `Origin` (RFC 6454 §6.2).
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Host and port as they stand in the address, without a port that goes without saying: what letters call this
    /// installation.
    #[must_use]
    pub fn host_and_port(&self) -> &str {
        self.origin.split_once("://").map_or("", |(_, host)| host)
    }

    /// The host as browsers write it, an IPv6 address in brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Says whether cookies travel encrypted.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.text.starts_with("https://")
    }

    /// Says whether the host names this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        is_loopback_host(&self.host)
    }
}

impl FromStr for PublicUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refuse = |why: &str| format!("{text:?} is no public URL: {why}");
        let text = text.trim_end_matches('/');
        let uri: ::http::Uri = text.parse().map_err(|_| refuse("it does not parse"))?;
        let scheme = uri.scheme_str().ok_or_else(|| refuse("it has no scheme"))?;
        if !matches!(scheme, "http" | "https") {
            return Err(refuse("its scheme is neither http nor https"));
        }
        if uri.query().is_some() || text.contains('#') {
            return Err(refuse("it has a query or a fragment"));
        }
        let authority = uri.authority().ok_or_else(|| refuse("it has no host"))?;
        if authority.as_str().contains('@') {
            return Err(refuse("it has a user name"));
        }
        let host = authority.host().to_ascii_lowercase();
        let port = match (scheme, authority.port_u16()) {
            (_, None) | ("http", Some(80)) | ("https", Some(443)) => String::new(),
            (_, Some(port)) => format!(":{port}"),
        };
        Ok(Self { text: text.to_owned(), origin: format!("{scheme}://{host}{port}"), host })
    }
}

impl TryFrom<String> for PublicUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Says whether a host, as it stands in a URL, can only mean this machine: `localhost`, a name under it
/// (RFC 6761 §6.3), or a loopback address, IPv6 in brackets.
#[must_use]
pub fn is_loopback_host(host: &str) -> bool {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.strip_suffix(']').is_some_and(|address| {
            address.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback())
        });
    }
    let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    name == "localhost"
        || name.strip_suffix(".localhost").is_some_and(|label| !label.is_empty())
        || name.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}

/// Whether two sockets would get in each other's way: the same port, and an address that the other one has too.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let (first, second) = (one.ip().to_canonical(), other.ip().to_canonical());
    let all = first.is_unspecified() || second.is_unspecified();
    one.port() == other.port() && (first == second || all)
}

impl Config {
    /// Checks what no single setting can say of itself.
    ///
    /// # Errors
    /// A sentence that names the setting and what it must be.
    pub fn check(&self) -> Result<(), String> {
        mail::check(&self.mail)?;
        webhooks::check(&self.webhooks)?;
        let tokens = &self.tokens;
        if tokens.leeway > Duration::from_secs(60) {
            return Err("tokens.leeway: it must be at most one minute".to_owned());
        }
        for (key, lifetime) in [
            ("tokens.access_lifetime", tokens.access_lifetime),
            ("tokens.refresh_lifetime", tokens.refresh_lifetime),
            ("tokens.refresh_absolute", tokens.refresh_absolute),
            ("sessions.idle", self.sessions.idle),
            ("sessions.absolute", self.sessions.absolute),
        ] {
            if lifetime.is_zero() {
                return Err(format!("{key}: it must be at least one second"));
            }
        }
        self.keys.check(tokens)?;
        if self.audit.retention < Duration::from_secs(86_400) {
            return Err("audit.retention: it must be at least one day".to_owned());
        }
        for (key, text) in [
            ("tokens.issuer", &tokens.issuer),
            ("tokens.audience", &tokens.audience),
            ("tokens.typ", &tokens.typ),
        ] {
            if text.is_empty() || text.chars().any(char::is_control) {
                return Err(format!("{key}: it must be a text without control characters"));
            }
        }
        let Http { listen, metrics_listen, .. } = &self.http;
        if metrics_listen.is_some_and(|metrics| metrics.port() != 0 && overlap(metrics, *listen)) {
            return Err(format!(
                "http.metrics_listen: it must differ from http.listen, which is {listen}"
            ));
        }
        self.http.check_tls()?;
        for origin in &self.http.cors_origins {
            // Compared byte for byte with what browsers send: the form of RFC 6454 §6.2 and no other.
            if origin.parse().is_ok_and(|url: PublicUrl| url.origin() == *origin) {
                continue;
            }
            return Err(format!(
                "http.cors_origins: {origin:?} is no origin; write it as browsers send it, such as \
                 \"https://app.example.com\""
            ));
        }
        let roles = &self.accounts.roles;
        if let Some(role) = roles.iter().find(|role| !is_role(role)) {
            return Err(format!("accounts.roles: {role:?} is no role; take a-z, 0-9, _ and -"));
        }
        if let Some(role) =
            [USER, ADMIN].into_iter().find(|role| !roles.iter().any(|own| own == role))
        {
            return Err(format!("accounts.roles: {role:?} must be one of them"));
        }
        Ok(())
    }

    /// Where browsers reach the installation: `http.public_url`, else the address it listens on.
    pub(crate) fn effective_public_url(&self) -> Result<PublicUrl, Error> {
        match &self.http.public_url {
            Some(url) => Ok(url.clone()),
            None => self.http.own_url().parse().map_err(Error::Configuration),
        }
    }
}

impl Http {
    /// The address that the server listens on, as a URL.
    #[must_use]
    pub fn own_url(&self) -> String {
        let scheme = if self.has_tls() { "https" } else { "http" };
        format!("{scheme}://{}", self.listen)
    }

    /// Says whether the binary speaks TLS with these settings.
    #[must_use]
    pub fn has_tls(&self) -> bool {
        self.tls_certificate_file.is_some() && self.tls_private_key_file.is_some()
    }

    /// Says whether clients reach the server by `https`, be it through a proxy.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.public_url.as_ref().map_or_else(|| self.has_tls(), PublicUrl::is_https)
    }

    fn check_tls(&self) -> Result<(), String> {
        let one_without = |one, other| {
            Err(format!("{one}: it goes together with {other}: set both of them, or none"))
        };
        match (&self.tls_certificate_file, &self.tls_private_key_file) {
            (Some(_), None) => {
                return one_without("http.tls_certificate_file", "http.tls_private_key_file");
            }
            (None, Some(_)) => {
                return one_without("http.tls_private_key_file", "http.tls_certificate_file");
            }
            _ => {}
        }
        match &self.public_url {
            Some(url) if self.has_tls() && !url.is_https() => Err(format!(
                "http.public_url: the server speaks TLS, and {url} does not begin with https://"
            )),
            _ => Ok(()),
        }
    }
}

impl Keys {
    fn check(&self, tokens: &Tokens) -> Result<(), String> {
        let refuse = |text: &str| Err(text.to_owned());
        let has_master = self.master_key_file.is_some() || self.master_key.is_some();
        if self.previous_master_key_file.is_some() && !has_master {
            return refuse(
                "keys.previous_master_key_file: it is for a change of the master key; set keys.master_key_file to the \
                 new one",
            );
        }
        if self.publish_ahead < Duration::from_secs(2) {
            return refuse("keys.publish_ahead: it must be at least two seconds");
        }
        if self.rotation < self.publish_ahead {
            return refuse("keys.rotation: it must be no shorter than keys.publish_ahead");
        }
        // A token is accepted for so much longer than it lives.
        if self.retain < tokens.leeway {
            return refuse("keys.retain: it must be no shorter than tokens.leeway");
        }
        Ok(())
    }
}

impl Default for Config {
    fn default() -> Self {
        #[expect(clippy::expect_used, reason = "a test shows that every default parses")]
        Self::from_layer(<Self as confique::Config>::Layer::default_values())
            .expect("every required setting has a default")
    }
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    parse_duration(&String::deserialize(deserializer)?).map_err(de::Error::custom)
}

fn algorithm<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Algorithm, D::Error> {
    parse_algorithm(&String::deserialize(deserializer)?).map_err(de::Error::custom)
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    /// A file may have the port as a number.
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Said {
        Number(i64),
        Text(String),
    }
    let text = match Said::deserialize(deserializer) {
        Ok(Said::Number(number)) => number.to_string(),
        Ok(Said::Text(text)) => text,
        Err(_) => {
            return Err(de::Error::custom(
                "it has to be an address with a port: \"127.0.0.1:8000\"",
            ));
        }
    };
    parse_address(&text).map_err(de::Error::custom)
}

fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PathBuf>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        One(PathBuf),
        Many(Vec<PathBuf>),
    }
    Ok(match OneOrMany::deserialize(deserializer)? {
        OneOrMany::One(path) => vec![path],
        OneOrMany::Many(paths) => paths,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_has_a_sound_default() {
        let config = Config::default();
        assert_eq!(config.http.listen.port(), 8000);
        assert_eq!(config.tokens.access_lifetime, Duration::from_secs(600));
        assert_eq!(config.sessions.idle, Duration::from_secs(12 * 3600));
        assert_eq!(config.auth.mode, Mode::Both);
    }

    #[test]
    fn waits_of_keys_that_would_refuse_good_tokens_are_refused() {
        let refused = |change: fn(&mut Config)| {
            let mut config = Config::default();
            change(&mut config);
            config.check().expect_err("refused")
        };
        let second = Duration::from_secs(1);
        for (change, named) in [
            (
                (|config| config.keys.publish_ahead = Duration::from_secs(1)) as fn(&mut Config),
                "keys.publish_ahead",
            ),
            (|config| config.keys.rotation = Duration::from_secs(60), "keys.rotation"),
            (|config| config.keys.retain = Duration::from_secs(29), "keys.retain"),
            (
                |config| config.keys.previous_master_key_file = Some("old".into()),
                "keys.previous_master_key_file",
            ),
        ] {
            assert!(refused(change).starts_with(named), "{named}");
        }
        let mut config = Config::default();
        config.keys.publish_ahead = second * 2;
        (config.keys.retain, config.keys.rotation) = (second * 30, second * 2);
        assert_eq!(config.check(), Ok(()));
    }

    #[test]
    fn a_secret_setting_shows_nothing() {
        let mut config = Config::default();
        config.keys.master_key = Some("abab".to_owned().into());
        assert!(!format!("{config:?}").contains("abab"));
    }

    #[test]
    fn a_public_url_is_a_plain_origin_with_at_most_a_path() {
        let url: PublicUrl = "https://Auth.Example.com:443/base/".parse().expect("a URL");
        assert_eq!(url.origin(), "https://auth.example.com");
        assert_eq!(url.as_str(), "https://Auth.Example.com:443/base");
        assert!(url.is_https() && !url.is_loopback());
        for text in ["", "auth.example.com", "ftp://a", "https://a?b", "https://u@a", "https://a#b"]
        {
            assert!(text.parse::<PublicUrl>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn loopback_hosts_are_told_from_names_that_only_look_like_them() {
        for host in ["localhost", "a.localhost", "127.0.0.1", "127.9.9.9", "[::1]", "LOCALHOST"] {
            assert!(is_loopback_host(host), "{host}");
        }
        for host in ["localhost.example.com", "127.0.0.1.example.com", "example.com", "0.0.0.0"] {
            assert!(!is_loopback_host(host), "{host}");
        }
    }
}
