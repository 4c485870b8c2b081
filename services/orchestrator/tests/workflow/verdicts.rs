//! Which replies count as verdicts, and the effect of each. Without a verdict nothing is injected.

use crate::fake::{Behaviour, Verdict, binding};
use crate::stage::{PATIENT, Stage, ann, complete, context, request, step};
use mcp_contracts::guardrails::{self, ActionKind, ActionRequest, VerdictKind};
use mcp_contracts::orchestrator::{Execution, Reason, RunWorkflow, StepName, StepOutcome, WorkflowStatus, tool};
use mcp_contracts::{Claims, ErrorCode, Scope, memory, patterns};
use mcp_kit::{CallContext, Elicitation, ElicitationContext, ElicitationResponses, ToolOutcome, Verdicts};
use serde_json::{Value, json};

fn action_of(request: &RunWorkflow) -> ActionRequest {
    ActionRequest {
        action: request.action,
        intent: request.intent.clone(),
        files: request.files.clone(),
        text: Some(request.text.clone()),
    }
}

impl Stage {
    fn token(&self, kind: VerdictKind, claims: &Claims, execution: &str, request: &RunWorkflow) -> String {
        let verdicts = Verdicts::new(&self.orchestrator.settings);
        verdicts.issue(kind, binding(claims, execution, &action_of(request))).unwrap().token
    }
}

#[tokio::test]
async fn a_reply_that_is_not_a_verdict_on_this_request_counts_as_none() {
    let request = request(ActionKind::Answer);
    let stage = Stage::new(PATIENT).await;
    let mine = ann();
    let other = RunWorkflow { intent: "Something else".into(), ..request.clone() };
    let verdict = |word: &str, token: Option<String>, execution: &str| {
        json!({"verdict": word, "rules": [], "requiresAcknowledgement": word == "acknowledge", "verdictToken": token,
            "executionId": execution, "rulesVersion": "v", "rulesChecked": 1})
    };
    let foreign = Claims { org_id: "zeta".into(), ..ann() };
    let allow =
        |claims: &Claims, execution: &str, request| Some(stage.token(VerdictKind::Allow, claims, execution, request));
    let cases: Vec<(&str, Value)> = vec![
        ("no fields", json!({})),
        ("an unknown verdict", verdict("maybe", None, "e-1")),
        ("another execution", verdict("allow", allow(&mine, "e-1", &request), "e-2")),
        ("no token", verdict("allow", None, "e-1")),
        ("a token for another request", verdict("allow", allow(&mine, "e-1", &other), "e-1")),
        ("a token for another execution", verdict("allow", allow(&mine, "e-2", &request), "e-1")),
        ("a token for another organisation", verdict("allow", allow(&foreign, "e-1", &request), "e-1")),
        ("a forged token", verdict("allow", Some("a.b.c".into()), "e-1")),
        (
            "a token that must be acknowledged",
            verdict("allow", Some(stage.token(VerdictKind::Acknowledge, &mine, "e-1", &request)), "e-1"),
        ),
        (
            "an allowing token of a verdict that must be acknowledged",
            verdict("acknowledge", allow(&mine, "e-1", &request), "e-1"),
        ),
    ];
    for (case, said) in cases {
        let stage = Stage::new(PATIENT).await;
        stage.guardrails.always(Behaviour::Says(said));
        let context = CallContext { execution_id: "e-1".into(), ..context(&mine) };
        let execution: Execution =
            complete(stage.orchestrator.call(tool::RUN_WORKFLOW, context, &request).await).unwrap();
        assert_eq!(execution.execution_id, "e-1");
        assert_eq!(execution.reasons, [Reason::GuardrailUnavailable], "{case}");
        assert_eq!((execution.verdict, execution.pattern), (None, None), "{case}");
        assert_eq!(stage.patterns.calls(patterns::tool::INJECT), 0, "{case}");
    }
}

#[tokio::test]
async fn a_blocked_run_ends() {
    let stage = Stage::new(PATIENT).await;
    stage.guardrails.judges(Verdict::Block);
    let execution = stage.run(&request(ActionKind::Answer)).await;
    assert_eq!((execution.status, execution.retryable), (WorkflowStatus::Blocked, false));
    assert_eq!(execution.reasons, [Reason::GuardrailBlocked]);
    assert_eq!(execution.rules[0].id, "SEC-1");
    assert!(execution.artefact.is_none() && execution.verdict_token.is_none() && execution.memories.is_empty());
    assert!(execution.steps[1..].iter().all(|step| step.outcome == StepOutcome::Skipped), "{execution:#?}");
    assert_eq!((stage.patterns.injected(), stage.memory.calls(memory::tool::IMPORT)), (0, 0));
}

