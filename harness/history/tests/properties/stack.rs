//! A synthetic experiment in which a stack handles the loss of its guardrails correctly: the calls of an open load, probes, counters and promises.

use crate::history::call;
use harness_history::experiment::{
    Counter, CounterFigure, CounterPromise, EdgeRecord, Experiment, Fault, Probe, Promises, Readiness, ReadyWord, Span,
};
use harness_history::{Criteria, ErrorKind, Metric, Op, Outcome, Threshold};
use proptest::prelude::*;

const SECOND_US: u64 = 1_000_000;
const PROBE_EVERY_US: u64 = 100_000;
/// The part that is killed, and one that falls back.
pub(crate) const KILLED: &str = "guardrails";
pub(crate) const FALLS_BACK: &str = "orchestrator";
/// A part that the fault does not touch.
pub(crate) const UNTOUCHED: &str = "memory";
pub(crate) const RECOVERY_US: u64 = 2 * SECOND_US;

/// Parameters of a synthetic run.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    /// Arrivals per second.
    pub(crate) rate: u64,
    pub(crate) steady_us: u64,
    pub(crate) fault_us: u64,
    /// Time from the end of the fault until calls are answered again.
    pub(crate) back_us: u64,
    /// Latency of a call.
    pub(crate) latency_us: u64,
    /// During the fault, every call whose number is a multiple of this fails.
    pub(crate) fails_each: u64,
    /// Seed of the noise of latencies.
    pub(crate) seed: u64,
}

pub(crate) fn shapes() -> impl Strategy<Value = Shape> {
    let spans = (4..8u64, 1_000..3_000u64, 0..1_500u64);
    (20..50u64, spans, 1_000..20_000u64, 5..20u64, any::<u64>()).prop_map(
        |(rate, (steady, fault, back), latency_us, fails_each, seed)| Shape {
            rate,
            steady_us: steady * SECOND_US,
            fault_us: fault * 1_000,
            back_us: back * 1_000,
            latency_us,
            fails_each,
            seed,
        },
    )
}

/// A run as it was recorded.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) ops: Vec<Op>,
    pub(crate) experiment: Experiment,
    pub(crate) promises: Promises,
}

impl Run {
    pub(crate) fn of(shape: &Shape) -> Self {
        let healed_us = shape.steady_us + shape.fault_us;
        let until_us = healed_us + 8 * SECOND_US;
        let steady = Span { from_us: 0, until_us: shape.steady_us };
        let fault = Span { from_us: shape.steady_us, until_us: healed_us };
        let ops = (0..until_us * shape.rate / SECOND_US).map(|number| arrival(shape, number)).collect();
        let experiment = Experiment {
            steady: Some(steady),
            fault: Some(fault),
            recovery: Some(Span { from_us: healed_us, until_us }),
            faults: vec![kill(shape, healed_us)],
            probes: probes(shape, until_us),
            ways: vec![way(shape, fault)],
            counters: vec![counter(120.0, Some(147.0))],
            crowded: Vec::new(),
            secrets: Vec::new(),
            log_lines: 900,
            logs_elsewhere: false,
            unprobed: false,
            aborted: None,
        };
        Self { ops, experiment, promises: promises(shape) }
    }

    pub(crate) fn criteria(&self) -> Criteria {
        let most_gap_us = Some(SECOND_US);
        Criteria { experiment: Some(self.promises.clone()), most_gap_us, ..Criteria::default() }
    }

    pub(crate) fn fault(&self) -> Span {
        self.experiment.fault.unwrap()
    }

    /// Changes some probes of a part, from this time on.
    pub(crate) fn change_probes(&mut self, part: &str, from_us: u64, count: usize, change: impl Fn(&mut Probe)) {
        let of_part = |probe: &&mut Probe| probe.part == part && probe.sent_us >= from_us;
        let changed = self.experiment.probes.iter_mut().filter(of_part).take(count).map(change).count();
        assert_eq!(changed, count, "{part} has fewer than {count} probes after this time");
    }

    /// Position of the first call that was sent at this time or later.
    pub(crate) fn first_from(&self, at_us: u64) -> usize {
        self.ops.iter().position(|op| op.invoke_us >= at_us).unwrap()
    }
}

