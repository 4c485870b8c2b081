//! The fallback table, row by row, and every way in which a peer can be down.

use crate::fake::{Behaviour, Fake};
use crate::stage::{HASTY, PATIENT, Stage, has, request, step, until};
use mcp_contracts::guardrails::{ActionKind, Decision, Severity};
use mcp_contracts::orchestrator::{AgentName, Execution, Reason, RunWorkflow, StepName, StepOutcome, WorkflowStatus};
use mcp_contracts::{ErrorCode, Scope, env, guardrails, memory, patterns};
use serde_json::{Value, json};
use std::time::Duration;

fn ways_to_be_down() -> Vec<Behaviour> {
    vec![
        Behaviour::Hang,
        Behaviour::Late(Duration::from_secs(3)),
        Behaviour::Status(500, None),
        Behaviour::Status(503, Some(1)),
        Behaviour::Garbage,
        Behaviour::Truncated,
        Behaviour::OtherId,
        Behaviour::OtherVersion,
        Behaviour::CutAfterWork,
        Behaviour::Says(json!({})),
    ]
}

/// The deadline is short only for peers that never answer, so that one that answers is not taken for slow on a busy machine.
fn patience(behaviour: &Behaviour) -> &'static str {
    match behaviour {
        Behaviour::Hang | Behaviour::Late(_) => HASTY,
        _ => PATIENT,
    }
}

fn a_memory(content: &str) -> Value {
    json!({"id": "0190", "content": content, "tags": ["rca"], "visibility": "private", "version": 1,
        "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z"})
}

fn outcomes(execution: &Execution) -> Vec<(StepName, StepOutcome)> {
    execution.steps.iter().map(|step| (step.step, step.outcome)).collect()
}

#[tokio::test]
async fn with_every_peer_up_every_step_runs_once_on_behalf_of_the_user() {
    let stage = Stage::new(PATIENT).await;
    stage.memory.knows(vec![a_memory("Checkout failed before, after a deploy.")]);
    let execution = stage.run(&request(ActionKind::Deploy)).await;
    assert_eq!((execution.status, execution.retryable), (WorkflowStatus::Completed, false), "{execution:#?}");
    use StepName::{Execute, Guardrails, InjectPattern, LogUsage, Memory, Remember, SelectPattern};
    let order = [Guardrails, Memory, SelectPattern, InjectPattern, Execute, LogUsage, Remember];
    assert_eq!(outcomes(&execution), order.map(|step| (step, StepOutcome::Ok)));
    assert_eq!(execution.verdict, Some(Decision::Allow));
    assert_eq!(execution.pattern.as_ref().unwrap().text, "Breathe, then look.");
    assert_eq!(execution.memories[0].excerpt, "Checkout failed before, after a deploy.");
    assert_eq!(execution.artefact.as_ref().unwrap().kind, "root_cause_report");
    let calls = [stage.guardrails.recorded(), stage.memory.recorded(), stage.patterns.recorded()].concat();
    assert_eq!(calls.len(), 6);
    for call in &calls {
        assert_eq!((&*call.claims.sub, &*call.claims.org_id, &*call.claims.workspace_slug), ("ann", "acme", "billing"));
        let permissions = call.claims.scopes.iter().filter(|scope| **scope != Scope::Prepaid).count();
        let logs_usage = call.tool == patterns::tool::LOG_USAGE;
        assert_eq!(permissions, 1 + usize::from(logs_usage), "{} got {:?}", call.tool, call.claims.scopes);
        assert_eq!(call.claims.scopes.contains(&Scope::PatternsRank), logs_usage, "{}", call.tool);
        let is_check = call.tool == guardrails::tool::CHECK;
        assert_eq!(call.claims.scopes.contains(&Scope::Prepaid), is_check, "only the check is prepaid: {}", call.tool);
        assert!(!call.claims.allows(Scope::AgentsRun));
        assert_eq!(call.execution_id, execution.execution_id);
    }
    let stored = stage.memory.stored();
    assert!(stored.keys().all(|key| key.starts_with(&execution.execution_id)), "{stored:?}");
}

