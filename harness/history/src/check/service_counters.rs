//! counters-tell: the counters of services show what happened to them, as the experiment promised. A counter that could not be read, or that
//! restarted with its part, shows nothing.

use super::builder::FindingBuilder;
use super::rule::{Check, ExperimentRun, Rule};
use crate::experiment::{Counter, CounterFigure, CounterPromise, Experiment, STOP};

pub(super) const CHECK: Check = Check {
    name: "counters-tell",
    proves: "Every counter or gauge that the experiment names did what was promised: its growth, its highest value during the fault, or its last value",
    blind_to: &[
        "It relies on the service: a counter that counts wrongly within the bounds passes.",
        "The highest value during a fault is the highest that was sampled.",
        "Metrics that the experiment does not name are not read.",
        "On a busy machine a counter fails only if it did not grow at all while many calls ended well; any other wrong figure is unknown.",
    ],
    evidence: "The named metrics, read before, during and after the fault. A growth needs a part that no fault ended in between.",
    rule: Rule::ExperimentBound(judge),
};

/// Smallest promised growth that is about calls, of which each is counted. A smaller one may be about a single event, which a busy machine delays.
const LEAST_PER_CALL: f64 = 20.0;
/// Kinds of faults that end the process of a part.
const ENDS_PROCESS: [&str; 3] = ["kill", "restart", STOP];
/// A counter that did not grow is no effect of a busy machine if this many times the promised number of calls ended well while the faults were in
/// place.
const CERTAIN_TIMES: f64 = 3.0;

fn judge(run: &ExperimentRun<'_>, finding: &mut FindingBuilder) -> Option<String> {
    let mut summary = Vec::new();
    for promise in &run.promises.counters {
        let name = name(promise);
        let is_promised = |counter: &&Counter| {
            counter.part == promise.part && counter.metric == promise.metric && counter.labels == promise.labels
        };
        let counter = run.experiment.counters.iter().find(is_promised);
        match counter.ok_or("was not read").and_then(|counter| figure(counter, promise)) {
            Err(why) => {
                summary.push(format!("{name} {why}"));
                finding.doubt(format!("{name} {why}"));
            }
            Ok(figure) if lost_its_count(run.experiment, promise) && !never_counted(run, promise, figure) => {
                let why = format!("{name} began at 0 again with its part");
                summary.push(why.clone());
                finding.doubt(why);
            }
            Ok(figure) => {
                finding.judged += 1;
                let figure_text = format!("{name} {} {figure}", verb(promise.figure));
                if let Some(least) = promise.at_least.filter(|least| figure < *least) {
                    let what = || format!("{figure_text}, at least {least} was promised");
                    if never_counted(run, promise, figure) {
                        finding.certain_violation(what, &[]);
                    } else {
                        finding.violation(what, &[]);
                    }
                } else if let Some(most) = promise.at_most.filter(|most| figure > *most) {
                    finding.violation(|| format!("{figure_text}, at most {most} was promised"), &[]);
                }
                summary.push(figure_text);
            }
        }
    }
    (!summary.is_empty()).then(|| summary.join("; "))
}

/// Returns true if a counter of calls did not grow although many calls ended well while the faults were in place: a slow service counts few calls, and
/// a service that counts none does not count them.
fn never_counted(run: &ExperimentRun<'_>, promise: &CounterPromise, figure: f64) -> bool {
    let Some(least) = promise.at_least.filter(|least| *least >= LEAST_PER_CALL) else { return false };
    if promise.figure != CounterFigure::Growth || figure > 0.0 {
        return false;
    }
    let in_place = run.experiment.in_place();
    let is_meanwhile =
        |from_us: u64, until_us: u64| in_place.iter().any(|span| from_us >= span.from_us && until_us < span.until_us);
    let calls = run.history.answered().filter(|(_, op)| op.is_ok() && is_meanwhile(op.invoke_us(), op.complete_us()));
    calls.count() as f64 >= least * CERTAIN_TIMES
}

/// Returns true if the growth of a counter is not known because a fault ended the process of its part: what it had counted is lost, although it may
/// have counted beyond its first value since.
fn lost_its_count(experiment: &Experiment, promise: &CounterPromise) -> bool {
    let ends_process = |kind: &str| ENDS_PROCESS.contains(&kind);
    promise.figure == CounterFigure::Growth
        && experiment.faults.iter().any(|fault| fault.target == promise.part && ends_process(&fault.kind))
}

/// Returns the figure, or why there is none.
fn figure(counter: &Counter, promise: &CounterPromise) -> Result<f64, &'static str> {
    let finite = |value: Option<f64>| value.filter(|value| value.is_finite());
    let before = || finite(counter.before).ok_or("could not be read before the fault");
    let after = || finite(counter.after).ok_or("could not be read at the end");
    match promise.figure {
        CounterFigure::Growth => {
            let (before, after) = (before()?, after()?);
            if after < before { Err("restarted during the run") } else { Ok(after - before) }
        }
        CounterFigure::During => finite(counter.during).ok_or("could not be read during the fault"),
        CounterFigure::After => after(),
    }
}

const fn verb(figure: CounterFigure) -> &'static str {
    match figure {
        CounterFigure::Growth => "grew by",
        CounterFigure::During => "reached",
        CounterFigure::After => "ended at",
    }
}

fn name(promise: &CounterPromise) -> String {
    let labels: Vec<String> = promise.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
    format!("`{}{labels}` of `{}`", promise.metric, promise.part)
}
