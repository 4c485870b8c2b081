//! Why the incident happened, and what to change: the trigger, the contributing factors, the five whys and the corrective actions. Each
//! has the lines that support it. If the text has no answer, the report says what to find out.

use super::facts::{Fact, Facts};
use super::phases::Phases;
use super::report::{CorrectiveAction, Factor, Mark, Trigger, TriggerBasis, Why};
use crate::agent::lexicon::{FactorRule, LEXICON};
use crate::agent::source::{capitalised, cut};
use crate::agent::{Evidence, Related, words};
use jiff::ToSpan;
use jiff::civil::Date;

/// Longest time from a suspected change to the first symptom, in minutes.
const SUSPECT_MINUTES: i64 = 24 * 60;
/// Most statements behind one factor.
const MAX_EVIDENCE: usize = 3;
const WHYS: usize = 5;
/// Longest quote in a question, in characters.
const MAX_QUOTE_CHARS: usize = 120;
/// A longer list of actions is not carried out.
const MAX_ACTIONS: usize = 8;
const ACTION_DAYS: i64 = 14;
/// Bytes before the cue of an action (`Ann: we should …`); further into a statement the cue is part of a story.
const MAX_BYTES_BEFORE_CUE: usize = 24;
/// Two actions that share this part of their words are the same.
const SAME: f64 = 0.7;

/// Returns the cause that the text names, else the last change before the first symptom as a suspicion, else an unknown trigger.
pub(super) fn trigger(facts: &Facts, phases: &Phases<'_>) -> Trigger {
    let first = phases.started.or(phases.detected);
    let (basis, fact) = if let Some(fact) = facts.reports().find(|fact| names_root_cause(fact)) {
        (TriggerBasis::Stated, Some(fact))
    } else if let Some(fact) = last_change(facts, first) {
        (TriggerBasis::LastChange, Some(fact))
    } else {
        (TriggerBasis::Unknown, None)
    };
    let text = fact.map_or("", |fact| fact.text.as_str());
    let statement = match basis {
        TriggerBasis::Stated => text.to_owned(),
        TriggerBasis::LastChange => format!("Suspected, not proven: the last change before the first symptom, {text}"),
        TriggerBasis::Unknown => "Unknown: the text names no cause and no change before the first symptom".to_owned(),
    };
    Trigger { statement, basis, evidence: fact.map(Fact::evidence).into_iter().collect() }
}

fn last_change<'a>(facts: &'a Facts, first: Option<&Fact>) -> Option<&'a Fact> {
    let first = first?.timestamp?;
    let is_near = |fact: &&Fact| {
        let before = fact.timestamp.map(|change| first.minutes_since(change));
        fact.mark == Mark::Change && before.is_some_and(|minutes| (0..=SUSPECT_MINUTES).contains(&minutes))
    };
    facts.reports().filter(is_near).max_by_key(|fact| fact.timestamp)
}

/// Returns the factors for which the text has evidence, in the order of the lexicon.
pub(super) fn factors(facts: &Facts) -> Vec<Factor> {
    let factor = |rule: &FactorRule| {
        let mut behind: Vec<&Fact> = facts.reports().filter(|fact| supports_factor(rule, fact)).collect();
        behind.sort_by_key(|fact| (cause(fact).is_none(), fact.line));
        let evidence: Vec<Evidence> = behind.into_iter().take(MAX_EVIDENCE).map(Fact::evidence).collect();
        let (category, reading) = (rule.category.clone(), rule.reading.clone());
        (!evidence.is_empty()).then_some(Factor { category, reading, evidence })
    };
    LEXICON.incident.factor.iter().filter_map(factor).collect()
}

/// Faults of the way of working show in what was not done, so their cues count even if they are denied.
fn supports_factor(rule: &FactorRule, fact: &Fact) -> bool {
    let has_cue = if rule.even_denied == Some(true) { rule.cues.occur(&fact.text) } else { rule.cues.hold(&fact.text) };
    has_cue && (rule.marks.contains(&fact.mark) || (rule.or_cause == Some(true) && cause(fact).is_some()))
}

fn names_root_cause(fact: &Fact) -> bool {
    let rules = &LEXICON.incident;
    rules.root_cause.hold(&fact.text) && !rules.unknown_cause.occur(&fact.text)
}

/// Returns the effect and the cause that a statement joins. The effect of a root cause is the incident, so it has none.
fn cause(fact: &Fact) -> Option<(Option<&str>, &str)> {
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
    let (effect, cause) = (effect.map(trim), trim(cause));
    (cause.contains(' ') && effect.is_none_or(|effect| effect.contains(' '))).then_some((effect, cause))
}

