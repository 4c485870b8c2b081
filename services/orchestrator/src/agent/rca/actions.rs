//! Corrective actions: what the text itself says to do, then one for each factor it says nothing about. Every action has an owner,
//! a date and a way to see that it works.

use super::cues;
use super::facts::{Fact, Facts};
use super::report::{Category, Confidence, CorrectiveAction, Factor, Impact, Priority};
use super::response::Milestones;
use crate::agent::lexicon::expression;
use crate::agent::source::{capitalised, cut};
use crate::agent::{Related, words};
use jiff::ToSpan;
use jiff::civil::Date;
use regex::Regex;
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// Most actions: a longer list is not done.
const MAX_ACTIONS: usize = 8;
/// Actions from which on a merely possible factor brings none.
const ENOUGH_ACTIONS: usize = 2;
/// Most of them that the text states.
const MAX_STATED: usize = 5;
/// Minutes of impact that make an action urgent.
const LONG_MINUTES: i64 = 30;

static INTRODUCTION: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?i)^.{0,24}?\b(?:action(?: item)?s?|ai|to-?do|follow[- ]?ups?|next steps?)\s*:\s*|^(?:\w+: )?(?:afterwards |later )?(?:we|wir) (?:should|need to|must|have to|will|sollten|müssen)\s+|^(?:hay que|debemos|il faut)\s+",
    )
});
static OWNER: LazyLock<Regex> = LazyLock::new(|| expression(r"(?i)\(?\bowner:?\s+([\w .-]{2,40})\)?|(@[\w.-]{2,40})"));

/// Writes them, most urgent first.
pub(super) fn actions(
    facts: &Facts,
    milestones: &Milestones<'_>,
    factors: &[Factor],
    impact: &Impact,
    related: &[Related],
    today: Date,
) -> Vec<CorrectiveAction> {
    let mut actions: Vec<CorrectiveAction> = stated(facts, milestones, today);
    let covered: BTreeSet<Category> = actions.iter().flat_map(|action| categories(&action.what)).collect();
    let severe = impact.duration_minutes.is_some_and(|minutes| minutes >= LONG_MINUTES) || !impact.scope.is_empty();
    let uncovered = || factors.iter().filter(|factor| !covered.contains(&factor.category));
    let sure = uncovered().filter(|factor| factor.confidence > Confidence::Possible).count() + actions.len();
    for factor in uncovered().filter(|factor| factor.confidence > Confidence::Possible || sure < ENOUGH_ACTIONS) {
        actions.push(for_factor(factor, facts.subject(), severe, today));
    }
    if let Some(past) = related.first() {
        let what = format!(
            "Check what became of the actions of the incident that looks alike ({}), and why they did not prevent this one",
            cut(&past.excerpt, 80)
        );
        let why = format!("Memory {} {}", past.id, past.why);
        actions.push(action(
            what,
            why,
            "Incident owner",
            Priority::P1,
            "Each old action is listed as done with evidence, or is taken up again here with a date",
            today,
        ));
    }
    if actions.is_empty() {
        let what = format!(
            "Collect logs, metrics and the change history of {} from an hour before the first symptom, and repeat this analysis",
            facts.subject()
        );
        actions.push(action(
            what,
            "The text has too little evidence for a factor".to_owned(),
            "Incident owner",
            Priority::P1,
            "The repeated report names a trigger and at least one factor with evidence",
            today,
        ));
    }
    actions.sort_by_key(|action| action.priority);
    actions.truncate(MAX_ACTIONS);
    actions
}

