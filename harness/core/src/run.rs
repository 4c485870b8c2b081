//! One run, as one readable flow: plan, stack, drive, observe, check, report.

pub mod runs;

mod chaos;
mod load;
mod script;

pub use load::DRIVE_SUBCOMMAND;

use crate::drive::scenario::{Scenario, Stage, StageRequest};
use crate::drive::{Plan, Subject};
use crate::judge::{Judgement, judge};
use crate::observe;
use crate::plan::run_dir;
use crate::plan::seal::{seal, write_whole};
use crate::report::summary::Summary;
use crate::report::{self, ReportError};
use crate::run::runs::Lock;
use crate::stack::view::{Event, View};
use crate::stack::{Given, IMAGE_TAG, Stack, StackError, StackRequest};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Free space that a run needs before it starts: a minute of a hundred busy users is a fraction of it.
const LEAST_FREE_BYTES: u64 = 256 << 20;

/// What a run needs besides its plan.
pub struct RunRequest {
    /// The plan.
    pub plan: Plan,
    /// The code of the plan's scenario, where it is one.
    pub scenario: Option<&'static Scenario>,
    /// Folder in which the run's own is made.
    pub runs: PathBuf,
    /// The harness's own program: its own driver and reaper.
    pub executable: PathBuf,
    /// Key of tokens.
    pub secret: String,
}

/// How a run ended.
pub struct RunOutcome {
    /// Where everything is.
    pub run_dir: PathBuf,
    /// What it proved.
    pub judgement: Judgement,
    /// The same in figures.
    pub summary: Summary,
    /// True if the experiment was interrupted.
    pub interrupted: bool,
}

/// Why there is nothing to judge.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The run directory cannot be used.
    #[error("the run directory `{}` cannot be used: {why}\nhint: choose another with `--runs`", path.display())]
    RunDir {
        /// The directory.
        path: PathBuf,
        why: String,
    },
    /// The run began, and could not be recorded to its end.
    #[error(
        "the run could not be recorded to its end in `{}`: {why}\n\
         hint: free space on that disk, or choose another with `--runs`; what it recorded proves nothing",
        path.display()
    )]
    Unrecorded {
        /// The directory.
        path: PathBuf,
        why: String,
    },
    /// The stack did not come up.
    #[error(transparent)]
    Stack(#[from] StackError),
    /// The plan's scenario is none of this program's.
    #[error("there is no scenario `{0}`\nhint: `harness scenario --list` lists them")]
    NoScenario(String),
    /// What a scenario sees cannot be recorded.
    #[error(transparent)]
    Record(#[from] crate::observe::record::RecordError),
    /// The driver failed.
    #[error("the driver {why}; its last lines:\n{tail}")]
    Driver {
        /// What happened.
        why: String,
        /// End of its log.
        tail: String,
    },
    /// The report cannot be rendered.
    #[error(transparent)]
    Report(ReportError),
}

/// Runs a plan to its verdict. Whatever happens, everything that was started is stopped.
///
/// # Errors
/// Says why there is nothing to judge.
pub async fn run(
    request: RunRequest,
    view: &Arc<dyn View>,
    cancel: &CancellationToken,
) -> Result<RunOutcome, RunError> {
    let run_dir = prepare(&request)?;
    let unusable = |error: std::io::Error| RunError::RunDir { path: run_dir.clone(), why: error.to_string() };
    let _lock = Lock::take(&run_dir).map_err(unusable)?;

    view.show(Event::Stage(format!("starting the stack ({})", request.plan.backend.name())));
    let start = Instant::now();
    let stack = Stack::start(&stack_request(&request, &run_dir), view, cancel).await?;

    let driven = drive(&request, &run_dir, &stack, start.elapsed(), view, cancel).await;

    view.show(Event::Stage("stopping the stack".to_owned()));
    stack.stop().await;
    let _ = std::fs::remove_dir_all(run_dir.join("data"));
    driven?;

    view.show(Event::Stage("judging the history".to_owned()));
    let unrecorded = |why: String| RunError::Unrecorded { path: run_dir.clone(), why };
    seal(&run_dir).map_err(|error| unrecorded(error.to_string()))?;
    let judgement = judge(&run_dir).map_err(|error| unrecorded(error.to_string()))?;
    let summary = report::write_all(&run_dir, &judgement).map_err(|error| match error {
        ReportError::Write { .. } | ReportError::Judge(_) => unrecorded(error.to_string()),
        ReportError::Render(_) => RunError::Report(error),
    })?;
    for finding in &judgement.findings {
        view.show(Event::Finding(finding.clone()));
    }
    view.show(Event::Verdict(judgement.verdict));
    Ok(RunOutcome { run_dir, judgement, summary, interrupted: cancel.is_cancelled() })
}

/// Makes the run directory and writes the plan.
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
        given: match &request.plan.subject {
            Subject::Experiment(experiment) => experiment.given.iter().map(Given::from).collect(),
            Subject::Load(_) | Subject::Scenario(_) => {
                request.scenario.map(|scenario| (scenario.given)()).unwrap_or_default()
            }
        },
        image_tag: IMAGE_TAG.to_owned(),
        seed: request.plan.seed,
    }
}

/// Does with the stack what the plan says, and observes it.
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
        Subject::Load(workload) => load::drive(request, workload, run_dir, stack, view, cancel).await,
        Subject::Experiment(experiment) => {
            Box::pin(chaos::run(request, experiment, run_dir, stack, view, cancel)).await
        }
        Subject::Scenario(script) => script::play(request, script, run_dir, stack, view, cancel).await,
    };
    observe::metrics(run_dir, &stack.parts(), "after").await;
    driven
}

/// Writes a document of the record whole.
fn record(run_dir: &Path, name: &str, value: &impl serde::Serialize) -> Result<(), RunError> {
    let unrecorded = |why: String| RunError::Unrecorded { path: run_dir.to_owned(), why };
    let text = serde_json::to_vec_pretty(value).map_err(|error| unrecorded(error.to_string()))?;
    write_whole(&run_dir.join(name), &text).map_err(|error| unrecorded(format!("`{name}`: {error}")))
}

/// Opens the stage of a run, for what happens in this process.
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
        run_id: &request.plan.run_id,
        seed: request.plan.seed,
        secret: &request.secret,
        epoch_us,
        view,
    })?)
}
