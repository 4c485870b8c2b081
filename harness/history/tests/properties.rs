//! Laws of the checks: what a correct store does never fails; one planted violation fails its check and names its operations.

use harness_history::{
    Canary, Criteria, Effect, ErrorKind, Expectation, History, Metric, Op, Outcome, Phase, Quota, Seen, Threshold,
    Verdict, VerdictKind, Workflow, WorkflowEnd, check, judge,
};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a user does next; numbers choose the user and the record.
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

/// A store that does everything right, and the history of what was asked of it.
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
    value: Seen,
    there: bool,
    known: bool,
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
            if store.records[record].known {
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
                    there: true,
                    known: answered,
                });
                let effect = Effect::Write { key: answered.then_some(key), value };
                self.op(user, "store_memory", Phase::Measured, outcome(answered), effect);
            }
            Step::Update { record } => {
                let Some(record) = self.existing(record) else { return };
                let (owner, shared) = (self.records[record].owner, self.records[record].shared);
                let value = self.content(owner, shared);
                self.records[record].value = value.clone();
                let effect = Effect::Write { key: Some(self.records[record].key.clone()), value };
                self.op(owner, "update_memory", Phase::Measured, Outcome::Ok, effect);
            }
            Step::Delete { record, answered } => {
                let Some(record) = self.existing(record) else { return };
                self.records[record].there = false;
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
                self.op(user, "search_memory", Phase::Measured, Outcome::Ok, Effect::Scan { hits });
            }
        }
    }

    fn existing(&self, record: usize) -> Option<usize> {
        let record = record % self.records.len();
        (self.records[record].there && self.records[record].known).then_some(record)
    }

    fn visible(&self, user: usize, record: usize) -> bool {
        let record = &self.records[record];
        record.there && USERS[record.owner].0 == USERS[user].0 && (record.shared || record.owner == user)
    }

    fn read(&self, user: usize, record: usize) -> Effect {
        let value = self.visible(user, record).then(|| self.records[record].value.clone());
        Effect::Read { key: self.records[record].key.clone(), value }
    }

    fn content(&mut self, user: usize, shared: bool) -> Seen {
        self.contents += 1;
        let (tenant, name) = USERS[user];
        let canary = Canary { tenant: tenant.into(), user: name.into(), shared, number: self.contents };
        Seen { digest: self.contents, canary: Some(canary) }
    }

    fn op(&mut self, user: usize, name: &str, phase: Phase, outcome: Outcome, effect: Effect) {
        let (tenant, user_name) = USERS[user];
        self.now += 10;
        self.ops.push(Op {
            process: user as u32,
            tenant: tenant.into(),
            user: user_name.into(),
            name: name.into(),
            phase,
            planned_us: None,
            invoke_us: self.now,
            complete_us: self.now + 5,
            outcome,
            effect,
        });
    }
}

fn outcome(answered: bool) -> Outcome {
    if answered { Outcome::Ok } else { Outcome::Unknown(ErrorKind::Timeout) }
}

fn every_standing_check() -> Criteria {
    Criteria { required: check::standing().map(str::to_owned).collect(), ..Criteria::default() }
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
        // Somebody of the other organisation, or a colleague, sees what it must not.
        let Some(at) = position(&ops, |op| match &op.effect {
            Effect::Write { key: Some(_), value } => op.outcome == Outcome::Ok && (!private || !value.canary.as_ref().unwrap().shared),
            _ => false,
        }) else { return Ok(()) };
        let Effect::Write { key: Some(key), value } = ops[at].effect.clone() else { unreachable!() };
        let mut leak = ops[at].clone();
        let thief = USERS.iter().position(|(tenant, user)| (**tenant == *leak.tenant) == private && **user != *leak.user).unwrap();
        (leak.tenant, leak.user, leak.name) = (USERS[thief].0.into(), USERS[thief].1.into(), "search_memory".into());
        leak.invoke_us += 1;
        leak.complete_us += 1;
        leak.effect = Effect::Scan { hits: vec![(key, value)] };
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
        value.digest = u64::MAX;
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
}

/// A measured call of a user: when it began, how long it took, whether it was ok.
fn call(process: u32, at: u64, took: u64, ok: bool) -> Op {
    Op {
        process,
        tenant: "acme".into(),
        user: format!("user{process}").into(),
        name: "get_memory".into(),
        phase: Phase::Measured,
        planned_us: None,
        invoke_us: at,
        complete_us: at + took,
        outcome: outcome(ok),
        effect: Effect::None,
    }
}

