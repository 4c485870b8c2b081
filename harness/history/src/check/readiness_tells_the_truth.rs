//! readiness-tells-the-truth: parts say of themselves what the experiment promised while the fault is in place, those that are asked to end say
//! so first, those that it does not touch stay alive, and at the end every part is ready.

use super::{Check, Criteria, Judging, Kind, counted, of_experiment};
use crate::experiment::{Experiment, Fault, Probe, Promises, Readiness, ReadyWord, STOP, Span};
use crate::finding::{Evidence, Finding};
use crate::history::History;
use crate::threshold::millis;
use std::collections::BTreeMap;

pub(super) const CHECK: Check = Check {
    name: "readiness-tells-the-truth",
    about: "parts say of themselves what is so, and at the end every part is ready",
    kind: Kind::Asked,
    run,
};

/// Fewer say nothing.
const LEAST_PROBES: usize = 5;
/// Status of what is well.
const OK: u16 = 200;
/// Status of what is not ready.
const UNAVAILABLE: u16 = 503;

fn run(history: &History, criteria: &Criteria) -> Option<Finding> {
    of_experiment(CHECK.name, history, criteria, |experiment, promises, judging| {
        let Some(fault) = experiment.fault else { return Some(judging.unknown("there was no fault")) };
        Some(judge(experiment, fault, promises, judging))
    })
}

fn judge(experiment: &Experiment, fault: Span, promises: &Promises, mut judging: Judging) -> Finding {
    let mut parts: BTreeMap<&str, Vec<&Probe>> = BTreeMap::new();
    for probe in &experiment.probes {
        parts.entry(&probe.part).or_default().push(probe);
    }
    if parts.is_empty() {
        return judging.unknown("no part was asked");
    }
    let mut told = Vec::new();
    for promise in &promises.readiness {
        let probes = parts.get(&*promise.part).map(Vec::as_slice).unwrap_or_default();
        told.push(keeps(promise, probes, &experiment.in_place(), &mut judging));
    }
    if let Some(notice_us) = promises.notice_us {
        for fault in experiment.faults.iter().filter(|fault| fault.kind == STOP) {
            let probes = parts.get(&*fault.target).map(Vec::as_slice).unwrap_or_default();
            told.push(gives_notice(fault, probes, notice_us, &mut judging));
        }
    }
    let untouched = |part: &str| {
        let gone = |promise: &Readiness| promise.part == part && promise.says == ReadyWord::Gone;
        !experiment.faults.iter().any(|fault| fault.target == part) && !promises.readiness.iter().any(gone)
    };
    let (mut untouched_parts, mut alive, mut ready) = (0, 0, 0);
    for (part, probes) in &parts {
        if untouched(part) {
            untouched_parts += 1;
            alive += u64::from(stays_alive(part, probes, fault.from_us, &mut judging));
        }
        ready += u64::from(ends_ready(part, probes, experiment, promises, &mut judging));
    }
    told.push(format!("{alive} of {} untouched by the fault stayed alive", counted(untouched_parts, "part", "parts")));
    told.push(format!("{ready} of {} ready at the end", counted(parts.len() as u64, "part", "parts")));
    judging.finding(told.join("; "))
}

/// Judges what a part said while every fault was in place.
fn keeps(promise: &Readiness, probes: &[&Probe], in_place: &[Span], judging: &mut Judging) -> String {
    let due = |probe: &Probe| {
        let within = |span: &Span| {
            probe.asked_us >= span.from_us.saturating_add(promise.within_us) && probe.told_us < span.until_us
        };
        in_place.iter().any(within)
    };
    let due: Vec<&Probe> = probes.iter().copied().filter(|probe| due(probe)).collect();
    let (part, word) = (&promise.part, word(promise.says));
    if due.len() < LEAST_PROBES {
        let told =
            format!("`{part}` was asked {} while it had to be {word}", counted(due.len() as u64, "time", "times"));
        judging.doubt(Evidence::of(told.as_str(), &[]));
        return told;
    }
    judging.judged += due.len() as u64;
    let lies: Vec<&Probe> = due.iter().copied().filter(|probe| !says(probe, promise.says)).collect();
    lie(judging, &lies, |probe| format!("`{part}` had to be {word} and said {}", said(probe)));
    format!("`{part}` was {word} in {} of {} probes", due.len() - lies.len(), due.len())
}

