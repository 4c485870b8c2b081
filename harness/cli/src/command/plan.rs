//! `harness plan`: what a run would do. Starts nothing.

use super::load::resolve;
use crate::arguments::{PlanArguments, Planned};
use crate::context::Context;
use crate::exit::{Exit, Failure};
use harness_core::plan::Plan;
use harness_core::workload::Model;

pub(crate) fn run(arguments: &PlanArguments, context: &Context) -> Result<Exit, Failure> {
    let Planned::Load(load) = &arguments.run;
    let (plan, _) = resolve(load, context)?;
    if context.output.json {
        context.print_json(&plan);
    } else {
        lines(&plan).iter().for_each(|line| context.print(line));
    }
    Ok(Exit::Pass)
}

fn lines(plan: &Plan) -> Vec<String> {
    let workload = &plan.workload;
    let weights: u32 = workload.mix.values().sum();
    let parts: Vec<&str> = plan.topology.parts.iter().map(|part| part.name.as_str()).collect();
    let model = match &workload.model {
        Model::Closed { think_time } => format!("closed, {} ms think time", think_time.as_millis()),
        Model::Open { stages } => format!("open, {} stages, latency from the planned start", stages.len()),
    };
    let mut lines = vec![
        format!("workload     {}", workload.name),
        format!("stack        {} ({})", parts.join(", "), plan.backend.name()),
        format!("users        {} of {} organisations", workload.users, workload.organisations),
        format!("model        {model}"),
        format!("warm-up      {} s", workload.warmup.as_secs_f64()),
        format!("measured     {} s", workload.duration.as_secs_f64()),
        format!("deadline     {} ms for each call", workload.call_deadline.as_millis()),
    ];
    let share = |weight: u32| f64::from(weight) * 100.0 / f64::from(weights.max(1));
    lines.extend(workload.mix.iter().map(|(name, weight)| format!("  {:>5.1} %    {name}", share(*weight))));
    lines.extend(workload.thresholds.iter().map(|threshold| format!("threshold    {threshold}")));
    lines.push(format!("seed         {}", plan.seed));
    lines.push(format!("command      {}", plan.command));
    lines
}
