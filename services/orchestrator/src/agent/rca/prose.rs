//! Writes the sentences that join the parts of the report: the summary, what went well, and the open questions.

use super::facts::{Fact, Facts};
use super::report::{Mark, RootCauseReport, TriggerBasis};
use crate::agent::lexicon::LEXICON;
use crate::agent::markdown::duration_text;
use crate::agent::name;
use crate::agent::source::{capitalised, cut};
use crate::agent::timestamp::TimestampParser;

const MAX_WELL: usize = 6;
const MAX_QUESTIONS: usize = 10;
/// Most questions that are taken from the text.
const MAX_ASKED: usize = 4;
/// A shorter question of the text (`why?`) says too little out of its place.
const MIN_QUESTION_WORDS: usize = 4;
/// Longest quote in the summary, in characters.
const MAX_QUOTE_CHARS: usize = 140;

pub(super) fn summary(report: &RootCauseReport, facts: &Facts) -> String {
    let impact = &report.impact;
    let subject = report.basis.subject.as_deref().unwrap_or("A service");
    let at_latest = if impact.started_at_latest { " at the latest" } else { "" };
    let from = impact.started.as_ref().map(|start| format!(" from {start}{at_latest}"));
    let until = impact.ended.as_ref().map(|end| format!(" {} {end}", if from.is_some() { "to" } else { "until" }));
    let lasted = impact.duration_minutes.map(duration_text);
    let lasted = lasted.map(|text| if until.is_some() { format!(" ({text})") } else { format!(" for {text}") });
    let when = [from, until, lasted].into_iter().flatten().collect::<String>();
    let when = if when.is_empty() { "; the text does not say when".to_owned() } else { when };
    let mut sentences = vec![format!("{subject} was impaired{when}")];
    let quote = |text: &str, line: usize| format!("“{}” (line {line})", cut(text, MAX_QUOTE_CHARS));
    let symptom = facts.reports().find(|fact| fact.mark == Mark::Symptom).map(Fact::evidence);
    if let Some(worst) = impact.scope.first().or(symptom.as_ref()) {
        sentences.push(format!("The text reports: {}", quote(&worst.text, worst.line)));
    }
    let trigger = report.trigger.evidence.first().map(|fact| quote(&fact.text, fact.line));
    sentences.push(match (report.trigger.basis, trigger) {
        (TriggerBasis::Stated, Some(fact)) => format!("The text names the cause: {fact}"),
        (TriggerBasis::LastChange, Some(fact)) => format!("The suspected trigger is the last change before it: {fact}"),
        (TriggerBasis::Outside, Some(fact)) => format!("The suspected trigger is a failure of a provider: {fact}"),
        (TriggerBasis::Unknown, _) | (_, None) => "The trigger is unknown".to_owned(),
    });
    let response = &report.response;
    let intervals = [
        ("noticed", &response.detect),
        ("acted on", &response.act),
        ("mitigated", &response.mitigate),
        ("resolved", &response.resolve),
    ];
    let after = |(verb, minutes): (&str, Option<i64>)| Some(format!("{verb} after {}", duration_text(minutes?)));
    let figures: Vec<String> =
        intervals.map(|(verb, interval)| (verb, interval.minutes)).into_iter().filter_map(after).collect();
    let factors: Vec<String> = report.factors.iter().take(3).map(|factor| name(&factor.category)).collect();
    let factors =
        if factors.is_empty() { String::new() } else { format!("contributing factors: {}", factors.join(", ")) };
    let rest = [figures.join(", "), factors];
    sentences.extend(rest.iter().filter(|sentence| !sentence.is_empty()).map(|sentence| capitalised(sentence)));
    let ended = sentences.iter().map(|one| if one.ends_with(['.', '!']) { one.clone() } else { format!("{one}.") });
    ended.collect::<Vec<_>>().join(" ")
}

/// Returns the statements in which the text praises something, as quotes.
pub(super) fn went_well(facts: &Facts) -> Vec<String> {
    let praise = &LEXICON.incident.went_well;
    let praised = facts.all.iter().filter(|fact| praise.hold(&fact.text) && fact.mark != Mark::Attempt);
    let quote = |fact: &Fact| {
        let labelled = fact.text.split_once(": ").filter(|(label, _)| praise.hold(label));
        format!("“{}” (line {})", labelled.map_or(fact.text.as_str(), |(_, text)| text), fact.line)
    };
    praised.take(MAX_WELL).map(quote).collect()
}

pub(super) fn open_questions(report: &RootCauseReport, facts: &Facts, timestamps: &TimestampParser) -> Vec<String> {
    let impact = &report.impact;
    let is_number = |digit: char| digit.is_ascii_digit();
    let conditions = [
        ("no beginning", impact.started.is_none() || impact.started_at_latest),
        ("not noticed", report.response.detected_by.is_none()),
        ("no end", impact.ended.is_none()),
        ("no number", !impact.scope.iter().any(|scope| scope.text.contains(is_number))),
        ("mixed zones", timestamps.zoned && timestamps.unzoned),
        ("ambiguous day", timestamps.ambiguous_day),
    ];
    let trigger = name(&report.trigger.basis);
    let holds = |when: &str| when == trigger || conditions.contains(&(when, true));
    let questions = LEXICON.incident.question.iter().filter(|rule| holds(&rule.when));
    let mut open: Vec<String> = questions.map(|rule| rule.text.clone()).collect();
    for entry in &report.timeline.entries {
        let gap = entry.silence_minutes.map(duration_text);
        open.extend(gap.map(|gap| format!("What happened in the {gap} before {} (line {})?", entry.at, entry.line)));
    }
    let asks = |fact: &&Fact| fact.text.ends_with('?') && fact.text.split_whitespace().count() >= MIN_QUESTION_WORDS;
    let questions: Vec<&Fact> = facts.all.iter().filter(asks).collect();
    let last = &questions[questions.len().saturating_sub(MAX_ASKED)..];
    open.truncate(MAX_QUESTIONS - last.len());
    open.extend(last.iter().map(|fact| format!("Asked in line {}: “{}”", fact.line, fact.text)));
    open
}
