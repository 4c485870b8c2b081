//! no-lost-writes: the final read returns every acknowledged write with its content. A write that was not read back leaves the check open; it does
//! not count as kept. This is the set checker of Jepsen, extended to records that can be changed and deleted.

use super::builder::{FindingBuilder, counted};
use super::rule::{Check, Rule};
use crate::history::{Changes, History};
use crate::op::{Effect, Outcome, Phase, RecordState};
use std::collections::HashMap;

pub(super) const CHECK: Check = Check {
    name: "no-lost-writes",
    proves: "Every record whose write was acknowledged was read back by its id after the load, with the content of a write that may have been the last",
    blind_to: &[
        "Of two acknowledged updates that overlapped, either content passes: a lost update among concurrent ones is not seen.",
        "It reads by id: a record that no search and no list returns any more counts as kept.",
        "It compares contents, not versions, tags or visibility.",
        "A deletion that was not answered excuses a missing record.",
        "It reads once, after the load: a record that comes and goes passes if it is there at that moment.",
    ],
    evidence: "Acknowledged writes with their ids, and a read of each of these ids in the final phase.",
    rule: Rule::Records(judge),
};

fn judge(history: &History, finding: &mut FindingBuilder) -> String {
    let mut final_reads: HashMap<&str, (u32, Option<&RecordState>)> = HashMap::new();
    for (at, op, key, value) in history.reads() {
        if op.phase == Phase::Final {
            final_reads.insert(key, (at, value));
        }
    }
    for (key, changes) in history.keys() {
        let acknowledged = changes.writes.iter().rev().find(|at| history.op(**at).outcome == Outcome::Ok);
        let Some(write) = acknowledged.copied() else { continue };
        finding.judged += 1;
        match final_reads.get(&**key) {
            None => finding.open += 1,
            Some((_, None)) if may_be_deleted(history, changes) => {}
            Some((read, None)) => {
                finding.violation(
                    || format!("the write of `{key}` was acknowledged, and the record is gone"),
                    &[write, *read],
                );
            }
            Some((read, Some(value))) => {
                if value.digest.is_some_and(|digest| !may_be_last(history, changes, digest)) {
                    let what = || format!("`{key}` has a content that an acknowledged write had replaced");
                    finding.violation(what, &[write, *read]);
                }
            }
        }
    }
    judge_writes_without_id(history, finding);
    let mut summary = format!(
        "{} read back after the load, {} lost",
        counted(finding.judged - finding.open, "acknowledged write", "acknowledged writes"),
        finding.violations
    );
    if finding.open > 0 {
        summary.push_str(&format!("; {} not read back", finding.open));
    }
    summary
}

/// A write that was acknowledged without an id is lost, because no client can find the record again.
fn judge_writes_without_id(history: &History, finding: &mut FindingBuilder) {
    for (at, op) in history.answered() {
        if op.effect.contents().any(|(key, _, _)| key.is_none()) {
            finding.judged += 1;
            finding.violation(|| "a write was acknowledged without the id of the record".to_owned(), &[at]);
        }
    }
}

/// Returns true if a deletion may explain that a record is gone, because it may have taken effect after the last acknowledged write.
fn may_be_deleted(history: &History, changes: &Changes) -> bool {
    changes.deletes.iter().map(|at| history.op(*at)).any(|delete| {
        let written_after = |at: &u32| {
            let write = history.op(*at);
            write.outcome == Outcome::Ok && write.invoke_us > delete.complete_us
        };
        delete.outcome != Outcome::Ok || !changes.writes.iter().any(written_after)
    })
}

/// Returns true if the content with this digest may be that of the last write: no acknowledged write of another content began after a write of
/// this content had ended.
fn may_be_last(history: &History, changes: &Changes, digest: u64) -> bool {
    // A create without an answer may have created this record, because its id is unknown, and may take effect at any later time.
    let unanswered = history.writers(digest).iter().any(|at| {
        let op = history.op(*at);
        op.outcome != Outcome::Ok && matches!(&op.effect, Effect::Write { key: None, .. })
    });
    let is_replaced =
        |complete_us: u64| {
            changes.writes.iter().map(|at| history.op(*at)).any(|other| {
                other.outcome == Outcome::Ok && other.invoke_us > complete_us && !other.effect.wrote(digest)
            })
        };
    let mut writes = changes.writes.iter().map(|at| history.op(*at)).filter(|write| write.effect.wrote(digest));
    unanswered || writes.any(|write| write.outcome != Outcome::Ok || !is_replaced(write.complete_us))
}
