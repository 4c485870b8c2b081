//! every-request-ends: no call took longer than the experiment allows, however it ended. It counts from the send, so that waiting for a
//! free user is not part of it.

use super::{Check, Criteria, Judging, Kind, counted, of_experiment};
use crate::experiment::Promises;
use crate::finding::Finding;
use crate::history::History;
use crate::threshold::millis;

pub(super) const CHECK: Check = Check {
    name: "every-request-ends",
    about: "no call takes longer than its bound, however it ends",
    kind: Kind::Asked,
    run,
};

fn run(history: &History, criteria: &Criteria) -> Option<Finding> {
    of_experiment(CHECK.name, history, criteria, |_, promises, judging| Some(judge(history, promises, judging)))
}

fn judge(history: &History, promises: &Promises, mut judging: Judging) -> Finding {
    let mut longest = 0;
    for (at, op) in history.calls() {
        judging.judged += 1;
        let took = op.service_us();
        longest = longest.max(took);
        if took > promises.call_bound_us {
            judging.violation(|| format!("`{}` took {}", op.name, millis(took as f64)), &[at]);
        }
    }
    let summary = format!(
        "{}, the longest took {}, {} longer than {}",
        counted(judging.judged, "call", "calls"),
        millis(longest as f64),
        judging.violations,
        millis(promises.call_bound_us as f64)
    );
    judging.finding(summary)
}
