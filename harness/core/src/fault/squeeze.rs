//! Limits the CPU time or the memory of a part, for `cpu_squeeze` and `memory_squeeze`. Docker changes the limits of a
//! container; a process is moved into a new control group.

mod group;

use super::error::FaultError;
use super::injection::Injection;
use super::kind::FaultResources;
use crate::plan::Backend;
use crate::stack::labelled;
use crate::stack::undo::{ContainerUndo, UNLIMITED, Undo};
use crate::stack::undo_log::UndoGuard;
use bollard::models::ContainerUpdateBody;
pub(super) use group::{CPU, MEMORY};

/// Period in which a share of a core is granted, in microseconds. 100 ms is the default of the kernel and of Docker, so
/// a container keeps its period when the undo restores only the quota.
const PERIOD_US: i64 = 100_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limit {
    /// Hundredths of a core.
    Cpu { percent: u32 },
    /// Memory that a process already has stays counted in its old group. The memory of a container counts as a whole.
    Memory { mebibytes: u32 },
}

impl Limit {
    /// Microseconds of a core in each period.
    fn quota_us(percent: u32) -> i64 {
        i64::from(percent) * PERIOD_US / 100
    }

    fn bytes(mebibytes: u32) -> i64 {
        i64::from(mebibytes) << 20
    }
}

/// Returns why this machine cannot limit a process by this controller; `None` if it can. Containers are limited by
/// Docker's daemon, which is allowed to.
pub(super) fn no_groups(controller: &str, backend: &Backend) -> Option<String> {
    if *backend == Backend::Process { group::impossible(controller) } else { None }
}

pub(super) async fn squeeze(injection: &Injection<'_>, part: &str, limit: Limit) -> Result<FaultResources, FaultError> {
    let running = injection.part(part)?;
    let guard = match &running.container {
        Some(container) => limit_container(injection, container, limit).await?,
        None => {
            let (pid, started) = injection.worker(&running)?;
            let squeezed = group::Squeezed::plan(pid, started, limit).map_err(|why| injection.refused(why))?;
            let guard = injection.must_undo(squeezed.undo())?;
            squeezed.enter().map_err(|why| injection.refused(why))?;
            guard
        }
    };
    Ok(guard.into())
}

async fn limit_container(injection: &Injection<'_>, id: &str, limit: Limit) -> Result<UndoGuard, FaultError> {
    let docker = labelled::connect().await.map_err(|error| injection.refused(error))?;
    let container = docker.inspect_container(id, None).await.map_err(|error| injection.refused(error))?;
    let has = container.host_config.unwrap_or_default();
    // Docker refuses a quota for a container that was started with `--cpus`.
    if has.nano_cpus.unwrap_or_default() > 0 {
        return Err(
            injection.refused("its container has a limit on whole cores, which cannot be changed to a share of one")
        );
    }
    // The daemon reports 0 for no limit, but in an update 0 means no change.
    let before = |value: Option<i64>| Some(value.filter(|value| *value > 0).unwrap_or(UNLIMITED));
    let mut undo = ContainerUndo::of(id.to_owned());
    let mut body = ContainerUpdateBody::default();
    match limit {
        Limit::Cpu { percent } => {
            undo.cpu_quota = before(has.cpu_quota);
            (body.cpu_period, body.cpu_quota) = (Some(PERIOD_US), Some(Limit::quota_us(percent)));
        }
        Limit::Memory { mebibytes } => {
            (undo.memory, undo.memory_swap) = (before(has.memory), before(has.memory_swap));
            // The second value is memory and swap together. Equal values forbid swap: with swap the part would become
            // slow instead of reaching its limit.
            (body.memory, body.memory_swap) = (Some(Limit::bytes(mebibytes)), Some(Limit::bytes(mebibytes)));
        }
    }
    let guard = injection.must_undo(Undo::Container(undo))?;
    docker.update_container(id, body).await.map_err(|error| injection.refused(error))?;
    Ok(guard)
}
