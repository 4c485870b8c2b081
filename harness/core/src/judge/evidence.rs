//! Decides whether a run is evidence at all. It is evidence if its record is unchanged, it ran to its end, and the
//! driver was not the bottleneck.

use super::target::{Coverage, TargetCalls};
use super::{Recorded, target_calls};
use crate::drive::{DriverReport, FinalWalks, Handshakes, RunPurpose};
use harness_history::{Evidence, Finding, OpRef, Phase, Verdict, counted};

/// Name of the finding about the run itself.
pub const EVIDENCE_CHECK: &str = "run-is-evidence";
// Past these three limits, a run measures its driver instead of the service.
/// Minimum share of the planned arrivals that must have been sent.
const MIN_SENT_SHARE: f64 = 0.99;
/// Maximum share of a core that the driver may use in any second. Above it, the driver itself delays calls.
const MAX_DRIVER_CPU: f64 = 0.9;
/// Maximum send lag at the 99th percentile, in microseconds.
const MAX_SEND_LAG_US: u64 = 5_000;

/// Returns the finding about the run itself: *pass*, or *unknown* with every reason to doubt the run.
pub(super) fn finding(recorded: &Recorded) -> Finding {
    let (judged, summary, mut doubts) = match &recorded.plan.subject {
        _ if recorded.oversize.is_some() => (0, String::new(), recorded.oversize.iter().cloned().collect()),
        RunPurpose::Load(_) => load(recorded),
        RunPurpose::Scenario(_) | RunPurpose::Experiment(_) | RunPurpose::Hardening(_) => scenario(recorded),
    };
    if let Some((calls, why)) = recorded.history.local_errors() {
        doubts.push(format!(
            "{} failed because of the harness and not of the service: {why}",
            counted(calls, "call", "calls")
        ));
    }
    if recorded.torn {
        doubts.push("the last line of the history is incomplete".to_owned());
    }
    // The first doubt, because the other doubts are derived from files that may have been changed.
    doubts.splice(0..0, recorded.integrity.doubt());
    Finding {
        check: EVIDENCE_CHECK.to_owned(),
        verdict: if doubts.is_empty() { Verdict::Pass } else { Verdict::Unknown },
        summary: if doubts.is_empty() { summary } else { doubts.join("; ") },
        judged,
        violations: 0,
        evidence: doubts.into_iter().map(|what| Evidence { what, ops: Vec::new() }).collect(),
    }
}

/// The number of judged calls, the summary of a run without doubts, and the doubts.
type EvidenceSummary = (u64, String, Vec<String>);

fn scenario(recorded: &Recorded) -> EvidenceSummary {
    let calls = recorded.history.len();
    let mut doubts: Vec<String> = match &recorded.scenario {
        None => vec!["the scenario wrote no report".to_owned()],
        Some(report) => report.doubt().into_iter().collect(),
    };
    if calls == 0 {
        doubts.push("no call was made".to_owned());
    }
    let not_judged = not_judged(recorded).unwrap_or_default();
    (calls, format!("ran to its end with {}{not_judged}", counted(calls, "call", "calls")), doubts)
}

fn load(recorded: &Recorded) -> EvidenceSummary {
    let (calls, succeeded) = recorded
        .history
        .measured()
        .fold((0u64, 0u64), |(calls, succeeded), op| (calls + 1, succeeded + u64::from(op.is_ok())));
    let of_load = |op: &OpRef<'_>| matches!(op.phase(), Phase::Warmup | Phase::Measured);
    let recorded_calls = recorded.history.ops().filter(of_load).count() as u64;
    let mut doubts = Vec::new();
    if succeeded == 0 {
        doubts.push("no call of the measured phase succeeded".to_owned());
    }
    match &recorded.driver {
        None => doubts.push("the driver wrote no report".to_owned()),
        Some(driver) => {
            doubts.extend(driver_doubts(driver, recorded_calls));
            doubts.extend(saturation(driver));
            // Latency counts from the plan, so a late call makes a pass harder. Beside closed users, who keep the machine busy, that is no reason
            // to doubt one; it is still a reason to doubt a broken bound.
            if !matches!(&recorded.plan.subject, RunPurpose::Load(workload) if workload.beside.is_some()) {
                doubts.extend(lateness(driver));
            }
        }
    }
    let peak = recorded.driver.as_ref().map_or(0.0, |driver| driver.cpu_peak) * 100.0;
    let arrivals = recorded.driver.as_ref().and_then(|driver| arrivals(driver, recorded)).unwrap_or_default();
    let walks = recorded.driver.as_ref().and_then(some_walks).unwrap_or_default();
    let handshakes = recorded.driver.as_ref().and_then(handshakes).unwrap_or_default();
    let not_judged = not_judged(recorded).unwrap_or_default();
    let summary = format!(
        "{} measured, {succeeded} of them ok{arrivals}; the driver used at most {peak:.0} % of a core{walks}{handshakes}{not_judged}",
        counted(calls, "call", "calls")
    );
    (calls, summary, doubts)
}

