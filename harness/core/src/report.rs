//! The reports of a run: one summary, and one source file for each format in which it is rendered.

mod chart;
pub mod compare;
mod figures;
mod fix;
pub mod gate;
mod hardening;
mod html;
mod junit;
mod markdown;
mod sarif;
pub mod summary;
mod tally;
mod template;
pub mod terminal;
mod thresholds;
pub mod trial;
mod verdict_reason;
mod words;

use crate::judge::{JudgeError, Judgement, Recorded};
use crate::plan::run_dir;
use crate::plan::seal::write_whole;
use serde::Serialize;
use std::path::{Path, PathBuf};
use summary::Summary;

/// Why a report was not written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    #[error(transparent)]
    Judge(#[from] JudgeError),
    #[error("the report `{}` cannot be written: {why}", path.display())]
    Write { path: PathBuf, why: String },
    /// A template cannot be rendered. This is a bug of the harness.
    #[error("the report cannot be rendered: {0}")]
    Render(String),
}

/// Writes `report.json`, `report.html`, `report.md` and `junit.xml` into the run directory; after a hardening run also `report.sarif` and
/// `fix.md`.
///
/// # Errors
/// A report cannot be rendered or written.
pub fn write_all(recorded: &Recorded, judgement: &Judgement) -> Result<Summary, ReportError> {
    let summary = Summary::new(recorded, judgement);
    write_files(
        &recorded.run_dir,
        [
            (run_dir::REPORT_JSON, json(&summary)?),
            (run_dir::REPORT_HTML, html::render(&summary)?),
            (run_dir::REPORT_MARKDOWN, markdown::render(&summary)?),
            (run_dir::JUNIT, junit::render(&summary)?),
        ],
    )?;
    if let Some(hardening) = &summary.hardening {
        let files = [
            (run_dir::SARIF, json(&sarif::document(&summary, hardening))?),
            (run_dir::FIX, fix::render(&summary, hardening)?),
        ];
        write_files(&recorded.run_dir, files)?;
    }
    Ok(summary)
}

fn json(summary: &impl Serialize) -> Result<String, ReportError> {
    serde_json::to_string_pretty(summary).map_err(|error| ReportError::Render(error.to_string()))
}

fn write_files<const N: usize>(dir: &Path, files: [(&str, String); N]) -> Result<(), ReportError> {
    for (name, text) in files {
        let path = dir.join(name);
        write_whole(&path, text.as_bytes()).map_err(|error| ReportError::Write { path, why: error.to_string() })?;
    }
    Ok(())
}

/// Returns the schema of `report.json` (JSON Schema 2020-12).
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Summary).to_value()
}
