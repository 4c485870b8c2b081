//! Contributing factors: a classifier by rules, whose every answer carries the lines behind it.

use super::cues;
use super::facts::{Fact, Facts};
use super::prose::minutes as spent;
use super::report::{Category, Confidence, Factor, Mark, Response};
use super::response::Milestones;
use crate::agent::Evidence;

/// Most statements behind one factor.
const MAX_EVIDENCE: usize = 3;
/// Minutes until somebody noticed that count as late.
const LATE_MINUTES: i64 = 10;

/// Classifies, strongest first.
pub(super) fn factors(facts: &Facts, milestones: &Milestones<'_>, response: &Response) -> Vec<Factor> {
    let mut found: Vec<(usize, Factor)> =
        Category::ALL.into_iter().filter_map(|category| factor(category, facts, milestones, response)).collect();
    found.sort_by(|left, right| {
        right
            .1
            .confidence
            .cmp(&left.1.confidence)
            .then(right.0.cmp(&left.0))
            .then(left.1.category.cmp(&right.1.category))
    });
    found.into_iter().map(|(_, factor)| factor).collect()
}

fn factor(
    category: Category,
    facts: &Facts,
    milestones: &Milestones<'_>,
    response: &Response,
) -> Option<(usize, Factor)> {
    let mut behind: Vec<(usize, &Fact)> = facts
        .told(|fact| !cues::TO_DO.occur(&fact.text) && !cues::WELL.hold(&fact.text))
        .filter_map(|fact| Some((weight(category, fact)?, fact)))
        .collect();
    behind.sort_by_key(|(weight, fact)| (std::cmp::Reverse(*weight), fact.line));
    let late = category == Category::Detection && is_late(response);
    if behind.is_empty() && !late {
        return None;
    }
    let stated = behind.iter().any(|(_, fact)| cues::CAUSE.hold(&fact.text))
        || (category == Category::Detection && !behind.is_empty());
    let confidence = match behind.len() + usize::from(late) {
        _ if stated => Confidence::Stated,
        0 | 1 => Confidence::Possible,
        _ => Confidence::Likely,
    };
    let strength = behind.iter().map(|(weight, _)| weight).sum();
    let mut evidence: Vec<Evidence> = behind.iter().take(MAX_EVIDENCE).map(|(_, fact)| fact.evidence()).collect();
    if late && evidence.is_empty() {
        evidence.extend([milestones.detected, milestones.acted].into_iter().flatten().map(Fact::evidence));
    }
    Some((strength, Factor { category, confidence, reading: reading(category, response), evidence }))
}

/// How much a statement speaks for a category; nothing where it does not.
fn weight(category: Category, fact: &Fact) -> Option<usize> {
    let cues = cues::of(category);
    let undone = category == Category::Change && fact.mark == Mark::Mitigated && undoes(&fact.text);
    let holds = match category {
        Category::Detection => cues.occur(&fact.text),
        Category::Change => {
            undone || (cues.hold(&fact.text) && matches!(fact.mark, Mark::Change | Mark::Symptom | Mark::Note))
        }
        Category::Process => cues.occur(&fact.text) && !matches!(fact.mark, Mark::Resolved | Mark::Mitigated),
        Category::Capacity | Category::Dependency | Category::Configuration | Category::Data => {
            cues.hold(&fact.text) && !matches!(fact.mark, Mark::Resolved | Mark::Mitigated | Mark::Attempt)
        }
    };
    let cause = if cues::CAUSE.hold(&fact.text) { 3 } else { 0 };
    holds.then(|| cues.count(&fact.text).clamp(1, 3) + cause)
}

fn undoes(text: &str) -> bool {
    let text = text.to_lowercase();
    ["roll", "revert", "zurück", "revert", "retour"].iter().any(|stem| text.contains(stem))
}

fn is_late(response: &Response) -> bool {
    response.detect.minutes.is_some_and(|minutes| minutes >= LATE_MINUTES)
        || response.detected_by.as_deref() == Some("customer")
        || idle(response).is_some()
}

/// Minutes from noticing to acting, where they are many.
fn idle(response: &Response) -> Option<i64> {
    let (noticed, acted) = response.detect.minutes.zip(response.act.minutes)?;
    (acted - noticed >= LATE_MINUTES).then_some(acted - noticed)
}

fn reading(category: Category, response: &Response) -> String {
    match category {
        Category::Change => {
            "A change reached production and the incident followed it or ended when it was undone".to_owned()
        }
        Category::Capacity => {
            "Something with a limit ran into it, and nothing slowed down or made room before".to_owned()
        }
        Category::Dependency => {
            "Something that others run failed or slowed down, and the failure was passed on".to_owned()
        }
        Category::Configuration => "A setting, certificate or permission was not what the system needed".to_owned(),
        Category::Data => "Data or a schema was not what the code expected".to_owned(),
        Category::Process => {
            "The way of working left room for it: a step by hand, a missing check or an unclear owner".to_owned()
        }
        Category::Detection => match (response.detect.minutes, response.detected_by.as_deref()) {
            (Some(minutes), Some("alert")) if minutes < LATE_MINUTES && idle(response).is_some() => {
                format!(
                    "An alert showed it after {}, but nobody acted on it for {}",
                    spent(minutes),
                    spent(idle(response).unwrap_or(0))
                )
            }
            (Some(minutes), Some("customer")) => {
                format!("Customers noticed before monitoring did, {} after it began", spent(minutes))
            }
            (None, Some("customer")) => "Customers noticed before monitoring did".to_owned(),
            (Some(minutes), _) if minutes >= LATE_MINUTES => {
                format!("It was noticed only {} after it began", spent(minutes))
            }
            _ => "Monitoring did not show it, or nobody was told".to_owned(),
        },
    }
}
