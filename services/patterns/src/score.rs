//! Scores patterns by intent, role, history and novelty. The same query on the same data always gets the same result. Every part of a score
//! is a whole number of grains, and a grain is a power of two, so that the parts add up to the score exactly in any language.

use crate::catalog::{Catalog, Pattern};
use crate::index::words_of;
use mcp_contracts::Plan;
use mcp_contracts::patterns::{Recommendation, ScoreParts, SelectedPatterns};
use std::collections::HashMap;

/// Smallest difference between two scores.
pub const GRAIN: f64 = 1.0 / 4_096.0;
/// The raw match that becomes an intent match of one half.
// It weighs the intent against role, history and novelty. `tests/score.rs` holds it to tasks in users' words.
const HALF_MATCH: f64 = 9.0;
/// Lowest intent match of a recommendation. A lower one is chance: one or two common words in a long text.
pub const LEAST_MATCH: f64 = 0.2;
/// Bonus if a pattern is written for the role.
pub const ROLE_BOOST: f64 = 0.125;
/// Largest bonus or penalty from the history.
pub const MAX_HISTORY: f64 = 0.125;
/// Uses that every history is assumed to have, half of them good, so that the first real uses do not decide everything.
const PRIOR_USES: f64 = 4.0;
/// Penalty for each recent use of a pattern.
const NOVELTY_STEP: f64 = 0.0625;
/// Largest penalty for recent uses.
pub const MAX_NOVELTY_PENALTY: f64 = 0.125;

/// A search for patterns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query<'a> {
    /// The user's task in the user's own words.
    pub intent: &'a str,
    pub role: &'a str,
    /// If given, only patterns of this category.
    pub category: Option<&'a str>,
    /// Ids of recently used patterns; an id may be repeated.
    pub recent: &'a [String],
    pub plan: Plan,
    pub limit: usize,
}

/// Uses of a pattern in an organisation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct History {
    pub uses: u64,
    /// Uses that were accepted or modified.
    pub good: u64,
}

/// Histories of an organisation, by pattern id.
pub type Histories = HashMap<String, History>;

/// A pattern with the parts of its score, in grains.
struct Scored<'a> {
    pattern: &'a Pattern,
    parts: [i64; 4],
}

impl Scored<'_> {
    fn total(&self) -> i64 {
        self.parts.iter().sum()
    }
}

/// Returns the best patterns, best first. Returns none if no pattern matches the intent well enough.
pub fn select(catalog: &Catalog, query: &Query<'_>, histories: &Histories) -> SelectedPatterns {
    let words = words_of(query.intent);
    let mut on_higher_plan = 0;
    let mut scored = Vec::new();
    for (at, raw) in catalog.index().matches(&words) {
        let pattern = &catalog.patterns()[at];
        let intent_match = saturate(raw);
        let in_category = query.category.is_none_or(|category| category == pattern.detail.category);
        if intent_match < LEAST_MATCH || !in_category {
            continue;
        }
        // After the other conditions, so that only patterns that would be recommended are counted.
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

/// Returns the patterns written for a role, those with the best history first. Used if there is no task.
pub fn for_role(catalog: &Catalog, query: &Query<'_>, histories: &Histories) -> SelectedPatterns {
    let matches = |pattern: &&Pattern| {
        written_for(pattern, query.role) && query.category.is_none_or(|category| category == pattern.detail.category)
    };
    let (mine, higher): (Vec<&Pattern>, Vec<&Pattern>) =
        catalog.patterns().iter().filter(matches).partition(|pattern| pattern.detail.plan <= query.plan);
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
    let history = histories.get(id).map_or(0.0, |history| history_bonus(*history));
    let recent = query.recent.iter().filter(|recent| *recent == id).count();
    Scored { pattern, parts: [intent_match, role, history, -novelty_penalty(recent)].map(grains) }
}

/// Returns the best `limit` patterns, by score and then by id.
fn best(mut scored: Vec<Scored<'_>>, limit: usize) -> Vec<Recommendation> {
    let order = |one: &Scored<'_>, other: &Scored<'_>| {
        other.total().cmp(&one.total()).then_with(|| one.pattern.detail.id.cmp(&other.pattern.detail.id))
    };
    // Only the patterns to return are sorted.
    if limit > 0 && limit < scored.len() {
        scored.select_nth_unstable_by(limit - 1, order);
        scored.truncate(limit);
    }
    // Unstable is enough: ids are unique, so no two patterns are equal in this order.
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

/// Maps a raw match, which has no upper limit, to a share below 1. A better match gets a larger share.
fn saturate(raw: f64) -> f64 {
    // The limit keeps the share below 1 after rounding to grains.
    (raw / (raw + HALF_MATCH)).min(1.0 - GRAIN)
}

/// Computes the bonus from the smoothed share of good uses; 0 without uses.
fn history_bonus(history: History) -> f64 {
    let uses = history.uses as f64;
    let good = (history.good.min(history.uses)) as f64;
    let share = (good + PRIOR_USES / 2.0) / (uses + PRIOR_USES);
    (share - 0.5) * 2.0 * MAX_HISTORY
}

fn novelty_penalty(recent: usize) -> f64 {
    (recent as f64 * NOVELTY_STEP).min(MAX_NOVELTY_PENALTY)
}

fn written_for(pattern: &Pattern, role: &str) -> bool {
    pattern.detail.roles.iter().any(|target| target.eq_ignore_ascii_case(role))
}

fn grains(part: f64) -> i64 {
    (part / GRAIN).round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_history_bonus_is_bounded_smoothed_and_0_without_uses() {
        assert_eq!(history_bonus(History::default()), 0.0);
        let once = history_bonus(History { uses: 1, good: 1 });
        let often = history_bonus(History { uses: 1_000_000, good: 1_000_000 });
        assert!(0.0 < once && once < often && often <= MAX_HISTORY);
        assert!(history_bonus(History { uses: 10, good: 0 }) < 0.0);
        assert!(history_bonus(History { uses: u64::MAX, good: 0 }) >= -MAX_HISTORY);
    }

    #[test]
    fn the_novelty_penalty_is_bounded() {
        assert_eq!([0, 1, 2, 3, 1_000_000].map(novelty_penalty), [0.0, 0.0625, 0.125, 0.125, 0.125]);
    }
}
