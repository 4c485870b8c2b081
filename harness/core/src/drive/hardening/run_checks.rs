//! Runs the checks of a catalogue: several at a time, and alone those that disturb others. A check that finds a violation is repeated, and only what
//! every attempt finds is a failure.

use super::check::{HardeningCheck, Lane};
use super::lane_order::LaneOrder;
use super::probe::{Findings, Probe, Stop};
use super::probe_context::ProbeContext;
use super::record::{CheckRecord, CheckState, ViolationRecord};
use crate::drive::scenario::{ScenarioEnd, ScenarioReport, StepFailed};
use crate::plan::run_dir::HARDENING;
use crate::stack::view::{Event, View};
use futures::FutureExt;
use futures::future::ready;
use futures::stream::{self, StreamExt};
use harness_history::counted;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Number of checks that run at the same time.
const LANES: usize = 4;
/// Attempts of a check whose first attempt found a violation.
const ATTEMPTS: u32 = 3;
/// Number of checks between two lines of progress.
const STEP: usize = 10;
/// Deadline of one attempt, except of a check that waits for all others.
const ATTEMPT_DEADLINE: Duration = Duration::from_secs(45);

/// Runs the checks and records each result. A check that was not made, because the run was interrupted or took too long, is recorded as unknown.
///
/// # Errors
/// A result cannot be written.
pub(crate) async fn run_checks(
    checks: &[&'static HardeningCheck],
    place: ProbeContext<'_>,
    run_dir: &Path,
    deadline: Duration,
    view: &Arc<dyn View>,
    cancel: &CancellationToken,
) -> std::io::Result<ScenarioReport> {
    let (start, mut file) = (Instant::now(), File::create_new(run_dir.join(HARDENING))?);
    let of = |lane| checks.iter().copied().filter(move |check| check.lane == lane).collect::<Vec<_>>();
    let (all, lane_order) = (checks.len(), LaneOrder::of(checks));
    let late = CancellationToken::new();
    let one = |check: &'static HardeningCheck| {
        let (late, lane_order) = (&late, &lane_order);
        async move {
            let record = tokio::select! {
                record = run(check, place, lane_order, deadline) => record,
                () = cancel.cancelled() => not_run_record(check, "the run was interrupted"),
                () = late.cancelled() => not_run_record(check, "the run reached its deadline"),
            };
            lane_order.sent(check.id);
            record
        }
    };
    // All at once, because each of them waits for the others to send.
    let throughout = stream::iter(of(Lane::Throughout)).map(one).buffer_unordered(all.max(1));
    let shared = stream::iter(of(Lane::Shared)).map(one).buffer_unordered(LANES);
    let alone = stream::iter(of(Lane::Alone)).then(one);
    // These two give no record.
    let sent = stream::once(lane_order.wait_all_sent()).filter_map(|()| ready(None));
    let ended = stream::once(async {
        lane_order.end_others();
    })
    .filter_map(|()| ready(None));
    let others = shared.chain(sent).chain(alone).chain(ended);
    let mut records = std::pin::pin!(stream::select(throughout, others));
    let (mut done, mut failed, mut unknown) = (0, 0, 0);
    let timer = tokio::time::sleep(deadline);
    tokio::pin!(timer);
    loop {
        let record = tokio::select! {
            record = records.next() => record,
            () = &mut timer, if !late.is_cancelled() => {
                late.cancel();
                continue;
            }
        };
        let Some(record) = record else { break };
        done += 1;
        failed += usize::from(record.state == CheckState::Fail);
        unknown += usize::from(record.state == CheckState::Unknown);
        // Only counts: each check has its line at the end, and failures with one cause share one.
        if done % STEP == 0 {
            view.show(Event::Stage(progress(done, all, failed, unknown)));
        }
        let mut line = serde_json::to_vec(&record)?;
        line.push(b'\n');
        file.write_all(&line)?;
    }
    let (ended, why) = match (cancel.is_cancelled(), late.is_cancelled()) {
        (true, _) => (ScenarioEnd::Interrupted, None),
        (false, true) => (ScenarioEnd::DeadlineExceeded, Some(format!("{} s", deadline.as_secs()))),
        (false, false) => (ScenarioEnd::Completed, None),
    };
    let took_us = micros(start.elapsed());
    Ok(ScenarioReport { ended, why, took_us, quotas: Vec::new(), declared: BTreeMap::new() })
}

