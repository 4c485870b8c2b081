//! Deliveries that memory did not accept are sent later: exactly once, over lost replies and restarts, and within bounds.

use crate::fake::Behaviour;
use crate::stage::{HASTY, PATIENT, Stage, ann, request, step, until};
use mcp_contracts::guardrails::ActionKind;
use mcp_contracts::memory::tool as memory;
use mcp_contracts::orchestrator::{AgentName, Execution, Reason, StepName, StepOutcome, WorkflowStatus};
use mcp_contracts::patterns::tool as patterns;
use mcp_contracts::{Claims, ErrorCode};
use mcp_orchestrator::store::{
    BeginResult, Delivery, DeliveryKind, FinishedRun, MAX_PER_ORGANISATION, NewRun, Owner, Retention, Store, StoreError,
};
use std::time::Duration;

fn keys_of<'a>(stage: &Stage, execution: &'a Execution) -> (usize, &'a str) {
    let stored = stage.memory.stored();
    (stored.keys().filter(|key| key.starts_with(&execution.execution_id)).count(), &execution.execution_id)
}

#[tokio::test]
async fn an_outcome_that_memory_did_not_accept_is_delivered_when_it_is_back() {
    let stage = Stage::new(PATIENT).await;
    stage.memory.always(Behaviour::Status(500, None));
    let execution = stage.run(&request(ActionKind::Answer)).await;
    assert_eq!(step(&execution, StepName::Remember).outcome, StepOutcome::Deferred);
    assert_eq!(keys_of(&stage, &execution).0, 0);
    stage.memory.always(Behaviour::Healthy);
    until("it is delivered", || async { keys_of(&stage, &execution).0 == 1 }).await;
    let delivery = stage.memory.recorded().pop().unwrap();
    assert_eq!((&*delivery.claims.sub, &*delivery.claims.org_id), ("ann", "acme"));
    assert_eq!(delivery.execution_id, execution.execution_id);
}

#[tokio::test]
async fn a_delivery_whose_reply_was_lost_is_retried_with_the_same_key() {
    let stage = Stage::new(PATIENT).await;
    stage.memory.next(memory::SEARCH, Behaviour::Healthy);
    stage.memory.always(Behaviour::CutAfterWork);
    let execution = stage.run(&request(ActionKind::Answer)).await;
    assert_eq!(step(&execution, StepName::Remember).outcome, StepOutcome::Deferred);
    assert_eq!(keys_of(&stage, &execution).0, 1, "memory has it, and its reply was lost");
    let tried = stage.memory.calls(memory::IMPORT);
    stage.memory.always(Behaviour::Healthy);
    until("it is repeated", || async { stage.memory.calls(memory::IMPORT) > tried }).await;
    assert_eq!(keys_of(&stage, &execution).0, 1);
    let imports: Vec<_> = stage.memory.recorded().into_iter().filter(|call| call.tool == memory::IMPORT).collect();
    assert!(imports.windows(2).all(|pair| pair[0].arguments == pair[1].arguments), "byte for byte");
}

#[tokio::test]
async fn pending_deliveries_survive_a_restart_and_are_not_delivered_twice() {
    let stage = Stage::new(HASTY).await;
    stage.memory.always(Behaviour::Hang);
    let execution = stage.run(&request(ActionKind::Answer)).await;
    let stage = stage.restart().await;
    stage.memory.always(Behaviour::Healthy);
    until("it is delivered", || async { keys_of(&stage, &execution).0 == 1 }).await;
    let delivered = stage.memory.calls(memory::IMPORT);
    let stage = stage.restart().await;
    assert_eq!(stage.run(&request(ActionKind::Answer)).await.status, WorkflowStatus::Completed);
    // Only the outcome of the new run.
    assert_eq!(stage.memory.calls(memory::IMPORT), delivered + 1);
}

#[tokio::test]
async fn the_use_of_a_pattern_is_logged_later_if_patterns_is_down() {
    let stage = Stage::new(PATIENT).await;
    for _ in 0..2 {
        stage.patterns.next(patterns::LOG_USAGE, Behaviour::Status(500, None));
    }
    let execution = stage.run(&request(ActionKind::Answer)).await;
    assert_eq!(execution.reasons, [Reason::PatternsUnavailable]);
    let logged = step(&execution, StepName::LogUsage);
    assert_eq!((logged.outcome, &*logged.source), (StepOutcome::Deferred, "outbox"));
    until("it is logged", || async { stage.patterns.calls(patterns::LOG_USAGE) == 3 }).await;
}

