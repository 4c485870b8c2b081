//! tenant-isolation: nobody reads what another organisation wrote, nor what another user keeps private. Every content carries the
//! canary of who wrote it, so that one look at it tells.

use super::{Check, Criteria, Judging, Kind, counted};
use crate::finding::Finding;
use crate::history::{History, Sight};
use crate::op::{Canary, Effect, Op};
use std::collections::HashSet;
use std::sync::Arc;

pub(super) const CHECK: Check = Check {
    name: "tenant-isolation",
    about: "nobody reads what another organisation wrote, nor what another user keeps private",
    kind: Kind::Standing,
    run,
};

fn run(history: &History, _criteria: &Criteria) -> Option<Finding> {
    let mut judging = Judging::new(CHECK.name);
    for sight in history.sights() {
        let Some(canary) = &sight.value.canary else { continue };
        judging.judged += 1;
        if let Some(wrong) = breach(canary, sight.op, was_shared(history, &sight)) {
            judging.violation(|| format!("`{}` read `{}`, {wrong}", sight.op.user, sight.key), &[sight.at]);
        }
    }
    for (at, op) in history.ops().iter().enumerate() {
        for canary in &op.strays {
            judging.judged += 1;
            if let Some(wrong) = breach(canary, op, false) {
                judging.violation(|| format!("the reply to `{}` has a content in it, {wrong}", op.user), &[at as u32]);
            }
        }
    }
    let attempts = foreign_attempts(history);
    let tenants: HashSet<&str> =
        history.ops().iter().filter(|op| touches_records(&op.effect)).map(|op| &*op.tenant).collect();
    if tenants.len() < 2 {
        judging.open += 1;
    }
    let mut summary = format!(
        "{} read by {}, {} of somebody else's; {} to read another's record by its id",
        counted(judging.judged, "record", "records"),
        counted(tenants.len() as u64, "organisation", "organisations"),
        judging.violations,
        counted(attempts, "attempt", "attempts"),
    );
    if tenants.len() < 2 {
        summary.push_str("; with one organisation alone nothing is known of isolation");
    }
    Some(judging.finding(summary))
}

/// Why the reader must not see a content with this mark; `None` if it may.
fn breach(canary: &Canary, reader: &Op, was_shared: bool) -> Option<String> {
    if canary.tenant != reader.tenant {
        Some(format!("which `{}` wrote and a user of `{}` must not see", canary.tenant, reader.tenant))
    } else if canary.workspace != reader.workspace {
        let name = |workspace: &Option<Arc<str>>| workspace.as_deref().unwrap_or("default").to_owned();
        let (written, read) = (name(&canary.workspace), name(&reader.workspace));
        Some(format!("which was written in the workspace `{written}` and must not be seen in `{read}`"))
    } else if !canary.shared && !was_shared && canary.user != reader.user {
        Some(format!("which `{}` keeps private", canary.user))
    } else {
        None
    }
}

/// Returns true if an update sent before the read ended may have made the record readable for its workspace. The mark in its content still
/// says what was so when the content was written.
fn was_shared(history: &History, sight: &Sight<'_>) -> bool {
    let shares = history.changes(sight.key).map(|changes| changes.shares.as_slice()).unwrap_or_default();
    shares.iter().any(|at| history.op(*at).invoke_us < sight.op.complete_us)
}

fn touches_records(effect: &Effect) -> bool {
    !matches!(
        effect,
        Effect::None | Effect::Verdict { .. } | Effect::Inject { .. } | Effect::Workflow(_) | Effect::Outage { .. }
    )
}

/// Reads by id of records that another organisation wrote.
fn foreign_attempts(history: &History) -> u64 {
    let foreign = |key: &str, reader: &str| {
        let writes = history.changes(key).map(|changes| changes.writes.as_slice()).unwrap_or_default();
        writes.first().is_some_and(|at| &*history.op(*at).tenant != reader)
    };
    history.reads().filter(|(_, op, key, _)| foreign(key, &op.tenant)).count() as u64
}
