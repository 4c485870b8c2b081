//! Small histories, and what a check says of them.

use harness_history::{Criteria, Effect, ErrorKind, Finding, History, Op, Outcome, Phase, Verdict, check, judge};

/// A measured call of a user: when it began, how long it took, whether it was ok.
pub(crate) fn call(process: u32, at: u64, took: u64, ok: bool) -> Op {
    Op {
        process,
        tenant: "acme".into(),
        user: format!("user{process}").into(),
        workspace: None,
        name: "get_memory".into(),
        phase: Phase::Measured,
        planned_us: None,
        invoke_us: at,
        complete_us: at + took,
        outcome: outcome(ok),
        strays: Vec::new(),
        effect: Effect::None,
    }
}

pub(crate) fn effect(at: u64, outcome: Outcome, effect: Effect) -> Op {
    Op { outcome, effect, ..call(0, at, 5, true) }
}

pub(crate) fn outcome(answered: bool) -> Outcome {
    if answered { Outcome::Ok } else { Outcome::Unknown(ErrorKind::Timeout) }
}

/// What one check says of a history; `None` where it says nothing.
pub(crate) fn finding_of(check: &str, history: &History, criteria: &Criteria) -> Option<Finding> {
    judge(history, criteria).into_iter().find(|finding| finding.check == check)
}

pub(crate) fn verdict_of(check: &str, ops: Vec<Op>, criteria: &Criteria) -> Verdict {
    finding_of(check, &ops.into_iter().collect(), criteria).map_or(Verdict::Unknown, |finding| finding.verdict)
}

pub(crate) fn every_standing_check() -> Criteria {
    Criteria { required: check::standing().map(str::to_owned).collect(), ..Criteria::default() }
}