fn stated(facts: &Facts, milestones: &Milestones<'_>, today: Date) -> Vec<CorrectiveAction> {
    let mut found: Vec<CorrectiveAction> = Vec::new();
    let after = |fact: &Fact| {
        fact.moment.is_none() || milestones.resolved.is_some_and(|resolved| fact.moment >= resolved.moment)
    };
    for fact in
        facts.all.iter().filter(|fact| cues::TO_DO.occur(&fact.text) && after(fact) && !fact.text.ends_with('?'))
    {
        let what = INTRODUCTION.replace(&fact.text, "");
        let owner = OWNER
            .captures(&what)
            .and_then(|owner| owner.get(1).or(owner.get(2)))
            .map(|owner| owner.as_str().trim().to_owned());
        let what = capitalised(OWNER.replace(&what, "").trim().trim_end_matches(['.', ',', '(', ' ']));
        let known = found
            .iter()
            .any(|action| words::overlap(&words::significant(&action.what), &words::significant(&what)) > 0.7);
        if what.split_whitespace().count() < 2 || known || found.len() >= MAX_STATED {
            continue;
        }
        let category = categories(&what).next();
        let verification = category
            .map_or("The failure is provoked again in a test environment and users do not notice", |category| {
                template(category).2
            });
        let role = category.map_or("Team that owns the service", |category| template(category).1);
        let owner = owner.unwrap_or_else(|| role.to_owned());
        found.push(action(what, format!("Stated in line {}", fact.line), &owner, Priority::P2, verification, today));
    }
    found
}

/// What an action that the text states is about.
fn categories(what: &str) -> impl Iterator<Item = Category> {
    let monitoring =
        ["alert", "alarm", "monitor", "dashboard", "page "].iter().any(|word| what.to_lowercase().contains(word));
    Category::ALL
        .into_iter()
        .filter(move |category| match category {
            Category::Detection => monitoring,
            _ => !monitoring && cues::of(*category).occur(what),
        })
        .collect::<Vec<_>>()
        .into_iter()
}

fn for_factor(factor: &Factor, subject: &str, severe: bool, today: Date) -> CorrectiveAction {
    let (what, owner, verification) = template(factor.category);
    let priority = match (factor.confidence, severe) {
        (Confidence::Stated | Confidence::Likely, true) => Priority::P1,
        (Confidence::Stated | Confidence::Likely, false) | (Confidence::Possible, true) => Priority::P2,
        (Confidence::Possible, false) => Priority::P3,
    };
    let mut lines: Vec<String> = factor.evidence.iter().map(|evidence| evidence.line.to_string()).collect();
    lines.dedup();
    let why = format!("{} ({}), line {}", factor.category.title(), factor.confidence.title(), lines.join(", "));
    action(what.replace("{subject}", subject), why, owner, priority, verification, today)
}

/// What to do, who, and how to see that it works.
const fn template(category: Category) -> (&'static str, &'static str, &'static str) {
    match category {
        Category::Change => (
            "Release changes of {subject} to a small share of traffic first, and undo them by themselves when errors or latency leave their usual range",
            "Release engineer",
            "A change with the same fault is released on purpose in staging and is undone within 5 minutes without a person",
        ),
        Category::Capacity => (
            "Give the exhausted resource of {subject} a limit with an early warning (70 % of it for 10 minutes), and make callers shed load before it is full",
            "Service owner",
            "A load test at 150 % of peak ends in refused calls with a clear error, not in an outage, and the warning fires before",
        ),
        Category::Dependency => (
            "Give calls of {subject} to the failed dependency a deadline, a retry limit and a circuit breaker, and decide what users see without it",
            "Service owner",
            "The dependency is blocked in staging for 15 minutes: users see the agreed fallback and nothing else fails",
        ),
        Category::Configuration => (
            "Check the setting before it goes live (validation in the pipeline, one source for all environments), and watch what expires 30 days ahead",
            "Platform engineer",
            "A change with the wrong value is refused by the pipeline, and a date 29 days ahead raises a ticket",
        ),
        Category::Data => (
            "Refuse data of this form at the border, rehearse schema changes on a copy of production data, and repair the rows that are affected",
            "Data owner",
            "The offending row or migration is in a test that fails without the fix, and a query over production finds no such row",
        ),
        Category::Process => (
            "Replace the step that went wrong by an automated or two-person step, and write the way back into the runbook",
            "Engineering manager",
            "Somebody who did not write it follows the new procedure in a drill, without asking",
        ),
        Category::Detection => (
            "Alert on what users of {subject} feel (error rate and latency at the edge), with an owner and a runbook link",
            "On-call lead",
            "The failure is provoked in staging and the right person is paged within 5 minutes",
        ),
    }
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
