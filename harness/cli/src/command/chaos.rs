//! `harness chaos`: runs experiments, each on a stack of its own. If one fails, the others still run.

mod self_test;
mod trial;

use super::load::stack_options;
use super::plan::render;
use super::play::{self, Folder, PlayedRun};
use super::store::ChosenStore;
use super::target;
use crate::arguments::{BackendChoice, ChaosArguments, ChaosCommand};
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::settings;
use harness_core::drive::experiment::{self, Experiment};
use harness_core::drive::{Plan, PlanRequest, RunPurpose};
use harness_core::fault::{self, FaultKind};
use harness_core::plan::Backend;
use harness_core::plan::data_file::problem_lines;
use harness_core::plan::target::Target;
use harness_core::plan::target_form::calls;
use harness_core::plan::topology::{Store, Topology};
use harness_core::stack::process::postgres;
use harness_history::counted;
use mcp_contracts::Service;
use owo_colors::OwoColorize;
use serde_json::json;
use std::path::Path;

/// An experiment, its plan, and the key of its stack's tokens.
pub(crate) type Resolved = (Experiment, Plan, String);

pub(crate) fn run(arguments: &ChaosArguments, context: &Context) -> Result<Exit, Failure> {
    match &arguments.command {
        Some(ChaosCommand::Recover { runs }) => return recover(runs, context),
        Some(ChaosCommand::SelfTest { seed }) => return self_test::run(*seed, context),
        None => {}
    }
    let experiments = chosen(arguments)?;
    if arguments.list {
        list(&experiments, context);
        return Ok(Exit::Pass);
    }
    if arguments.on_trial {
        return trial::run(experiments, arguments, context);
    }
    let mut plans = resolve(experiments, arguments, &arguments.lies.lie, context)?;
    if arguments.dry_run {
        let plans: Vec<Plan> = plans.into_iter().map(|(_, plan, _)| plan).collect();
        render::show(&plans, context);
        return Ok(Exit::Pass);
    }
    let folder = Folder::open(&arguments.record.runs, &settings::load(None)?)?;
    let many = plans.len() > 1;
    play::mark_batch(plans.iter_mut().map(|(_, plan, _)| plan));
    let played = play(plans, folder.path(), context);
    play::conclude(played, many, &folder, context)
}

/// Returns the plans of the named experiments.
pub(crate) fn plans(arguments: &ChaosArguments, context: &Context) -> Result<Vec<Resolved>, Failure> {
    resolve(chosen(arguments)?, arguments, &arguments.lies.lie, context)
}

/// Returns the named experiments, or all of them. Reports the problems of all files together.
fn chosen(arguments: &ChaosArguments) -> Result<Vec<Experiment>, Failure> {
    let folder = arguments.experiments.as_deref();
    if arguments.all || arguments.list || arguments.names.is_empty() {
        let mut experiments = experiment::all(folder).map_err(Failure::usage)?;
        if !arguments.list {
            // Experiments on a target need a target, and experiments on this product must not have one.
            let has_target = arguments.target.target.is_some() || arguments.profile.is_some();
            let is_named = |experiment: &Experiment| experiment.target.is_some() != has_target;
            experiments.retain(|one| if one.is_on_target() { is_named(one) } else { !has_target });
        }
        return Ok(experiments);
    }
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    for name in &arguments.names {
        match experiment::find(name, folder) {
            Ok(experiment) => found.push(experiment),
            Err(error) => problems.push(error.to_string()),
        }
    }
    if problems.is_empty() { Ok(found) } else { Err(Failure::usage(problems.join("\n"))) }
}

