//! Counts the hits of a fault by the calls of clients. It is used for faults whose hits neither a proxy nor a metric
//! counts.

use crate::drive::experiment::Experiment;
use crate::drive::traffic::operations::service_of;
use crate::plan::topology::{Part, PartKind};
use harness_history::experiment::{FILE_CHANGED, Fault, Span};
use harness_history::recovery::longest_on_busy_machine_us;
use harness_history::{EffectRef, ErrorKind, History, OpRef};
use mcp_contracts::Service;
use std::collections::{HashMap, HashSet};

/// The kind of fault that blocks writes and not reads.
const LOCKED: &str = "database_locked";
/// The kinds of faults under which a target still answers, with errors of its own.
const RESOURCE_FAULTS: &[&str] = &["disk_full", "cpu_squeeze", "memory_squeeze"];

/// Returns the number of calls that the fault hit, and the reason why these calls count. Returns `None` if no call can
/// show a hit.
/// `steady` is the phase before the faults.
pub(super) fn shown_by_calls(
    fault: &Fault,
    experiment: &Experiment,
    history: &History,
    steady: Option<Span>,
) -> Option<(u64, &'static str)> {
    let part = experiment.topology.part(&fault.target)?;
    if part.kind == PartKind::Target {
        return shown_at_target(fault, history, steady);
    }
    let service = service_shown_by(part, experiment)?;
    let until_us = fault.healed_us?;
    if fault.kind == LOCKED {
        let waited = history
            .measured()
            .filter(|op| service_of(op.name()) == Some(service.name()) && waited(history, *op, fault));
        return Some((waited.count() as u64, "writes that were not acknowledged while the lock was held"));
    }
    if fault.kind == FILE_CHANGED {
        let met = history.measured().filter(|op| is_decision_of(*op, service) && was_sent_during(*op, fault));
        return Some((met.count() as u64, "calls that it decided while the file was changed"));
    }
    let slowest = slowest_when_steady(history, |name| service_of(name) == Some(service.name()), steady);
    let shows = |op: &OpRef<'_>| {
        (shows_outage(history, *op, service) || is_slow(history, *op, &slowest))
            && op.invoke_us() < until_us
            && op.complete_us() >= fault.active_us
    };
    let reason = "calls that failed, were served without it, or took longer than any before the fault";
    Some((history.measured().filter(shows).count() as u64, reason))
}

/// Returns the service whose calls show a fault of a part: the part itself, or the service whose database the part is.
fn service_shown_by(part: &Part, experiment: &Experiment) -> Option<Service> {
    if part.kind != PartKind::Postgres {
        return part.kind.service();
    }
    let topology = &experiment.topology;
    topology.parts.iter().find(|caller| topology.is_on_postgres(caller))?.kind.service()
}

/// Returns the number of calls that show that a target was hit. Each of its calls goes to its only part.
fn shown_at_target(fault: &Fault, history: &History, steady: Option<Span>) -> Option<(u64, &'static str)> {
    let until_us = fault.healed_us?;
    let slowest = slowest_when_steady(history, |_| true, steady);
    let usual = errors_when_steady(history, steady);
    let is_scarce = RESOURCE_FAULTS.contains(&fault.kind.as_str());
    let failed = |op: &OpRef<'_>| {
        !is_failure_of_harness(history, *op)
            && op.outcome().error().is_some_and(|kind| shows_absence(kind) || is_scarce && is_unusual(kind, &usual))
    };
    let shows = |op: &OpRef<'_>| {
        (failed(op) || is_slow(history, *op, &slowest))
            && op.invoke_us() < until_us
            && op.complete_us() >= fault.active_us
    };
    let reason = if is_scarce {
        "calls without an answer, with an error that did not occur before the fault, or that took longer than any before it"
    } else {
        "calls without an answer, with a status of 500 or above, or that took longer than any before the fault"
    };
    Some((history.measured().filter(shows).count() as u64, reason))
}

/// Returns true if an error shows that a server was away or could not work. Other errors are answers that it also gives without a fault.
const fn shows_absence(kind: &ErrorKind) -> bool {
    matches!(kind, ErrorKind::Connect | ErrorKind::Reset | ErrorKind::Timeout | ErrorKind::Http(500..))
}

/// Returns true if no call before the faults ended with this error.
fn is_unusual(kind: &ErrorKind, usual: &HashSet<String>) -> bool {
    !matches!(kind, ErrorKind::Quota | ErrorKind::Local(_)) && !usual.contains(&kind.label())
}

