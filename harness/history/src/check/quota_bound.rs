//! quota-bound: an organisation was admitted as often as its limit allows, not more and not less, by the harness's own count of calls and replies,
//! not by what the service says. Calls beyond the limit must be declared: a limiter without its store may admit them, but never silently.

mod refusal;
mod window;

use super::Criteria;
use super::builder::FindingBuilder;
use super::rule::{Check, Rule};
use crate::counted;
use crate::history::History;
use crate::op::{ErrorKind, Outcome};
use crate::view::OpRef;
use serde::{Deserialize, Serialize};
use window::{CallTimes, least_excess};

pub(super) const CHECK: Check = Check {
    name: "quota-bound",
    proves: "No organisation had more calls admitted than its limit plus the number that the service reports as admitted beyond it, and none was refused for good while it had calls left",
    blind_to: &[
        "If one limit applies to the whole run, single refusals pass, because a burst limit or the share of one instance may be the reason. Only an organisation that gets no call at all, or no further one for 2 s, must have used at least nine tenths of its limit.",
        "The first window may begin at any time. A call that may belong to two windows counts in neither, but no two neighbouring windows together exceed two limits.",
        "Windows are judged as if they followed each other without a gap: a limiter whose windows begin with the first call may fail.",
        "It trusts the number of calls that the service reports as admitted beyond the limit. It excuses this number of calls in all windows together.",
        "A call that failed with another error than that of the quota may have been counted by the limiter. It counts as admitted if that explains a refusal.",
    ],
    evidence: "Calls of a limited organisation. If unanswered calls would break the limit if they were admitted, the check is unknown.",
    rule: Rule::Criteria(judge),
};

/// Maximum number of calls that are shown as evidence of an excess.
const MOST_SHOWN: usize = 3;

/// A limit that the run promised to hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// Organisation that it limits.
    pub tenant: String,
    /// Operations that count; all if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<String>,
    /// Number of calls that it allows in one window.
    pub limit: u64,
    /// Length of a window in microseconds; if omitted, the whole run is one window. Windows follow each other without a gap, and the first may begin
    /// at any time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_us: Option<u64>,
}

impl Quota {
    /// Returns true if the limit counts this call.
    fn counts(&self, op: OpRef<'_>) -> bool {
        let is_counted = |name: &str| self.operations.is_empty() || self.operations.iter().any(|it| it == name);
        op.tenant() == self.tenant && is_counted(op.name())
    }
}

/// Decision of the limiter on a call, as far as its outcome shows it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Admission {
    Yes,
    No,
    Maybe,
}

fn judge(history: &History, criteria: &Criteria, finding: &mut FindingBuilder) -> Option<String> {
    judge_refusals(history, &criteria.quotas, finding);
    let summaries: Vec<String> = criteria
        .quotas
        .iter()
        .map(|quota| {
            let declared = criteria.declared.get(&quota.tenant).copied().unwrap_or_default();
            judge_quota(history, quota, declared, finding)
        })
        .collect();
    (!summaries.is_empty()).then(|| summaries.join("; "))
}

fn judge_quota(history: &History, quota: &Quota, declared: u64, finding: &mut FindingBuilder) -> String {
    let counted_calls = history.numbered().filter(|(_, op)| quota.counts(*op));
    let calls: Vec<(u32, Admission)> = counted_calls.map(|(at, op)| (at, admission(op))).collect();
    finding.judged += calls.len() as u64;
    let with = |wanted| calls.iter().filter(move |(_, admission)| *admission == wanted).map(|(at, _)| *at);
    let certain: Vec<u32> = with(Admission::Yes).collect();
    let (limit, certain) = match quota.window_us {
        None => (quota.limit, certain),
        // A span as long as a window touches at most two windows, wherever they begin.
        Some(window_us) => (quota.limit * 2, busiest(history, &certain, window_us)),
    };
    let (admitted, maybe) = (certain.len() as u64, with(Admission::Maybe).count() as u64);
    let allowed = limit.saturating_add(declared);
    if admitted > allowed {
        let what = || {
            let excess = admitted - limit;
            let tenant = &quota.tenant;
            format!(
                "`{tenant}` was admitted {}, {limit} allowed: {excess} too many, {declared} of them declared",
                counted(admitted, "time", "times")
            )
        };
        let excess = &certain[allowed as usize..];
        finding.violation(what, &excess[..excess.len().min(MOST_SHOWN)]);
    } else if let Some(excess) = excess_of_windows(history, quota, with(Admission::Yes), declared) {
        let shown: Vec<u32> = certain.iter().rev().take(MOST_SHOWN).copied().collect();
        let (tenant, limit) = (&quota.tenant, quota.limit);
        let what = || {
            format!(
                "`{tenant}` was admitted {} beyond the {limit} of a window, {declared} of them declared",
                counted(excess, "time", "times")
            )
        };
        finding.violation(what, &shown);
    } else if admitted + maybe > allowed {
        finding.open += 1;
    }
    let within = if quota.window_us.is_some() { " in the busiest two windows" } else { "" };
    let mut summary = format!(
        "`{}`: {} admitted{within}, {limit} allowed, {} refused",
        quota.tenant,
        counted(admitted, "call", "calls"),
        with(Admission::No).count()
    );
    if declared > 0 {
        summary.push_str(&format!(", {declared} declared beyond the limit"));
    }
    if maybe > 0 {
        summary.push_str(&format!(", {maybe} without an answer"));
    }
    summary
}

