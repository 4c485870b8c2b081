//! read-your-writes: a user who was told that a write is done sees it in every read of that record that begins afterwards (Terry et al.
//! 1994, session guarantees).

use super::{Check, Criteria, Judging, Kind, counted};
use crate::finding::Finding;
use crate::history::{Changes, History};
use crate::op::{Op, Outcome, Phase};
use std::sync::Arc;

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
        let Some(mine) = last_of_own(history, changes, read) else { continue };
        judging.judged += 1;
        match seen {
            None if maybe_deleted(history, changes, read) => {}
            None => judging.violation(|| format!("`{}` did not see its own `{key}`", read.user), &[mine, at]),
            Some(seen) if seen.digest.is_some_and(|digest| stale(history, key, digest, history.op(mine), read)) => {
                judging.violation(|| format!("`{}` saw an older content of its own `{key}`", read.user), &[mine, at]);
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

/// Of the reader's own writes that were acknowledged before the read began, the one that had begun last.
fn last_of_own(history: &History, changes: &Changes, read: &Op) -> Option<u32> {
    let before = changes.writes.partition_point(|at| history.op(*at).complete_us <= read.invoke_us);
    let mut last: Option<(u32, &Op)> = None;
    for at in changes.writes[..before].iter().rev() {
        let write = history.op(*at);
        // It was over, and so were all before it, when the last one began.
        if last.is_some_and(|(_, last)| write.complete_us <= last.invoke_us) {
            break;
        }
        let own = write.outcome == Outcome::Ok && write.tenant == read.tenant && write.user == read.user;
        if own && last.is_none_or(|(_, last)| write.invoke_us > last.invoke_us) {
            last = Some((*at, write));
        }
    }
    last.map(|(at, _)| at)
}

fn maybe_deleted(history: &History, changes: &Changes, read: &Op) -> bool {
    changes.deletes.iter().any(|at| history.op(*at).invoke_us < read.complete_us)
}

/// Tells whether what was seen was certainly overwritten by `mine`: every write of it to this record had ended before `mine` began.
fn stale(history: &History, key: &Arc<str>, digest: u64, mine: &Op, read: &Op) -> bool {
    if mine.effect.wrote(digest) {
        return false;
    }
    let to_this = |op: &&Op| op.effect.contents().any(|(to, written, _)| to == Some(key) && written == digest);
    let writers = history.writers(digest).iter().map(|at| history.op(*at));
    let mut candidates = writers.filter(to_this).peekable();
    candidates.peek().is_some()
        && candidates
            .all(|op| op.outcome == Outcome::Ok && op.complete_us < mine.invoke_us && op.invoke_us < read.complete_us)
}
