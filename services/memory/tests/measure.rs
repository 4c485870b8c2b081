//! The search is held to the figures that were recorded for the labelled questions. After a change that improves it, record the new ones with
//! `UPDATE_REFERENCE=1 cargo test -p mcp-memory --test measure`.
#![expect(clippy::unwrap_used, reason = "test helpers fail the test with it")]

use mcp_memory::measure::{RankingFigures, json, rows, table};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

static ROWS: LazyLock<Vec<RankingFigures>> = LazyLock::new(|| rows().unwrap());

fn recorded() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/corpora/memory/figures.json")
}

fn parse(text: &str) -> Vec<Value> {
    serde_json::from_str(text).unwrap()
}

/// Returns what is worse in `measured` than in `recorded`, one line for each figure.
fn falls(recorded: &[Value], measured: &[Value]) -> Vec<String> {
    let name = |row: &Value| format!("{} / {}", row["ranking"].as_str().unwrap(), row["group"].as_str().unwrap());
    let mut falls = Vec::new();
    for before in recorded {
        let Some(now) = measured.iter().find(|row| name(row) == name(before)) else {
            falls.push(format!("{}: is no longer measured", name(before)));
            continue;
        };
        if now["questions"] != before["questions"] {
            falls.push(format!(
                "{}: {} questions, {} are recorded",
                name(before),
                now["questions"],
                before["questions"]
            ));
        }
        for figure in ["first", "firstTen", "mrr10"] {
            if now[figure].as_f64().unwrap() < before[figure].as_f64().unwrap() {
                falls.push(format!("{}: {figure} is {}, {} is recorded", name(before), now[figure], before[figure]));
            }
        }
    }
    let is_recorded = |row: &&Value| !recorded.iter().any(|before| name(before) == name(row));
    falls.extend(measured.iter().filter(is_recorded).map(|row| format!("{}: is not recorded", name(row))));
    falls
}

#[test]
fn no_row_falls_below_its_recorded_figures() {
    let measured = json(&ROWS).unwrap();
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::write(recorded(), &measured).unwrap();
    }
    let recorded = std::fs::read_to_string(recorded()).unwrap();
    let falls = falls(&parse(&recorded), &parse(&measured));
    assert!(
        falls.is_empty(),
        "{}\nhint: if the labelled set has changed, run this test with UPDATE_REFERENCE=1",
        falls.join("\n")
    );
}

#[test]
fn a_row_that_falls_is_reported_with_its_figure() {
    let row = |group: &str, first: u32, ten: u32, mrr: f64| serde_json::json!({ "ranking": "search", "group": group, "questions": 20, "first": first, "firstTen": ten, "mrr10": mrr });
    let before = [row("code", 9, 15, 0.61), row("all", 9, 15, 0.61)];
    assert_eq!(falls(&before, &before), [""; 0]);
    assert_eq!(falls(&before, &[row("code", 10, 16, 0.62), row("all", 9, 15, 0.61)]), [""; 0]);
    assert_eq!(
        falls(&before, &[row("code", 9, 14, 0.6099), row("all", 9, 15, 0.61)]),
        ["search / code: firstTen is 14, 15 is recorded", "search / code: mrr10 is 0.6099, 0.61 is recorded"]
    );
    assert_eq!(
        falls(&before, &[row("code", 9, 15, 0.61), row("new", 9, 15, 0.61)]),
        ["search / all: is no longer measured", "search / new: is not recorded"]
    );
    let mut fewer = row("code", 9, 15, 0.61);
    fewer["questions"] = 19.into();
    assert_eq!(falls(&before[..1], &[fewer]), ["search / code: 19 questions, 20 are recorded"]);
}

#[test]
fn the_table_has_the_figures_of_the_json() {
    let rows = parse(&json(&ROWS).unwrap());
    let table = table(&ROWS);
    assert_eq!(table.lines().count(), rows.len() + 1);
    for (line, row) in table.lines().skip(1).zip(&rows) {
        assert!(line.starts_with(row["ranking"].as_str().unwrap()) && line.contains(row["group"].as_str().unwrap()));
        let figures: Vec<f64> = line.split_whitespace().rev().take(3).map(|figure| figure.parse().unwrap()).collect();
        for (shown, name) in figures.iter().zip(["mrr10", "firstTenShare", "firstShare"]) {
            assert!((shown - row[name].as_f64().unwrap()).abs() < 0.001, "{row}\n{line}");
        }
    }
}
