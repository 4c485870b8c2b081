//! holds-after: what was promised for the time after the fault holds of the calls that were sent once the stack was steady again. How long
//! that took is the business of `recovery`.

use super::{Check, Criteria, Kind, of_experiment};
use crate::experiment::Span;
use crate::finding::Finding;
use crate::history::History;
use crate::recovery::recovery;

pub(super) const CHECK: Check = Check {
    name: "holds-after",
    about: "the thresholds for the time after the fault hold once the stack is steady again",
    kind: Kind::Asked,
    run,
};

fn run(history: &History, criteria: &Criteria) -> Option<Finding> {
    of_experiment(CHECK.name, history, criteria, |experiment, promises, mut judging| {
        if promises.after.is_empty() {
            return None;
        }
        let steady_us = recovery(history, experiment).steady_us;
        let Some((afterwards, steady_us)) = experiment.afterwards().zip(steady_us) else {
            return Some(judging.unknown("it was never seen to be steady again"));
        };
        let steady = Span { from_us: afterwards.from_us + steady_us, ..afterwards };
        let asked = promises.after.iter();
        let told: Vec<String> = asked.map(|threshold| judging.hold(threshold, history.calls_in(steady))).collect();
        Some(judging.finding(told.join("; ")))
    })
}
