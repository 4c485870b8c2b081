//! Determines why the incident happened: its trigger, the contributing factors and the five whys. Each answer has the lines that support it. If
//! the text has no answer, the report says what to find out.

use super::facts::{Fact, Facts, is_symptom};
use super::milestones::Milestones;
use super::report::{Category, Confidence, Factor, Mark, Response, Trigger, TriggerBasis, Why};
use crate::agent::lexicon::{LEXICON, clauses};
use crate::agent::source::cut;
use crate::agent::words::{overlap, significant};
use crate::agent::{Evidence, name};
use std::cmp::Reverse;

/// Longest time from a suspected change to the first symptom, in minutes.
const SUSPECT_MINUTES: i64 = 24 * 60;
/// Most statements behind one factor.
const MAX_EVIDENCE: usize = 3;
/// Time until the detection from which on it counts as late, in minutes.
pub(super) const LATE_MINUTES: i64 = 10;
const WHYS: usize = 5;
/// Share of common words from which on an effect counts as the event that is to be explained.
const SAME: f64 = 0.34;
/// Longest quote in a question, in characters.
const MAX_QUOTE_CHARS: usize = 120;

/// Returns the trigger: the cause that the text names, else the last change before the first symptom, else a first event that is a failure of a
/// provider, else an unknown trigger.
pub(super) fn trigger(facts: &Facts, milestones: &Milestones<'_>) -> Trigger {
    let rules = &LEXICON.incident;
    let first = milestones.started.or(milestones.detected);
    let (basis, fact) = if let Some(fact) = facts.reports().find(|fact| names_root_cause(fact)) {
        (TriggerBasis::Stated, Some(fact))
    } else if let Some(fact) = suspect(facts, first) {
        (TriggerBasis::LastChange, Some(fact))
    } else if let Some(fact) = first.filter(|first| rules.outside.hold(&first.text)) {
        (TriggerBasis::Outside, Some(fact))
    } else {
        (TriggerBasis::Unknown, first)
    };
    let text = fact.map_or("", |fact| fact.text.as_str());
    let statement = match basis {
        TriggerBasis::Stated => text.to_owned(),
        TriggerBasis::LastChange => {
            format!("Suspected, not proven: the last change before the first symptom, {text}")
        }
        TriggerBasis::Outside => format!("Suspected, not proven: the first event is a failure of a provider, {text}"),
        TriggerBasis::Unknown => "Unknown: the text names no cause and no change before the first symptom".to_owned(),
    };
    Trigger { statement, basis, evidence: fact.map(Fact::evidence).into_iter().collect() }
}

fn suspect<'a>(facts: &'a Facts, first: Option<&Fact>) -> Option<&'a Fact> {
    let first = first?.timestamp?;
    let is_near = |fact: &&Fact| {
        let before = fact.timestamp.map(|change| first.minutes_since(change));
        fact.mark == Mark::Change && before.is_some_and(|minutes| (0..=SUSPECT_MINUTES).contains(&minutes))
    };
    facts.reports().filter(is_near).max_by_key(|fact| fact.timestamp)
}

/// Returns the factors for which the text has evidence, strongest first.
pub(super) fn factors(facts: &Facts, milestones: &Milestones<'_>, response: &Response) -> Vec<Factor> {
    let mut factors: Vec<(usize, Factor)> =
        Category::ALL.into_iter().filter_map(|category| factor(category, facts, milestones, response)).collect();
    factors.sort_by_key(|(count, factor)| (Reverse(factor.confidence), Reverse(*count), factor.category));
    factors.into_iter().map(|(_, factor)| factor).collect()
}

fn factor(
    category: Category,
    facts: &Facts,
    milestones: &Milestones<'_>,
    response: &Response,
) -> Option<(usize, Factor)> {
    let mut behind: Vec<&Fact> = facts.reports().filter(|fact| speaks_for(category, fact)).collect();
    behind.sort_by_key(|fact| (!states_cause(fact), fact.line));
    let mut evidence: Vec<Evidence> = behind.iter().take(MAX_EVIDENCE).map(|fact| fact.evidence()).collect();
    let is_late = response.detect.minutes.is_some_and(|minutes| minutes >= LATE_MINUTES);
    let was_missed = is_late || response.detected_by.as_deref() == Some("customer");
    if evidence.is_empty() && category == Category::Detection && was_missed {
        evidence.extend(milestones.detected.map(Fact::evidence));
    }
    let stated = behind.iter().any(|fact| states_cause(fact) || category == Category::Detection);
    let confidence = match evidence.len() {
        0 => return None,
        _ if stated => Confidence::Stated,
        1 => Confidence::Possible,
        _ => Confidence::Likely,
    };
    let reading = category.rule().reading.clone();
    Some((behind.len(), Factor { category, confidence, reading, evidence }))
}

fn names_root_cause(fact: &Fact) -> bool {
    let rules = &LEXICON.incident;
    rules.root_cause.hold(&fact.text) && !rules.unknown_cause.occur(&fact.text)
}

fn states_cause(fact: &Fact) -> bool {
    let rules = &LEXICON.incident;
    names_root_cause(fact) || rules.because.occur(&fact.text) || rules.led_to.occur(&fact.text)
}

