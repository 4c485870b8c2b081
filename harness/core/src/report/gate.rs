//! The report of a gate: one page with the verdict, its reasons and every phase. Each run also has a report of its own.

pub(super) mod form;
pub mod record;

pub use form::{GatePhase, GateReason, GateRun, GateSummary};

use super::html::Charts;
use super::summary::Summary;
use super::template::render_template;
use super::{ReportError, html, junit};
use crate::judge::{JudgeError, JudgeMemory, Recorded, judge};
use crate::plan::run_dir;
use crate::plan::seal::{Integrity, verify};
use crate::report::gate::record::{GateRecord, PhaseKind, PhaseRecord, RunEnd, RunRecord, runs};
use harness_history::counted;
use minijinja::context;
use minijinja::value::{Serde, Value};
use std::collections::BTreeMap;
use std::path::Path;

const PAGE: &str = include_str!("gate/report.html.j2");
const MARKDOWN: &str = include_str!("gate/report.md.j2");

/// Summaries of the runs of a gate, by the name of their directory.
pub type Summaries = BTreeMap<String, Summary>;

/// Writes `report.json`, `report.html`, `report.md` and `junit.xml` of a gate into its directory.
///
/// # Errors
/// A file cannot be written.
pub fn write(dir: &Path, record: &GateRecord, summaries: &Summaries) -> Result<GateSummary, ReportError> {
    let gate = GateSummary::new(record, summaries, &verify(dir));
    let in_order: Vec<Option<&Summary>> =
        record.phases.iter().flat_map(|phase| &phase.runs).map(|run| of(run, summaries)).collect();
    let markdown = render_template("report.md", MARKDOWN, context! { gate => Value::from(Serde(&gate)) })?;
    super::write_files(
        dir,
        [
            (run_dir::REPORT_JSON, super::json(&gate)?),
            (run_dir::REPORT_HTML, page(&gate, record, summaries)?),
            (run_dir::REPORT_MARKDOWN, markdown),
            (run_dir::JUNIT, junit::render_gate(&gate, &in_order)?),
        ],
    )?;
    Ok(gate)
}

/// Judges every run of a gate again, and writes the reports of the runs and of the gate.
///
/// # Errors
/// The directory is not that of a gate, or a report cannot be written. A run that cannot be judged is not an error; the
/// report lists it.
pub fn write_again(dir: &Path, memory: JudgeMemory) -> Result<GateSummary, ReportError> {
    let path = dir.join(run_dir::GATE);
    let mut record = GateRecord::read(dir).map_err(|error| JudgeError::Read { path, why: error.to_string() })?;
    let mut summaries = Summaries::new();
    for run in record.phases.iter_mut().flat_map(|phase| &mut phase.runs) {
        let RunEnd::Recorded(name) = &run.end else { continue };
        let place = runs(dir).join(name);
        match judge_again(&place, memory) {
            Ok(summary) => drop(summaries.insert(name.clone(), summary)),
            // A run that cannot be judged proves nothing; the report of the gate still has the other runs.
            Err(ReportError::Judge(error)) => run.end = RunEnd::Failed { exit: UNKNOWN, why: error.to_string() },
            Err(error) => return Err(error),
        }
    }
    write(dir, &record, &summaries)
}

fn judge_again(run_dir: &Path, memory: JudgeMemory) -> Result<Summary, ReportError> {
    let recorded = Recorded::read(run_dir, memory)?;
    super::write_all(&recorded, &judge(&recorded)?)
}

// Two exit codes of `harness`, because `gate.json` has those of its runs. Their type is in the command line, above this
// crate.
const UNKNOWN: u8 = 2;
const INTERRUPTED: u8 = 130;

/// Returns the schema of a gate's `report.json` (JSON Schema 2020-12).
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(GateSummary).to_value()
}

fn of<'s>(run: &RunRecord, summaries: &'s Summaries) -> Option<&'s Summary> {
    match &run.end {
        RunEnd::Recorded(name) => summaries.get(name),
        RunEnd::Compared(_) | RunEnd::Failed { .. } | RunEnd::NotRun { .. } => None,
    }
}

