use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::server::{Server, clean};

/// How the servers of one installation are started, and where commands find it.
pub(crate) struct Installation {
    server: PathBuf,
    settings: Vec<(String, String)>,
    data: PathBuf,
}

/// A running server; killed when it goes out of scope.
pub(crate) struct Instance {
    server: Server,
    pub(crate) address: String,
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
        command.envs(self.settings.iter().cloned()).stdin(Stdio::null());
        clean(&mut command);
        command
    }

    /// `countersign serve` on this address; returns when it accepts connections.
    pub(crate) fn start(&self, address: &str) -> anyhow::Result<Instance> {
        let mut command = self.command();
        command.args(["serve", "--allow-plain-keys", "--listen", address, "--data-dir"]);
        command.arg(&self.data);
        let server = Server::start(command)?;
        let address = server.url.strip_prefix("http://").context("no address")?.to_owned();
        Ok(Instance { server, address })
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

impl Instance {
    /// Ends it as a crash would, in the middle of whatever it does.
    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        self.server.child.kill()?;
        self.server.child.wait()?;
        Ok(())
    }
}
