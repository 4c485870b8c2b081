//! One run: start the stack, drive it, stop it, judge the record, write the reports.

pub mod runs;

mod chaos;
mod conditions;
mod hardening;
mod limits;
mod load;
mod machine_load;
mod script;

pub use load::DRIVE_SUBCOMMAND;

use crate::drive::hardening::HardeningCheck;
use crate::drive::scenario::{Scenario, Stage, StageRequest};
use crate::drive::target::AccessError;
use crate::drive::{Plan, RunPurpose};
use crate::fault::FaultError;
use crate::judge::{JudgeMemory, Judgement, Recorded, judge};
use crate::observe;
use crate::plan::data_file::{Problem, problem_lines};
use crate::plan::seal::write_whole;
use crate::plan::{Backend, PlanError, run_dir};
use crate::report::summary::Summary;
use crate::report::{self, ReportError};
use crate::run::runs::Lock;
use crate::stack::view::{Event, View};
use crate::stack::{Fixture, IMAGE_TAG, Stack, StackError, StackRequest};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Free space that a run needs before it starts. A minute of a hundred busy users writes a fraction of it.
const LEAST_FREE_BYTES: u64 = 256 << 20;

/// A plan, and everything else that a run needs.
pub struct RunRequest {
    pub plan: Plan,
    /// The code of the scenario; `None` if the plan is not a scenario.
    pub scenario: Option<&'static Scenario>,
    /// The catalogue of hardening checks; empty if the plan is not one of hardening.
    pub catalogue: &'static [HardeningCheck],
    /// The folder of the runs, in which the run directory is created.
    pub runs: PathBuf,
    /// The program of the harness, which is also its driver and its reaper.
    pub executable: PathBuf,
    /// The key that signs tokens.
    pub secret: String,
    /// Most memory that the judgement may take.
    pub memory: JudgeMemory,
}

