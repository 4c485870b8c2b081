//! no-gap: the service never stopped answering. A closed loop sends nothing while nothing answers, so that percentiles and error rates hide an outage;
//! the time without a completed good call shows it.

use super::Criteria;
use super::builder::FindingBuilder;
use super::rule::{Check, Rule};
use crate::counted;
use crate::experiment::Span;
use crate::history::History;
use crate::op::{ErrorKind, Phase};
use crate::percentile;
use crate::threshold::millis;
use crate::view::{EffectRef, OpRef};
use std::collections::BTreeMap;

pub(super) const CHECK: Check = Check {
    name: "no-gap",
    proves: "While calls waited, there was no time longer than the bound without a successful call: neither for all operations together, nor for any single operation",
    blind_to: &[
        "Time in which no call waited is not a gap, so an outage that no call met is not seen.",
        "The bound is at least 20 mean intervals between two calls and twice the median latency: a load of a few calls per second shows only long outages, and an operation with fewer than 20 calls is judged only together with the others.",
        "Gaps shorter than the bound pass, however often they come.",
        "An outage of one organisation, user or instance is no gap while others are answered.",
        "Refusals by quota, questions to the client, calls that failed on the machine of the harness and planned calls that were not sent yet are neither good nor waiting calls.",
        "The time of stalls of the harness is subtracted. A gap of less than three times the bound is not a violation if it is one only while other processes use the machine, or during more than half of the run.",
        "In experiments, the time from the fault to the end of the promised recovery is not judged.",
    ],
    evidence: "Calls in the measured phase of a load, or before the fault and after the recovery of an experiment.",
    rule: Rule::TimedBound(judge),
};

/// Number of mean intervals between two calls that a gap must exceed.
const INTERVALS: u64 = 20;
/// Number of median latencies that a gap must exceed: users that begin together with slow calls wait together.
const MEDIANS: u64 = 2;
/// A crowded machine explains a gap of less than this number of bounds: other processes take turns, they do not stop a service for seconds.
const BUSY_MACHINE_BOUNDS: u64 = 3;
/// Maximum number of operations that are shown as evidence of a gap.
const MOST_SHOWN: usize = 3;

/// A call as this check sees it. `from_us` is when it was due, and `sent_us` when the service got it: a call that the driver has not sent does not
/// wait for the service.
#[derive(Clone, Copy)]
struct Call {
    from_us: u64,
    sent_us: u64,
    until_us: u64,
    good: bool,
}

/// The longest gap of some calls.
#[derive(Clone, Copy)]
struct Gap {
    span: Span,
    /// Its length without stalls.
    length_us: u64,
}

fn judge(history: &History, criteria: &Criteria, finding: &mut FindingBuilder) -> Option<String> {
    let least_us = criteria.most_gap_us?;
    // Positions and not calls, because a long run has millions.
    let mut operations: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
    for (at, op) in history.numbered().filter(|(_, op)| counts(*op)) {
        operations.entry(op.name()).or_default().push(at);
    }
    let all: Vec<u32> = operations.values().flatten().copied().collect();
    let spans = spans(history, criteria, &all);
    finding.judged = all.iter().filter(|at| starts_in(&spans, call(history, **at))).count() as u64;
    if finding.judged == 0 {
        return Some(finding.unknown("no call was made in the time that is judged"));
    }
    let (longest, bound_us) = longest_gap_and_bound(history, &all, &spans, least_us);
    let overall = longest.filter(|gap| gap.length_us > bound_us);
    if let Some(gap) = overall {
        accuse(history, None, gap, bound_us, &all, finding);
    }
    for (name, calls) in &operations {
        let (gap, bound_us) = longest_gap_and_bound(history, calls, &spans, least_us);
        // A gap that overlaps the one of all operations is not reported again.
        let is_new = |gap: &Gap| overall.is_none_or(|overall| overall.span.overlap(gap.span).length_us() == 0);
        if let Some(gap) = gap.filter(|gap| gap.length_us > bound_us && is_new(gap)) {
            accuse(history, Some(name), gap, bound_us, calls, finding);
        }
    }
    let longest = millis(longest.map_or(0, |gap| gap.length_us) as f64);
    Some(format!(
        "{}, the longest time without a successful call while calls waited was {longest}, {} allowed",
        counted(finding.judged, "call", "calls"),
        millis(bound_us as f64)
    ))
}

fn call(history: &History, at: u32) -> Call {
    let op = history.op(at);
    let from_us = op.planned_us().unwrap_or_else(|| op.invoke_us());
    Call { from_us, sent_us: op.invoke_us(), until_us: op.complete_us(), good: op.is_ok() }
}

fn accuse(history: &History, name: Option<&str>, gap: Gap, bound_us: u64, calls: &[u32], finding: &mut FindingBuilder) {
    let waits = |at: &u32| waits_in(gap.span, call(history, *at));
    let waiting: Vec<u32> = calls.iter().copied().filter(waits).collect();
    let (from, until) = (millis(gap.span.from_us as f64), millis(gap.span.until_us as f64));
    let what = || {
        let call = name.map_or_else(|| "call".to_owned(), |name| format!("`{name}`"));
        let (length, allowed) = (millis(gap.length_us as f64), millis(bound_us as f64));
        let waited = counted(waiting.len() as u64, "call", "calls");
        format!(
            "no {call} succeeded for {length}, from {from} to {until} of the run, while {waited} waited; {allowed} allowed"
        )
    };
    let shown = &waiting[..waiting.len().min(MOST_SHOWN)];
    // Without a record of stalls, the process that makes the calls may have stood still all that time.
    if gap.length_us >= bound_us.saturating_mul(BUSY_MACHINE_BOUNDS) && !history.conditions().unobserved {
        finding.certain_violation(what, shown);
    } else {
        finding.violation(what, shown);
    }
}

