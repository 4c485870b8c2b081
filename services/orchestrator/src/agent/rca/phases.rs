//! Finds when an incident began, was noticed and ended, and who was affected, and builds the timeline. A duration is computed only from two times in
//! the text; otherwise it is the one that the text states.

use super::facts::{Fact, Facts, is_symptom};
use super::report::{Impact, Mark, Timeline, TimelineEntry};
use crate::agent::lexicon::{Cues, LEXICON, clauses};
use crate::agent::timestamp::Timestamp;
use std::ops::Range;

const MAX_ENTRIES: usize = 60;
/// Maximum number of events without a time.
const MAX_UNPLACED: usize = 15;
const MAX_SCOPE: usize = 5;

/// The facts that bound the phases of an incident.
#[derive(Debug)]
pub(super) struct Phases<'a> {
    pub(super) started: Option<&'a Fact>,
    /// True if `started` is the first alert, because no symptom is known before it.
    started_at_latest: bool,
    pub(super) detected: Option<&'a Fact>,
    pub(super) resolved: Option<&'a Fact>,
}

impl<'a> Phases<'a> {
    pub(super) fn find(facts: &'a Facts) -> Self {
        let rules = &LEXICON.incident;
        let mut timed: Vec<&Fact> = facts.all.iter().filter(|fact| fact.timestamp.is_some()).collect();
        timed.sort_by_key(|fact| fact.timestamp);
        let noticed = timed.iter().find(|fact| fact.mark == Mark::Detected).copied();
        let is_onset = |fact: &Fact| {
            let is_early = matches!(fact.mark, Mark::Detected | Mark::Note) && fact.is_report();
            fact.mark == Mark::Symptom || (is_early && rules.onset.hold(&fact.text))
        };
        let onset = timed.iter().find(|fact| is_onset(fact)).copied();
        let known = onset.filter(|start| noticed.is_none_or(|noticed| start.timestamp <= noticed.timestamp));
        // An alert fires after the failure that it reports; a person may notice something else.
        let started = known.or(noticed.filter(|noticed| rules.by_alert.hold(&noticed.text)));
        let since = started.or(noticed).and_then(|fact| fact.timestamp);
        let mut after = timed.iter().filter(|fact| fact.timestamp >= since);
        let detected = after.clone().find(|fact| fact.mark == Mark::Detected).copied();
        let resolved = after.rfind(|fact| fact.mark == Mark::Resolved).copied();
        Self { started, started_at_latest: known.is_none() && started.is_some(), detected, resolved }
    }

    pub(super) fn impact(&self, facts: &Facts) -> Impact {
        let time = |fact: Option<&Fact>| {
            let timestamp = fact?.timestamp?;
            let date = if timestamp.dated { format!("{} ", timestamp.at.date()) } else { String::new() };
            Some(format!("{date}{}", time_text(timestamp, true, false)))
        };
        let between = |start: &Fact, end: &Fact| Some(end.timestamp?.minutes_since(start.timestamp?));
        let from = if self.started_at_latest { "at least, from the first alert in" } else { "from" };
        let computed = self.started.zip(self.resolved).and_then(|(start, end)| {
            Some((between(start, end)?, format!("{from} line {} to line {}", start.line, end.line)))
        });
        let stated = stated_duration(facts);
        // If the beginning is only the first alert, a duration that the text states is more accurate than a computed one.
        let duration = if self.started_at_latest { stated.or(computed) } else { computed.or(stated) };
        let (minutes, basis) = duration.unzip();
        let noticed = self.started.zip(self.detected).filter(|(start, noticed)| !std::ptr::eq(*start, *noticed));
        let by = self.detected.or_else(|| facts.reports().find(|fact| fact.mark == Mark::Detected));
        let mut scope: Vec<_> = facts.reports().filter(|fact| names_affected(fact)).map(Fact::evidence).collect();
        // A statement with two times is two facts with the same evidence.
        scope.dedup();
        scope.truncate(MAX_SCOPE);
        Impact {
            started: time(self.started),
            started_at_latest: self.started_at_latest,
            ended: time(self.resolved),
            duration_minutes: minutes,
            duration_basis: basis.unwrap_or_else(|| "the text names no beginning and end".to_owned()),
            noticed_after_minutes: noticed.and_then(|(start, noticed)| between(start, noticed)),
            noticed_by: by.map(|fact| detector(&fact.text).to_owned()),
            scope,
        }
    }

