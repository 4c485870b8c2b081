//! What a caller can use up does not switch guardrails off: a daily quota, a burst limit, a text that is too large or costs too much. The caller's
//! own actions are then judged all the same, or blocked. The actions of other organisations go on.

use crate::lifecycle::patient;
use futures::future::{join, join_all};
use harness_core::drive::scenario::{Actor, Reply, Scenario, Stage, StepFailed};
use harness_core::plan::topology::Topology;
use mcp_contracts::limits::MAX_TEXT_BYTES;
use mcp_contracts::{ErrorCode, Plan, Service, env, headers};
use serde_json::{Value, json};
use std::time::Duration;

pub(crate) const SCENARIO: Scenario = Scenario::new(
    "guardrail-exhaustion",
    "a caller who exhausts guardrails gets no unchecked action, and others are not blocked",
    topology,
    |stage| Box::pin(play(stage)),
)
.on_its_own_stack()
.within(120)
.requires(&["degraded-is-declared"]);

/// Daily calls of the free plan at guardrails.
const DAILY: u64 = 3;
/// Calls that an organisation may make at guardrails in one second.
const BURST: u64 = 4;
/// Copies of a request at once. Twice the burst limit, and more, because they may fall into two windows.
const COPIES: usize = 12;
/// Time in which the small quota can be used up, although bursts are limited.
const USING_UP: Duration = Duration::from_secs(10);
/// The actions that continue without a verdict if guardrails are down.
const ACTIONS: [&str; 3] = ["edit", "request", "configure"];
/// A text that a critical rule forbids in any action. No service uses it.
const FORBIDDEN: &str =
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7bq0o6v3mLr2YxKq9dZc1fJt\n-----END RSA PRIVATE KEY-----\n";

fn topology() -> Topology {
    let full = patient().with_setting(Service::Guardrails, env::QUOTA_FREE_DAILY, DAILY);
    full.with_setting(Service::Guardrails, env::QUOTA_BURST_PER_SECOND, BURST)
}

async fn play(stage: &Stage<'_>) -> Result<(), StepFailed> {
    let mut eve = stage.user("eve", "small").on_plan(Plan::Free);
    let first = run(&mut eve, "edit", FORBIDDEN).await;
    let _ = expect_judged(first, "a forbidden edit is blocked by the rules").or_stop()?;
    quota(stage, &mut eve).await;
    size(&mut eve).await;
    cost(stage).await;
    Ok(())
}

/// Uses up the quota at guardrails with cheap checks. The check of a workflow does not need it.
async fn quota(stage: &Stage<'_>, eve: &mut Actor<'_>) {
    let used_up = async || {
        let reply = eve.call("check_guardrails", json!({ "action": "answer", "intent": "x" })).await;
        (reply.header(headers::RATELIMIT_REMAINING) == Some("0") && reply.status() == Some(429)).then_some(())
    };
    stage.wait_until("the daily quota at guardrails is used up", USING_UP, used_up).await;
    for action in ACTIONS {
        let reply = run(eve, action, FORBIDDEN).await;
        let _ = expect_judged(reply, &format!("with a used-up quota, a forbidden `{action}` is blocked by the rules"));
    }
}

/// A text that is larger than guardrails read is refused as a whole.
async fn size(eve: &mut Actor<'_>) {
    let too_large = format!("{}\n{FORBIDDEN}", "x".repeat(MAX_TEXT_BYTES));
    for action in ACTIONS {
        let reply = run(eve, action, &too_large).await;
        let _ =
            reply.expect_error(&format!("`{action}` with a text that is too large is refused"), ErrorCode::TooLarge);
    }
}

/// Many copies of the costliest text at once: guardrails refuse some of them, or do not answer in time.
async fn cost(stage: &Stage<'_>) {
    let padding = "-----BEGIN RSA PRIVATE KEY-----";
    let costly = format!("{}\n{FORBIDDEN}", padding.repeat((MAX_TEXT_BYTES - FORBIDDEN.len() - 1) / padding.len()));
    let mut users: Vec<_> = (0..COPIES).map(|number| stage.user(&format!("user-{number}"), "greedy")).collect();
    let copies = users.iter_mut().enumerate().map(|(number, user)| run(user, ACTIONS[number % ACTIONS.len()], &costly));
    let mut zoe = stage.user("zoe", "zeta");
    let (replies, deploy) = join(join_all(copies), run(&mut zoe, "deploy", "version 4.1 of checkout")).await;
    let ops: Vec<u64> = replies.iter().map(Reply::op).collect();
    let counted = |status: &str| replies.iter().filter(|reply| reply["status"] == status).count();
    let unchecked = replies.iter().filter(|reply| reply["verdict"].is_null() && reply.is_ok()).count();
    let details = format!("{} of {COPIES} blocked, {unchecked} of them without a verdict", counted("blocked"));
    stage.expect("every copy of a costly forbidden request is blocked", counted("blocked") == COPIES, &details, &ops);
    let again = |reply: &&Reply<'_>| reply["verdict"].is_null() && reply["retryable"] != true;
    let retryable = !replies.iter().any(|reply| again(&reply));
    stage.expect("those without a verdict are retryable", retryable, &details, &ops);
    // Otherwise nothing was exhausted, and the expectations above say nothing about a refused check.
    stage.expect("guardrails did not judge all copies at once", unchecked > 0, &details, &ops);
    let _ =
        deploy.expect_result("another organisation's deploy goes on meanwhile", |reply| reply["status"] == "completed");
}

async fn run<'s>(user: &mut Actor<'s>, action: &str, text: &str) -> Reply<'s> {
    let intent = "change the settings of checkout";
    user.call("run_workflow", json!({ "agent": "general", "action": action, "intent": intent, "text": text })).await
}

fn expect_judged<'s>(reply: Reply<'s>, expected: &str) -> Reply<'s> {
    reply.expect_result(expected, |reply: &Value| {
        reply["status"] == "blocked" && reply["verdict"] == "block" && reply["artefact"].is_null()
    })
}
