//! `junit.xml`: one test case for each check. A fail is a failure; an unknown is an error, since nothing was proved.

use super::ReportError;
use super::summary::{FindingFigures, Summary};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

pub(super) fn render(summary: &Summary) -> Result<String, ReportError> {
    let mut suite = TestSuite::new(format!("harness.{}.{}", summary.plan.subject, summary.plan.workload));
    suite.add_property(("seed", summary.plan.seed.to_string().as_str()));
    suite.add_property(("run", summary.run_id.as_str()));
    suite.add_test_cases(summary.findings.iter().map(|finding| case(summary, finding)));
    let mut report = Report::new("harness");
    report.add_test_suite(suite);
    report.to_string().map_err(|error| ReportError::Render(error.to_string()))
}

fn case(summary: &Summary, finding: &FindingFigures) -> TestCase {
    let status = match finding.verdict.as_str() {
        "pass" => TestCaseStatus::success(),
        word => {
            let kind = if word == "fail" { NonSuccessKind::Failure } else { NonSuccessKind::Error };
            let mut status = TestCaseStatus::non_success(kind);
            let evidence: Vec<&str> = finding.evidence.iter().map(|piece| piece.what.as_str()).collect();
            status.set_message(finding.summary.as_str()).set_type(word).set_description(evidence.join("\n"));
            status
        }
    };
    let mut case = TestCase::new(finding.check.as_str(), status);
    case.set_classname(format!("harness.{}.{}", summary.plan.subject, summary.plan.workload));
    case.set_system_out(finding.summary.as_str());
    case
}
