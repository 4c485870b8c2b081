//! counters-tell: the services' own counters show what happened to them, as far as the experiment promised it. A counter that could not be
//! read, or that began anew with its part, tells nothing.

use super::{Check, Criteria, Judging, Kind, of_experiment};
use crate::experiment::{Counter, CounterFigure, CounterPromise, Experiment, Promises};
use crate::finding::{Evidence, Finding};
use crate::history::History;

pub(super) const CHECK: Check = Check {
    name: "counters-tell",
    about: "the services' own counters show what happened to them",
    kind: Kind::Asked,
    run,
};

fn run(history: &History, criteria: &Criteria) -> Option<Finding> {
    of_experiment(CHECK.name, history, criteria, |experiment, promises, judging| {
        (!promises.counters.is_empty()).then(|| judge(experiment, promises, judging))
    })
}

fn judge(experiment: &Experiment, promises: &Promises, mut judging: Judging) -> Finding {
    let mut told = Vec::new();
    for promise in &promises.counters {
        let name = name(promise);
        let is_it = |counter: &&Counter| {
            counter.part == promise.part && counter.metric == promise.metric && counter.labels == promise.labels
        };
        let figure = experiment.counters.iter().find(is_it).ok_or("was not read").and_then(|it| figure(it, promise));
        match figure {
            Err(why) => {
                told.push(format!("{name} {why}"));
                judging.doubt(Evidence::of(format!("{name} {why}"), &[]));
            }
            Ok(figure) => {
                judging.judged += 1;
                let what = what(promise.figure);
                told.push(format!("{name} {what} {figure}"));
                let too_little = promise.at_least.filter(|least| figure < *least);
                let too_much = promise.at_most.filter(|most| figure > *most);
                if let Some(least) = too_little {
                    judging.violation(|| format!("{name} {what} {figure}, at least {least} was promised"), &[]);
                } else if let Some(most) = too_much {
                    judging.violation(|| format!("{name} {what} {figure}, at most {most} was promised"), &[]);
                }
            }
        }
    }
    judging.finding(told.join("; "))
}

/// The figure, or why there is none.
fn figure(counter: &Counter, promise: &CounterPromise) -> Result<f64, &'static str> {
    let value = |value: Option<f64>| value.filter(|value| value.is_finite());
    match promise.figure {
        CounterFigure::Growth => {
            let before = value(counter.before).ok_or("could not be read before the fault")?;
            let after = value(counter.after).ok_or("could not be read at the end")?;
            if after < before { Err("began anew during the run") } else { Ok(after - before) }
        }
        CounterFigure::During => value(counter.during).ok_or("could not be read during the fault"),
        CounterFigure::After => value(counter.after).ok_or("could not be read at the end"),
    }
}

const fn what(figure: CounterFigure) -> &'static str {
    match figure {
        CounterFigure::Growth => "grew by",
        CounterFigure::During => "came up to",
        CounterFigure::After => "ended at",
    }
}

fn name(promise: &CounterPromise) -> String {
    let labels: Vec<String> = promise.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
    format!("`{}{labels}` of `{}`", promise.metric, promise.part)
}
