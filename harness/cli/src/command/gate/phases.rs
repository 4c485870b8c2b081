//! Resolves the profile of a gate into the plans of its phases. Every plan is resolved before the first run starts.

use crate::arguments::{
    Changes, ChaosArguments, GateArguments, HardenArguments, LoadArguments, Ownership, Profile, RecordArguments,
    ScenarioArguments, ServerArguments, TargetArguments,
};
use crate::command::load::{lie_and_delay_options, stack_options};
use crate::command::play::quoted;
use crate::command::store::ChosenStore;
use crate::command::{chaos, harden, load, scenario};
use crate::context::Context;
use crate::exit::Failure;
use harness_core::drive::{Plan, RunPurpose};
use harness_core::plan::Purpose;
use harness_core::plan::settings::{
    Experiments, GateProfile, HardeningSet, Load, NameSelection, ProfileName, Scenarios, Settings,
};
use harness_core::report::gate::record::PhaseKind;
use harness_harden::{ALL, is_quick};
use harness_history::counted;

/// The phases, in the order in which they run.
pub(super) struct Phases(pub(super) Vec<(PhaseKind, Vec<Step>)>);

pub(super) struct Step {
    pub(super) name: String,
    pub(super) about: String,
    pub(super) plan: Plan,
    pub(super) secret: String,
}

impl Phases {
    /// Resolves a profile. If several phases have problems, the error lists all of them.
    pub(super) fn resolve(
        profile: &GateProfile,
        arguments: &GateArguments,
        seed: u64,
        context: &Context,
    ) -> Result<Self, Failure> {
        let scenarios = scenarios(&profile.scenarios, arguments, seed, context);
        let load = load(&profile.load, arguments, seed, context);
        let experiments = experiments(&profile.experiments, arguments, seed, context);
        let hardening = hardening(profile.hardening.run, arguments, seed, context);
        match (scenarios, load, experiments, hardening) {
            (Ok(scenarios), Ok(load), Ok(experiments), Ok(hardening)) => Ok(Self(vec![
                (PhaseKind::Scenarios, scenarios),
                (PhaseKind::Load, load.into_iter().collect()),
                (PhaseKind::Experiments, experiments),
                (PhaseKind::Hardening, hardening.into_iter().collect()),
            ])),
            (scenarios, load, experiments, hardening) => {
                let problems = [scenarios.err(), load.err(), experiments.err(), hardening.err()].into_iter().flatten();
                Err(Failure::usage(problems.map(|problem| problem.to_string()).collect::<Vec<_>>().join("\n")))
            }
        }
    }

    /// Returns true if there is nothing to run.
    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|(_, steps)| steps.is_empty())
    }
}

/// Returns the profile that `--profile` names or, if it is omitted, the profile of the settings.
pub(super) fn profile_name(arguments: &GateArguments, settings: &Settings) -> ProfileName {
    match arguments.profile {
        Some(Profile::Ci) => ProfileName::Ci,
        Some(Profile::Preprod) => ProfileName::Preprod,
        Some(Profile::Smoke) => ProfileName::Smoke,
        None => settings.profile(),
    }
}

/// Returns the listed names; `None` means all.
fn named(names: &NameSelection) -> Option<&[String]> {
    match names {
        NameSelection::All => None,
        NameSelection::These(names) => Some(names),
    }
}

/// Returns the arguments that all runs of a gate share: its seed and its folder.
fn record(arguments: &GateArguments, seed: u64) -> RecordArguments {
    RecordArguments { seed: Some(seed), runs: arguments.record.runs.clone() }
}

fn scenarios(phase: &Scenarios, arguments: &GateArguments, seed: u64, context: &Context) -> Result<Vec<Step>, Failure> {
    let names = named(&phase.run);
    if names.is_some_and(<[String]>::is_empty) {
        return Ok(Vec::new());
    }
    let wish = ScenarioArguments {
        names: names.unwrap_or_default().to_vec(),
        all: names.is_none(),
        list: false,
        place: arguments.place.clone(),
        store: arguments.store.clone(),
        lies: arguments.lies.clone(),
        delays: arguments.delays.clone(),
        record: record(arguments, seed),
    };
    let mut plans = scenario::resolve(&wish, context)?;
    if names.is_none() {
        plans.retain(|(scenario, _, _)| !phase.except.iter().any(|name| name == scenario.name));
    }
    for (_, plan, _) in &mut plans {
        if let RunPurpose::Scenario(script) = &mut plan.subject {
            script.thresholds.clone_from(&phase.thresholds);
        }
    }
    let step = |(scenario, plan, secret): scenario::Resolved| Step {
        name: scenario.name.to_owned(),
        about: scenario.about.to_owned(),
        plan,
        secret,
    };
    Ok(plans.into_iter().map(step).collect())
}

