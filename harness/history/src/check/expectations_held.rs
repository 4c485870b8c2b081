//! expectations-held: everything that a scenario expected was seen. One that could not be evaluated is open, not held; none at all proves nothing.

use super::{Check, Criteria, Judging, Kind, counted};
use crate::finding::{Evidence, Finding};
use crate::history::History;
use crate::verdict::Verdict;

pub(super) const CHECK: Check = Check {
    name: "expectations-held",
    about: "everything that the scenario expected was seen",
    kind: Kind::Asked,
    run,
};

fn run(_history: &History, criteria: &Criteria) -> Option<Finding> {
    let expectations = criteria.expectations.as_ref()?;
    let mut judging = Judging::new(CHECK.name);
    for expectation in expectations {
        let told = || Evidence {
            what: format!("{}: {}", expectation.expected, expectation.seen),
            ops: expectation.ops.clone(),
        };
        match expectation.verdict {
            Verdict::Pass => judging.judged += 1,
            Verdict::Fail => {
                judging.judged += 1;
                judging.broken(told);
            }
            Verdict::Unknown => judging.doubt(told()),
        }
    }
    let mut summary = match judging.judged + judging.open {
        0 => "nothing was expected, so nothing is known".to_owned(),
        all => format!("{}, {} held", counted(all, "expectation", "expectations"), judging.judged - judging.violations),
    };
    if let Some(first) = expectations.iter().find(|expectation| expectation.verdict == Verdict::Fail) {
        let which = if judging.violations > 1 { "the first: " } else { "" };
        summary.push_str(&format!(", {} not: {which}{}", judging.violations, first.expected));
    }
    if judging.open > 0 {
        summary.push_str(&format!("; {} could not be evaluated", judging.open));
    }
    Some(judging.finding(summary))
}
