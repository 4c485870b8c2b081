//! register: each record is a linearizable register with compare-and-set and delete. Every reply about a record can be explained by one order of
//! the calls to it, in which each call takes effect between its begin and its end. Records are independent, so each is judged alone (Herlihy and Wing
//! 1990: a history is linearizable if each of its objects is).

mod search;
mod state;

use super::builder::FindingBuilder;
use super::rule::{Check, Rule};
use crate::counted;
use crate::history::History;
use crate::timeline::{self, Record};
use crate::view::{EffectRef, OpRef};
use search::{Search, SearchEnd};

pub(super) const CHECK: Check = Check {
    name: "register",
    proves: "The calls to each record can be put in one order, each call taking effect between its start and its end, that explains every version, content, visibility and missing record in the replies (linearizability)",
    blind_to: &[
        "A field that is neither in the requests nor in the replies cannot contradict anything: if replies have no versions, two overlapping updates that were merged into one pass.",
        "It does not see which records a search or list omits; `index-agrees` does.",
        "Each record is judged alone: a combination of states that never existed at one moment passes, such as one record from before a write and another from after it.",
        "An unanswered change may take effect at any later time, or never. A reply that it could explain passes.",
        "A write with the user, id and content of an earlier write is treated as a retry with the same idempotency key: both count as one write.",
        "A record that was missing for a colleague is excused unless its visibility was recorded.",
        "A record that no call of the history created is not judged.",
    ],
    evidence: "Calls to records that the run created. If the calls to a record need too many steps to be judged, the check is unknown and names the record.",
    rule: Rule::Records(judge),
};

fn judge(history: &History, finding: &mut FindingBuilder) -> String {
    let (mut search, mut events) = (Search::default(), Vec::new());
    let (mut records, mut undecided) = (0, 0);
    timeline::for_each_record(history, |record| {
        events.clear();
        events.extend_from_slice(record.events);
        records += 1;
        finding.judged += record.events.iter().filter(|event| event.is_certain()).count() as u64;
        match search.order(&mut events) {
            SearchEnd::Explained => {}
            SearchEnd::Undecided => {
                undecided += 1;
                finding.doubt(format!("the calls to `{}` overlap too much to be judged", record.key));
            }
            SearchEnd::Impossible { stuck, after } => {
                let ops: Vec<u32> = after.into_iter().filter(|after| *after != stuck).chain([stuck]).collect();
                finding.violation(|| describe(record, history.op(stuck)), &ops);
            }
        }
    });
    let undecided = if undecided > 0 { format!(", {undecided} not decided") } else { String::new() };
    format!(
        "{} to {}, {} without an order that explains them{undecided}",
        counted(finding.judged, "call", "calls"),
        counted(records, "record", "records"),
        finding.violations
    )
}

fn describe(record: &Record<'_, '_>, op: OpRef<'_>) -> String {
    let did = match op.effect() {
        EffectRef::Write { existing: false, .. } | EffectRef::Writes { .. } => "was acknowledged as a new record",
        EffectRef::Write { .. } => "was answered with this record as an equal one",
        EffectRef::Update { .. } if op.is_ok() => "was acknowledged",
        EffectRef::Delete { .. } | EffectRef::Deletes { .. } if op.is_ok() => "was acknowledged",
        EffectRef::Update { .. } | EffectRef::Delete { .. } => "was refused",
        EffectRef::Read { value: None, .. } => "did not find it",
        _ => "had a result that fits no order",
    };
    format!("no order of the calls to `{}` explains that `{}` of `{}` {did}", record.key, op.name(), op.user())
}
