//! Log lines: one JSON object each, with the fields that every service uses. A separate thread writes them from a bounded queue, so that
//! no request waits for a terminal or a disk.

use super::files::LogFiles;
use super::line_queue::{LineQueue, LineQueueGuard};
use crate::settings::Settings;
use serde::Serialize;
use std::cell::RefCell;
use std::fmt;
use std::io::Write as _;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::writer::MakeWriterExt;
use tracing_subscriber::fmt::{FmtContext, MakeWriter};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry};

type BoxedLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// Builds the layer that writes to stdout and, if `LOG_DIR` is set, to files. Returns the problem too if the files cannot be written.
pub(super) fn layer(settings: &Settings) -> (BoxedLayer, Vec<LineQueueGuard>, Option<String>) {
    let service = settings.service.name();
    let (stdout, stdout_guard) = LineQueue::start(service, Box::new(std::io::stdout()));
    let mut guards = vec![stdout_guard];
    let file = settings.log_dir.as_ref().map(|folder| {
        LogFiles::create(folder, settings.service.binary(), settings.log_dir_bytes)
            .map_err(|error| format!("no log files are written: `LOG_DIR` is `{}`: {error}", folder.display()))
    });
    let mut problem = None;
    let layer = match file {
        Some(Ok(file)) => {
            let (file, file_guard) = LineQueue::start(service, Box::new(file));
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
        thread_local! {
            static LINE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
        }
        // The buffer behind `writer` is reused too, and a panic leaves in it what was written. So it gets whole lines only.
        LINE.with(|line| match line.try_borrow_mut() {
            Ok(mut line) => writer.write_str(self.render(&mut line, event)?),
            // A value that is rendered logs a line itself.
            Err(_) => writer.write_str(self.render(&mut Vec::new(), event)?),
        })
    }
}

impl JsonLines {
    /// Renders an event into a buffer and returns the line, with its end. What the buffer has from before is removed.
    fn render<'a>(&self, line: &'a mut Vec<u8>, event: &Event<'_>) -> Result<&'a str, fmt::Error> {
        let metadata = event.metadata();
        let severity = match *metadata.level() {
            tracing::Level::ERROR => "error",
            tracing::Level::WARN => "warning",
            tracing::Level::INFO => "info",
            tracing::Level::DEBUG => "debug",
            tracing::Level::TRACE => "trace",
        };
        let Self { service } = self;
        let now = jiff::Timestamp::now();
        line.clear();
        write!(line, r#"{{"timestamp":"{now}","service":"{service}","severity":"{severity}""#)
            .map_err(|_| fmt::Error)?;
        let mut fields = EventFields { result: Ok(()), line };
        // In the line of a call the target is always the same, so it is omitted.
        if metadata.target() != "mcp_call" {
            fields.add("target", metadata.target());
        }
        event.record(&mut fields);
        fields.result?;
        line.extend_from_slice(b"}\n");
        std::str::from_utf8(line).map_err(|_| fmt::Error)
    }
}

/// Writes the fields of an event, `message` included, as members of a JSON object that has members already. They go into a buffer that is reused,
/// because a tree of values for each line took more time than the rest of it.
struct EventFields<'a> {
    line: &'a mut Vec<u8>,
    /// The first error; nothing is written after it.
    result: fmt::Result,
}

impl EventFields<'_> {
    fn add(&mut self, name: &str, value: impl Serialize) {
        if self.result.is_ok() {
            self.result = self.try_add(name, value);
        }
    }

    fn try_add(&mut self, name: &str, value: impl Serialize) -> fmt::Result {
        self.line.push(b',');
        self.json(name)?;
        self.line.push(b':');
        self.json(value)
    }

    fn json(&mut self, value: impl Serialize) -> fmt::Result {
        serde_json::to_writer(&mut *self.line, &value).map_err(|_| fmt::Error)
    }
}

impl Visit for EventFields<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field.name(), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field.name(), value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field.name(), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let name = if field.name() == "execution_id" { "executionId" } else { field.name() };
        self.add(name, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
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

    /// Runs `log` with the layer of a service. Returns what was written.
    fn written(log: impl FnOnce()) -> String {
        let buffer = Buffer::default();
        let settings =
            Settings::from_values(mcp_contracts::Service::Memory, &std::collections::BTreeMap::new()).unwrap();
        let writer = buffer.clone();
        let subscriber = tracing_subscriber::registry().with(formatted(&settings, move || writer.clone()));
        tracing::subscriber::with_default(subscriber, log);
        String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap()
    }

    fn parsed(text: &str) -> Vec<Value> {
        text.lines().map(|line| serde_json::from_str(line).expect(text)).collect()
    }

    #[test]
    fn a_line_is_one_json_object_with_the_named_fields() {
        let text = written(|| {
            tracing::info!(target: "mcp_call", executionId = "e1", userId = "ann", orgId = "acme", tool = "get", durationMs = 1.5, traceId = None::<&str>, "call");
            tracing::warn!(why = "line\nbreak \"quoted\"", "second");
        });
        let lines = parsed(&text);
        assert_eq!(lines.len(), 2, "{text}");
        for field in ["timestamp", "service", "executionId", "userId", "orgId", "tool", "severity", "durationMs"] {
            assert!(lines[0].get(field).is_some(), "{field} is missing in {}", lines[0]);
        }
        assert_eq!(lines[1]["severity"], "warning");
        assert_eq!(lines[1]["why"], "line\nbreak \"quoted\"");
    }

    /// A value that does something while it is rendered.
    struct Renders(fn());

    impl fmt::Debug for Renders {
        fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            (self.0)();
            formatter.write_str("rendered")
        }
    }

    #[test]
    fn a_panic_while_a_line_is_rendered_leaves_no_part_of_it() {
        let text = written(|| {
            let value = Renders(|| panic!("while a line is rendered"));
            std::panic::catch_unwind(|| tracing::info!(number = 7, ?value, "lost")).unwrap_err();
            tracing::info!("the next line");
        });
        let lines = parsed(&text);
        assert_eq!(lines.len(), 1, "{text}");
        assert_eq!(lines[0]["message"], "the next line");
    }

    #[test]
    fn a_value_may_log_while_it_is_rendered() {
        let text = written(|| tracing::info!(value = ?Renders(|| tracing::info!("inner")), "outer"));
        let messages: Vec<_> = parsed(&text).into_iter().map(|line| line["message"].clone()).collect();
        assert!(messages.contains(&"outer".into()), "{text}");
    }
}
