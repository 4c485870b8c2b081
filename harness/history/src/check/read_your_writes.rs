//! read-your-writes: a user who was told that a write is done sees it in every read of that record that begins afterwards (Terry et al.
//! 1994, session guarantees).

use super::{Check, Criteria, Judging, Kind, counted};
use crate::finding::Finding;
use crate::history::{Changes, History};
use crate::op::{Op, Outcome, Phase, Seen};

pub(super) const CHECK: Check = Check {
    name: "read-your-writes",
    about: "a user sees what it wrote before, in every read that begins after the acknowledgement",
    kind: Kind::Standing,
    run,
};

fn run(history: &History, _criteria: &Criteria) -> Option<Finding> {
    let mut judging = Judging::new(CHECK.name);
    for (at, read, key, seen) in history.reads() {
        if read.phase == Phase::Final {
            continue;
        }
        let Some(changes) = history.changes(key) else { continue };
        let mine = |at: &&u32| {
            let write = history.op(**at);
            write.outcome == Outcome::Ok
                && write.complete_us <= read.invoke_us
                && (write.tenant == read.tenant && write.user == read.user)
        };
        let Some(mine) = changes.writes.iter().filter(mine).max_by_key(|at| history.op(**at).invoke_us) else {
            continue;
        };
        judging.judged += 1;
        match seen {
            None if maybe_deleted(history, changes, read) => {}
            None => judging.violation(|| format!("`{}` did not see its own `{key}`", read.user), &[*mine, at]),
            Some(seen) if stale(history, changes, seen, history.op(*mine), read) => {
                judging.violation(|| format!("`{}` saw an older content of its own `{key}`", read.user), &[*mine, at]);
            }
            Some(_) => {}
        }
    }
    let summary = format!(
        "{} of own records, {} missed a write of their own",
        counted(judging.judged, "read", "reads"),
        judging.violations
    );
    Some(judging.finding(summary))
}

fn maybe_deleted(history: &History, changes: &Changes, read: &Op) -> bool {
    changes.deletes.iter().any(|at| history.op(*at).invoke_us < read.complete_us)
}

/// Tells whether what was seen was certainly overwritten by `mine`: every write of it had ended before `mine` began.
fn stale(history: &History, changes: &Changes, seen: &Seen, mine: &Op, read: &Op) -> bool {
    let written = |op: &Op| op.effect.wrote(seen.digest);
    if written(mine) {
        return false;
    }
    let mut candidates = changes.writes.iter().map(|at| history.op(*at)).filter(|op| written(op)).peekable();
    candidates.peek().is_some()
        && candidates
            .all(|op| op.outcome == Outcome::Ok && op.complete_us < mine.invoke_us && op.invoke_us < read.complete_us)
}
