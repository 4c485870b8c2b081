//! readiness-tells-the-truth: during the fault each part reports what the experiment promised, a part that is stopped reports *not ready* first,
//! parts that the fault does not touch stay alive, and at the end every part is ready.

use super::builder::FindingBuilder;
use super::rule::{Check, ExperimentRun, Rule};
use crate::counted;
use crate::experiment::{Fault, Probe, Readiness, ReadyWord, STOP, Span};
use crate::history::History;
use crate::threshold::millis;
use std::collections::BTreeMap;

pub(super) const CHECK: Check = Check {
    name: "readiness-tells-the-truth",
    proves: "While the faults were in place the named parts reported the promised readiness, untouched parts answered `/healthz` all the time, and every part was ready in its last probes",
    blind_to: &[
        "Parts are probed about ten times a second: a wrong answer between two probes is not seen.",
        "If the experiment promises nothing for a part, the check only requires that it is alive all the time and ready at the end.",
        "One or two wrong probes are not a violation. Three in a row are, or at least three in all if they are 1 % of all probes or more.",
        "A probe that overlaps a stall of the harness is not judged.",
        "If a wrong answer comes only while other processes use the machine, or they use it during most of the run, only a part that answers every probe of a long fault, or every probe after its recovery time, with the wrong word fails; any other wrong answer is unknown.",
    ],
    evidence: "At least five probes of each part in each span that is judged.",
    rule: Rule::ExperimentTimedBound(judge),
};

/// Minimum number of probes of a part in a span. With fewer, the check does not decide.
const LEAST_PROBES: usize = 5;
/// Minimum number of wrong probes for a violation: in a row, or in all if they are also at least one in [`ONE_OF`] probes.
const LEAST_IN_A_ROW: usize = 3;
const ONE_OF: usize = 100;
/// Number of probes of which every one must have a wrong answer, and the number of promised times that the fault must last, so that a busy machine
/// is no excuse. With 4 busy loops on 2 cores a part has a third of the CPU time.
const CERTAIN_PROBES: usize = 10;
const CERTAIN_TIMES: u64 = 3;
/// Number of probes after the recovery time of which every one must have a wrong answer, so that a busy machine is no excuse; before the fault at least
/// nine of ten probes must have been right, on the same machine.
const CERTAIN_LAST_PROBES: usize = 20;
/// Status of a part that is alive, or ready.
const OK: u16 = 200;
/// Status of a part that is not ready.
const UNAVAILABLE: u16 = 503;

fn judge(run: &ExperimentRun<'_>, finding: &mut FindingBuilder) -> Option<String> {
    let (experiment, promises) = (run.experiment, run.promises);
    let is_promised = !promises.readiness.is_empty() || promises.notice_us.is_some();
    if experiment.unprobed && !is_promised {
        return None;
    }
    let Some(fault) = experiment.fault else { return Some(finding.unknown("there was no fault")) };
    let mut parts: BTreeMap<&str, Vec<&Probe>> = BTreeMap::new();
    // A probe that overlaps a stall of the harness says nothing about the part.
    for probe in experiment.probes.iter().filter(|probe| !is_stalled(run, probe)) {
        parts.entry(&probe.part).or_default().push(probe);
    }
    if parts.is_empty() {
        return Some(finding.unknown("no part was probed"));
    }
    let probes_of = |part: &str| parts.get(part).map(Vec::as_slice).unwrap_or_default();
    let mut summary = Vec::new();
    for promise in &promises.readiness {
        summary.push(judge_promise(promise, probes_of(&promise.part), &experiment.in_place(), finding));
    }
    if let Some(notice_us) = promises.notice_us {
        for fault in experiment.faults.iter().filter(|fault| fault.kind == STOP) {
            summary.push(judge_notice(fault, probes_of(&fault.target), notice_us, run.history, finding));
        }
    }
    let is_untouched = |part: &str| {
        let gone = |promise: &Readiness| promise.part == part && promise.says == ReadyWord::Gone;
        !experiment.faults.iter().any(|fault| fault.target == part) && !promises.readiness.iter().any(gone)
    };
    let (mut untouched, mut alive, mut ready) = (0, 0, 0);
    for (part, probes) in &parts {
        if is_untouched(part) {
            untouched += 1;
            alive += u64::from(judge_alive(part, probes, fault.from_us, finding));
        }
        ready += u64::from(judge_end(part, probes, run, finding));
    }
    summary.push(format!("{alive} of {} not touched by the fault stayed alive", counted(untouched, "part", "parts")));
    summary.push(format!("{ready} of {} ready at the end", counted(parts.len() as u64, "part", "parts")));
    Some(summary.join("; "))
}

