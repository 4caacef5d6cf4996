//! Own telemetry: settings enter, log lines on standard error and, when OTEL_* variables ask for it, spans
//! over OTLP leave.
//!
//! Promise: started before the runtime, because the exporter has a thread and a client of its own.

use crate::config::LogConfig;
use anyhow::Context;
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use std::io::IsTerminal;
use tracing_subscriber::{
    EnvFilter, Layer, filter::filter_fn, layer::SubscriberExt, util::SubscriberInitExt,
};

/// Keeps the exporter alive; dropping it sends what is left.
pub(crate) struct Telemetry(Option<SdkTracerProvider>);

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(provider) = &self.0
            && let Err(error) = provider.shutdown()
        {
            eprintln!("warning: not all spans were exported: {error}");
        }
    }
}

/// Starts logging for a process of this name.
pub(crate) fn start(config: &LogConfig, service: &str) -> anyhow::Result<Telemetry> {
    let filter = EnvFilter::try_new(&config.filter).with_context(|| {
        format!("log.filter {:?} is not a filter such as info or callmeter=debug", config.filter)
    })?;
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match config.format.as_str() {
        "json" => lines.json().boxed(),
        _ => lines.with_ansi(std::io::stderr().is_terminal()).with_target(false).boxed(),
    };
    let provider = spans(service)?;
    // What is exported does not depend on what is logged; only our own spans go out, or exporting would export itself.
    let own = filter_fn(|metadata| metadata.is_span() && metadata.target().starts_with("callmeter"));
    let export = provider.as_ref().map(|provider| {
        tracing_opentelemetry::layer().with_tracer(provider.tracer("callmeter")).with_filter(own)
    });
    tracing_subscriber::registry().with(lines.with_filter(filter)).with(export).init();
    Ok(Telemetry(provider))
}

/// The exporter that the OTEL_* variables describe, if they name an endpoint.
fn spans(service: &str) -> anyhow::Result<Option<SdkTracerProvider>> {
    let named = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if !named("OTEL_EXPORTER_OTLP_ENDPOINT") && !named("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") {
        return Ok(None);
    }
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .build()
        .context("the OTEL_EXPORTER_OTLP_* variables do not describe an exporter")?;
    // OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win over the name given here.
    let resource = match named("OTEL_SERVICE_NAME") {
        true => opentelemetry_sdk::Resource::builder().build(),
        false => {
            opentelemetry_sdk::Resource::builder().with_service_name(format!("callmeter-{service}")).build()
        }
    };
    Ok(Some(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build()))
}