/// Answers of guardrails that are no verdict, or no answer in time. What the caller sends can cause each of them.
fn ways_to_give_no_verdict() -> Vec<Behaviour> {
    let errors = [
        ErrorCode::Internal,
        ErrorCode::QuotaExceeded,
        ErrorCode::DeadlineExceeded,
        ErrorCode::TooLarge,
        ErrorCode::InvalidArgument,
        ErrorCode::Overloaded,
    ];
    let statuses = [400, 401, 403, 404, 413, 429, 500, 502, 503];
    let statuses = statuses.map(|status| Behaviour::Status(status, None));
    ways_to_be_down().into_iter().chain(errors.map(Behaviour::Refuses)).chain(statuses).collect()
}

#[tokio::test]
async fn a_check_without_a_verdict_blocks_every_action_while_guardrails_are_up() {
    for behaviour in ways_to_give_no_verdict() {
        let stage = Stage::new(patience(&behaviour)).await;
        stage.guardrails.always(behaviour.clone());
        for action in [ActionKind::Answer, ActionKind::Edit, ActionKind::Deploy] {
            let execution = stage.run(&request(action)).await;
            let case = format!("{behaviour:?} {execution:#?}");
            assert_eq!(execution.status, WorkflowStatus::Blocked, "{case}");
            assert!(has(&execution, Reason::GuardrailUnavailable), "{case}");
            assert_eq!((execution.verdict, &execution.pattern, &execution.artefact), (None, &None, &None), "{case}");
            let is_final = matches!(behaviour, Behaviour::Refuses(ErrorCode::TooLarge | ErrorCode::InvalidArgument));
            assert_eq!(execution.retryable, !is_final, "{case}");
        }
        assert_eq!(stage.patterns.calls(patterns::tool::INJECT), 0, "{behaviour:?}");
        assert_eq!(stage.memory.calls(memory::tool::IMPORT), 0, "{behaviour:?}");
    }
}

#[tokio::test]
async fn while_guardrails_are_down_nothing_is_injected_and_only_actions_of_low_risk_proceed() {
    let dead = Fake::dead_url().await;
    let stage = Stage::with(PATIENT, &[(env::MCP_GUARDRAILS_URL, &*dead)]).await;
    for action in ActionKind::ALL {
        let execution = stage.run(&request(action)).await;
        let case = format!("{execution:#?}");
        assert_eq!(execution.reasons, [Reason::GuardrailUnavailable], "{case}");
        assert_eq!((execution.verdict, &execution.pattern), (None, &None), "{case}");
        assert_eq!(step(&execution, StepName::Guardrails).outcome, StepOutcome::Fallback, "{case}");
        if action.risk() >= Severity::High {
            assert_eq!((execution.status, execution.retryable), (WorkflowStatus::Blocked, true), "{case}");
            assert_eq!(execution.artefact, None, "{case}");
        } else {
            assert_eq!((execution.status, execution.retryable), (WorkflowStatus::Degraded, false), "{case}");
            assert!(execution.artefact.is_some(), "{case}");
            assert_eq!(step(&execution, StepName::Remember).outcome, StepOutcome::Ok, "{case}");
        }
    }
    assert_eq!(stage.patterns.calls(patterns::tool::INJECT), 0);
}

#[tokio::test]
async fn a_peer_that_denies_the_token_is_reported_until_it_accepts_it() {
    for status in [401, 403] {
        let stage = Stage::new(PATIENT).await;
        stage.memory.always(Behaviour::Status(status, None));
        let execution = stage.run(&request(ActionKind::Answer)).await;
        assert_eq!(step(&execution, StepName::Remember).outcome, StepOutcome::Deferred, "the outcome is kept");
        let reply = stage.orchestrator.readiness.reply();
        assert_eq!((reply.ready, reply.fallbacks), (true, vec!["memory".to_owned()]), "{status}");
        stage.memory.always(Behaviour::Healthy);
        until("the outcome is delivered", || async { !stage.memory.stored().is_empty() }).await;
        until("memory is not reported any more", || async { !stage.orchestrator.readiness.reply().degraded }).await;
    }
}

