//! tenant-isolation: no reply contains a content of another organisation, of another workspace, or a private content of another user. Every content
//! carries the mark of its writer, so the content itself shows its owner (decision 0004).

use super::builder::{FindingBuilder, counted};
use super::rule::{Check, Rule};
use crate::history::{History, RecordRead};
use crate::op::{Canary, Effect, Op};
use std::collections::HashSet;
use std::sync::Arc;

pub(super) const CHECK: Check = Check {
    name: "tenant-isolation",
    proves: "No content in a reply carries the mark of another organisation, of another workspace, or of another user who keeps it private",
    blind_to: &[
        "It judges what was tried: the finding counts the reads of foreign ids, and passes also if there were none.",
        "Searches, lists and cursors of other organisations count as attempts only if the load makes them.",
        "A content without a mark shows no owner. Counts, ids, tags, timing and error codes can leak, and are not judged.",
        "A private record that its owner had shared by an update before passes for its colleagues from then on.",
        "Marks outside the listed records of a reply are judged only if the client records them.",
    ],
    evidence: "Replies with marked contents, and users of at least two organisations.",
    rule: Rule::Records(judge),
};

fn judge(history: &History, finding: &mut FindingBuilder) -> String {
    for read in history.records_read() {
        let Some(canary) = &read.value.canary else { continue };
        finding.judged += 1;
        if let Some(whose) = breach(canary, read.op, || was_shared(history, &read)) {
            finding.violation(|| format!("`{}` read `{}`, {whose}", read.op.user, read.key), &[read.at]);
        }
    }
    for (at, op) in history.numbered() {
        for canary in &op.strays {
            finding.judged += 1;
            if let Some(whose) = breach(canary, op, || false) {
                let what = || format!("the reply to `{}` has a content outside its records, {whose}", op.user);
                finding.violation(what, &[at]);
            }
        }
    }
    let record_calls = history.ops().iter().filter(|op| is_about_records(&op.effect));
    let tenants = record_calls.map(|op| &*op.tenant).collect::<HashSet<&str>>().len() as u64;
    if tenants < 2 {
        finding.open += 1;
    }
    let few = if tenants < 2 { "; isolation needs at least two" } else { "" };
    format!(
        "{} read by {}{few}, {} that the reader must not see; {} to read a foreign record by its id",
        counted(finding.judged, "record", "records"),
        counted(tenants, "organisation", "organisations"),
        finding.violations,
        counted(foreign_attempts(history), "attempt", "attempts"),
    )
}

/// Returns the owner of the content in words, if the reader must not see it.
fn breach(canary: &Canary, reader: &Op, was_shared: impl FnOnce() -> bool) -> Option<String> {
    if canary.tenant != reader.tenant {
        Some(format!("which belongs to `{}` and not to `{}`", canary.tenant, reader.tenant))
    } else if canary.workspace != reader.workspace {
        let name = |workspace: &Option<Arc<str>>| workspace.as_deref().unwrap_or("default").to_owned();
        Some(format!(
            "which belongs to the workspace `{}` and not to `{}`",
            name(&canary.workspace),
            name(&reader.workspace)
        ))
    } else if !canary.shared && canary.user != reader.user && !was_shared() {
        Some(format!("which `{}` keeps private", canary.user))
    } else {
        None
    }
}

/// Returns true if an update that was sent before the read ended may have shared the record with its workspace. The mark does not show this: it has
/// the visibility at the time of the write.
fn was_shared(history: &History, read: &RecordRead<'_>) -> bool {
    let shares = history.changes(read.key).map(|changes| changes.shares.as_slice()).unwrap_or_default();
    shares.iter().any(|at| history.op(*at).invoke_us < read.op.complete_us)
}

fn is_about_records(effect: &Effect) -> bool {
    !matches!(
        effect,
        Effect::None | Effect::Verdict { .. } | Effect::Inject { .. } | Effect::Workflow(_) | Effect::Outage { .. }
    )
}

/// Returns the number of answered reads by id whose record was written by another organisation.
fn foreign_attempts(history: &History) -> u64 {
    let is_foreign = |key: &str, reader: &str| {
        let writes = history.changes(key).map(|changes| changes.writes.as_slice()).unwrap_or_default();
        writes.first().is_some_and(|at| &*history.op(*at).tenant != reader)
    };
    history.reads().filter(|(_, op, key, _)| is_foreign(key, &op.tenant)).count() as u64
}
