//! The log of executions: their visibility, retries, and requests that are refused before any step runs. Also the quota page.

use crate::fake::{Behaviour, Verdict};
use crate::stage::{PATIENT, Stage, ann, complete, context, request, until};
use futures::future::{Either, select};
use mcp_contracts::guardrails::{self, ActionKind};
use mcp_contracts::orchestrator::{
    AgentName, Execution, ExecutionList, GetExecution, ListExecutions, QUOTA_PATH, QuotaPage, RunWorkflow,
    WorkflowStatus, tool,
};
use mcp_contracts::{Claims, ErrorCode, Plan, Scope, ToolError, env, memory};
use mcp_kit::CallContext;
use serde_json::json;

async fn show(stage: &Stage, claims: &Claims, id: &str) -> Result<Execution, ToolError> {
    let request = GetExecution { execution_id: id.to_owned() };
    complete(stage.orchestrator.call(tool::GET_EXECUTION, context(claims), &request).await)
}

async fn list(stage: &Stage, claims: &Claims, request: ListExecutions) -> Result<ExecutionList, ToolError> {
    complete(stage.orchestrator.call(tool::LIST_EXECUTIONS, context(claims), &request).await)
}

fn ids(list: &ExecutionList) -> Vec<&str> {
    list.executions.iter().map(|execution| &*execution.execution_id).collect()
}

#[tokio::test]
async fn an_execution_is_visible_to_its_user_in_its_workspace_and_to_the_admin_of_its_organisation() {
    let stage = Stage::new(PATIENT).await;
    let execution = stage.run(&request(ActionKind::Answer)).await;
    let id = execution.execution_id.as_str();
    assert_eq!(show(&stage, &ann(), id).await.unwrap(), execution);
    let admin = vec![Scope::Admin];
    let others = [
        Claims { sub: "bob".into(), ..ann() },
        Claims { workspace_slug: "lab".into(), ..ann() },
        Claims { org_id: "zeta".into(), ..ann() },
        Claims { org_id: "zeta".into(), scopes: admin.clone(), ..ann() },
    ];
    for other in others {
        assert_eq!(show(&stage, &other, id).await.unwrap_err().code, ErrorCode::NotFound, "{other:?}");
        assert!(list(&stage, &other, ListExecutions::default()).await.unwrap().executions.is_empty());
    }
    let boss = Claims { sub: "boss".into(), workspace_slug: "lab".into(), scopes: admin, ..ann() };
    assert_eq!(show(&stage, &boss, id).await.unwrap().execution_id, id);
    assert_eq!(ids(&list(&stage, &boss, ListExecutions::default()).await.unwrap()), [id]);
}

#[tokio::test]
async fn an_administrator_sees_nothing_of_memories_that_are_not_theirs_to_read() {
    let stage = Stage::new(PATIENT).await;
    let memory = |id: &str, content: &str, visibility: &str| {
        json!({"id": id, "content": content, "tags": ["rca"], "visibility": visibility, "version": 1,
            "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z"})
    };
    let boss = Claims { sub: "boss".into(), scopes: vec![Scope::Admin], ..ann() };
    let elsewhere = Claims { workspace_slug: "lab".into(), ..boss.clone() };
    let shared = memory("0190", "Checkout failed before, after a deploy.", "workspace");
    stage.memory.knows(vec![shared.clone()]);
    let execution = stage.run(&request(ActionKind::Answer)).await;
    let id = execution.execution_id.as_str();
    assert_eq!(show(&stage, &boss, id).await.unwrap(), execution, "a colleague may read this memory");
    let seen = show(&stage, &elsewhere, id).await.unwrap();
    assert!(seen.memories[0].excerpt.is_empty() && seen.artefact.is_none(), "{seen:?}");

    stage.memory.knows(vec![shared, memory("0191", "Checkout failed before: Zorblatt was fired.", "private")]);
    let execution = stage.run(&request(ActionKind::Answer)).await;
    let id = execution.execution_id.as_str();
    assert!(show(&stage, &ann(), id).await.unwrap() == execution && execution.artefact.is_some());
    for admin in [boss, elsewhere] {
        let seen = show(&stage, &admin, id).await.unwrap();
        assert!(!serde_json::to_string(&seen).unwrap().contains("Zorblatt"), "{seen:?}");
        assert_eq!((seen.memories.len(), &seen.steps), (2, &execution.steps), "what the agent did is visible");
    }
}

