//! Decides what a load on a target proves: which checks of records must have a verdict, and which promises the operations of the profile cannot
//! test. A check must not pass because the harness could not have seen it fail (decision 0052).

use crate::drive::experiment::Experiment;
use crate::plan::operation::{OperationData, Placeholder};
use crate::plan::workload::Workload;
use harness_history::{EffectRef, Finding, History, OpRef, Phase, Verdict, check};
use std::collections::{BTreeMap, HashMap};

/// The order of a list and its pages are promises of our own services, and of no other.
const INDEX_AGREES: &str = "index-agrees";
const LOST: &str = "no-lost-writes";
const PHANTOM: &str = "no-phantom-reads";
const DUPLICATES: &str = "no-duplicate-effects";

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
    pub(super) not_judged: Vec<String>,
}

impl Coverage {
    pub(super) fn of(calls: TargetCalls<'_>) -> Self {
        let (mut required, mut not_judged) = (Vec::new(), Vec::new());
        let drawn = |operation: &&OperationData| calls.mix.get(&operation.name).is_some_and(|weight| *weight > 0);
        let any = |fits: &dyn Fn(&OperationData) -> bool| calls.operations.iter().filter(drawn).any(fits);
        let reads_key = |key: Placeholder| any(&|operation| operation.reads_any() && operation.uses(key));
        if !calls.operations.iter().any(OperationData::creates) {
            not_judged.push("records (no operation has `writes` with a new key)".to_owned());
        } else if !calls.operations.iter().any(OperationData::reads_any) {
            not_judged.push("records (no operation has `reads`, so that no write can be read back)".to_owned());
        } else {
            required.extend(["register", "sessions", "no-lost-writes", "no-phantom-reads"]);
            if reads_key(Placeholder::KnownKey) {
                required.push("read-your-writes");
            } else {
                not_judged.push("reads of own records during the load (no `reads` with `{{known_key}}`)".to_owned());
            }
            if lists_values(calls) {
                required.push("no-duplicate-effects");
            } else {
                not_judged.push("duplicates (no operation `lists` records with their values)".to_owned());
            }
        }
        if calls.organisations < 2 {
            not_judged.push("isolation (it needs two tokens)".to_owned());
        } else if required.is_empty() || !(reads_key(Placeholder::ForeignKey) || lists_values(calls)) {
            not_judged.push("isolation between the tokens (no `reads` with `{{foreign_key}}`, no `lists`)".to_owned());
        } else {
            required.push("tenant-isolation");
        }
        Self { required: required.into_iter().map(str::to_owned).collect(), not_judged }
    }
}

/// Returns true if the contents that the load writes have marks, and lists return them.
fn lists_values(calls: TargetCalls<'_>) -> bool {
    let lists = |operation: &OperationData| operation.lists.as_ref().is_some_and(|lists| lists.value.is_some());
    let marks = |operation: &OperationData| operation.writes.is_some() && operation.uses(Placeholder::Content);
    calls.operations.iter().any(lists) && calls.operations.iter().any(marks)
}

/// Corrects the findings of a load on a target: drops those that could not have failed with this profile, and makes those *unknown* that may only
/// show a wrong JSON pointer in the profile.
pub(super) fn corrected(calls: TargetCalls<'_>, history: &History, findings: Vec<Finding>) -> Vec<Finding> {
    let required = Coverage::of(calls).required;
    let is_seen = |finding: &Finding| {
        let standing = check::about_records().any(|name| name == finding.check);
        // A violation is one, whether or not the profile asks for it.
        finding.check != INDEX_AGREES
            && (!standing || finding.verdict == Verdict::Fail || required.contains(&finding.check))
    };
    let blind = blind_spot(history);
    let doubt = |finding: Finding| {
        let why = match finding.verdict {
            Verdict::Pass if finding.check == DUPLICATES => no_list(history),
            Verdict::Fail if check::about_records().any(|name| name == finding.check) => {
                blind.or_else(|| only_listed(history, &finding))
            }
            Verdict::Pass | Verdict::Fail | Verdict::Unknown => None,
        };
        match why {
            Some(why) => as_unknown(finding, why),
            None => finding,
        }
    };
    let hint = |finding: Finding| match finding.verdict {
        Verdict::Fail if finding.check == PHANTOM && has_repeated_value(history) => Finding {
            summary: format!(
                "{}; several records have one value that no call has written: if it means that there is no record, name it with `no_record` in \
                 `reads`",
                finding.summary
            ),
            ..finding
        },
        Verdict::Pass | Verdict::Fail | Verdict::Unknown => finding,
    };
    findings.into_iter().filter(is_seen).map(doubt).map(hint).collect()
}

