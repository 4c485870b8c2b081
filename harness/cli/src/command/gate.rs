//! `harness gate`: the job of a CI. The memory workload on the embedded default; where the CI shows a summary, it gets ours.

use super::load;
use crate::arguments::{BackendArguments, BackendChoice, Changes, GateArguments, LoadArguments};
use crate::context::Context;
use crate::exit::{Exit, Failure};
use harness_core::run_dir;
use std::io::Write;

pub(crate) fn run(arguments: &GateArguments, context: &Context) -> Result<Exit, Failure> {
    let load = LoadArguments {
        workload: "memory".to_owned(),
        changes: Changes { users: Some(arguments.users), duration: Some(arguments.duration), ..Changes::default() },
        place: BackendArguments { backend: BackendChoice::Process, url: Vec::new() },
        seed: arguments.seed,
        runs: arguments.runs.clone(),
    };
    let (exit, outcome) = load::execute(&load, context)?;
    if let Some(summary) = std::env::var_os("GITHUB_STEP_SUMMARY") {
        let markdown = std::fs::read(outcome.run_dir.join(run_dir::REPORT_MARKDOWN))?;
        std::fs::File::options().create(true).append(true).open(summary)?.write_all(&markdown)?;
    }
    Ok(exit)
}
