//! Drives a load: a child process runs the users while the stack is sampled.

use super::limits::Limited;
use super::{RunError, RunRequest, conditions};
use crate::drive::Assignment;
use crate::drive::client::ClientOptions;
use crate::drive::target::{TargetAccess, call_problems};
use crate::observe::clock::monotonic_us;
use crate::observe::{self, WatchedProcess};
use crate::plan::target::TARGET;
use crate::plan::workload::Workload;
use crate::plan::{PlanError, run_dir};
use crate::stack::view::{Event, Progress, View};
use crate::stack::{Stack, log_tail, owned};
use harness_history::Phase;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Child;
use tokio_util::sync::CancellationToken;

/// Subcommand with which the harness starts itself as the driver.
pub const DRIVE_SUBCOMMAND: &str = "__drive";
/// Time that a driver may take in addition to warm-up and measured phase: for seeding, the final read and its exit.
const DRIVE_MARGIN: Duration = Duration::from_secs(300);
/// Deadline for a driver to end after an interrupt.
const INTERRUPT_DEADLINE: Duration = Duration::from_secs(20);

pub(super) async fn drive(
    request: &RunRequest,
    workload: &Workload,
    run_dir: &Path,
    stack: &Stack,
    view: &Arc<dyn View>,
    cancel: &CancellationToken,
) -> Result<(), RunError> {
    let target = if workload.is_on_target() { Some(check_target(request, workload, stack, view).await?) } else { None };
    view.show(Event::Stage("driving the load".to_owned()));
    let assignment = Assignment {
        run_dir: run_dir.to_owned(),
        endpoints: stack.endpoints(),
        jwt_secret: request.secret.clone(),
        epoch_us: monotonic_us(),
        seed: request.plan.seed,
        workload: workload.clone(),
        target,
    };
    let limited = Limited::start(stack, run_dir).await?;
    let mut child = start_driver(&request.executable, run_dir).await?;
    let mut processes = observe::local_processes(&stack.parts());
    let driver = child.id();
    processes.extend(driver.map(|pid| WatchedProcess { part: "driver".to_owned(), pid, with_children: false }));
    let stop = CancellationToken::new();
    let sampling = observe::sample(run_dir, assignment.epoch_us, &processes, &stop);
    let parts = stack.parts();
    let scraping = observe::pages::pages(run_dir, assignment.epoch_us, &parts, &stop);
    let watching = conditions::watch(stack, driver, assignment.epoch_us, &stop);
    let driving = async {
        let result = follow(&mut child, &assignment, run_dir, view, cancel).await;
        stop.cancel();
        result
    };
    let (driven, sampled, scraped, conditions) = tokio::join!(driving, sampling, scraping, watching);
    limited.end().await?;
    driven?;
    super::record(run_dir, run_dir::CONDITIONS, &conditions)?;
    sampled.and(scraped).map_err(|error| RunError::Unrecorded { path: run_dir.to_owned(), why: error.to_string() })
}

/// Makes the first contact with a target: everything that is wrong with the profile is found here, and not counted as errors of the server.
async fn check_target(
    request: &RunRequest,
    workload: &Workload,
    stack: &Stack,
    view: &Arc<dyn View>,
) -> Result<TargetAccess, RunError> {
    let (target, resolved_host, part) = (request.plan.backend.target(), stack.resolved_host(), stack.part(TARGET));
    let (Some(target), Some(resolved_host), Some(part)) = (target, resolved_host, part) else {
        let problems = vec![format!("the operations of `{}` are for a target, and this stack has none", workload.name)];
        return Err(PlanError { problems }.into());
    };
    view.show(Event::Note(format!("the target is {resolved_host}")));
    let problems = target.reach.problems(&resolved_host, workload);
    if !problems.is_empty() {
        return Err(PlanError { problems }.into());
    }
    let access = TargetAccess::new(target, &part.url, &resolved_host);
    let options = ClientOptions { deadline: workload.call_deadline, ..ClientOptions::default() };
    let call_problems = call_problems(&workload.operations, &access.tools(options).await?);
    if call_problems.is_empty() { Ok(access) } else { Err(RunError::InvalidCalls(call_problems)) }
}

async fn start_driver(executable: &Path, run_dir: &Path) -> Result<Child, RunError> {
    let failed =
        |error: std::io::Error| RunError::Driver { why: format!("cannot be started: {error}"), tail: String::new() };
    let log = std::fs::File::create(driver_log(run_dir)).map_err(failed)?;
    let mut command = owned::command(executable, executable);
    command.arg(DRIVE_SUBCOMMAND).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
    // In a process group of its own, because Ctrl-C in a terminal signals the whole group: the harness forwards one
    // signal, and goose would end the process at a second one (decision 0002).
    command.process_group(0).kill_on_drop(true);
    owned::spawn(command).await.map_err(failed)
}

fn driver_log(run_dir: &Path) -> PathBuf {
    run_dir.join(run_dir::LOGS).join("driver.log")
}

/// Sends the assignment, shows progress, forwards an interrupt, and waits for the end.
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
    input.write_all(&text).await.map_err(|error| failed(format!("did not accept its assignment: {error}")))?;
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
                        view.show(Event::Progress { phase: phase_name(progress.phase).to_owned(), progress });
                    }
                }
                Ok(None) | Err(_) => break,
            },
            () = cancel.cancelled(), if !interrupted => {
                interrupted = true;
                view.show(Event::Stage("interrupted: the driver writes its partial record".to_owned()));
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
    // Exit code 2 means that the history is incomplete. That is not an error here, because the judgement reports it.
    let reported = status.success() || status.code() == Some(2) || interrupted;
    if reported { Ok(()) } else { Err(failed(format!("ended with {status}"))) }
}

/// Returns the name of a phase for the terminal.
const fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Setup => "seeding",
        Phase::Warmup => "warm-up",
        Phase::Measured => "measuring",
        Phase::Final => "reading back",
    }
}
