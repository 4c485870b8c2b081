//! users-concurrent: as many users as were asked for were at work at the same time in the measured phase. A user is at work from its
//! first call to the end of its last; how many calls were in flight at one moment is told beside it.

use super::{Check, Criteria, Judging, Kind};
use crate::finding::Finding;
use crate::history::History;
use std::collections::HashMap;

pub(super) const CHECK: Check = Check {
    name: "users-concurrent",
    about: "as many users as asked for were at work at the same time",
    kind: Kind::Asked,
    run,
};

fn run(history: &History, criteria: &Criteria) -> Option<Finding> {
    let asked = criteria.users?;
    let mut at_work: HashMap<u32, (u64, u64)> = HashMap::new();
    let mut calls = Vec::new();
    for op in history.measured() {
        let span = at_work.entry(op.process).or_insert((op.invoke_us, op.complete_us));
        *span = (span.0.min(op.invoke_us), span.1.max(op.complete_us));
        calls.push((op.invoke_us, op.complete_us));
    }
    let users = most_at_once(at_work.into_values());
    let in_flight = most_at_once(calls.iter().copied());
    let mut judging = Judging::new(CHECK.name);
    judging.judged = calls.len() as u64;
    if judging.judged > 0 && users < u64::from(asked) {
        judging.violation(|| format!("{asked} users were asked for, {users} were at work at once"), &[]);
    }
    Some(
        judging.finding(format!(
            "{users} of {asked} users at work at once, up to {in_flight} calls in flight at one moment"
        )),
    )
}

/// The most spans that overlap; a span that ends where another begins does not overlap it.
fn most_at_once(spans: impl Iterator<Item = (u64, u64)>) -> u64 {
    let mut edges: Vec<(u64, i8)> = spans.flat_map(|(from, until)| [(from, 1), (until.max(from + 1), -1)]).collect();
    edges.sort_unstable();
    let (mut now, mut most) = (0i64, 0i64);
    for (_, change) in edges {
        now += i64::from(change);
        most = most.max(now);
    }
    most.unsigned_abs()
}
