//! What a gateway in front of this server and of an API has to know.
//!
//! Everything here ends up in a configuration file, whose language differs from gateway to gateway. So nothing is taken
//! that would mean something in one of them: addresses, paths and roles are of letters, digits and a few marks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use auth::{Config, config::PublicUrl};

use crate::settings::Refusal;

/// Where the gateway is to be tried as long as no setting says where it is.
const TRIED_AT: &str = "http://127.0.0.1:8080";
const UPSTREAM: &str = "http://127.0.0.1:3000";
const PATH: &str = "/api";

/// What was asked for on the command line.
#[derive(Debug, Default)]
pub(super) struct Wanted<'a> {
    pub(super) upstream: Option<&'a str>,
    pub(super) path: Option<&'a str>,
    pub(super) role: Option<&'a str>,
}

#[derive(Debug)]
pub(super) struct Gateway {
    pub(super) site: Site,
    /// Where the gateway finds this server, as host and port.
    pub(super) server: Place,
    /// Where it finds the API.
    pub(super) upstream: Place,
    pub(super) path: String,
    pub(super) role: Option<String>,
    /// The path that it asks for.
    pub(super) question: String,
    notes: Vec<String>,
}

/// Where clients find the gateway.
#[derive(Debug)]
pub(super) struct Site {
    /// As it stands in the header `Origin`.
    pub(super) origin: String,
    pub(super) is_https: bool,
    /// The host as it stands in a URL.
    pub(super) host: String,
    /// The address it listens at, without a port: all of the machine, or loopback.
    pub(super) address: String,
    pub(super) port: u16,
}

impl Site {
    /// The same as host and port.
    pub(super) fn listen(&self) -> String {
        match self.address.contains(':') {
            true => format!("[{}]:{}", self.address, self.port),
            false => format!("{}:{}", self.address, self.port),
        }
    }

    /// The name that its certificate has in a folder.
    fn name(&self) -> String {
        self.host.trim_matches(['[', ']']).replace(':', "-")
    }

    pub(super) fn certificate(&self) -> String {
        format!("/etc/ssl/certs/{}.pem", self.name())
    }

    /// Both in one file, as HAProxy wants them.
    pub(super) fn certificate_and_key(&self) -> String {
        format!("/etc/haproxy/{}.pem", self.name())
    }

    pub(super) fn certificate_key(&self) -> String {
        format!("/etc/ssl/private/{}.key", self.name())
    }
}

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// Without brackets.
    pub(super) host: String,
    pub(super) port: u16,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl Gateway {
    pub(super) fn new(config: &Config, wanted: &Wanted<'_>) -> Result<Self, Refusal> {
        let http = &config.http;
        let mut notes = Vec::new();
        if http.tls_certificate_file.is_some() {
            let why = "http.tls_certificate_file is set, and a gateway here asks the server in plain HTTP on the same \
                       machine: leave TLS to the gateway, and unset it";
            return Err(Refusal(why.to_owned()));
        }
        let server = server(http.listen)?;
        let public_url = match &http.public_url {
            Some(url) => url.clone(),
            None => {
                notes.push(format!(
                    "http.public_url is not set, so this is for {TRIED_AT}, to try it: set it to the address of the \
                     gateway in the browser, here and for the server"
                ));
                TRIED_AT.parse().map_err(Refusal)?
            }
        };
        let site = site(&public_url)?;
        if !site.is_https && site.port == server.port {
            return Err(Refusal(format!(
                "http.public_url is where the server itself listens, {server}: set it to the address of the gateway, \
                 such as {TRIED_AT}"
            )));
        }
        notes.extend(trust(config));
        let path = wanted.path.unwrap_or(PATH);
        let role = wanted.role.map(|role| is_role(config, role)).transpose()?;
        let query = role.map(|role| format!("?role={role}")).unwrap_or_default();
        Ok(Self {
            site,
            server,
            upstream: upstream(wanted.upstream.unwrap_or(UPSTREAM))?,
            path: is_path(path)?.to_owned(),
            role: role.map(str::to_owned),
            question: format!("/forward-auth{query}"),
            notes,
        })
    }

    /// What has to change outside of the recipe.
    pub(super) fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }
}

