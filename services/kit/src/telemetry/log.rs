//! Log lines: one JSON object each, with the fields that every service uses. A separate thread writes them from a bounded queue, so that
//! no request waits for a terminal or a disk.

use super::files::LogFiles;
use crate::settings::Settings;
use serde_json::{Map, Value};
use std::fmt;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::writer::MakeWriterExt;
use tracing_subscriber::fmt::{FmtContext, MakeWriter};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry};

/// Longest queue of lines; further lines are dropped.
const QUEUED_LINES: usize = 16_384;

type BoxedLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// Builds the layer that writes to stdout and, if `LOG_DIR` is set, to files. Returns the problem too if the files cannot be written.
pub(super) fn layer(settings: &Settings) -> (BoxedLayer, Vec<WorkerGuard>, Option<String>) {
    // `lossy`: a full queue drops lines and does not delay calls.
    let queue = |output: Box<dyn std::io::Write + Send>| -> (NonBlocking, WorkerGuard) {
        NonBlockingBuilder::default().buffered_lines_limit(QUEUED_LINES).lossy(true).finish(output)
    };
    let (stdout, stdout_guard) = queue(Box::new(std::io::stdout()));
    let mut guards = vec![stdout_guard];
    let file = settings.log_dir.as_ref().map(|folder| {
        LogFiles::create(folder, settings.service.binary(), settings.log_dir_bytes)
            .map_err(|error| format!("no log files are written: `LOG_DIR` is `{}`: {error}", folder.display()))
    });
    let mut problem = None;
    let layer = match file {
        Some(Ok(file)) => {
            let (file, file_guard) = queue(Box::new(file));
            guards.push(file_guard);
            formatted(settings, stdout.and(file))
        }
        Some(Err(why)) => {
            problem = Some(why);
            formatted(settings, stdout)
        }
        None => formatted(settings, stdout),
    };
    (layer, guards, problem)
}

fn formatted<W>(settings: &Settings, writer: W) -> BoxedLayer
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    // The SDK logs content of requests, which must not be logged. `LOG_LEVEL` comes later in the filter and can turn it on.
    let filter = EnvFilter::new(format!("rmcp=off,{}", settings.log_level));
    tracing_subscriber::fmt::layer()
        .event_format(JsonLines { service: settings.service.name() })
        .with_writer(writer)
        .with_filter(filter)
        .boxed()
}

/// Formats an event as one JSON object.
struct JsonLines {
    service: &'static str,
}

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = EventFields::default();
        event.record(&mut fields);
        let metadata = event.metadata();
        let severity = match *metadata.level() {
            tracing::Level::ERROR => "error",
            tracing::Level::WARN => "warning",
            tracing::Level::INFO => "info",
            tracing::Level::DEBUG => "debug",
            tracing::Level::TRACE => "trace",
        };
        let mut line = Map::new();
        line.insert("timestamp".into(), jiff::Timestamp::now().to_string().into());
        line.insert("service".into(), self.service.into());
        line.insert("severity".into(), severity.into());
        line.append(&mut fields.values);
        // In the line of a call the target is always the same, so it is omitted.
        if metadata.target() != "mcp_call" {
            line.insert("target".into(), metadata.target().into());
        }
        let text = serde_json::to_string(&line).map_err(|_| fmt::Error)?;
        writeln!(writer, "{text}")
    }
}

/// Collects the fields of an event as JSON, `message` included.
#[derive(Default)]
struct EventFields {
    values: Map<String, Value>,
}

impl Visit for EventFields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.values.insert(field.name().into(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.values.insert(field.name().into(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.values.insert(field.name().into(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.values.insert(field.name().into(), value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.values.insert(field.name().into(), value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let name = if field.name() == "execution_id" { "executionId" } else { field.name() };
        self.values.insert(name.into(), format!("{value:?}").into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::{Arc, Mutex};
    use tracing_subscriber::layer::SubscriberExt;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_is_one_json_object_with_the_named_fields() {
        let buffer = Buffer::default();
        let settings =
            Settings::from_values(mcp_contracts::Service::Memory, &std::collections::BTreeMap::new()).unwrap();
        let writer = buffer.clone();
        let subscriber = tracing_subscriber::registry().with(formatted(&settings, move || writer.clone()));
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(target: "mcp_call", executionId = "e1", userId = "ann", orgId = "acme", tool = "get", durationMs = 1.5, traceId = None::<&str>, "call");
            tracing::warn!(why = "line\nbreak \"quoted\"", "second");
        });
        let text = String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2, "{text}");
        for field in ["timestamp", "service", "executionId", "userId", "orgId", "tool", "severity", "durationMs"] {
            assert!(lines[0].get(field).is_some(), "{field} is missing in {}", lines[0]);
        }
        assert_eq!(lines[1]["severity"], "warning");
        assert_eq!(lines[1]["why"], "line\nbreak \"quoted\"");
    }
}
