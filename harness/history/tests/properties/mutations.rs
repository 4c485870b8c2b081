//! The mutation table: histories of a store without a defect, each with one fact falsified in one of five ways (lost, stale, reordered, duplicated,
//! foreign), and how many of them each check finds. What a check does not find is in its `blind_to`. The table of the guards is in `guard_mutations`.
#![expect(clippy::ptr_arg, reason = "all ways have one signature, and some of them insert calls")]

use crate::history::every_standing_check;
use crate::simulation::{Draws, Habits, honest};
use harness_history::{Effect, ErrorKind, Op, Outcome, RecordState, Verdict, Visibility, judge};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Number of histories for each kind.
const HISTORIES: u64 = 48;
/// Share of the histories of each kind that the checks together must find, and each check that is named for it.
const FOUND: f64 = 0.95;
const CALLS: usize = 150;

/// A way to falsify one fact. Returns false if the history has no such fact.
type Falsify = fn(&mut Vec<Op>, &mut Draws) -> bool;

/// A kind of falsified fact: how it differs from the truth, and the checks whose promise it breaks, each of which must find it.
struct Kind {
    way: &'static str,
    name: &'static str,
    falsify: Falsify,
    found_by: &'static [&'static str],
}

const fn kind(way: &'static str, name: &'static str, falsify: Falsify, found_by: &'static [&'static str]) -> Kind {
    Kind { way, name, falsify, found_by }
}

const KINDS: [Kind; 17] = [
    kind("lost", "missed by a read", missed_by_a_read, &["register", "sessions"]),
    kind("lost", "missed by a list", missed_by_a_list, &["index-agrees"]),
    kind("lost", "missed by a search", missed_by_a_search, &["index-agrees"]),
    kind("lost", "gone for good", gone_for_good, &["no-lost-writes", "register", "sessions", "index-agrees"]),
    kind("stale", "an older state", an_older_state, &["register", "sessions"]),
    kind("reordered", "two reads swapped", two_reads_swapped, &["register", "sessions"]),
    kind("reordered", "two hits swapped", two_hits_swapped, &["index-agrees"]),
    kind("reordered", "two versions swapped", two_versions_swapped, &["register"]),
    kind("duplicated", "listed twice", listed_twice, &["index-agrees"]),
    kind("duplicated", "under a second id", under_a_second_id, &["no-duplicate-effects", "no-phantom-reads"]),
    kind("duplicated", "a conflict acknowledged", a_conflict_acknowledged, &["register"]),
    kind("duplicated", "deleted twice", deleted_twice, &["register"]),
    kind("duplicated", "changed twice", changed_twice, &["register"]),
    kind("duplicated", "an id given again", an_id_given_again, &["register"]),
    kind("foreign", "read by a stranger", read_by_a_stranger, &["tenant-isolation"]),
    kind("foreign", "listed for a stranger", listed_for_a_stranger, &["tenant-isolation", "index-agrees"]),
    kind("foreign", "a content of another record", a_content_of_another_record, &["no-phantom-reads", "register"]),
];

#[test]
fn each_check_finds_the_falsified_facts_that_break_its_promise() {
    let mut problems = Vec::new();
    let mut table = String::new();
    for (number, kind) in KINDS.iter().enumerate() {
        let (found, by_check) = trial(number as u64, kind);
        table.push_str(&format!("{}, {}: {found:.3} {by_check:.2?}\n", kind.way, kind.name));
        let named = kind.found_by.iter().map(|check| (*check, by_check.get(*check).copied().unwrap_or_default()));
        let missed = named.chain([("any check", found)]).filter(|(_, share)| *share < FOUND);
        problems.extend(missed.map(|(check, share)| format!("{}, {}: {check} found {share:.3}", kind.way, kind.name)));
    }
    assert!(problems.is_empty(), "{problems:#?}\n{table}");
}

/// Returns the share of falsified histories that the checks found together, and the share of each check.
fn trial(seed: u64, kind: &Kind) -> (f64, BTreeMap<String, f64>) {
    let (mut made, mut found) = (0.0, 0.0);
    let mut by_check: BTreeMap<String, f64> = BTreeMap::new();
    for number in 0..HISTORIES {
        let mut draws = Draws(seed * 1_000_003 + number);
        let unanswered = [0, 15][number as usize / 2 % 2];
        let habits = Habits { versions: number.is_multiple_of(2), unanswered, shared_ids: false };
        let mut ops = honest(draws.next(), CALLS, habits);
        if !(kind.falsify)(&mut ops, &mut draws) {
            continue;
        }
        made += 1.0;
        let failed = failed_checks(ops);
        found += f64::from(u8::from(!failed.is_empty()));
        failed.into_iter().for_each(|check| *by_check.entry(check).or_default() += 1.0);
    }
    assert!(made >= HISTORIES as f64 / 3.0, "{}: {made} histories have a fact to falsify", kind.name);
    by_check.values_mut().for_each(|count| *count /= made);
    (found / made, by_check)
}

