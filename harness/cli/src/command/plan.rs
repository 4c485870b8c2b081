//! `harness plan`: prints what a run would do. Starts nothing.

mod experiment;
pub(super) mod render;

use super::play::command_line;
use super::{chaos, harden, load, scenario};
use crate::arguments::{PlanArguments, PlanSubcommand};
use crate::context::Context;
use crate::exit::{Exit, Failure};

pub(crate) fn run(arguments: &PlanArguments, context: &Context) -> Result<Exit, Failure> {
    let plans = match &arguments.run {
        PlanSubcommand::Load(arguments) => vec![load::resolve(arguments, command_line(), context)?.0],
        PlanSubcommand::Scenario(arguments) => {
            scenario::resolve(arguments, context)?.into_iter().map(|(_, plan, _)| plan).collect()
        }
        PlanSubcommand::Harden(arguments) => vec![harden::resolve(arguments, context)?.0],
        PlanSubcommand::Chaos(arguments) => {
            let plans = chaos::plans(arguments, context)?;
            plans.into_iter().map(|(_, plan, _)| plan).collect()
        }
    };
    render::show(&plans, context);
    Ok(Exit::Pass)
}
