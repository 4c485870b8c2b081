//! `harness check`: judges a recorded run, or every run of a recorded gate, again. It reads nothing but the run directory.
//! With `--list` it prints the checks.

use super::gate;
use super::runs::directory;
use crate::arguments::CheckArguments;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::settings;
use crate::view::word;
use harness_core::judge::{Recorded, judge};
use harness_core::plan::run_dir;
use harness_core::stack::view::Event;
use harness_history::check;
use owo_colors::OwoColorize;
use serde_json::json;

pub(crate) fn run(arguments: &CheckArguments, context: &Context) -> Result<Exit, Failure> {
    if arguments.list {
        list(context);
        return Ok(Exit::Pass);
    }
    let directory = directory(arguments.run.run.as_deref(), &arguments.run.runs)?;
    if directory.join(run_dir::GATE).is_file() {
        return gate::again(&directory, context);
    }
    let judgement = judge(&Recorded::read(&directory, settings::judge_memory()?)?)?;
    for finding in &judgement.findings {
        context.view.show(Event::Finding(finding.clone()));
    }
    if context.output.json {
        context.view.show(Event::Verdict(judgement.verdict));
    } else {
        context.print(&format!("verdict {}", word(judgement.verdict)));
    }
    Ok(judgement.verdict.into())
}

/// Prints a part of docs/CHECKS.md for each check: what it proves and what it cannot see.
fn list(context: &Context) {
    for check in check::ALL {
        if context.output.json {
            context.print_json(&json!({
                "check": check.name, "applies": check.applies(), "proves": check.proves, "evidence": check.evidence,
                "blind_to": check.blind_to,
            }));
            continue;
        }
        context.print(&format!("{}\n  proves      {}.\n  cannot see", check.name.bold(), check.proves));
        check.blind_to.iter().for_each(|sentence| context.print(&format!("  - {sentence}")));
    }
}
