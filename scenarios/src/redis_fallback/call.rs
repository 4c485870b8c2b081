//! The calls of the scenario: one at each service, and a function that returns whether Redis or the fallback admitted a
//! call.

use harness_core::drive::scenario::{Actor, Reply, ScenarioRequest};
use mcp_contracts::headers;
use serde_json::json;

pub(super) async fn memory<'s>(actor: &mut Actor<'s>, part: &str) -> Reply<'s> {
    actor.send(ScenarioRequest::tool("memory_stats", json!({})).at(part)).await
}

pub(super) async fn check<'s>(actor: &mut Actor<'s>) -> Reply<'s> {
    actor.call("check_guardrails", json!({ "action": "answer", "intent": "explain the ledger" })).await
}

pub(super) async fn select<'s>(actor: &mut Actor<'s>) -> Reply<'s> {
    actor.call("select_pattern", json!({ "intent": "review a migration" })).await
}

/// Returns true if a call was admitted in this mode, `redis` or `fallback`.
pub(super) fn is_admitted_by(reply: &Reply<'_>, mode: &str) -> bool {
    reply.is_ok() && reply.header(headers::RATELIMIT_MODE) == Some(mode)
}
