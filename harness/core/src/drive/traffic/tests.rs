//! The rules of every operation: its requests are those of the contract, and no two operations have the same name.

use super::content::Corpus;
use super::directory::users_of_load;
use super::known_records::{KnownRecord, KnownRecords, PagePosition, RecentRecords};
use super::mix::Mix;
use super::operation::{Operation, Request, RequestInput, ToolReply};
use super::operations::{OPERATIONS, names, service_of};
use crate::drive::canary::InternedNames;
use crate::drive::effect::SentEffect;
use harness_history::{Canary, ErrorKind, Outcome, Query};
use mcp_contracts::{guardrails, memory, orchestrator, patterns};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashSet};

/// Runs `act` with the input of a user that has one record.
fn with_input<T>(number: u64, act: impl FnOnce(&mut RequestInput<'_>) -> T) -> T {
    let (identities, known_records) = (users_of_load(1, 2, 2), KnownRecords::new(2));
    let mut own = RecentRecords::default();
    let canary = Canary { tenant: "o".into(), user: "u".into(), workspace: None, shared: false, number: 1 };
    own.add(KnownRecord { id: "k".into(), version: Some(4), shared: true, canary: None });
    let foreign = KnownRecord { id: "foreign".into(), version: Some(1), shared: false, canary: Some(canary) };
    known_records.add(&identities[1], &foreign);
    known_records
        .set_position(&identities[1], PagePosition { tag: "t".into(), cursor: "c".into(), last: "foreign".into() });
    let mut rng = Mix::new(1, &BTreeMap::new(), &[]).numbers_of(number);
    let (identity, corpus) = (&identities[0], &Corpus::built_in());
    act(&mut RequestInput { rng: &mut rng, number, identity, corpus, own: &own, known_records: &known_records })
}

fn is_of_the_contract(request: &Request) {
    fn parse<T: DeserializeOwned>(request: &Request) {
        serde_json::from_str::<T>(&request.arguments).unwrap_or_else(|error| panic!("{request:?}: {error}"));
    }
    match &*request.tool {
        memory::tool::STORE => parse::<memory::StoreMemory>(request),
        memory::tool::GET => parse::<memory::GetMemory>(request),
        memory::tool::SEARCH => parse::<memory::SearchMemory>(request),
        memory::tool::LIST => parse::<memory::ListMemories>(request),
        memory::tool::UPDATE => parse::<memory::UpdateMemory>(request),
        memory::tool::DELETE => parse::<memory::DeleteMemory>(request),
        memory::tool::IMPORT => parse::<memory::ImportMemories>(request),
        memory::tool::EXPORT => parse::<memory::ListMemories>(request),
        memory::tool::STATS => parse::<memory::MemoryStats>(request),
        guardrails::tool::CHECK => parse::<guardrails::CheckGuardrails>(request),
        guardrails::tool::VALIDATE_COMMIT => parse::<guardrails::ValidateCommit>(request),
        guardrails::tool::SCAN_TEXT => parse::<guardrails::ScanText>(request),
        patterns::tool::SELECT => parse::<patterns::SelectPattern>(request),
        patterns::tool::INJECT => parse::<patterns::InjectPattern>(request),
        patterns::tool::LOG_USAGE => parse::<patterns::LogPatternUsage>(request),
        orchestrator::tool::RUN_WORKFLOW => parse::<orchestrator::RunWorkflow>(request),
        orchestrator::tool::LIST_EXECUTIONS => parse::<orchestrator::ListExecutions>(request),
        orchestrator::tool::GET_EXECUTION => parse::<orchestrator::GetExecution>(request),
        other => panic!("`{other}` has no request in this table"),
    }
}

/// Returns a reply with every field that an operation reads.
fn rich_reply() -> Value {
    json!({
        "verdictToken": "t", "executionId": "e", "patterns": [{ "id": "p", "variables": ["service"] }],
        "executions": [{ "executionId": "e" }], "nextCursor": "c",
    })
}

/// Returns every request of an operation if each of its calls is answered with `outcome`.
fn requests(operation: &dyn Operation, outcome: &Outcome) -> Vec<Request> {
    let structured = rich_reply().to_string();
    with_input(17, |input| {
        let mut requests = vec![operation.request(input)];
        let reply = ToolReply { outcome, structured: Some(&structured) };
        while let Some(next) = operation.follow_up(requests.last().unwrap(), &reply) {
            requests.push(next);
            assert!(requests.len() < 10, "`{}` does not end", operation.name());
        }
        requests
    })
}

#[test]
fn requests_are_those_of_the_contract_and_go_to_the_service_of_their_tool() {
    for operation in OPERATIONS {
        let requests = requests(*operation, &Outcome::Ok);
        assert_eq!(requests[0].service, operation.service(), "{}", operation.name());
        for request in requests {
            is_of_the_contract(&request);
            assert_eq!(service_of(&request.name), Some(&*request.service), "{request:?}");
        }
    }
}

#[test]
fn the_recorded_request_matches_the_arguments() {
    for operation in OPERATIONS {
        for request in requests(*operation, &Outcome::Ok) {
            let read = SentEffect::parse(&request.tool, &request.arguments, &InternedNames::default());
            // Which record an attempt aims at is not in its arguments.
            let sent = match &request.sent {
                SentEffect::Scan(query) => SentEffect::Scan(Query { target: None, ..query.clone() }),
                other => other.clone(),
            };
            assert_eq!(sent, read, "{request:?}");
        }
    }
}

#[test]
fn operation_names_are_unique_and_lead_to_their_service() {
    assert_eq!(names().into_iter().collect::<HashSet<_>>().len(), OPERATIONS.len());
    assert_eq!((service_of("inject_pattern"), service_of("unheard_of")), (Some("patterns"), None));
}

#[test]
fn an_operation_with_a_key_repeats_the_same_request_until_it_is_answered() {
    let find = |name: &str| *OPERATIONS.iter().find(|operation| operation.name() == name).unwrap();
    let lost = Outcome::Unknown(ErrorKind::Timeout);
    for name in ["store_once", "run_once"] {
        let repeated = requests(find(name), &lost);
        assert_eq!(repeated.len(), 6, "{name}");
        assert!(repeated.iter().all(|request| request.arguments == repeated[0].arguments));
        assert_eq!(requests(find(name), &Outcome::Ok).len(), 1, "{name}");
        assert_eq!(requests(find(name), &Outcome::Failed(ErrorKind::Quota)).len(), 1, "{name}");
    }
    let last = with_input(1, |input| {
        let first = find("run_once").request(input);
        let second = find("run_once").follow_up(&first, &ToolReply { outcome: &lost, structured: None }).unwrap();
        find("run_once").follow_up(&second, &ToolReply { outcome: &Outcome::Ok, structured: None })
    });
    assert_eq!(last.expect("a repeated workflow is confirmed").repeats, 1);
}

#[test]
fn a_conditional_update_expects_the_known_version_and_a_walk_carries_the_cursor() {
    let find = |name: &str| *OPERATIONS.iter().find(|operation| operation.name() == name).unwrap();
    let expected = |name: &str| {
        let arguments: Value = serde_json::from_str(&requests(find(name), &Outcome::Ok)[0].arguments).unwrap();
        arguments["expectedVersion"].clone()
    };
    assert_eq!((expected("update_if_unchanged"), expected("update_memory")), (json!(4), Value::Null));
    let walk = requests(find("walk_memories"), &Outcome::Ok);
    let cursors = walk.iter().filter(|request| request.arguments.contains(r#""cursor":"c""#)).count();
    assert_eq!((walk.len(), cursors, walk.last().unwrap().page), (5, 4, 4));
}

#[test]
fn attempts_name_the_record_that_they_aim_at() {
    for name in ["probe_foreign_search", "probe_foreign_cursor"] {
        let operation = OPERATIONS.iter().find(|operation| operation.name() == name).unwrap();
        let request = with_input(3, |input| operation.request(input));
        let SentEffect::Scan(query) = &request.sent else { panic!("{request:?}") };
        assert_eq!(query.target.as_deref(), Some("foreign"), "{name}");
    }
}

#[test]
fn two_runs_with_one_seed_send_the_same_requests() {
    for operation in OPERATIONS {
        let sent = |number| with_input(number, |input| operation.request(input).arguments);
        assert_eq!(sent(17), sent(17), "{}", operation.name());
    }
    // The contents of two calls differ, because their marks do.
    let store = OPERATIONS[0];
    let content = |number| with_input(number, |input| store.request(input).arguments);
    assert!(content(17) != content(18) && content(17).contains("canary:org-"), "{}", content(17));
}
