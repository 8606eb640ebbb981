//! `countersign demo`: a tour of what the server does, on a server of its own that is gone afterwards.

mod exchange;
mod shown;
mod steps;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;

use anyhow::Context as _;
use auth::{Auth, Config, MovableClock};
use axum::Router;
use clap::Args;
use tokio::sync::oneshot;

use self::steps::{Step, Visitor};
use crate::cli::{
    No, dev,
    instance::{Instance, told_to_stop},
    output,
};

/// See what it does in ten seconds: logins, forged and stolen tokens, a logout, another key.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Show the requests and answers of each step, with tokens shortened and passwords left out.
    #[arg(long)]
    verbose: bool,
    /// Print one JSON object for each step, with its requests and answers.
    #[arg(long)]
    json: bool,
}

impl Demo {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let show = |step: &Step| {
            output::data(&match self.json {
                true => shown::json(step),
                false => shown::text(step, self.verbose),
            });
        };
        let stop = told_to_stop()?;
        let failed = tokio::select! {
            () = stop => return Err(No("the tour was broken off".to_owned()).into()),
            failed = tour(|app| app, show) => failed?,
        };
        held(&failed)?;
        output::talk("All of it holds. The server is gone again, with all it kept.");
        Ok(())
    }
}

/// The answer of the tour: no where a step did not hold, and which.
fn held(failed: &[&str]) -> Result<(), No> {
    if failed.is_empty() {
        return Ok(());
    }
    Err(No(format!("this did not hold: {}", failed.join(", "))))
}

/// Whose tour it is.
const EMAIL: &str = "you@example.com";

/// Starts a server, walks through all steps and ends it; returns the names of the steps that did not hold. `alter` has its
/// say on what is served.
async fn tour(
    alter: impl FnOnce(Router) -> Router,
    show: impl FnMut(&Step),
) -> anyhow::Result<Vec<&'static str>> {
    let server = Server::start(alter).await?;
    let failed = steps::walk(server.visitor(EMAIL), show).await;
    server.stop().await?;
    Ok(failed)
}

/// A developer's server on a free port of loopback, over a folder that goes with it.
struct Server {
    address: SocketAddr,
    auth: Auth,
    stop: oneshot::Sender<()>,
    serving: tokio::task::JoinHandle<anyhow::Result<()>>,
    folder: tempfile::TempDir,
}

impl Server {
    async fn start(alter: impl FnOnce(Router) -> Router) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("a temporary folder")?;
        // The defaults, whatever file or environment says: a tour shows the same everywhere.
        let mut config = Config::default();
        config.http.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let clock = MovableClock::default();
        let adapt = |builder| dev::adapt(builder, &clock);
        let instance = Instance::open(config, folder.path(), adapt).await?;
        let auth = instance.auth.clone();
        let address = auth.config().http.listen;
        let app = alter(instance.app(dev::routes(&auth, &clock).await?, true));
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(instance.serve(app, async move { drop(stopped.await) }));
        Ok(Self { address, auth, stop, serving, folder })
    }

    fn visitor(&self, email: &str) -> Visitor {
        Visitor::new(self.address, self.auth.clone(), email)
    }

    async fn stop(self) -> anyhow::Result<()> {
        let _ = self.stop.send(());
        self.serving.await??;
        self.folder.close().context("the temporary folder")
    }
}
