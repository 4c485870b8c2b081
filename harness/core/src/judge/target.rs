//! What a load on a target proves: which checks of records must decide, and which promises the profile gave no means to look at. No check passes
//! because the harness had no way to see it fail (decision 0052).

use crate::drive::experiment::Experiment;
use crate::plan::operation::{OperationData, Placeholder};
use crate::plan::workload::Workload;
use harness_history::{EffectRef, Finding, History, OpRef, Verdict, check};
use std::collections::BTreeMap;

/// The order of a list and its pages are promises of our own services, and of no other.
const OF_OUR_LISTS: &str = "index-agrees";

/// The calls of a load or an experiment on a target.
#[derive(Clone, Copy)]
pub(super) struct TargetCalls<'a> {
    operations: &'a [OperationData],
    mix: &'a BTreeMap<String, u32>,
    /// One for each token.
    organisations: u32,
}

impl<'a> TargetCalls<'a> {
    pub(super) fn of_load(workload: &'a Workload) -> Self {
        Self { operations: &workload.operations, mix: &workload.mix, organisations: workload.organisations }
    }

    /// `organisations` is the number of tokens.
    pub(super) fn of_experiment(experiment: &'a Experiment, organisations: u32) -> Self {
        Self { operations: &experiment.load.operations, mix: &experiment.load.mix, organisations }
    }
}

/// What the operations of a profile let the checks see.
pub(super) struct Coverage {
    /// Names of the standing checks that must decide.
    pub(super) required: Vec<String>,
    /// What was not looked at, each with the reason.
    pub(super) unseen: Vec<String>,
}

impl Coverage {
    pub(super) fn of(calls: TargetCalls<'_>) -> Self {
        let (mut required, mut unseen) = (Vec::new(), Vec::new());
        let drawn = |operation: &&OperationData| calls.mix.get(&operation.name).is_some_and(|weight| *weight > 0);
        let any = |fits: &dyn Fn(&OperationData) -> bool| calls.operations.iter().filter(drawn).any(fits);
        let reads_key = |key: Placeholder| any(&|operation| operation.reads_any() && operation.uses(key));
        if !calls.operations.iter().any(OperationData::creates) {
            unseen.push("records (no operation has `writes` with a new key)".to_owned());
        } else if !calls.operations.iter().any(OperationData::reads_any) {
            unseen.push("records (no operation has `reads`, so that no write can be read back)".to_owned());
        } else {
            required.extend(["register", "sessions", "no-lost-writes", "no-phantom-reads"]);
            if reads_key(Placeholder::KnownKey) {
                required.push("read-your-writes");
            } else {
                unseen.push("reads of own records during the load (no `reads` with `{{known_key}}`)".to_owned());
            }
            if lists_values(calls) {
                required.push("no-duplicate-effects");
            } else {
                unseen.push("duplicates (no operation `lists` records with their values)".to_owned());
            }
        }
        if calls.organisations < 2 {
            unseen.push("isolation (it needs two tokens)".to_owned());
        } else if required.is_empty() || !(reads_key(Placeholder::ForeignKey) || lists_values(calls)) {
            unseen.push("isolation between the tokens (no `reads` with `{{foreign_key}}`, no `lists`)".to_owned());
        } else {
            required.push("tenant-isolation");
        }
        Self { required: required.into_iter().map(str::to_owned).collect(), unseen }
    }
}

/// Returns true if the contents that the load writes have marks, and lists return them.
fn lists_values(calls: TargetCalls<'_>) -> bool {
    let lists = |operation: &OperationData| operation.lists.as_ref().is_some_and(|lists| lists.value.is_some());
    let marks = |operation: &OperationData| operation.writes.is_some() && operation.uses(Placeholder::Content);
    calls.operations.iter().any(lists) && calls.operations.iter().any(marks)
}

/// Corrects the findings of a load on a target: those that the profile gave no means to fail are dropped, and those that may only show a wrong pointer
/// of the profile are unknown.
pub(super) fn corrected(calls: TargetCalls<'_>, history: &History, findings: Vec<Finding>) -> Vec<Finding> {
    let required = Coverage::of(calls).required;
    let is_seen = |finding: &Finding| {
        let standing = check::about_records().any(|name| name == finding.check);
        // A violation is one, whether or not the profile asks for it.
        finding.check != OF_OUR_LISTS
            && (!standing || finding.verdict == Verdict::Fail || required.contains(&finding.check))
    };
    let blind = blind_spot(history);
    let doubt = |finding| match blind {
        Some(pointer) => doubted(finding, pointer),
        None => finding,
    };
    findings.into_iter().filter(is_seen).map(doubt).collect()
}

/// Returns the pointer that may be wrong: records were read or listed, and none of the replies had a value where the profile says that it is.
fn blind_spot(history: &History) -> Option<&'static str> {
    let mut reads = history.reads().peekable();
    let is_list = |op: &OpRef<'_>| op.is_ok() && matches!(op.effect(), EffectRef::Scan { .. });
    let mut lists = history.ops().filter(is_list).peekable();
    if reads.peek().is_some() && reads.all(|(_, _, _, value)| value.is_none()) {
        Some("reads.value")
    } else if lists.peek().is_some() && lists.all(|op| op.effect().returned().next().is_none()) {
        Some("lists")
    } else {
        None
    }
}

fn doubted(finding: Finding, pointer: &str) -> Finding {
    if finding.verdict != Verdict::Fail || !check::about_records().any(|name| name == finding.check) {
        return finding;
    }
    let summary = format!(
        "no reply had a value at the place of `{pointer}`, so that the profile may be wrong; with the profile as it is: {}",
        finding.summary
    );
    Finding { verdict: Verdict::Unknown, violations: 0, summary, ..finding }
}

