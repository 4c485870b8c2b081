//! no-lost-writes: the final read returns every acknowledged write with its content: the read of its id, and the final walk of its writer over
//! everything that the writer may see. A write for which neither was made is not judged and makes the check unknown. This is the set checker of
//! Jepsen, extended to records that can be changed and deleted.

use super::builder::FindingBuilder;
use super::rule::{Check, Rule};
use crate::counted;
use crate::history::{Changes, History};
use crate::op::Phase;
use crate::store::User;
use crate::threshold::percent;
use crate::view::{EffectRef, OpRef, StateRef};
use crate::walk::{Walk, walks};
use std::collections::HashMap;

pub(super) const CHECK: Check = Check {
    name: "no-lost-writes",
    proves: "Every record whose write was acknowledged was read back after the load, by its id or by a list of everything that its writer may see, and by both if both were recorded, with the content of a write that may have been the last",
    blind_to: &[
        "After two acknowledged updates that overlapped, either content passes: a lost update among concurrent ones is not seen.",
        "If the writer made no final list, the record is read by its id: it then passes even if no search and no list returns it any more.",
        "It compares contents, not versions, tags or visibility.",
        "A deletion that was not answered excuses a missing record.",
        "It reads once, after the load: a record that comes and goes passes if it is there at that moment.",
        "If there are more records than the load's `final_read_records`, it reads a sample that the seed chooses. The finding reports how many records were read, and the share of lost records that a sample of this size can miss.",
    ],
    evidence: "Acknowledged writes with their ids, and in the final phase a read of each of these ids, or a list of all records by their writer, to its last page. For a long load a sample of at least 1,000 records is enough.",
    rule: Rule::Records(judge),
};

/// With fewer records in the sample, it says too little of the others: of 1,000, none of which is lost, up to 0.3 % may be.
const LEAST_SAMPLE: u64 = 1_000;

fn judge(history: &History, finding: &mut FindingBuilder) -> String {
    // For each record: the position of its last final read.
    let mut final_reads = vec![None; history.key_count() as usize];
    for (at, _, key, _) in history.reads().filter(|(_, op, _, _)| op.phase() == Phase::Final) {
        final_reads[key.number() as usize] = Some(at);
    }
    let lists = final_lists(history);
    let (mut acknowledged_writes, mut read_by_id) = (0, 0);
    for (key, changes) in history.keys() {
        let acknowledged = changes.writes.iter().rev().find(|at| history.op(**at).is_ok());
        let Some(write) = acknowledged.copied() else { continue };
        acknowledged_writes += 1;
        let list = lists.get(&history.op(changes.writes[0]).caller());
        let listed = list
            .map(|list| list.records.get(&key.number()).map_or((list.last, None), |(at, value)| (*at, Some(*value))));
        let read = final_reads[key.number() as usize].map(|at| (at, value_read(history.op(at))));
        read_by_id += u64::from(read.is_some());
        if read.is_some() || listed.is_some() {
            finding.judged += 1;
        }
        // One record is one violation.
        let mut sights = read.into_iter().chain(listed);
        if let Some((at, what)) = sights.find_map(|(at, value)| Some((at, loss(history, changes, value)?))) {
            finding.violation(|| format!("the write of `{key}` was acknowledged, and {what}"), &[write, at]);
        }
    }
    let read_back = finding.judged;
    judge_writes_without_id(history, finding);
    let mut summary = format!(
        "{} read back after the load, {} lost",
        counted(finding.judged, "acknowledged write", "acknowledged writes"),
        finding.violations
    );
    let unread = acknowledged_writes - read_back;
    match history.conditions().sampled.filter(|chosen| unread > 0 && *chosen >= LEAST_SAMPLE) {
        Some(chosen) => {
            finding.open += chosen.saturating_sub(read_by_id);
            summary.push_str(&sample(acknowledged_writes, chosen, read_by_id, finding.violations));
        }
        None => {
            // A write that was not read back is judged as well: it leaves the check open.
            finding.judged += unread;
            finding.open += unread;
            if unread > 0 {
                summary.push_str(&format!("; {unread} not read back"));
            }
        }
    }
    summary
}