/// Describes changes that the snapshot does not have: the first ones, and the number of the others.
fn undeclared(changes: &[String]) -> String {
    const MOST_NAMED: usize = 3;
    let named = changes.iter().take(MOST_NAMED).map(String::as_str).collect::<Vec<_>>().join("; ");
    let more = changes.len().saturating_sub(MOST_NAMED);
    let more = if more > 0 { format!(" (and {more} more)") } else { String::new() };
    format!("the tools have changed and the snapshot has not: {named}{more}")
}

impl GateSummary {
    /// Summarises a gate. A record that is not intact makes the gate *unknown*, unless the verdict of a run is worse.
    pub fn new(record: &GateRecord, summaries: &Summaries, integrity: &Integrity) -> Self {
        let phases: Vec<GatePhase> = record.phases.iter().map(|phase| phase_figures(phase, summaries)).collect();
        let mut reasons: Vec<GateReason> = phases.iter().flat_map(reasons).collect();
        let mut words: Vec<&str> = phases.iter().map(|phase| phase.verdict.as_str()).collect();
        if let Some(doubt) = integrity.doubt() {
            words.push("unknown");
            let report = None;
            let (name, verdict) = ("record".to_owned(), "unknown".to_owned());
            reasons.insert(0, GateReason { phase: "gate".to_owned(), name, verdict, because: doubt, report });
        }
        if record.interrupted {
            words.push("interrupted");
        }
        let verdict = worst(words.into_iter()).to_owned();
        let because = match reasons.first() {
            None => {
                let count: usize = phases.iter().map(|phase| phase.runs.len()).sum();
                match count {
                    1 => "the run passes".to_owned(),
                    _ => format!("all {count} runs of {} pass", counted(phases.len(), "phase", "phases")),
                }
            }
            Some(first) if reasons.len() == 1 => format!("{}: {}", first.name, first.because),
            Some(first) => format!("{}: {} (and {} more)", first.name, first.because, reasons.len() - 1),
        };
        Self {
            format: 1,
            kind: "gate".to_owned(),
            run_id: record.run_id.clone(),
            verdict,
            because,
            reasons,
            interrupted: record.interrupted,
            profile: record.profile.clone(),
            seed: record.seed,
            command: record.command.clone(),
            started_at: record.started_at.clone(),
            took_secs: record.took_ms as f64 / 1e3,
            surroundings: summaries.values().next().map(|summary| summary.surroundings.clone()),
            phases,
        }
    }
}

fn phase_figures(phase: &PhaseRecord, summaries: &Summaries) -> GatePhase {
    let runs: Vec<GateRun> = phase.runs.iter().map(|run| run_figures(run, of(run, summaries))).collect();
    GatePhase {
        name: phase.kind.name().to_owned(),
        one: phase.kind.one().to_owned(),
        verdict: worst(runs.iter().map(|run| run.verdict.as_str())).to_owned(),
        passed: runs.iter().filter(|run| run.verdict == "pass").count() as u64,
        took_secs: runs.iter().map(|run| run.took_secs).sum(),
        runs,
    }
}

