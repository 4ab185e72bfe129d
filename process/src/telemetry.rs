//! JSON log lines on standard error, each with the trace that it belongs to, and traces for an OpenTelemetry collector.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use reinstate_store::trace;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{EnvFilter, FilterExt as _, filter_fn};
use tracing_subscriber::fmt::format::{Format, Json, JsonFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, Registry};

use crate::in_one_line;
use crate::settings::{Logging, Traces};

/// How long a collector may take for a batch, and the end of the process waits for the last one.
const COLLECTOR: Duration = Duration::from_secs(3);

/// Our spans, as against those of libraries, have targets that begin so.
const OURS: &str = "reinstate";

/// Logs or traces can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("log.level is not a level or a filter")]
    Level(#[source] tracing_subscriber::filter::ParseError),
    #[error("traces.endpoint must be an http:// address of a collector near by: this end speaks no TLS")]
    Scheme,
    #[error("traces.endpoint can't be used")]
    Exporter(#[source] opentelemetry_otlp::ExporterBuildError),
    #[error("the log is set up already")]
    Twice(#[source] tracing_subscriber::util::TryInitError),
}

/// What is said and traced goes out through this, for as long as it lives.
#[derive(Debug)]
pub struct Telemetry {
    traces: Option<SdkTracerProvider>,
}

/// Looks at the settings without changing anything.
///
/// # Errors
/// [`Error::Level`], [`Error::Scheme`].
pub fn check(logging: &Logging, traces: &Traces) -> Result<(), Error> {
    EnvFilter::try_new(&logging.level).map_err(Error::Level)?;
    if !traces.endpoint.is_empty() && !traces.endpoint.starts_with("http://") {
        return Err(Error::Scheme);
    }
    Ok(())
}

impl Telemetry {
    /// Sets up logs and traces for the whole process, which calls itself `service`.
    ///
    /// # Errors
    /// Every [`Error`].
    pub fn init(service: &'static str, logging: &Logging, settings: &Traces) -> Result<Self, Error> {
        check(logging, settings)?;
        let filter = EnvFilter::try_new(&logging.level).map_err(Error::Level)?;
        let lines = tracing_subscriber::fmt::layer()
            .fmt_fields(JsonFields::new())
            .event_format(WithTrace::default())
            .with_writer(std::io::stderr)
            // Lines say nothing of spans; without a collector there are none.
            .with_filter(filter.and(filter_fn(|metadata| metadata.is_event())));
        let traces = (!settings.endpoint.is_empty()).then(|| provider(service, &settings.endpoint));
        let traces = traces.transpose()?;
        let spans = traces.as_ref().map(|provider| {
            tracing_opentelemetry::layer()
                .with_tracer(provider.tracer(service))
                .with_location(false)
                .with_threads(false)
                .with_filter(filter_fn(|metadata| {
                    metadata.is_span()
                        && metadata.target().starts_with(OURS)
                        && *metadata.level() <= Level::INFO
                }))
        });
        Registry::default().with(spans).with(lines).try_init().map_err(Error::Twice)?;
        Ok(Self { traces })
    }

    /// Sends what was not sent yet. Blocks for three seconds at most.
    pub fn finish(self) {
        if let Some(Err(error)) = self.traces.map(|traces| traces.shutdown_with_timeout(COLLECTOR)) {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the last traces did not reach the collector"
            );
        }
    }
}

fn provider(service: &'static str, endpoint: &str) -> Result<SdkTracerProvider, Error> {
    let agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(COLLECTOR))
        .proxy(None)
        .build();
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(Collector(agent.into()))
        .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
        .build()
        .map_err(Error::Exporter)?;
    let resource = Resource::builder().with_service_name(service).build();
    Ok(SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(exporter).build())
}

/// The way to the collector. It blocks, on the exporter's own thread.
struct Collector(ureq::Agent);

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Collector")
    }
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (parts, body) = request.into_parts();
        let response = self.0.run(Request::from_parts(parts, body.as_ref()))?;
        let (parts, mut body) = response.into_parts();
        Ok(Response::from_parts(parts, Bytes::from(body.read_to_vec()?)))
    }
}

/// The library's JSON line with the current trace's id in front, so that a request is found in the logs of every service, and with
/// the causes of an error.
struct WithTrace(Format<Json>);

impl Default for WithTrace {
    fn default() -> Self {
        let lines = tracing_subscriber::fmt::format().json().flatten_event(true);
        Self(lines.with_current_span(false).with_span_list(false))
    }
}

impl<S, N> FormatEvent<S, N> for WithTrace
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut causes = Causes::default();
        event.record(&mut causes);
        let mut line = String::new();
        self.0.format_event(context, Writer::new(&mut line), event)?;
        let rest = line.strip_prefix('{').ok_or(fmt::Error)?;
        writer.write_char('{')?;
        if let Some(trace) = trace::current() {
            write!(writer, "\"trace_id\":\"{}\",", crate::trace::id(&trace))?;
        }
        if let Causes(Some(causes)) = causes {
            write!(writer, "\"causes\":{},", serde_json::Value::String(causes))?;
        }
        writer.write_str(rest)
    }
}

/// What is behind the error of an event: the line itself has its text only.
#[derive(Default)]
struct Causes(Option<String>);

impl Visit for Causes {
    fn record_error(&mut self, _: &Field, error: &(dyn std::error::Error + 'static)) {
        self.0 = error.source().map(in_one_line);
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}
