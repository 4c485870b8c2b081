//! tenant-isolation: nobody reads what another organisation wrote, nor what another user keeps private. Every content carries the
//! canary of who wrote it, so that one look at it tells.

use super::{Check, Criteria, Judging, Kind, counted};
use crate::finding::Finding;
use crate::history::History;
use crate::op::Effect;
use std::collections::HashSet;

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
        let reader = sight.op;
        if canary.tenant != reader.tenant {
            judging.violation(
                || {
                    format!(
                        "`{}` of `{}` read `{}`, which `{}` wrote",
                        reader.user, reader.tenant, sight.key, canary.tenant
                    )
                },
                &[sight.at],
            );
        } else if !canary.shared && canary.user != reader.user {
            judging.violation(
                || format!("`{}` read `{}`, which `{}` keeps private", reader.user, sight.key, canary.user),
                &[sight.at],
            );
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
