//! no-lost-writes: the final read returns every acknowledged write with its content: the read of its id, and the final walk of its writer over
//! everything that the writer may see. A write that neither could return leaves the check open; it does not count as kept. This is the set checker of Jepsen, extended to records that can be changed and deleted.

use super::builder::{FindingBuilder, counted};
use super::rule::{Check, Rule};
use crate::history::{Changes, History};
use crate::op::{Effect, Op, Outcome, Phase, RecordState};
use crate::walk::{Walk, walks};
use std::collections::HashMap;

pub(super) const CHECK: Check = Check {
    name: "no-lost-writes",
    proves: "Every record whose write was acknowledged was read back after the load, by its id or by a list of everything that its writer may see, and by both if both were recorded, with the content of a write that may have been the last",
    blind_to: &[
        "Of two acknowledged updates that overlapped, either content passes: a lost update among concurrent ones is not seen.",
        "Without a final list of its writer it reads by id: a record that no search and no list returns any more counts as kept.",
        "It compares contents, not versions, tags or visibility.",
        "A deletion that was not answered excuses a missing record.",
        "It reads once, after the load: a record that comes and goes passes if it is there at that moment.",
    ],
    evidence: "Acknowledged writes with their ids, and in the final phase a read of each of these ids, or a list of all records by their writer, to its last page.",
    rule: Rule::Records(judge),
};

fn judge(history: &History, finding: &mut FindingBuilder) -> String {
    let mut final_reads: HashMap<&str, (u32, Option<&RecordState>)> = HashMap::new();
    for (at, op, key, value) in history.reads() {
        if op.phase == Phase::Final {
            final_reads.insert(key, (at, value));
        }
    }
    let lists = final_lists(history);
    for (key, changes) in history.keys() {
        let acknowledged = changes.writes.iter().rev().find(|at| history.op(**at).outcome == Outcome::Ok);
        let Some(write) = acknowledged.copied() else { continue };
        finding.judged += 1;
        let writer = user(history.op(changes.writes[0]));
        let listed = lists.get(&writer).map(|list| (list.last, list.records.get(&**key).copied()));
        let read = final_reads.get(&**key).copied();
        let listed = listed.map(|(last, record)| record.map_or((last, None), |(at, value)| (at, Some(value))));
        if read.is_none() && listed.is_none() {
            finding.open += 1;
        }
        // One record is one violation.
        let mut sights = read.into_iter().chain(listed);
        if let Some((at, what)) = sights.find_map(|(at, value)| Some((at, loss(history, changes, value)?))) {
            finding.violation(|| format!("the write of `{key}` was acknowledged, and {what}"), &[write, at]);
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

/// Returns what the final read shows of a loss; `value` is `None` if the record was missing.
fn loss(history: &History, changes: &Changes, value: Option<&RecordState>) -> Option<&'static str> {
    match value {
        None if may_be_deleted(history, changes) => None,
        None => Some("the record is gone"),
        Some(value) => {
            let digest = value.digest?;
            (!may_be_last(history, changes, digest)).then_some("the record has a content that it had replaced")
        }
    }
}

type User<'h> = (&'h str, &'h str, Option<&'h str>);

fn user(op: &Op) -> User<'_> {
    (&op.tenant, &op.user, op.workspace.as_deref())
}

/// Everything that a user may see after the load.
struct FinalList<'h> {
    /// Position of its last page.
    last: u32,
    /// State of each record, and the position of its page.
    records: HashMap<&'h str, (u32, &'h RecordState)>,
}

/// Returns the lists that users walked to their end in the final phase, without words or tags.
fn final_lists(history: &History) -> HashMap<User<'_>, FinalList<'_>> {
    let is_final = |walk: &Walk| walk.is_whole && walk.first(history).phase == Phase::Final;
    let is_of_all =
        |walk: &Walk| walk.query(history).is_some_and(|query| query.words.is_none() && query.tags.is_none());
    let walks = walks(history).into_iter().filter(|walk| is_final(walk) && is_of_all(walk));
    let list = |walk: Walk| {
        let records = walk.hits(history).map(|(at, key, value)| (&**key, (at, value))).collect();
        Some((user(walk.first(history)), FinalList { last: *walk.pages.last()?, records }))
    };
    walks.filter_map(list).collect()
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
