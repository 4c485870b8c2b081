//! quota-bound: an organisation was never admitted more often than its limit allows, by the harness's own count of what it sent and
//! what came back, never by what the service says of itself.

use super::{Check, Criteria, Judging, Kind, counted};
use crate::finding::Finding;
use crate::history::History;
use crate::op::{ErrorKind, Op, Outcome};
use serde::{Deserialize, Serialize};

pub(super) const CHECK: Check = Check {
    name: "quota-bound",
    about: "nobody was admitted more often than the limit allows",
    kind: Kind::Asked,
    run,
};

/// A limit that the run promised to hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// Organisation that it limits.
    pub tenant: String,
    /// Operations that count; all of them where empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<String>,
    /// Calls that it allows in one window.
    pub limit: u64,
    /// Length of a window in microseconds; absent, the whole run lies in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_us: Option<u64>,
}

/// What an outcome says about the quota.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Admission {
    Yes,
    No,
    Maybe,
}

fn run(history: &History, criteria: &Criteria) -> Option<Finding> {
    if criteria.quotas.is_empty() {
        return None;
    }
    let mut judging = Judging::new(CHECK.name);
    let mut told = Vec::new();
    for quota in &criteria.quotas {
        told.push(one(history, quota, &mut judging));
    }
    Some(judging.finding(told.join("; ")))
}

fn one(history: &History, quota: &Quota, judging: &mut Judging) -> String {
    let counts = |op: &Op| {
        *op.tenant == *quota.tenant
            && (quota.operations.is_empty() || quota.operations.iter().any(|name| **name == *op.name))
    };
    let mut calls: Vec<(u32, Admission)> = Vec::new();
    for (at, op) in history.ops().iter().enumerate().filter(|(_, op)| counts(op)) {
        calls.push((at as u32, admission(op)));
    }
    judging.judged += calls.len() as u64;
    let with = |wanted| calls.iter().filter(move |(_, admission)| *admission == wanted).map(|(at, _)| *at);
    let (limit, mut certain) = match quota.window_us {
        None => (quota.limit, with(Admission::Yes).collect::<Vec<u32>>()),
        // A span as long as a window touches at most two windows, wherever they begin.
        Some(window) => (quota.limit * 2, busiest(history, &with(Admission::Yes).collect::<Vec<u32>>(), window)),
    };
    let (admitted, maybe, refused) =
        (certain.len() as u64, with(Admission::Maybe).count() as u64, with(Admission::No).count());
    if admitted > limit {
        certain.drain(..limit as usize);
        certain.truncate(3);
        judging.violation(
            || format!("`{}` was admitted {admitted} times, at most {limit} are allowed", quota.tenant),
            &certain,
        );
    } else if admitted + maybe > limit {
        judging.open += 1;
    }
    let within = if quota.window_us.is_some() { " in the busiest window and its neighbour" } else { "" };
    let mut summary = format!(
        "`{}`: {} admitted{within}, {limit} allowed, {refused} refused",
        quota.tenant,
        counted(admitted, "call", "calls")
    );
    if maybe > 0 {
        summary.push_str(&format!(", {maybe} unanswered"));
    }
    summary
}

/// A quota is counted before the tool runs, so that an error of the tool was admitted.
fn admission(op: &Op) -> Admission {
    match &op.outcome {
        Outcome::Ok | Outcome::Failed(ErrorKind::Tool(_) | ErrorKind::InputRequired) => Admission::Yes,
        Outcome::Unknown(ErrorKind::Tool(_)) => Admission::Yes,
        Outcome::Failed(
            ErrorKind::Connect
            | ErrorKind::Timeout
            | ErrorKind::Reset
            | ErrorKind::Http(_)
            | ErrorKind::Quota
            | ErrorKind::JsonRpc(_)
            | ErrorKind::Malformed(_),
        ) => Admission::No,
        Outcome::Unknown(_) => Admission::Maybe,
    }
}

/// The most of these calls that lie completely within one span of that length.
fn busiest(history: &History, calls: &[u32], window_us: u64) -> Vec<u32> {
    let mut calls = calls.to_vec();
    calls.sort_by_key(|at| history.op(*at).invoke_us);
    let within = |from: u64| -> Vec<u32> {
        let inside = |at: &&u32| {
            let op = history.op(**at);
            op.invoke_us >= from && op.complete_us <= from + window_us
        };
        calls.iter().filter(inside).copied().collect()
    };
    calls.iter().map(|at| within(history.op(*at).invoke_us)).max_by_key(Vec::len).unwrap_or_default()
}
