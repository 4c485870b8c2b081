//! Runs a scenario in this process while the stack is sampled.

use super::{RunError, RunRequest, conditions};
use crate::drive::scenario::play as play_on;
use crate::observe;
use crate::observe::clock::monotonic_us;
use crate::plan::Script;
use crate::plan::run_dir;
use crate::stack::Stack;
use crate::stack::view::{Event, View};
use std::path::Path;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Runs the scenario to its end and records how it ended.
pub(super) async fn play(
    request: &RunRequest,
    script: &Script,
    run_dir: &Path,
    stack: &Stack,
    view: &Arc<dyn View>,
    cancel: &CancellationToken,
) -> Result<(), RunError> {
    let scenario = request.scenario.filter(|scenario| scenario.name == script.name);
    let scenario = scenario.ok_or_else(|| RunError::NoScenario(script.name.clone()))?;
    view.show(Event::Stage(format!("playing {}", script.name)));
    let unrecorded = |why: String| RunError::Unrecorded { path: run_dir.to_owned(), why };
    let epoch_us = monotonic_us();
    let stage = super::stage(request, run_dir, stack, epoch_us, view)?;
    let (processes, stop) = (observe::local_processes(&stack.parts()), CancellationToken::new());
    let playing = async {
        let report = Box::pin(play_on(scenario, &stage, cancel)).await;
        stop.cancel();
        report
    };
    let watching = conditions::watch(stack, None, epoch_us, &stop);
    let sampling = observe::sample(run_dir, epoch_us, &processes, &stop);
    let (report, sampled, conditions) = tokio::join!(playing, sampling, watching);
    stage.close()?;
    sampled.map_err(|error| unrecorded(error.to_string()))?;
    super::record(run_dir, run_dir::CONDITIONS, &conditions)?;
    super::record(run_dir, run_dir::SCENARIO, &report)
}