/// Where this server is found from the same machine, or from elsewhere if it listens at one address.
fn server(listen: SocketAddr) -> Result<Place, Refusal> {
    let host = match listen.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        address => address,
    };
    if listen.port() == 0 {
        let why = "http.listen leaves the port open, and a gateway has to know it: set one";
        return Err(Refusal(why.to_owned()));
    }
    Ok(Place { host: host.to_string(), port: listen.port() })
}

fn site(url: &PublicUrl) -> Result<Site, Refusal> {
    let refuse = |why: &str| Refusal(format!("http.public_url is {url}: {why}"));
    if url.as_str().splitn(4, '/').nth(3).is_some() {
        return Err(refuse("a recipe is for a server that has the whole host, and no path on it"));
    }
    let (host, is_https) = (url.host().to_owned(), url.is_https());
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let address = bare.map_or_else(|| host.parse().ok(), |host| host.parse().ok());
    if address.is_none() && !is_name(&host) {
        return Err(refuse("its host is no name of letters, digits, dots and hyphens"));
    }
    let port = url.host_and_port().strip_prefix(&host).and_then(|port| port.strip_prefix(':'));
    let port = port.map(|port| port.parse().map_err(|_| refuse("its port is no number")));
    let usual = if is_https { 443 } else { 80 };
    let address = match address {
        _ if is_https => Ipv4Addr::UNSPECIFIED.into(),
        Some(address) => address,
        None => IpAddr::V4(Ipv4Addr::LOCALHOST),
    };
    Ok(Site {
        origin: url.origin().to_owned(),
        is_https,
        host,
        address: address.to_string(),
        port: port.transpose()?.unwrap_or(usual),
    })
}

/// What is to be said of who may name the client and the method of a request.
fn trust(config: &Config) -> Option<String> {
    let http = &config.http;
    let from: Option<IpAddr> = match http.listen.ip() {
        IpAddr::V4(address) if address.is_loopback() || address.is_unspecified() => {
            Some(Ipv4Addr::LOCALHOST.into())
        }
        IpAddr::V6(address) if address.is_loopback() || address.is_unspecified() => {
            Some(Ipv6Addr::LOCALHOST.into())
        }
        _ => None,
    };
    let trusted = &http.trusted_proxies;
    let set = match from {
        Some(from) if trusted.iter().any(|network| network.contains(&from)) => return None,
        Some(from) if trusted.is_empty() => {
            let bits = if from.is_ipv4() { 32 } else { 128 };
            format!("set http.trusted_proxies = [\"{from}/{bits}\"]")
        }
        None if trusted.is_empty() => "set http.trusted_proxies to its address".to_owned(),
        _ => "see that http.trusted_proxies has its address".to_owned(),
    };
    Some(format!(
        "the server has to trust the gateway: {set}; else it refuses every cookie here, and takes all clients for one"
    ))
}

fn upstream(url: &str) -> Result<Place, Refusal> {
    let refuse = || {
        Refusal(
            "--upstream takes http://, a host and a port, such as http://127.0.0.1:3000".to_owned(),
        )
    };
    let rest = url.strip_prefix("http://").ok_or_else(refuse)?;
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => {
            (host, port.parse().ok().filter(|port| *port > 0).ok_or_else(refuse)?)
        }
        _ => (rest, 80),
    };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let known = match bare {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => is_name(host),
    };
    let host = bare.unwrap_or(host).to_owned();
    if known { Ok(Place { host, port }) } else { Err(refuse()) }
}

/// Says whether this is a host by its name, or an IPv4 address.
fn is_name(host: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
    host.bytes().all(letter) && host.starts_with(|c: char| c.is_ascii_alphanumeric())
}

fn is_path(path: &str) -> Result<&str, Refusal> {
    let part = |part: &str| {
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        !part.is_empty() && part.bytes().all(letter)
    };
    match path.strip_prefix('/').filter(|rest| rest.split('/').all(part)) {
        Some(_) => Ok(path),
        None => Err(Refusal(
            "--path takes a path such as /api, with parts of letters, digits, - and _, and no slash at its end: all else \
             on the host is the server's, where people sign in"
                .to_owned(),
        )),
    }
}

fn is_role<'r>(config: &Config, role: &'r str) -> Result<&'r str, Refusal> {
    // What accounts.roles lists is of a-z, 0-9, _ and -.
    match config.accounts.roles.iter().any(|known| known == role) {
        true => Ok(role),
        false => Err(Refusal(format!(
            "--role is none of accounts.roles, which are {}",
            config.accounts.roles.join(", ")
        ))),
    }
}
