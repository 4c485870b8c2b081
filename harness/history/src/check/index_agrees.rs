//! index-agrees: what searches and lists return is what was stored. A search for one record returns it, or nothing if the reader must not see it. A
//! list returns each record that the reader may see once, newest first, and no other one; its first pages return the newest ones.

mod record_index;

use super::Criteria;
use super::builder::FindingBuilder;
use super::rule::{Check, Rule};
use crate::counted;
use crate::finding::Evidence;
use crate::history::History;
use crate::op::Phase;
use crate::view::{EffectRef, KeyRef, OpRef};
use crate::walk::{Walk, walks};
use record_index::{IndexedRecord, RecordIndex};

pub(super) const CHECK: Check = Check {
    name: "index-agrees",
    proves: "Every search for one record returned exactly this record if the reader may see it, and every list returned each record with its tag that the reader may see, once, newest first, and none that was deleted or that the reader must not see",
    blind_to: &[
        "A search by words is judged only if the load recorded which record it was for, and only after the load or if the record was never changed.",
        "A record with several tags, or whose tags may have changed, is not expected in lists by a tag. A record whose visibility may have changed is expected only in lists of its user.",
        "If a walk through a list did not reach its last page, only records that are certainly newer than its last record are expected.",
        "The order of two records is judged only if their creations are at least 100 ms apart, because clocks of servers differ.",
        "In a scenario only searches for one record and walks after the load are judged, because the history does not have all filters of a list.",
        "Records that the run did not create are ignored, and exports are not judged.",
        "A record that is in a list twice passes if its tags or its visibility may have changed meanwhile.",
        "A search for one record is not judged if two organisations have a record with its id.",
    ],
    evidence: "Lists of records that the run created, or searches for one record. If many searches by words were made and all of them returned nothing, or a list returned nothing and a cursor, the check is unknown.",
    rule: Rule::Lists(judge),
};

/// Creations that are less than this apart may be in any order.
const ORDER_US: u64 = 100_000;
/// Number of searches by words that return nothing, and nothing else, before this is in doubt.
const EMPTY_SEARCHES: u64 = 20;

fn judge(history: &History, criteria: &Criteria, finding: &mut FindingBuilder) -> String {
    let record_index = RecordIndex::of(history);
    // A scenario restricts lists by time, type and cursor, which the history does not have.
    let scripted = criteria.experiment.is_none()
        && criteria.expectations.as_ref().is_some_and(|expectations| !expectations.is_empty());
    let mut searches = 0;
    for (at, op) in history.answered() {
        if let EffectRef::Scan { query: Some(query), .. } = op.effect()
            && let Some(target) = query.target
            && let Some(entry) = record_index.target(target)
        {
            searches += judge_search(history, &record_index, (at, op), entry, finding);
        }
    }
    let (mut lists, mut empty, mut full) = (0, 0, 0);
    for walk in walks(history) {
        let first = walk.first(history);
        if walk.query(history).is_none_or(|query| query.words.is_some()) {
            let found = walk.hits(history).next().is_some();
            (empty, full) = if found { (empty, full + 1) } else { (empty + 1, full) };
        } else if !first.name().contains("export") && (first.phase() == Phase::Final || !scripted) {
            lists += 1;
            // Such a page has nothing that could be compared with what was stored.
            if !walk.is_whole && walk.hits(history).next().is_none() {
                finding.doubt_with(Evidence::of("a list has no record and is not at its end", &walk.pages));
                continue;
            }
            finding.judged += 1;
            judge_walk(history, &record_index, &walk, finding);
        }
    }
    if full == 0 && empty >= EMPTY_SEARCHES && !record_index.entries.is_empty() {
        finding.doubt(format!(
            "{} by words returned nothing, and none returned a record",
            counted(empty, "search", "searches")
        ));
    }
    let (searches, lists) = (counted(searches, "search", "searches"), counted(lists, "list", "lists"));
    format!("{searches} for one record and {lists}, {} that do not agree with what was stored", finding.violations)
}

