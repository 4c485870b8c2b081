//! The agents on texts as people write them: clean, messy, tiny, huge, in other languages, hostile. Snapshots hold whole artefacts, so that a person
//! reads every change of wording before accepting it.
#![expect(clippy::unwrap_used, reason = "test helpers fail the test with it")]

use jiff::civil::{Date, date};
use mcp_contracts::memory::{Memory, Visibility};
use mcp_contracts::orchestrator::AgentName;
use mcp_orchestrator::agent::{AgentDraft, AgentInput, MemoryDraft, RCA_TAG, RETRO_ACTION_TAG, run};
use std::path::Path;

const TODAY: Date = date(2026, 11, 25);

fn read(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/inputs").join(name)).unwrap()
}

fn input<'a>(intent: &'a str, text: &'a str) -> AgentInput<'a> {
    AgentInput {
        intent,
        text,
        files: &[],
        role: "developer",
        memories: &[],
        static_context: false,
        pattern: None,
        today: TODAY,
        execution_id: "0198c0de-0000-7000-8000-000000000001",
    }
}

fn memory(id: &str, kind: &str, tag: &str, content: &str) -> Memory {
    Memory {
        id: id.to_owned(),
        content: content.to_owned(),
        tags: vec!["org:acme".to_owned(), tag.to_owned()],
        kind: Some(kind.to_owned()),
        metadata: serde_json::Map::new(),
        visibility: Visibility::Workspace,
        version: 1,
        created_at: "2026-11-11T10:00:00Z".to_owned(),
        updated_at: "2026-11-11T10:00:00Z".to_owned(),
    }
}

fn stored(index: usize, new: &MemoryDraft, created_at: &str) -> Memory {
    let mut memory = memory(&format!("m-{index}"), new.kind, &new.tags[0], &new.content);
    created_at.clone_into(&mut memory.created_at);
    memory
}

fn past_incident() -> Memory {
    memory(
        "m-past",
        "incident",
        RCA_TAG,
        "Incident: checkout slow on Black Friday\ncheckout-api ran out of connections; the connection pool of orders-db was exhausted.",
    )
}

fn headings(markdown: &str) -> Vec<&str> {
    markdown.lines().filter(|line| line.starts_with("## ")).collect()
}

fn rca(intent: &str, file: &str) -> AgentDraft {
    run(AgentName::Rca, &input(intent, &read(file)))
}

fn retro(intent: &str, file: &str) -> AgentDraft {
    run(AgentName::Retro, &input(intent, &read(file)))
}

macro_rules! golden {
    ($($name:ident: $agent:ident($intent:literal, $file:literal);)+) => {
        $(#[test]
        fn $name() {
            insta::assert_snapshot!($agent($intent, $file).artefact.markdown);
        })+
    };
}

golden! {
    rca_of_a_clean_report: rca("Why did checkouts fail on 24 November?", "rca-clean.txt");
    rca_of_a_chat_with_log_lines: rca("search outage", "rca-messy.txt");
    rca_of_one_sentence: rca("db down", "rca-tiny.txt");
    rca_in_german: rca("Ausfall der Zahlungen", "rca-german.txt");
    rca_of_hostile_text: rca("# login <b>errors</b>", "rca-hostile.txt");
    rca_of_a_log: rca("orders stuck over night", "rca-log.txt");
    rca_of_a_dependency: rca("Order pages timed out", "rca-dependency.txt");
    rca_without_evidence: rca("dashboard", "rca-noevidence.txt");
    rca_that_begins_with_an_alert: rca("Find out why checkout was slow after the deploy of the ledger", "rca-alert.txt");
    retro_of_clean_notes: retro("Retrospective of sprint 42", "retro-clean.txt");
    retro_of_messy_notes: retro("retro", "retro-messy.txt");
    retro_of_one_line: retro("retro", "retro-tiny.txt");
    retro_with_tension: retro("Team retrospective", "retro-tension.txt");
    retro_in_spanish: retro("Retrospectiva del sprint", "retro-spanish.txt");
    retro_of_hostile_text: retro("## retro | <i>x</i>", "retro-hostile.txt");
    retro_of_praise: retro("First retro of the new team", "retro-praise.txt");
}

