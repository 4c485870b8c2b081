//! `junit.xml`: one suite for each run, with one test case for the run itself, one for each check and one for each threshold. *Fail* is a
//! failure. *Unknown* is an error, because nothing was proven, and so is a run that did not start.

use super::ReportError;
use super::gate::form::{GateRun, GateSummary};
use super::summary::Summary;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use std::time::Duration;

pub(super) fn render(summary: &Summary) -> Result<String, ReportError> {
    // A summary has no duration; it has one entry for each second in which a call completed.
    let took = summary.seconds.len() as u64;
    text("harness", [suite(summary, Duration::from_secs(took))])
}

/// Renders one suite for each run of a gate.
pub(super) fn render_gate(gate: &GateSummary, runs: &[Option<&Summary>]) -> Result<String, ReportError> {
    let records = gate.phases.iter().flat_map(|phase| phase.runs.iter().map(move |run| (phase.one.as_str(), run)));
    let suites = records.zip(runs).map(|((kind, run), summary)| {
        let took = Duration::from_secs_f64(run.took_secs.max(0.0));
        summary.map_or_else(|| without(kind, run, took), |summary| suite(summary, took))
    });
    text("harness.gate", suites)
}

fn text(name: &str, suites: impl IntoIterator<Item = TestSuite>) -> Result<String, ReportError> {
    let mut report = Report::new(name);
    report.add_test_suites(suites);
    report.to_string().map_err(|error| ReportError::Render(error.to_string()))
}

fn suite(summary: &Summary, took: Duration) -> TestSuite {
    let subject = &summary.plan.subject;
    let class = format!("harness.{subject}.{}", summary.plan.workload);
    let mut suite = TestSuite::new(class.as_str());
    suite.set_time(took);
    suite.add_property(("seed", summary.plan.seed.to_string().as_str()));
    suite.add_property(("run", summary.run_id.as_str()));
    suite.add_property(("command", summary.plan.command.as_str()));
    // The subject is the name of the subcommand, but a test viewer shows the name of what was tested.
    let kind = if subject == "chaos" { "experiment" } else { subject };
    let whole = format!("{kind} {}", summary.plan.workload);
    let mut run = case(&class, &whole, &summary.verdict, &summary.because, String::new());
    run.set_time(took);
    suite.add_test_case(run);
    suite.add_test_cases(summary.findings.iter().map(|finding| {
        let evidence: Vec<String> = finding
            .evidence
            .iter()
            .map(|piece| {
                let lines: Vec<String> = piece.ops.iter().map(ToString::to_string).collect();
                if lines.is_empty() {
                    piece.what.clone()
                } else {
                    format!("{} (lines {} of history.jsonl)", piece.what, lines.join(", "))
                }
            })
            .collect();
        case(&class, &format!("check {}", finding.check), &finding.verdict, &finding.summary, evidence.join("\n"))
    }));
    if let Some(hardening) = &summary.hardening {
        let omitted =
            hardening.omitted.iter().map(|omitted| (&omitted.id, format!("{}: {}", omitted.state, omitted.why)));
        let not_applicable = hardening.checks.iter().filter(|check| check.state == "not applicable");
        let not_applicable = not_applicable.map(|check| (&check.id, format!("{}: {}", check.state, check.summary)));
        suite.add_test_cases(omitted.chain(not_applicable).map(|(id, why)| skipped(&class, id, &why)));
    }
    suite.add_test_cases(summary.thresholds.iter().map(|threshold| {
        let name = format!("threshold {} {}", threshold.threshold, threshold.when);
        case(&class, &name, &threshold.verdict, &threshold.summary, String::new())
    }));
    suite
}

/// Returns the suite of a run without a directory: a run that failed early or was not started.
fn without(kind: &str, run: &GateRun, took: Duration) -> TestSuite {
    let class = format!("harness.{kind}.{}", run.name);
    let mut suite = TestSuite::new(class.as_str());
    suite.set_time(took);
    let mut whole = case(&class, &format!("{kind} {}", run.name), &run.verdict, &run.because, String::new());
    whole.set_time(took);
    suite.add_test_case(whole);
    suite
}

/// Returns the test case of a check that was not made.
fn skipped(class: &str, id: &str, why: &str) -> TestCase {
    let mut status = TestCaseStatus::skipped();
    status.set_message(why);
    let mut case = TestCase::new(format!("check {id}"), status);
    case.set_classname(class);
    case
}

fn case(class: &str, name: &str, verdict: &str, summary: &str, evidence: String) -> TestCase {
    let status = match verdict {
        "pass" => TestCaseStatus::success(),
        word => {
            let kind = if word == "fail" { NonSuccessKind::Failure } else { NonSuccessKind::Error };
            let mut status = TestCaseStatus::non_success(kind);
            status.set_message(summary).set_type(word).set_description(evidence);
            status
        }
    };
    let mut case = TestCase::new(name, status);
    case.set_classname(class);
    case.set_system_out(summary);
    case
}
