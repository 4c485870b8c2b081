//! users-concurrent: the promised number of users was active at the same time in the measured phase. A user is active from its first call to
//! the end of its last one; the number of calls in flight at one moment is reported beside it.

use super::Criteria;
use super::builder::FindingBuilder;
use super::rule::{Check, Rule};
use crate::counted;
use crate::history::History;
use std::collections::HashMap;

pub(super) const CHECK: Check = Check {
    name: "users-concurrent",
    proves: "At some moment of the measured phase, the promised number of users had made their first call and had not ended their last one",
    blind_to: &[
        "A user counts as active between its calls: if pauses are long, calls of different users may hardly ever overlap. The number of calls in flight is reported, not judged.",
        "One moment is enough: for the rest of the phase fewer users may be active.",
    ],
    evidence: "Calls of the measured phase with the number of their user.",
    rule: Rule::Bound(judge),
};

fn judge(history: &History, criteria: &Criteria, finding: &mut FindingBuilder) -> Option<String> {
    let promised = criteria.users?;
    let mut active: HashMap<u32, (u64, u64)> = HashMap::new();
    // Arrivals beside the users of a closed model are made by further users, which the promise does not count.
    let scheduled = history.scheduled_users();
    let calls = || history.measured().filter(|op| !scheduled.contains(&op.process()));
    for op in calls() {
        let span = active.entry(op.process()).or_insert((op.invoke_us(), op.complete_us()));
        *span = (span.0.min(op.invoke_us()), span.1.max(op.complete_us()));
        finding.judged += 1;
    }
    let users = most_at_once(active.into_values());
    if finding.judged > 0 && users < u64::from(promised) {
        finding.violation(
            || format!("{} active at once, {promised} promised", counted(users, "user was", "users were")),
            &[],
        );
    }
    let in_flight = most_at_once(calls().map(|op| (op.invoke_us(), op.complete_us())));
    let (promised, in_flight) = (counted(promised, "user", "users"), counted(in_flight, "call", "calls"));
    Some(format!("{users} of {promised} active at once, at most {in_flight} in flight at one moment"))
}

/// Returns the largest number of spans that overlap; a span that ends where another begins does not overlap it.
fn most_at_once(spans: impl Iterator<Item = (u64, u64)>) -> u64 {
    let (mut begins, mut ends): (Vec<u64>, Vec<u64>) = spans.map(|(from, until)| (from, until.max(from + 1))).unzip();
    begins.sort_unstable();
    ends.sort_unstable();
    let (mut ended, mut most) = (0, 0);
    for (begun, from) in (1..).zip(begins) {
        ended += ends[ended..].iter().take_while(|until| **until <= from).count();
        most = most.max(begun - ended);
    }
    most as u64
}
