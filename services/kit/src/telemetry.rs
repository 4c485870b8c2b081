//! Logs, metrics and traces. A tool call is one log line, two metrics and one span.

mod files;
mod keys;
mod line_queue;
mod log;
mod sampled;
mod trace;
mod zero;

use crate::settings::Settings;
pub(crate) use keys::publish as publish_keys;
use mcp_contracts::{Claims, Service, metric};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
pub use sampled::Sampled;
use std::sync::{Arc, OnceLock, mpsc};
use std::time::Duration;
pub use trace::{CallSpan, inject, trace_id_of};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
pub(crate) use zero::of_service as zero_counters_of_service;
pub use zero::{ZeroLabel, zero_counters};

/// Interval of the upkeep of the metrics.
const UPKEEP_PERIOD: Duration = Duration::from_secs(5);
/// Upper bounds of the latency buckets, in seconds.
const LATENCY_BUCKETS: [f64; 13] =
    [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];
/// Upper bounds of the buckets of rows per commit.
// The last one is the largest batch of the database's writer.
const ROW_BUCKETS: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

/// Records calls. Clones share everything.
#[derive(Clone)]
pub struct Telemetry {
    service: Service,
    metrics: PrometheusHandle,
    tracer: Option<Arc<trace::Exporter>>,
}

/// Writes buffered log lines when it is dropped.
pub struct TelemetryGuard {
    _writers: Vec<line_queue::LineQueueGuard>,
    tracer: Option<Arc<trace::Exporter>>,
    /// Ends the thread for the upkeep of the metrics when it is dropped.
    _upkeep: mpsc::Sender<()>,
}

#[derive(Debug)]
pub struct CallRecord<'a> {
    pub tool: &'static str,
    pub claims: &'a Claims,
    pub execution_id: &'a str,
    /// W3C trace id, if there is one.
    pub trace_id: Option<&'a str>,
    /// `ok`, or the code of the error.
    pub outcome: &'static str,
    pub duration: Duration,
}

impl Telemetry {
    /// Starts logs, metrics and traces. The first call in a process sets up its logs.
    pub fn start(settings: &Settings) -> (Self, TelemetryGuard) {
        let (layer, writers, problem) = log::layer(settings);
        let tracer = settings
            .otlp_endpoint
            .as_deref()
            .and_then(|endpoint| trace::Exporter::new(settings.service, endpoint))
            .map(Arc::new);
        // A second service in the same process, as in tests, logs through the subscriber of the first.
        let _ = tracing_subscriber::registry().with(layer).try_init();
        if let Some(problem) = problem {
            tracing::error!("{problem}");
        }
        let metrics = recorder();
        let guard =
            TelemetryGuard { _writers: writers, tracer: tracer.clone(), _upkeep: spawn_upkeep_thread(metrics.clone()) };
        (Self { service: settings.service, metrics, tracer }, guard)
    }

    /// Begins the span of a call. If traces are off, only the trace context is passed on.
    pub fn span(
        &self,
        headers: &http::HeaderMap,
        service: Service,
        tool: &'static str,
        execution_id: &str,
    ) -> CallSpan {
        CallSpan::begin(self.tracer.as_deref(), headers, service, tool, execution_id)
    }

    /// Records a finished call: one log line, its duration and its count.
    pub fn record(&self, call: &CallRecord<'_>) {
        // Organisation and user go into the log only. As labels, each of them would be a time series of its own.
        let service = self.service.name();
        metrics::histogram!(metric::TOOL_DURATION_SECONDS, "service" => service, "tool" => call.tool)
            .record(call.duration);
        metrics::counter!(metric::TOOL_CALLS_TOTAL, "service" => service, "tool" => call.tool, "outcome" => call.outcome).increment(1);
        tracing::info!(
            target: "mcp_call",
            executionId = call.execution_id,
            userId = call.claims.sub,
            orgId = call.claims.org_id,
            tool = call.tool,
            outcome = call.outcome,
            durationMs = call.duration.as_secs_f64() * 1_000.0,
            traceId = call.trace_id,
            "call"
        );
    }

    /// Returns the metrics in the text format of Prometheus.
    pub fn render(&self) -> String {
        self.metrics.run_upkeep();
        self.metrics.render()
    }
}

impl TelemetryGuard {
    /// Sends buffered spans; returns after `deadline` at the latest.
    pub async fn flush(&self, deadline: Duration) {
        if let Some(tracer) = self.tracer.clone() {
            // The exporter's HTTP client blocks: an asynchronous one panics in the exporter's thread, which has no
            // runtime.
            let _ = tokio::time::timeout(deadline, tokio::task::spawn_blocking(move || tracer.shutdown())).await;
        }
    }
}

/// Starts the thread that aggregates the samples of histograms. Without it they would grow with every call until the metrics are scraped.
fn spawn_upkeep_thread(metrics: PrometheusHandle) -> mpsc::Sender<()> {
    let (guard, ended) = mpsc::channel::<()>();
    let upkeep = move || {
        while ended.recv_timeout(UPKEEP_PERIOD) == Err(mpsc::RecvTimeoutError::Timeout) {
            metrics.run_upkeep();
        }
    };
    // If the thread cannot start, `render` still aggregates the samples.
    let _ = std::thread::Builder::new().name("metrics-upkeep".to_owned()).spawn(upkeep);
    guard
}

/// Returns the recorder, which is global to the process because the `metrics` crate allows only one.
fn recorder() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    let install = || {
        PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &LATENCY_BUCKETS)
            .and_then(|builder| builder.set_buckets_for_metric(Matcher::Suffix("_rows".to_owned()), &ROW_BUCKETS))
            .and_then(PrometheusBuilder::install_recorder)
            .expect("the buckets are not empty and no other recorder is installed")
    };
    HANDLE.get_or_init(install).clone()
}
