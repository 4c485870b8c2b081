//! Who and what was hit, for how long, by the numbers that the text names. No number is computed but the duration.

use super::cues;
use super::facts::{Fact, Facts};
use super::report::{Impact, Mark};
use super::response::Milestones;
use super::timeline::shown;
use crate::agent::lexicon::expression;
use crate::agent::{Evidence, figures};
use regex::Regex;
use std::sync::LazyLock;

/// Most statements about who was hit.
const MAX_SCOPE: usize = 5;
/// Most numbers.
const MAX_NUMBERS: usize = 12;

static LASTED: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"(?i)\b(?:for|lasted|took|duration:?|outage of|down for|dauerte|durante|pendant)\s+(?:about|around|approx\.?|roughly|~|ca\.?|etwa|nearly|almost)?\s*(?:(\d{1,3})\s?(?:h|hours?|hrs?|stunden?|horas?|heures?)\b)?\s*(?:and\s+)?(?:(\d{1,4})\s?(?:m|min|mins|minutes?|minuten|minutos)\b)?",
    )
});

/// Reads it.
pub(super) fn impact(facts: &Facts, milestones: &Milestones<'_>) -> Impact {
    let time = |fact: Option<&Fact>| {
        let moment = fact?.moment?;
        Some(if moment.dated {
            format!("{} {}", moment.at.date(), shown(moment, true, false))
        } else {
            shown(moment, true, false)
        })
    };
    let (duration_minutes, duration_basis) = duration(facts, milestones);
    Impact {
        started: time(milestones.started),
        started_at_latest: milestones.started_at_latest,
        ended: time(milestones.resolved),
        duration_minutes,
        duration_basis,
        scope: scope(facts),
        numbers: figures::find(
            &facts.told(|fact| !cues::TO_DO.occur(&fact.text)).map(Fact::evidence).collect::<Vec<_>>(),
            MAX_NUMBERS,
        ),
    }
}

fn scope(facts: &Facts) -> Vec<Evidence> {
    let is_something_else = |fact: &Fact| {
        let traced = fact.text.starts_with("at ") && fact.text.ends_with(')');
        let alerted = fact.mark == Mark::Detected && cues::ALERT.hold(&fact.text);
        let told_elsewhere = matches!(fact.mark, Mark::Resolved | Mark::Mitigated | Mark::Change);
        traced || alerted || told_elsewhere || cues::TO_DO.occur(&fact.text) || cues::CAUSE.hold(&fact.text)
    };
    let tells_of_harm = |fact: &Fact| {
        fact.mark == Mark::Symptom
            || cues::SYMPTOM.occur(&fact.text)
            || fact.text.bytes().any(|byte| byte.is_ascii_digit() || byte == b'%')
    };
    let hit =
        |fact: &Fact| cues::SCOPE.hold(&without_names(&fact.text)) && tells_of_harm(fact) && !is_something_else(fact);
    let mut found: Vec<&Fact> = facts.told(hit).collect();
    found.sort_by_key(|fact| (std::cmp::Reverse(cues::SCOPE.count(&fact.text).min(3)), fact.line));
    found.dedup_by_key(|fact| (fact.line, fact.text.as_str()));
    found.truncate(MAX_SCOPE);
    found.sort_by_key(|fact| fact.line);
    found.into_iter().map(Fact::evidence).collect()
}

/// A text without the names of parts and the fields of a log: `orders-worker` is no order, `order=7` is none either.
fn without_names(text: &str) -> String {
    let is_name = |word: &&str| !word.trim_matches(|edge: char| !edge.is_alphanumeric()).contains(['-', '_', '=', '[']);
    text.split(' ').filter(is_name).collect::<Vec<_>>().join(" ")
}

/// Between the ends of the text; where its beginning is no more than the first alert, what the text says of it comes first.
fn duration(facts: &Facts, milestones: &Milestones<'_>) -> (Option<i64>, String) {
    let between = between(milestones);
    let said = || lasted(facts);
    let found = if milestones.started_at_latest { said().or(between) } else { between.or_else(said) };
    found.map_or_else(
        || (None, "the text names no beginning and end".to_owned()),
        |(minutes, basis)| (Some(minutes), basis),
    )
}

fn between(milestones: &Milestones<'_>) -> Option<(i64, String)> {
    let (start, end) = milestones.started.zip(milestones.resolved)?;
    let minutes = end.moment?.minutes_since(start.moment?);
    let basis = if milestones.started_at_latest {
        format!("at least, from the first alert in line {} to line {}", start.line, end.line)
    } else {
        format!("from line {} to line {}", start.line, end.line)
    };
    Some((minutes, basis))
}

fn lasted(facts: &Facts) -> Option<(i64, String)> {
    for fact in facts.told(|fact| cues::SYMPTOM.occur(&fact.text) || LASTED.is_match(&fact.text)) {
        for lasted in LASTED.captures_iter(&fact.text) {
            let part = |index: usize| lasted.get(index).and_then(|part| part.as_str().parse::<i64>().ok());
            if let (hours, minutes) = (part(1), part(2))
                && (hours.is_some() || minutes.is_some())
            {
                let total = hours.unwrap_or(0) * 60 + minutes.unwrap_or(0);
                return Some((total, format!("as line {} says", fact.line)));
            }
        }
    }
    None
}