fn is_stalled(run: &ExperimentRun<'_>, probe: &Probe) -> bool {
    let span = Span { from_us: probe.sent_us, until_us: probe.answered_us.max(probe.sent_us + 1) };
    run.history.undisturbed_us(span) < span.length_us()
}

/// Judges what a part reported while every fault was in place.
fn judge_promise(promise: &Readiness, probes: &[&Probe], in_place: &[Span], finding: &mut FindingBuilder) -> String {
    let is_due = |probe: &&Probe| {
        in_place.iter().any(|span| {
            // Both ends count: the part has had its time to report, and the faults were still in place when it answered.
            probe.sent_us >= span.from_us.saturating_add(promise.within_us) && probe.answered_us < span.until_us
        })
    };
    let due: Vec<&Probe> = probes.iter().copied().filter(is_due).collect();
    let (part, word) = (&promise.part, word(promise.says));
    if due.len() < LEAST_PROBES {
        let times = counted(due.len() as u64, "time", "times");
        let few = format!("`{part}` was probed {times} while it had to be {word}, at least {LEAST_PROBES} required");
        finding.doubt(few.as_str());
        return few;
    }
    finding.judged += due.len() as u64;
    let is_wrong = |probe: &Probe| !reports(probe, promise.says);
    let what = |probe: &Probe| format!("`{part}` had to be {word} and reported {}", report(probe));
    let has_long_span = in_place.iter().any(|span| span.length_us() >= promise.within_us.saturating_mul(CERTAIN_TIMES));
    if has_long_span && due.len() >= CERTAIN_PROBES && due.iter().all(|probe| is_wrong(probe) && probe.ready.is_some())
    {
        // The part had several times its promised time and answered all the time: it was not slow, it said the wrong word.
        let times = counted(due.len() as u64, "time", "times");
        finding.certain_violation(|| format!("{}, every time, {times}", what(due[0])), &[]);
    } else {
        add_violations(&due, is_wrong, finding, what);
    }
    let right = due.iter().filter(|probe| !is_wrong(probe)).count();
    format!("`{part}` was {word} in {right} of {}", counted(due.len(), "probe", "probes"))
}

/// Judges whether a part that was stopped reported *not ready* for long enough before it was gone.
fn judge_notice(
    fault: &Fault,
    probes: &[&Probe],
    notice_us: u64,
    history: &History,
    finding: &mut FindingBuilder,
) -> String {
    let stopping = Span { from_us: fault.ordered_us, until_us: fault.active_us };
    let is_notice = |probe: &&&Probe| stopping.holds(probe.sent_us) && reports(probe, ReadyWord::NotReady);
    let noticed_us = probes.iter().find(is_notice).map_or(0, |probe| stopping.until_us - probe.sent_us);
    finding.judged += 1;
    let notice = format!("`{}` reported not ready for {} before it was gone", fault.target, millis(noticed_us as f64));
    if noticed_us < notice_us && history.undisturbed_us(stopping) < stopping.length_us() {
        finding.doubt(format!("{notice}, and the harness stood still meanwhile"));
    } else if noticed_us < notice_us {
        finding.violation(|| format!("{notice}, at least {} was promised", millis(notice_us as f64)), &[]);
    }
    notice
}

/// Judges whether a part that no fault touches answered that it is alive, from the fault to the end.
fn judge_alive(part: &str, probes: &[&Probe], from_us: u64, finding: &mut FindingBuilder) -> bool {
    let since: Vec<&Probe> = probes.iter().copied().filter(|probe| probe.sent_us >= from_us).collect();
    if since.len() < LEAST_PROBES {
        finding.doubt(format!(
            "`{part}` was probed {} since the fault, at least {LEAST_PROBES} required",
            counted(since.len(), "time", "times")
        ));
        return false;
    }
    finding.judged += since.len() as u64;
    let is_dead = |probe: &Probe| probe.live != Some(OK);
    let what =
        |probe: &Probe| format!("`{part}` is not touched by the fault and `/healthz` returned {}", status(probe.live));
    add_violations(&since, is_dead, finding, what);
    !is_enough(&since, is_dead)
}

