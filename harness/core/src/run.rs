//! One run, as one readable flow: plan, stack, drive, observe, check, report.

use crate::clock::monotonic_us;
use crate::drive::{Assignment, Progress};
use crate::judge::{JudgeError, Judgement, judge};
use crate::observe::{self, Watched};
use crate::plan::Plan;
use crate::report::{self, ReportError};
use crate::run_dir;
use crate::stack::{Stack, StackError, StackRequest, log_tail};
use crate::view::{Event, View};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

/// Subcommand under which the harness is its own driver.
pub const DRIVE_SUBCOMMAND: &str = "__drive";
/// Free space that a run needs before it starts: a minute of a hundred busy users is a fraction of it.
const LEAST_FREE_BYTES: u64 = 256 << 20;
/// Time that a driver may need besides warm-up and measuring: seeding, the final reads, its own end.
const DRIVE_MARGIN: Duration = Duration::from_secs(300);
/// Time that a driver has to end after it was interrupted.
const INTERRUPT_DEADLINE: Duration = Duration::from_secs(20);

/// What a run needs besides its plan.
pub struct RunRequest {
    /// The plan.
    pub plan: Plan,
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
    /// True where somebody stopped it.
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
        /// What the system said.
        why: String,
    },
    /// The stack did not come up.
    #[error(transparent)]
    Stack(#[from] StackError),
    /// The driver failed.
    #[error("the driver {why}; its last lines:\n{tail}")]
    Driver {
        /// What happened.
        why: String,
        /// End of its log.
        tail: String,
    },
    /// The run cannot be judged.
    #[error(transparent)]
    Judge(#[from] JudgeError),
    /// The report cannot be written.
    #[error(transparent)]
    Report(#[from] ReportError),
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

    view.show(Event::Stage(format!("starting the stack ({})", request.plan.backend.name())));
    let start = Instant::now();
    let stack = Stack::start(&stack_request(&request, &run_dir), view, cancel).await?;

    let driven = drive(&request, &run_dir, &stack, start.elapsed(), view, cancel).await;

    view.show(Event::Stage("stopping the stack".to_owned()));
    stack.stop().await;
    let _ = std::fs::remove_dir_all(run_dir.join("data"));
    driven?;

    view.show(Event::Stage("judging the history".to_owned()));
    let judgement = judge(&run_dir)?;
    report::write_all(&run_dir, &judgement)?;
    for finding in &judgement.findings {
        view.show(Event::Finding(finding.clone()));
    }
    view.show(Event::Verdict(judgement.verdict));
    Ok(RunOutcome { run_dir, judgement, interrupted: cancel.is_cancelled() })
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
    std::fs::write(path.join(run_dir::PLAN), plan).map_err(|error| unusable(error.to_string()))?;
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
    }
}

/// Drives the load and observes it.
async fn drive(
    request: &RunRequest,
    run_dir: &Path,
    stack: &Stack,
    stack_start: Duration,
    view: &Arc<dyn View>,
    cancel: &CancellationToken,
) -> Result<(), RunError> {
    let surroundings = observe::surroundings(stack.parts(), stack_start).await;
    let unusable = |why: String| RunError::RunDir { path: run_dir.to_owned(), why };
    let text = serde_json::to_vec_pretty(&surroundings).map_err(|error| unusable(error.to_string()))?;
    std::fs::write(run_dir.join(run_dir::SURROUNDINGS), text).map_err(|error| unusable(error.to_string()))?;
    observe::metrics(run_dir, stack.parts(), "before").await;

    view.show(Event::Stage("driving the load".to_owned()));
    let assignment = Assignment {
        run_dir: run_dir.to_owned(),
        endpoints: stack.endpoints(),
        jwt_secret: request.secret.clone(),
        epoch_us: monotonic_us(),
        seed: request.plan.seed,
        workload: request.plan.workload.clone(),
    };
    let mut child = start_driver(&request.executable, run_dir)?;
    let mut watched: Vec<Watched> =
        stack.parts().iter().filter_map(|part| Some(Watched { part: part.name.clone(), pid: part.pid? })).collect();
    watched.extend(child.id().map(|pid| Watched { part: "driver".to_owned(), pid }));
    let stop = CancellationToken::new();
    let sampling = observe::sample(run_dir, assignment.epoch_us, &watched, &stop);
    let driving = async {
        let result = follow(&mut child, &assignment, run_dir, view, cancel).await;
        stop.cancel();
        result
    };
    let (driven, sampled) = tokio::join!(driving, sampling);
    observe::metrics(run_dir, stack.parts(), "after").await;
    driven?;
    sampled.map_err(|error| unusable(error.to_string()))
}

fn start_driver(executable: &Path, run_dir: &Path) -> Result<Child, RunError> {
    let failed =
        |error: std::io::Error| RunError::Driver { why: format!("cannot be started: {error}"), tail: String::new() };
    let log = std::fs::File::create(driver_log(run_dir)).map_err(failed)?;
    let mut command = Command::new(executable);
    command.arg(DRIVE_SUBCOMMAND).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
    command.process_group(0).kill_on_drop(true).spawn().map_err(failed)
}

fn driver_log(run_dir: &Path) -> PathBuf {
    run_dir.join(run_dir::LOGS).join("driver.log")
}

/// Hands the assignment over, shows progress, and waits for the end; passes an interrupt on.
async fn follow(
    child: &mut Child,
    assignment: &Assignment,
    run_dir: &Path,
    view: &Arc<dyn View>,
    cancel: &CancellationToken,
) -> Result<(), RunError> {
    let failed = |why: String| RunError::Driver { why, tail: log_tail(&driver_log(run_dir)) };
    let text = serde_json::to_vec(assignment).map_err(|error| failed(format!("got no assignment: {error}")))?;
    let mut input = child.stdin.take().ok_or_else(|| failed("has no input".to_owned()))?;
    input.write_all(&text).await.map_err(|error| failed(format!("took no assignment: {error}")))?;
    drop(input);
    let output = child.stdout.take().ok_or_else(|| failed("has no output".to_owned()))?;
    let mut lines = BufReader::new(output).lines();
    let workload = &assignment.workload;
    let mut deadline = Box::pin(tokio::time::sleep(workload.warmup + workload.duration + DRIVE_MARGIN));
    let mut interrupted = false;
    loop {
        tokio::select! {
            line = lines.next_line() => match line {
                Ok(Some(line)) => {
                    if let Ok(progress) = serde_json::from_str::<Progress>(&line) {
                        view.show(Event::Progress(progress));
                    }
                }
                Ok(None) | Err(_) => break,
            },
            () = cancel.cancelled(), if !interrupted => {
                interrupted = true;
                view.show(Event::Stage("interrupted: the driver writes what it has".to_owned()));
                if let Some(pid) = child.id() {
                    let _ = kill(Pid::from_raw(pid.cast_signed()), Signal::SIGINT);
                }
                deadline.as_mut().set(tokio::time::sleep(INTERRUPT_DEADLINE));
            }
            () = &mut deadline => {
                let _ = child.kill().await;
                return Err(failed("did not end in time and was killed".to_owned()));
            }
        }
    }
    let status = child.wait().await.map_err(|error| failed(format!("cannot be waited for: {error}")))?;
    // 2: the history is incomplete, which the judgement says.
    let told = status.success() || status.code() == Some(2) || interrupted;
    if told { Ok(()) } else { Err(failed(format!("ended with {status}"))) }
}