/// A run that needs an acknowledgement, and the same run after a person gave it.
async fn acknowledged(stage: &Stage, request: &RunWorkflow) -> (Execution, RunWorkflow) {
    stage.guardrails.judges(Verdict::Acknowledge);
    let first = stage.run(request).await;
    assert_eq!((first.status, first.retryable), (WorkflowStatus::AcknowledgementRequired, false));
    let verdicts = Verdicts::new(&stage.orchestrator.settings);
    let opened = verdicts.open(first.verdict_token.as_ref().unwrap(), "acme").unwrap();
    assert_eq!((opened.kind, &opened.execution_id), (VerdictKind::Acknowledge, &first.execution_id));
    let token = stage.token(VerdictKind::Acknowledged, &ann(), &first.execution_id, request);
    let again =
        RunWorkflow { verdict_token: Some(token), execution_id: Some(first.execution_id.clone()), ..request.clone() };
    (first, again)
}

#[tokio::test]
async fn an_acknowledged_run_continues_once_as_the_same_execution() {
    let stage = Stage::new(PATIENT).await;
    let (first, again) = acknowledged(&stage, &request(ActionKind::Deploy)).await;
    assert_eq!((stage.patterns.injected(), &first.artefact), (0, &None));
    let execution = stage.run(&again).await;
    assert_eq!(execution.status, WorkflowStatus::Completed, "{execution:#?}");
    assert_eq!(execution.execution_id, first.execution_id);
    assert_eq!(step(&execution, StepName::Guardrails).source, "verdict_token");
    assert_eq!(stage.guardrails.calls(guardrails::tool::CHECK), 1, "guardrails are not called again");
    assert_eq!(stage.patterns.injected(), 1);
    let replayed = stage.orchestrator.run(&ann(), &again).await.unwrap_err();
    assert_eq!(replayed.code, ErrorCode::VerdictUsed);
    assert_eq!(stage.patterns.injected(), 1);
}

#[tokio::test]
async fn an_acknowledged_verdict_is_used_up_even_if_no_pattern_is_injected() {
    let stage = Stage::new(PATIENT).await;
    let (_, again) = acknowledged(&stage, &request(ActionKind::Deploy)).await;
    stage.patterns.always(Behaviour::Status(500, None));
    let execution = stage.run(&again).await;
    assert_eq!(execution.reasons, [Reason::PatternsUnavailable]);
    let verdicts = Verdicts::new(&stage.orchestrator.settings);
    let claims = verdicts.open(again.verdict_token.as_ref().unwrap(), "acme").unwrap();
    assert_eq!(stage.orchestrator.single_use.take(&claims).await.unwrap_err().code, ErrorCode::VerdictUsed);
}

#[tokio::test]
async fn a_verdict_that_patterns_has_used_before_ends_the_run() {
    let stage = Stage::new(PATIENT).await;
    let (_, again) = acknowledged(&stage, &request(ActionKind::Deploy)).await;
    stage.patterns.next(patterns::tool::INJECT, Behaviour::Refuses(ErrorCode::VerdictUsed));
    assert_eq!(stage.orchestrator.run(&ann(), &again).await.unwrap_err().code, ErrorCode::VerdictUsed);
    assert_eq!(stage.memory.calls(memory::tool::IMPORT), 0);
}

