//! Properties of the score, and its results for tasks in users' words.
#![expect(clippy::unwrap_used, reason = "test helpers fail the test with it")]

use mcp_contracts::Plan;
use mcp_contracts::patterns::{Recommendation, SelectedPatterns};
use mcp_kit::data::{DataFile, FolderData};
use mcp_patterns::catalog::Catalog;
use mcp_patterns::score::{self, Histories, History, MAX_HISTORY, MAX_NOVELTY_PENALTY, Query, ROLE_BOOST};
use proptest::prelude::*;
use std::fmt::Write;
use std::sync::LazyLock;

static CATALOG: LazyLock<Catalog> = LazyLock::new(|| Catalog::built_in().unwrap());

/// Tasks in users' words, with the pattern that must be among the first three results.
const INTENTS: [(&str, &str); 25] = [
    ("production is down and I was just paged", "incident-first-fifteen"),
    ("should we roll back the deploy or fix forward", "incident-rollback-or-fix"),
    ("write a status page update for customers", "incident-status-update"),
    ("find the root cause of yesterday's outage", "rca-five-whys"),
    ("write a blameless postmortem", "postmortem-blameless"),
    ("review my pull request", "review-change"),
    ("look at this diff for security holes", "review-security-lens"),
    ("how do I refactor this legacy module safely", "refactor-safe-steps"),
    ("derive test cases from a requirement", "test-cases-from-spec"),
    ("our CI test is flaky", "test-flaky-hunt"),
    ("add a column to a big table without downtime", "migration-expand-contract"),
    ("design a REST API", "api-design-endpoint"),
    ("this SQL query is slow", "perf-query-tuning"),
    ("the page takes eight seconds to load", "perf-frontend-load"),
    ("threat model for a new feature", "threat-model-feature"),
    ("rotate the database credentials", "security-secret-rotation"),
    ("hand over my on-call shift", "oncall-handover"),
    ("write an ADR", "adr-write"),
    ("estimate how long this will take", "estimate-work"),
    ("plan the sprint retrospective", "retro-agenda"),
    ("release notes for version 2", "release-notes"),
    ("upgrade a library with breaking changes", "dependency-upgrade"),
    ("a bug that happens only sometimes, maybe a race", "debug-heisenbug"),
    ("improve the prompt of my agent", "prompt-design"),
    ("our cloud bill is too high", "cost-cloud-bill"),
];

fn query<'a>(intent: &'a str, recent: &'a [String], plan: Plan) -> Query<'a> {
    Query { intent, role: "developer", category: None, recent, plan, limit: 20 }
}

fn ask(intent: &str, plan: Plan) -> SelectedPatterns {
    score::select(&CATALOG, &query(intent, &[], plan), &Histories::new())
}

#[test]
fn tasks_in_users_words_find_their_patterns() {
    let mut table = String::new();
    for (intent, wanted) in INTENTS {
        let found = ask(intent, Plan::Enterprise).patterns;
        let line = |found: &Recommendation| format!("{} {:.3}", found.id, found.score);
        let first: Vec<String> = found.iter().take(3).map(line).collect();
        writeln!(table, "{intent}\n    {}", first.join(", ")).unwrap();
        assert!(found.iter().take(3).any(|found| found.id == wanted), "{intent}: {first:?}");
    }
    insta::assert_snapshot!(table);
}

#[test]
fn a_task_without_a_match_gets_nothing() {
    for intent in ["zzz qqq", "how do I do this", "!!!", "recipe for pancakes", "数据"] {
        let selected = ask(intent, Plan::Enterprise);
        assert!(selected.patterns.is_empty(), "{intent}: {:?}", selected.patterns.first());
        assert_eq!(selected.on_higher_plan, 0);
    }
}

