//! Traces by OTLP over HTTP, as the environment variables of OpenTelemetry ask for.

use std::{env, fmt};

use axum::http::{HeaderMap, HeaderName};
use opentelemetry::{
    propagation::{Extractor, TextMapPropagator},
    trace::{TraceContextExt, TracerProvider},
};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::{
    Resource,
    propagation::TraceContextPropagator,
    trace::{SdkTracerProvider, Tracer},
};
use reqwest::Url;
use tracing::{Level, Span, Subscriber};
use tracing_opentelemetry::{OpenTelemetryLayer, OpenTelemetrySpanExt};
use tracing_subscriber::{
    Layer, filter::dynamic_filter_fn, layer::Context as LayerContext, registry::LookupSpan,
};

use crate::settings::Refusal;

/// Spans on their way out. What waits is sent when this is dropped.
pub(super) struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// What the environment asks for; `None` when it names no receiver, or says no.
    ///
    /// The names are those of the OpenTelemetry specification ("OpenTelemetry Protocol Exporter", "SDK environment
    /// variables"); sampling, headers, timeouts and the size of batches are read by the SDK under theirs.
    pub(super) fn from_environment() -> Result<Option<Self>, Refusal> {
        const ENDPOINTS: [&str; 2] =
            ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];
        let is_set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
        let says = |name: &str, word: &str| {
            env::var(name).is_ok_and(|value| value.eq_ignore_ascii_case(word))
        };
        if !ENDPOINTS.into_iter().any(is_set)
            || says("OTEL_SDK_DISABLED", "true")
            || says("OTEL_TRACES_EXPORTER", "none")
        {
            return Ok(None);
        }
        for name in ENDPOINTS.into_iter().filter(|name| is_set(name)) {
            if !env::var(name).is_ok_and(|url| is_address(&url)) {
                return Err(Refusal(format!(
                    "{name} has to be an http:// or https:// address without a user name; a key of the collector's stands in \
                     OTEL_EXPORTER_OTLP_HEADERS"
                )));
            }
        }
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .build()
            .map_err(|error| Refusal(format!("the receiver of traces: {error}")))?;
        let mut resource = Resource::builder();
        if !is_set("OTEL_SERVICE_NAME") {
            resource = resource.with_service_name("countersign");
        }
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource.build())
            .build();
        Ok(Some(Self { provider }))
    }

    /// What hears of spans, and of log lines within them.
    pub(super) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let tracer: Tracer = self.provider.tracer("countersign");
        // Ours alone: what sends the spans makes some itself. And of requests alone: work that comes round every second
        // would be most of what is sent.
        let ours = dynamic_filter_fn(|metadata, context: &LayerContext<'_, S>| {
            metadata.target().starts_with("countersign")
                && (metadata.target() == super::REQUESTS || context.lookup_current().is_some())
        });
        OpenTelemetryLayer::new(tracer)
            .with_location(false)
            .with_threads(false)
            .with_filter(ours.with_max_level_hint(Level::DEBUG))
    }
}

/// Whether spans can be sent there. What sends them writes the address into the log: a password may not be in it.
fn is_address(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.username().is_empty()
            && url.password().is_none()
    })
}

/// Makes a span part of the trace that these headers name (W3C Trace Context).
pub(super) fn continue_trace(span: &Span, headers: &HeaderMap) {
    let parent = TraceContextPropagator::new().extract(&Headers(headers));
    // Without a receiver there is no trace that could be continued.
    drop(span.set_parent(parent));
}

/// Gives a span another name, also after it was begun.
pub(super) fn rename(span: &Span, name: String) {
    span.context().span().update_name(name);
}

/// Headers, as the propagator reads them.
struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        if let Err(error) = self.provider.shutdown() {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }
}

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Traces")
    }
}