#[tokio::test]
async fn forged_foreign_and_misplaced_tokens_are_refused_before_any_peer_is_called() {
    let stage = Stage::new(PATIENT).await;
    let request = request(ActionKind::Deploy);
    let other = RunWorkflow { text: "another text".into(), ..request.clone() };
    let kind = VerdictKind::Acknowledged;
    let (zeta, bob) = (Claims { org_id: "zeta".into(), ..ann() }, Claims { sub: "bob".into(), ..ann() });
    let with = |token: String, execution: &str| RunWorkflow {
        verdict_token: Some(token),
        execution_id: Some(execution.into()),
        ..request.clone()
    };
    let refused = [
        with("a.b.c".into(), "e-1"),
        with(stage.token(kind, &ann(), "e-1", &other), "e-1"),
        with(stage.token(kind, &ann(), "e-2", &request), "e-1"),
        with(stage.token(kind, &zeta, "e-1", &request), "e-1"),
        with(stage.token(kind, &bob, "e-1", &request), "e-1"),
        with(stage.token(VerdictKind::Acknowledge, &ann(), "e-1", &request), "e-1"),
        with(stage.token(VerdictKind::Allow, &ann(), "e-1", &request), "e-1"),
    ];
    for request in refused {
        let error = stage.orchestrator.run(&ann(), &request).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::VerdictInvalid, "{error}");
    }
    let alone = RunWorkflow { execution_id: None, ..with(stage.token(kind, &ann(), "e-1", &request), "e-1") };
    assert_eq!(stage.orchestrator.run(&ann(), &alone).await.unwrap_err().code, ErrorCode::InvalidArgument);
    let calls = [&stage.guardrails, &stage.memory, &stage.patterns].map(|peer| peer.recorded().len());
    assert_eq!(calls, [0; 3]);
}

/// A call of a client that can ask its user, with or without an answer.
async fn ask(
    stage: &Stage,
    request: &RunWorkflow,
    elicited: Option<ElicitationResponses>,
) -> Result<ToolOutcome<Execution>, mcp_contracts::ToolError> {
    ask_as(stage, &[Scope::AgentsRun, Scope::GuardrailsAcknowledge], request, elicited).await
}

async fn ask_as(
    stage: &Stage,
    scopes: &[Scope],
    request: &RunWorkflow,
    elicited: Option<ElicitationResponses>,
) -> Result<ToolOutcome<Execution>, mcp_contracts::ToolError> {
    let caller = Claims { scopes: scopes.to_vec(), ..ann() };
    let context = CallContext {
        elicitation: ElicitationContext { supports_elicitation: true, responses: elicited },
        ..context(&caller)
    };
    stage.orchestrator.call(tool::RUN_WORKFLOW, context, request).await
}

async fn question(stage: &Stage, request: &RunWorkflow) -> Elicitation {
    stage.guardrails.judges(Verdict::Acknowledge);
    match ask(stage, request, None).await.unwrap() {
        ToolOutcome::InputRequired(question) => question,
        ToolOutcome::Complete(execution) => panic!("no question was asked: {execution:#?}"),
    }
}

fn answer(state: &str, response: Value) -> Option<ElicitationResponses> {
    let responses = json!({ "acknowledgement": response }).as_object().unwrap().clone();
    Some(ElicitationResponses { state: state.to_owned(), responses })
}

#[tokio::test]
async fn a_client_that_can_ask_its_user_gets_the_question_and_the_run_continues_with_the_answer() {
    let stage = Stage::new(PATIENT).await;
    let request = request(ActionKind::Deploy);
    let asked = question(&stage, &request).await;
    assert!(asked.message.contains("SEC-1"), "{}", asked.message);
    assert_eq!(stage.patterns.injected(), 0);
    let yes = json!({"action": "accept", "content": {"acknowledge": true, "reason": "the window closes at noon"}});
    let execution = complete(ask(&stage, &request, answer(&asked.state, yes.clone())).await).unwrap();
    assert_eq!(execution.status, WorkflowStatus::Completed, "{execution:#?}");
    let acknowledged = stage.guardrails.recorded().pop().unwrap();
    assert_eq!(acknowledged.tool, guardrails::tool::ACKNOWLEDGE);
    assert_eq!(acknowledged.arguments["reason"], "the window closes at noon");
    assert_eq!(stage.patterns.injected(), 1);
    let replayed = ask(&stage, &request, answer(&asked.state, yes)).await.unwrap_err();
    assert_eq!((replayed.code, stage.patterns.injected()), (ErrorCode::VerdictUsed, 1));
}

#[tokio::test]
async fn a_token_that_must_not_acknowledge_is_not_asked_and_its_answer_is_refused() {
    let stage = Stage::new(PATIENT).await;
    let request = request(ActionKind::Deploy);
    let asked = question(&stage, &request).await;
    let only_run = [Scope::AgentsRun];
    let execution = complete(ask_as(&stage, &only_run, &request, None).await).unwrap();
    assert_eq!(execution.status, WorkflowStatus::AcknowledgementRequired, "{execution:#?}");
    let yes = json!({"action": "accept", "content": {"acknowledge": true, "reason": "the window closes at noon"}});
    let refused = ask_as(&stage, &only_run, &request, answer(&asked.state, yes)).await.unwrap_err();
    assert_eq!((refused.code, stage.patterns.injected()), (ErrorCode::InsufficientScope, 0));
}

