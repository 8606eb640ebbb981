//! Log lines, on stderr, for people or for machines; and traces, where the binary is built with `otlp`.

mod lines;
#[cfg(feature = "otlp")]
mod otlp;

use std::{io::stderr, net::SocketAddr};

use anstream::{AutoStream, ColorChoice};
use auth::config::{Log, LogFormat};
use axum::extract::{ConnectInfo, Request};
use ipnet::IpNet;
use tracing::Span;
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    fmt::{format, format::JsonFields},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use self::lines::Named;
use crate::settings::Refusal;

/// What the log calls the lines of requests: `log.level = "info,countersign::requests=debug"` has one for each.
pub(crate) const REQUESTS: &str = "countersign::requests";

/// What goes on as long as a server runs, and gets out what it still has when it is dropped.
#[derive(Debug)]
#[must_use = "dropped, it ends"]
pub struct Telemetry {
    #[cfg(feature = "otlp")]
    _traces: Option<otlp::Traces>,
}

/// Starts logging.
///
/// # Errors
/// [`Refusal`] when `log.level` is no filter, or when the environment says of traces what makes no sense.
pub fn start(log: &Log) -> anyhow::Result<Telemetry> {
    let filter = filter(log)?;
    // On a terminal that asks for none (`NO_COLOR`) there are none either.
    let colours = AutoStream::choice(&stderr()) != ColorChoice::Never;
    let layer = tracing_subscriber::fmt::layer().with_writer(stderr);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match log.format {
        LogFormat::Text => {
            let format = format().with_ansi(colours);
            layer.with_ansi(colours).event_format(Named::text(format)).boxed()
        }
        LogFormat::Json => {
            // A line has what it needs of its request: the span would say all of it twice again.
            let format = format().json().flatten_event(true);
            let format = format.with_current_span(false).with_span_list(false);
            layer.fmt_fields(JsonFields::new()).event_format(Named::json(format)).boxed()
        }
    };
    let registry = tracing_subscriber::registry().with(lines.with_filter(filter));
    #[cfg(feature = "otlp")]
    let traces = otlp::Traces::from_environment()?;
    #[cfg(feature = "otlp")]
    let registry = registry.with(traces.as_ref().map(otlp::Traces::layer));
    // A second start in one process (a test) keeps the first one's settings.
    drop(registry.try_init());
    Ok(Telemetry {
        #[cfg(feature = "otlp")]
        _traces: traces,
    })
}

/// Makes the span of a request part of the trace that one of these proxies says it belongs to, where traces are made.
pub(crate) fn continue_trace(span: &Span, request: &Request, proxies: &[IpNet]) {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let peer = peer.map(|ConnectInfo(peer)| peer.ip().to_canonical());
    // Who else may decide what is sampled would decide how much is sent.
    if peer.is_some_and(|peer| proxies.iter().any(|network| network.contains(&peer))) {
        #[cfg(feature = "otlp")]
        otlp::continue_trace(span, request.headers());
        #[cfg(not(feature = "otlp"))]
        let _ = span;
    }
}

/// Gives the span of a request the name that is known at its end, where traces are made.
pub(crate) fn rename(span: &Span, name: impl FnOnce() -> String) {
    #[cfg(feature = "otlp")]
    otlp::rename(span, name());
    #[cfg(not(feature = "otlp"))]
    drop((span, name));
}

/// What is logged.
///
/// # Errors
/// [`Refusal`] when `log.level` says it in no way that is understood.
pub(crate) fn filter(log: &Log) -> Result<EnvFilter, Refusal> {
    EnvFilter::builder().parse(&log.level).map_err(|error| Refusal(format!("log.level: {error}")))
}
