//! recovery: after the last fault, the stack is steady again by itself within the promised time. The check is unknown if the load ended too early or
//! made too few calls, or if calls were only slow, and only while other processes used the machine.

use super::builder::FindingBuilder;
use super::rule::{Check, ExperimentRun, Rule};
use crate::experiment::Span;
use crate::history::History;
use crate::recovery::{Baseline, LEAST_CALLS, is_undecided, recovery};
use crate::threshold::millis;

pub(super) const CHECK: Check = Check {
    name: "recovery",
    proves: "Within the promised time after the last fault was gone, throughput, success and latency were what they had been before it, for three seconds in a row, and stayed so until the load ended",
    blind_to: &[
        "It judges windows of one second: a shorter relapse is not seen, and one in ten of the later windows may be worse.",
        "Organisations whose last call was refused by quota are not counted: one that is refused for ever after the fault passes.",
        "Steady means as before the fault: a stack that was slow before it may be slow after it.",
        "A slow window while other processes used the machine is excused up to five times the latency of a steady one, or 300 ms.",
        "The time until a client noticed the fault is reported, not judged.",
    ],
    evidence: "At least 20 good calls before the fault that no stall of the harness touched, 20 calls after it, and a load that lasted three seconds longer than the promised time, or that was unsteady in every second until it ended.",
    rule: Rule::ExperimentTimedBound(judge),
};

/// Maximum number of operations that are shown as evidence that the stack is not steady.
const MOST_SHOWN: usize = 3;

fn judge(run: &ExperimentRun<'_>, finding: &mut FindingBuilder) -> Option<String> {
    let (history, experiment, allowed_us) = (run.history, run.experiment, run.promises.recovery_us);
    let Some(afterwards) = experiment.afterwards() else {
        return Some(finding.unknown("there was no load after the last fault was gone"));
    };
    let Some(baseline) = experiment.steady.and_then(|steady| Baseline::of(history, steady)) else {
        return Some(
            finding.unknown("too few undisturbed calls succeeded before the fault to define the steady state"),
        );
    };
    finding.judged = history.load_in(afterwards).count() as u64;
    if finding.judged < LEAST_CALLS {
        return Some(finding.unknown("too few calls were sent after the fault"));
    }
    let times = recovery(history, experiment);
    let steady = time("the stack was steady", times.steady_us);
    let crowded_us = times.steady_but_crowded_us;
    match times.steady_us {
        Some(steady_us) if steady_us <= allowed_us => {}
        None if is_undecided(history, experiment, allowed_us) => finding.open += 1,
        _ if crowded_us.is_some_and(|steady_us| steady_us <= allowed_us) => {
            finding.doubt(
                "the stack was only slow, and only while other processes used the machine, or the harness stalled",
            );
        }
        _ => {
            let shown = unsteady(history, &baseline, afterwards, allowed_us);
            finding.violation(|| format!("{steady}, {} allowed", millis(allowed_us as f64)), &shown);
        }
    }
    let detected = times.detect_us.map(|us| format!("a client noticed the fault after {}", millis(us as f64)));
    let mut summary = [
        detected.unwrap_or_else(|| "no client noticed the fault".to_owned()),
        time("the first call after the fault succeeded", times.first_success_us),
        steady,
    ]
    .join(", ");
    summary.push_str(&format!("; {} allowed", millis(allowed_us as f64)));
    if times.steady_us.is_none() && crowded_us.is_some() {
        summary.push_str(", and other processes used the machine meanwhile");
    } else if finding.open > 0 {
        summary.push_str(&format!(", and the load ended after {}", millis(afterwards.length_us() as f64)));
    }
    Some(summary)
}

fn time(event: &str, after_us: Option<u64>) -> String {
    match after_us {
        Some(after_us) => format!("{event} after {}", millis(after_us as f64)),
        None => format!("{event} at no time"),
    }
}

/// Returns the first calls after the allowed time that are not as they were before the fault.
fn unsteady(history: &History, baseline: &Baseline, afterwards: Span, allowed_us: u64) -> Vec<u32> {
    let late = Span { from_us: afterwards.from_us.saturating_add(allowed_us), ..afterwards };
    let unlike = history.load_in(late).filter(|(_, op)| !baseline.allows(*op));
    unlike.map(|(at, _)| at).take(MOST_SHOWN).collect()
}