#[tokio::test]
async fn an_answer_counts_although_the_call_names_its_execution_and_not_for_another_one() {
    let stage = Stage::new(PATIENT).await;
    let request = request(ActionKind::Deploy);
    let named = |execution: &str| RunWorkflow { execution_id: Some(execution.into()), ..request.clone() };
    let asked = question(&stage, &named("e-1")).await;
    let yes = json!({"action": "accept", "content": {"acknowledge": true, "reason": "the window closes at noon"}});
    let refused = ask(&stage, &named("e-2"), answer(&asked.state, yes.clone())).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::VerdictInvalid);
    let execution = complete(ask(&stage, &named("e-1"), answer(&asked.state, yes)).await).unwrap();
    assert_eq!((execution.status, &*execution.execution_id), (WorkflowStatus::Completed, "e-1"), "{execution:#?}");
}

#[tokio::test]
async fn a_user_who_declines_ends_the_run_and_is_not_asked_again() {
    let stage = Stage::new(PATIENT).await;
    let request = request(ActionKind::Deploy);
    let asked = question(&stage, &request).await;
    let answers = [
        json!({"action": "decline"}),
        json!({"action": "cancel"}),
        json!({"action": "accept", "content": {"acknowledge": false}}),
        json!({"action": "accept", "content": {"acknowledge": "true"}}),
    ];
    for no in answers {
        let execution = complete(ask(&stage, &request, answer(&asked.state, no)).await).unwrap();
        assert_eq!(execution.status, WorkflowStatus::AcknowledgementRequired);
        assert_eq!(execution.verdict_token.as_ref(), Some(&asked.state));
    }
    assert_eq!((stage.guardrails.calls(guardrails::tool::ACKNOWLEDGE), stage.patterns.injected()), (0, 0));
}

#[tokio::test]
async fn an_answer_with_a_foreign_or_forged_state_is_refused() {
    let stage = Stage::new(PATIENT).await;
    let request = request(ActionKind::Deploy);
    let other = RunWorkflow { intent: "Something else".into(), ..request.clone() };
    let bob = Claims { sub: "bob".into(), ..ann() };
    let states = [
        String::new(),
        "a.b.c".into(),
        stage.token(VerdictKind::Acknowledge, &ann(), "e-1", &other),
        stage.token(VerdictKind::Acknowledge, &bob, "e-1", &request),
        stage.token(VerdictKind::Allow, &ann(), "e-1", &request),
    ];
    let yes = json!({"action": "accept", "content": {"acknowledge": true, "reason": "long enough a reason"}});
    for state in states {
        let error = ask(&stage, &request, answer(&state, yes.clone())).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::VerdictInvalid);
    }
    assert_eq!(stage.guardrails.recorded().len(), 0);
}

#[tokio::test]
async fn without_guardrails_nothing_is_acknowledged_however_low_the_risk() {
    let stage = Stage::new(PATIENT).await;
    let request = request(ActionKind::Answer);
    let asked = question(&stage, &request).await;
    stage.guardrails.always(Behaviour::Status(500, None));
    let yes = json!({"action": "accept", "content": {"acknowledge": true, "reason": "long enough a reason"}});
    let execution = complete(ask(&stage, &request, answer(&asked.state, yes)).await).unwrap();
    assert_eq!((execution.status, execution.retryable), (WorkflowStatus::Blocked, true));
    assert_eq!(execution.reasons, [Reason::GuardrailUnavailable]);
    assert_eq!((stage.guardrails.calls(guardrails::tool::ACKNOWLEDGE), stage.patterns.injected()), (1, 0));
}

#[tokio::test]
async fn a_refused_acknowledgement_is_returned_to_the_user() {
    let stage = Stage::new(PATIENT).await;
    let request = request(ActionKind::Answer);
    let asked = question(&stage, &request).await;
    stage.guardrails.next(guardrails::tool::ACKNOWLEDGE, Behaviour::Refuses(ErrorCode::InvalidArgument));
    let short = json!({"action": "accept", "content": {"acknowledge": true, "reason": "x"}});
    let error = ask(&stage, &request, answer(&asked.state, short)).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::InvalidArgument);
}
