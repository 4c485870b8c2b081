//! well-formed-errors: clients get only the errors that the experiment allows, and before the fault only refusals by quota. An error that no
//! client should ever get (a broken reply, an internal error, an HTTP 500) must be allowed by its own name, not by that of its group.

use super::builder::FindingBuilder;
use super::rule::{Check, ExperimentRun, Rule};
use crate::counted;
use crate::finding::Evidence;
use crate::history::span_of;
use crate::op::ErrorKind;
use crate::view::OpRef;
use std::collections::BTreeMap;

pub(super) const CHECK: Check = Check {
    name: "well-formed-errors",
    proves: "Every error that a client got since the fault is of a kind that the experiment allows, and every error before it is a refusal by quota",
    blind_to: &[
        "It judges kinds, not numbers: any number of allowed errors passes.",
        "A timeout that a stall of the harness explains is not judged. A timeout, a status of 503 or 504, or a code such as `deadline_exceeded` while other processes use the machine makes the check unknown.",
        "The text and the hint of an error are not judged.",
        "A reply that reports success and cannot be used is an error only if the client found it malformed.",
    ],
    evidence: "A fault, and calls of the experiment.",
    rule: Rule::Experiment(judge),
};

/// JSON-RPC's code of an error inside the service.
const INTERNAL_ERROR: i64 = -32_603;
/// Most calls shown of each error.
const MOST_SHOWN: usize = 3;

fn judge(run: &ExperimentRun<'_>, finding: &mut FindingBuilder) -> Option<String> {
    let Some(fault) = run.experiment.fault else { return Some(finding.unknown("there was no fault")) };
    // By time and name: the number of calls, and the first of them.
    let mut wrong: BTreeMap<(bool, String), (u64, Vec<u32>)> = BTreeMap::new();
    let mut errors = 0;
    for (at, op) in run.history.calls() {
        finding.judged += 1;
        let Some(kind) = error(op) else { continue };
        errors += 1;
        // A call that was under way when the fault came may end by it.
        let before = op.complete_us() < fault.from_us;
        let allowed = if before { *kind == ErrorKind::Quota } else { is_allowed(kind, &run.promises.errors) };
        if !allowed && *kind == ErrorKind::Timeout && run.history.is_explained_by_stalls(span_of(op), 0) {
            continue;
        }
        if !allowed && is_slowness(kind) && run.history.is_crowded(op) {
            let why = format!("`{}` ended with `{}` while other processes used the machine", op.name(), name(kind));
            finding.doubt_with(Evidence::of(why, &[at]));
        } else if !allowed {
            let (count, first) = wrong.entry((!before, name(kind))).or_default();
            *count += 1;
            if first.len() < MOST_SHOWN {
                first.push(at);
            }
        }
    }
    for ((since, name), (count, first)) in &wrong {
        let when = if *since { "since the fault" } else { "before the fault" };
        finding
            .violation_with(|| Evidence::of(format!("`{name}` {when}, {}", counted(*count, "time", "times")), first));
    }
    finding.violations = wrong.values().map(|(count, _)| count).sum();
    Some(format!(
        "{}, {}, {} of a kind that is not allowed at that time",
        counted(finding.judged, "call", "calls"),
        counted(errors, "error", "errors"),
        finding.violations
    ))
}

/// Returns the error of a call; a question to the client is none.
fn error(op: OpRef<'_>) -> Option<&ErrorKind> {
    op.outcome().error().filter(|kind| **kind != ErrorKind::InputRequired && op.is_error())
}

/// Returns true if a busy machine explains the error. It does not refuse connections.
fn is_slowness(kind: &ErrorKind) -> bool {
    *kind != ErrorKind::Connect && kind.is_explained_by_slowness()
}

fn is_allowed(kind: &ErrorKind, allowed: &[String]) -> bool {
    let is_named = |name: &str| allowed.iter().any(|allowed| allowed == name);
    let only_by_name =
        matches!(kind, ErrorKind::Malformed(_) | ErrorKind::Http(500) | ErrorKind::JsonRpc(INTERNAL_ERROR));
    is_named(&name(kind)) || (!only_by_name && is_named(kind.group()))
}

/// Returns the name by which an experiment allows it: `http_503`, `json_rpc_-32603`, the code of a tool, else its group.
fn name(kind: &ErrorKind) -> String {
    match kind {
        ErrorKind::Http(status) => format!("http_{status}"),
        ErrorKind::JsonRpc(code) => format!("json_rpc_{code}"),
        ErrorKind::Tool(code) => code.to_string(),
        ErrorKind::Connect
        | ErrorKind::Timeout
        | ErrorKind::Reset
        | ErrorKind::Quota
        | ErrorKind::InputRequired
        | ErrorKind::Malformed(_)
        | ErrorKind::Local(_) => kind.group().to_owned(),
    }
}
