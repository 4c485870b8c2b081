//! From a plan to its verdict, and what is shown of it; what loads and scenarios have in common.

use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::view::word;
use harness_core::plan::{Plan, Subject};
use harness_core::report::summary::Summary;
use harness_core::report::terminal;
use harness_core::run::{RunOutcome, RunRequest, run as run_plan};
use harness_core::run_dir;
use std::path::Path;

/// Runs a plan to its end and shows its result.
pub(crate) fn execute(
    plan: Plan,
    secret: String,
    runs: &Path,
    context: &Context,
) -> Result<(Exit, RunOutcome), Failure> {
    if !context.output.json && !context.output.quiet {
        use std::io::Write;
        let _ = writeln!(anstream::stderr(), "seed {}, run {}", plan.seed, plan.run_id);
    }
    let scenario = match &plan.subject {
        Subject::Load(_) => None,
        Subject::Scenario(script) => scenarios::find(&script.name),
    };
    let is_load = scenario.is_none();
    let request = RunRequest { plan, scenario, runs: runs.to_owned(), executable: context.executable.clone(), secret };
    let outcome = context.runtime.block_on(Box::pin(run_plan(request, &context.view, &context.cancel)))?;
    show(&outcome, is_load, context);
    let exit = if outcome.interrupted { Exit::Interrupted } else { outcome.judgement.verdict.into() };
    Ok((exit, outcome))
}

/// The command as it was typed, without a seed: the plan adds the one that was used.
pub(crate) fn command_line() -> String {
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

fn show(outcome: &RunOutcome, is_load: bool, context: &Context) {
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
        // The calls of a scenario are few; what it expected was shown while it went on.
        if is_load && let Ok(recorded) = harness_core::judge::read(&outcome.run_dir) {
            context.print("");
            terminal::lines(&Summary::new(&recorded, &outcome.judgement)).iter().for_each(|line| context.print(line));
            context.print("");
        }
        context.print(&format!("report  {}", report.display()));
    }
    context.print(&format!("verdict {}", word(outcome.judgement.verdict)));
}