/// Returns the number of calls beyond the limit of their windows, if the service did not declare it.
fn excess_of_windows(
    history: &History,
    quota: &Quota,
    admitted: impl Iterator<Item = u32>,
    declared: u64,
) -> Option<u64> {
    let calls: Vec<CallTimes> = admitted.map(|at| span(history.op(at))).collect();
    let excess = least_excess(&calls, quota.window_us?, quota.limit);
    (excess > declared).then_some(excess)
}

fn span(op: OpRef<'_>) -> CallTimes {
    (op.invoke_us(), op.complete_us())
}

/// Judges the refusals of each organisation, by all its limits together: one limit that is used up explains a refusal.
fn judge_refusals(history: &History, quotas: &[Quota], finding: &mut FindingBuilder) {
    let mut tenants: Vec<&str> = quotas.iter().map(|quota| quota.tenant.as_str()).collect();
    tenants.sort_unstable();
    tenants.dedup();
    for tenant in tenants {
        let of_tenant: Vec<&Quota> = quotas.iter().filter(|quota| quota.tenant == tenant).collect();
        let calls = || history.numbered().filter(|(_, op)| op.tenant() == tenant);
        let refused: Vec<(u32, CallTimes)> =
            calls().filter(|(_, op)| is_refusal(*op, &of_tenant)).map(|(at, op)| (at, span(op))).collect();
        let used: Vec<CallTimes> = calls().filter(|(_, op)| may_be_counted(*op)).map(|(_, op)| span(op)).collect();
        let unexplained = refusal::unexplained(&refused, used, &of_tenant);
        if !unexplained.is_empty() {
            let what = || {
                let refusals = counted(unexplained.len() as u64, "call", "calls");
                format!("`{tenant}` was refused {refusals} by quota while it had calls left")
            };
            finding.violation(what, &unexplained[..unexplained.len().min(MOST_SHOWN)]);
        }
    }
}

/// Returns true if the quota refused the call, and one of the limits counts it.
fn is_refusal(op: OpRef<'_>, quotas: &[&Quota]) -> bool {
    op.outcome().error() == Some(&ErrorKind::Quota) && quotas.iter().any(|quota| quota.counts(op))
}

/// Returns true if the limiter may have counted the call, whatever came of it, and whichever operation it was.
fn may_be_counted(op: OpRef<'_>) -> bool {
    !matches!(op.outcome().error(), Some(ErrorKind::Quota | ErrorKind::Connect))
}

/// Returns whether the limiter admitted the call. The service counts the quota before the tool runs, so a call that ended with an error of the
/// tool was admitted.
fn admission(op: OpRef<'_>) -> Admission {
    match op.outcome() {
        Outcome::Ok | Outcome::Failed(ErrorKind::Tool(_) | ErrorKind::InputRequired) => Admission::Yes,
        Outcome::Unknown(ErrorKind::Tool(_)) => Admission::Yes,
        Outcome::Failed(
            ErrorKind::Connect
            | ErrorKind::Timeout
            | ErrorKind::Reset
            | ErrorKind::Http(_)
            | ErrorKind::Quota
            | ErrorKind::JsonRpc(_)
            | ErrorKind::Malformed(_)
            | ErrorKind::Local(_),
        ) => Admission::No,
        Outcome::Unknown(_) => Admission::Maybe,
    }
}

/// Returns the calls that lie completely within the busiest span of this length. The busiest span begins with a call. It contains the calls that
/// ended by its end, minus those that began before it; this is correct only without calls longer than the span, so these are dropped first.
fn busiest(history: &History, calls: &[u32], window_us: u64) -> Vec<u32> {
    let span = |at: u32| (history.op(at).invoke_us(), history.op(at).complete_us());
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
        // Of calls that begin at the same time, the first counts them all.
        if ended - before > most {
            (most, busiest_us) = (ended - before, *from_us);
        }
    }
    let until_us = busiest_us.saturating_add(window_us);
    let within = |(invoke_us, complete_us, _): &&(u64, u64, u32)| *invoke_us >= busiest_us && *complete_us <= until_us;
    calls.iter().filter(within).map(|(_, _, at)| *at).collect()
}
