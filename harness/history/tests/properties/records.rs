//! Records that are written, changed, deleted, read and searched.

use crate::history::{call, every_standing_check, finding_of, outcome};
use harness_history::{Canary, Conditions, Effect, History, Op, Outcome, Phase, RecordState, Verdict, judge};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The next call of a user; numbers choose the user and the record.
#[derive(Debug, Clone)]
enum Step {
    Store { user: usize, shared: bool, answered: bool },
    Update { record: usize },
    Delete { record: usize, answered: bool },
    Read { user: usize, record: usize },
    Search { user: usize },
}

const USERS: [(&str, &str); 4] = [("acme", "ann"), ("acme", "bob"), ("zeta", "zoe"), ("zeta", "zed")];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..4usize, any::<bool>(), prop::bool::weighted(0.9)).prop_map(|(user, shared, answered)| Step::Store { user, shared, answered }),
        2 => (0..50usize).prop_map(|record| Step::Update { record }),
        1 => (0..50usize, prop::bool::weighted(0.8)).prop_map(|(record, answered)| Step::Delete { record, answered }),
        4 => (0..4usize, 0..50usize).prop_map(|(user, record)| Step::Read { user, record }),
        2 => (0..4usize).prop_map(|user| Step::Search { user }),
    ];
    prop::collection::vec(step, 8..80)
}

/// A store without a defect, and the history of the calls to it.
#[derive(Default)]
struct Correct {
    records: Vec<Record>,
    ops: Vec<Op>,
    now: u64,
    contents: u64,
}

struct Record {
    key: Arc<str>,
    owner: usize,
    shared: bool,
    value: RecordState,
    exists: bool,
    acknowledged: bool,
}

impl Correct {
    fn run(steps: &[Step]) -> Vec<Op> {
        let mut store = Self::default();
        for user in 0..4 {
            store.step(&Step::Store { user, shared: true, answered: true });
        }
        for step in steps {
            store.step(step);
        }
        for record in 0..store.records.len() {
            if store.records[record].acknowledged {
                let effect = store.read(store.records[record].owner, record);
                store.op(store.records[record].owner, "get_memory", Phase::Final, Outcome::Ok, effect);
            }
        }
        store.ops
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Store { user, shared, answered } => {
                let value = self.content(user, shared);
                let key: Arc<str> = format!("k{}", self.records.len()).into();
                self.records.push(Record {
                    key: key.clone(),
                    owner: user,
                    shared,
                    value: value.clone(),
                    exists: true,
                    acknowledged: answered,
                });
                let effect = Effect::Write { key: answered.then_some(key), value, existing: false };
                self.op(user, "store_memory", Phase::Measured, outcome(answered), effect);
            }
            Step::Update { record } => {
                let Some(record) = self.existing(record) else { return };
                let (owner, shared) = (self.records[record].owner, self.records[record].shared);
                let value = self.content(owner, shared);
                self.records[record].value = value.clone();
                let effect = Effect::Update { key: self.records[record].key.clone(), value, expected: None };
                self.op(owner, "update_memory", Phase::Measured, Outcome::Ok, effect);
            }
            Step::Delete { record, answered } => {
                let Some(record) = self.existing(record) else { return };
                self.records[record].exists = false;
                let effect = Effect::Delete { key: self.records[record].key.clone() };
                self.op(self.records[record].owner, "delete_memory", Phase::Measured, outcome(answered), effect);
            }
            Step::Read { user, record } => {
                let record = record % self.records.len();
                let effect = self.read(user, record);
                self.op(user, "get_memory", Phase::Measured, Outcome::Ok, effect);
            }
            Step::Search { user } => {
                let hits = (0..self.records.len()).filter(|record| self.visible(user, *record));
                let hits =
                    hits.map(|record| (self.records[record].key.clone(), self.records[record].value.clone())).collect();
                self.op(user, "search_memory", Phase::Measured, Outcome::Ok, Effect::Scan { hits, query: None });
            }
        }
    }

    fn existing(&self, record: usize) -> Option<usize> {
        let record = record % self.records.len();
        (self.records[record].exists && self.records[record].acknowledged).then_some(record)
    }

    fn visible(&self, user: usize, record: usize) -> bool {
        let record = &self.records[record];
        record.exists && USERS[record.owner].0 == USERS[user].0 && (record.shared || record.owner == user)
    }

    fn read(&self, user: usize, record: usize) -> Effect {
        let value = self.visible(user, record).then(|| self.records[record].value.clone());
        Effect::Read { key: self.records[record].key.clone(), value }
    }

    fn content(&mut self, user: usize, shared: bool) -> RecordState {
        self.contents += 1;
        let (tenant, name) = USERS[user];
        let canary =
            Canary { tenant: tenant.into(), user: name.into(), workspace: None, shared, number: self.contents };
        RecordState::of_content(self.contents, Some(canary))
    }

    fn op(&mut self, user: usize, name: &str, phase: Phase, outcome: Outcome, effect: Effect) {
        let (tenant, user_name) = USERS[user];
        self.now += 10;
        self.ops.push(Op {
            process: user as u32,
            tenant: tenant.into(),
            user: user_name.into(),
            workspace: None,
            name: name.into(),
            phase,
            planned_us: None,
            invoke_us: self.now,
            complete_us: self.now + 5,
            outcome,
            strays: Vec::new(),
            effect,
        });
    }
}

