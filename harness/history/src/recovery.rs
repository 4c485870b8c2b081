//! Measures how long clients take to notice a fault and, after its end, how long the stack takes to answer and to be steady again. A window of
//! one second is steady if its throughput and latency are as before the fault. A single window is noise, so several in a row must be steady, and
//! nearly all of the later ones. A second figure excuses windows that are only slow while other processes used the machine.

use crate::experiment::{Experiment, Span};
use crate::history::History;
use crate::op::{ErrorKind, Outcome, WorkflowEnd};
use crate::percentile;
use crate::view::{EffectRef, OpRef};
use serde::{Deserialize, Serialize};

/// Length of a window in which throughput and latency are compared.
pub const WINDOW_US: u64 = 1_000_000;
/// Time from the start of one window to that of the next.
pub const STEP_US: u64 = 100_000;
/// Number of consecutive windows that must be as before the fault.
pub const WINDOWS_IN_A_ROW: u64 = 3;
/// Fewest calls that define the steady state, or show that it is back.
pub const LEAST_CALLS: u64 = 20;
/// Minimum throughput of a steady window, as a share of the throughput before the fault.
const LEAST_THROUGHPUT: f64 = 0.95;
/// Factor on the 99th percentile before the fault; with [`SLACK_US`] added, the highest one of a steady window.
const MOST_SLOWER: f64 = 1.2;
const SLACK_US: f64 = 5_000.0;
/// Share of the calls of a steady stack that are slower than its 99th percentile.
const SLOW: f64 = 0.01;
/// On a busy machine, a call is not slow up to this multiple of the highest steady latency, or up to `BUSY_MACHINE_US` if that is more
/// (decision 0015).
const BUSY_MACHINE_TIMES: u64 = 5;
const BUSY_MACHINE_US: u64 = 300_000;
/// One window in this number may be unsteady, but always at least one.
const ONE_BAD_WINDOW_OF: u64 = 10;

/// The times of a recovery; each is `None` if it did not happen in the run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovery {
    /// From the first fault in place until a client noticed it: the first call that failed or was degraded.
    pub detect_us: Option<u64>,
    /// From the end of the last fault until the first call that ended well.
    pub first_success_us: Option<u64>,
    /// From the end of the last fault until throughput and latency were as before it.
    pub steady_us: Option<u64>,
    /// Like `steady_us`, but a window that is only slow counts as steady if other processes used the machine during it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steady_but_crowded_us: Option<u64>,
}

/// Throughput and latency of the calls that ended well before the fault. Organisations that have used up their limit are excluded. The latency is that of
/// the calls which nothing disturbed: a stack may not be slow after the fault because the harness stood still before it, or because the fault met a call
/// that was under way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Baseline {
    /// Calls per second that ended well.
    pub per_second: f64,
    /// Share of the calls sent that ended well.
    pub share: f64,
    /// 99th percentile of their latency, in microseconds.
    pub p99_us: u64,
}

impl Baseline {
    /// Measures the steady state; `None` if there were too few calls.
    pub fn of(history: &History, steady: Span) -> Option<Self> {
        let (mut sent, mut well, mut under_way) = (0u64, 0u64, 0u64);
        let (mut quiet, mut crowded) = (Vec::new(), Vec::new());
        for (_, op) in history.load_in(steady) {
            if op.complete_us() > steady.until_us {
                under_way += 1;
                continue;
            }
            sent += 1;
            let Some(latency) = undegraded_latency(op) else { continue };
            well += 1;
            if !history.is_stalled(op) {
                let latencies = if history.is_crowded(op) { &mut crowded } else { &mut quiet };
                latencies.push(latency);
            }
        }
        // On a machine that is nearly always busy, the few quiet calls are no measure of the others.
        if quiet.len() < crowded.len() {
            quiet.append(&mut crowded);
        }
        if (quiet.len() as u64) < LEAST_CALLS {
            return None;
        }
        let per_second = (well + under_way) as f64 * 1e6 / steady.length_us() as f64;
        let share = well as f64 / sent as f64;
        Some(Self { per_second, share, p99_us: percentile::of(&mut quiet, 99.0)? })
    }