fn trim(part: &str) -> &str {
    part.trim_matches(|edge: char| edge.is_whitespace() || ":,;-–".contains(edge))
}

/// Returns the causes that the text states, root causes first, then the questions that it does not answer.
pub(super) fn whys(facts: &Facts, phases: &Phases<'_>) -> Vec<Why> {
    let question = |effect: &str| format!("Why did this happen: “{}”?", cut(effect, MAX_QUOTE_CHARS));
    let first = phases.started.or(phases.detected).or_else(|| facts.reports().find(|fact| fact.mark == Mark::Symptom));
    let incident = first.or(facts.all.first()).map_or("the incident", |fact| fact.text.as_str());
    let mut causes: Vec<(&Fact, Option<&str>, &str)> =
        facts.reports().filter_map(|fact| cause(fact).map(|(effect, cause)| (fact, effect, cause))).collect();
    causes.sort_by_key(|(fact, effect, _)| (effect.is_some(), fact.line));
    let mut whys: Vec<Why> = Vec::new();
    for (fact, effect, cause) in causes.into_iter().take(WHYS) {
        let (question, evidence) = (question(effect.unwrap_or(incident)), vec![fact.evidence()]);
        whys.push(Why { question, answer: Some(cause.to_owned()), evidence, find_out: None });
    }
    for rule in LEXICON.incident.why.iter().skip(usize::from(!whys.is_empty())) {
        if whys.len() < WHYS {
            let asked = if whys.is_empty() { question(incident) } else { rule.question.clone() };
            let find_out = Some(rule.find_out.clone());
            whys.push(Why { question: asked, answer: None, evidence: Vec::new(), find_out });
        }
    }
    whys
}

/// Returns the actions that the text states, then one for each factor, then one for the most similar incident of the past.
pub(super) fn actions(facts: &Facts, factors: &[Factor], related: &[Related], today: Date) -> Vec<CorrectiveAction> {
    let mut actions: Vec<CorrectiveAction> = Vec::new();
    let due = today.saturating_add(ACTION_DAYS.days()).to_string();
    let action = |what: String, why: String, owner: &str, verification: &str| CorrectiveAction {
        what,
        why,
        owner: owner.to_owned(),
        due: due.clone(),
        verification: verification.to_owned(),
    };
    // "We need to restart it" at 14:10 is a step of the response, not an action for afterwards.
    for fact in facts.all.iter().filter(|fact| !fact.text.ends_with('?') && fact.timestamp.is_none()) {
        let cue = LEXICON.incident.to_do.find(&fact.text).filter(|cue| cue.start <= MAX_BYTES_BEFORE_CUE);
        let Some((what, owner)) = cue.map(|cue| split_owner(&fact.text[cue.end..])) else { continue };
        let words = words::significant(&what);
        let is_same = |other: &CorrectiveAction| words::overlap(&words::significant(&other.what), &words) > SAME;
        if what.contains(' ') && !actions.iter().any(is_same) {
            let verification = "The failure is provoked again in a test environment and users do not notice";
            let owner = owner.unwrap_or("Team that owns the service");
            actions.push(action(what, format!("Stated in line {}", fact.line), owner, verification));
        }
    }
    for (factor, rule) in factors.iter().filter_map(|factor| Some((factor, super::rule(&factor.category)?))) {
        let line = factor.evidence.first().map_or(0, |evidence| evidence.line);
        let why = format!("{}, line {line}", capitalised(&factor.category));
        actions.push(action(rule.action.clone(), why, &rule.owner, &rule.verification));
    }
    if let Some(past) = related.first() {
        let what = format!("Check what became of the actions of the similar incident ({})", cut(&past.excerpt, 80));
        let verification = "Each of those actions is done with evidence, or is taken up again here with a date";
        actions.insert(0, action(what, format!("Memory {} {}", past.id, past.why), "Incident owner", verification));
    }
    if actions.is_empty() {
        let what = "Collect logs, metrics and the change history from an hour before the first symptom, and repeat this analysis";
        let why = "The text has too little evidence for an action".to_owned();
        let verification = "The repeated report names a trigger and at least one factor with evidence";
        actions.push(action(what.to_owned(), why, "Incident owner", verification));
    }
    actions.truncate(MAX_ACTIONS);
    actions
}

/// Splits a text such as `add a test (owner: payments team)` into the action and its owner.
fn split_owner(text: &str) -> (String, Option<&str>) {
    let (what, owner) = text.split_once("owner:").map_or((text, None), |(what, owner)| (what, Some(owner)));
    let what = what.trim_matches(|edge: char| edge.is_whitespace() || ":.,(".contains(edge));
    (capitalised(what), owner.map(|owner| owner.trim_matches([' ', ')', '.'])).filter(|owner| !owner.is_empty()))
}
