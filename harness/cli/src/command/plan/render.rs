//! Renders a plan for people.

use super::experiment;
use crate::context::Context;
use harness_core::drive::{Plan, RunPurpose, descriptors};
use harness_core::plan::Script;
use harness_core::plan::hardening::Hardening;
use harness_core::plan::target::Target;
use harness_core::plan::topology::{EdgeMode, Store, Topology};
use harness_core::plan::workload::{Model, SideArrivals, Workload, people};
use harness_history::counted;

/// Prints what each run would do.
pub(crate) fn show(plans: &[Plan], context: &Context) {
    for (number, plan) in plans.iter().enumerate() {
        if context.output.json {
            context.print_json(plan);
            continue;
        }
        if number > 0 {
            context.print("");
        }
        lines(plan).iter().for_each(|line| context.print(line));
    }
}

fn lines(plan: &Plan) -> Vec<String> {
    let parts: Vec<&str> = plan.topology.parts.iter().map(|part| part.name.as_str()).collect();
    let stack = format!("stack        {} ({})", parts.join(", "), plan.backend.name());
    let mut lines = match &plan.subject {
        RunPurpose::Load(workload) => load_lines(workload, stack),
        RunPurpose::Scenario(script) => script_lines(script, stack),
        RunPurpose::Experiment(experiment) => experiment::lines(experiment, stack),
        RunPurpose::Hardening(hardening) => hardening_lines(hardening, stack),
    };
    lines.extend(plan.backend.target().into_iter().flat_map(target_lines));
    lines.extend(store_line(&plan.topology));
    for part in &plan.topology.parts {
        lines.extend(part.settings.iter().map(|(name, value)| format!("setting      {}: {name}={value}", part.name)));
        let tapped = part.edges.iter().filter(|edge| edge.mode == EdgeMode::Tapped);
        lines.extend(tapped.map(|edge| format!("tapped       {} to {}", part.name, edge.to)));
        let proxied = part.edges.iter().filter(|edge| edge.mode == EdgeMode::Proxied);
        lines.extend(proxied.map(|edge| format!("proxied      {} to {}", part.name, edge.to)));
        lines.extend(part.lies.iter().map(|lie| format!("lie          {}: {lie}", part.name)));
    }
    lines.push(format!("seed         {}", plan.seed));
    lines.push(format!("command      {}", plan.command));
    lines
}

/// Returns which services keep their records where, if the stack has a Postgres server.
fn store_line(topology: &Topology) -> Option<String> {
    if topology.store() == Store::Sqlite {
        return None;
    }
    let files = topology.on_sqlite();
    let rest = if files.is_empty() { String::new() } else { format!("; sqlite for {}", files.join(", ")) };
    Some(format!("store        postgres for memory{rest}"))
}

fn target_lines(target: &Target) -> Vec<String> {
    let mut lines = vec![format!("target       {}", target.url)];
    lines.extend(target.start.iter().map(|start| format!("started by   {}", start.command.join(" "))));
    lines.extend(target.tokens.iter().map(|source| format!("token        from {source}")));
    lines.extend(target.reach.hosts.iter().map(|host| format!("allowed      {host}")));
    lines
}

fn script_lines(script: &Script, stack: String) -> Vec<String> {
    let mut lines = vec![
        format!("scenario     {}", script.name),
        format!("shows        {}", script.about),
        stack,
        format!("deadline     {} s", script.deadline.as_secs()),
    ];
    lines.extend(script.required.iter().map(|check| format!("required     {check}")));
    lines
}

fn hardening_lines(hardening: &Hardening, stack: String) -> Vec<String> {
    let mut lines = vec![
        format!("hardening    {}", hardening.name),
        stack,
        format!("deadline     {} s", hardening.deadline.as_secs()),
    ];
    lines.extend(hardening.checks.iter().map(|texts| format!("check        {} {}", texts.id, texts.title)));
    lines.extend(hardening.omitted.iter().map(|omitted| format!("omitted      {}: {}", omitted.id, omitted.why)));
    lines
}

fn load_lines(workload: &Workload, stack: String) -> Vec<String> {
    let weights: u32 = workload.mix.values().sum();
    let model = match &workload.model {
        Model::Closed { think_time } => format!("closed, {} ms think time", think_time.as_millis()),
        Model::Open { stages } => {
            format!("open, {}, latency from the planned start", counted(stages.len(), "stage", "stages"))
        }
    };
    let mut lines = vec![
        format!("workload     {}", workload.name),
        stack,
        format!("users        {}", people(workload.users, workload.organisations)),
        format!("open files   {}", descriptors::of_load(workload)),
        format!("model        {model}"),
        format!("warm-up      {} s", workload.warmup.as_secs_f64()),
        format!("measured     {} s", workload.duration.as_secs_f64()),
        format!("deadline     {} ms for each call", workload.call_deadline.as_millis()),
    ];
    if let Some(SideArrivals { rate, users }) = &workload.beside {
        lines.push(format!("arrivals     {rate}/s by {users} further users, whose latency is judged"));
    }
    let share = |weight: u32| f64::from(weight) * 100.0 / f64::from(weights.max(1));
    lines.extend(workload.mix.iter().map(|(name, weight)| format!("  {:>5.1} %    {name}", share(*weight))));
    let records = workload.operations.iter().filter_map(|operation| {
        let kind = operation.writes.as_ref().map(|_| "writes").or_else(|| operation.reads.as_ref().map(|_| "reads"))?;
        Some(format!("record       `{}` {kind} one", operation.name))
    });
    lines.extend(records);
    lines.extend(workload.thresholds.iter().map(|threshold| format!("threshold    {threshold}")));
    lines
}