    /// The highest 99th percentile of a steady window, in microseconds.
    pub fn slowest_us(&self) -> u64 {
        (self.p99_us as f64 * MOST_SLOWER + SLACK_US) as u64
    }

    /// Returns true if a call ended well and within the highest steady latency.
    pub fn allows(&self, op: OpRef<'_>) -> bool {
        undegraded_latency(op).is_some_and(|latency| latency <= self.slowest_us())
    }

    /// Returns true if the calls sent in one window ended well as often, and as fast, as before the fault.
    fn is_met_by(&self, sent: usize, latencies: &[u64], crowded: bool) -> bool {
        let well = latencies.len() as f64;
        // One call may be missing, because it may lie just outside the window. A failed call is not missing: `as_often` counts it.
        let enough = well + 1.0 >= self.per_second * LEAST_THROUGHPUT * (WINDOW_US as f64 / 1e6);
        let as_often = well >= self.share * LEAST_THROUGHPUT * sent as f64;
        let explained_us = if crowded { longest_on_busy_machine_us(self.slowest_us()) } else { 0 };
        let slowest_us = self.slowest_us().max(explained_us);
        let slow = latencies.iter().filter(|latency| **latency > slowest_us).count();
        enough && as_often && !latencies.is_empty() && slow <= slow_by_chance(latencies.len())
    }
}

/// Returns the longest time of a call that a busy machine explains, if calls take up to `usual_us` on a quiet one.
pub fn longest_on_busy_machine_us(usual_us: u64) -> u64 {
    BUSY_MACHINE_US.max(usual_us.saturating_mul(BUSY_MACHINE_TIMES))
}

/// Returns how many calls of a steady window may be slower than the 99th percentile of the stack. A window of 20 calls has no 99th percentile of
/// its own: it would be the slowest call, and one window in five has a slower one although nothing is wrong. The limit is the mean of the binomial
/// distribution plus two standard deviations, which one window in fifty exceeds: 1 of 20 calls, 3 of 100, 16 of 1,000.
fn slow_by_chance(calls: usize) -> usize {
    let mean = calls as f64 * SLOW;
    (mean + 2.0 * (mean * (1.0 - SLOW)).sqrt()).round() as usize
}

/// Measures how long detection and recovery took.
pub fn recovery(history: &History, experiment: &Experiment) -> Recovery {
    let baseline = experiment.steady.and_then(|steady| Baseline::of(history, steady));
    let afterwards = experiment.afterwards();
    let (crowded, stalls) = (experiment.crowded.as_slice(), history.conditions().stalls.as_slice());
    Recovery {
        detect_us: detection(history, experiment),
        first_success_us: afterwards.and_then(|span| first_success(history, span)),
        steady_us: baseline
            .zip(afterwards)
            .and_then(|(baseline, span)| steady_again(history, &baseline, span, &Excuses::default())),
        steady_but_crowded_us: baseline
            .zip(afterwards)
            .filter(|_| !(crowded.is_empty() && stalls.is_empty()))
            .and_then(|(baseline, span)| steady_again(history, &baseline, span, &Excuses { crowded, stalls })),
    }
}

fn detection(history: &History, experiment: &Experiment) -> Option<u64> {
    let active_us = experiment.faults.iter().map(|fault| fault.active_us).min()?;
    let healed_us = experiment.healed_us().unwrap_or(u64::MAX);
    let within = |op: OpRef<'_>| op.complete_us() >= active_us && op.invoke_us() < healed_us;
    let noticing = history.calls().filter(|(_, op)| within(*op) && shows_a_fault(*op));
    noticing.map(|(_, op)| op.complete_us() - active_us).min()
}

/// Returns true if a client notices the fault by this call. A refusal by quota and a question to the client are normal replies.
fn shows_a_fault(op: OpRef<'_>) -> bool {
    match op.outcome() {
        Outcome::Ok => is_degraded(op),
        Outcome::Failed(kind) | Outcome::Unknown(kind) => {
            op.is_error() && !matches!(kind, ErrorKind::Quota | ErrorKind::InputRequired)
        }
    }
}