/// Judges whether a part that was asked to end said so long enough before it was gone.
fn gives_notice(fault: &Fault, probes: &[&Probe], notice_us: u64, judging: &mut Judging) -> String {
    let leaving = Span { from_us: fault.ordered_us, until_us: fault.active_us };
    let said = probes.iter().find(|probe| leaving.holds(probe.asked_us) && says(probe, ReadyWord::NotReady));
    let (part, noticed_us) = (&fault.target, said.map_or(0, |probe| leaving.until_us - probe.asked_us));
    judging.judged += 1;
    let told = format!("`{part}` said for {} that it was leaving", millis(noticed_us as f64));
    if noticed_us < notice_us {
        judging.violation(|| format!("{told}, at least {} were promised", millis(notice_us as f64)), &[]);
    }
    told
}

/// Judges whether a part that no fault touches answered that it lives, from the fault to the end.
fn stays_alive(part: &str, probes: &[&Probe], from_us: u64, judging: &mut Judging) -> bool {
    let since: Vec<&Probe> = probes.iter().copied().filter(|probe| probe.asked_us >= from_us).collect();
    if since.len() < LEAST_PROBES {
        judging.doubt(Evidence::of(format!("`{part}` was hardly asked whether it lives"), &[]));
        return false;
    }
    judging.judged += since.len() as u64;
    let dead: Vec<&Probe> = since.into_iter().filter(|probe| probe.live != Some(OK)).collect();
    lie(judging, &dead, |probe| format!("`{part}` is untouched and `/healthz` gave {}", status(probe.live)));
    dead.is_empty()
}

/// Judges whether the last that a part said is that it is ready. Before the promised time to recover is over, it need not be.
fn ends_ready(
    part: &str,
    probes: &[&Probe],
    experiment: &Experiment,
    promises: &Promises,
    judging: &mut Judging,
) -> bool {
    let healed_us = experiment.healed_us();
    let since = probes.iter().filter(|probe| healed_us.is_some_and(|healed_us| probe.asked_us >= healed_us));
    let since: Vec<&Probe> = since.copied().collect();
    let Some(first) = since.len().checked_sub(LEAST_PROBES) else {
        judging.doubt(Evidence::of(format!("`{part}` was hardly asked after the fault"), &[]));
        return false;
    };
    let last = &since[first..];
    judging.judged += last.len() as u64;
    let unready: Vec<&Probe> =
        last.iter().copied().filter(|probe| probe.live != Some(OK) || !says(probe, ReadyWord::Ready)).collect();
    let due_us = healed_us.unwrap_or_default().saturating_add(promises.recovery_us);
    let (late, early): (Vec<&Probe>, Vec<&Probe>) = unready.iter().copied().partition(|probe| probe.asked_us >= due_us);
    let told = |probe: &Probe| format!("`{part}` is not ready at the end: it said {}", said(probe));
    lie(judging, &late, told);
    if let Some(probe) = early.first().filter(|_| late.is_empty()) {
        judging.doubt(Evidence::of(told(probe), &[]));
    }
    unready.is_empty()
}

/// Counts what is not true, and tells the first of it.
fn lie(judging: &mut Judging, lies: &[&Probe], what: impl Fn(&Probe) -> String) {
    let Some(first) = lies.first() else { return };
    let times = counted(lies.len() as u64, "time", "times");
    judging
        .violation(|| format!("{}, {times}, first {} into the run", what(first), millis(first.asked_us as f64)), &[]);
    judging.violations += lies.len() as u64 - 1;
}

fn says(probe: &Probe, word: ReadyWord) -> bool {
    match word {
        ReadyWord::Ready => probe.ready == Some(OK) && !probe.degraded,
        ReadyWord::Degraded => probe.ready == Some(OK) && probe.degraded,
        ReadyWord::NotReady => probe.ready == Some(UNAVAILABLE),
        ReadyWord::Gone => probe.ready.is_none() && probe.live.is_none(),
    }
}

fn said(probe: &Probe) -> String {
    let degraded = if probe.degraded { " with something missing" } else { "" };
    format!("{}{degraded} (`/healthz` {})", status(probe.ready), status(probe.live))
}

fn status(status: Option<u16>) -> String {
    status.map_or_else(|| "nothing".to_owned(), |status| status.to_string())
}

const fn word(word: ReadyWord) -> &'static str {
    match word {
        ReadyWord::Ready => "ready",
        ReadyWord::Degraded => "degraded",
        ReadyWord::NotReady => "not ready",
        ReadyWord::Gone => "gone",
    }
}
