//! The counters of this service that begin with 0, because alerts watch them.

use crate::store::DeliveryKind;
use mcp_contracts::guardrails::Severity;
use mcp_contracts::metric;
use mcp_contracts::orchestrator::AgentName;
use mcp_kit::telemetry::zero_counters;

pub(crate) fn begin() {
    let severities = Severity::ALL.map(Severity::name);
    let kinds = DeliveryKind::ALL.map(DeliveryKind::name);
    let agents = AgentName::ALL.map(AgentName::name);
    // The names of `WorkflowStatus`.
    let statuses = ["completed", "degraded", "blocked", "acknowledgement_required"];
    zero_counters(metric::GUARDRAIL_FAIL_CLOSED_TOTAL, &[("severity", &severities)]);
    zero_counters(metric::GUARDRAIL_INVALID_VERDICT_TOTAL, &[]);
    zero_counters(metric::WORKFLOWS_TOTAL, &[("agent", &agents), ("status", &statuses)]);
    zero_counters(metric::OUTBOX_DELIVERED_TOTAL, &[("kind", &kinds)]);
    zero_counters(metric::OUTBOX_DROPPED_TOTAL, &[("kind", &kinds), ("reason", &["full", "old", "refused"])]);
    zero_counters(metric::LLM_CALLS_TOTAL, &[("outcome", &["ok", "unavailable", "budget", "unusable"])]);
    zero_counters(metric::LLM_TOKENS_TOTAL, &[("kind", &["prompt", "completion"])]);
    zero_counters(metric::LLM_COST_MICRO_USD_TOTAL, &[]);
    for (peer, tools) in crate::peers::CALLED {
        let tools: Vec<&'static str> = tools.iter().map(|tool| tool.name).collect();
        let peer = [peer.name()];
        zero_counters(metric::PEER_CALLS_TOTAL, &[("peer", &peer), ("tool", &tools), ("outcome", &["ok", "denied"])]);
        zero_counters(metric::PEER_RETRIES_TOTAL, &[("peer", &peer)]);
        zero_counters(metric::BREAKER_TRANSITIONS_TOTAL, &[("peer", &peer), ("to", &["closed", "half_open", "open"])]);
    }
}
