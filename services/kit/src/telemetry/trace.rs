//! Traces: reads the W3C context of a request, sends spans over OTLP, and passes the context to the next hop. Without an endpoint there are
//! no spans, but the log and the next hop still get the trace id.

use futures::FutureExt;
use http::{HeaderMap, HeaderValue};
use mcp_contracts::{Service, headers};
use opentelemetry::trace::{
    SpanContext, SpanId, SpanKind, TraceContextExt, TraceFlags, TraceId, TraceState, Tracer, TracerProvider,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use std::future::Future;
use std::time::Duration;

/// Deadline for sending a batch to the collector.
const EXPORT_DEADLINE: Duration = Duration::from_secs(3);

pub(super) struct Exporter {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

impl Exporter {
    /// Creates an exporter to `endpoint`, the base URL of a collector.
    pub(super) fn new(service: Service, endpoint: &str) -> Option<Self> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{endpoint}/v1/traces"))
            .with_timeout(EXPORT_DEADLINE)
            .build();
        let exporter = match exporter {
            Ok(exporter) => exporter,
            Err(error) => {
                tracing::warn!(%error, endpoint, "traces are off: cannot build the exporter");
                return None;
            }
        };
        let resource = Resource::builder().with_service_name(service.binary()).build();
        let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build();
        let tracer = provider.tracer("mcp-kit");
        Some(Self { provider, tracer })
    }

    /// Sends buffered spans and stops; blocks.
    pub(super) fn shutdown(&self) {
        let _ = self.provider.shutdown();
    }
}

pub struct CallSpan {
    context: Option<Context>,
    trace_id: Option<String>,
}

impl CallSpan {
    pub(super) fn begin(
        exporter: Option<&Exporter>,
        headers: &HeaderMap,
        service: Service,
        tool: &'static str,
        execution_id: &str,
    ) -> Self {
        let parent = headers.get(headers::TRACEPARENT).and_then(|value| parse(value.to_str().ok()?));
        let Some(exporter) = exporter else { return Self::without_exporter(parent) };
        let parent = parent.map_or_else(Context::new, |parent| Context::new().with_remote_span_context(parent));
        let attributes = [
            KeyValue::new("mcp.tool", tool),
            KeyValue::new("mcp.service", service.name()),
            KeyValue::new("mcp.execution_id", execution_id.to_owned()),
        ];
        let span = exporter
            .tracer
            .span_builder(format!("tools/call {tool}"))
            .with_kind(SpanKind::Server)
            .with_attributes(attributes)
            .start_with_context(&exporter.tracer, &parent);
        let context = parent.with_span(span);
        let trace_id = context.span().span_context().trace_id().to_string();
        Self { context: Some(context), trace_id: Some(trace_id) }
    }

    /// Continues the trace of the caller without a span of this service. Without a caller's trace, begins one that is
    /// not sampled.
    fn without_exporter(parent: Option<SpanContext>) -> Self {
        let (trace_id, flags) = match &parent {
            Some(parent) => (parent.trace_id(), parent.trace_flags()),
            None => (TraceId::from_bytes(rand::random()), TraceFlags::default()),
        };
        let here = SpanContext::new(trace_id, SpanId::from_bytes(rand::random()), flags, false, TraceState::default());
        Self { context: Some(Context::new().with_remote_span_context(here)), trace_id: Some(trace_id.to_string()) }
    }

    pub fn trace_id(&self) -> Option<&str> {
        self.trace_id.as_deref()
    }

    /// Runs `work` inside the span, so that calls to other services get its context.
    pub fn follow<'a, F: Future + Send + 'a>(
        &self,
        work: F,
    ) -> futures::future::Either<F, futures::future::BoxFuture<'a, F::Output>> {
        use opentelemetry::trace::FutureExt as _;
        match &self.context {
            None => futures::future::Either::Left(work),
            Some(context) => futures::future::Either::Right(FutureExt::boxed(work.with_context(context.clone()))),
        }
    }
}

impl Drop for CallSpan {
    fn drop(&mut self) {
        if let Some(context) = &self.context {
            context.span().end();
        }
    }
}

/// Adds the context of the current span to the headers of an outgoing request.
pub fn inject(headers: &mut HeaderMap) {
    let context = Context::current();
    let span = context.span();
    let span = span.span_context();
    if span.is_valid() {
        let text = format!("00-{}-{}-{:02x}", span.trace_id(), span.span_id(), span.trace_flags().to_u8());
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(headers::TRACEPARENT, value);
        }
    }
}

/// Returns the id of the caller's trace, if the request has one.
pub fn trace_id_of(headers: &HeaderMap) -> Option<String> {
    let parent = headers.get(headers::TRACEPARENT).and_then(|value| parse(value.to_str().ok()?))?;
    Some(parent.trace_id().to_string())
}

/// Parses `traceparent` (W3C Trace Context, section 3.2).
fn parse(text: &str) -> Option<SpanContext> {
    let mut parts = text.trim().split('-');
    // Further parts are ignored, because later versions may add some.
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hex = |part: &str, length: usize| {
        part.len() == length && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    if !hex(version, 2) || version == "ff" || !hex(trace, 32) || !hex(span, 16) || !hex(flags, 2) {
        return None;
    }
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?);
    let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
    Some(SpanContext::new(trace, span, flags, true, TraceState::default())).filter(SpanContext::is_valid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_well_formed_contexts_are_accepted() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(parse(good).unwrap().trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
        for bad in [
            "",
            "00",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b71692033-01",
        ] {
            assert!(parse(bad).is_none(), "{bad}");
        }
    }
}
