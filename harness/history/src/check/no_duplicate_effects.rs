//! no-duplicate-effects: a write has one effect, however often it was sent. Every content that the harness writes is written once and
//! carries its canary, so that one content under two ids is one write that took effect twice. A workflow has the key that its user gave it: one
//! that ended well under one key in two executions was run twice.

use super::{Check, Criteria, Judging, Kind, counted};
use crate::finding::Finding;
use crate::history::History;
use crate::op::{Effect, Op, Outcome, RecordState, Workflow, WorkflowEnd};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

pub(super) const CHECK: Check = Check {
    name: "no-duplicate-effects",
    about: "a write that was sent more than once has one effect",
    kind: Kind::Standing,
    run,
};

fn run(history: &History, _criteria: &Criteria) -> Option<Finding> {
    // Where each content was first seen: id, and position.
    let mut homes: HashMap<u64, (&Arc<str>, u32)> = HashMap::new();
    let mut told: HashSet<(u64, &Arc<str>)> = HashSet::new();
    // The execution that each key of a user stands for, and position.
    let mut executions: HashMap<(&str, &str, &str), (&str, u32)> = HashMap::new();
    let mut judging = Judging::new(CHECK.name);
    let answered = history.ops().iter().enumerate().filter(|(_, op)| op.outcome == Outcome::Ok);
    for (at, op) in answered {
        let at = at as u32;
        if let Some((key, execution)) = execution(&op.effect) {
            let (first, since) = *executions.entry((&op.tenant, &op.user, key)).or_insert_with(|| {
                judging.judged += 1;
                (execution, at)
            });
            if first != execution {
                judging.violation(
                    || format!("one key stands for execution `{first}` and for `{execution}`"),
                    &[since, at],
                );
            }
        }
        for (key, digest) in records(&op.effect) {
            let mut home = match homes.entry(digest) {
                Entry::Vacant(vacant) => {
                    vacant.insert((key, at));
                    judging.judged += 1;
                    continue;
                }
                Entry::Occupied(home) => home,
            };
            let (first, since) = *home.get();
            if first == key || told.contains(&(digest, key)) {
                continue;
            }
            let until_us = op.complete_us.max(history.op(since).complete_us);
            if deleted_by(history, first, until_us) || deleted_by(history, key, until_us) {
                home.insert((key, at));
            } else {
                told.insert((digest, key));
                judging.violation(|| format!("one content exists as `{first}` and as `{key}`"), &[since, at]);
            }
        }
    }
    let keys = executions.len() as u64;
    let mut summary = counted(judging.judged - keys, "content", "contents");
    if keys > 0 {
        summary = format!("{summary} and {}", counted(keys, "key of a workflow", "keys of workflows"));
    }
    let summary = format!("{summary} followed, {} under more than one id", judging.violations);
    Some(judging.finding(summary))
}

/// The key and the execution of a workflow that was run to its end; one that was stopped may be run anew.
fn execution(effect: &Effect) -> Option<(&str, &str)> {
    match effect {
        Effect::Workflow(Workflow {
            key: Some(key),
            execution: Some(execution),
            status: WorkflowEnd::Completed | WorkflowEnd::Degraded,
            ..
        }) => Some((key, execution)),
        _ => None,
    }
}

/// Returns the marked contents that certainly exist, with the ids of their records: those of an acknowledged write, and those that were read.
fn records(effect: &Effect) -> impl Iterator<Item = (&Arc<str>, u64)> {
    let written = effect.contents().filter_map(|(key, _, value)| Some((key?, value)));
    let read = match effect {
        Effect::Read { key, value: Some(value) } => Some((key, value)),
        _ => None,
    };
    let scanned: &[(Arc<str>, RecordState)] = match effect {
        Effect::Scan { hits, .. } => hits,
        _ => &[],
    };
    let all = written.chain(read).chain(scanned.iter().map(|(key, value)| (key, value)));
    all.filter(|(_, value)| value.canary.is_some()).filter_map(|(key, value)| Some((key, value.digest?)))
}

/// Tells whether a record may have been deleted by then, so that its content may be written anew.
fn deleted_by(history: &History, key: &str, until_us: u64) -> bool {
    let sent_by_then = |op: &Op| op.invoke_us <= until_us;
    history.changes(key).is_some_and(|changes| changes.deletes.iter().any(|at| sent_by_then(history.op(*at))))
}