fn failed_checks(ops: Vec<Op>) -> Vec<String> {
    let findings = judge(&ops.into_iter().collect(), &every_standing_check());
    findings.into_iter().filter(|it| it.verdict == Verdict::Fail).map(|it| it.check).collect()
}

/// One sight of a record: position of the call, and place in its reply.
type Sight = (usize, usize);

fn sights(ops: &[Op]) -> Vec<Sight> {
    let of =
        |(at, op): (usize, &Op)| (0..op.effect.returned().count()).map(move |place| (at, place)).collect::<Vec<_>>();
    ops.iter().enumerate().flat_map(of).collect()
}

fn sight(ops: &[Op], (at, place): Sight) -> (&Arc<str>, &RecordState) {
    ops[at].effect.returned().nth(place).unwrap()
}

fn state_mut(ops: &mut [Op], (at, place): Sight) -> &mut RecordState {
    match &mut ops[at].effect {
        Effect::Read { value: Some(value), .. } => value,
        Effect::Scan { hits, .. } => &mut hits[place].1,
        _ => unreachable!("only reads and scans return records"),
    }
}

/// Acknowledged changes of the content of a record: position, content and version.
fn changes<'o>(ops: &'o [Op], key: &'o str) -> impl Iterator<Item = (&'o Op, &'o RecordState)> {
    ops.iter().filter(|op| op.outcome == Outcome::Ok).filter_map(move |op| match &op.effect {
        Effect::Write { key: Some(of), value, .. } | Effect::Update { key: of, value, .. } if **of == *key => {
            Some((op, value))
        }
        _ => None,
    })
}

fn is_deleted(ops: &[Op], key: &str) -> bool {
    ops.iter().any(|op| op.effect.deleted().iter().any(|deleted| **deleted == *key))
}

fn is_hidden(ops: &[Op], key: &str) -> bool {
    let hides = |value: &RecordState| value.visibility == Some(Visibility::Private);
    ops.iter().any(|op| matches!(&op.effect, Effect::Update { key: of, value, .. } if **of == *key && hides(value)))
}

fn created(ops: &[Op], key: &str) -> Option<u64> {
    changes(ops, key).filter(|(op, _)| matches!(op.effect, Effect::Write { .. })).map(|(op, _)| op.complete_us).min()
}

/// Returns true if the record was certainly there for its readers when the call was sent.
fn is_there(ops: &[Op], at: usize, key: &str) -> bool {
    created(ops, key).is_some_and(|us| us < ops[at].invoke_us) && !is_deleted(ops, key)
}

fn missed_by_a_read(ops: &mut Vec<Op>, draws: &mut Draws) -> bool {
    let found = |(at, op): (usize, &Op)| match &op.effect {
        Effect::Read { key, value: Some(_) } => (is_there(ops, at, key) && !is_hidden(ops, key)).then_some(at),
        _ => None,
    };
    let candidates: Vec<usize> = ops.iter().enumerate().filter_map(found).collect();
    let Some(at) = draws.pick(&candidates) else { return false };
    let Effect::Read { value, .. } = &mut ops[at].effect else { return false };
    *value = None;
    true
}

fn missed_by(ops: &mut [Op], draws: &mut Draws, single: bool) -> bool {
    let is_meant = |op: &Op| match &op.effect {
        Effect::Scan { query: Some(query), .. } => {
            query.target.is_some() == single && (!single || op.phase == harness_history::Phase::Final)
        }
        _ => false,
    };
    let all = sights(ops).into_iter();
    let candidates: Vec<Sight> =
        all.filter(|at| is_meant(&ops[at.0]) && is_there(ops, at.0, sight(ops, *at).0)).collect();
    let Some((at, place)) = draws.pick(&candidates) else { return false };
    let Effect::Scan { hits, .. } = &mut ops[at].effect else { return false };
    hits.remove(place);
    true
}

