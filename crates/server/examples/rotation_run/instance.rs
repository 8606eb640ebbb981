use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

/// How the servers of one installation are started, and where commands find it.
pub(crate) struct Installation {
    server: PathBuf,
    settings: Vec<(String, String)>,
    data: PathBuf,
}

/// A running server; killed when it goes out of scope.
pub(crate) struct Instance {
    child: Child,
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
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("COUNTERSIGN_")) {
            command.env_remove(name);
        }
        command.envs(self.settings.iter().cloned()).stdin(Stdio::null());
        command
    }

    /// `countersign serve` on this address; returns when it accepts connections.
    pub(crate) fn start(&self, address: &str) -> anyhow::Result<Instance> {
        let mut command = self.command();
        command.args(["serve", "--allow-plain-keys", "--listen", address, "--data-dir"]);
        command.arg(&self.data).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().context("starting the server")?;
        let mut lines = BufReader::new(child.stderr.take().context("no stderr")?).lines();
        let mut said = String::new();
        let address = loop {
            let Some(line) = lines.next() else {
                child.wait()?;
                bail!("the server did not start: {said}");
            };
            let line = line?;
            if let Some((_, address)) = line.split_once("listening on http://") {
                break address.trim().to_owned();
            }
            said.push_str(&line);
            said.push('\n');
        };
        thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Ok(Instance { child, address })
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
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        drop(self.kill());
    }
}
