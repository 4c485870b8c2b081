//! no-phantom-reads: nobody reads what nobody wrote, what was certainly refused, what was not yet sent, or what was deleted before.

use super::{Check, Criteria, Judging, Kind, counted};
use crate::finding::Finding;
use crate::history::{History, Sight};
use crate::op::Outcome;

pub(super) const CHECK: Check = Check {
    name: "no-phantom-reads",
    about: "everything that is read was written before, and not deleted since",
    kind: Kind::Standing,
    run,
};

fn run(history: &History, _criteria: &Criteria) -> Option<Finding> {
    let mut judging = Judging::new(CHECK.name);
    for sight in history.sights() {
        judging.judged += 1;
        if sight.value.digest.is_some_and(|digest| !written(history, &sight, digest)) {
            judging.violation(
                || format!("`{}` was read with a content that nobody had written to it", sight.key),
                &[sight.at],
            );
        } else if let Some(delete) = deleted(history, &sight) {
            judging.violation(
                || format!("`{}` was read after its deletion was acknowledged", sight.key),
                &[delete, sight.at],
            );
        }
    }
    let summary = format!(
        "{} read, {} without a write behind them",
        counted(judging.judged, "record", "records"),
        judging.violations
    );
    Some(judging.finding(summary))
}

/// Tells whether somebody had sent this content for this record before the read ended.
fn written(history: &History, sight: &Sight<'_>, digest: u64) -> bool {
    history.writers(digest).iter().any(|at| {
        let write = history.op(*at);
        let mut written = write.effect.contents().filter(|(_, written, _)| *written == digest);
        let same_record = written.any(|(key, _, _)| key.is_none_or(|key| key == sight.key));
        same_record && write.invoke_us <= sight.op.complete_us
    })
}

/// A deletion that had ended before the read began; ids are never used again.
fn deleted(history: &History, sight: &Sight<'_>) -> Option<u32> {
    let deletes = history.changes(sight.key).map(|changes| changes.deletes.as_slice()).unwrap_or_default();
    deletes.iter().copied().find(|at| {
        let delete = history.op(*at);
        delete.outcome == Outcome::Ok && delete.complete_us < sight.op.invoke_us
    })
}
