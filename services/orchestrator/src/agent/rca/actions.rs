//! Corrective actions: those that the text states, then one for each well-supported factor that they do not cover. Each has an owner, a date
//! and a way to verify it.

use super::facts::Facts;
use super::milestones::Milestones;
use super::report::{Category, Confidence, CorrectiveAction, Factor, Impact, Priority};
use crate::agent::lexicon::LEXICON;
use crate::agent::source::{capitalised, cut};
use crate::agent::{Related, name, words};
use jiff::ToSpan;
use jiff::civil::Date;

/// A longer list is not carried out.
const MAX_ACTIONS: usize = 8;
/// Most of them that the text states.
const MAX_STATED: usize = 5;
/// An impact of this length makes an action urgent.
const LONG_MINUTES: i64 = 30;
/// Bytes before the cue of an action (`Ann: we should …`); further into a statement the cue is part of a story.
const MAX_BYTES_BEFORE_CUE: usize = 24;
/// Two actions that share this part of their words are the same.
const SAME: f64 = 0.7;

/// Returns the actions, most urgent first.
pub(super) fn actions(
    facts: &Facts,
    milestones: &Milestones<'_>,
    factors: &[Factor],
    impact: &Impact,
    related: &[Related],
    today: Date,
) -> Vec<CorrectiveAction> {
    let mut actions = stated(facts, milestones, today);
    let covered: Vec<Category> = actions.iter().filter_map(|action| category(&action.what)).collect();
    let severe = impact.duration_minutes.is_some_and(|minutes| minutes >= LONG_MINUTES) || !impact.scope.is_empty();
    let priority = if severe { Priority::P1 } else { Priority::P2 };
    for factor in factors.iter().filter(|factor| factor.confidence > Confidence::Possible) {
        if covered.contains(&factor.category) {
            continue;
        }
        let rule = factor.category.rule();
        let mut lines: Vec<String> = factor.evidence.iter().map(|evidence| evidence.line.to_string()).collect();
        lines.dedup();
        let why = format!(
            "{} ({}), line {}",
            capitalised(&name(&factor.category)),
            name(&factor.confidence),
            lines.join(", ")
        );
        let what = rule.action.replace("{subject}", facts.subject());
        actions.push(action(what, why, &rule.owner, priority, &rule.verification, today));
    }
    if let Some(past) = related.first() {
        let what = format!(
            "Check what became of the actions of the similar incident ({}), and why they did not prevent this one",
            cut(&past.excerpt, 80)
        );
        let verification =
            "Each of those actions is listed as done with evidence, or is taken up again here with a date";
        let why = format!("Memory {} {}", past.id, past.why);
        actions.push(action(what, why, "Incident owner", Priority::P1, verification, today));
    }
    if actions.is_empty() {
        let what = format!(
            "Collect logs, metrics and the change history of {} from an hour before the first symptom, and repeat this analysis",
            facts.subject()
        );
        let why = "The text has too little evidence for an action".to_owned();
        let verification = "The repeated report names a trigger and at least one factor with evidence";
        actions.push(action(what, why, "Incident owner", Priority::P1, verification, today));
    }
    actions.sort_by_key(|action| action.priority);
    actions.truncate(MAX_ACTIONS);
    actions
}

fn stated(facts: &Facts, milestones: &Milestones<'_>, today: Date) -> Vec<CorrectiveAction> {
    let mut actions: Vec<CorrectiveAction> = Vec::new();
    let end = milestones.resolved.and_then(|resolved| resolved.timestamp);
    for fact in facts.all.iter().filter(|fact| !fact.text.ends_with('?')) {
        // "We need to restart it" at 14:10 is a step of the response, not an action for afterwards.
        let is_afterwards = fact.timestamp.is_none() || (end.is_some() && fact.timestamp >= end);
        let cue = LEXICON.incident.to_do.find(&fact.text).filter(|cue| cue.start <= MAX_BYTES_BEFORE_CUE);
        let Some(cue) = cue.filter(|_| is_afterwards) else { continue };
        let (what, owner) = split_owner(&fact.text[cue.end..]);
        let words = words::significant(&what);
        let is_same = |other: &CorrectiveAction| words::overlap(&words::significant(&other.what), &words) > SAME;
        if what.split_whitespace().count() < 2 || actions.iter().any(is_same) || actions.len() == MAX_STATED {
            continue;
        }
        let rule = category(&what).map(Category::rule);
        let owner = owner.unwrap_or(rule.map_or("Team that owns the service", |rule| &rule.owner));
        let verification = rule
            .map_or("The failure is provoked again in a test environment and users do not notice", |rule| {
                &rule.verification
            });
        let why = format!("Stated in line {}", fact.line);
        actions.push(action(what.clone(), why, owner, Priority::P2, verification, today));
    }
    actions
}

/// Splits a text such as `add a test (owner: payments team)` into the action and its owner.
fn split_owner(text: &str) -> (String, Option<&str>) {
    let (what, owner) = text.split_once("owner:").map_or((text, None), |(what, owner)| (what, Some(owner)));
    let what = what.trim_matches(|edge: char| edge.is_whitespace() || ":.,(".contains(edge));
    (capitalised(what), owner.map(|owner| owner.trim_matches([' ', ')', '.'])).filter(|owner| !owner.is_empty()))
}

/// Returns the kind of factor that an action is about; `None` if its words fit no kind.
fn category(what: &str) -> Option<Category> {
    if LEXICON.incident.by_alert.occur(what) {
        return Some(Category::Detection);
    }
    Category::ALL.into_iter().find(|category| category.rule().cues.occur(what))
}

fn action(
    what: String,
    why: String,
    owner: &str,
    priority: Priority,
    verification: &str,
    today: Date,
) -> CorrectiveAction {
    let due = today.saturating_add(priority.days().days()).to_string();
    CorrectiveAction { what, why, owner: owner.to_owned(), priority, due, verification: verification.to_owned() }
}