async fn run(
    check: &'static HardeningCheck,
    place: ProbeContext<'_>,
    lane_order: &LaneOrder,
    deadline: Duration,
) -> CheckRecord {
    let start = Instant::now();
    let deadline = if check.lane == Lane::Throughout { deadline } else { ATTEMPT_DEADLINE };
    let attempt = |number| attempt(Probe::new(place, check.id, number, lane_order), check, deadline);
    let mut first = match attempt(1).await {
        Ok(findings) => findings,
        Err(why) => return record(check, CheckState::NotApplicable, why, &Findings::default(), 1, start),
    };
    let (mut attempts, found) = (1, first.violations.len());
    while attempts < ATTEMPTS && !first.violations.is_empty() {
        attempts += 1;
        let again = attempt(attempts).await.unwrap_or_default();
        keep_repeated(&mut first.violations, &again.violations);
    }
    if found > first.violations.len() {
        let lost = found - first.violations.len();
        first.doubts.push(format!(
            "{lost} of {} did not occur in each of {ATTEMPTS} attempts",
            counted(found, "violation", "violations")
        ));
    }
    let (state, summary) = conclude(&first);
    record(check, state, summary, &first, attempts, start)
}

/// Keeps the violations that another attempt found as well.
fn keep_repeated(violations: &mut Vec<ViolationRecord>, again: &[ViolationRecord]) {
    violations.retain(|violation| again.iter().any(|other| other.case == violation.case));
}

/// Runs the probe once. Fails with the reason if the check is not applicable.
async fn attempt(probe: Probe<'_>, check: &'static HardeningCheck, deadline: Duration) -> Result<Findings, String> {
    // A panic ends only this check.
    let probing = AssertUnwindSafe((check.probing)(&probe)).catch_unwind();
    let ended = tokio::time::timeout(deadline, probing).await;
    if check.lane == Lane::Throughout {
        // One that ends early must not restore what another check is changing.
        probe.wait_for_other_lanes().await;
    }
    // At the deadline the probe is dropped wherever it is, so that it cannot be the one that restores the stack.
    let restored = probe.stage().restore().await;
    let doubt = match ended {
        Ok(Ok(Ok(()))) => None,
        Ok(Ok(Err(Stop::NotApplicable(why)))) => return Err(why),
        Ok(Ok(Err(Stop::Unclear(why)))) => Some(why),
        Ok(Err(_)) => Some("the probe panicked, which is a bug of the harness".to_owned()),
        Err(_) => Some(format!("the probe did not end within {} s", deadline.as_secs())),
    };
    let mut findings = probe.into_findings();
    findings.doubts.extend(doubt);
    findings.doubts.extend(restored.err().map(|StepFailed(why)| format!("the stack could not be restored: {why}")));
    Ok(findings)
}

/// Returns the state of a check and the reason, from what remains after all attempts.
fn conclude(findings: &Findings) -> (CheckState, String) {
    if let Some(violation) = findings.violations.first() {
        let more = findings.violations.len() - 1;
        let others = if more > 0 { format!(" ({more} more)") } else { String::new() };
        return (CheckState::Fail, format!("{}: {}{others}", violation.case, violation.signs.join("; ")));
    }
    if let Some(doubt) = findings.doubts.first() {
        return (CheckState::Unknown, doubt.clone());
    }
    match (findings.cases, findings.controls) {
        (0, _) => (CheckState::Unknown, "no case was judged".to_owned()),
        (_, 0) => (CheckState::Unknown, "no control request was made, so a refusal proves nothing".to_owned()),
        (judged, controls) => {
            let controls = counted(controls, "control", "controls");
            let omitted = if findings.omitted.is_empty() {
                String::new()
            } else {
                format!("; not reached: {}", findings.omitted.join(", "))
            };
            (CheckState::Pass, format!("{} held, {controls} succeeded{omitted}", counted(judged, "case", "cases")))
        }
    }
}