/// Returns the number of handshakes with a target and how long they took; `None` if the load is on a stack of this product.
fn handshakes(driver: &DriverReport) -> Option<String> {
    let Handshakes { made, failed, us_p50, us_max, version } = driver.handshakes.as_ref()?;
    let ms = |us: &u64| *us as f64 / 1e3;
    Some(format!(
        "; {} (MCP {version}), {failed} of them failed, p50 {:.1} ms, at most {:.1} ms",
        counted(*made, "handshake", "handshakes"),
        ms(us_p50),
        ms(us_max)
    ))
}

/// Returns the promises that a run on a target did not look at; `None` if it looked at all, or if the run is on a stack of this product.
fn not_judged(recorded: &Recorded) -> Option<String> {
    let calls = match &recorded.plan.subject {
        RunPurpose::Load(workload) if workload.is_on_target() => TargetCalls::of_load(workload),
        RunPurpose::Experiment(experiment) if experiment.is_on_target() => target_calls(recorded, experiment),
        RunPurpose::Load(_) | RunPurpose::Experiment(_) | RunPurpose::Scenario(_) | RunPurpose::Hardening(_) => {
            return None;
        }
    };
    let not_judged = Coverage::of(calls).not_judged;
    (!not_judged.is_empty()).then(|| format!("; not looked at: {}", not_judged.join(", ")))
}

/// Returns how many users listed everything at the end; `None` if every user did.
fn some_walks(driver: &DriverReport) -> Option<String> {
    let FinalWalks { users, walked, .. } = driver.final_walks?;
    (walked < users).then(|| format!("; {walked} of {users} users, chosen at random, listed everything at the end"))
}

/// Returns how many arrivals of an open load were planned, sent, and answered well before the measured phase ended; `None` for a closed load. A rate that
/// was offered is not one that was achieved.
fn arrivals(driver: &DriverReport, recorded: &Recorded) -> Option<String> {
    let planned = driver.planned_arrivals?;
    let until_us = driver.measured_until_us;
    let in_time = |op: &OpRef<'_>| op.planned_us().is_some() && op.is_ok() && op.complete_us() <= until_us;
    let completed = recorded.history.measured().filter(in_time).count();
    let secs = until_us.saturating_sub(driver.measured_from_us).max(1) as f64 / 1e6;
    let sent = driver.arrivals.unwrap_or(driver.calls);
    Some(format!(
        "; of {planned} planned arrivals {sent} were sent and {completed} answered well in the measured time ({:.1}/s)",
        completed as f64 / secs
    ))
}

fn driver_doubts(driver: &DriverReport, recorded_calls: u64) -> Vec<String> {
    let mut doubts = driver.problems.clone();
    // Everything else is derived from the history, so only this comparison notices a lost record (decision 0020).
    if let Some(made) = driver.transactions.filter(|made| *made != recorded_calls) {
        doubts.push(format!("goose counted {}, but the history has {recorded_calls}", counted(made, "call", "calls")));
    }
    if driver.interrupted {
        doubts.push("the run was interrupted".to_owned());
    }
    if let Some(planned) = driver.planned_arrivals {
        // A driver that does not report arrivals made no follow-up calls, so that each of its calls is an arrival.
        let arrivals = driver.arrivals.unwrap_or(driver.calls);
        let sent = arrivals as f64 / (planned as f64).max(1.0);
        if sent < MIN_SENT_SHARE {
            doubts.push(format!("{arrivals} of {planned} planned arrivals were sent ({:.1} %)", sent * 100.0));
        }
    }
    doubts
}

/// Why the driver itself was the limit, so that no broken bound is held against the stack.
pub(super) fn limits(driver: &DriverReport) -> Vec<String> {
    saturation(driver).into_iter().chain(lateness(driver)).collect()
}

/// Returns true if the driver had too little CPU time of its own, so that it may have delayed every call.
pub(super) fn is_saturated(driver: &DriverReport) -> bool {
    driver.cpu_peak > MAX_DRIVER_CPU
}

fn saturation(driver: &DriverReport) -> Option<String> {
    let peak = driver.cpu_peak * 100.0;
    is_saturated(driver).then(|| format!("the driver was saturated: {peak:.0} % of a core in its busiest second"))
}

fn lateness(driver: &DriverReport) -> Option<String> {
    let lag = driver.send_lag_us_p99.filter(|lag| *lag > MAX_SEND_LAG_US)?;
    let lag_ms = lag as f64 / 1_000.0;
    Some(format!("calls were sent late: {lag_ms:.1} ms behind the schedule at the 99th percentile"))
}