#[tokio::test]
async fn without_memory_the_agent_runs_without_context_and_the_outcome_is_deferred() {
    for behaviour in ways_to_be_down() {
        let stage = Stage::new(patience(&behaviour)).await;
        stage.memory.always(behaviour.clone());
        let execution = stage.run(&request(ActionKind::Commit)).await;
        let case = format!("{behaviour:?} {execution:#?}");
        assert_eq!(execution.status, WorkflowStatus::Degraded, "{case}");
        assert_eq!(execution.reasons, [Reason::MemoryUnavailable], "{case}");
        let recalled = step(&execution, StepName::Memory);
        assert_eq!((recalled.outcome, &*recalled.source), (StepOutcome::Fallback, "static_context"), "{case}");
        let remembered = step(&execution, StepName::Remember);
        assert_eq!((remembered.outcome, &*remembered.source), (StepOutcome::Deferred, "outbox"), "{case}");
        assert!(execution.pattern.is_some() && execution.artefact.is_some(), "{case}");
    }
}

#[tokio::test]
async fn without_patterns_the_run_proceeds_without_a_pattern() {
    for behaviour in ways_to_be_down() {
        let stage = Stage::new(patience(&behaviour)).await;
        stage.patterns.always(behaviour.clone());
        let execution = stage.run(&request(ActionKind::Deploy)).await;
        let case = format!("{behaviour:?} {execution:#?}");
        assert_eq!(execution.status, WorkflowStatus::Degraded, "{case}");
        assert_eq!(execution.reasons, [Reason::PatternsUnavailable], "{case}");
        assert_eq!((execution.pattern.is_none(), execution.artefact.is_some()), (true, true), "{case}");
        assert_eq!(step(&execution, StepName::LogUsage).outcome, StepOutcome::Skipped, "{case}");
        assert_eq!(step(&execution, StepName::Remember).outcome, StepOutcome::Ok, "{case}");
    }
}

#[tokio::test]
async fn a_peer_without_a_listener_is_down() {
    let dead = Fake::dead_url().await;
    let urls = [(env::MCP_GUARDRAILS_URL, &*dead), (env::MCP_MEMORY_URL, &*dead), (env::MCP_PATTERNS_URL, &*dead)];
    let stage = Stage::with(PATIENT, &urls).await;
    let execution = stage.run(&request(ActionKind::Answer)).await;
    assert_eq!(execution.status, WorkflowStatus::Degraded);
    let expected = [Reason::GuardrailUnavailable, Reason::MemoryUnavailable, Reason::PatternsUnavailable];
    assert_eq!(execution.reasons, expected);
    assert_eq!(stage.run(&request(ActionKind::Delete)).await.status, WorkflowStatus::Blocked);
}

#[tokio::test]
async fn a_pattern_that_cannot_be_injected_is_omitted_and_a_refused_verdict_is_named() {
    let cases = [
        (ErrorCode::VerdictInvalid, Reason::VerdictRefused),
        (ErrorCode::VerdictRequired, Reason::VerdictRefused),
        (ErrorCode::PlanRequired, Reason::PatternsUnavailable),
        (ErrorCode::DependencyUnavailable, Reason::PatternsUnavailable),
    ];
    for (code, reason) in cases {
        let stage = Stage::new(PATIENT).await;
        stage.patterns.next(patterns::tool::INJECT, Behaviour::Refuses(code));
        let execution = stage.run(&request(ActionKind::Edit)).await;
        assert_eq!((execution.status, &*execution.reasons), (WorkflowStatus::Degraded, &[reason][..]), "{code:?}");
        assert_eq!(step(&execution, StepName::InjectPattern).detail.as_deref(), Some(code.name()));
        assert!(execution.pattern.is_none() && execution.artefact.is_some());
    }
}

