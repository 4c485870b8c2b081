//! Writes plain lines to stderr, for pipes and the logs of a CI.

use super::{allowed, expectation_line, finding_line, millis};
use harness_core::stack::view::{Event, View};
use harness_history::counted;
use std::io::Write;

/// Seconds between two lines of progress.
const EVERY: u64 = 5;

pub(super) struct Lines;

impl View for Lines {
    fn show(&self, event: Event) {
        let line = match event {
            Event::Stage(stage) => format!("-- {stage}"),
            Event::PartReady { part, after } => format!("   {part} ready after {} ms", after.as_millis()),
            Event::Progress { phase, progress } => {
                let left = progress.left_us / 1_000_000;
                if !left.is_multiple_of(EVERY) {
                    return;
                }
                format!(
                    "   {phase} {left:>3} s left: {}, {} calls/s, p50 {}, p95 {}, p99 {}, {} of {} not ok{}",
                    counted(progress.users, "user", "users"),
                    progress.calls,
                    millis(progress.latency_us_p50),
                    millis(progress.latency_us_p95),
                    millis(progress.latency_us_p99),
                    progress.phase_errors,
                    progress.phase_calls,
                    allowed(&progress),
                )
                .to_lowercase()
            }
            Event::Expectation(seen) => format!("   {}", expectation_line(&seen)),
            Event::Finding(finding) => format!("   {}", finding_line(&finding)),
            Event::Note(note) => format!("   note: {note}"),
            Event::Verdict(_) => return,
        };
        let _ = writeln!(anstream::stderr(), "{line}");
    }
}
