//! `report.md`: a short report, for the summary of a CI job.

use super::ReportError;
use super::summary::Summary;
use super::template::render_template;
use minijinja::context;
use minijinja::value::{Serde, Value};

const TEMPLATE: &str = include_str!("report.md.j2");

pub(super) fn render(summary: &Summary) -> Result<String, ReportError> {
    render_template("report.md", TEMPLATE, context! { run => Value::from(Serde(summary)) })
}