fn errors_when_steady(history: &History, steady: Option<Span>) -> HashSet<String> {
    let calls = steady.into_iter().flat_map(|steady| history.calls_in(steady));
    calls.filter_map(|(_, op)| op.outcome().error().map(ErrorKind::label)).collect()
}

/// Returns the longest service time of each operation whose name is `chosen` before the faults, in microseconds. Calls that overlap a stall of the
/// harness are left out, and calls that were under way when the faults came: what hit those must not hide the other hits.
fn slowest_when_steady(history: &History, chosen: impl Fn(&str) -> bool, steady: Option<Span>) -> HashMap<&str, u64> {
    let mut slowest = HashMap::new();
    let Some(steady) = steady else { return slowest };
    let is_measure =
        |op: OpRef<'_>| chosen(op.name()) && op.complete_us() <= steady.until_us && !history.is_stalled(op);
    for (_, op) in history.calls_in(steady).filter(|(_, op)| is_measure(*op)) {
        let time = slowest.entry(op.name()).or_insert(0);
        *time = op.service_us().max(*time);
    }
    slowest
}

/// Returns true if a call took longer than any of the same operation before the faults. Without such a call, nothing shows that it was slow. What a
/// stall of the harness explains, or other processes on the machine, is no hit of the fault.
fn is_slow(history: &History, op: OpRef<'_>, slowest: &HashMap<&str, u64>) -> bool {
    let Some(time) = slowest.get(op.name()).copied() else { return false };
    let longest_us = if history.is_crowded(op) { longest_on_busy_machine_us(time) } else { time };
    op.service_us() > longest_us && !history.is_explained_by_stalls(service_span(op), time)
}

/// Returns true if the harness may be the reason why a call failed: the call was not sent, or its deadline ended during a stall.
fn is_failure_of_harness(history: &History, op: OpRef<'_>) -> bool {
    match op.outcome().error() {
        Some(ErrorKind::Local(_)) => true,
        Some(ErrorKind::Timeout) => history.is_explained_by_stalls(service_span(op), 0),
        _ => false,
    }
}

fn service_span(op: OpRef<'_>) -> Span {
    Span { from_us: op.invoke_us(), until_us: op.complete_us() }
}

/// Returns true if a write was sent while the lock was held and acknowledged after its release, or not at all. A refusal by quota is an answer.
fn waited(history: &History, op: OpRef<'_>, fault: &Fault) -> bool {
    let Some(released_us) = fault.ending_us else { return false };
    let is_write = op.effect().contents().next().is_some();
    let failed = !op.is_ok() && op.outcome().error() != Some(&ErrorKind::Quota) && !is_failure_of_harness(history, op);
    let is_late = op.is_ok() && op.complete_us() >= released_us && !history.is_explained_by_stalls(service_span(op), 0);
    was_sent_during(op, fault) && is_write && (failed || is_late)
}

/// Returns true if the call was sent while the fault was active.
fn was_sent_during(op: OpRef<'_>, fault: &Fault) -> bool {
    op.invoke_us() >= fault.active_us && fault.ending_us.is_some_and(|ending_us| op.invoke_us() < ending_us)
}

/// Returns true if the files of a service decided the call: a verdict, or an injected pattern.
fn is_decision_of(op: OpRef<'_>, service: Service) -> bool {
    let of_guardrails = service == Service::Guardrails;
    op.is_ok()
        && match op.effect() {
            EffectRef::Verdict { .. } => of_guardrails,
            EffectRef::Inject { .. } => !of_guardrails,
            EffectRef::Workflow(ended) if of_guardrails => ended.verdict.is_some(),
            EffectRef::Workflow(ended) => ended.injected.is_some(),
            _ => false,
        }
}

/// Returns true if the call shows that a service was missing: it failed, or a workflow went on without the service.
fn shows_outage(history: &History, op: OpRef<'_>, service: Service) -> bool {
    if is_failure_of_harness(history, op) {
        return false;
    }
    if let EffectRef::Workflow(ended) = op.effect() {
        // Reasons use the singular or the plural of a name: `guardrail_unavailable`, `patterns_unavailable`.
        let singular = service.name().trim_end_matches('s');
        return ended.reasons.iter().any(|reason| reason.ends_with("_unavailable") && reason.starts_with(singular));
    }
    // A refusal by quota is an answer of the service, and happens without any fault.
    let refused = op.outcome().error() == Some(&ErrorKind::Quota);
    !op.is_ok() && !refused && service_of(op.name()) == Some(service.name())
}