#[test]
fn the_data_of_a_root_cause_report_is_the_report() {
    insta::assert_json_snapshot!(rca("Why did checkouts fail on 24 November?", "rca-clean.txt").artefact.data);
}

#[test]
fn the_data_of_a_retrospective_plan_is_the_plan() {
    insta::assert_json_snapshot!(retro("Retrospective of sprint 42", "retro-clean.txt").artefact.data);
}

#[test]
fn a_brief_takes_steps_and_requirements_from_the_text() {
    let files = ["src/session/store.rs".to_owned(), "migrations/0007_sessions.sql".to_owned()];
    let memories = [memory(
        "m-1",
        "decision",
        "sessions",
        "Decision: sessions live in the database because Redis had no persistence.",
    )];
    let text = read("general-migration.txt");
    let input = AgentInput {
        files: &files,
        memories: &memories,
        pattern: Some("# Two-phase move\n1. Write both\n2. Compare\n3. Switch"),
        ..input("Move sessions to Redis", &text)
    };
    insta::assert_snapshot!(run(AgentName::General, &input).artefact.markdown);
}

fn stored_all(memories: &[MemoryDraft], created_at: &str) -> Vec<Memory> {
    memories.iter().enumerate().map(|(index, new)| stored(index, new, created_at)).collect()
}

#[test]
fn a_similar_past_incident_is_named_with_its_reason_and_its_actions_are_checked() {
    let memories = [past_incident(), memory("m-other", "incident", RCA_TAG, "Incident: printer out of paper")];
    let text = read("rca-clean.txt");
    let drafted = run(AgentName::Rca, &AgentInput { memories: &memories, ..input("Checkout failures", &text) });
    let related = drafted.artefact.data["related"].as_array().unwrap();
    assert_eq!(related.len(), 1);
    assert_eq!(related[0]["id"], "m-past");
    assert!(related[0]["why"].as_str().unwrap().contains("checkout-api"));
    let actions = drafted.artefact.data["actions"].to_string();
    assert!(actions.contains("what became of the actions of the similar incident"), "{actions}");
}

#[test]
fn without_memory_every_agent_reports_it() {
    for (agent, file) in [
        (AgentName::Rca, "rca-clean.txt"),
        (AgentName::Retro, "retro-clean.txt"),
        (AgentName::General, "general-migration.txt"),
    ] {
        let text = read(file);
        let drafted = run(agent, &AgentInput { static_context: true, ..input("x", &text) });
        assert!(drafted.artefact.markdown.to_lowercase().contains("memory did not answer"), "{agent:?}");
    }
}

#[test]
fn the_next_report_finds_the_memory_of_a_report() {
    let first = rca("Why did checkouts fail?", "rca-clean.txt");
    assert_eq!(first.remember.len(), 1);
    assert_eq!(
        (first.remember[0].kind, first.remember[0].tags.as_slice()),
        ("incident", [RCA_TAG.to_owned()].as_slice())
    );
    let memories = stored_all(&first.remember, "2026-11-25T10:00:00Z");
    let text = read("rca-clean.txt");
    let second = run(AgentName::Rca, &AgentInput { memories: &memories, ..input("Checkouts fail again", &text) });
    assert_eq!(second.artefact.data["related"][0]["id"], "m-0");
}

#[test]
fn action_items_of_one_retrospective_open_the_next_one() {
    let first = retro("Retrospective of sprint 42", "retro-clean.txt");
    let items: Vec<&MemoryDraft> = first.remember.iter().filter(|new| new.kind == "action_item").collect();
    assert!(!items.is_empty());
    assert!(items.iter().all(|item| item.tags == [RETRO_ACTION_TAG] && item.visibility == Visibility::Workspace));
    let memories = stored_all(&first.remember, "2026-11-25T10:00:00Z");
    let text = "Limit pull requests to 300 lines: done since last week\n- the build is slow, 48 min";
    let later =
        AgentInput { memories: &memories, today: date(2026, 12, 23), ..input("Retrospective of sprint 43", text) };
    let second = run(AgentName::Retro, &later);
    insta::assert_snapshot!(second.artefact.markdown);
    let carried = second.artefact.data["carried"].as_array().unwrap();
    let status = |words: &str| {
        carried
            .iter()
            .find(|item| item["what"].as_str().unwrap().contains(words))
            .map(|item| (&item["status"], &item["overdue"]))
    };
    assert_eq!(status("300 lines"), Some((&"done".into(), &false.into())));
    assert_eq!(status("flaky tests"), Some((&"open".into(), &true.into())));
}

