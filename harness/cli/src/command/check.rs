//! `harness check`: judges a recorded run again, from its directory alone.

use crate::arguments::RunArguments;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::view::word;
use harness_core::judge::judge;
use harness_core::view::Event;
use std::path::PathBuf;

pub(crate) fn run(arguments: &RunArguments, context: &Context) -> Result<Exit, Failure> {
    let judgement = judge(&directory(arguments)?)?;
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

/// The run that was named, or the newest.
pub(crate) fn directory(arguments: &RunArguments) -> Result<PathBuf, Failure> {
    if let Some(run) = &arguments.run {
        return Ok(run.clone());
    }
    let folders = std::fs::read_dir(&arguments.runs).into_iter().flatten().flatten();
    let newest = folders
        .filter(|entry| entry.path().join(harness_core::run_dir::PLAN).is_file())
        .max_by_key(std::fs::DirEntry::file_name);
    newest.map(|entry| entry.path()).ok_or_else(|| {
        Failure::usage(format!(
            "there is no run in `{}`\nhint: `harness load memory` makes one",
            arguments.runs.display()
        ))
    })
}
