//! What a run does with its stack: one variant for each kind of run.

use super::descriptors;
use super::experiment::Experiment;
use crate::fault::FaultKind;
use crate::plan::hardening::Hardening;
use crate::plan::operation::unfillable;
use crate::plan::target::Target;
use crate::plan::topology::Topology;
use crate::plan::workload::{Workload, too_few_calls};
use crate::plan::{Backend, Purpose, Script};
use harness_history::counted;
use mcp_contracts::Service;
use serde::{Deserialize, Serialize};

/// A plan of any kind of run.
pub type Plan = crate::plan::Plan<RunPurpose>;
/// The request for a plan of any kind of run.
pub type PlanRequest = crate::plan::PlanRequest<RunPurpose>;

/// What a run does with its stack.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunPurpose {
    Load(Workload),
    Scenario(Script),
    Experiment(Box<Experiment>),
    Hardening(Hardening),
}

impl Purpose for RunPurpose {
    fn verb(&self) -> &'static str {
        match self {
            Self::Load(_) => "load",
            Self::Scenario(_) => "scenario",
            Self::Experiment(_) => "chaos",
            Self::Hardening(_) => "harden",
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Load(workload) => &workload.name,
            Self::Scenario(script) => &script.name,
            Self::Experiment(experiment) => &experiment.name,
            Self::Hardening(hardening) => &hardening.name,
        }
    }

    fn problems(&self, topology: &Topology, backend: &Backend) -> Vec<String> {
        match self {
            Self::Load(workload) => {
                let few_files = descriptors::problem(descriptors::of_load(workload));
                let limits = topology.parts.iter().flat_map(FaultKind::of_limits);
                let unlimited = limits.flat_map(|limit| {
                    let problems = limit.problems(topology, backend);
                    problems.into_iter().chain(limit.unavailable_on_machine(backend))
                });
                workload.problems().into_iter().chain(few_files).chain(unlimited).collect()
            }
            Self::Scenario(_) | Self::Hardening(_) => Vec::new(),
            Self::Experiment(experiment) => experiment_problems(experiment, topology, backend),
        }
    }
}

fn experiment_problems(experiment: &Experiment, topology: &Topology, backend: &Backend) -> Vec<String> {
    // Every other problem would only follow from this one.
    if let Some(problem) = another_stack(experiment, backend) {
        return vec![problem.to_owned()];
    }
    let mut problems: Vec<String> =
        descriptors::problem(descriptors::of_experiment(&experiment.load)).into_iter().collect();
    if backend.is_external() && backend.target().is_none() {
        problems.extend(not_on_a_running_stack(topology));
    }
    let (load, promises) = (&experiment.load, &experiment.promises);
    problems.extend(backend.target().and_then(|target| too_few_users(load.users, target.organisations())));
    for (thresholds, length) in [
        (&promises.steady, experiment.steady),
        (&promises.during, experiment.fault_length()),
        (&promises.after, experiment.recovery),
    ] {
        let surge = load.surge.as_ref().map_or(1.0, |surge| surge.times.max(1.0));
        problems.extend(too_few_calls(thresholds, &load.mix, load.rate * surge * length.as_secs_f64()));
    }
    let tokens = backend.target().map_or(1, Target::organisations);
    problems.extend(unfillable(&load.operations, &load.mix, load.users, tokens));
    for order in &experiment.faults {
        problems.extend(order.fault.problems(topology, backend));
        problems.extend(order.fault.unavailable_on_machine(backend));
    }
    problems
}

/// Returns why some tokens of a target would have no user; `None` if each has one.
fn too_few_users(users: u32, tokens: u32) -> Option<String> {
    (tokens > users).then(|| {
        format!("{} cannot be spread over {tokens} tokens; each needs at least one", counted(users, "user", "users"))
    })
}

/// Returns why the experiment is for another kind of stack; `None` if it is not.
fn another_stack(experiment: &Experiment, backend: &Backend) -> Option<&'static str> {
    match (experiment.is_on_target(), backend.target().is_some()) {
        (true, false) => {
            Some("it is for a server of any maker; add `--target URL` or `--profile FILE`, or `[target]` in its file")
        }
        (false, true) => Some("it needs the services of this product; remove `--target` or `--profile`"),
        (true, true) if experiment.load.operations.is_empty() => {
            Some("it makes no call; add `--call 'TOOL {\"argument\":\"{{word}}\"}'`, or `[[operation]]` in its file")
        }
        (true, true) | (false, false) => None,
    }
}

/// Returns one line for each setting and each additional instance that an experiment needs. Neither can be added to a running stack.
fn not_on_a_running_stack(topology: &Topology) -> Vec<String> {
    let plain = Topology::for_load(Service::Orchestrator);
    let mut problems = Vec::new();
    for part in &topology.parts {
        let Some(usual) = plain.part(&part.name) else {
            problems.push(format!("the experiment needs `{}`, one of several instances; remove `--url`", part.name));
            continue;
        };
        let changed = part.settings.iter().filter(|(name, value)| usual.settings.get(*name) != Some(value));
        problems.extend(changed.map(|(name, value)| {
            format!("`{name}={value}` of `{}` cannot be set on a running stack; remove `--url`", part.name)
        }));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::{not_on_a_running_stack, too_few_users};
    use crate::plan::topology::Topology;
    use mcp_contracts::{Service, env};

    #[test]
    fn each_token_of_a_target_has_a_user() {
        assert_eq!(too_few_users(2, 2), None);
        assert!(too_few_users(1, 2).is_some_and(|why| why.contains("over 2 tokens")));
    }

    #[test]
    fn settings_and_instances_that_a_running_stack_lacks_are_reported() {
        let usual = Topology::memory().with_load_quotas();
        assert_eq!(not_on_a_running_stack(&usual), Vec::<String>::new());
        let proxied = Topology::full().with_load_quotas().proxied("client", "memory");
        assert_eq!(not_on_a_running_stack(&proxied), Vec::<String>::new());
        let set = not_on_a_running_stack(&usual.clone().with_setting(Service::Memory, env::QUOTA_FREE_DAILY, 80));
        assert!(set.concat().contains("`QUOTA_FREE_DAILY=80` of `memory`"), "{set:?}");
        let two = not_on_a_running_stack(&usual.instances(Service::Memory, 2));
        assert!(two.concat().contains("`memory-2`, one of several"), "{two:?}");
    }
}
