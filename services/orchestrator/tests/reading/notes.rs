//! The tone of notes and the team behind them.

use crate::data;
use mcp_contracts::orchestrator::AgentName;
use serde_json::{Value, json};

fn plan(text: &str) -> Value {
    data(AgentName::Retro, "retro", text)
}

/// Notes that went well, went badly and propose something, over all themes.
fn counts(text: &str) -> [u64; 3] {
    let data = plan(text);
    let sum = |name: &str| data["themes"].as_array().unwrap().iter().map(|theme| theme[name].as_u64().unwrap()).sum();
    ["well", "badly", "ideas"].map(sum)
}

#[test]
fn a_section_gives_its_notes_their_tone() {
    let text = "## What went well\n- tests\n\n## What didn't go well\n- tests\n### Ideas\n* tests\nKudos:\n- tests\nMetrics\n- tests";
    assert_eq!(counts(text), [2, 1, 1]);
    assert_eq!(counts("Lo que salió bien:\n- las pruebas\nWas lief schlecht\n- Tests"), [1, 1, 0]);
}

#[test]
fn a_prefix_gives_its_line_a_tone() {
    assert_eq!(counts("+ pairing\nbad: builds; reviews\nSchlecht: Builds\n👎 Jira"), [1, 4, 0]);
}

#[test]
fn words_give_a_tone_where_nothing_else_does() {
    for (text, expected) in [
        ("Reviews are slow", [0, 1, 0]),
        ("The release went great", [1, 0, 0]),
        ("We could pair more in reviews", [0, 0, 1]),
        ("The build was not good", [0, 1, 0]),
        ("No bugs in the tests this time", [0, 0, 0]),
        ("Reviews were slow but helpful", [0, 0, 0]),
        ("The tests run in Lisbon", [0, 0, 0]),
    ] {
        assert_eq!(counts(text), expected, "{text}");
    }
}

#[test]
fn sprint_and_box_are_read_in_the_ways_people_write_them() {
    for (text, expected) in [
        ("Team of 7, two-week sprints, fully remote, we have 45 minutes", json!([14, 45])),
        ("8 engineers, sprint length: 3 weeks, in the office, 90 min retro", json!([21, 90])),
        ("we are 12, hybrid, 10 day sprint, time box: 1.5 hours", json!([10, 90])),
        ("90 minutes for the retro", json!([14, 90])),
        ("Equipo de 6, sprint de dos semanas, tenemos 45 minutos", json!([14, 45])),
        ("nothing", json!([14, 60])),
        ("time box: 5 minutes", json!([14, 15])),
        ("the build takes 48 minutes", json!([14, 60])),
    ] {
        let data = plan(text);
        let context = ["sprintDays", "boxMinutes"].map(|name| &data["context"][name]);
        assert_eq!(json!(context), expected, "{text}");
    }
}

#[test]
fn a_harsh_word_about_a_person_is_not_quoted() {
    let text = plan("Went badly:\n- Anna said Ben's code is garbage in a review").to_string();
    assert!(!text.contains("garbage") && text.contains("read it yourself before the meeting"), "{text}");
}
