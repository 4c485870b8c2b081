//! `harness report`: writes the reports of a recorded run again. For a gate, writes its own report and those of its
//! runs.

use super::runs::directory;
use crate::arguments::RunArguments;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::settings;
use harness_core::judge::{Recorded, judge};
use harness_core::plan::run_dir;
use harness_core::report::{gate, write_all};

pub(crate) fn run(arguments: &RunArguments, context: &Context) -> Result<Exit, Failure> {
    let directory = directory(arguments.run.as_deref(), &arguments.runs)?;
    let memory = settings::judge_memory()?;
    if directory.join(run_dir::GATE).is_file() {
        let summary = gate::write_again(&directory, memory)?;
        if context.output.json {
            context.print_json(&summary);
        }
    } else {
        let recorded = Recorded::read(&directory, memory)?;
        let summary = write_all(&recorded, &judge(&recorded)?)?;
        if context.output.json {
            context.print_json(&summary);
        }
    }
    if !context.output.json {
        for name in [run_dir::REPORT_HTML, run_dir::REPORT_MARKDOWN, run_dir::REPORT_JSON, run_dir::JUNIT] {
            context.print(&directory.join(name).display().to_string());
        }
    }
    Ok(Exit::Pass)
}
