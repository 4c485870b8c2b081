//! no-lost-writes: every acknowledged write is there, with its content, in the final quiet read. A write that nobody read at the end
//! is open, not kept. What Jepsen calls a set checker, for records that can be changed and deleted.

use super::{Check, Criteria, Judging, Kind, counted};
use crate::finding::Finding;
use crate::history::{Changes, History};
use crate::op::{Effect, Outcome, Phase, RecordState};
use std::collections::HashMap;

pub(super) const CHECK: Check = Check {
    name: "no-lost-writes",
    about: "every acknowledged write is there, with its content, when the load is over",
    kind: Kind::Standing,
    run,
};

fn run(history: &History, _criteria: &Criteria) -> Option<Finding> {
    let mut last_reads: HashMap<&str, (u32, Option<&RecordState>)> = HashMap::new();
    for (at, op, key, value) in history.reads() {
        if op.phase == Phase::Final {
            last_reads.insert(key, (at, value));
        }
    }
    let mut judging = Judging::new(CHECK.name);
    for (key, changes) in history.keys() {
        let Some(last_ok) = changes.writes.iter().rev().find(|at| history.op(**at).outcome == Outcome::Ok) else {
            continue;
        };
        judging.judged += 1;
        let Some((read, seen)) = last_reads.get(&**key) else {
            judging.open += 1;
            continue;
        };
        match seen {
            None if deletable(history, changes) => {}
            None => judging.violation(|| format!("`{key}` was acknowledged and is gone"), &[*last_ok, *read]),
            Some(seen) => {
                if seen.digest.is_some_and(|digest| !could_be_last(history, changes, digest)) {
                    judging.violation(
                        || format!("`{key}` has another content than the last acknowledged write"),
                        &[*last_ok, *read],
                    );
                }
            }
        }
    }
    nameless(history, &mut judging);
    let mut summary = format!(
        "{} read back after the load, {} lost",
        counted(judging.judged - judging.open, "acknowledged write", "acknowledged writes"),
        judging.violations
    );
    if judging.open > 0 {
        summary.push_str(&format!("; {} never read back, so nothing is known of them", judging.open));
    }
    Some(judging.finding(summary))
}

/// What was acknowledged without an id can never be found again.
fn nameless(history: &History, judging: &mut Judging) {
    for (at, op) in history.ops().iter().enumerate().filter(|(_, op)| op.outcome == Outcome::Ok) {
        if op.effect.contents().any(|(key, _, _)| key.is_none()) {
            judging.judged += 1;
            judging
                .violation(|| "a write was acknowledged without the id of what was written".to_owned(), &[at as u32]);
        }
    }
}

/// Tells whether a deletion may explain that a record is gone: one that was not certainly over before the last write began.
fn deletable(history: &History, changes: &Changes) -> bool {
    !changes.deletes.is_empty()
        && changes.deletes.iter().any(|at| {
            let delete = history.op(*at);
            delete.outcome != Outcome::Ok
                || !changes.writes.iter().any(|write| {
                    let write = history.op(*write);
                    write.outcome == Outcome::Ok && write.invoke_us > delete.complete_us
                })
        })
}

/// Returns true if this content may be what the last write left: nothing acknowledged began after its own write had ended.
fn could_be_last(history: &History, changes: &Changes, digest: u64) -> bool {
    // A write without an answer has no known key, and may take effect at any later time.
    let unanswered = history.writers(digest).iter().any(|at| {
        let op = history.op(*at);
        op.outcome != Outcome::Ok && matches!(&op.effect, Effect::Write { key: None, .. })
    });
    unanswered
        || changes.writes.iter().any(|at| {
            let write = history.op(*at);
            write.effect.wrote(digest)
                && (write.outcome != Outcome::Ok
                    || !changes.writes.iter().any(|other| {
                        let other = history.op(*other);
                        other.outcome == Outcome::Ok
                            && other.invoke_us > write.complete_us
                            && !other.effect.wrote(digest)
                    }))
        })
}