#[tokio::test]
async fn a_delivery_that_memory_has_already_is_done_and_a_permanent_refusal_is_reported() {
    let stage = Stage::new(PATIENT).await;
    stage.memory.next(memory::IMPORT, Behaviour::Refuses(ErrorCode::IdempotencyConflict));
    let execution = stage.run(&request(ActionKind::Answer)).await;
    assert_eq!(
        (execution.status, step(&execution, StepName::Remember).outcome),
        (WorkflowStatus::Completed, StepOutcome::Ok)
    );
    stage.memory.next(memory::IMPORT, Behaviour::Refuses(ErrorCode::TooLarge));
    let execution = stage.run(&request(ActionKind::Answer)).await;
    let remembered = step(&execution, StepName::Remember);
    assert_eq!((remembered.outcome, remembered.detail.as_deref()), (StepOutcome::Failed, Some("too_large")));
    assert_eq!(execution.status, WorkflowStatus::Degraded);
}

fn delivery(claims: &Claims, execution: &str) -> Delivery {
    Delivery {
        kind: DeliveryKind::Remember,
        claims: claims.clone(),
        execution_id: execution.into(),
        payload: "{}".into(),
    }
}

fn finished(claims: &Claims, id: &str, later: Vec<Delivery>) -> FinishedRun {
    let new_run = NewRun {
        owner: Owner::of(claims),
        id: id.into(),
        resumed: false,
        agent: AgentName::Rca,
        key: None,
        request: String::new(),
    };
    let execution = Execution {
        execution_id: id.into(),
        agent: AgentName::Rca,
        action: ActionKind::Answer,
        intent: "i".into(),
        status: WorkflowStatus::Degraded,
        reasons: Vec::new(),
        retryable: false,
        verdict: None,
        rules: Vec::new(),
        verdict_token: None,
        rules_version: None,
        steps: Vec::new(),
        memories: Vec::new(),
        pattern: None,
        artefact: None,
        usage: None,
        started_at: "2026-01-01T00:00:00Z".into(),
        duration_ms: 1.0,
    };
    FinishedRun { new_run, execution: execution.into(), settled: true, later }
}

fn store(folder: &tempfile::TempDir) -> Store {
    Store::open(&format!("sqlite://{}/o.db", folder.path().display())).unwrap()
}

#[tokio::test]
async fn one_organisation_cannot_fill_the_outbox_of_the_others_and_the_oldest_goes_first() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder);
    let (acme, zeta) = (ann(), Claims { org_id: "zeta".into(), ..ann() });
    store.end(finished(&zeta, "z-1", vec![delivery(&zeta, "z-1")])).await.unwrap();
    let many = (0..MAX_PER_ORGANISATION).map(|number| delivery(&acme, &format!("a-{number}"))).collect();
    assert!(store.end(finished(&acme, "a", many)).await.unwrap().is_empty());
    let gone =
        store.end(finished(&acme, "b", vec![delivery(&acme, "a-last"), delivery(&acme, "a-last")])).await.unwrap();
    assert_eq!(gone, [DeliveryKind::Remember], "the same delivery is stored once");
    assert_eq!(store.depth(DeliveryKind::Remember).await.unwrap().0, u64::from(MAX_PER_ORGANISATION) + 1);
    let due = store.due(DeliveryKind::Remember, 3).await.unwrap();
    let waiting: Vec<&str> = due.iter().map(|pending| &*pending.delivery.as_ref().unwrap().execution_id).collect();
    assert_eq!(waiting, ["z-1", "a-1", "a-2"]);
}

#[tokio::test]
async fn a_postponed_delivery_is_not_due_and_an_old_one_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder);
    let (acme, zeta) = (ann(), Claims { org_id: "zeta".into(), ..ann() });
    store.end(finished(&acme, "a", vec![delivery(&acme, "a-1"), delivery(&acme, "a-2")])).await.unwrap();
    store.end(finished(&zeta, "z", vec![delivery(&zeta, "z-1")])).await.unwrap();
    let hour = Duration::from_secs(3_600);
    let first = store.due(DeliveryKind::Remember, 9).await.unwrap()[0].id;
    store.postpone(first, hour).await.unwrap();
    assert_eq!(store.due(DeliveryKind::Remember, 9).await.unwrap().len(), 2);
    store.postpone_organisation("acme".into(), hour).await.unwrap();
    assert_eq!(store.due(DeliveryKind::Remember, 9).await.unwrap()[0].delivery.as_ref().unwrap().claims.org_id, "zeta");
    store.remove(store.due(DeliveryKind::Remember, 9).await.unwrap()[0].id).await.unwrap();
    let (count, wait) = store.depth(DeliveryKind::Remember).await.unwrap();
    assert!(count == 2 && wait.is_some_and(|wait| wait > hour / 2 && wait <= hour), "{count} {wait:?}");
    assert!(store.delete_older_than(hour).await.unwrap().is_empty());
    assert_eq!(store.delete_older_than(Duration::ZERO).await.unwrap().len(), 2);
}

