//! One trace from the request over the log to the finding and the rows: a span here goes on with the trace that it was handed,
//! and what it writes carries the trace on. Works without a collector too; then only log lines tell of it.

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState};
use reinstate_store::trace::{self, Traceparent};
use tracing::{Instrument as _, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use uuid::Uuid;

/// Does some work as a part of the trace `parent`, or of a new one, under `span`. Everything that it logs and writes to the log
/// belongs to the trace.
pub async fn within<F: Future>(span: Span, parent: Option<&Traceparent>, work: F) -> F::Output {
    let span = match parent {
        Some(parent) => part_of(parent, span),
        None => span,
    };
    let own = begin(&span, parent);
    match own {
        Some(own) => trace::scope(own, work).instrument(span).await,
        None => work.instrument(span).await,
    }
}

/// A span of some work that is a part of several traces, in one of them. It lasts until it is dropped.
#[must_use]
pub fn part_of(parent: &Traceparent, span: Span) -> Span {
    if let Some(remote) = remote(parent) {
        // Without a collector there is nothing to set it on.
        let _ = span.set_parent(Context::new().with_remote_span_context(remote));
    }
    span
}

/// Names a span that has begun: a request's route is known when it was found. The field `otel.name` is read at the beginning only.
pub fn name(span: &Span, name: String) {
    span.context().span().update_name(name);
}

/// The id that all parts of a trace share: 32 hexadecimal digits.
#[must_use]
pub fn id(traceparent: &Traceparent) -> &str {
    traceparent.as_str().split('-').nth(1).unwrap_or_default()
}

/// The trace context of a span that has just been made.
fn begin(span: &Span, parent: Option<&Traceparent>) -> Option<Traceparent> {
    let context = span.context();
    let traced = context.span().span_context().clone();
    let text = if traced.is_valid() {
        let flags = traced.trace_flags().to_u8();
        format!("00-{}-{}-{flags:02x}", traced.trace_id(), traced.span_id())
    } else {
        let (low, high) = Uuid::new_v4().as_u64_pair();
        match parent {
            Some(parent) => format!("00-{}-{:016x}-00", id(parent), low | 1),
            None => format!("00-{:016x}{:016x}-{:016x}-00", low | 1, high, high | 1),
        }
    };
    Traceparent::parse(&text).ok()
}

fn remote(parent: &Traceparent) -> Option<SpanContext> {
    let mut parts = parent.as_str().split('-').skip(1);
    let trace = TraceId::from_hex(parts.next()?).ok()?;
    let span = SpanId::from_hex(parts.next()?).ok()?;
    let flags = u8::from_str_radix(parts.next()?, 16).ok()?;
    Some(SpanContext::new(trace, span, TraceFlags::new(flags), true, TraceState::default()))
}