#[cfg(test)]
mod tests {
    use super::{Coverage, TargetCalls, corrected};
    use crate::plan::workload::{Model, Workload};
    use harness_history::{Criteria, Effect, History, Op, Outcome, Phase, RecordState, Verdict, judge};
    use serde_json::{Value, json};
    use std::time::Duration;

    fn workload(organisations: u32, operations: &Value) -> Workload {
        let operations: Vec<crate::plan::operation::OperationData> =
            serde_json::from_value(operations.clone()).unwrap();
        Workload {
            name: "mine".to_owned(),
            service: None,
            users: 4,
            organisations,
            model: Model::Closed { think_time: Duration::ZERO },
            beside: None,
            warmup: Duration::ZERO,
            duration: Duration::from_secs(1),
            call_deadline: Duration::from_secs(1),
            longest_gap: Duration::from_secs(1),
            mix: operations.iter().map(|operation| (operation.name.clone(), 1)).collect(),
            operations,
            seed_memories: 0,
            final_read_concurrency: 1,
            final_read_records: 1_000,
            thresholds: Vec::new(),
        }
    }

    fn put() -> Value {
        json!({ "name": "put", "place": "p", "tool": "put", "arguments": { "key": "{{key}}", "text": "{{content}}" },
            "writes": { "key": "/arguments/key", "value": "/arguments/text" } })
    }

    fn get(name: &str, key: &str) -> Value {
        json!({ "name": name, "place": "p", "tool": "get", "arguments": { "key": format!("{{{{{key}}}}}") },
            "reads": { "key": "/arguments/key", "value": "/reply/text" } })
    }

    #[test]
    fn what_the_profile_gives_no_means_for_is_named_and_not_required() {
        let of = |organisations, operations: &Value| {
            let Coverage { required, unseen } =
                Coverage::of(TargetCalls::of_load(&workload(organisations, operations)));
            (required.join(" "), unseen.join("; "))
        };
        let (required, unseen) = of(1, &json!([{ "name": "x", "place": "p", "tool": "x", "arguments": {} }]));
        assert!(required.is_empty() && unseen.contains("no operation has `writes`") && unseen.contains("two tokens"));
        let (required, unseen) = of(1, &json!([put()]));
        assert!(required.is_empty() && unseen.contains("no operation has `reads`"), "{unseen}");
        let (required, unseen) = of(2, &json!([put(), get("get", "shared_key")]));
        assert_eq!(required, "register sessions no-lost-writes no-phantom-reads");
        assert!(unseen.contains("`{{known_key}}`") && unseen.contains("`{{foreign_key}}`"), "{unseen}");
        let (required, unseen) = of(2, &json!([put(), get("get", "known_key"), get("probe", "foreign_key")]));
        assert!(required.ends_with("read-your-writes tenant-isolation"), "{required}");
        assert!(unseen.starts_with("duplicates (no operation `lists`"), "{unseen}");
        let list = json!({ "name": "list", "place": "p", "tool": "list", "arguments": {},
            "lists": { "items": "/reply/items", "key": "/id", "value": "/text" } });
        let (required, unseen) = of(2, &json!([put(), get("get", "known_key"), list]));
        assert!(
            required.ends_with("no-duplicate-effects tenant-isolation") && unseen.is_empty(),
            "{required}; {unseen}"
        );
    }

    fn op(phase: Phase, at: u64, effect: Effect) -> Op {
        Op {
            process: 0,
            tenant: "o".into(),
            user: "u".into(),
            workspace: None,
            name: "put".into(),
            phase,
            planned_us: None,
            invoke_us: at,
            complete_us: at + 1,
            outcome: Outcome::Ok,
            strays: Vec::new(),
            effect,
        }
    }

    /// The verdict on two acknowledged writes, of which the first is missing and the second is read back with this value.
    fn verdict(second: Option<RecordState>) -> (Verdict, String) {
        let state = |digest| RecordState::of_content(digest, None);
        let write = |at, key: &str| {
            op(Phase::Measured, at, Effect::Write { key: Some(key.into()), value: state(at), existing: false })
        };
        let read = |at, key: &str, value| op(Phase::Final, at, Effect::Read { key: key.into(), value });
        let ops = vec![write(10, "a"), write(20, "b"), read(30, "a", None), read(40, "b", second)];
        let (history, workload) =
            (ops.into_iter().collect::<History>(), workload(1, &json!([put(), get("get", "known_key")])));
        let findings = judge(
            &history,
            &Criteria { required: Coverage::of(TargetCalls::of_load(&workload)).required, ..Criteria::default() },
        );
        let findings = corrected(TargetCalls::of_load(&workload), &history, findings);
        assert!(findings.iter().all(|finding| finding.check != "no-duplicate-effects"), "{findings:?}");
        let finding = findings.into_iter().find(|finding| finding.check == "no-lost-writes").unwrap();
        (finding.verdict, finding.summary)
    }

    #[test]
    fn a_lost_record_is_a_failure_only_if_the_pointer_has_found_another_one() {
        assert_eq!(verdict(Some(RecordState::of_content(20, None))).0, Verdict::Fail);
        let (verdict, why) = verdict(None);
        assert_eq!(verdict, Verdict::Unknown);
        assert!(why.contains("`reads.value`") && why.contains("2 lost"), "{why}");
    }
}
