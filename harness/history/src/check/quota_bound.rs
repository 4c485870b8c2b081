//! quota-bound: an organisation was never admitted more often than its limit allows, by the harness's own count of what it sent and
//! what came back, never by what the service says of itself. What goes beyond the limit must be declared: without its store a limiter may let
//! calls past, but never silently.

use super::{Check, Criteria, Judging, Kind, counted};
use crate::finding::Finding;
use crate::history::History;
use crate::op::{ErrorKind, Op, Outcome};
use serde::{Deserialize, Serialize};

pub(super) const CHECK: Check = Check {
    name: "quota-bound",
    about: "nobody was admitted more often than the limit allows and the service declares",
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
        let declared = criteria.declared.get(&quota.tenant).copied().unwrap_or_default();
        told.push(one(history, quota, declared, &mut judging));
    }
    Some(judging.finding(told.join("; ")))
}

fn one(history: &History, quota: &Quota, declared: u64, judging: &mut Judging) -> String {
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
    let allowed = limit.saturating_add(declared);
    if admitted > allowed {
        certain.drain(..allowed as usize);
        certain.truncate(3);
        let excess = admitted - limit;
        judging.violation(
            || {
                format!(
                    "`{}` was admitted {admitted} times, {limit} are allowed: {excess} too many, {declared} of them declared",
                    quota.tenant
                )
            },
            &certain,
        );
    } else if admitted + maybe > allowed {
        judging.open += 1;
    }
    let within = if quota.window_us.is_some() { " in the busiest window and its neighbour" } else { "" };
    let mut summary = format!(
        "`{}`: {} admitted{within}, {limit} allowed, {refused} refused",
        quota.tenant,
        counted(admitted, "call", "calls")
    );
    if declared > 0 {
        summary.push_str(&format!(", {declared} beyond it declared"));
    }
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

/// The most of these calls that lie completely within one span of that length. Of the calls that are no longer than it, those within a span
/// are those that ended by its end without those that began before it.
fn busiest(history: &History, calls: &[u32], window_us: u64) -> Vec<u32> {
    let span = |at: u32| (history.op(at).invoke_us, history.op(at).complete_us);
    let mut calls: Vec<(u64, u64, u32)> = calls
        .iter()
        .map(|at| (span(*at).0, span(*at).1, *at))
        .filter(|(invoke_us, complete_us, _)| complete_us.saturating_sub(*invoke_us) <= window_us)
        .collect();
    calls.sort_unstable();
    let mut ends: Vec<u64> = calls.iter().map(|(_, complete_us, _)| *complete_us).collect();
    ends.sort_unstable();
    let (mut ended, mut most, mut busiest_us) = (0, 0, 0);
    for (before, (from_us, _, _)) in calls.iter().enumerate() {
        let until_us = from_us.saturating_add(window_us);
        ended += ends[ended..].iter().take_while(|end| **end <= until_us).count();
        // Of calls that begin at the same moment the first counts them all.
        if ended - before > most {
            (most, busiest_us) = (ended - before, *from_us);
        }
    }
    let until_us = busiest_us.saturating_add(window_us);
    let within = |(invoke_us, complete_us, _): &&(u64, u64, u32)| *invoke_us >= busiest_us && *complete_us <= until_us;
    calls.iter().filter(within).map(|(_, _, at)| *at).collect()
}
