//! retry-amplification: a call of a client becomes no more requests between parts than the experiment allows, so that retries do not keep
//! down what is trying to come back.

use super::{Check, Criteria, Judging, Kind, of_experiment};
use crate::experiment::{Experiment, Promises};
use crate::finding::{Evidence, Finding};
use crate::history::History;

pub(super) const CHECK: Check = Check {
    name: "retry-amplification",
    about: "calls become no more requests between parts than allowed",
    kind: Kind::Asked,
    run,
};

fn run(history: &History, criteria: &Criteria) -> Option<Finding> {
    of_experiment(CHECK.name, history, criteria, |experiment, promises, judging| {
        (!experiment.ways.is_empty()).then(|| judge(experiment, promises, judging))
    })
}

fn judge(experiment: &Experiment, promises: &Promises, mut judging: Judging) -> Finding {
    let most = promises.most_amplification;
    let mut told = Vec::new();
    for way in &experiment.ways {
        let name = way.name();
        if way.calls == 0 {
            told.push(format!("no call needed `{name}`"));
            judging.doubt(Evidence::of(format!("no call needed `{name}`"), &[]));
            continue;
        }
        judging.judged += way.calls;
        let each = way.requests as f64 / way.calls as f64;
        told.push(format!("`{name}`: {} requests for {} calls ({each:.2} each)", way.requests, way.calls));
        if each > most {
            judging.violation(
                || format!("`{name}` saw {each:.2} requests for each call, at most {most} are allowed"),
                &[],
            );
        }
    }
    judging.finding(format!("{}; at most {most} each", told.join("; ")))
}
