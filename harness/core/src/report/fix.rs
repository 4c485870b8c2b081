//! `fix.md`: for each finding of a hardening run, the observation, the evidence, where to fix it, and the command that proves the fix.

use super::ReportError;
use super::figures::{CheckFigures, HardeningFigures, Summary};
use super::fill::fill;
use minijinja::context;
use minijinja::value::{Serde, Value};
use serde::Serialize;

const TEMPLATE: &str = include_str!("fix.md.j2");
/// Cases of one finding that are shown with their requests; the others are in `report.json`.
const MOST_CASES: usize = 5;

/// A finding, and the checks that fail for the same cause.
#[derive(Serialize)]
struct FixFinding {
    #[serde(flatten)]
    check: CheckFigures,
    also: Vec<String>,
}

pub(super) fn render(summary: &Summary, hardening: &HardeningFigures) -> Result<String, ReportError> {
    let of = |state: &'static str| hardening.checks.iter().filter(move |check| check.state == state);
    let mut findings: Vec<FixFinding> =
        of("fail").filter(|check| check.same_cause_as.is_none()).map(|check| finding(check, hardening)).collect();
    // The worst first, because that is the order of work.
    findings.sort_by(|one, other| other.check.score.total_cmp(&one.check.score));
    let unclear: Vec<&CheckFigures> = of("unknown").collect();
    let values = context! {
        run => Value::from(Serde(summary)), findings => Value::from(Serde(&findings)), unclear => Value::from(Serde(&unclear)),
        target => hardening.target.as_ref().map_or_else(|| "under test".to_owned(), |url| format!("`{url}`"))
    };
    fill("fix.md", TEMPLATE, values)
}

fn finding(check: &CheckFigures, hardening: &HardeningFigures) -> FixFinding {
    let also = hardening.checks.iter().filter(|other| other.same_cause_as.as_deref() == Some(&check.id));
    let also = also.map(|other| format!("{} ({})", other.id, other.title)).collect();
    let mut check = check.clone();
    check.violations.truncate(MOST_CASES);
    FixFinding { check, also }
}
