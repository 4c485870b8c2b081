//! no-duplicate-effects: a write has one effect, even if it was sent several times. The harness gives every content a mark and writes it once, so
//! one content under two ids means that a write took effect twice. A workflow is identified by the idempotency key of its client: if two executions
//! with one key ran to their end, the workflow ran twice.

use super::builder::FindingBuilder;
use super::rule::{Check, Rule};
use crate::counted;
use crate::history::History;
use crate::op::WorkflowEnd;
use crate::view::{EffectRef, KeyRef, OpRef, StateRef, WorkflowRef};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

pub(super) const CHECK: Check = Check {
    name: "no-duplicate-effects",
    proves: "No content that the harness wrote appeared under two ids, and no idempotency key of a workflow belongs to two executions that ran",
    blind_to: &[
        "A duplicate that no reply contained is not seen: it needs a list, search or read that returns it.",
        "A content without a mark, which the harness did not write, is not judged.",
        "An update that was applied twice to one record passes, because its id stays the same.",
        "A duplicate passes if either record may have been deleted before the other appeared.",
        "A workflow without an idempotency key is not judged, and neither are the effects of the steps of a workflow.",
    ],
    evidence: "Acknowledged writes and replies whose contents carry a mark, or workflows with a key.",
    rule: Rule::Records(judge),
};

fn judge(history: &History, finding: &mut FindingBuilder) -> String {
    let mut contents = Contents::default();
    // For each key of a user: the execution that the first reply named, and the position of that call.
    let mut executions: HashMap<(&str, &str, &str), (&str, u32)> = HashMap::new();
    for (at, op) in history.answered() {
        if let Some((key, execution)) = execution(op.effect()) {
            let (first, since) = *executions.entry((op.tenant(), op.user(), key)).or_insert_with(|| {
                finding.judged += 1;
                (execution, at)
            });
            if first != execution {
                let what = || format!("one key of a workflow has the executions `{first}` and `{execution}`");
                finding.violation(what, &[since, at]);
            }
        }
        for (key, digest) in records(op.effect()) {
            contents.judge(history, (at, op), key, digest, finding);
        }
    }
    let keys = executions.len() as u64;
    let mut summary = counted(finding.judged - keys, "content", "contents");
    if keys > 0 {
        summary = format!("{summary} and {}", counted(keys, "key of a workflow", "keys of workflows"));
    }
    format!("{summary} followed, {} under more than one id", finding.violations)
}

#[derive(Default)]
struct Contents<'h> {
    /// Id under which each content first appeared, and the position of that call.
    first: HashMap<u64, (KeyRef<'h>, u32)>,
    /// Contents that were reported, each with the number of the id.
    reported: HashSet<(u64, u32)>,
}

impl<'h> Contents<'h> {
    fn judge(
        &mut self,
        history: &History,
        (at, op): (u32, OpRef<'_>),
        key: KeyRef<'h>,
        digest: u64,
        finding: &mut FindingBuilder,
    ) {
        let mut earlier = match self.first.entry(digest) {
            Entry::Vacant(vacant) => {
                vacant.insert((key, at));
                finding.judged += 1;
                return;
            }
            Entry::Occupied(earlier) => earlier,
        };
        let (first, since) = *earlier.get();
        if first.has_id_of(key) || self.reported.contains(&(digest, key.id_number())) {
            return;
        }
        let until_us = op.complete_us().max(history.op(since).complete_us());
        if may_be_deleted(history, first, until_us) || may_be_deleted(history, key, until_us) {
            // One of the two records may be gone, so this is no duplicate. Later replies are compared with the newer id.
            earlier.insert((key, at));
        } else {
            self.reported.insert((digest, key.id_number()));
            finding.violation(|| format!("one content exists as `{first}` and as `{key}`"), &[since, at]);
        }
    }
}

/// Returns the key and the execution of a workflow that ran to its end. A workflow that was stopped is not judged, because it may run again with
/// its key.
const fn execution(effect: EffectRef<'_>) -> Option<(&str, &str)> {
    match effect {
        EffectRef::Workflow(WorkflowRef {
            key: Some(key),
            execution: Some(execution),
            status: WorkflowEnd::Completed | WorkflowEnd::Degraded,
            ..
        }) => Some((key, execution)),
        _ => None,
    }
}

/// Returns the marked contents that certainly exist, with the ids of their records: the contents of an acknowledged write, and contents that were
/// read.
fn records(effect: EffectRef<'_>) -> impl Iterator<Item = (KeyRef<'_>, u64)> {
    let written = effect.contents().filter_map(|(key, _, value)| Some((key?, value)));
    let marked = |(_, value): &(KeyRef<'_>, StateRef<'_>)| value.is_marked();
    written.chain(effect.returned()).filter(marked).filter_map(|(key, value)| Some((key, value.digest()?)))
}

/// Returns true if a record may have been deleted by then, so that its content may exist again under another id.
fn may_be_deleted(history: &History, key: KeyRef<'_>, until_us: u64) -> bool {
    let is_sent = |at: &u32| history.op(*at).invoke_us() <= until_us;
    history.changes(key).is_some_and(|changes| changes.deletes.iter().any(is_sent))
}