#[cfg(test)]
mod tests {
    use super::{LOCKED, shown_by_calls};
    use crate::drive::experiment;
    use harness_history::experiment::{Fault, Span};
    use harness_history::{Conditions, Effect, ErrorKind, History, Op, Outcome, Phase, RecordState};

    fn fault(kind: &str) -> Fault {
        Fault {
            name: format!("{kind} memory"),
            kind: kind.to_owned(),
            target: "memory".to_owned(),
            ordered_us: 90,
            active_us: 100,
            ending_us: Some(200),
            healed_us: Some(210),
            hits: None,
            counted_by: String::new(),
        }
    }

    fn op(name: &str, invoke_us: u64, complete_us: u64, outcome: Outcome) -> Op {
        let write = Effect::Write { key: Some("k".into()), value: RecordState::of_content(1, None), existing: false };
        Op {
            process: 0,
            tenant: "acme".into(),
            user: "ann".into(),
            workspace: None,
            name: name.into(),
            phase: Phase::Measured,
            planned_us: None,
            invoke_us,
            complete_us,
            outcome,
            strays: Vec::new(),
            effect: if name == "store_memory" { write } else { Effect::None },
        }
    }

    fn hits(kind: &str, ops: Vec<Op>) -> u64 {
        let experiment = experiment::find("database-locked", None).unwrap();
        let history: History = ops.into_iter().collect();
        let steady = Span { from_us: 0, until_us: 90 };
        shown_by_calls(&fault(kind), &experiment, &history, Some(steady)).unwrap().0
    }

    #[test]
    fn a_pause_is_shown_by_calls_that_took_longer_than_any_before_and_not_by_ordinary_traffic() {
        let ops = vec![
            op("get_memory", 10, 22, Outcome::Ok),
            op("get_memory", 120, 132, Outcome::Ok),
            op("get_memory", 120, 133, Outcome::Ok),
            op("store_memory", 120, 190, Outcome::Ok),
            op("run_workflow", 120, 190, Outcome::Ok),
            op("get_memory", 130, 140, Outcome::Failed(ErrorKind::Quota)),
        ];
        assert_eq!(hits("pause", ops), 1, "one read was slower than the slowest before; nothing is known of writes");
    }

    #[test]
    fn what_a_stall_or_other_processes_explain_is_no_hit() {
        let experiment = experiment::find("database-locked", None).unwrap();
        let pause = Fault { active_us: 100_000, ending_us: Some(900_000), healed_us: Some(900_000), ..fault("pause") };
        let hits = |conditions: Conditions, ops: Vec<Op>| {
            let steady = Span { from_us: 0, until_us: 90_000 };
            let history = ops.into_iter().collect::<History>().with_conditions(conditions);
            shown_by_calls(&pause, &experiment, &history, Some(steady)).unwrap().0
        };
        let calls = |outcome: Outcome, took_us: u64| {
            vec![
                op("get_memory", 10_000, 20_000, Outcome::Ok),
                op("get_memory", 200_000, 200_000 + took_us, outcome.clone()),
                op("get_memory", 200_000, 200_000 + took_us, outcome),
            ]
        };
        let span = Span { from_us: 250_000, until_us: 350_000 };
        let stalled = || Conditions { stalls: vec![span], ..Conditions::default() };
        let crowded = || Conditions { crowded: vec![span], ..Conditions::default() };
        let timeout = || Outcome::Unknown(ErrorKind::Timeout);
        assert_eq!(hits(Conditions::default(), calls(Outcome::Ok, 200_000)), 2);
        assert_eq!(hits(stalled(), calls(Outcome::Ok, 200_000)), 0, "a stall of 100 ms, and the time to settle");
        assert_eq!(hits(stalled(), calls(timeout(), 200_000)), 0);
        assert_eq!(hits(stalled(), calls(Outcome::Ok, 600_000)), 2, "the stall does not explain it");
        assert_eq!(hits(crowded(), calls(Outcome::Ok, 200_000)), 0, "a busy machine is as slow as that");
        assert_eq!(hits(crowded(), calls(Outcome::Ok, 400_000)), 2);
        let local = Outcome::Failed(ErrorKind::Local("no descriptor is left".into()));
        assert_eq!(hits(Conditions::default(), calls(local, 10)), 0, "it was not sent");
        let before = Conditions { stalls: vec![Span { from_us: 10_000, until_us: 90_000 }], ..Conditions::default() };
        let mut slow_before = calls(Outcome::Ok, 60_000);
        slow_before[0].complete_us = 90_000;
        slow_before.push(op("get_memory", 1_000, 6_000, Outcome::Ok));
        assert_eq!(hits(before, slow_before), 2, "slow before the fault because of the harness");
        let mut under_way = calls(Outcome::Ok, 60_000);
        under_way.push(op("get_memory", 80_000, 800_000, Outcome::Ok));
        assert_eq!(hits(Conditions::default(), under_way), 3, "the fault met a call that was under way");
    }