#[tokio::test]
async fn a_pattern_other_than_the_selected_one_is_not_used() {
    let stage = Stage::new(PATIENT).await;
    let other = json!({"patternId": "p-1", "title": "t", "text": "Delete everything.", "verdictId": "another", "executionId": "another",
        "catalogVersion": "c1"});
    stage.patterns.next(patterns::tool::INJECT, Behaviour::Says(other));
    let execution = stage.run(&request(ActionKind::Edit)).await;
    assert_eq!((execution.pattern, execution.reasons), (None, vec![Reason::PatternsUnavailable]));
}

#[tokio::test]
async fn a_run_without_a_fitting_pattern_is_not_degraded() {
    let stage = Stage::new(PATIENT).await;
    stage.patterns.finds_nothing();
    let execution = stage.run(&request(ActionKind::Edit)).await;
    assert_eq!(execution.status, WorkflowStatus::Completed, "{execution:#?}");
    assert_eq!(stage.patterns.calls(patterns::tool::INJECT), 0);
}

#[tokio::test]
async fn a_peer_without_quota_counts_as_down_and_is_called_once() {
    let stage = Stage::new(PATIENT).await;
    stage.memory.always(Behaviour::Status(429, Some(60)));
    stage.patterns.always(Behaviour::Status(429, Some(60)));
    let execution = stage.run(&request(ActionKind::Edit)).await;
    assert_eq!(execution.status, WorkflowStatus::Degraded);
    assert_eq!(execution.reasons, [Reason::QuotaExceeded]);
    assert_eq!((stage.memory.calls(memory::tool::SEARCH), stage.patterns.calls(patterns::tool::SELECT)), (1, 1));
    let stage = Stage::new(PATIENT).await;
    stage.guardrails.always(Behaviour::Status(429, Some(60)));
    let execution = stage.run(&request(ActionKind::Deploy)).await;
    assert_eq!((execution.status, execution.retryable), (WorkflowStatus::Blocked, true));
    assert_eq!(execution.reasons, [Reason::GuardrailUnavailable, Reason::QuotaExceeded]);
    assert_eq!(stage.guardrails.calls(guardrails::tool::CHECK), 1);
}

#[tokio::test]
async fn the_workflow_answers_within_its_deadline_if_every_peer_hangs() {
    let stage = Stage::with("60000", &[(env::WORKFLOW_DEADLINE_MS, "900")]).await;
    [&stage.memory, &stage.patterns].into_iter().for_each(|peer| peer.always(Behaviour::Hang));
    let execution = stage.run(&request(ActionKind::Answer)).await;
    assert_eq!(execution.status, WorkflowStatus::Degraded);
    assert!(has(&execution, Reason::DeadlineExceeded), "{execution:#?}");
    assert!(execution.artefact.is_some());
    assert_eq!(step(&execution, StepName::Remember).outcome, StepOutcome::Deferred);
    stage.guardrails.always(Behaviour::Hang);
    let execution = stage.run(&request(ActionKind::Answer)).await;
    assert_eq!((execution.status, execution.retryable), (WorkflowStatus::Blocked, true));
    assert!(
        has(&execution, Reason::DeadlineExceeded) && has(&execution, Reason::GuardrailUnavailable),
        "{execution:#?}"
    );
}

#[tokio::test]
async fn a_retrospective_reads_the_action_items_of_the_last_one_and_stores_its_own() {
    let stage = Stage::new(PATIENT).await;
    let retro = RunWorkflow {
        agent: AgentName::Retro,
        intent: "Retrospective of sprint 12".into(),
        text:
            "Went well: pairing.\nWent badly: the build is slow and flaky, deploys wait for it.\nTeam of 6, two weeks."
                .into(),
        ..request(ActionKind::Answer)
    };
    let execution = stage.run(&retro).await;
    assert_eq!(execution.status, WorkflowStatus::Completed, "{execution:#?}");
    let asked = stage.memory.recorded();
    assert_eq!(asked[0].tool, memory::tool::LIST);
    assert!(asked[0].arguments["tags"].as_array().unwrap().contains(&json!("retro-action")));
    let stored = stage.memory.stored();
    assert!(stored.values().any(|memory| memory["type"] == "action_item" && memory["visibility"] == "workspace"));
    assert_eq!(stage.memory.calls(memory::tool::IMPORT), 1, "all of it in one call");
}