fn load(phase: &Load, arguments: &GateArguments, seed: u64, context: &Context) -> Result<Option<Step>, Failure> {
    if phase.run.is_empty() {
        return Ok(None);
    }
    let (users, duration) = (arguments.users.unwrap_or(phase.users), arguments.duration.unwrap_or(phase.duration));
    let wish = LoadArguments {
        workload: Some(phase.run.clone()),
        target: TargetArguments::default(),
        changes: Changes {
            users: Some(users),
            duration: Some(duration),
            warmup: Some(phase.warmup),
            threshold: phase.thresholds.clone(),
            ..Changes::default()
        },
        place: arguments.place.clone(),
        limits: None,
        store: arguments.store.clone(),
        instances: arguments.instances.clone(),
        lies: arguments.lies.clone(),
        delays: arguments.delays.clone(),
        record: record(arguments, seed),
    };
    let chosen = ChosenStore::of_load(&arguments.store, &arguments.instances, &arguments.place)?;
    let thresholds: Vec<String> = phase.thresholds.iter().map(|text| format!(" --threshold '{text}'")).collect();
    let command = format!(
        "harness load {} --users {users} --warmup {}ms --duration {}ms{}{}{}{}",
        phase.run,
        phase.warmup.as_millis(),
        duration.as_millis(),
        thresholds.concat(),
        stack_options(&arguments.place),
        chosen.options(),
        lie_and_delay_options(&arguments.lies.lie, &arguments.delays.slow)
    );
    let (plan, secret) = load::resolve(&wish, command, context)?;
    let about = format!("{} for {} s", counted(users, "user", "users"), duration.as_secs_f64());
    Ok(Some(Step { name: plan.subject.name().to_owned(), about, plan, secret }))
}

fn hardening(
    set: HardeningSet,
    arguments: &GateArguments,
    seed: u64,
    context: &Context,
) -> Result<Option<Step>, Failure> {
    let (name, checks): (_, Vec<_>) = match set {
        HardeningSet::None => return Ok(None),
        HardeningSet::Quick => {
            ("quick", { ALL.iter().filter(|check| is_quick(check, arguments.repository.is_some())).collect() })
        }
        HardeningSet::All => ("catalogue", ALL.iter().collect()),
    };
    let wish = HardenArguments {
        list: false,
        only: Vec::new(),
        skip: Vec::new(),
        min_severity: None,
        repeat: None,
        repository: arguments.repository.clone(),
        place: arguments.place.clone(),
        server: ServerArguments::default(),
        ownership: Ownership::default(),
        lies: arguments.lies.clone(),
        record: record(arguments, seed),
    };
    let repository =
        arguments.repository.as_ref().map(|folder| format!(" --repository {}", quoted(&folder.display().to_string())));
    let command = format!(
        "harness harden{}{}{}",
        repository.unwrap_or_default(),
        stack_options(&arguments.place),
        lie_and_delay_options(&arguments.lies.lie, &[])
    );
    let (plan, secret) = harden::resolve_from(name, &checks, &wish, command, context)?;
    Ok(Some(Step {
        name: plan.subject.name().to_owned(),
        about: counted(checks.len(), "check", "checks"),
        plan,
        secret,
    }))
}

fn experiments(
    phase: &Experiments,
    arguments: &GateArguments,
    seed: u64,
    context: &Context,
) -> Result<Vec<Step>, Failure> {
    let names = named(&phase.run);
    if names.is_some_and(<[String]>::is_empty) {
        return Ok(Vec::new());
    }
    let wish = ChaosArguments {
        command: None,
        names: names.unwrap_or_default().to_vec(),
        all: names.is_none(),
        list: false,
        dry_run: false,
        on_trial: false,
        experiments: None,
        place: arguments.place.clone(),
        store: arguments.store.clone(),
        target: TargetArguments::default(),
        profile: None,
        ownership: Ownership::default(),
        lies: arguments.lies.clone(),
        record: record(arguments, seed),
    };
    let mut plans = chaos::plans(&wish, context)?;
    let most = u64::try_from(phase.recovery.as_micros()).unwrap_or(u64::MAX);
    for (_, plan, _) in &mut plans {
        if let RunPurpose::Experiment(experiment) = &mut plan.subject {
            // The profile can shorten the time that an experiment allows for recovery, and never extend it.
            experiment.promises.recovery_us = experiment.promises.recovery_us.min(most);
        }
    }
    let step = |(experiment, plan, secret): chaos::Resolved| Step {
        name: experiment.name,
        about: experiment.about,
        plan,
        secret,
    };
    Ok(plans.into_iter().map(step).collect())
}
