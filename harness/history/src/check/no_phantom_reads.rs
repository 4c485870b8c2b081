//! no-phantom-reads: no reply has a content that was not written to its record: never sent, certainly refused, sent later, or deleted before.

use super::builder::FindingBuilder;
use super::rule::{Check, Rule};
use crate::counted;
use crate::history::{History, RecordRead};
use crate::view::{EffectRef, OpRef};

pub(super) const CHECK: Check = Check {
    name: "no-phantom-reads",
    proves: "Every content in a reply had been sent for that record by a call that was not refused, and no reply has a record whose deletion was acknowledged before the read began",
    blind_to: &[
        "Any content that the record ever had passes: it does not see stale reads.",
        "It does not see what is missing from a reply.",
        "A deletion that was not answered does not count, so a record that appears after it passes.",
        "It judges only the records that calls return: unless every user reads everything at the end, a record that was never written is found only by chance.",
        "In a run with workflows, a record without a mark that no call of the harness wrote is not judged: workflows store memories of their own.",
        "The check fails for a store that had records before the run, because the history does not have their writes.",
    ],
    evidence: "Replies with records, from reads by id, searches, lists or exports.",
    rule: Rule::Records(judge),
};

fn judge(history: &History, finding: &mut FindingBuilder) -> String {
    let has_workflows = history.answered().any(|(_, op)| matches!(op.effect(), EffectRef::Workflow(_)));
    for read in history.records_read() {
        if has_workflows && !read.value.is_marked() && history.changes(read.key).is_none() {
            continue;
        }
        finding.judged += 1;
        if read.value.digest().is_some_and(|digest| !is_written(history, &read, digest)) {
            finding.violation(|| format!("`{}` has a content that was never written to it", read.key), &[read.at]);
        } else if let Some(delete) = deletion_before(history, &read) {
            let what = || format!("`{}` was returned after its deletion was acknowledged", read.key);
            finding.violation(what, &[delete, read.at]);
        }
    }
    format!("{} read, {} never written or deleted", counted(finding.judged, "record", "records"), finding.violations)
}

/// Returns true if a call had sent this content for this record before the read ended.
fn is_written(history: &History, read: &RecordRead<'_>, digest: u64) -> bool {
    history.writers(read.value).iter().any(|at| {
        let write = history.op(*at);
        let mut contents = write.effect().contents().filter(|(_, written, _)| *written == digest);
        let same_record = contents.any(|(key, _, _)| key.is_none_or(|key| key.has_id_of(read.key)));
        same_record && may_be_of(read, write) && write.invoke_us() <= read.op.complete_us()
    })
}

/// Returns true if the write was made in the organisation of the reader. A content with the mark of another one was leaked, which `tenant-isolation`
/// judges.
fn may_be_of(read: &RecordRead<'_>, write: OpRef<'_>) -> bool {
    let is_leaked = read.value.canary().is_some_and(|canary| canary.tenant != read.op.tenant());
    is_leaked || write.caller().tenant == read.op.caller().tenant
}

/// Returns a deletion that had been acknowledged before the read began. Ids are never reused.
fn deletion_before(history: &History, read: &RecordRead<'_>) -> Option<u32> {
    let deletes = history.changes(read.key).map(|changes| changes.deletes).unwrap_or_default();
    deletes.iter().copied().find(|at| {
        let delete = history.op(*at);
        delete.is_ok() && delete.complete_us() < read.op.invoke_us()
    })
}
