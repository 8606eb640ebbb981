//! What `dev` and `serve` have in common: a folder, a socket, an [`Auth`], and the end.

use std::{
    fs::DirBuilder,
    net::SocketAddr,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context;
use auth::{Auth, AuthBuilder, Config, config::PublicUrl};
use axum::Router;
use rustix::process::{Resource, Rlimit, setrlimit};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::watch,
};

use crate::{
    app::{self, Whole},
    cli::{
        certificate::{self, Certificate},
        output, systemd, unfit,
    },
    limits::{self, Hosts, Rules},
    listener::{self, Endpoint, Limits},
    metrics::{self, Latencies, Recorder, To},
    settings::{Refusal, Shown},
    telemetry,
    ui::{self, Site},
};

/// A server that has its socket and its storage and is about to accept connections.
pub(crate) struct Instance {
    listener: TcpListener,
    certificate: Option<Certificate>,
    pub(crate) auth: Auth,
    settings: Vec<Shown>,
    latencies: Arc<Latencies>,
    recorder: Option<Recorder>,
    /// Where metrics alone are served.
    metrics: Option<TcpListener>,
}

/// Connections for metrics at once: a few programs ask, each now and then.
const METRICS_CONNECTIONS: usize = 64;

impl Instance {
    /// Takes the socket, then opens or makes the storage in the data folder.
    ///
    /// `adapt` has its say on how the installation is built.
    pub(crate) async fn open(
        mut config: Config,
        data_dir: &Path,
        adapt: impl FnOnce(AuthBuilder) -> AuthBuilder,
    ) -> anyhow::Result<Self> {
        protect_process();
        let address = config.http.listen;
        let listener = bind(address).await?;
        let metrics = match config.http.metrics_listen {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        config.http.listen = listener.local_addr()?;
        let certificate = Certificate::load(&config.http)?;
        if config.database.url.is_none() {
            make_private_folder(data_dir)?;
            config.database.url = Some(format!("sqlite://{}", database_file(data_dir).display()));
        }
        let auth = adapt(Auth::builder(config)).build().await?;
        let (settings, latencies) = (Vec::new(), Arc::default());
        Ok(Self { listener, certificate, auth, settings, latencies, recorder: None, metrics })
    }

    /// Publishes what this recorder has.
    pub(crate) fn publishing(mut self, recorder: Recorder) -> Self {
        self.recorder = Some(recorder);
        self
    }

    /// Has administrators see these settings.
    pub(crate) fn showing(mut self, settings: Vec<Shown>) -> Self {
        self.settings = settings;
        self
    }

    /// Where this server is reached.
    pub(crate) fn url(&self) -> String {
        self.auth.config().http.own_url()
    }

    /// Serves until SIGTERM or SIGINT; `started` runs when connections are accepted.
    ///
    /// SIGHUP has the certificate read again, but ends a developer's server: its terminal is gone.
    pub(crate) async fn run(
        self,
        more: Router,
        is_dev: bool,
        started: impl FnOnce(),
    ) -> anyhow::Result<()> {
        let (url, app) = (self.url(), self.app(more, is_dev));
        let stop = told_to_stop()?;
        let told = (!is_dev).then(|| signal(SignalKind::hangup())).transpose()?;
        if let Some(metrics) = &self.metrics {
            output::talk(&format!("metrics at http://{}/metrics", metrics.local_addr()?));
        }
        // The socket listens since it was bound: who connects from here on is served.
        output::talk(&format!("listening on {url}"));
        systemd::ready(&format!("listening on {url}"));
        started();
        let certificate = self.certificate.clone();
        let kept = async {
            match told {
                Some(told) => certificate::keep(told, certificate).await,
                None => std::future::pending().await,
            }
        };
        let stop = async {
            stop.await;
            systemd::stopping();
        };
        tokio::select! {
            served = self.serve(app, stop) => served,
            never = kept => match never {},
            never = systemd::beat() => match never {},
        }
    }

    /// All that is served, in its rules: the routes of an installation, what a command adds, and the pages.
    ///
    /// A developer's server answers to loopback names only.
    pub(crate) fn app(&self, more: Router, is_dev: bool) -> Router {
        let http = &self.auth.config().http;
        let latencies = Arc::clone(&self.latencies);
        let published = match &self.recorder {
            Some(recorder) if self.metrics.is_none() => {
                metrics::routes(recorder, &latencies, http, To::ThisMachine)
            }
            _ => Router::new(),
        };
        let routes = metrics::measured(app::router(&self.auth, more.merge(published)), &latencies);
        if is_dev || http.pages {
            let site = Site {
                auth: self.auth.clone(),
                is_dev,
                has_docs: is_dev || http.docs,
                settings: self.settings.clone().into(),
                latencies,
                counted: Arc::default(),
                started: self.auth.clock().now(),
            };
            self.within_rules(ui::around(routes, &site), is_dev)
        } else {
            self.within_rules(routes, is_dev)
        }
    }

    /// An application in the rules of a server, with all that is noted of requests.
    fn within_rules(&self, app: impl Whole, is_dev: bool) -> Router {
        let http = &self.auth.config().http;
        // A browser would keep to it for everything else that is served under the names of this machine.
        let is_https = |url: &PublicUrl| url.is_https() && !url.is_loopback();
        let https = http.public_url.as_ref().is_some_and(is_https);
        let hosts = if is_dev { Hosts::Loopback } else { Hosts::Any };
        let rules = Rules { hosts, https, ..Rules::default() };
        let app = metrics::counted(limits::wrap(app, rules), http);
        let app = self.auth.name_requests(app);
        // Outermost, so that a script of a listed origin can read every refusal too.
        app::cors(app, &http.cors_origins)
    }

    /// What is served at the address for metrics.
    fn metrics_app(&self) -> impl Whole + use<> {
        let http = &self.auth.config().http;
        let routes = match &self.recorder {
            Some(recorder) => metrics::routes(recorder, &self.latencies, http, To::Anyone),
            None => Router::new(),
        };
        limits::wrap(routes.fallback(app::nowhere), Rules::default())
    }

    /// Serves until `stop` resolves and the requests in flight have finished; then closes the database.
    pub(crate) async fn serve(
        self,
        app: Router,
        stop: impl Future<Output = ()>,
    ) -> anyhow::Result<()> {
        let beside = self.metrics_app();
        let Self { listener, certificate, auth, recorder, metrics, .. } = self;
        let endpoint = Endpoint { listener, tls: certificate.map(|certificate| certificate.tls) };
        let (told, mut heard) = watch::channel(());
        let main = async {
            let stop = async {
                stop.await;
                // Whoever serves metrics hears it as this end is dropped.
                drop(told);
            };
            listener::serve(endpoint, app, Limits::default(), stop).await
        };
        let metrics = async {
            let Some(metrics) = metrics else { return Ok(()) };
            let limits = Limits { connections: METRICS_CONNECTIONS, ..Limits::default() };
            let stop = async { while heard.changed().await.is_ok() {} };
            listener::serve(metrics, beside, limits, stop).await
        };
        let upkeep = async {
            match &recorder {
                Some(recorder) => recorder.keep_up().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            served = async { tokio::try_join!(main, metrics) } => served?,
            () = upkeep => return Ok(()),
        };
        auth.db().close().await;
        Ok(())
    }
}

/// Serves routes of an application's own within all that a production server puts around its own, until this process is
/// told to stop: what a program that measures them has to be inside of.
///
/// # Errors
/// As `countersign serve`, without what it refuses for safety.
pub async fn serve_with(
    config: Config,
    data_dir: &Path,
    routes: impl FnOnce(&Auth) -> Router,
) -> anyhow::Result<()> {
    let _telemetry = telemetry::start(&config.log)?;
    let recorder = Recorder::install()?;
    let instance = Instance::open(config, data_dir, |builder| builder).await?.publishing(recorder);
    let more = routes(&instance.auth);
    instance.run(more, false, || {}).await
}

/// Resolves when this process is told to stop: SIGTERM or SIGINT.
pub(crate) fn told_to_stop() -> std::io::Result<impl Future<Output = ()>> {
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// The SQLite file of a data folder.
pub(crate) fn database_file(data_dir: &Path) -> PathBuf {
    data_dir.join("countersign.db")
}

/// Makes a folder that only its owner can enter; one that is there already keeps its mode.
pub(crate) fn make_private_folder(folder: &Path) -> anyhow::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))
}

/// Refuses a file that anyone but its owner can read or write; one that is not there is no matter.
pub(crate) fn refuse_shared_file(path: &Path) -> anyhow::Result<()> {
    match unfit::shared_file(path) {
        Some(shared) => Err(Refusal(shared.to_string()).into()),
        None => Ok(()),
    }
}

/// What a crash or another user of this machine could take away.
pub(crate) fn protect_process() {
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = setrlimit(Resource::Core, none) {
        tracing::warn!(%error, "core dumps stay on");
    }
}

/// A socket that listens.
async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))
}
