//! `report.md`: a short report, for the summary of a CI job.

use super::ReportError;
use super::fill::fill;
use super::summary::Summary;
use minijinja::context;
use minijinja::value::{Serde, Value};

const TEMPLATE: &str = include_str!("report.md.j2");

pub(super) fn render(summary: &Summary) -> Result<String, ReportError> {
    fill("report.md", TEMPLATE, context! { run => Value::from(Serde(summary)) })
}
