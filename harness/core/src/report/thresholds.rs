//! The result of each threshold. A check judges all thresholds of its kind together, but tables and test viewers need a
//! result for each.

use super::figures::ThresholdFigures;
use crate::judge::{Recorded, criteria};
use harness_history::{Criteria, Finding, Metric, Promises, Threshold, check};

/// When a threshold must hold.
#[derive(Clone, Copy)]
enum When {
    Measured,
    During,
    After,
}

impl When {
    const fn word(self) -> &'static str {
        match self {
            Self::Measured => "measured",
            Self::During => "during the fault",
            Self::After => "after the fault",
        }
    }
}

/// Returns the result of every threshold of the run.
pub(super) fn judged(recorded: &Recorded) -> Vec<ThresholdFigures> {
    let criteria = criteria(recorded);
    let promised = |pick: fn(&Promises) -> &Vec<Threshold>| criteria.experiment.as_ref().map(pick).cloned();
    let of = |when: When, thresholds: &[Threshold]| {
        thresholds.iter().map(|threshold| (when, threshold.clone())).collect::<Vec<_>>()
    };
    let all = [
        of(When::Measured, &criteria.thresholds),
        of(When::During, &promised(|promises| &promises.during).unwrap_or_default()),
        of(When::After, &promised(|promises| &promises.after).unwrap_or_default()),
    ];
    all.into_iter().flatten().map(|(when, threshold)| one(recorded, &criteria, when, threshold)).collect()
}

fn one(recorded: &Recorded, criteria: &Criteria, when: When, threshold: Threshold) -> ThresholdFigures {
    let name = match (when, threshold.metric) {
        (When::Measured, Metric::ErrorRate) => "error-rate",
        (When::Measured, Metric::LatencyPercentile(_)) => "latency",
        (When::During, _) => "holds-during",
        (When::After, _) => "holds-after",
    };
    let text = threshold.to_string();
    // The check runs again with this threshold alone, because its finding on all thresholds has one verdict.
    let mut alone = Criteria { thresholds: Vec::new(), ..criteria.clone() };
    match (when, &mut alone.experiment) {
        (When::Measured, _) => alone.thresholds = vec![threshold],
        (When::During, Some(promises)) => promises.during = vec![threshold],
        (When::After, Some(promises)) => promises.after = vec![threshold],
        (When::During | When::After, None) => {}
    }
    let check = check::ALL.iter().find(|check| check.name == name);
    let finding = check.and_then(|check| check.run(&recorded.history, &alone));
    figures(text, when, finding)
}

fn figures(threshold: String, when: When, finding: Option<Finding>) -> ThresholdFigures {
    let (verdict, summary) = finding.map_or_else(
        || ("unknown".to_owned(), "no check decided it".to_owned()),
        |finding| (finding.verdict.name().to_owned(), finding.summary),
    );
    ThresholdFigures { threshold, when: when.word().to_owned(), verdict, summary }
}
