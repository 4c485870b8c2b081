//! Judges a run: runs the checks over its records, and decides whether the run is evidence at all.

mod evidence;
pub(crate) mod hardening;
mod hits;
mod memory;
mod recorded;
mod target;

pub use evidence::EVIDENCE_CHECK;
pub use memory::JudgeMemory;
pub use recorded::{JudgeError, Recorded};

use crate::drive::RunPurpose;
use crate::drive::experiment::Experiment;
use crate::drive::scenario::ScenarioReport;
use crate::drive::traffic::operations::service_of;
use crate::plan::run_dir;
use crate::plan::seal::write_whole;
use crate::plan::target::Target;
use crate::plan::workload::{Model, Workload};
use harness_history::{Criteria, Finding, Verdict, check, judge as judge_history};
use target::{Coverage, TargetCalls};

/// Longest time without a completed good call while calls of an experiment wait, in microseconds.
const MOST_GAP_US: u64 = 1_000_000;

/// The findings of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// The worst of the findings.
    pub verdict: Verdict,
    pub findings: Vec<Finding>,
    pub interrupted: bool,
}

/// Judges a run and writes `findings.json`.
///
/// # Errors
/// The findings cannot be written.
pub fn judge(recorded: &Recorded) -> Result<Judgement, JudgeError> {
    let judgement = conclude(recorded);
    let path = recorded.run_dir.join(run_dir::FINDINGS);
    let text = serde_json::to_vec_pretty(&judgement.findings).map_err(|error| JudgeError::write(&path, &error))?;
    write_whole(&path, &text).map_err(|error| JudgeError::write(&path, &error))?;
    Ok(judgement)
}

/// Runs the checks over the records.
fn conclude(recorded: &Recorded) -> Judgement {
    let interrupted = match &recorded.plan.subject {
        // A load whose driver wrote no report was cut off.
        RunPurpose::Load(_) => recorded.driver.as_ref().is_none_or(|driver| driver.interrupted),
        RunPurpose::Scenario(_) | RunPurpose::Experiment(_) | RunPurpose::Hardening(_) => {
            recorded.scenario.as_ref().is_some_and(ScenarioReport::was_interrupted)
        }
    };
    let mut findings = vec![evidence::finding(recorded)];
    match &recorded.plan.subject {
        // The calls of probes are wrong on purpose, so that the checks of honest calls would blame them.
        RunPurpose::Hardening(hardening) => findings.extend(hardening::findings(hardening, &recorded.hardening)),
        // Of a history that was not read, every check would say that nothing was done.
        RunPurpose::Load(_) | RunPurpose::Scenario(_) | RunPurpose::Experiment(_) if recorded.oversize.is_some() => {}
        RunPurpose::Load(workload) if workload.is_on_target() => {
            let judged = judge_history(&recorded.history, &criteria(recorded));
            findings.extend(target::corrected(TargetCalls::of_load(workload), &recorded.history, judged));
        }
        RunPurpose::Experiment(experiment) if experiment.is_on_target() => {
            let judged = judge_history(&recorded.history, &criteria(recorded));
            findings.extend(target::corrected(target_calls(recorded, experiment), &recorded.history, judged));
        }
        RunPurpose::Load(_) | RunPurpose::Scenario(_) | RunPurpose::Experiment(_) => {
            findings.extend(judge_history(&recorded.history, &criteria(recorded)));
        }
    }
    Judgement { verdict: Verdict::merge(findings.iter().map(|finding| finding.verdict)), findings, interrupted }
}

/// Returns the criteria of the run, from its plan and its scenario report.
pub(crate) fn criteria(recorded: &Recorded) -> Criteria {
    let quotas = || recorded.scenario.as_ref().map(|report| report.quotas.clone()).unwrap_or_default();
    match &recorded.plan.subject {
        RunPurpose::Load(workload) => load_criteria(workload),
        RunPurpose::Experiment(experiment) => Criteria {
            quotas: quotas(),
            declared: recorded.scenario.as_ref().map(|report| report.declared.clone()).unwrap_or_default(),
            experiment: Some(experiment.promises.clone()),
            // Without the record of the experiment, nothing shows which gap is that of the fault.
            most_gap_us: recorded.history.experiment().map(|_| MOST_GAP_US),
            required: required(recorded, experiment),
            expectations: experiment.remembered.map(|_| recorded.expectations.clone()),
            ..Criteria::default()
        },
        RunPurpose::Hardening(_) => Criteria::default(),
        RunPurpose::Scenario(script) => Criteria {
            quotas: quotas(),
            expectations: Some(recorded.expectations.clone()),
            required: script.required.clone(),
            thresholds: script.thresholds.clone(),
            ..Criteria::default()
        },
    }
}

/// Returns the standing checks that must decide: those that the experiment names, and on a target those that its operations let decide.
fn required(recorded: &Recorded, experiment: &Experiment) -> Vec<String> {
    let mut required = experiment.required.clone();
    if experiment.is_on_target() {
        required.extend(Coverage::of(target_calls(recorded, experiment)).required);
    }
    required.sort();
    required.dedup();
    required
}

fn target_calls<'e>(recorded: &Recorded, experiment: &'e Experiment) -> TargetCalls<'e> {
    let organisations = recorded.plan.backend.target().map_or(1, Target::organisations);
    TargetCalls::of_experiment(experiment, organisations)
}

fn load_criteria(workload: &Workload) -> Criteria {
    let users = match workload.model {
        Model::Closed { .. } => Some(workload.users),
        // Arrivals of an open load follow a schedule, so the number of users does not limit the throughput.
        Model::Open { .. } => None,
    };
    // A load that calls memory requires the checks of records to decide. Otherwise their *unknown* would be dropped.
    let memory = Some(mcp_contracts::Service::Memory.name());
    let about_records = workload.mix.iter().any(|(name, weight)| *weight > 0 && service_of(name) == memory);
    let required = if workload.is_on_target() {
        Coverage::of(TargetCalls::of_load(workload)).required
    } else if about_records {
        check::about_records().map(str::to_owned).collect()
    } else {
        Vec::new()
    };
    Criteria {
        thresholds: workload.thresholds.clone(),
        users,
        required,
        most_gap_us: Some(workload.longest_gap.as_micros() as u64),
        ..Criteria::default()
    }
}
