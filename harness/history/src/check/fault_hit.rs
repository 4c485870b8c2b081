//! fault-hit: every fault is proven to have met the load. A fault that met nothing, or of which nothing is known, proves nothing.

use super::{Check, Criteria, Judging, Kind, counted, of_experiment};
use crate::experiment::{Experiment, Fault, Promises, Way};
use crate::finding::{Evidence, Finding};
use crate::history::History;

pub(super) const CHECK: Check =
    Check { name: "fault-hit", about: "every fault was injected and met the load", kind: Kind::Asked, run };

fn run(history: &History, criteria: &Criteria) -> Option<Finding> {
    of_experiment(CHECK.name, history, criteria, |experiment, promises, judging| {
        Some(judge(experiment, promises, judging))
    })
}

fn judge(experiment: &Experiment, promises: &Promises, mut judging: Judging) -> Finding {
    let mut told = Vec::new();
    if let Some(why) = &experiment.aborted {
        told.push(format!("it ended early: {why}"));
        judging.doubt(Evidence::of(format!("it ended early: {why}"), &[]));
    }
    if experiment.faults.is_empty() {
        told.push("no fault was injected".to_owned());
    }
    for fault in &experiment.faults {
        judging.judged += 1;
        match hits(fault, experiment, promises.least_hits) {
            Ok(hit) => told.push(hit),
            Err(why) => {
                told.push(why.clone());
                judging.doubt(Evidence::of(why, &[]));
            }
        }
    }
    judging.finding(told.join("; "))
}

/// What a fault hit, or why it proves nothing. One that hit nothing never proves anything, however little was asked for.
fn hits(fault: &Fault, experiment: &Experiment, least: u64) -> Result<String, String> {
    let name = &fault.name;
    let by = if fault.counted_by.is_empty() { String::new() } else { format!(", counted by {}", fault.counted_by) };
    match fault.hits {
        Some(hits) if hits >= least.max(1) => Ok(format!("`{name}` hit {}{by}", counted(hits, "request", "requests"))),
        _ if nothing_passed(fault, experiment) => {
            Err(format!("nothing came by `{}` while `{name}` was in place", fault.target))
        }
        Some(hits) => {
            let hits = counted(hits, "request", "requests");
            Err(format!("`{name}` hit {hits}{by}, at least {} are needed", least.max(1)))
        }
        None => Err(format!("nothing could count what `{name}` hit")),
    }
}

/// Tells whether what passed the way, or every way to the part, was counted while the fault was in place and was nothing.
fn nothing_passed(fault: &Fault, experiment: &Experiment) -> bool {
    let until_us = fault.ending_us.or(fault.healed_us).unwrap_or(u64::MAX);
    let is_hit = |way: &&Way| {
        let is_target = way.to == fault.target || way.name() == fault.target;
        is_target && way.span.from_us < until_us && way.span.until_us > fault.active_us
    };
    let mut ways = experiment.ways.iter().filter(is_hit).peekable();
    ways.peek().is_some() && ways.all(|way| way.requests == 0 && way.connects == 0)
}
