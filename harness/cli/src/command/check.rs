//! `harness check`: judges a recorded run again, from its directory alone; for a gate, every run of it.

use super::gate;
use super::runs::directory;
use crate::arguments::RunArguments;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::view::word;
use harness_core::judge::judge;
use harness_core::plan::run_dir;
use harness_core::stack::view::Event;

pub(crate) fn run(arguments: &RunArguments, context: &Context) -> Result<Exit, Failure> {
    let directory = directory(arguments.run.as_deref(), &arguments.runs)?;
    if directory.join(run_dir::GATE).is_file() {
        return gate::again(&directory, context);
    }
    let judgement = judge(&directory)?;
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
