//! `harness scenario`: runs scenarios, each on a stack of its own. If one fails, the others still run.

use super::load::{lie_and_delay_options, stack_options, with_lies_and_delays};
use super::play::{self, Folder, PlayedRun};
use super::store::ChosenStore;
use crate::arguments::ScenarioArguments;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::names::unknown;
use crate::settings;
use harness_core::drive::{Plan, PlanRequest, RunPurpose};
use harness_core::plan::Backend;
use harness_core::plan::topology::Store;
use owo_colors::OwoColorize;
use scenarios::{ALL, Scenario, SupportedBackends};
use serde_json::json;

pub(crate) fn run(arguments: &ScenarioArguments, context: &Context) -> Result<Exit, Failure> {
    if arguments.list {
        list(context);
        return Ok(Exit::Pass);
    }
    let mut plans = resolve(arguments, context)?;
    let folder = Folder::open(&arguments.record.runs, &settings::load(None)?)?;
    let many = plans.len() > 1;
    play::mark_batch(plans.iter_mut().map(|(_, plan, _)| plan));
    let played = play(plans, folder.path(), context);
    play::conclude(played, many, &folder, context)
}

/// A scenario, its plan, and the key of its stack's tokens.
pub(crate) type Resolved = (&'static Scenario, Plan, String);

/// Resolves arguments into plans, and reports all problems together. Starts nothing.
pub(crate) fn resolve(arguments: &ScenarioArguments, context: &Context) -> Result<Vec<Resolved>, Failure> {
    let mut problems = Vec::new();
    let mut plans = Vec::new();
    let store = ChosenStore::of(&arguments.store, &arguments.place)?;
    for scenario in chosen(arguments, store, context)? {
        // Each stack has a key of its own.
        let (backend, secret) = context.backend(&arguments.place)?;
        let topology = store.apply((scenario.topology)());
        let topology = with_lies_and_delays(topology, &arguments.lies.lie, &arguments.delays.slow);
        let wish = PlanRequest {
            command: command_of(arguments, store, scenario),
            seed: arguments.record.seed,
            backend,
            topology,
            subject: RunPurpose::Scenario(scenario.script()),
        };
        match Plan::resolve(wish) {
            Ok(plan) => plans.push((scenario, plan, secret)),
            Err(error) => problems.push(format!("{}: {error}", scenario.name)),
        }
    }
    if problems.is_empty() { Ok(plans) } else { Err(Failure::usage(problems.join("\n"))) }
}

/// Returns the named scenarios or, with `--all`, all scenarios that this backend supports.
fn chosen(
    arguments: &ScenarioArguments,
    store: ChosenStore,
    context: &Context,
) -> Result<Vec<&'static Scenario>, Failure> {
    let (backend, _) = context.backend(&arguments.place)?;
    let fits = |scenario: &Scenario| -> Result<(), String> {
        let topology = store.apply((scenario.topology)());
        if scenario.sqlite_only && topology.store() == Store::Postgres {
            return Err(format!("`{}` is about a SQLite file; use `--store sqlite`", scenario.name));
        }
        let needs = match (&backend, scenario.backends) {
            (Backend::External { .. }, SupportedBackends::OwnStack | SupportedBackends::OwnProcesses) => {
                return Err(format!("`{}` needs a stack of its own; remove `--url`", scenario.name));
            }
            (Backend::External { .. }, SupportedBackends::Everywhere) => topology.needs_own_stack(),
            (Backend::Target(_), _) => return Err("scenarios call the services of this product".to_owned()),
            (Backend::Docker, SupportedBackends::OwnProcesses) => {
                let needs = "it changes settings of a running stack, or runs programs beside it";
                return Err(format!("`{}` needs `--backend process`: {needs}", scenario.name));
            }
            (Backend::Docker, _) => topology.needs_processes(),
            (Backend::Process, _) => Vec::new(),
        };
        let needs = (!needs.is_empty()).then(|| needs.join("; "));
        needs.map_or(Ok(()), |needs| Err(format!("`{}` cannot run on this backend: {needs}", scenario.name)))
    };
    if arguments.all {
        let (fitting, others): (Vec<&Scenario>, Vec<&Scenario>) =
            ALL.iter().partition(|scenario| fits(scenario).is_ok());
        if store.store == Store::Postgres {
            // Printed, because without the store all of them run on this backend.
            let reasons = others.iter().filter_map(|scenario| fits(scenario).err());
            reasons.for_each(|why| context.print_note(&format!("skipped: {why}")));
        }
        return Ok(fitting);
    }
    let names: Vec<&str> = ALL.iter().map(|scenario| scenario.name).collect();
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    for name in &arguments.names {
        match scenarios::find(name) {
            None => problems.push(unknown("scenario", name, &names)),
            Some(scenario) => match fits(scenario) {
                Ok(()) => found.push(scenario),
                Err(why) => problems.push(why),
            },
        }
    }
    if problems.is_empty() { Ok(found) } else { Err(Failure::usage(problems.join("\n"))) }
}

/// Returns the command that repeats one scenario.
fn command_of(arguments: &ScenarioArguments, store: ChosenStore, scenario: &Scenario) -> String {
    let spoiled = lie_and_delay_options(&arguments.lies.lie, &arguments.delays.slow);
    format!("harness scenario {}{}{}{spoiled}", scenario.name, stack_options(&arguments.place), store.options())
}

/// Runs the scenarios one after another, even if one fails. An interrupt ends the current one and omits the rest.
pub(crate) fn play(plans: Vec<Resolved>, runs: &std::path::Path, context: &Context) -> Vec<PlayedRun> {
    let mut played = Vec::new();
    for (scenario, plan, secret) in plans {
        if context.cancel.is_cancelled() {
            break;
        }
        played.push(play::one("scenario", scenario.name, scenario.about, plan, secret, runs, context));
    }
    played
}

fn list(context: &Context) {
    for scenario in ALL {
        let parts: Vec<String> = (scenario.topology)().parts.into_iter().map(|part| part.name).collect();
        let place = match scenario.backends {
            SupportedBackends::Everywhere => "everywhere",
            SupportedBackends::OwnStack => "on a stack of its own",
            SupportedBackends::OwnProcesses => "on processes of its own",
        };
        if context.output.json {
            context.print_json(&json!({
                "name": scenario.name, "about": scenario.about, "parts": parts, "played": place,
                "deadline_secs": scenario.deadline.as_secs(),
            }));
        } else {
            context.print(&format!("{:<20} {}", scenario.name.bold(), scenario.about));
            context.print(&format!("{:<20} {place}: {}", "", parts.join(", ")));
        }
    }
}
