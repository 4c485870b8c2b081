//! From a run directory to findings: reads the records, runs the checks, and judges whether the run itself is evidence.

mod hits;

use crate::drive::DriverReport;
use crate::drive::experiment::Experiment;
use crate::drive::scenario::ScenarioReport;
use crate::drive::traffic::operations::service_of;
use crate::drive::{Plan, Subject};
use crate::observe::sample::{Sample, Surroundings};
use crate::plan::run_dir;
use crate::plan::seal::{Wholeness, wholeness, write_whole};
use crate::plan::workload::{Model, Workload};
use harness_history::{
    Criteria, Evidence, Expectation, Finding, History, Op, Outcome, Phase, Verdict, check, judge as judge_history,
};
use serde::de::DeserializeOwned;
use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Name of the finding about the run itself.
pub const EVIDENCE_CHECK: &str = "run-is-evidence";
/// Minimum share of the planned arrivals that must have been sent.
const LEAST_RATE: f64 = 0.99;
/// Maximum share of a core that the driver may use in any second.
const MOST_DRIVER_CPU: f64 = 0.9;
/// Maximum send lag at the 99th percentile, in microseconds.
const MOST_SEND_LAG_US: u64 = 5_000;

/// The records of a run directory.
pub struct Recorded {
    /// The plan.
    pub plan: Plan,
    /// Every operation.
    pub history: History,
    /// Report of the driver; `None` if the driver did not write it.
    pub driver: Option<DriverReport>,
    /// End of the scenario; `None` if the run is not a scenario, or it did not end.
    pub scenario: Option<ScenarioReport>,
    /// What a scenario expected.
    pub expectations: Vec<Expectation>,
    /// CPU and memory.
    pub samples: Vec<Sample>,
    /// Versions and machine.
    pub surroundings: Surroundings,
    /// True if the last line of the history is incomplete.
    pub torn: bool,
    /// Whether the files are unchanged since the run ended.
    pub wholeness: Wholeness,
}

/// The findings of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// The worst of the findings.
    pub verdict: Verdict,
    /// Finding of each check.
    pub findings: Vec<Finding>,
    /// True if the run was interrupted.
    pub interrupted: bool,
}

/// Why a run directory cannot be judged.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    /// A file cannot be read or written.
    #[error("`{}` cannot be read: {why}\nhint: pass the directory of a run, such as `runs/<id>`", path.display())]
    File { path: PathBuf, why: String },
    /// A file has unexpected content.
    #[error("`{}` line {line} is not a valid record: {why}", path.display())]
    Content {
        path: PathBuf,
        /// Line number, from 1.
        line: usize,
        /// Description of the violation.
        why: String,
    },
}

/// Judges a run and writes `findings.json`.
///
/// # Errors
/// The directory is not that of a run, or its findings cannot be written.
pub fn judge(run_dir: &Path) -> Result<Judgement, JudgeError> {
    let judgement = conclude(&read(run_dir)?);
    let path = run_dir.join(run_dir::FINDINGS);
    let text = serde_json::to_vec_pretty(&judgement.findings).map_err(|error| unusable(&path, &error))?;
    write_whole(&path, &text).map_err(|error| unusable(&path, &error))?;
    Ok(judgement)
}

/// Reads a run directory.
///
/// # Errors
/// The directory is not that of a run.
pub fn read(run_dir: &Path) -> Result<Recorded, JudgeError> {
    let (ops, torn) = lines::<Op>(&run_dir.join(run_dir::HISTORY), true)?;
    let mut names = HashSet::new();
    let history: History = ops
        .into_iter()
        .map(|mut op| {
            for name in [&mut op.tenant, &mut op.user, &mut op.name] {
                intern(&mut names, name);
            }
            op
        })
        .collect();
    let plan: Plan = document(&run_dir.join(run_dir::PLAN))?;
    let history = match &plan.subject {
        Subject::Experiment(experiment) => with_what_happened(run_dir, experiment, history),
        Subject::Load(_) | Subject::Scenario(_) => history,
    };
    Ok(Recorded {
        plan,
        history,
        driver: document(&run_dir.join(run_dir::DRIVER)).ok(),
        scenario: document(&run_dir.join(run_dir::SCENARIO)).ok(),
        expectations: expectations(&run_dir.join(run_dir::EXPECTATIONS))?,
        samples: lines(&run_dir.join(run_dir::SAMPLES), true).map(|(samples, _)| samples).unwrap_or_default(),
        surroundings: document(&run_dir.join(run_dir::SURROUNDINGS)).unwrap_or_default(),
        torn,
        wholeness: wholeness(run_dir),
    })
}

/// The complete expectations; a load has none.
fn expectations(path: &Path) -> Result<Vec<Expectation>, JudgeError> {
    if path.exists() { lines(path, true).map(|(expectations, _)| expectations) } else { Ok(Vec::new()) }
}