fn progress(done: usize, all: usize, failed: usize, unknown: usize) -> String {
    let some = |count: usize, word: &str| if count > 0 { format!(", {count} {word}") } else { String::new() };
    let checks = counted(all, "check", "checks");
    format!("{done} of {checks} made{}{}", some(failed, "failed"), some(unknown, "unknown"))
}

fn not_run_record(check: &HardeningCheck, why: &str) -> CheckRecord {
    record(check, CheckState::Unknown, why.to_owned(), &Findings::default(), 0, Instant::now())
}

fn record(
    check: &HardeningCheck,
    state: CheckState,
    summary: String,
    findings: &Findings,
    attempts: u32,
    start: Instant,
) -> CheckRecord {
    CheckRecord {
        id: check.id.to_owned(),
        state,
        summary,
        cases: findings.cases,
        controls: findings.controls,
        attempts,
        took_us: micros(start.elapsed()),
        violations: findings.violations.clone(),
        doubts: findings.doubts.clone(),
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{CheckState, Findings, ViolationRecord, conclude, keep_repeated, progress};

    fn violation(case: &str) -> ViolationRecord {
        let (case, signs) = (case.to_owned(), vec!["b".to_owned()]);
        ViolationRecord { case, file: None, signs, exchanges: Vec::new(), ops: Vec::new() }
    }

    #[test]
    fn a_violation_that_does_not_occur_again_is_none() {
        let mut violations = ["a", "b", "c"].map(violation).to_vec();
        keep_repeated(&mut violations, &["c", "d", "a"].map(violation));
        let kept: Vec<&str> = violations.iter().map(|kept| kept.case.as_str()).collect();
        assert_eq!(kept, ["a", "c"]);
        keep_repeated(&mut violations, &[]);
        assert_eq!(violations, Vec::new(), "an attempt without violations leaves none");
    }

    fn state(cases: u64, controls: u64, doubts: &[&str], violations: usize) -> CheckState {
        let doubts = doubts.iter().map(|doubt| (*doubt).to_owned()).collect();
        conclude(&Findings {
            cases,
            controls,
            doubts,
            violations: vec![violation("memory: a"); violations],
            ..Findings::default()
        })
        .0
    }

    #[test]
    fn progress_counts_what_a_reader_waits_for() {
        assert_eq!(progress(10, 81, 0, 0), "10 of 81 checks made");
        assert_eq!(progress(20, 81, 2, 1), "20 of 81 checks made, 2 failed, 1 unknown");
    }

    #[test]
    fn what_was_not_reached_is_in_the_summary() {
        let omitted = vec!["`a` of memory".to_owned()];
        let (state, summary) = conclude(&Findings { cases: 1, controls: 1, omitted, ..Findings::default() });
        assert_eq!((state, summary.ends_with("not reached: `a` of memory")), (CheckState::Pass, true), "{summary}");
    }

    #[test]
    fn a_check_passes_only_with_cases_and_a_control_and_without_doubt() {
        assert_eq!(state(3, 1, &[], 0), CheckState::Pass);
        assert_eq!(state(0, 1, &[], 0), CheckState::Unknown);
        assert_eq!(state(3, 0, &[], 0), CheckState::Unknown, "a refusal without a control proves nothing");
        assert_eq!(state(3, 1, &["x"], 0), CheckState::Unknown);
        assert_eq!(state(3, 0, &["x"], 1), CheckState::Fail, "a proven violation remains one");
    }
}
