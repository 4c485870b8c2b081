//! `harness gate`: the job of a CI. Every scenario, the memory workload, then a short set of experiments, on the embedded default; a failed step does not keep the others
//! from being run. One verdict with its reasons; where the CI shows a summary, it gets ours.

use super::{chaos, load, play, scenario};
use crate::arguments::{
    BackendArguments, BackendChoice, Changes, ChaosArguments, GateArguments, LoadArguments, ScenarioArguments,
};
use crate::context::Context;
use crate::exit::{Exit, Failure};
use harness_core::report::summary::because;
use harness_core::run::RunOutcome;
use harness_core::run_dir;
use std::io::Write;

/// The experiments of the gate: one for each of what a stack may lose, its limits, its rules and its data.
const SHORT_SET: [&str; 3] = ["redis-outage", "guardrail-kill", "memory-kill"];

pub(crate) fn run(arguments: &GateArguments, context: &Context) -> Result<Exit, Failure> {
    let place = BackendArguments { backend: BackendChoice::Process, url: Vec::new() };
    let scenarios = ScenarioArguments {
        names: Vec::new(),
        all: true,
        list: false,
        place: place.clone(),
        lie: Vec::new(),
        seed: arguments.seed,
        runs: arguments.runs.clone(),
    };
    let load = LoadArguments {
        workload: "memory".to_owned(),
        changes: Changes { users: Some(arguments.users), duration: Some(arguments.duration), ..Changes::default() },
        place: place.clone(),
        seed: arguments.seed,
        runs: arguments.runs.clone(),
    };
    let short = ChaosArguments {
        command: None,
        names: SHORT_SET.map(str::to_owned).to_vec(),
        all: false,
        list: false,
        dry_run: false,
        on_trial: false,
        experiments: None,
        place,
        lie: Vec::new(),
        seed: arguments.seed,
        runs: arguments.runs.clone(),
    };
    // Everything is resolved before anything starts.
    let plans = scenario::resolve(&scenarios, context)?;
    let (plan, secret) = load::resolve(&load, context)?;
    let experiments = chaos::plans(&short, context)?;

    let played = scenario::play(plans, &arguments.runs, context);
    let driven = play::execute(plan, secret, &arguments.runs, context);

    let broken = chaos::play(experiments, &arguments.runs, context);

    play::summary(&played, context);
    play::summary(&broken, context);
    let mut reasons = Vec::new();
    let mut exits = Vec::new();
    for played in &played {
        exits.push(played.exit);
        reason(&played.name, played.exit, &played.result, &mut reasons);
    }
    let (exit, driven) = match driven {
        Ok((exit, outcome)) => (exit, Ok(outcome)),
        Err(failure) => (failure.exit(), Err(failure)),
    };
    exits.push(exit);
    reason("load memory", exit, &driven, &mut reasons);
    for broken in &broken {
        exits.push(broken.exit);
        reason(&broken.name, broken.exit, &broken.result, &mut reasons);
    }

    let exit = Exit::merge(exits);
    let outcomes = played.iter().filter_map(|played| played.result.as_ref().ok()).chain(driven.as_ref().ok());
    let outcomes = outcomes.chain(broken.iter().filter_map(|broken| broken.result.as_ref().ok()));
    summarise(exit, &reasons, outcomes)?;
    if context.output.json {
        context.print_json(&serde_json::json!({ "event": "gate", "exit": exit.number(), "reasons": reasons }));
    } else {
        reasons.iter().for_each(|reason| context.print(&format!("  {reason}")));
        context.print(&format!("gate    {}", exit.word()));
    }
    Ok(exit)
}

/// Why a step does not let the change pass, if it does not.
fn reason(name: &str, exit: Exit, result: &Result<RunOutcome, Failure>, reasons: &mut Vec<String>) {
    match result {
        Ok(_) if exit == Exit::Pass => {}
        Ok(outcome) => reasons.push(format!("{name}: {}", because(&outcome.judgement))),
        Err(failure) => reasons.push(format!("{name}: {failure}")),
    }
}

/// The summary of a CI job: the verdict, and the report of every run.
fn summarise<'a>(exit: Exit, reasons: &[String], runs: impl Iterator<Item = &'a RunOutcome>) -> Result<(), Failure> {
    let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY") else { return Ok(()) };
    let mut text = format!("# Gate: {}\n\n", exit.word());
    reasons.iter().for_each(|reason| text.push_str(&format!("- {}\n", reason.replace(['\n', '<', '`'], " "))));
    for run in runs {
        text.push('\n');
        text.push_str(&std::fs::read_to_string(run.run_dir.join(run_dir::REPORT_MARKDOWN))?);
    }
    std::fs::File::options().create(true).append(true).open(path)?.write_all(text.as_bytes())?;
    Ok(())
}
