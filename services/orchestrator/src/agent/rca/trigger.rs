//! What set an incident off: what the text says, else the last change before the first symptom, else nothing.

use super::cues;
use super::facts::{Fact, Facts};
use super::report::{Mark, Trigger, TriggerBasis};
use super::response::Milestones;
use crate::agent::Evidence;
use crate::agent::lexicon::{Cues, expression};
use regex::Regex;
use std::sync::LazyLock;

/// How long before the first symptom a change is still suspected, in minutes.
const SUSPECT_MINUTES: i64 = 24 * 60;

static VERSION: LazyLock<Regex> = LazyLock::new(|| expression(r"\bv?\d+\.\d+(?:\.\d+)?\b|\b[0-9a-f]{7,40}\b"));
/// Words that name the one cause, the plainest first; [`WEAK`] ones join any cause to any effect.
static ORDER: LazyLock<[Cues; 3]> = LazyLock::new(|| {
    [
        Cues::new(r"trigger(?:ed)? (?:by|was|:)|trigger\s?:|ausgelöst durch|set off by"),
        Cues::new(r"root cause|ursache|causa raíz|la causa|cause\s?:|the reason was|grund war"),
        Cues::new(r"caused by|turned out|traced (?:it )?(?:back )?to"),
    ]
});
static WEAK: LazyLock<Cues> = LazyLock::new(|| {
    Cues::new(r"because|due to|as a result of|led to|which caused|wegen|weil\b|debido a|porque|parce que|à cause")
});

/// Finds it.
pub(super) fn trigger(facts: &Facts, milestones: &Milestones<'_>) -> Trigger {
    let says = |cues: &Cues| facts.told(|fact| cues.hold(&fact.text) && !cues::TO_DO.occur(&fact.text)).next();
    if let Some(fact) = ORDER.iter().find_map(says) {
        return stated(fact, vec![fact.evidence()]);
    }
    if let Some(fact) = suspect(facts, milestones) {
        let names_it = |cause: &Fact| {
            WEAK.hold(&cause.text) && VERSION.find_iter(&fact.text).any(|version| cause.text.contains(version.as_str()))
        };
        if let Some(cause) = facts.told(names_it).next() {
            return stated(fact, vec![fact.evidence(), cause.evidence()]);
        }
        return Trigger {
            statement: format!("Suspected, not proven: the last change before the first symptom, {}", fact.text),
            basis: TriggerBasis::LastChange,
            evidence: vec![fact.evidence()],
        };
    }
    let first = milestones.started.or(milestones.detected);
    if let Some(fact) = first.filter(|first| cues::OUTSIDE.hold(&first.text)) {
        return Trigger {
            statement: format!("Suspected, not proven: the first event of the text lies outside, {}", fact.text),
            basis: TriggerBasis::Outside,
            evidence: vec![fact.evidence()],
        };
    }
    if let Some(fact) = says(&WEAK) {
        return stated(fact, vec![fact.evidence()]);
    }
    Trigger {
        statement: "Unknown: the text names no cause and no change before the first symptom".to_owned(),
        basis: TriggerBasis::Unknown,
        evidence: first.map(Fact::evidence).into_iter().collect(),
    }
}

fn stated(fact: &Fact, evidence: Vec<Evidence>) -> Trigger {
    Trigger { statement: fact.text.clone(), basis: TriggerBasis::Stated, evidence }
}

fn suspect<'a>(facts: &'a Facts, milestones: &Milestones<'_>) -> Option<&'a Fact> {
    let first = milestones.started.or(milestones.detected).and_then(|fact| fact.moment);
    let changes = || {
        facts.told(|fact| fact.mark == Mark::Change && !cues::TO_DO.occur(&fact.text) && !cues::WELL.hold(&fact.text))
    };
    let before = changes()
        .filter(|fact| {
            let since = fact.moment.zip(first).map(|(change, first)| first.minutes_since(change));
            since.is_some_and(|minutes| (0..=SUSPECT_MINUTES).contains(&minutes))
        })
        .max_by_key(|fact| fact.moment);
    before.or_else(|| changes().find(|fact| fact.moment.is_none()))
}
