//! The progress of a run: on a terminal, in a pipe, as JSON, or none. JSON goes to stdout, everything else to stderr.

mod json;
mod lines;
mod terminal;

use crate::arguments::Output;
use harness_core::stack::view::{Event, Progress, View};
use harness_history::Verdict;
use owo_colors::OwoColorize;
use std::sync::Arc;

/// Returns the view for these options. `terminal` is true if stderr is a terminal.
pub(crate) fn choose(output: &Output, terminal: bool) -> Arc<dyn View> {
    if output.json {
        Arc::new(json::Json)
    } else if output.quiet {
        Arc::new(Silent)
    } else if terminal {
        Arc::new(terminal::Terminal::new())
    } else {
        Arc::new(lines::Lines)
    }
}

/// Returns a view that shows nothing, for a command whose output is one JSON object.
pub(crate) fn silent() -> Arc<dyn View> {
    Arc::new(Silent)
}

struct Silent;

impl View for Silent {
    fn show(&self, _event: Event) {}
}

/// Returns the width of the terminal, without a limit if stdout is not a terminal.
pub(crate) fn columns() -> usize {
    console::Term::stdout().size_checked().map_or(usize::MAX, |(_, columns)| columns.into())
}

/// Returns the coloured word of a verdict.
pub(crate) fn word(verdict: Verdict) -> String {
    match verdict {
        Verdict::Pass => "pass".green().bold().to_string(),
        Verdict::Unknown => "unknown".yellow().bold().to_string(),
        Verdict::Fail => "fail".red().bold().to_string(),
    }
}

/// Returns a word for a result in its colour.
pub(crate) fn tone(word: &str) -> String {
    match word {
        "pass" => word.green().bold().to_string(),
        "fail" | "error" => word.red().bold().to_string(),
        _ => word.yellow().bold().to_string(),
    }
}

/// Renders microseconds with a readable unit.
fn millis(us: u64) -> String {
    if us >= 1_000_000 { format!("{:.2} s", us as f64 / 1e6) } else { format!("{:.1} ms", us as f64 / 1e3) }
}

/// Returns how many errors of the phase the experiment allows, in brackets; empty if it allows none of them.
fn allowed(progress: &Progress) -> String {
    match progress.phase_allowed {
        0 => String::new(),
        all if all == progress.phase_errors => " (allowed)".to_owned(),
        some => format!(" ({some} allowed)"),
    }
}

fn finding_line(finding: &harness_history::Finding) -> String {
    format!("{:<18} {:<8} {}", finding.check, word(finding.verdict), finding.summary)
}

fn expectation_line(seen: &harness_history::Expectation) -> String {
    match seen.verdict {
        Verdict::Pass => format!("{} {}", "✓".green(), seen.expected),
        Verdict::Unknown => format!("{} {}: {}", "?".yellow(), seen.expected, seen.seen),
        Verdict::Fail => format!("{} {}: {}", "✗".red(), seen.expected, seen.seen),
    }
}

#[cfg(test)]
mod tests {
    use super::allowed;
    use harness_core::stack::view::Progress;
    use harness_history::Phase;

    #[test]
    fn errors_that_an_experiment_allows_are_named() {
        let of = |phase_errors, phase_allowed| {
            allowed(&Progress {
                at_us: 0,
                phase: Phase::Measured,
                left_us: 0,
                users: 1,
                calls: 1,
                errors: 0,
                phase_calls: 40,
                phase_errors,
                phase_allowed,
                latency_us_p50: 1,
                latency_us_p95: 1,
                latency_us_p99: 1,
            })
        };
        assert_eq!([of(0, 0), of(12, 0)], ["", ""]);
        assert_eq!([of(12, 12), of(12, 9)], [" (allowed)", " (9 allowed)"]);
    }
}