pub struct RunOutcome {
    pub run_dir: PathBuf,
    pub judgement: Judgement,
    pub summary: Summary,
    pub interrupted: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("the run directory `{}` cannot be used: {why}\nhint: choose another with `--runs`", path.display())]
    RunDir { path: PathBuf, why: String },
    #[error(
        "the run could not be recorded to its end in `{}`: {why}\n\
         hint: free space on that disk, or choose another with `--runs`; an incomplete record proves nothing",
        path.display()
    )]
    Unrecorded { path: PathBuf, why: String },
    #[error(transparent)]
    Stack(#[from] StackError),
    /// The target cannot be called.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The load is larger than the user allows for this host.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The operations of a profile do not fit the tools of the target.
    #[error("the operations do not fit the target{}", problem_lines(.0))]
    InvalidCalls(Vec<Problem>),
    /// The plan comes from a program with other scenarios.
    #[error("there is no scenario `{0}`\nhint: `harness scenario --list` lists them")]
    NoScenario(String),
    /// The plan comes from a program with other checks.
    #[error("there is no hardening check `{0}`\nhint: `harness harden --list` lists them")]
    NoCheck(String),
    /// A service cannot be kept within its limits.
    #[error(transparent)]
    Limits(#[from] FaultError),
    #[error(transparent)]
    Record(#[from] crate::observe::record::RecordError),
    #[error("the driver {why}; its last lines:\n{tail}")]
    Driver { why: String, tail: String },
    #[error(transparent)]
    Report(ReportError),
}

/// Runs a plan to its verdict. If a step fails, everything that was started is stopped before the error is returned.
///
/// # Errors
/// The run has no complete record to judge, or its report cannot be written.
pub async fn run(
    request: RunRequest,
    view: &Arc<dyn View>,
    cancel: &CancellationToken,
) -> Result<RunOutcome, RunError> {
    let run_dir = prepare(&request)?;
    let unusable = |error: std::io::Error| RunError::RunDir { path: run_dir.clone(), why: error.to_string() };
    let _lock = Lock::take(&run_dir).map_err(unusable)?;

    view.show(Event::Stage(beginning(&request.plan.backend)));
    let start = Instant::now();
    let stack = Stack::start(&stack_request(&request, &run_dir), view, cancel).await?;

    let driven = drive(&request, &run_dir, &stack, start.elapsed(), view, cancel).await;

    if !request.plan.backend.is_external() {
        view.show(Event::Stage("stopping the stack".to_owned()));
    }
    // An error of the drive is returned only after the stack has stopped.
    if let Err(error) = stack.stop().await {
        view.show(Event::Note(error.to_string()));
    }
    // The databases are not part of the record.
    let _ = std::fs::remove_dir_all(run_dir.join("data"));
    driven?;

    // Sealed only now, because the parts write to their logs until they have stopped, and the logs are recorded files.
    view.show(Event::Stage("judging the history".to_owned()));
    let unrecorded = |why: String| RunError::Unrecorded { path: run_dir.clone(), why };
    let recorded = Recorded::read_and_seal(&run_dir, request.memory).map_err(|error| unrecorded(error.to_string()))?;
    let judgement = judge(&recorded).map_err(|error| unrecorded(error.to_string()))?;
    let summary = report::write_all(&recorded, &judgement).map_err(|error| match error {
        ReportError::Write { .. } | ReportError::Judge(_) => unrecorded(error.to_string()),
        ReportError::Render(_) => RunError::Report(error),
    })?;
    for finding in &judgement.findings {
        view.show(Event::Finding(finding.clone()));
    }
    view.show(Event::Verdict(judgement.verdict));
    Ok(RunOutcome { run_dir, judgement, summary, interrupted: cancel.is_cancelled() })
}

/// Returns the first step of a run: a stack that runs already is not started.
fn beginning(backend: &Backend) -> String {
    match backend {
        Backend::Target(target) if target.start.is_none() => format!("reaching {}", target.url),
        Backend::Target(_) => "starting the server".to_owned(),
        Backend::External { urls, .. } => {
            let urls: Vec<&str> = urls.values().map(String::as_str).collect();
            format!("reaching {}", urls.join(", "))
        }
        Backend::Process | Backend::Docker => format!("starting the stack ({})", backend.name()),
    }
}

/// Creates the run directory and writes the plan.
fn prepare(request: &RunRequest) -> Result<PathBuf, RunError> {
    let runs = std::path::absolute(&request.runs).unwrap_or_else(|_| request.runs.clone());
    let path = runs.join(&request.plan.run_id);
    let unusable = |why: String| RunError::RunDir { path: path.clone(), why };
    for folder in [path.join(run_dir::LOGS), path.join("data")] {
        std::fs::create_dir_all(folder).map_err(|error| unusable(error.to_string()))?;
    }
    let free = fs4::available_space(&path).map_err(|error| unusable(error.to_string()))?;
    if free < LEAST_FREE_BYTES {
        return Err(unusable(format!("{} MB are free, a history needs {} MB", free >> 20, LEAST_FREE_BYTES >> 20)));
    }
    // Written before anything starts. A directory with a plan counts as a run, so that a killed run is listed as well.
    let plan = serde_json::to_vec_pretty(&request.plan).map_err(|error| unusable(error.to_string()))?;
    write_whole(&path.join(run_dir::PLAN), &plan).map_err(|error| unusable(error.to_string()))?;
    Ok(path)
}

fn stack_request(request: &RunRequest, run_dir: &Path) -> StackRequest {
    StackRequest {
        backend: request.plan.backend.clone(),
        topology: request.plan.topology.clone(),
        dir: run_dir.to_owned(),
        secret: request.secret.clone(),
        executable: request.executable.clone(),
        detached: false,
        fixtures: match &request.plan.subject {
            RunPurpose::Experiment(experiment) => experiment.given.iter().map(Fixture::from).collect(),
            RunPurpose::Load(_) | RunPurpose::Scenario(_) | RunPurpose::Hardening(_) => {
                request.scenario.map(|scenario| (scenario.fixtures)()).unwrap_or_default()
            }
        },
        image_tag: IMAGE_TAG.to_owned(),
        seed: request.plan.seed,
    }
}

/// Drives the stack as planned, and observes it.
async fn drive(
    request: &RunRequest,
    run_dir: &Path,
    stack: &Stack,
    stack_start: Duration,
    view: &Arc<dyn View>,
    cancel: &CancellationToken,
) -> Result<(), RunError> {
    let surroundings = observe::surroundings(&stack.parts(), stack_start).await;
    record(run_dir, run_dir::SURROUNDINGS, &surroundings)?;
    observe::metrics(run_dir, &stack.parts(), "before").await;
    let driven = match &request.plan.subject {
        RunPurpose::Load(workload) => load::drive(request, workload, run_dir, stack, view, cancel).await,
        RunPurpose::Experiment(experiment) => {
            Box::pin(chaos::run(request, experiment, run_dir, stack, view, cancel)).await
        }
        RunPurpose::Scenario(script) => script::play(request, script, run_dir, stack, view, cancel).await,
        RunPurpose::Hardening(plan) => hardening::check(request, plan, run_dir, stack, view, cancel).await,
    };
    observe::metrics(run_dir, &stack.parts(), "after").await;
    driven
}

/// Writes a document of the record, completely or not at all.
fn record(run_dir: &Path, name: &str, value: &impl serde::Serialize) -> Result<(), RunError> {
    let unrecorded = |why: String| RunError::Unrecorded { path: run_dir.to_owned(), why };
    let text = serde_json::to_vec_pretty(value).map_err(|error| unrecorded(error.to_string()))?;
    write_whole(&run_dir.join(name), &text).map_err(|error| unrecorded(format!("`{name}`: {error}")))
}

/// Opens the stage on which a scenario or an experiment runs. Both run in this process; only a load has a driver process.
fn stage<'a>(
    request: &'a RunRequest,
    run_dir: &'a Path,
    stack: &'a Stack,
    epoch_us: u64,
    view: &'a Arc<dyn View>,
) -> Result<Stage<'a>, RunError> {
    Ok(Stage::open(StageRequest {
        stack,
        run_dir,
        identity: identity(&request.plan),
        seed: request.plan.seed,
        secret: &request.secret,
        epoch_us,
        view,
    })?)
}