/// Runs the checks over the records.
pub fn conclude(recorded: &Recorded) -> Judgement {
    let (evidence, interrupted) = match &recorded.plan.subject {
        Subject::Load(_) => (evidence(recorded), recorded.driver.as_ref().is_none_or(|driver| driver.interrupted)),
        Subject::Scenario(_) | Subject::Experiment(_) => {
            let report = recorded.scenario.as_ref();
            (scenario_evidence(recorded), report.is_some_and(ScenarioReport::was_interrupted))
        }
    };
    let mut findings = vec![believed(evidence, &recorded.wholeness)];
    findings.extend(judge_history(&recorded.history, &criteria(recorded)));
    Judgement { verdict: Verdict::merge(findings.iter().map(|finding| finding.verdict)), findings, interrupted }
}

/// Changed files cannot prove a pass, whatever they hold.
fn believed(mut evidence: Finding, wholeness: &Wholeness) -> Finding {
    if let Some(doubt) = wholeness.doubt() {
        let known = (evidence.verdict != Verdict::Pass).then(|| std::mem::take(&mut evidence.summary));
        evidence.summary = std::iter::once(doubt.clone()).chain(known).collect::<Vec<_>>().join("; ");
        evidence.verdict = Verdict::merge([evidence.verdict, Verdict::Unknown]);
        evidence.evidence.insert(0, Evidence { what: doubt, ops: Vec::new() });
    }
    evidence
}

/// What the run promised.
pub(crate) fn criteria(recorded: &Recorded) -> Criteria {
    match &recorded.plan.subject {
        Subject::Load(workload) => load_criteria(workload),
        Subject::Experiment(experiment) => Criteria {
            quotas: recorded.scenario.as_ref().map(|report| report.quotas.clone()).unwrap_or_default(),
            declared: recorded.scenario.as_ref().map(|report| report.declared.clone()).unwrap_or_default(),
            experiment: Some(experiment.promises.clone()),
            required: experiment.required.clone(),
            ..Criteria::default()
        },
        Subject::Scenario(script) => Criteria {
            quotas: recorded.scenario.as_ref().map(|report| report.quotas.clone()).unwrap_or_default(),
            expectations: Some(recorded.expectations.clone()),
            required: script.required.clone(),
            thresholds: script.thresholds.clone(),
            ..Criteria::default()
        },
    }
}

fn load_criteria(workload: &Workload) -> Criteria {
    let users = match workload.model {
        Model::Closed { .. } => Some(workload.users),
        Model::Open { .. } => None,
    };
    // A load that writes records must come to a decision about them.
    let memory = Some(mcp_contracts::Service::Memory.name());
    let about_records = workload.mix.iter().any(|(name, weight)| *weight > 0 && service_of(name) == memory);
    let required = if about_records { check::about_records().map(str::to_owned).collect() } else { Vec::new() };
    Criteria { thresholds: workload.thresholds.clone(), users, required, ..Criteria::default() }
}

/// The history with the events beside its calls, and with the evidence that its calls give: requests that a fault hit, and calls that need an edge.
fn with_what_happened(run_dir: &Path, experiment: &Experiment, history: History) -> History {
    let Ok(mut happened) = document::<harness_history::experiment::Experiment>(&run_dir.join(run_dir::EXPERIMENT))
    else {
        return history;
    };
    for fault in happened.faults.iter_mut().filter(|fault| fault.hits.is_none()) {
        if let Some((hits, by)) = hits::shown_by_calls(fault, experiment, &history) {
            fault.hits = Some(hits);
            by.clone_into(&mut fault.counted_by);
        }
    }
    for way in &mut happened.ways {
        let wish = experiment.ways.iter().find(|wish| (&wish.from, &wish.to) == (&way.from, &way.to));
        let Some(wish) = wish else { continue };
        let needs = |op: &&Op| wish.operations.iter().any(|name| **name == *op.name) && way.span.holds(op.invoke_us);
        way.calls = history.measured().filter(needs).count() as u64 * u64::from(wish.each);
    }
    history.with_experiment(happened)
}

/// Judges whether a scenario is evidence: it ran to its end and made calls.
fn scenario_evidence(recorded: &Recorded) -> Finding {
    let calls = recorded.history.ops().len() as u64;
    let mut doubts = Vec::new();
    match &recorded.scenario {
        None => doubts.push("the scenario wrote no report".to_owned()),
        Some(report) => doubts.extend(report.doubt()),
    }
    if calls == 0 {
        doubts.push("no call was made".to_owned());
    }
    if recorded.torn {
        doubts.push("the last line of the history is incomplete".to_owned());
    }
    let summary = format!("ran to its end with {calls} calls");
    evidence_of(calls, doubts, summary)
}

