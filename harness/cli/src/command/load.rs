//! `harness load`: drives load against a stack and judges the recorded history.

use super::play::{self, Folder, command_line};
use crate::arguments::{BackendArguments, BackendChoice, Changes, LoadArguments};
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::settings;
use harness_core::drive::{Plan, PlanRequest, Subject};
use harness_core::plan::Purpose;
use harness_core::plan::topology::Topology;
use loadtests::Overrides;
use mcp_contracts::Service;
use std::time::Duration;

pub(crate) fn run(arguments: &LoadArguments, context: &Context) -> Result<Exit, Failure> {
    let (plan, secret) = resolve(arguments, command_line(), context)?;
    let folder = Folder::open(&arguments.record.runs, &settings::load(None)?)?;
    let (name, about) = (plan.subject.name().to_owned(), "the stack under load");
    let played = play::one("load", &name, about, plan, secret, folder.path(), context);
    play::conclude(vec![played], false, &folder, context)
}

/// Resolves arguments into a plan. Starts nothing. `command` is the command that repeats the run, without its seed.
pub(crate) fn resolve(
    arguments: &LoadArguments,
    command: String,
    context: &Context,
) -> Result<(Plan, String), Failure> {
    let workload = loadtests::workload(&arguments.workload, &overrides(&arguments.changes)).map_err(Failure::usage)?;
    let (backend, secret) = context.backend(&arguments.place)?;
    let topology = Topology::for_load(workload.service);
    let topology = spoiled(topology, &arguments.lies.lie, &arguments.delays.slow);
    let wish =
        PlanRequest { command, seed: arguments.record.seed, backend, topology, subject: Subject::Load(workload) };
    let plan = Plan::resolve(wish)?;
    settings::judge_memory()?.check(&plan)?;
    Ok((plan, secret))
}

/// Adds the lies and delays that break a stack on purpose.
pub(crate) fn spoiled(topology: Topology, lies: &[(Service, String)], slow: &[(Service, Duration)]) -> Topology {
    let topology = lies.iter().fold(topology, |topology, (service, lie)| topology.lying(*service, lie));
    slow.iter().fold(topology, |topology, (service, by)| topology.slowed(*service, *by))
}

/// Renders the place of a stack as options of a command, each with a leading space.
pub(crate) fn place_words(place: &BackendArguments) -> String {
    let backend = match place.backend {
        BackendChoice::Auto | BackendChoice::External => "",
        BackendChoice::Process => " --backend process",
        BackendChoice::Docker => " --backend docker",
    };
    let urls = place.url.iter().map(|(service, url)| format!(" --url {service}={url}"));
    std::iter::once(backend.to_owned()).chain(urls).collect()
}

/// Renders the lies and delays as options of a command, each with a leading space.
pub(crate) fn spoiled_words(lies: &[(Service, String)], slow: &[(Service, Duration)]) -> String {
    let lies = lies.iter().map(|(service, lie)| format!(" --lie {}={lie}", service.name()));
    let slow = slow.iter().map(|(service, by)| format!(" --slow {}={}ms", service.name(), by.as_millis()));
    lies.chain(slow).collect()
}

fn overrides(changes: &Changes) -> Overrides {
    Overrides {
        users: changes.users,
        organisations: changes.organisations,
        duration: changes.duration,
        warmup: changes.warmup,
        think_time: changes.think_time,
        arrivals: changes.arrivals,
        rate: changes.rate,
        stages: changes.stages.clone(),
        thresholds: changes.threshold.clone(),
    }
}