/// Judges a search for one record. Returns 1 if it could be judged.
fn judge_search(
    history: &History,
    record_index: &RecordIndex<'_>,
    (at, op): (u32, OpRef<'_>),
    entry: &IndexedRecord<'_>,
    finding: &mut FindingBuilder,
) -> u64 {
    let (from_us, until_us) = (op.invoke_us(), op.complete_us());
    let banned = entry.reason_to_hide(op, from_us);
    let due = entry.is_due(op, from_us, until_us)
        // The words were those of a content, which a change may have replaced.
        && (op.phase() == Phase::Final || entry.is_unchanged(until_us));
    let (mut is_hit, mut other) = (false, None);
    for (key, value) in op.effect().returned() {
        if key.has_id_of(entry.key) {
            is_hit = true;
        } else if record_index.listed(history, op, key, value).is_some() {
            other = Some(key);
        }
    }
    let (user, name) = (op.user(), op.name());
    let wrong = match (banned, other) {
        (Some(why), _) if is_hit => Some(format!("`{name}` of `{user}` returned `{}`, {why}", entry.key)),
        (None, _) if due && !is_hit => Some(format!("`{name}` of `{user}` did not return `{}`", entry.key)),
        (_, Some(other)) => Some(format!("`{name}` of `{user}` for `{}` alone returned `{other}`", entry.key)),
        _ => None,
    };
    if let Some(wrong) = wrong {
        finding.violation(|| wrong, &[entry.created_at, at]);
    } else if banned.is_none() && !due {
        return 0;
    }
    finding.judged += 1;
    1
}

/// Judges a list, or the first pages of one.
fn judge_walk(history: &History, record_index: &RecordIndex<'_>, walk: &Walk, finding: &mut FindingBuilder) {
    let (first, last) = (walk.first(history), walk.last(history));
    let (from_us, until_us) = (first.invoke_us(), last.complete_us());
    let mut hits: Vec<u32> = Vec::new();
    let mut before: Option<(u32, &IndexedRecord<'_>)> = None;
    for (at, key, value) in walk.hits(history) {
        hits.push(key.number());
        let Some(entry) = record_index.listed(history, first, key, value) else { continue };
        if let Some(why) = entry.reason_to_hide(first, history.op(at).invoke_us()) {
            finding.violation(|| format!("a list of `{}` has `{key}`, {why}", first.user()), &[entry.created_at, at]);
        }
        if let Some((_, newer)) = before
            && newer.created_us.1.saturating_add(ORDER_US) < entry.created_us.0
        {
            let what = || format!("a list of `{}` has `{}` before `{key}`, which is newer", first.user(), newer.key);
            finding.violation(what, &[newer.created_at, entry.created_at, at]);
        }
        before = Some((at, entry));
    }
    hits.sort_unstable();
    let again = hits.windows(2).filter(|pair| pair[0] == pair[1]);
    let mut twice: Vec<KeyRef<'_>> = again.map(|pair| history.key(pair[0])).collect();
    twice.sort_unstable_by_key(|key| key.name());
    for key in twice {
        if record_index.record(key).is_some_and(|indexed_record| indexed_record.stays_listed(from_us, until_us)) {
            finding.violation(|| format!("a list of `{}` has `{key}` twice", first.user()), &walk.pages);
        }
    }
    // Of a list that goes on, everything that is newer than its last record must be in it.
    let since_us = match (walk.is_whole, before) {
        (true, _) => 0,
        (false, Some((_, last))) => last.created_us.1.saturating_add(ORDER_US),
        (false, None) => u64::MAX,
    };
    let tags = walk.query(history).and_then(|query| query.tags);
    for entry in record_index.visible(first, tags).take_while(|entry| walk.is_whole || entry.created_us.0 > since_us) {
        if entry.is_due(first, from_us, until_us) && hits.binary_search(&entry.key.number()).is_err() {
            let pages = [entry.created_at].into_iter().chain(walk.pages.iter().copied().take(3));
            let ops: Vec<u32> = pages.collect();
            finding.violation(|| format!("a list of `{}` does not have `{}`", first.user(), entry.key), &ops);
        }
    }
}
