//! The reason of a verdict, in one sentence: how many checks decide it, the most severe one in full, and the names of the others.

use crate::drive::RunPurpose;
use crate::judge::{Judgement, Recorded};
use crate::plan::hardening::Severity;
use harness_history::{Finding, Verdict, counted};

/// Maximum number of checks that are named after the first one.
const MOST_NAMED: usize = 5;

/// A finding that decides the verdict, and its score if it is one of hardening.
struct Decisive<'f> {
    finding: &'f Finding,
    score: Option<f64>,
}

/// Returns the reason of the verdict: the findings with the same verdict, the most severe one first.
pub(super) fn verdict_reason(recorded: &Recorded, judgement: &Judgement) -> String {
    let score = |finding: &Finding| match &recorded.plan.subject {
        RunPurpose::Hardening(plan) => {
            plan.checks.iter().find(|texts| texts.id == finding.check).map(|texts| texts.score)
        }
        RunPurpose::Load(_) | RunPurpose::Scenario(_) | RunPurpose::Experiment(_) => None,
    };
    reason(judgement, score)
}

fn reason(judgement: &Judgement, score: impl Fn(&Finding) -> Option<f64>) -> String {
    let (verdict, all) = (judgement.verdict, judgement.findings.len());
    if verdict == Verdict::Pass {
        return if all == 1 { "the check holds".to_owned() } else { format!("all {all} checks hold") };
    }
    let decisive = judgement.findings.iter().filter(|finding| finding.verdict == verdict);
    let mut decisive: Vec<Decisive<'_>> = decisive.map(|finding| Decisive { finding, score: score(finding) }).collect();
    // A stable order: findings without a score stay in the order of the reports, which begins with records.
    decisive.sort_by(|one, other| other.score.unwrap_or_default().total_cmp(&one.score.unwrap_or_default()));
    let Some((first, others)) = decisive.split_first() else { return "nothing was checked".to_owned() };
    let (number, word) = match (verdict, decisive.len()) {
        (Verdict::Fail, 1) => (1, "fails"),
        (Verdict::Fail, number) => (number, "fail"),
        (Verdict::Unknown | Verdict::Pass, 1) => (1, "is unknown"),
        (Verdict::Unknown | Verdict::Pass, number) => (number, "are unknown"),
    };
    let mut text = format!("{number} of {} {word}", counted(all, "check", "checks"));
    let severities = severities(&decisive);
    if !severities.is_empty() {
        text.push_str(&format!(" ({severities})"));
    }
    let unknown = judgement.findings.iter().filter(|finding| finding.verdict == Verdict::Unknown).count();
    if verdict == Verdict::Fail && unknown > 0 {
        text.push_str(&format!(", {}", counted(unknown, "is unknown", "are unknown")));
    }
    text.push_str(&format!(": {}: {}", first.finding.check, first.finding.summary));
    if !others.is_empty() {
        let named: Vec<&str> = others.iter().take(MOST_NAMED).map(|other| other.finding.check.as_str()).collect();
        text.push_str(&format!("; also {}", named.join(", ")));
        if others.len() > MOST_NAMED {
            text.push_str(&format!(" and {} more", others.len() - MOST_NAMED));
        }
    }
    text
}

/// Returns the number of findings of each severity, such as `1 high, 2 medium`; empty if they have no severity.
fn severities(decisive: &[Decisive<'_>]) -> String {
    let of = |severity: Severity| {
        let has = |one: &&Decisive<'_>| one.score.map(Severity::of) == Some(severity);
        let count = decisive.iter().filter(has).count();
        (count > 0).then(|| format!("{count} {}", severity.name()))
    };
    Severity::ALL.into_iter().rev().filter_map(of).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::reason;
    use crate::judge::Judgement;
    use harness_history::{Finding, Verdict};

    fn judged(findings: &[(&str, Verdict)]) -> Judgement {
        let finding = |(check, verdict): &(&str, Verdict)| Finding {
            check: (*check).to_owned(),
            verdict: *verdict,
            summary: format!("seen of {check}"),
            judged: 1,
            violations: 0,
            evidence: Vec::new(),
        };
        let findings: Vec<Finding> = findings.iter().map(finding).collect();
        Judgement { verdict: Verdict::merge(findings.iter().map(|one| one.verdict)), findings, interrupted: false }
    }

    fn score(finding: &Finding) -> Option<f64> {
        match finding.check.as_str() {
            "LOW" => Some(2.0),
            "MEDIUM" | "MEDIUM-2" => Some(5.0),
            "CRITICAL" => Some(9.8),
            _ => None,
        }
    }

    #[test]
    fn the_most_severe_failure_comes_first_and_all_are_counted() {
        use Verdict::{Fail, Pass, Unknown};
        let judgement = judged(&[
            ("run-is-evidence", Pass),
            ("LOW", Fail),
            ("MEDIUM", Fail),
            ("CRITICAL", Fail),
            ("MEDIUM-2", Fail),
            ("x", Unknown),
        ]);
        assert_eq!(
            reason(&judgement, score),
            "4 of 6 checks fail (1 critical, 2 medium, 1 low), 1 is unknown: CRITICAL: seen of CRITICAL; also MEDIUM, MEDIUM-2, LOW"
        );
    }

    #[test]
    fn findings_without_a_severity_stay_in_the_order_of_reports() {
        use Verdict::{Fail, Pass, Unknown};
        let none = |_: &Finding| None;
        let lost = judged(&[("register", Pass), ("no-lost-writes", Fail), ("error-rate", Fail)]);
        assert_eq!(reason(&lost, none), "2 of 3 checks fail: no-lost-writes: seen of no-lost-writes; also error-rate");
        let one = judged(&[("register", Pass), ("error-rate", Unknown)]);
        assert_eq!(reason(&one, none), "1 of 2 checks is unknown: error-rate: seen of error-rate");
        let many = judged(&["a", "b", "c", "d", "e", "f", "g"].map(|name| (name, Fail)));
        assert!(reason(&many, none).ends_with("also b, c, d, e, f and 1 more"), "{}", reason(&many, none));
    }

    #[test]
    fn a_pass_counts_its_checks() {
        assert_eq!(reason(&judged(&[("a", Verdict::Pass)]), |_| None), "the check holds");
        assert_eq!(reason(&judged(&[("a", Verdict::Pass), ("b", Verdict::Pass)]), |_| None), "all 2 checks hold");
        assert_eq!(reason(&judged(&[]), |_| None), "nothing was checked");
    }
}
