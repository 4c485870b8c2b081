//! steady-state: before the fault the stack did what it should under the planned load. Where it did not, nothing that was seen during the
//! fault can be laid at its door, so that the experiment proves nothing; it is never a failure.

use super::{Check, Criteria, Judging, Kind, of_experiment};
use crate::experiment::{Experiment, Promises};
use crate::figure::Figure;
use crate::finding::{Evidence, Finding};
use crate::history::History;
use crate::op::Outcome;
use crate::threshold::percent;

pub(super) const CHECK: Check = Check {
    name: "steady-state",
    about: "before the fault the planned load was made and the stack bore it",
    kind: Kind::Asked,
    run,
};

fn run(history: &History, criteria: &Criteria) -> Option<Finding> {
    of_experiment(CHECK.name, history, criteria, |experiment, promises, judging| {
        Some(judge(history, experiment, promises, judging))
    })
}

fn judge(history: &History, experiment: &Experiment, promises: &Promises, mut judging: Judging) -> Finding {
    let Some(steady) = experiment.steady else { return judging.unknown("there was no load before the fault") };
    let (mut made, mut ok) = (0u64, 0u64);
    for (_, op) in history.load_in(steady) {
        made += 1;
        ok += u64::from(op.outcome == Outcome::Ok);
    }
    judging.judged = made;
    let planned = promises.rate_per_second * steady.length_us() as f64 / 1e6;
    let share = if planned > 0.0 { ok as f64 / planned } else { 0.0 };
    let mut told = vec![format!(
        "before the fault {planned:.0} calls were planned, {made} made and {ok} ok ({}, at least {} are needed)",
        percent(share),
        percent(promises.least_baseline)
    )];
    if planned <= 0.0 || share < promises.least_baseline {
        judging.doubt(Evidence::of("the load before the fault was not what was planned", &[]));
    }
    for threshold in &promises.steady {
        match Figure::of(threshold, history.calls_in(steady)) {
            None => {
                judging.doubt(Evidence::of(format!("{threshold}: no such call before the fault"), &[]));
            }
            Some(figure) => {
                told.push(figure.told);
                if let Some(broken) = figure.broken {
                    judging.doubt(broken);
                }
            }
        }
    }
    judging.finding(told.join("; "))
}
