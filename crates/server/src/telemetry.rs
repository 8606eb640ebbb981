//! Log lines: on stderr, for people or for machines.

use std::io::stderr;

use anstream::{AutoStream, ColorChoice};
use auth::config::{Log, LogFormat};
use tracing_subscriber::{EnvFilter, fmt};

use crate::settings::Refusal;

/// Starts logging.
///
/// # Errors
/// [`Refusal`] when `log.level` is no filter.
pub fn start(log: &Log) -> anyhow::Result<()> {
    let filter = filter(log)?;
    let lines = fmt().with_env_filter(filter).with_writer(stderr);
    // On a terminal that asks for none (`NO_COLOR`) there are none either.
    let colours = AutoStream::choice(&stderr()) != ColorChoice::Never;
    // A second start in one process (a test) keeps the first one's settings.
    drop(match log.format {
        LogFormat::Text => lines.with_ansi(colours).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    });
    Ok(())
}

/// What is logged.
///
/// # Errors
/// [`Refusal`] when `log.level` says it in no way that is understood.
pub(crate) fn filter(log: &Log) -> Result<EnvFilter, Refusal> {
    EnvFilter::builder().parse(&log.level).map_err(|error| Refusal(format!("log.level: {error}")))
}