fn verdict_of(check: &str, ops: Vec<Op>, criteria: &Criteria) -> Verdict {
    let history: History = ops.into_iter().collect();
    let findings = judge(&history, criteria);
    findings.into_iter().find(|finding| finding.check == check).map_or(Verdict::Unknown, |finding| finding.verdict)
}

fn bound(metric: Metric, below: f64) -> Criteria {
    Criteria { thresholds: vec![Threshold { operation: None, metric, below }], ..Criteria::default() }
}

proptest! {
    #[test]
    fn an_error_rate_is_the_share_of_calls_that_are_not_ok(calls in prop::collection::vec(any::<bool>(), 1..200), below in 0.01..1.0f64) {
        let rate = calls.iter().filter(|ok| !**ok).count() as f64 / calls.len() as f64;
        let expected = if rate < below { Verdict::Pass } else { Verdict::Fail };
        let ops = calls.into_iter().enumerate().map(|(number, ok)| call(0, number as u64 * 10, 5, ok)).collect();
        prop_assert_eq!(verdict_of("error-rate", ops, &bound(Metric::ErrorRate, below)), expected);
    }

    #[test]
    fn a_percentile_is_the_smallest_value_that_so_many_do_not_exceed(
        took in prop::collection::vec(1..1_000_000u64, 1..200),
        percentile in prop::sample::select(vec![50.0, 90.0, 95.0, 99.0, 99.9]),
        below in 1..1_000_000u64,
    ) {
        let enough = |value: u64| took.iter().filter(|other| **other <= value).count() as f64 >= percentile / 100.0 * took.len() as f64;
        let value = took.iter().copied().filter(|value| enough(*value)).min().unwrap();
        let expected = if value < below { Verdict::Pass } else { Verdict::Fail };
        let ops = took.iter().enumerate().map(|(number, took)| call(0, number as u64 * 2_000_000, *took, true)).collect();
        prop_assert_eq!(verdict_of("latency", ops, &bound(Metric::LatencyPercentile(percentile), below as f64)), expected);
    }

    #[test]
    fn users_count_as_concurrent_where_their_spans_share_a_moment(spans in prop::collection::vec((0..50u64, 1..50u64), 1..20), asked in 1..20u32) {
        let at_once = |moment: u64| spans.iter().filter(|(from, took)| (*from..from + took).contains(&moment)).count();
        let most = (0..100).map(at_once).max().unwrap_or_default() as u32;
        let expected = if most >= asked { Verdict::Pass } else { Verdict::Fail };
        let ops = spans.iter().enumerate().map(|(process, (from, took))| call(process as u32, *from, *took, true)).collect();
        prop_assert_eq!(verdict_of("users-concurrent", ops, &Criteria { users: Some(asked), ..Criteria::default() }), expected);
    }
}

fn effect(at: u64, outcome: Outcome, effect: Effect) -> Op {
    Op { outcome, effect, ..call(0, at, 5, true) }
}

fn verdict(at: u64, id: u32, kind: VerdictKind) -> Op {
    let of = |what: &str| format!("{what}{id}").into();
    effect(at, Outcome::Ok, Effect::Verdict { verdict: of("v"), kind, execution: of("e"), request: of("r") })
}

/// An injection that was accepted on verdict `id`, for the execution and request of verdict `of`.
fn injection(at: u64, id: u32, of: u32) -> Op {
    let inject = Effect::Inject {
        pattern: "p".into(),
        execution: format!("e{of}").into(),
        request: format!("r{of}").into(),
        verdict: Some(format!("v{id}").into()),
    };
    effect(at, Outcome::Ok, inject)
}

const KINDS: [VerdictKind; 3] = [VerdictKind::Allow, VerdictKind::Acknowledge, VerdictKind::Acknowledged];

