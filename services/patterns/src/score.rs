//! How well a pattern fits, and nothing else: intent match, role, history, novelty. Pure; the same question gets the same answer. Every part
//! is a whole number of grains, and a grain is a power of two, so that the parts of a score add up to it exactly in any language.

use crate::catalog::{Catalog, Pattern};
use crate::index::words_of;
use mcp_contracts::Plan;
use mcp_contracts::patterns::{Recommendation, ScoreParts, SelectedPatterns};
use std::collections::HashMap;

/// Smallest difference of two scores.
pub const GRAIN: f64 = 1.0 / 4_096.0;
/// A raw match of this size counts one half.
const HALF_MATCH: f64 = 9.0;
/// Below this, a match is chance: a common word or two in a long text.
pub const LEAST_MATCH: f64 = 0.2;
/// Added where a pattern is written for the role.
pub const ROLE_BOOST: f64 = 0.125;
/// Most that history adds or takes away.
pub const MAX_HISTORY: f64 = 0.125;
/// Uses that nobody made, half of them good: what keeps the first real ones from deciding everything.
const PRIOR_USES: f64 = 4.0;
/// Taken away for each recent use.
const NOVELTY_STEP: f64 = 0.0625;
/// Most that is taken away for recent uses.
pub const MAX_NOVELTY_PENALTY: f64 = 0.125;

/// What somebody looks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query<'a> {
    /// In their words.
    pub intent: &'a str,
    /// Their role.
    pub role: &'a str,
    /// The only category that is wanted.
    pub category: Option<&'a str>,
    /// Ids of patterns used lately; an id may be there more than once.
    pub recent: &'a [String],
    /// What they pay for.
    pub plan: Plan,
    /// Most recommendations.
    pub limit: usize,
}

/// What became of a pattern in an organisation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct History {
    /// How often it was used.
    pub uses: u64,
    /// How often it was accepted, as it was or changed.
    pub good: u64,
}

/// The history of an organisation, by pattern.
pub type Histories = HashMap<String, History>;

/// A pattern and its parts, in grains.
struct Scored<'a> {
    pattern: &'a Pattern,
    parts: [i64; 4],
}

impl Scored<'_> {
    fn total(&self) -> i64 {
        self.parts.iter().sum()
    }
}

/// The patterns that fit best, best first; none where nothing matches.
pub fn select(catalog: &Catalog, query: &Query<'_>, histories: &Histories) -> SelectedPatterns {
    let words = words_of(query.intent);
    let mut on_higher_plan = 0;
    let mut scored = Vec::new();
    for (at, raw) in catalog.index().matches(&words) {
        let pattern = &catalog.patterns()[at];
        let intent_match = saturated(raw);
        let wanted = query.category.is_none_or(|category| category == pattern.detail.category);
        if intent_match < LEAST_MATCH || !wanted {
            continue;
        }
        if pattern.detail.plan > query.plan {
            on_higher_plan += 1;
            continue;
        }
        scored.push(score(pattern, intent_match, query, histories));
    }
    SelectedPatterns {
        patterns: best(scored, query.limit),
        on_higher_plan,
        catalog_version: catalog.version().to_owned(),
    }
}

/// What a role reads without a task: the patterns written for it, the better their history the earlier.
pub fn for_role(catalog: &Catalog, query: &Query<'_>, histories: &Histories) -> SelectedPatterns {
    let wanted = |pattern: &&Pattern| {
        written_for(pattern, query.role) && query.category.is_none_or(|category| category == pattern.detail.category)
    };
    let (mine, higher): (Vec<&Pattern>, Vec<&Pattern>) =
        catalog.patterns().iter().filter(wanted).partition(|pattern| pattern.detail.plan <= query.plan);
    let scored = mine.into_iter().map(|pattern| score(pattern, 0.0, query, histories)).collect();
    SelectedPatterns {
        patterns: best(scored, query.limit),
        on_higher_plan: u32::try_from(higher.len()).unwrap_or(u32::MAX),
        catalog_version: catalog.version().to_owned(),
    }
}

fn score<'a>(pattern: &'a Pattern, intent_match: f64, query: &Query<'_>, histories: &Histories) -> Scored<'a> {
    let id = pattern.detail.id.as_str();
    let role = if written_for(pattern, query.role) { ROLE_BOOST } else { 0.0 };
    let history = histories.get(id).map_or(0.0, |history| success(*history));
    let recent = query.recent.iter().filter(|recent| *recent == id).count();
    Scored { pattern, parts: [intent_match, role, history, -novelty(recent)].map(grains) }
}

/// Best first; where two are equal, by id.
fn best(mut scored: Vec<Scored<'_>>, limit: usize) -> Vec<Recommendation> {
    let order = |one: &Scored<'_>, other: &Scored<'_>| {
        other.total().cmp(&one.total()).then_with(|| one.pattern.detail.id.cmp(&other.pattern.detail.id))
    };
    if limit > 0 && limit < scored.len() {
        scored.select_nth_unstable_by(limit - 1, order);
        scored.truncate(limit);
    }
    scored.sort_unstable_by(order);
    scored.iter().take(limit).map(recommendation).collect()
}

fn recommendation(scored: &Scored<'_>) -> Recommendation {
    let detail = &scored.pattern.detail;
    let [intent_match, role_boost, success_history, novelty_penalty] = scored.parts.map(|part| part as f64 * GRAIN);
    Recommendation {
        id: detail.id.clone(),
        title: detail.title.clone(),
        category: detail.category.clone(),
        summary: detail.summary.clone(),
        level: detail.level,
        variables: detail
            .variables
            .iter()
            .filter(|variable| variable.default.is_none())
            .map(|variable| variable.name.clone())
            .collect(),
        score: scored.total() as f64 * GRAIN,
        score_parts: ScoreParts { intent_match, role_boost, success_history, novelty_penalty },
    }
}

/// From a raw match, which has no upper end, to a share that never reaches 1; more never gives less.
fn saturated(raw: f64) -> f64 {
    (raw / (raw + HALF_MATCH)).min(1.0 - GRAIN)
}

/// From the smoothed share of good uses; nothing where there were none.
fn success(history: History) -> f64 {
    let uses = history.uses as f64;
    let good = (history.good.min(history.uses)) as f64;
    let share = (good + PRIOR_USES / 2.0) / (uses + PRIOR_USES);
    (share - 0.5) * 2.0 * MAX_HISTORY
}

/// What recent uses take away.
fn novelty(recent: usize) -> f64 {
    (recent as f64 * NOVELTY_STEP).min(MAX_NOVELTY_PENALTY)
}

fn written_for(pattern: &Pattern, role: &str) -> bool {
    pattern.detail.roles.iter().any(|written| written.eq_ignore_ascii_case(role))
}

fn grains(part: f64) -> i64 {
    (part / GRAIN).round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn history_is_bounded_smoothed_and_nothing_without_uses() {
        assert_eq!(success(History::default()), 0.0);
        let once = success(History { uses: 1, good: 1 });
        let often = success(History { uses: 1_000_000, good: 1_000_000 });
        assert!(0.0 < once && once < often && often <= MAX_HISTORY);
        assert!(success(History { uses: 10, good: 0 }) < 0.0);
        assert!(success(History { uses: u64::MAX, good: 0 }) >= -MAX_HISTORY);
    }

    #[test]
    fn novelty_takes_away_at_most_its_bound() {
        assert_eq!([0, 1, 2, 3, 1_000_000].map(novelty), [0.0, 0.0625, 0.125, 0.125, 0.125]);
    }
}