/// Returns true for calls of the load. A refusal by quota and a question to the client are answers, but do not show that the service does its work. A
/// call that failed on the machine of the harness did not wait for the service.
fn counts(op: OpRef<'_>) -> bool {
    matches!(op.phase(), Phase::Warmup | Phase::Measured)
        && !matches!(op.effect(), EffectRef::Outage { .. })
        && !matches!(op.outcome().error(), Some(ErrorKind::Quota | ErrorKind::InputRequired | ErrorKind::Local(_)))
}

/// Returns the spans that are judged: the measured phase of a load, or the time before the fault and after the recovery of an experiment.
fn spans(history: &History, criteria: &Criteria, calls: &[u32]) -> Vec<Span> {
    if let Some(experiment) = history.experiment() {
        let recovery_us = criteria.experiment.as_ref().map_or(0, |promises| promises.recovery_us);
        let after = experiment.afterwards().zip(experiment.recovery).map(|(after, recovery)| Span {
            from_us: after.from_us.max(recovery.from_us).saturating_add(recovery_us),
            ..after
        });
        return experiment.steady.into_iter().chain(after).filter(|span| span.length_us() > 0).collect();
    }
    if let Some(measured) = history.conditions().measured.filter(|span| span.length_us() > 0) {
        return vec![measured];
    }
    // Without the report of a driver: from the first send of the measured phase to the last one.
    let sent = calls.iter().filter(|at| history.op(**at).phase() == Phase::Measured);
    let times = || sent.clone().map(|at| call(history, *at).from_us);
    times()
        .min()
        .zip(times().max())
        .map(|(from_us, until_us)| Span { from_us, until_us: until_us + 1 })
        .into_iter()
        .collect()
}

fn starts_in(spans: &[Span], call: Call) -> bool {
    spans.iter().any(|span| span.holds(call.from_us))
}

const fn waits_in(span: Span, call: Call) -> bool {
    call.sent_us < span.until_us && call.until_us > span.from_us
}

/// Returns the longest gap, and the longest one that is allowed.
fn longest_gap_and_bound(history: &History, calls: &[u32], spans: &[Span], least_us: u64) -> (Option<Gap>, u64) {
    let started = || calls.iter().map(|at| call(history, *at)).filter(|call| starts_in(spans, *call));
    let length_us: u64 = spans.iter().map(|span| span.length_us()).sum();
    let mean_us = length_us / (started().count() as u64).max(1);
    let mut latencies: Vec<u64> =
        started().filter(|call| call.good).map(|call| call.until_us.saturating_sub(call.from_us)).collect();
    let median_us = percentile::of(&mut latencies, 50.0).unwrap_or_default();
    let bound_us = least_us.max(mean_us.saturating_mul(INTERVALS)).max(median_us.saturating_mul(MEDIANS));
    drop(latencies);
    let waiting = Waiting::of(calls.iter().map(|at| call(history, *at)));
    let longest = spans.iter().filter_map(|span| longest_gap(history, calls, &waiting, *span));
    (longest.max_by_key(|gap| gap.length_us), bound_us)
}

/// Calls by the time at which they were sent, to find what waits at a moment.
struct Waiting {
    /// For each call: when it was sent, and the latest end of it and of all calls before it.
    calls: Vec<(u64, u64)>,
}

impl Waiting {
    fn of(calls: impl Iterator<Item = Call>) -> Self {
        let mut calls: Vec<(u64, u64)> = calls.map(|call| (call.sent_us, call.until_us)).collect();
        calls.sort_unstable();
        let mut latest_us = 0;
        for (_, until_us) in &mut calls {
            latest_us = latest_us.max(*until_us);
            *until_us = latest_us;
        }
        Self { calls }
    }

    /// Returns the first moment of a span at which a call waits.
    fn first_in(&self, span: Span) -> Option<u64> {
        let sent = self.calls.partition_point(|(sent_us, _)| *sent_us <= span.from_us);
        let waits_already = sent > 0 && self.calls[sent - 1].1 > span.from_us;
        let next = || self.calls.get(sent).map(|(sent_us, _)| *sent_us).filter(|sent_us| *sent_us < span.until_us);
        if waits_already { Some(span.from_us) } else { next() }
    }
}

/// Returns the longest gap in a span. A gap begins when a call waits: at the last good end before it, if a call waited then, else when the next
/// call was sent.
fn longest_gap(history: &History, calls: &[u32], waiting: &Waiting, span: Span) -> Option<Gap> {
    let calls = calls.iter().map(|at| call(history, *at));
    let good = calls.filter(|call| call.good && span.holds(call.until_us)).map(|call| call.until_us);
    let mut edges: Vec<u64> = good.chain([span.from_us, span.until_us]).collect();
    edges.sort_unstable();
    let mut longest: Option<Gap> = None;
    for edge in edges.windows(2) {
        let gap = Span { from_us: edge[0], until_us: edge[1] };
        let Some(from_us) = waiting.first_in(gap) else { continue };
        let waited = Span { from_us, ..gap };
        // Without stalls it is no longer, so most gaps need not be compared with the stalls.
        if longest.is_some_and(|longest| longest.length_us >= waited.length_us()) {
            continue;
        }
        let length_us = history.undisturbed_us(waited);
        if longest.is_none_or(|longest| length_us > longest.length_us) {
            longest = Some(Gap { span: waited, length_us });
        }
    }
    longest
}
