//! `harness compare`: shows what changed between two recorded runs, or two gates.

use super::runs::directory;
use crate::arguments::CompareArguments;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::view::tone;
use harness_core::report::compare::{ChangeKind, Comparison};
use owo_colors::OwoColorize;

pub(crate) fn run(arguments: &CompareArguments, context: &Context) -> Result<Exit, Failure> {
    let before = directory(Some(&arguments.before), &arguments.runs)?;
    let after = directory(arguments.after.as_deref(), &arguments.runs)?;
    let comparison = Comparison::of(&before, &after).map_err(Failure::usage)?;
    if context.output.json {
        context.print_json(&comparison);
    } else {
        show(&comparison, context);
    }
    // A new failure is a fact, even if a record is doubtful.
    Ok(match (comparison.has_new_failures(), comparison.is_doubtful()) {
        (true, _) => Exit::Fail,
        (false, true) => Exit::Unknown,
        (false, false) => Exit::Pass,
    })
}

fn show(comparison: &Comparison, context: &Context) {
    let Comparison { before, after, changes, unchanged, still_failing, doubts } = comparison;
    let count = |kind| changes.iter().filter(|change| change.kind == kind).count();
    let (appeared, disappeared) = (count(ChangeKind::Appeared), count(ChangeKind::Disappeared));
    if !context.output.quiet {
        for (word, run) in [("before", before), ("after", after)] {
            context.print(&format!("{word:<8} {} {}: {}", run.run_id, run.subject, tone(&run.verdict)));
        }
        for change in changes {
            let mark = match change.kind {
                ChangeKind::Appeared => "+".red().to_string(),
                ChangeKind::Disappeared => "-".green().to_string(),
                ChangeKind::Changed => "~".yellow().to_string(),
            };
            let (from, to) = (&change.before, tone(&change.after));
            context.print(&format!("{mark} {}: {from} -> {to}: {}", change.check, change.summary));
        }
        if !still_failing.is_empty() {
            context.print(&format!("fail in both: {}", still_failing.join(", ")));
        }
        doubts.iter().for_each(|doubt| context.print(&format!("doubtful: {doubt}")));
    }
    context.print(&format!(
        "{appeared} appeared, {disappeared} disappeared, {} other changes, {unchanged} unchanged",
        changes.len() - appeared - disappeared
    ));
}
