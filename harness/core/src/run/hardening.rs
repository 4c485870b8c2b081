//! Makes the checks of a hardening run in this process while the stack is sampled.

use super::{RunError, RunRequest, conditions};
use crate::drive::client::Bearer;
use crate::drive::hardening::{Access, HardeningCheck, ProbeContext, run_checks};
use crate::drive::scenario::Stage;
use crate::drive::target::{AccessError, TargetAccess};
use crate::observe;
use crate::observe::clock::monotonic_us;
use crate::plan::hardening::Hardening;
use crate::plan::run_dir;
use crate::plan::target::TARGET;
use crate::stack::Stack;
use crate::stack::view::{Event, View};
use harness_history::counted;
use std::path::Path;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Makes the checks and records their results.
pub(super) async fn check(
    request: &RunRequest,
    plan: &Hardening,
    run_dir: &Path,
    stack: &Stack,
    view: &Arc<dyn View>,
    cancel: &CancellationToken,
) -> Result<(), RunError> {
    let find = |id: &String| request.catalogue.iter().find(|check| check.id == id);
    let checks: Result<Vec<&'static HardeningCheck>, RunError> =
        plan.checks.iter().map(|texts| find(&texts.id).ok_or_else(|| RunError::NoCheck(texts.id.clone()))).collect();
    let checks = checks?;
    view.show(Event::Stage(format!("making {}", counted(checks.len(), "check", "checks"))));
    let unrecorded = |why: String| RunError::Unrecorded { path: run_dir.to_owned(), why };
    let epoch_us = monotonic_us();
    let stage = super::stage(request, run_dir, stack, epoch_us, view)?;
    let access = access(stack, &stage).await?;
    let (processes, stop) = (observe::local_processes(&stack.parts()), CancellationToken::new());
    let checking = async {
        let place = ProbeContext { stage: &stage, access: access.as_ref(), repository: plan.repository.as_deref() };
        let report = Box::pin(run_checks(&checks, place, run_dir, plan.deadline, view, cancel)).await;
        stop.cancel();
        report
    };
    let watching = conditions::watch(stack, None, epoch_us, &stop);
    let sampling = observe::sample(run_dir, epoch_us, &processes, &stop);
    let (report, sampled, conditions) = tokio::join!(checking, sampling, watching);
    if let Some(access) = &access {
        access.close(&stage.endpoint(TARGET)).await;
    }
    stage.close()?;
    sampled.map_err(|error| unrecorded(error.to_string()))?;
    let report = report.map_err(|error| unrecorded(error.to_string()))?;
    super::record(run_dir, run_dir::CONDITIONS, &conditions)?;
    super::record(run_dir, run_dir::SCENARIO, &report)
}

/// Makes the handshake with the target; returns `None` if the stack is one of this product.
async fn access(stack: &Stack, stage: &Stage<'_>) -> Result<Option<Access>, RunError> {
    let Some(access) = TargetAccess::of(stack) else { return Ok(None) };
    let bearers = access.bearers().map_err(AccessError::from)?;
    let bearers: Vec<Arc<Bearer>> = bearers.into_iter().flatten().collect();
    Ok(Some(Access::open(stage.endpoint(TARGET), &bearers).await.map_err(AccessError::from)?))
}
