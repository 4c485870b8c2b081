//! Times of day: the forms that are read, what only looks like a time, and the parts of a statement with several times.

use crate::report;
use serde_json::{Value, json};

/// Beginning of the impact in a text of one symptom.
fn started(line: &str) -> Value {
    report(&format!("{line} checkout fails"))["impact"]["started"].clone()
}

fn entries(lines: &[&str]) -> Vec<String> {
    let data = report(&lines.join("\n"));
    let entry = |entry: &Value| format!("{} {}", entry["at"].as_str().unwrap(), entry["text"].as_str().unwrap());
    data["timeline"]["entries"].as_array().unwrap().iter().map(entry).collect()
}

#[test]
fn every_common_form_of_a_time_is_read() {
    for (line, expected) in [
        ("2026-11-24T13:58:07.123Z ERROR", "2026-11-24 13:58"),
        ("2026-11-24 13:58:07,123", "2026-11-24 13:58"),
        ("2026-11-24T13:58:07+01:00", "2026-11-24 12:58"),
        ("2026/11/24 13:58", "2026-11-24 13:58"),
        ("Nov 24 13:58:07 host", "2026-11-24 13:58"),
        ("24 November 2026, 13:58", "2026-11-24 13:58"),
        ("Dec 30 13:58:07 host", "2025-12-30 13:58"),
        ("[24/Nov/2026:13:58:07 +0000] \"GET /\" 502", "2026-11-24 13:58"),
        ("24.11.2026 13:58", "2026-11-24 13:58"),
        ("[13:58] ann:", "13:58"),
        ("at 2pm", "14:00"),
        ("12:10 am", "00:10"),
        ("13:58 CET", "12:58"),
        ("13:58 WARN", "13:58"),
        ("14:02-14:20", "14:02"),
    ] {
        assert_eq!(started(line), expected, "{line}");
    }
}

#[test]
fn what_only_looks_like_a_time_is_none() {
    for line in ["::1:8080", "ratio 3:100", "10.0.0.1:53", "v1.12:30.4", "25:70", "score=12:30", "99:99"] {
        assert_eq!(started(line), Value::Null, "{line}");
    }
}

#[test]
fn a_date_that_can_be_read_in_two_ways_places_nothing_and_is_asked_for() {
    let data = report("03/04/2026 14:00 checkout fails\n04/03/2026 10:00 checkout recovered");
    assert_eq!((&data["timeline"]["entries"], data["impact"].get("started")), (&json!([]), None));
    assert!(data["openQuestions"].to_string().contains("which the month"), "{data}");
}

#[test]
fn a_time_without_a_day_belongs_to_the_day_above_it_and_midnight_passes() {
    assert_eq!(
        entries(&["## 2026-11-20", "23:50 a", "00:10 b", "23:55 c", "2026-11-22 08:00 d"]),
        ["2026-11-20 23:50 a", "2026-11-21 00:10 b", "2026-11-21 23:55 c", "2026-11-22 08:00 d"]
    );
    assert_eq!(started("2026-11-20 14:30 a\n14:00"), "2026-11-20 14:00");
    assert_eq!(started("14:00 a\n2026-11-20 14:30"), "2026-11-20 14:30");
}

#[test]
fn times_above_the_first_day_are_of_that_day() {
    let data = report("14:00 checkout fails\n2026-11-20 14:30 checkout recovered");
    assert_eq!(data["impact"]["started"], "2026-11-20 14:00");
}

#[test]
fn a_time_since_which_something_holds_is_an_entry_of_its_own() {
    let line = "14:05 customers complained since about 13:50";
    let text = "customers complained since about 13:50";
    assert_eq!(entries(&[line]), [format!("13:50 {text}"), format!("14:05 {text}")]);
}

#[test]
fn a_sentence_with_several_times_becomes_several_entries() {
    assert_eq!(
        entries(&["db went down at 14:02, we failed over at 14:20 and all was green at 14:31"]),
        ["14:02 db went down at 14:02", "14:20 we failed over at 14:20", "14:31 all was green at 14:31"]
    );
}

#[test]
fn a_zone_for_all_times_is_taken() {
    assert_eq!(entries(&["all times in CET", "14:00 x", "14:00Z y"]), ["14:00 x", "15:00 y"]);
}

#[test]
fn lines_below_a_speaker_have_the_time_of_the_speaker() {
    assert_eq!(
        entries(&["Ben Okafor  2:02 PM", "search is slow", "very slow", "", "", "later"]),
        ["14:02 search is slow", "14:02 very slow"]
    );
}
