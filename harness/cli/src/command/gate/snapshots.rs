//! The first phase of a gate: the tools of services are those of their snapshots.

use crate::command::snapshot::{changes, surfaces};
use crate::context::{Context, random_secret};
use crate::exit::{Exit, Failure};
use harness_core::drive::surface::Surface;
use harness_core::plan::Backend;
use harness_core::report::gate::record::{GateRecord, PhaseKind, PhaseRecord, RunEnd, RunRecord};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Starts a stack and compares the tools of each service that has a file. Records the phase, and returns its exits; none if there are no files.
pub(super) fn compare(files: &BTreeMap<String, PathBuf>, record: &mut GateRecord, context: &Context) -> Vec<Exit> {
    if files.is_empty() {
        return Vec::new();
    }
    let start = Instant::now();
    let read = surfaces(Backend::Process, &random_secret(), context);
    // One stack serves all comparisons.
    let took_ms = start.elapsed().as_millis() as u64 / files.len() as u64;
    let (mut exits, mut runs) = (Vec::new(), Vec::new());
    for (service, file) in files {
        let (exit, end) = match &read {
            Ok(surfaces) => compared(file, surfaces.get(service)),
            Err(failure) => failed(failure),
        };
        exits.push(exit);
        let about = format!("the tools are those of `{}`", file.display());
        runs.push(RunRecord { name: service.clone(), about, took_ms, end });
    }
    record.phases.push(PhaseRecord { kind: PhaseKind::Snapshot, runs });
    exits
}

fn compared(file: &Path, surface: Option<&Surface>) -> (Exit, RunEnd) {
    let Some(surface) = surface else {
        return failed(&Failure::internal("the stack has no such service"));
    };
    match changes(file, surface) {
        Ok(changes) => {
            let exit = if changes.is_empty() { Exit::Pass } else { Exit::Fail };
            (exit, RunEnd::Compared(changes.iter().map(ToString::to_string).collect()))
        }
        Err(failure) => failed(&failure),
    }
}

fn failed(failure: &Failure) -> (Exit, RunEnd) {
    (failure.exit(), RunEnd::Failed { exit: failure.exit().number(), why: failure.to_string() })
}
