use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::ensure;
use serde_json::Value;

use crate::server::Server;

/// How the servers of one installation are started, and where commands find it.
pub(crate) struct Installation {
    server: PathBuf,
    settings: Vec<(String, String)>,
    data: PathBuf,
}

impl Installation {
    pub(crate) fn new(server: &Path, data: &Path, settings: &[(&str, &str)]) -> Self {
        let variable = |(key, value): &(&str, &str)| {
            let name = key.replace('.', "__").to_ascii_uppercase();
            (format!("COUNTERSIGN_{name}"), (*value).to_owned())
        };
        Self {
            server: server.to_owned(),
            settings: settings.iter().map(variable).collect(),
            data: data.to_owned(),
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.server);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("COUNTERSIGN_")) {
            command.env_remove(name);
        }
        command.envs(self.settings.iter().cloned()).stdin(Stdio::null());
        command
    }

    /// `countersign serve` on this address; returns when it accepts connections.
    pub(crate) fn start(&self, address: &str) -> anyhow::Result<Server> {
        let mut command = self.command();
        command.args(["serve", "--allow-plain-keys", "--listen", address, "--data-dir"]);
        command.arg(&self.data);
        Server::start(command)
    }

    /// `countersign key …` beside the servers, and what it printed.
    pub(crate) fn key(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        let mut command = self.command();
        let output = command.arg("key").args(arguments).arg("--json").output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "key {arguments:?}: {said}");
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}
