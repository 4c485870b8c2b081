//! How fast a stack that lost something is noticed, answers again and is steady again. Steady is what it was before the fault, window by
//! window: one window of a second is noise, so it takes some in a row, and nearly all of those that follow until the load ends. Where others
//! crowd the machine, a window that is only slow may be their doing.

use crate::experiment::{Experiment, Span};
use crate::figure::percentile_of;
use crate::history::History;
use crate::op::{Effect, ErrorKind, Op, Outcome, WorkflowEnd};
use serde::{Deserialize, Serialize};

/// Length of a window in which throughput and latency are looked at.
pub const WINDOW_US: u64 = 1_000_000;
/// A window begins every so often.
pub const STEP_US: u64 = 100_000;
/// So many windows one after the other must be as they were before the fault.
pub const WINDOWS_IN_A_ROW: u64 = 3;
/// Fewest calls that say what steady is, or whether it is so again.
pub const LEAST_CALLS: u64 = 20;
/// Least share of the throughput before the fault.
const LEAST_THROUGHPUT: f64 = 0.95;
/// Most that the 99th percentile may be of what it was before the fault, besides [`SLACK_US`].
const MOST_SLOWER: f64 = 1.2;
const SLACK_US: f64 = 5_000.0;
/// Of a stack that is steady so many calls are slower than its 99th percentile.
const SLOW: f64 = 0.01;
/// What a crowd explains of the 99th percentile: so many times what a steady window takes at most, and this much in any case.
const CROWDED_TIMES: u64 = 5;
const CROWDED_US: u64 = 300_000;
/// Of so many windows that follow until the load ends one may not be so; one always may.
const ONE_BAD_WINDOW_OF: u64 = 10;

/// How long it took; each `None` where it was not seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovery {
    /// From when the first fault was in place until a caller was told of it: the first call that failed or was degraded.
    pub detect_us: Option<u64>,
    /// From when the last fault was gone until the first call that ended well.
    pub first_success_us: Option<u64>,
    /// From when the last fault was gone until throughput and latency were what they were before it.
    pub steady_us: Option<u64>,
    /// The same where windows that are only slow are laid at the door of those who crowded the machine meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steady_but_crowded_us: Option<u64>,
}

/// Throughput and latency of the calls that ended well before the fault, without those of organisations that have used up their limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Baseline {
    /// Calls per second.
    pub per_second: f64,
    /// Their share of all that were sent.
    pub share: f64,
    /// 99th percentile of their latency, in microseconds.
    pub p99_us: u64,
}

impl Baseline {
    /// What was steady; `None` where too few calls tell.
    pub fn of(history: &History, steady: Span) -> Option<Self> {
        let (mut sent, mut latencies) = (0u64, Vec::new());
        for (_, op) in history.load_in(steady) {
            sent += 1;
            latencies.extend(latency_if_well(op));
        }
        if (latencies.len() as u64) < LEAST_CALLS {
            return None;
        }
        let per_second = latencies.len() as f64 * 1e6 / steady.length_us() as f64;
        let share = latencies.len() as f64 / sent as f64;
        Some(Self { per_second, share, p99_us: percentile_of(&mut latencies, 99.0)? })
    }

    /// The longest that the 99th percentile of a steady window takes.
    pub fn slowest_us(&self) -> u64 {
        (self.p99_us as f64 * MOST_SLOWER + SLACK_US) as u64
    }

    /// Tells whether one call ended well, and as fast as such a window allows.
    pub fn allows(&self, op: &Op) -> bool {
        latency_if_well(op).is_some_and(|latency| latency <= self.slowest_us())
    }

    /// Tells whether of the calls sent within one window as many ended well as before, and as fast.
    fn is_met_by(&self, sent: usize, latencies: &[u64], crowded: bool) -> bool {
        let well = latencies.len() as f64;
        // A call may fall beside the edge of a window, but it may not fail instead.
        let enough = well + 1.0 >= self.per_second * LEAST_THROUGHPUT * (WINDOW_US as f64 / 1e6);
        let as_often = well >= self.share * LEAST_THROUGHPUT * sent as f64;
        let explained_us = if crowded { CROWDED_US.max(self.slowest_us() * CROWDED_TIMES) } else { 0 };
        let slowest_us = self.slowest_us().max(explained_us);
        let slow = latencies.iter().filter(|latency| **latency > slowest_us).count();
        enough && as_often && !latencies.is_empty() && slow <= slow_by_chance(latencies.len())
    }
}

/// How many of so many calls may be slower than the 99th percentile of a stack that is steady. A window of 20 calls has no 99th percentile of
/// its own: it would be its slowest call, and one window in five has a call that is slower though nothing is wrong. So this is the mean of the
/// binomial distribution and two standard deviations, which one window in fifty exceeds: 1 of 20 calls, 3 of 100, 16 of 1,000.
fn slow_by_chance(calls: usize) -> usize {
    let mean = calls as f64 * SLOW;
    (mean + 2.0 * (mean * (1.0 - SLOW)).sqrt()).round() as usize
}

