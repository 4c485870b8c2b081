//! The checker on trial: each experiment against the lies that it is named for. Every lie must be caught, which is a verdict of fail; a run
//! that proves nothing catches nothing.

use super::{play, resolve};
use crate::arguments::ChaosArguments;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use harness_core::experiment::Experiment;
use harness_core::report::summary::because;
use mcp_contracts::Service;
use owo_colors::OwoColorize;
use serde_json::json;

pub(super) fn run(
    experiments: Vec<Experiment>,
    arguments: &ChaosArguments,
    context: &Context,
) -> Result<Exit, Failure> {
    let mut trials = Vec::new();
    for experiment in experiments {
        for lie in experiment.catches.clone() {
            let parsed = lie.split_once('=').and_then(|(service, lie)| Some((service_of(service)?, lie.to_owned())));
            let parsed = parsed
                .ok_or_else(|| Failure::usage(format!("`{}`: `{lie}` is not like `memory=lie`", experiment.name)))?;
            trials.extend(
                resolve(vec![experiment.clone()], arguments, &[parsed], context)?
                    .into_iter()
                    .map(|plan| (lie.clone(), plan)),
            );
        }
    }
    if trials.is_empty() {
        return Err(Failure::usage("none of these experiments is named for a lie"));
    }
    let (mut rows, mut exits) = (Vec::new(), Vec::new());
    for (lie, plan) in trials {
        if context.cancel.is_cancelled() {
            exits.push(Exit::Interrupted);
            break;
        }
        for played in play(vec![plan], &arguments.runs, context) {
            let caught = played.exit == Exit::Fail;
            exits.push(match played.exit {
                Exit::Fail => Exit::Pass,
                Exit::Pass => Exit::Fail,
                other => other,
            });
            let why = match &played.result {
                Ok(outcome) => because(&outcome.judgement),
                Err(failure) => failure.to_string(),
            };
            rows.push((played.name, lie.clone(), caught, why));
        }
    }
    for (name, lie, caught, why) in &rows {
        if context.output.json {
            context.print_json(
                &json!({ "event": "trial", "experiment": name, "lie": lie, "caught": caught, "because": why }),
            );
        } else {
            let word = if *caught { "caught".green().to_string() } else { "not caught".red().bold().to_string() };
            context.print(&format!("{name:<22} {lie:<40} {word:<12} {why}"));
        }
    }
    let caught = rows.iter().filter(|(_, _, caught, _)| *caught).count();
    context.tell(&format!("{caught} of {} lies caught", rows.len()));
    Ok(Exit::merge(exits))
}

fn service_of(name: &str) -> Option<Service> {
    Service::ALL.into_iter().find(|service| service.name() == name)
}
