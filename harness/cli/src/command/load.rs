//! `harness load`: a load, and what it proves.

use crate::arguments::{Changes, LoadArguments};
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::view::word;
use harness_core::plan::{Plan, Wish};
use harness_core::report::summary::Summary;
use harness_core::report::terminal;
use harness_core::run::{RunOutcome, RunRequest, run as run_plan};
use harness_core::run_dir;
use loadtests::Overrides;

pub(crate) fn run(arguments: &LoadArguments, context: &Context) -> Result<Exit, Failure> {
    execute(arguments, context).map(|(exit, _)| exit)
}

/// Runs a load to its end and shows its result.
pub(crate) fn execute(arguments: &LoadArguments, context: &Context) -> Result<(Exit, RunOutcome), Failure> {
    let (plan, secret) = resolve(arguments, context)?;
    if !context.output.json && !context.output.quiet {
        use std::io::Write;
        let _ = writeln!(anstream::stderr(), "seed {}, run {}", plan.seed, plan.run_id);
    }
    let request = RunRequest { plan, runs: arguments.runs.clone(), executable: context.executable.clone(), secret };
    let outcome = context.runtime.block_on(run_plan(request, &context.view, &context.cancel))?;
    show(&outcome, context);
    let exit = if outcome.interrupted { Exit::Interrupted } else { outcome.judgement.verdict.into() };
    Ok((exit, outcome))
}

/// From arguments to a plan; nothing is started.
pub(crate) fn resolve(arguments: &LoadArguments, context: &Context) -> Result<(Plan, String), Failure> {
    let workload = loadtests::workload(&arguments.workload, &overrides(&arguments.changes)).map_err(Failure::usage)?;
    let (backend, secret) = context.backend(&arguments.place)?;
    let wish = Wish { verb: "load", command: command_line(), seed: arguments.seed, backend, workload };
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

/// The command as it was typed, without a seed: the plan adds the one that was used.
fn command_line() -> String {
    let mut words = vec!["harness".to_owned()];
    // `harness plan load …` tells the command that would run.
    let mut arguments = std::env::args().skip(1).skip_while(|argument| argument == "plan");
    while let Some(argument) = arguments.next() {
        if argument == "--seed" {
            arguments.next();
        } else if !argument.starts_with("--seed=") {
            words.push(quoted(&argument));
        }
    }
    words.join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

fn show(outcome: &RunOutcome, context: &Context) {
    let report = outcome.run_dir.join(run_dir::REPORT_HTML);
    if context.output.json {
        context.print_json(&serde_json::json!({
            "event": "result",
            "verdict": outcome.judgement.verdict,
            "interrupted": outcome.interrupted,
            "run_dir": outcome.run_dir,
            "report": report,
        }));
        return;
    }
    if !context.output.quiet {
        if let Ok(recorded) = harness_core::judge::read(&outcome.run_dir) {
            context.print("");
            terminal::lines(&Summary::new(&recorded, &outcome.judgement)).iter().for_each(|line| context.print(line));
            context.print("");
        }
        context.print(&format!("report  {}", report.display()));
    }
    context.print(&format!("verdict {}", word(outcome.judgement.verdict)));
}
