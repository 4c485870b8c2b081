//! A history keeps its operations packed: each one comes back as it was recorded, and a history that is too long for its memory is refused.

use crate::form::recorded_operations;
use crate::history::{call, effect};
use harness_history::op::Query;
use harness_history::{
    Canary, Effect, ErrorKind, Full, History, HistoryBuilder, Op, Outcome, Phase, RecordState, VerdictKind, Visibility,
    Workflow, WorkflowEnd,
};

fn assert_kept(ops: &[Op]) {
    let history: History = ops.iter().cloned().collect();
    assert_eq!(history.len(), ops.len() as u64);
    for (op, kept) in ops.iter().zip(history.ops()) {
        assert_eq!(kept.to_op(), *op);
        assert_eq!(
            (kept.latency_us(), kept.service_us(), kept.is_error()),
            (op.latency_us(), op.service_us(), op.is_error())
        );
    }
}

#[test]
fn every_recorded_operation_comes_back_as_it_was_recorded() {
    let ops = recorded_operations();
    assert!(ops.len() > 400, "{}", ops.len());
    assert_kept(&ops);
}

/// Operations with every field that the fixtures leave out, and with numbers that need their full width.
fn wide() -> Vec<Op> {
    let canary = |shared, number| Canary {
        tenant: "acme".into(),
        user: "ann".into(),
        workspace: Some("lab".into()),
        shared,
        number,
    };
    let full = |number: u64| RecordState {
        digest: Some(number),
        canary: Some(canary(number.is_multiple_of(2), number)),
        version: Some(u64::MAX),
        visibility: Some(Visibility::Private),
        tags: Some(u32::MAX),
    };
    let shared = RecordState { visibility: Some(Visibility::Workspace), ..RecordState::default() };
    let query = Query { words: Some(u32::MAX), tags: Some(0), page: 7, more: true, target: Some("k".into()) };
    let records = vec![("k".into(), full(1)), ("".into(), shared.clone()), ("k".into(), full(2))];
    let long = Workflow {
        execution: Some("e".into()),
        key: Some("".into()),
        reasons: vec!["r".into(), "r".into()],
        fallbacks: vec!["f".into()],
        risky: true,
        verdict: Some("allow".into()),
        rules: Some("v1".into()),
        pattern: Some("p".into()),
        injected: Some("i".into()),
        ..Workflow::ended(WorkflowEnd::AcknowledgementRequired)
    };
    let verdict = |kind, lifetime_s| Effect::Verdict {
        verdict: "v".into(),
        kind,
        execution: "e".into(),
        request: "".into(),
        rules: "v1".into(),
        user: "ann".into(),
        lifetime_s,
    };
    let effects = [
        Effect::Write { key: None, value: full(u64::MAX), existing: true },
        Effect::Writes { records: records.clone() },
        Effect::Update { key: "k".into(), value: shared, expected: Some(u64::MAX) },
        Effect::Update { key: "k".into(), value: RecordState::default(), expected: Some(u64::from(u32::MAX)) },
        Effect::Deletes { keys: vec!["k".into(), "l".into()] },
        Effect::Scan { hits: records, query: Some(Box::new(query)) },
        Effect::Scan { hits: Vec::new(), query: Some(Box::default()) },
        verdict(VerdictKind::Allow, None),
        verdict(VerdictKind::Acknowledge, Some(u64::MAX)),
        verdict(VerdictKind::Acknowledged, Some(0)),
        Effect::Inject { pattern: "p".into(), execution: "e".into(), request: "r".into(), verdict: None },
        Effect::Workflow(long),
        Effect::Workflow(Workflow::ended(WorkflowEnd::Degraded)),
        Effect::Outage { service: "memory".into(), down: false },
    ];
    let mut ops: Vec<Op> = effects.into_iter().map(|it| effect(1, Outcome::Ok, it)).collect();
    ops.extend(wide_times());
    ops.push(Op {
        strays: vec![canary(true, 3), canary(false, 4)],
        workspace: Some("lab".into()),
        ..call(1, 0, 0, true)
    });
    ops
}

/// Operations whose times need more than 32 bits, or run backwards.
fn wide_times() -> Vec<Op> {
    let mut ops = Vec::new();
    let times = [(None, 5, 5), (None, 9, 3), (Some(9), 3, 4), (Some(0), u64::MAX, 0), (Some(1), 2, u64::MAX)];
    for (planned_us, invoke_us, complete_us) in times {
        for phase in [Phase::Setup, Phase::Warmup, Phase::Measured, Phase::Final] {
            let outcome = Outcome::Unknown(ErrorKind::Malformed("why".into()));
            ops.push(Op { planned_us, invoke_us, complete_us, phase, outcome, ..call(u32::MAX, 0, 0, true) });
        }
    }
    for took_us in [u64::from(u32::MAX) - 1, u64::from(u32::MAX), u64::from(u32::MAX) + 1] {
        ops.push(Op { planned_us: Some(1), invoke_us: took_us + 1, complete_us: took_us + 1, ..call(1, 0, 0, true) });
        ops.push(call(1, 7, took_us, true));
    }
    ops
}

#[test]
fn full_numbers_and_rare_fields_come_back_too() {
    assert_kept(&wide());
}

#[test]
fn a_history_beyond_its_memory_is_refused_with_the_number_of_operations_that_fit() {
    let mut builder = HistoryBuilder::within(100_000);
    let mut refused = None;
    for at in 0..10_000 {
        if let Err(full) = builder.push(&call(0, at, 1, true)) {
            refused = Some(full);
            break;
        }
    }
    let Full { ops, most_bytes } = refused.expect("10,000 operations take more");
    assert_eq!((most_bytes, builder.finish().len()), (100_000, ops));
    assert!((2_000..4_000).contains(&ops), "32 bytes each: {ops}");
}