    pub(super) fn timeline(&self, facts: &Facts) -> Timeline {
        let mut timed: Vec<(Timestamp, &Fact)> =
            facts.all.iter().filter_map(|fact| Some((fact.timestamp?, fact))).collect();
        let left_out = timed.len().saturating_sub(MAX_ENTRIES);
        // `Mark` is ordered by importance, so the least important entries are cut off.
        timed.sort_by_key(|(timestamp, fact)| (fact.mark, timestamp.at));
        timed.truncate(MAX_ENTRIES);
        timed.sort_by_key(|(timestamp, fact)| (timestamp.at, fact.line));
        let one_day = timed.windows(2).all(|pair| pair[0].0.at.date() == pair[1].0.at.date());
        let seconds = timed.iter().any(|(timestamp, _)| timestamp.at.second() != 0);
        let start = self.started.and_then(|fact| fact.timestamp);
        let entry = |(timestamp, fact): &(Timestamp, &Fact)| TimelineEntry {
            at: time_text(*timestamp, one_day, seconds),
            minutes: start.map(|start| timestamp.minutes_since(start)),
            mark: fact.mark,
            line: fact.line,
            text: fact.text.clone(),
            occurrences: fact.occurrences,
        };
        let is_event = |mark| mark < Mark::Response || (mark == Mark::Symptom && timed.is_empty());
        let unplaced = facts.reports().filter(|fact| fact.timestamp.is_none() && is_event(fact.mark));
        let unplaced = unplaced.take(MAX_UNPLACED).map(Fact::evidence).collect();
        Timeline { entries: timed.iter().map(entry).collect(), left_out, unplaced }
    }
}

/// Returns the time of an entry. It includes the date if the timeline has several days.
fn time_text(timestamp: Timestamp, one_day: bool, seconds: bool) -> String {
    let time = timestamp.at.strftime(if seconds { "%H:%M:%S" } else { "%H:%M" });
    if one_day || !timestamp.dated { time.to_string() } else { format!("{} {time}", timestamp.at.date()) }
}

fn detector(text: &str) -> &'static str {
    let rules = &LEXICON.incident;
    if rules.by_alert.hold(text) {
        "alert"
    } else if rules.by_customer.hold(text) {
        "customer"
    } else {
        "person"
    }
}

/// Returns true if a fact says who was affected. Alerts quote thresholds and changes name regions; neither says it.
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

/// Returns false if the number is a part of a time, a name or an address, such as `2 orders` in `web-2 orders-worker`.
fn stands_alone(text: &str, range: &Range<usize>) -> bool {
    let is_joint = |before: char| before.is_alphanumeric() || ":-/._#=".contains(before);
    !text[..range.start].ends_with(is_joint) && !text[range.end..].starts_with(['-', '_', '='])
}

fn stated_duration(facts: &Facts) -> Option<(i64, String)> {
    let rules = &LEXICON.incident;
    let lasted = |clause: &str| {
        let number = |cues: &Cues| cues.numbers(clause)?.first().copied();
        let hours = number(&rules.lasted_hours).filter(|_| !rules.minutes.occur(clause)).map(|hours| hours * 60.0);
        number(&rules.lasted_minutes).or(hours).map(|minutes| minutes as i64)
    };
    facts.reports().find_map(|fact| {
        let minutes = clauses(&fact.text).filter(|clause| is_symptom(clause)).find_map(lasted)?;
        Some((minutes, format!("as line {} says", fact.line)))
    })
}
