//! no-secret-in-logs: no line of a log holds a key, a token or the content of a memory, also not one that tells of a failure.

use super::{Check, Criteria, Judging, Kind, counted, of_experiment};
use crate::experiment::Experiment;
use crate::finding::Finding;
use crate::history::History;

pub(super) const CHECK: Check = Check {
    name: "no-secret-in-logs",
    about: "no line of a log holds what must never be there",
    kind: Kind::Asked,
    run,
};

fn run(history: &History, criteria: &Criteria) -> Option<Finding> {
    of_experiment(CHECK.name, history, criteria, |experiment, _, judging| {
        (!experiment.logs_elsewhere).then(|| judge(experiment, judging))
    })
}

fn judge(experiment: &Experiment, mut judging: Judging) -> Finding {
    judging.judged = experiment.log_lines;
    for seen in &experiment.secrets {
        judging.violation(|| format!("`{}` line {} holds a {}", seen.log, seen.line, seen.what), &[]);
    }
    let lines = counted(judging.judged, "line", "lines");
    let found = judging.violations;
    judging.finding(format!("{lines} of logs searched, {found} with something that must never be there"))
}