/// Describes the sample, and what it says of the records that were not read: if none of `n` is lost, fewer than `3 / n` of all are, with a confidence of
/// 95 % (the rule of three, Hanley and Lippman-Hand 1983).
fn sample(records: u64, chosen: u64, read: u64, lost: u64) -> String {
    let mut text = format!("; of {records} records {chosen} were chosen at random and read by their ids");
    if read < chosen {
        text.push_str(&format!(", {} of them without an answer", chosen - read));
    }
    if lost == 0 && read > 0 {
        let most = percent(3.0 / read as f64);
        text.push_str(&format!(", so that with a confidence of 95 % fewer than {most} of all records are lost"));
    }
    text
}

/// Returns the state in the reply to a read of one record; `None` if the record was missing.
fn value_read(op: OpRef<'_>) -> Option<StateRef<'_>> {
    match op.effect() {
        EffectRef::Read { value, .. } => value,
        _ => None,
    }
}

/// Returns what the final read shows of a loss; `value` is `None` if the record was missing.
fn loss(history: &History, changes: Changes<'_>, value: Option<StateRef<'_>>) -> Option<&'static str> {
    match value {
        None if may_be_deleted(history, changes) => None,
        None => Some("the record is gone"),
        Some(value) => {
            value.digest()?;
            (!may_be_last(history, changes, value)).then_some("the record has a content that it had replaced")
        }
    }
}

/// Everything that a user may see after the load.
struct FinalList<'h> {
    /// Position of its last page.
    last: u32,
    /// State of each record, and the position of its page, by the number of the record.
    records: HashMap<u32, (u32, StateRef<'h>)>,
}

/// Returns the lists that users walked to their end in the final phase, without words or tags.
fn final_lists(history: &History) -> HashMap<User, FinalList<'_>> {
    let is_final = |walk: &Walk| walk.is_whole && walk.first(history).phase() == Phase::Final;
    let is_of_all =
        |walk: &Walk| walk.query(history).is_some_and(|query| query.words.is_none() && query.tags.is_none());
    let walks = walks(history).into_iter().filter(|walk| is_final(walk) && is_of_all(walk));
    let list = |walk: Walk| {
        let records = walk.hits(history).map(|(at, key, value)| (key.number(), (at, value))).collect();
        Some((walk.first(history).caller(), FinalList { last: *walk.pages.last()?, records }))
    };
    walks.filter_map(list).collect()
}

/// A write that was acknowledged without an id is lost, because no client can find the record again.
fn judge_writes_without_id(history: &History, finding: &mut FindingBuilder) {
    for (at, op) in history.answered() {
        if op.effect().contents().any(|(key, _, _)| key.is_none()) {
            finding.judged += 1;
            finding.violation(|| "a write was acknowledged without the id of the record".to_owned(), &[at]);
        }
    }
}

/// Returns true if a deletion may explain that a record is gone, because it may have taken effect after the last acknowledged write.
fn may_be_deleted(history: &History, changes: Changes<'_>) -> bool {
    changes.deletes.iter().map(|at| history.op(*at)).any(|delete| {
        let written_after = |at: &u32| {
            let write = history.op(*at);
            write.is_ok() && write.invoke_us() > delete.complete_us()
        };
        !delete.is_ok() || !changes.writes.iter().any(written_after)
    })
}

/// Returns true if the content with this digest may be that of the last write: no acknowledged write of another content began after a write of
/// this content had ended.
fn may_be_last(history: &History, changes: Changes<'_>, value: StateRef<'_>) -> bool {
    let Some(digest) = value.digest() else { return true };
    // A create without an answer may have created this record, because its id is unknown, and may take effect at any later time.
    let unanswered = history.writers(value).iter().any(|at| {
        let op = history.op(*at);
        !op.is_ok() && matches!(op.effect(), EffectRef::Write { key: None, .. })
    });
    let is_replaced = |complete_us: u64| {
        changes
            .writes
            .iter()
            .map(|at| history.op(*at))
            .any(|other| other.is_ok() && other.invoke_us() > complete_us && !other.effect().wrote(digest))
    };
    let mut writes = changes.writes.iter().map(|at| history.op(*at)).filter(|write| write.effect().wrote(digest));
    unanswered || writes.any(|write| !write.is_ok() || !is_replaced(write.complete_us()))
}
