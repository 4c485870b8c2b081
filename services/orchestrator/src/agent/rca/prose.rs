//! Writes the sentences that join the parts of the report: the summary and the open questions.

use super::facts::{Fact, Facts};
use super::report::{Mark, RootCauseReport, TriggerBasis};
use crate::agent::lexicon::LEXICON;
use crate::agent::markdown::duration_text;
use crate::agent::source::cut;
use crate::agent::timestamp::TimestampParser;
use crate::agent::{Evidence, name};

const MAX_QUESTIONS: usize = 10;
/// Most questions that are taken from the text.
const MAX_ASKED: usize = 4;
/// A shorter question of the text (`why?`) says too little out of its place.
const MIN_QUESTION_WORDS: usize = 4;
/// Longest quote in the summary, in characters.
const MAX_QUOTE_CHARS: usize = 140;

pub(super) fn summary(report: &RootCauseReport, facts: &Facts) -> String {
    let impact = &report.impact;
    let at_latest = if impact.started_at_latest { " at the latest" } else { "" };
    let from = impact.started.as_ref().map(|start| format!(" from {start}{at_latest}"));
    let until = impact.ended.as_ref().map(|end| format!(" until {end}"));
    let lasted = impact.duration_minutes.map(|minutes| format!(" ({})", duration_text(minutes)));
    let when = [from, until, lasted].into_iter().flatten().collect::<String>();
    let when =
        if when.is_empty() { "The text does not say when".to_owned() } else { format!("The impact lasted{when}") };
    let mut sentences = vec![when];
    let quote = |fact: &Evidence| format!("“{}” (line {})", cut(&fact.text, MAX_QUOTE_CHARS), fact.line);
    let symptom = facts.reports().find(|fact| fact.mark == Mark::Symptom).map(Fact::evidence);
    if let Some(worst) = impact.scope.first().or(symptom.as_ref()) {
        sentences.push(format!("The text reports: {}", quote(worst)));
    }
    let trigger = report.trigger.evidence.first().map(quote);
    sentences.push(match (report.trigger.basis, trigger) {
        (TriggerBasis::Stated, Some(fact)) => format!("The text names the cause: {fact}"),
        (TriggerBasis::LastChange, Some(fact)) => format!("The suspected trigger is the last change before it: {fact}"),
        (TriggerBasis::Unknown, _) | (_, None) => "The trigger is unknown".to_owned(),
    });
    let noticed = impact.noticed_after_minutes.map(duration_text);
    sentences.extend(noticed.map(|after| format!("Noticed after {after}")));
    let factors: Vec<&str> = report.factors.iter().map(|factor| factor.category.as_str()).collect();
    if !factors.is_empty() {
        sentences.push(format!("Contributing factors: {}", factors.join(", ")));
    }
    let ended = sentences.iter().map(|one| if one.ends_with(['.', '!']) { one.clone() } else { format!("{one}.") });
    ended.collect::<Vec<_>>().join(" ")
}

pub(super) fn open_questions(report: &RootCauseReport, facts: &Facts, timestamps: &TimestampParser) -> Vec<String> {
    let impact = &report.impact;
    let is_number = |digit: char| digit.is_ascii_digit();
    let conditions = [
        ("no beginning", impact.started.is_none() || impact.started_at_latest),
        ("not noticed", impact.noticed_by.is_none()),
        ("no end", impact.ended.is_none()),
        ("no number", !impact.scope.iter().any(|scope| scope.text.contains(is_number))),
        ("mixed zones", timestamps.zoned && timestamps.unzoned),
        ("ambiguous day", timestamps.ambiguous_day),
    ];
    let trigger = name(&report.trigger.basis);
    let holds = |when: &str| when == trigger || conditions.contains(&(when, true));
    let questions = LEXICON.incident.question.iter().filter(|rule| holds(&rule.when));
    let mut open: Vec<String> = questions.map(|rule| rule.text.clone()).collect();
    let asks = |fact: &&Fact| fact.text.ends_with('?') && fact.text.split_whitespace().count() >= MIN_QUESTION_WORDS;
    let asked: Vec<&Fact> = facts.all.iter().filter(asks).collect();
    let last = &asked[asked.len().saturating_sub(MAX_ASKED)..];
    open.truncate(MAX_QUESTIONS - last.len());
    open.extend(last.iter().map(|fact| format!("Asked in line {}: “{}”", fact.line, fact.text)));
    open
}