fn missed_by_a_list(ops: &mut Vec<Op>, draws: &mut Draws) -> bool {
    missed_by(ops, draws, false)
}

fn missed_by_a_search(ops: &mut Vec<Op>, draws: &mut Draws) -> bool {
    missed_by(ops, draws, true)
}

/// An acknowledged write is nowhere to be found afterwards.
fn gone_for_good(ops: &mut Vec<Op>, draws: &mut Draws) -> bool {
    let written = ops.iter().filter(|op| op.outcome == Outcome::Ok).filter_map(|op| match &op.effect {
        Effect::Write { key: Some(key), .. } => Some(key),
        _ => None,
    });
    let keys: Vec<&Arc<str>> = written.filter(|key| !is_deleted(ops, key)).collect();
    let Some(key) = draws.pick(&keys).cloned() else { return false };
    for op in ops {
        match &mut op.effect {
            Effect::Read { key: of, value } if *of == key => *value = None,
            Effect::Scan { hits, .. } => hits.retain(|(of, _)| *of != key),
            _ => {}
        }
    }
    true
}

/// A reply has a state that an acknowledged change had replaced before the call was sent.
fn an_older_state(ops: &mut Vec<Op>, draws: &mut Draws) -> bool {
    let older = |at: &Sight| {
        let (key, value) = sight(ops, *at);
        let (replaced_by, _) = changes(ops, key).find(|(_, newer)| newer.digest == value.digest)?;
        let (_, old) =
            changes(ops, key).find(|(op, old)| old.digest.is_some() && op.complete_us < replaced_by.invoke_us)?;
        (replaced_by.complete_us < ops[at.0].invoke_us).then(|| (*at, old.clone()))
    };
    let candidates: Vec<(Sight, RecordState)> = sights(ops).iter().filter_map(older).collect();
    let Some((at, old)) = draws.pick(&candidates.iter().collect::<Vec<_>>()).cloned() else { return false };
    let state = state_mut(ops, at);
    (state.digest, state.canary, state.version) = (old.digest, old.canary, old.version);
    true
}

fn two_reads_swapped(ops: &mut Vec<Op>, draws: &mut Draws) -> bool {
    let all = sights(ops);
    let mut pairs = Vec::new();
    for (number, one) in all.iter().enumerate() {
        let (key, value) = sight(ops, *one);
        let is_other = |other: &&Sight| {
            let (of, state) = sight(ops, **other);
            let apart = ops[one.0].complete_us < ops[other.0].invoke_us && ops[one.0].process == ops[other.0].process;
            apart && of == key && state.digest != value.digest
        };
        pairs.extend(all[number + 1..].iter().find(is_other).map(|other| (*one, *other)));
    }
    let Some((one, other)) = draws.pick(&pairs) else { return false };
    let (first, second) = (sight(ops, one).1.clone(), sight(ops, other).1.clone());
    for (at, from) in [(one, second), (other, first)] {
        let state = state_mut(ops, at);
        (state.digest, state.canary, state.version) = (from.digest, from.canary, from.version);
    }
    true
}

fn two_hits_swapped(ops: &mut Vec<Op>, draws: &mut Draws) -> bool {
    let mut candidates = Vec::new();
    for (at, op) in ops.iter().enumerate() {
        let Effect::Scan { hits, query: Some(_) } = &op.effect else { continue };
        let creation = |place: usize| {
            let writes = changes(ops, &hits[place].0).filter(|(op, _)| matches!(op.effect, Effect::Write { .. }));
            writes.map(|(op, _)| (op.invoke_us, op.complete_us)).min()
        };
        let apart = |place: &usize| {
            creation(place + 1).zip(creation(*place)).is_some_and(|(older, newer)| older.1 + 200_000 < newer.0)
        };
        candidates.extend((0..hits.len().saturating_sub(1)).filter(apart).map(|place| (at, place)));
    }
    let Some((at, place)) = draws.pick(&candidates) else { return false };
    let Effect::Scan { hits, .. } = &mut ops[at].effect else { return false };
    hits.swap(place, place + 1);
    true
}

