//! Finds who was affected, for how long, and the numbers in the text. Only the duration is computed; the rest is quoted.

use super::facts::{Fact, Facts, is_symptom};
use super::milestones::Milestones;
use super::report::{Impact, Mark};
use super::timeline::time_text;
use crate::agent::figures::{figures, stands_alone};
use crate::agent::lexicon::{Cues, LEXICON, clauses};

const MAX_SCOPE: usize = 5;
const MAX_NUMBERS: usize = 12;

pub(super) fn impact(facts: &Facts, milestones: &Milestones<'_>) -> Impact {
    let time = |fact: Option<&Fact>| {
        let timestamp = fact?.timestamp?;
        let date = if timestamp.dated { format!("{} ", timestamp.at.date()) } else { String::new() };
        Some(format!("{date}{}", time_text(timestamp, true, false)))
    };
    let (duration_minutes, duration_basis) = duration(facts, milestones);
    let reports: Vec<_> = facts.reports().map(Fact::evidence).collect();
    Impact {
        started: time(milestones.started),
        started_at_latest: milestones.started_at_latest,
        ended: time(milestones.resolved),
        duration_minutes,
        duration_basis,
        scope: facts.reports().filter(|fact| names_affected(fact)).take(MAX_SCOPE).map(Fact::evidence).collect(),
        numbers: figures(&reports, MAX_NUMBERS),
    }
}

/// Alerts quote thresholds and changes name regions; neither says who was affected.
fn names_affected(fact: &Fact) -> bool {
    let rules = &LEXICON.incident;
    let by_alert = fact.mark == Mark::Detected && rules.by_alert.hold(&fact.text);
    let is_none = |clause: &str| rules.affected.numbers(clause).is_some_and(|numbers| numbers.first() == Some(&0.0));
    let is_affected = |clause: &str| {
        !is_none(clause)
            && rules.affected.affirmed(clause).any(|cue| stands_alone(clause, &cue))
            && !rules.health.hold(clause)
    };
    fact.mark != Mark::Change && !by_alert && clauses(&fact.text).any(is_affected)
}

/// Returns the duration from the beginning to the end, with its basis. If the beginning is only the first alert, a duration that the text states
/// is preferred.
fn duration(facts: &Facts, milestones: &Milestones<'_>) -> (Option<i64>, String) {
    let computed = computed(milestones);
    let duration =
        if milestones.started_at_latest { stated(facts).or(computed) } else { computed.or_else(|| stated(facts)) };
    let unknown = || (None, "the text names no beginning and end".to_owned());
    duration.map_or_else(unknown, |(minutes, basis)| (Some(minutes), basis))
}

fn computed(milestones: &Milestones<'_>) -> Option<(i64, String)> {
    let (start, end) = milestones.started.zip(milestones.resolved)?;
    let minutes = end.timestamp?.minutes_since(start.timestamp?);
    let from = if milestones.started_at_latest { "at least, from the first alert in" } else { "from" };
    Some((minutes, format!("{from} line {} to line {}", start.line, end.line)))
}

fn stated(facts: &Facts) -> Option<(i64, String)> {
    facts.reports().find_map(|fact| {
        let minutes = clauses(&fact.text).filter(|clause| is_symptom(clause)).find_map(lasted)?;
        Some((minutes, format!("as line {} says", fact.line)))
    })
}

fn lasted(clause: &str) -> Option<i64> {
    let rules = &LEXICON.incident;
    let number = |cues: &Cues| cues.numbers(clause)?.first().copied();
    let hours = number(&rules.lasted_hours).filter(|_| !rules.minutes.occur(clause)).map(|hours| hours * 60.0);
    number(&rules.lasted_minutes).or(hours).map(|minutes| minutes as i64)
}