#[test]
fn equal_scores_are_sorted_by_id() {
    let entry = |number: u32| {
        let word = if number < 60 { "ledger" } else { "kettle" };
        format!(
            "  - id: {word}-{number:03}\n    title: {word}\n    summary: A.\n    tags: [{word}]\n    roles: [x]\n    level: beginner\n    plan: free\n    body: A.\n"
        )
    };
    // Many patterns and a small limit, so that the order is not right by chance.
    let entries: String = (0..600).rev().map(entry).collect();
    let catalog = Catalog::from_files(vec![DataFile {
        name: "x".to_owned(),
        text: format!("category: x\npatterns:\n{entries}"),
    }])
    .unwrap();
    for limit in [1, 7, 30, 60] {
        let query = Query { limit, ..query("ledger", &[], Plan::Free) };
        let selected = score::select(&catalog, &query, &Histories::new());
        let expected: Vec<String> = (0..limit).map(|number| format!("ledger-{number:03}")).collect();
        assert_eq!(selected.patterns.iter().map(|found| found.id.as_str()).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn a_repeated_word_counts_once() {
    let (once, twice) = (ask("slow query", Plan::Enterprise), ask("slow query query slow queries", Plan::Enterprise));
    assert_eq!(once, twice);
}

#[test]
fn category_and_limit_are_respected() {
    let category =
        Query { category: Some("security"), limit: 2, ..query("security review of a feature", &[], Plan::Enterprise) };
    let selected = score::select(&CATALOG, &category, &Histories::new());
    assert_eq!(selected.patterns.len(), 2);
    assert!(selected.patterns.iter().all(|found| found.category == "security"));
}

/// A word that the catalogue contains.
fn word() -> impl Strategy<Value = String> {
    let words: Vec<String> = CATALOG
        .patterns()
        .iter()
        .flat_map(|pattern| mcp_patterns::index::words_of(&format!("{} {}", pattern.detail.title, pattern.body)))
        .collect();
    prop::sample::select(words)
}

fn histories() -> impl Strategy<Value = Histories> {
    let ids: Vec<String> = CATALOG.patterns().iter().map(|pattern| pattern.detail.id.clone()).collect();
    let history =
        (any::<u32>(), any::<u32>()).prop_map(|(uses, good)| History { uses: uses.into(), good: good.into() });
    prop::collection::hash_map(prop::sample::select(ids), history, 0..20)
}

fn plan() -> impl Strategy<Value = Plan> {
    prop::sample::select(Plan::ALL.to_vec())
}

fn find<'a>(selected: &'a SelectedPatterns, id: &str) -> Option<&'a Recommendation> {
    selected.patterns.iter().find(|found| found.id == id)
}

proptest! {
    #[test]
    fn the_parts_add_up_and_stay_within_their_bounds(
        words in prop::collection::vec(word(), 1..8), histories in histories(), plan in plan(),
        recent in prop::collection::vec(prop::sample::select(vec!["review-change", "adr-write", "gone"]), 0..6),
    ) {
        let recent: Vec<String> = recent.into_iter().map(str::to_owned).collect();
        let intent = words.join(" ");
        let selected = score::select(&CATALOG, &query(&intent, &recent, plan), &histories);
        for found in &selected.patterns {
            let parts = found.score_parts;
            prop_assert_eq!(found.score, parts.intent_match + parts.role_boost + parts.success_history + parts.novelty_penalty);
            prop_assert!((0.0..1.0).contains(&parts.intent_match));
            prop_assert!(parts.role_boost == 0.0 || parts.role_boost == ROLE_BOOST);
            prop_assert!(parts.success_history.abs() <= MAX_HISTORY);
            prop_assert!((-MAX_NOVELTY_PENALTY..=0.0).contains(&parts.novelty_penalty));
            prop_assert!(recent.contains(&found.id) == (parts.novelty_penalty < 0.0));
            prop_assert!(CATALOG.get(&found.id).unwrap().detail.plan <= plan);
            // The parts still add up after serialization.
            let wire: Recommendation = serde_json::from_str(&serde_json::to_string(found).unwrap()).unwrap();
            prop_assert_eq!(&wire, found);
        }
        prop_assert!(selected.patterns.windows(2).all(|pair| (-pair[0].score, &pair[0].id) < (-pair[1].score, &pair[1].id)));
    }

    #[test]
    fn the_order_of_words_does_not_matter(
        words in prop::collection::vec(word(), 1..8), histories in histories(), plan in plan(),
    ) {
        let (forward, backward) = (words.join(" "), words.iter().rev().cloned().collect::<Vec<_>>().join(" "));
        let one = score::select(&CATALOG, &query(&forward, &[], plan), &histories);
        prop_assert_eq!(&one, &score::select(&CATALOG, &query(&forward, &[], plan), &histories));
        prop_assert_eq!(&one, &score::select(&CATALOG, &query(&backward, &[], plan), &histories));
    }

    #[test]
    fn a_matching_word_never_lowers_a_score(words in prop::collection::vec(word(), 1..6), added in word()) {
        let (few, more) = (words.join(" "), format!("{} {added}", words.join(" ")));
        let all = |intent: &str| {
            let query = Query { limit: usize::MAX, ..query(intent, &[], Plan::Enterprise) };
            score::select(&CATALOG, &query, &Histories::new())
        };
        let (few, more) = (all(&few), all(&more));
        for before in &few.patterns {
            let after = find(&more, &before.id);
            prop_assert!(after.is_some_and(|after| after.score >= before.score), "{}", before.id);
        }
    }

    #[test]
    fn a_lower_plan_gets_a_subset_and_the_number_of_the_rest(words in prop::collection::vec(word(), 1..6)) {
        let intent = words.join(" ");
        let seen = |plan| {
            let selected = score::select(&CATALOG, &Query { limit: usize::MAX, ..query(&intent, &[], plan) }, &Histories::new());
            (selected.patterns.len() as u32, selected.on_higher_plan)
        };
        let all = seen(Plan::Enterprise);
        prop_assert_eq!(all.1, 0);
        let mut before = 0;
        for plan in Plan::ALL {
            let (found, higher) = seen(plan);
            prop_assert!(found >= before);
            prop_assert_eq!(found + higher, all.0);
            before = found;
        }
    }

    #[test]
    fn the_penalty_for_recent_use_is_bounded(words in prop::collection::vec(word(), 1..6), times in 0..20usize) {
        let intent = words.join(" ");
        let fresh = score::select(&CATALOG, &query(&intent, &[], Plan::Enterprise), &Histories::new());
        if let Some(first) = fresh.patterns.first() {
            let recent = vec![first.id.clone(); times];
            let query = Query { limit: usize::MAX, ..query(&intent, &recent, Plan::Enterprise) };
            let again = score::select(&CATALOG, &query, &Histories::new());
            let lost = first.score - find(&again, &first.id).unwrap().score;
            prop_assert!((0.0..=MAX_NOVELTY_PENALTY).contains(&lost));
        }
    }

    #[test]
    fn one_more_good_use_never_lowers_a_score(uses in 0..10_000u64, good in 0..10_000u64) {
        let good = good.min(uses);
        let score = |uses, good| {
            let histories = Histories::from([("review-change".to_owned(), History { uses, good })]);
            let selected = score::select(&CATALOG, &query("review my pull request", &[], Plan::Enterprise), &histories);
            find(&selected, "review-change").unwrap().score
        };
        let before = score(uses, good);
        prop_assert!(score(uses + 1, good + 1) >= before);
        prop_assert!(score(uses + 1, good) <= before);
    }
}