    #[test]
    fn a_kill_of_a_target_is_shown_by_any_call_that_failed_or_was_slow_meanwhile() {
        let mut experiment = experiment::find("database-locked", None).unwrap();
        experiment.topology = crate::plan::topology::Topology::target();
        let killed = Fault { target: "target".to_owned(), ..fault("kill") };
        let lost = || Outcome::Failed(ErrorKind::Connect);
        let history: History = vec![
            op("add", 10, 20, Outcome::Ok),
            op("add", 50, 60, lost()),
            op("add", 120, 130, lost()),
            op("search", 120, 130, lost()),
            op("add", 140, 149, Outcome::Ok),
            op("add", 140, 180, Outcome::Ok),
            op("add", 220, 230, lost()),
        ]
        .into_iter()
        .collect();
        let steady = Some(Span { from_us: 0, until_us: 90 });
        assert_eq!(shown_by_calls(&killed, &experiment, &history, steady).unwrap().0, 3);
    }

    #[test]
    fn errors_that_a_target_has_without_a_fault_are_no_hits() {
        let mut experiment = experiment::find("database-locked", None).unwrap();
        experiment.topology = crate::plan::topology::Topology::target();
        let refused = |code: &str| Outcome::Unknown(ErrorKind::Tool(code.into()));
        let history: History = vec![
            op("get", 10, 20, refused("not_found")),
            op("get", 120, 130, refused("not_found")),
            op("get", 120, 130, Outcome::Unknown(ErrorKind::Http(404))),
            op("add", 120, 130, refused("no_space")),
            op("add", 120, 130, Outcome::Unknown(ErrorKind::Http(503))),
        ]
        .into_iter()
        .collect();
        let steady = Some(Span { from_us: 0, until_us: 90 });
        for (kind, expected) in [("kill", 1), ("disk_full", 3), ("memory_squeeze", 3)] {
            let fault = Fault { target: "target".to_owned(), ..fault(kind) };
            assert_eq!(shown_by_calls(&fault, &experiment, &history, steady).unwrap().0, expected, "{kind}");
        }
    }

    #[test]
    fn a_lock_is_shown_by_writes_that_waited_for_it_or_failed_and_by_nothing_else() {
        let failed = || Outcome::Failed(ErrorKind::Http(503));
        let ops = vec![
            op("store_memory", 50, 250, Outcome::Ok),
            op("store_memory", 110, 190, Outcome::Ok),
            op("get_memory", 110, 250, Outcome::Ok),
            op("store_memory", 110, 250, Outcome::Ok),
            op("store_memory", 120, 130, failed()),
            op("store_memory", 205, 250, failed()),
            op("store_memory", 120, 130, Outcome::Failed(ErrorKind::Quota)),
        ];
        assert_eq!(hits(LOCKED, ops), 2);
    }

    #[test]
    fn an_outage_of_postgres_is_shown_by_calls_of_the_service_that_uses_it() {
        let experiment = experiment::find("postgres-kill", None).unwrap();
        let killed = Fault { target: "postgres".to_owned(), ..fault("kill") };
        let failed = || Outcome::Failed(ErrorKind::Tool("dependency_unavailable".into()));
        let ops = [op("store_memory", 120, 130, failed()), op("get_memory", 120, 130, failed())];
        let other = op("check_guardrails", 120, 130, failed());
        let history: History = ops.into_iter().chain([other]).collect();
        let steady = Some(Span { from_us: 0, until_us: 90 });
        assert_eq!(shown_by_calls(&killed, &experiment, &history, steady).unwrap().0, 2);
    }

    #[test]
    fn an_outage_of_a_part_is_shown_by_calls_that_failed_there() {
        let lost = || Outcome::Unknown(ErrorKind::Reset);
        let ops = vec![
            op("store_memory", 50, 105, lost()),
            op("get_memory", 150, 160, lost()),
            op("get_memory", 150, 160, Outcome::Ok),
            op("run_workflow", 150, 160, lost()),
            op("get_memory", 50, 90, lost()),
        ];
        assert_eq!(hits("kill", ops), 2);
    }
}