fn verdicts(ops: &[Op]) -> BTreeMap<String, Verdict> {
    let history: History = ops.iter().cloned().collect();
    judge(&history, &every_standing_check()).into_iter().map(|finding| (finding.check, finding.verdict)).collect()
}

fn position(ops: &[Op], wanted: impl Fn(&Op) -> bool) -> Option<usize> {
    ops.iter().position(wanted)
}

fn final_read_with_value(op: &Op) -> bool {
    op.phase == Phase::Final && matches!(op.effect, Effect::Read { value: Some(_), .. })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_correct_store_never_fails(steps in steps()) {
        for (check, verdict) in verdicts(&Correct::run(&steps)) {
            prop_assert_ne!(verdict, Verdict::Fail, "{}", check);
        }
    }

    #[test]
    fn a_lost_write_fails_no_lost_writes(steps in steps()) {
        let mut ops = Correct::run(&steps);
        let Some(read) = position(&ops, |op| {
            let Effect::Read { key, .. } = &op.effect else { return false };
            final_read_with_value(op) && !ops.iter().any(|op| matches!(&op.effect, Effect::Delete { key: deleted } if deleted == key))
        }) else { return Ok(()) };
        let Effect::Read { value, .. } = &mut ops[read].effect else { unreachable!() };
        *value = None;
        prop_assert_eq!(verdicts(&ops)["no-lost-writes"], Verdict::Fail);
    }

    #[test]
    fn a_leak_fails_tenant_isolation_alone(steps in steps(), private in any::<bool>()) {
        let mut ops = Correct::run(&steps);
        // A user of the other organisation, or a colleague, gets a content that it must not see.
        let Some(at) = position(&ops, |op| match &op.effect {
            Effect::Write { key: Some(_), value, .. } => op.outcome == Outcome::Ok && (!private || !value.canary.as_ref().unwrap().shared),
            _ => false,
        }) else { return Ok(()) };
        let Effect::Write { key: Some(key), value, .. } = ops[at].effect.clone() else { unreachable!() };
        let mut leak = ops[at].clone();
        let thief = USERS.iter().position(|(tenant, user)| (**tenant == *leak.tenant) == private && **user != *leak.user).unwrap();
        (leak.tenant, leak.user, leak.name) = (USERS[thief].0.into(), USERS[thief].1.into(), "search_memory".into());
        leak.invoke_us += 1;
        leak.complete_us += 1;
        leak.effect = Effect::Scan { hits: vec![(key, value)], query: None };
        ops.insert(at + 1, leak);
        let verdicts = verdicts(&ops);
        prop_assert_eq!(verdicts["tenant-isolation"], Verdict::Fail);
        prop_assert_ne!(verdicts["no-phantom-reads"], Verdict::Fail);
    }

    #[test]
    fn an_invented_content_fails_no_phantom_reads(steps in steps()) {
        let mut ops = Correct::run(&steps);
        let Some(read) = position(&ops, |op| matches!(op.effect, Effect::Read { value: Some(_), .. })) else { return Ok(()) };
        let Effect::Read { value: Some(value), .. } = &mut ops[read].effect else { unreachable!() };
        value.digest = Some(u64::MAX);
        prop_assert_eq!(verdicts(&ops)["no-phantom-reads"], Verdict::Fail);
    }

    #[test]
    fn a_missed_own_write_fails_read_your_writes(steps in steps()) {
        let mut ops = Correct::run(&steps);
        let Some(at) = position(&ops, |op| op.outcome == Outcome::Ok && matches!(op.effect, Effect::Write { key: Some(_), .. })) else {
            return Ok(());
        };
        let Effect::Write { key: Some(key), .. } = ops[at].effect.clone() else { unreachable!() };
        let mut read = ops[at].clone();
        read.invoke_us = ops[at].complete_us + 1;
        read.complete_us = read.invoke_us + 1;
        read.effect = Effect::Read { key, value: None };
        ops.insert(at + 1, read);
        prop_assert_eq!(verdicts(&ops)["read-your-writes"], Verdict::Fail);
    }

    #[test]
    fn a_content_under_a_second_id_fails_no_duplicate_effects(steps in steps()) {
        let mut ops = Correct::run(&steps);
        let Some(at) = position(&ops, |op| {
            let Effect::Write { key: Some(written), .. } = &op.effect else { return false };
            op.outcome == Outcome::Ok && !ops.iter().any(|op| matches!(&op.effect, Effect::Delete { key } if key == written))
        }) else { return Ok(()) };
        let Effect::Write { value, .. } = ops[at].effect.clone() else { unreachable!() };
        let mut twice = ops[at].clone();
        twice.effect = Effect::Scan { hits: vec![("another".into(), value)], query: None };
        (twice.invoke_us, twice.complete_us) = (ops[at].complete_us + 1, ops[at].complete_us + 2);
        ops.insert(at + 1, twice);
        let finding = judge(&ops.iter().cloned().collect(), &every_standing_check()).into_iter().find(|finding| finding.check == "no-duplicate-effects").unwrap();
        prop_assert_eq!(finding.verdict, Verdict::Fail);
        prop_assert_eq!(&finding.evidence[0].ops, &[at as u64, at as u64 + 1]);
    }

    #[test]
    fn a_write_that_is_answered_with_the_same_id_again_has_one_effect(steps in steps()) {
        let mut ops = Correct::run(&steps);
        let again: Vec<Op> = ops.iter().filter(|op| op.outcome == Outcome::Ok && matches!(op.effect, Effect::Write { key: Some(_), .. })).cloned().collect();
        ops.extend(again);
        prop_assert_eq!(verdicts(&ops)["no-duplicate-effects"], Verdict::Pass);
    }

    #[test]
    fn a_read_is_stale_exactly_if_an_exhaustive_search_of_the_writes_finds_it_replaced(
        writes in prop::collection::vec((0..300u64, 1..80u64), 1..20), read_us in 0..400u64, which in 0..20usize,
    ) {
        let which = which % writes.len();
        let content = |number: usize| RecordState::of_content(number as u64, None);
        let write = |(number, (at, took)): (usize, &(u64, u64))| Op {
            effect: Effect::Write { key: Some("k".into()), value: content(number), existing: false },
            ..call(0, *at, *took, true)
        };
        let mut ops: Vec<Op> = writes.iter().enumerate().map(write).collect();
        let read = Op { effect: Effect::Read { key: "k".into(), value: Some(content(which)) }, ..call(0, read_us, 5, true) };
        let over = |op: &&Op| op.complete_us <= read.invoke_us;
        let expected = match ops.iter().filter(over).map(|op| op.invoke_us).max() {
            None => Verdict::Unknown,
            Some(last_us) if ops[which].complete_us < last_us => Verdict::Fail,
            Some(_) => Verdict::Pass,
        };
        ops.push(read);
        prop_assert_eq!(verdicts(&ops)["read-your-writes"], expected);
    }
}

