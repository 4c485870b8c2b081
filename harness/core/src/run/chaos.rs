//! Runs an experiment: load, steady state, faults, heal, recovery. Probes and counters are read meanwhile. Nothing is
//! judged here: this code records the events, and the checks decide what they prove.

mod evidence;
mod logs;
mod phases;
mod probe;

use super::{RunError, RunRequest, conditions};
use crate::drive::client::{Bearer, ClientOptions};
use crate::drive::experiment::Experiment;
use crate::drive::experiment::traffic::Traffic;
use crate::drive::scenario::{ScenarioEnd, ScenarioReport};
use crate::drive::target::{AccessError, TargetAccess, call_problems};
use crate::observe;
use crate::observe::clock::monotonic_us;
use crate::plan::{PlanError, run_dir};
use crate::stack::Stack;
use crate::stack::view::{Event, View};
use harness_history::experiment::Experiment as RecordedExperiment;
use logs::LogSecrets;
use phases::PhaseRunner;
use std::path::Path;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Runs an experiment until it ends, is aborted or is interrupted. Records its faults, probes and counters; the calls
/// record themselves.
pub(super) async fn run(
    request: &RunRequest,
    experiment: &Experiment,
    run_dir: &Path,
    stack: &Stack,
    view: &Arc<dyn View>,
    cancel: &CancellationToken,
) -> Result<(), RunError> {
    view.show(Event::Stage(format!("{} ({}): {}", experiment.name, experiment.id, experiment.about)));
    let unrecorded = |why: String| RunError::Unrecorded { path: run_dir.to_owned(), why };
    let epoch_us = monotonic_us();
    let stage = super::stage(request, run_dir, stack, epoch_us, view)?;
    let (processes, over) = (observe::local_processes(&stack.parts()), CancellationToken::new());
    let traffic = Traffic::new(&stage, &experiment.load, &experiment.promises.errors, &over);
    let bearers = check_target(experiment, stack, view).await?;
    let unscheduled_per_second = TargetAccess::of(stack).and_then(|access| access.unscheduled_per_second);
    let traffic = match bearers.clone() {
        Some(bearers) => traffic.on_target(bearers, &request.plan.run_id, unscheduled_per_second),
        None => traffic,
    };
    let phases = PhaseRunner::new(experiment, &stage, stack, &traffic, run_dir, view);
    let conducting = async {
        let happened = Box::pin(phases.run(cancel, &over)).await;
        // Only the phases end by themselves. Everything that is joined below runs until this.
        over.cancel();
        happened
    };
    let watching = conditions::watch(stack, None, epoch_us, &over);
    let probing = probe::watch(stack, epoch_us, &over);
    let sampling = observe::sample(run_dir, epoch_us, &processes, &over);
    let parts = stack.parts();
    let scraping = observe::pages::pages(run_dir, epoch_us, &parts, &over);
    let driving = traffic.run(&over);
    let (mut happened, probes, conditions, (), sampled, scraped) =
        tokio::join!(conducting, probing, watching, driving, sampling, scraping);
    super::record(run_dir, run_dir::CONDITIONS, &conditions)?;
    (happened.probes, happened.crowded) = (probes, conditions.crowded);
    sampled.and(scraped).map_err(|error| unrecorded(error.to_string()))?;
    view.show(Event::Stage("reading back all writes".to_owned()));
    if experiment.is_on_target() {
        traffic.read_back_target().await;
    } else {
        stage.read_back().await;
    }
    traffic.walk().await;
    let interrupted = cancel.is_cancelled();
    if let Some(within) = experiment.remembered.filter(|_| !interrupted) {
        view.show(Event::Stage("waiting for the outcomes of workflows".to_owned()));
        traffic.expect_outcomes(within).await;
    }
    let report = ScenarioReport {
        ended: if interrupted { ScenarioEnd::Interrupted } else { ScenarioEnd::Completed },
        why: happened.aborted.clone(),
        took_us: stage.now_us(),
        declared: evidence::declared(&stage.quotas(), stack, experiment).await,
        quotas: stage.quotas(),
    };
    stage.close()?;
    // After the final read, whose calls are logged as well.
    search_logs(&mut happened, request, bearers.as_deref(), stack, view).await;
    happened.unprobed = bearers.is_some();
    super::record(run_dir, run_dir::SCENARIO, &report)?;
    super::record(run_dir, run_dir::EXPERIMENT, &happened)
}

/// Searches the logs for secrets. `bearers` are those of a target; `None` if the stack is one of this product.
async fn search_logs(
    happened: &mut RecordedExperiment,
    request: &RunRequest,
    bearers: Option<&[Option<Arc<Bearer>>]>,
    stack: &Stack,
    view: &Arc<dyn View>,
) {
    let tokens = bearers.map(logs::tokens_of).unwrap_or_default();
    // A target without tokens has no secret that a log could have.
    let has_secret = bearers.is_none() || !tokens.is_empty();
    let sought = LogSecrets { key: &request.secret, tokens, contents: bearers.is_none() };
    (happened.secrets, happened.log_lines) = logs::search(stack, &sought).await;
    // A target that writes nothing has no log that could be searched.
    let has_log = !request.plan.backend.is_external() && (bearers.is_none() || happened.log_lines > 0);
    happened.logs_elsewhere = !has_log || !has_secret;
    let why = match (has_log, has_secret) {
        (true, true) => return,
        (false, _) => "there are none on this machine",
        (true, false) => "the target has no token, or a token is a short word",
    };
    view.show(Event::Note(format!("logs are not searched for secrets: {why}")));
}

/// Makes the first contact with a target, without a fault: what is wrong with the plan is found here, and is no effect of a fault. Returns its tokens;
/// `None` if the stack is one of this product.
async fn check_target(
    experiment: &Experiment,
    stack: &Stack,
    view: &Arc<dyn View>,
) -> Result<Option<Vec<Option<Arc<Bearer>>>>, RunError> {
    let (Some(access), Some(resolved_host), Some(target)) =
        (TargetAccess::of(stack), stack.resolved_host(), stack.request().backend.target())
    else {
        return Ok(None);
    };
    view.show(Event::Note(format!("the target is {resolved_host}")));
    let load = &experiment.load;
    let rate = load.rate * load.surge.as_ref().map_or(1.0, |surge| surge.times.max(1.0));
    let problems = target.reach.exceeded(&resolved_host, load.users, experiment.length(), rate);
    if !problems.is_empty() {
        return Err(PlanError { problems }.into());
    }
    let options = ClientOptions { deadline: load.call_deadline, ..ClientOptions::default() };
    let call_problems = call_problems(&load.operations, &access.tools(options).await?);
    if !call_problems.is_empty() {
        return Err(RunError::InvalidCalls(call_problems));
    }
    Ok(Some(access.bearers().map_err(AccessError::from)?))
}
