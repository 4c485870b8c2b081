//! The end of a run in a terminal: plain lines; the command line adds colour.

use super::markdown::{duration, percent, thousands};
use super::summary::{OperationFigures, Summary};

/// Width of the first column.
const NAME: usize = 18;

/// The table of operations and the findings, as lines.
pub fn lines(summary: &Summary) -> Vec<String> {
    let mut lines = vec![format!(
        "{:<NAME$} {:>10} {:>8} {:>8} {:>9} {:>9} {:>9} {:>9}",
        "operation", "calls", "per s", "not ok", "p50", "p95", "p99", "p99.9"
    )];
    lines.extend(summary.operations.iter().map(|(name, operation)| row(name, operation)));
    lines.push(row("all", &summary.total));
    for (kind, count) in &summary.total.errors {
        lines.push(format!("  {} x {kind}", thousands(*count)));
    }
    lines.push(String::new());
    lines.extend(summary.parts.iter().map(|(name, part)| {
        format!(
            "{name:<NAME$} {:.2} cores, {} CPU per 1,000 calls, at most {:.0} MB",
            part.cores,
            duration(part.cpu_us_per_1000_calls),
            part.rss_peak_bytes as f64 / 1e6
        )
    }));
    lines
}

fn row(name: &str, operation: &OperationFigures) -> String {
    let latency = &operation.latency_us;
    let [p50, p95, p99, p99_9] = [latency.p50, latency.p95, latency.p99, latency.p99_9].map(|us| duration(us as f64));
    format!(
        "{name:<NAME$} {:>10} {:>8} {:>8} {p50:>9} {p95:>9} {p99:>9} {p99_9:>9}",
        thousands(operation.calls),
        thousands(operation.per_second.round() as u64),
        percent(operation.error_rate)
    )
}
