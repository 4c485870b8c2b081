//! Live progress on a terminal: the phase and its progress, and below it the rate, the percentiles and the errors, wrapped to the width of the
//! terminal. Loads, experiments and the gate look the same.

use super::{allowed, expectation_line, finding_line, millis};
use harness_core::stack::view::Progress;
use harness_core::stack::view::{Event, View};
use harness_history::counted;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use owo_colors::OwoColorize;
use parking_lot::Mutex;

pub(super) struct Terminal {
    bar: ProgressBar,
    /// The current phase, and its length when it was first reported.
    phase: Mutex<Option<(String, u64)>>,
}

impl Terminal {
    pub(super) fn new() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
        bar.set_style(spinner());
        Self { bar, phase: Mutex::new(None) }
    }

    fn line(&self, line: &str) {
        self.bar.suspend(|| {
            use std::io::Write;
            let _ = writeln!(anstream::stderr(), "{line}");
        });
    }

    fn progress(&self, phase: &str, progress: &Progress) {
        let mut known = self.phase.lock();
        // The length is the highest remaining time so far, because the events name no total and an estimate may grow.
        let length = match &*known {
            Some((name, length)) if name == phase => (*length).max(progress.left_us),
            Some(_) | None => progress.left_us.max(1),
        };
        *known = Some((phase.to_owned(), length));
        self.bar.set_style(bar());
        self.bar.set_length(length);
        self.bar.set_position(length.saturating_sub(progress.left_us));
        self.bar.set_prefix(format!("{phase}, {} s left", progress.left_us / 1_000_000));
        let (_, width) = console::Term::stderr().size();
        self.bar.set_message(wrapped(&figures(progress), usize::from(width)));
    }
}

impl View for Terminal {
    fn show(&self, event: Event) {
        match event {
            Event::Stage(stage) => {
                self.bar.set_style(spinner());
                self.bar.set_message(stage);
                self.bar.tick();
            }
            Event::PartReady { part, after } => {
                self.line(&format!("{} {part} ready after {} ms", "✓".green(), after.as_millis()))
            }
            Event::Progress { phase, progress } => self.progress(&phase, &progress),
            Event::Expectation(seen) => self.line(&expectation_line(&seen)),
            Event::Finding(finding) => self.line(&finding_line(&finding)),
            Event::Note(note) => self.line(&format!("note: {note}")),
            Event::Verdict(_) => self.bar.finish_and_clear(),
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn spinner() -> ProgressStyle {
    ProgressStyle::with_template("{spinner} {wide_msg}").unwrap_or_else(|_| ProgressStyle::default_spinner())
}

fn bar() -> ProgressStyle {
    ProgressStyle::with_template("{prefix} {wide_bar}\n{msg}").unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// Returns the current figures, in the order of their importance.
fn figures(progress: &Progress) -> Vec<String> {
    let errors = format!("{} not ok{}", progress.phase_errors, allowed(progress));
    vec![
        format!("{}/s", progress.calls),
        if progress.phase_errors == 0 { errors } else { errors.red().to_string() },
        format!("p50 {}", millis(progress.latency_us_p50)),
        format!("p95 {}", millis(progress.latency_us_p95)),
        format!("p99 {}", millis(progress.latency_us_p99)),
        counted(progress.users, "user", "users"),
    ]
}

/// Joins parts into lines of at most `width` characters. A longer part gets a line of its own.
fn wrapped(parts: &[String], width: usize) -> String {
    const GAP: &str = "  ";
    let (mut text, mut column) = (String::new(), 0);
    for part in parts {
        let length = console::measure_text_width(part);
        if column > 0 && column + GAP.len() + length > width {
            text.push('\n');
            column = 0;
        }
        if column > 0 {
            text.push_str(GAP);
            column += GAP.len();
        }
        text.push_str(part);
        column += length;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{figures, wrapped};
    use harness_core::stack::view::Progress;
    use harness_history::Phase;

    fn busy() -> Progress {
        Progress {
            at_us: 0,
            phase: Phase::Measured,
            left_us: 12_000_000,
            users: 1_000,
            calls: 123_456,
            errors: 0,
            phase_calls: 9_999_999,
            phase_errors: 1_234,
            phase_allowed: 1_200,
            latency_us_p50: 123_456,
            latency_us_p95: 1_234_567,
            latency_us_p99: 12_345_678,
        }
    }

    #[test]
    fn forty_columns_are_enough_and_nothing_is_left_out() {
        let parts = figures(&busy());
        for width in [40, 60, 80, 200] {
            let text = wrapped(&parts, width);
            assert!(text.lines().all(|line| console::measure_text_width(line) <= width), "{width}: {text}");
            assert!(parts.iter().all(|part| text.contains(part.as_str())), "{width}: {text}");
        }
        assert_eq!(wrapped(&parts, 200).lines().count(), 1);
        assert!(wrapped(&parts, 40).lines().count() <= 3);
    }
}