/// Says how long detection and recovery took.
pub fn recovery(history: &History, experiment: &Experiment) -> Recovery {
    let baseline = experiment.steady.and_then(|steady| Baseline::of(history, steady));
    let afterwards = experiment.afterwards();
    Recovery {
        detect_us: detected(history, experiment),
        first_success_us: afterwards.and_then(|span| first_success(history, span)),
        steady_us: baseline.zip(afterwards).and_then(|(baseline, span)| steady_again(history, &baseline, span, &[])),
        steady_but_crowded_us: baseline
            .zip(afterwards)
            .filter(|_| !experiment.crowded.is_empty())
            .and_then(|(baseline, span)| steady_again(history, &baseline, span, &experiment.crowded)),
    }
}

fn detected(history: &History, experiment: &Experiment) -> Option<u64> {
    let active_us = experiment.faults.iter().map(|fault| fault.active_us).min()?;
    let healed_us = experiment.healed_us().unwrap_or(u64::MAX);
    let within = |op: &Op| op.complete_us >= active_us && op.invoke_us < healed_us;
    let told = history.calls().filter(|(_, op)| within(op) && tells_of_a_fault(op));
    told.map(|(_, op)| op.complete_us - active_us).min()
}

/// A refusal by quota and a question to the caller say nothing of a fault.
fn tells_of_a_fault(op: &Op) -> bool {
    match &op.outcome {
        Outcome::Ok => is_degraded(op),
        Outcome::Failed(kind) | Outcome::Unknown(kind) => !matches!(kind, ErrorKind::Quota | ErrorKind::InputRequired),
    }
}

fn is_degraded(op: &Op) -> bool {
    match &op.effect {
        Effect::Workflow(ended) => ended.status == WorkflowEnd::Degraded || !ended.fallbacks.is_empty(),
        _ => false,
    }
}

/// A call ended well where it did what it does without a fault.
fn ended_well(op: &Op) -> bool {
    op.outcome == Outcome::Ok && !is_degraded(op)
}

fn latency_if_well(op: &Op) -> Option<u64> {
    ended_well(op).then(|| op.latency_us())
}

fn first_success(history: &History, span: Span) -> Option<u64> {
    let well = history.calls().filter(|(_, op)| ended_well(op) && span.holds(op.complete_us));
    well.map(|(_, op)| op.complete_us - span.from_us).min()
}

fn steady_again(history: &History, baseline: &Baseline, span: Span, crowded: &[Span]) -> Option<u64> {
    let sent = history.load_in(span).map(|(_, op)| (op.invoke_us - span.from_us, latency_if_well(op)));
    let mut calls: Vec<(u64, Option<u64>)> = sent.collect();
    calls.sort_unstable();
    let good = good_windows(&calls, baseline, span, crowded);
    let next = (WINDOW_US / STEP_US) as usize;
    // For each window: how many of those that follow it one after the other are good without a break, how many at all, of how many.
    let mut following = vec![(0u64, 0u64, 0u64); good.len() + next];
    for (at, good) in good.iter().enumerate().rev() {
        let (in_a_row, all, of) = following[at + next];
        following[at] = if *good { (in_a_row + 1, all + 1, of + 1) } else { (0, all, of + 1) };
    }
    let is_steady = |(in_a_row, all, of): &(u64, u64, u64)| {
        *in_a_row >= WINDOWS_IN_A_ROW && of - all <= (of / ONE_BAD_WINDOW_OF).max(1)
    };
    following.iter().position(is_steady).map(|at| at as u64 * STEP_US)
}

/// For each window that lies completely in the span: whether it is as it was before. `calls` are in order: when each was sent, and its latency
/// where it ended well.
fn good_windows(calls: &[(u64, Option<u64>)], baseline: &Baseline, span: Span, crowded: &[Span]) -> Vec<bool> {
    let Some(last) = span.length_us().checked_sub(WINDOW_US) else { return Vec::new() };
    let mut latencies = Vec::new();
    (0..=last / STEP_US)
        .map(|window| {
            let from = window * STEP_US;
            let begin = calls.partition_point(|(offset, _)| *offset < from);
            let end = calls.partition_point(|(offset, _)| *offset < from + WINDOW_US);
            latencies.clear();
            latencies.extend(calls[begin..end].iter().filter_map(|(_, latency)| *latency));
            let window = Span { from_us: span.from_us + from, until_us: span.from_us + from + WINDOW_US };
            let crowded = crowded.iter().any(|crowd| crowd.overlap(window).length_us() > 0);
            baseline.is_met_by(end - begin, &latencies, crowded)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::slow_by_chance;

    #[test]
    fn so_many_calls_are_slow_by_chance() {
        let known = [(0, 0), (1, 0), (20, 1), (50, 2), (100, 3), (1_000, 16), (100_000, 1_063)];
        for (calls, slow) in known {
            assert_eq!(slow_by_chance(calls), slow, "{calls}");
        }
    }
}
