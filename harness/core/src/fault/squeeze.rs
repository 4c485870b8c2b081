//! A part gets less: so much of a core, or so much memory. Containers get other limits; a process is put into a control group of its own.

mod group;

use super::error::FaultError;
use super::injection::Injection;
use crate::stack::labelled;
use crate::stack::undo::{ContainerUndo, UNLIMITED, Undo, UndoGuard};
use bollard::models::ContainerUpdateBody;
pub(super) use group::{CPU, MEMORY, impossible};
use std::ops::RangeInclusive;

/// Hundredths of a core that a part may get.
pub(super) const PERCENT: RangeInclusive<u32> = 1..=6_400;
/// Memory that a part may get, in MiB.
pub(super) const MEBIBYTES: RangeInclusive<u32> = 16..=1 << 20;
/// The time in which a share of a core is given, in microseconds.
const PERIOD_US: i64 = 100_000;

/// What a part gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limit {
    /// Hundredths of a core.
    Cpu {
        /// So many.
        percent: u32,
    },
    /// Memory; what a process has already stays counted where it was, a container's counts as a whole.
    Memory {
        /// In MiB.
        mebibytes: u32,
    },
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

pub(super) async fn inject(injection: &Injection<'_>, part: &str, limit: Limit) -> Result<UndoGuard, FaultError> {
    let running = injection.part(part)?;
    Ok(match &running.container {
        Some(container) => of_container(injection, container, limit).await?,
        None => {
            let (pid, started) = injection.worker(&running)?;
            let squeezed = group::Squeezed::plan(pid, started, limit).map_err(|why| injection.refused(why))?;
            let owed = injection.must_undo(squeezed.undo())?;
            squeezed.enter().map_err(|why| injection.refused(why))?;
            owed
        }
    })
}

async fn of_container(injection: &Injection<'_>, id: &str, limit: Limit) -> Result<UndoGuard, FaultError> {
    let docker = labelled::connect().await.map_err(|error| injection.refused(error))?;
    let found = docker.inspect_container(id, None).await.map_err(|error| injection.refused(error))?;
    let has = found.host_config.unwrap_or_default();
    if has.nano_cpus.unwrap_or_default() > 0 {
        return Err(
            injection.refused("its container has a limit on whole cores, which cannot be changed to a share of one")
        );
    }
    // The daemon says 0 where there is no limit, and takes 0 for no change.
    let before = |value: Option<i64>| Some(value.filter(|value| *value > 0).unwrap_or(UNLIMITED));
    let mut undo =
        ContainerUndo { container: id.to_owned(), paused: false, cpu_quota: None, memory: None, memory_swap: None };
    let mut body = ContainerUpdateBody::default();
    match limit {
        Limit::Cpu { percent } => {
            undo.cpu_quota = before(has.cpu_quota);
            (body.cpu_period, body.cpu_quota) = (Some(PERIOD_US), Some(Limit::quota_us(percent)));
        }
        Limit::Memory { mebibytes } => {
            (undo.memory, undo.memory_swap) = (before(has.memory), before(has.memory_swap));
            // As much with what is swapped out as without: none of it may be.
            (body.memory, body.memory_swap) = (Some(Limit::bytes(mebibytes)), Some(Limit::bytes(mebibytes)));
        }
    }
    let owed = injection.must_undo(Undo::Container(undo))?;
    docker.update_container(id, body).await.map_err(|error| injection.refused(error))?;
    Ok(owed)
}