fn two_versions_swapped(ops: &mut Vec<Op>, draws: &mut Draws) -> bool {
    let mut pairs = Vec::new();
    let acknowledged = |op: &Op| match &op.effect {
        Effect::Update { key, value, .. } if op.outcome == Outcome::Ok => Some((Arc::clone(key), value.version?)),
        _ => None,
    };
    for (at, op) in ops.iter().enumerate() {
        let Some((key, _)) = acknowledged(op) else { continue };
        let later = ops
            .iter()
            .skip(at + 1)
            .position(|other| acknowledged(other).is_some_and(|(of, _)| of == key) && other.invoke_us > op.complete_us);
        pairs.extend(later.map(|later| (at, at + 1 + later)));
    }
    // Without versions: the contents of two updates.
    let Some((one, other)) = draws.pick(&pairs) else { return two_reads_swapped(ops, draws) };
    let version = |op: &Op| acknowledged(op).map(|(_, version)| version);
    let versions = (version(&ops[other]), version(&ops[one]));
    for (at, new) in [(one, versions.0), (other, versions.1)] {
        if let Effect::Update { value, .. } = &mut ops[at].effect {
            value.version = new;
        }
    }
    true
}

fn listed_twice(ops: &mut Vec<Op>, draws: &mut Draws) -> bool {
    let is_list = |op: &Op| matches!(&op.effect, Effect::Scan { query: Some(query), .. } if query.target.is_none());
    // A list may have a record twice that moves in it.
    let is_meant = |at: &Sight| {
        let key = sight(ops, *at).0;
        is_list(&ops[at.0]) && is_there(ops, at.0, key) && !is_moved(ops, key)
    };
    let candidates: Vec<Sight> = sights(ops).into_iter().filter(is_meant).collect();
    let Some((at, place)) = draws.pick(&candidates) else { return false };
    let Effect::Scan { hits, .. } = &mut ops[at].effect else { return false };
    hits.insert(place, hits[place].clone());
    true
}

fn is_moved(ops: &[Op], key: &str) -> bool {
    let moves = |value: &RecordState| value.visibility.is_some() || value.tags.is_some();
    ops.iter().any(|op| matches!(&op.effect, Effect::Update { key: of, value, .. } if **of == *key && moves(value)))
}

fn under_a_second_id(ops: &mut Vec<Op>, draws: &mut Draws) -> bool {
    let is_scan =
        |at: &Sight| matches!(ops[at.0].effect, Effect::Scan { .. }) && is_there(ops, at.0, sight(ops, *at).0);
    let candidates: Vec<Sight> = sights(ops).into_iter().filter(is_scan).collect();
    let Some((at, place)) = draws.pick(&candidates) else { return false };
    let Effect::Scan { hits, .. } = &mut ops[at].effect else { return false };
    hits.insert(place, ("second".into(), hits[place].1.clone()));
    true
}

fn a_conflict_acknowledged(ops: &mut Vec<Op>, draws: &mut Draws) -> bool {
    let refused = |op: &Op| op.outcome == Outcome::Failed(ErrorKind::Tool("version_conflict".into()));
    let candidates: Vec<usize> = (0..ops.len()).filter(|at| refused(&ops[*at])).collect();
    let Some(at) = draws.pick(&candidates) else { return deleted_twice(ops, draws) };
    let Effect::Update { value, expected: Some(expected), .. } = &mut ops[at].effect else { return false };
    value.version = Some(*expected + 1);
    ops[at].outcome = Outcome::Ok;
    true
}

fn deleted_twice(ops: &mut Vec<Op>, draws: &mut Draws) -> bool {
    let is_delete = |op: &Op| op.outcome == Outcome::Ok && matches!(op.effect, Effect::Delete { .. });
    let candidates: Vec<usize> = (0..ops.len()).filter(|at| is_delete(&ops[*at])).collect();
    let Some(at) = draws.pick(&candidates) else { return false };
    let mut again = ops[at].clone();
    (again.invoke_us, again.complete_us) = (again.complete_us + 1, again.complete_us + 2);
    ops.insert(at + 1, again);
    true
}

/// An update took effect twice: the next read shows a version more.
fn changed_twice(ops: &mut Vec<Op>, draws: &mut Draws) -> bool {
    let shows = |at: &Sight| {
        let (key, value) = sight(ops, *at);
        let version = value.version?;
        let updated = changes(ops, key)
            .any(|(op, newest)| newest.version == Some(version) && op.complete_us < ops[at.0].invoke_us);
        (updated && version > 1).then_some((*at, version))
    };
    let candidates: Vec<(Sight, u64)> = sights(ops).iter().filter_map(shows).collect();
    let Some((at, version)) = draws.pick(&candidates) else { return false };
    state_mut(ops, at).version = Some(version + 1);
    true
}