fn run_figures(run: &RunRecord, summary: Option<&Summary>) -> GateRun {
    let (verdict, because) = match (&run.end, summary) {
        (RunEnd::Recorded(_), Some(summary)) if summary.interrupted => ("interrupted", summary.because.clone()),
        (RunEnd::Recorded(_), Some(summary)) => (summary.verdict.as_str(), summary.because.clone()),
        (RunEnd::Recorded(name), None) => ("unknown", format!("its directory `{name}` is missing")),
        (RunEnd::Compared(changes), _) if changes.is_empty() => {
            ("pass", "the tools are those of the snapshot".to_owned())
        }
        (RunEnd::Compared(changes), _) => ("fail", undeclared(changes)),
        (RunEnd::Failed { exit: UNKNOWN, why }, _) => ("unknown", why.clone()),
        (RunEnd::Failed { exit: INTERRUPTED, why }, _) => ("interrupted", why.clone()),
        (RunEnd::Failed { why, .. }, _) => ("error", why.clone()),
        (RunEnd::NotRun { why }, _) => ("not run", why.clone()),
    };
    let report = match &run.end {
        RunEnd::Recorded(name) if summary.is_some() => {
            Some(format!("{}/{name}/{}", run_dir::RUNS, run_dir::REPORT_HTML))
        }
        RunEnd::Recorded(_) | RunEnd::Compared(_) | RunEnd::Failed { .. } | RunEnd::NotRun { .. } => None,
    };
    GateRun {
        name: run.name.clone(),
        about: run.about.clone(),
        verdict: verdict.to_owned(),
        because,
        took_secs: run.took_ms as f64 / 1e3,
        report,
        command: summary.map(|summary| summary.plan.command.clone()),
        findings: summary.map(|summary| summary.findings.clone()).unwrap_or_default(),
        thresholds: summary.map(|summary| summary.thresholds.clone()).unwrap_or_default(),
        total: summary.map(|summary| summary.total.clone()).unwrap_or_default(),
        experiment: summary.and_then(|summary| summary.experiment.clone()),
    }
}

/// Returns the reasons why a phase does not pass: its runs that do not pass, the most severe first.
fn reasons(phase: &GatePhase) -> Vec<GateReason> {
    let mut found: Vec<&GateRun> = phase.runs.iter().filter(|run| run.verdict != "pass").collect();
    found.sort_by_key(|run| std::cmp::Reverse(weight(&run.verdict)));
    let reason = |run: &GateRun| GateReason {
        phase: phase.name.clone(),
        name: run.name.clone(),
        verdict: run.verdict.clone(),
        because: run.because.clone(),
        report: run.report.clone(),
    };
    found.into_iter().map(reason).collect()
}

/// Returns the severity of a result. The exit code of a gate follows the same order.
// An error is worse than *unknown*, because something broke, but a *fail* is worse: it is proven.
fn weight(word: &str) -> u8 {
    match word {
        "pass" => 0,
        "not run" => 1,
        "unknown" => 2,
        "error" => 3,
        "fail" => 4,
        // `interrupted`.
        _ => 5,
    }
}

fn worst<'w>(words: impl Iterator<Item = &'w str>) -> &'w str {
    // A phase without a run proves nothing.
    words.max_by_key(|word| weight(word)).unwrap_or("unknown")
}

#[derive(serde::Serialize)]
struct PagePhase<'a> {
    figures: &'a GatePhase,
    runs: Vec<PageRun<'a>>,
}

/// A run on the page. Only a load and an experiment have charts, because a scenario makes few calls.
#[derive(serde::Serialize)]
struct PageRun<'a> {
    figures: &'a GateRun,
    summary: Option<&'a Summary>,
    charts: Charts,
}

fn page_phase<'a>(
    figures: &'a GatePhase,
    record: &PhaseRecord,
    summaries: &'a Summaries,
) -> Result<PagePhase<'a>, ReportError> {
    let run = |(figures, one): (&'a GateRun, &RunRecord)| {
        let summary = of(one, summaries);
        let charts = match (record.kind, summary) {
            (PhaseKind::Load | PhaseKind::Experiments, Some(summary)) => html::course(summary)?,
            (PhaseKind::Snapshot | PhaseKind::Scenarios | PhaseKind::Hardening, _) | (_, None) => Charts::default(),
        };
        Ok(PageRun { figures, summary, charts })
    };
    let runs = figures.runs.iter().zip(&record.runs).map(run).collect::<Result<_, ReportError>>()?;
    Ok(PagePhase { figures, runs })
}

fn page(gate: &GateSummary, record: &GateRecord, summaries: &Summaries) -> Result<String, ReportError> {
    let phases = gate.phases.iter().zip(&record.phases);
    let phases = phases.map(|(figures, record)| page_phase(figures, record, summaries));
    let phases: Vec<PagePhase<'_>> = phases.collect::<Result<_, _>>()?;
    let values = context! {
        gate => Value::from(Serde(gate)), phases => Value::from(Serde(&phases)), style => html::STYLE,
    };
    render_template("report.html", PAGE, values)
}
