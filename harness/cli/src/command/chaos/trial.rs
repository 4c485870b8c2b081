//! The checker on trial: each experiment against the lies that it is named for. Every lie must be caught, which is a verdict of fail; a run
//! that proves nothing catches nothing. The table is printed and written beside the runs.

use super::{Resolved, play, resolve};
use crate::arguments::ChaosArguments;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use harness_core::experiment::Experiment;
use harness_core::report::summary::because;
use harness_core::run_dir;
use mcp_contracts::Service;
use owo_colors::OwoColorize;
use serde::Serialize;
use std::fmt::Write as _;
use std::path::Path;

/// The table, in the folder of the runs.
const TABLE: &str = "trial.md";

/// An experiment against a lie.
#[derive(Debug, Serialize)]
struct Row {
    event: &'static str,
    experiment: String,
    lie: String,
    caught: bool,
    because: String,
    /// Name of the run, where there was one.
    run: Option<String>,
}

pub(super) fn run(
    experiments: Vec<Experiment>,
    arguments: &ChaosArguments,
    context: &Context,
) -> Result<Exit, Failure> {
    let trials = trials(experiments, arguments, context)?;
    let (mut rows, mut exits) = (Vec::new(), Vec::new());
    for (lie, plan) in trials {
        if context.cancel.is_cancelled() {
            exits.push(Exit::Interrupted);
            break;
        }
        for played in play(vec![plan], &arguments.runs, context) {
            exits.push(turned(played.exit));
            let (because, run) = match &played.result {
                Ok(outcome) => (because(&outcome.judgement), outcome.run_dir.file_name()),
                Err(failure) => (failure.to_string(), None),
            };
            let run = run.map(|name| name.to_string_lossy().into_owned());
            let (experiment, caught) = (played.name, played.exit == Exit::Fail);
            rows.push(Row { event: "trial", experiment, lie: lie.clone(), caught, because, run });
        }
    }
    for row in &rows {
        show(row, context);
    }
    let caught = rows.iter().filter(|row| row.caught).count();
    let path = arguments.runs.join(TABLE);
    write(&path, &table(&rows))?;
    context.tell(&format!("{caught} of {} lies caught; the table is {}", rows.len(), path.display()));
    Ok(Exit::merge(exits))
}

/// Every experiment with every lie that it is named for.
fn trials(
    experiments: Vec<Experiment>,
    arguments: &ChaosArguments,
    context: &Context,
) -> Result<Vec<(String, Resolved)>, Failure> {
    let mut trials = Vec::new();
    for experiment in experiments {
        for lie in experiment.catches.clone() {
            let parsed = lie.split_once('=').and_then(|(service, lie)| Some((service_of(service)?, lie.to_owned())));
            let parsed = parsed
                .ok_or_else(|| Failure::usage(format!("`{}`: `{lie}` is not like `memory=lie`", experiment.name)))?;
            let resolved = resolve(vec![experiment.clone()], arguments, &[parsed], context)?;
            trials.extend(resolved.into_iter().map(|plan| (lie.clone(), plan)));
        }
    }
    if trials.is_empty() { Err(Failure::usage("none of these experiments is named for a lie")) } else { Ok(trials) }
}

/// What the end of a run against a lie means for the trial: proven bad is what was wanted, and what was taken for good is not.
const fn turned(exit: Exit) -> Exit {
    match exit {
        Exit::Fail => Exit::Pass,
        Exit::Pass => Exit::Fail,
        Exit::Unknown | Exit::Usage | Exit::Stack | Exit::Internal | Exit::Interrupted => exit,
    }
}

fn show(row: &Row, context: &Context) {
    if context.output.json {
        context.print_json(&serde_json::json!(row));
        return;
    }
    let word = if row.caught { "caught".green().to_string() } else { "not caught".red().bold().to_string() };
    context.print(&format!("{:<22} {:<40} {word:<12} {}", row.experiment, row.lie, row.because));
}

fn table(rows: &[Row]) -> String {
    let caught = rows.iter().filter(|row| row.caught).count();
    let mut text = format!("# The checker on trial\n\n{caught} of {} lies caught.\n\n", rows.len());
    text.push_str("| experiment | lie | | because | run |\n|---|---|---|---|---|\n");
    for Row { experiment, lie, caught, because, run, .. } in rows {
        let word = if *caught { "caught" } else { "**not caught**" };
        let because = because.replace('|', "\\|").replace('\n', " ");
        let run = run.as_ref().map_or_else(String::new, |run| format!("[{run}]({run}/{})", run_dir::REPORT_HTML));
        let _ = writeln!(text, "| {experiment} | `{lie}` | {word} | {because} | {run} |");
    }
    text
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|error| {
        Failure::internal(format!(
            "`{}` cannot be written: {error}\nhint: check the folder of the runs",
            path.display()
        ))
    })
}

fn service_of(name: &str) -> Option<Service> {
    Service::ALL.into_iter().find(|service| service.name() == name)
}

#[cfg(test)]
mod tests {
    use super::{Exit, Row, table, turned};

    #[test]
    fn only_a_run_that_is_proven_bad_catches_a_lie() {
        assert_eq!(Exit::merge([Exit::Fail, Exit::Fail].map(turned)), Exit::Pass);
        for (missed, expected) in [(Exit::Pass, Exit::Fail), (Exit::Unknown, Exit::Unknown), (Exit::Stack, Exit::Stack)]
        {
            assert_eq!(Exit::merge([Exit::Fail, missed, Exit::Fail].map(turned)), expected);
        }
        assert_ne!(Exit::merge([]), Exit::Pass, "no trial proves nothing");
    }

    #[test]
    fn the_table_has_a_line_for_each_trial_and_says_which_lie_was_missed() {
        let row = |lie: &str, caught| Row {
            event: "trial",
            experiment: "redis-outage".to_owned(),
            lie: lie.to_owned(),
            caught,
            because: "a | b\nc".to_owned(),
            run: Some("r1".to_owned()),
        };
        let text = table(&[row("memory=bypass-hidden", true), row("memory=trace-dropped", false)]);
        assert!(text.contains("1 of 2 lies caught."), "{text}");
        assert!(text.contains("| `memory=bypass-hidden` | caught | a \\| b c | [r1](r1/report.html) |"), "{text}");
        assert!(text.contains("| `memory=trace-dropped` | **not caught** |"), "{text}");
    }
}