/// Returns true if a fact is evidence for a category. The cues of process and detection count even if they are negated, because a text shows
/// faults of both by what was not done.
fn speaks_for(category: Category, fact: &Fact) -> bool {
    let cues = &category.rule().cues;
    match category {
        Category::Process => cues.occur(&fact.text) && !matches!(fact.mark, Mark::Resolved | Mark::Mitigated),
        Category::Detection => cues.occur(&fact.text),
        Category::Change => cues.hold(&fact.text) && (fact.mark == Mark::Change || fact.mark == Mark::Mitigated),
        Category::Capacity | Category::Dependency | Category::Configuration | Category::Data => {
            let reports_failure = fact.mark == Mark::Symptom || fact.mark == Mark::Change || states_cause(fact);
            cues.hold(&fact.text) && reports_failure
        }
    }
}

/// A cause that the text states.
struct CauseLink {
    /// The effect of the cause; `None` for a root cause.
    effect: Option<String>,
    cause: String,
    evidence: Evidence,
}

pub(super) fn whys(facts: &Facts, milestones: &Milestones<'_>, factors: &[Factor]) -> Vec<Why> {
    let mut links: Vec<CauseLink> = facts.reports().filter_map(cause_link).collect();
    let is_sign = |fact: &&Fact| matches!(fact.mark, Mark::Symptom | Mark::Detected);
    let first = milestones.started.or(milestones.detected).or_else(|| facts.reports().find(is_sign));
    let mut current = first.or(facts.all.first()).map_or("the incident".to_owned(), |fact| fact.text.clone());
    let question = |effect: &str| format!("Why did this happen: “{}”?", cut(effect, MAX_QUOTE_CHARS));
    let mut whys: Vec<Why> = Vec::new();
    if !links.iter().any(|link| score(link, &current, true) >= SAME) {
        // The text does not explain the first symptom; if it explains another one, the questions begin there.
        let mut explained = links.iter().filter_map(|link| link.effect.as_ref());
        current = explained.find(|effect| clauses(effect).any(is_symptom)).cloned().unwrap_or(current);
    }
    while whys.len() < WHYS
        && let Some(link) = take_cause(&mut links, &current, whys.is_empty())
    {
        let (question, answer) = (question(&current), Some(link.cause.clone()));
        whys.push(Why { question, answer, evidence: vec![link.evidence], find_out: None });
        current = link.cause;
    }
    let answers = whys.len();
    let main = factors.iter().find(|factor| !matches!(factor.category, Category::Process | Category::Detection));
    let main = main.map_or(Category::Process, |factor| factor.category).rule();
    for (index, rule) in LEXICON.incident.why.iter().enumerate() {
        if whys.len() == WHYS || (index == 0 && answers >= 2) {
            continue;
        }
        let answered_by = |factor: &&Factor| {
            rule.answered_by.as_ref() == Some(&name(&factor.category)) && factor.confidence == Confidence::Stated
        };
        let is_new = |evidence: &&Evidence| !whys.iter().any(|why| why.evidence.contains(evidence));
        let evidence = factors.iter().find(answered_by).and_then(|factor| factor.evidence.iter().find(is_new));
        let find_out = rule.find_out.replace("{mechanism}", &main.mechanism).replace("{barrier}", &main.barrier);
        whys.push(Why {
            question: if whys.is_empty() { question(&current) } else { rule.question.clone() },
            answer: evidence.map(|evidence| evidence.text.clone()),
            evidence: evidence.cloned().into_iter().collect(),
            find_out: evidence.is_none().then(|| find_out.replace("{subject}", facts.subject())),
        });
    }
    whys
}

fn cause_link(fact: &Fact) -> Option<CauseLink> {
    let rules = &LEXICON.incident;
    let text = fact.text.trim_end_matches('.');
    let (effect, cause) = if let Some(cue) = rules.root_cause.affirmed(text).next().filter(|_| names_root_cause(fact)) {
        (None, &text[cue.end..])
    } else if let Some(cue) = rules.because.find(text) {
        (Some(&text[..cue.start]), &text[cue.end..])
    } else {
        let cue = rules.led_to.find(text)?;
        (Some(&text[cue.end..]), &text[..cue.start])
    };
    let is_edge = |edge: char| edge.is_whitespace() || ":,;-–".contains(edge);
    let cause = cause.trim_start_matches(is_edge).trim_end_matches(is_edge).to_owned();
    let effect = effect.map(|effect| effect.trim_matches(is_edge).to_owned());
    (cause.split_whitespace().count() >= 2).then(|| CauseLink { effect, cause, evidence: fact.evidence() })
}

/// Returns how well a link answers why `current` happened, from 0 to 1. A root cause answers only the first question.
fn score(link: &CauseLink, current: &str, is_first: bool) -> f64 {
    match &link.effect {
        Some(effect) => overlap(&significant(effect), &significant(current)),
        None => f64::from(is_first),
    }
}

fn take_cause(links: &mut Vec<CauseLink>, current: &str, is_first: bool) -> Option<CauseLink> {
    let scores = links.iter().map(|link| score(link, current, is_first)).enumerate();
    // Reversed, because `max_by` takes the last of equal links and the text names the plainest cause first.
    let best = scores.rev().max_by(|left, right| left.1.total_cmp(&right.1));
    best.filter(|(_, score)| *score >= SAME).map(|(index, _)| links.remove(index))
}
