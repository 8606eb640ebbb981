use std::{path::Path, process::Command};

use anyhow::{Context as _, ensure};
use auth::testing::PASSWORD;
use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::server::Server;

const EMAIL: &str = "a@example.com";

/// A running server; killed when it goes out of scope.
pub(crate) struct Instance {
    server: Server,
    /// Keeps one connection open.
    client: Client,
    _data: TempDir,
}

/// What an instance says to a token.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Accepted,
    Revoked,
}

impl Instance {
    /// `countersign serve` on a free port; returns when it accepts connections.
    pub(crate) fn start(server: &Path, database: &str, pooler: bool) -> anyhow::Result<Self> {
        let data = tempfile::tempdir()?;
        let mut command = Command::new(server);
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--allow-plain-keys", "--data-dir"])
            .arg(data.path().join("unused"))
            .env("COUNTERSIGN_DATABASE__URL", database)
            .env("COUNTERSIGN_DATABASE__POOLER", pooler.to_string())
            // One address logs in hundreds of times, and the last token has to live until its turn.
            .env("COUNTERSIGN_LIMITS__ENABLED", "false")
            .env("COUNTERSIGN_TOKENS__ACCESS_LIFETIME", "1h");
        let server = Server::start(command)?;
        let client = Client::builder().no_proxy().build()?;
        Ok(Self { server, client, _data: data })
    }

    pub(crate) async fn register(&self) -> anyhow::Result<()> {
        let body = json!({ "email": EMAIL, "password": PASSWORD });
        answer(self.client.post(self.at("/register")).json(&body), StatusCode::CREATED).await?;
        Ok(())
    }

    /// Logs in so many times and returns the access tokens.
    pub(crate) async fn log_in(&self, times: usize) -> anyhow::Result<Vec<String>> {
        let body = json!({ "email": EMAIL, "password": PASSWORD });
        let mut tokens = Vec::with_capacity(times);
        for _ in 0..times {
            let made =
                answer(self.client.post(self.at("/login")).json(&body), StatusCode::OK).await?;
            let token = made.get("access_token").and_then(Value::as_str);
            tokens.push(token.context("no token")?.to_owned());
        }
        Ok(tokens)
    }

    /// Ends the login of a token; returns the second by which every instance is to refuse it.
    pub(crate) async fn log_out(&self, token: &str) -> anyhow::Result<u64> {
        let request = self.client.post(self.at("/logout")).bearer_auth(token);
        let ended = answer(request, StatusCode::OK).await?;
        ended.get("effective_by").and_then(Value::as_u64).context("no effective_by")
    }

    pub(crate) async fn sees(&self, token: &str) -> anyhow::Result<Seen> {
        let response = self.client.get(self.at("/me")).bearer_auth(token).send().await?;
        let (status, body) = (response.status(), response.bytes().await?);
        if status == StatusCode::OK {
            return Ok(Seen::Accepted);
        }
        let body: Value = serde_json::from_slice(&body)?;
        ensure!(
            status == StatusCode::UNAUTHORIZED
                && body.get("code").is_some_and(|code| code == "token_revoked"),
            "{status}: {body}"
        );
        Ok(Seen::Revoked)
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.server.url)
    }
}

async fn answer(request: RequestBuilder, expected: StatusCode) -> anyhow::Result<Value> {
    let response = request.send().await?;
    let (status, body) = (response.status(), response.text().await?);
    ensure!(status == expected, "{status}: {body}");
    Ok(serde_json::from_str(&body)?)
}
