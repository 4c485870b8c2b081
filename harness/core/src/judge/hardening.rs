//! The findings of a hardening run, from its recorded results. Failures with one cause are one finding.

use crate::drive::hardening::{CheckRecord, CheckState};
use crate::plan::hardening::{CheckTexts, Hardening};
use harness_history::{Evidence, Finding, Verdict};

/// Returns one finding for each check that was applicable, except for failures that another finding contains. A check without a result, because the
/// run was cut off, is unknown.
pub(super) fn findings(plan: &Hardening, records: &[CheckRecord]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for texts in &plan.checks {
        let Some(record) = records.iter().find(|record| record.id == texts.id) else {
            findings.push(without_result(texts));
            continue;
        };
        if record.state == CheckState::NotApplicable || cause_of(&texts.id, plan, records).is_some() {
            continue;
        }
        findings.push(finding(texts, record, plan, records));
    }
    // A run in which nothing was tried proves nothing.
    if findings.is_empty() {
        let nothing = |texts| Finding { summary: "no check was applicable".to_owned(), ..without_result(texts) };
        findings.extend(plan.checks.first().map(nothing));
    }
    findings
}

/// Returns the check whose failure is the first cause of a failure of `id`; `None` if it does not fail or is a cause itself.
pub(crate) fn cause_of<'p>(id: &str, plan: &'p Hardening, records: &[CheckRecord]) -> Option<&'p str> {
    let fails = |id: &str| records.iter().any(|record| record.id == id && record.state == CheckState::Fail);
    let texts = |id: &str| plan.checks.iter().find(|texts| texts.id == id);
    let mut cause: Option<&CheckTexts> = None;
    let mut at = texts(id).filter(|texts| fails(&texts.id))?;
    // A chain has no circle, which a test of the catalogue holds; the bound ends this loop without it.
    for _ in 0..plan.checks.len() {
        let Some(next) = at.follows.iter().filter(|id| fails(id)).find_map(|id| texts(id)) else { break };
        (cause, at) = (Some(next), next);
    }
    cause.map(|texts| texts.id.as_str())
}

fn finding(texts: &CheckTexts, record: &CheckRecord, plan: &Hardening, records: &[CheckRecord]) -> Finding {
    let violation = |violation: &crate::drive::hardening::ViolationRecord| Evidence {
        what: format!("{}: {}", violation.case, violation.signs.join("; ")),
        ops: violation.ops.clone(),
    };
    let doubt = |doubt: &String| Evidence { what: doubt.clone(), ops: Vec::new() };
    let same = records.iter().filter(|other| cause_of(&other.id, plan, records) == Some(texts.id.as_str()));
    let same =
        same.map(|other| Evidence { what: format!("same cause: {} {}", other.id, other.summary), ops: Vec::new() });
    let violations = record.violations.iter().map(violation);
    let evidence: Vec<Evidence> = violations.chain(record.doubts.iter().map(doubt)).chain(same).collect();
    Finding {
        check: texts.id.clone(),
        verdict: record.state.verdict().unwrap_or(Verdict::Unknown),
        summary: match record.state {
            CheckState::Fail => format!("{}; expected: {}", record.summary, texts.title),
            CheckState::Pass | CheckState::Unknown | CheckState::NotApplicable => record.summary.clone(),
        },
        judged: record.cases,
        violations: record.violations.len() as u64,
        evidence: evidence.into_iter().take(Finding::MAX_EVIDENCE).collect(),
    }
}

fn without_result(texts: &CheckTexts) -> Finding {
    Finding {
        check: texts.id.clone(),
        verdict: Verdict::Unknown,
        summary: "the run ended before this check".to_owned(),
        judged: 0,
        violations: 0,
        evidence: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::{cause_of, findings};
    use crate::drive::hardening::{CheckRecord, CheckState};
    use crate::plan::hardening::{CheckTexts, Hardening};
    use harness_history::Verdict;
    use std::time::Duration;

    fn texts(id: &str, follows: &[&str]) -> CheckTexts {
        CheckTexts {
            id: id.to_owned(),
            title: format!("{id} holds"),
            score: 5.0,
            why: String::new(),
            sources: Vec::new(),
            how: String::new(),
            remedy: String::new(),
            mend: Vec::new(),
            follows: follows.iter().map(|id| (*id).to_owned()).collect(),
        }
    }

    fn record(id: &str, state: CheckState) -> CheckRecord {
        CheckRecord {
            id: id.to_owned(),
            state,
            summary: "seen".to_owned(),
            cases: 1,
            controls: 1,
            attempts: 1,
            took_us: 1,
            violations: Vec::new(),
            doubts: Vec::new(),
        }
    }

    fn plan() -> Hardening {
        let checks = vec![texts("A", &[]), texts("B", &["A"]), texts("C", &["B"]), texts("D", &[]), texts("E", &[])];
        Hardening {
            repository: None,
            profile: None,
            name: "catalogue".into(),
            about: "x".into(),
            deadline: Duration::from_secs(1),
            checks,
            omitted: Vec::new(),
        }
    }

    #[test]
    fn failures_with_one_cause_are_one_finding() {
        use CheckState::{Fail, NotApplicable, Pass, Unknown};
        let records =
            [record("A", Fail), record("B", Fail), record("C", Fail), record("D", NotApplicable), record("E", Pass)];
        let judged = findings(&plan(), &records);
        assert_eq!(judged.iter().map(|finding| finding.check.as_str()).collect::<Vec<_>>(), ["A", "E"]);
        assert_eq!(judged[0].evidence.len(), 2, "{:?}", judged[0].evidence);
        let none = ["A", "B", "C", "D", "E"].map(|id| record(id, NotApplicable));
        let judged = findings(&plan(), &none);
        assert_eq!(judged.iter().map(|finding| finding.verdict).collect::<Vec<_>>(), [Verdict::Unknown]);
        let records = [record("A", Pass), record("B", Fail), record("C", Fail), record("D", Unknown)];
        let judged = findings(&plan(), &records);
        let verdicts: Vec<(&str, Verdict)> =
            judged.iter().map(|finding| (finding.check.as_str(), finding.verdict)).collect();
        let expected = [("A", Verdict::Pass), ("B", Verdict::Fail), ("D", Verdict::Unknown), ("E", Verdict::Unknown)];
        assert_eq!(verdicts, expected, "a check without a result is unknown");
        assert_eq!(cause_of("C", &plan(), &records), Some("B"));
        assert_eq!(cause_of("B", &plan(), &records), None);
    }
}
