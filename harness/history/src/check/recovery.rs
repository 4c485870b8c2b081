//! recovery: once the fault is gone, the stack is back in its steady state by itself within the promised time. A load that ended before that
//! time was over, or that hardly called, leaves it open; so does one that was only slow while others crowded the machine.

use super::{Check, Criteria, Judging, Kind, of_experiment};
use crate::experiment::{Experiment, Promises, Span};
use crate::finding::{Evidence, Finding};
use crate::history::History;
use crate::recovery::{Baseline, LEAST_CALLS, WINDOW_US, WINDOWS_IN_A_ROW, recovery};
use crate::threshold::millis;

pub(super) const CHECK: Check = Check {
    name: "recovery",
    about: "the stack is steady again within the promised time after the fault is gone",
    kind: Kind::Asked,
    run,
};

/// Most operations that show that it is not steady.
const MOST_SHOWN: usize = 3;

fn run(history: &History, criteria: &Criteria) -> Option<Finding> {
    of_experiment(CHECK.name, history, criteria, |experiment, promises, judging| {
        Some(judge(history, experiment, promises, judging))
    })
}

fn judge(history: &History, experiment: &Experiment, promises: &Promises, mut judging: Judging) -> Finding {
    let Some(afterwards) = experiment.afterwards() else {
        return judging.unknown("there was no load after every fault was gone");
    };
    let Some(baseline) = experiment.steady.and_then(|steady| Baseline::of(history, steady)) else {
        return judging.unknown("too few calls ended well before the fault to know what steady is");
    };
    judging.judged = history.load_in(afterwards).count() as u64;
    if judging.judged < LEAST_CALLS {
        return judging.unknown("too few calls were made after the fault to know whether it is steady again");
    }
    let found = recovery(history, experiment);
    let allowed = millis(promises.recovery_us as f64);
    let told = |name: &str, figure: Option<u64>| match figure {
        Some(figure) => format!("{name} after {}", millis(figure as f64)),
        None => format!("{name} at no time"),
    };
    let watched_us = promises.recovery_us.saturating_add(WINDOWS_IN_A_ROW * WINDOW_US);
    match found.steady_us {
        Some(steady_us) if steady_us <= promises.recovery_us => {}
        None if afterwards.length_us() < watched_us => judging.open += 1,
        _ if found.steady_but_crowded_us.is_some_and(|steady_us| steady_us <= promises.recovery_us) => {
            judging.doubt(Evidence::of("it was slow while others crowded the machine, and nothing else", &[]));
        }
        late => {
            let shown = unsteady(history, &baseline, afterwards, promises.recovery_us);
            judging.violation(|| format!("{}, {allowed} are allowed", told("it was steady", late)), &shown);
        }
    }
    let mut summary = [
        found.detect_us.map_or_else(
            || "no caller was told of the fault".to_owned(),
            |us| told("a caller was told of the fault", Some(us)),
        ),
        told("a call after the fault ended well", found.first_success_us),
        told("the stack was steady", found.steady_us),
    ]
    .join(", ");
    summary.push_str(&format!("; {allowed} are allowed"));
    if found.steady_us.is_none() && found.steady_but_crowded_us.is_some() {
        summary.push_str(", and others crowded the machine meanwhile");
    } else if judging.open > 0 {
        summary.push_str(&format!(", and the load ended after {}", millis(afterwards.length_us() as f64)));
    }
    judging.finding(summary)
}

/// The first calls after the promised time that are not as they were before the fault.
fn unsteady(history: &History, baseline: &Baseline, afterwards: Span, recovery_us: u64) -> Vec<u32> {
    let late = Span { from_us: afterwards.from_us.saturating_add(recovery_us), ..afterwards };
    let unlike = history.load_in(late).filter(|(_, op)| !baseline.allows(op));
    unlike.map(|(at, _)| at).take(MOST_SHOWN).collect()
}