#[test]
fn an_item_that_was_reported_done_is_not_carried_again() {
    let first = retro("Retrospective of sprint 42", "retro-clean.txt");
    let mut memories = stored_all(&first.remember, "2026-11-25T10:00:00Z");
    let second = run(
        AgentName::Retro,
        &AgentInput { memories: &memories, ..input("sprint 43", "Limit pull requests to 300 lines: done") },
    );
    memories.extend(stored_all(&second.remember, "2026-12-09T10:00:00Z"));
    let third = run(AgentName::Retro, &AgentInput { memories: &memories, ..input("sprint 44", "all quiet") });
    let carried = third.artefact.data["carried"].to_string();
    assert!(!carried.contains("300 lines") && carried.contains("flaky tests"), "{carried}");
}

#[test]
fn an_open_item_continues_and_is_not_stored_twice() {
    let first = retro("Retrospective of sprint 42", "retro-clean.txt");
    let memories = stored_all(&first.remember, "2026-11-25T10:00:00Z");
    let text = read("retro-clean.txt");
    let second = run(AgentName::Retro, &AgentInput { memories: &memories, ..input("sprint 43", &text) });
    let actions = second.artefact.data["actions"].as_array().unwrap();
    assert!(actions.iter().any(|action| action["carries"].is_string()), "{actions:?}");
    let new: Vec<&MemoryDraft> = second.remember.iter().filter(|new| new.kind == "action_item").collect();
    assert!(new.iter().all(|item| !item.content.contains("Continue last time")), "{new:?}");
}

#[test]
fn the_words_of_a_private_memory_reach_no_memory_for_others() {
    let private = |memory: Memory| Memory { visibility: Visibility::Private, ..memory };
    let incident = "Incident: Zorblatt checkout database timeouts, payment errors of orders-db and checkout-api";
    let open = "Retro action: fire Quixby quietly before summer\nStatus: open\nowner: Zorblatt";
    let done = "Retro action: move Quixby to another desk\nStatus: open";
    let memories = [
        private(memory("m-1", "incident", RCA_TAG, incident)),
        private(memory("m-2", "action_item", RETRO_ACTION_TAG, open)),
        private(memory("m-3", "action_item", RETRO_ACTION_TAG, done)),
        memory("m-4", "action_item", RETRO_ACTION_TAG, "Retro action: Limit pull requests to 300 lines\nStatus: open"),
    ];
    let text = "10:05 checkout database timeouts, payment errors of orders-db\nbad: builds are slow\n\
                Limit pull requests to 300 lines: done\nmove to another desk: done\n";
    for agent in AgentName::ALL {
        let drafted = run(agent, &AgentInput { memories: &memories, ..input("checkout database timeouts", text) });
        for new in &drafted.remember {
            let quotes = new.content.contains("Zorblatt") || new.content.contains("Quixby");
            assert!(!quotes || new.visibility == Visibility::Private, "{agent:?}: {new:?}");
        }
        if agent == AgentName::Retro {
            let closes = |what: &str, visibility| {
                let is_it = |new: &&MemoryDraft| new.content.contains(what) && new.content.contains("Status: done");
                drafted.remember.iter().any(|new| is_it(&new) && new.visibility == visibility)
            };
            assert!(closes("Quixby to another desk", Visibility::Private), "{:#?}", drafted.remember);
            assert!(closes("300 lines", Visibility::Workspace), "{:#?}", drafted.remember);
        } else if agent == AgentName::Rca {
            assert!(drafted.artefact.markdown.contains("Zorblatt"), "its owner may read it");
        }
    }
}

