//! How many calls waited at each time of a run. It shows how long the calls that a crowded span or a stall left behind were still worked off after its
//! end: the stack is slow then, although nothing disturbs it any more.

use crate::conditions::{joined, with_settling};
use crate::experiment::Span;

/// Length of a step in which calls are counted.
const STEP_US: u64 = 100_000;
/// Maximum number of steps; the steps of a longer run are longer.
const MOST_STEPS: u64 = 100_000;

/// The number of calls that waited in each step.
pub(super) struct Backlog {
    from_us: u64,
    step_us: u64,
    waiting: Vec<u64>,
    /// The median of the steps outside disturbed spans.
    usual: u64,
}

impl Backlog {
    /// Counts the calls.
    pub(super) fn of<I: Iterator<Item = Span>>(calls: impl Fn() -> I, disturbed: Vec<Span>) -> Self {
        let disturbed = joined(disturbed.into_iter().map(with_settling).collect());
        let from_us = calls().map(|call| call.from_us).min().unwrap_or_default();
        let until_us = calls().map(|call| call.until_us).max().unwrap_or_default().max(from_us);
        let step_us = STEP_US.max((until_us - from_us) / MOST_STEPS + 1);
        let step = |at_us: u64| (at_us.saturating_sub(from_us) / step_us) as usize;
        let mut changes = vec![0_i64; step(until_us) + 2];
        for call in calls() {
            changes[step(call.from_us)] += 1;
            changes[step(call.until_us.max(call.from_us)) + 1] -= 1;
        }
        let running = changes.into_iter().scan(0_i64, |waiting, change| {
            *waiting += change;
            Some(waiting.unsigned_abs())
        });
        let waiting: Vec<u64> = running.collect();
        let is_disturbed = |step: usize| {
            let step_from_us = from_us + step as u64 * step_us;
            let span = Span { from_us: step_from_us, until_us: step_from_us + step_us };
            let next = disturbed.partition_point(|disturbed| disturbed.until_us <= span.from_us);
            disturbed.get(next).is_some_and(|disturbed| disturbed.from_us < span.until_us)
        };
        let quiet = waiting.iter().enumerate().filter(|(step, _)| !is_disturbed(*step));
        let mut quiet: Vec<u64> = quiet.map(|(_, waiting)| *waiting).collect();
        quiet.sort_unstable();
        let usual = quiet.get(quiet.len() / 2).copied().unwrap_or(u64::MAX);
        Self { from_us, step_us, waiting, usual }
    }

    /// Returns a disturbed span with the time after it in which more calls than usual waited, at most as long as the span itself. That is the time in
    /// which a stack that is half used works off what it could not do in the span.
    pub(super) fn with_echo(&self, disturbed: Span) -> Span {
        let most_us = disturbed.until_us.saturating_add(disturbed.length_us());
        let mut until_us = with_settling(disturbed).until_us;
        while until_us < most_us && self.waiting_at(until_us) > self.usual {
            until_us = until_us.saturating_add(self.step_us).min(most_us);
        }
        Span { until_us, ..disturbed }
    }

    fn waiting_at(&self, at_us: u64) -> u64 {
        let step = at_us.saturating_sub(self.from_us) / self.step_us;
        self.waiting.get(step as usize).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::Backlog;
    use crate::experiment::Span;

    const fn span(from_ms: u64, until_ms: u64) -> Span {
        Span { from_us: from_ms * 1_000, until_us: until_ms * 1_000 }
    }

    /// One call every 50 ms for 60 s, each of which takes as long as `took_ms` returns for its time.
    fn calls(took_ms: impl Fn(u64) -> u64) -> Vec<Span> {
        (0..1_200).map(|number| number * 50).map(|at| span(at, at + took_ms(at))).collect()
    }

    #[test]
    fn an_echo_lasts_until_no_more_calls_than_usual_wait() {
        let crowded = span(10_000, 18_000);
        // Calls are queued in the crowded span, and the queue is empty at 22 s.
        let draining = calls(|at| if (10_000..22_000).contains(&at) { (22_000 - at).min(4_000) } else { 4 });
        let echo = Backlog::of(|| draining.iter().copied(), vec![crowded]).with_echo(crowded);
        assert!((22_000_000..=22_200_000).contains(&echo.until_us), "{echo:?}");
    }

    #[test]
    fn an_echo_is_at_most_as_long_as_its_span_and_a_queue_that_is_always_there_is_none() {
        let crowded = span(10_000, 14_000);
        let never = calls(|at| if at < 10_000 { 4 } else { 60_000 - at });
        let echo = Backlog::of(|| never.iter().copied(), vec![crowded]).with_echo(crowded);
        assert!(echo.until_us <= 18_000_000, "{echo:?}");
        let always = calls(|_| 2_000);
        let echo = Backlog::of(|| always.iter().copied(), vec![crowded]).with_echo(crowded);
        assert!(echo.until_us <= 15_200_000, "only the time to settle: {echo:?}");
        assert_eq!(Backlog::of(std::iter::empty, vec![crowded]).with_echo(crowded), span(10_000, 15_000));
    }
}
