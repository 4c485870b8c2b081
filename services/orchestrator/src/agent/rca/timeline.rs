//! The timeline: facts with a time in the order of time, silences named, repetition folded, the telling ones kept where there
//! are too many.

use super::cues;
use super::facts::{Fact, Facts};
use super::report::{Mark, Timeline, TimelineEntry};
use super::response::Milestones;
use crate::agent::moment::Moment;

/// Most entries.
const MAX_ENTRIES: usize = 60;
/// Most statements without a time that are listed.
const MAX_UNPLACED: usize = 15;
/// Entries below which symptoms without a time are listed as well.
const FEW_ENTRIES: usize = 4;
/// Minutes without a record, during the impact, that are worth saying.
const SILENCE_MINUTES: i64 = 15;

/// Writes it.
pub(super) fn timeline(facts: &Facts, milestones: &Milestones<'_>) -> Timeline {
    let mut timed: Vec<(Moment, &Fact)> = facts.all.iter().filter_map(|fact| Some((fact.moment?, fact))).collect();
    timed.sort_by_key(|(moment, fact)| (moment.at, fact.line));
    let total = timed.len();
    thin(&mut timed, milestones);
    let one_day = timed.windows(2).all(|pair| pair[0].0.at.date() == pair[1].0.at.date());
    let seconds = timed.iter().any(|(moment, _)| moment.at.second() != 0);
    let start = milestones.started.and_then(|fact| fact.moment);
    let end = milestones.resolved.and_then(|fact| fact.moment);
    let mut entries: Vec<TimelineEntry> = Vec::with_capacity(timed.len());
    let mut before: Option<Moment> = None;
    for (moment, fact) in timed {
        let silence = before.map(|before| moment.minutes_since(before)).filter(|minutes| {
            *minutes >= SILENCE_MINUTES
                && start.is_some_and(|start| moment > start)
                && end.is_none_or(|end| moment <= end)
        });
        entries.push(TimelineEntry {
            at: shown(moment, one_day, seconds),
            minutes: start.map(|start| moment.minutes_since(start)),
            mark: fact.mark,
            line: fact.line,
            text: fact.text.clone(),
            occurrences: fact.occurrences,
            silence_minutes: silence,
        });
        before = Some(moment);
    }
    let few = entries.len() < FEW_ENTRIES;
    let telling = facts.told(|fact| {
        let event = !matches!(fact.mark, Mark::Note | Mark::Response) && (few || fact.mark != Mark::Symptom);
        fact.moment.is_none() && event && !cues::TO_DO.occur(&fact.text) && !cues::WELL.hold(&fact.text)
    });
    Timeline {
        left_out: total - entries.len(),
        entries,
        unplaced: telling.take(MAX_UNPLACED).map(Fact::evidence).collect(),
    }
}

/// The time as the timeline shows it: the day only where there are several.
pub(super) fn shown(moment: Moment, one_day: bool, seconds: bool) -> String {
    let time = moment.at.time();
    let time = if seconds { time.strftime("%H:%M:%S").to_string() } else { time.strftime("%H:%M").to_string() };
    if one_day || !moment.dated { time } else { format!("{} {time}", moment.at.date()) }
}

/// Drops what tells least until the rest fits, the latest first; milestones stay.
fn thin(timed: &mut Vec<(Moment, &Fact)>, milestones: &Milestones<'_>) {
    let kept = [milestones.started, milestones.detected, milestones.mitigated, milestones.resolved];
    let is_kept = |fact: &Fact| kept.into_iter().flatten().any(|milestone| std::ptr::eq(milestone, fact));
    for dropped in [
        Mark::Note,
        Mark::Symptom,
        Mark::Response,
        Mark::Change,
        Mark::Detected,
        Mark::Attempt,
        Mark::Mitigated,
        Mark::Resolved,
    ] {
        for index in (0..timed.len()).rev() {
            if timed.len() <= MAX_ENTRIES {
                return;
            }
            let fact = timed[index].1;
            if fact.mark == dropped && !is_kept(fact) {
                timed.remove(index);
            }
        }
    }
}