pub(crate) fn is_degraded(op: OpRef<'_>) -> bool {
    match op.effect() {
        EffectRef::Workflow(ended) => ended.status == WorkflowEnd::Degraded || !ended.fallbacks.is_empty(),
        _ => false,
    }
}

/// A call ended well if it did what it does without a fault.
fn succeeded_undegraded(op: OpRef<'_>) -> bool {
    op.is_ok() && !is_degraded(op)
}

fn undegraded_latency(op: OpRef<'_>) -> Option<u64> {
    succeeded_undegraded(op).then(|| op.latency_us())
}

fn first_success(history: &History, span: Span) -> Option<u64> {
    let well = history.calls().filter(|(_, op)| succeeded_undegraded(*op) && span.holds(op.complete_us()));
    well.map(|(_, op)| op.complete_us() - span.from_us).min()
}

/// What excuses an unsteady window: spans in which a machine was crowded, so that it may be slow, and stalls of the harness.
#[derive(Clone, Copy, Default)]
struct Excuses<'a> {
    crowded: &'a [Span],
    stalls: &'a [Span],
}

/// Returns true if the load ended before it could show whether the stack was steady again in time: a row of good windows that began in time was cut off. A
/// window that is bad ends the row, so a stack that was unsteady until the load ended was not steady in time.
pub(crate) fn is_undecided(history: &History, experiment: &Experiment, allowed_us: u64) -> bool {
    let baseline = experiment.steady.and_then(|steady| Baseline::of(history, steady));
    let Some((baseline, span)) = baseline.zip(experiment.afterwards()) else { return true };
    let excuses = Excuses { crowded: &experiment.crowded, stalls: &history.conditions().stalls };
    let good = good_windows(&sorted_calls(history, span), &baseline, span, &excuses);
    let next = (WINDOW_US / STEP_US) as usize;
    (0..=(allowed_us / STEP_US) as usize).any(|at| {
        let row = (0..WINDOWS_IN_A_ROW as usize).map(|number| good.get(at + number * next));
        row.clone().any(|window| window.is_none()) && row.flatten().all(|good| *good)
    })
}

/// Returns the time from the start of the span at which each call was sent and, if it ended well, its latency; sorted by time.
fn sorted_calls(history: &History, span: Span) -> Vec<(u64, Option<u64>)> {
    let sent = history.load_in(span).map(|(_, op)| (op.invoke_us() - span.from_us, undegraded_latency(op)));
    let mut calls: Vec<(u64, Option<u64>)> = sent.collect();
    calls.sort_unstable();
    calls
}

fn steady_again(history: &History, baseline: &Baseline, span: Span, excuses: &Excuses<'_>) -> Option<u64> {
    let calls = sorted_calls(history, span);
    let good = good_windows(&calls, baseline, span, excuses);
    let next = (WINDOW_US / STEP_US) as usize;
    // Windows overlap, so each is chained to the one that begins where it ends, `next` positions later. For the chain from each window: the number
    // of good windows in a row at its start, of all good windows, and of all windows.
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

/// Returns one value for each window that lies completely in the span: true if the window is as before the fault. `calls` has the time at which
/// each call was sent and, if it ended well, its latency; it is sorted by time.
fn good_windows(calls: &[(u64, Option<u64>)], baseline: &Baseline, span: Span, excuses: &Excuses<'_>) -> Vec<bool> {
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
            let meets = |spans: &[Span]| spans.iter().any(|span| span.overlap(window).length_us() > 0);
            meets(excuses.stalls) || baseline.is_met_by(end - begin, &latencies, meets(excuses.crowded))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::slow_by_chance;

    #[test]
    fn the_limit_of_slow_calls_is_that_of_chance() {
        let cases = [(0, 0), (1, 0), (20, 1), (50, 2), (100, 3), (1_000, 16), (100_000, 1_063)];
        for (calls, slow) in cases {
            assert_eq!(slow_by_chance(calls), slow, "{calls}");
        }
    }
}