#[test]
fn items_in_the_words_of_people_are_read_too() {
    let memories = [
        memory("m-1", "note", RETRO_ACTION_TAG, "[x] Buy a whiteboard"),
        memory("m-2", "note", RETRO_ACTION_TAG, "Automate the release notes\nowner: Kim\ndue: 2026-11-20"),
    ];
    let drafted = run(AgentName::Retro, &AgentInput { memories: &memories, ..input("retro", "all quiet") });
    let carried = drafted.artefact.data["carried"].as_array().unwrap();
    assert_eq!(carried.len(), 1);
    assert_eq!((&carried[0]["owner"], &carried[0]["overdue"]), (&"Kim".into(), &true.into()));
}

#[test]
fn the_agenda_adds_up_to_the_time_box_for_all_notes() {
    for minutes in [15, 30, 45, 60, 90, 240] {
        for file in ["retro-clean.txt", "retro-messy.txt", "retro-tiny.txt", "retro-hostile.txt"] {
            let text = format!("{}\ntime box: {minutes} minutes\n", read(file));
            let text = text.replace("We have 60 minutes.", "");
            let data = run(AgentName::Retro, &input("retro", &text)).artefact.data;
            let sum: u64 =
                data["agenda"].as_array().unwrap().iter().map(|slot| slot["minutes"].as_u64().unwrap()).sum();
            assert_eq!((sum, &data["context"]["boxMinutes"]), (minutes, &minutes.into()), "{file}");
        }
    }
}

#[test]
fn no_text_changes_the_sections_of_an_artefact_or_adds_html() {
    let hostile = [read("rca-hostile.txt"), read("retro-hostile.txt")].join("\n");
    let quiet = "all quiet\n";
    for agent in AgentName::ALL {
        let expected = run(agent, &input("x", quiet)).artefact.markdown;
        let memories =
            [memory("m-1", "incident", RETRO_ACTION_TAG, &hostile), memory("## m", "incident", RCA_TAG, &hostile)];
        let input = AgentInput {
            memories: &memories,
            pattern: Some(&hostile),
            files: std::slice::from_ref(&hostile),
            role: &hostile,
            ..input(&hostile, &hostile)
        };
        let attacked = run(agent, &input).artefact.markdown;
        assert_eq!(headings(&attacked), headings(&expected), "{agent:?}");
        for line in attacked.lines() {
            assert!(
                !line.contains("<script")
                    && !line.contains("<iframe")
                    && !line.contains("<img")
                    && !line.replace("\\](", "").contains("]("),
                "{line}"
            );
            assert!(!line.trim_start().starts_with("```"), "{line}");
        }
        assert_eq!(attacked.lines().filter(|line| line.starts_with("# ")).count(), 1, "{agent:?}");
    }
}

#[test]
fn a_huge_text_is_read_within_bounds_and_the_rest_is_counted() {
    let mut log = read("rca-log.txt");
    for minute in 0..7_000_u32 {
        let (hour, minute) = (6 + minute / 60 % 12, minute % 60);
        log.push_str(&format!(
            "Nov 25 {hour:02}:{minute:02}:30 web-{minute} orders-worker: ERROR timeout upstream id={minute} {}\n",
            "x".repeat(20)
        ));
    }
    for agent in AgentName::ALL {
        let drafted = run(agent, &input("huge", &log));
        assert!(drafted.artefact.markdown.len() < 64 << 10, "{agent:?}: {}", drafted.artefact.markdown.len());
        assert!(drafted.artefact.data.to_string().len() < 64 << 10, "{agent:?}");
        assert!(drafted.remember.iter().all(|new| new.content.len() <= mcp_orchestrator::agent::MAX_REMEMBERED_BYTES));
    }
    let data = run(AgentName::Rca, &input("huge", &log)).artefact.data;
    assert_eq!(data["basis"]["linesRead"], 5_000);
    assert!(data["basis"]["linesLeftOut"].as_u64().unwrap() > 2_000);
    assert!(data["timeline"]["entries"].as_array().unwrap().len() <= 60);
}