/// Returns what the names of the users, and so the marks of their contents, are derived from.
fn identity(plan: &Plan) -> String {
    match &plan.subject {
        // A store that outlives the run may have the records of an earlier run with the same seed.
        _ if plan.backend.is_external() => plan.run_id.clone(),
        // The contents of an experiment must be the same in every run with its seed, because the fault proxy draws from what it forwards.
        RunPurpose::Experiment(experiment) => format!("{} {}", plan.seed, experiment.name),
        RunPurpose::Load(_) | RunPurpose::Scenario(_) | RunPurpose::Hardening(_) => plan.run_id.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::{beginning, identity};
    use crate::drive::experiment;
    use crate::drive::{Plan, PlanRequest, RunPurpose};
    use crate::plan::Backend;
    use crate::plan::reach::Reach;
    use crate::plan::target::{Start, Target};
    use std::collections::BTreeMap;
    use std::time::Duration;

    #[test]
    fn a_server_that_runs_already_is_reached_and_not_started() {
        let url = "http://127.0.0.1:8000/mcp".to_owned();
        let target = Target { url, tokens: Vec::new(), ca_file: None, reach: Reach::default(), start: None };
        assert_eq!(beginning(&Backend::Target(Box::new(target.clone()))), "reaching http://127.0.0.1:8000/mcp");
        let start = Start {
            command: vec!["serve".to_owned()],
            directory: None,
            environment: BTreeMap::new(),
            ready: None,
            deadline: Duration::from_secs(1),
        };
        let started = Backend::Target(Box::new(Target { start: Some(start), ..target }));
        assert_eq!(beginning(&started), "starting the server");
        let urls = [("memory".to_owned(), "http://127.0.0.1:7420".to_owned())].into();
        assert_eq!(beginning(&Backend::External { urls, hosts: Vec::new() }), "reaching http://127.0.0.1:7420");
        assert_eq!(beginning(&Backend::Process), "starting the stack (process)");
    }

    fn plan(seed: u64, backend: Backend) -> Plan {
        let experiment = experiment::find("tenant-mix", None).unwrap();
        Plan::resolve(PlanRequest {
            command: "harness chaos tenant-mix".to_owned(),
            seed: Some(seed),
            backend,
            topology: experiment.topology.clone(),
            subject: RunPurpose::Experiment(Box::new(experiment)),
        })
        .unwrap()
    }

    #[test]
    fn marks_of_an_experiment_come_from_the_seed_and_not_from_the_run() {
        let (first, second) = (plan(7, Backend::Process), plan(7, Backend::Process));
        assert_ne!(first.run_id, second.run_id);
        assert_eq!(identity(&first), identity(&second));
        assert_ne!(identity(&first), identity(&plan(8, Backend::Process)));
        let urls = [("memory".to_owned(), "http://127.0.0.1:7420".to_owned())].into();
        let external = plan(7, Backend::External { urls, hosts: Vec::new() });
        assert_eq!(identity(&external), external.run_id, "the store may have the records of an earlier run");
    }
}
