//! `harness chaos --on-trial`: runs each experiment against the lies that it names. A lie is caught only by a verdict of *fail*; an *unknown*
//! run catches nothing. The table is printed and written beside the runs.

use super::{Resolved, play, resolve};
use crate::arguments::ChaosArguments;
use crate::command::play::mark_batch;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use harness_core::drive::experiment::Experiment;
use harness_core::report::trial::{self, Trial, TrialOutcome};
use harness_history::counted;
use mcp_contracts::Service;
use owo_colors::OwoColorize;
use serde_json::json;

pub(super) fn run(
    experiments: Vec<Experiment>,
    arguments: &ChaosArguments,
    context: &Context,
) -> Result<Exit, Failure> {
    let mut trials = trials(experiments, arguments, context)?;
    mark_batch(trials.iter_mut().map(|(_, (_, plan, _))| plan));
    let (mut rows, mut exits) = (Vec::new(), Vec::new());
    for (lie, plan) in trials {
        if context.cancel.is_cancelled() {
            exits.push(Exit::Interrupted);
            break;
        }
        for played in play(vec![plan], &arguments.record.runs, context) {
            exits.push(inverted(played.exit));
            let (because, run) = match &played.result {
                Ok(outcome) => (outcome.summary.because.clone(), outcome.run_dir.file_name()),
                Err(failure) => (failure.to_string(), None),
            };
            let run = run.map(|name| name.to_string_lossy().into_owned());
            let (experiment, outcome) = (played.name, outcome(played.exit));
            rows.push(Trial { experiment, lie: lie.clone(), outcome, because, run });
        }
    }
    for row in &rows {
        show(row, context);
    }
    let page = trial::write(&arguments.record.runs, &rows)
        .map_err(|error| Failure::internal(format!("{error}\nhint: check the folder of the runs")))?;
    context.print_note(&format!(
        "{} of {} caught; table: {}",
        trial::caught(&rows),
        counted(rows.len(), "lie", "lies"),
        page.display()
    ));
    Ok(Exit::merge(exits))
}

/// Returns the plan of every experiment with every lie that it names.
fn trials(
    experiments: Vec<Experiment>,
    arguments: &ChaosArguments,
    context: &Context,
) -> Result<Vec<(String, Resolved)>, Failure> {
    let mut trials = Vec::new();
    for experiment in experiments {
        for lie in experiment.catches.clone() {
            let parsed = lie.split_once('=').and_then(|(service, lie)| Some((service_of(service)?, lie.to_owned())));
            let parsed = parsed.ok_or_else(|| {
                Failure::usage(format!("`{}`: `{lie}` does not have the form `SERVICE=LIE`", experiment.name))
            })?;
            let resolved = resolve(vec![experiment.clone()], arguments, &[parsed], context)?;
            trials.extend(resolved.into_iter().map(|plan| (lie.clone(), plan)));
        }
    }
    if trials.is_empty() { Err(Failure::usage("none of these experiments names a lie")) } else { Ok(trials) }
}

/// Returns the exit code of a trial. A run against a lie must fail, so *fail* becomes pass and *pass* becomes fail.
const fn inverted(exit: Exit) -> Exit {
    match exit {
        Exit::Fail => Exit::Pass,
        Exit::Pass => Exit::Fail,
        Exit::Unknown | Exit::Usage | Exit::Stack | Exit::Internal | Exit::Interrupted => exit,
    }
}

/// Returns the outcome of a run against a lie.
const fn outcome(exit: Exit) -> TrialOutcome {
    match exit {
        Exit::Fail => TrialOutcome::Caught,
        Exit::Pass => TrialOutcome::Missed,
        Exit::Unknown | Exit::Usage | Exit::Stack | Exit::Internal | Exit::Interrupted => TrialOutcome::Unknown,
    }
}

fn show(row: &Trial, context: &Context) {
    if context.output.json {
        let Trial { experiment, lie, outcome, because, run } = row;
        context.print_json(&json!({
            "event": "trial", "experiment": experiment, "lie": lie, "outcome": outcome, "because": because, "run": run,
        }));
        return;
    }
    let word = match row.outcome {
        TrialOutcome::Caught => row.outcome.word().green().to_string(),
        TrialOutcome::Missed | TrialOutcome::Unknown => row.outcome.word().red().bold().to_string(),
    };
    context.print(&format!("{:<22} {:<40} {word:<12} {}", row.experiment, row.lie, row.because));
}

fn service_of(name: &str) -> Option<Service> {
    Service::ALL.into_iter().find(|service| service.name() == name)
}

#[cfg(test)]
mod tests {
    use super::{Exit, inverted};

    #[test]
    fn only_a_run_that_is_proven_bad_catches_a_lie() {
        assert_eq!(Exit::merge([Exit::Fail, Exit::Fail].map(inverted)), Exit::Pass);
        for (missed, expected) in [(Exit::Pass, Exit::Fail), (Exit::Unknown, Exit::Unknown), (Exit::Stack, Exit::Stack)]
        {
            assert_eq!(Exit::merge([Exit::Fail, missed, Exit::Fail].map(inverted)), expected);
        }
        assert_ne!(Exit::merge([]), Exit::Pass, "no trial proves nothing");
    }
}