fn evidence_of(judged: u64, doubts: Vec<String>, summary: String) -> Finding {
    Finding {
        check: EVIDENCE_CHECK.to_owned(),
        verdict: if doubts.is_empty() { Verdict::Pass } else { Verdict::Unknown },
        summary: if doubts.is_empty() { summary } else { doubts.join("; ") },
        judged,
        violations: 0,
        evidence: doubts.into_iter().map(|what| Evidence { what, ops: Vec::new() }).collect(),
    }
}

/// Judges whether a load is evidence: the calls were made at the planned rate, and the driver was not the bottleneck.
fn evidence(recorded: &Recorded) -> Finding {
    let (calls, succeeded) = recorded
        .history
        .measured()
        .fold((0u64, 0u64), |(calls, succeeded), op| (calls + 1, succeeded + u64::from(op.outcome == Outcome::Ok)));
    let of_load = |op: &&Op| matches!(op.phase, Phase::Warmup | Phase::Measured);
    let recorded_calls = recorded.history.ops().iter().filter(of_load).count() as u64;
    let mut doubts = Vec::new();
    if succeeded == 0 {
        doubts.push("no call of the measured phase succeeded".to_owned());
    }
    if recorded.torn {
        doubts.push("the last line of the history is incomplete".to_owned());
    }
    match &recorded.driver {
        None => doubts.push("the driver wrote no report".to_owned()),
        Some(driver) => doubts.extend(driver_doubts(driver, recorded_calls)),
    }
    let peak = recorded.driver.as_ref().map_or(0.0, |driver| driver.cpu_peak);
    let summary = format!(
        "{calls} calls measured, {succeeded} of them ok; the driver used at most {:.0} % of a core",
        peak * 100.0
    );
    evidence_of(calls, doubts, summary)
}

fn driver_doubts(driver: &DriverReport, recorded_calls: u64) -> Vec<String> {
    let mut doubts = driver.problems.clone();
    // A recorder that loses a record would otherwise go unnoticed: everything else is derived from what it wrote.
    if let Some(counted) = driver.transactions.filter(|counted| *counted != recorded_calls) {
        doubts.push(format!("goose counted {counted} calls, but the history has {recorded_calls}"));
    }
    if driver.interrupted {
        doubts.push("the run was interrupted".to_owned());
    }
    if let Some(planned) = driver.planned_arrivals {
        let arrivals = driver.arrivals.unwrap_or(driver.calls);
        let made = arrivals as f64 / (planned as f64).max(1.0);
        if made < LEAST_RATE {
            doubts.push(format!("{arrivals} of {planned} planned arrivals were sent ({:.1} %)", made * 100.0));
        }
    }
    if driver.cpu_peak > MOST_DRIVER_CPU {
        doubts.push(format!(
            "the driver was saturated: {:.0} % of a core in its busiest second",
            driver.cpu_peak * 100.0
        ));
    }
    if let Some(lag) = driver.send_lag_us_p99.filter(|lag| *lag > MOST_SEND_LAG_US) {
        doubts.push(format!(
            "calls were sent late: {:.1} ms behind the schedule at the 99th percentile",
            lag as f64 / 1_000.0
        ));
    }
    doubts
}

fn intern(names: &mut HashSet<Arc<str>>, name: &mut Arc<str>) {
    match names.get(&**name) {
        Some(known) => *name = Arc::clone(known),
        None => drop(names.insert(Arc::clone(name))),
    }
}

fn document<T: DeserializeOwned>(path: &Path) -> Result<T, JudgeError> {
    let text = std::fs::read(path).map_err(|error| unusable(path, &error))?;
    serde_json::from_slice(&text).map_err(|error| JudgeError::Content {
        path: path.to_owned(),
        line: error.line(),
        why: error.to_string(),
    })
}

/// Reads one value per line. A last line without a line end may be torn.
fn lines<T: DeserializeOwned>(path: &Path, may_be_torn: bool) -> Result<(Vec<T>, bool), JudgeError> {
    let file = std::fs::File::open(path).map_err(|error| unusable(path, &error))?;
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let (mut values, mut line) = (Vec::new(), Vec::new());
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line).map_err(|error| unusable(path, &error))? == 0 {
            return Ok((values, false));
        }
        match serde_json::from_slice(&line) {
            Ok(value) => values.push(value),
            Err(_) if may_be_torn && line.last() != Some(&b'\n') => return Ok((values, true)),
            Err(error) => {
                return Err(JudgeError::Content {
                    path: path.to_owned(),
                    line: values.len() + 1,
                    why: error.to_string(),
                });
            }
        }
    }
}

fn unusable(path: &Path, error: &dyn std::fmt::Display) -> JudgeError {
    JudgeError::File { path: path.to_owned(), why: error.to_string() }
}