/// Judges whether a part was ready in its last probes. A part that is not ready before the promised recovery time is over is a doubt, not a
/// violation.
fn judge_end(part: &str, probes: &[&Probe], run: &ExperimentRun<'_>, finding: &mut FindingBuilder) -> bool {
    let healed_us = run.experiment.healed_us();
    let is_after = |probe: &&&Probe| healed_us.is_some_and(|healed_us| probe.sent_us >= healed_us);
    let after: Vec<&Probe> = probes.iter().filter(is_after).copied().collect();
    let Some(first) = after.len().checked_sub(LEAST_PROBES) else {
        finding.doubt(format!(
            "`{part}` was probed {} after the fault, at least {LEAST_PROBES} required",
            counted(after.len(), "time", "times")
        ));
        return false;
    };
    let last = &after[first..];
    finding.judged += last.len() as u64;
    let is_unready = |probe: &&Probe| probe.live != Some(OK) || !reports(probe, ReadyWord::Ready);
    let unready: Vec<&Probe> = last.iter().copied().filter(is_unready).collect();
    let due_us = healed_us.unwrap_or_default().saturating_add(run.promises.recovery_us);
    let is_late = |probe: &Probe| is_unready(&probe) && probe.sent_us >= due_us;
    let what = |probe: &Probe| format!("`{part}` is not ready at the end: it reported {}", report(probe));
    let due: Vec<&Probe> = after.iter().copied().filter(|probe| probe.sent_us >= due_us).collect();
    if was_ready_before(probes, run) && never_recovers(&due) {
        let times = counted(due.len() as u64, "time", "times");
        finding.certain_violation(|| format!("{}, every time since it had to be, {times}", what(due[0])), &[]);
        return false;
    }
    add_violations(last, is_late, finding, what);
    if let Some(probe) = unready.first().filter(|_| !is_enough(last, is_late)) {
        finding.doubt(what(probe));
    }
    unready.is_empty()
}

/// Returns true if a part answered every one of many probes, and never that it is ready: it had the time to answer, so it had the time to recover.
fn never_recovers(due: &[&Probe]) -> bool {
    due.len() >= CERTAIN_LAST_PROBES
        && due.iter().all(|probe| probe.ready.is_some() && !reports(probe, ReadyWord::Ready))
}

/// Returns true if the part was ready in nine of ten probes before the first fault, so that the machine is not what keeps it from being ready.
fn was_ready_before(probes: &[&Probe], run: &ExperimentRun<'_>) -> bool {
    let Some(first_us) = run.experiment.faults.iter().map(|fault| fault.ordered_us).min() else { return false };
    let before: Vec<&&Probe> = probes.iter().filter(|probe| probe.answered_us < first_us).collect();
    let ready = before.iter().filter(|probe| reports(probe, ReadyWord::Ready)).count();
    before.len() >= LEAST_PROBES && ready * 10 >= before.len() * 9
}

/// Counts every wrong probe and shows the first, if the wrong ones are enough for a finding.
fn add_violations(
    judged: &[&Probe],
    is_wrong: impl Fn(&Probe) -> bool,
    finding: &mut FindingBuilder,
    what: impl Fn(&Probe) -> String,
) {
    let wrong: Vec<&Probe> = judged.iter().copied().filter(|probe| is_wrong(probe)).collect();
    let Some(first) = wrong.first().filter(|_| is_enough(judged, is_wrong)) else { return };
    let times = counted(wrong.len() as u64, "time", "times");
    let first_at = millis(first.sent_us as f64);
    finding.violation(|| format!("{}, {times}, first {first_at} into the run", what(first)), &[]);
    // The call above counted the first one.
    finding.violations += wrong.len() as u64 - 1;
}

/// Returns true if wrong probes are a violation: [`LEAST_IN_A_ROW`] in a row, or as many in all if they are at least one in a hundred. One or two
/// may have been caused by a machine that was busy for a moment.
fn is_enough(judged: &[&Probe], is_wrong: impl Fn(&Probe) -> bool) -> bool {
    let in_a_row = judged.windows(LEAST_IN_A_ROW).any(|probes| probes.iter().all(|probe| is_wrong(probe)));
    let wrong = judged.iter().filter(|probe| is_wrong(probe)).count();
    in_a_row || (wrong >= LEAST_IN_A_ROW && wrong * ONE_OF >= judged.len())
}

fn reports(probe: &Probe, word: ReadyWord) -> bool {
    match word {
        ReadyWord::Ready => probe.ready == Some(OK) && !probe.degraded,
        ReadyWord::Degraded => probe.ready == Some(OK) && probe.degraded,
        ReadyWord::NotReady => probe.ready == Some(UNAVAILABLE),
        ReadyWord::Gone => probe.ready.is_none() && probe.live.is_none(),
    }
}

fn report(probe: &Probe) -> String {
    let degraded = if probe.degraded { " and degraded" } else { "" };
    format!("{}{degraded} (`/healthz` {})", status(probe.ready), status(probe.live))
}

fn status(status: Option<u16>) -> String {
    status.map_or_else(|| "no answer".to_owned(), |status| status.to_string())
}

const fn word(word: ReadyWord) -> &'static str {
    match word {
        ReadyWord::Ready => "ready",
        ReadyWord::Degraded => "degraded",
        ReadyWord::NotReady => "not ready",
        ReadyWord::Gone => "gone",
    }
}
