//! The sentences of the report that join its parts: the summary, what went well, what is open.

use super::cues;
use super::facts::{Fact, Facts};
use super::report::{Mark, Response, RootCauseReport, Timeline, Trigger, TriggerBasis};
use super::response::Milestones;
use crate::agent::moment::Clock;
use crate::agent::source::{capitalised, cut};

/// Most things that went well.
const MAX_WELL: usize = 6;
/// Most open questions.
const MAX_QUESTIONS: usize = 10;
/// Most questions taken from the text.
const MAX_ASKED: usize = 4;
/// Minutes that count as fast.
const FAST_MINUTES: i64 = 5;
/// Longest quote inside the summary, in characters.
const MAX_QUOTE_CHARS: usize = 140;

/// Minutes for people.
pub(super) fn minutes(minutes: i64) -> String {
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes} min"),
        (hours, 0) => format!("{hours} h"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

/// The incident in a few sentences.
pub(super) fn summary(report: &RootCauseReport, facts: &Facts, milestones: &Milestones<'_>) -> String {
    let mut sentences: Vec<String> = Vec::new();
    let subject = report.basis.subject.as_deref().unwrap_or("A service");
    let at_latest = if report.impact.started_at_latest { " at the latest" } else { "" };
    let started = report.impact.started.as_ref().map(|start| format!("{start}{at_latest}"));
    let when = match (&started, &report.impact.ended, report.impact.duration_minutes) {
        (Some(start), Some(end), Some(lasted)) => {
            format!("{subject} was impaired from {start} to {end} ({})", minutes(lasted))
        }
        (Some(start), _, Some(lasted)) => format!("{subject} was impaired from {start} for {}", minutes(lasted)),
        (Some(start), _, None) => format!("{subject} was impaired from {start}; the text does not say until when"),
        (None, Some(end), None) => format!("{subject} was impaired until {end}; the text does not say since when"),
        (None, _, Some(lasted)) => format!("{subject} was impaired for {}", minutes(lasted)),
        (None, _, None) => format!("{subject} was impaired; the text does not say when"),
    };
    sentences.push(when);
    let symptom =
        milestones.started.or(milestones.detected).or_else(|| facts.told(|fact| fact.mark == Mark::Symptom).next());
    let worst = report
        .impact
        .scope
        .first()
        .map(|scope| (&scope.text, scope.line))
        .or(symptom.map(|fact| (&fact.text, fact.line)));
    if let Some((text, line)) = worst {
        sentences.push(format!("What was seen: “{}” (line {line})", cut(text, MAX_QUOTE_CHARS)));
    }
    sentences.push(match (report.trigger.basis, report.trigger.evidence.first()) {
        (TriggerBasis::Stated, Some(fact)) => {
            format!("The text names the cause: “{}” (line {})", cut(&fact.text, MAX_QUOTE_CHARS), fact.line)
        }
        (TriggerBasis::LastChange, Some(fact)) => {
            format!(
                "The suspected trigger is the last change before it: “{}” (line {})",
                cut(&fact.text, MAX_QUOTE_CHARS),
                fact.line
            )
        }
        (TriggerBasis::Outside, Some(fact)) => {
            format!("The suspected trigger lies outside: “{}” (line {})", cut(&fact.text, MAX_QUOTE_CHARS), fact.line)
        }
        (TriggerBasis::Unknown, _) | (_, None) => "The trigger is not known".to_owned(),
    });
    let mut figures = Vec::new();
    for (word, interval) in [
        ("noticed", &report.response.detect),
        ("acted on", &report.response.act),
        ("mitigated", &report.response.mitigate),
        ("resolved", &report.response.resolve),
    ] {
        figures.extend(interval.minutes.map(|spent| format!("{word} after {}", minutes(spent))));
    }
    if !figures.is_empty() {
        sentences.push(capitalised(&figures.join(", ")));
    }
    let named: Vec<String> =
        report.factors.iter().take(3).map(|factor| factor.category.title().to_lowercase()).collect();
    if !named.is_empty() {
        sentences.push(format!("Main contributing factors: {}", named.join(", ")));
    }
    sentences
        .iter()
        .map(|sentence| if sentence.ends_with(['.', '!']) { sentence.clone() } else { format!("{sentence}.") })
        .collect::<Vec<_>>()
        .join(" ")
}

/// What helped, by figures and by what the text says.
pub(super) fn went_well(facts: &Facts, response: &Response) -> Vec<String> {
    let mut well = Vec::new();
    if let (Some(spent), Some("alert")) = (response.detect.minutes, response.detected_by.as_deref())
        && spent <= FAST_MINUTES
    {
        well.push(format!("An alert noticed it within {} ({})", minutes(spent.max(1)), response.detect.basis));
    }
    if let (Some(noticed), Some(mitigated)) = (response.detect.minutes, response.mitigate.minutes)
        && (0..=3 * FAST_MINUTES).contains(&(mitigated - noticed))
    {
        well.push(format!(
            "It was mitigated {} after it was noticed ({})",
            minutes(mitigated - noticed),
            response.mitigate.basis
        ));
    }
    for fact in facts.told(|fact| cues::WELL.hold(&fact.text) && !matches!(fact.mark, Mark::Attempt)).take(MAX_WELL) {
        let told = fact
            .text
            .split_once(": ")
            .filter(|(label, _)| cues::WELL.hold(label))
            .map_or(fact.text.as_str(), |(_, told)| told);
        well.push(format!("“{told}” (line {})", fact.line));
    }
    well.truncate(MAX_WELL);
    well
}

/// What the text does not tell.
pub(super) fn open_questions(
    facts: &Facts,
    milestones: &Milestones<'_>,
    timeline: &Timeline,
    trigger: &Trigger,
    clock: &Clock,
) -> Vec<String> {
    let mut open: Vec<String> = Vec::new();
    if milestones.started.is_none() || milestones.started_at_latest {
        open.push("When did the impact begin? The first record is not the first failure; look at error rate and latency before it".to_owned());
    }
    if milestones.detected.is_none() {
        open.push("Who or what noticed it first, and when?".to_owned());
    }
    if milestones.resolved.is_none() {
        open.push("When was it over, and how was that checked?".to_owned());
    }
    match trigger.basis {
        TriggerBasis::Stated => {}
        TriggerBasis::LastChange => open.push(
            "Does undoing or repeating the suspected change stop or start the failure? Until then it is a suspicion"
                .to_owned(),
        ),
        TriggerBasis::Outside => {
            open.push("Does the provider's own report confirm the time and the kind of its failure?".to_owned())
        }
        TriggerBasis::Unknown => {
            open.push("What changed before the first symptom: releases, settings, data, traffic, providers?".to_owned())
        }
    }
    if !facts
        .told(|fact| cues::SCOPE.hold(&fact.text) && fact.text.bytes().any(|byte| byte.is_ascii_digit()))
        .any(|_| true)
    {
        open.push("How many users, requests or orders were hit? The text names no number".to_owned());
    }
    for entry in timeline.entries.iter().filter(|entry| entry.silence_minutes.is_some()).take(2) {
        open.push(format!(
            "What happened in the {} before {} (line {})?",
            minutes(entry.silence_minutes.unwrap_or(0)),
            entry.at,
            entry.line
        ));
    }
    if clock.zoned && clock.unzoned {
        open.push("Are the times without a zone UTC? They are ordered as if they were".to_owned());
    }
    if clock.ambiguous_day {
        open.push("Which is the day and which the month in dates such as 03/04? They were not used".to_owned());
    }
    let asked: Vec<&Fact> =
        facts.all.iter().filter(|fact| fact.text.ends_with('?') && fact.text.split_whitespace().count() >= 4).collect();
    let asked = asked.into_iter().rev().take(MAX_ASKED).collect::<Vec<_>>().into_iter().rev();
    open.extend(asked.map(|fact| format!("Asked in line {}: “{}”", fact.line, fact.text)));
    open.truncate(MAX_QUESTIONS);
    open
}
