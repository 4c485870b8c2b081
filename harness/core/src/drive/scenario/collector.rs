//! A collector of traces on loopback: receives spans over OTLP (HTTP with protobuf), and decodes them with the published message types.

use super::StepFailed;
use super::loopback::Loopback;
use mcp_contracts::env;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use parking_lot::Mutex;
use prost::Message;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

/// Maximum number of spans that are kept.
const MAX_SPANS: usize = 20_000;

/// A span that a service has sent.
#[derive(Debug, Clone)]
pub struct Span {
    /// The `service.name` of the resource.
    pub service: String,
    pub name: String,
    /// Id of the trace, in hex.
    pub trace: String,
    /// Id of the span, in hex.
    pub id: String,
    /// Id of the parent, in hex; empty if there is none.
    pub parent: String,
    /// The whole span as text, with every attribute and event.
    pub text: String,
}

#[derive(Default)]
struct Received {
    spans: Vec<Span>,
    unreadable: usize,
}

/// The collector. It ends when this is dropped.
pub struct TraceCollector {
    received: Arc<Mutex<Received>>,
    server: Loopback,
}

impl TraceCollector {
    /// Listens on a free port.
    ///
    /// # Errors
    /// No port can be used.
    pub async fn start() -> Result<Self, StepFailed> {
        let received = Arc::new(Mutex::new(Received::default()));
        let write = Arc::clone(&received);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let server = Loopback::listen(address, "application/x-protobuf", move |body| {
            write.lock().take(body);
            // The message of a complete success has no field, so it has no bytes (OTLP 1.5, "Full Success").
            String::new()
        });
        let server = server.await.map_err(|error| {
            StepFailed(format!("the collector of traces of the harness cannot listen on loopback: {error}"))
        })?;
        Ok(Self { received, server })
    }

    /// Returns the variable with which a service sends its spans to this collector.
    pub fn settings(&self) -> [(&'static str, String); 1] {
        [(env::OTEL_EXPORTER_OTLP_ENDPOINT, format!("http://{}", self.server.address()))]
    }

    /// Returns the spans of a trace.
    pub fn spans(&self, trace: &str) -> Vec<Span> {
        self.received.lock().spans.iter().filter(|span| span.trace == trace).cloned().collect()
    }

    /// Returns every span, of any trace.
    pub fn all_spans(&self) -> Vec<Span> {
        self.received.lock().spans.clone()
    }

    /// Returns the number of requests that were not OTLP.
    pub fn unreadable(&self) -> usize {
        self.received.lock().unreadable
    }
}

impl Received {
    fn take(&mut self, body: &[u8]) {
        match ExportTraceServiceRequest::decode(body) {
            Ok(request) => self.spans.extend(request.resource_spans.iter().flat_map(spans_of)),
            Err(_) => self.unreadable += 1,
        }
        self.spans.truncate(MAX_SPANS);
    }
}

fn spans_of(resource: &ResourceSpans) -> Vec<Span> {
    let attributes = resource.resource.as_ref().map_or(&[][..], |resource| &resource.attributes);
    let service = text_of(attributes, "service.name");
    let spans = resource.scope_spans.iter().flat_map(|scope| &scope.spans);
    let span = |span: &opentelemetry_proto::tonic::trace::v1::Span| Span {
        service: service.clone(),
        name: span.name.clone(),
        trace: hex::encode(&span.trace_id),
        id: hex::encode(&span.span_id),
        parent: hex::encode(&span.parent_span_id),
        text: format!("{span:?}"),
    };
    spans.map(span).collect()
}

/// Returns an attribute that is a text; empty if it is missing.
fn text_of(attributes: &[KeyValue], key: &str) -> String {
    let value = attributes.iter().find(|attribute| attribute.key == key).and_then(|found| found.value.as_ref());
    match value.and_then(|value| value.value.as_ref()) {
        Some(any_value::Value::StringValue(text)) => text.clone(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bytes_that_are_not_otlp_are_counted_and_are_no_spans() {
        let collector = TraceCollector::start().await.unwrap();
        let url = format!("{}/v1/traces", collector.settings()[0].1);
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let reply = client.post(url).body("no protobuf").send().await.unwrap();
        assert_eq!(reply.status(), 200);
        assert_eq!((collector.unreadable(), collector.all_spans().len()), (1, 0));
    }
}
