//! `harness load`: drives load against a stack and judges the recorded history.

use super::play::{self, Folder, command_line};
use super::store::ChosenStore;
use super::target;
use crate::arguments::{BackendArguments, BackendChoice, Changes, LoadArguments};
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::settings;
use harness_core::drive::{Plan, PlanRequest, RunPurpose};
use harness_core::plan::topology::Topology;
use harness_core::plan::{Backend, Purpose};
use loadtests::{Load, Overrides};
use mcp_contracts::Service;
use std::time::Duration;

pub(crate) fn run(arguments: &LoadArguments, context: &Context) -> Result<Exit, Failure> {
    if arguments.target.target.is_some() && arguments.target.call.is_empty() {
        return Err(target::suggest_calls("harness load", &arguments.target, context)?);
    }
    let (plan, secret) = resolve(arguments, command_line(), context)?;
    let folder = Folder::open(&arguments.record.runs, &settings::load(None)?)?;
    let about = if plan.backend.target().is_some() { "a server under load" } else { "the stack under load" };
    let name = plan.subject.name().to_owned();
    let played = play::one("load", &name, about, plan, secret, folder.path(), context);
    play::conclude(vec![played], false, &folder, context)
}

/// Resolves arguments into a plan. Starts nothing. `command` is the command that repeats the run, without its seed.
pub(crate) fn resolve(
    arguments: &LoadArguments,
    command: String,
    context: &Context,
) -> Result<(Plan, String), Failure> {
    let Load { mut workload, target } = load(arguments)?;
    let (backend, secret) = match target {
        Some(target) => {
            let target = target::with_options(target, &arguments.target)?;
            // The command line may have other tokens than the profile.
            workload.organisations = target.organisations();
            (Backend::Target(Box::new(target)), String::new())
        }
        None => {
            target::refuse_options(&arguments.target)?;
            context.backend(&arguments.place)?
        }
    };
    let topology = match workload.service {
        Some(service) => {
            let chosen = ChosenStore::of_load(&arguments.store, &arguments.instances, &arguments.place)?;
            chosen.apply(Topology::for_load(service))
        }
        None => Topology::target(),
    };
    let topology = with_lies_and_delays(topology, &arguments.lies.lie, &arguments.delays.slow);
    let topology = match arguments.limits {
        Some(limits) => topology.with_limits(limits),
        None => topology,
    };
    let wish =
        PlanRequest { command, seed: arguments.record.seed, backend, topology, subject: RunPurpose::Load(workload) };
    let plan = Plan::resolve(wish)?;
    settings::judge_memory()?.check(&plan)?;
    Ok((plan, secret))
}

/// Returns the load that a profile or the calls of the command line describe.
fn load(arguments: &LoadArguments) -> Result<Load, Failure> {
    let overrides = overrides(&arguments.changes);
    let load = match (&arguments.workload, &arguments.target.target) {
        (Some(name), _) => loadtests::load(name, &overrides),
        (None, Some(_)) if arguments.target.call.is_empty() => {
            return Err(Failure::usage(
                "`--target` needs calls; add `--call`, or run `harness load --target URL` to list the tools",
            ));
        }
        (None, Some(url)) => loadtests::of_calls(target::running_server(url), &arguments.target.call, &overrides),
        (None, None) => return Err(Failure::usage("name a workload, or a server with `--target`")),
    };
    let load = load.map_err(Failure::usage)?;
    let place = &arguments.place;
    let on_own_stack = !place.url.is_empty()
        || place.backend != BackendChoice::Auto
        || !arguments.lies.lie.is_empty()
        || arguments.limits.is_some()
        || arguments.store.store.is_some()
        || arguments.instances.instances.is_some();
    if load.target.is_some() && (on_own_stack || !arguments.delays.slow.is_empty()) {
        return Err(Failure::usage(
            "the load runs on a target, and a target has no services of this product; remove `--url`, `--backend`, `--limits`, `--store`, `--instances`, `--lie` and `--slow`",
        ));
    }
    Ok(load)
}

/// Adds the lies and delays that break a stack on purpose.
pub(crate) fn with_lies_and_delays(
    topology: Topology,
    lies: &[(Service, String)],
    slow: &[(Service, Duration)],
) -> Topology {
    let topology = lies.iter().fold(topology, |topology, (service, lie)| topology.with_lie(*service, lie));
    slow.iter().fold(topology, |topology, (service, by)| topology.with_delay(*service, *by))
}

/// Renders the place of a stack as options of a command, each with a leading space.
pub(crate) fn stack_options(place: &BackendArguments) -> String {
    let backend = match place.backend {
        BackendChoice::Auto | BackendChoice::External => "",
        BackendChoice::Process => " --backend process",
        BackendChoice::Docker => " --backend docker",
    };
    let urls = place.url.iter().map(|(service, url)| format!(" --url {service}={url}"));
    std::iter::once(backend.to_owned()).chain(urls).collect()
}

/// Renders the lies and delays as options of a command, each with a leading space.
pub(crate) fn lie_and_delay_options(lies: &[(Service, String)], slow: &[(Service, Duration)]) -> String {
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
