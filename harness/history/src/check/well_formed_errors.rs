//! well-formed-errors: callers see only the errors that the experiment allows, and before the fault none but refusals by quota. What nobody
//! should ever see (a broken reply, an internal error, an HTTP 500) must be allowed by its own name, never by that of its group.

use super::{Check, Criteria, Judging, Kind, counted, of_experiment};
use crate::experiment::{Promises, Span};
use crate::finding::{Evidence, Finding};
use crate::history::History;
use crate::op::{ErrorKind, Op};
use std::collections::BTreeMap;

pub(super) const CHECK: Check = Check {
    name: "well-formed-errors",
    about: "callers see only errors that the experiment allows, and before the fault none but refusals by quota",
    kind: Kind::Asked,
    run,
};

/// JSON-RPC's code of an error inside the service.
const INTERNAL_ERROR: i64 = -32_603;
/// Most calls shown of each error.
const MOST_SHOWN: usize = 3;

fn run(history: &History, criteria: &Criteria) -> Option<Finding> {
    of_experiment(CHECK.name, history, criteria, |experiment, promises, judging| {
        let Some(fault) = experiment.fault else { return Some(judging.unknown("there was no fault")) };
        Some(judge(history, fault, promises, judging))
    })
}

fn judge(history: &History, fault: Span, promises: &Promises, mut judging: Judging) -> Finding {
    // By time and name: how many, and the first of them.
    let mut wrong: BTreeMap<(bool, String), (u64, Vec<u32>)> = BTreeMap::new();
    let mut errors = 0;
    for (at, op) in history.calls() {
        judging.judged += 1;
        let Some(kind) = error(op) else { continue };
        errors += 1;
        // What was under way when the fault came may end by it.
        let before = op.complete_us < fault.from_us;
        let allowed = if before { *kind == ErrorKind::Quota } else { is_allowed(kind, &promises.errors) };
        if !allowed {
            let (count, first) = wrong.entry((!before, name(kind))).or_default();
            *count += 1;
            if first.len() < MOST_SHOWN {
                first.push(at);
            }
        }
    }
    for ((since, name), (count, first)) in &wrong {
        let when = if *since { "since the fault" } else { "before the fault" };
        judging.broken(|| Evidence::of(format!("`{name}` {when}, {}", counted(*count, "time", "times")), first));
    }
    judging.violations = wrong.values().map(|(count, _)| count).sum();
    let summary = format!(
        "{}, {} seen by callers, {} of a kind that is not allowed then",
        counted(judging.judged, "call", "calls"),
        counted(errors, "error", "errors"),
        judging.violations
    );
    judging.finding(summary)
}

/// A question to the caller is none.
fn error(op: &Op) -> Option<&ErrorKind> {
    op.outcome.error().filter(|kind| **kind != ErrorKind::InputRequired)
}

fn is_allowed(kind: &ErrorKind, allowed: &[String]) -> bool {
    let named = |name: &str| allowed.iter().any(|allowed| allowed == name);
    let never_by_group = match kind {
        ErrorKind::Malformed(_) | ErrorKind::Http(500) | ErrorKind::JsonRpc(INTERNAL_ERROR) => true,
        ErrorKind::Http(_)
        | ErrorKind::JsonRpc(_)
        | ErrorKind::Tool(_)
        | ErrorKind::Connect
        | ErrorKind::Timeout
        | ErrorKind::Reset
        | ErrorKind::Quota
        | ErrorKind::InputRequired => false,
    };
    named(&name(kind)) || (!never_by_group && named(kind.group()))
}

/// The name that an experiment allows it by: `http_503`, `json_rpc_-32603`, the code of a tool, else its group.
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
        | ErrorKind::Malformed(_) => kind.group().to_owned(),
    }
}