#[tokio::test]
async fn a_list_is_paged_from_new_to_old_and_a_cursor_is_valid_for_its_query_only() {
    let stage = Stage::new(PATIENT).await;
    let mut expected = Vec::new();
    for agent in [AgentName::Rca, AgentName::Retro, AgentName::Rca, AgentName::General, AgentName::Rca] {
        let request = RunWorkflow { agent, ..request(ActionKind::Answer) };
        expected.insert(0, stage.run(&request).await.execution_id);
    }
    let page =
        |limit, cursor: Option<String>| ListExecutions { limit: Some(limit), cursor, ..ListExecutions::default() };
    let first = list(&stage, &ann(), page(2, None)).await.unwrap();
    let second = list(&stage, &ann(), page(2, first.next_cursor.clone())).await.unwrap();
    let third = list(&stage, &ann(), page(2, second.next_cursor.clone())).await.unwrap();
    assert_eq!([ids(&first), ids(&second), ids(&third)].concat(), expected);
    assert_eq!(third.next_cursor, None);
    let rca = ListExecutions { agent: Some(AgentName::Rca), ..ListExecutions::default() };
    assert_eq!(ids(&list(&stage, &ann(), rca.clone()).await.unwrap()), [&expected[0], &expected[2], &expected[4]]);
    let borrowed = ListExecutions { cursor: first.next_cursor.clone(), ..rca };
    let bob = Claims { sub: "bob".into(), ..ann() };
    for result in [
        list(&stage, &ann(), borrowed).await,
        list(&stage, &bob, page(2, first.next_cursor)).await,
        list(&stage, &ann(), page(2, Some("x".into()))).await,
    ] {
        assert_eq!(result.unwrap_err().code, ErrorCode::BadCursor);
    }
    assert_eq!(list(&stage, &ann(), page(0, None)).await.unwrap_err().code, ErrorCode::InvalidArgument);
}

#[tokio::test]
async fn the_same_key_returns_the_same_execution_and_another_request_with_it_is_refused() {
    let stage = Stage::new(PATIENT).await;
    let keyed = RunWorkflow { idempotency_key: Some("k-1".into()), ..request(ActionKind::Answer) };
    let first = stage.run(&keyed).await;
    let again = stage.run(&keyed).await;
    assert_eq!(again, first);
    assert_eq!(stage.guardrails.calls(guardrails::tool::CHECK), 1);
    let stage = stage.restart().await;
    assert_eq!(stage.run(&keyed).await, first);
    let other = RunWorkflow { text: "other facts".into(), ..keyed.clone() };
    let refused = stage.orchestrator.run(&ann(), &other).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::IdempotencyConflict);
    let bob = Claims { sub: "bob".into(), ..ann() };
    let of_bob = stage.orchestrator.run(&bob, &other).await.unwrap();
    assert_ne!(of_bob.execution_id, first.execution_id, "a key belongs to its user");
}

#[tokio::test]
async fn two_concurrent_calls_with_one_key_are_one_execution() {
    let stage = Stage::new(PATIENT).await;
    let keyed = RunWorkflow { idempotency_key: Some("k-1".into()), ..request(ActionKind::Answer) };
    let (one, two) = futures::join!(stage.run(&keyed), stage.run(&keyed));
    assert_eq!(one, two);
    assert_eq!(stage.memory.calls(memory::tool::IMPORT), 1);
}

#[tokio::test]
async fn an_interrupted_run_is_completed_once_by_its_retry() {
    let stage = Stage::with("60000", &[(env::WORKFLOW_DEADLINE_MS, "60000")]).await;
    let keyed = RunWorkflow { idempotency_key: Some("k-1".into()), ..request(ActionKind::Answer) };
    stage.memory.next(memory::tool::SEARCH, Behaviour::Healthy);
    stage.memory.next(memory::tool::IMPORT, Behaviour::Hang);
    let running = Box::pin(stage.run(&keyed));
    let asked = Box::pin(until("memory was asked", || async { stage.memory.calls(memory::tool::IMPORT) == 1 }));
    let Either::Right(((), running)) = select(running, asked).await else { panic!("it ended") };
    let promised = stage.memory.recorded().pop().unwrap().execution_id;
    drop(running);
    assert_eq!(show(&stage, &ann(), &promised).await.unwrap_err().code, ErrorCode::NotFound, "it has not ended");
    let stage = stage.restart().await;
    let execution = stage.run(&keyed).await;
    assert_eq!((&execution.execution_id, execution.status), (&promised, WorkflowStatus::Completed));
    assert_eq!(stage.memory.stored().len(), 1);
    assert_eq!(stage.run(&keyed).await, execution);
}

