//! Log lines of denied requests: who was denied what, and why. Anyone can cause them at any rate, so a few of each second are written, and each line
//! has the number of those that were left out before it. The metrics count all of them.

use crate::telemetry::{Sampled, trace_id_of};
use http::request::Parts;
use mcp_contracts::Claims;

/// Requests of strangers. Apart from those of users, so that a stranger cannot hide what users are denied.
static STRANGERS: Sampled = Sampled::new();
static USERS: Sampled = Sampled::new();

/// Logs a request that was denied before its user was known. `reason` is a label, never a text of the client.
pub(super) fn log_stranger(head: &Parts, reason: &'static str) {
    if let Some(unlogged) = STRANGERS.next() {
        let trace_id = trace_id_of(&head.headers);
        // The path is one of those that are served.
        tracing::info!(reason, path = head.uri.path(), traceId = trace_id.as_deref(), unlogged, "request denied");
    }
}

/// Logs a call that a user was denied.
pub(super) fn log_user(head: &Parts, claims: &Claims, tool: &'static str, reason: &'static str) {
    if let Some(unlogged) = USERS.next() {
        let trace_id = trace_id_of(&head.headers);
        tracing::info!(
            reason,
            userId = claims.sub,
            orgId = claims.org_id,
            tool,
            traceId = trace_id.as_deref(),
            unlogged,
            "call denied"
        );
    }
}
