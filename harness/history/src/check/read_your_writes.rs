//! read-your-writes: a user whose write was acknowledged sees it in every later read of that record (Terry et al. 1994, session guarantees).

use super::builder::FindingBuilder;
use super::rule::{Check, Rule};
use crate::counted;
use crate::history::{Changes, History};
use crate::op::Phase;
use crate::timeline::is_same_user;
use crate::view::{KeyRef, OpRef, StateRef};

pub(super) const CHECK: Check = Check {
    name: "read-your-writes",
    proves: "A user who reads a record by its id, after its own write to it was acknowledged, sees that write or a later one",
    blind_to: &[
        "It judges reads by id: a search or list that omits the writer's own record, or returns an old content of it, passes.",
        "It judges the writer alone: a colleague who still reads the replaced content passes.",
        "It does not compare reads with each other: a user may see first a newer and then an older content of a colleague.",
        "A deletion of the record that was sent before the read ended excuses a missing record, even if it was not answered.",
    ],
    evidence: "Reads by id, before the final phase, of records that the reader itself had written before.",
    rule: Rule::Records(judge),
};

fn judge(history: &History, finding: &mut FindingBuilder) -> String {
    for (at, read, key, value) in history.reads().filter(|(_, read, _, _)| read.phase() != Phase::Final) {
        let Some(changes) = history.changes(key) else { continue };
        let Some(own) = last_own_write(history, &changes, read) else { continue };
        finding.judged += 1;
        match value {
            None if may_be_deleted(history, &changes, read) || may_be_hidden(history, &changes, read) => {}
            None => finding.violation(|| format!("`{}` did not find its own record `{key}`", read.user()), &[own, at]),
            Some(value) if was_never_written(history, key, value) => {
                let what =
                    || format!("`{}` read a content of its own record `{key}` that no call had written", read.user());
                finding.violation(what, &[own, at]);
            }
            Some(value) if is_stale(history, key, value, history.op(own), read) => {
                let what =
                    || format!("`{}` read a content of its own record `{key}` that it had replaced", read.user());
                finding.violation(what, &[own, at]);
            }
            Some(_) => {}
        }
    }
    let reads = counted(finding.judged, "read", "reads");
    format!("{reads} of the reader's own records, {} without the reader's last write", finding.violations)
}

/// Of the reader's own writes that were acknowledged before the read began, returns the one that began last.
fn last_own_write(history: &History, changes: &Changes<'_>, read: OpRef<'_>) -> Option<u32> {
    let before = changes.writes.partition_point(|at| history.op(*at).complete_us() <= read.invoke_us());
    let mut last: Option<(u32, OpRef<'_>)> = None;
    for at in changes.writes[..before].iter().rev() {
        let write = history.op(*at);
        // Writes are in the order of their ends: this one, and so all before it, ended before the last one began.
        if last.is_some_and(|(_, last)| write.complete_us() <= last.invoke_us()) {
            break;
        }
        let own = write.is_ok() && is_same_user(write, read);
        if own && last.is_none_or(|(_, last)| write.invoke_us() > last.invoke_us()) {
            last = Some((*at, write));
        }
    }
    last.map(|(at, _)| at)
}

fn may_be_deleted(history: &History, changes: &Changes<'_>, read: OpRef<'_>) -> bool {
    changes.deletes.iter().any(|at| history.op(*at).invoke_us() < read.complete_us())
}

/// Returns true if another user may have made the record private: a user with the role of an administrator writes to records of others.
fn may_be_hidden(history: &History, changes: &Changes<'_>, read: OpRef<'_>) -> bool {
    changes
        .hidings
        .iter()
        .map(|at| history.op(*at))
        .any(|op| op.invoke_us() < read.complete_us() && !is_same_user(op, read))
}

/// Returns true if no call wrote this content to the record, so that it is neither the reader's write nor a later one.
fn was_never_written(history: &History, key: KeyRef<'_>, value: StateRef<'_>) -> bool {
    let Some(digest) = value.digest() else { return false };
    let to_this = |op: OpRef<'_>| {
        op.effect().contents().any(|(to, written, _)| to.is_none_or(|to| to == key) && written == digest)
    };
    !history.writers(value).iter().any(|at| to_this(history.op(*at)))
}

/// Returns true if the reader's own write certainly replaced this content: every write of it to this record had ended before that one began.
fn is_stale(history: &History, key: KeyRef<'_>, value: StateRef<'_>, own: OpRef<'_>, read: OpRef<'_>) -> bool {
    let Some(digest) = value.digest() else { return false };
    if own.effect().wrote(digest) {
        return false;
    }
    let to_this = |op: &OpRef<'_>| op.effect().contents().any(|(to, written, _)| to == Some(key) && written == digest);
    let mut writes = history.writers(value).iter().map(|at| history.op(*at)).filter(to_this).peekable();
    let is_over = |op: OpRef<'_>| op.complete_us() < own.invoke_us() && op.invoke_us() < read.complete_us();
    writes.peek().is_some() && writes.all(|op| op.is_ok() && is_over(op))
}
