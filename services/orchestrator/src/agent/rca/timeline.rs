//! The timeline: facts in the order of time. If there are too many, the least important ones are omitted.

use super::facts::{Fact, Facts};
use super::milestones::Milestones;
use super::report::{Mark, Timeline, TimelineEntry};
use crate::agent::timestamp::Timestamp;
use std::cmp::Reverse;

const MAX_ENTRIES: usize = 60;
/// Most events without a time.
const MAX_UNPLACED: usize = 15;
/// With fewer entries than this, symptoms without a time are listed too.
const FEW_ENTRIES: usize = 4;
/// A gap of this length during the impact is named.
const LONG_GAP_MINUTES: i64 = 15;

pub(super) fn timeline(facts: &Facts, milestones: &Milestones<'_>) -> Timeline {
    let mut timed: Vec<(Timestamp, &Fact)> =
        facts.all.iter().filter_map(|fact| Some((fact.timestamp?, fact))).collect();
    timed.sort_by_key(|(timestamp, fact)| (timestamp.at, fact.line));
    let left_out = omit_least_important(&mut timed, milestones);
    let one_day = timed.windows(2).all(|pair| pair[0].0.at.date() == pair[1].0.at.date());
    let seconds = timed.iter().any(|(timestamp, _)| timestamp.at.second() != 0);
    let start = milestones.started.and_then(|fact| fact.timestamp);
    let end = milestones.resolved.and_then(|fact| fact.timestamp);
    let mut entries: Vec<TimelineEntry> = Vec::with_capacity(timed.len());
    let mut before: Option<Timestamp> = None;
    for (timestamp, fact) in timed {
        let in_impact = start.is_some_and(|start| timestamp > start) && end.is_none_or(|end| timestamp <= end);
        let gap = before.map(|before| timestamp.minutes_since(before));
        entries.push(TimelineEntry {
            at: time_text(timestamp, one_day, seconds),
            minutes: start.map(|start| timestamp.minutes_since(start)),
            mark: fact.mark,
            line: fact.line,
            text: fact.text.clone(),
            occurrences: fact.occurrences,
            silence_minutes: gap.filter(|minutes| *minutes >= LONG_GAP_MINUTES && in_impact),
        });
        before = Some(timestamp);
    }
    let few = entries.len() < FEW_ENTRIES;
    let is_event = |mark| !matches!(mark, Mark::Note | Mark::Response) && (few || mark != Mark::Symptom);
    let unplaced = facts.reports().filter(|fact| fact.timestamp.is_none() && is_event(fact.mark));
    Timeline { entries, left_out, unplaced: unplaced.take(MAX_UNPLACED).map(Fact::evidence).collect() }
}

/// Returns the time of an entry; it has the day if the timeline has several.
pub(super) fn time_text(timestamp: Timestamp, one_day: bool, seconds: bool) -> String {
    let time = timestamp.at.strftime(if seconds { "%H:%M:%S" } else { "%H:%M" });
    if one_day || !timestamp.dated { time.to_string() } else { format!("{} {time}", timestamp.at.date()) }
}

/// Keeps the milestones and the most important kinds of events, the earliest among equals.
fn omit_least_important(timed: &mut Vec<(Timestamp, &Fact)>, milestones: &Milestones<'_>) -> usize {
    let is_milestone = |fact: &Fact| milestones.all().any(|milestone| std::ptr::eq(milestone, fact));
    let importance = |fact: &Fact| match fact.mark {
        _ if is_milestone(fact) => 8,
        Mark::Resolved => 7,
        Mark::Mitigated => 6,
        Mark::Attempt => 5,
        Mark::Detected => 4,
        Mark::Change => 3,
        Mark::Response => 2,
        Mark::Symptom => 1,
        Mark::Note => 0,
    };
    let mut order: Vec<usize> = (0..timed.len()).collect();
    order.sort_by_key(|&index| (Reverse(importance(timed[index].1)), index));
    let omitted = order.split_off(order.len().min(MAX_ENTRIES));
    let mut index = 0..;
    timed.retain(|_| index.next().is_some_and(|index| !omitted.contains(&index)));
    omitted.len()
}