/// Resolves experiments into plans, and reports all problems together. Starts nothing.
pub(crate) fn resolve(
    experiments: Vec<Experiment>,
    arguments: &ChaosArguments,
    lies: &[(Service, String)],
    context: &Context,
) -> Result<Vec<Resolved>, Failure> {
    let memory = settings::judge_memory()?;
    let store = ChosenStore::of(&arguments.store, &arguments.place)?;
    let (mut plans, mut problems, mut elsewhere) = (Vec::new(), Vec::new(), 0);
    for mut experiment in experiments {
        // Called for each experiment, because each stack gets its own random key.
        let (backend, secret) = match own_target(&mut experiment, arguments, context)? {
            Some(target) => (Backend::Target(Box::new(target)), String::new()),
            None => context.backend(&arguments.place)?,
        };
        target::require_ownership(&backend, &arguments.ownership.i_own_this_host)?;
        let external = backend.is_external();
        let impossible =
            experiment.faults.iter().find_map(|scheduled| scheduled.fault.unavailable_on_machine(&backend));
        let topology = store.apply(experiment.topology.clone());
        if let Some(why) = store_misfit(&experiment, &topology, &backend).filter(|_| arguments.all) {
            context.print_note(&format!("`{}` is skipped: {why}", experiment.name));
            continue;
        }
        experiment.topology = topology.clone();
        let topology = with_lies(topology, lies);
        let wish = PlanRequest {
            command: command_of(arguments, store, &experiment, lies),
            seed: arguments.record.seed,
            backend,
            topology,
            subject: RunPurpose::Experiment(Box::new(experiment.clone())),
        };
        match Plan::resolve(wish) {
            Ok(plan) => match memory.check(&plan) {
                Ok(()) => plans.push((experiment, plan, secret)),
                Err(error) => problems.push(format!("{}: {error}", experiment.name)),
            },
            // `--all` on a running stack skips the experiments that need a stack of their own.
            Err(_) if external && arguments.all => elsewhere += 1,
            // `--all` skips also those whose fault this machine cannot inject, such as a limit without control groups.
            Err(_) if arguments.all && impossible.is_some() => {
                let why = impossible.unwrap_or_default();
                context.print_note(&format!("`{}` is skipped: {why}", experiment.name));
            }
            Err(error) => problems.push(format!("{}: {error}", experiment.name)),
        }
    }
    if elsewhere > 0 {
        context.print_note(&format!(
            "{} skipped: possible only on a stack or a server that the harness starts, or with services that no `--url` names",
            counted(elsewhere, "experiment is", "experiments are")
        ));
    }
    if problems.is_empty() { Ok(plans) } else { Err(Failure::usage(problems.join("\n"))) }
}

/// Returns the target of an experiment: the one in its file, in the profile of a load or on the command line; `None` if none names one. Gives the
/// experiment the calls of the profile or of the command line if its file has none.
fn own_target(
    experiment: &mut Experiment,
    arguments: &ChaosArguments,
    context: &Context,
) -> Result<Option<Target>, Failure> {
    let (name, options) = (&experiment.name, &arguments.target);
    let profile = arguments.profile.as_deref().map(target::of_profile).transpose()?;
    let (named, profile) = match (profile, &options.target) {
        (Some((target, workload)), _) => (Some(target), Some(workload)),
        (None, url) => (url.as_deref().map(target::running_server), None),
    };
    let target = match (experiment.target.take(), named) {
        (Some(_), Some(_)) => {
            let option = if profile.is_some() { "--profile" } else { "--target" };
            return Err(Failure::usage(format!("`{name}` names its server in `[target]`; remove `{option}`")));
        }
        (Some(target), None) => *target,
        (None, Some(target)) => target,
        (None, None) => {
            target::refuse_options(options)?;
            return Ok(None);
        }
    };
    if !arguments.place.url.is_empty() || arguments.place.backend != BackendChoice::Auto {
        return Err(Failure::usage(format!(
            "`{name}` runs on a target, and a target has no services of this product; remove `--url` and `--backend`"
        )));
    }
    if experiment.is_on_target()
        && options.call.is_empty()
        && experiment.load.operations.is_empty()
        && options.target.is_some()
    {
        return Err(target::suggest_calls(&format!("harness chaos {name}"), options, context)?);
    }
    if !experiment.load.operations.is_empty() && (profile.is_some() || !options.call.is_empty()) {
        let option = if profile.is_some() { "--profile" } else { "--call" };
        return Err(Failure::usage(format!("`{name}` has its calls in `[[operation]]`; remove `{option}`")));
    }
    if let Some(workload) = profile {
        (experiment.load.operations, experiment.load.mix) = (workload.operations, workload.mix);
    } else if !options.call.is_empty() {
        let calls = calls(&options.call);
        (experiment.load.operations, experiment.load.mix) = calls
            .map_err(|problems| Failure::usage(format!("the calls cannot be used:{}", problem_lines(&problems))))?;
    }
    let target = target::with_options(target, options)?;
    experiment.load.organisations = target.organisations();
    Ok(Some(target))
}

