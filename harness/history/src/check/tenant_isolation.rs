//! tenant-isolation: no reply contains a content of another organisation, of another workspace, or a private content of another user. Every content
//! carries the mark of its writer, so the content itself shows its owner (decision 0004).

mod attempts;

use super::builder::FindingBuilder;
use super::rule::{Check, Rule};
use crate::counted;
use crate::history::{History, RecordRead};
use crate::timeline::is_same_user;
use crate::view::{CanaryRef, EffectRef, OpRef};
use attempts::Attempts;
use std::collections::HashSet;

pub(super) const CHECK: Check = Check {
    name: "tenant-isolation",
    proves: "No content in a reply carries the mark of another organisation, of another workspace, or of another user who keeps it private or had made it private before",
    blind_to: &[
        "It judges only the attempts that were made and answered. The finding counts them by kind; one attempt of any kind to reach another organisation or workspace is enough for a pass.",
        "A search by words counts as an attempt only if the load recorded which record it was for; a list by a tag counts if another organisation has a record with that tag.",
        "A content without a mark shows no owner. Counts, ids, tags, timing and error codes can leak, and are not judged.",
        "If the owner of a private record has once shared it by an update, colleagues may read it from then on.",
        "Marks outside the listed records of a reply are judged only if the client records them.",
    ],
    evidence: "Replies with marked contents, users of at least two organisations, and attempts to reach a record of another organisation or workspace: by id, by search or list, or by cursor.",
    rule: Rule::Records(judge),
};

fn judge(history: &History, finding: &mut FindingBuilder) -> String {
    for read in history.records_read() {
        let Some(canary) = read.value.canary() else { continue };
        finding.judged += 1;
        if let Some(whose) = breach(canary, read.op, || was_shared(history, &read)) {
            finding.violation(|| format!("`{}` read `{}`, {whose}", read.op.user(), read.key), &[read.at]);
        } else if let Some(hiding) = hiding_before(history, &read) {
            let what = || format!("`{}` read `{}` after it had been made private", read.op.user(), read.key);
            finding.violation(what, &[hiding, read.at]);
        }
    }
    let shared = shared_marks(history);
    for (at, strays) in history.strays() {
        let op = history.op(at);
        for canary in strays {
            finding.judged += 1;
            if let Some(whose) = breach(canary, op, || shared.contains(&canary)) {
                let what = || format!("the reply to `{}` has a content outside its records, {whose}", op.user());
                finding.violation(what, &[at]);
            }
        }
    }
    let record_calls = history.ops().filter(|op| is_about_records(op.effect()));
    let tenants = record_calls.map(|op| op.caller().tenant).collect::<HashSet<u32>>().len() as u64;
    let attempts = Attempts::of(history);
    if tenants < 2 || attempts.cross_scope_attempts() == 0 {
        finding.open += 1;
    }
    let few = if tenants < 2 { "; isolation needs at least two" } else { "" };
    format!(
        "{} read by {}{few}, {} that the reader must not see; {attempts}",
        counted(finding.judged, "record", "records"),
        counted(tenants, "organisation", "organisations"),
        finding.violations,
    )
}

/// Returns the owner of the content in words, if the reader must not see it.
fn breach(canary: CanaryRef<'_>, reader: OpRef<'_>, was_shared: impl FnOnce() -> bool) -> Option<String> {
    if canary.tenant != reader.tenant() {
        Some(format!("which belongs to `{}` and not to `{}`", canary.tenant, reader.tenant()))
    } else if canary.workspace != reader.workspace() {
        let name = |workspace: Option<&str>| workspace.unwrap_or("default").to_owned();
        Some(format!(
            "which belongs to the workspace `{}` and not to `{}`",
            name(canary.workspace),
            name(reader.workspace())
        ))
    } else if !canary.shared && canary.user != reader.user() && !was_shared() {
        Some(format!("which `{}` keeps private", canary.user))
    } else {
        None
    }
}

/// Returns the acknowledged update that made the record of another user private before the read began, unless a later one may have shared it again.
/// The mark does not show this: it has the visibility at the time of the write.
fn hiding_before(history: &History, read: &RecordRead<'_>) -> Option<u32> {
    let changes = history.changes(read.key)?;
    let owner = history.op(*changes.writes.first()?);
    if is_same_user(owner, read.op) {
        return None;
    }
    let acknowledged = |at: &u32| {
        let hiding = history.op(*at);
        hiding.is_ok() && hiding.complete_us() < read.op.invoke_us()
    };
    let last = changes.hidings.iter().copied().filter(acknowledged).max_by_key(|at| history.op(*at).invoke_us())?;
    let hidden_us = history.op(last).invoke_us();
    // Without an answer a change may take effect at any later time.
    let may_follow =
        |op: OpRef<'_>| op.invoke_us() < read.op.complete_us() && (!op.is_ok() || op.complete_us() >= hidden_us);
    let is_shared_again = changes.shares.iter().any(|at| may_follow(history.op(*at)));
    (!is_shared_again).then_some(last)
}

/// Returns true if an update that was sent before the read ended may have shared the record with its workspace. The mark does not show this: it has
/// the visibility at the time of the write.
fn was_shared(history: &History, read: &RecordRead<'_>) -> bool {
    let shares = history.changes(read.key).map(|changes| changes.shares).unwrap_or_default();
    shares.iter().any(|at| history.op(*at).invoke_us() < read.op.complete_us())
}

const fn is_about_records(effect: EffectRef<'_>) -> bool {
    !matches!(
        effect,
        EffectRef::None
            | EffectRef::Verdict { .. }
            | EffectRef::Inject { .. }
            | EffectRef::Workflow(_)
            | EffectRef::Outage { .. }
    )
}

/// Returns the marks of the contents of records that an update shared, or may have. Outside the records of a reply, a mark shows no id.
fn shared_marks(history: &History) -> HashSet<CanaryRef<'_>> {
    let shared = history.keys().filter(|(_, changes)| !changes.shares.is_empty());
    let writes = shared.flat_map(|(key, changes)| changes.writes.iter().map(move |at| (key, history.op(*at))));
    writes
        .flat_map(|(key, op)| op.effect().contents().filter(move |(of, _, _)| *of == Some(key)))
        .filter_map(|(_, _, value)| value.canary())
        .collect()
}