#[test]
fn a_line_of_a_quarter_megabyte_makes_a_bounded_artefact() {
    for word in ["ü ", "a. ", "14:02, ", "\u{202e}", "- | ` ", "because because "] {
        let text = word.repeat((256 << 10) / word.len());
        for agent in AgentName::ALL {
            let drafted = run(agent, &input("x", &text));
            assert!(
                drafted.artefact.markdown.len() < 256 << 10,
                "{agent:?} {word:?}: {}",
                drafted.artefact.markdown.len()
            );
        }
    }
}

#[test]
fn an_empty_text_makes_an_artefact_with_open_questions() {
    for agent in AgentName::ALL {
        let drafted = run(agent, &input("", ""));
        assert!(drafted.artefact.markdown.contains("## "), "{agent:?}");
        assert!(!drafted.draft.prose().is_empty());
    }
}

#[test]
fn the_same_input_makes_the_same_artefact() {
    for (agent, file) in [(AgentName::Rca, "rca-messy.txt"), (AgentName::Retro, "retro-messy.txt")] {
        let text = read(file);
        assert_eq!(run(agent, &input("x", &text)), run(agent, &input("x", &text)));
    }
}

#[test]
fn wording_changes_only_prose_and_an_unknown_field_changes_nothing() {
    let drafted = rca("Why did checkouts fail?", "rca-clean.txt");
    let names: Vec<String> = drafted.draft.prose().into_iter().map(|(name, _)| name).collect();
    let whys = names.iter().filter(|name| name.starts_with("why_")).count();
    let answered = drafted.draft.data()["whys"].as_array().unwrap().iter().filter(|why| why["answer"].is_string());
    assert_eq!((&*names[0], whys), ("summary", answered.count()), "an open question is not prose");
    let wording =
        [("summary".to_owned(), "Short\n# and <b>bold</b>".to_owned()), ("why_1".to_owned(), "  ".to_owned())].into();
    let completed = drafted.draft.completed(&wording).unwrap();
    let (before, after) = (drafted.draft.data(), completed.data());
    assert_eq!(after["summary"], "Short # and <b>bold</b>");
    assert_eq!(
        (&after["whys"], &after["timeline"], &after["actions"]),
        (&before["whys"], &before["timeline"], &before["actions"])
    );
    assert_eq!(headings(&completed.artefact().markdown), headings(&drafted.artefact.markdown));
    let refused = drafted.draft.completed(&[("why_5".to_owned(), "because".to_owned())].into()).unwrap_err();
    assert_eq!(refused.field, "why_5");
}

#[test]
fn the_published_schema_is_that_of_the_artefacts() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/agents.schema.json");
    let schema = serde_json::to_string_pretty(&mcp_orchestrator::agent::schema()).unwrap() + "\n";
    if std::fs::read_to_string(&path).ok().as_deref() != Some(schema.as_str()) {
        let fresh = Path::new(env!("CARGO_TARGET_TMPDIR")).join("agents.schema.json");
        std::fs::write(&fresh, schema).unwrap();
        panic!("docs/agents.schema.json is not the schema of the types; the fresh one is {}", fresh.display());
    }
}

#[test]
fn every_artefact_is_valid_by_the_published_schema() {
    let schema = mcp_orchestrator::agent::schema();
    let validator = jsonschema::validator_for(schema.as_value()).unwrap();
    for (agent, kind) in AgentName::ALL.into_iter().zip(["rca", "retro", "general"]) {
        for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/inputs")).unwrap() {
            let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
            let data = run(agent, &input("x", &text)).artefact.data;
            let artefact = serde_json::json!({ "agent": kind, "data": data });
            assert!(
                validator.is_valid(&artefact),
                "{kind}: {:?}",
                validator.iter_errors(&artefact).map(|error| error.to_string()).collect::<Vec<_>>()
            );
        }
    }
    assert!(!validator.is_valid(&serde_json::json!({ "agent": "rca", "data": {} })));
}
