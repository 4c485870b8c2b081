//! Calls to peers: the choice of the instance, the number of attempts, and the cases in which no call is made.

use crate::fake::{Behaviour, Fake};
use crate::stage::{HASTY, PATIENT, Stage, ann, request, settings, step, until};
use futures::future::{Either, join_all, select};
use mcp_contracts::guardrails::{ActionKind, tool as guardrails};
use mcp_contracts::memory::tool as memory;
use mcp_contracts::orchestrator::{StepName, StepOutcome, WorkflowStatus};
use mcp_contracts::patterns::tool as patterns;
use mcp_contracts::{Claims, Service, env};
use mcp_kit::Readiness;
use mcp_orchestrator::peer::{Call, Peer, PeerError, PeerReply, Transport};
use mcp_orchestrator::peers::{CHECK, LIST, REMEMBER};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_millis(250);
const LATER: Duration = Duration::from_secs(10);

fn peer(urls: &[String], attempt: Duration, readiness: &Readiness) -> Peer {
    let transport = Arc::new(Transport::new(&settings(Path::new("/nowhere"), &[]), Duration::from_secs(1)).unwrap());
    Peer::new(Service::Memory, urls, attempt, transport, readiness.clone())
}

async fn fake() -> Fake {
    Fake::start(&settings(Path::new("/nowhere"), &[])).await
}

async fn list(peer: &Peer, repeatable: bool) -> PeerReply<Value> {
    list_for(peer, "acme", repeatable).await
}

async fn list_for(peer: &Peer, org: &str, repeatable: bool) -> PeerReply<Value> {
    let claims = Claims { org_id: org.to_owned(), ..ann() };
    let deadline = Instant::now() + LATER;
    let call = Call { tool: LIST, claims: &claims, execution_id: "e-1", deadline, repeatable };
    peer.call(&call, &json!({})).await
}

#[tokio::test]
async fn a_dead_or_stopping_instance_costs_one_step_to_the_next_one() {
    let (dead, stopping, well) = (Fake::dead_url().await, fake().await, fake().await);
    stopping.always(Behaviour::Status(503, Some(1)));
    let peer = peer(&[dead, stopping.url.clone(), well.url.clone()], LATER, &Readiness::default());
    for _ in 0..20 {
        let called = list(&peer, false).await;
        assert!(called.result.is_ok(), "{called:?}");
    }
    assert_eq!(well.calls(memory::LIST), 20);
    assert_eq!(stopping.calls(memory::LIST), 1, "it requested a pause");
}

#[tokio::test]
async fn calls_rotate_over_the_instances() {
    let (one, two) = (fake().await, fake().await);
    let peer = peer(&[one.url.clone(), two.url.clone()], LATER, &Readiness::default());
    for _ in 0..10 {
        list(&peer, true).await.result.unwrap();
    }
    assert_eq!((one.calls(memory::LIST), two.calls(memory::LIST)), (5, 5));
}

#[tokio::test]
async fn a_call_with_an_unknown_outcome_is_retried_only_if_it_is_repeatable() {
    for behaviour in [Behaviour::Status(500, None), Behaviour::CutAfterWork] {
        let (one, peer_of) =
            (fake().await, |fake: &Fake| peer(std::slice::from_ref(&fake.url), LATER, &Readiness::default()));
        one.next(memory::LIST, behaviour.clone());
        let called = list(&peer_of(&one), true).await;
        assert_eq!((called.result.is_ok(), called.attempts), (true, 2), "{behaviour:?}");
        let two = fake().await;
        two.next(memory::LIST, behaviour.clone());
        let called = list(&peer_of(&two), false).await;
        assert_eq!((called.result.is_err(), called.attempts), (true, 1), "{behaviour:?}");
    }
}

#[tokio::test]
async fn a_slow_or_incomprehensible_instance_is_not_retried_but_another_one_is() {
    for behaviour in [Behaviour::Hang, Behaviour::Garbage, Behaviour::OtherVersion] {
        let (ill, well) = (fake().await, fake().await);
        ill.always(behaviour.clone());
        let alone = peer(std::slice::from_ref(&ill.url), SOON, &Readiness::default());
        assert_eq!(list(&alone, true).await.attempts, 1, "{behaviour:?}");
        let both = peer(&[ill.url.clone(), well.url.clone()], LATER.min(SOON * 8), &Readiness::default());
        let called = list(&both, true).await;
        assert_eq!((called.result.is_ok(), called.attempts), (true, 2), "{behaviour:?}");
    }
}

#[tokio::test]
async fn a_used_up_quota_a_refusal_and_a_pause_longer_than_the_deadline_are_final() {
    let cases = [
        Behaviour::Status(429, Some(1)),
        Behaviour::Status(403, None),
        Behaviour::Status(503, Some(30)),
        Behaviour::Refuses(mcp_contracts::ErrorCode::NotFound),
    ];
    for behaviour in cases {
        let one = fake().await;
        one.always(behaviour.clone());
        let called = list(&peer(std::slice::from_ref(&one.url), LATER, &Readiness::default()), true).await;
        assert_eq!((called.result.is_err(), one.calls(memory::LIST)), (true, 1), "{behaviour:?}");
    }
}

#[tokio::test]
async fn a_failing_peer_gets_at_most_half_as_many_retries_as_calls() {
    let one = fake().await;
    let peer = peer(std::slice::from_ref(&one.url), LATER, &Readiness::default());
    let calls = 60;
    for round in 0..calls {
        // Every other call fails, so that the circuit stays closed.
        if round % 2 == 0 {
            one.next(memory::LIST, Behaviour::Status(503, None));
        }
        let _ = list(&peer, true).await;
    }
    assert!(one.calls(memory::LIST) * 2 <= calls * 3, "{} attempts for {calls} calls", one.calls(memory::LIST));
}

