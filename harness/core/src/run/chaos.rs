//! Runs an experiment: load, steady state, faults, heal, recovery. Probes and counters are read meanwhile. Nothing is
//! judged here: this code records the events, and the checks decide what they prove.

mod evidence;
mod logs;
mod phases;
mod probe;

use super::{RunError, RunRequest, conditions};
use crate::drive::experiment::Experiment;
use crate::drive::experiment::traffic::Traffic;
use crate::drive::scenario::{ScenarioEnd, ScenarioReport};
use crate::observe;
use crate::observe::clock::monotonic_us;
use crate::plan::Backend;
use crate::plan::run_dir;
use crate::stack::Stack;
use crate::stack::view::{Event, View};
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
    stage.read_back().await;
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
    (happened.secrets, happened.log_lines) = logs::search(stack, &request.secret).await;
    happened.logs_elsewhere = matches!(request.plan.backend, Backend::External { .. });
    if happened.logs_elsewhere {
        view.show(Event::Note("the logs of an external stack are not searched for secrets".to_owned()));
    }
    super::record(run_dir, run_dir::SCENARIO, &report)?;
    super::record(run_dir, run_dir::EXPERIMENT, &happened)
}