proptest! {
    #[test]
    fn a_scenario_is_as_good_as_its_worst_expectation(words in prop::collection::vec(0..3usize, 0..20)) {
        let verdicts: Vec<Verdict> = words.iter().map(|word| [Verdict::Pass, Verdict::Unknown, Verdict::Fail][*word]).collect();
        let expectation = |verdict: &Verdict| Expectation {
            at_us: 0, expected: "x".to_owned(), verdict: *verdict, seen: "y".to_owned(), ops: Vec::new(),
        };
        let criteria = Criteria { expectations: Some(verdicts.iter().map(expectation).collect()), ..Criteria::default() };
        prop_assert_eq!(verdict_of("expectations-held", Vec::new(), &criteria), Verdict::merge(verdicts));
    }

    #[test]
    fn a_quota_fails_exactly_where_more_was_admitted_than_allowed(
        ends in prop::collection::vec(0..3usize, 1..60), limit in 1..30u64,
    ) {
        let outcomes = [Outcome::Ok, Outcome::Failed(ErrorKind::Quota), Outcome::Unknown(ErrorKind::Timeout)];
        let admitted = ends.iter().filter(|end| **end == 0).count() as u64;
        let maybe = ends.iter().filter(|end| **end == 2).count() as u64;
        let expected = if admitted > limit { Verdict::Fail } else if admitted + maybe > limit { Verdict::Unknown } else { Verdict::Pass };
        let ops = ends.iter().enumerate().map(|(at, end)| effect(at as u64 * 10, outcomes[*end].clone(), Effect::None)).collect();
        let quota = Quota { tenant: "acme".to_owned(), operations: Vec::new(), limit, window_us: None };
        let criteria = Criteria { quotas: vec![quota], ..Criteria::default() };
        prop_assert_eq!(verdict_of("quota-bound", ops, &criteria), expected);
    }

    #[test]
    fn fixed_windows_that_hold_never_fail_their_quota(
        limit in 1..10u64, begins in 0..1_000u64, counts in prop::collection::vec(0..10u64, 1..8),
    ) {
        // Windows of 1,000 us that begin anywhere, each filled at most to its limit.
        let mut ops = Vec::new();
        for (window, count) in counts.iter().enumerate() {
            let from = begins + window as u64 * 1_000;
            ops.extend((0..(*count).min(limit)).map(|number| effect(from + number * 90, Outcome::Ok, Effect::None)));
        }
        let quota = Quota { tenant: "acme".to_owned(), operations: Vec::new(), limit, window_us: Some(1_000) };
        prop_assert_ne!(verdict_of("quota-bound", ops, &Criteria { quotas: vec![quota], ..Criteria::default() }), Verdict::Fail);
    }

    #[test]
    fn an_injection_stands_or_falls_with_its_verdict(
        kinds in prop::collection::vec(0..3usize, 1..6),
        uses in prop::collection::vec((0..8u32, 0..8u32), 1..12),
    ) {
        let mut ops: Vec<Op> = kinds.iter().enumerate().map(|(id, kind)| verdict(id as u64 * 10, id as u32, KINDS[*kind])).collect();
        let mut spent = std::collections::HashSet::new();
        let mut good = true;
        for (number, (id, of)) in uses.iter().enumerate() {
            good &= match kinds.get(*id as usize).map(|kind| KINDS[*kind]) {
                None | Some(VerdictKind::Acknowledge) => false,
                Some(VerdictKind::Allow) => id == of,
                Some(VerdictKind::Acknowledged) => id == of && spent.insert(*id),
            };
            ops.push(injection(1_000 + number as u64 * 10, *id, *of));
        }
        let expected = if good { Verdict::Pass } else { Verdict::Fail };
        prop_assert_eq!(verdict_of("no-injection-without-verdict", ops, &every_standing_check()), expected);
    }

    #[test]
    fn a_workflow_within_an_outage_passes_exactly_where_it_names_it(
        service in 0..3usize, down in 0..100u64, lasts in 1..200u64, at in 0..300u64, named in any::<bool>(),
    ) {
        let names = ["guardrails", "memory", "patterns"];
        let reasons = ["guardrail_unavailable", "memory_unavailable", "patterns_unavailable"];
        let outage = |at, down| effect(at, Outcome::Ok, Effect::Outage { service: names[service].into(), down });
        let workflow = Workflow {
            status: if named { WorkflowEnd::Degraded } else { WorkflowEnd::Completed },
            reasons: if named { vec![reasons[service].into()] } else { Vec::new() },
            fallbacks: Vec::new(),
            verdict: None,
            injected: None,
        };
        let ops = vec![outage(down, true), effect(at, Outcome::Ok, Effect::Workflow(workflow)), outage(down + 5 + lasts, false)];
        let within = at >= down + 5 && at + 5 <= down + 5 + lasts;
        let expected = if within && !named { Verdict::Fail } else { Verdict::Pass };
        prop_assert_eq!(verdict_of("degraded-is-declared", ops, &every_standing_check()), expected);
    }
}