/// Returns why an experiment cannot run on the store of its stack; `None` if it can.
fn store_misfit(experiment: &Experiment, topology: &Topology, backend: &Backend) -> Option<String> {
    if topology.store() == Store::Sqlite {
        return None;
    }
    if *backend == Backend::Docker {
        return Some("a Postgres server is started as a process only; use `--backend process`".to_owned());
    }
    if !postgres::is_installed() {
        return Some("no Postgres server is installed; `make postgres` installs one".to_owned());
    }
    // Some faults act on a file of SQLite. Other problems of a fault are errors of its file.
    let problems = |fault: &FaultKind, topology: &Topology| fault.problems(topology, backend);
    let faults = experiment.faults.iter().map(|scheduled| &scheduled.fault);
    let mut unfit = faults.filter(|fault| problems(fault, &experiment.topology).is_empty());
    unfit.find_map(|fault| problems(fault, topology).into_iter().next())
}

fn with_lies(topology: Topology, lies: &[(Service, String)]) -> Topology {
    lies.iter().fold(topology, |topology, (service, lie)| topology.with_lie(*service, lie))
}

/// Returns the command that repeats one experiment.
fn command_of(
    arguments: &ChaosArguments,
    store: ChosenStore,
    experiment: &Experiment,
    lies: &[(Service, String)],
) -> String {
    let is_its_file = |name: &&String| {
        let path = Path::new(name);
        path.extension().is_some_and(|extension| extension == "toml")
            && path.file_stem().is_some_and(|stem| *stem == *experiment.name)
    };
    // The seed is missing here, because the plan adds the one that it uses.
    let name = play::quoted(arguments.names.iter().find(is_its_file).unwrap_or(&experiment.name));
    let mut words = vec![format!("harness chaos {name}{}{}", stack_options(&arguments.place), store.options())];
    let profile = arguments.profile.as_ref();
    words.extend(profile.map(|path| format!("--profile {}", play::quoted(&path.display().to_string()))));
    words.extend(target::command_words(&arguments.target));
    words.extend(arguments.ownership.i_own_this_host.iter().map(|host| format!("--i-own-this-host {host}")));
    words.extend(
        arguments
            .experiments
            .iter()
            .map(|folder| format!("--experiments {}", play::quoted(&folder.display().to_string()))),
    );
    words.extend(lies.iter().map(|(service, lie)| format!("--lie {}={lie}", service.name())));
    words.join(" ")
}

/// Runs the experiments one after another. An interrupt ends the current one and omits the rest.
pub(crate) fn play(plans: Vec<Resolved>, runs: &Path, context: &Context) -> Vec<PlayedRun> {
    let mut played = Vec::new();
    for (experiment, plan, secret) in plans {
        if context.cancel.is_cancelled() {
            break;
        }
        played.push(play::one("experiment", &experiment.name, &experiment.about, plan, secret, runs, context));
    }
    played
}

fn list(experiments: &[Experiment], context: &Context) {
    for experiment in experiments {
        let faults: Vec<String> = experiment.faults.iter().map(|scheduled| scheduled.fault.name()).collect();
        let secs = experiment.length().as_secs();
        if context.output.json {
            context.print_json(&json!({
                "name": experiment.name, "id": experiment.id, "about": experiment.about, "faults": faults, "load_secs": secs,
            }));
        } else {
            context.print(&format!("{:<5} {:<22} {}", experiment.id, experiment.name.bold(), experiment.about));
            context.print(&format!("{:<28} {}; {secs} s", "", faults.join(", ")));
        }
    }
}

/// Undoes the faults that killed harnesses left behind, and ends their parts.
fn recover(runs: &Path, context: &Context) -> Result<Exit, Failure> {
    let recovered = context.runtime.block_on(fault::recover(runs));
    if context.output.json {
        context.print_json(&json!({
            "event": "recovered", "found": recovered.found, "undone": recovered.undone.len(), "actions": recovered.undone,
            "failed": recovered.failed,
        }));
    } else {
        let (found, undone) = (recovered.found, recovered.undone.len());
        let pending =
            counted(found, "fault or part of a killed harness was", "faults and parts of killed harnesses were");
        context.print(&format!("{pending} pending, {undone} undone now"));
        recovered.undone.iter().for_each(|action| context.print(&format!("  {action}")));
        recovered.failed.iter().for_each(|why| context.print(&format!("  not undone: {why}")));
    }
    Ok(if recovered.failed.is_empty() { Exit::Pass } else { Exit::Fail })
}
