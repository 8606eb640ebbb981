//! `countersign health`: the question of whoever watches a server, without a program beside this one.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use anyhow::Context;
use auth::config::PublicUrl;
use clap::Args;
use reqwest::{Client, StatusCode, redirect::Policy};
use serde_json::{Value, json};

use crate::{
    cli::{No, flags::Flags, output},
    settings::Refusal,
};

/// As long as an answer may take; who watches asks again soon.
const PATIENCE: Duration = Duration::from_secs(4);
/// More than an answer of `/readyz` has.
const LONGEST: usize = 4096;

/// Ask a server whether it is ready, as containers and monitors do.
#[derive(Debug, Args)]
#[command(after_help = "Exit code: 0 it is ready, 1 it is not, 3 nobody answers")]
pub(crate) struct Health {
    #[command(flatten)]
    flags: Flags,
    /// The server to ask. Without it: this machine, at the port of http.listen.
    #[arg(long, value_name = "URL")]
    url: Option<PublicUrl>,
}

impl Health {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let url = match &self.url {
            Some(url) => url.to_string(),
            None => own(self.flags.load()?.http.listen)?,
        };
        let client = Client::builder().timeout(PATIENCE).redirect(Policy::none()).no_proxy();
        let mut answer = client
            .build()?
            .get(format!("{url}/readyz"))
            .send()
            .await
            .map_err(reqwest::Error::without_url)
            .with_context(|| format!("no answer from {url}"))?;
        let status = answer.status();
        let mut body = Vec::new();
        while let Some(part) = answer.chunk().await? {
            body.extend_from_slice(&part);
            if body.len() > LONGEST {
                break;
            }
        }
        judge(&url, status, &body)?;
        output::talk(&format!("{url} is ready"));
        Ok(())
    }
}

/// Where a server with these settings is reached from its own machine.
fn own(mut listen: SocketAddr) -> Result<String, Refusal> {
    if listen.port() == 0 {
        return Err(Refusal(
            "http.listen leaves the port to the system: name the server with --url".to_owned(),
        ));
    }
    if listen.ip().is_unspecified() {
        listen.set_ip(match listen.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    Ok(format!("http://{listen}"))
}

/// Whether this is the answer of a server that is ready.
fn judge(url: &str, status: StatusCode, body: &[u8]) -> Result<(), No> {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    if status == StatusCode::OK && body == json!({ "status": "ok" }) {
        return Ok(());
    }
    Err(No(match body.get("code").and_then(Value::as_str) {
        Some("storage_unavailable") => {
            format!("{url} is not ready: its storage does not answer")
        }
        _ => format!(
            "{url} answers {}, and not as a server of countersign that is ready",
            status.as_u16()
        ),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_asked_where_its_own_machine_reaches_it() {
        let url = |listen: &str| own(listen.parse().expect("an address")).map_err(|no| no.0);
        assert_eq!(url("127.0.0.1:8000").as_deref(), Ok("http://127.0.0.1:8000"));
        assert_eq!(url("0.0.0.0:8000").as_deref(), Ok("http://127.0.0.1:8000"));
        assert_eq!(url("[::]:8443").as_deref(), Ok("http://[::1]:8443"));
        assert_eq!(url("10.0.0.5:80").as_deref(), Ok("http://10.0.0.5:80"));
        assert!(url("127.0.0.1:0").expect_err("no port").contains("--url"));
    }

    #[test]
    fn only_the_answer_of_a_ready_server_is_yes() {
        let said = |status, body: &str| {
            judge("http://a", StatusCode::from_u16(status).expect("a status"), body.as_bytes())
        };
        assert!(said(200, r#"{"status":"ok"}"#).is_ok());
        let down = said(503, r#"{"code":"storage_unavailable"}"#).expect_err("no");
        assert!(down.0.contains("storage"), "{down}");
        for (status, body) in
            [(200, "It works!"), (204, ""), (302, ""), (200, r#"{"status":"up"}"#)]
        {
            let other = said(status, body).expect_err("no");
            assert!(other.0.contains(&status.to_string()), "{other}");
        }
    }
}