/// Returns true if reads of two records returned one value that no call has written.
fn has_repeated_value(history: &History) -> bool {
    let mut first = HashMap::new();
    let mut unwritten = history.reads().filter_map(|(_, _, key, value)| {
        let value = value.filter(|value| history.writers(*value).is_empty())?;
        Some((value.digest()?, key))
    });
    unwritten.any(|(digest, key)| *first.entry(digest).or_insert(key) != key)
}

/// Returns the pointer that may be wrong: records were read or listed, but no reply had a written value at the pointer of the profile.
fn blind_spot(history: &History) -> Option<&'static str> {
    let mut reads = history.reads().peekable();
    let mut lists = history.ops().filter(is_list).peekable();
    if reads.peek().is_some()
        && !reads.any(|(_, _, _, value)| value.is_some_and(|value| !history.writers(value).is_empty()))
    {
        return Some(
            "no reply had a value that was written at the place of `reads.value`, so that the profile may be wrong (a tool of FastMCP that \
             returns a text has it at `/reply/result`)",
        );
    }
    // A list of keys alone has no values.
    let mut listed = lists.clone().flat_map(|op| op.effect().returned());
    let is_blind = lists.peek().is_some()
        && !listed.any(|(key, value)| {
            history.changes(key).is_some() && (value.digest().is_none() || !history.writers(value).is_empty())
        });
    is_blind.then_some("no list had a written record at the pointers of `lists`, so the profile may be wrong")
}

fn is_list(op: &OpRef<'_>) -> bool {
    op.is_ok() && matches!(op.effect(), EffectRef::Scan { .. })
}

/// Returns why duplicates were not looked for; `None` if a list after the load had a record of this run.
fn no_list(history: &History) -> Option<&'static str> {
    let is_marked = |op: OpRef<'_>| op.effect().returned().any(|(_, value)| value.canary().is_some());
    let mut lists = history.ops().filter(|op| op.phase() == Phase::Final && is_list(op));
    (!lists.any(is_marked)).then_some("no list after the load had a record with a mark, so duplicates were not checked")
}

/// Returns the doubt if every lost record that the finding shows was missing from a list alone, and the read by its key found it.
fn only_listed(history: &History, finding: &Finding) -> Option<&'static str> {
    let is_read = |write: OpRef<'_>| {
        let (key, ..) = write.effect().contents().next()?;
        let mut reads = history.reads().filter(|(_, op, ..)| op.phase() == Phase::Final);
        reads.find_map(|(_, _, read, value)| (Some(read) == key).then_some(value)?)
    };
    let is_only_listed = |ops: &[u64]| match ops {
        [write, sight] => {
            history.get(*sight).is_some_and(|op| is_list(&op)) && history.get(*write).and_then(is_read).is_some()
        }
        _ => false,
    };
    (finding.check == LOST && finding.evidence.iter().all(|evidence| is_only_listed(&evidence.ops)))
        .then_some("reads by key found the records that are missing from the lists, so the lists may have pages")
}

fn as_unknown(finding: Finding, why: &str) -> Finding {
    let summary = format!("{why}; without this doubt: {}", finding.summary);
    Finding { verdict: Verdict::Unknown, violations: 0, summary, ..finding }
}