/// Acknowledged writes of `written` records, and final reads of the first `read` of them.
fn written_and_read(written: u64, read: u64) -> Vec<Op> {
    let key = |number: u64| -> Arc<str> { format!("k{number}").into() };
    let value = |number: u64| RecordState::of_content(number, None);
    let writes = (0..written).map(|number| {
        let effect = Effect::Write { key: Some(key(number)), value: value(number), existing: false };
        Op { effect, ..call(0, number, 1, true) }
    });
    let reads = (0..read).map(|number| {
        let effect = Effect::Read { key: key(number), value: Some(value(number)) };
        Op { effect, phase: Phase::Final, ..call(0, written + number, 1, true) }
    });
    writes.chain(reads).collect()
}

#[test]
fn a_sample_of_the_records_is_enough_and_the_finding_says_so() {
    let finding = |ops: &[Op], sampled| {
        let conditions = Conditions { sampled, ..Conditions::default() };
        let history = ops.iter().cloned().collect::<History>().with_conditions(conditions);
        finding_of("no-lost-writes", &history, &every_standing_check()).unwrap()
    };
    let ops = written_and_read(3_000, 1_000);
    let kept = finding(&ops, Some(1_000));
    assert_eq!((kept.verdict, kept.judged), (Verdict::Pass, 1_000), "{kept:?}");
    assert_eq!(
        kept.summary,
        "1000 acknowledged writes read back after the load, 0 lost; of 3000 records 1000 were chosen at random and read by their ids, so that with a \
         confidence of 95 % fewer than 0.3 % of all records are lost"
    );
    assert_eq!(finding(&ops, None).verdict, Verdict::Unknown, "without a sample each record must be read");
    let unanswered = finding(&ops, Some(1_001));
    assert_eq!(unanswered.verdict, Verdict::Unknown, "a record of the sample was not read");
    assert!(unanswered.summary.contains("1 of them without an answer"), "{}", unanswered.summary);
    assert_eq!(finding(&written_and_read(3_000, 999), Some(999)).verdict, Verdict::Unknown, "too small a sample");
    let all = finding(&written_and_read(1_500, 1_500), Some(1_500));
    assert_eq!((all.verdict, all.summary.contains("chosen")), (Verdict::Pass, false), "no sample if all were read");
    let mut lost = ops;
    let Effect::Read { value, .. } = &mut lost[3_500].effect else { unreachable!() };
    *value = None;
    let lost = finding(&lost, Some(1_000));
    assert_eq!((lost.verdict, lost.violations, lost.summary.contains("confidence")), (Verdict::Fail, 1, false));
}