/// A store answers with the id of an older record of the same user.
fn an_id_given_again(ops: &mut Vec<Op>, draws: &mut Draws) -> bool {
    let key = |op: &Op| match &op.effect {
        Effect::Write { key: Some(key), .. } if op.outcome == Outcome::Ok => Some(Arc::clone(key)),
        _ => None,
    };
    let mut pairs = Vec::new();
    for (at, op) in ops.iter().enumerate() {
        let Some(older) = key(op) else { continue };
        let is_later = |other: &&usize| {
            let other = &ops[**other];
            other.process == op.process
                && other.invoke_us > op.complete_us
                && key(other).is_some_and(|key| key != older)
        };
        pairs.extend((at + 1..ops.len()).collect::<Vec<_>>().iter().find(is_later).map(|later| (at, *later)));
    }
    let Some((one, other)) = draws.pick(&pairs) else { return false };
    let older = key(&ops[one]);
    if let Effect::Write { key, .. } = &mut ops[other].effect {
        *key = older;
    }
    true
}

/// Records with their creators: id, state, and the call that created them.
fn writes(ops: &[Op]) -> Vec<(Arc<str>, RecordState, Op)> {
    let written = ops.iter().filter(|op| op.outcome == Outcome::Ok).filter_map(|op| match &op.effect {
        Effect::Write { key: Some(key), value, .. } => Some((Arc::clone(key), value.clone(), op.clone())),
        _ => None,
    });
    written.collect()
}

fn is_stranger(op: &Op, value: &RecordState, creator: &Op) -> bool {
    let private = value.visibility == Some(Visibility::Private);
    op.tenant != creator.tenant || op.workspace != creator.workspace || (private && op.user != creator.user)
}

fn read_by_a_stranger(ops: &mut Vec<Op>, draws: &mut Draws) -> bool {
    let written = writes(ops);
    let found = |(at, op): (usize, &Op)| match &op.effect {
        Effect::Read { key, value: None } => {
            let (_, value, creator) = written.iter().find(|(of, _, _)| of == key)?;
            let shared = ops.iter().any(|op| matches!(&op.effect, Effect::Update { key: of, value, .. } if of == key && value.visibility.is_some()));
            (is_stranger(op, value, creator) && !shared).then(|| (at, value.clone()))
        }
        _ => None,
    };
    let candidates: Vec<(usize, RecordState)> = ops.iter().enumerate().filter_map(found).collect();
    let Some((at, state)) = draws.pick(&candidates.iter().collect::<Vec<_>>()).cloned() else { return false };
    let Effect::Read { value, .. } = &mut ops[at].effect else { return false };
    *value = Some(state);
    true
}

fn listed_for_a_stranger(ops: &mut Vec<Op>, draws: &mut Draws) -> bool {
    let written = writes(ops);
    let candidates: Vec<usize> = (0..ops.len()).filter(|at| matches!(ops[*at].effect, Effect::Scan { .. })).collect();
    let Some(at) = draws.pick(&candidates) else { return false };
    let foreign: Vec<&(Arc<str>, RecordState, Op)> = written
        .iter()
        .filter(|(key, value, creator)| {
            is_stranger(&ops[at], value, creator)
                && creator.complete_us < ops[at].invoke_us
                && !is_shared_later(ops, key)
        })
        .collect();
    let Some((key, value, _)) = draws.pick(&foreign).cloned() else { return false };
    let Effect::Scan { hits, .. } = &mut ops[at].effect else { return false };
    hits.push((key, value));
    true
}

fn is_shared_later(ops: &[Op], key: &str) -> bool {
    ops.iter().any(
        |op| matches!(&op.effect, Effect::Update { key: of, value, .. } if **of == *key && value.visibility.is_some()),
    )
}

fn a_content_of_another_record(ops: &mut Vec<Op>, draws: &mut Draws) -> bool {
    let all = sights(ops);
    let Some(at) = draws.pick(&all) else { return false };
    let (key, tenant) = (Arc::clone(sight(ops, at).0), Arc::clone(&ops[at.0].tenant));
    let written = writes(ops);
    let others: Vec<&(Arc<str>, RecordState, Op)> =
        written.iter().filter(|(of, _, op)| *of != key && op.tenant == tenant).collect();
    let Some((_, value, _)) = draws.pick(&others).cloned() else { return false };
    let state = state_mut(ops, at);
    (state.digest, state.canary) = (value.digest, value.canary);
    true
}