#[cfg(test)]
mod tests {
    use super::{Coverage, TargetCalls, corrected};
    use crate::plan::workload::{Model, Workload};
    use harness_history::{
        Canary, Criteria, Effect, ErrorKind, Finding, History, Op, Outcome, Phase, Query, RecordState, Verdict, judge,
    };
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
    fn checks_without_data_in_the_profile_are_named_and_not_required() {
        let of = |organisations, operations: &Value| {
            let Coverage { required, not_judged } =
                Coverage::of(TargetCalls::of_load(&workload(organisations, operations)));
            (required.join(" "), not_judged.join("; "))
        };
        let (required, not_judged) = of(1, &json!([{ "name": "x", "place": "p", "tool": "x", "arguments": {} }]));
        assert!(
            required.is_empty()
                && not_judged.contains("no operation has `writes`")
                && not_judged.contains("two tokens")
        );
        let (required, not_judged) = of(1, &json!([put()]));
        assert!(required.is_empty() && not_judged.contains("no operation has `reads`"), "{not_judged}");
        let (required, not_judged) = of(2, &json!([put(), get("get", "shared_key")]));
        assert_eq!(required, "register sessions no-lost-writes no-phantom-reads");
        assert!(not_judged.contains("`{{known_key}}`") && not_judged.contains("`{{foreign_key}}`"), "{not_judged}");
        let (required, not_judged) = of(2, &json!([put(), get("get", "known_key"), get("probe", "foreign_key")]));
        assert!(required.ends_with("read-your-writes tenant-isolation"), "{required}");
        assert!(not_judged.starts_with("duplicates (no operation `lists`"), "{not_judged}");
        let list = json!({ "name": "list", "place": "p", "tool": "list", "arguments": {},
            "lists": { "items": "/reply/items", "key": "/id", "value": "/text" } });
        let (required, not_judged) = of(2, &json!([put(), get("get", "known_key"), list]));
        assert!(
            required.ends_with("no-duplicate-effects tenant-isolation") && not_judged.is_empty(),
            "{required}; {not_judged}"
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

    /// A content with the mark of its writer.
    fn state(number: u64) -> RecordState {
        let mark = Canary { tenant: "o".into(), user: "u".into(), workspace: None, shared: true, number };
        RecordState::of_content(number, Some(mark))
    }

    fn write(at: u64, key: &str) -> Op {
        op(Phase::Measured, at, Effect::Write { key: Some(key.into()), value: state(at), existing: false })
    }

    fn read(at: u64, key: &str, value: Option<RecordState>) -> Op {
        op(Phase::Final, at, Effect::Read { key: key.into(), value })
    }

    /// A whole list after the load.
    fn list(at: u64, hits: &[(&str, RecordState)]) -> Op {
        let hits = hits.iter().map(|(key, value)| ((*key).into(), value.clone())).collect();
        op(Phase::Final, at, Effect::Scan { hits, query: Some(Box::<Query>::default()) })
    }

    /// The findings on these calls of a profile whose operations write, read and list.
    fn findings(ops: Vec<Op>) -> Vec<Finding> {
        let lists = json!({ "name": "list", "place": "p", "tool": "list", "arguments": {},
            "lists": { "items": "/reply/items", "key": "/id", "value": "/text" } });
        judged(ops, &workload(1, &json!([put(), get("get", "known_key"), lists])))
    }

    fn judged(ops: Vec<Op>, workload: &Workload) -> Vec<Finding> {
        let history = ops.into_iter().collect::<History>();
        let required = Coverage::of(TargetCalls::of_load(workload)).required;
        let findings = judge(&history, &Criteria { required, ..Criteria::default() });
        corrected(TargetCalls::of_load(workload), &history, findings)
    }

    fn verdict_of(findings: &[Finding], check: &str) -> (Verdict, String) {
        let finding = findings.iter().find(|finding| finding.check == check).unwrap();
        (finding.verdict, finding.summary.clone())
    }

    /// The verdict on two acknowledged writes, of which the first is missing and the second is read back with this value.
    fn verdict(second: Option<RecordState>) -> (Verdict, String) {
        let ops = vec![write(10, "a"), write(20, "b"), read(30, "a", None), read(40, "b", second)];
        let findings = judged(ops, &workload(1, &json!([put(), get("get", "known_key")])));
        assert!(findings.iter().all(|finding| finding.check != "no-duplicate-effects"), "{findings:?}");
        verdict_of(&findings, "no-lost-writes")
    }

    #[test]
    fn a_lost_record_is_a_failure_only_if_the_pointer_has_found_another_one() {
        assert_eq!(verdict(Some(state(20))).0, Verdict::Fail);
        let (verdict, why) = verdict(None);
        assert_eq!(verdict, Verdict::Unknown);
        assert!(why.contains("`reads.value`") && why.contains("2 lost"), "{why}");
    }

    #[test]
    fn values_of_which_none_was_written_show_a_wrong_pointer_and_no_fault_of_the_server() {
        let other = RecordState::of_content(99, None);
        let reads = |first: &RecordState, second: &RecordState| {
            vec![
                write(10, "a"),
                write(20, "b"),
                read(30, "a", Some(first.clone())),
                read(40, "b", Some(second.clone())),
            ]
        };
        let workload = workload(1, &json!([put(), get("get", "known_key")]));
        for check in ["no-lost-writes", "no-phantom-reads"] {
            let (verdict, why) = verdict_of(&judged(reads(&other, &other), &workload), check);
            assert_eq!(verdict, Verdict::Unknown, "{check}: {why}");
            assert!(why.contains("`reads.value`") && why.contains("`/reply/result`"), "{why}");
            let (verdict, why) = verdict_of(&judged(reads(&other, &state(20)), &workload), check);
            assert_eq!(verdict, Verdict::Fail, "one value was found: {check}: {why}");
        }
    }

    #[test]
    fn a_value_of_several_records_that_no_call_has_written_has_a_hint() {
        let summary = |second: u64| {
            let values = [
                (30, "a", state(10)),
                (40, "b", RecordState::of_content(98, None)),
                (50, "c", RecordState::of_content(second, None)),
            ];
            let reads = values.map(|(at, key, value)| read(at, key, Some(value)));
            let ops = [write(10, "a"), write(20, "b"), write(25, "c")].into_iter().chain(reads).collect();
            let judged = judged(ops, &workload(1, &json!([put(), get("get", "known_key")])));
            let (verdict, summary) = verdict_of(&judged, "no-phantom-reads");
            assert_eq!(verdict, Verdict::Fail, "{summary}");
            summary
        };
        assert!(summary(98).contains("name it with `no_record`"), "{}", summary(98));
        assert!(!summary(99).contains("`no_record`"), "{}", summary(99));
    }

    #[test]
    fn a_list_without_a_record_that_was_written_shows_a_wrong_pointer() {
        let calls =
            |listed: &[(&str, RecordState)]| vec![write(10, "a"), read(30, "a", Some(state(10))), list(40, listed)];
        for listed in [vec![], vec![("0", state(10))], vec![("a", RecordState::of_content(99, None))]] {
            let (verdict, why) = verdict_of(&findings(calls(&listed)), "no-lost-writes");
            assert_eq!(verdict, Verdict::Unknown, "{why}");
            assert!(why.contains("`lists`"), "{why}");
        }
        let keys = findings(calls(&[("a", RecordState::default())]));
        assert_eq!(verdict_of(&keys, "no-lost-writes").0, Verdict::Pass, "a list of keys: {keys:?}");
    }

    #[test]
    fn no_duplicates_is_no_pass_before_a_list_has_answered_with_a_record() {
        let written = || vec![write(10, "a"), read(30, "a", Some(state(10)))];
        let with = |listed: Op| findings(written().into_iter().chain([listed]).collect());
        let failed = Op { outcome: Outcome::Unknown(ErrorKind::Timeout), ..list(40, &[("a", state(10))]) };
        let during = Op { phase: Phase::Measured, ..list(20, &[("a", state(10))]) };
        for not_judged in [findings(written()), with(failed), with(during), with(list(40, &[]))] {
            let (verdict, why) = verdict_of(&not_judged, "no-duplicate-effects");
            assert_eq!(verdict, Verdict::Unknown);
            assert!(why.contains("no list after the load"), "{why}");
        }
        let seen = with(list(40, &[("a", state(10))]));
        assert_eq!(verdict_of(&seen, "no-duplicate-effects").0, Verdict::Pass);
        let twice = with(list(40, &[("a", state(10)), ("b", state(10))]));
        assert_eq!(verdict_of(&twice, "no-duplicate-effects").0, Verdict::Fail);
    }

    #[test]
    fn a_record_that_only_a_list_lacks_is_not_held_against_the_server() {
        let calls = |second: Option<RecordState>| {
            let reads = [read(30, "a", Some(state(10))), read(35, "b", second)];
            [write(10, "a"), write(20, "b")].into_iter().chain(reads).chain([list(40, &[("a", state(10))])]).collect()
        };
        let (verdict, why) = verdict_of(&findings(calls(Some(state(20)))), "no-lost-writes");
        assert_eq!(verdict, Verdict::Unknown, "{why}");
        assert!(why.contains("may have pages"), "{why}");
        assert_eq!(verdict_of(&findings(calls(None)), "no-lost-writes").0, Verdict::Fail, "the read did not find it");
    }
}