/// The call of one planned arrival.
fn arrival(shape: &Shape, number: u64) -> Op {
    let planned_us = number * SECOND_US / shape.rate;
    let noise = (number ^ shape.seed).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
    let mut op =
        call(number as u32 % 8, planned_us + noise % 200, shape.latency_us + noise % (shape.latency_us / 10), true);
    op.planned_us = Some(planned_us);
    let healed_us = shape.steady_us + shape.fault_us;
    let during = planned_us >= shape.steady_us && planned_us < healed_us;
    let coming_back = planned_us >= healed_us && planned_us < healed_us + shape.back_us;
    if (during && number.is_multiple_of(shape.fails_each)) || coming_back {
        op.outcome = Outcome::Failed(ErrorKind::Http(503));
    }
    op
}

fn kill(shape: &Shape, healed_us: u64) -> Fault {
    Fault {
        name: format!("kill {KILLED}"),
        kind: "kill".to_owned(),
        target: KILLED.to_owned(),
        ordered_us: shape.steady_us,
        active_us: shape.steady_us + 10_000,
        ending_us: Some(healed_us - 50_000),
        healed_us: Some(healed_us),
        hits: Some(27),
        counted_by: "refused connections".to_owned(),
    }
}

fn way(shape: &Shape, span: Span) -> EdgeRecord {
    let calls = span.length_us() * shape.rate / SECOND_US;
    EdgeRecord {
        from: FALLS_BACK.to_owned(),
        to: KILLED.to_owned(),
        span,
        requests: calls + calls / 4,
        calls,
        connects: 3,
    }
}

pub(crate) fn counter(before: f64, after: Option<f64>) -> Counter {
    Counter {
        part: FALLS_BACK.to_owned(),
        metric: "guardrail_fail_closed_total".to_owned(),
        labels: [("reason".to_owned(), "unavailable".to_owned())].into(),
        before: Some(before),
        during: Some(before),
        after,
    }
}

/// Ten probes a second of every part: one part is gone during the fault, and one falls back 200 ms after the fault begins.
fn probes(shape: &Shape, until_us: u64) -> Vec<Probe> {
    let (from_us, healed_us) = (shape.steady_us, shape.steady_us + shape.fault_us);
    let noticed = |at_us: u64| at_us >= from_us + 200_000 && at_us < healed_us;
    let moments = (0..until_us / PROBE_EVERY_US).map(|number| number * PROBE_EVERY_US);
    moments
        .flat_map(|at_us| {
            let probe = |part: &str, live, degraded| Probe {
                part: part.to_owned(),
                sent_us: at_us,
                answered_us: at_us + 2_000,
                live,
                ready: live,
                degraded,
            };
            let killed = if at_us >= from_us && at_us < healed_us { None } else { Some(200) };
            [
                probe(KILLED, killed, false),
                probe(FALLS_BACK, Some(200), noticed(at_us)),
                probe(UNTOUCHED, Some(200), false),
            ]
        })
        .collect()
}

fn promises(shape: &Shape) -> Promises {
    let bound = |metric, below| Threshold { operation: None, metric, below };
    let slowest = |below| bound(Metric::LatencyPercentile(100.0), below);
    let readiness = |part: &str, says| Readiness { part: part.to_owned(), says, within_us: 300_000 };
    let Counter { part, metric, labels, .. } = counter(0.0, None);
    Promises {
        least_hits: 5,
        rate_per_second: shape.rate as f64,
        least_baseline: 0.98,
        steady: vec![bound(Metric::ErrorRate, 0.005), slowest(50_000.0)],
        during: vec![bound(Metric::ErrorRate, 0.4), slowest(100_000.0)],
        after: vec![bound(Metric::ErrorRate, 0.012), slowest(50_000.0)],
        call_bound_us: SECOND_US,
        errors: vec!["quota".to_owned(), "http_503".to_owned()],
        readiness: vec![
            readiness(KILLED, ReadyWord::Gone),
            readiness(FALLS_BACK, ReadyWord::Degraded),
            readiness(UNTOUCHED, ReadyWord::Ready),
        ],
        most_amplification: 1.5,
        recovery_us: RECOVERY_US,
        counters: vec![CounterPromise {
            part,
            metric,
            labels,
            figure: CounterFigure::Growth,
            at_least: Some(1.0),
            at_most: None,
        }],
        ..Promises::default()
    }
}
