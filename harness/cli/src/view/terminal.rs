//! A live line on a terminal: the phase, how far it is, the rate, the percentiles, the errors, the time left.

use super::{expectation_line, finding_line, millis};
use harness_core::drive::Progress;
use harness_core::view::{Event, View};
use harness_history::Phase;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use owo_colors::OwoColorize;
use std::sync::Mutex;

/// Shows a bar on stderr.
pub(super) struct Terminal {
    bar: ProgressBar,
    phase: Mutex<Option<(Phase, u64)>>,
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

    fn progress(&self, progress: &Progress) {
        let mut phase = self.phase.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let length = match *phase {
            Some((known, length)) if known == progress.phase => length.max(progress.left_us),
            Some(_) | None => progress.left_us.max(1),
        };
        *phase = Some((progress.phase, length));
        self.bar.set_style(bar());
        self.bar.set_length(length);
        self.bar.set_position(length.saturating_sub(progress.left_us));
        let errors = if progress.phase_errors == 0 {
            "0 not ok".to_owned()
        } else {
            format!("{} not ok", progress.phase_errors).red().to_string()
        };
        self.bar.set_prefix(match progress.phase {
            Phase::Setup => "seeding",
            Phase::Warmup => "warm-up",
            Phase::Measured => "measuring",
            Phase::Final => "reading back",
        });
        self.bar.set_message(format!(
            "{:>3} s left  {} users  {:>6}/s  p50 {}  p95 {}  p99 {}  {errors}",
            progress.left_us / 1_000_000,
            progress.users,
            progress.calls,
            millis(progress.latency_us_p50),
            millis(progress.latency_us_p95),
            millis(progress.latency_us_p99),
        ));
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
            Event::Progress(progress) => self.progress(&progress),
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
    ProgressStyle::with_template("{prefix:<12} {bar:20} {wide_msg}").unwrap_or_else(|_| ProgressStyle::default_bar())
}