#[tokio::test]
async fn the_log_of_executions_keeps_the_newest_of_each_organisation() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder);
    let (acme, zeta) = (ann(), Claims { org_id: "zeta".into(), ..ann() });
    for number in 0..5 {
        store.end(finished(&acme, &format!("a-{number}"), Vec::new())).await.unwrap();
    }
    store.end(finished(&zeta, "z-0", Vec::new())).await.unwrap();
    let hour = Duration::from_secs(3_600);
    let retention = Retention { per_organisation: 2, age: hour, keys_per_user: 2, key_age: hour };
    assert_eq!(store.delete_old_executions(retention).await.unwrap(), 3);
    let of = |claims: &Claims, id: &str| store.execution(Owner::of(claims), false, id.to_owned());
    assert!(of(&acme, "a-2").await.unwrap().is_none() && of(&acme, "a-3").await.unwrap().is_some());
    assert!(of(&zeta, "z-0").await.unwrap().is_some());
    assert_eq!(store.delete_old_executions(Retention { age: Duration::ZERO, ..retention }).await.unwrap(), 3);
}

#[tokio::test]
async fn a_key_finds_its_execution_although_the_log_is_full_of_other_runs() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder);
    let (ann, bob) = (ann(), Claims { sub: "bob".into(), ..ann() });
    let keyed = |claims: &Claims, id: &str| {
        let run = finished(claims, id, Vec::new());
        FinishedRun { new_run: NewRun { key: Some(format!("key-{id}")), ..run.new_run }, ..run }
    };
    store.end(keyed(&ann, "a-0")).await.unwrap();
    for number in 0..9 {
        store.end(finished(&bob, &format!("b-{number}"), Vec::new())).await.unwrap();
        store.end(keyed(&bob, &format!("k-{number}"))).await.unwrap();
    }
    let hour = Duration::from_secs(3_600);
    let retention = Retention { per_organisation: 2, age: hour, keys_per_user: 3, key_age: hour };
    assert_eq!(store.delete_old_executions(retention).await.unwrap(), 7 + 6);
    let again = keyed(&ann, "a-1").new_run;
    let begun = store.begin(NewRun { key: Some("key-a-0".into()), ..again }).await.unwrap();
    assert!(matches!(&begun, BeginResult::Repeated(execution) if execution.execution_id == "a-0"), "{begun:?}");
    let kept = store.execution(Owner::of(&bob), false, "k-6".into()).await.unwrap();
    assert!(kept.is_some(), "three keys of a user are kept");
    let retention = Retention { key_age: Duration::ZERO, ..retention };
    assert_eq!(store.delete_old_executions(retention).await.unwrap(), 4, "an old key is like none");
}

#[tokio::test]
async fn one_organisation_leaves_places_in_the_queue_of_writes_to_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder);
    // While another connection has the lock, all writes wait.
    let other = rusqlite::Connection::open(folder.path().join("o.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let zeta = Claims { org_id: "zeta".into(), ..ann() };
    let ends = (0..4_000).map(|number| store.end(finished(&ann(), &format!("a-{number}"), Vec::new())));
    let greedy = futures::future::join_all(ends);
    let calm = store.end(finished(&zeta, "z-1", Vec::new()));
    let release = async { other.execute_batch("ROLLBACK").unwrap() };
    // Unconstrained, so that each write is in the queue before the lock is released.
    let all = tokio::task::unconstrained(async { tokio::join!(greedy, calm, release) });
    let (greedy, calm, ()) = all.await;
    assert!(greedy.contains(&Err(StoreError::Overloaded)));
    assert_eq!(calm, Ok(Vec::new()));
}

#[tokio::test]
async fn many_entries_of_a_peer_that_is_down_hide_none_of_another_peer() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder);
    let mut later: Vec<Delivery> = (0..70).map(|number| delivery(&ann(), &format!("a-{number}"))).collect();
    later.push(Delivery { kind: DeliveryKind::LogUsage, ..delivery(&ann(), "usage") });
    store.end(finished(&ann(), "a", later)).await.unwrap();
    let due = store.due(DeliveryKind::LogUsage, 64).await.unwrap();
    assert_eq!(due.len(), 1);
    assert_eq!(due[0].delivery.as_ref().unwrap().execution_id, "usage");
}

#[tokio::test]
async fn an_entry_that_cannot_be_read_is_reported_as_due_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder);
    store.end(finished(&ann(), "a", vec![delivery(&ann(), "a-1")])).await.unwrap();
    let file = rusqlite::Connection::open(folder.path().join("o.db")).unwrap();
    file.execute("UPDATE outbox SET claims = '{}'", []).unwrap();
    let due = store.due(DeliveryKind::Remember, 9).await.unwrap();
    assert_eq!((due.len(), &due[0].delivery), (1, &None));
    store.postpone(due[0].id, Duration::from_secs(60)).await.unwrap();
    assert!(store.depth(DeliveryKind::Remember).await.unwrap().1.is_some_and(|wait| !wait.is_zero()));
}
