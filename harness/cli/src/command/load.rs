//! `harness load`: a load, and what it proves.

use super::play::{command_line, execute};
use crate::arguments::{Changes, LoadArguments};
use crate::context::Context;
use crate::exit::{Exit, Failure};
use harness_core::plan::{Plan, Subject, Wish};
use harness_core::topology::Topology;
use loadtests::Overrides;

pub(crate) fn run(arguments: &LoadArguments, context: &Context) -> Result<Exit, Failure> {
    let (plan, secret) = resolve(arguments, command_line(), context)?;
    execute(plan, secret, &arguments.runs, context).map(|(exit, _)| exit)
}

/// From arguments to a plan; nothing is started. `command` is what repeats it, without a seed.
pub(crate) fn resolve(
    arguments: &LoadArguments,
    command: String,
    context: &Context,
) -> Result<(Plan, String), Failure> {
    let workload = loadtests::workload(&arguments.workload, &overrides(&arguments.changes)).map_err(Failure::usage)?;
    let (backend, secret) = context.backend(&arguments.place)?;
    let topology = Topology::for_load(workload.service);
    let topology = arguments.lie.iter().fold(topology, |topology, (service, lie)| topology.lying(*service, lie));
    let wish = Wish { command, seed: arguments.seed, backend, topology, subject: Subject::Load(workload) };
    Ok((Plan::resolve(wish)?, secret))
}

fn overrides(changes: &Changes) -> Overrides {
    Overrides {
        users: changes.users,
        organisations: changes.organisations,
        duration: changes.duration,
        warmup: changes.warmup,
        think_time: changes.think_time,
        rate: changes.rate,
        stages: changes.stages.clone(),
        thresholds: changes.threshold.clone(),
    }
}
