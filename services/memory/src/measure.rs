//! Measures the quality of the search: runs each query of the labelled set and counts how often a memory with the evidence is among the
//! first hits. A test compares the figures with the recorded ones.

mod labelled;
mod reference;
mod search;

use labelled::{LabelledQuestion, LabelledSet};
use serde::Serialize;
use std::fmt::Write;

/// Number of hits that are looked at.
const DEPTH: usize = 10;
/// Name of the row over all groups.
const ALL: &str = "all";

/// The figures of one ranking over one group of questions.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RankingFigures {
    /// `search` for the search of the service, or the name of a reference.
    pub ranking: &'static str,
    pub group: String,
    pub questions: usize,
    /// Number of questions whose first hit has the evidence.
    pub first: usize,
    /// Number of questions with evidence among the first ten hits.
    pub first_ten: usize,
    /// `first` as a share of the questions.
    pub first_share: f64,
    /// `first_ten` as a share of the questions.
    pub first_ten_share: f64,
    /// The mean of 1 / place of the first hit with evidence; 0 beyond the tenth place.
    pub mrr10: f64,
    /// Ids of the questions without evidence among the first ten hits. Empty for references and for the row over all groups.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missed: Vec<String>,
}

/// Measures the search of the service for each group and over all of them, and the references over all groups.
///
/// # Errors
/// Fails if the set cannot be read or the temporary database cannot be used.
pub fn rows() -> Result<Vec<RankingFigures>, String> {
    let set = LabelledSet::read()?;
    let places = search::places(&set)?;
    let mut rows: Vec<RankingFigures> =
        set.groups().into_iter().map(|group| row("search", group, &set, &places)).collect();
    rows.push(row("search", ALL, &set, &places));
    for variant in reference::VARIANTS {
        rows.push(row(variant.name, ALL, &set, &variant.places(&set)));
    }
    Ok(rows)
}

/// Summarizes the places of one group. `places` has one entry for each question of the set: the place of the first hit with evidence, from 1.
fn row(ranking: &'static str, group: &str, set: &LabelledSet, places: &[Option<usize>]) -> RankingFigures {
    let chosen: Vec<(&LabelledQuestion, Option<usize>)> =
        set.questions.iter().zip(places.iter().copied()).filter(|(of, _)| group == ALL || of.group == group).collect();
    let within = |depth: usize| chosen.iter().filter(|(_, place)| place.is_some_and(|place| place <= depth)).count();
    let share = |count: f64| round(count / chosen.len().max(1) as f64);
    let (first, first_ten) = (within(1), within(DEPTH));
    let missed = chosen.iter().filter(|(_, place)| place.is_none()).map(|(question, _)| question.id.clone());
    RankingFigures {
        ranking,
        group: group.to_owned(),
        questions: chosen.len(),
        first,
        first_ten,
        first_share: share(first as f64),
        first_ten_share: share(first_ten as f64),
        mrr10: share(chosen.iter().filter_map(|(_, place)| place.map(|place| 1.0 / place as f64)).sum()),
        missed: if group == ALL { Vec::new() } else { missed.collect() },
    }
}

/// Rounds to four places, so that a recorded figure is short and equal on every machine.
fn round(share: f64) -> f64 {
    (share * 10_000.0).round() / 10_000.0
}

/// Returns the place of the first of `ranked` that is evidence, from 1.
fn place<'a>(question: &LabelledQuestion, ranked: impl Iterator<Item = &'a str>) -> Option<usize> {
    ranked.take(DEPTH).position(|id| question.evidence.iter().any(|evidence| evidence == id)).map(|index| index + 1)
}

/// Renders rows as JSON.
///
/// # Errors
/// Fails if a figure is not a number.
pub fn json(rows: &[RankingFigures]) -> Result<String, String> {
    serde_json::to_string_pretty(rows).map(|text| text + "\n").map_err(|error| error.to_string())
}

pub fn table(rows: &[RankingFigures]) -> String {
    let mut text = format!(
        "{:<28}{:<18}{:>10}{:>8}{:>11}{:>9}\n",
        "ranking", "group", "questions", "first", "first ten", "MRR@10"
    );
    for row in rows {
        let _ = writeln!(
            text,
            "{:<28}{:<18}{:>10}{:>8.3}{:>11.3}{:>9.3}",
            row.ranking, row.group, row.questions, row.first_share, row.first_ten_share, row.mrr10
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(id: &str, group: &str, evidence: &[&str]) -> LabelledQuestion {
        let evidence = evidence.iter().map(|id| (*id).to_owned()).collect();
        LabelledQuestion { id: id.to_owned(), group: group.to_owned(), question: String::new(), evidence }
    }

    #[test]
    fn the_first_hit_with_evidence_counts_and_only_the_first_ten_hits() {
        let question = question("q", "g", &["b", "c"]);
        assert_eq!(place(&question, ["a", "b", "c"].into_iter()), Some(2));
        assert_eq!(place(&question, ["a"].into_iter()), None);
        assert_eq!(place(&question, std::iter::repeat_n("a", 9).chain(["c"])), Some(10));
        assert_eq!(place(&question, std::iter::repeat_n("a", 10).chain(["c"])), None);
    }

    #[test]
    fn a_row_has_the_questions_of_its_group() {
        let questions = vec![question("q1", "g", &[]), question("q2", "h", &[]), question("q3", "g", &[])];
        let set = LabelledSet { memories: Vec::new(), questions };
        let places = [Some(1), Some(4), None];
        let of_group = row("search", "g", &set, &places);
        assert_eq!((of_group.questions, of_group.first, of_group.first_ten, of_group.mrr10), (2, 1, 1, 0.5));
        assert_eq!((of_group.first_share, of_group.missed), (0.5, vec!["q3".to_owned()]));
        let all = row("search", ALL, &set, &places);
        assert_eq!((all.questions, all.first, all.first_ten, all.mrr10), (3, 1, 2, 0.4167));
        assert_eq!((all.first_ten_share, all.missed), (0.6667, Vec::new()));
    }
}