#[tokio::test]
async fn a_retryable_run_runs_again_with_its_key() {
    let stage = Stage::new(PATIENT).await;
    let keyed = RunWorkflow { idempotency_key: Some("k-1".into()), ..request(ActionKind::Deploy) };
    stage.guardrails.always(Behaviour::Status(500, None));
    let blocked = stage.run(&keyed).await;
    assert_eq!((blocked.status, blocked.retryable), (WorkflowStatus::Blocked, true));
    stage.guardrails.always(Behaviour::Healthy);
    let completed = stage.run(&keyed).await;
    assert_eq!((completed.status, &completed.execution_id), (WorkflowStatus::Completed, &blocked.execution_id));
    stage.guardrails.judges(Verdict::Block);
    let keyed = RunWorkflow { idempotency_key: Some("k-2".into()), ..keyed };
    let forbidden = stage.run(&keyed).await;
    stage.guardrails.judges(Verdict::Allow);
    assert_eq!(stage.run(&keyed).await, forbidden, "a verdict of the rules is final");
}

#[tokio::test]
async fn an_execution_id_that_was_used_before_is_not_used_again() {
    let stage = Stage::new(PATIENT).await;
    let run = || async {
        let context = CallContext { execution_id: "mine".into(), ..context(&ann()) };
        complete::<Execution>(stage.orchestrator.call(tool::RUN_WORKFLOW, context, &request(ActionKind::Answer)).await)
            .unwrap()
            .execution_id
    };
    assert_eq!(run().await, "mine");
    assert_ne!(run().await, "mine");
    let (one, two) = futures::join!(run(), run());
    assert_ne!(one, two);
}

#[tokio::test]
async fn a_verdict_token_is_never_stored() {
    let stage = Stage::new(PATIENT).await;
    stage.guardrails.judges(Verdict::Acknowledge);
    let execution = stage.run(&request(ActionKind::Deploy)).await;
    assert!(execution.verdict_token.is_some());
    assert_eq!(show(&stage, &ann(), &execution.execution_id).await.unwrap().verdict_token, None);
}

#[tokio::test]
async fn an_argument_out_of_bounds_is_refused_before_any_peer_is_called() {
    let stage = Stage::new(PATIENT).await;
    let good = request(ActionKind::Answer);
    let cases = [
        (RunWorkflow { intent: " ".into(), ..good.clone() }, ErrorCode::InvalidArgument),
        (RunWorkflow { intent: "x".repeat(4_097), ..good.clone() }, ErrorCode::TooLarge),
        (RunWorkflow { text: "x".repeat((256 << 10) + 1), ..good.clone() }, ErrorCode::TooLarge),
        (RunWorkflow { files: vec!["f".into(); 1_001], ..good.clone() }, ErrorCode::TooLarge),
        (RunWorkflow { files: vec![String::new()], ..good.clone() }, ErrorCode::InvalidArgument),
        (RunWorkflow { role: Some(String::new()), ..good.clone() }, ErrorCode::InvalidArgument),
        (RunWorkflow { idempotency_key: Some(String::new()), ..good.clone() }, ErrorCode::InvalidArgument),
        (RunWorkflow { execution_id: Some("not an id".into()), ..good.clone() }, ErrorCode::InvalidArgument),
    ];
    for (request, code) in cases {
        assert_eq!(stage.orchestrator.run(&ann(), &request).await.unwrap_err().code, code);
    }
    for (word, value, known) in [("agent", "rcb", "`rca`"), ("action", "destroy", "`delete`")] {
        let mut request = serde_json::to_value(&good).unwrap();
        request[word] = json!(value);
        let error =
            stage.orchestrator.call::<_, Execution>(tool::RUN_WORKFLOW, context(&ann()), &request).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidArgument);
        assert!(error.message.contains(value) && error.message.contains(known), "{error}");
    }
    assert_eq!(stage.guardrails.recorded().len(), 0);
}

#[tokio::test]
async fn the_page_shows_the_remaining_calls_and_the_budget_for_models() {
    let stage = Stage::with(PATIENT, &[(env::LLM_DAILY_BUDGETS, "0,1,2000,3")]).await;
    stage.orchestrator.quota.decide("acme", Plan::Team).await;
    let page = stage.orchestrator.features.pages.iter().find(|page| page.path == QUOTA_PATH).unwrap();
    let reply = page.run(context(&ann())).await.unwrap();
    let page: QuotaPage = serde_json::from_str(reply.get()).unwrap();
    assert_eq!((&*page.org_id, page.plan, &*page.mode), ("acme", Plan::Team, "local"));
    assert_eq!((page.llm_used_micro_usd, page.llm_limit_micro_usd), (0, 2_000));
    let own = &page.services[0];
    assert_eq!((&*own.service, own.limit, own.used, own.remaining), ("orchestrator", 10_000, 1, 9_999));
}