#[tokio::test]
async fn a_peer_that_fails_the_probe_opens_the_circuit_and_is_used_again_when_it_is_back() {
    let stage = Stage::new(HASTY).await;
    stage.guardrails.always(Behaviour::Hang);
    let request = request(ActionKind::Answer);
    for execution in join_all((0..5).map(|_| stage.run(&request))).await {
        assert_eq!(execution.status, WorkflowStatus::Blocked);
    }
    until("readiness tells", || async { stage.orchestrator.readiness.reply().fallbacks == ["guardrails"] }).await;
    assert!(stage.orchestrator.readiness.reply().ready, "a fallback serves");
    let asked = stage.guardrails.recorded().len();
    assert_eq!(asked, 5);
    let execution = stage.run(&request).await;
    let guardrails = step(&execution, StepName::Guardrails);
    assert!(guardrails.attempts <= 1, "{guardrails:?}");
    stage.guardrails.always(Behaviour::Healthy);
    until("the circuit closes without a call", || async { !stage.orchestrator.readiness.reply().degraded }).await;
    assert_eq!(stage.run(&request).await.status, WorkflowStatus::Completed);
}

#[tokio::test]
async fn an_open_circuit_makes_no_call() {
    let one = fake().await;
    one.always(Behaviour::Status(500, None));
    let peer = peer(std::slice::from_ref(&one.url), LATER, &Readiness::default());
    let (start, mut errors) = (Instant::now(), Vec::new());
    for org in ["acme", "zeta", "initech"].into_iter().cycle().take(12) {
        errors.push(list_for(&peer, org, false).await.result.unwrap_err());
    }
    assert_eq!(errors[..5], vec![PeerError::Status(500); 5]);
    assert!(errors[5..].contains(&PeerError::Open), "{errors:?}");
    let probes = start.elapsed().as_secs() as usize;
    assert!(one.calls(memory::LIST) <= 5 + probes, "five calls and one probe a second: {}", one.calls(memory::LIST));
}

#[tokio::test]
async fn the_calls_of_one_organisation_never_open_the_circuit_of_a_peer_that_is_ready() {
    let stage = Stage::new(PATIENT).await;
    for _ in 0..30 {
        stage.guardrails.next(guardrails::CHECK, Behaviour::Status(500, None));
    }
    while stage.guardrails.calls(guardrails::CHECK) < 30 {
        assert_ne!(stage.run(&request(ActionKind::Edit)).await.status, WorkflowStatus::Degraded);
    }
    let other = Claims { org_id: "zeta".into(), ..ann() };
    let execution = stage.orchestrator.run(&other, &request(ActionKind::Deploy)).await.unwrap();
    assert_eq!(execution.status, WorkflowStatus::Completed, "{execution:#?}");
}

#[tokio::test]
async fn a_cancelled_call_ends_at_its_peer() {
    let stage = Stage::with("60000", &[(env::WORKFLOW_DEADLINE_MS, "60000")]).await;
    stage.memory.always(Behaviour::Hang);
    let request = request(ActionKind::Answer);
    let running = Box::pin(stage.run(&request));
    let asked = Box::pin(until("memory was asked", || async { stage.memory.calls(memory::SEARCH) == 1 }));
    let Either::Right(((), running)) = select(running, asked).await else { panic!("it ended") };
    assert_eq!(stage.memory.waiting(), 1);
    drop(running);
    until("the peer notices", || async { stage.memory.waiting() == 0 }).await;
}

#[tokio::test]
async fn a_reply_after_the_timeout_is_ignored() {
    let stage = Stage::new(HASTY).await;
    stage.guardrails.always(Behaviour::Late(Duration::from_secs(3)));
    let execution = stage.run(&request(ActionKind::Answer)).await;
    assert_eq!(step(&execution, StepName::Guardrails).detail.as_deref(), Some("slow"));
    // The verdict that allows the run arrived too late; it must have no effect.
    until("the verdict was made", || async { stage.guardrails.finished() == 1 || stage.guardrails.waiting() == 0 })
        .await;
    assert_eq!(stage.patterns.calls(patterns::INJECT), 0);
}

#[tokio::test]
async fn steps_report_their_attempts() {
    let stage = Stage::new(PATIENT).await;
    stage.memory.next(memory::SEARCH, Behaviour::Status(500, None));
    let execution = stage.run(&request(ActionKind::Answer)).await;
    let recalled = step(&execution, StepName::Memory);
    assert_eq!((recalled.outcome, recalled.attempts), (StepOutcome::Ok, 2));
    assert_eq!(execution.status, WorkflowStatus::Completed);
}

#[tokio::test]
async fn a_token_for_a_peer_has_only_the_scopes_of_its_call() {
    let one = fake().await;
    let peer = peer(std::slice::from_ref(&one.url), LATER, &Readiness::default());
    let claims = ann();
    for tool in [LIST, REMEMBER, CHECK] {
        let deadline = Instant::now() + LATER;
        let call = Call { tool, claims: &claims, execution_id: "e-1", deadline, repeatable: true };
        one.next(tool.name, Behaviour::Says(json!({})));
        let _: PeerReply<Value> = peer.call(&call, &json!({})).await;
        assert_eq!(one.recorded().pop().unwrap().claims.scopes, tool.scopes);
    }
}
